"""The kinds of claim.  Each says when it holds; all raise AssertionError when it does not.

Arguments common to all: ``statement`` (an id such as "Theorem 3"), ``key`` (unique within the
statement and the notebook), ``rtol`` and ``atol`` (how far a later run may be from the stored
numbers), ``names`` (what the line calls lhs and rhs), ``slack=False`` (the ratio means
nothing: neither show it nor count it in the table), ``uncompared="why"`` (the numbers differ from
processor to processor, as those of a chaotic run or at rounding level do: a later run is compared
with the stored one by its status alone, and the line says why), ``coarse="why"`` (the form guard
refuses a claim that would notice too little, see ``teeth``, unless it says why it cannot be
sharper).  ``upper`` and ``lower`` take ``bound``, the name of the bound or an equation number such
as "(5.3)": claims on one bound are judged together.
An *estimate* is any object with ``value``, ``standard_error`` and ``degrees_of_freedom``.
"""

from verdicts import cards, comparisons, curves, display, ledger
from verdicts.display import number
from verdicts.outcome import Outcome
from verdicts.quantities import Quantity, quantity
from verdicts.records import plain


def _for_all(*args, **kwargs):
    from verdicts import reals  # sympy takes a second to load

    return reals.for_all(*args, **kwargs)


_EVALUATORS = {
    "identity": comparisons.identity,
    "tight": comparisons.tight,
    "upper": comparisons.upper,
    "lower": comparisons.lower,
    "rate": curves.rate,
    "shape": curves.shape,
    "monotone": curves.monotone,
    "for_all": _for_all,
}


_BOUNDS = ("upper", "lower")
# Behind what failed: where its words are explained, and what a report must say.
_HELP = ("\nWhat '{kind}' claims and when it fails: the legend of verdicts, in notebook 00. To "
         "report it, add what `python -m verdicts env` prints.")


def _enter(statement, key, kind, outcome, status, rtol, atol, uncompared=None, of=None,
           bound=None, coarse=None):
    resolution = outcome.resolution
    # What for_all decides, its line says in words; what is false as it stands notices nothing.
    resolves = resolution and kind != "illustration" and "for_all" not in (kind, of) and (
        status != "violated")
    text = "; ".join([
        outcome.claim + (" is false" if status == "refuted" else ""),
        *outcome.notes,
        *([resolution.words] if resolves else []),
        *display.excuse("uncompared", uncompared),
        *display.excuse("coarse", coarse),
    ])
    verdict = ledger.Verdict(
        statement=statement,
        key=key,
        kind=kind,
        status=status,
        line=cards.line(statement, key, kind, status, text, of),
        numbers=outcome.numbers,
        standard_errors=outcome.standard_errors,
        statistical=outcome.statistical,
        of=of,
        slack=outcome.slack,
        rtol=rtol,
        atol=atol,
        uncompared=uncompared,
        bound=bound,
        coarse=coarse,
        resolution=resolution.record(rtol, atol) if resolution else None,
        formula=outcome.formula,
    )
    ledger.enter(verdict)
    display.show_verdict(verdict)
    if status == "violated":
        why = "the control did not fail: " if kind == "control" else ""
        errors = f", standard errors {outcome.standard_errors}" if outcome.standard_errors else ""
        found = outcome.point or f"{outcome.numbers}{errors}"
        raise AssertionError(f"{why}{verdict.line} [{found}]{_HELP.format(kind=kind)}")
    return verdict


def _claim(kind, statement, key, *args, rtol=1e-6, atol=1e-12, uncompared=None, bound=None,
           coarse=None, **kwargs):
    ledger.check_names(statement, key)
    if bound is not None:
        if kind not in _BOUNDS:
            raise TypeError(f"bound belongs to {' and '.join(_BOUNDS)}, not to {kind}")
        if not isinstance(bound, str) or not bound.strip():
            raise ValueError(f"bound must be a name or an equation number; got {bound!r}")
    outcome = _EVALUATORS[kind](*args, **kwargs)
    status = "violated" if outcome.status == "undecided" else outcome.status
    return _enter(statement, key, kind, outcome, status, rtol, atol, uncompared, bound=bound,
                  coarse=coarse)


def identity(statement, key, lhs, rhs=0, *, error=None, **common):
    """lhs = rhs as a formula: a sympy difference is 0, or numbers agree to rounding.

    Rule: simplify(lhs - rhs) == 0, or |lhs - rhs| <= error for every number, by default
    1e-12 * max(1, |lhs|, |rhs|).
    """
    return _claim("identity", statement, key, lhs, rhs, error=error, **common)


def tight(statement, key, lhs, rhs, *, error, **common):
    """lhs = rhs within the stated evaluation error: two independent routes to one number.

    Rule: |lhs - rhs| <= error (holds); with an estimate |lhs - rhs| + interval <= error (holds) or
    |lhs - rhs| <= error + interval (consistent).
    """
    return _claim("tight", statement, key, lhs, rhs, error=error, **common)


def upper(statement, key, lhs, rhs, *, error=0.0, difference=None, **common):
    """The bound rhs is an upper bound of the truth lhs; ``bound`` says which.

    Rule without estimates: lhs <= rhs + error + 1e-12 * scale, for every case of an array.
    With estimates: holds if rhs - lhs exceeds its interval + error, consistent within it.
    ``difference`` is an estimate of rhs - lhs from *paired* replicates; without it standard errors
    add up.  ``rhs`` may be infinite (vacuous).  slack = rhs / lhs, of ``lower`` lhs / rhs.
    """
    return _claim("upper", statement, key, lhs, rhs, error=error, difference=difference, **common)


def lower(statement, key, lhs, rhs, *, error=0.0, difference=None, **common):
    """The bound rhs is a lower bound of the truth lhs: lhs >= rhs; otherwise as `upper`.

    ``difference`` is an estimate of rhs - lhs here, too.
    """
    return _claim("lower", statement, key, lhs, rhs, error=error, difference=difference, **common)


def rate(statement, key, slope, predicted, *, tolerance, **common):
    """A fitted exponent is the predicted one.

    Rule: holds if |slope - predicted| + interval <= tolerance, consistent if
    |slope - predicted| <= tolerance + interval.
    """
    return _claim("rate", statement, key, slope, predicted, tolerance=tolerance, **common)


def shape(statement, key, curves, *, minimum, x=None, present=True, **common):
    """A curve has an interior minimum (or, with present=False, none: the smallest is an end).

    ``curves`` is (replicates, n), or (n,) without error; ``minimum`` an index fixed beforehand.
    Rule: both ends lie above the minimum, significantly in paired differences; with present=False
    all other points do.
    """
    return _claim("shape", statement, key, curves, minimum=minimum, x=x, present=present, **common)


def monotone(statement, key, curves, *, direction, **common):
    """A curve is "increasing" or "decreasing": all its successive paired differences are,
    significantly.  ``curves`` is (replicates, n), or (n,) without error."""
    return _claim("monotone", statement, key, curves, direction=direction, **common)


def control(statement, key, kind, *args, rtol=1e-6, atol=1e-12, uncompared=None, **kwargs):
    """A false claim of the given kind is found false, beyond its error or interval.

    The remaining arguments are those of that kind.  Raises AssertionError if the claim holds, is
    merely consistent, or cannot be decided.
    """
    outcome = _evaluate(kind, statement, key, args, kwargs)
    status = "refuted" if outcome.status == "violated" else "violated"
    return _enter(statement, key, "control", outcome, status, rtol, atol, uncompared, of=kind)


def illustration(statement, key, kind, *args, rtol=1e-6, atol=1e-12, uncompared=None, **kwargs):
    """A claim of the given kind that holds by construction: shown, and not counted as holding.

    Such are Minkowski's inequality on the same rows, data processing on the same numbers, one
    formula against itself.  The remaining arguments are those of that kind.  Raises AssertionError
    if the claim is violated or cannot be decided: then something is wrong with the code.
    """
    outcome = _evaluate(kind, statement, key, args, kwargs)
    broken = outcome.status in ("violated", "undecided")
    status = "violated" if broken else "shown"
    return _enter(statement, key, "illustration", outcome, status, rtol, atol, uncompared, of=kind)


def _evaluate(kind, statement, key, args, kwargs):
    if kind not in _EVALUATORS:
        raise ValueError(f"kind must be one of {sorted(_EVALUATORS)}, not {kind!r}")
    ledger.check_names(statement, key)
    return _EVALUATORS[kind](*args, **kwargs)


_refuted = control  # for_all has an argument of this name


def for_all(
    statement, key, claim, given=(), *, control, along=None, start=None, lift=(), **common
):
    """An inequality is true for all real numbers that its hypotheses allow: decided, not sampled.

    ``claim`` is a sympy relation, or And, Or, Not, Implies, Equivalent of some; ``given`` its
    hypotheses, to which come the signs that its symbols assume.  ``control`` is a broken claim, or
    a dict with "claim" or "given" or both; it is entered as a control "{key}, broken".
    With ``along`` the claim is f >= g or f <= g for that symbol from ``start`` on, and may hold
    logarithms and powers: f - g is not negative at the start, nor are its derivatives, down to one
    that z3 decides; ``lift`` are positive factors, one for each derivative.

    Rule: z3 finds that hypotheses and negated claim exclude each other, after it has shown that
    denominators and roots are defined.  For the control there is a point, verified exactly, at
    which the hypotheses hold and the claim does not.  *Undecided* fails as claim and as control.
    ValueError if sympy has evaluated a relation, a term need not be defined, the hypotheses
    contradict each other or a number is no exact rational; ImportError without z3.
    """
    broken = control if isinstance(control, dict) else {"claim": control}
    if not broken or not broken.keys() <= {"claim", "given"}:
        raise ValueError('control must be a broken claim, or a dict with "claim" or "given"')
    common |= {"along": along, "start": start, "lift": lift}
    verdict = _claim("for_all", statement, key, claim, given, **common)
    parts = {"claim": claim, "given": given} | broken
    _refuted(statement, f"{key}, broken", "for_all", parts["claim"], parts["given"], **common)
    return verdict


def open_question(statement, key, *, rtol=1e-6, atol=1e-12, **numbers):
    """Numbers on an open question: reported and regression-tested, never asserted."""
    ledger.check_names(statement, key)
    if not numbers:
        raise ValueError("open_question needs at least one number")
    quantities = {name: quantity(value, name) for name, value in numbers.items()}
    outcome = Outcome(
        "open",
        "; ".join(_report(name, q) for name, q in quantities.items()),
        numbers={name: plain(q.value) for name, q in quantities.items()},
        standard_errors={
            name: q.standard_error for name, q in quantities.items() if q.standard_error
        },
        resolution=None,
    )
    return _enter(statement, key, "open", outcome, "open", rtol, atol)


def _report(name, q: Quantity):
    name = name.replace("_", " ")
    if q.value.size > 1:
        return f"{name} from ≈ {number(q.value.min())} to ≈ {number(q.value.max())}"
    error = f" ± {q.standard_error:.2g}" if q.standard_error else ""
    return f"{name} ≈ {number(q.value)}{error}"
