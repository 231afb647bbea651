"""How sure a noised training point is of itself: its posterior weight, and the most it may be."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch

from .. import plots
from ..diffusion.process import OrnsteinUhlenbeck
from ..scores.empirical import EmpiricalScore
from ..stability.self_posterior import moment_bounds
from ..theory.quadrature import standard_normal
from .plane import grid, on_circle

_HEAT = OrnsteinUhlenbeck(alpha=0.0)
_NUMBER, _CHOSEN = 24, 6
_SIGMAS = np.geomspace(0.02, 10.0, 41)
_CLOUDS = (0.08, 0.5)
_INK = "0.2"


class Recognition(NamedTuple):
    """Points ``data (N, 2)`` and, by noise level in ``sigmas (k,)``, the mean posterior weight of
    each given its own noised copy, ``weight (k, N)``, and the bound (6.3) with a = 1 on it,
    ``bound (k, N)``."""

    data: np.ndarray
    sigmas: np.ndarray
    weight: np.ndarray
    bound: np.ndarray


def recognise(nodes: int = 61) -> Recognition:
    """The numbers of ``self_recognition``, by quadrature over the noise, ``nodes`` a side."""
    places = np.arange(_NUMBER)
    # Uneven places, chosen for legibility.
    data = on_circle((places + 0.33 * np.cos(2.4 * places**2)) / _NUMBER)
    weight = np.stack([_mean_weights(data, sigma, nodes) for sigma in _SIGMAS])
    bound = np.stack([moment_bounds(data, _HEAT, s**2 / 2, 1.0).harnack.numpy() for s in _SIGMAS])
    return Recognition(data, _SIGMAS, weight, bound)


def self_recognition() -> Recognition:
    """The self-posterior lemma: a noised point recognises itself at most as surely as one over its
    neighbours.

    Left: noised copies of one of 24 points on a circle, darker where the posterior gives that point
    more weight. Right: its mean weight and the bound, over the noise level. Hero of notebook 06.
    """
    import matplotlib.pyplot as plt

    plots.use_style()
    shown = recognise()
    _, (*clouds, right) = plots.panels(3, height=2.9, width_ratios=(1, 1, 1.65))
    for axis, sigma in zip(clouds, _CLOUDS, strict=True):
        _cloud(axis, shown.data, sigma)
    x, y = shown.data[_CHOSEN]
    clouds[0].annotate("noised\ncopies of $\\tilde x$", (x, y + 0.32), (0, 1.85), ha="center",
                       arrowprops={"arrowstyle": "-", "color": "0.6"})
    _curves(right, shown)
    plt.show()
    return shown


def _own_weights(data: np.ndarray, index: int, sigma: float, noise: Any) -> np.ndarray:
    """Posterior weight of a point at its copies with this noise ``(n, 2)``."""
    x = torch.from_numpy(data[index] + sigma * noise)
    score = EmpiricalScore(torch.from_numpy(data), _HEAT)
    return score.weights(x, sigma**2 / 2)[:, index].numpy()


def _mean_weights(data: np.ndarray, sigma: float, nodes: int = 61) -> np.ndarray:
    """By the trapezoid rule: Gauss–Hermite does not see how steeply a weight falls."""
    z, w = standard_normal(nodes, 7.5)
    noise, weights = grid(z), np.outer(w, w).ravel()
    noise, weights = noise[weights > 1e-13], weights[weights > 1e-13]
    return np.array([weights @ _own_weights(data, k, sigma, noise) for k in range(len(data))])


def _cloud(axis: Any, data: np.ndarray, sigma: float) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    noise = np.random.default_rng(0).standard_normal((300, 2))
    own = _own_weights(data, _CHOSEN, sigma, noise)
    shades = LinearSegmentedColormap.from_list("shades", ("#E3D3E2", plots.PURPLE, "#3B1239"))
    axis.scatter(*(data[_CHOSEN] + sigma * noise).T, s=10, linewidths=0, color=shades(own))
    axis.plot(*data.T, "o", color=_INK, markersize=4.5)
    axis.plot(*data[_CHOSEN], "o", markerfacecolor="white", markeredgecolor=plots.VERMILLION,
              markeredgewidth=2.2, markersize=8)
    axis.set(xticks=[], yticks=[], xlim=(-1.35, 1.35), ylim=(-1.12, 2.45), aspect="equal",
             title=rf"$\sigma={sigma}$")
    axis.grid(False)
    axis.spines[:].set_visible(False)
    mean = _mean_weights(data, sigma)[_CHOSEN]
    axis.set_xlabel(f"mean weight {mean:.2f}", color=plots.PURPLE)


def _curves(axis: Any, shown: Recognition) -> None:
    weight, bound = shown.weight[:, _CHOSEN], shown.bound[:, _CHOSEN]
    axis.fill_between(shown.sigmas, bound, 2, color="0.92", linewidth=0)
    axis.plot(shown.sigmas, bound, color=plots.VERMILLION, linestyle="--")
    axis.plot(shown.sigmas, weight, color=plots.PURPLE)
    axis.plot(_CLOUDS, [_mean_weights(shown.data, s)[_CHOSEN] for s in _CLOUDS], "o",
              color=plots.PURPLE, markersize=7)
    for place, text, colour, size in (
            ((9.3, 1.22), "impossible", "0.35", 11), ((9.3, 0.74), "at most", plots.VERMILLION, 11),
            ((9.3, 0.47), r"$1/\Sigma_j\,e^{-|x_j-\tilde x|^2/\sigma^2}$", plots.VERMILLION, 13)):
        axis.text(*place, text, color=colour, fontsize=size, va="center", ha="right")
    axis.text(0.023, 0.115, "mean weight\nthat a noised\ncopy of $\\tilde x$\ngives to $\\tilde x$",
              color=plots.PURPLE, va="center")
    axis.set(xscale="log", yscale="log", xlabel=r"noise level $\sigma$", ylim=(0.033, 1.6),
             xlim=(0.02, 10))
    plots.label_ticks(axis.xaxis, (0.02, 0.1, 0.5, 2, 10))
    axis.set_yticks((1, 0.3, 0.1, 1 / _NUMBER), ("1", "0.3", "0.1", f"1/{_NUMBER}"))
    axis.minorticks_off()
    axis.grid(False)
