"""What every target knows, and the laws."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy import special

from ...arrays import as_tensor, count, like
from ...theory.quadrature import gauss_legendre, standard_normal
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


def radial_rule(centre: float, sigma: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nodes z, weights and radii centre + sigma z > 0 of ∫ dr where a radius lives, |z| <= 12.

    In z, which keeps its digits where sigma is below the rounding of the radius.
    """
    z, weights = gauss_legendre(max(-12.0, -centre / sigma), 12.0)
    return z, sigma * weights, centre + sigma * z


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


class HarmonicCurve(Target):
    """Closed curve of constant speed in R^(2·harmonics), uniform law: d* = 1, span 2·harmonics.

    x(angle) = (cos(j angle), sin(j angle))/(j √harmonics), j = 1..harmonics: unit speed, length 2π,
    and a curvature that grows with the number of harmonics. One harmonic is the circle. The
    posterior mean is a sum over ``nodes`` points of the curve, exact to rounding while sigma
    exceeds a few spacings 2π/nodes.
    """

    def __init__(self, harmonics: int, process: OrnsteinUhlenbeck, nodes: int = 4096) -> None:
        harmonics, nodes = count("harmonics", harmonics), count("nodes", nodes, 2)
        self.harmonics, self.dimension, self.process = harmonics, 2 * harmonics, process
        grid = torch.arange(nodes, dtype=torch.float64) * (2 * math.pi / nodes)
        self.grid = self.points(grid)

    def points(self, angle: Any) -> torch.Tensor:
        """The points of the curve at these angles, ``(n,)`` to ``(n, 2·harmonics)``."""
        phase = as_tensor("angle", angle, "n", graph=True)[:, None]
        order = torch.arange(1, self.harmonics + 1, dtype=torch.float64, device=phase.device)
        phase, scale = phase * order, 1 / (order * math.sqrt(self.harmonics))
        return like(torch.stack((phase.cos() * scale, phase.sin() * scale), 2).reshape(
            len(phase), self.dimension), angle)

    @property
    def curvature(self) -> float:
        """|x''|, constant along the curve: √((harmonics + 1)(2 harmonics + 1)/6)."""
        k = self.harmonics
        return math.sqrt((k + 1) * (2 * k + 1) / 6)

    def sample(self, n: int, generator: np.random.Generator) -> torch.Tensor:
        n = count("n", n)
        return self.points(torch.from_numpy(generator.uniform(0.0, 2.0 * math.pi, n)))

    def _logits(self, x: torch.Tensor, t: float) -> torch.Tensor:
        mu, variance = self.process.mean_scale(t), self.process.variance(t)
        # The error of the sum over nodes is exp(−2 pi² (sigma/(mu spacing))²), relative.
        if math.sqrt(variance) * len(self.grid) < 2 * math.pi * 1.4 * mu:
            raise ValueError(f"t must be larger, or nodes more: at {t:g} the noise is smaller than "
                             f"the spacing of {len(self.grid)} nodes")
        return -torch.cdist(x, mu * self.grid.to(x)) ** 2 / (2 * variance)

    def _log_density(self, x: torch.Tensor, t: float) -> torch.Tensor:
        variance = self.process.variance(t)
        logits = self._logits(x, t)
        return (logits.logsumexp(1) - math.log(len(self.grid))
                - 0.5 * self.dimension * math.log(2 * math.pi * variance))

    def _posterior_mean(self, x: torch.Tensor, t: float) -> torch.Tensor:
        return self._logits(x, t).softmax(1) @ self.grid.to(x)


def isometric_embedding(dimension: int, ambient: int,
                        generator: np.random.Generator) -> torch.Tensor:
    """A random matrix ``(dimension, ambient)`` with orthonormal rows: ``x @ matrix`` is isometric.

    QR of a Gaussian matrix. Raises ``ValueError`` unless 1 <= dimension <= ambient.
    """
    dimension, ambient = count("dimension", dimension), count("ambient", ambient)
    if not 1 <= dimension <= ambient:
        raise ValueError(f"dimension must be between 1 and ambient = {ambient}; got {dimension}")
    q, r = np.linalg.qr(generator.standard_normal((ambient, dimension)))
    return torch.from_numpy(np.ascontiguousarray((q * np.sign(np.diag(r))).T))
