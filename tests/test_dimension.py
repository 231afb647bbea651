"""Intrinsic dimension: known manifolds, ties, and the dependence of neighbours."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from score_stability import datasets
from score_stability.yardsticks import (
    levina_bickel,
    log_ball_constants,
    neighbour_distances,
    two_nearest_neighbours,
)


def sphere(d, n, seed):
    z = np.random.default_rng(seed).standard_normal((n, d + 1))
    return z / np.linalg.norm(z, axis=1, keepdims=True)


@pytest.mark.parametrize("d", (1, 2, 5))
def test_spheres(d):
    found = two_nearest_neighbours(sphere(d, 2000, d)).dimension
    assert abs(found.value - d) < 4 * found.standard_error + 0.02 * d


def test_exact_law_of_the_ratio():
    """For uniform points on a periodic line, log(r2/r1) is exponential with rate 1."""
    rng = np.random.default_rng(0)
    logs = []
    for _ in range(400):
        x = rng.uniform(0, 1, 200)
        gaps = np.minimum(np.abs(x[1:] - x[0]), 1 - np.abs(x[1:] - x[0]))
        r1, r2 = np.sort(gaps)[:2]
        logs.append(math.log(r2 / r1))
    assert abs(np.mean(logs) - 1) < 5 / math.sqrt(400)


def test_ties_are_settled_without_regard_to_the_order_of_the_rows():
    """Digits have exact ties; which neighbour comes first must not change the standard error."""
    pixels = np.round(16 * datasets.digits().pixels)
    a = two_nearest_neighbours(pixels)
    shuffled = np.random.default_rng(0).permutation(len(pixels))
    b = two_nearest_neighbours(pixels[shuffled])
    assert b.dimension.value == pytest.approx(a.dimension.value, rel=1e-12)
    assert b.dimension.standard_error == pytest.approx(a.dimension.standard_error, rel=1e-12)
    assert (a.kept, a.dropped) == (b.kept, b.dropped)
    distances, index = neighbour_distances(pixels, 2)
    tie = distances[:, 0] == distances[:, 1]
    assert tie.sum() > 0 and (index[tie, 0] < index[tie, 1]).all()


def test_cluster_error_exceeds_the_naive_one():
    found = two_nearest_neighbours(sphere(2, 2000, 3))
    naive = found.dimension.value / math.sqrt(found.kept)
    assert 1.05 * naive < found.dimension.standard_error < 1.6 * naive
    low, high = found.naive_interval
    assert low < found.dimension.value < high


@settings(max_examples=15, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), scale=st.floats(1e-3, 1e3), shift=st.floats(-5, 5))
def test_invariance(seed, scale, shift):
    x = sphere(2, 60, seed)
    q, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((7, 3)))
    y = scale * (x @ q.T + shift)
    a, b = two_nearest_neighbours(x), two_nearest_neighbours(y)
    assert b.dimension.value == pytest.approx(a.dimension.value, rel=1e-6)
    assert levina_bickel(y, 5) == pytest.approx(levina_bickel(x, 5), rel=1e-6)


def test_digits_and_their_ties():
    found = two_nearest_neighbours(datasets.digits().pixels)
    assert (found.kept, found.dropped) == (1779, 18)
    assert found.dimension.value == pytest.approx(8.9536, abs=1e-3)
    assert found.dimension.standard_error == pytest.approx(0.2599, abs=1e-4)


def test_distances_are_exact_near_coincidence():
    x = np.array([[1e3, 0.0], [1e3 + 1e-7, 0.0], [1e3, 1.0], [0.0, 0.0]])
    distances, index = neighbour_distances(x, 1)
    assert distances[0, 0] == pytest.approx(1e-7, rel=1e-6)
    assert index[0, 0] == 1


@settings(max_examples=50, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), d=st.sampled_from([1, 2, 5, 15, 16, 40, 90]),
       n=st.integers(6, 120), k=st.integers(1, 5), offset=st.sampled_from([0.0, 1e3, 1e6, 1e8]),
       scale=st.sampled_from([1e-200, 1e-3, 1.0, 1e5, 1e200]),
       kind=st.sampled_from(["cloud", "clusters", "lattice", "duplicates", "outlier"]))
def test_neighbours_are_those_of_exact_differences(seed, d, n, k, offset, scale, kind):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, d))
    if kind == "clusters":  # near duplicates of three far points
        x = 100 * rng.standard_normal((3, d))[rng.integers(3, size=n)] + 1e-7 * x
    elif kind == "lattice":
        x = np.round(x)
    elif kind == "duplicates":
        x = x[rng.integers(n, size=n)]
    elif kind == "outlier":
        x[0] = 1e9
    x[:, 0] += offset
    x = x[:, rng.permutation(d)]
    distances, index = neighbour_distances(scale * x, k)
    # Differences of the scaled data, taken where their squares are ordinary numbers.
    y = scale * x / 2.0 ** round(math.log2(scale))
    every = np.linalg.norm(y[:, None] - y, axis=2)
    np.fill_diagonal(every, np.inf)
    found, expected = np.take_along_axis(every, index, 1), np.sort(every, axis=1)[:, :k]
    np.testing.assert_allclose(found, expected, rtol=1e-13)
    np.testing.assert_allclose(distances / 2.0 ** round(math.log2(scale)), found, rtol=1e-13)
    assert all(len(set(row)) == k for row in index.tolist())
    tied = (distances[:, 1:] == distances[:, :-1])
    assert (index[:, 1:] > index[:, :-1])[tied].all()


def test_one_cluster_has_no_error():
    line = np.array([[0.0], [1.0], [2.5]])
    with pytest.raises(ValueError, match="points must form at least two clusters"):
        two_nearest_neighbours(line)
    # Two clusters: C/(C − 1) = 2.
    found = two_nearest_neighbours(np.array([[0.0], [1.0], [2.5], [10.0], [11.5], [13.2]]))
    assert found.dimension.degrees_of_freedom == 1 and found.dimension.standard_error > 0


def test_standard_error_of_few_points_is_not_too_small():
    """Twelve points: on average the squared error is that of the estimates."""
    runs = []
    for seed in range(800):
        found = two_nearest_neighbours(np.random.default_rng(seed).standard_normal((12, 1)))
        runs.append((1 / found.dimension.value,
                     found.dimension.standard_error / found.dimension.value**2))
    inverse, error = np.array(runs).T
    assert 0.78 < np.mean(error**2) / inverse.var() < 1.1  # without C/(C − 1) it is 0.6


def test_ball_constants():
    """Uniform on [0, 1]: nu(B(x, r)) = 2r inside."""
    x = np.random.default_rng(1).uniform(0, 1, (4000, 1))
    inside = np.abs(x[:, 0] - 0.5) < 0.3
    constants = np.exp(log_ball_constants(x, 1.0, 20))
    assert np.median(constants[inside]) == pytest.approx(2.0, rel=0.1)


def test_logs_do_not_overflow():
    values = log_ball_constants(sphere(5, 200, 0) * 1e-3, 3000.0)
    assert np.isfinite(values).all() and values.max() > 700


@pytest.mark.parametrize("call, name", (
    (lambda: two_nearest_neighbours(np.zeros((5, 2))), "points"),
    (lambda: two_nearest_neighbours(np.zeros((2, 2))), "neighbours"),
    (lambda: neighbour_distances(np.zeros(3), 1), "points"),
    (lambda: neighbour_distances(np.full((3, 1), np.nan), 1), "points"),
    (lambda: neighbour_distances(np.zeros((3, 1)), 3), "neighbours"),
    (lambda: levina_bickel(sphere(1, 9, 0), 1), "neighbours"),
    (lambda: levina_bickel(np.zeros((5, 1)), 2), "points"),
    (lambda: levina_bickel([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], 2), "points"),
    (lambda: levina_bickel(np.eye(9) * 0.3, 4), "points"),
    (lambda: log_ball_constants(sphere(1, 30, 0), 0.0), "dimension"),
    (lambda: log_ball_constants(np.zeros((30, 1)), 1.0), "points"),
))
def test_wrong_inputs(call, name):
    with pytest.raises(ValueError, match=name):
        call()
