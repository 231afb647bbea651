"""The uniform law on an interval."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from scipy import special

from ...arrays import count
from ...theory.quadrature import gauss_legendre
from ..process import OrnsteinUhlenbeck, one_time
from .base import Target


class UniformInterval(Target):
    """Uniform law on [start, end]: a target with a boundary.

    With a = (x − mu end)/sigma, b = (x − mu start)/sigma, Z = Phi(b) − Phi(a):
    p_t(x) = Z/(mu (end − start)), E[X_0 | x] = (x + sigma (phi(b) − phi(a))/Z)/mu.
    """

    dimension = 1

    def __init__(self, process: OrnsteinUhlenbeck, start: float = 0.0, end: float = 1.0) -> None:
        if not (math.isfinite(start) and math.isfinite(end) and start < end):
            raise ValueError(f"start and end must be finite with start < end; got {start}, {end}")
        self.start, self.end, self.process = start, end, process

    def sample(self, n: int, generator: np.random.Generator) -> torch.Tensor:
        n = count("n", n)
        return torch.from_numpy(generator.uniform(self.start, self.end, (n, 1)))

    def _log_mass(self, x: np.ndarray, t: float) -> tuple[np.ndarray, ...]:
        """a, b and log(Phi(b) − Phi(a)), from whichever tail does not cancel."""
        mu, sigma = float(self.process.mean_scale(t)), math.sqrt(float(self.process.variance(t)))
        if mu * (self.end - self.start) < 1e-6 * sigma:
            raise ValueError(f"t must be smaller: at {t:g} rounding loses the interval")
        a, b = (x - mu * self.end) / sigma, (x - mu * self.start) / sigma
        # By symmetry use (−b, −a) where the interval lies in the right tail.
        right = a + b > 0
        low, high = np.where(right, -b, a), np.where(right, -a, b)
        log_low, log_high = special.log_ndtr(low), special.log_ndtr(high)
        return a, b, log_high + np.log(-np.expm1(log_low - log_high))

    def _log_density(self, x: torch.Tensor, t: float) -> torch.Tensor:
        log_mass = self._log_mass(x[:, 0].detach().cpu().numpy(), t)[2]
        mu = float(self.process.mean_scale(t))
        return torch.as_tensor(log_mass, device=x.device) - math.log(mu * (self.end - self.start))

    def interval(self, t: float, deviations: float = 9.0) -> tuple[float, float]:
        t = one_time(t)
        mu, half = self.process.mean_scale(t), deviations * math.sqrt(self.process.variance(t))
        return mu * self.start - half, mu * self.end + half

    def _mean(self, x: np.ndarray, t: float) -> np.ndarray:
        mu, sigma = float(self.process.mean_scale(t)), math.sqrt(float(self.process.variance(t)))
        return np.clip((x + sigma * self._slope(x, t)) / mu, self.start, self.end)

    def _slope(self, x: np.ndarray, t: float) -> np.ndarray:
        """(phi(b) − phi(a))/Z = sigma times the score."""
        a, b, log_mass = self._log_mass(x, t)
        log_phi = -0.5 * math.log(2 * math.pi)
        return np.exp(log_phi - 0.5 * b**2 - log_mass) - np.exp(log_phi - 0.5 * a**2 - log_mass)

    def _posterior_mean(self, x: torch.Tensor, t: float) -> torch.Tensor:
        mean = self._mean(x[:, 0].detach().cpu().numpy(), t)
        return torch.as_tensor(mean, device=x.device)[:, None]

    def _score(self, x: torch.Tensor, t: float) -> torch.Tensor:
        x = x.detach()
        mu, variance = self.process.mean_scale(t), self.process.variance(t)
        slope = self._slope(x[:, 0].cpu().numpy(), t)[:, None] / math.sqrt(variance)
        # A mean outside the interval is rounding, far out in a tail.
        return torch.as_tensor(slope, device=x.device).clamp(
            (mu * self.start - x) / variance, (mu * self.end - x) / variance)

    @lru_cache(maxsize=512)  # noqa: B019 - a target is small, and a sweep asks again
    def _moments(self, t: float) -> tuple[float, ...]:
        """E[r^j |x̃ − m|²] for j = 0, 1, 2; r = p(x̃ | X)/nu(x̃)."""
        mu, sigma = float(self.process.mean_scale(t)), math.sqrt(float(self.process.variance(t)))
        length = self.end - self.start
        low, high = mu * self.start, mu * self.end
        if high - low > 1e7 * sigma:
            raise ValueError(f"t must be larger: at {t:g} rounding loses the noise")
        step: np.ndarray | np.floating  # one, or one for each node
        x, step = np.linspace(low - 10 * sigma, high + 10 * sigma, 4001, retstep=True)
        if high - low > 3900 * sigma:  # the ends on their own scale; between them nothing changes
            pieces = [gauss_legendre(low - 10 * sigma, low + 30 * sigma),
                      gauss_legendre(low + 30 * sigma, high - 30 * sigma, 20),
                      gauss_legendre(high - 30 * sigma, high + 10 * sigma)]
            x, step = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
        a, b, log_mass = self._log_mass(x, t)
        density = np.exp(log_mass) / (mu * length)
        m = self._mean(x, t)
        # Substitute u = (x − mu x̃)/sigma, which runs over [a, b]; |u| > 12 is negligible.
        low, high = np.maximum(a, -12), np.minimum(b, 12)
        high = np.maximum(high, low)
        nodes, weights = np.polynomial.legendre.leggauss(200)
        u = low[:, None] + 0.5 * (high - low)[:, None] * (nodes + 1)
        du = 0.5 * (high - low)[:, None] * weights
        clean = (x[:, None] - sigma * u) / mu
        log_r = (-0.5 * u**2 - 0.5 * math.log(2 * math.pi) - log_mass[:, None]
                 + math.log(mu * length / sigma))
        squared = (clean - m[:, None]) ** 2 * du * sigma / (mu * length)
        return tuple(float(np.sum(step * density * np.sum(np.exp((j + 1) * log_r) * squared, 1)))
                     for j in range(3))

    def _posterior_variance(self, t: float) -> float:
        return self._moments(t)[0]

    def _denoiser_constants(self, t: float) -> tuple[float, float, float]:
        C, B, A2 = self._moments(t)
        return C, B, A2 + B
