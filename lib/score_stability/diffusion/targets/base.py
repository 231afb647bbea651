"""What every target knows: the base class, and the first-order constants."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch

from ...arrays import as_tensor, like
from ...theory.quadrature import gauss_legendre
from ..process import OrnsteinUhlenbeck, by_time, one_time


class StabilityConstants(NamedTuple):
    """First-order constants of the empirical score at one time, score units."""

    C: float
    B: float
    V: float

    @property
    def limiting_slack(self) -> float:
        """√(V C)/B, the limit of eps_stab/(√L − √L̂) as N → ∞; at least 1 (Cauchy–Schwarz)."""
        if not self.B > 0:
            raise ValueError("limiting_slack needs B > 0: at this time B is 0 to rounding")
        return math.sqrt(self.V / self.B) * math.sqrt(self.C / self.B)  # V C may underflow


class Target:
    """A law nu on R^d carried by the forward process; subclasses fill in the formulas.

    Points are anything that holds real numbers; results are tensors in the floating dtype of a
    tensor x, else float64, differentiable in x (but not ``UniformInterval``, nor the posterior mean
    of ``Sphere``). Raises ``ValueError`` or ``TypeError`` naming the argument for points of another
    dimension or not finite, times that are not positive or are too extreme for the formula.
    """

    dimension: int
    process: OrnsteinUhlenbeck

    def sample(self, n: int, generator: np.random.Generator) -> torch.Tensor:
        """n independent points, float64 ``(n, d)``."""
        raise NotImplementedError

    def log_density(self, x: Any, t: Any) -> torch.Tensor:
        """log p_t(x), ``(M,)``; t a float or ``(M,)``."""
        return self._at(self._log_density, x, t)

    def posterior_mean(self, x: Any, t: Any) -> torch.Tensor:
        """E[X_0 | X_t = x], ``(M, d)``; t a float or ``(M,)``."""
        return self._at(self._posterior_mean, x, t)

    def score(self, x: Any, t: Any) -> torch.Tensor:
        """∇log p_t(x), ``(M, d)``; t a float or ``(M,)``."""
        return self._at(self._score, x, t)

    def _at(self, function: Any, x: Any, t: Any) -> torch.Tensor:
        points = as_tensor("x", x, "M", self.dimension, graph=True)
        return like(by_time(function, points, t), x)

    def _log_density(self, x: torch.Tensor, t: float) -> torch.Tensor:
        raise NotImplementedError

    def _posterior_mean(self, x: torch.Tensor, t: float) -> torch.Tensor:
        raise NotImplementedError

    def _score(self, x: torch.Tensor, t: float) -> torch.Tensor:
        """By Tweedie's formula; laws with a density know it without its cancellation at small t."""
        return self.process.score_from_denoiser(self._posterior_mean(x, t), x, t)

    def _posterior_variance(self, t: float) -> float:
        """E tr Cov(X_0 | X_t): C_t in denoiser units."""
        raise NotImplementedError

    def _denoiser_constants(self, t: float) -> tuple[float, float, float]:
        raise ValueError(f"{type(self).__name__} has no first-order stability constants: "
                         "they need compact support")

    def score_matching_constant(self, t: float) -> float:
        """C_t = (mu²/sigma⁴) E tr Cov(X_0 | X_t), score units."""
        t = one_time(t)
        scale = float(self.process.denoiser_to_score_units(t))
        with np.errstate(all="ignore"):
            return _checked(t, scale * self._posterior_variance(t))[0]

    def fisher_information(self, t: float) -> float:
        """E|∇log p_t(X_t)|² = d/sigma_t² − C_t."""
        t = one_time(t)
        return self.dimension / float(self.process.variance(t)) - self.score_matching_constant(t)

    def interval(self, t: float, deviations: float = 9.0) -> tuple[float, float]:
        """Where p_t lives on the line: its tails beyond are those of ``deviations`` sd."""
        t = one_time(t)
        raise ValueError(f"{type(self).__name__} is not a law on the line")

    def _finest_scale(self, t: float) -> float:
        """Below this length p_t is smooth (laws on the line)."""
        return math.sqrt(self.process.variance(t))

    def line_rule(self, t: float, spacing: float = math.inf) -> tuple[np.ndarray, np.ndarray]:
        """Nodes x and weights w with Σ w f(x) ≈ E f(X_t), for a law on the line.

        Trapezoid rule over ``interval(t)``, nodes an eighth of the finest Gaussian's deviation
        apart, or ``spacing`` if that is less (where f is rougher than p_t). For smooth f its error
        is rounding.
        """
        t = one_time(t)
        if not spacing > 0:
            raise ValueError(f"spacing must be positive; got {spacing}")
        low, high = self.interval(t)
        spacing = min(spacing, self._finest_scale(t) / 8)
        if not (high - low) / spacing < 1e7:
            raise ValueError(f"t must be larger: at {t:g} the rule needs more than 10⁷ nodes")
        x, step = np.linspace(low, high, 2 + math.ceil((high - low) / spacing), retstep=True)
        return x, step * np.exp(self.log_density(torch.from_numpy(x)[:, None], t).numpy())

    def entropy(self, t: float) -> float:
        """Differential entropy H(p_t) = −∫ p_t log p_t, nats; dH/dt = I(p_t) at alpha = 0."""
        t = one_time(t)
        x, weights = self.line_rule(t)
        return -float(weights @ self.log_density(torch.from_numpy(x)[:, None], t).numpy())

    def stability_constants(self, t: float) -> StabilityConstants:
        """C_t, B_t and V_t in score units; ``ValueError`` for a target without compact support."""
        t = one_time(t)
        scale = float(self.process.denoiser_to_score_units(t))
        with np.errstate(all="ignore"):
            return StabilityConstants(*_checked(t, *(scale * c
                                                     for c in self._denoiser_constants(t))))


def _checked(t: float, *values: float) -> list[float]:
    if not all(0 <= value < math.inf for value in values):
        raise ValueError(f"t must be less extreme: the constants are not finite at {t:g}")
    return [float(value) for value in values]


def radial_rule(centre: float, sigma: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nodes z, weights and radii centre + sigma z > 0 of ∫ dr where a radius lives, |z| <= 12.

    In z, which keeps its digits where sigma is below the rounding of the radius.
    """
    z, weights = gauss_legendre(max(-12.0, -centre / sigma), 12.0)
    return z, sigma * weights, centre + sigma * z
