"""Wrong variants of a formula, by rules that know nothing of what it says."""

from typing import Any, NamedTuple

# What a bound is multiplied with, by how it stands to its quantity; "->" is a limit.
FACTORS = {
    "<=": {"× 1/2": 0.5},
    ">=": {"× 2": 2.0},
    "=": {"× 0.9": 0.9, "× 1.1": 1.1},
    "->": {"× 0.9": 0.9, "× 1.1": 1.1},
}


class Variant(NamedTuple):
    """A wrong formula: ``words`` say what is wrong; ``factor`` if it is a multiple of the true."""

    words: str
    expression: Any
    factor: float | None = None


def variants(expression, relation):
    """The wrong variants of a sympy expression, no two alike, each with a name of its own.

    Multiples (by ``relation``, a key of FACTORS); for the outermost sums – in products, powers and
    functions, but in no other sum – each term dropped, and the first positive one alone; each
    numeric exponent of something variable 10 % larger and smaller.
    """
    import sympy

    found, known = [], {expression}

    def add(words, wrong, factor=None):
        broken = wrong.has(sympy.zoo, sympy.nan, sympy.oo, -sympy.oo)
        if wrong not in known and not broken:
            known.add(wrong)
            found.append(Variant(words, wrong, factor))

    for words, factor in FACTORS[relation].items():
        add(words, sympy.Rational(str(factor)) * expression, factor)
    for total in _outermost_sums(expression):
        terms = total.as_ordered_terms()
        where = "" if total == expression else f" in {total}"
        for k, term in enumerate(terms):
            rest = sympy.Add(*terms[:k], *terms[k + 1:])
            add(f"without {term}{where}", expression.xreplace({total: rest}))
        first = next((t for t in terms if not t.could_extract_minus_sign()), terms[0])
        add(f"{first} alone{where}", expression.xreplace({total: first}))
    for power in sorted(expression.atoms(sympy.Pow), key=sympy.default_sort_key):
        base, exponent = power.args
        if exponent.is_Rational and base.free_symbols:
            for share in (sympy.Rational(11, 10), sympy.Rational(9, 10)):
                new = share * exponent
                words = f"exponent {exponent} → {float(new):g} of {base}"
                add(words, expression.xreplace({power: base**new}))
    return found


def _outermost_sums(node):
    """The sums in an expression that are in no other sum, in order, each once."""
    if node.is_Add:
        return [node]
    # An argument may be a condition, or a pair of value and condition.
    inner = [s for a in node.args if not getattr(a, "is_Boolean", False)
             and not getattr(a, "is_Relational", False) for s in _outermost_sums(a)]
    return list(dict.fromkeys(inner))
