"""Estimates: coverage by simulation, jackknife identities, scale equivariance, power laws."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from score_stability.yardsticks import (
    Estimate,
    jackknife,
    log_log_slope,
    mean,
    paired_ratio,
    wilson_interval,
)

repeatable = settings(max_examples=40, deadline=None, derandomize=True)
vectors = st.lists(st.floats(-100, 100).map(lambda v: round(v, 3)), min_size=2, max_size=12)


def close(estimate, value, standard_error, rel=1e-10):
    assert estimate.value == pytest.approx(value, rel=rel, abs=1e-10)
    assert estimate.standard_error == pytest.approx(standard_error, rel=rel, abs=1e-10)


# Means and intervals


@repeatable
@given(vectors)
def test_mean_agrees_with_scipy(values):
    estimate = mean(values)
    close(estimate, np.mean(values), stats.sem(values))
    assert estimate.degrees_of_freedom == len(values) - 1


def test_half_width_is_the_t_interval():
    values = np.random.default_rng(0).standard_normal(7)
    low, high = stats.t.interval(0.99, 6, np.mean(values), stats.sem(values))
    assert mean(values).half_width(0.01) == pytest.approx((high - low) / 2, rel=1e-12)
    normal = Estimate(0.0, 2.0)
    assert normal.half_width(0.05) == pytest.approx(2 * 1.959963984540054, rel=1e-12)
    assert Estimate(3.0).half_width() == 0.0


def test_coverage_of_the_mean():
    # 2000 intervals at error 0.1, six replicates each: z-quantiles would miss 0.16 of the time.
    draws = np.random.default_rng(1).standard_normal((2000, 6))
    missed = sum(abs(e.value) > e.half_width(0.1) for e in map(mean, draws))
    low, high = wilson_interval(missed, 2000, 1e-6)
    assert low < 0.1 < high
    missed_by_normal = sum(abs(e.value) > 1.6449 * e.standard_error for e in map(mean, draws))
    assert wilson_interval(missed_by_normal, 2000, 1e-6)[0] > 0.1


def test_coverage_of_a_paired_ratio():
    generator = np.random.default_rng(2)
    shared = generator.gamma(20.0, 1.0, (1000, 30))
    numerator = 2 * shared + generator.standard_normal((1000, 30))
    missed = 0
    for u, v in zip(numerator, shared, strict=True):
        ratio = paired_ratio(u, v)
        missed += abs(ratio.value - 2.0) > ratio.half_width(0.1)
    low, high = wilson_interval(missed, 1000, 1e-6)
    assert low < 0.1 < high


# Jackknife


@repeatable
@given(vectors)
def test_jackknife_of_the_mean_is_the_mean(values):
    estimate, expected = jackknife(lambda a: a, values), mean(values)
    close(estimate, expected.value, expected.standard_error, rel=1e-7)
    assert estimate.degrees_of_freedom == expected.degrees_of_freedom


@repeatable
@given(vectors, st.floats(0.1, 50), st.floats(-20, 20))
def test_equivariance(values, scale, shift):
    moved = mean(scale * np.array(values) + shift)
    original = mean(values)
    close(moved, scale * original.value + shift, scale * original.standard_error, rel=1e-8)


def test_jackknife_by_hand():
    # Values 1, 2, 6 and f = square: delete-one means 4, 3.5, 1.5.
    estimate = jackknife(lambda a: a * a, [1.0, 2.0, 6.0])
    left_out = np.array([16.0, 12.25, 2.25])
    close(estimate, 9.0, math.sqrt(2 / 3 * np.sum((left_out - left_out.mean()) ** 2)))


def test_pairing_removes_common_noise():
    common = np.random.default_rng(3).standard_normal(50)
    difference = jackknife(lambda a, b: a - b, common + 1e-3, common)
    close(difference, 1e-3, 0.0)
    assert paired_ratio(3 * (common + 9), common + 9).standard_error < 1e-12


# Log-log slopes


@repeatable
@given(st.floats(-5, 5), st.floats(0.1, 10), st.booleans())
def test_power_laws_are_recovered(power, scale, weighted):
    x = np.array([1.0, 2.0, 5.0, 11.0, 40.0])
    y = scale * x**power
    errors = np.array([0.1, 0.02, 0.3, 0.05, 0.1]) * y
    points = [Estimate(v, e, 9) for v, e in zip(y, errors, strict=True)] if weighted else y
    slope = log_log_slope(x, points)
    assert slope.value == pytest.approx(power, abs=1e-10)
    # Units of x and y do not matter.
    assert log_log_slope(7 * x, points).value == pytest.approx(power, abs=1e-10)
    if weighted:
        assert slope.degrees_of_freedom == 9


def test_weighted_slope_agrees_with_polyfit():
    x = np.array([1.0, 2.0, 4.0, 8.0])
    y = np.array([1.1, 0.45, 0.3, 0.11])
    errors = np.array([0.1, 0.02, 0.03, 0.02])
    fitted, covariance = np.polyfit(np.log(x), np.log(y), 1, w=y / errors, cov="unscaled")
    slope = log_log_slope(x, [Estimate(v, e, k) for v, e, k in zip(y, errors, [9, 4, 9, 9],
                                                                  strict=True)])
    close(slope, fitted[0], math.sqrt(covariance[0, 0]))
    assert slope.degrees_of_freedom == 4


def test_unweighted_slope_agrees_with_scipy():
    x, y = np.array([1.0, 2.0, 4.0, 8.0]), np.array([1.1, 0.45, 0.3, 0.11])
    expected = stats.linregress(np.log(x), np.log(y))
    close(log_log_slope(x, y), expected.slope, expected.stderr)
    # Exact numbers carry no error of their own.
    close(log_log_slope(x, [Estimate(v) for v in y]), expected.slope, expected.stderr)


# Wilson


def test_wilson_by_formula_and_at_the_ends():
    z = stats.norm.isf(0.025)
    n, p = 40, 7 / 40
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert wilson_interval(7, 40) == pytest.approx((centre - half, centre + half), rel=1e-12)
    low, high = wilson_interval(0, 40)
    assert low == 0.0 and high == pytest.approx(z * z / (n + z * z), rel=1e-12)
    assert wilson_interval(40, 40) == pytest.approx((1 - high, 1.0), rel=1e-12)


# Text


@pytest.mark.parametrize(("value", "error", "text"), [
    (1.23456, 0.0, "1.235"), (1.23456, 0.0123, "1.235 ± 0.012"), (1234.5, 67.0, "1234 ± 67"),
    (0.5, 0.2, "0.50 ± 0.20")])
def test_digits_follow_the_error(value, error, text):
    assert str(Estimate(value, error)) == text


# Wrong input


def test_wrong_estimates():
    for value in (math.nan, math.inf):
        with pytest.raises(ValueError, match="value"):
            Estimate(value)
        with pytest.raises(ValueError, match="standard_error"):
            Estimate(0.0, value)
    with pytest.raises(ValueError, match="standard_error"):
        Estimate(0.0, -1.0)
    for freedom in (0, -1, math.nan):
        with pytest.raises(ValueError, match="degrees_of_freedom"):
            Estimate(0.0, 1.0, freedom)
    for error in (0.0, 1.0, -0.1, math.nan):
        with pytest.raises(ValueError, match="error"):
            Estimate(0.0, 1.0).half_width(error)
        with pytest.raises(ValueError, match="error"):
            wilson_interval(1, 2, error)


@pytest.mark.parametrize("bad", [[], [1.0], [[1.0, 2.0]], [1.0, math.nan], [1.0, math.inf]])
def test_wrong_replicates(bad):
    with pytest.raises(ValueError, match="replicates"):
        mean(bad)
    with pytest.raises(ValueError, match=r"replicates\[1\]"):
        jackknife(lambda a, b: a, [1.0, 2.0], bad)


def test_wrong_jackknife():
    with pytest.raises(ValueError, match="replicates"):
        jackknife(lambda: 0.0)
    with pytest.raises(ValueError, match="one length"):
        jackknife(lambda a, b: a, [1.0, 2.0], [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="function must be finite"):
        jackknife(lambda a: math.nan, [1.0, 2.0])
    for denominator in ([1.0, -1.0], [0.0, 1.0]):  # zero mean; one zero delete-one mean
        with pytest.raises(ValueError, match="function must be finite"):
            paired_ratio([1.0, 1.0], denominator)


def test_wrong_slopes():
    for x in ([1.0], [0.0, 1.0, 2.0], [-1.0, 1.0, 2.0], [math.nan, 1.0, 2.0],
              [math.inf, 1.0, 2.0]):
        with pytest.raises(ValueError, match="x must"):
            log_log_slope(x, np.ones(len(x)))
    for y in ([0.0, 1.0, 2.0], [-1.0, 1.0, 2.0], [math.nan, 1.0, 2.0], [math.inf, 1.0, 2.0]):
        with pytest.raises(ValueError, match="y must"):
            log_log_slope([1.0, 2.0, 3.0], y)
    with pytest.raises(ValueError, match="y must have as many entries"):
        log_log_slope([1.0, 2.0, 3.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="at least three points"):
        log_log_slope([1.0, 2.0], [1.0, 2.0])
    for errors in ([0.1, 0.2, 0.3], [0.3, 0.1, 0.7]):
        with pytest.raises(ValueError, match="x must contain two different"):
            log_log_slope([3.0, 3.0, 3.0], [Estimate(1.0, e) for e in errors])


def test_wrong_counts():
    for successes, trials in ((-1, 2), (3, 2), (0, 0)):
        with pytest.raises(ValueError, match="successes"):
            wilson_interval(successes, trials)
