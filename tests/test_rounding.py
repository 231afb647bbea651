"""Every bound against its own expression in many digits: nine digits or a named error."""

import math

import mpmath
import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy.codegen.cfunctions import log2

from score_stability.theory import SYMBOLS, Bound, bounds, rounding

BOUNDS = {name: value for name, value in vars(bounds).items() if isinstance(value, Bound)}
SHARES = ("delta", "hit_probability", "bad_probability", "advantage")


def exact_log2(x):
    mantissa, exponent = mpmath.frexp(x)
    return mpmath.mpf(exponent - 1) if mantissa == 0.5 else mpmath.log(x) / mpmath.log(2)


def truth(bound, values, digits=200):
    """The expression in mpmath, digits doubled until two precisions agree; None: no real number."""
    expression = bound.expression.replace(log2, sp.Function("log2"))
    function = sp.lambdify([SYMBOLS[name] for name in values], expression,
                           [{"log2": exact_log2}, "mpmath"])
    found = []
    while len(found) < 2 or abs(found[-1] - found[-2]) > 1e-30 * abs(found[-1]):
        if len(found) > 1 and max(map(abs, found[-2:])) < mpmath.mpf("1e-350"):
            return mpmath.mpf(0)  # as √x² − x
        assert digits < 5000
        with mpmath.workdps(digits):
            try:
                found.append(function(*map(mpmath.mpf, values.values())))
            except (TypeError, ValueError, ZeroDivisionError):
                return None
            if not isinstance(found[-1], int | mpmath.mpf) or not mpmath.isfinite(found[-1]):
                return None
        digits *= 2
    return found[-1]


def assert_right(bound, values, expected):
    """Nine digits, or an error where there is no number that a float can hold."""
    if expected is None or abs(expected) > 1e308 or 0 < abs(expected) < 1e-307:
        try:
            number = bound(**values)
        except ValueError as error:
            assert str(error).startswith(", ".join(bound.arguments))
        else:  # at the edge of the range
            assert expected is not None and number != 0
            assert abs(number - expected) <= 1e-9 * abs(expected) + 5e-324
    else:
        assert abs(bound(**values) - expected) <= 1e-9 * abs(expected)


numbers = st.one_of(st.floats(-20, 20).map(lambda e: 10.0**e),
                    st.floats(-16, 0).map(lambda e: 1 + 10.0**e),
                    st.sampled_from([0.5, 1.0, 2.0, 3.0]))


@pytest.mark.parametrize("name", BOUNDS)
@settings(max_examples=12, deadline=None, derandomize=True)
@given(data=st.data())
def test_nine_digits(name, data):
    bound = BOUNDS[name]
    values = {argument: data.draw(numbers, argument) for argument in bound.arguments}
    for argument in values:
        if argument in SHARES:
            values[argument] = min(values[argument], 1 / values[argument])
    if "N" in values:
        values["N"] = float(max(1, round(min(values["N"], 1e15))))
    if any(zero.subs({SYMBOLS[k]: sp.Rational(v) for k, v in values.items()}) == 0
           for zero, _ in bound.limits):
        return  # the limits have tests of their own
    assert_right(bound, values, truth(bound, values))


@pytest.mark.parametrize(("name", "values"), [
    (name, {"kappa": kappa, **dict.fromkeys(set(BOUNDS[name].arguments) - {"kappa"}, 0.7)})
    for name in ("NORMAL_STEP", "TANGENTIAL_STEP", "ODE_INFLATION", "KAPPA_FACTOR")
    for kappa in (1e-5, 1e-9, 1e-16, 1e-150, 1e-300)] + [
    ("COROLLARY_8_BALANCE", {"ratio": 1e-200}), ("COROLLARY_8_BEST", {"ratio": 1, "exponent": 1}),
    ("COROLLARY_8_BEST", {"ratio": 2 / 3 + 1e-16, "exponent": 1.5}),
    ("MEMBERSHIP_MANY", {"advantage": 1e-200, "releases": 7}),
    ("MEMBERSHIP_MANY", {"advantage": 0, "releases": 7}),
    ("MEMBERSHIP_ADVANTAGE", {"N": 3, "distance": 1e-160, "snr": 1e-200}),
    ("MEETING", {"distance": 70, "noise_std": 1}), ("MEETING", {"distance": 1, "noise_std": 1e-9}),
    ("RENYI_PRIVACY", {"order": 1 + 1e-14, "snr": 1, "distance": 1, "N": 100}),
    ("RENYI_PRIVACY", {"order": 1 - 1e-16, "snr": 1e-30, "distance": 1, "N": 1e15}),
    ("RENYI_PRIVACY", {"order": 0.5, "snr": 500, "distance": 1, "N": 100}),
    ("RENYI_PRIVACY", {"order": 0.5, "snr": 1e5, "distance": 10, "N": 100}),
    ("RENYI_PRIVACY", {"order": 2, "snr": 1, "distance": 1, "N": 1}),
    ("DELTA_PRIVACY", {"privacy_loss": 40, "snr": 1, "distance": 1.5, "N": 9}),
    ("DELTA_PRIVACY", {"privacy_loss": 800, "snr": 1, "distance": 40, "N": 9}),
    ("DELTA_PRIVACY", {"privacy_loss": 0, "snr": 1e-40, "distance": 1, "N": 9}),
    ("DELTA_PRIVACY", {"privacy_loss": 1e-9, "snr": 1e-40, "distance": 1, "N": 9}),
    ("LOO_INTERVAL", {"N": 2, "beta_out": 1, "loss_variance": 1, "delta": 1}),
    ("LOO_INTERVAL", {"N": 2, "beta_out": 1, "loss_variance": 1, "delta": 1 - 2**-53}),
    ("GAP_MCDIARMID", {"N": 2, "beta": 0, "loss_range": 1, "delta": 1 - 2**-53}),
    ("CLASS_GAP", {"factor": 1, "gap": 0, "N": 10, "order": 1.3}),
    ("SANDWICH", {"gap": 0}), ("GAP", {"eps_stab": 1e-200, "seen_loss": 0}),
    ("SCORE_ERROR_LOWER", {"eps_stab": 1, "seen_loss": 1 + 2**-52, "C": 0}),
    ("SCORE_ERROR_LOWER", {"eps_stab": 0, "seen_loss": 0.3, "C": 0.3}),
    ("ELBO_WEIGHT", {"next_noise_level": 1, "noise_level": 1 + 2**-52}),
    ("HARNACK", {"p": 1 + 2**-52, "distance": 1, "sigma": 1}),
    ("HARNACK_SEMIGROUP", {"p": 2, "distance": 1, "alpha": 1e-200, "t": 0.1}),
    ("INVERSE_BINOMIAL", {"order": 200, "ball": 1e3}),
    ("LAST_ITERATE", {"clip": 1, "noise_scale": 1, "steps": 9, "contraction_rate": 1e-300}),
    ("UNIFORM_SCORE_STABILITY", {"N": 1, "diameter": 1, "snr_start": 3, "snr_end": 1}),
    ("UNIFORM_SCORE_STABILITY", {"N": 1e9, "diameter": 9, "snr_start": 1e-30, "snr_end": 0}),
    ("SGD_DECAY", {"clip": 1, "free_steps": 0, "hit_probability": 0.5, "step_scale": 1,
                   "steps": 1e12, "upsilon": 1, "weight_decay": 0.5 + 2**-53}),
    ("SGD_CONSTANT", {"clip": 1, "hit_probability": 0.1, "step_size": 1e-3, "steps": 1e5,
                      "upsilon": 0.7, "weight_decay": 0.9 * 0.7}),
    ("QUOTED_BOUSQUET_KLOCHKOV_ZHIVOTOVSKIY", {"N": 2.0**50, "beta": 1, "delta": 0.1,
                                               "loss_range": 1}),
    ("QUOTED_BOUSQUET_KLOCHKOV_ZHIVOTOVSKIY", {"N": 2.0**50 + 1, "beta": 1, "delta": 0.1,
                                               "loss_range": 1})])
def test_hard_places(name, values):
    values = {argument: float(values[argument]) for argument in BOUNDS[name].arguments}
    digits = 100 if name == "SGD_DECAY" else 700  # beside one, the square of 1e-300 has 600 zeros
    assert_right(BOUNDS[name], values, truth(BOUNDS[name], values, digits))


ONE = {name: dict.fromkeys(bound.arguments, 0.75) for name, bound in BOUNDS.items()}
SGD = {"hit_probability": 0.5, "upsilon": 1.5, "weight_decay": 0.75}


@pytest.mark.parametrize(("name", "values", "towards"), [
    ("RENYI_PRIVACY", {"order": 1, "N": 100}, "order"),
    ("LAST_ITERATE", {"contraction_rate": 0, "steps": 9}, "contraction_rate"),
    ("KAPPA_FACTOR", {"kappa": 0}, "kappa"), ("KAPPA_FACTOR", {"exponent": 0}, "exponent"),
    ("HARNACK_SEMIGROUP", {"alpha": 0, "p": 1.5}, "alpha"),
    ("SGD_CONSTANT", {**SGD, "steps": 40}, "weight_decay"),
    ("SGD_DECAY", {**SGD, "steps": 40}, "weight_decay"),
    ("SGD_DECAY", {"step_scale": 0, "steps": 40}, "step_scale"),
    ("DELTA_PRIVACY", {"snr": 0}, "snr"), ("DELTA_PRIVACY", {"distance": 0, "privacy_loss": 0},
                                           "distance")])
def test_limits(name, values, towards):
    """0/0: the value there is that of the expression 1e-40 away; in an array too."""
    bound, values = BOUNDS[name], {**ONE[name], **values}
    with mpmath.workdps(60):
        expected = truth(bound, {**values, towards: values[towards] + mpmath.mpf("1e-40")})
    assert bound(**values) == pytest.approx(float(expected), rel=1e-12, abs=1e-18)
    away = {**values, towards: values[towards] + 0.125}
    both = bound(**{**values, towards: np.array([[away[towards]], [values[towards]]])})
    assert both == pytest.approx(np.array([[bound(**away)], [bound(**values)]]), rel=1e-14)


def test_every_limit_is_tested():
    assert {name for name in BOUNDS if BOUNDS[name].limits} == {
        "RENYI_PRIVACY", "LAST_ITERATE", "KAPPA_FACTOR", "HARNACK_SEMIGROUP", "SGD_CONSTANT",
        "SGD_DECAY", "DELTA_PRIVACY"}


@settings(max_examples=40, deadline=None, derandomize=True)
@given(exponent=st.floats(-15, -0.1), steps=st.integers(1, 1000))
def test_last_iterate_in_digits(exponent, steps):
    decay = 10.0**exponent
    with mpmath.workdps(60):
        a = (1 - mpmath.mpf(decay))
        expected = 2 * (1 + a) / (1 - a) * (1 - a**steps) / (1 + a**steps) / 9
    assert bounds.last_iterate_zcdp(1.0, 3.0, decay, steps) == pytest.approx(float(expected),
                                                                             rel=1e-12)


def test_float64_is_enough_at_ordinary_arguments(monkeypatch):
    """The many digits are for hard places: an ordinary array never waits for them."""
    monkeypatch.setattr(rounding, "_many_digits", None)
    kappa = np.linspace(0.05, 3, 50)
    assert np.isfinite(bounds.NORMAL_STEP(kappa=kappa)).all()
    assert np.isfinite(bounds.RENYI_PRIVACY(N=50, distance=1.0, order=2.0, snr=kappa)).all()
    assert np.isfinite(bounds.DELTA_PRIVACY(N=50, distance=1, privacy_loss=kappa, snr=2)).all()
    with pytest.raises(TypeError):  # the control: here they are called
        bounds.NORMAL_STEP(kappa=1e-9)
    assert math.isfinite(bounds.GAP(eps_stab=1.0, seen_loss=0.0))
