"""The universal curve of Proposition 6: limits, another route, finite N."""

import math

import numpy as np
import pytest

from score_stability.diffusion import OrnsteinUhlenbeck, TimeWeighting, Torus
from score_stability.stability import FlatStability, flat_stability, measure_empirical
from score_stability.theory import bounds

DIMENSIONS = (1, 2, 3, 5)


def ball(d):
    return math.pi ** (d / 2) / math.gamma(d / 2 + 1)


@pytest.mark.parametrize("d", DIMENSIONS)
def test_crowded_law_with_its_second_order(d):
    n = 2000.0
    found = flat_stability(d, n)
    slope = 4.5 * 2 ** (-d / 2) - 2 * 0.75 ** (d / 2 + 1)
    assert n * (found.fresh * n**2 * 3 ** (d / 2 + 1) / d - 1) == pytest.approx(slope, rel=0.01)
    assert found.removed * n * 2 ** (d / 2 + 1) / d == pytest.approx(1, abs=5 / n)


@pytest.mark.parametrize("d", DIMENSIONS)
def test_the_two_parts_are_those_of_the_manifold(d):
    """V of (7.2): N^2 eps^2 = V where points crowd."""
    number, volume, sigma = 10**6, 3.0, 0.05
    local = number / volume * (2 * math.pi * sigma**2) ** (d / 2)
    if not 1e-3 <= local <= 1e4:
        number = int(1e3 * number / local)
        local = number / volume * (2 * math.pi * sigma**2) ** (d / 2)
    V = bounds.MANIFOLD_V(intrinsic_dimension=d, mean_scale=1.0, sigma=sigma, volume=volume,
                          inverse_density=volume**2)
    flat = flat_stability(d, local).of(number)
    assert number**2 * flat / sigma**2 == pytest.approx(V, rel=3 / local)


@pytest.mark.parametrize("d", DIMENSIONS)
def test_alone_it_is_the_distance_to_the_nearest_point(d):
    n = 1e-3
    nearest = 2 * math.pi * math.gamma(1 + 2 / d) * (ball(d) * n) ** (-2 / d)
    assert flat_stability(d, n).fresh == pytest.approx(nearest, rel={5: 0.02}.get(d, 2e-4))


def test_alone_the_removed_point_is_a_distance_too():
    """q_1: the mean square distance of the two nearest of X, on the line: from gaps."""
    n, rng = 1e-3, np.random.default_rng(0)
    rate = 2 * n / math.sqrt(2 * math.pi)
    # Distances of nearest and second nearest are arrival times; the sides are coins.
    near = rng.exponential(size=200_000) / rate
    second = near + rng.exponential(size=200_000) / rate
    squares = np.where(rng.random(200_000) < 0.5, second - near, second + near) ** 2
    expected = squares.mean()
    assert flat_stability(1, n).removed == pytest.approx(
        expected, abs=5 * squares.std() / math.sqrt(200_000))


@pytest.mark.parametrize("d", DIMENSIONS)
@pytest.mark.parametrize("n", (1e-3, 0.03, 1.0, 30.0, 1e4))
def test_quadrature_has_converged(d, n):
    coarse, fine = flat_stability(d, n), flat_stability(d, n, nodes=700)
    assert coarse.fresh == pytest.approx(fine.fresh, rel=1e-7)
    assert coarse.removed == pytest.approx(fine.removed, rel=1e-5)


@pytest.mark.parametrize("d, n", ((1, 0.5), (2, 1.5), (3, 4.0)))
def test_poisson_points_drawn(d, n):
    """The other route: points in a ball around X, and a posterior mean."""
    rng, density, draws = np.random.default_rng(d), n / (2 * math.pi) ** (d / 2), 40_000
    radius = max((25 / (ball(d) * density)) ** (1 / d), 2.0) + 4
    count = rng.poisson(density * ball(d) * radius**d, draws)
    z = rng.standard_normal((draws, count.max(), d))
    z *= (radius * rng.random(z.shape[:2]) ** (1 / d) / np.linalg.norm(z, axis=2))[..., None]
    logit = np.where(np.arange(z.shape[1]) < count[:, None], -(z**2).sum(2) / 2, -np.inf)
    top = logit.max(1)
    weight = np.exp(logit - top[:, None])
    total = weight.sum(1)
    mean = np.einsum("nk,nkd->nd", weight, z) / total[:, None]
    xi = rng.standard_normal((draws, d))
    own = 1 / (1 + total * np.exp(top + (xi**2).sum(1) / 2))
    rows = own**2 * ((xi - mean) ** 2).sum(1)
    assert abs(rows.mean() - flat_stability(d, n).fresh) < 5 * rows.std() / math.sqrt(draws)


def test_a_torus_follows_it():
    heat, sigma, number = OrnsteinUhlenbeck(0.0), 0.1, 512
    found = measure_empirical(Torus(2, heat).sample, heat, TimeWeighting.at(sigma**2 / 2), number,
                              np.random.default_rng(1), replicates=40, queries=128)
    local = number * sigma**2 / (2 * math.pi)
    ratio = sigma**2 * found.stability_squared.value / flat_stability(2, local).of(number)
    assert abs(ratio - 1) < 0.2
    assert abs(ratio * flat_stability(2, local).of(number)
               / flat_stability(1, local).fresh - 1) > 0.3


def test_the_parts_add_up():
    assert FlatStability(2.0, 8.0).of(4) == 4.0


@pytest.mark.parametrize("call, name", (
    (lambda: flat_stability(0, 1.0), "dimension"),
    (lambda: flat_stability(1, 0.0), "local"),
    (lambda: flat_stability(1, 1e5), "local"),
    (lambda: flat_stability(1, math.nan), "local"),
    (lambda: flat_stability(1, 1.0, nodes=5), "nodes"),
    (lambda: FlatStability(1.0, 1.0).of(0), "number"),
))
def test_wrong_inputs(call, name):
    with pytest.raises(ValueError, match=name):
        call()
