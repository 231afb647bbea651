"""Every kind of claim: when it holds, what it says, what it refuses."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
import sympy
from conftest import estimate
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

import verdicts
from verdicts.records import disagreements

pytestmark = pytest.mark.usefixtures("fresh_ledger")


def status(kind, *args, **kwargs):
    """The status of a claim; "violated" if it raised."""
    try:
        return getattr(verdicts, kind)("S", "k", *args, **kwargs).status
    except AssertionError:
        return "violated"


HALF = verdicts.half_width(1.0, 19)
# The same examples every time; the first one may have to import scipy.
steady = settings(deadline=None, derandomize=True)

# ----------------------------------------------------------------------------- intervals


@pytest.mark.parametrize("dof", [1, 4, 19, 200, math.inf])
def test_half_width_is_the_t_quantile_of_the_shared_error(dof):
    error = verdicts.FAMILY_ERROR / verdicts.MAX_STATISTICAL_VERDICTS
    expected = 2.5 * (stats.norm if math.isinf(dof) else stats.t(dof)).isf(error / 2)
    assert verdicts.half_width(2.5, dof) == pytest.approx(expected, rel=1e-6)


def test_bonferroni_widens_the_interval_and_no_error_needs_none():
    assert verdicts.half_width(1, 9, comparisons=8) > verdicts.half_width(1, 9)
    assert verdicts.half_width(0.0, 0) == 0
    with pytest.raises(ValueError, match="degrees_of_freedom"):
        verdicts.half_width(1.0, 0.5)


def test_false_alarms_are_as_rare_as_the_interval_says(monkeypatch):
    # With an error of 10 % per verdict, a true equality is called violated in 10 % of data sets.
    monkeypatch.setattr("verdicts.statistics.VERDICT_ERROR", 0.1)
    samples = np.random.default_rng(1).standard_normal((2000, 6))
    errors = samples.std(axis=1, ddof=1) / np.sqrt(6)
    pairs = zip(samples.mean(axis=1), errors, strict=True)
    bad = sum(status("tight", estimate(m, e, 5), 0.0, error=0) == "violated" for m, e in pairs)
    assert abs(bad - 200) < 5 * math.sqrt(2000 * 0.1 * 0.9)


# ----------------------------------------------------------------------------- inequalities

finite = st.floats(-1e6, 1e6).filter(lambda v: v == 0 or abs(v) > 1e-6)


@given(finite, finite)
@steady
def test_upper_holds_exactly_if_lhs_is_at_most_rhs(a, b):
    assume(a == b or abs(a - b) > 1e-9 * max(abs(a), abs(b)))
    assert status("upper", a, b) == ("holds" if a <= b else "violated")


@given(finite, finite, st.floats(0, 10), st.floats(1e-3, 1e3))
@steady
def test_verdicts_do_not_depend_on_the_unit(a, b, error, unit):
    assume(abs(abs(b - a) - error) > 1e-6 * max(abs(a), abs(b), 1))
    for kind in ("upper", "lower", "tight"):
        before = status(kind, a, b, error=error)
        assert before == status(kind, unit * a, unit * b, error=unit * error)


@given(finite, finite, st.floats(0, 1), st.floats(0, 1))
@steady
def test_swapping_the_sides_turns_upper_into_lower(a, b, s, e):
    assert status("upper", a, b, error=e) == status("lower", b, a, error=e)
    x, y = estimate(a, s), estimate(b, s)
    assert status("upper", x, y, error=e) == status("lower", y, x, error=e)


@given(finite, finite, st.floats(1e-9, 10))
@steady
def test_tight_holds_exactly_within_the_error_and_is_symmetric(a, b, error):
    expected = "holds" if abs(b - a) <= error else "violated"
    assert status("tight", a, b, error=error) == status("tight", b, a, error=error) == expected


@given(st.floats(-30, 30), st.floats(0.1, 2), st.floats(0, 1))
@steady
def test_statistical_upper_has_three_outcomes(margin, se, error):
    room = HALF * se + error
    assume(abs(abs(margin) - room) > 1e-6)
    expected = "holds" if margin > room else "consistent" if margin > -room else "violated"
    assert status("upper", estimate(0.0, se), margin, error=error) == expected


def test_standard_errors_add_up_unless_differences_are_paired():
    lhs, rhs = estimate(1.0, 0.1), estimate(2.0, 0.1)
    assert status("upper", lhs, rhs) == "consistent"  # half width 0.2 * 7.9 > 1
    assert status("upper", lhs, rhs, difference=estimate(1.0, 0.01)) == "holds"
    assert status("lower", rhs, lhs, difference=estimate(-1.0, 0.01)) == "holds"
    with pytest.raises(ValueError, match="difference must estimate rhs - lhs"):
        verdicts.upper("S", "k", 1.0, 2.0, difference=estimate(-1.0, 0.001))


def test_the_smaller_number_of_degrees_of_freedom_counts():
    found = verdicts.upper("S", "k", estimate(0, 0.5, 3), estimate(1, 0.5, 50))
    low, high = (1 + s * verdicts.half_width(1, 3) for s in (-1, 1))
    assert f"interval [≈ {low:.4g}, ≈ {high:.4g}]" in found.line


def test_evaluation_error_and_rounding_are_granted():
    assert status("upper", 1 + 1e-13, 1.0) == "holds"
    assert status("upper", 1.05, 1.0) == "violated"
    assert status("upper", 1.05, 1.0, error=0.1) == "holds"


def test_arrays_show_the_worst_case_and_store_all():
    found = verdicts.upper("S", "k", [1.0, 2.0, 3.0], [5.0, 2.5, np.inf], names=("gap", "bound"))
    assert found.line == (
        "[holds] S · k (upper): gap ≈ 2 <= bound ≈ 2.5; slack ≈ 1.25; worst of 3 cases; "
        "would notice a bound below ≈ 0.8 of it"
    )
    assert found.numbers == {"lhs": [1.0, 2.0, 3.0], "rhs": [5.0, 2.5, "inf"]}
    assert len(verdicts.upper("S", "k", np.zeros(1000), 1).numbers["lhs"]) == 200


def test_an_infinite_bound_is_vacuous_and_json_safe():
    found = verdicts.upper("S", "k", 1.0, np.inf)
    assert found.line == (
        "[holds] S · k (upper): lhs ≈ 1 <= rhs ≈ inf; vacuous; would notice nothing")
    json.dumps(found.record(), allow_nan=False)


def test_the_line_of_a_statistical_claim_shows_margin_and_interval():
    found = verdicts.upper("T 3", "MNIST", estimate(0.1158, 0.01), 0.1557, slack=False)
    assert found.line == (
        "[consistent] T 3 · MNIST (upper): lhs ≈ 0.1158 <= rhs ≈ 0.1557; margin ≈ 0.0399, "
        "99.99998 % interval [≈ -0.03915, ≈ 0.119]; would notice a bound below ≈ 0.24 of it"
    )
    assert found.statistical
    assert repr(found) == found.line


def test_a_violation_raises_with_everything_one_needs():
    with pytest.raises(AssertionError) as caught:
        verdicts.upper("Theorem 3", "circle", estimate(2.0, 0.01), 1.0)
    for part in ("Theorem 3", "circle", "upper", "2.0", "1.0", "0.01", "violated"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((math.nan, 1), {}, "lhs must not be NaN"),
        ((1, math.nan), {}, "rhs must not be NaN"),
        ((math.inf, 1), {}, "lhs must be finite"),
        ((1, -math.inf), {}, "rhs must not be minus infinity"),
        (([], 1), {}, "lhs must not be empty"),
        ((np.ones((3, 1)), np.ones(3)), {}, "one shape"),
        ((np.ma.masked_array([1.0, 9.0], [False, True]), 2.0), {}, "lhs must not be masked"),
        (([1, 2], [1, 2, 3]), {}, "one shape"),
        (([1, 2], estimate(1, 0.1)), {}, "single numbers"),
        ((1, estimate(1, -0.1)), {}, "standard error of rhs"),
        ((1, estimate(1, 0.1, 0)), {}, "degrees of freedom of rhs"),
        ((1, 2), {"error": -1}, "error must not be negative"),
        ((1, 2), {"error": math.nan}, "error must not be NaN"),
        (([1, 2], 3), {"difference": estimate(1, 0.1)}, "difference needs"),
        ((1, math.inf), {"difference": estimate(1, 0.1)}, "difference needs"),
    ],
)
def test_wrong_numbers_are_named(args, kwargs, message):
    with pytest.raises(ValueError, match=message):
        verdicts.upper("S", "k", *args, **kwargs)


@pytest.mark.parametrize("wrong", ["one", 1j, None, object()])
def test_wrong_types_are_named(wrong):
    with pytest.raises(TypeError, match="lhs must be"):
        verdicts.upper("S", "k", wrong, 1)


def test_only_upper_takes_an_infinite_bound():
    with pytest.raises(ValueError, match="rhs must be finite"):
        verdicts.lower("S", "k", 1, math.inf)


def test_tensors_on_any_device_are_read():
    tensor = SimpleNamespace(detach=lambda: SimpleNamespace(cpu=lambda: np.array([1.0, 2.0])))
    assert status("upper", tensor, 3.0) == "holds"


# ----------------------------------------------------------------------------- equalities

x, y = sympy.symbols("x y", positive=True)


@pytest.mark.parametrize(
    ("lhs", "rhs"),
    [
        ((x + y) ** 2, x**2 + 2 * x * y + y**2),
        (sympy.sin(x) ** 2, 1 - sympy.cos(x) ** 2),
        (sympy.Matrix([[x - x, 0]]), 0),
        (sympy.Matrix([[(x + 1) ** 2]]), sympy.Matrix([[x**2 + 2 * x + 1]])),
        (sympy.sqrt(2) * sympy.sqrt(3), sympy.sqrt(6)),
    ],
)
def test_symbolic_identities(lhs, rhs):
    found = verdicts.identity("S", "k", lhs, rhs)
    assert found.line == "[holds] S · k (identity): difference = 0; exact"


def test_a_false_identity_shows_where():
    n = sympy.Symbol("n", integer=True)
    z = sympy.Symbol("z", negative=True)
    with pytest.raises(AssertionError, match=r"difference ≈ -?[0-9.]+ at n = 2, z = -"):
        verdicts.identity("S", "k", (n + z) ** 2, n**2 + z**2)
    with pytest.raises(AssertionError, match=r"difference ≈ 1 \["):
        verdicts.identity("S", "k", sympy.Integer(2), 1)


def test_an_undecided_identity_fails_as_claim_and_as_control():
    f = sympy.Function("f")
    with pytest.raises(AssertionError, match="neither shown"):
        verdicts.identity("S", "k", f(x), f(y))
    with pytest.raises(AssertionError, match="control did not fail"):
        verdicts.control("S", "k", "identity", f(x), f(y))


def test_numerical_identities():
    assert status("identity", np.ones(3), 1 + 1e-14) == "holds"
    assert status("identity", 1.0, 1 + 1e-10) == "violated"
    assert status("identity", 1.0, 1 + 1e-10, error=1e-9) == "holds"
    assert status("identity", sympy.sqrt(2), math.sqrt(2), error=1e-12) == "holds"
    with pytest.raises(ValueError, match="deterministic"):
        verdicts.identity("S", "k", estimate(1, 0.1), 1)


def test_tight_with_an_estimate_is_never_more_than_consistent():
    assert status("tight", estimate(1, 0.1), 1.0, error=0) == "consistent"
    assert status("tight", estimate(1, 0.1), 1.8, error=0.02) == "consistent"
    assert status("tight", estimate(1, 0.1), 1.8, error=0) == "violated"


# ----------------------------------------------------------------------------- rates and curves


def test_rate_boundaries():
    slope = estimate(-2.0, 0.01)  # half width 0.079
    assert status("rate", slope, -2.0, tolerance=0.08) == "holds"
    assert status("rate", slope, -2.05, tolerance=0.08) == "consistent"
    assert status("rate", slope, -2.15, tolerance=0.08) == "consistent"
    assert status("rate", slope, -2.17, tolerance=0.08) == "violated"
    assert status("rate", -2.0, -2.1, tolerance=0.11) == "holds"
    assert status("rate", -2.0, -2.1, tolerance=0.09) == "violated"
    for wrong in ({"slope": [1, 2]}, {"tolerance": -1}, {"predicted": [1, 2]}):
        kwargs = {"slope": 1.0, "predicted": 1.0, "tolerance": 0.1} | wrong
        with pytest.raises(ValueError, match=next(iter(wrong))):
            verdicts.rate("S", "k", **kwargs)


def replicates(curve, noise, n=12):
    return np.asarray(curve) + noise * np.random.default_rng(0).standard_normal((n, len(curve)))


def test_shape():
    u = [3.0, 1.0, 0.5, 2.0]
    assert status("shape", u, minimum=2) == "holds"
    assert status("shape", replicates(u, 0.01), minimum=2, x=[1, 2, 3, 4]) == "holds"
    assert status("shape", replicates(u, 5.0), minimum=2) == "violated"  # lost in the noise
    assert status("shape", [1.0, 2.0, 3.0], minimum=0, present=False) == "holds"
    assert status("shape", [1.0, 2.0, 0.5], minimum=0, present=False) == "violated"
    assert status("control", "shape", [1.0, 2.0, 3.0], minimum=1) == "refuted"
    assert status("control", "shape", replicates(u, 5.0), minimum=2) == "violated"


def test_monotone():
    up = [1.0, 2.0, 4.0]
    assert status("monotone", up, direction="increasing") == "holds"
    assert status("monotone", up[::-1], direction="decreasing") == "holds"
    assert status("monotone", replicates(up, 0.01), direction="increasing") == "holds"
    assert status("monotone", replicates(up, 9.0), direction="increasing") == "violated"
    assert status("monotone", [1.0, 1.0], direction="increasing") == "violated"
    assert status("control", "monotone", up, direction="decreasing") == "refuted"
    assert status("control", "monotone", replicates(up, 9.0), direction="decreasing") == "violated"


def test_paired_differences_remove_what_replicates_share():
    shared = np.random.default_rng(1).normal(scale=100, size=(12, 1))
    assert status("monotone", replicates([1, 2, 4.0], 0.01) + shared, direction="increasing") == (
        "holds"
    )


@pytest.mark.parametrize(
    ("kind", "args", "kwargs", "message"),
    [
        ("shape", ([3, 1, 2],), {"minimum": 0}, "minimum must lie inside"),
        ("shape", ([3, 1, 2],), {"minimum": 1, "present": False}, "minimum must be an end"),
        ("shape", ([3, 1, 2],), {"minimum": 1, "x": [1, 2]}, "x must have shape"),
        ("shape", ([3, 1],), {"minimum": 1}, "at least 3 points"),
        ("shape", ([[3, 1, 2]],), {"minimum": 1}, "at least 2 replicates"),
        ("shape", (np.ones((2, 2, 3)),), {"minimum": 1}, "curves must have shape"),
        ("monotone", ([1, 2],), {"direction": "up"}, "direction must be"),
        ("monotone", ([1, math.nan],), {"direction": "increasing"}, "curves must not be NaN"),
    ],
)
def test_wrong_curves_are_named(kind, args, kwargs, message):
    with pytest.raises(ValueError, match=message):
        getattr(verdicts, kind)("S", "k", *args, **kwargs)


def test_the_minimum_is_an_index():
    with pytest.raises(TypeError, match="minimum must be an index"):
        verdicts.shape("S", "k", [3, 1, 2], minimum=1.0)


# ----------------------------------------------------------------------------- controls, open


def test_a_control_must_find_its_claim_false():
    found = verdicts.control("S", "dropped", "upper", 2.0, 1.0)
    assert found.line == (
        "[refuted, as it must be] S · dropped (control of upper): "
        "lhs ≈ 2 <= rhs ≈ 1 is false; slack ≈ 0.5; off by ≈ 50 %"
    )
    assert found.record()["of"] == "upper"
    for rhs in (3.0, estimate(1.9, 0.1)):  # true, and merely consistent
        with pytest.raises(AssertionError, match="control did not fail"):
            verdicts.control("S", "k", "upper", 2.0, rhs)
    with pytest.raises(ValueError, match="kind must be one of"):
        verdicts.control("S", "k", "open", 1.0)


def test_open_questions_are_reported_only():
    found = verdicts.open_question("S", "k", exponent=estimate(1.0, 0.1), best_kappa=[1, 2])
    assert found.line == "[open] S · k (open): exponent ≈ 1 ± 0.1; best kappa from ≈ 1 to ≈ 2"
    assert found.numbers == {"exponent": 1.0, "best_kappa": [1.0, 2.0]}
    with pytest.raises(ValueError, match="at least one"):
        verdicts.open_question("S", "k")


# ----------------------------------------------------------------------------- names, records


def test_names_and_context():
    verdicts.configure(known_statements=["S"], context={"seed": 3})
    assert verdicts.upper("S", "k", 1, 2).record()["context"] == {"seed": 3}
    with pytest.raises(ValueError, match="unknown statement 'Theorem 33'"):
        verdicts.upper("Theorem 33", "k", 1, 2)
    for wrong in ("", 3):
        with pytest.raises(ValueError, match="key must be"):
            verdicts.upper("S", wrong, 1, 2)


def record(**changes):
    base = verdicts.upper("S", "k", estimate(1.0, 0.1), 5.0).record()
    return base | changes


def test_records_agree_within_their_own_tolerance():
    old = record()
    assert disagreements([old], [record(numbers={"lhs": 1.0 + 1e-8, "rhs": 5.0})]) == []
    assert disagreements([old], [record(status="consistent")]) == []
    (message,) = disagreements([old], [record(numbers={"lhs": 1.1, "rhs": 5.0})])
    assert message == "S · k: lhs was 1.0, is 1.1 (rtol 1e-06, atol 1e-12)"
    loose = record(rtol=0.5)
    assert disagreements([loose], [record(numbers={"lhs": 1.1, "rhs": 5.0})]) == []
    assert disagreements([old], [loose | {"numbers": {"lhs": 1.1, "rhs": 5.0}}])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"key": "other"}, "key was 'k'"),
        ({"statement": "T"}, "statement was 'S'"),
        ({"kind": "lower"}, "kind was 'upper'"),
        ({"status": "refuted"}, "status was 'holds'"),
        ({"numbers": {"lhs": 1.0}}, "numbers were"),
        ({"numbers": {"lhs": [1.0, 1.0], "rhs": 5.0}}, "lhs had 1 values, has 2"),
        ({"numbers": {"lhs": 1.0, "rhs": "inf"}}, "rhs was 5.0, is inf"),
        ({"standard_errors": {"lhs": 0.2}}, "standard error of lhs was 0.1"),
    ],
)
def test_what_differs_is_named(changes, message):
    (found,) = disagreements([record()], [record(**changes)])
    assert message in found


def test_a_lost_record_is_noticed():
    assert disagreements([record(), record()], [record()]) == ["2 stored verdicts, 1 new"]
