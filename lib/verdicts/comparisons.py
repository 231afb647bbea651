"""Evaluators of the kinds that compare two sides: upper, lower, tight, identity."""

import numpy as np

from verdicts.display import interval, number
from verdicts.outcome import NAMES, ROUNDING, Outcome
from verdicts.quantities import allowance, quantity, subtract
from verdicts.records import plain
from verdicts.resolution import of_bound, of_equality, of_failure
from verdicts.symbolic import is_symbolic, vanishes, witness


def _pair(lhs, rhs, infinite=False):
    lhs, rhs = quantity(lhs, "lhs"), quantity(rhs, "rhs", infinite=infinite)
    statistical = lhs.standard_error > 0 or rhs.standard_error > 0
    shape = lhs.value.shape or rhs.value.shape
    # Two shapes that numpy would broadcast compare every case with every other.
    if () not in (lhs.value.shape, rhs.value.shape) and lhs.value.shape != rhs.value.shape:
        raise ValueError(
            f"lhs and rhs must have one shape, not {lhs.value.shape} and {rhs.value.shape}"
        )
    if statistical and shape:
        raise ValueError("lhs and rhs must be single numbers where one of them is an estimate")
    return lhs, rhs, statistical


def _granted(error, lhs, rhs):
    """The evaluation error: one number, or one for each case."""
    error, shape = allowance(error), np.broadcast_shapes(lhs.value.shape, rhs.value.shape)
    if error.shape not in ((), shape):
        raise ValueError(f"error must be one number, or have shape {shape}, not {error.shape}")
    return error


def _numbers(lhs, rhs, difference=None):
    shape = np.broadcast_shapes(lhs.value.shape, rhs.value.shape)
    quantities = {"lhs": lhs, "rhs": rhs} | ({"difference": difference} if difference else {})
    return {
        "numbers": {k: plain(np.broadcast_to(q.value, shape)) for k, q in quantities.items()},
        "standard_errors": {
            k: q.standard_error for k, q in quantities.items() if q.standard_error > 0
        },
    }


def _worst(margin, lhs, rhs):
    """Index of the case whose margin is smallest relative to its scale, and all scales.

    Zero beside zero says little: such a case is the last to be shown.
    """
    scale = np.maximum(np.abs(lhs.value), np.abs(rhs.value))
    with np.errstate(all="ignore"):
        relative = np.where(np.isinf(scale), np.inf, np.divide(margin, scale))
    idle = (scale <= ROUNDING * np.max(scale, where=np.isfinite(scale), initial=0)) & (margin >= 0)
    relative = np.where(idle, np.inf, relative)
    return np.unravel_index(np.argmin(relative), relative.shape), scale


def _larger(lhs, rhs):
    return np.maximum(np.abs(lhs.value), np.abs(rhs.value))


def _at(values, index, shape):
    return float(np.broadcast_to(values, shape)[index])


def _inequality(lhs, rhs, sign, *, error, difference, names, slack):
    """sign * (rhs - lhs) >= 0, up to the error or the interval; sign is 1 for upper."""
    lhs, rhs, statistical = _pair(lhs, rhs, infinite=sign > 0)
    if np.isneginf(rhs.value).any():
        raise ValueError("rhs must not be minus infinity")
    error = _granted(error, lhs, rhs)
    paired = None
    if difference is not None:
        paired = quantity(difference, "difference")
        statistical = True
        if lhs.value.ndim or rhs.value.ndim or not np.isfinite(rhs.value):
            raise ValueError("difference needs lhs and rhs to be single finite numbers")
    gap = paired or subtract(rhs, lhs)
    half = gap.half_width
    margin = sign * gap.value
    shape = margin.shape
    if paired is not None:
        plainly = subtract(rhs, lhs)
        room = plainly.half_width + half + 1e-9 * max(abs(lhs.value), abs(rhs.value))
        if abs(paired.value - plainly.value) > room:
            raise ValueError(
                f"difference must estimate rhs - lhs = {float(plainly.value)!r}, "
                f"not {float(paired.value)!r}"
            )
    index, scale = _worst(margin + error, lhs, rhs)
    room = np.where(np.isinf(scale), 0.0, half + error + ROUNDING * np.minimum(scale, 1e300))
    if (margin < -room).any():
        status = "violated"
    elif statistical and not (margin > room).all():
        status = "consistent"
    else:
        status = "holds"
    truth, bound = _at(lhs.value, index, shape), _at(rhs.value, index, shape)
    sides = f"{names[0]} ≈ {number(truth)} {'<=' if sign > 0 else '>='} "
    notes = []
    if np.isinf(bound):
        notes.append("vacuous")
    elif slack and truth > 0 and bound > 0:
        notes.append(f"slack ≈ {number(bound / truth if sign > 0 else truth / bound)}")
    if statistical:
        notes.append(f"margin ≈ {number(margin)}, {interval(margin, half)}")
    if margin.size > 1:
        notes.append(f"worst of {margin.size} cases")
    claim = f"{sides}{names[1]} ≈ {number(bound)}"
    if status == "violated":
        found = of_failure(-margin, error, half, gap.error_ratio, _larger(lhs, rhs))
    else:
        found = of_bound(lhs, rhs, gap, error, sign, paired is not None)
    return Outcome(status, claim, notes, **_numbers(lhs, rhs, paired), resolution=found,
                   slack=slack)


def upper(lhs, rhs, *, error=0.0, difference=None, names=NAMES, slack=True):
    return _inequality(lhs, rhs, 1, error=error, difference=difference, names=names, slack=slack)


def lower(lhs, rhs, *, error=0.0, difference=None, names=NAMES, slack=True):
    return _inequality(lhs, rhs, -1, error=error, difference=difference, names=names, slack=slack)


def tight(lhs, rhs, *, error, names=NAMES, slack=True):
    lhs, rhs, statistical = _pair(lhs, rhs)
    error = _granted(error, lhs, rhs)
    gap = subtract(rhs, lhs)
    half = gap.half_width
    distance = np.abs(gap.value)
    room = np.broadcast_to(error + half, distance.shape)
    # What cannot leave the stated error within its interval is confirmed up to that error.
    sure = not statistical or (distance + half <= error).all()
    agrees = "holds" if sure else "consistent"
    status = agrees if (distance <= room).all() else "violated"
    index, _ = _worst(room - distance, lhs, rhs)
    shape = distance.shape
    left, right = _at(lhs.value, index, shape), _at(rhs.value, index, shape)
    notes = [f"error ≈ {number(_at(error, index, shape))}"]
    if statistical:
        notes.append(f"difference ≈ {number(gap.value)}, {interval(gap.value, half)}")
    else:
        notes.append(f"distance ≈ {number(distance[index])}")
    if distance.size > 1:
        notes.append(f"worst of {distance.size} cases")
    claim = f"{names[0]} ≈ {number(left)} equals {names[1]} ≈ {number(right)}"
    if status == "violated":
        found = of_failure(distance, error, half, gap.error_ratio, _larger(lhs, rhs))
    else:
        found = of_equality(lhs, rhs, gap, error)
    return Outcome(status, claim, notes, **_numbers(lhs, rhs), resolution=found)


def identity(lhs, rhs=0, *, error=None, names=NAMES, slack=True):
    if error is None and (is_symbolic(lhs) or is_symbolic(rhs)):
        return _symbolic_identity(lhs, rhs)
    left, right, statistical = _pair(lhs, rhs)
    if statistical:
        raise ValueError("identity is deterministic: use tight for an estimate")
    if error is None:
        size = np.maximum(np.abs(left.value), np.abs(right.value))
        error = ROUNDING * np.maximum(1.0, size)
    return tight(lhs, rhs, error=error, names=names)


def _symbolic_identity(lhs, rhs):
    if vanishes(lhs, rhs):
        return Outcome("holds", "difference = 0", [], {"difference": 0.0})
    found = witness(lhs, rhs)
    if found is None:
        note = "neither shown to vanish nor found to differ"
        return Outcome("undecided", "difference = 0", [note], {})
    value, place = found
    note = f"difference ≈ {number(value)}" + (f" at {place}" if place else "")
    return Outcome("violated", "difference = 0", [note], {"difference": value})
