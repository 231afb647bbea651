"""The exchange of one training point: what moves (Definition 2), and what it bounds (Theorem 3)."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch

from .. import plots
from ..diffusion.process import OrnsteinUhlenbeck
from ..scores.empirical import EmpiricalScore
from ..theory.exact_cases import two_point
from .plane import gauss, grid, on_circle

_HEAT = OrnsteinUhlenbeck(alpha=0.0)
# Places chosen for legibility: ten points on a circle, the top one replaced by one at the bottom.
_ANGLES = (92, 66, 30, 4, 333, 303, 219, 205, 170, 140)  # degrees; the first is x_i
_FRESH = 254
_SIGMA = 0.35


class Replacement(NamedTuple):
    """One exchange: points ``data (N, 2)`` of which the first gives way to ``fresh (2,)``, noise
    level ``sigma``, and the root mean square move of the score, in score units, with X_t started
    at the fresh point, ``seen_from_fresh``, at the removed one, ``seen_from_removed``, and a
    quarter of the circle from the fresh one, ``seen_from_a_third``."""

    data: np.ndarray
    fresh: np.ndarray
    sigma: float
    seen_from_fresh: float
    seen_from_removed: float
    seen_from_a_third: float


def one_replacement() -> Replacement:
    """The numbers of ``replace_one``, by quadrature over the noise."""
    data, fresh, third = (_on_circle(a) for a in (_ANGLES, [_FRESH], [_FRESH + 90]))
    scores = _both(data, fresh)
    noise, weights = map(torch.from_numpy, gauss(40))

    def move(origin: torch.Tensor) -> float:
        x = origin + _SIGMA * noise
        before, after = (score(x, _SIGMA**2 / 2) for score in scores)
        return math.sqrt(float(weights @ (before - after).square().sum(1)))

    return Replacement(data.numpy(), fresh.numpy()[0], _SIGMA, move(fresh), move(data[:1]),
                       move(third))


def replace_one() -> Replacement:
    """Definition 2: the score before and after, and the change as seen from the fresh point.

    Vector fields of the empirical score of ten points on a circle, lengths compressed; on the right
    the change, darker the more it counts: |ŝ − ŝ^i| times the root of the density of X_t.
    Hero of notebook 03.
    """
    import matplotlib.pyplot as plt
    from matplotlib.colors import LinearSegmentedColormap

    plots.use_style()
    shown = one_replacement()
    data, fresh = torch.from_numpy(shown.data), torch.from_numpy(shown.fresh)[None]
    before, after = _both(data, fresh)
    _, axes = plots.panels(3, height=2.75)
    t, side = shown.sigma**2 / 2, 1.74
    places = _grid(np.linspace(-side + 0.1, side - 0.1, 13))
    turn = np.linspace(0, 2 * np.pi, 300)
    for axis in axes:
        axis.plot(np.cos(turn), np.sin(turn), color="0.8", linewidth=1, zorder=0)
        axis.set(xlim=(-side, side), ylim=(-side, side), xticks=[], yticks=[], aspect="equal")
        axis.grid(False)
        axis.spines[:].set_visible(False)
    for axis, score, title in ((axes[0], before, r"$\hat s$, trained on $S$"),
                               (axes[1], after, r"$\hat s^{\,i}$: $x_i$ replaced by $\tilde x$")):
        _arrows(axis, places, score(places, t), color="0.62", width=0.0055)
        axis.plot(*shown.data[1:].T, "o", color="0.15", markersize=5)
        axis.set_title(title)
    fine = np.linspace(-side, side, 181)
    shades = LinearSegmentedColormap.from_list("shades", ("white", plots.PURPLE))
    seen = _weighted(before, after, _grid(fine), fresh, shown.sigma).sqrt().numpy()
    axes[2].imshow(seen.reshape(181, 181), origin="lower", extent=(-side, side) * 2,
                   cmap=shades, vmax=1.6 * float(seen.max()), zorder=-1)
    near = _grid(np.linspace(-side, side, 23))
    near = near[torch.linalg.vector_norm(near - fresh, dim=1) < 2 * shown.sigma]
    _arrows(axes[2], near, before(near, t) - after(near, t), color=plots.PURPLE, width=0.009)
    axes[2].add_patch(plt.Circle(tuple(shown.fresh), 2 * shown.sigma, fill=False, linestyle="--",
                                 edgecolor=plots.BLUE, linewidth=1.4))
    axes[2].set_title(r"the change, seen from $\tilde x$")
    axes[2].annotate("where $X_t$ lies,\nstarted at $\\tilde x$", (0, 0.2), color=plots.BLUE,
                     ha="center", fontsize=10.5)
    for axis, gone in zip(axes, (False, True, True), strict=True):
        axis.plot(*shown.data[0], "o", color=plots.VERMILLION, markersize=8, markeredgewidth=1.8,
                  markerfacecolor="white" if gone else plots.VERMILLION)
        if gone:
            axis.plot(*shown.fresh, "o", color=plots.BLUE, markersize=8)
    axes[0].annotate("$x_i$", shown.data[0], xytext=(0, 9), textcoords="offset points", fontsize=14,
                     ha="center", color=plots.VERMILLION, bbox=_PATCH)
    axes[1].annotate(r"$\tilde x$", shown.fresh, xytext=(-3, -20), textcoords="offset points",
                     fontsize=14, ha="center", color=plots.BLUE, bbox=_PATCH)
    plt.show()
    return shown


_PATCH = {"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.8}


def _on_circle(degrees: Any) -> torch.Tensor:
    return torch.from_numpy(on_circle(np.asarray(degrees) / 360))


def _both(data: torch.Tensor, fresh: torch.Tensor) -> tuple[EmpiricalScore, EmpiricalScore]:
    """The scores before and after the first point is replaced."""
    return EmpiricalScore(data, _HEAT), EmpiricalScore(torch.cat((fresh, data[1:])), _HEAT)


def _grid(side: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(grid(side))


def _arrows(axis: Any, places: torch.Tensor, field: torch.Tensor, **options: Any) -> None:
    """Arrows whose length grows like the square root of the vector's."""
    length = torch.linalg.vector_norm(field, dim=1, keepdim=True)
    field = field / length.clamp_min(1e-12) * (length / length.max()).sqrt()
    axis.quiver(*places.numpy().T, *field.numpy().T, pivot="mid", scale=11, headwidth=4, **options)


def _weighted(before: EmpiricalScore, after: EmpiricalScore, x: torch.Tensor,
              origin: torch.Tensor, sigma: float) -> torch.Tensor:
    """|ŝ − ŝ^i|² at x times the density of X_t there, started at ``origin``."""
    t = sigma**2 / 2
    density = torch.exp(-(x - origin).square().sum(1) / (2 * sigma**2)) / (2 * math.pi * sigma**2)
    return (before(x, t) - after(x, t)).square().sum(1) * density


class Band(NamedTuple):
    """Theorem 3 for two-point data at snr 1, denoiser units, by N in ``sizes``: √L in ``test``,
    √L̂ in ``training`` and eps_stab in ``stability``."""

    sizes: np.ndarray
    test: np.ndarray
    training: np.ndarray
    stability: np.ndarray


def band() -> Band:
    """The numbers of ``theorem_3``, exact up to quadrature: every N from 2 to 40, then some."""
    sizes = np.unique(np.concatenate((np.arange(2, 41), np.geomspace(41, 200, 30).round())))
    cases = [two_point(int(n), 1.0) for n in sizes]
    return Band(sizes.astype(int), np.array([math.sqrt(c.fresh_loss) for c in cases]),
                np.array([math.sqrt(c.seen_loss) for c in cases]),
                np.array([c.score_stability for c in cases]))


def theorem_3() -> Band:
    """Theorem 3 as a triangle, and as a band around the training error.

    Left: a fresh point on a circle, noised once, denoised by the empirical scores of five points
    before and after one of them is replaced. Right: both losses for two-point data.
    Hero of notebook 04.
    """
    import matplotlib.pyplot as plt

    plots.use_style()
    shown = band()
    _, axes = plots.panels(2, height=3.3, width_ratios=(1, 1.3))
    _triangle(axes[0])
    _band(axes[1], shown)
    plt.show()
    return shown


def _triangle(axis: Any) -> None:
    data, fresh = _on_circle((204, 180, 318, 100, 60)), _on_circle([270])
    moved = data.clone()
    moved[2] = fresh[0]
    x = fresh + torch.tensor([[0.0, 0.45]], dtype=torch.float64)
    m, m_i = (EmpiricalScore(d, _HEAT).denoiser(x, 0.18)[0].numpy() for d in (data, moved))
    points, new, start = data.numpy(), fresh[0].numpy(), x[0].numpy()
    turn = np.linspace(np.pi * 0.9, 2.1 * np.pi, 300)
    axis.plot(np.cos(turn), np.sin(turn), color="0.8", linewidth=1, zorder=0)
    axis.plot(*points[:2].T, "o", color="0.3")
    axis.plot(*points[2], "o", color="0.3", markerfacecolor="white", markersize=7)
    axis.plot(*start, "P", color="0.5", markeredgecolor="none", markersize=8)
    for a, b, colour in ((new, m, plots.VERMILLION), (new, m_i, plots.BLUE),
                         (m, m_i, plots.PURPLE)):
        axis.plot(*np.stack((a, b), 1), color=colour, linewidth=3.2, solid_capstyle="round")
    axis.plot(*new, "o", color=plots.BLUE, markersize=9)
    for text, point, offset, side, colour in (
            ("$x_i$", points[2], (9, 4), "left", "0.3"), ("$X_t$", start, (9, 3), "left", "0.45"),
            (r"$\tilde x$", new, (9, -12), "left", plots.BLUE),
            (r"$\hat m$", m, (3, 10), "center", "0.2"),
            (r"$\hat m^{\,i}$", m_i, (-9, 4), "right", "0.2"),
            ("test\nresidual", (m + new) / 2, (8, -14), "left", plots.VERMILLION),
            ("training\nresidual", (m_i + new) / 2, (-8, -6), "right", plots.BLUE),
            ("stability", (m + m_i) / 2, (-9, 11), "right", plots.PURPLE)):
        axis.annotate(text, point, xytext=offset, textcoords="offset points", color=colour,
                      ha=side, va="center", fontsize=14 if "$" in text else 11)
    axis.set(xlim=(-1.05, 0.95), ylim=(-1.18, 0.12), xticks=[], yticks=[], aspect="equal",
             title="Why: it is a triangle")
    axis.grid(False)
    axis.spines[:].set_visible(False)


def _band(axis: Any, shown: Band) -> None:
    low, high = shown.training - shown.stability, shown.training + shown.stability
    axis.fill_between(shown.sizes, low, high, color=plots.PURPLE, alpha=0.13, linewidth=0)
    for end in (low, high):
        axis.plot(shown.sizes, end, color=plots.PURPLE, linewidth=1)
    marks = np.searchsorted(shown.sizes, (2, 3, 4, 5, 7, 10, 14, 20, 28, 40, 64, 100, 150, 200))
    for values, colour, marker in ((shown.test, plots.VERMILLION, "o"),
                                   (shown.training, plots.BLUE, "s")):
        axis.plot(shown.sizes, values, color=colour, marker=marker, markersize=4,
                  markevery=list(np.minimum(marks, len(values) - 1)))
    for text, place, k, value, colour in (
            (r"test loss $\sqrt{L}$", (15, 0.98), 4, shown.test, plots.VERMILLION),
            (r"training loss $\sqrt{\hat L}$", (15, 0.32), 4, shown.training, plots.BLUE),
            (r"$\sqrt{\hat L}\,\pm\,\varepsilon_{stab}$", (6, 1.33), 1, high, plots.PURPLE)):
        axis.annotate(text, (shown.sizes[k], value[k]), xytext=place, color=colour, fontsize=12,
                      arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.8})
    axis.set(xscale="log", xlim=(2, 200), ylim=(0, 1.6), xlabel="number of training points $N$",
             title="What it says: the test loss stays in the band")
    plots.label_ticks(axis.xaxis, (2, 5, 10, 20, 50, 100, 200))
