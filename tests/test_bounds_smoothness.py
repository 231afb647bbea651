"""Rates on the circle against the exact sums they are the limits of, and a lattice sum."""

import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import zeta

from score_stability.theory import bounds


def heat_sum(order, amplitude, number, eps):
    """π E|p_0 − p^_eps|² for |c_k| = amplitude k^(−order − 1/2), all modes."""
    k = np.arange(1, math.ceil(6.2 / math.sqrt(eps)) + 1.0)
    power, w = amplitude**2 * k ** (-2 * order - 1), np.exp(-(k**2) * eps)
    tail = amplitude**2 * zeta(2 * order + 1, k[-1] + 1)
    return float((power * (1 - w) ** 2 + (1 - power) * w**2 / number).sum() + tail)


@pytest.mark.parametrize(("order", "bias_order", "constant"), [
    (1.0, 1.0, math.log(2)), (1.5, 1.5, 0.5 * math.gamma(-1.5) * (2**1.5 - 2)),
    (3.0, 2.0, zeta(3.0)), (5.0, 2.0, zeta(7.0))])
def test_heat_is_the_limit_of_the_sum(order, bias_order, constant):
    arguments = dict(order_of_smoothness=bias_order, bias_constant=0.01 * constant, N=2.0**44)
    stop, value = bounds.SMOOTH_STOP(**arguments), bounds.SMOOTH_HEAT(**arguments)
    best = minimize_scalar(lambda u: heat_sum(order, 0.1, 2.0**44, math.exp(u)), method="bounded",
                           bounds=(math.log(stop) - 1, math.log(stop) + 1))
    assert value == pytest.approx(best.fun, rel=4e-3)
    assert stop == pytest.approx(math.exp(best.x), rel=4e-3)


@pytest.mark.parametrize("order", [0.5, 1.0, 2.0, 5.0])
def test_cutoff_is_the_limit_of_the_sum(order):
    number, amplitude = 2.0**70, 0.1
    K = math.floor((amplitude**2 * (number + 1)) ** (1 / (2 * order + 1)))
    # Σ_{k<=K} 1/N = K/N; the term −|c_k|²/N is of lower order.
    value = K / number + amplitude**2 * zeta(2 * order + 1, K + 1)
    found = bounds.SMOOTH_CUTOFF(order_of_smoothness=order, amplitude=amplitude, N=number)
    assert found == pytest.approx(value, rel=2 / K)


@pytest.mark.parametrize("eps", [0.1, 0.01, 1e-3])
def test_circle_stability_is_a_lattice_sum(eps):
    k = np.arange(-250.0, 251.0)
    hexagonal = np.exp(-2 * eps * (k[:, None] ** 2 + k[:, None] * k + k**2)).sum()
    lattice = (hexagonal - 1) / 6 + (np.exp(-2 * eps * k**2).sum() - 1) / 2
    assert bounds.CIRCLE_STABILITY(early_stopping_time=eps, N=1) == pytest.approx(lattice, rel=1e-9)
    assert bounds.CIRCLE_STABILITY(early_stopping_time=eps, N=10) == pytest.approx(lattice / 100,
                                                                                 rel=1e-9)


@pytest.mark.parametrize(("name", "arguments"), [
    ("SMOOTH_HEAT", dict(order_of_smoothness=2, bias_constant=0.0, N=10)),
    ("SMOOTH_CUTOFF", dict(order_of_smoothness=0, amplitude=0.1, N=10)),
    ("CIRCLE_STABILITY", dict(early_stopping_time=0.0, N=10))])
def test_not_finite(name, arguments):
    with pytest.raises(ValueError, match="finite bound"):
        getattr(bounds, name)(**arguments)
