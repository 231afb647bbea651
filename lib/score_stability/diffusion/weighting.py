"""The time weighting tau of the losses, as a quadrature rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..arrays import as_numpy, count
from ..theory.quadrature import gauss_legendre
from .process import EXTREME


@dataclass(frozen=True)
class TimeWeighting:
    """A finite, *unnormalised* measure tau on times: ∫ f dtau = Σ_k weights[k] f(times[k]).

    The paper needs ∫ sigma_t⁻² tau(dt) < ∞, which a rule with positive times always satisfies.
    Constructors: ``at`` (one time), ``lebesgue`` (dt: the losses are then KL divergences and
    Girsanov has constant one), ``log_uniform`` (dt/t), ``sampler_grid`` (what a sampler sees).

    Raises ``ValueError`` if times or weights are not finite, positive vectors of one length.
    """

    times: np.ndarray
    weights: np.ndarray
    name: str = field(default="tau", compare=False)

    def __post_init__(self) -> None:
        for name in ("times", "weights"):
            array = as_numpy(name, getattr(self, name), "K").copy()
            if not (array > 0).all():
                raise ValueError(f"{name} must be positive and finite")
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        if not (self.times.min() >= 1 / EXTREME and self.times.max() <= EXTREME):
            raise ValueError(f"times must be between {1 / EXTREME:g} and {EXTREME:g}")
        if self.times.shape != self.weights.shape:
            raise ValueError(f"weights must have the length of times, {self.times.size}; "
                             f"got {self.weights.size}")

    @classmethod
    def at(cls, t: float, weight: float = 1.0) -> TimeWeighting:
        """A point mass at one time t."""
        return cls(np.array([t]), np.array([weight]), f"point mass at t = {t:g}")

    @classmethod
    def lebesgue(cls, start: float, end: float, nodes: int = 40) -> TimeWeighting:
        """Lebesgue measure dt on [start, end], by Gauss–Legendre quadrature in log t.

        A partial sum of such a rule is *not* the integral from one of its nodes: build a fresh
        rule for every lower limit.
        """
        times, weights = _gauss_legendre_log(start, end, nodes)
        return cls(times, weights * times, f"dt on [{start:g}, {end:g}]")

    @classmethod
    def log_uniform(cls, start: float, end: float, nodes: int = 40) -> TimeWeighting:
        """dt/t on [start, end], by Gauss–Legendre quadrature in log t."""
        times, weights = _gauss_legendre_log(start, end, nodes)
        return cls(times, weights, f"dt/t on [{start:g}, {end:g}]")

    @classmethod
    def sampler_grid(cls, grid: Any) -> TimeWeighting:
        """tau_kappa = Σ_k (u_k − u_{k+1}) delta_{u_k} for a decreasing grid u_0 > … > u_K.

        It does not contain the last time u_K: a sampler never evaluates the score there.
        """
        grid = as_numpy("grid", grid, "K + 1")
        if grid.size < 2 or not (np.diff(grid) < 0).all():
            raise ValueError("grid must be a strictly decreasing vector of at least two times")
        return cls(grid[:-1], -np.diff(grid), "sampler grid")

    @property
    def total_mass(self) -> float:
        """tau(0, ∞)."""
        return float(self.weights.sum())

    def integrate(self, function: Callable[[float], Any]) -> Any:
        """Σ_k weights[k] function(times[k]); the function may return numbers, arrays, tensors."""
        terms = zip(self.times.tolist(), self.weights.tolist(), strict=True)
        return sum(weight * function(t) for t, weight in terms)


def _gauss_legendre_log(start: float, end: float, nodes: int) -> tuple[np.ndarray, np.ndarray]:
    if not 0 < start < end < np.inf:
        raise ValueError(f"start and end must satisfy 0 < start < end; got {start}, {end}")
    count("nodes", nodes)
    points, weights = gauss_legendre(float(np.log(start)), float(np.log(end)), nodes)
    return np.exp(points), weights
