"""The forward process of the paper, in closed form."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import as_numpy, as_tensor, is_tensor, like, number, real

if TYPE_CHECKING:
    import torch

EXTREME = 1e150  # 1/sigma_t⁴ and its inverse are normal numbers up to here
Score = Callable[["torch.Tensor", float], "torch.Tensor"]  # s(x, t), shape of x


def check_time(t: Any, name: str = "t") -> None:
    """Raise ``ValueError`` unless every time is positive, finite and within 1e-150 … 1e150."""
    if type(t) is float and 1 / EXTREME <= t <= EXTREME:
        return
    array = real(name, t, finite=False)
    if not bool(((array >= 1 / EXTREME) & (array <= EXTREME)).all()):
        raise ValueError(f"{name} must be positive and finite, between {1 / EXTREME:g} and "
                         f"{EXTREME:g}: the score does not exist at t = 0")


def one_time(t: Any) -> float:
    """The one time t as a float; ``ValueError`` if it is a vector or ``check_time`` refuses it."""
    check_time(t)
    if type(t) is float:
        return t
    return number("t", t)


def by_time(function: Any, x: Any, t: Any) -> Any:
    """``function(x, t)`` for a float t; for a vector t ``(M,)``, one call per distinct time.

    ``x`` is an array or tensor and is handed on as it is. Raises ``ValueError`` if a vector t does
    not have one entry per row of x.
    """
    times: Any = t if type(t) is float else as_numpy("t", t, finite=False)
    if not np.ndim(times):
        return function(x, one_time(times))
    x = x if is_tensor(x) else np.asarray(x)
    if times.shape != (x.shape[0],):
        raise ValueError(f"t must be a number or have shape ({x.shape[0]},); got {times.shape}")
    check_time(times)
    distinct, group = np.unique(times, return_inverse=True)
    parts = [function(x[np.flatnonzero(group == k)], time)
             for k, time in enumerate(distinct.tolist())]
    rows = np.argsort(np.argsort(group, kind="stable"))
    return (sys.modules["torch"].cat if is_tensor(parts[0]) else np.concatenate)(parts)[rows]


def _library(array: Any) -> Any:
    return sys.modules["torch"] if is_tensor(array) else np


@dataclass(frozen=True)
class OrnsteinUhlenbeck:
    """Forward process dX = −alpha X dt + √2 dW, so X_t | X_0 ~ N(mu_t X_0, sigma_t² I).

    mu_t = exp(−alpha t), sigma_t² = (1 − exp(−2 alpha t))/alpha, and sigma_t² = 2t at alpha = 0
    (the heat flow, called "variance exploding"). Times are numbers, lists, numpy arrays or tensors;
    results are in the library and floating dtype of the first argument, and differentiable.

    Raises ``ValueError`` naming the argument: alpha negative, not finite or, unless 0, outside
    1e-150 … 1e150; a time (or snr) outside that range; points that are not finite or do not match;
    a result that overflows.
    """

    alpha: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.alpha) and self.alpha >= 0):
            raise ValueError(f"alpha must be finite and >= 0; got {self.alpha}")
        if self.alpha and not 1 / EXTREME <= self.alpha <= EXTREME:
            raise ValueError(f"alpha must be 0 or between {1 / EXTREME:g} and {EXTREME:g}; "
                             f"got {self.alpha}")

    def _of_time(self, function: Callable[[Any, Any], Any], t: Any, name: str = "t") -> Any:
        """``function(library, t)`` in float64, back in the floating dtype of t."""
        check_time(t, name)
        if type(t) is float:
            return function(np, t)
        array = real(name, t, graph=True)
        return like(function(_library(array), array), t)

    def mean_scale(self, t: Any) -> Any:
        """mu_t = exp(−alpha t)."""
        return self._of_time(lambda library, t: library.exp(-self.alpha * t), t)

    def variance(self, t: Any) -> Any:
        """sigma_t², by expm1: exact for small alpha t."""
        if self.alpha == 0:
            return self._of_time(lambda library, t: 2.0 * t, t)
        return self._of_time(
            lambda library, t: -library.expm1(-2.0 * self.alpha * t) / self.alpha, t)

    def snr(self, t: Any) -> Any:
        """Signal-to-noise ratio mu_t²/sigma_t² = alpha/(exp(2 alpha t) − 1); 1/(2t) at alpha = 0.

        Its derivative is −2 mu_t²/sigma_t⁴ for every alpha.
        """
        if self.alpha == 0:
            return self._of_time(lambda library, t: 0.5 / t, t)
        with np.errstate(over="ignore"):  # 1/∞ is the right limit
            return self._of_time(
                lambda library, t: self.alpha / library.expm1(2.0 * self.alpha * t), t)

    def time_of_snr(self, snr: Any) -> Any:
        """The time at which mu_t²/sigma_t² equals ``snr`` > 0."""
        if self.alpha == 0:
            return self._of_time(lambda library, snr: 0.5 / snr, snr, "snr")
        return self._of_time(
            lambda library, snr: library.log1p(self.alpha / snr) / (2.0 * self.alpha), snr, "snr")

    def _with(self, function: Callable[..., Any], t: Any, **points: Any) -> Any:
        """``function(mu_t, sigma_t², *points)`` in the library, device and dtype of the first."""
        (name, first), *others = points.items()
        x = real(name, first, graph=True)
        tensor = is_tensor(x)
        arrays = [x] + [as_tensor(key, value, device=x.device, graph=True) if tensor
                        else as_numpy(key, value) for key, value in others]
        if type(t) is not float:
            t = as_tensor("t", t, graph=True).to(x.device) if tensor else as_numpy("t", t)
        if np.ndim(t):
            if t.shape != x.shape[:1]:
                raise ValueError(f"t must be a number or have shape {tuple(x.shape[:1])}; "
                                 f"got {tuple(t.shape)}")
            t = t[(...,) + (None,) * (x.ndim - 1)]
        else:
            t = one_time(t)
        with np.errstate(all="ignore"):  # ``like`` looks at the result
            return like(function(self.mean_scale(t), self.variance(t), *arrays), first)

    def sample(self, x0: Any, t: Any, noise: Any) -> Any:
        """X_t = mu_t x0 + sigma_t noise, for x0 and noise of one shape ``(M, d)``, t float or (M,).

        Noise is passed in, so that the same noise can be used for two data sets.
        """
        def noised(mu: Any, variance: Any, x0: Any, noise: Any) -> Any:
            if x0.shape != noise.shape:
                raise ValueError(f"noise must have the shape of x0, {tuple(x0.shape)}; "
                                 f"got {tuple(noise.shape)}")
            return mu * x0 + variance**0.5 * noise

        return self._with(noised, t, x0=x0, noise=noise)

    def conditional_score(self, x: Any, t: Any, x0: Any) -> Any:
        """∇_x log p_{t|0}(x | x0) = −(x − mu_t x0)/sigma_t², shape of x (answers Question 1)."""
        return self._with(lambda mu, variance, x, x0: (mu * x0 - x) / variance, t, x=x, x0=x0)

    def score_from_denoiser(self, denoised: Any, x: Any, t: Any) -> Any:
        """Tweedie: score = (mu_t E[X_0 | X_t = x] − x)/sigma_t²."""
        return self._with(lambda mu, variance, x, denoised: (mu * denoised - x) / variance,
                          t, x=x, denoised=denoised)

    def denoiser_from_score(self, score: Any, x: Any, t: Any) -> Any:
        """Tweedie, solved for the posterior mean: (x + sigma_t² score)/mu_t."""
        return self._with(lambda mu, variance, x, score: (x + variance * score) / mu,
                          t, x=x, score=score)

    def denoiser_to_score_units(self, t: Any) -> Any:
        """mu_t²/sigma_t⁴: a squared distance of denoisers times this is one of scores."""
        return self._of_time(lambda library, t: self.snr(t) / self.variance(t), t)
