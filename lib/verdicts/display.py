"""What the reader sees: one line per verdict, tables, the summary.  Silent outside IPython."""

import html
import sys

import numpy as np

from verdicts import ledger
from verdicts.quantities import is_estimate, quantity
from verdicts.records import TABLE_MARK, floats, plain

# Okabe-Ito colours; the status word stands in the text as well.
COLOURS = {
    "holds": "#0072B2",
    "consistent": "#56B4E9",
    "refuted": "#009E73",
    "open": "#999999",
    "violated": "#D55E00",
}
_WORDS = {"refuted": "refuted, as it must be"}
_CELL = 'style="text-align:left;padding:0.15em 0.8em"'


def number(value):
    """Four significant digits."""
    return f"{float(value) + 0.0:.4g}"


def kind_words(kind, of):
    """The kind of a claim; of a control, which kind it controls."""
    return f"control of {of}" if of else kind


def line(statement, key, kind, status, text, of=None):
    """`[holds] Theorem 3 · circle (upper): root gap ≈ 0.1158 <= eps_stab ≈ 0.1557; …`"""
    words = _WORDS.get(status, status)
    return f"[{words}] {statement} · {key} ({kind_words(kind, of)}): {text}"


def excuse(uncompared):
    """The note, if any, that only the status of a verdict is compared; ValueError unless it says
    why in words."""
    if uncompared is None:
        return []
    if not isinstance(uncompared, str) or not uncompared.strip():
        raise ValueError(f"uncompared must say why, in words; got {uncompared!r}")
    return [f"numbers not compared: {uncompared}"]


def publish(text, markup, record=None):
    """Publish one display in the running IPython shell; do nothing where there is none."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is not None:
        metadata = {} if record is None else {"verdicts": record}
        shell.display_pub.publish(data={"text/plain": text, "text/html": markup}, metadata=metadata)


def show_verdict(verdict):
    """Publish the line of a verdict, with its record."""
    status, rest = verdict.line.split("] ", 1)
    # Neither background nor text colour: the page is light or dark.
    markup = (
        f'<div style="border-left:3px solid {COLOURS[verdict.status]};padding:0.1em 0.6em;'
        f'overflow-wrap:anywhere"><b>{html.escape(status)}]</b> {html.escape(rest)}</div>'
    )
    publish(verdict.line, markup, verdict.record())


def _aligned(header, rows):
    """A plain-text table; the last column is not padded."""
    widths = [max(len(r[i]) for r in [header, *rows]) for i in range(len(header) - 1)]
    rule = ["-" * w for w in [*widths, len(header[-1])]]
    pad = [*widths, 0]
    return "\n".join(
        "  ".join(c.ljust(w) for c, w in zip(r, pad, strict=True)) for r in [header, rule, *rows]
    )


def _html_table(header, rows, caption=""):
    head = "".join(f"<th {_CELL}>{html.escape(c)}</th>" for c in header)
    body = "".join(
        "<tr>" + "".join(f"<td {_CELL}>{html.escape(c)}</td>" for c in row) + "</tr>"
        for row in rows
    )
    title = f'<caption style="text-align:left">{html.escape(caption)}</caption>' if caption else ""
    return (
        f'<div style="overflow-x:auto"><table>{title}<thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _cell(value, name):
    """The text of a table's cell, and its Quantity if it is compared with a tolerance."""
    if isinstance(value, str):
        return value, None
    if isinstance(value, (bool, int, np.integer, np.bool_)):
        return str(value), None
    q = quantity(value, name, infinite=True)
    if q.value.size != 1:
        raise ValueError(f"{name} must be one number, not an array of shape {q.value.shape}")
    # "#" keeps a decimal point in every float, which is how it is told from an integer.
    text = f"{float(q.value.reshape(())) + 0.0:#.4g}"
    return (f"{text} ± {q.standard_error:#.2g}" if is_estimate(value) else text), q


def table(columns, rows, *, caption, rtol=1e-6, atol=1e-12):
    """Display a table; its decimal numbers are re-checked within rtol and atol (no claim).

    rows hold strings and integers (compared exactly), floats and estimates (value ± SE).
    Raises ValueError if a row has not one cell per column, or a number is NaN.
    """
    columns = [str(c) for c in columns]
    texts, numbers, errors = [], {}, {}
    for i, row in enumerate(rows):
        row = list(row)
        if len(row) != len(columns):
            raise ValueError(f"row {i} must have {len(columns)} cells, not {len(row)}")
        texts.append([])
        for column, value in zip(columns, row, strict=True):
            text, q = _cell(value, f"row {i}, column {column!r}")
            texts[-1].append(text)
            if q is not None:
                numbers.setdefault(column, []).append(plain(q.value.reshape(())))
                if q.standard_error:
                    errors.setdefault(column, []).append(q.standard_error)
    record = {
        "table": caption,
        "kind": "table",
        "numbers": numbers,
        "standard_errors": errors,
        "rtol": rtol,
        "atol": atol,
        "context": ledger.context(),
    }
    title = f"{caption} {TABLE_MARK}"
    publish(f"{title}\n{_aligned(columns, texts)}", _html_table(columns, texts, title), record)


def slack_of(numbers):
    """The ratios rhs / lhs of a record's cases, where truth is positive and bound finite."""
    pairs = zip(floats(numbers.get("lhs", [])), floats(numbers.get("rhs", [])), strict=False)
    return [r / t for t, r in pairs if t > 0 and 0 < r < float("inf")]


def summary():
    """Display the table of the verdicts made so far in this process (in this notebook)."""
    header = ["Statement", "Claim", "Kind", "Status"]
    rows = [
        [
            v.statement,
            v.key,
            kind_words(v.kind, v.of),
            f"[{_WORDS.get(v.status, v.status)}]",
        ]
        for v in ledger.made()
    ]
    title = f"{len(rows)} verdicts"
    publish(f"{title}\n{_aligned(header, rows)}", _html_table(header, rows, title))
