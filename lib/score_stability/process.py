"""The forward process of the paper, in closed form."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np


def _namespace(value: Any) -> Any:
    """torch for tensors, numpy otherwise; torch is not imported for the sake of a float."""
    torch = sys.modules.get("torch")
    return torch if torch is not None and isinstance(value, torch.Tensor) else np


def check_time(t: Any) -> None:
    """Raise ``ValueError`` unless every time is finite and positive."""
    library = _namespace(t)
    array = t if library is not np else np.asarray(t, dtype=np.float64)
    if not bool(((array > 0) & library.isfinite(array)).all()):
        raise ValueError("t must be positive and finite: the score does not exist at t = 0")


def by_time(function: Any, x: Any, t: Any) -> Any:
    """``function(x, t)`` for a float t; for a vector t ``(M,)``, one call per distinct time.

    Raises ``ValueError`` if a vector t does not have one entry per row of x.
    """
    if not np.ndim(t):
        check_time(t)
        return function(x, float(t))
    times = np.asarray(t.detach().cpu() if _namespace(t) is not np else t, dtype=np.float64)
    if times.shape != (x.shape[0],):
        raise ValueError(f"t must be a number or have shape ({x.shape[0]},); got {times.shape}")
    check_time(times)
    distinct, group = np.unique(times, return_inverse=True)
    result = None
    for k, time in enumerate(distinct):
        rows = np.flatnonzero(group == k)
        part = function(x[rows], float(time))
        if result is None:
            result = part.new_empty((x.shape[0], *part.shape[1:]))
        result[rows] = part
    return result


@dataclass(frozen=True)
class OrnsteinUhlenbeck:
    """Forward process dX = −alpha X dt + √2 dW, so X_t | X_0 ~ N(mu_t X_0, sigma_t² I).

    mu_t = exp(−alpha t), sigma_t² = (1 − exp(−2 alpha t))/alpha, and sigma_t² = 2t at alpha = 0
    (the heat flow, called "variance exploding"). Times are floats, numpy arrays or tensors.

    Raises ``ValueError`` if alpha is negative or not finite, or a time is not positive.
    """

    alpha: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.alpha) and self.alpha >= 0):
            raise ValueError(f"alpha must be finite and >= 0; got {self.alpha}")

    def mean_scale(self, t: Any) -> Any:
        """mu_t = exp(−alpha t)."""
        check_time(t)
        return _namespace(t).exp(-self.alpha * t)

    def variance(self, t: Any) -> Any:
        """sigma_t², by expm1: exact for small alpha t."""
        check_time(t)
        if self.alpha == 0:
            return 2.0 * t
        return -_namespace(t).expm1(-2.0 * self.alpha * t) / self.alpha

    def snr(self, t: Any) -> Any:
        """Signal-to-noise ratio mu_t²/sigma_t² = alpha/(exp(2 alpha t) − 1); 1/(2t) at alpha = 0.

        Its derivative is −2 mu_t²/sigma_t⁴ for every alpha.
        """
        check_time(t)
        if self.alpha == 0:
            return 0.5 / t
        return self.alpha / _namespace(t).expm1(2.0 * self.alpha * t)

    def time_of_snr(self, snr: Any) -> Any:
        """The time at which mu_t²/sigma_t² equals ``snr`` > 0."""
        library = _namespace(snr)
        array = snr if library is not np else np.asarray(snr, dtype=np.float64)
        if not bool(((array > 0) & library.isfinite(array)).all()):
            raise ValueError("snr must be positive and finite")
        if self.alpha == 0:
            return 0.5 / snr
        return library.log1p(self.alpha / snr) / (2.0 * self.alpha)

    def _coefficients(self, t: Any, x: Any) -> tuple[Any, Any]:
        """mu_t and sigma_t² as factors of x ``(M, d)``: numbers, or columns of x's library."""
        if not np.ndim(t):
            return self.mean_scale(float(t)), self.variance(float(t))
        if np.shape(t) != x.shape[:1]:
            raise ValueError(f"t must be a number or have shape ({x.shape[0]},); "
                             f"got {tuple(np.shape(t))}")
        if _namespace(x) is np:
            t = np.asarray(t, dtype=np.float64)
        else:
            t = sys.modules["torch"].as_tensor(t, device=x.device)
        return self.mean_scale(t)[:, None], self.variance(t)[:, None]

    def sample(self, x0: Any, t: Any, noise: Any) -> Any:
        """X_t = mu_t x0 + sigma_t noise, for x0 and noise of one shape ``(M, d)``, t float or (M,).

        Noise is passed in, so that the same noise can be used for two data sets.
        """
        if tuple(x0.shape) != tuple(noise.shape):
            raise ValueError(f"noise must have the shape of x0, {tuple(x0.shape)}; "
                             f"got {tuple(noise.shape)}")
        mu, variance = self._coefficients(t, x0)
        return mu * x0 + variance**0.5 * noise

    def conditional_score(self, x: Any, t: Any, x0: Any) -> Any:
        """∇_x log p_{t|0}(x | x0) = −(x − mu_t x0)/sigma_t², shape of x (answers Question 1)."""
        mu, variance = self._coefficients(t, x)
        return (mu * x0 - x) / variance

    def score_from_denoiser(self, denoised: Any, x: Any, t: Any) -> Any:
        """Tweedie: score = (mu_t E[X_0 | X_t = x] − x)/sigma_t²."""
        return self.conditional_score(x, t, denoised)

    def denoiser_from_score(self, score: Any, x: Any, t: Any) -> Any:
        """Tweedie, solved for the posterior mean: (x + sigma_t² score)/mu_t."""
        mu, variance = self._coefficients(t, x)
        return (x + variance * score) / mu

    def denoiser_to_score_units(self, t: Any) -> Any:
        """mu_t²/sigma_t⁴: a squared distance of denoisers times this is one of scores."""
        return self.snr(t) / self.variance(t)
