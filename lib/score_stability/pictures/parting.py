"""The same noise, two scores, in one dimension: when the two reverse processes part."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
import torch

from .. import plots
from ..diffusion.process import OrnsteinUhlenbeck
from ..diffusion.targets.mixture import GaussianMixture
from ..sampler.law_divergences import tv_at
from ..sampler.sampling import kappa_grid, sample
from ..scores.empirical import EmpiricalScore

POINTS, PATHS, HORIZON, STOP = 10, 6, 5.0, 3e-4
MODES, DEVIATION = (-1.5, 1.5), 0.5
_EDGE = 3.1  # what the panels show


class Parting(NamedTuple):
    """N training points, J times, K + 1 steps of six paths, n places.

    ``data (N,)``: drawn; ``even (N,)``: quantiles of both modes, with the population's mean;
    ``times (J,)``: decreasing; ``tv``, ``tv_even (J,)``: TV(p_t, p̂_t) for the one and the other;
    ``side (J,)``: |P(X_t < 0) − P̂(X_t < 0)| for ``data``, the part of ``tv`` that is "which side";
    ``x (n,)``; ``population``, ``training (n, J)``: p_t and p̂_t of ``data``; ``steps (K + 1,)``;
    ``true``, ``empirical (K + 1, 6)``: paths, same start and noise, with either score.
    """

    data: np.ndarray
    even: np.ndarray
    times: np.ndarray
    tv: np.ndarray
    tv_even: np.ndarray
    side: np.ndarray
    x: np.ndarray
    population: np.ndarray
    training: np.ndarray
    steps: np.ndarray
    true: np.ndarray
    empirical: np.ndarray


def _two_modes() -> GaussianMixture:
    """½ N(−1.5, ¼) + ½ N(1.5, ¼) with alpha = 1: the population of notebook 01."""
    return GaussianMixture([0.5, 0.5], [[m] for m in MODES], DEVIATION**2, OrnsteinUhlenbeck(1.0))


def _atoms_at(points: Any, process: OrnsteinUhlenbeck) -> GaussianMixture:
    """The empirical law of points ``(N,)`` on the line; its noised density is p̂_t."""
    points = np.asarray(points, dtype=float)
    return GaussianMixture(np.full(points.size, 1 / points.size), points[:, None], 0.0, process)


def _even_points() -> np.ndarray:
    """Ten points as representative as ten can be: five quantiles of each mode."""
    each = POINTS // 2
    offsets = [DEVIATION * NormalDist().inv_cdf((k + 0.5) / each) for k in range(each)]
    return np.add.outer(MODES, offsets).ravel()


def run_until_they_part(drawn: np.random.Generator, noise: np.random.Generator) -> Parting:
    """Ten points from ``drawn``; paths from ``noise``; distances of the laws by quadrature."""
    target = _two_modes()
    process = target.process
    data = target.sample(POINTS, drawn)
    even = _even_points()
    laws = [_atoms_at(points, process) for points in (data[:, 0], even)]
    times = np.geomspace(HORIZON, STOP, 120)
    tv, tv_even = (np.array([tv_at(target, law, t) for t in times.tolist()]) for law in laws)
    left = _below_zero(data[:, 0].numpy(), process, times)
    x = np.linspace(-_EDGE, _EDGE, 401)
    places = torch.from_numpy(x)[:, None]
    population, training = (
        np.stack([law.log_density(places, t).exp().numpy() for t in times.tolist()], 1)
        for law in (target, laws[0]))
    steps = kappa_grid(0.05, STOP, HORIZON).times
    start = process.sample(target.sample(PATHS, noise), HORIZON,
                           torch.from_numpy(noise.standard_normal((PATHS, 1))))
    seed = int(noise.integers(2**32))
    true, empirical = (
        sample(score, process, steps, start, np.random.default_rng(seed), path=True)[:, :, 0]
        for score in (target.score, EmpiricalScore(data, process)))
    return Parting(data[:, 0].numpy(), even, times, tv, tv_even, np.abs(left - 0.5), x, population,
                   training, steps, true.numpy(), empirical.numpy())


def _below_zero(data: np.ndarray, process: OrnsteinUhlenbeck, times: np.ndarray) -> np.ndarray:
    """P̂(X_t < 0) for each time."""
    ratio = process.mean_scale(times)[:, None] * data / np.sqrt(process.variance(times))[:, None]
    below = np.vectorize(NormalDist().cdf)(-ratio)
    return np.asarray(below.mean(1))


def when_they_part() -> Parting:
    """The laws and six paths of both reverse processes, and the exact TV of the laws under them.

    See: alike down to t = 2; then they disagree on the side, since nine of the ten points lie on
    the right; in the end on the point. Hero of notebook 01.
    """
    import matplotlib.pyplot as plt

    plots.use_style()
    # The draw that notebook 01 has with seed 0; the paths are chosen for legibility.
    shown = run_until_they_part(np.random.default_rng(np.random.SeedSequence(0, spawn_key=(1, 1))),
                                np.random.default_rng(17))
    figure, axes = plots.panels(rows=3, height=3.45, sharex=True, height_ratios=(1, 1, 0.9))
    for axis, density, paths, words, height in (
            (axes[0], shown.population, shown.true, "true score: the population", -0.25),
            (axes[1], shown.training, shown.empirical, "empirical score: the training set", -0.8)):
        axis.contourf(shown.times, shown.x, density / density.max(0),
                      levels=np.linspace(0.04, 1.0001, 8), cmap="Purples", vmax=1.25)
        axis.plot(shown.steps, paths, color=plots.BLUE, linewidth=0.7, antialiased=False)
        axis.plot(shown.steps, paths[:, _thick(shown)], color=plots.BLACK, linewidth=1.7)
        axis.set(ylim=(-_EDGE, _EDGE), yticks=(-2, 0, 2), ylabel="state")
        axis.annotate(words, (0.004, height), ha="center", va="center")
        axis.grid(False)
    axes[1].plot(np.full(POINTS, STOP), shown.data, "<", color=plots.VERMILLION, clip_on=False,
                 markersize=6)
    _distance(axes[2], shown)
    figure.align_ylabels(axes)
    plt.show()
    return shown


def _thick(shown: Parting) -> int:
    """The path that differs most at the end."""
    return int(np.abs(shown.true[-1] - shown.empirical[-1]).argmax())


def _distance(axis: Any, shown: Parting) -> None:
    for values, k in ((shown.tv, 1), (shown.side, 2), (shown.tv_even, 0)):
        look = plots.style(k, marker="")
        axis.plot(shown.times, values, **(look | {"linestyle": "-"} if k == 1 else look))
    axis.set(xscale="log", xlim=(HORIZON, STOP), ylim=(0, 0.8), ylabel="TV",
             xlabel="time $t$, from noise to data", yticks=(0, 0.4, 0.8))
    plots.label_ticks(axis.xaxis, (5, 2, 1, 0.1, 0.01, 0.001))
    for words, place, k in (("the ten points drawn", (0.07, 0.58), 1),
                            ("of it: which side", (0.3, 0.2), 2),
                            ("ten quantiles", (0.0017, 0.13), 0)):
        axis.annotate(words, place, color=plots.STYLES[k]["color"], ha="left", va="center")
