"""The step ratio kappa, moving: what the sampler returns, from memorised to blurred."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from .. import plots
from ..diffusion.process import OrnsteinUhlenbeck
from ..diffusion.targets.gaussian import Gaussian
from ..sampler.exact_law import matched_start, sampler_law
from ..sampler.law_divergences import kl_from
from ..sampler.sampling import kappa_grid, kappa_of_steps
from ..scores.empirical import EmpiricalScore
from . import motion

POINTS, HORIZON, STOP = 40, 10.0, 0.005
# Steps below time 1: each has its kappa, and nothing between two of the last is a grid.
STEPS = (60, 44, 33, 26, 21, 17, 14, 12, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1)


class KappaSweep(NamedTuple):
    """J step ratios, increasing; densities at n places x.

    ``kappa (J,)``; ``kl (J,)``: KL(population || output) in nats, and its ``kl_error (J,)``;
    ``x (n,)``; ``law (J, n)`` and ``population (n,)``: densities of the output and of N(0, 1);
    ``mass_defect (J,)``: 1 − total mass of each law; ``data (N,)``: the training points;
    ``best``: the j of the smallest KL of these.
    """

    kappa: np.ndarray
    kl: np.ndarray
    kl_error: np.ndarray
    x: np.ndarray
    law: np.ndarray
    population: np.ndarray
    mass_defect: np.ndarray
    data: np.ndarray
    best: int


def sweep_kappa(generator: np.random.Generator) -> KappaSweep:
    """The exact law of the Euler–Maruyama output for one data set, at every kappa of ``STEPS``.

    N = 40 points of N(0, 1), their empirical score, alpha = 0, T = 10, epsilon = 0.005.
    """
    process = OrnsteinUhlenbeck(alpha=0.0)
    population = Gaussian([0.0], 1.0, process)
    start = matched_start(population, HORIZON)
    data = population.sample(POINTS, generator)
    kappa = np.array([kappa_of_steps(steps, STOP) for steps in STEPS])
    score, x = EmpiricalScore(data, process), np.linspace(-4, 4, 401)
    laws = [sampler_law(score, process, kappa_grid(k, STOP, HORIZON).times, start,
                        cover=(-9.0, 9.0)) for k in kappa]
    kl, error = np.array([kl_from(population, 0, law, with_error=True) for law in laws]).T
    return KappaSweep(kappa, kl, error, x, np.exp([law.at(x) for law in laws]),
                      np.exp(-x**2 / 2) / math.sqrt(2 * math.pi),
                      np.array([law.mass_defect for law in laws]), data.numpy()[:, 0],
                      int(kl.argmin()))


def _short(kappa: float) -> str:
    return f"{kappa:.2f}" if kappa < 1 else f"{kappa:.1f}" if kappa < 10 else f"{kappa:.0f}"


def kappa_and_the_law() -> KappaSweep:
    """Animated: the exact law of the sampler's output as kappa grows, and its KL from the truth.

    See: at small kappa the output is the training set with a little noise, at large kappa a blur,
    wider than the population; the KL divergence is a U with its minimum inside. Poster: the finest,
    the best and the coarsest of the grids. Returns ``KappaSweep``. Source: notebook 14, Figure 2.
    """
    import matplotlib.pyplot as plt

    shown = sweep_kappa(np.random.default_rng(2))  # chosen for legibility: a clear U
    plots.use_style()
    figure = plt.figure(figsize=(plots.WIDTH, plots.HEIGHT), layout="none")
    left = figure.add_axes((0.02, 0.165, 0.575, 0.735), xlim=(-4, 4), ylim=(0, 0.72), yticks=(),
                           xlabel="$x$")
    left.spines["left"].set_visible(False)
    left.grid(False)
    left.fill_between(shown.x, shown.population, color="0.87", linewidth=0)
    left.plot(shown.data, np.full(POINTS, 0.02), "|", color=plots.VERMILLION, markersize=11,
              markeredgewidth=1.6, clip_on=False)
    right = figure.add_axes((0.665, 0.165, 0.32, 0.735), xscale="log", xlim=(0.06, 300),
                            ylim=(0, 0.48), xlabel=r"step ratio $\kappa$",
                            title=r"KL(population $\Vert$ output)")
    right.plot(shown.kappa, shown.kl, "-o", color="0.6", markersize=3.5, zorder=1)
    right.text(0.15, 0.42, "memorised", color="0.35")
    right.text(250, 0.32, "blurred", color="0.35", ha="right")
    plots.label_ticks(right.xaxis, (0.1, 1, 10, 100))
    right.set_yticks((0, 0.2, 0.4))

    def label(x: float, line: int, words: str, colour: str) -> Any:
        return left.text(x, 0.935 - 0.088 * line, words, color=colour, va="center",
                         transform=left.transAxes)

    def draw(j: int, colour: str) -> list[Any]:
        return (left.plot(shown.x, shown.law[j], color=colour)
                + right.plot(shown.kappa[j], shown.kl[j], "o", color=colour, markersize=9))

    label(0, 0, "output of the sampler", plots.BLUE)
    label(0, 1, "population", "0.45")
    label(0, 2, f"{POINTS} training points", plots.VERMILLION)
    still = []
    for line, (j, colour) in enumerate(((0, plots.BLUE), (shown.best, plots.BLACK),
                                        (len(STEPS) - 1, plots.PURPLE))):
        words = rf"$\kappa = {_short(shown.kappa[j])}$"
        still += [label(0.74, line, words, colour), *draw(j, colour)]
    poster = motion.frame(figure)
    for artist in still:
        artist.remove()
    law, dot = draw(0, plots.BLUE)
    values, frames = label(0.74, 0, "", plots.BLUE), []
    for kappa, kl, density in zip(shown.kappa, shown.kl, shown.law, strict=True):
        law.set_ydata(density)
        dot.set_data([kappa], [kl])
        values.set_text(rf"$\kappa = {_short(kappa)}$")
        frames.append(motion.frame(figure))
    plt.close(figure)
    stay = [300] * (len(frames) - 1) + [1500]
    motion.show(motion.animated_png(frames, stay, poster=poster), 720)
    return shown
