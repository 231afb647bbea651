"""Intrinsic dimension of data, with an honest interval."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..arrays import as_numpy, count
from ..arrays import number as finite
from .estimates import Estimate


class TwoNN(NamedTuple):
    """Estimate of the intrinsic dimension and how many points it used and dropped."""

    dimension: Estimate
    kept: int
    dropped: int
    naive_interval: tuple[float, float]


def neighbour_distances(points: Any, neighbours: int) -> tuple[np.ndarray, np.ndarray]:
    """Distances ``(n, k)`` and indices of the k nearest other points, sorted; ties by index.

    Both come from exact differences: |x|² + |y|² − 2 xy, which loses the digits of close points
    far from the origin, only proposes candidates, all that its rounding error cannot exclude.
    Raises ``ValueError`` for fewer than k + 1 points, or data that are not a finite matrix.

    >>> from score_stability.yardsticks import neighbour_distances
    >>> distances, index = neighbour_distances([[0.0], [1.0], [3.0]], 1)
    >>> distances.tolist(), index.tolist()
    ([[1.0], [1.0], [2.0]], [[1], [0], [1]])
    """
    x = as_numpy("points", points, "n", "d")
    if neighbours < 1 or x.shape[0] < neighbours + 1:
        raise ValueError(f"neighbours must be between 1 and {x.shape[0] - 1}; got {neighbours}")
    # A power of two, so that no square over- or underflows.
    exponent = math.frexp(float(np.abs(x).max()))[1] + 1
    x = np.ldexp(x, -exponent)
    exponent += (shift := math.frexp(float(np.ptp(x, axis=0).max()))[1])
    x = np.ldexp(x, -shift)
    distances = np.empty((len(x), neighbours))
    index = np.empty((len(x), neighbours), dtype=np.intp)
    for start, rows, columns in _candidates(x, neighbours):
        pairs = max(2**21 // x.shape[1], 1)
        size = np.concatenate([
            np.linalg.norm(x[rows[k:k + pairs]] - x[columns[k:k + pairs]], axis=1)
            for k in range(0, len(rows), pairs)])
        order = np.lexsort((columns, size, rows))
        first = np.flatnonzero(np.diff(rows[order], prepend=-1))
        order = order[first[:, None] + np.arange(neighbours)]
        block = slice(start, start + len(order))
        distances[block], index[block] = np.ldexp(size[order], exponent), columns[order]
    return distances, index


def _candidates(x: np.ndarray, neighbours: int) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """First row, and pairs (row, column) that contain the nearest neighbours, block by block."""
    number, dim = x.shape
    step = max(2**18 // number, 1)
    if dim <= 15:  # a tree takes exact differences, and is slow in high dimension
        from scipy.spatial import cKDTree

        tree = cKDTree(x)
        reach = tree.query(x, neighbours + 1)[0][:, -1]  # a point is its own first neighbour
    else:
        x = x - x.mean(0)
        squares = np.einsum("ij,ij->i", x, x)
        slack = 2 * (dim + 5) * np.finfo(np.float64).eps
        low, minus = (1 - slack) * squares, -2 * x.T
    for start in range(0, number, step):
        block = np.arange(start, min(start + step, number))
        if dim <= 15:
            found = tree.query_ball_point(x[block], reach[block] * (1 + 1e-12))
            rows = np.repeat(block, [len(columns) for columns in found])
            columns = np.concatenate(found)
            other = rows != columns
            yield start, rows[other], columns[other]
            continue
        lower = x[block] @ minus
        lower += low[block, None]
        lower += low
        lower[block - start, block] = np.inf
        # The k-th smallest of group minima is at least the k-th smallest, and found faster.
        groups = max(number // (8 * neighbours), 1)
        width = number // groups
        minima = lower[:, :groups * width].reshape(-1, groups, width).min(1)
        last = np.partition(minima, neighbours - 1, axis=1)[:, neighbours - 1]
        # Lower and upper differ by 2 slack (|x|² + |y|²), and |y|² <= 2 |x|² + 2 |x − y|².
        upper = last + slack * (8 * squares[block] + 6 * np.maximum(last, 0))
        rows, columns = np.divmod(np.flatnonzero(lower <= upper[:, None]), number)
        yield start, block[rows], columns


def two_nearest_neighbours(points: Any) -> TwoNN:
    """TwoNN: dimension from the ratio of the two nearest-neighbour distances (Facco et al. 2017).

    If the density is constant on the scale of the neighbours, log(r_2/r_1) is exponential with
    rate d, so d̂ = (n − 1)/Σ log(r_2/r_1). The ratios of mutual neighbours are dependent: the
    standard error sums residuals over the C connected components of the nearest-neighbour graph,
    Var(1/d̂) = C/(C − 1) Σ_c (Σ_{i in c} (log(r_2/r_1) − 1/d̂))²/n²; residuals sum to zero, so one
    component has no error to tell. The naive interval, which ignores this, is for comparison.
    Points with r_1 = 0 (duplicates) or r_1 = r_2 (ties of a lattice) are dropped and counted:
    pass unscaled data, or rounding hides the ties.

    Raises ``ValueError`` for fewer than three points, if none is left (all duplicated), or if all
    form one component.

    >>> import numpy as np
    >>> from score_stability.yardsticks import two_nearest_neighbours
    >>> plane = np.random.default_rng(0).random((1000, 2)) @ np.eye(2, 5)  # a square in R⁵
    >>> dimension = two_nearest_neighbours(plane).dimension
    >>> abs(dimension.value - 2) < 3 * dimension.standard_error < 0.3
    True
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
    clusters = len(np.unique(cluster[keep]))
    if clusters < 2:
        raise ValueError("points must form at least two clusters of nearest neighbours for a "
                         f"standard error; got one, of {n} points")
    sums = np.bincount(cluster[keep], weights=logs - logs.mean(), minlength=count)
    error = dimension**2 * math.sqrt(clusters / (clusters - 1) * float(np.sum(sums**2))) / n
    naive = tuple(float(q) / (2 * logs.sum()) for q in stats.chi2.ppf((0.025, 0.975), 2 * n))
    estimate = Estimate(float(dimension), float(error), clusters - 1)
    return TwoNN(estimate, n, size - n, naive)


def levina_bickel(points: Any, neighbours: int) -> float:
    """Maximum-likelihood dimension from k neighbours, inverses averaged over points.

    1/d̂ = mean_i (k − 1)⁻¹ Σ_{j<k} log(r_k/r_j) (Levina & Bickel 2004; MacKay & Ghahramani 2005).
    A second route at a larger scale. Duplicates (r_1 = 0) are dropped. Raises ``ValueError`` for
    k < 2, and for points whose k neighbours are all equally far, to rounding, as on a lattice.

    >>> from score_stability.yardsticks import levina_bickel
    >>> round(levina_bickel([[0.0], [1.0], [3.0]], 2), 4)  # 3/(log 3 + log 2 + log 1.5)
    1.3654
    """
    if neighbours < 2:
        raise ValueError(f"neighbours must be at least 2; got {neighbours}")
    distances, _ = neighbour_distances(points, neighbours)
    distances = distances[distances[:, 0] > 0]
    if not len(distances):
        raise ValueError("points must not all be duplicated")
    logs = np.log(distances[:, -1:] / distances[:, :-1]).sum(1) / (neighbours - 1)
    if not logs.mean() > 1e-12:
        raise ValueError(f"points must not have all {neighbours} neighbours at one distance "
                         "(are they a lattice?)")
    return float(1.0 / logs.mean())


def log_ball_constants(points: Any, dimension: float, neighbours: int = 10) -> np.ndarray:
    """log c(x) with nu(B(x, r)) ≈ c(x) r^dimension near each point, from its k-th neighbour.

    c(x) = (k/(n − 1)) r_k(x)^(−dimension): the density floor of Assumption 5 is the smallest.
    In logs, because r^dimension overflows in high dimension. Infinite at duplicates: not returned.

    >>> import numpy as np
    >>> from score_stability.yardsticks import log_ball_constants
    >>> line = np.arange(101.0)[:, None] / 50  # density 1/2 on [0, 2], so nu(B(x, r)) = r
    >>> round(float(np.median(np.exp(log_ball_constants(line, 1, neighbours=10)))), 4)
    1.0
    """
    _dimension(dimension)
    distances, _ = neighbour_distances(points, neighbours)
    last = distances[:, -1]
    last = last[last > 0]
    if not last.size:
        raise ValueError("points must not all be duplicated")
    return math.log(neighbours / (len(distances) - 1)) - dimension * np.log(last)


def cap_radius(mass: Any, dimension: float) -> Any:
    """Distance r for which the ball of radius r about a point of the unit sphere S^d has this mass.

    ``mass = I(r² (1 − r²/4))/2`` up to a half, with I the regularised incomplete beta function of
    parameters d/2, 1/2, and by symmetry beyond; r is a chord, from 0 to 2, and d need not be whole.
    Shape as ``mass``. Raises ``ValueError`` for an empty mass, one outside [0, 1] or a
    dimension <= 0.
    Source: the area of a spherical cap.

    >>> from score_stability.yardsticks import cap_radius
    >>> cap_radius([0.0, 0.25, 0.5, 1.0], 2).round(4).tolist()  # S²: the mass is r²/4
    [0.0, 1.0, 1.4142, 2.0]
    """
    from scipy.special import betaincinv

    u, d = as_numpy("mass", mass), _dimension(dimension)
    if not u.size or (u < 0).any() or (u > 1).any():
        raise ValueError("mass must lie in [0, 1] and not be empty")
    sine = betaincinv(d / 2, 0.5, 2 * np.minimum(u, 1 - u))  # sin² of the angle
    cosine = np.sqrt(1 - sine)
    return 2 * np.sqrt(np.where(u <= 0.5, sine / (1 + cosine), 1 + cosine) / 2)


def sphere_reading(dimension: float, number: float, neighbours: int = 2) -> float:
    """What TwoNN (or ``levina_bickel`` with k neighbours) reads on n uniform points of S^d.

    ``1/reading = E (k − 1)⁻¹ Σ_{j<k} log(r_k/r_j)``, exact for every n: the ball about a point as
    far as its j-th neighbour has a mass of law Beta(j, n − j), so that each E log r_j is one
    integral. It is d as n grows, and on S² for every n. The dimension need not be whole.

    Raises ``ValueError`` for a dimension below 1/2, k < 2 or n < k + 1.

    >>> from score_stability.yardsticks import sphere_reading
    >>> [round(sphere_reading(d, 1000), 3) for d in (2, 10, 64)]
    [2.0, 9.319, 38.418]
    """
    d, k = _dimension(dimension), count("neighbours", neighbours)
    if d < 0.5:
        raise ValueError(f"dimension must be at least 1/2; got {dimension}")
    if k < 2:
        raise ValueError(f"neighbours must be at least 2; got {k}")
    n = finite("number", number)
    if n < k + 1:
        raise ValueError(f"number must be at least {k + 1} for {k} neighbours; got {n:g}")
    mass, weights = _neighbour_masses(n, k)
    logs = np.log(cap_radius(mass, d)) @ weights
    return float((k - 1) / (logs[-1] - logs[:-1]).sum())


@lru_cache(maxsize=32)
def _neighbour_masses(number: float, neighbours: int) -> tuple[np.ndarray, np.ndarray]:
    """Mass of the ball up to each neighbour, (k, 48), at the nodes of a normal variable that sets
    its quantile, and their weights."""
    from scipy.special import betaincinv, ndtr

    from ..theory.quadrature import gauss_legendre

    z, w = gauss_legendre(-9.0, 9.0, 48)
    w = w * np.exp(-z * z / 2)
    j = np.arange(1, neighbours + 1)[:, None]
    return betaincinv(j, number - j, ndtr(z)), w / w.sum()


def sphere_dimension(reading: float, number: float, neighbours: int = 2) -> float:
    """The dimension of the sphere of which n points give this reading: ``sphere_reading`` inverted.

    Raises ``ValueError`` if there is none from 1/2 to 10 000, and as ``sphere_reading`` does.

    >>> from score_stability.yardsticks import sphere_dimension, sphere_reading
    >>> round(sphere_dimension(sphere_reading(12.0, 500), 500), 6)
    12.0
    """
    from scipy.optimize import brentq

    wanted, low, high = _dimension(reading, "reading"), math.log(0.5), math.log(1e4)

    def too_much(log_dimension: float) -> float:
        return math.log(sphere_reading(math.exp(log_dimension), number, neighbours) / wanted)

    if not too_much(low) <= 0 <= too_much(high):
        raise ValueError("reading must be one of a sphere of dimension 1/2 to 10 000; "
                         f"got {reading}")
    return math.exp(brentq(too_much, low, high, xtol=1e-11))


def _dimension(value: float, name: str = "dimension") -> float:
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be positive and finite; got {value}")
    return float(value)
