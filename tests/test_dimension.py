"""Intrinsic dimension: known manifolds, ties, and the dependence of neighbours."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from score_stability import datasets
from score_stability.yardsticks import (
    cap_radius,
    levina_bickel,
    log_ball_constants,
    neighbour_distances,
    sphere_dimension,
    sphere_reading,
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
    (lambda: two_nearest_neighbours(np.repeat(sphere(1, 9, 0), 2, 0)), "duplicated"),
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


def cap_mass(r, d):
    """Of the ball of radius r about a point of the unit sphere, by its density."""
    from scipy.integrate import quad

    angle = 2 * math.asin(r / 2)
    return (quad(lambda a: math.sin(a) ** (d - 1), 0, angle)[0]
            / quad(lambda a: math.sin(a) ** (d - 1), 0, math.pi)[0])


@pytest.mark.parametrize("d", (1, 2, 3, 9.5, 40))
def test_a_cap_has_the_mass_that_its_radius_says(d):
    mass = np.array([0.0, 1e-3, 0.2, 0.5, 0.8, 1.0])
    radius = cap_radius(mass, d)
    assert radius[0] == 0 and radius[3] == pytest.approx(math.sqrt(2)) and radius[-1] == 2
    assert [cap_mass(r, d) for r in radius] == pytest.approx(mass.tolist(), abs=1e-10)


@pytest.mark.parametrize("k", (2, 3, 30))
@pytest.mark.parametrize("n", (50, 1797, 10.0**7))
def test_the_surface_of_a_ball_has_no_bias(n, k):
    """Archimedes: on S² the mass is r²/4, as in the plane."""
    assert sphere_reading(2, n, k) == pytest.approx(2, abs=1e-8)


def test_the_ruler_by_the_distribution_function():
    """E log(r_2/r_1) = ∫ (P(r_1 <= r) − P(r_2 <= r)) dr/r = ∫ (n − 1) u (1 − u)^{n − 2} dr/r."""
    n, d = 60, 7
    r = np.linspace(1e-3, 2, 4001)
    u = np.array([cap_mass(x, d) for x in r])
    expected = np.trapezoid((n - 1) * u * (1 - u) ** (n - 2) / r, r)
    assert 1 / sphere_reading(d, n) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("d, k", ((6, 2), (6, 10), (15, 5)))
def test_the_ruler_is_what_simulated_spheres_read(d, k):
    inverse = [1 / levina_bickel(sphere(d, 300, seed), k) for seed in range(40)]
    error = np.std(inverse, ddof=1) / math.sqrt(40)
    assert abs(np.mean(inverse) - 1 / sphere_reading(d, 300, k)) < 4 * error < 0.05 / d


def test_more_points_and_smaller_dimensions_are_less_biased():
    assert sphere_reading(12, 1e30) == pytest.approx(12, rel=1e-5)
    by_number = [sphere_reading(12, n) for n in (20, 200, 2000, 2e6)]
    assert by_number == sorted(by_number)
    share = [sphere_reading(d, 500) / d for d in (2, 4, 8, 16, 64, 256)]
    assert share == sorted(share, reverse=True)
    assert sphere_reading(30, 500, 20) < sphere_reading(30, 500, 2)


@settings(max_examples=20, deadline=None)
@given(st.floats(0.6, 300), st.sampled_from((20, 1000)), st.sampled_from((2, 7)))
def test_the_ruler_is_inverted(d, n, k):
    assert sphere_dimension(sphere_reading(d, n, k), n, k) == pytest.approx(d, rel=1e-8)


@pytest.mark.parametrize("call, name", (
    (lambda: cap_radius(1.1, 2), "mass"), (lambda: cap_radius(-0.1, 2), "mass"),
    (lambda: cap_radius([], 2), "mass"),
    (lambda: cap_radius(0.1, 0), "dimension"), (lambda: sphere_reading(0.4, 10), "dimension"),
    (lambda: sphere_reading(math.nan, 10), "dimension"), (lambda: sphere_reading(2, 2), "number"),
    (lambda: sphere_reading(2, math.inf), "number"),
    (lambda: sphere_reading(2, 10, 1), "neighbours"),
    (lambda: sphere_dimension(-1.0, 10), "reading"),
    (lambda: sphere_dimension(1e6, 10), "reading"),
    (lambda: sphere_dimension(0.01, 10), "reading")))
def test_a_wrong_argument_of_the_ruler_is_named(call, name):
    with pytest.raises(ValueError, match=name):
        call()
