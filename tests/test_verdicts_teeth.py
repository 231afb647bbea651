"""What a claim would have noticed: the claim itself is the oracle; the form guard; cards."""

import math

import numpy as np
import pytest
import sympy
from conftest import estimate
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import verdicts
from verdicts import __main__ as cli
from verdicts import ledger, teeth
from verdicts.cards import card, pretty
from verdicts.config import Config
from verdicts.records import disagreements, largest_deviation, neutralise
from verdicts.resolution import change

steady = settings(deadline=None, derandomize=True, max_examples=100)


pytestmark = pytest.mark.usefixtures("fresh_ledger")


def make(kind, *args, **kwargs):
    ledger._made.clear()
    return getattr(verdicts, kind)("S", "k", *args, **kwargs)


def violated(kind, *args, **kwargs):
    try:
        return make(kind, *args, **kwargs).status == "violated"
    except AssertionError:
        return True


def value(verdict):
    return verdict.record()["resolution"]["value"]


# ------------------------------------------------------------- the claim itself is the oracle

positive = st.floats(0.01, 100)


@given(st.lists(st.tuples(positive, st.floats(1, 3)), min_size=1, max_size=4), st.floats(0, 0.5))
@steady
def test_a_bound_is_violated_just_below_its_resolution_and_not_above(cases, error):
    truth = np.array([t for t, _ in cases])
    bound = truth * [r for _, r in cases]
    c = value(make("upper", truth, bound, error=error))
    assert c <= 1
    assert not violated("upper", truth, (c + 1e-6) * bound, error=error)
    if c > 1e-3:
        assert violated("upper", truth, (c - 1e-6) * bound, error=error)
    c = value(make("lower", bound, truth, error=error))
    assert c >= 1
    assert not violated("lower", bound, (c - 1e-6) * truth, error=error)
    assert violated("lower", bound, (c + 1e-6) * truth, error=error)


@given(positive, st.floats(1, 3), st.floats(1e-4, 0.1), st.floats(0, 0.1))
@steady
def test_the_interval_counts_and_pairing_makes_it_sharper(truth, ratio, se, error):
    lhs, bound = estimate(truth, se), truth * ratio
    c = value(make("upper", lhs, bound, error=error))
    assume(c > 1e-3)
    assert violated("upper", lhs, (c - 1e-6) * bound, error=error)
    assert not violated("upper", lhs, (c + 1e-6) * bound, error=error)
    paired = make("upper", lhs, bound, error=error,
                  difference=estimate(bound - truth, se / 10))
    assert value(paired) >= c


@given(positive, positive, st.floats(1e-6, 0.1))
@steady
def test_an_equality_notices_its_error_over_its_size(a, b, error):
    found = value(make("tight", [a, b], [a, b], error=error))
    assert found == pytest.approx(error / max(a, b))
    big = max(a, b)
    assert violated("tight", [big], [big * (1 + 1.001 * found) + 1e-9], error=error)
    assert not violated("tight", [big], [big * (1 + 0.999 * found)], error=error)


@given(st.floats(0.1, 10), st.floats(-0.9, 0.9), st.floats(1e-3, 0.3), st.floats(0, 0.05))
@steady
def test_an_equality_notices_in_both_directions(truth, off, error, se):
    """A claimed side wrong by more than that fails on either side; by less, on one at most."""
    half = verdicts.half_width(se, 19) if se else 0.0
    claimed = truth + off * (error + half)
    side = estimate(truth, se) if se else truth
    noticed = value(make("tight", side, claimed, error=error))
    assume(0.001 < noticed < 0.99 and abs(off) > 1e-3)
    for sign in (-1, 1):
        assert violated("tight", side, claimed * (1 + 1.001 * sign * noticed), error=error)
    assert not all(violated("tight", side, claimed * (1 + 0.999 * sign * noticed), error=error)
                   for sign in (-1, 1))


def test_what_stays_within_the_stated_error_is_confirmed():
    half = verdicts.half_width(0.01, 19)
    for error, status in ((0.3 + 1.01 * half, "holds"), (0.3 + 0.99 * half, "consistent")):
        assert make("tight", estimate(1.3, 0.01), 1.0, error=error).status == status


def test_off_by_is_that_of_the_case_that_is_shown():
    """Not of the one with the largest difference, which may be the smaller share."""
    found = make("control", "upper", [100.0, 1.0], [60.0, 0.1])
    assert "≈ 1 <= rhs ≈ 0.1 is false" in found.line and found.line.endswith("off by ≈ 90 %")


def test_special_sides():
    assert make("upper", 1.0, math.inf).record()["resolution"] == {"measure": "nothing"}
    zero = make("upper", -0.25, 0.0).record()["resolution"]
    assert (zero["measure"], zero["value"]) == ("absolute", pytest.approx(0.25))
    # A negative bound is lowered by a share of its size.
    below = make("upper", -3.0, -2.0)
    assert below.line.endswith("would notice a bound lower by ≈ 50 % of its size")
    assert value(below) == pytest.approx(0.5)
    assert violated("upper", -3.0, -2.0 - 0.51 * 2.0)
    above = make("lower", -2.0, -3.0)
    assert above.line.endswith("would notice a bound higher by ≈ 33 % of its size")
    assert violated("lower", -2.0, -3.0 + 0.34 * 3.0)
    # A bound that is far from tight cannot be told from a negative one.
    loose = make("upper", -1000.0, 1.0)
    assert loose.line.endswith("would notice no positive bound")
    assert change(loose.record()) == pytest.approx(1001)
    # Sides that are rounding do not make a claim sharp.
    sharp = make("upper", [1.0, 1e-17], [4.0, 1e-17])
    assert value(sharp) == pytest.approx(0.25)
    flat = make("tight", 0.0, 0.0, error=1e-3).record()["resolution"]
    assert (flat["measure"], flat["value"]) == ("absolute", 1e-3)
    x = sympy.Symbol("x")
    assert make("identity", (x + 1) ** 2, x**2 + 2 * x + 1).record()["resolution"] == {
        "measure": "exact"}
    assert make("open_question", a=1.0).record().get("resolution") is None


def test_exponents_and_effects():
    rate = make("rate", estimate(-2.0, 0.01), -2.05, tolerance=0.08)
    assert value(rate) == pytest.approx(0.08 + verdicts.half_width(0.01, 19) + 0.05)
    for kind, kwargs in (("monotone", {"direction": "increasing"}),
                         ("shape", {"minimum": 0, "present": False})):
        exact = make(kind, [1.0, 2.0, 4.0], **kwargs)
        assert exact.record()["resolution"] == {"measure": "exact"}
        stated = make(kind, [1.0, 2.0, 4.0], error=0.25, **kwargs).record()["resolution"]
        assert (stated["measure"], stated["value"]) == ("errors", pytest.approx(4))
    curves = np.array([1.0, 2.0, 4.0]) + 0.01 * np.random.default_rng(0).standard_normal((9, 3))
    found = make("monotone", curves, direction="increasing").record()
    steps = np.diff(curves, axis=1)
    half = [verdicts.half_width(s.std(ddof=1) / 3, 8, 2) for s in steps.T]
    assert found["resolution"]["measure"] == "half widths"
    assert found["resolution"]["value"] == pytest.approx(min(steps.mean(axis=0) / half))


def test_a_control_says_how_far_beyond_its_interval_it_is():
    found = make("control", "upper", estimate(2.0, 0.01), 1.0, error=0.1)
    effect = (1 - 0.1) / verdicts.half_width(0.01, 19)
    assert value(found) == pytest.approx(effect)
    assert found.line.endswith(f"effect ≈ {effect:.2g} half widths")
    assert make("control", "tight", 1.0, 2.0, error=0.1).line.endswith("10 times the stated error")
    assert make("control", "identity", 1.0, 2.0).line.endswith("; off by ≈ 50 %")


@given(positive, st.floats(1, 3), st.floats(1e-3, 0.3), st.floats(1e-3, 0.3))
@steady
def test_a_bound_that_is_an_estimate_is_multiplied_with_its_error(truth, ratio, s, t):
    for kind, lhs, rhs in (("upper", truth, truth * ratio), ("lower", truth * ratio, truth)):
        found = make(kind, estimate(lhs, s * lhs), estimate(rhs, t * rhs)).record()["resolution"]
        if found["measure"] == "nothing":
            # A lower bound that noise makes compatible with zero: no multiple of it is refuted.
            assert kind == "lower" and verdicts.half_width(t, 19) >= 1
            continue
        for step, expected in ((1e-6, False), (-1e-6, True)):
            c = found["value"] + (step if kind == "upper" else -step) * max(1, found["value"])
            if c > 0:
                assert violated(kind, estimate(lhs, s * lhs),
                                estimate(c * rhs, c * t * rhs)) == expected


def test_a_far_lower_bound_is_coarse_however_far_it_is():
    for far in (1e3, 1e15, 1e40):
        found = make("lower", far, 1.0).record()
        assert found["resolution"]["measure"] == "factor above"
        assert teeth.coarse([found]) != {}


def test_extreme_numbers_neither_crash_nor_leave_json():
    import json

    for lhs, rhs, error in ((-1e308, 1e308, 0), (0.0, 1e-310, 0), (1e-310, 1e-310, 1e-310),
                            (1e308, 1e308, 1e300), (0.0, 0.0, 0), (-1e-300, 0.0, 0)):
        for kind in ("upper", "tight"):
            room = max(error, abs(rhs - lhs)) if kind == "tight" else error
            if math.isfinite(room):
                json.dumps(make(kind, lhs, rhs, error=room, atol=0).record(), allow_nan=False)
        json.dumps(make("lower", rhs, lhs, error=error).record(), allow_nan=False)
    with pytest.raises(ValueError, match="error must be one number, or have shape"):
        make("upper", 1.0, 2.0, error=np.array([0.1, 5.0]))
    with pytest.raises(ValueError, match="key must be one line"):
        verdicts.upper("S", "two\nlines", 1.0, 2.0)


# ------------------------------------------------------------------------------- it travels


@given(st.lists(st.tuples(st.floats(1e-3, 1e3), st.floats(1.001, 50)), min_size=1, max_size=4),
       st.floats(0, 0.2), st.floats(0, 0.2), st.lists(st.floats(-1, 1), min_size=10, max_size=10),
       st.sampled_from(["upper", "lower", "tight"]), st.booleans())
@steady
def test_numbers_within_their_tolerance_give_a_resolution_within_its_own(
        cases, s, t, moves, kind, noisy):
    small, large = np.array([c for c, _ in cases]), np.array([c * r for c, r in cases])
    cases = slice(0, 1) if noisy else slice(None)
    small, large = small[cases], large[cases]
    lhs, rhs = (large, small) if kind == "lower" else (small, large)
    errors = (s * lhs[0], t * rhs[0]) if noisy else (0.0, 0.0)

    def run(p):
        def moved(x, m):
            return x * (1 + 0.9e-6 * m)

        k = len(lhs)
        x, y = moved(lhs, np.array(p[:k])), moved(rhs, np.array(p[4:4 + k]))
        if noisy:
            x = estimate(x[0], moved(errors[0], p[8]))
            y = estimate(y[0], moved(errors[1], p[9]))
        error = {"error": float(np.max(large - small) * 1.01)} if kind == "tight" else {}
        return make(kind, x, y, **error).record()

    stored, new = run([0.0] * 10), run(moves)
    new = new | {"numbers": stored["numbers"], "standard_errors": stored["standard_errors"]}
    assert disagreements([stored], [new]) == []


@given(st.floats(1e-6, 1e6), st.floats(1.001, 3), st.floats(0, 0.5), st.floats(-1, 1),
       st.floats(-1, 1),
       st.sampled_from(["upper", "lower", "tight", "control"]))
@steady
def test_where_the_numbers_agree_the_resolution_does(truth, ratio, share, p, q, kind):
    def run(lhs, rhs):
        error = share * truth
        if kind == "tight":
            return make("tight", lhs, lhs * (1 + share * q * 1e-6) + 0.1 * error, error=error)
        if kind == "control":
            return make("control", "lower", lhs, 2 * rhs + error, error=0.1 * error + 1e-3 * truth)
        return make(kind, *((lhs, rhs) if kind == "upper" else (rhs, lhs)), error=error)

    stored = run(truth, truth * ratio)
    moved = run(truth * (1 + p * 1e-6), truth * ratio * (1 + q * 1e-6))
    stored, moved = stored.record(), moved.record()
    moved["numbers"] = stored["numbers"]  # these are compared on their own
    assert disagreements([stored], [moved]) == []
    if stored["resolution"].get("tolerance"):
        wrong = moved | {"resolution": moved["resolution"] | {
            "value": stored["resolution"]["value"] + 3 * stored["resolution"]["tolerance"]}}
        assert "resolution was" in disagreements([stored], [wrong])[0]
        assert largest_deviation(stored, wrong) == pytest.approx(3)
        other = {"resolution": {"measure": "exact"}}
        assert "resolution was" in disagreements([stored], [stored | other])[0]


def test_every_inexact_number_of_a_line_stands_behind_the_sign():
    lines = [
        make("upper", estimate(1.0, 0.1), 5.0).line, make("lower", 5.0, 1.0).line,
        make("tight", 1.0, 1.01, error=0.02).line,
        make("rate", estimate(1.0, 0.01), 1.0, tolerance=0.1).line,
        make("shape", [3.0, 1.0, 2.5], minimum=1).line,
        make("control", "upper", estimate(2.0, 0.01), 1.0).line,
        make("open_question", slope=estimate(1.0, 0.1)).line]
    for line in lines:
        left = neutralise(line).replace("99.99998 %", "").replace("of 3 points", "")
        left = left.replace("within 0.1 of", "").replace("at index 1 ", "")  # exact by nature
        assert not any(c.isdigit() for c in left), left


# ------------------------------------------------------------------------------- the rules


def record(kind, key, resolution=None, **more):
    base = {"statement": "S", "key": key, "kind": kind, "status": "holds",
            "resolution": resolution or {"measure": "exact"}}
    return base | more


def below(c):
    return {"measure": "factor below", "value": c, "tolerance": 0}


def relative(c):
    return {"measure": "relative", "value": c, "tolerance": 0}


def test_which_claims_are_coarse():
    claims = [
        record("tight", "sharp", relative(0.02)), record("tight", "blunt", relative(0.04)),
        record("tight", "noisy", relative(0.09), statistical=True),
        record("tight", "too noisy", relative(0.11), statistical=True),
        record("identity", "rounding", relative(1e-12)),
        record("identity", "loose", relative(1e-5)),
        record("rate", "slope", {"measure": "exponent", "value": 0.16, "tolerance": 0}),
        record("monotone", "effect", {"measure": "half widths", "value": 1.1, "tolerance": 0}),
        record("upper", "alone", below(0.4)), record("upper", "sharp alone", below(0.6)),
        record("upper", "vacuous", {"measure": "nothing"}),
        # One bound, judged together.
        record("upper", "a", below(0.4), bound="M"), record("upper", "b", below(0.51), bound="M"),
        record("upper", "c", below(0.4), bound="W"), record("upper", "d", below(0.1), bound="W"),
        record("lower", "e", {"measure": "factor above", "value": 2.1, "tolerance": 0}),
        record("lower", "f", {"measure": "factor above", "value": 1.9, "tolerance": 0}),
        record("control", "g", {"measure": "errors", "value": 1.1, "tolerance": 0}),
        {"statement": "S", "key": "o", "kind": "open", "status": "open"},
    ]
    found = teeth.coarse(claims)
    assert set(found) == {f"S · {k}" for k in (
        "blunt", "too noisy", "loose", "slope", "alone", "vacuous", "c", "d", "e")}
    assert found["S · c"] == "half of W would not be noticed by any of its 2 claims"
    assert found["S · e"] == "twice of its bound would not be noticed by it"


def test_exceptions_are_one_line_each_and_do_not_outlive_their_reason(tmp_path):
    path = tmp_path / "07_x.ipynb"
    claims = [record("tight", "blunt", relative(0.04)),
              record("tight", "excused", relative(0.04), coarse="few data sets")]
    said = list(teeth.complaints(path, claims, []))
    assert said == ['S · blunt: this tight would not notice less than 4 %; sharpen it, or say '
                    'coarse="why"']
    assert list(teeth.complaints(path, claims, ["07 · S · blunt"])) == []
    (tmp_path / "list.txt").write_text("# why\n07 · S · blunt\n\n08 · S · k\n", encoding="utf-8")
    excepted = teeth.exceptions(Config(root=tmp_path, coarse="list.txt"))
    assert excepted == ["07 · S · blunt", "08 · S · k"]
    (said,) = teeth.complaints(path, [claims[1]], excepted)
    assert said == "S · blunt: is no longer coarse: remove its exception"
    (said,) = teeth.complaints(path, [record("tight", "k", relative(0.01), coarse="w")], [])
    assert said == "S · k: says why it is coarse, and is not"


def test_the_excuse_is_shown_and_must_be_words():
    found = make("upper", 1.0, 3.0, bound="ROOT_GAP", coarse="ten data sets")
    assert found.line.endswith("; would notice a bound below ≈ 0.33 of it; coarse: ten data sets")
    stored = found.record()
    assert (stored["bound"], stored["coarse"]) == ("ROOT_GAP", "ten data sets")
    assert "bound was" in disagreements([stored], [stored | {"bound": "GAP"}])[0]
    assert "coarse was" in disagreements([stored], [stored | {"coarse": "w"}])[0]
    for wrong in ("", True):
        with pytest.raises(ValueError, match="coarse must say why"):
            make("upper", 1.0, 3.0, coarse=wrong)
        with pytest.raises(ValueError, match="bound must be a name"):
            make("upper", 1.0, 3.0, bound=wrong)
    with pytest.raises(TypeError, match="bound belongs to upper and lower, not to tight"):
        make("tight", 1.0, 1.0, error=0, bound="GAP")


# ------------------------------------------------------------------------------ illustrations


def test_an_illustration_is_shown_and_does_not_count():
    found = make("illustration", "upper", [3.0, 4.0], [5.0, 5.0], names=("gap", "norm"))
    assert found.line.startswith("[by construction] S · k (illustration of upper): gap ≈ 4 <= ")
    assert "notice" not in found.line
    assert found.record()["status"] == "shown"
    assert teeth.coarse([found.record() | {"resolution": below(0.0)}]) == {}
    with pytest.raises(AssertionError):
        make("illustration", "upper", 2.0, 1.0)
    with pytest.raises(ValueError, match="kind must be one of"):
        make("illustration", "open", 1.0)


# ------------------------------------------------------------------------------------- cards

def cards(*claims, legend=""):
    records = [c.record() for c in claims]
    return card(records, [c.line for c in claims], legend)


def summary_of(markup):
    return markup.partition("<summary>")[2].partition("</summary>")[0]


def test_a_card_leads_with_its_sharpest_claim_in_words():
    claims = [verdicts.upper("S", "wide", 1.0, 2.0), verdicts.identity("S", "sure", 1.0, 1.0),
              verdicts.upper("S", "close", 0.9, 1.0, names=("gap", "eps_stab")),
              verdicts.control("S", "no swap", "upper", 2.0, 1.0),
              verdicts.upper("S", "idle", 0.0, 0.0)]
    assert summary_of(cards(*claims)) == (
        "<b>Holds.</b> S, close: gap ≈ 0.9 ≤ ε<sub>stab</sub> ≈ 1, would notice a bound below "
        "≈ 0.9 of it. And 3 more hold, 1 control refuted, as it must be: no swap.")


@pytest.mark.parametrize(("text", "markup"), [
    ("eps_stab^2 <= 2 kappa", "ε<sub>stab</sub><sup>2</sup> ≤ 2 κ"),
    ("N^2 h_K >= a < b", "N<sup>2</sup> h<sub>K</sub> ≥ a &lt; b"),
    ("p_eps and s^i", "p<sub>ε</sub> and s<sup>i</sup>"),
    ("N^-1/2 and N^-0.5 and x^2/2", "N<sup>−1/2</sup> and N<sup>−0.5</sup> and x<sup>2</sup>/2"),
    ("d* = 2*3 nodes, t*(kappa)", "d* = 2*3 nodes, t*(κ)"),
    ("deltas, epsilonics, early_stopping_time, 1e-5", None),
    ("the rate of a sample", None)])
def test_names_are_written_as_on_a_blackboard(text, markup):
    assert pretty(text) == (markup or text)


def test_formulas_of_sympy_are_written_as_on_a_blackboard():
    written = pretty("epsilon**2 = A**2 - 2*c*sqrt(h) <=> (a + 1)**(3/2)/x**-1 >= 0", formula=True)
    assert written == ("ε<sup>2</sup> = A<sup>2</sup> - 2 · c · √(h) ⇔ "
                       "(a + 1)<sup>3/2</sup>/x<sup>−1</sup> ≥ 0")


def test_cards_without_a_claim_that_holds():
    control = verdicts.control("S", "no swap", "upper", 2.0, 1.0)
    assert summary_of(cards(control)).startswith("<b>Refuted, as it must be.</b> S, no swap: ≈ 2 ≤")
    wrong = verdicts.open_question("S", "slope", slope=1.5)
    assert summary_of(cards(wrong)) == "<b>Open.</b> S, slope: slope ≈ 1.5."
    assert "1 open" in summary_of(cards(control, wrong))
    x = sympy.Symbol("x")
    same = verdicts.identity("S", "step 1", x + x, 2 * x)
    assert "S, step 1: both sides are one formula (sympy)" in summary_of(cards(same))
    # But not of a control, which says the opposite.
    other = verdicts.control("S", "step 2", "identity", x, 2 * x)
    assert summary_of(cards(other)).startswith(
        "<b>Refuted, as it must be.</b> S, step 2: difference = 0 is false")
    assert summary_of(cards(other, control)).endswith("And 1 more control.")
    assert summary_of(cards(wrong, wrong)).endswith("And 1 more open.")
    with pytest.raises(AssertionError):
        verdicts.upper("S", "wrong", 2.0, 1.0)
    failed = ledger.made()[-1]
    assert summary_of(cards(same, failed)) == (
        "<b>Violated.</b> S, wrong: ≈ 2 ≤ ≈ 1. And 1 holds.")


def test_sides_without_a_name_or_with_a_number_for_a_name():
    same = verdicts.tight("S", "two routes", 0.5, 0.5001, error=0.001)
    assert "S, two routes: ≈ 0.5 and ≈ 0.5001 agree, would notice" in summary_of(cards(same))
    named = verdicts.upper("S", "exponent", -1.9, -1.75, names=("slope", "-1.75"))
    assert "slope ≈ -1.9 ≤ -1.75, would notice a bound lower by ≈ 8.6 %" in summary_of(cards(named))
    at = verdicts.upper("S", "later", 1.0, 2.0, names=("at 3000", "at kappa = 0"))
    assert "at 3000 ≈ 1 ≤ at κ = 0 ≈ 2, would" in summary_of(cards(at))


def test_a_card_says_what_its_words_mean_and_no_others():
    markup = cards(verdicts.tight("S", "a", 1.0, 1.01, error=0.1),
                   verdicts.control("S", "b", "upper", 2.0, 1.0))
    words = markup.split("<small>")[1]
    for word in ("holds", "refuted, as it must be", "tight", "upper", "error", "would notice"):
        assert f"<i>{word}</i>: " in words, word
    for word in ("consistent", "rate", "interval", "coarse", "monotone"):
        assert f"<i>{word}</i>" not in words, word


def test_a_card_needs_no_style_and_escapes_what_it_is_given():
    claims = [verdicts.upper("S", "a < b & c", 1.0, 2.0), verdicts.lower("S", "eps", 2.0, 1.0)]
    markup = cards(*claims, legend="https://example.org/x?a=1&b=2#legend")
    assert "a &lt; b &amp; c" in markup and "background" not in markup and ";color" not in markup
    assert markup.count("<p ") == 3 and "<script" not in markup  # two lines and their words
    assert '<a href="https://example.org/x?a=1&amp;b=2#legend">' in markup


def test_the_example_of_a_failure_claims_nothing(monkeypatch):
    published = []
    monkeypatch.setattr("verdicts.display.publish", lambda *a, **k: published.append((a, k)))
    verdicts.show_failure()
    (((text, markup), options),) = published
    assert text.startswith("[violated] Example") and "<b>Violated.</b>" in markup
    assert options == {"example": True}
    assert ledger.made() == []


# ------------------------------------------------------------------------------ the command


def test_the_command_lists_the_coarsest_first(tmp_path, monkeypatch, capsys):
    import json

    (tmp_path / "pyproject.toml").write_text('[tool.verdicts]\nbranch = "main"\n', encoding="utf-8")
    folder = tmp_path / "notebooks"
    folder.mkdir()
    records = [record("tight", "sharp", relative(0.001)), record("tight", "blunt", relative(0.2)),
               record("upper", "u", below(0.7), bound="M"), record("upper", "v", below(0.2))]
    cell = {"cell_type": "code", "source": "", "metadata": {}, "execution_count": 1, "outputs": [
        {"output_type": "display_data", "data": {}, "metadata": {"verdicts": records}}]}
    text = json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    (folder / "03_x.ipynb").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert cli.main(["teeth"]) == 0
    out = capsys.readouterr().out
    assert out.index("03 · S · blunt") < out.index("03 · S · sharp")
    assert out.index("03 · S · v") < out.index("03 · S · u [M]")
    assert "03: 2 of 4, 0 say why" in out
    assert change(records[2]) == pytest.approx(0.3)
