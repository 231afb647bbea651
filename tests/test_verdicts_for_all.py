"""Claims for all reals: what is decided, what is refused, what is a counterexample."""

import ast
import builtins
import json
import re
import sys
from pathlib import Path

import pytest
import sympy as sp
from sympy import Abs, And, Eq, Equivalent, Implies, Max, Min, Ne, Not, Or, Rational, exp, log, sqrt

import verdicts
from verdicts import claims, ledger, notebook, reals, smt
from verdicts.config import load_config
from verdicts.records import disagreements, neutralise

CONFIG = load_config(Path(__file__).parent)
c, m, n, q, s, t, u, x, y = sp.symbols("c m n q s t u x y", real=True)
A, B, E = sp.symbols("A B E", real=True)
NINE = Rational(9, 10)


pytestmark = pytest.mark.usefixtures("fresh_ledger")


def decided(claim, given=(), **chain):
    """The verdict alone."""
    if chain:
        chain["start"] = sp.sympify(chain["start"])
        return reals.chain(claim, given, **chain).verdict
    return reals.decide(claim, given).verdict


def raw(relation, lhs, rhs):
    """A relation that sympy must not evaluate."""
    return relation(lhs, rhs, evaluate=False)


# ----------------------------------------------------------------------------- what is decided


@pytest.mark.parametrize(("claim", "given"), [
    (2 * x * y <= x**2 + y**2, []),
    (Abs(A - B) <= E, [A >= 0, B >= 0, E >= 0, c**2 <= A**2 * B**2,
                       Eq(E**2, A**2 + B**2 - 2 * c)]),
    (Equivalent(sqrt(x) < y, x < y**2), [x >= 0, y > 0]),
    (Implies(x > 1, x**2 > x), []),
    (Or(x < 1, Not(And(x < 2, x < 0))), []),
    (x**Rational(-2, 3) >= 1, [x > 0, x <= 1]),
    (1 / (1 + sqrt(1 + 1 / x)) < Rational(1, 2), [x > 0]),
    (exp(-x) + exp(x) >= 2, []),
    (exp(x)**2 + 1 >= 2 * exp(x), []),
    (2 * x**s <= x**(s + 1) + x**(s - 1), [x > 0]),
])
def test_true_claims_are_proved(claim, given):
    assert decided(claim, given) == "proved"


@pytest.mark.parametrize(("claim", "given", "point"), [
    (2 * x * y <= NINE * (x**2 + y**2), [], {x: 1, y: 1}),
    (x < 1000, [x > 37], {x: 1000}),
    (x <= Rational(22, 7), [7 * x < 23], {x: Rational(13, 4)}),
    (x >= -Rational(22, 7), [7 * x > -23], {x: -Rational(13, 4)}),
    (Abs(A - B) <= E, [A >= 0, B >= 0, E >= 0, Eq(E**2, A**2 + B**2 - 2 * c)],
     {A: 1, B: 2, E: Rational(1, 2), c: Rational(19, 8)}),
])
def test_false_claims_are_refuted_at_a_readable_point(claim, given, point, monkeypatch):
    if x in point and point[x] == 1000:
        monkeypatch.setattr(reals, "NUMBERS", [sp.Integer(1000)])
    assert reals.decide(claim, given).point == point


# ----------------------------------------------------------------------------- the pitfalls


@pytest.mark.parametrize(("claim", "given", "missing"), [
    (x * (1 + 1 / x) <= 0, [Eq(x, 0)], "x != 0"),      # to z3, 1/0 is some number
    (x * (1 + 1 / x) >= 1, [x >= 0], "x != 0"),
    (sqrt(x) >= 1, [x < 0], "x >= 0"),                  # r^2 = x would make x >= 0 true
    (1 / sqrt(x) > 0, [x >= 0], "sqrt(x) != 0"),
    (sqrt(1 - sqrt(x)) <= 1, [x >= 0], "1 - sqrt(x) >= 0"),
    (x >= 0, [1 / x > 0], "x != 0"),                    # a hypothesis is a term as well
    (sqrt(x) >= 0, [sqrt(x) <= 1], "x >= 0"),           # and does not prove its own domain
    (x**s > 0, [], "x > 0"),
    (exp(1 / x) > 0, [], "x != 0"),
    (x**(1 / s) > 0, [x > 0], "s != 0"),
    (sp.Piecewise((x, x > 0), (0, x < 0)) >= 0, [], "x > 0 or x < 0"),
])
def test_what_need_not_be_defined_is_refused(claim, given, missing):
    with pytest.raises(ValueError, match=re.escape(f"not shown under the hypotheses: {missing}")):
        decided(claim, given)


def test_a_domain_that_follows_is_shown_inner_roots_first():
    assert decided(x * (1 + 1 / x) >= 1, [x > 0]) == "proved"
    assert decided(sqrt(1 - sqrt(x)) <= 1, [x >= 0, x <= 1]) == "proved"
    assert decided(sqrt(x) <= 1, [sqrt(x) + y <= 1, y >= 0, x >= 0]) == "proved"
    assert decided(1 / (sqrt(x) - 2) > 0, [x > 4]) == "proved"


@pytest.mark.parametrize(
    "given", [[x > 1, x < 0], [Eq(x**2, y), y < 0], [sqrt(y) + x**2 < 0, y >= 0]]
)
def test_contradictory_hypotheses_are_refused(given):
    with pytest.raises(ValueError, match="contradict"):
        decided(x >= 10, given)


@pytest.mark.parametrize(("claim", "message"), [
    (x * sp.pi >= x, "pi is no exact rational"),
    (x >= sp.E, "E is no exact rational"),
    (0.5 * x <= x, "0.5.* is no exact rational"),
    (x >= x, "evaluated a relation to True"),
    (x**2 >= 0, "evaluated a relation to True"),
    (x**2 < 0, "evaluated a relation to False"),
    (True, "evaluated a relation to True"),
    (sp.Symbol("z") >= 0, "must be real symbols: z"),
    (sp.Symbol("z", complex=True) * x >= 0, "must be real symbols: z"),
    (x, "must be a sympy relation"),
    (x + 1, "must be a sympy relation"),
    (sp.Symbol("x", positive=True) + y >= x, "two symbols are named x"),
    (sp.sin(x) <= 1 + y**2, "neither algebraic"),
    (log(x) <= x, "neither algebraic"),
    (x > sp.log(2), "neither algebraic"),
    (raw(sp.Ge, x, sp.oo), "rational numbers only"),
    (And(x > 0, sp.Symbol("z", real=True)), "must be a relation"),
    (sp.Xor(x > 0, y > 0), "must be a relation"),
])
def test_what_is_no_question_about_the_reals_is_refused(claim, message):
    with pytest.raises(ValueError, match=message):
        decided(claim)


def test_a_hypothesis_that_sympy_has_evaluated_is_refused():
    positive = sp.Symbol("positive", positive=True)
    with pytest.raises(ValueError, match="evaluated a relation to True"):
        decided(positive >= x, [positive > 0])


def test_nothing_is_re_evaluated_on_the_way():
    assert decided(raw(sp.Ge, x**2, 0)) == "proved"
    assert decided(raw(sp.Gt, x**2, 0)) == "refuted"


def test_assumptions_of_a_symbol_are_hypotheses_and_shown():
    h, delta = sp.symbols("h delta", nonnegative=True)
    nonzero, below = sp.Symbol("z", real=True, nonzero=True), sp.Symbol("w", nonpositive=True)
    assert decided(sqrt(h) + delta >= h / (1 + h)) == "proved"
    assert decided(2 * x / nonzero <= x**2 / nonzero**2 + 1) == "proved"
    assert decided(below + x <= h + x**2 + 1) == "proved"
    assert decided(x - below <= x**2) == "refuted"
    assert decided(h >= x) == "refuted"
    with pytest.raises(ValueError, match="delta != 0"):
        decided(h / delta >= x)
    line = verdicts.for_all("S", "k", h / delta + x**2 >= 0, [delta > 0, x >= -h],
                            control=h / delta + x >= 0).line
    assert "for all delta > 0, h >= 0, x real with x >= -h: " in line


def test_minima_maxima_and_cases():
    assert decided(Max(x, y) + Min(x, y) >= x + y) == "proved"
    assert decided(Max(x, -x, y) >= Abs(x)) == "proved"
    assert decided(Abs(x + y) <= Abs(x) + Abs(y)) == "proved"
    assert decided(Max(x, 0)**2 <= x**2) == "proved"
    assert decided(Max(x, 0) <= x) == "refuted"
    assert decided(Min(x, 1) >= x) == "refuted"
    cut = sp.Piecewise((x, x <= 1), (1, True))
    assert decided(cut <= x, [x >= 1]) == "proved"
    assert decided(Eq(cut, Min(x, 1))) == "proved"
    assert decided(cut <= NINE) == "refuted"


def test_integers_need_an_integer_counterexample():
    whole = sp.Symbol("n", integer=True)
    assert decided((whole - 1) * (whole - 2) >= 0) == "undecided"  # 3/2 is no integer
    assert decided((n - 1) * (n - 2) >= 0) == "refuted"
    assert decided((whole - 1) * (whole - 3) >= 0) == "refuted"
    assert reals.decide((whole - 1) * (whole - 3) >= 0).point == {whole: 2}
    assert decided(whole**2 + 1 >= 2 * whole) == "proved"          # true for all reals
    # Hypotheses that no integer satisfies would imply anything.
    assert decided(whole >= 10, [whole > 0, whole < 1]) == "undecided"
    even = sp.Symbol("e", even=True)
    assert reals.decide(even <= 3).point == {even: 4}


def test_strictness_matters():
    assert decided(raw(sp.Gt, x**2 + y**2, 0)) == "refuted"
    assert decided(raw(sp.Gt, x**2 + y**2, 0), [Or(Ne(x, 0), Ne(y, 0))]) == "proved"


def test_an_irrational_counterexample_is_an_exact_root():
    for claim, value in ((Ne(x**2, 2), sqrt(2)), (Ne(x**3 - x, 1), None)):
        found = reals.decide(claim, [x > 0])
        assert found.verdict == "refuted"
        root = found.point[x]
        assert isinstance(root, sp.polys.rootoftools.ComplexRootOf)
        assert value is None or sp.minimal_polynomial(root - value, x) == x
    found = reals.decide(Ne(x**2, 2), [x < 0])
    assert found.point[x] < 0
    assert decided(Ne(x + y, 3), [Eq(x**2, 2), Eq(y**2, 3), x > 0, y > 0]) == "proved"


def test_a_point_that_does_not_verify_refutes_nothing():
    # z3 knows of exp that it is positive, no more: its points are no counterexamples.
    assert decided(exp(x) >= 1 + x) == "undecided"
    assert decided(exp(x) >= 1 + 2 * x) == "refuted"               # but this one is found
    assert decided(x**s <= x, [x > 0, s > 0]) == "refuted"


def test_an_answer_that_z3_does_not_give_is_undecided(monkeypatch):
    monkeypatch.setattr(smt, "EFFORT", 10)
    hard = (x**2 + y**2 - 1)**4 >= x**3 * y**5 - 7
    assert decided(hard) == "undecided"
    for call in (lambda: verdicts.for_all("S", "k", hard, control=x >= y),
                 lambda: verdicts.control("S", "c", "for_all", hard)):
        with pytest.raises(AssertionError, match="z3 gives up"):
            call()


def test_z3_is_named_where_it_is_missing(monkeypatch):
    load = builtins.__import__

    def without(name, *arguments, **options):
        if name == "z3":
            raise ImportError(name)
        return load(name, *arguments, **options)

    monkeypatch.delitem(sys.modules, "z3", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match="pip install z3-solver"):
        decided(x >= y)


def test_earlier_questions_change_nothing():
    claim, given = Abs(A - B) <= E * Rational(19, 20), [
        A >= 0, B >= 0, E >= 0, c**2 <= A**2 * B**2, Eq(E**2, A**2 + B**2 - 2 * c)]
    first = reals.decide(claim, given).point
    for _ in range(3):
        decided(x * y <= x**2 + y**2)
    assert reals.decide(claim, given).point == first == {A: 1, B: 2, E: 1, c: 2}


# ----------------------------------------------------------------------------- chains

phi = u * log(u) - u + 1


@pytest.mark.parametrize(("claim", "given", "chain"), [
    (log(1 + x) >= x / (1 + x), [], {"along": x, "start": 0}),
    (log(x) <= x - 1, [], {"along": x, "start": 1}),
    (phi <= (u - 1)**2 / 2, [], {"along": u, "start": 1}),
    (phi.subs(u, 1 / u) <= (1 / u - 1)**2 * u / 2, [],
     {"along": u, "start": 1, "lift": [u**2]}),
    (exp(x) >= 1 + x, [], {"along": x, "start": 0}),
    ((1 + x) * (1 - exp(-x)) >= x, [], {"along": x, "start": 0}),
    ((1 - y)**s <= 1 - s * y, [s >= 0, s <= 1, y < 1], {"along": y, "start": 0}),
    ((1 + x)**m >= 1 + m * x, [m >= 1], {"along": x, "start": 0}),
    (x**q >= 1, [q >= 0], {"along": x, "start": 1}),
    (2 * x >= x, [], {"along": x, "start": 0}),
])
def test_true_chains_are_proved(claim, given, chain):
    assert decided(claim, given, **chain) == "proved"


@pytest.mark.parametrize(("claim", "given", "chain"), [
    (NINE * log(1 + x) >= x / (1 + x), [], {"along": x, "start": 0}),
    (phi <= NINE * (u - 1)**2 / 2, [], {"along": u, "start": 1}),
    (NINE * exp(x) >= 1 + x, [], {"along": x, "start": 0}),
    ((1 - y)**s <= 1 - s * y, [s >= 0, y < 1], {"along": y, "start": 0}),
    ((1 + x)**m >= 1 + m * x, [m > 0], {"along": x, "start": 0}),
    (x >= 2 * x - 1, [], {"along": x, "start": 0}),
])
def test_broken_chains_are_refuted_at_an_exact_point(claim, given, chain):
    found = reals.chain(claim, given, along=chain["along"], start=sp.Integer(chain["start"]))
    assert found.verdict == "refuted"
    assert reals.truth(claim, found.point) is False
    assert all(reals.truth(h, found.point) is True for h in given)
    assert found.point[chain["along"]] > chain["start"]


@pytest.mark.parametrize(("claim", "given", "chain", "message"), [
    (log(x - 2) <= x, [], {"along": x, "start": 1}, "not shown .* x - 2"),
    (x / (x - 2) >= log(x), [], {"along": x, "start": 1}, "not shown .*x - 2"),
    (sqrt(x) >= -log(1 + x), [], {"along": x, "start": 0}, "not shown .*x"),
    (log(1 + x) <= x, [], {"along": x, "start": 0, "lift": [x - 1]}, "not shown .*x - 1"),
    # Where hypotheses have a gap, a derivative says nothing of what lies beyond it.
    (log(x) * x >= -x, [Or(x < 2, x > 3)], {"along": x, "start": 1}, "the whole way from x = 1"),
    (log(x) >= 1 - 1 / x, [x > 2], {"along": x, "start": 1}, "the whole way from x = 1"),
    (log(x) >= 1 - s / x, [s >= 0, s < x], {"along": x, "start": 1}, "the whole way from x = 1"),
    (log(x) <= x, [], {"along": x, "start": x}, "not in start"),
    (log(1 + x) < x, [], {"along": x, "start": 0}, ">= or <="),
    (And(log(1 + x) <= x, x > y), [], {"along": x, "start": 0}, ">= or <="),
    (log(1 + x) <= Abs(x), [], {"along": x, "start": 0}, "powers, exp and log only"),
    (log(1 + x) <= Max(x, 0), [], {"along": x, "start": 0}, "powers, exp and log only"),
    (sp.sin(x) <= log(1 + x), [], {"along": x, "start": 0}, "powers, exp and log only"),
    (log(1 + x) <= sp.pi * x, [], {"along": x, "start": 0}, "pi is no exact"),
    (log(1 + x) <= x, [], {"along": sp.Symbol("z", integer=True), "start": 0}, "along must be"),
    (log(1 + x) <= x, [x < 0], {"along": x, "start": 0}, "contradict"),
])
def test_what_is_no_chain_is_refused(claim, given, chain, message):
    with pytest.raises(ValueError, match=message):
        decided(claim, given, **chain)


def test_a_chain_that_does_not_end_is_undecided():
    assert decided(exp(x) * log(1 + x) >= x - x**2, along=x, start=0) in ("proved", "undecided")
    assert decided(log(1 + x) <= x + log(2), along=x, start=0) == "proved"
    assert decided(log(1 + x) + sp.Rational(1, 2) <= log(2) + x, along=x, start=0) == "proved"
    assert decided(log(1 + x) + 1 <= log(2) + x, along=x, start=0) == "refuted"


def test_along_and_start_belong_together():
    for chain in ({"along": x}, {"start": 0}, {"lift": [x]}):
        with pytest.raises(ValueError, match="along and start"):
            verdicts.for_all("S", "k", log(1 + x) <= x, control=x < y, **chain)


# ----------------------------------------------------------------------------- as verdicts


def test_claim_and_control_are_entered_with_their_formulas():
    delta = sp.Symbol("delta", real=True)
    claim = 2 * x * sqrt(y) <= delta * y + x**2 / delta
    found = verdicts.for_all("Theorem 3", "cross term", claim, [y >= 0, delta > 0],
                             control=2 * x * sqrt(y) <= NINE * (delta * y + x**2 / delta))
    claimed, broken = ledger.made()
    assert found is claimed
    assert claimed.line == (
        "[holds] Theorem 3 · cross term (for_all): for all delta > 0, x real, y >= 0: "
        "2*x*sqrt(y) <= delta*y + x**2/delta; decided for all reals by z3"
    )
    assert broken.key == "cross term, broken"
    assert (broken.kind, broken.of, broken.status) == ("control", "for_all", "refuted")
    assert broken.line == (
        "[refuted, as it must be] Theorem 3 · cross term, broken (control of for_all): that for "
        "all delta > 0, x real, y >= 0: 2*x*sqrt(y) <= 9*delta*y/10 + 9*x**2/(10*delta) is false; "
        "a counterexample exists and verifies exactly"
    )
    assert claimed.record()["formula"] == {
        "claim": "2*x*sqrt(y) <= delta*y + x**2/delta", "given": ["y >= 0", "delta > 0"]}
    assert claimed.numbers == broken.numbers == {}
    json.dumps([claimed.record(), broken.record()], allow_nan=False)


def test_hypotheses_can_be_broken_instead_of_the_claim():
    verdicts.for_all("S", "k", x <= sqrt(x), [x >= 0, x <= 1], control={"given": [x >= 0]})
    verdicts.for_all("S", "l", x <= sqrt(x), [x >= 0, x <= 1],
                     control={"claim": x <= sqrt(x) / 2, "given": [x >= 0, x <= 1]})
    assert [v.status for v in ledger.made()] == ["holds", "refuted"] * 2
    assert ledger.made()[1].record()["formula"]["given"] == ["x >= 0"]
    for wrong in ({}, {"hypotheses": []}):
        with pytest.raises(ValueError, match="control must be"):
            verdicts.for_all("S", "m", x <= y**2 + x, control=wrong)


def test_a_false_claim_and_a_true_control_fail_and_say_where():
    with pytest.raises(AssertionError, match=r"violated.*\[x = 1, y = 2\]"):
        verdicts.for_all("S", "k", x >= y, control=x >= y)
    with pytest.raises(AssertionError, match="the control did not fail"):
        verdicts.for_all("S", "l", x**2 + y**2 >= 2 * x * y, control=x**2 + y**2 >= x * y)
    assert [v.status for v in ledger.made()] == ["violated", "holds", "violated"]


def test_lines_hold_nothing_that_a_tolerance_would_hide():
    verdicts.for_all("S", "k", x**2 + 1 >= 2 * x, control=x**2 + NINE >= 2 * x)
    for verdict in ledger.made():
        _, rest = verdict.line.split("] ", 1)
        assert neutralise(verdict.line).endswith(rest)


def test_a_changed_formula_is_a_disagreement():
    verdicts.for_all("S", "k", x**2 + 1 >= 2 * x, control=x**2 + NINE >= 2 * x)
    (old, *_) = (v.record() for v in ledger.made())
    assert disagreements([old], [json.loads(json.dumps(old))]) == []
    new = old | {"formula": old["formula"] | {"given": ["x >= 0"]}}
    assert "formula was" in disagreements([old], [new])[0]


def test_words():
    assert smt.words(Implies(And(x > 0, Abs(y) <= 1), Or(Eq(x, 1), Ne(y, 0)))) == (
        "(x > 0 and |y| <= 1) => (x = 1 or y != 0)")
    whole = sp.Symbol("n", integer=True, positive=True)
    assert reals.sentence(whole * x >= y, [whole >= 2, x >= 0, x <= 1]) == (
        "for all n >= 2, x >= 0, y real with x <= 1, n an integer: n*x >= y")


# ----------------------------------------------------------------------------- what is stored

STORED = [path for path in CONFIG.all_paths()
          if any("for_all(" in cell["source"] for cell in notebook.code_cells(notebook.read(path)))]


def steps(path):
    """The code of a notebook that makes its for_all claims: its imports, and those cells."""
    cells = [cell["source"] for cell in notebook.code_cells(notebook.read(path))
             if "setup" not in notebook.tags(cell)]
    imports = [ast.unparse(node) for source in cells for node in ast.parse(source).body
               if isinstance(node, (ast.Import, ast.ImportFrom))]
    first = [] if "pictures." in cells[0] else cells[:1]  # a chapter may begin with its picture
    claimed = [s for s in cells if s not in first and re.search(r"^for_all\(", s, re.MULTILINE)]
    return "\n".join([*imports, *first, *claimed])


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem[:2])
def test_every_stored_step_needs_less_than_a_twentieth_of_the_effort(path, monkeypatch):
    """And a cell that makes such claims needs nothing but the imports."""
    stored = [r for r in notebook.claims(notebook.read(path)) if "formula" in r]
    assert stored
    monkeypatch.setattr(smt, "EFFORT", smt.EFFORT // 20)
    exec(compile(steps(path), path.name, "exec"), {"__name__": "steps"})
    made = [v.record() for v in ledger.made() if v.formula]
    texts = ("statement", "key", "kind", "status", "formula")
    assert [{t: r[t] for t in texts} for r in made] == [{t: r[t] for t in texts} for r in stored]


def nine_tenths(claim):
    """The claim with the larger side of an inequality made a tenth smaller."""
    if isinstance(claim, sp.Ge):
        return NINE * claim.lhs >= claim.rhs
    return claim.lhs <= NINE * claim.rhs


@pytest.mark.parametrize(("claim", "given"), [
    (2 * x * y <= x**2 + y**2, []),
    (Abs(x + y) <= Abs(x) + Abs(y), []),
    (sqrt(x + y) <= sqrt(x) + sqrt(y), [x >= 0, y >= 0]),
    (4 / (x + y) <= 1 / x + 1 / y, [x > 0, y > 0]),
    (x - y <= 2 * t * sqrt(y) + t**2, [x >= 0, y >= 0, t >= 0, Abs(sqrt(x) - sqrt(y)) <= t]),
    (48 * (1 + x) / (2 + x)**2 <= 12, [x >= 0]),
    (x**3 + 2 >= 3 * x, [x >= 0]),
])
def test_the_constant_of_a_sharp_inequality_is_noticed(claim, given):
    assert decided(claim, given) == "proved"
    assert decided(nine_tenths(claim), given) == "refuted"
    assert claims._EVALUATORS["for_all"](nine_tenths(claim), given).status == "violated"
