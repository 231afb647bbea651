"""Population laws whose noised score is known exactly.

Each target knows, at every time t > 0: its noised log density log p_t, the posterior mean
E[X_0 | X_t], the score ∇log p_t, and the constant C_t = E|∇log p_{t|0} − ∇log p_t|² (score
units), so that C_sm = ∫ C_t tau(dt). Targets with compact support also know the first-order
constants of the empirical score (theorem proved in the notebook on Proposition 6):

    N² eps_stab,t² → V_t = E[(r² + r)|g − s*|²],     N E l_sm,t → B_t = E[r |g − s*|²],

with g = ∇log p_{t|0}(X_t | x̃), s* = ∇log p_t and r = p(x̃ | X_t)/nu(x̃). All are deterministic
quadratures; no Monte Carlo.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy import special

from .process import OrnsteinUhlenbeck, by_time
from .quadrature import gauss_legendre, standard_normal


class StabilityConstants(NamedTuple):
    """First-order constants of the empirical score at one time, score units."""

    C: float
    B: float
    V: float

    @property
    def limiting_slack(self) -> float:
        """√(V C)/B, the limit of eps_stab/(√L − √L̂) as N → ∞; at least 1 (Cauchy–Schwarz)."""
        return math.sqrt(self.V / self.B) * math.sqrt(self.C / self.B)  # V C may underflow


class Target:
    """A law nu on R^d carried by the forward process; subclasses fill in the formulas."""

    dimension: int
    process: OrnsteinUhlenbeck

    def sample(self, n: int, generator: np.random.Generator) -> torch.Tensor:
        """n independent points, float64 ``(n, d)``."""
        raise NotImplementedError

    def log_density(self, x: torch.Tensor, t: float) -> torch.Tensor:
        """log p_t(x), ``(M,)``."""
        raise NotImplementedError

    def posterior_mean(self, x: torch.Tensor, t: float) -> torch.Tensor:
        """E[X_0 | X_t = x], ``(M, d)``."""
        raise NotImplementedError

    def score(self, x: torch.Tensor, t: float | torch.Tensor) -> torch.Tensor:
        """∇log p_t(x) by Tweedie's formula, ``(M, d)``; t a float or ``(M,)``."""
        return by_time(
            lambda x, t: self.process.score_from_denoiser(self.posterior_mean(x, t), x, t), x, t)

    def _posterior_variance(self, t: float) -> float:
        """E tr Cov(X_0 | X_t): C_t in denoiser units."""
        raise NotImplementedError

    def _denoiser_constants(self, t: float) -> tuple[float, float, float]:
        raise ValueError(f"{type(self).__name__} has no first-order stability constants: "
                         "they need compact support")

    def score_matching_constant(self, t: float) -> float:
        """C_t = (mu²/sigma⁴) E tr Cov(X_0 | X_t), score units."""
        return float(self.process.denoiser_to_score_units(t)) * self._posterior_variance(t)

    def fisher_information(self, t: float) -> float:
        """E|∇log p_t(X_t)|² = d/sigma_t² − C_t."""
        return self.dimension / float(self.process.variance(t)) - self.score_matching_constant(t)

    def interval(self, t: float, deviations: float = 9.0) -> tuple[float, float]:
        """Where p_t lives on the line: its tails beyond are those of ``deviations`` sd."""
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
        if not spacing > 0:
            raise ValueError(f"spacing must be positive; got {spacing}")
        low, high = self.interval(t)
        spacing = min(spacing, self._finest_scale(t) / 8)
        x, step = np.linspace(low, high, 2 + math.ceil((high - low) / spacing), retstep=True)
        return x, step * np.exp(self.log_density(torch.from_numpy(x)[:, None], t).numpy())

    def entropy(self, t: float) -> float:
        """Differential entropy H(p_t) = −∫ p_t log p_t, nats; dH/dt = I(p_t) at alpha = 0."""
        x, weights = self.line_rule(t)
        return -float(weights @ self.log_density(torch.from_numpy(x)[:, None], t).numpy())

    def stability_constants(self, t: float) -> StabilityConstants:
        """C_t, B_t and V_t in score units; ``ValueError`` for a target without compact support."""
        scale = float(self.process.denoiser_to_score_units(t))
        return StabilityConstants(*(scale * c for c in self._denoiser_constants(t)))

    def _check(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.as_tensor(x, dtype=torch.float64)
        if x.ndim != 2 or x.shape[1] != self.dimension:
            raise ValueError(f"x must have shape (M, {self.dimension}); got {tuple(x.shape)}")
        if not bool(torch.isfinite(x).all()):
            raise ValueError("x must be finite")
        return x


def _check_count(n: int) -> None:
    if n < 1:
        raise ValueError(f"n must be at least 1; got {n}")


class Gaussian(Target):
    """N(mean, covariance); covariance is a number, the eigenvalues ``(d,)`` or a matrix ``(d, d)``.

    C_t = Σ_j mu² lambda_j/(sigma² (mu² lambda_j + sigma²)). Raises ``ValueError`` for a covariance
    that is not symmetric and positive semidefinite.
    """

    def __init__(self, mean: Any, covariance: Any, process: OrnsteinUhlenbeck) -> None:
        self.mean = torch.atleast_1d(torch.as_tensor(mean, dtype=torch.float64))
        self.dimension, self.process = self.mean.numel(), process
        if self.mean.ndim != 1 or not bool(torch.isfinite(self.mean).all()):
            raise ValueError("mean must be a finite vector")
        matrix = torch.as_tensor(covariance, dtype=torch.float64)
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
        if not bool((torch.isfinite(self.eigenvalues) & (self.eigenvalues >= 0)).all()):
            raise ValueError("covariance must be finite and positive semidefinite")

    def _rotate(self, x: torch.Tensor) -> torch.Tensor:
        return x if self.basis is None else x @ self.basis.to(x)

    def _rotate_back(self, z: torch.Tensor) -> torch.Tensor:
        return z if self.basis is None else z @ self.basis.to(z).T

    def sample(self, n: int, generator: np.random.Generator) -> torch.Tensor:
        _check_count(n)
        z = torch.from_numpy(generator.standard_normal((n, self.dimension)))
        # The symmetric square root: LAPACK chooses the sign of an eigenvector, and the basis of a
        # multiple eigenvalue, and may choose otherwise on another processor.
        return self.mean + self._rotate_back(self._rotate(z) * self.eigenvalues.sqrt())

    def posterior_mean(self, x: torch.Tensor, t: float) -> torch.Tensor:
        x = self._check(x)
        mu, variance = self.process.mean_scale(t), self.process.variance(t)
        mean, eigenvalues = self.mean.to(x), self.eigenvalues.to(x)
        gain = mu * eigenvalues / (mu**2 * eigenvalues + variance)
        return mean + self._rotate_back(self._rotate(x - mu * mean) * gain)

    def log_density(self, x: torch.Tensor, t: float) -> torch.Tensor:
        mu, variance = self.process.mean_scale(t), self.process.variance(t)
        x = self._check(x)
        total = mu**2 * self.eigenvalues.to(x) + variance
        z = self._rotate(x - mu * self.mean.to(x))
        return -0.5 * ((z**2 / total).sum(1) + torch.log(2 * math.pi * total).sum())

    def interval(self, t: float, deviations: float = 9.0) -> tuple[float, float]:
        if self.dimension != 1:
            return super().interval(t)
        mu = self.process.mean_scale(t)
        centre, half = mu * float(self.mean[0]), deviations * self._finest_scale(t)
        return centre - half, centre + half

    def _finest_scale(self, t: float) -> float:
        mu = self.process.mean_scale(t)
        return math.sqrt(mu**2 * float(self.eigenvalues[0]) + self.process.variance(t))

    def entropy(self, t: float) -> float:
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
        self.weights = torch.atleast_1d(torch.as_tensor(weights, dtype=torch.float64))
        self.means = torch.as_tensor(means, dtype=torch.float64)
        if self.means.ndim != 2 or self.means.shape[0] != self.weights.numel():
            raise ValueError(f"means must have shape ({self.weights.numel()}, d); "
                             f"got {tuple(self.means.shape)}")
        if not bool(torch.isfinite(self.means).all()):
            raise ValueError("means must be finite")
        if not (bool((self.weights > 0).all()) and abs(float(self.weights.sum()) - 1) < 1e-12):
            raise ValueError("weights must be positive and sum to 1")
        self.variances = torch.as_tensor(variances, dtype=torch.float64)
        if self.variances.numel() not in (1, self.weights.numel()):
            raise ValueError(f"variances must be a number or have shape ({self.weights.numel()},); "
                             f"got {tuple(self.variances.shape)}")
        self.variances = self.variances.expand(self.weights.shape).clone()
        if not bool((torch.isfinite(self.variances) & (self.variances >= 0)).all()):
            raise ValueError("variances must be finite and >= 0")
        self.dimension, self.process = self.means.shape[1], process

    def sample(self, n: int, generator: np.random.Generator) -> torch.Tensor:
        _check_count(n)
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

    def log_density(self, x: torch.Tensor, t: float) -> torch.Tensor:
        return self._component_log_densities(self._check(x), t).logsumexp(1)

    def interval(self, t: float, deviations: float = 9.0) -> tuple[float, float]:
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

    def posterior_mean(self, x: torch.Tensor, t: float) -> torch.Tensor:
        responsibilities, means = self._posterior(self._check(x), t)
        return (responsibilities[:, :, None] * means).sum(1)

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
            spread = variance * self.variances / (mu**2 * self.variances + variance)
            centre = (responsibilities[:, :, None] * means).sum(1)
            conditional = (responsibilities * (spread + (means[:, :, 0] - centre) ** 2)).sum(1)
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
        # E f(h) = e^{−gamma/2} ∫ f cosh dN(0, gamma) for even f. Written so, the integrand is
        # centred; at large gamma all of E f(h) comes from a far tail of h.
        width = min(12 * math.sqrt(gamma), 45.0)
        h, step = np.linspace(-width, width, 4001, retstep=True)
        weights = step * np.exp(-0.5 * (gamma + h**2 / gamma)) / math.sqrt(2 * math.pi * gamma)
        B = float(weights @ np.cosh(h) ** -3)
        return float(weights @ (1 / np.cosh(h))), B, 2.0 * B

    def _posterior_variance(self, t: float) -> float:
        return self._denoiser_constants(t)[0]


class Torus(Target):
    """Uniform law on a product of ``circles`` unit circles in R^(2·circles); one circle: d* = 1.

    On a circle, X_t = (rad, angle) and the posterior of X_0 is von Mises with concentration
    k = mu rad/sigma² and mean resultant A(k) = I_1(k)/I_0(k). The circles are independent, so
    C = d* C_1, B = d* A_1 R_1^(d*−1), V = d* (A_2 R_2^(d*−1) + A_1 R_1^(d*−1)) in denoiser units,
    with A_j = E[r^j |x̃ − m|²], R_j = E r^j, r = exp(k cos)/I_0(k), on one circle.
    """

    def __init__(self, circles: int, process: OrnsteinUhlenbeck) -> None:
        if circles < 1:
            raise ValueError(f"circles must be at least 1; got {circles}")
        self.circles, self.dimension, self.process = circles, 2 * circles, process

    def sample(self, n: int, generator: np.random.Generator) -> torch.Tensor:
        _check_count(n)
        angle = torch.from_numpy(generator.uniform(0.0, 2.0 * math.pi, (n, self.circles)))
        return torch.stack((angle.cos(), angle.sin()), 2).reshape(n, self.dimension)

    def _polar(self, x: torch.Tensor, t: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        planes = self._check(x).reshape(-1, self.circles, 2)
        radius = torch.linalg.vector_norm(planes, dim=2)
        k = self.process.mean_scale(t) * radius / self.process.variance(t)
        return planes, radius, k

    def posterior_mean(self, x: torch.Tensor, t: float) -> torch.Tensor:
        planes, radius, k = self._polar(x, t)
        # At the centre every direction is equally likely and the mean is 0.
        resultant = torch.special.i1e(k) / torch.special.i0e(k)
        direction = planes / radius.clamp(min=1e-300)[:, :, None]
        return (resultant[:, :, None] * direction).reshape(-1, self.dimension)

    def log_density(self, x: torch.Tensor, t: float) -> torch.Tensor:
        _, radius, k = self._polar(x, t)
        mu, variance = self.process.mean_scale(t), self.process.variance(t)
        log_i0 = torch.special.i0e(k).log() + k
        one = -(radius**2 + mu**2) / (2 * variance) + log_i0 - math.log(2 * math.pi * variance)
        return one.sum(1)

    def entropy(self, t: float) -> float:
        """Sum over the circles of −∫ 2 pi r p_t log p_t dr."""
        mu, sigma = self.process.mean_scale(t), math.sqrt(self.process.variance(t))
        radius, weights = gauss_legendre(max(0.0, mu - 12 * sigma), mu + 12 * sigma)
        one = Torus(1, self.process)
        x = torch.from_numpy(np.stack((radius, np.zeros_like(radius)), 1))
        log_p = one.log_density(x, t).numpy()
        return -self.circles * float((2 * math.pi * weights * radius * np.exp(log_p)) @ log_p)

    def _circle_moments(self, t: float) -> dict[str, float]:
        """C_1, A_1, A_2, R_1, R_2 of one circle in denoiser units."""
        mu, variance = float(self.process.mean_scale(t)), float(self.process.variance(t))
        sigma = math.sqrt(variance)
        radius, weights = gauss_legendre(max(0.0, mu - 12 * sigma), mu + 12 * sigma)
        k = mu * radius / variance
        # Rice density of the radius, with exponentially scaled Bessel functions.
        weights = weights * (radius / variance) * np.exp(-((radius - mu) ** 2) / (2 * variance))
        weights = weights * special.i0e(k)
        A = special.i1e(k) / special.i0e(k)
        moments = {}
        for j in range(3):
            i0, i1 = special.i0e((j + 1) * k), special.i1e((j + 1) * k)
            scale = special.i0e(k) ** (j + 1)
            moments[f"R{j}"] = float(weights @ (i0 / scale))
            moments[f"A{j}"] = float(weights @ (((1 + A**2) * i0 - 2 * A * i1) / scale))
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
        _check_count(n)
        z = torch.from_numpy(generator.standard_normal((n, 3)))
        return self.radius * z / torch.linalg.vector_norm(z, dim=1, keepdim=True)

    @staticmethod
    def _langevin(k: Any) -> Any:
        """coth k − 1/k, without cancellation at small k."""
        k = np.asarray(k, dtype=np.float64)
        safe = np.where(k < 1e-2, 1.0, k)
        series = k / 3 - k**3 / 45 + 2 * k**5 / 945
        return np.where(k < 1e-2, series, 1.0 / np.tanh(safe) - 1.0 / safe)

    def posterior_mean(self, x: torch.Tensor, t: float) -> torch.Tensor:
        x = self._check(x)
        norm = torch.linalg.vector_norm(x, dim=1, keepdim=True)
        k = self.process.mean_scale(t) * self.radius * norm / self.process.variance(t)
        resultant = torch.as_tensor(self._langevin(k.cpu().numpy()), device=x.device)
        return self.radius * resultant * x / norm.clamp(min=1e-300)

    def log_density(self, x: torch.Tensor, t: float) -> torch.Tensor:
        x = self._check(x)
        mu, variance = self.process.mean_scale(t), self.process.variance(t)
        norm = torch.linalg.vector_norm(x, dim=1)
        k = (mu * self.radius * norm / variance).clamp(min=1e-12)
        # log(sinh k / k) = k + log((1 − e^{−2k})/(2k))
        log_ratio = k + torch.log(-torch.expm1(-2 * k) / (2 * k))
        return (-(norm**2 + (mu * self.radius) ** 2) / (2 * variance) + log_ratio
                - 1.5 * math.log(2 * math.pi * variance))

    def entropy(self, t: float) -> float:
        """−∫ 4 pi r² p_t log p_t dr."""
        a, sigma = self.process.mean_scale(t) * self.radius, math.sqrt(self.process.variance(t))
        norm, weights = gauss_legendre(max(0.0, a - 12 * sigma), a + 12 * sigma)
        x = torch.from_numpy(np.stack((norm, 0 * norm, 0 * norm), 1))
        log_p = self.log_density(x, t).numpy()
        return -float((4 * math.pi * weights * norm**2 * np.exp(log_p)) @ log_p)

    def _moments(self, t: float) -> list[float]:
        """E[r^j |x̃ − m|²] for j = 0, 1, 2."""
        mu, variance = float(self.process.mean_scale(t)), float(self.process.variance(t))
        sigma, a = math.sqrt(variance), float(self.process.mean_scale(t)) * self.radius
        norm, weights = gauss_legendre(max(0.0, a - 12 * sigma), a + 12 * sigma)
        k = mu * self.radius * norm / variance
        # Density of |X_t|, sinh written as exp(k)(1 − e^{−2k})/2.
        weights = (weights * norm / (sigma * a) * math.sqrt(2 / math.pi)
                   * np.exp(-((norm - a) ** 2) / (2 * variance)) * -np.expm1(-2 * k) / 2)
        L = self._langevin(k)
        moments = []
        for j in range(3):
            q = (j + 1) * k
            # ∫ r^{j+1} and ∫ r^{j+1} cos over the uniform sphere, r = k e^{k cos}/sinh k.
            plain = (2 * k / -np.expm1(-2 * k)) ** (j + 1) * -np.expm1(-2 * q) / (2 * q)
            cosine = plain * self._langevin(q)
            moments.append(float(weights @ (self.radius**2 * ((1 + L**2) * plain
                                                              - 2 * L * cosine))))
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
        _check_count(n)
        return torch.from_numpy(generator.uniform(self.start, self.end, (n, 1)))

    def _log_mass(self, x: np.ndarray, t: float) -> tuple[np.ndarray, ...]:
        """a, b and log(Phi(b) − Phi(a)), from whichever tail does not cancel."""
        mu, sigma = float(self.process.mean_scale(t)), math.sqrt(float(self.process.variance(t)))
        a, b = (x - mu * self.end) / sigma, (x - mu * self.start) / sigma
        # By symmetry use (−b, −a) where the interval lies in the right tail.
        right = a + b > 0
        low, high = np.where(right, -b, a), np.where(right, -a, b)
        log_low, log_high = special.log_ndtr(low), special.log_ndtr(high)
        return a, b, log_high + np.log(-np.expm1(log_low - log_high))

    def log_density(self, x: torch.Tensor, t: float) -> torch.Tensor:
        x = self._check(x)
        log_mass = self._log_mass(x[:, 0].cpu().numpy(), t)[2]
        mu = float(self.process.mean_scale(t))
        return torch.as_tensor(log_mass, device=x.device) - math.log(mu * (self.end - self.start))

    def interval(self, t: float, deviations: float = 9.0) -> tuple[float, float]:
        mu, half = self.process.mean_scale(t), deviations * math.sqrt(self.process.variance(t))
        return mu * self.start - half, mu * self.end + half

    def _mean(self, x: np.ndarray, t: float) -> np.ndarray:
        mu, sigma = float(self.process.mean_scale(t)), math.sqrt(float(self.process.variance(t)))
        a, b, log_mass = self._log_mass(x, t)
        log_phi = -0.5 * math.log(2 * math.pi)
        slope = (np.exp(log_phi - 0.5 * b**2 - log_mass) - np.exp(log_phi - 0.5 * a**2 - log_mass))
        return np.clip((x + sigma * slope) / mu, self.start, self.end)

    def posterior_mean(self, x: torch.Tensor, t: float) -> torch.Tensor:
        x = self._check(x)
        return torch.as_tensor(self._mean(x[:, 0].cpu().numpy(), t), device=x.device)[:, None]

    def _moments(self, t: float) -> list[float]:
        """E[r^j |x̃ − m|²] for j = 0, 1, 2; r = p(x̃ | X)/nu(x̃)."""
        mu, sigma = float(self.process.mean_scale(t)), math.sqrt(float(self.process.variance(t)))
        length = self.end - self.start
        x, step = np.linspace(mu * self.start - 10 * sigma, mu * self.end + 10 * sigma, 4001,
                              retstep=True)
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
        return [float(step * np.sum(density * np.sum(np.exp((j + 1) * log_r) * squared, 1)))
                for j in range(3)]

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
        if harmonics < 1:
            raise ValueError(f"harmonics must be at least 1; got {harmonics}")
        if nodes < 2:
            raise ValueError(f"nodes must be at least 2; got {nodes}")
        self.harmonics, self.dimension, self.process = harmonics, 2 * harmonics, process
        grid = torch.arange(nodes, dtype=torch.float64) * (2 * math.pi / nodes)
        self.grid = self.points(grid)

    def points(self, angle: torch.Tensor) -> torch.Tensor:
        """The points of the curve at these angles, ``(n,)`` to ``(n, 2·harmonics)``."""
        order = torch.arange(1, self.harmonics + 1, dtype=torch.float64, device=angle.device)
        phase = angle[:, None] * order
        scale = 1 / (order * math.sqrt(self.harmonics))
        return torch.stack((phase.cos() * scale, phase.sin() * scale), 2).reshape(
            len(angle), self.dimension)

    @property
    def curvature(self) -> float:
        """|x''|, constant along the curve: √((harmonics + 1)(2 harmonics + 1)/6)."""
        k = self.harmonics
        return math.sqrt((k + 1) * (2 * k + 1) / 6)

    def sample(self, n: int, generator: np.random.Generator) -> torch.Tensor:
        _check_count(n)
        return self.points(torch.from_numpy(generator.uniform(0.0, 2.0 * math.pi, n)))

    def _logits(self, x: torch.Tensor, t: float) -> torch.Tensor:
        mu, variance = self.process.mean_scale(t), self.process.variance(t)
        return -torch.cdist(x, mu * self.grid.to(x)) ** 2 / (2 * variance)

    def log_density(self, x: torch.Tensor, t: float) -> torch.Tensor:
        variance = self.process.variance(t)
        logits = self._logits(self._check(x), t)
        return (logits.logsumexp(1) - math.log(len(self.grid))
                - 0.5 * self.dimension * math.log(2 * math.pi * variance))

    def posterior_mean(self, x: torch.Tensor, t: float) -> torch.Tensor:
        x = self._check(x)
        return self._logits(x, t).softmax(1) @ self.grid.to(x)


def isometric_embedding(dimension: int, ambient: int,
                        generator: np.random.Generator) -> torch.Tensor:
    """A random matrix ``(dimension, ambient)`` with orthonormal rows: ``x @ matrix`` is isometric.

    QR of a Gaussian matrix. Raises ``ValueError`` unless 1 <= dimension <= ambient.
    """
    if not 1 <= dimension <= ambient:
        raise ValueError(f"dimension must be between 1 and ambient = {ambient}; got {dimension}")
    q, r = np.linalg.qr(generator.standard_normal((ambient, dimension)))
    return torch.from_numpy(np.ascontiguousarray((q * np.sign(np.diag(r))).T))
