"""The verdicts made so far in this process, and what travels with each of them."""

import sys
from dataclasses import dataclass, field

_known = None
_context: dict = {}
_made: dict = {}  # (statement, key) -> (execution count, Verdict), in the order of first use


def configure(known_statements=None, context=None):
    """Set the known statement ids and the context (seed, profile, device) of every record.

    Afterwards a claim about an unknown id is a ValueError.  What is None stays as it is.
    """
    global _known, _context
    if known_statements is not None:
        _known = frozenset(known_statements)
    if context is not None:
        _context = dict(context)


def context():
    """The context that travels in each record."""
    return dict(_context)


def made():
    """The verdicts made so far, in order."""
    return [verdict for _, verdict in _made.values()]


@dataclass(frozen=True)
class Verdict:
    """One claim and what became of it.  ``line`` is what the notebook shows."""

    statement: str
    key: str
    kind: str
    status: str
    line: str
    numbers: dict
    standard_errors: dict = field(default_factory=dict)
    statistical: bool = False
    of: str | None = None  # the kind of a control's false claim, or of an illustration
    slack: bool = True  # whether rhs / lhs belongs in the table
    rtol: float = 1e-6
    atol: float = 1e-12
    uncompared: str | None = None  # why only the status is compared, not the numbers
    bound: str | None = None  # which bound an inequality tests
    coarse: str | None = None  # why it notices so little
    resolution: dict | None = None  # from which change on it would have been refuted
    formula: dict | None = None  # a claim that is a formula: it and its hypotheses, as text

    def record(self):
        """What is stored in the output's metadata; JSON can hold it."""
        record = {
            "statement": self.statement,
            "key": self.key,
            "kind": self.kind,
            "status": self.status,
            "numbers": self.numbers,
            "standard_errors": self.standard_errors,
            "rtol": self.rtol,
            "atol": self.atol,
            "statistical": self.statistical,
            "context": context(),
        }
        extra = {
            name: getattr(self, name)
            for name in ("of", "uncompared", "bound", "coarse", "resolution", "formula")
        }
        slack = {} if self.slack else {"slack": False}
        return record | {k: v for k, v in extra.items() if v} | slack

    def __repr__(self):
        return self.line

    def _ipython_display_(self):
        """Nothing: the line was displayed when the claim was made."""


def check_names(statement, key):
    """ValueError unless the id is known and the key is new to this run of this cell."""
    for name, text in (("statement", statement), ("key", key)):
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"{name} must be a non-empty string, not {text!r}")
        if not text.isprintable():
            raise ValueError(f"{name} must be one line of printable characters, not {text!r}")
    if _known is not None and statement not in _known:
        raise ValueError(f"unknown statement {statement!r}; known are {sorted(_known)}")
    # A cell that is run again has another execution count and replaces its verdicts; that two
    # cells use one key is found by the form guard, which sees the whole notebook.
    count = _execution_count()
    if count is not None and (statement, key) in _made and _made[statement, key][0] == count:
        raise ValueError(f"the key {key!r} is used twice for {statement!r}")


def enter(verdict):
    """Note the verdict."""
    _made[verdict.statement, verdict.key] = (_execution_count(), verdict)


def _execution_count():
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return getattr(shell, "execution_count", None)
