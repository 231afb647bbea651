"""Numbers from sympy expressions, right to nine digits or NaN.

A formula is compiled together with a bound of its own rounding error (running error analysis,
Higham 2002, section 3.3). The compiled code runs in float64; only where the bound says that digits
cancelled, or something under- or overflowed, it runs again in mpmath, with more digits until the
same bound is satisfied.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import sympy as sp
from sympy.codegen.cfunctions import log2

TOLERANCE = 1e-10
_BITS = (128, 640, 3200)  # the last resolves squares of the smallest float beside one
# Generous units in the last place of what numpy and scipy return; 2 for the others.
_ULPS = {sp.erf: 64, sp.erfc: 4096, sp.gamma: 4096, sp.loggamma: 64, sp.polygamma: 64, sp.exp: 4,
         sp.log: 4, sp.tanh: 4}
_LOGARITHMS = (sp.log, log2, sp.loggamma, sp.polygamma)  # their slopes change on the scale of x
_carry, _near, _jump, _root, _power, _log2 = (sp.Function(name) for name in (
    "carry", "near", "jump", "root", "power", "log2"))


def _errors(expression: sp.Expr, unit: sp.Symbol, tiny: sp.Symbol,
            ) -> tuple[list[Any], sp.Expr, sp.Expr]:
    """Straight-line code (symbol, formula), the symbols of the value and of its error.

    Errors are first-order bounds in units of ``unit``, the relative rounding error of one
    operation; the arguments are exact, and ``tiny`` is what underflow may cost.
    """
    steps: list[Any] = []
    known: dict[sp.Expr, tuple[sp.Expr, sp.Expr]] = {}

    def let(formula: sp.Expr) -> sp.Expr:
        if formula.is_Number:
            return formula
        steps.append((sp.Dummy(), formula))
        return steps[-1][0]

    def visit(node: Any) -> tuple[sp.Expr, sp.Expr]:
        if node not in known:
            known[node] = rule(node)
        return known[node]

    def rule(node: Any) -> tuple[sp.Expr, sp.Expr]:
        if node.is_Symbol or node.is_Integer or node == sp.S.Half:
            return node, sp.S.Zero
        if node.is_number and not node.args:  # pi, E, 4/3
            return node, sp.Abs(node)
        if isinstance(node, sp.Piecewise):
            pairs = [(*visit(value), condition) for value, condition in node.args]
            return tuple(let(sp.Piecewise(*((pair[k], pair[2]) for pair in pairs)))
                         for k in (0, 1))
        values, errors = zip(*(visit(argument) for argument in node.args), strict=True)
        # sympy prints its log2 as a quotient in mpmath, which misses the integers.
        value = let((_log2 if node.func is log2 else node.func)(*values))
        size = sp.Abs(value)
        if isinstance(node, sp.Max | sp.Min):
            return value, let(sp.Max(*(_near(value, v, unit * e) / unit if e != 0 else e
                                       for v, e in zip(values, errors, strict=True))))
        if node.is_Add:  # the sum of two is rounded once, partial sums of more may cancel
            own = size if len(values) == 2 else (len(values) - 1) * sp.Add(*map(sp.Abs, values))
            return value, let(sp.Add(*errors, own))
        if isinstance(node, sp.ceiling):
            return value, let(_jump(values[0], unit * errors[0]))
        own = 2 * len(values) * size + tiny
        if node.is_Mul:
            slopes = [sp.Mul(*values[:k], *values[k + 1:]) for k in range(len(values))]
            return value, let(sp.Add(own, *(e * sp.Abs(s)
                                            for e, s in zip(errors, slopes, strict=True))))
        if node.is_Pow:
            (base, exponent), (e_base, e_exponent) = values, errors
            if e_exponent != 0:
                own += _power(e_exponent, value, base, unit)
            if e_base != 0 and exponent.is_Number and exponent >= 1:
                own += exponent * e_base * (sp.Abs(base) + unit * e_base) ** (exponent - 1)
            elif e_base != 0:
                own += _root(e_base, base, exponent, unit)
            return value, let(own)
        # A function of one variable (after the order of a polygamma).
        own = _ULPS.get(node.func, 2) * size + tiny
        if node.func is sp.loggamma:
            own += 64
        if errors[-1] != 0:
            x = values[-1]
            scale = 1 / x if node.func in _LOGARITHMS else 1 + sp.Abs(x)
            own += _carry(errors[-1], node.func(*values).diff(x), unit * scale)
        return value, let(own)

    return steps, *visit(expression)


@cache
def _compiled(expression: sp.Expr) -> tuple[list[str], Any, Any]:
    """Names of the symbols; (value, error) as functions of them, unit, tiny: float64, mpmath."""
    import mpmath
    from scipy import special

    arguments = sorted(expression.free_symbols, key=lambda symbol: symbol.name)
    unit, tiny = sp.symbols("unit tiny", cls=sp.Dummy)
    steps, *pair = _errors(expression, unit, tiny)

    def exact_log2(x: Any) -> Any:  # exact at powers of two
        mantissa, exponent = mpmath.frexp(x)
        return exponent - 1 if mantissa == 0.5 else mpmath.log(x) / mpmath.log(2)

    # What an error e of the argument does: ``carry`` of a function, by its slope while that stays
    # the same all over the error, ``root`` of base^x, ``power`` of an exponent, ``near`` of one
    # argument of a maximum, ``jump`` of a ceiling.
    def root(e: Any, base: Any, x: Any, unit: Any) -> Any:
        change = np.abs(x) * e * np.abs(np.abs(base) + np.where(x >= 1, e, -e) * unit) ** (x - 1)
        change = np.where((x >= 1) | (np.abs(base) > e * unit), change, np.inf)
        change = np.where((x > 0) & (x < 1), np.minimum(change, (e * unit) ** x / unit), change)
        return np.where(e == 0, 0.0, change)

    def root_in_digits(e: Any, base: Any, x: Any, unit: Any) -> Any:
        if e == 0 or x >= 1:
            return e and x * e * (abs(base) + e * unit) ** (x - 1)
        rest = abs(base) - e * unit
        change = abs(x) * e * rest ** (x - 1) if rest > 0 else mpmath.inf
        return min(change, (e * unit) ** x / unit) if x > 0 else change

    double = {
        "carry": lambda e, slope, scale: np.where(e == 0, 0.0, np.where(
            e * np.abs(scale) <= 0.01, e * np.abs(slope), np.inf)),
        "power": lambda e, v, base, unit: np.where(base == 0, 0.0, np.where(
            e * np.abs(np.log(base)) * unit <= 0.01, e * np.abs(v * np.log(base)), np.inf)),
        "near": lambda value, x, e: np.where(np.abs(value - x) <= 2 * e, e, 0.0),
        "jump": lambda x, e: np.where(np.ceil(x - e) == np.ceil(x + e), 0.0, np.inf),
        "root": root,
        "gammaln": lambda x: special.gammaln(np.where(x > 0, x, np.nan))}  # scipy: log|gamma|
    many = {
        "carry": lambda e, slope, scale: (
            0 if e == 0 else e * abs(slope) if e * abs(scale) <= 0.01 else mpmath.inf),
        "power": lambda e, v, base, unit: (
            0 if base == 0 else e * abs(v * mpmath.log(base))
            if e * abs(mpmath.log(base)) * unit <= 0.01 else mpmath.inf),
        "near": lambda value, x, e: e if abs(value - x) <= 2 * e else mpmath.mpf(0),
        "jump": lambda x, e: 0, "log2": exact_log2, "root": root_in_digits}
    return [symbol.name for symbol in arguments], *(
        sp.lambdify([*arguments, unit, tiny], pair, modules, cse=lambda _: (steps, pair))
        for modules in ([double, "scipy", "numpy"], [many, "mpmath"]))


def _many_digits(function: Any, numbers: Sequence[float]) -> float:
    import mpmath

    for bits in _BITS:
        with mpmath.workprec(bits):
            try:
                unit = mpmath.ldexp(1, -bits)
                value, error = function(*map(mpmath.mpf, numbers), unit, mpmath.mpf(0))
                error *= unit
                if error <= TOLERANCE * abs(value):
                    number = np.nan if isinstance(value, mpmath.mpc) else float(value)
                    return number if number != 0 or value == 0 else np.nan
            except (ArithmeticError, TypeError, ValueError):  # 0/0, a pole, no branch
                value, error = mpmath.nan, mpmath.nan
    # Zero to 900 digits, such as √x² − x.
    return 0.0 if abs(value) + error < 2.0**-1074 else np.nan


def evaluate(expression: sp.Expr, values: Mapping[str, np.ndarray]) -> np.ndarray:
    """``expression`` at float64 arrays, by the names of its symbols, that broadcast.

    Relative error below 1e-9, or the nearest subnormal float; NaN or infinity where there is no
    such number (a pole, a complex number, a result too large or too small for a float).
    """
    names, double, many = _compiled(expression)
    arrays = [values[name] for name in names]
    with np.errstate(all="ignore"):
        value, error = double(*arrays, 2.0**-53, 2.0**-960)
        doubtful = ~((np.asarray(error * 2.0**-53) <= TOLERANCE * np.abs(value))
                     & np.isfinite(value))
    if not doubtful.any():
        return np.asarray(value)
    value = np.array(np.broadcast_to(value, doubtful.shape))
    rows = [np.broadcast_to(array, doubtful.shape)[doubtful] for array in arrays]
    value[doubtful] = [_many_digits(many, row) for row in zip(*rows, strict=True)]
    return value
