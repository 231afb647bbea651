"""Quadrature rules against moments and integrals that are known."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from score_stability.theory import gauss_hermite, gauss_legendre, standard_normal

repeatable = settings(max_examples=30, deadline=None, derandomize=True)


@pytest.mark.parametrize("power", range(0, 13))
def test_normal_moments(power):
    z, weights = standard_normal()
    odd = power % 2
    expected = 0.0 if odd else math.prod(range(1, power, 2))
    assert weights @ z**power == pytest.approx(expected, rel=1e-13, abs=1e-12)


@repeatable
@given(st.floats(-3, 3), st.floats(0, 30))
def test_normal_characteristic_function_and_moment_generating_function(a, w):
    z, weights = standard_normal()
    assert weights @ np.cos(w * z) == pytest.approx(math.exp(-w * w / 2), abs=1e-14)
    assert weights @ np.exp(a * z) == pytest.approx(math.exp(a * a / 2), rel=1e-12)


def test_normal_rule_is_the_trapezoid_rule():
    z, weights = standard_normal(nodes=3, half_width=1.0)
    plain = np.array([0.5, 1.0, 0.5]) * np.exp(-z**2 / 2)
    np.testing.assert_allclose(weights, plain / plain.sum(), rtol=1e-15)


def test_normal_rule_resolves_a_steep_step_better_than_gauss_hermite():
    # E tanh²(5 Z): the two rules with equally many nodes.
    z, weights = standard_normal(nodes=161)
    fine, fine_weights = standard_normal(nodes=20001)
    truth = fine_weights @ np.tanh(5 * fine) ** 2
    points, gauss = np.polynomial.hermite_e.hermegauss(161)
    hermite = gauss @ np.tanh(5 * points) ** 2 / gauss.sum()
    assert abs(weights @ np.tanh(5 * z) ** 2 - truth) < 0.01 * abs(hermite - truth)


@repeatable
@given(st.floats(-5, 5), st.floats(0.1, 10), st.integers(0, 19))
def test_gauss_legendre_is_exact_for_polynomials(start, length, degree):
    end = start + length
    x, weights = gauss_legendre(start, end, nodes=10)
    assert (x > start).all() and (x < end).all() and (weights > 0).all()
    # Centred powers: a raw power loses digits, which would be no fault of the rule.
    centre, half = (start + end) / 2, length / 2
    expected = 0.0 if degree % 2 else 2 * half / (degree + 1)
    assert weights @ ((x - centre) / half) ** degree == pytest.approx(expected, rel=1e-11,
                                                                      abs=1e-11)


def test_wrong_input():
    for nodes in (2, 0, -1):
        with pytest.raises(ValueError, match="nodes"):
            standard_normal(nodes=nodes)
    for width in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="half_width"):
            standard_normal(half_width=width)
    for start, end in ((1.0, 1.0), (2.0, 1.0), (math.nan, 1.0)):
        with pytest.raises(ValueError, match="start"):
            gauss_legendre(start, end)
    with pytest.raises(ValueError, match="nodes"):
        gauss_legendre(0.0, 1.0, nodes=0)


@pytest.mark.parametrize("nodes", [1, 2, 5, 20])
def test_gauss_hermite_is_exact_for_polynomials(nodes):
    z, w = gauss_hermite(nodes)
    for degree in range(2 * nodes):
        moment = 0 if degree % 2 else math.prod(range(1, degree, 2))
        assert w @ z**degree == pytest.approx(moment, rel=1e-9, abs=1e-9 * (w @ np.abs(z)**degree))


def test_gauss_hermite_names_a_wrong_number_of_nodes():
    with pytest.raises(ValueError, match="nodes"):
        gauss_hermite(0)
