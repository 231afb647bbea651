"""Resolution: the smallest change of the claimed side that a claim would have refuted.

``upper`` and ``lower``: the factor closest to one with which the bound could be multiplied before
the claim is violated; equalities: a relative change; what must find an effect: how many half
widths, or stated errors, the smallest effect is. Always at the sharpest case, from the numbers
that the claim has anyway.
"""

import math
from dataclasses import dataclass

import numpy as np

_WORDS = {
    "factor below": "would notice a bound below ≈ {} of it",
    "factor above": "would notice a bound above ≈ {} of it",
    "exponent": "would notice ≈ {} in the exponent",
    "absolute": "would notice ≈ {}",
    "half widths": "effect ≈ {} half widths",
    "errors": "effect ≈ {} times the stated error",
    "exact": "exact",
    "vacuous": "would notice nothing",
}


@dataclass(frozen=True)
class Resolution:
    """What would have been noticed, and how well that number is known.

    Where the compared numbers x are known to atol + rtol |x|, the value is known to
    ``absolute`` * atol + ``relative`` * rtol.
    """

    measure: str
    value: float = 0.0
    absolute: float = 0.0
    relative: float = 0.0

    @property
    def words(self):
        """As a line says it; every inexact number stands behind ≈."""
        if self.measure == "relative":
            return f"would notice ≈ {float(f'{100 * self.value:.2g}'):g} %"
        digits = 2
        if self.measure.startswith("factor"):  # the digits of its distance from one count
            distance = min(max(abs(1 - self.value), 1e-6), 0.1)
            digits = 1 - math.floor(math.log10(distance))
        return _WORDS[self.measure].format(f"{float(f'{self.value:.{digits}g}'):g}")

    def record(self, rtol, atol):
        """What is stored: the value and its tolerance, where there is one."""
        if self.measure in ("exact", "vacuous"):
            return {"measure": self.measure}
        tolerance = self.absolute * atol + self.relative * rtol
        return {"measure": self.measure, "value": self.value, "tolerance": tolerance}


EXACT = Resolution("exact")
_ROUNDING = 1e-12


def change(record):
    """The smallest relative change that a record's claim would have noticed; None if it has no
    such number (an exponent, an effect, an absolute change)."""
    found = record.get("resolution", {})
    value = found.get("value")
    return {
        "factor below": lambda: 1 - value,
        "factor above": lambda: value - 1,
        "relative": lambda: value,
        "exact": lambda: 0.0,
        "vacuous": lambda: 1.0,
    }.get(found.get("measure"), lambda: None)()


def _choose(values, absolute, relative, sharpest):
    """(value, absolute, relative) of the sharpest case, among those whose value is known to 1 % at
    the default tolerances, if there are any."""
    values, absolute, relative = np.broadcast_arrays(values, absolute, relative)
    known = (absolute < 1e10) & (relative < 1e4)
    candidates = np.flatnonzero(known.ravel() if known.any() else np.isfinite(values).ravel())
    i = candidates[sharpest(values.ravel()[candidates])]
    return float(values.flat[i]), float(absolute.flat[i]), float(relative.flat[i])


def of_bound(lhs, rhs, margin, room, half, error_ratio, sign):
    """Of lhs <= rhs (sign 1) or lhs >= rhs (sign -1), violated where margin < -room.

    ``error_ratio`` is half width over standard error, 0 without one. A negative bound is
    lowered, or raised, by a share of its size.
    """
    lhs, rhs, margin, room = np.broadcast_arrays(lhs, rhs, margin, room)
    finite = np.isfinite(rhs)
    if not finite.any():
        return Resolution("vacuous")
    lhs, rhs, margin, room = (np.abs(a[finite]) if k < 2 else a[finite]
                              for k, a in enumerate((lhs, rhs, margin, room)))
    numbers = 3.0 + error_ratio  # lhs, rhs and the bound's factor; the half width
    sizes = lhs + 2 * rhs + half
    # A side that is rounding beside the others counts as zero.
    large = rhs > _ROUNDING * np.maximum(lhs, room)
    if not large.any():
        value, *known = _choose(np.maximum(margin + room, 0), numbers, sizes, np.argmin)
        return Resolution("absolute", value, *known)
    lhs, rhs, margin, room, sizes = (a[large] for a in (lhs, rhs, margin, room, sizes))
    share = np.maximum(margin + room, 0) / rhs
    share, *known = _choose(share, numbers / rhs, sizes / rhs, np.argmin)
    if sign > 0:
        return Resolution("factor below", max(1 - share, 0.0), *known)
    return Resolution("factor above", 1 + share, *known)


def of_equality(lhs, rhs, room, half, error_ratio):
    """Of lhs = rhs, violated where |rhs - lhs| > room: room over the larger side.

    Where the claimed side rhs is zero in all cases, the room itself.
    """
    lhs, rhs, room = np.broadcast_arrays(np.abs(lhs), np.abs(rhs), room)
    size = np.maximum(lhs, rhs)
    large = rhs > _ROUNDING * room
    if not large.any():
        value, *known = _choose(room, error_ratio, half, np.argmin)
        return Resolution("absolute", value, *known)
    room, size = room[large], size[large]
    share = room / size
    value, *known = _choose(share, (error_ratio + share) / size, half / size + share, np.argmin)
    return Resolution("relative", value, *known)


def of_effect(effect, room, half, error_ratio, sizes, sharpest=np.argmin):
    """Of an effect that must exceed room = half width + stated error.

    ``sizes`` are those of the numbers whose difference the effect is; ``sharpest`` chooses the
    case: the smallest effect where all must be found, the largest where one is enough.
    """
    effect, room, sizes = np.broadcast_arrays(np.asarray(effect, float), room, sizes)
    # An interval, or an error, at rounding level is no yardstick.
    if not (room > _ROUNDING * sizes).any():
        return EXACT
    room = np.where(room > _ROUNDING * sizes, room, np.nan)
    ratio = effect / room
    measure = "half widths" if np.any(half) else "errors"
    value, *known = _choose(
        ratio, (2 + np.abs(ratio) * error_ratio) / room, sizes / room + np.abs(ratio), sharpest
    )
    return Resolution(measure, value, *known)
