"""Typed claims for notebooks: checked, displayed, recorded, re-checked and tabulated.

A notebook claims something by calling one of the functions below.  The call raises
``AssertionError`` if the claim fails.  The claims of a cell are displayed as one card, a line each,
with the raw numbers in its metadata.  In a line "=" is compared as a string when the notebook is
tested, "≈" with a tolerance; each line says what the claim would have noticed.
"""

from verdicts.claims import (
    control,
    for_all,
    identity,
    illustration,
    lower,
    monotone,
    open_question,
    rate,
    shape,
    tight,
    upper,
)
from verdicts.display import show_failure, summary, table
from verdicts.ledger import Verdict, configure
from verdicts.statistics import FAMILY_ERROR, MAX_STATISTICAL_VERDICTS, half_width
from verdicts.wrong import correct, inseparable

__all__ = [
    "FAMILY_ERROR",
    "MAX_STATISTICAL_VERDICTS",
    "Verdict",
    "configure",
    "control",
    "correct",
    "for_all",
    "half_width",
    "identity",
    "illustration",
    "inseparable",
    "lower",
    "monotone",
    "open_question",
    "rate",
    "shape",
    "show_failure",
    "summary",
    "table",
    "tight",
    "upper",
]
