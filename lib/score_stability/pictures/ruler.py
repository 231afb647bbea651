"""Real images on a ruler of spheres: which dimension do two neighbours see?"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from .. import datasets, plots
from ..yardsticks.dimension import sphere_dimension, sphere_reading, two_nearest_neighbours
from ..yardsticks.estimates import Estimate

NAMES, SIDES = ("digits", "mnist"), (8, 28)


class Ruler(NamedTuple):
    """The exact ``readings (2, J)`` of spheres of ``dimensions (J,)``, with as many points as there
    are digits and MNIST images, ``numbers (2,)``. For both: the dimension that TwoNN reads on
    ``images`` and on ``models``, Gaussians with mean and covariance of each class (a pair of
    ``Estimate`` each); ``image_dimension (2,)`` and ``model_dimension (2,)`` are those of the
    spheres that read the same. ``shown``: two of the images."""

    dimensions: np.ndarray
    readings: np.ndarray
    numbers: np.ndarray
    images: tuple[Estimate, Estimate]
    models: tuple[Estimate, Estimate]
    image_dimension: np.ndarray
    model_dimension: np.ndarray
    shown: tuple[np.ndarray, np.ndarray]


def class_gaussians(images: datasets.Images, labels: np.ndarray,
                    generator: np.random.Generator) -> np.ndarray:
    """A draw for each entry of ``labels`` from the Gaussian with mean and covariance of its class.

    ``(len(labels), d)``: the mean of the class plus a random combination of its centred images,
    weights N(0, 1/n). Raises ``ValueError`` if ``labels`` names a class without images.
    """
    labels = np.asarray(labels)
    out = np.empty((len(labels), images.pixels.shape[1]))
    for label in np.unique(labels):
        part, wanted = images.pixels[images.labels == label], labels == label
        if not len(part):
            raise ValueError(f"labels must name classes of the images; got {label}")
        mix = generator.standard_normal((int(wanted.sum()), len(part))) / math.sqrt(len(part))
        out[wanted] = part.mean(0) + mix @ (part - part.mean(0))
    return out


def class_copulas(images: datasets.Images, generator: np.random.Generator) -> np.ndarray:
    """As many draws from a Gaussian copula of each class with the histograms of its pixels.

    ``(n, d)``: ``class_gaussians``, the values of a pixel in a class replaced, rank for rank, by
    those of the images.
    """
    out = class_gaussians(images, images.labels, generator)
    for label in np.unique(images.labels):
        part = images.labels == label
        ranks = out[part].argsort(0).argsort(0)
        out[part] = np.take_along_axis(np.sort(images.pixels[part], 0), ranks, 0)
    return out


def read_images(generator: np.random.Generator) -> Ruler:
    """The numbers of ``ruler_of_spheres``: all digits and all MNIST images that are shipped."""
    data = [datasets.load(name) for name in NAMES]
    numbers = np.array([len(images) for images in data])
    found = [(two_nearest_neighbours(images.pixels).dimension,
              two_nearest_neighbours(class_gaussians(images, images.labels, generator)).dimension)
             for images in data]
    dimensions = np.geomspace(3, 150, 40)
    on_spheres = np.array([[sphere_dimension(one.value, n) for one in pair]
                           for pair, n in zip(found, numbers, strict=True)])
    readings = np.array([[sphere_reading(d, n) for d in dimensions] for n in numbers])
    return Ruler(dimensions, readings, numbers, (found[0][0], found[1][0]),
                 (found[0][1], found[1][1]), on_spheres[:, 0], on_spheres[:, 1],
                 (data[0].pixels[3].reshape(8, 8), data[1].pixels[3].reshape(28, 28)))


def ruler_of_spheres() -> Ruler:
    """Digits and MNIST read as spheres of dimension 9.5 and 14, in place of 64 and 784.

    Hero of notebook 09.
    """
    import matplotlib.pyplot as plt

    plots.use_style()
    shown = read_images(np.random.default_rng(9))
    _, axis = plots.panels(height=3.6)
    axis.plot((3, 150), (3, 150), color="0.5", linestyle=":", linewidth=1.4)
    axis.fill_between(shown.dimensions, *shown.readings, color=plots.BLACK, linewidth=1.6)
    for k, colour in enumerate((plots.BLUE, plots.VERMILLION)):
        low, middle = ((5.6, 26), (3.3, 200))[k]
        dim, reading = shown.image_dimension[k], shown.images[k].value
        pixels, words = SIDES[k]**2, ("digits", "MNIST")[k]
        axis.plot((dim, dim), (2.2, reading), color=colour, linewidth=1.6)
        axis.plot(dim, reading, "o", color=colour, markersize=10)
        axis.plot(shown.model_dimension[k], shown.models[k].value, "o", color="white",
                  markeredgecolor=colour, markersize=9, markeredgewidth=2)
        arrow = {"arrowstyle": "-|>", "color": colour, "linewidth": 2, "shrinkA": 0, "shrinkB": 0}
        axis.annotate("", (dim, low), (pixels / 1.45, low), arrowprops=arrow)
        box = axis.inset_axes((pixels / 1.4, low / 1.4, pixels * 0.7, low * 0.8),
                              transform=axis.transData)
        box.set_axis_off()
        box.imshow(shown.shown[k], cmap="gray_r")
        axis.annotate(f"{words}: {pixels} pixels", (middle, low * 1.13), color=colour, ha="center")
        axis.annotate(f"{dim:.1f}", (dim * (0.93, 1.07)[k], 2.42), color=colour,
                      ha=("right", "left")[k], va="center")
    axis.annotate("spheres of known dimension", (82, 41), va="center")
    axis.annotate("Gaussians with mean and\ncovariance of each class", (50, 25), va="center")
    axis.annotate("without bias", (25, 30), color="0.45", ha="right")
    axis.set(xscale="log", yscale="log", xlim=(4, 1500), ylim=(2.2, 65),
             xlabel="dimension of the sphere", ylabel="reading of two neighbours")
    plots.label_ticks(axis.xaxis, (5, 10, 20, 64, 784))
    plots.label_ticks(axis.yaxis, (3, 5, 10, 20, 50))
    plt.show()
    return shown
