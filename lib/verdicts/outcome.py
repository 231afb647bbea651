"""What the evaluation of a claim finds."""

from dataclasses import dataclass, field

import numpy as np

from verdicts.resolution import EXACT, Resolution

ROUNDING = 1e-12  # relative rounding error granted to every deterministic comparison
NAMES = ("lhs", "rhs")


@dataclass
class Outcome:
    """The claim in words, notes on it, the numbers behind it, and whether it holds.

    status: holds, consistent, violated; or undecided, which fails as a claim and as a control.
    resolution: from which change on it would have been refuted; None for an open question.
    slack: whether the ratio of bound and truth means something and belongs in the table.
    formula: what was decided, as text: compared with the stored one as it stands.
    point: a counterexample, for whoever reads the error; neither stored nor compared.
    """

    status: str
    claim: str
    notes: list = field(default_factory=list)
    numbers: dict = field(default_factory=dict)
    standard_errors: dict = field(default_factory=dict)
    resolution: Resolution | None = EXACT
    slack: bool = True
    formula: dict | None = None
    point: str = ""

    @property
    def statistical(self):
        return any(np.any(e) for e in self.standard_errors.values())
