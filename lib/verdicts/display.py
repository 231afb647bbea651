"""What the reader sees: one line per verdict, tables, the summary.  Silent outside IPython."""

import re
import sys

import numpy as np

from verdicts import ledger, notebook
from verdicts.cards import WORDS, card, kind_words, line, pretty
from verdicts.config import find_config
from verdicts.quantities import is_estimate, quantity
from verdicts.records import TABLE_MARK, floats, plain
from verdicts.statistics import level

_CELL = 'style="text-align:{};padding:0.15em 0.8em"'
FOLD = 8  # a table with so many rows is folded
_NUMBER = re.compile(r"[-−]?[\d.]+(?:e[-+]?\d+)?(?: ± .*)?|[-−]?inf|")
_IDLE_ZEROS = re.compile(r"(\.\d*?)0+$")


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


def flush(result=None):
    """Publish the card of the verdicts that are waiting, with their records.

    ``result`` is what IPython knows of the cell that has run; the card is headed by its title.
    """
    shown = _pending[:]
    _pending.clear()
    if shown:
        config = find_config()
        records, lines = [v.record() for v in shown], [v.line for v in shown]
        legend = config.legend_link() if config else ""
        source = getattr(getattr(result, "info", None), "raw_cell", None) or ""
        markup = card(records, lines, legend, notebook.title_in(source))
        publish("\n".join(lines), markup, records)


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


def _short(column):
    """A column of decimals none of which needs more than two digits, without the idle zeros: what
    was chosen (a noise level 0.05), and not what was measured (1.000)."""
    if all(re.fullmatch(r"-?\d+\.\d*", text) for text in column):
        short = [_IDLE_ZEROS.sub(r"\1", text).rstrip(".") for text in column]
        if all(len(text.lstrip("-0.").replace(".", "")) <= 2 for text in short):
            return short
    return column


def _html_table(header, rows, caption="", fold=None):
    """A table with typeset names, numbers to the right; from ``FOLD`` rows on it is folded."""
    columns = [_short(column) for column in zip(*rows, strict=True)] or [[] for _ in header]
    sides = ["right" if all(map(_NUMBER.fullmatch, c)) else "left" for c in columns]
    cells = [_CELL.format(side) for side in sides]
    head = "".join(f"<th {c}>{pretty(text)}</th>" for c, text in zip(cells, header, strict=True))
    body = "".join(
        "<tr>" + "".join(
            f"<td {c}>{pretty(text)}</td>" for c, text in zip(cells, row, strict=True)
        ) + "</tr>"
        for row in zip(*columns, strict=True)
    )
    title = pretty(caption)
    inner = f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    if len(rows) >= FOLD if fold is None else fold:
        words = f"{title} · {len(rows)} rows" if fold is None else title
        return (f'<details><summary>{words}</summary><div style="overflow-x:auto"><table>{inner}'
                "</details>")
    named = f'<caption style="text-align:left">{title}</caption>' if caption else ""
    return f'<div style="overflow-x:auto"><table>{named}{inner}'


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
    text = f"{caption} {TABLE_MARK}\n{_aligned(columns, texts)}"
    publish(text, _html_table(columns, texts, caption), record)


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
    markup = _html_table(header, rows, title, fold=True)
    publish(f"{title}\n{_aligned(header, rows)}", markup)
