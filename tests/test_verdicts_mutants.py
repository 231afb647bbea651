"""Mutants: what variants there are, and what becomes of them in a small made-up collection."""

import contextlib
import io
import json
import math
import os
import sys
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
import sympy as sp

import verdicts
from verdicts import __main__ as cli
from verdicts import mutants, notebook
from verdicts.config import load_config
from verdicts.hooks import Target
from verdicts.reach import last_reached
from verdicts.variants import FACTORS, variants

x, y, z = sp.symbols("x y z", positive=True)
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="a run is forked")


def wrong(expression, relation="<="):
    return {v.words: v.expression for v in variants(expression, relation)}


# ----------------------------------------------------------------------------- variants


def test_a_sum_loses_each_term_and_a_power_changes():
    assert wrong(x + 2 * sp.sqrt(y) + z) == {
        "× 1/2": (x + 2 * sp.sqrt(y) + z) / 2,
        "without x": 2 * sp.sqrt(y) + z,
        "without z": x + 2 * sp.sqrt(y),
        "without 2*sqrt(y)": x + z,
        f"{(x + 2 * sp.sqrt(y) + z).as_ordered_terms()[0]} alone":
            (x + 2 * sp.sqrt(y) + z).as_ordered_terms()[0],
        "exponent 1/2 → 0.55 of y": x + 2 * y**sp.Rational(11, 20) + z,
        "exponent 1/2 → 0.45 of y": x + 2 * y**sp.Rational(9, 20) + z,
    }


@pytest.mark.parametrize(("relation", "words"), [
    ("<=", {"× 1/2"}), (">=", {"× 2"}), ("=", {"× 0.9", "× 1.1"}), ("->", {"× 0.9", "× 1.1"})])
def test_multiples_by_relation(relation, words):
    assert set(wrong(x, relation)) == words
    for variant in variants(x, relation):
        assert variant.expression == sp.Rational(str(variant.factor)) * x


@pytest.mark.parametrize(("expression", "without_y"), [
    (z * (x + y), x * z),  # a factor
    ((x + y)**z, x**z),  # a power
    (x**(z + y), x**z),  # an exponent
    (sp.Max(x + y, 0) / z, x / z),
    (sp.log(x + y), sp.log(x)),
    (sp.Piecewise((x + y, z > 1)), sp.Piecewise((x, z > 1))),
    (z / (x + y), z / x)])
def test_sums_are_found_inside(expression, without_y):
    found = [e for words, e in wrong(expression).items() if words.startswith("without y in ")]
    assert found == [without_y]


def test_inner_sums_stay_and_conditions_are_no_sums():
    assert not any("in y" in words for words in wrong(x + sp.sqrt(y + z)))
    assert {w for w in wrong(sp.Piecewise((x, z + y > 1)))} == {"× 1/2"}


def test_no_variant_twice_and_none_that_is_the_truth():
    for expression in (x + y, x * (1 + y)**2 / (1 + y), sp.exp(x) - 1, sp.Integer(2) ** y):
        found = variants(expression, "=")
        assert len({v.words for v in found}) == len({v.expression for v in found}) == len(found)
        assert expression not in {v.expression for v in found}


# ----------------------------------------------------------------------------- comparison


@pytest.mark.parametrize(("relation", "other", "too_much"), [
    ("<=", 0.9, True), ("<=", 1.1, False), (">=", 0.9, False), (">=", 1.1, True),
    ("=", 1.1, True), ("=", 0.9, True), ("->", 0.9, True), ("=", 1 + 1e-10, False)])
def test_who_claims_too_much(relation, other, too_much):
    difference, wrong_ = mutants.compare(1.0, other, relation)
    assert wrong_ is too_much
    assert difference == pytest.approx(abs(other - 1) / max(1, other), rel=1e-3)


def test_comparison_of_what_is_not_a_number():
    one = SimpleNamespace(value=1.0, standard_error=0.1, degrees_of_freedom=3)
    two = SimpleNamespace(value=2.0, standard_error=0.1, degrees_of_freedom=3)
    assert mutants.compare(one, two, "=") == (0.5, True)
    assert mutants.compare(np.ones(3), np.ones(2), "=") == (2.0, True)
    assert mutants.compare(math.sin, math.cos, "=") == (2.0, True)
    assert mutants.compare(math.sin, math.sin, "=") == (0.0, False)
    assert mutants.compare([math.inf, 0.0], [math.inf, 0.0], "<=") == (0.0, False)
    assert mutants.compare(math.inf, 1.0, "<=")[1]


def test_a_variant_without_a_value_is_wrong():
    recorder = mutants.Recorder()
    assert recorder.at(Target("B", "<=", ("broken",)), 1.0, lambda words: 1 / 0) == 1.0
    assert recorder.found["B"]["variants"]["broken"]["wrong"]


# ----------------------------------------------------------------------------- reach


@pytest.mark.parametrize(("sources", "changed", "last"), [
    (["a = f()", "b = 1", "c = 2"], (0, 1), 0),
    (["a = f()", "b = a", "c = b", "d = 1"], (0, 1), 2),
    (["a = f()\nb = 1", "c = b", "d = 1"], (0, 1), 0),  # another statement of that cell
    (["a = f()", "a = 1", "b = a"], (0, 1), 0),  # set anew
    (["a = f()", "for a in [1]:\n    b = a", "c = b"], (0, 1), 0),
    (["rows = []", "for k in range(2):\n    rows.append(f(k))", "1", "print(rows)"], (1, 2), 3),
    (["rows = {}", "rows[1] = f()", "1", "print(rows)"], (1, 1), 3),
    (["def g():\n    return a", "a = f()", "1", "b = g()", "2"], (1, 1), 3),
    (["g = lambda: [a for k in range(3)]", "a = f()", "1", "b = [g() for _ in '']"], (1, 1), 3),
    (["def g(a):\n    return a", "a = f()", "1", "b = g(1)"], (1, 1), 1),
    (["import math", "b = math.sin(f())", "math.exp(1)"], (1, 1), 1),
    (["with f() as a:\n    b = 1", "1", "if b:\n    a = 1"], (0, 1), 2),
    (["a = f()", "%timeit 1", "1"], (0, 1), 0),
    (["%pip install x", "a = f()", "a"], (1, 1), 2),
    (["a = f()", "1 +", "1"], (0, 1), 2),  # cannot be read
])
def test_how_far_a_change_reaches(sources, changed, last):
    assert last_reached(sources, [changed]) == last


# ----------------------------------------------------------------------------- in a notebook


def test_ordinary_runs_are_correct():
    assert verdicts.correct("point", 1, **{"another": 2}) == 1
    with pytest.raises(ValueError, match="at least one wrong value"):
        verdicts.correct("point", 1)
    with pytest.raises(ValueError, match="name must be a non-empty string"):
        verdicts.correct(" ", 1, other=2)


def test_inseparable_says_why_of_a_variant_that_exists(monkeypatch):
    shown = []
    monkeypatch.setattr("verdicts.display.publish", lambda *texts: shown.append(texts))
    bound = SimpleNamespace(name="SUM", expression=x + y, relation="<=")
    verdicts.inseparable(bound, "without y", "y is 0 here")
    bound.quantity = "sigma^2"
    verdicts.inseparable(bound, "without y", "y is 0 here")
    assert "separate SUM from" in shown[0][0] and "the bound on sigma^2 from" in shown[1][0]
    assert "the bound on σ<sup>2</sup> from" in shown[1][1]
    with pytest.raises(ValueError, match="variant must be one of"):
        verdicts.inseparable(bound, "without z", "why not")
    with pytest.raises(ValueError, match="why must say it in words"):
        verdicts.inseparable(bound, "without y", " ")


# ----------------------------------------------------------------------------- a collection

PYPROJECT = """
[tool.verdicts]
context = "mutant_bounds:context"
stored_context = { seed = 0 }
sources = ["."]
bounds = "mutant_bounds"
bound_functions = ["<= mutant_bounds:bracket high", "= mutant_bounds:Chain.mean"]
"""
BOUNDS = '''
from dataclasses import dataclass
from typing import NamedTuple

import sympy as sp

x, y = sp.symbols("x y", positive=True)


def context():
    return {"seed": 0}


@dataclass(frozen=True)
class Formula:
    expression: sp.Expr
    relation: str
    name: str

    def __call__(self, **values):
        symbols = sorted(self.expression.free_symbols, key=str)
        assert {s.name for s in symbols} == set(values)
        return sp.lambdify(symbols, self.expression)(*(values[s.name] for s in symbols))


class Bracket(NamedTuple):
    low: float
    high: float


def bracket():
    return Bracket(1.0, 2.0)


class Chain:
    def mean(self):
        return 5.0


SHARP, COARSE, TAUTOLOGY, UNTESTED, NEVER, WEAKER, LOGARITHM, DEADLY, GREEDY = (
    Formula(e, "<=", n) for e, n in (
        (x + y, "SHARP"), (x + y, "COARSE"), (x * (1 + y), "TAUTOLOGY"), (x + y, "UNTESTED"),
        (x, "NEVER"), (x - y, "WEAKER"), (x, "LOGARITHM"), (x, "DEADLY"), (x, "GREEDY")))
'''
CELLS = (
    """import math
import os
import verdicts
from mutant_bounds import (COARSE, DEADLY, GREEDY, LOGARITHM, SHARP, TAUTOLOGY, UNTESTED, WEAKER,
                           Chain, bracket, x, y)
upper = verdicts.upper""",
    'upper("Lemma", "sharp", [4.0, 1.5], SHARP(x=np.array([3.0, 1.0]), y=np.array([1.0, 0.5])))',
    """upper("Lemma", "coarse", 0.5, COARSE(x=3.0, y=1.0))
verdicts.inseparable(COARSE, "without y", "it is small here")
verdicts.identity("Lemma", "derivation", COARSE.expression, y + x)""",
    """b = TAUTOLOGY(x=2.0, y=1.0)
upper("Lemma", "tautology", b, b)""",
    'upper("Lemma", "one term", 3.0, UNTESTED(x=3.0, y=0.0))',
    'upper("Lemma", "negative term", 2.0, WEAKER(x=3.0, y=1.0))',
    'math.log(LOGARITHM(x=2.0) - 1.5)',
    'DEADLY(x=2.0) < 2 and os._exit(3)',
    'GREEDY(x=2.0) < 2 and bytearray(2**34)',
    """upper("Lemma", "function", 2.0, bracket().high)
verdicts.control("Lemma", "lower end", "upper", 2.0, bracket().low)
verdicts.tight("Lemma", "method", Chain().mean(), 5.0, error=0.1)""",
    """scale = verdicts.correct("scale", 2.0, **{"half": 1.0, "nearly the same": 2 + 1e-12})
upper("Lemma", "own", 2.0, scale)""",
)
EXPECTED = {
    ("SHARP", "× 1/2"): "refuted by Lemma · sharp",
    ("SHARP", "without x"): "refuted by Lemma · sharp",
    ("SHARP", "without y"): "refuted by Lemma · sharp",
    ("COARSE", "× 1/2"): "SURVIVED, differs by up to 50 %",
    ("COARSE", "without x"): "SURVIVED, differs by up to 75 %",
    ("COARSE", "without y"): "survived: it is small here",
    ("TAUTOLOGY", "× 1/2"): "SURVIVED, differs by up to 50 %",
    ("TAUTOLOGY", "without y in y + 1"): "SURVIVED, differs by up to 50 %",
    ("TAUTOLOGY", "without 1 in y + 1"): "SURVIVED, differs by up to 50 %",
    ("UNTESTED", "× 1/2"): "refuted by Lemma · one term",
    ("UNTESTED", "without x"): "refuted by Lemma · one term",
    ("UNTESTED", "without y"): "separated by no case",
    ("WEAKER", "× 1/2"): "refuted by Lemma · negative term",
    ("WEAKER", "without x"): "refuted by Lemma · negative term",
    ("WEAKER", "without -y"): "weaker than the truth wherever it is evaluated",
    ("LOGARITHM", "× 1/2"): "stopped by an error: ValueError: ",
    ("DEADLY", "× 1/2"): "stopped by an error: the process ended with 3",
    ("GREEDY", "× 1/2"): "stopped by an error: MemoryError",
    ("bracket.high", "× 1/2"): "refuted by Lemma · function",
    ("Chain.mean", "× 0.9"): "refuted by Lemma · method",
    ("Chain.mean", "× 1.1"): "refuted by Lemma · method",
    ("scale", "half"): "refuted by Lemma · own",
    ("scale", "nearly the same"): "separated by no case",
}


def save(path, sources):
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    notebook.write(path, notebook.dumps(nbformat.v4.new_notebook(cells=cells)))


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    """(its Config, what the first run printed)."""
    root = tmp_path_factory.mktemp("mutants")
    (root / "pyproject.toml").write_text(PYPROJECT)
    (root / "mutant_bounds.py").write_text(BOUNDS)
    save(root / "notebooks" / "01_first.ipynb", ("import numpy as np\n" + CELLS[0], *CELLS[1:]))
    save(root / "notebooks" / "02_second.ipynb", ("1 + 1",))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(root), prepend=os.pathsep)
        patch.syspath_prepend(str(root))
        patch.chdir(root)
        yield load_config(root)
    sys.modules.pop("mutant_bounds", None)


@pytest.fixture(scope="module")
def printed(collection):
    """What the first run prints."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert cli.main(["mutants"]) == 0
    return out.getvalue()


def kept(config, number=1):
    return json.loads(mutants.kept_at(config, config.notebook(number)).read_text("utf-8"))


@forks
def test_what_becomes_of_each_mutant(collection, printed):
    found = {(t, w): text for t, w, _, text in mutants.rows(kept(collection))}
    assert found.keys() == EXPECTED.keys()
    for name, text in EXPECTED.items():
        assert found[name].startswith(text), name
        assert found[name] in printed


@forks
def test_the_counts_and_what_nobody_evaluates(collection, printed):
    line = next(line for line in printed.splitlines() if line.startswith("01   "))
    assert line.split()[1:] == ["20", "11", "3", "5", "1", "2", "1"]
    assert next(line for line in printed.splitlines() if line.startswith("02   ")).split()[1] == "0"
    assert "never evaluated: NEVER\n" in printed


@forks
def test_a_second_run_runs_nothing_and_an_interrupted_one_the_rest(collection, printed,
                                                                   monkeypatch, capsys):
    start, begun = mutants._start, []
    monkeypatch.setattr(mutants, "_start", lambda config, path, step, *more: (
        begun.append((path.stem[:2], step)), start(config, path, step, *more))[1])
    assert mutants.mutants(collection, ["01"]) == 0
    assert begun == []
    before = kept(collection)
    after = json.loads(json.dumps(before))
    after["outcomes"]["SHARP"].pop("without y")
    after["outcomes"]["COARSE"]["without x"]["seconds"] = -1.0  # is not run again
    mutants._write(collection, collection.notebook(1), after)
    assert mutants.mutants(collection, ["01"], jobs=1) == 0
    assert begun == [("01", "judge")]
    outcomes = kept(collection)["outcomes"]
    assert outcomes["SHARP"]["without y"]["by"] == "Lemma · sharp"
    assert outcomes["COARSE"]["without x"]["seconds"] == -1.0
    # Another text of the notebook, or half a file: everything anew.
    path = collection.notebook(1)
    assert mutants.read(collection, path, before["key"])
    assert mutants.read(collection, path, "another key") == {}
    file = mutants.kept_at(collection, path)
    text = file.read_text("utf-8")
    file.write_text(text[:100], "utf-8")
    assert mutants.read(collection, path, before["key"]) == {}
    file.write_text(text, "utf-8")


@forks
def test_a_notebook_that_fails_by_itself_is_named(collection, printed, capsys):
    path = collection.folder / "03_wrong.ipynb"
    save(path, ("import verdicts", 'verdicts.upper("Lemma", "false", 2, 1)'))
    try:
        assert mutants.mutants(collection, ["03"]) == 1
    finally:
        path.unlink()
    assert "03_wrong.ipynb fails without a mutant" in capsys.readouterr().err


@forks
def test_a_mutant_that_does_not_end_is_stopped():
    read, write = os.pipe()
    outcomes = []
    judge = mutants.Judge({"B": (["endless"], 0)}, 1, 1, lambda *outcome: outcomes.append(outcome))
    judge.at(Target("B", "<=", ("endless",)), 1.0, lambda words: os.read(read, 1))
    os.close(write)
    os.close(read)
    ((_, words, outcome),) = outcomes
    assert (words, outcome["why"]) == ("endless", "not through after 1 s")


def test_relations_have_factors():
    assert set(FACTORS) == {"<=", ">=", "=", "->"}
