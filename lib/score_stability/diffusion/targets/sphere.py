"""The uniform law on the sphere in R³."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from ...arrays import count
from ..process import OrnsteinUhlenbeck, one_time
from .base import Target, radial_rule


class Sphere(Target):
    """Uniform law on the sphere of a given radius in R³: intrinsic dimension 2.

    The posterior is Langevin: with k = mu radius |X|/sigma², m = radius (coth k − 1/k) X/|X|.
    Up to O(exp(−gamma/2)), gamma = mu² radius²/sigma²: B = radius² and
    V = radius² (7/3 + 8 gamma/9) in denoiser units.
    """

    dimension = 3

    def __init__(self, process: OrnsteinUhlenbeck, radius: float = 1.0) -> None:
        if not (math.isfinite(radius) and radius > 0):
            raise ValueError(f"radius must be positive and finite; got {radius}")
        self.radius, self.process = radius, process

    def sample(self, n: int, generator: np.random.Generator) -> torch.Tensor:
        n = count("n", n)
        z = torch.from_numpy(generator.standard_normal((n, 3)))
        return self.radius * z / torch.linalg.vector_norm(z, dim=1, keepdim=True)

    @staticmethod
    def _langevin(k: Any) -> Any:
        """coth k − 1/k, without cancellation at small k."""
        k = np.asarray(k, dtype=np.float64)
        safe = np.where(k < 1e-2, 1.0, k)
        small = np.minimum(k, 1e-2)
        series = small / 3 - small**3 / 45 + 2 * small**5 / 945
        return np.where(k < 1e-2, series, 1.0 / np.tanh(safe) - 1.0 / safe)

    @classmethod
    def _missing(cls, k: np.ndarray) -> np.ndarray:
        """1 − (coth k − 1/k), without cancellation at large k."""
        safe = np.clip(k, 1.0, None)
        with np.errstate(over="ignore"):
            return np.where(k > 1.0, 1 / safe - 2 / np.expm1(2 * safe), 1 - cls._langevin(k))

    def _posterior_mean(self, x: torch.Tensor, t: float) -> torch.Tensor:
        x = x.detach()  # the ratio below is numpy's
        norm = torch.linalg.vector_norm(x, dim=1, keepdim=True)
        k = self.process.mean_scale(t) * self.radius * norm / self.process.variance(t)
        resultant = torch.as_tensor(self._langevin(k.cpu().numpy()), device=x.device)
        return self.radius * resultant * x / norm.clamp(min=1e-300)

    def _log_density(self, x: torch.Tensor, t: float) -> torch.Tensor:
        mu, variance = self.process.mean_scale(t), self.process.variance(t)
        norm = torch.linalg.vector_norm(x, dim=1)
        k = (mu * self.radius * norm / variance).clamp(min=1e-12)
        # log(sinh k / k) = k + log((1 − e^{−2k})/(2k)); the first k completes the square.
        log_ratio = torch.log(-torch.expm1(-2 * k) / (2 * k))
        return (log_ratio - (norm - mu * self.radius) ** 2 / (2 * variance)
                - 1.5 * math.log(2 * math.pi * variance))

    def entropy(self, t: float) -> float:
        """−∫ 4 pi r² p_t log p_t dr."""
        t = one_time(t)
        a, variance = self.process.mean_scale(t) * self.radius, self.process.variance(t)
        z, weights, norm = radial_rule(a, math.sqrt(variance))
        log_p = (np.log(self._scaled(a * norm / variance)) - z**2 / 2
                 - 1.5 * math.log(2 * math.pi * variance))
        return -float((4 * math.pi * weights * norm**2 * np.exp(log_p)) @ log_p)

    @staticmethod
    def _scaled(k: np.ndarray) -> np.ndarray:
        """e^{−k} sinh k / k, which is 1 at 0."""
        k = np.maximum(k, 1e-300)
        return -np.expm1(-2 * k) / (2 * k)

    def _moments(self, t: float) -> list[float]:
        """E[r^j |x̃ − m|²] for j = 0, 1, 2."""
        mu, variance = float(self.process.mean_scale(t)), float(self.process.variance(t))
        sigma, a = math.sqrt(variance), mu * self.radius
        z, weights, norm = radial_rule(a, sigma)
        k = a * norm / variance
        # Density of |X_t|.
        weights = (weights * norm**2 / (sigma * variance) * math.sqrt(2 / math.pi)
                   * np.exp(-z**2 / 2) * self._scaled(k))
        missing = self._missing(k)
        moments = []
        for j in range(3):
            q = (j + 1) * k
            # ∫ r^{j+1} and ∫ r^{j+1} cos over the uniform sphere, r = k e^{k cos}/sinh k.
            plain = self._scaled(q) / self._scaled(k) ** (j + 1)
            # 1 + L² − 2 L L', written in 1 − L and 1 − L': both vanish with the noise.
            spread = missing**2 + 2 * (1 - missing) * self._missing(q)
            moments.append(float(weights @ (self.radius**2 * spread * plain)))
        return moments

    def _posterior_variance(self, t: float) -> float:
        return self._moments(t)[0]

    def _denoiser_constants(self, t: float) -> tuple[float, float, float]:
        C, B, A2 = self._moments(t)
        return C, B, A2 + B
