"""Bounds on membership and privacy: plain numbers, recursions, quadrature, limits, wrong input."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from score_stability.theory import bounds, last_iterate_zcdp

repeatable = settings(max_examples=50, deadline=None, derandomize=True)


def renyi(N, distance, order, snr):
    a = math.sqrt(snr) * distance
    return math.log1p(math.expm1(order * (order - 1) * a**2 / 2) / N) / (order - 1)


def hockey_stick(N, distance, privacy_loss, snr):
    a = math.sqrt(snr) * distance
    return (norm.cdf(a / 2 - privacy_loss / a)
            - math.exp(privacy_loss) * norm.cdf(-a / 2 - privacy_loss / a)) / N


PLAIN = {
    "FREE_STABILITY": lambda snr, trace_covariance: snr * trace_covariance,
    "COLLISION_STABILITY": lambda N, diameter, fresh_collision, seen_collision, sigma, snr: (
        snr / sigma**2 * diameter**2 * (seen_collision + fresh_collision / N)),
    "MEMBERSHIP_ADVANTAGE": lambda N, distance, snr: (
        (2 * norm.cdf(math.sqrt(snr) * distance / 2) - 1) / N),
    "MEMBERSHIP_MANY": lambda advantage, releases: 1 - (1 - advantage)**releases,
    "RENYI_PRIVACY": renyi,
    "ZCDP": lambda distance, snr: snr * distance**2 / 2,
    "DELTA_PRIVACY": hockey_stick,
    "EULER_ZCDP": lambda diameter, early_stopping_time, horizon, kappa: (
        diameter**2 / 4 * (1 / (early_stopping_time * (1 + kappa))
                           + (1 - 1 / (1 + kappa)) / horizon)),
    "COMPOSITION": lambda clip, noise_scale, steps: 2 * steps * clip**2 / noise_scale**2,
    "LAST_ITERATE": lambda clip, contraction_rate, noise_scale, steps: (
        2 * clip**2 / noise_scale**2 * (1 + math.exp(-contraction_rate))
        / (1 - math.exp(-contraction_rate)) * (1 - math.exp(-contraction_rate * steps))
        / (1 + math.exp(-contraction_rate * steps))),
}
VALUES = {"N": (2.0, 40.0), "order": (1.5, 8.0), "advantage": (0.0, 1.0), "releases": (1.0, 50.0),
          "privacy_loss": (0.01, 3.0), "contraction_rate": (0.01, 3.0), "steps": (1.0, 300.0)}


@pytest.mark.parametrize("name", PLAIN)
@repeatable
@given(data=st.data())
def test_plain_numbers(name, data):
    bound = getattr(bounds, name)
    values = {a: data.draw(st.floats(*VALUES.get(a, (0.2, 2.0))), a) for a in bound.arguments}
    assert bound(**values) == pytest.approx(PLAIN[name](**values), rel=1e-8, abs=1e-12)
    assert bound.statement == "Open: memorisation and privacy"


# Two mixtures on the line, by quadrature: every privacy bound against the truth.

def mixtures(others, spread, snr, half_width, count=400_001):
    """Log densities of p and q: others and x_i = 0, others and x~ = spread (mu = 1)."""
    sigma = snr**-0.5
    y, h = np.linspace(-half_width, half_width, count, retstep=True)
    others = np.asarray(others)

    def log_density(extra):
        logits = [-(y - x)**2 / (2 * sigma**2) for x in (*others, extra)]
        return (np.logaddexp.reduce(logits) - math.log(len(logits))
                - 0.5 * math.log(2 * math.pi * sigma**2))

    return log_density(0.0), log_density(spread), h


@pytest.mark.parametrize("others", [[300.0] * 4, [0.3, 0.6, -0.2, 1.1]])
def test_bounds_hold_and_are_attained_by_an_isolated_record(others):
    N, distance, snr = 5, 1.0, 2.0
    log_p, log_q, h = mixtures(others, distance, snr, 320.0)
    p, q = np.exp(log_p), np.exp(log_q)
    isolated = others[0] > 10
    common = {"N": N, "distance": distance, "snr": snr}
    # The advantage is exact, whatever the other records are.
    assert 0.5 * h * np.abs(p - q).sum() == pytest.approx(
        bounds.MEMBERSHIP_ADVANTAGE(**common), abs=1e-6)
    for order in (1.5, 2.0, 4.0):
        truth = math.log(h * np.exp(order * log_p + (1 - order) * log_q).sum()) / (order - 1)
        bound = bounds.RENYI_PRIVACY(order=order, **common)
        assert truth == pytest.approx(bound, rel=1e-6) if isolated else truth < 0.9 * bound
        assert bound <= order * bounds.ZCDP(distance=distance, snr=snr)
    for loss in (0.05, 0.2, 1.0):
        truth = h * np.maximum(p - math.exp(loss) * q, 0).sum()
        bound = bounds.DELTA_PRIVACY(privacy_loss=loss, **common)
        assert truth == pytest.approx(bound, abs=1e-6) if isolated else truth < bound


def test_delta_at_no_loss_is_the_advantage_and_tends_to_one_over_n():
    values = {"N": 20, "distance": 1.3, "snr": 3.0}
    assert bounds.DELTA_PRIVACY(privacy_loss=0.0, **values) == pytest.approx(
        bounds.MEMBERSHIP_ADVANTAGE(**values), rel=1e-12)
    for loss in (0.0, 1.0, 50.0):
        assert bounds.DELTA_PRIVACY(N=20, distance=1.0, snr=1e6, privacy_loss=loss) == 1 / 20


@pytest.mark.parametrize(("eps", "order", "digits"), [
    (0.5, 2, 0.0387), (0.5, 8, 1.8999), (0.1, 2, 1.7095)])
def test_digits_of_an_isolated_record(eps, order, digits):
    snr = 1 / math.expm1(2 * eps)  # Ornstein–Uhlenbeck with alpha = 1
    assert bounds.RENYI_PRIVACY(N=20, distance=1, order=order, snr=snr) == pytest.approx(
        digits, abs=6e-5)


def test_renyi_does_not_overflow():
    # e^(order (order − 1) a²/2) is 10^(4e7) here.
    value = bounds.RENYI_PRIVACY(N=50, distance=10.0, order=1000.0, snr=2.0)
    assert value == pytest.approx(1000 * 100 - math.log(50) / 999, rel=1e-12)


@pytest.mark.parametrize(("steps", "eps", "horizon"), [(1, 0.3, 2.0), (7, 0.01, 1.0)])
def test_euler_zcdp_is_the_sum_over_the_steps(steps, eps, horizon):
    times = np.geomspace(horizon, eps, steps + 1)
    kappa = times[0] / times[1] - 1
    rho = bounds.ZCDP(distance=1.5, snr=1 / (2 * horizon)) + (
        -np.diff(times) * (1.5 / (2 * times[:-1]))**2).sum()
    bound = bounds.EULER_ZCDP(diameter=1.5, early_stopping_time=eps, horizon=horizon, kappa=kappa)
    assert rho == pytest.approx(bound, rel=1e-12)
    assert bound <= bounds.ZCDP(distance=1.5, snr=1 / (2 * eps))


# The last iterate


@repeatable
@given(decay=st.floats(1e-3, 0.9), steps=st.integers(1, 60), clip=st.floats(0.1, 5),
       noise=st.floats(0.1, 5), eta=st.floats(0.01, 10))
def test_last_iterate_is_the_recursion(decay, steps, clip, noise, eta):
    shift = variance = 0.0
    for _ in range(steps):
        shift = (1 - decay) * shift + eta * 2 * clip
        variance = (1 - decay)**2 * variance + (eta * noise)**2
    rho = last_iterate_zcdp(clip, noise, decay, steps)
    assert rho == pytest.approx(shift**2 / (2 * variance), rel=1e-9)
    assert rho <= bounds.COMPOSITION(clip=clip, noise_scale=noise, steps=steps) * (1 + 1e-12)
    assert rho <= 2 * clip**2 / noise**2 * (2 - decay) / decay * (1 + 1e-12)


def test_last_iterate_digits_and_limits():
    found = last_iterate_zcdp(1.0, 3.0, 0.05, np.array([1, 5, 20, 100, 400]))
    np.testing.assert_allclose(found, [0.2222, 1.105, 4.093, 8.565, 8.667], rtol=1e-3)
    whole = bounds.COMPOSITION(clip=1.0, noise_scale=3.0, steps=20)
    assert last_iterate_zcdp(1.0, 3.0, 0.0, 20) == whole
    assert last_iterate_zcdp(1.0, 3.0, 1e-12, 20) == pytest.approx(whole, rel=1e-9)
    assert last_iterate_zcdp(1.0, 3.0, 0.3, 1) == pytest.approx(2 / 9)


@pytest.mark.parametrize(("change", "match"), [
    ({"decay": -0.1}, "decay"), ({"decay": 1.0}, "decay"), ({"decay": math.nan}, "decay"),
    ({"steps": 0}, "steps"), ({"steps": math.nan}, "steps"), ({"steps": [3, 0]}, "steps"),
    ({"clip": -1.0}, "clip"), ({"noise_scale": 0.0}, "noise_scale"),
    ({"noise_scale": math.nan, "decay": 0.0}, "noise_scale")])
def test_wrong_last_iterate(change, match):
    with pytest.raises(ValueError, match=match):
        last_iterate_zcdp(**{"clip": 1.0, "noise_scale": 1.0, "decay": 0.1, "steps": 3, **change})


@pytest.mark.parametrize(("name", "values"), [
    ("MEMBERSHIP_ADVANTAGE", {"N": 0, "distance": 1, "snr": 1}),
    ("RENYI_PRIVACY", {"N": 5, "distance": 1e200, "snr": 1, "order": 2}),
    ("DELTA_PRIVACY", {"N": 5, "distance": 1, "snr": 1, "privacy_loss": 1e4}),
    ("LAST_ITERATE", {"clip": 1, "noise_scale": 0, "steps": 4, "contraction_rate": 0})])
def test_no_silent_nan(name, values):
    with pytest.raises(ValueError, match="finite bound"):
        getattr(bounds, name)(**values)
