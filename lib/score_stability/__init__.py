"""Score stability in diffusion models: the paper's objects, in folders that are the paper's boxes.

From the bottom, and every import runs down:
``theory`` what is claimed, in closed form · ``diffusion`` the forward process, the time weighting
and laws known exactly · ``yardsticks`` how anything is measured · ``scores`` what is learned ·
``sampler`` how samples are drawn, and their law · ``optimiser`` how a network is trained ·
``stability`` Definition 2 and both sides of Theorem 3; and what notebooks need besides:
``arrays`` (below everything) · ``jobs`` · ``datasets`` · ``runtime`` · ``plots`` ·
``pictures`` that open the chapters: drawings of one computed example each.

Names come through the folder's door, as in ``from score_stability.sampler import sample``, and are
loaded when they are asked for.

Conventions. Points ``x`` are ``(M, d)``, data ``(N, d)``, a time is a float or ``(M,)``.
A *score function* is any callable ``score(x, t) -> (M, d)``; an *algorithm* is any callable
``fit(data, generator) -> score``. Arithmetic is float64 whatever comes in (``arrays``); a result is
in the floating dtype and on the device of the first array, float64 where that is a list, a table or
whole numbers. Only the process, the targets and training keep a gradient; networks work in float32
if their parameters do.
"""

__version__ = "0.2.0"
