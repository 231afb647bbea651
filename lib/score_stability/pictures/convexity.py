"""One replaced point moves a convex fit little; a choice between two fits jumps (Lemma 4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .. import plots
from ..theory.exact_cases import fitted_slope

_TWO, _INTERVAL = (0.4, 0.6), (0.45, 0.51)
_N, _OLD, _NEW, _Q = 100, 0.3, 2.0, 0.98  # one of 100 points; q = Σ x²/N before


class ThreeClasses(NamedTuple):
    """N E F/gap by N in ``sizes`` for ``all_slopes``, an ``interval`` and ``two_slopes``; for one
    exchange, before and after: the ``best`` slope, its training loss ``least``, the ``chosen`` one
    of two and its loss ``paid``."""

    sizes: np.ndarray
    all_slopes: np.ndarray
    interval: np.ndarray
    two_slopes: np.ndarray
    best: np.ndarray
    least: np.ndarray
    chosen: np.ndarray
    paid: np.ndarray


def nearer_of_two(slope: np.ndarray) -> np.ndarray:
    """The better of the slopes 0.4 and 0.6: the nearer one, the loss being a parabola."""
    return np.where(slope > 0.5, _TWO[1], _TWO[0])


def clipped(slope: np.ndarray) -> np.ndarray:
    """The best slope of [0.45, 0.51]."""
    return np.clip(slope, *_INTERVAL)


def three_classes() -> ThreeClasses:
    """The numbers of ``lemma_4``, by quadrature; N from 5 to 1000."""
    sizes = np.unique(np.geomspace(5, 1000, 25).round()).astype(int)
    sizes = np.union1d(sizes, (10, 100))

    def ratios(choose: Callable[[np.ndarray], np.ndarray], kinks: tuple[float, ...]) -> np.ndarray:
        cases = [fitted_slope(int(n), choose, kinks) for n in sizes]
        return sizes * np.array([case.move / case.gap for case in cases])

    q = np.array([_Q, _Q + (_NEW**2 - _OLD**2) / _N])
    best = 1 / (1 + q)
    chosen = nearer_of_two(best)
    return ThreeClasses(sizes, ratios(lambda slope: slope, ()), ratios(clipped, _INTERVAL),
                        ratios(nearer_of_two, (0.5,)), best, 1 - best, chosen,
                        (1 + q) * chosen**2 - 2 * chosen + 1)


def lemma_4() -> ThreeClasses:
    """Lemma 4: two training losses that differ by one point, and N E F/gap for three classes.

    Hero of notebook 05.
    """
    import matplotlib.pyplot as plt

    plots.use_style()
    shown = three_classes()
    _, axes = plots.panels(2, height=3.3, width_ratios=(1, 1.2))
    _parabolas(axes[0], shown)
    axis = axes[1]
    for values, colour, line in ((shown.two_slopes, plots.BLACK, ":"),
                                 (shown.all_slopes, plots.PURPLE, "-"),
                                 (shown.interval, plots.GREEN, "-.")):
        axis.plot(shown.sizes, values, color=colour, linestyle=line, linewidth=2.4)
    plots.forbidden(axis, 1, 600)
    axis.set(xscale="log", yscale="log", xlabel="number of training points $N$", xlim=(5, 1000),
             ylim=(0.2, 600), title="mean square move, over gap$/N$")
    plots.label_ticks(axis.xaxis, (5, 10, 100, 1000))
    plots.label_ticks(axis.yaxis, (0.3, 1, 10, 100))
    for x, y, text, side, colour in (
            (5.6, 320, "forbidden to exact convex fits", "left", "0.35"),
            (80, 40, "two slopes\n(not convex)", "right", plots.BLACK),
            (950, 1.5, "all slopes (linear): equal", "right", plots.PURPLE),
            (950, 0.5, "an interval (convex): less", "right", plots.GREEN)):
        axis.annotate(text, (x, y), color=colour, ha=side, va="center")
    plt.show()
    return shown


def _parabolas(axis: Any, shown: ThreeClasses) -> None:
    theta = np.linspace(0.365, 0.635, 200)
    for k, (colour, line, name) in enumerate(((plots.BLUE, "-", "$S$"),
                                              (plots.VERMILLION, "--", "$S^{\\,i}$"))):
        curvature = 1 / shown.best[k]
        axis.plot(theta, curvature * theta**2 - 2 * theta + 1, color=colour, linestyle=line)
        axis.plot(shown.best[k], shown.least[k], "o", color=colour, markersize=8)
        axis.plot(shown.chosen[k], shown.paid[k], "s", color=colour, markersize=9)
        axis.annotate(name, (0.641, curvature * 0.635**2 - 0.27), color=colour, fontsize=14,
                      va="center")
    axis.annotate("", (shown.chosen[1], shown.paid[1]), (shown.chosen[0], shown.paid[0]),
                  arrowprops={"arrowstyle": "-|>", "color": "0.25", "linewidth": 1.6, "shrinkA": 7,
                              "shrinkB": 7, "connectionstyle": "arc3,rad=0.22"})
    for y, text in ((0.532, "the better of two\nslopes jumps"),
                    (0.484, "the best of all slopes\nhardly moves")):
        axis.annotate(text, (0.5, y), ha="center", va="center")
    axis.set(xlabel=r"slope $\theta$ of the score $-\theta x$", ylabel="training loss",
             title="replace one of 100 points", xlim=(0.36, 0.675), ylim=(0.476, 0.546),
             xticks=(0.4, 0.5, 0.6), yticks=())
    axis.grid(False)
