"""Whether a sympy difference is zero, and a point that shows that it is not."""


def is_symbolic(x):
    """Whether x is a sympy expression or matrix."""
    return hasattr(x, "free_symbols")


def _difference(lhs, rhs):
    """lhs - rhs as a list of expressions."""
    import sympy

    sides = [sympy.sympify(lhs), sympy.sympify(rhs)]
    shape = next((s.shape for s in sides if isinstance(s, sympy.MatrixBase)), None)
    if shape is None:
        return [sides[0] - sides[1]]
    # A number beside a matrix can only be the default 0.
    sides = [sympy.zeros(*shape) if s == 0 else s for s in sides]
    return list(sympy.Matrix(sides[0] - sides[1]))


def vanishes(lhs, rhs):
    """Whether lhs - rhs is identically zero, by ever costlier means."""
    return all(_is_zero(e) for e in _difference(lhs, rhs))


def _is_zero(expression):
    import sympy

    return (
        expression == 0
        or sympy.expand(expression) == 0
        or sympy.simplify(expression) == 0
        or expression.equals(0) is True
    )


def witness(lhs, rhs):
    """(value, "x = 7/5, …") where lhs - rhs is not zero, or None if no such point is found."""
    for expression in _difference(lhs, rhs):
        for shift in range(5):
            point = _point(expression, shift)
            value = _evaluate(expression, point)
            # Relative to the terms, so that cancellation is not taken for a difference.
            if value is not None and abs(value) > 1e-9 * _scale(expression, point):
                return value, ", ".join(f"{s} = {v}" for s, v in point.items())
    return None


def _point(expression, shift):
    """A rational value for each free symbol, in keeping with its assumptions."""
    import sympy

    symbols = sorted(expression.free_symbols, key=str)
    point = {}
    for i, symbol in enumerate(symbols):
        value = sympy.Rational(2 * i + 7 + shift, 2 * i + 5)
        if symbol.is_integer:
            value = sympy.Integer(i + 2 + shift)
        point[symbol] = -value if symbol.is_negative or symbol.is_nonpositive else value
    return point


def _evaluate(expression, point):
    try:
        value = complex(expression.subs(point).doit().evalf(30))
    except (TypeError, ValueError):
        return None  # a point outside the domain, or an undefined function
    if value != value or abs(value) == float("inf"):
        return None
    return value.real if value.imag == 0 else abs(value)


def _scale(expression, point):
    import sympy

    terms = [_evaluate(term, point) for term in sympy.Add.make_args(expression)]
    return max([abs(t) for t in terms if t is not None], default=1.0)
