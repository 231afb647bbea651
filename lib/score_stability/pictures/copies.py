"""Perfection memorises: samples of the exact optimum beside the training images they copy, and new
images, which have no twin."""

from __future__ import annotations

import itertools
import math
from typing import Any, NamedTuple

import numpy as np
import torch

from .. import datasets, plots
from ..diffusion.process import OrnsteinUhlenbeck
from ..sampler.sampling import exponential_integrator, kappa_grid, sample
from ..scores.empirical import EmpiricalScore
from ..yardsticks.memorisation import nearest_neighbour_ratio

HORIZON, STOP, KAPPA = 4.0, 1e-3, 0.25
RIDGE = 1e-3  # of the Gaussian model's covariance


class Copies(NamedTuple):
    """Ratios d1/d2 to the training images, noise taken off: of ``sampled (M,)`` images of the
    empirical score, and of ``held_out``, ``gaussian`` and ``white`` ones ``(M',)`` with the same
    noise; the first ``images``, ``twins (2, n, h, w)``, or with colours at the end, as pixels:
    samples and held-out images above their nearest training images, ``origin (M,)`` which one it is
    for each sample. ``noise (M,)`` is d1²/(v d) of the samples, v d the noise of the stopping time;
    ``steps`` what it is on average for one training point, by the recursion of the steps."""

    sampled: np.ndarray
    held_out: np.ndarray
    gaussian: np.ndarray
    white: np.ndarray
    images: np.ndarray
    twins: np.ndarray
    origin: np.ndarray
    noise: np.ndarray
    steps: float


def sample_and_compare(generator: np.random.Generator, images: Any = "mnist", number: int = 4000,
                       count: int = 24, controls: int = 200, shown: int = 6) -> Copies:
    """The numbers of ``perfection_memorises``: ``count`` samples of the reverse process (alpha = 1)
    from N(0, sigma_T² I) with the empirical score of ``number`` images, and as controls held-out
    images, draws of the Gaussian with the training set's mean and covariance, and white noise N(0,
    I), all noised to the time at which the sampler stopped. ``images`` is a data set or the name
    of one for ``datasets.load``.
    """
    process = OrnsteinUhlenbeck(alpha=1.0)
    if isinstance(images, str):
        images = datasets.load(images)
    train, held_out = datasets.split(images, [number, controls], generator)
    scale = datasets.Standardisation.of(train)
    data, fresh = (torch.from_numpy(scale(part)) for part in (train, held_out))
    start = math.sqrt(process.variance(HORIZON)) * torch.from_numpy(
        generator.standard_normal((count, data.shape[1])))
    noise, normal, white = (torch.from_numpy(generator.standard_normal(tuple(fresh.shape)))
                            for _ in range(3))
    times = kappa_grid(KAPPA, STOP, HORIZON).times
    output = sample(EmpiricalScore(data, process), process, times, start, generator,
                    scheme=exponential_integrator)
    variance = float(process.variance(HORIZON))  # with one training point: score -y/sigma_t²
    for a, b in itertools.pairwise(times):
        step = exponential_integrator(process, a, b)
        variance = (step.A - step.B / float(process.variance(a))) ** 2 * variance + step.v
    # Normal weights of the training images have their covariance: no decomposition is needed.
    weights = torch.from_numpy(generator.standard_normal((controls, number))) / math.sqrt(number)
    model = data.mean(0) + weights @ (data - data.mean(0)) + math.sqrt(RIDGE) * normal
    mu = float(process.mean_scale(STOP))
    noised = [output / mu, *(process.sample(x, STOP, noise) / mu for x in (fresh, model, white))]
    v = float(process.variance(STOP)) / mu**2
    found = [nearest_neighbour_ratio(y, data, v) for y in noised]
    rows, twins = (np.stack([scale.to_pixels(x.numpy()).reshape(-1, *train.shape) for x in pair])
                   for pair in ([y[:shown] for y in noised[:2]],
                                [data[f.nearest[:shown]] for f in found[:2]]))
    sampled, new, gaussian, noisy = (f.ratio.numpy() for f in found)
    return Copies(sampled, new, gaussian, noisy, rows, twins, found[0].nearest.numpy(),
                  found[0].distance.numpy() ** 2 / (v * data.shape[1]),
                  variance / float(process.variance(STOP)))


def perfection_memorises() -> Copies:
    """Samples of the empirical score and held-out digits above their nearest training images.

    Right: nearest over second nearest distance, noise taken off. Hero of notebook 02.
    """
    import matplotlib.pyplot as plt

    plots.use_style()
    shown = sample_and_compare(np.random.default_rng(13))
    figure = plt.figure(figsize=(plots.WIDTH, 3.0), layout="none")
    strip = figure.add_axes((0.72, 0.185, 0.262, 0.8))
    groups = ((shown.sampled, plots.BLUE, "exact optimum,\nsampled"),
              (shown.held_out, plots.VERMILLION, "new images"))
    for block, (ratio, colour, label) in enumerate(groups):
        for row, (stack, words) in enumerate(((shown.images, label),
                                              (shown.twins, "nearest in\ntraining set"))):
            bottom = 0.775 - 0.45 * block - 0.185 * row
            figure.text(0.172, bottom + 0.09, words, ha="right", va="center",
                        color="0.25" if row else colour)
            for k, image in enumerate(stack[block]):
                _image(figure.add_axes((0.186 + 0.083 * k, bottom, 0.077, 0.185)), image)
        _strip(strip, ratio, 1 - block, colour)
    strip.axvline(1 / 3, color="0.4", linestyle="--", linewidth=1.2)
    strip.set(xlim=(-0.03, 1.03), ylim=(-0.45, 1.45), yticks=[], xticks=(0, 1 / 3, 1),
              xticklabels=("0", "1/3", "1"))
    strip.set_xlabel("ratio, noise taken off", fontsize=11)
    strip.spines["left"].set_visible(False)
    strip.grid(False)
    plt.show()
    return shown


def _strip(axis: Any, ratio: np.ndarray, place: int, colour: str) -> None:
    y = place + np.random.default_rng(0).uniform(-0.2, 0.2, len(ratio))
    axis.plot(ratio, y, "o", color=colour, markersize=4.5, alpha=0.55, markeredgecolor="none")
    words = f"{int((ratio < 1 / 3).sum())} of {len(ratio)}\nare copies"
    axis.text(*((0.39, place) if place else (0.3, place)), words, color=colour, va="center",
              ha="left" if place else "right")


def _image(axis: Any, image: np.ndarray) -> None:
    axis.imshow(np.clip(image, 0, 1), vmin=0, vmax=1)
    axis.axis("off")
