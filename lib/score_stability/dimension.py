"""Intrinsic dimension of data, with an honest interval."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from .estimates import Estimate


class TwoNN(NamedTuple):
    """Estimate of the intrinsic dimension and how many points it used and dropped."""

    dimension: Estimate
    kept: int
    dropped: int
    naive_interval: tuple[float, float]


def neighbour_distances(points: Any, neighbours: int) -> tuple[np.ndarray, np.ndarray]:
    """Distances ``(n, k)`` and indices of the k nearest other points, sorted, exact differences.

    scikit-learn finds the neighbours; its distances lose digits where points almost coincide, so
    they are computed again. Raises ``ValueError`` for fewer than k + 1 points, or data that are
    not a finite matrix.
    """
    x = np.asarray(points, dtype=np.float64)
    if x.ndim != 2 or x.size == 0:
        raise ValueError(f"points must have shape (n, d); got {x.shape}")
    if not np.isfinite(x).all():
        raise ValueError("points must be finite (no NaN, no infinity)")
    if neighbours < 1 or x.shape[0] < neighbours + 1:
        raise ValueError(f"neighbours must be between 1 and {x.shape[0] - 1}; got {neighbours}")
    from sklearn.neighbors import NearestNeighbors

    # One more than needed, so that rounding cannot hide a neighbour behind a tie.
    extra = min(neighbours + 2, x.shape[0] - 1)
    index = NearestNeighbors(n_neighbors=extra).fit(x).kneighbors(return_distance=False)
    distances = np.stack([np.linalg.norm(x - x[index[:, j]], axis=1) for j in range(extra)], 1)
    # Ties by index: which of two equal neighbours scikit-learn names first depends on its version.
    order = np.lexsort((index, distances), axis=1)[:, :neighbours]
    return np.take_along_axis(distances, order, 1), np.take_along_axis(index, order, 1)


def two_nearest_neighbours(points: Any) -> TwoNN:
    """TwoNN: dimension from the ratio of the two nearest-neighbour distances (Facco et al. 2017).

    If the density is constant on the scale of the neighbours, log(r_2/r_1) is exponential with
    rate d, so d̂ = (n − 1)/Σ log(r_2/r_1). The ratios of mutual neighbours are dependent: the
    standard error sums residuals over the connected components of the nearest-neighbour graph,
    Var(1/d̂) = Σ_c (Σ_{i in c} (log(r_2/r_1) − 1/d̂))²/n². The naive interval, which ignores this,
    is returned for comparison. Points with r_1 = 0 (duplicates) or r_1 = r_2 (ties of a lattice)
    are dropped and counted: pass unscaled data, or rounding hides the ties.

    Raises ``ValueError`` for fewer than three points, or if none is left (all duplicated).
    """
    distances, index = neighbour_distances(points, 2)
    first, second = distances.T
    keep = (first > 0) & (second > first)
    n = int(keep.sum())
    if n < 3:
        raise ValueError("points must contain at least three with two different neighbour "
                         f"distances; got {n} (are they duplicated?)")
    logs = np.log(second[keep] / first[keep])
    dimension = (n - 1) / logs.sum()
    from scipy import sparse, stats

    size = len(first)
    tied = np.flatnonzero(second == first)  # both are nearest: the graph has both edges
    rows = np.concatenate([np.arange(size), tied])
    columns = np.concatenate([index[:, 0], index[tied, 1]])
    graph = sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), (size, size))
    count, cluster = sparse.csgraph.connected_components(graph, connection="weak")
    sums = np.bincount(cluster[keep], weights=logs - logs.mean(), minlength=count)
    error = dimension**2 * math.sqrt(float(np.sum(sums**2))) / n
    clusters = len(np.unique(cluster[keep]))
    naive = tuple(float(q) / (2 * logs.sum()) for q in stats.chi2.ppf((0.025, 0.975), 2 * n))
    return TwoNN(Estimate(float(dimension), error, max(clusters - 1, 1)), n, size - n, naive)


def levina_bickel(points: Any, neighbours: int) -> float:
    """Maximum-likelihood dimension from k neighbours, inverses averaged over points.

    1/d̂ = mean_i (k − 1)⁻¹ Σ_{j<k} log(r_k/r_j) (Levina & Bickel 2004; MacKay & Ghahramani 2005).
    A second route at a larger scale. Duplicates (r_1 = 0) are dropped. ``ValueError`` for k < 2.
    """
    if neighbours < 2:
        raise ValueError(f"neighbours must be at least 2; got {neighbours}")
    distances, _ = neighbour_distances(points, neighbours)
    distances = distances[distances[:, 0] > 0]
    if not len(distances):
        raise ValueError("points must not all be duplicated")
    logs = np.log(distances[:, -1:] / distances[:, :-1]).sum(1) / (neighbours - 1)
    return float(1.0 / logs.mean())


def log_ball_constants(points: Any, dimension: float, neighbours: int = 10) -> np.ndarray:
    """log c(x) with nu(B(x, r)) ≈ c(x) r^dimension near each point, from its k-th neighbour.

    c(x) = (k/(n − 1)) r_k(x)^(−dimension): the density floor of Assumption 5 is the smallest.
    In logs, because r^dimension overflows in high dimension. Infinite at duplicates: not returned.
    """
    if not (math.isfinite(dimension) and dimension > 0):
        raise ValueError(f"dimension must be positive and finite; got {dimension}")
    distances, _ = neighbour_distances(points, neighbours)
    last = distances[:, -1]
    last = last[last > 0]
    if not last.size:
        raise ValueError("points must not all be duplicated")
    return math.log(neighbours / (len(distances) - 1)) - dimension * np.log(last)
