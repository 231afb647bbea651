"""Evaluators of the kinds about curves and their exponents: rate, shape, monotone."""

import numpy as np

from verdicts.display import interval, number
from verdicts.outcome import NAMES, ROUNDING, Outcome
from verdicts.quantities import allowance, array, quantity, scalar
from verdicts.records import plain
from verdicts.resolution import of_effect, of_exponent, of_failure
from verdicts.statistics import half_width


def rate(slope, predicted, *, tolerance, names=("slope", "predicted"), slack=True):
    q, target = quantity(slope, "slope"), scalar(predicted, "predicted")
    if q.value.size != 1:
        raise ValueError("slope must be one number")
    tolerance = scalar(tolerance, "tolerance")
    if tolerance < 0:
        raise ValueError("tolerance must not be negative")
    half, distance = q.half_width, abs(float(q.value) - target)
    if distance + half <= tolerance:
        status = "holds"
    else:
        status = "consistent" if distance <= tolerance + half else "violated"
    found = f"{names[0]} ≈ {number(q.value)}"
    notes = [interval(float(q.value), half)] if half else []
    claim = f"{found} within {number(tolerance)} of {names[1]} ≈ {number(target)}"
    numbers = {"slope": float(q.value), "predicted": target, "tolerance": tolerance}
    errors = {"slope": q.standard_error} if q.standard_error else {}
    if status == "violated":
        sizes = max(abs(numbers["slope"]), abs(target))
        noticed = of_failure(distance, tolerance, half, q.error_ratio, sizes)
    else:
        noticed = of_exponent(q, target, tolerance)
    return Outcome(status, claim, notes, numbers, errors, noticed)


def _curves(curves, points):
    values = array(curves, "curves")
    if values.ndim not in (1, 2):
        raise ValueError("curves must have shape (n,) or (replicates, n)")
    if values.ndim == 2 and len(values) < 2:
        raise ValueError("curves must have at least 2 replicates, or shape (n,) without error")
    if values.shape[-1] < points:
        raise ValueError(f"curves must have at least {points} points, not {values.shape[-1]}")
    return values


def _rises(values, pairs, error):
    """Mean, SE and half width of the paired differences value[b] - value[a], status, resolution.

    holds if all of them are significantly positive, violated if one is significantly negative;
    undecided otherwise, which fails as a claim and as a control: both must find something.
    """
    error = float(scalar(allowance(error), "error"))
    a, b = np.array(pairs).T
    differences = values[..., b] - values[..., a]
    if values.ndim == 1:
        mean, errors, halves = differences, np.zeros(len(pairs)), np.zeros(len(pairs))
    else:
        replicates = len(values)
        mean = differences.mean(axis=0)
        errors = differences.std(axis=0, ddof=1) / np.sqrt(replicates)
        halves = np.array([half_width(e, replicates - 1, len(pairs)) for e in errors])
    room = halves + error + ROUNDING * np.abs(values).max()
    status = "holds" if (mean > room).all() else "undecided"
    status = "violated" if (mean < -room).any() else status
    ratio = np.divide(halves, errors, out=np.zeros_like(halves), where=errors > 0)
    if status == "violated":
        i = int(np.argmin(mean + halves))
        sides = np.abs(values).mean(axis=tuple(range(values.ndim - 1)))[[a[i], b[i]]].max()
        found = of_failure(-mean[i], error, halves[i], ratio[i], sides)
    else:
        found = of_effect(mean, error, halves, ratio, np.abs(mean))
    return mean, errors, halves, status, found


def _curve_numbers(values, mean, errors):
    curve = values if values.ndim == 1 else values.mean(axis=0)
    numbers = {"curve": plain(curve), "differences": plain(mean)}
    return numbers, {} if values.ndim == 1 else {"differences": plain(errors)}


def _worst_rise(mean, halves, statistical, comparisons):
    i = int(np.argmin(mean - halves))
    between = f", {interval(mean[i], halves[i], comparisons)}" if statistical else ""
    return f"≈ {number(mean[i])}{between}"


def shape(curves, *, minimum, x=None, present=True, error=0.0, names=NAMES, slack=True):
    values = _curves(curves, 3)
    n = values.shape[-1]
    if not isinstance(minimum, (int, np.integer)):
        raise TypeError("minimum must be an index, fixed beforehand")
    inner = 0 < minimum < n - 1
    if present and not inner:
        raise ValueError(f"minimum must lie inside, between 1 and {n - 2}, not {minimum}")
    if not present and minimum not in (0, n - 1):
        raise ValueError(f"minimum must be an end, 0 or {n - 1}, where present=False")
    others = (0, n - 1) if present else [i for i in range(n) if i != minimum]
    mean, errors, halves, status, found = _rises(values, [(minimum, i) for i in others], error)
    where = f"index {minimum} of {n} points"
    numbers, standard_errors = _curve_numbers(values, mean, errors)
    if x is not None:
        x = array(x, "x")
        if x.shape != (n,):
            raise ValueError(f"x must have shape ({n},), not {x.shape}")
        where += f", x ≈ {number(x[minimum])}"
        numbers["x"] = plain(x)
    statistical = values.ndim == 2
    if present:
        claim = f"interior minimum at {where}"
        notes = [
            f"{side} rise {_worst_rise(mean[i : i + 1], halves[i : i + 1], statistical, 2)}"
            for i, side in enumerate(("left", "right"))
        ]
    else:
        claim = f"no interior minimum, smallest at {where}"
        notes = [f"smallest rise {_worst_rise(mean, halves, statistical, len(mean))}"]
    return Outcome(status, claim, notes, numbers, standard_errors, found)


def monotone(curves, *, direction, error=0.0, names=NAMES, slack=True):
    if direction not in ("increasing", "decreasing"):
        raise ValueError(f'direction must be "increasing" or "decreasing", not {direction!r}')
    values = _curves(curves, 2)
    n = values.shape[-1]
    steps = [(i, i + 1) if direction == "increasing" else (i + 1, i) for i in range(n - 1)]
    mean, errors, halves, status, found = _rises(values, steps, error)
    note = f"smallest step {_worst_rise(mean, halves, values.ndim == 2, len(mean))}"
    claim = f"{direction} over {n} points"
    return Outcome(status, claim, [note], *_curve_numbers(values, mean, errors), found)
