"""Score stability in diffusion models: the paper's objects as small modules.

The modules are the boxes of the paper's component map and import downwards only:
``statements`` · ``runtime`` · ``estimates`` · ``quadrature`` · ``arrays`` · ``process`` ·
``weighting`` · ``targets`` · ``datasets`` · ``empirical`` · ``fourier`` · ``linear_denoisers`` ·
``sampling`` · ``networks`` · ``contraction`` · ``training`` · ``gradient_noise`` ·
``divergences`` · ``exact_law`` · ``exact_cases`` · ``stability`` · ``self_posterior`` ·
``rounding`` · ``bounds`` · ``certificates`` · ``memorisation`` · ``signatures`` · ``dimension`` ·
``plots``.

Conventions. Points ``x`` are ``(M, d)``, data ``(N, d)``, a time is a float or ``(M,)``.
A *score function* is any callable ``score(x, t) -> (M, d)``; an *algorithm* is any callable
``fit(data, generator) -> score``. Arithmetic is float64 whatever comes in (``arrays``); a result is
in the floating dtype and on the device of the first array, float64 where that is a list, a table or
whole numbers. Only ``process``, ``targets`` and training keep a gradient; networks work in float32
if their parameters do.
"""
