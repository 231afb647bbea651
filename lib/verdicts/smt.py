"""Facts about real numbers, from sympy to SMT-LIB, and the questions that z3 is asked.

sympy re-evaluates nothing on the way: what it holds is written down term by term.  What SMT-LIB
lacks becomes a fresh variable with its definition: a root r of u has r >= 0 and r^q = u; Min, Max,
Abs and Piecewise have their cases; an exponential, or a power with a symbol in its exponent, is
only known to be positive.  Where a term need not be defined a *guard* says when it is.  To z3
x / 0 is some number, and r^2 = x makes x >= 0 true: so the guards are proved first, each before
anything that rests on it is used.
"""

from dataclasses import dataclass

import sympy as sp
from sympy.core.relational import Relational
from sympy.printing.str import StrPrinter

# Counted work for one question; seconds would depend on the machine.
EFFORT = 20_000_000
RELATIONS = {sp.Ge: ">=", sp.Gt: ">", sp.Le: "<=", sp.Lt: "<", sp.Eq: "=", sp.Ne: "distinct"}
_CONNECTIVES = {
    sp.And: "and",
    sp.Or: "or",
    sp.Not: "not",
    sp.Implies: "=>",
    sp.Equivalent: "=",
}


class _Words(StrPrinter):
    """sympy's one-line form, with |x| and with words for the connectives."""

    def _print_Abs(self, e):
        return f"|{self._print(e.args[0])}|"

    def _print_Relational(self, e):
        sign = {"==": "=", "distinct": "!="}.get(e.rel_op, e.rel_op)
        return f"{self._print(e.lhs)} {sign} {self._print(e.rhs)}"

    def _between(self, word, e):
        parts = (
            self._print(a) if isinstance(a, Relational) else f"({self._print(a)})" for a in e.args
        )
        return f" {word} ".join(parts)

    def _print_And(self, e):
        return self._between("and", e)

    def _print_Or(self, e):
        return self._between("or", e)

    def _print_Implies(self, e):
        return self._between("=>", e)

    def _print_Equivalent(self, e):
        return self._between("<=>", e)

    def _print_Not(self, e):
        return f"not ({self._print(e.args[0])})"


def words(fact):
    """A fact in one line, the same everywhere."""
    return _Words().doprint(fact)


@dataclass(frozen=True)
class Text:
    """SMT-LIB for a term or a fact, and the texts of the guards on which its meaning rests."""

    text: str
    rests: frozenset = frozenset()


def _rests(parts):
    return frozenset().union(*(p.rests for p in parts))


def join(operator, *parts):
    """(operator part part …)"""
    return Text(f"({operator} {' '.join(p.text for p in parts)})", _rests(parts))


def negation(fact):
    """That a fact is false."""
    return join("not", fact)


def number(value):
    """A rational number."""
    text = f"{abs(value.p)}.0"
    text = text if value.q == 1 else f"(/ {text} {value.q}.0)"
    return Text(f"(- {text})" if value < 0 else text)


_ZERO, _ONE = number(sp.S.Zero), number(sp.S.One)


def _product(factors):
    return factors[0] if len(factors) == 1 else join("*", *factors)


class Script:
    """The variables, definitions and guards met while facts are written down."""

    def __init__(self):
        self.variables = {}  # a symbol, or what a fresh variable stands for -> Text
        self.definitions = []
        self.guards = {}  # text -> (the fact to be proved, the sympy relation it stands for)

    # ------------------------------------------------------------------------- writing down

    def fact(self, b):
        """A relation, or And, Or, Not, Implies, Equivalent of such; else ValueError."""
        if type(b) in RELATIONS:
            return join(RELATIONS[type(b)], self.term(b.lhs), self.term(b.rhs))
        if type(b) in _CONNECTIVES:
            return join(_CONNECTIVES[type(b)], *map(self.fact, b.args))
        raise ValueError(f"{b} must be a relation, or And, Or, Not, Implies, Equivalent of some")

    def term(self, e):
        """An expression in real symbols; else ValueError."""
        if e.is_Symbol and e.is_real:
            return self._variable(e)[0]
        if e.is_Rational:
            return number(e)
        if isinstance(e, sp.Add | sp.Mul):
            return join("+" if e.is_Add else "*", *map(self.term, e.args))
        if isinstance(e, sp.Pow):
            return self._power(e.base, e.exp)
        if isinstance(e, sp.exp):
            return self._exponential(e.args[0])
        if isinstance(e, sp.Max | sp.Min):
            relation = ">=" if isinstance(e, sp.Max) else "<="
            return self._extreme(e, relation, [self.term(a) for a in e.args])
        if isinstance(e, sp.Abs):
            inner = self.term(e.args[0])
            return self._extreme(e, ">=", [inner, join("-", inner)])
        if isinstance(e, sp.Piecewise):
            return self._piecewise(e)
        raise ValueError(f"{e}: {_why_not(e)}")

    def _variable(self, key, rests=frozenset()):
        """The variable that stands for key, and whether it is new."""
        new = key not in self.variables
        if new:
            self.variables[key] = Text(f"v{len(self.variables)}", rests)
        return self.variables[key], new

    def _guard(self, fact, relation):
        """What a term rests on that needs this fact, which stands for a sympy relation."""
        self.guards.setdefault(fact.text, (fact, relation))
        return fact.rests | {fact.text}

    def _whole(self, base, shown, n):
        """The n-th power, as a product: no "^", and 1 / b only where b is not 0."""
        product = _product([base] * abs(n)) if n else _ONE
        if n >= 0:
            return product
        rests = self._guard(join("distinct", base, _ZERO), sp.Ne(shown, 0, evaluate=False))
        return Text(join("/", _ONE, product).text, rests)

    def _power(self, base, exponent):
        b = self.term(base)
        if exponent.is_Integer:
            return self._whole(b, base, int(exponent))
        if exponent.is_Rational:
            rests = self._guard(join(">=", b, _ZERO), sp.Ge(base, 0, evaluate=False))
            r, new = self._variable((base, exponent.q), rests)
            if new:
                power = _product([r] * exponent.q)
                self.definitions += [join(">=", r, _ZERO), join("=", power, b)]
            return self._whole(r, sp.Pow(base, sp.Rational(1, exponent.q)), exponent.p)
        # b^(n + e) = b^n Y with Y > 0: neighbouring powers share their Y.
        constant, rest = sp.expand(exponent).as_coeff_Add()
        n = sp.floor(constant)
        rest += constant - n
        sign = -1 if rest.could_extract_minus_sign() else 1
        rests = self._guard(join(">", b, _ZERO), sp.Gt(base, 0, evaluate=False))
        key = sp.Pow(base, sign * rest, evaluate=False)
        y = self._positive(key, rests | self.term(exponent).rests)
        return _product([self._whole(b, base, int(n)), self._whole(y, key, sign)])

    def _exponential(self, exponent):
        rests, factors = self.term(exponent).rests, []
        for part in sp.Add.make_args(sp.expand(exponent)):
            constant, rest = part.as_coeff_Mul()
            key = sp.exp(rest / constant.q, evaluate=False)
            factors.append(self._whole(self._positive(key, rests), key, constant.p))
        return _product(factors)

    def _positive(self, key, rests):
        y, new = self._variable(key, rests)
        if new:
            self.definitions.append(join(">", y, _ZERO))
        return y

    def _extreme(self, key, relation, options):
        m, new = self._variable(key, _rests(options))
        if new:
            self.definitions += [join(relation, m, o) for o in options]
            self.definitions.append(join("or", *(join("=", m, o) for o in options)))
        return m

    def _piecewise(self, e):
        values = [self.term(value) for value, _ in e.args]
        cases = [Text("true") if c == sp.true else self.fact(c) for _, c in e.args]
        some = join("or", *cases)
        rests = self._guard(some, sp.Or(*(c for _, c in e.args), evaluate=False))
        m, new = self._variable(e, rests | _rests(values))
        if new:
            for k, value in enumerate(values):
                self.definitions.append(
                    join("or", *cases[:k], negation(cases[k]), join("=", m, value))
                )
        return m

    # ------------------------------------------------------------------------- asking

    def with_definitions(self, facts):
        """The facts and all definitions, once every guard is proved under those that rest on
        guards proved before; ValueError that names the guards which are not."""
        facts, shown = [*facts, *self.definitions], set()
        while len(shown) < len(self.guards):
            known = [f for f in facts if f.rests <= shown]
            new = {
                text
                for text, (fact, _) in self.guards.items()
                if text not in shown
                and fact.rests <= shown
                and self.ask([*known, negation(fact)]) == "unsat"
            }
            if not new:
                missing = [words(r) for text, (_, r) in self.guards.items() if text not in shown]
                raise ValueError(f"not shown under the hypotheses: {', '.join(missing)}")
            shown |= new
        return facts

    def ask(self, facts):
        """Whether the facts can be true together: "sat", "unsat" or "unknown"."""
        return self._check(facts)[0]

    def _check(self, facts):
        z3 = _z3()
        # A context of its own: what was asked before must not change an answer.
        context = z3.Context()
        solver = z3.Solver(ctx=context)
        solver.set("rlimit", EFFORT)
        lines = [f"(declare-const {v.text} Real)" for v in self.variables.values()]
        solver.from_string("\n".join([*lines, *(f"(assert {f.text})" for f in facts)]))
        return str(solver.check()), solver

    def equal(self, symbol, value):
        """That a symbol has a rational value."""
        return join("=", self.term(symbol), number(value))

    def values(self, facts, symbols):
        """Values of the symbols in one solution, irrational ones as roots of polynomials; None for
        a symbol whose value cannot be read."""
        answer, solver = self._check(facts)
        if answer != "sat":
            return dict.fromkeys(symbols)
        z3, model = _z3(), solver.model()
        found = {}
        for symbol in symbols:
            variable = z3.Real(self.term(symbol).text, solver.ctx)
            found[symbol] = _exact(model.eval(variable, model_completion=True))
        return found


def _z3():
    try:
        import z3
    except ImportError as error:
        raise ImportError("for_all asks the solver z3: pip install z3-solver") from error
    return z3


def _exact(value):
    """A number of z3 as one of sympy."""
    if hasattr(value, "numerator_as_long"):
        return sp.Rational(value.numerator_as_long(), value.denominator_as_long())
    if not hasattr(value, "poly"):
        return None
    x = sp.Symbol("x")
    coefficients = [sp.Rational(str(c)) for c in value.poly()]
    polynomial = sp.Poly(coefficients[::-1], x)
    return sp.CRootOf(polynomial, value.index() - 1, radicals=False)


def _why_not(e):
    """Why a term cannot be written down."""
    if e.is_Symbol or (e.is_number and not e.args):
        return "real symbols and rational numbers only"
    if isinstance(e, Relational) or e.is_Boolean:
        return "a truth value where a number must stand"
    return "neither algebraic nor an exponential; a claim in one variable goes by along="
