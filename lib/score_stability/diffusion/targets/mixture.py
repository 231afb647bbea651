"""Mixtures of Gaussians and atoms; two atoms are the smallest data set."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from ...arrays import as_tensor, count
from ...theory.quadrature import standard_normal
from ..process import OrnsteinUhlenbeck, one_time
from .base import Target


class GaussianMixture(Target):
    """Σ_k weights[k] N(means[k], variances[k] I); a variance may be 0 (an atom).

    ``score_matching_constant`` is a quadrature in one dimension and a ``ValueError`` above.
    """

    def __init__(self, weights: Any, means: Any, variances: Any,
                 process: OrnsteinUhlenbeck) -> None:
        self.weights = as_tensor("weights", weights, "K")
        self.means = as_tensor("means", means, len(self.weights), "d")
        if not (bool((self.weights > 0).all()) and abs(float(self.weights.sum()) - 1) < 1e-12):
            raise ValueError("weights must be positive and sum to 1")
        self.variances = as_tensor("variances", variances)
        if self.variances.ndim > 1 or self.variances.numel() not in (1, self.weights.numel()):
            raise ValueError(f"variances must be a number or have shape ({self.weights.numel()},); "
                             f"got {tuple(self.variances.shape)}")
        self.variances = self.variances.expand(self.weights.shape).clone()
        if not bool((self.variances >= 0).all()):
            raise ValueError("variances must be finite and >= 0")
        self.dimension, self.process = self.means.shape[1], process

    def sample(self, n: int, generator: np.random.Generator) -> torch.Tensor:
        n = count("n", n)
        component = torch.from_numpy(
            generator.choice(self.weights.numel(), size=n, p=self.weights.numpy()))
        z = torch.from_numpy(generator.standard_normal((n, self.dimension)))
        return self.means[component] + self.variances[component].sqrt()[:, None] * z

    def _component_log_densities(self, x: torch.Tensor, t: float) -> torch.Tensor:
        mu, variance = self.process.mean_scale(t), self.process.variance(t)
        total = mu**2 * self.variances.to(x) + variance
        squares = ((x[:, None] - mu * self.means.to(x)) ** 2).sum(2)
        return (self.weights.to(x).log() - 0.5 * squares / total
                - 0.5 * self.dimension * torch.log(2 * math.pi * total))

    def _log_density(self, x: torch.Tensor, t: float) -> torch.Tensor:
        return self._component_log_densities(x, t).logsumexp(1)

    def interval(self, t: float, deviations: float = 9.0) -> tuple[float, float]:
        t = one_time(t)
        if self.dimension != 1:
            return super().interval(t)
        centres = self.process.mean_scale(t) * self.means[:, 0].numpy()
        half = deviations * self._deviations(t)
        return float((centres - half).min()), float((centres + half).max())

    def _deviations(self, t: float) -> np.ndarray:
        mu, variance = self.process.mean_scale(t), self.process.variance(t)
        return np.sqrt(mu**2 * self.variances.numpy() + variance)

    def _finest_scale(self, t: float) -> float:
        return float(self._deviations(t).min())

    def _posterior(self, x: torch.Tensor, t: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Component responsibilities (M, K) and component posterior means (M, K, d)."""
        mu, variance = self.process.mean_scale(t), self.process.variance(t)
        responsibilities = self._component_log_densities(x, t).softmax(1)
        centres, variances = self.means.to(x), self.variances.to(x)
        gain = mu * variances / (mu**2 * variances + variance)
        return responsibilities, centres + gain[:, None] * (x[:, None] - mu * centres)

    def _posterior_mean(self, x: torch.Tensor, t: float) -> torch.Tensor:
        responsibilities, means = self._posterior(x, t)
        return (responsibilities[:, :, None] * means).sum(1)

    def _score(self, x: torch.Tensor, t: float) -> torch.Tensor:
        mu, variance = self.process.mean_scale(t), self.process.variance(t)
        total = mu**2 * self.variances.to(x) + variance
        responsibilities = self._component_log_densities(x, t).softmax(1) / total
        return (responsibilities[:, :, None] * (mu * self.means.to(x) - x[:, None])).sum(1)

    def _posterior_variance(self, t: float) -> float:
        if self.dimension != 1:
            raise ValueError("dimension must be 1: the mixture's constant is a 1-D quadrature; "
                             f"got {self.dimension}")
        mu, variance = self.process.mean_scale(t), self.process.variance(t)
        z, weights = standard_normal()
        nodes = torch.from_numpy(z)[:, None]
        total = 0.0
        # Average over the components, each by its own Gaussian rule.
        for k in range(self.weights.numel()):
            scale = math.sqrt(mu**2 * float(self.variances[k]) + variance)
            x = mu * self.means[k] + scale * nodes
            responsibilities, means = self._posterior(x, t)
            means, totals = means[:, :, 0], mu**2 * self.variances + variance
            spread = variance * self.variances / totals
            if mu > 0.5:  # less x/mu, in which their distance drowns at little noise
                means = variance / totals * (self.means[:, 0] - x / mu)
            centre = (responsibilities * means).sum(1, keepdim=True)
            conditional = (responsibilities * (spread + (means - centre) ** 2)).sum(1)
            total += float(self.weights[k]) * float(weights @ conditional.numpy())
        return total


class TwoPoint(GaussianMixture):
    """Mass ½ at −1 and ½ at +1 on the line: everything about it is exact.

    With h = gamma + √gamma Z, gamma = mu²/sigma²: C = E sech² h, B = E sech⁴ h, V = 2B (denoiser
    units).
    """

    def __init__(self, process: OrnsteinUhlenbeck) -> None:
        super().__init__([0.5, 0.5], [[-1.0], [1.0]], 0.0, process)

    def _denoiser_constants(self, t: float) -> tuple[float, float, float]:
        gamma = float(self.process.snr(t))
        if gamma < 1e-280:  # nothing is known about the sign
            return 1.0, 1.0, 2.0
        # E f(h) = e^{−gamma/2} ∫ f cosh dN(0, gamma) for even f. Written so, the integrand is
        # centred; at large gamma all of E f(h) comes from a far tail of h.
        width = min(12 * math.sqrt(gamma), 45.0)
        h, step = np.linspace(-width, width, 4001, retstep=True)
        weights = step * np.exp(-0.5 * (gamma + h**2 / gamma)) / math.sqrt(2 * math.pi * gamma)
        B = float(weights @ np.cosh(h) ** -3)
        return float(weights @ (1 / np.cosh(h))), B, 2.0 * B

    def _posterior_variance(self, t: float) -> float:
        return self._denoiser_constants(t)[0]
