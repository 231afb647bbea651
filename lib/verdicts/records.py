"""Records: what a verdict leaves in the metadata of its output, and how two are compared."""

import math
import re

import numpy as np

# One record holds at most this many cases of an array (evenly spaced ones, if there are more).
MAX_CASES = 200

_NUMBER = r"[-+−]?(?:\d+\.?\d*(?:e[-+]?\d+)?|\.\d+(?:e[-+]?\d+)?|inf|nan)(?:\(\d+\))?"
_APPROXIMATE = re.compile(rf"([≈±]\s*){_NUMBER}[ \t]*")
_SLACK = re.compile(r"; slack ≈\s*#")
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
    found = (o.get("metadata", {}).get("verdicts") for o in outputs)
    return [r for r in found if r is not None]


def name_of(record):
    """How a message names a record."""
    if record.get("kind") == "table":
        return f"table {record['table']!r}"
    return f"{record.get('statement')} · {record.get('key')}"


def _close(a, b, rtol, atol):
    return a == b or abs(a - b) <= atol + rtol * abs(a)


def disagreements(stored, new):
    """What differs between two lists of records, as messages; [] if they agree.

    Same number of records, same statement, key and kind, and every number within the *stored*
    record's tolerance: |new - stored| <= atol + rtol * |stored|.  The status may change between
    holds and consistent.
    """
    if len(stored) != len(new):
        return [f"{len(stored)} stored verdicts, {len(new)} new"]
    return [m for a, b in zip(stored, new, strict=True) for m in _differences(a, b)]


def _differences(a, b):
    name = name_of(a)
    for field in ("table", "statement", "key", "kind", "of", "slack"):
        if a.get(field) != b.get(field):
            return [f"{name}: {field} was {a.get(field)!r}, is {b.get(field)!r}"]
    free = {"holds", "consistent"}
    messages = []
    if a.get("status") != b.get("status") and {a.get("status"), b.get("status")} != free:
        messages.append(f"{name}: status was {a.get('status')!r}, is {b.get('status')!r}")
    rtol, atol = a.get("rtol", 0.0), a.get("atol", 0.0)
    for group in ("numbers", "standard_errors"):
        old, now = a.get(group, {}), b.get(group, {})
        if old.keys() != now.keys():
            messages.append(f"{name}: {group} were {sorted(old)}, are {sorted(now)}")
            continue
        for field in old:
            label = field if group == "numbers" else f"standard error of {field}"
            x, y = floats(old[field]), floats(now[field])
            if len(x) != len(y):
                messages.append(f"{name}: {label} had {len(x)} values, has {len(y)}")
                continue
            bad = [(p, q) for p, q in zip(x, y, strict=True) if not _close(p, q, rtol, atol)]
            if bad:
                p, q = max(bad, key=lambda pair: abs(pair[0] - pair[1]))
                messages.append(
                    f"{name}: {label} was {p!r}, is {q!r} (rtol {rtol:g}, atol {atol:g})"
                )
    return messages
