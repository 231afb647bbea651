"""Time weightings: known integrals, additivity, the sampler's measure, wrong input."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from score_stability.diffusion import OrnsteinUhlenbeck, TimeWeighting
from score_stability.sampler import kappa_grid

repeatable = settings(max_examples=30, deadline=None, derandomize=True)
intervals = st.tuples(st.floats(1e-4, 0.5), st.floats(1.1, 50.0)).map(
    lambda pair: (pair[0], pair[0] * pair[1]))


@repeatable
@given(intervals, st.floats(-3, 3))
def test_integrals_of_powers(interval, power):
    start, end = interval

    def exact(p):
        return math.log(end / start) if p == -1 else (end**(p + 1) - start**(p + 1)) / (p + 1)

    if abs(power + 1) < 1e-3 or abs(power) < 1e-3:
        return
    lebesgue, log_uniform = (rule(start, end) for rule in (TimeWeighting.lebesgue,
                                                           TimeWeighting.log_uniform))
    assert lebesgue.integrate(lambda t: t**power) == pytest.approx(exact(power), rel=1e-9)
    assert log_uniform.integrate(lambda t: t**power) == pytest.approx(exact(power - 1), rel=1e-9)
    assert lebesgue.total_mass == pytest.approx(end - start, rel=1e-9)
    assert log_uniform.total_mass == pytest.approx(math.log(end / start), rel=1e-9)


@repeatable
@given(intervals, st.floats(0.05, 0.95))
def test_intervals_add_up(interval, fraction):
    start, end = interval
    middle = start + fraction * (end - start)
    snr = OrnsteinUhlenbeck(1.0).snr
    parts = sum(TimeWeighting.lebesgue(a, b).integrate(snr)
                for a, b in ((start, middle), (middle, end)))
    assert TimeWeighting.lebesgue(start, end).integrate(snr) == pytest.approx(parts, rel=1e-9)


def test_point_mass():
    tau = TimeWeighting.at(0.25, weight=3.0)
    assert tau.integrate(lambda t: t**2) == 3.0 * 0.25**2
    assert tau.total_mass == 3.0 and "0.25" in tau.name


def test_sampler_measure_ends_before_the_last_time():
    grid = kappa_grid(0.3, 1e-2, 3.0).times
    tau = TimeWeighting.sampler_grid(grid)
    assert tau.total_mass == pytest.approx(3.0 - 1e-2, rel=1e-14)
    np.testing.assert_array_equal(tau.times, grid[:-1])
    assert grid[-1] not in tau.times


def test_integrate_takes_arrays_and_tensors():
    tau = TimeWeighting.lebesgue(0.1, 1.0)
    np.testing.assert_allclose(tau.integrate(lambda t: np.array([1.0, t])), [0.9, 0.495],
                               rtol=1e-12)
    torch.testing.assert_close(tau.integrate(lambda t: torch.tensor([1.0, t], dtype=torch.float64)),
                               torch.tensor([0.9, 0.495], dtype=torch.float64))


def test_rules_cannot_be_changed_from_outside():
    times = np.array([1.0, 2.0])
    tau = TimeWeighting(times, np.ones(2))
    times[0] = 5.0
    assert tau.times[0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        tau.times[0] = 5.0


@pytest.mark.parametrize("bad", [[], [[1.0]], [0.0], [-1.0], [math.nan], [math.inf]])
def test_wrong_vectors(bad):
    with pytest.raises(ValueError, match="times"):
        TimeWeighting(bad, [1.0])
    with pytest.raises(ValueError, match="weights"):
        TimeWeighting([1.0], bad)


def test_wrong_input():
    with pytest.raises(ValueError, match="weights must have the length"):
        TimeWeighting([1.0, 2.0], [1.0])
    for start, end in ((0.0, 1.0), (-1.0, 1.0), (1.0, 1.0), (2.0, 1.0), (0.1, math.inf),
                       (math.nan, 1.0)):
        with pytest.raises(ValueError, match="start and end"):
            TimeWeighting.lebesgue(start, end)
        with pytest.raises(ValueError, match="start and end"):
            TimeWeighting.log_uniform(start, end)
    with pytest.raises(ValueError, match="nodes"):
        TimeWeighting.lebesgue(0.1, 1.0, nodes=0)
    for grid in ([1.0], [1.0, 1.0], [1.0, 2.0], [[2.0, 1.0]], [2.0, math.nan]):
        with pytest.raises(ValueError, match="grid"):
            TimeWeighting.sampler_grid(grid)
