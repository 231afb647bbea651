"""Distances between laws: densities on one grid of the line, samples, Gaussians.

Densities come as *log* densities with quadrature weights, so that tails that underflow still
count. KL and TV in nats and as a number in [0, 1]; Wasserstein-1 in the units of x.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .datasets import DataUnavailable


def _vectors(**named: Any) -> list[np.ndarray]:
    arrays = {name: np.asarray(value, dtype=np.float64) for name, value in named.items()}
    shapes = {array.shape for array in arrays.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != 1:
        raise ValueError(f"{', '.join(arrays)} must be vectors of one length; "
                         f"got {[array.shape for array in arrays.values()]}")
    for name, array in arrays.items():
        if np.isnan(array).any() or (array == np.inf).any():
            raise ValueError(f"{name} must not be NaN or infinite")
    return list(arrays.values())


def kl(log_p: Any, log_q: Any, weights: Any, *, missing: float = 1e-6) -> float:
    """KL(p || q) = Σ weights p (log p − log q), nats.

    Raises ``ValueError`` if more than ``missing`` of the mass of p lies outside the nodes: KL is
    then decided by what is not there.
    """
    log_p, log_q, weights = _vectors(log_p=log_p, log_q=log_q, weights=weights)
    mass = weights * np.exp(log_p)
    if abs(mass.sum() - 1) > missing:
        raise ValueError(f"log_p must have mass 1 on the nodes; got {mass.sum():.10g}: widen the "
                         "cover or refine it")
    here = mass > 0
    return float(mass[here] @ (log_p[here] - log_q[here]))


def total_variation(log_p: Any, log_q: Any, weights: Any) -> float:
    """TV = ½ ∫|p − q|, between 0 and 1; the kinks of |p − q| cost an error of order spacing²."""
    log_p, log_q, weights = _vectors(log_p=log_p, log_q=log_q, weights=weights)
    return 0.5 * float(weights @ np.abs(np.exp(log_p) - np.exp(log_q)))


def wasserstein_1(log_p: Any, log_q: Any, nodes: Any, weights: Any) -> float:
    """W_1 = ∫|F − G|, F and G the distribution functions, on increasing nodes."""
    log_p, log_q, nodes, weights = _vectors(log_p=log_p, log_q=log_q, nodes=nodes, weights=weights)
    gap = weights * (np.exp(log_p) - np.exp(log_q))
    # The distribution function at a node counts half of the node's own mass.
    return float(weights @ np.abs(np.cumsum(gap) - 0.5 * gap))


def energy_distance(x: Any, y: Any, *, pairs: int | None = None,
                    generator: np.random.Generator | None = None) -> float:
    """2E|X − Y| − E|X − X'| − E|Y − Y'| from samples ``(M, d)`` and ``(M', d)``: unbiased.

    A U-statistic: it can be negative where the laws agree. With ``pairs`` each expectation is the
    mean over that many pairs with indices drawn i.i.d. (of different points); cost pairs × d
    instead of M².
    """
    x, y = (np.asarray(value, dtype=np.float64) for value in (x, y))
    for name, value in (("x", x), ("y", y)):
        if value.ndim != 2 or value.shape[0] < 2 or not np.isfinite(value).all():
            raise ValueError(f"{name} must be a finite array (M, d) with M >= 2; "
                             f"got shape {value.shape}")
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"y must have the dimension of x, {x.shape[1]}; got {y.shape[1]}")
    if pairs is None:
        from scipy.spatial.distance import cdist, pdist

        return float(2 * cdist(x, y).mean() - pdist(x).mean() - pdist(y).mean())
    if pairs < 1:
        raise ValueError(f"pairs must be at least 1; got {pairs}")
    if not isinstance(generator, np.random.Generator):
        raise TypeError("generator must be a numpy Generator when pairs is given; "
                        f"got {type(generator).__name__}")

    def within(points: np.ndarray) -> float:
        i = generator.integers(points.shape[0], size=pairs)
        j = (i + generator.integers(1, points.shape[0], size=pairs)) % points.shape[0]
        return float(np.linalg.norm(points[i] - points[j], axis=1).mean())

    i, j = (generator.integers(value.shape[0], size=pairs) for value in (x, y))
    between = float(np.linalg.norm(x[i] - y[j], axis=1).mean())
    return 2 * between - within(x) - within(y)


def gaussian_kl(mean_p: float, variance_p: float, mean_q: float, variance_q: float) -> float:
    """KL(N(mean_p, variance_p) || N(mean_q, variance_q)) on the line, nats."""
    if not (variance_p > 0 and variance_q > 0):
        raise ValueError(f"variances must be positive; got {variance_p}, {variance_q}")
    ratio = variance_p / variance_q
    return 0.5 * (ratio - 1 - math.log(ratio) + (mean_p - mean_q) ** 2 / variance_q)


def frechet_distance(x: Any, y: Any, *, features: str) -> float:
    """|m_x − m_y|² + tr(S_x + S_y − 2 (S_x S_y)^½): squared W_2 of the Gaussians fitted to x, y.

    ``features`` names the space of x and y ``(M, d)`` ("pixels", "PCA 30", …): a Fréchet distance
    is a number only together with that name, and FID means Inception features.
    """
    if not (isinstance(features, str) and features):
        raise ValueError("features must name the space the distance is taken in")
    moments = []
    for name, value in (("x", x), ("y", y)):
        points = np.asarray(value, dtype=np.float64)
        if points.ndim != 2 or points.shape[0] < 2 or not np.isfinite(points).all():
            raise ValueError(f"{name} must be a finite array (M, d) with M >= 2; "
                             f"got shape {points.shape}")
        moments.append((points.mean(0), np.atleast_2d(np.cov(points, rowvar=False))))
    (m_x, S_x), (m_y, S_y) = moments
    if m_x.shape != m_y.shape:
        raise ValueError(f"y must have the dimension of x, {m_x.size}; got {m_y.size}")
    # tr (S_x S_y)^½ is the nuclear norm of S_x^½ S_y^½: no square root of a non-symmetric matrix.
    roots = []
    for S in (S_x, S_y):
        values, vectors = np.linalg.eigh(S)
        roots.append((vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T)
    cross = np.linalg.svd(roots[0] @ roots[1], compute_uv=False).sum()
    return float(np.sum((m_x - m_y) ** 2) + np.trace(S_x) + np.trace(S_y) - 2 * cross)


def frechet_of_images(images: Any, reference: Any, extractor: Callable[[Any], Any], *,
                      features: str) -> float:
    """``frechet_distance`` of extractor(images) and extractor(reference), named ``features``.

    ``extractor`` maps ``(M, ...)`` to ``(M, f)``. Raises ``ValueError`` for NaN or infinite images,
    for features of another shape or not finite, and unless there are more images than features on
    both sides: with fewer the covariances are singular and the distance mostly measures M.
    """
    outputs = []
    for name, value in (("images", images), ("reference", reference)):
        pixels = np.asarray(value, dtype=np.float64)
        if pixels.ndim < 2 or not np.isfinite(pixels).all():
            raise ValueError(f"{name} must be finite and of shape (M, ...); got {pixels.shape}")
        output = np.asarray(extractor(pixels), dtype=np.float64)
        if output.ndim != 2 or len(output) != len(pixels) or not np.isfinite(output).all():
            raise ValueError("extractor must return finite features (M, f), one row an image; got "
                             f"{output.shape} for {len(pixels)} images")
        if len(output) <= output.shape[1]:
            raise ValueError(f"{name} must be more than the {output.shape[1]} features; "
                             f"got {len(output)}")
        outputs.append(output)
    return frechet_distance(*outputs, features=features)


class InceptionMetrics(NamedTuple):
    """The Fréchet Inception distance, and the Inception score with its spread over ten parts."""

    fid: float
    inception_score: float
    spread: float


def inception_metrics(images: Any, reference: Any, *, batch: int = 256,
                      metrics: Any = None) -> InceptionMetrics:
    """FID and Inception score of ``images (M, h, w, 3)`` in [0, 1] by torchmetrics.

    Both sets need more than the 2048 Inception features. ``metrics`` stands in for the modules of
    torchmetrics (an object with ``FrechetInceptionDistance`` and ``InceptionScore``). Raises
    ``ValueError`` for wrong images, ``DataUnavailable`` if torchmetrics with torch-fidelity is not
    installed or the Inception weights cannot be downloaded. Source: Heusel et al. 2017; Salimans
    et al. 2016.
    """
    import torch

    for name, value in (("images", images), ("reference", reference)):
        shape = np.shape(value)
        if len(shape) != 4 or shape[3] != 3:
            raise ValueError(f"{name} must be (M, h, w, 3); got {shape}")
        # NaN fails the comparison as well.
        if not ((np.asarray(value) >= 0) & (np.asarray(value) <= 1)).all():
            raise ValueError(f"{name} must lie in [0, 1]")
        if shape[0] <= 2048:
            raise ValueError(f"{name} must be more than the 2048 features; got {shape[0]}")
    if batch < 1:
        raise ValueError(f"batch must be at least 1; got {batch}")
    try:
        if metrics is None:
            import torchmetrics.image as metrics
        fid = metrics.FrechetInceptionDistance(feature=2048, normalize=True)
        score = metrics.InceptionScore(normalize=True)
    except (ImportError, OSError) as error:
        raise DataUnavailable("FID and Inception score need torchmetrics, torch-fidelity and the "
                              f"Inception weights (a download): {error}") from error
    for real, value in ((True, reference), (False, images)):
        for start in range(0, len(value), batch):
            part = torch.as_tensor(np.asarray(value[start:start + batch], dtype=np.float32))
            part = part.permute(0, 3, 1, 2).contiguous()
            fid.update(part, real=real)
            if not real:
                score.update(part)
    return InceptionMetrics(float(fid.compute()), *(float(v) for v in score.compute()))
