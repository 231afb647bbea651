"""A Gaussian law in any dimension."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from ...arrays import as_tensor, count
from ..process import OrnsteinUhlenbeck, one_time
from .base import Target


class Gaussian(Target):
    """N(mean, covariance); covariance is a number, the eigenvalues ``(d,)`` or a matrix ``(d, d)``.

    C_t = Σ_j mu² lambda_j/(sigma² (mu² lambda_j + sigma²)). Raises ``ValueError`` for a covariance
    that is not symmetric and positive semidefinite.
    """

    def __init__(self, mean: Any, covariance: Any, process: OrnsteinUhlenbeck) -> None:
        self.mean = torch.atleast_1d(as_tensor("mean", mean))
        self.dimension, self.process = self.mean.numel(), process
        if self.mean.ndim != 1 or not self.dimension:
            raise ValueError(f"mean must be a vector; got shape {tuple(self.mean.shape)}")
        matrix = as_tensor("covariance", covariance)
        if matrix.ndim == 2:
            if matrix.shape != (self.dimension,) * 2 or not torch.allclose(matrix, matrix.T):
                raise ValueError(f"covariance must be a symmetric matrix of size {self.dimension}")
            self.eigenvalues, self.basis = torch.linalg.eigh(matrix)
            # For an eigenvalue 0 eigh returns rounding, positive or negative, and the root of 1e-16
            # is no longer small.
            rounding = 1e-14 * self.dimension * self.eigenvalues.abs().max()
            self.eigenvalues = self.eigenvalues.where(self.eigenvalues.abs() > rounding, 0.0)
        else:
            if matrix.numel() not in (1, self.dimension):
                raise ValueError(f"covariance must have 1 or {self.dimension} eigenvalues; "
                                 f"got {matrix.numel()}")
            self.eigenvalues = matrix.expand(self.dimension).clone()
            self.basis = None
        if not bool((self.eigenvalues >= 0).all()):
            raise ValueError("covariance must be positive semidefinite")

    def _rotate(self, x: torch.Tensor) -> torch.Tensor:
        return x if self.basis is None else x @ self.basis.to(x)

    def _rotate_back(self, z: torch.Tensor) -> torch.Tensor:
        return z if self.basis is None else z @ self.basis.to(z).T

    def sample(self, n: int, generator: np.random.Generator) -> torch.Tensor:
        n = count("n", n)
        z = torch.from_numpy(generator.standard_normal((n, self.dimension)))
        # The symmetric square root: LAPACK chooses the sign of an eigenvector, and the basis of a
        # multiple eigenvalue, and may choose otherwise on another processor.
        return self.mean + self._rotate_back(self._rotate(z) * self.eigenvalues.sqrt())

    def _posterior_mean(self, x: torch.Tensor, t: float) -> torch.Tensor:
        mu, variance = self.process.mean_scale(t), self.process.variance(t)
        mean, eigenvalues = self.mean.to(x), self.eigenvalues.to(x)
        gain = mu * eigenvalues / (mu**2 * eigenvalues + variance)
        return mean + self._rotate_back(self._rotate(x - mu * mean) * gain)

    def _score(self, x: torch.Tensor, t: float) -> torch.Tensor:
        mu, variance = self.process.mean_scale(t), self.process.variance(t)
        total = mu**2 * self.eigenvalues.to(x) + variance
        return self._rotate_back(self._rotate(mu * self.mean.to(x) - x) / total)

    def _log_density(self, x: torch.Tensor, t: float) -> torch.Tensor:
        mu, variance = self.process.mean_scale(t), self.process.variance(t)
        total = mu**2 * self.eigenvalues.to(x) + variance
        z = self._rotate(x - mu * self.mean.to(x))
        return -0.5 * ((z**2 / total).sum(1) + torch.log(2 * math.pi * total).sum())

    def interval(self, t: float, deviations: float = 9.0) -> tuple[float, float]:
        t = one_time(t)
        if self.dimension != 1:
            return super().interval(t)
        mu = self.process.mean_scale(t)
        centre, half = mu * float(self.mean[0]), deviations * self._finest_scale(t)
        return centre - half, centre + half

    def _finest_scale(self, t: float) -> float:
        mu = self.process.mean_scale(t)
        return math.sqrt(mu**2 * float(self.eigenvalues[0]) + self.process.variance(t))

    def entropy(self, t: float) -> float:
        t = one_time(t)
        mu, variance = self.process.mean_scale(t), self.process.variance(t)
        total = mu**2 * self.eigenvalues + variance
        return 0.5 * float(torch.log(2 * math.pi * math.e * total).sum())

    def _posterior_variance(self, t: float) -> float:
        mu, variance = self.process.mean_scale(t), self.process.variance(t)
        return float((variance * self.eigenvalues / (mu**2 * self.eigenvalues + variance)).sum())
