"""Resolution: from which change of the claimed side on a claim would have been refuted.

``upper`` and ``lower``: the factor closest to one with which the bound could be multiplied before
the claim is violated; equalities and exponents: the change that is refuted whatever its sign, so
that what is measured beside the claimed value counts; what must find an effect: how many half
widths, or stated errors, the smallest effect is.  Always at the sharpest case, from the numbers
that the claim has anyway.
"""

import math
from dataclasses import dataclass, field

import numpy as np

_WORDS = {
    "factor below": "would notice a bound below ≈ {} of it",
    "factor above": "would notice a bound above ≈ {} of it",
    "lower by": "would notice a bound lower by ≈ {} % of its size",
    "higher by": "would notice a bound higher by ≈ {} % of its size",
    "relative": "would notice ≈ {} %",
    "exponent": "would notice ≈ {} in the exponent",
    "absolute": "would notice ≈ {}",
    "half widths": "effect ≈ {} half widths",
    "errors": "effect ≈ {} times the stated error",
    "off by": "off by ≈ {} %",
    "exact": "exact",
    "nothing": "would notice nothing",
}
_NO_POSITIVE = "would notice no positive bound"
_IN_PERCENT = ("lower by", "higher by", "relative", "off by")
_LARGEST = ("factor below", "off by")  # where the sharpest case has the largest value
_TINY = 1e-12  # sides that small are zero: the default atol compares them with nothing else
_SMALL = 1e-9  # so are those that small beside the largest of their array
_EXACT = 1e6  # an effect of so many half widths, or errors, has none


@dataclass(frozen=True)
class Resolution:
    """What would have been noticed, for each case that counts, and how well that is known.

    Where the compared numbers x are known to atol + rtol |x|, a value is known to ``absolute`` *
    atol + ``relative`` * rtol.
    """

    measure: str
    values: np.ndarray = field(default_factory=lambda: np.zeros(0))
    absolute: np.ndarray = field(default_factory=lambda: np.zeros(0))
    relative: np.ndarray = field(default_factory=lambda: np.zeros(0))

    @property
    def value(self):
        """At the sharpest case."""
        return float((np.max if self.measure in _LARGEST else np.min)(self.values))

    @property
    def words(self):
        """As a line says it; every inexact number stands behind ≈."""
        words = _WORDS[self.measure]
        if "{}" not in words:
            return words
        if self.measure == "factor below" and self.value < _SMALL:
            return _NO_POSITIVE
        value, digits = self.value * (100 if self.measure in _IN_PERCENT else 1), 2
        if self.measure.startswith("factor"):  # the digits of its distance from one count
            distance = min(max(abs(1 - value), 1e-6), 0.1)
            digits = 1 - math.floor(math.log10(distance))
        return words.format(f"{float(f'{value:.{digits}g}'):g}")

    def record(self, rtol, atol):
        """What is stored: the value and its tolerance, where there is one.

        The tolerance is that of every case that could be the sharpest.
        """
        if not self.values.size:
            return {"measure": self.measure}
        room = np.minimum(self.absolute * atol + self.relative * rtol, 1e300)
        sign = -1 if self.measure in _LARGEST else 1
        order = sign * self.values
        first = int(np.argmin(order))
        rivals = order - room <= order[first] + room[first]
        return {"measure": self.measure, "value": self.value,
                "tolerance": float(room[rivals].max())}


def phrases(digits):
    """All that ``words`` can say, with this in place of digits."""
    return [words.format(digits) for words in (*_WORDS.values(), _NO_POSITIVE)]


EXACT, NOTHING = Resolution("exact"), Resolution("nothing")


def change(record):
    """The smallest relative change that a record's claim would have noticed; None if it has no
    such number (an exponent, an effect, an absolute change)."""
    found = record.get("resolution", {})
    measure, value = found.get("measure"), found.get("value")
    if measure == "exact":
        return 0.0 if record["kind"] in ("identity", "for_all") else None
    if measure == "nothing":
        return math.inf
    by_factor = {"factor below": -1, "factor above": 1}
    if measure in by_factor:
        return by_factor[measure] * (value - 1)
    return value if measure in ("relative", "lower by", "higher by") else None


def _counting(size):
    """Which cases count: those whose side is not rounding."""
    return size > max(_TINY, _SMALL * size.max(initial=0.0))


def _resolution(measure, values, absolute, relative):
    """A Resolution of the cases with a finite value."""
    columns = [np.ravel(a) for a in np.broadcast_arrays(values, absolute, relative)]
    finite = np.isfinite(columns[0])
    if not finite.any():
        return NOTHING
    return Resolution(measure, *(np.nan_to_num(a[finite], posinf=1e300) for a in columns))


def of_bound(lhs, rhs, gap, error, sign, paired):
    """Of lhs <= rhs (sign 1) or lhs >= rhs (sign -1), Quantities, whose gap is rhs - lhs.

    Multiplied by c the bound is violated where sign * (gap + (c - 1) rhs) < -(error + half width),
    and the half width of rhs is multiplied, too.  A negative bound is lowered, or raised, by a
    share of its size.
    """
    half, own = gap.half_width, rhs.half_width
    x, y, margin, error = np.broadcast_arrays(lhs.value, rhs.value, sign * gap.value, error)
    # Rounding of one part in 1e12 is granted, see the rule of ``upper``.
    scale = np.minimum(np.maximum(np.abs(x), np.abs(y)), 1e300)
    finite = np.isfinite(y)
    if not finite.any():
        return NOTHING
    x, y, margin, error, scale = (a[finite] for a in (x, y, margin, error, scale))
    with np.errstate(all="ignore"):
        step = np.maximum(margin + half + error + _TINY * scale, 0)
        errors = 2 * gap.error_ratio + 2 * rhs.error_ratio
        size = np.abs(x) + np.abs(y) + np.abs(margin) + half
        counts = _counting(np.abs(y))
        if not counts.any():
            return _resolution("absolute", step, 3 + errors, size)
        x, y, step, size = (a[counts] for a in (x, y, step, size))
        # Unpaired, a smaller upper bound has a smaller error.
        per = np.abs(y) + (own if sign > 0 and not paired else -own)
        share = np.where(per > 0, step / per, np.inf)
        absolute = (3 + share) * (1 + errors) / per
        relative = (size + share * (np.abs(y) + own)) / per
        if (y < 0).all():
            return _resolution("lower by" if sign > 0 else "higher by", share, absolute, relative)
        share = np.where(y > 0, share, np.inf)
        if sign > 0:
            return _resolution("factor below", 1 - share, absolute, relative)
        return _resolution("factor above", 1 + share, absolute, relative)


def of_equality(lhs, rhs, gap, error):
    """Of lhs = rhs, violated where |gap| > error + half width: a change of the claimed side rhs by
    their sum and |gap| is refuted in both directions.  Relative to |rhs|.

    Where rhs is zero in all cases, that sum itself.
    """
    half, errors = gap.half_width, 2 + 2 * gap.error_ratio
    shape = np.broadcast_shapes(rhs.value.shape, lhs.value.shape)
    with np.errstate(over="ignore"):
        size, room, both = (np.broadcast_to(np.minimum(a, 1e300), shape) for a in (
            np.abs(rhs.value), error + half + np.abs(gap.value),
            np.abs(lhs.value) + np.abs(rhs.value)))
    counts = _counting(size)
    if not counts.any():
        return _resolution("absolute", room, errors, half + both)
    with np.errstate(all="ignore"):
        share, size, both = room[counts] / size[counts], size[counts], both[counts]
        return _resolution("relative", share, (errors + share) / size, (half + both) / size + share)


def of_exponent(slope, predicted, tolerance):
    """Of a fitted exponent: its tolerance, half width and distance from the predicted one."""
    half, size = slope.half_width, abs(slope.value) + abs(predicted)
    value = tolerance + half + abs(slope.value - predicted)
    return _resolution("exponent", value, 1 + slope.error_ratio, half + tolerance + size)


def of_effect(effect, error, half, error_ratio, sizes):
    """Of effects that must all be found, each beyond error + half width.

    In half widths it is what exceeds the stated error.  ``sizes`` are those of the numbers whose
    difference the effect is.
    """
    effect, error, half, sizes = np.broadcast_arrays(np.asarray(effect, float), error, half, sizes)
    with np.errstate(all="ignore"):
        noisy = half > 0
        measure = "half widths" if noisy.any() else "errors"
        unit = half if noisy.any() else error
        ratio = np.where(unit > 0, (effect - np.where(noisy, error, 0)) / unit, np.inf)
        if ratio.min() > _EXACT:
            return EXACT
        absolute = (2 + np.abs(ratio) * error_ratio) / unit
        return _resolution(measure, ratio, absolute, sizes / unit + 2 * np.abs(ratio))


def of_failure(distance, error, half, error_ratio, sizes):
    """Of a control: how far beyond its error or interval the claim is false, where it is most.

    Without either: as a share of the larger side; ``sizes`` are those of the larger sides.
    """
    distance, sizes = np.broadcast_arrays(np.asarray(distance, float), sizes)
    excess = distance - error
    worst = np.argmax(excess)
    error = np.broadcast_to(error, distance.shape).flat[worst]
    size = max(float(sizes.flat[worst]), _TINY)
    found = of_effect(distance.flat[worst], error, half, error_ratio, 2 * size)
    if found.measure != "exact":
        return found
    with np.errstate(all="ignore"):
        share = np.where(_counting(sizes), distance / sizes, -np.inf)
    share, size = min(float(share.max()), 1e300), float(sizes.flat[np.argmax(share)])
    return _resolution("off by", share, (2 + share) / max(size, _TINY), 2 + share)
