"""The fresh point's part of the stability, averaged over data sets: laws where it is a sum."""

import itertools
import math

import numpy as np
import pytest

from score_stability.theory import fresh_part


def by_enumeration(number, points, weights, variance, X):
    """Every data set of a law with few atoms."""
    def phi(y):
        return np.exp(-((X - y) ** 2) / (2 * variance))

    total = 0.0
    for law in itertools.product(zip(points, weights, strict=True), repeat=number):
        (fresh, p), *others = law
        p *= math.prod(w for _, w in others)
        Z = sum(phi(y) for y, _ in others)
        m = sum(phi(y) * y for y, _ in others) / Z
        own = phi(fresh) / (phi(fresh) + Z)
        density = phi(fresh) / math.sqrt(2 * math.pi * variance)
        total += p * (own**2 * (fresh - m) ** 2 * density).sum() * (X[1] - X[0])
    return total / variance**2


@pytest.mark.parametrize("variance", [0.3, 2.0])
def test_against_enumeration(variance):
    points, weights = np.array([-1.0, 0.0, 1.0]), np.array([0.2, 0.5, 0.3])
    X = np.arange(-9, 9, 0.1)
    expected = [by_enumeration(n, points, weights, variance, X) for n in (2, 3, 6)]
    assert fresh_part([2, 3, 6], points, weights, variance, X) == pytest.approx(expected, rel=1e-6)


def test_two_points_far_apart_in_closed_form():
    """N = 2, noise far below the distance: half the time the other point is the wrong one."""
    X = np.arange(-2, 2, 0.005)
    found = fresh_part([2], np.array([-1.0, 1.0]), np.array([0.5, 0.5]), 0.01, X)
    assert 0.01**2 * found[0] == pytest.approx(0.5 * 4, rel=1e-6)


def test_units():
    points, X = np.linspace(-1, 1, 40), np.arange(-6, 6, 0.1)
    weights = np.full(40, 1 / 40)
    one = fresh_part([5, 100], points, weights, 0.5, X)
    other = fresh_part([5, 100], 3 * points, weights, 4.5, 3 * X)
    np.testing.assert_allclose(9 * other, one, rtol=1e-9)


def test_step_of_the_laplace_integral_has_converged():
    points, X = np.linspace(-1, 1, 40), np.arange(-6, 6, 0.1)
    weights = np.full(40, 1 / 40)
    coarse, fine = (fresh_part([5, 1000], points, weights, 0.5, X, step=s) for s in (0.4, 0.1))
    np.testing.assert_allclose(coarse, fine, rtol=1e-6)


@pytest.mark.parametrize(("name", "change"), [
    ("sizes", {"sizes": [1]}), ("weights", {"weights": [0.5, 0.4]}),
    ("weights", {"weights": [1.0]}), ("variance", {"variance": 0.0}), ("step", {"step": -1.0}),
    ("positions", {"positions": [0.0]}), ("points", {"points": [0.0, math.inf]})])
def test_wrong_inputs_are_named(name, change):
    given = {"sizes": [2], "points": [0.0, 1.0], "weights": [0.5, 0.5], "variance": 1.0,
             "positions": [0.0, 0.1], **change}
    with pytest.raises(ValueError, match=name):
        fresh_part(**given)
