"""Score stability in diffusion models: the paper's objects as small modules.

The modules are the boxes of the paper's component map and import downwards only:
``statements`` · ``runtime`` · ``estimates`` · ``quadrature`` · ``process`` · ``weighting`` ·
``targets`` · ``datasets`` · ``empirical`` · ``fourier`` · ``linear_denoisers`` · ``sampling`` ·
``networks`` · ``contraction`` · ``training`` · ``gradient_noise`` · ``divergences`` ·
``exact_law`` · ``exact_cases`` · ``stability`` · ``self_posterior`` · ``bounds`` ·
``certificates`` · ``memorisation`` · ``signatures`` · ``dimension`` · ``plots``.

Conventions. Points ``x`` are ``(M, d)``, data ``(N, d)``, a time is a float or ``(M,)``.
A *score function* is any callable ``score(x, t) -> (M, d)``; an *algorithm* is any callable
``fit(data, generator) -> score``. Arithmetic is float64.
"""
