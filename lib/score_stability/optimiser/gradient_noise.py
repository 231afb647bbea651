"""The noise of the score-matching gradient: two sources, spectra, Gaussianity.

    Cov(G) = Sig_idx (N − N_B)/((N − 1) N_B) + Sig_txi/(N_B P)       (without replacement)

Sig_idx is the covariance over the training points (divisor N) of their mean gradients, Sig_txi the
mean over the points of the covariance over (t, xi). More resamples P shrink the second part only.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch

from ..arrays import as_tensor, count, floating
from ..scores.networks import Network, parameters
from .training import DenoisingLoss, point_gradients


def row_gradients(network: Network, theta: Any, points: Any,
                  loss: DenoisingLoss, draws: int, generator: np.random.Generator, *,
                  chunk: int = 2048) -> torch.Tensor:
    """Row gradients ``(N, draws, P)`` of one model ``theta (P,)`` at ``points (N, d)``.

    Every point gets its own ``draws`` independent (t, xi). In the dtype of
    ``networks.parameters``. Raises ``ValueError`` or ``TypeError`` for wrong shapes or counts and
    for values that are not finite.
    """
    theta, draws = parameters(theta, network.parameters), count("draws", draws)
    points, chunk = as_tensor("points", points, "N", "d"), count("chunk", chunk)
    number, d = points.shape
    uniforms = torch.from_numpy(generator.random((number * draws, 1))).to(theta)
    xi = torch.from_numpy(generator.standard_normal((number * draws, 1, d))).to(theta)
    rows = points.to(theta).repeat_interleave(draws, dim=0)
    parts = [point_gradients(network, theta[None], loss, rows[None, k:k + chunk],
                             uniforms[None, k:k + chunk], xi[None, k:k + chunk])[0]
             for k in range(0, number * draws, chunk)]
    return torch.cat(parts).reshape(number, draws, -1)


def _rows(gradients: Any, points: int, draws: int) -> torch.Tensor:
    rows = as_tensor("gradients", gradients, "N", "R", "P")
    if rows.shape[0] < points or rows.shape[1] < draws:
        raise ValueError(f"gradients must be (N, R, P) with N >= {points}, R >= {draws}; "
                         f"got {tuple(rows.shape)}")
    return rows


class NoiseCovariances(NamedTuple):
    """``index`` = Sig_idx and ``draws`` = Sig_txi, both ``(P, P)`` and unbiased."""

    # It hides tuple.index, which nobody asks two matrices for.
    index: torch.Tensor  # type: ignore[assignment]
    draws: torch.Tensor


def noise_covariances(gradients: Any) -> NoiseCovariances:
    """The two covariances from row gradients ``(N, R, P)``, N, R >= 2.

    With R draws a point, the spread of the point means contains (N−1)/N · Sig_txi/R of sampling
    noise, which is subtracted; the estimate of Sig_idx may then have negative eigenvalues.
    """
    dtype, gradients = floating(gradients), _rows(gradients, 2, 2)
    number, draws, _ = gradients.shape
    means = gradients.mean(dim=1)
    within = (gradients - means[:, None]).reshape(number * draws, -1)
    noise = within.T @ within / (number * (draws - 1))
    between = means - means.mean(dim=0)
    spread = between.T @ between / number
    return NoiseCovariances((spread - (number - 1) / number * noise / draws).to(dtype),
                            noise.to(dtype))


def gradient_covariance(covariances: NoiseCovariances, number: int, batch_size: int,
                        resamples: int, *, with_replacement: bool = False) -> torch.Tensor:
    """Cov(G) of a minibatch gradient, before the clip, by the formula at the top."""
    if number < 2 or not 1 <= batch_size <= number or resamples < 1:
        raise ValueError(f"need N >= 2, 1 <= batch_size <= N, resamples >= 1; got "
                         f"{number}, {batch_size}, {resamples}")
    index, draws = (as_tensor(name, value, "P", "P") for name, value in
                    (("covariances.index", covariances.index),
                     ("covariances.draws", covariances.draws)))
    factor = 1.0 if with_replacement else (number - batch_size) / (number - 1)
    return ((index * factor + draws / resamples) / batch_size).to(floating(covariances.index))


def participation_ratio(covariance: Any) -> float:
    """(tr Σ)²/tr Σ²: the number of directions that carry the noise; P for an isotropic one."""
    covariance = as_tensor("covariance", covariance, "P", "P")
    square = float((covariance**2).sum())
    if not square > 0:
        raise ValueError("covariance must not vanish")
    return float(torch.trace(covariance)) ** 2 / square


def held_out_spectrum(gradients: Any) -> torch.Tensor:
    """Variance ``(P,)`` of Sig_txi along eigenvectors fitted on the other half, decreasing fit.

    The smallest eigenvalues of a sample covariance are biased low; the variance of fresh draws
    along a fixed direction is not. ``gradients (N, R, P)``, R >= 4.
    """
    dtype, gradients = floating(gradients), _rows(gradients, 2, 4)
    half = gradients.shape[1] // 2
    fitted, fresh = (noise_covariances(part).draws
                     for part in (gradients[:, :half], gradients[:, half:2 * half]))
    vectors = torch.linalg.eigh(fitted).eigenvectors.flip(1)
    return torch.einsum("ik,ij,jk->k", vectors, fresh, vectors).to(dtype)


def excess_kurtosis(gradients: Any, direction: Any, size: int = 1) -> float:
    """Excess kurtosis of direction·(mean of ``size`` centred row gradients); 0 if Gaussian.

    Rows are centred at the mean of their point and ``size`` independent draws of it averaged: it
    falls like 1/size by the central limit theorem.
    """
    gradients = _rows(gradients, 1, 4)
    number, draws, width = gradients.shape
    direction = as_tensor("direction", direction, width, device=gradients.device)
    if not 1 <= size <= draws // 4:
        raise ValueError(f"size must lie in 1..{draws // 4}; got {size}")
    values = (gradients - gradients.mean(dim=1, keepdim=True)) @ direction
    values = values[:, :draws // size * size].reshape(number, -1, size).mean(dim=2).ravel()
    values = values - values.mean()
    return float((values**4).mean() / (values**2).mean() ** 2 - 3)
