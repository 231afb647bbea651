"""Records: what a verdict leaves in the metadata of its output, and how two are compared."""

import math
import re

import numpy as np

from verdicts.resolution import phrases

# One record holds at most this many cases of an array (evenly spaced ones, if there are more).
MAX_CASES = 200

_NUMBER = r"[-+−]?(?:\d+\.?\d*(?:e[-+]?\d+)?|\.\d+(?:e[-+]?\d+)?|inf|nan)(?:\(\d+\))?"
_APPROXIMATE = re.compile(rf"([≈±]\s*){_NUMBER}[ \t]*")
_SLACK = re.compile(r"; slack ≈\s*#")
# The digits are gone by then, and the blanks behind them.
_RESOLUTION = re.compile(
    "; (?:" + "|".join(re.escape(p.replace("# ", "#")) for p in phrases("#")) + ")(?=;|$)", re.M
)
_STATUS = re.compile(r"\[(?:holds|consistent)\][ \t]*")
_STATUS_COLOUR = re.compile(r"(border-left: ?3px solid )#[0-9a-fA-F]{6}")
_DECIMAL = re.compile(r"[-+−]?(?:\d+\.\d*(?:e[-+]?\d+)?|\d+e[-+]?\d+|inf)(?:\(\d+\))?")
_PADDING = re.compile(r"[ \t]+|-{3,}")
TABLE_MARK = "(values ≈)"


def neutralise(text):
    """The text without what may change within a tolerance: digits after ≈ or ±, holds or
    consistent and its colour; in a text with "(values ≈)" every number that is no integer."""
    if TABLE_MARK in text:
        text = _DECIMAL.sub("#", text)
        # The width of a column follows its numbers.
        return _PADDING.sub(lambda m: "---" if m[0][0] == "-" else " ", text)
    text = _APPROXIMATE.sub(r"\1#", text)
    text = _SLACK.sub("", text)  # whether a ratio exists hangs on the sign of a rounding error
    text = _STATUS.sub("[status] ", text)
    text = _RESOLUTION.sub("", text)  # compared in the records
    return _STATUS_COLOUR.sub(r"\1#", text)


def plain(value):
    """A number or array as JSON can hold it: floats, lists, "inf" for infinity."""
    values = np.asarray(value, dtype=float)
    if values.ndim == 0:
        return float(values) if math.isfinite(values) else str(float(values))
    values = values.ravel()
    if values.size > MAX_CASES:
        values = values[np.linspace(0, values.size - 1, MAX_CASES).round().astype(int)]
    return [plain(v) for v in values]


def floats(stored):
    """The floats of one entry of a record, as a flat list."""
    return [float(v) for v in (stored if isinstance(stored, list) else [stored])]


def records_of(outputs):
    """The records in the metadata of a cell's outputs, in order."""
    found = (o.get("metadata", {}).get("verdicts", []) for o in outputs)
    return [r for x in found for r in (x if isinstance(x, list) else [x])]


def name_of(record):
    """How a message names a record."""
    if record.get("kind") == "table":
        return f"table {record['table']!r}"
    return f"{record.get('statement')} · {record.get('key')}"


def deviation(stored, new, rtol, atol):
    """|new - stored| as a share of the tolerance atol + rtol * |stored|; 0 for equal numbers."""
    if stored == new or (math.isnan(stored) and math.isnan(new)):
        return 0.0
    room, distance = atol + rtol * abs(stored), abs(new - stored)
    return distance / room if room > 0 and math.isfinite(distance) else math.inf


def largest_deviation(stored, new):
    """The largest deviation between the numbers of two records; inf if they are not alike.

    A record whose numbers are not compared counts by its status alone.
    """
    if _mismatch(stored, new):
        return math.inf
    shares = (deviation(p, q, rtol, atol) for _, x, y, rtol, atol in _pairs(stored, new)
              for p, q in zip(x, y, strict=True))
    return max(shares, default=0.0)


def disagreements(stored, new):
    """What differs between two lists of records, as messages; [] if they agree.

    Same number of records, same statement, key, kind and formula, and every number within the
    *stored* record's tolerance: |new - stored| <= atol + rtol * |stored|.  The status may change
    between holds and consistent.  Of a record that says why it is ``uncompared`` only the status
    counts.
    """
    if len(stored) != len(new):
        return [f"{len(stored)} stored verdicts, {len(new)} new"]
    return [m for a, b in zip(stored, new, strict=True) for m in _differences(a, b)]


_NAMES = ("table", "statement", "key", "kind", "of", "slack", "uncompared", "bound", "coarse",
          "formula")


def _mismatch(a, b):
    """What differs besides numbers, as messages."""
    name = name_of(a)
    for field in _NAMES:
        if a.get(field) != b.get(field):
            return [f"{name}: {field} was {a.get(field)!r}, is {b.get(field)!r}"]
    free = {"holds", "consistent"}
    messages = []
    if a.get("status") != b.get("status") and {a.get("status"), b.get("status")} != free:
        messages.append(f"{name}: status was {a.get('status')!r}, is {b.get('status')!r}")
    if a.get("uncompared"):
        return messages
    for group in ("numbers", "standard_errors"):
        old, now = a.get(group, {}), b.get(group, {})
        if old.keys() != now.keys():
            messages.append(f"{name}: {group} were {sorted(old)}, are {sorted(now)}")
            continue
        for field in old:
            x, y = floats(old[field]), floats(now[field])
            if len(x) != len(y):
                label = _label(group, field)
                messages.append(f"{name}: {label} had {len(x)} values, has {len(y)}")
    old, now = (r.get("resolution", {}).get("measure") for r in (a, b))
    if old != now:
        messages.append(f"{name}: resolution was {old!r}, is {now!r}")
    return messages


def _label(group, field):
    return field if group == "numbers" else f"standard error of {field}"


def _pairs(a, b):
    """(label, stored values, new values, rtol, atol) of all that is compared in two records that
    match."""
    if a.get("uncompared"):
        return
    tolerance = a.get("rtol", 0.0), a.get("atol", 0.0)
    for group in ("numbers", "standard_errors"):
        for field, old in a.get(group, {}).items():
            yield _label(group, field), floats(old), floats(b[group][field]), *tolerance
    found = a.get("resolution", {})
    if "value" in found:  # a function of the numbers, so known as they are
        new = b["resolution"]["value"]
        yield "resolution", [found["value"]], [new], 0.0, found["tolerance"]


def _differences(a, b):
    if messages := _mismatch(a, b):
        return messages
    for label, x, y, rtol, atol in _pairs(a, b):
        bad = [(p, q) for p, q in zip(x, y, strict=True) if deviation(p, q, rtol, atol) > 1]
        if bad:
            p, q = max(bad, key=lambda pair: abs(pair[0] - pair[1]))
            messages.append(
                f"{name_of(a)}: {label} was {p!r}, is {q!r} (rtol {rtol:g}, atol {atol:g})"
            )
    return messages
