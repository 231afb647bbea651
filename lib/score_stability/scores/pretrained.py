"""Trained denoisers of another library as scores: epsilon, x_0 and v prediction.

A model of the "variance preserving" kind is given y = √ᾱ_k x_0 + √(1 − ᾱ_k) eps at the integer time
k and predicts eps, x_0, or v = √ᾱ_k eps − √(1 − ᾱ_k) x_0 (Salimans and Ho 2022), for a table ᾱ that
falls from one to zero. At the time t with snr mu_t²/sigma_t² = ᾱ_k/(1 − ᾱ_k), X_t is (mu_t/√ᾱ_k) y
in law, so the score of X_t follows without any approximation, for every process of the library.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from ..arrays import as_numpy, as_tensor, floating
from ..diffusion.process import OrnsteinUhlenbeck, Score, by_time

PREDICTIONS = ("epsilon", "sample", "v_prediction")


def level_times(alpha_bar: Any, process: OrnsteinUhlenbeck) -> Any:
    """The times t_k of ``process`` with the signal-to-noise ratios ᾱ_k/(1 − ᾱ_k), ``(K,)``.

    Raises ``ValueError`` unless the table falls strictly and lies between 0 and 1.

    >>> from score_stability.diffusion import OrnsteinUhlenbeck
    >>> from score_stability.scores import level_times
    >>> level_times([0.8, 0.5, 0.2], OrnsteinUhlenbeck(0.0)).round(4).tolist()  # 2t = sigma²/mu²
    [0.125, 0.5, 2.0]
    """
    table = as_numpy("alpha_bar", alpha_bar, "K")
    if not ((table > 0) & (table < 1)).all() or not (table[1:] < table[:-1]).all():
        raise ValueError("alpha_bar must fall strictly, from below 1 to above 0")
    return process.time_of_snr(table / (1 - table))


def score_from_prediction(model: Callable[..., Any], alpha_bar: Any, process: OrnsteinUhlenbeck, *,
                          prediction: str = "epsilon",
                          shape: Sequence[int] | None = None) -> Score:
    """The score of X_t that a trained denoiser implies, at the times ``level_times`` of its table.

        eps:  −eps/sigma_t        x_0:  (mu_t x_0 − x)/sigma_t²        v:  x_0 = √ᾱ y − √(1 − ᾱ) v

    ``model(y, k)`` is given y ``(M, *shape)``, or ``(M, d)`` without ``shape``, and k ``(M,)``,
    int64; it returns the prediction in the shape of y, bare or as the field ``sample`` of what it
    returns. ``alpha_bar`` is the whole table ``(K,)``, ``alphas_cumprod`` in diffusers, and
    ``prediction`` its ``prediction_type``. The score takes ``(M, d)`` and one of the times, and is
    ``(M, d)`` in the floating dtype of x.

    Raises ``ValueError`` for another table or prediction, a time that belongs to no level, and a
    model that returns another shape.

    >>> from score_stability.diffusion import OrnsteinUhlenbeck
    >>> from score_stability.scores import score_from_prediction
    >>> def model(y, k):  # data are all zero: y is noise only, y = √(1 − ᾱ) eps
    ...     return y / 0.5**0.5
    >>> score = score_from_prediction(model, [0.8, 0.5, 0.2], OrnsteinUhlenbeck(0.0))
    >>> score([[3.0]], 0.5).round(decimals=4).tolist()  # −x/sigma², sigma² = 2t = 1
    [[-3.0]]
    """
    if not callable(model):
        raise TypeError(f"model must be a function model(y, k); got {type(model).__name__}")
    if prediction not in PREDICTIONS:
        raise ValueError(f"prediction must be one of {', '.join(PREDICTIONS)}; got {prediction!r}")
    times = torch.from_numpy(level_times(alpha_bar, process))
    table = as_tensor("alpha_bar", alpha_bar, "K")

    def at_one_time(x: torch.Tensor, t: float) -> torch.Tensor:
        k = int((times / t - 1).abs().argmin())
        if abs(float(times[k]) / t - 1) > 1e-6:
            raise ValueError(f"t must be the time of a level of the table (see level_times); got "
                             f"{t:g}, the nearest is {float(times[k]):g}")
        signal, noise = table[k].sqrt().item(), (1 - table[k]).sqrt().item()
        mu, variance = process.mean_scale(t), process.variance(t)
        y = x * (signal / mu)
        with torch.no_grad():
            given = y if shape is None else y.reshape(len(y), *shape)
            value = model(given, torch.full((len(y),), k, device=y.device))
        value = getattr(value, "sample", value)
        if tuple(value.shape) != tuple(given.shape):
            raise ValueError(f"model must return shape {tuple(given.shape)}; "
                             f"got {tuple(value.shape)}")
        value = value.reshape(y.shape).to(y)
        if prediction == "epsilon":
            return -value / variance**0.5
        clean = value if prediction == "sample" else signal * y - noise * value
        return (mu * clean - x) / variance

    def score(x: Any, t: Any) -> torch.Tensor:
        points = as_tensor("x", x, "M", "d")
        return by_time(at_one_time, points, t).to(floating(x))

    return score
