"""Where one exchange moves an exact fit, and what its squares add up to (Proposition 6)."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from .. import plots
from ..diffusion.process import OrnsteinUhlenbeck
from ..scores.empirical import EmpiricalScore
from ..scores.fourier import FourierDenoisers
from ..stability.exchanges import Exchanges, empirical_exchanges, fourier_exchanges

_HEAT, _SIGMA, _N = OrnsteinUhlenbeck(alpha=0.0), 0.01, 64
_T = _SIGMA**2 / 2
ORDERS = np.arange(6)


class ByClass(NamedTuple):
    """One exchange: ``points``, ``removed``, ``added``, and at ``where`` the ``changes`` of the
    denoiser, rows K = 0, K = 3, all functions. Then, for each data set, rows K = 0, …, 5: the
    ``gap``, the moves ``n_move`` (N E F) and the ``stability``; the same for ``all_functions``."""

    points: np.ndarray
    removed: float
    added: float
    where: np.ndarray
    changes: np.ndarray
    gap: np.ndarray
    n_move: np.ndarray
    stability: np.ndarray
    all_functions: np.ndarray


def exchange_by_class(generator: np.random.Generator, sets: int = 200,
                      few: int = 40) -> ByClass:
    """The numbers of ``general_class``: 64 uniform points on [−1/2, 1/2], sigma = 0.01.

    The Fourier classes are fitted to ``sets`` data sets, all functions to the first ``few``.
    """
    draws = generator.uniform(-0.5, 0.5, (sets, _N + 1))
    points, added = generator.uniform(-0.5, 0.5, _N), 0.2
    gone = int(np.abs(points + 0.2).argmin())
    other = np.where(np.arange(_N) == gone, added, points)
    where = np.linspace(-0.5, 0.5, 1001)
    changes = [_denoise(other, where, order) - _denoise(points, where, order)
               for order in (0, 3, None)]
    rows = [_rows([fourier_exchanges(FourierDenoisers(int(order), math.pi, _HEAT, _T), part)
                   for part in np.array_split(draws, 6)]) for order in ORDERS]
    gap, n_move, stability = np.stack(rows, 1)
    everything = _rows([empirical_exchanges(draws[:few], _HEAT, _T)])
    return ByClass(points, float(points[gone]), added, where, np.array(changes), gap, n_move,
                   stability, everything)


def _rows(parts: list[Exchanges]) -> np.ndarray:
    return np.concatenate([(p.gap, _N * p.move, p.stability) for p in parts], 1)


def _denoise(points: np.ndarray, where: np.ndarray, order: int | None) -> np.ndarray:
    if order is None:
        score = EmpiricalScore(points[:, None], _HEAT)
        return score.denoiser(where[:, None], _T)[:, 0].numpy()
    family = FourierDenoisers(order, math.pi, _HEAT, _T)
    features = np.exp(1j * family.omega * where[:, None] * family.order)
    return (features @ family.fit(points)).real


def general_class() -> ByClass:
    """Proposition 6, a general class: the move of one exchange, and gap and stability by class.

    Hero of notebook 08.
    """
    import matplotlib.pyplot as plt

    plots.use_style()
    shown = exchange_by_class(np.random.default_rng(6))
    figure, axes = plt.subplot_mosaic("ad;bd;cd", figsize=(plots.WIDTH, 3.4),
                                      width_ratios=(1, 1.25))
    for name, change, words in zip("abc", shown.changes, (
            "a constant ($K=0$)", "smooth ($K=3$)", "all functions"), strict=True):
        _change(axes[name], shown, change, words)
    axes["c"].set_xticks((shown.removed, shown.added), ("$x_i$ out", r"$\tilde x$ in"))
    _sums(axes["d"], shown)
    figure.align_ylabels()
    plt.show()
    return shown


def _change(axis: Any, shown: ByClass, change: np.ndarray, words: str) -> None:
    axis.vlines((shown.added, shown.removed), -1, 1, (plots.BLUE, plots.VERMILLION), ["-", "--"],
                linewidth=1.2)
    axis.plot(shown.where, change, color=plots.PURPLE)
    axis.plot(shown.points, np.full(_N, -0.0138), "|", color=plots.BLACK, markersize=4)
    axis.set(xlim=(-0.5, 0.5), ylim=(-0.0155, 0.013), yticks=(-0.01, 0, 0.01), xticks=())
    axis.set_yticklabels(("−0.01", "0", "0.01"))
    axis.set_title(words, loc="left", pad=3)
    axis.grid(False)


def _sums(axis: Any, shown: ByClass) -> None:
    end = len(ORDERS) + 0.5
    places = (*ORDERS, end)
    for values, every, marker, colour, size in (
            (shown.gap, shown.all_functions[0], "o", plots.BLACK, 10),
            (shown.stability, shown.all_functions[2], "s", plots.PURPLE, 5)):
        rows = [*values, every]
        middle = np.array([row.mean() for row in rows])
        bars = [2 * row.std(ddof=1) / math.sqrt(len(row)) for row in rows]
        axis.plot(ORDERS, middle[:-1], color=colour, linewidth=1.4)
        axis.errorbar(places, middle, bars, color=colour, marker=marker, linestyle="none",
                      markersize=size, markerfacecolor="white", markeredgewidth=1.5)
    moves = [row.mean() for row in (*shown.n_move, shown.all_functions[1])]
    axis.plot(places, moves, ".", color=plots.BLACK, markersize=5, zorder=4)
    shares = shown.stability.mean(1) / shown.gap.mean(1)
    axis.annotate("test minus training loss (circles)\n= $N$ times the move (dots)", (0.7, 1.1e-3))
    for x, y, text in ((0.85, 3.5e-7, r"seen from $\tilde x$: $\varepsilon_{stab}^2$"),
                       (0, 1.3e-5, "1/64"), (3, 1.55e-7, f"{shares[3]:.2f}"),
                       (end, 2.6e-5, f"{_share(shown.all_functions):.2f}")):
        axis.annotate(text, (x, y), color=plots.PURPLE, ha="center")
    axis.set(yscale="log", xlabel="harmonics $K$ of the class", xlim=(-0.75, end + 0.6),
             ylim=(1e-7, 6e-3), yticks=10.0 ** np.arange(-7, -2), xticks=places,
             xticklabels=[*map(str, ORDERS), "all"])


def _share(rows: np.ndarray) -> float:
    return float(rows[2].mean() / rows[0].mean())
