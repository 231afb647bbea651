"""Bounds: every expression against a formula in plain numbers, monotonicity, relations."""

import math
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from score_stability.theory import SYMBOLS, Bound, bounds, statements
from verdicts import hooks, notebook
from verdicts.config import load_config

repeatable = settings(max_examples=60, deadline=None, derandomize=True)
positive = st.floats(1e-6, 1e6)
root = math.sqrt

# Each bound in plain numbers, its arguments in alphabetical order.
PLAIN = {
    "GIRSANOV": lambda discretisation, score_error, start_cost: (
        discretisation + score_error + start_cost),
    "DISCRETISATION": lambda dimension, early_stopping_time, kappa: (
        kappa * dimension / 2 * (1 - math.log(early_stopping_time))),
    "NORMAL_STEP": lambda kappa: (math.log(1 + kappa) - kappa / (1 + kappa)) / 2,
    "TANGENTIAL_STEP": lambda kappa: (kappa - math.log(1 + kappa)) / 2,
    "ATOM_INFLATION": lambda kappa: 1 + kappa,
    "ODE_INFLATION": lambda geometric_steps, kappa: (
        ((2 + kappa)**2 / (4 + 4 * kappa))**geometric_steps),
    "KAPPA_FACTOR": lambda exponent, kappa: (
        exponent * kappa / ((1 + kappa)**(exponent + 1) - 1 - kappa)),
    "PROPOSITION_7": lambda C, discretisation, eps_stab, seen_loss, start_cost: (
        start_cost + (root(seen_loss) + eps_stab)**2 - C + discretisation),
    "PROPOSITION_7_EMPIRICAL": lambda C, discretisation, eps_stab, start_cost: (
        start_cost + 2 * eps_stab * root(C) + eps_stab**2 + discretisation),
    "COROLLARY_8_MODEL": lambda A, Q, exponent, kappa: A / (1 + kappa)**exponent + Q * kappa,
    "COROLLARY_8_BEST": lambda exponent, ratio: max(
        0, (exponent * ratio)**(1 / (exponent + 1)) - 1),
    "COROLLARY_8_BALANCE": lambda ratio: (root(1 + 4 * ratio) - 1) / 2,
    "FLOW_TV": lambda N: 1 / N,
    "FLOW_KL": lambda N, distance, snr: snr * distance**2 / (2 * N),
    "EMPIRICAL_CONSTANT": lambda N: math.log(N),
    "LINEAR_CONSTANT": lambda data_variance, snr: snr * data_variance / (1 + snr * data_variance),
    "ROOT_GAP": lambda eps_stab: eps_stab,
    "GAP": lambda eps_stab, seen_loss: 2 * eps_stab * root(seen_loss) + eps_stab**2,
    "SCORE_ERROR_SHARP": lambda C_hat, defect, eps_stab, h: (
        h - defect + 2 * eps_stab * root(h + C_hat) + eps_stab**2),
    "SCORE_ERROR_PLAIN": lambda C, eps_stab, h: h + 2 * eps_stab * root(h + C) + eps_stab**2,
    "SCORE_ERROR_PAPER": lambda C, delta, eps_stab, h: (
        (1 + delta) * h + 2 * eps_stab * root(C) + (1 + 1 / delta) * eps_stab**2),
    "SCORE_ERROR_LOWER": lambda C, eps_stab, seen_loss: (
        max(root(seen_loss) - eps_stab, 0)**2 - C),
    "SANDWICH": lambda gap: root(gap),
    "LIMITING_SLACK": lambda B, C, V: root(V * C) / B,
    "MANIFOLD_SLACK": lambda intrinsic_dimension: (4 / 3)**((intrinsic_dimension + 2) / 4),
    "GAUSSIAN_MEAN_SLACK": lambda data_variance, snr: root(2 * (1 + snr * data_variance)),
    "CERTIFICATE": lambda eps_stab, seen_loss: (root(seen_loss) + eps_stab)**2,
    "LOO_VARIANCE": lambda N, beta_out, loss_variance: loss_variance / N + beta_out**2,
    "LOO_INTERVAL": lambda N, beta_out, delta, loss_variance: root(
        (loss_variance / N + beta_out**2) * max(1 / delta - 1, 0)),
    "ELBO_WEIGHT": lambda next_noise_level, noise_level: (
        (1 / next_noise_level**2 - 1 / noise_level**2) / 2),
    "SAMPLER_NLL": lambda dimension, next_noise_level, noise_level, second_moment, weighted_loss: (
        weighted_loss + second_moment / (2 * noise_level**2)
        + dimension / 2 * math.log(2 * math.pi * math.e * next_noise_level**2)),
    "UNIFORM_STABILITY": lambda beta: beta,
}
EVERY = {name: value for name, value in vars(bounds).items() if isinstance(value, Bound)}
ALL = {name: EVERY[name] for name in PLAIN}
names = pytest.mark.parametrize("name", ALL)


def test_every_bound_is_tested():
    texts = [path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py")]
    missing = [name for name in EVERY if not any(f'"{name}"' in text or f".{name}" in text
                                                 for text in texts)]
    assert not missing, f"no test names {missing}: add what they are in numbers to PLAIN"


@names
@settings(repeatable, max_examples=20)
@given(data=st.data())
def test_plain_numbers(name, data):
    bound = ALL[name]
    top = 50 if name == "MANIFOLD_SLACK" else 1e6
    bottom = 1e-6
    if {"kappa", "exponent"} & set(bound.arguments):  # differences and powers of moderate numbers
        bottom, top = 0.05, 20
    values = {argument: data.draw(st.floats(bottom, top), argument) for argument in bound.arguments}
    expected = PLAIN[name](**values)
    assert bound(**values) == pytest.approx(expected, rel=1e-9, abs=1e-9 * max(values.values())**2)
    assert isinstance(bound(**values), float)


@names
def test_arrays_broadcast(name):
    bound = ALL[name]
    first, *others = bound.arguments
    column = np.array([[0.5], [2.0], [3.0]])
    row = np.array([1.0, 1.5])
    values = {first: column, **dict.fromkeys(others, row)}
    result = bound(**values)
    assert result.shape == ((3, 2) if others else (3, 1))
    for i in range(3):
        for j in range(result.shape[1]):
            one = bound(**{first: column[i, 0], **dict.fromkeys(others, row[j])})
            assert result[i, j] == pytest.approx(one, rel=1e-14)
    if others:  # one number among arrays
        assert bound(**{first: 2.0, **dict.fromkeys(others, row)}).shape == (2,)


@pytest.mark.parametrize(("name", "up", "down"), [
    ("GAP", ("eps_stab", "seen_loss"), ()), ("SANDWICH", ("gap",), ()),
    ("SCORE_ERROR_SHARP", ("eps_stab", "h", "C_hat"), ("defect",)),
    ("SCORE_ERROR_PLAIN", ("eps_stab", "h", "C"), ()),
    ("SCORE_ERROR_PAPER", ("eps_stab", "h", "C"), ()),
    ("SCORE_ERROR_LOWER", ("seen_loss",), ("eps_stab", "C")),
    ("LINEAR_CONSTANT", ("snr", "data_variance"), ()), ("MANIFOLD_SLACK",
                                                        ("intrinsic_dimension",), ()),
    ("LIMITING_SLACK", ("V", "C"), ("B",))])
@settings(repeatable, max_examples=20)
@given(data=st.data())
def test_monotone(name, up, down, data):
    bound = ALL[name]
    values = {a: data.draw(st.floats(1e-3, 30), a) for a in bound.arguments}
    factor = data.draw(st.floats(1.01, 10))
    for argument in (*up, *down):
        change = bound(**{**values, argument: factor * values[argument]}) - bound(**values)
        assert (change if argument in up else -change) >= -1e-9 * abs(bound(**values))


@repeatable
@given(eps=positive, h=positive, C=positive, share=st.floats(0, 1), delta=st.floats(1e-3, 1e3))
def test_versions_of_theorem_3_are_ordered(eps, h, C, share, delta):
    # Hypothesis of (a) <= (b): the defect C − Ĉ is not negative.
    defect = share * C
    sharp = bounds.SCORE_ERROR_SHARP(h=h, C_hat=C - defect, defect=defect, eps_stab=eps)
    plain = bounds.SCORE_ERROR_PLAIN(h=h, C=C, eps_stab=eps)
    paper = bounds.SCORE_ERROR_PAPER(h=h, C=C, eps_stab=eps, delta=delta)
    assert sharp <= plain * (1 + 1e-9) and plain <= paper * (1 + 1e-9)
    # (a) is the squared gap bound with L = E l_sm + C and L̂ = h + Ĉ.
    gap = bounds.GAP(eps_stab=eps, seen_loss=h + C - defect)
    assert sharp == pytest.approx(gap + h - defect, rel=1e-9)


def test_without_defect_the_sharp_version_is_the_plain_one():
    e = bounds.SCORE_ERROR_SHARP.expression.subs({SYMBOLS["defect"]: 0,
                                                  SYMBOLS["C_hat"]: SYMBOLS["C"]})
    assert sp.simplify(e - bounds.SCORE_ERROR_PLAIN.expression) == 0
    # (c) minus (b) is least at delta = eps/√h, where only √(h + C) <= √h + √C remains.
    h, eps, C = (SYMBOLS[n] for n in ("h", "eps_stab", "C"))
    best = bounds.SCORE_ERROR_PAPER.expression.subs(SYMBOLS["delta"], eps / sp.sqrt(h))
    assert sp.simplify(best - (sp.sqrt(h) + eps)**2 - 2 * eps * sp.sqrt(C)) == 0


@pytest.mark.parametrize(("d_star", "slack"), [(1, 1.2408), (2, 1.3333), (3, 1.4328),
                                               (4, 1.5396), (8, 2.0528)])
def test_manifold_slack_digits(d_star, slack):
    assert bounds.MANIFOLD_SLACK(intrinsic_dimension=d_star) == pytest.approx(slack, abs=6e-5)


@names
def test_text_and_statement(name):
    bound = ALL[name]
    assert bound.statement in statements.IDS
    assert bound._repr_latex_() == f"${sp.latex(bound.expression)}$"
    assert bound.arguments == tuple(sorted(bound.arguments))


def test_every_bound_has_a_relation_and_knows_its_name():
    for name, bound in EVERY.items():
        assert bound.relation in ("<=", ">=", "=", "->")
        assert bound.name == name


@pytest.mark.parametrize(("relation", "expected"), [
    (">=", {"SCORE_ERROR_LOWER", "TRACE_CAP"}),
    ("=", {"ELBO_WEIGHT", "NORMAL_STEP", "TANGENTIAL_STEP", "ATOM_INFLATION", "ODE_INFLATION",
           "KAPPA_FACTOR", "COROLLARY_8_MODEL", "COROLLARY_8_BEST", "COROLLARY_8_BALANCE",
           "MEMBERSHIP_ADVANTAGE", "COMPOSITION", "LAST_ITERATE", "SGD_FREE_STEPS", "MEETING"}),
    ("->", {"LIMITING_SLACK", "MANIFOLD_SLACK", "GAUSSIAN_MEAN_SLACK", "MANIFOLD_B", "MANIFOLD_V",
            "BARRIER", "SMOOTH_STOP", "SMOOTH_HEAT", "SMOOTH_CUTOFF", "CIRCLE_STABILITY"})])
def test_what_is_no_upper_bound(relation, expected):
    found = {name for name, bound in EVERY.items() if bound.relation == relation}
    assert found == expected, "a bound that is not '<=' is named above, or says relation='<='"


def test_an_unknown_relation():
    with pytest.raises(ValueError, match="relation must be one of"):
        Bound("Theorem 3", "L", SYMBOLS["h"], relation="<")


# Wrong input


@names
def test_wrong_names(name):
    bound = ALL[name]
    values = dict.fromkeys(bound.arguments, 1.0)
    with pytest.raises(TypeError, match=f"takes {', '.join(bound.arguments)}"):
        bound()
    with pytest.raises(TypeError, match="nonsense"):
        bound(**values, nonsense=1.0)


@names
def test_wrong_values(name):
    bound = ALL[name]
    values = dict.fromkeys(bound.arguments, 1.0)
    for argument in bound.arguments:
        for bad in (-1.0, math.nan, math.inf, [1.0, -1.0]):
            with pytest.raises(ValueError, match=f"^{argument} must be finite and non-negative"):
                bound(**{**values, argument: bad})


@pytest.mark.parametrize(("name", "argument"), [
    ("EMPIRICAL_CONSTANT", "N"), ("SCORE_ERROR_PAPER", "delta"), ("LIMITING_SLACK", "B")])
def test_zero_where_there_is_no_bound(name, argument):
    values = {**dict.fromkeys(ALL[name].arguments, 1.0), argument: 0.0}
    with pytest.raises(ValueError, match=argument):
        ALL[name](**values)


def test_what_is_quoted_only_is_never_claimed():
    quoted = hooks.unasserted(load_config(Path(__file__).parent))
    assert set(quoted) == {"MOVE_PAPER", "PAPER_CONSTANT", "SGD_PAPER", "QUOTED_FELDMAN_VONDRAK",
                           "QUOTED_BOUSQUET_KLOCHKOV_ZHIVOTOVSKIY"}
    claimed = {r.get("bound") for path in load_config(Path(__file__).parent).all_paths()
               for r in notebook.claims(notebook.read(path))}
    assert not claimed & set(quoted)
