"""Evaluator of the kind for_all: is a claim true for all real numbers that its hypotheses allow?

z3 decides what is algebraic; a claim in one variable with logarithms or powers goes down a chain of
derivatives first.  That no counterexample exists, z3 is trusted with.  That one exists, it is not:
the point is put into sympy's formulas, exactly.  What neither shows is *undecided*, never proved.
"""

import itertools
from dataclasses import dataclass, field

import sympy as sp
from sympy.core.relational import Relational
from sympy.logic.boolalg import Boolean

from verdicts import smt
from verdicts.outcome import Outcome
from verdicts.smt import words

# In this order a counterexample is looked for: the first that is one is readable, and the same
# whatever solver answers, because each answer is a fact.
NUMBERS = [
    sp.Rational(*pair)
    for pair in (
        *((1, 1), (2, 1), (1, 2), (0, 1), (-1, 1), (3, 1), (1, 3), (3, 2), (2, 3), (4, 1), (1, 4)),
        *((3, 4), (-2, 1), (-1, 2), (5, 1), (5, 4), (4, 5), (4, 3), (1, 10), (9, 10), (10, 1)),
        *((-3, 1), (1, 5), (1, 100), (100, 1)),
    )
]
_DEPTH = 40  # steps in the tree of fractions
# Where formulas with logarithms and powers are tried: beyond the start, and for the parameters.
_BEYOND = [sp.Rational(*pair) for pair in ((1, 100), (1, 10), (1, 2), (1, 1), (2, 1), (10, 1))]
_GRID = 10_000  # points at most
_LEVELS = 6  # of a chain
COUNTEREXAMPLE = "a counterexample exists and verifies exactly"


@dataclass(frozen=True)
class Decision:
    """verdict: "proved", "refuted" (at ``point``) or "undecided"; and how, or why not."""

    verdict: str
    how: str
    point: dict = field(default_factory=dict)


# --------------------------------------------------------------------------------- the question


def posed(claim, given):
    """All hypotheses, with the signs that the symbols assume; ValueError if the question is none.

    Refused are relations that sympy has evaluated, numbers that are not exact rationals, symbols
    that are not real, and two symbols with one name.
    """
    given = list(given)
    for fact in (claim, *given):
        if isinstance(fact, bool) or fact in (sp.true, sp.false):
            raise ValueError(
                f"sympy has evaluated a relation to {fact} before it came here: use symbols that "
                "are only real, and give their signs as hypotheses"
            )
        if not isinstance(fact, Boolean) or fact.is_Symbol:
            raise ValueError(f"{fact!r} must be a sympy relation")
        if numbers := fact.atoms(sp.Float, sp.NumberSymbol):
            raise ValueError(
                f"{numbers.pop()} is no exact rational number: use sympy.Rational, or a symbol "
                "with bounds among the hypotheses"
            )
    symbols = _symbols(claim, *given)
    if unreal := [str(s) for s in symbols if not s.is_real]:
        raise ValueError(f"must be real symbols: {', '.join(unreal)}")
    names = [str(s) for s in symbols]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"two symbols are named {', '.join(twice)}")
    return [r for s in symbols if (r := _sign_of(s)) is not None] + given


def _symbols(*facts):
    return sorted(set().union(*(f.free_symbols for f in facts)), key=str)


def _sign_of(symbol):
    """The sign that a symbol assumes, as a relation; None if it assumes none."""
    for assumed, relation in (
        (symbol.is_positive, sp.Gt),
        (symbol.is_negative, sp.Lt),
        (symbol.is_nonnegative, sp.Ge),
        (symbol.is_nonpositive, sp.Le),
        (symbol.is_nonzero, sp.Ne),
    ):
        if assumed:
            return relation(symbol, 0, evaluate=False)
    return None


def _written(hypotheses, *more):
    """A script, the hypotheses and all definitions in it, and further facts."""
    script = smt.Script()
    facts = [script.fact(h) for h in hypotheses]
    more = [script.fact(fact) for fact in more]
    return script, script.with_definitions(facts), *more


def _shown(fact, hypotheses):
    """What z3 says of a counterexample: "unsat" if the hypotheses imply the fact."""
    script, facts, target = _written(hypotheses, fact)
    return script.ask([*facts, smt.negation(target)])


def decide(claim, given=()):
    """Whether a claim holds for all reals that satisfy the hypotheses: a Decision.

    Rule: proved if z3 finds that hypotheses and negated claim exclude each other, after it has
    shown every denominator and root to be defined; refuted at an exact point.  Raises ValueError
    for what is no question about real numbers, for a term that need not be defined and for
    hypotheses that contradict each other, ImportError without z3.
    """
    hypotheses = posed(claim, given)
    script, facts, target = _written(hypotheses, claim)
    if not _possible(script, facts, hypotheses):
        return Decision("undecided", "no point is found that verifies the hypotheses")
    broken = [*facts, smt.negation(target)]
    answer = script.ask(broken)
    if answer == "unsat":
        return Decision("proved", "decided for all reals by z3")
    if answer == "unknown":
        return Decision("undecided", "z3 gives up")
    point = _verified(script, broken, hypotheses, claim)
    if point is None:
        return Decision("undecided", "no counterexample verifies")
    return Decision("refuted", COUNTEREXAMPLE, point)


def _possible(script, facts, hypotheses):
    """Whether a point is found that verifies the hypotheses; ValueError if there is none."""
    if not hypotheses:
        return True
    if script.ask(facts) == "unsat":
        raise ValueError("the hypotheses contradict each other: everything would follow")
    return _verified(script, facts, hypotheses) is not None


# --------------------------------------------------------------------------------- points


def _verified(script, facts, hypotheses, claim=None):
    """A point where the hypotheses hold and the claim, if any, fails, exactly; None if none is
    found."""
    every = [*hypotheses, *([] if claim is None else [claim])]
    point = _solution(script, facts, _symbols(*every))
    if _refutes(point, hypotheses, claim):
        return point
    return scan(claim, hypotheses) if _transcendental(*every) else None


def _solution(script, facts, symbols):
    """A point where z3 says the facts hold: readable numbers as far as there are any."""
    point = {}
    for symbol in symbols:
        value = _readable(script, facts, symbol)
        if value is not None:
            point[symbol] = value
            facts = [*facts, script.equal(symbol, value)]
    if rest := [s for s in symbols if s not in point]:
        point |= script.values(facts, rest)
    return point


def _readable(script, facts, symbol):
    """The first of NUMBERS that a symbol can be, else the first fraction on the way down the
    Stern-Brocot tree; None if there is none near."""

    def can(fact):
        return script.ask([*facts, fact]) == "sat"

    whole = symbol.is_integer
    for value in NUMBERS:
        if (value.is_integer or not whole) and can(script.equal(symbol, value)):
            return value
    sign = 1 if can(script.fact(sp.Gt(symbol, 0, evaluate=False))) else -1
    size = sp.Mul(sign, symbol, evaluate=False)
    low, high = (0, 1), (1, 0)
    for _ in range(_DEPTH):
        middle = (low[0] + high[0], low[1] + high[1])
        fraction = sp.Rational(*middle)
        if (fraction.is_integer or not whole) and can(script.equal(symbol, sign * fraction)):
            return sign * fraction
        below = sp.And(
            sp.Lt(size, fraction, evaluate=False), sp.Gt(size, 0, evaluate=False), evaluate=False
        )
        low, high = (low, middle) if can(script.fact(below)) else (middle, high)
    return None


def _refutes(point, hypotheses, claim=None):
    """Whether a point verifies the hypotheses and, exactly, not the claim."""
    return (
        None not in point.values()
        and all(_admits(s, v) for s, v in point.items())
        and all(truth(h, point) is True for h in hypotheses)
        and (claim is None or truth(claim, point) is False)
    )


def _admits(symbol, value):
    """Whether a value is all that a symbol assumes."""
    return all(getattr(value, f"is_{k}", None) is v for k, v in symbol.assumptions0.items())


def truth(fact, point):
    """Whether a fact is True or False at a point, exactly; None where that is not settled."""
    if isinstance(fact, Relational):
        sign = _sign(fact.lhs.subs(point) - fact.rhs.subs(point))
        return None if sign is None else bool(fact.func(sign, 0))
    parts = [truth(part, point) for part in fact.args]
    if None in parts:
        return None
    return bool(fact.func(*map(sp.sympify, parts)))


def _sign(value):
    """-1, 0 or 1, the sign of a constant; None if it is not real or its sign is not settled."""
    if value.is_Rational:
        return int(sp.sign(value))
    if not value.is_number or value.has(sp.nan, sp.zoo, sp.oo, -sp.oo):
        return None
    digits = value.evalf(50)
    if not digits.is_real:
        return None
    if abs(digits) > sp.Float("1e-40"):
        return 1 if digits > 0 else -1
    x = sp.Dummy("x")
    return 0 if value.is_algebraic and sp.minimal_polynomial(value, x) == x else None


def _transcendental(*facts):
    """Whether a fact has logarithms, exponentials or powers with a symbol in the exponent."""
    return any(
        f.has(sp.log, sp.exp) or any(p.exp.free_symbols for p in f.atoms(sp.Pow)) for f in facts
    )


def scan(claim, hypotheses, along=None, start=None):
    """The first point of a fixed grid that verifies the hypotheses and refutes the claim (if there
    is one), exactly; None if there is none."""
    every = [*hypotheses, *([] if claim is None else [claim])]
    parameters = [s for s in _symbols(*every) if s != along]
    bare = [h for h in hypotheses if along is None or not h.has(along)]
    grid = itertools.product(NUMBERS, repeat=len(parameters))
    for numbers in itertools.islice(grid, _GRID):
        point = dict(zip(parameters, numbers, strict=True))
        if _refutes(point, bare):
            for n in [None] if along is None else _BEYOND:
                step = {} if n is None else {along: start.subs(point) + n}
                if _refutes(point | step, hypotheses, claim):
                    return point | step
    return None


# --------------------------------------------------------------------------------- chains


def chain(claim, given=(), *, along, start, lift=()):
    """As `decide`, for a claim with >= or <=, and for the symbol ``along`` from ``start`` on.

    f >= 0 there if f(start) >= 0 and f' >= 0; sympy differentiates until z3 can decide.  The k-th
    derivative is multiplied by the k-th factor of ``lift``, which is shown to be positive.  Raises
    ValueError also where f or a derivative need not be defined, and where the hypotheses do not
    hold on the whole way from the start.
    """
    if not isinstance(claim, sp.Ge | sp.Le):
        raise ValueError("a chain along a variable needs a claim with >= or <=")
    if not (along.is_Symbol and along.is_real) or along.is_integer or start.has(along):
        raise ValueError(f"along must be a real symbol, no integer and not in start; not {along}")
    hypotheses = posed(claim, [*given, _beyond(along, start)])
    _connected(hypotheses, along, start)
    if not _possible(*_written(hypotheses), hypotheses):
        return Decision("undecided", "no point is found that verifies the hypotheses")
    f = claim.gts - claim.lts
    for level in range(_LEVELS):
        _smooth(f)
        if not f.has(sp.log):
            answer = _shown(sp.Ge(f, 0, evaluate=False), hypotheses)
            if answer == "unsat":
                number = f"{level} derivative{'' if level == 1 else 's'} along {along}"
                return Decision("proved", f"decided for all reals by z3, after {number}")
            if answer == "sat" and not _transcendental(f):
                break
        _defined(f, hypotheses)
        if not _starts_well(sp.simplify(f.subs(along, start)), hypotheses):
            break
        f = sp.diff(f, along)
        if level < len(lift):
            factor = sp.sympify(lift[level])
            _demand(sp.Gt(factor, 0, evaluate=False), hypotheses)
            f *= factor
        f = _simple(f)
    point = scan(claim, hypotheses, along, start)
    if point is not None:
        return Decision("refuted", COUNTEREXAMPLE, point)
    return Decision("undecided", "the chain of derivatives does not end")


def _beyond(along, start):
    return sp.Ge(along, start, evaluate=False)


def _demand(fact, hypotheses):
    """ValueError unless z3 shows a fact under the hypotheses."""
    if _shown(fact, hypotheses) != "unsat":
        raise ValueError(f"not shown under the hypotheses: {words(fact)}")


def _connected(hypotheses, along, start):
    """ValueError unless the hypotheses hold at all numbers from the start up to one where they do:
    across a gap a derivative proves nothing."""
    before = sp.Dummy("before", real=True)
    way = [*hypotheses, _beyond(before, start), sp.Le(before, along, evaluate=False)]
    for h in hypotheses:
        there = h.xreplace({along: before})
        if there not in (h, sp.true) and _shown(there, way) != "unsat":
            raise ValueError(f"{words(h)} must hold on the whole way from {along} = {start}")


def _smooth(f):
    """ValueError unless f is made of what has derivatives."""
    other = [a for a in f.atoms(sp.Function) if not isinstance(a, sp.log | sp.exp)]
    if other or f.has(sp.Max, sp.Min, sp.Piecewise):
        raise ValueError(f"a chain takes powers, exp and log only, not {f}")


def _defined(f, hypotheses):
    """ValueError unless z3 shows that f has a value and a derivative."""
    for part in f.atoms(sp.log):
        _demand(sp.Gt(part.args[0], 0, evaluate=False), hypotheses)
    for part in f.atoms(sp.Pow):
        if not part.exp.is_Integer:
            _demand(sp.Gt(part.base, 0, evaluate=False), hypotheses)
        elif part.exp.is_negative:
            _demand(sp.Ne(part.base, 0, evaluate=False), hypotheses)


def _starts_well(value, hypotheses):
    """Whether the value at the start is shown not to be negative."""
    if not value.free_symbols:
        return _sign(value) in (0, 1)
    if value.has(sp.log):
        return False
    return _shown(sp.Ge(value, 0, evaluate=False), hypotheses) == "unsat"


def _simple(f):
    if f.has(sp.log):
        return sp.simplify(sp.expand(f))
    return sp.factor(sp.together(sp.powsimp(sp.simplify(f))))


# --------------------------------------------------------------------------------- in words


def sentence(claim, hypotheses):
    """for all A, B >= 0, c real with c**2 <= A**2*B**2: …"""
    bounds, others = {}, []
    for h in hypotheses:
        simple = isinstance(h, sp.Ge | sp.Gt) and h.lhs.is_Symbol and h.rhs.is_Rational
        if simple and h.lhs not in bounds:
            bounds[h.lhs] = h
        elif simple and bounds[h.lhs] == _sign_of(h.lhs):
            if h.func(*h.args) != sp.true:  # which that sign does not imply
                bounds[h.lhs] = h
        else:
            others.append(words(h))
    groups = {}
    for s in _symbols(claim, *hypotheses):
        suffix = words(bounds[s]).removeprefix(str(s)) if s in bounds else " real"
        groups.setdefault(suffix, []).append(str(s))
        if s.is_integer:
            others.append(f"{s} an integer")
    letters = ", ".join(f"{', '.join(names)}{suffix}" for suffix, names in groups.items())
    condition = f" with {', '.join(others)}" if others else ""
    return f"for all {letters}{condition}: {words(claim)}"


def for_all(claim, given=(), *, along=None, start=None, lift=()):
    """The Outcome of a claim for all reals; arguments as in `decide` and `chain`."""
    if (along is None) != (start is None) or (along is None and lift):
        raise ValueError("along and start belong together, and lift to them")
    given = list(given)
    if along is None:
        decision = decide(claim, given)
    else:
        start = sp.sympify(start)
        decision = chain(claim, given, along=along, start=start, lift=lift)
        given.append(_beyond(along, start))
    hypotheses = posed(claim, given)
    return Outcome(
        {"proved": "holds", "refuted": "violated"}.get(decision.verdict, "undecided"),
        ("that " if decision.verdict == "refuted" else "") + sentence(claim, hypotheses),
        [decision.how],
        formula={"claim": words(claim), "given": [words(h) for h in hypotheses]},
        point=", ".join(f"{s} = {v}" for s, v in decision.point.items()),
    )
