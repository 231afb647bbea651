"""What the reader sees: one line per verdict, tables, the summary.  Silent outside IPython."""

import html
import sys

import numpy as np

from verdicts import ledger
from verdicts.cards import WORDS, card, kind_words, line
from verdicts.config import find_config
from verdicts.quantities import is_estimate, quantity
from verdicts.records import TABLE_MARK, floats, plain
from verdicts.statistics import level

_CELL = 'style="text-align:left;padding:0.15em 0.8em"'


def number(value):
    """Four significant digits."""
    return f"{float(value) + 0.0:.4g}"


def interval(value, half, comparisons=1):
    """The interval around a value as [low, high], with its level."""
    ends = f"[≈ {number(value - half)}, ≈ {number(value + half)}]"
    return f"{level(comparisons)} interval {ends}"


_EXCUSES = {"uncompared": "numbers not compared", "coarse": "coarse"}


def excuse(name, why):
    """The note, if any, that says why a verdict is compared, or notices, less than others;
    ValueError unless it does so in words."""
    if why is None:
        return []
    if not isinstance(why, str) or not why.strip():
        raise ValueError(f"{name} must say why, in words; got {why!r}")
    return [f"{_EXCUSES[name]}: {why}"]


def _shell():
    return sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None


def publish(text, markup, record=None, example=False):
    """Publish one display in the running IPython shell; do nothing where there is none.

    An ``example`` is no claim, and says so to the form guard.
    """
    shell = _shell()
    if shell is not None:
        metadata = {} if record is None else {"verdicts": record}
        metadata |= {"verdicts_example": True} if example else {}
        shell.display_pub.publish(data={"text/plain": text, "text/html": markup}, metadata=metadata)


_pending: list = []  # verdicts of the running cell, in order


def show_verdict(verdict):
    """Show the verdict with the others of its cell, when the cell has run: one card."""
    shell = _shell()
    if shell is None:
        return
    if not hasattr(shell, "_verdicts_show_cards"):
        shell._verdicts_show_cards = flush
        shell.events.register("post_run_cell", flush)
    _pending.append(verdict)


def flush(*_):
    """Publish the card of the verdicts that are waiting, with their records."""
    shown = _pending[:]
    _pending.clear()
    if shown:
        config = find_config()
        records, lines = [v.record() for v in shown], [v.line for v in shown]
        legend = config.legend_link() if config else ""
        publish("\n".join(lines), card(records, lines, legend), records)


def show_failure():
    """Display what a card looks like when its claim is false; an example, no claim is made."""
    record = {"statement": "Example", "key": "half of a bound", "kind": "upper",
              "status": "violated", "numbers": {"lhs": 1.0, "rhs": 0.75}}
    words = "truth ≈ 1 <= bound ≈ 0.75; slack ≈ 0.75"
    text = line(*(record[k] for k in ("statement", "key", "kind", "status")), words)
    publish(text, card([record], [text]), example=True)


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


def slack_of(record):
    """Bound / truth, for lower bounds truth / bound, of a record's cases: at least one where the
    bound holds.  Where both are positive and finite."""
    numbers = record["numbers"]
    pairs = zip(floats(numbers.get("lhs", [])), floats(numbers.get("rhs", [])), strict=False)
    ratios = [r / t for t, r in pairs if t > 0 and 0 < r < float("inf")]
    return [1 / ratio for ratio in ratios] if record["kind"] == "lower" else ratios


def summary():
    """Display the table of the verdicts made so far in this process (in this notebook)."""
    header = ["Statement", "Claim", "Kind", "Status"]
    rows = [
        [
            v.statement,
            v.key,
            kind_words(v.kind, v.of),
            f"[{WORDS.get(v.status, v.status)}]",
        ]
        for v in ledger.made()
    ]
    title = f"{len(rows)} verdicts"
    publish(f"{title}\n{_aligned(header, rows)}", _html_table(header, rows, title))
