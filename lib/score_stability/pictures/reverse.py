"""The reverse process, moving: with the true score it fills the population, with the empirical one
it ends at the training points."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch

from .. import plots
from ..diffusion.process import OrnsteinUhlenbeck
from ..diffusion.targets.torus import Circle
from ..sampler.sampling import ddpm, geometric_grid, sample
from ..scores.empirical import EmpiricalScore
from . import motion
from .plane import on_circle

POINTS, PATHS, STEPS = 9, 54, 24
HORIZON, STOP = 1.5, 2e-4
NEAR = 4.0  # standard deviations of the last noise: what counts as at a training point


class ReversePaths(NamedTuple):
    """K + 1 times, N training points, M paths per score; lengths in radii of the circle.

    ``times``, ``sigma (K + 1,)``: decreasing, and sigma_t there; ``data (N, 2)``; ``true``,
    ``empirical (K + 1, M, 2)``: states with the population's score and with the empirical one, same
    start and same noise; ``true_distance``, ``empirical_distance (K + 1, M)``: from mu_t times the
    nearest training point, in units of sigma_t; ``true_near``, ``empirical_near (K + 1,)``: how
    many paths are within ``NEAR`` sigma of the *last* time of it.
    """

    times: np.ndarray
    sigma: np.ndarray
    data: np.ndarray
    true: np.ndarray
    empirical: np.ndarray
    true_distance: np.ndarray
    empirical_distance: np.ndarray
    true_near: np.ndarray
    empirical_near: np.ndarray


def run_both_scores(generator: np.random.Generator) -> ReversePaths:
    """Both reverse processes (alpha = 1, DDPM steps of one ratio) from one start with one noise.

    The training points are drawn one from each ninth of the circle, the population is uniform.
    """
    process = OrnsteinUhlenbeck(alpha=1.0)
    data = on_circle((np.arange(POINTS) + generator.random(POINTS)) / POINTS)
    start = torch.from_numpy(generator.standard_normal((PATHS, 2)))
    start = start * math.sqrt(process.variance(HORIZON) + process.mean_scale(HORIZON) ** 2 / 2)
    noise = int(generator.integers(2**32))
    times = geometric_grid(STEPS, STOP, HORIZON)
    sigma, mu = np.sqrt(process.variance(times)), process.mean_scale(times)
    paths, distances, near = [], [], []
    for score in (Circle(process).score, EmpiricalScore(data, process)):
        path = sample(score, process, times, start, np.random.default_rng(noise), scheme=ddpm,
                      path=True).numpy()
        gap = np.linalg.norm(path[:, :, None] - mu[:, None, None, None] * data, axis=3).min(2)
        paths.append(path)
        distances.append(gap / sigma[:, None])
        near.append((gap <= NEAR * sigma[-1]).sum(1))
    return ReversePaths(times, sigma, data, *paths, *distances, *near)


def reverse_paths() -> ReversePaths:
    """Animated: the same noise run backwards with the true and with the empirical score.

    See: both clouds fall towards the circle alike; below sigma_t of about the distance between
    training points the right one splits, and every path ends in a ring around one of them, while on
    the left the paths stay spread over the circle. Poster: the end. Returns ``ReversePaths``.
    Source: notebook 01, Lemma 1 (notebook 02).
    """
    import matplotlib.pyplot as plt

    shown = run_both_scores(np.random.default_rng(3))  # chosen for legibility: no rings overlap
    plots.use_style()
    height = 3.85
    edge = 1.9 * np.array([1.0, 0.76 * height / (0.5 * plots.WIDTH)])  # what the panels show
    figure = plt.figure(figsize=(plots.WIDTH, height), layout="none")
    turn = np.linspace(0, 2 * np.pi, 400)
    clouds, counts = [], []
    for left, title in ((0.0, r"true score $\nabla\log p_t$"),
                        (0.5, r"empirical score $\hat s$ (the exact optimum)")):
        axis = figure.add_axes((left, 0.17, 0.5, 0.76), frame_on=False, xticks=(), yticks=(),
                               xlim=(-edge[0], edge[0]), aspect="equal", title=title)
        axis.set_ylim(-edge[1], edge[1])
        axis.plot(np.cos(turn), np.sin(turn), color="0.8", linewidth=1.2, zorder=0)
        for point in shown.data:
            axis.add_patch(plt.Circle(point, NEAR * shown.sigma[-1], fill=False, linewidth=1.6,
                                      edgecolor=plots.VERMILLION, zorder=1))
        clouds += axis.plot([], [], "o", color=plots.BLUE, markersize=4, markeredgewidth=0)
        figure.text(left + 0.345, 0.13, "in a training point’s ring: ", ha="right", va="center",
                    color=plots.VERMILLION)
        counts.append(figure.text(left + 0.345, 0.13, "", va="center", color=plots.BLUE))
    level = figure.text(0.5, 0.045, "", ha="center", va="center")
    frames = []
    for k, sigma in enumerate(shown.sigma):
        for cloud, path in zip(clouds, (shown.true, shown.empirical), strict=True):
            cloud.set_data(*path[k][(np.abs(path[k]) < edge - 0.05).all(1)].T)
        for count, near in zip(counts, (shown.true_near, shown.empirical_near), strict=True):
            count.set_text(f"{near[k]} of {PATHS}")
        level.set_text(rf"noise level $\sigma_t = {sigma:.2f}$")
        frames.append(motion.frame(figure))
    plt.close(figure)
    stay = [145] * STEPS + [1500]
    motion.show(motion.animated_png(frames, stay, colours=48), 720)
    return shown
