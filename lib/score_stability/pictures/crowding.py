"""Proposition 6 for exact minimisers: one curve for each intrinsic dimension."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from .. import plots, runtime
from ..diffusion.process import OrnsteinUhlenbeck
from ..diffusion.targets.curve import HarmonicCurve
from ..diffusion.targets.embedding import isometric_embedding
from ..diffusion.targets.sphere import Sphere
from ..diffusion.targets.torus import Circle, Torus
from ..diffusion.weighting import TimeWeighting
from ..stability.definition_2 import measure_empirical
from ..stability.flat_space import flat_stability
from ..yardsticks.estimates import Estimate

_HEAT = OrnsteinUhlenbeck(alpha=0.0)
_TURN = 2 * math.pi
QUERIES = 128


class Marker(NamedTuple):
    """One measurement: N points of a law on a manifold of intrinsic dimension ``dimension`` and
    volume ``volume``, curved on the scale ``reach``, noise ``sigma``, ``local`` = n_loc;
    sigma² eps_stab² as ``measured`` and as ``predicted`` from flat space with N points."""

    name: str
    dimension: int
    number: int
    sigma: float
    reach: float
    local: float
    measured: Estimate
    predicted: float

    @property
    def ratio(self) -> Estimate:
        """measured / predicted."""
        return Estimate(self.measured.value / self.predicted,
                        self.measured.standard_error / self.predicted,
                        self.measured.degrees_of_freedom)

    @property
    def stated(self) -> float:
        """What the prediction leaves out, relative: 8/N (orders of 1/N), 1.5 (sigma/reach)²."""
        return 8 / self.number + 1.5 * (self.sigma / self.reach) ** 2


class Crowding(NamedTuple):
    """``curves[d]`` = f_d at ``local`` training points within the noise, d = 1, 2, 3, by
    quadrature; measured markers."""

    local: np.ndarray
    curves: dict[int, np.ndarray]
    markers: list[Marker]


def measure_crowding(generator: np.random.Generator | None = None,
                     effort: float = 1.0) -> Crowding:
    """The numbers of ``one_curve``; ``effort`` scales the number of data sets."""
    rng = runtime.generator(7, 0) if generator is None else generator
    circle, curve, torus = Circle(_HEAT), HarmonicCurve(3, _HEAT), Torus(2, _HEAT)
    turn = isometric_embedding(4, 50, rng)
    # Name, d*, volume, sampler, reach; (N, sigma, data sets).
    cases = (
        ("circle in R²", 1, _TURN, circle.sample, 1.0,
         ((512, 0.001, 80), (512, 0.04, 80), (512, 0.1, 30), (1024, 0.1, 30))),
        ("closed curve in R⁶", 1, _TURN, curve.sample, 1 / curve.curvature,
         ((512, 0.0003, 80), (512, 0.004, 160), (1024, 0.06, 30))),
        ("torus in R⁴", 2, _TURN**2, torus.sample, 1.0,
         ((512, 0.03, 50), (512, 0.1, 120), (1024, 0.2, 30))),
        ("sphere in R³", 2, 2 * _TURN, Sphere(_HEAT).sample, 1.0,
         ((512, 0.007, 50), (512, 0.07, 140), (1024, 0.12, 40))),
        ("torus in R⁵⁰", 2, _TURN**2, lambda n, g: torus.sample(n, g) @ turn, 1.0,
         ((512, 0.01, 30), (1024, 0.2, 20))),
        ("torus in R⁶", 3, _TURN**3, Torus(3, _HEAT).sample, 1.0,
         ((512, 0.06, 40), (1024, 0.15, 30), (2048, 0.2, 30))))
    markers = []
    for name, dimension, volume, draw, reach, settings in cases:
        for number, sigma, sets in settings:
            found = measure_empirical(draw, _HEAT, TimeWeighting.at(sigma**2 / 2), number, rng,
                                      replicates=max(2, round(sets * effort)), queries=QUERIES)
            local = number / volume * (_TURN * sigma**2) ** (dimension / 2)
            squared = found.stability_squared
            markers.append(Marker(
                name, dimension, number, sigma, reach, local,
                Estimate(sigma**2 * squared.value, sigma**2 * squared.standard_error,
                         squared.degrees_of_freedom),
                flat_stability(dimension, local).of(number)))
    grid = np.geomspace(0.006, 110, 45)
    return Crowding(grid, {d: np.array([flat_stability(d, n).fresh for n in grid])
                           for d in (1, 2, 3)}, markers)


def one_curve() -> Crowding:
    """Score stability against the number of training points within the noise.

    Lines: flat space, exact. Markers: all N replacements, measured on five manifolds. Insets: the
    same points under little and under much noise. Hero of notebook 07.
    """
    import matplotlib.pyplot as plt

    plots.use_style()
    shown = measure_crowding()
    _, axis = plots.panels(height=3.5)
    colours = {1: plots.BLUE, 2: plots.VERMILLION, 3: plots.GREEN}
    for d, curve in shown.curves.items():
        axis.plot(shown.local, np.sqrt(curve), color=colours[d])
    for d, place, words in ((1, (0.03, 140), "curves, $d^*=1$"),
                            (2, (0.0068, 22), "surfaces, $d^*=2$"), (3, (0.0068, 2.6), "$d^*=3$")):
        axis.annotate(words, place, color=colours[d])
    signs = {"closed curve in R⁶": "s", "sphere in R³": "s", "torus in R⁵⁰": "D"}
    for marker in shown.markers:
        axis.plot(marker.local, math.sqrt(marker.measured.value), signs.get(marker.name, "o"),
                  color="white", markeredgecolor=colours[marker.dimension], markersize=6.5,
                  markeredgewidth=1.6, zorder=3)
    axis.set(xscale="log", yscale="log", xlim=(0.006, 110), ylim=(2e-3, 1.5e3),
             xlabel=r"training points within the noise, $n_{loc}$",
             ylabel=r"stability, $\sigma\,\varepsilon_{stab}$")
    cloud = np.random.default_rng(39).random((60, 2)) * (2, 1)
    for box, radius, words in (
            ((0.02, 0.03, 0.32, 0.25), 0.056, "alone: distance to\nthe nearest, over $\\sigma$"),
            ((0.66, 0.62, 0.32, 0.25), 0.36, "crowded: one vote\namong many, "
             r"$\approx0.45/n_{loc}$")):
        _inset(axis.inset_axes(box, xlim=(0, 2), ylim=(0, 1), aspect="equal"), cloud, radius,
               words)
    plt.show()
    return shown


def _inset(axis: Any, cloud: np.ndarray, radius: float, words: str) -> None:
    """Points, and a disc of the noise around one place."""
    import matplotlib.pyplot as plt

    axis.plot(*cloud.T, ".", color="0.15", markersize=4)
    axis.add_patch(plt.Circle((1, 0.5), radius, color=plots.PURPLE, alpha=0.35, linewidth=0))
    axis.plot(1, 0.5, "o", color=plots.PURPLE, markersize=4)
    axis.set_axis_off()
    axis.annotate(words, (1, 1.08), ha="center", va="bottom", annotation_clip=False)
