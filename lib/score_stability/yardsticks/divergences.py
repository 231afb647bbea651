"""Distances between laws: densities on one grid of the line, samples, Gaussians.

Densities come as *log* densities with quadrature weights, so that tails that underflow still
count. KL and TV in nats and as a number in [0, 1]; Wasserstein-1 in the units of x.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..arrays import as_numpy, number
from ..datasets import DataUnavailable


def _vectors(**named: Any) -> list[np.ndarray]:
    """Vectors of one length; a log density may be −inf."""
    vectors = []
    for name, value in named.items():
        log = name.startswith("log_")
        vectors.append(as_numpy(name, value, "n", finite=not log))
        if log and not (vectors[-1] < np.inf).all():
            raise ValueError(f"{name} must not be NaN or infinite")
    if len({vector.size for vector in vectors}) != 1:
        raise ValueError(f"{', '.join(named)} must be vectors of one length; "
                         f"got {[vector.size for vector in vectors]}")
    return vectors


def _per_node(error: Any, nodes: int) -> np.ndarray:
    error = as_numpy("error", error)
    return as_numpy("error", error, nodes) if error.ndim else np.full(nodes, float(error))


def _sample(name: str, value: Any, dimension: int | str = "d") -> np.ndarray:
    points = as_numpy(name, value, "M", dimension)
    if len(points) < 2:
        raise ValueError(f"{name} must hold at least two points; got {len(points)}")
    return points


def _mass(name: str, mass: np.ndarray, missing: float, least: bool = True) -> float:
    total = float(mass.sum())
    if total > 1 + missing or (least and total < 1 - missing):
        raise ValueError(f"{name} must have mass {'' if least else 'at most '}1 on the nodes; got "
                         f"{total:.10g}: widen the cover or refine it")
    return total


def kl(log_p: Any, log_q: Any, weights: Any, *, missing: float = 1e-6, error: Any = 0.0,
       with_error: bool = False) -> Any:
    """KL(p || q) = Σ weights p (log p − log q), nats; ``with_error`` gives (KL, its error).

    q may have less than mass 1 on the nodes of p. ``error`` is that of log p − log q, a number or
    one per node. The error of KL is its mean under p, plus what every second node would change,
    plus what the masses of p and q lack or exceed. Raises ``ValueError`` if more than ``missing``
    of the mass of p lies outside the nodes (KL is then decided by what is not there), if q has
    more mass than 1, and if KL is negative beyond its error.

    >>> import numpy as np
    >>> from score_stability.yardsticks import kl
    >>> x, step = np.linspace(-10.0, 11.0, 2101, retstep=True)
    >>> log_p, log_q = (-(x - m)**2 / 2 - np.log(2 * np.pi) / 2 for m in (0, 1))
    >>> round(kl(log_p, log_q, np.full(2101, step)), 4)  # between N(0, 1) and N(1, 1)
    0.5
    """
    log_p, log_q, weights = _vectors(log_p=log_p, log_q=log_q, weights=weights)
    error = _per_node(error, log_p.size)
    mass, other = weights * np.exp(log_p), weights * np.exp(log_q)
    total = _mass("log_p", mass, missing)
    total_q = _mass("log_q", other, missing + float(other @ np.minimum(error, 1.0)), least=False)
    here = mass > 0
    terms = mass[here] * (log_p[here] - log_q[here])
    value = float(mass[here] @ (log_p[here] - log_q[here]))
    allowed = float(mass[here] @ error[here]) + _nodes_error(terms) + abs(total - 1)
    # On common nodes only a surplus of mass makes KL negative.
    if value < -allowed:
        raise ValueError(f"log_q has mass {total_q:.10g} and KL = {value:.3g} is below 0 by more "
                         f"than its error {allowed:.1g}: refine the nodes, or the law q itself")
    return (value, allowed + max(total_q - 1, 0.0)) if with_error else value


def _nodes_error(terms: np.ndarray) -> float:
    """What the sum would change with every second node, and rounding."""
    return (abs(float(terms[::2].sum() - terms[1::2].sum()))
            + 4e-16 * math.sqrt(terms.size) * float(np.abs(terms).sum()))


def total_variation(log_p: Any, log_q: Any, weights: Any, *, missing: float = 1e-6,
                    error: Any = 0.0, with_error: bool = False) -> Any:
    """TV = ½ ∫|p − q|, between 0 and 1; ``with_error`` gives (TV, its error).

    ``error`` is that of log p − log q, a number or one per node. The error of TV is half its mean
    under p + q, plus weight |change of p − q|/8 where |p − q| has a kink (the most that it makes in
    its cell: a third less is enough where p − q is straight), plus what the masses lack. Raises
    ``ValueError`` unless p and q have mass 1 up to ``missing``.

    >>> import numpy as np
    >>> from score_stability.yardsticks import total_variation
    >>> x, step = np.linspace(-10.0, 11.0, 2101, retstep=True)
    >>> log_p, log_q = (-(x - m)**2 / 2 - np.log(2 * np.pi) / 2 for m in (0, 1))
    >>> round(total_variation(log_p, log_q, np.full(2101, step)), 4)  # erf(1/√8)
    0.3829
    """
    log_p, log_q, weights = _vectors(log_p=log_p, log_q=log_q, weights=weights)
    error = _per_node(error, log_p.size)
    p, q = np.exp(log_p), np.exp(log_q)
    slack = missing + float(weights @ ((p + q) * np.minimum(error, 1.0)))
    lacks = sum(abs(_mass(name, weights * density, slack) - 1)
                for name, density in (("log_p", p), ("log_q", q)))
    gap = p - q
    value = 0.5 * float(weights @ np.abs(gap))
    if not with_error:
        return value
    kinks = np.abs(np.diff(gap)) * (gap[1:] * gap[:-1] < 0) * np.maximum(weights[1:], weights[:-1])
    return value, (0.5 * float(weights @ ((p + q) * np.minimum(error, 1.0))) + lacks
                   + float(kinks.sum()) / 8 + _nodes_error(weights * gap))


def wasserstein_1(log_p: Any, log_q: Any, nodes: Any, weights: Any, *,
                  missing: float = 1e-6) -> float:
    """W_1 = ∫|F − G|, F and G the distribution functions, on increasing nodes.

    Raises ``ValueError`` unless the nodes increase, each weight is the part of the line that
    belongs to its node, and p and q have mass 1 up to ``missing``.

    >>> import numpy as np
    >>> from score_stability.yardsticks import wasserstein_1
    >>> x, step = np.linspace(-10.0, 11.0, 2101, retstep=True)
    >>> log_p, log_q = (-(x - m)**2 / 2 - np.log(2 * np.pi) / 2 for m in (0, 1))
    >>> round(wasserstein_1(log_p, log_q, x, np.full(2101, step)), 4)  # a shift by 1
    1.0
    """
    log_p, log_q, nodes, weights = _vectors(log_p=log_p, log_q=log_q, nodes=nodes, weights=weights)
    if not (np.diff(nodes) > 0).all():
        raise ValueError("nodes must increase")
    share = weights[1:-1] / (0.5 * (nodes[2:] - nodes[:-2]))
    if not ((share > 0.5) & (share < 2)).all():
        raise ValueError("weights must be those of a rule on the nodes: about half the distance "
                         "between the neighbours of each")
    p, q = np.exp(log_p), np.exp(log_q)
    for name, density in (("log_p", p), ("log_q", q)):
        _mass(name, weights * density, missing)
    gap = weights * (p - q)
    # The distribution function at a node counts half of the node's own mass.
    return float(weights @ np.abs(np.cumsum(gap) - 0.5 * gap))


_BLOCK = 2**19  # distances held at once, 4 MB
_PRODUCT = 16  # from this dimension on one product of matrices is faster than differences


def _distances(x: np.ndarray, y: np.ndarray, pairs: np.ndarray | None) -> np.ndarray:
    """|x_i − y_j|; only where ``pairs``, if given, the others are of no use."""
    from scipy.spatial.distance import cdist

    if x.shape[1] < _PRODUCT:
        return cdist(x, y)
    squares = np.add.outer((x**2).sum(1), (y**2).sum(1))
    floor = 1e-3 * squares
    squares -= 2 * (x @ y.T)
    # Points much nearer to each other than to the centre would lose digits.
    near = squares < floor if pairs is None else (squares < floor) & pairs
    rows = near.any(1)
    distances = np.sqrt(np.maximum(squares, 0.0, out=squares), out=squares)
    if rows.any():
        distances[rows] = cdist(x[rows], y)
    return distances


def _mean_distance(x: np.ndarray, y: np.ndarray | None = None) -> float:
    """Mean of |x_i − y_j| over all pairs; of |x_i − x_j| over i < j without y."""
    total, other = 0.0, x if y is None else y
    rows = max(1, _BLOCK // len(other))
    for start in range(0, len(x), rows):
        part = x[start:start + rows]
        if y is not None:
            total += float(_distances(part, y, None).sum())
            continue
        later = np.triu(np.ones((len(part), len(x) - start), dtype=bool), 1)
        total += float(_distances(part, x[start:], later)[later].sum())
    return total / (len(x) * len(other) if y is not None else len(x) * (len(x) - 1) / 2)


def energy_distance(x: Any, y: Any, *, pairs: int | None = None,
                    generator: np.random.Generator | None = None) -> float:
    """2E|X − Y| − E|X − X'| − E|Y − Y'| from samples ``(M, d)`` and ``(M', d)``: unbiased.

    A U-statistic: it can be negative where the laws agree. All M M' distances are computed, a few
    megabytes of them at a time. With ``pairs`` each expectation is the mean over that many pairs
    with indices drawn i.i.d. (of different points); cost and memory pairs × d instead.

    >>> from score_stability.yardsticks import energy_distance
    >>> energy_distance([[0.0], [1.0]], [[3.0], [4.0]])  # 2·3 − 1 − 1
    4.0
    """
    x = _sample("x", x)
    y = _sample("y", y, x.shape[1])
    if pairs is None:
        if x.shape[1] >= _PRODUCT:
            centre = (x.sum(0) + y.sum(0)) / (len(x) + len(y))
            x, y = x - centre, y - centre
        return 2 * _mean_distance(x, y) - _mean_distance(x) - _mean_distance(y)
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
    """KL(N(mean_p, variance_p) || N(mean_q, variance_q)) on the line, nats.

    ½ (x − log(1 + x) + (mean_p − mean_q)²/variance_q), x = variance_p/variance_q − 1; right to
    rounding for nearly equal laws, ``inf`` beyond the largest float. Raises ``ValueError`` unless
    the means are finite and the variances positive and finite.

    >>> from score_stability.yardsticks import gaussian_kl
    >>> round(gaussian_kl(0.0, 1.0, 2.0, 1.0), 4)  # 2²/2
    2.0
    """
    mean_p, mean_q = number("mean_p", mean_p), number("mean_q", mean_q)
    variance_p, variance_q = number("variance_p", variance_p), number("variance_q", variance_q)
    if not (variance_p > 0 and variance_q > 0):
        raise ValueError(f"variances must be positive; got {variance_p}, {variance_q}")
    excess = (variance_p - variance_q) / variance_q
    if abs(excess) < 0.5:
        # x − log(1 + x) with log(1 + x) = 2 artanh s: the terms of first order cancel by hand.
        s = excess / (2 + excess)
        series = sum(s**(2 * k) / (2 * k + 3) for k in range(14))
        widths = 2 * s * s * (1 / (1 - s) - s * series)
    else:
        widths = excess - (math.log(variance_p) - math.log(variance_q))
    shift = (0.5 * mean_p - 0.5 * mean_q) / math.sqrt(variance_q)
    return 0.5 * widths + 2 * shift * shift


def frechet_distance(x: Any, y: Any, *, features: str) -> float:
    """|m_x − m_y|² + tr(S_x + S_y − 2 (S_x S_y)^½): squared W_2 of the Gaussians fitted to x, y.

    ``features`` names the space of x and y ``(M, d)`` ("pixels", "PCA 30", …): a Fréchet distance
    is a number only together with that name, and FID means Inception features. What rounding
    leaves below 0 is cut.

    >>> from score_stability.yardsticks import frechet_distance
    >>> x, y = [[0.0], [2.0]], [[3.0], [7.0]]  # means 1 and 5, deviations √2 and 2√2
    >>> round(frechet_distance(x, y, features="pixels"), 4)  # 4² + (√2)²
    18.0
    """
    if not (isinstance(features, str) and features):
        raise ValueError("features must name the space the distance is taken in")
    x = _sample("x", x)
    (m_x, S_x), (m_y, S_y) = ((points.mean(0), np.atleast_2d(np.cov(points, rowvar=False)))
                              for points in (x, _sample("y", y, x.shape[1])))
    # tr (S_x S_y)^½ is the nuclear norm of S_x^½ S_y^½: no square root of a non-symmetric matrix.
    roots = []
    for S in (S_x, S_y):
        values, vectors = np.linalg.eigh(S)
        roots.append((vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T)
    cross = np.linalg.svd(roots[0] @ roots[1], compute_uv=False).sum()
    value = float(np.sum((m_x - m_y) ** 2) + np.trace(S_x) + np.trace(S_y) - 2 * cross)
    return max(value, 0.0)


def frechet_of_images(images: Any, reference: Any, extractor: Callable[[Any], Any], *,
                      features: str) -> float:
    """``frechet_distance`` of extractor(images) and extractor(reference), named ``features``.

    ``extractor`` maps ``(M, ...)`` to ``(M, f)``. Raises ``ValueError`` for NaN or infinite images,
    for features of another shape or not finite, and unless there are more images than features on
    both sides: with fewer the covariances are singular and the distance mostly measures M.

    >>> import numpy as np
    >>> from score_stability.yardsticks import frechet_of_images
    >>> images = np.array([0.0, 2.0]).reshape(2, 1, 1) * np.ones((2, 8, 8))
    >>> brightness = lambda pixels: pixels.mean(axis=(1, 2))[:, None]
    >>> round(frechet_of_images(images, images + 3, brightness, features="brightness"), 4)  # 3²
    9.0
    """
    outputs = []
    for name, value in (("images", images), ("reference", reference)):
        pixels = as_numpy(name, value)
        if pixels.ndim < 2:
            raise ValueError(f"{name} must have shape (M, ...); got {pixels.shape}")
        output = as_numpy(f"extractor({name})", extractor(pixels), len(pixels), "f")
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

    images, reference = (as_numpy(name, value, "M", "h", "w", 3)
                         for name, value in (("images", images), ("reference", reference)))
    for name, value in (("images", images), ("reference", reference)):
        if not ((value >= 0) & (value <= 1)).all():
            raise ValueError(f"{name} must lie in [0, 1]")
        if len(value) <= 2048:
            raise ValueError(f"{name} must be more than the 2048 features; got {len(value)}")
    if batch < 1:
        raise ValueError(f"batch must be at least 1; got {batch}")
    try:
        if metrics is None:
            # What the user may pass, and else the module itself, under one name.
            import torchmetrics.image as metrics  # type: ignore[no-redef]
        fid = metrics.FrechetInceptionDistance(feature=2048, normalize=True)
        score = metrics.InceptionScore(normalize=True)
    except (ImportError, OSError) as error:
        raise DataUnavailable("FID and Inception score need torchmetrics, torch-fidelity and the "
                              f"Inception weights (a download): {error}") from error
    for real, value in ((True, reference), (False, images)):
        for start in range(0, len(value), batch):
            part = torch.from_numpy(value[start:start + batch].astype(np.float32))
            part = part.permute(0, 3, 1, 2).contiguous()
            fid.update(part, real=real)
            if not real:
                score.update(part)
    return InceptionMetrics(float(fid.compute()), *(float(v) for v in score.compute()))
