"""Uniform laws on the circle and on products of circles."""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy import special

from ...arrays import count
from ..process import OrnsteinUhlenbeck, one_time
from .base import Target, radial_rule


class Torus(Target):
    """Uniform law on a product of ``circles`` unit circles in R^(2·circles); one circle: d* = 1.

    On a circle, X_t = (rad, angle) and the posterior of X_0 is von Mises with concentration
    k = mu rad/sigma² and mean resultant A(k) = I_1(k)/I_0(k). The circles are independent, so
    C = d* C_1, B = d* A_1 R_1^(d*−1), V = d* (A_2 R_2^(d*−1) + A_1 R_1^(d*−1)) in denoiser units,
    with A_j = E[r^j |x̃ − m|²], R_j = E r^j, r = exp(k cos)/I_0(k), on one circle.
    """

    def __init__(self, circles: int, process: OrnsteinUhlenbeck) -> None:
        circles = count("circles", circles)
        self.circles, self.dimension, self.process = circles, 2 * circles, process

    def sample(self, n: int, generator: np.random.Generator) -> torch.Tensor:
        n = count("n", n)
        angle = torch.from_numpy(generator.uniform(0.0, 2.0 * math.pi, (n, self.circles)))
        return torch.stack((angle.cos(), angle.sin()), 2).reshape(n, self.dimension)

    def _polar(self, x: torch.Tensor, t: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        planes = x.reshape(-1, self.circles, 2)
        radius = torch.linalg.vector_norm(planes, dim=2)
        k = self.process.mean_scale(t) * radius / self.process.variance(t)
        return planes, radius, k

    def _posterior_mean(self, x: torch.Tensor, t: float) -> torch.Tensor:
        planes, radius, k = self._polar(x, t)
        # At the centre every direction is equally likely and the mean is 0.
        resultant = torch.special.i1e(k) / torch.special.i0e(k)
        direction = planes / radius.clamp(min=1e-300)[:, :, None]
        return (resultant[:, :, None] * direction).reshape(-1, self.dimension)

    def _log_density(self, x: torch.Tensor, t: float) -> torch.Tensor:
        _, radius, k = self._polar(x, t)
        mu, variance = self.process.mean_scale(t), self.process.variance(t)
        one = (torch.special.i0e(k).log() - (radius - mu)**2 / (2 * variance)
               - math.log(2 * math.pi * variance))
        return one.sum(1)

    def entropy(self, t: float) -> float:
        """Sum over the circles of −∫ 2 pi r p_t log p_t dr."""
        t = one_time(t)
        mu, variance = self.process.mean_scale(t), self.process.variance(t)
        z, weights, radius = radial_rule(mu, math.sqrt(variance))
        log_p = (np.log(special.i0e(mu * radius / variance)) - z**2 / 2
                 - math.log(2 * math.pi * variance))
        return -self.circles * float((2 * math.pi * weights * radius * np.exp(log_p)) @ log_p)

    @staticmethod
    def _missing(k: np.ndarray) -> np.ndarray:
        """1 − I_1(k)/I_0(k), by its asymptotic series at large k, where the ratio is near 1."""
        u = 1 / np.maximum(k, 1e3)
        series = u * (1 / 2 + u * (1 / 8 + u * (1 / 8 + u * (25 / 128 + u * (13 / 32)))))
        return np.where(k > 1e3, series, 1 - special.i1e(k) / special.i0e(k))

    def _circle_moments(self, t: float) -> dict[str, float]:
        """C_1, A_1, A_2, R_1, R_2 of one circle in denoiser units."""
        mu, variance = float(self.process.mean_scale(t)), float(self.process.variance(t))
        z, weights, radius = radial_rule(mu, math.sqrt(variance))
        k = mu * radius / variance
        # Rice density of the radius, with exponentially scaled Bessel functions.
        weights = weights * (radius / variance) * np.exp(-z**2 / 2)
        weights = weights * special.i0e(k)
        missing = self._missing(k)
        moments = {}
        for j in range(3):
            ratio = special.i0e((j + 1) * k) / special.i0e(k) ** (j + 1)
            moments[f"R{j}"] = float(weights @ ratio)
            # 1 + A² − 2 A A', written in 1 − A and 1 − A': both vanish with the noise.
            spread = missing**2 + 2 * (1 - missing) * self._missing((j + 1) * k)
            moments[f"A{j}"] = float(weights @ (spread * ratio))
        moments["C1"] = moments["A0"]
        return moments

    def _posterior_variance(self, t: float) -> float:
        return self.circles * self._circle_moments(t)["C1"]

    def _denoiser_constants(self, t: float) -> tuple[float, float, float]:
        m, n = self._circle_moments(t), self.circles
        B = n * m["A1"] * m["R1"] ** (n - 1)
        return n * m["C1"], B, n * m["A2"] * m["R2"] ** (n - 1) + B


class Circle(Torus):
    """Uniform law on the unit circle in the plane: intrinsic dimension 1, span 2."""

    def __init__(self, process: OrnsteinUhlenbeck) -> None:
        super().__init__(1, process)
