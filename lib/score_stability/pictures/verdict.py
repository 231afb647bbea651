"""One line of a verdict, word by word, with the replicates behind it."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np

from verdicts.statistics import VERDICT_ERROR

from .. import plots
from ..arrays import as_numpy
from ..yardsticks.estimates import mean

_LINE = re.compile(r"\[(?P<outcome>[^]]+)\] (?P<name>.+) \((?P<kind>\w+)\): (?P<sides>[^;]+)"
                   r"(?:; (?P<slack>slack [^;]+))?; (?P<margin>margin [^;]+); (?P<notice>would .+)")
WORDS = {  # what each piece says
    "outcome": "true, beyond its interval",
    "name": "the statement · what is claimed of it",
    "kind": "an inequality: truth at most bound",
    "sides": "both sides, as computed",
    "slack": "bound over truth; 1 is an equality",
    "margin": "bound minus truth, and the\ninterval of its mean: see below",
    "notice": "any smaller bound would have failed",
}


class ReadVerdict(NamedTuple):
    """The pieces of the line by name, and of the replicates mean, standard error, half width."""

    pieces: dict[str, str]
    mean: float
    standard_error: float
    half_width: float


def read_a_verdict(line: str, margins: Any) -> ReadVerdict:
    """An inequality on replicates: its line taken apart, and the margins, one per data set.

    See: dots are data sets; the thick bar is ± one standard error of their mean, the thin one the
    interval of the claim, which misses the mean of all data sets in two of ten million seeds. It
    holds because the interval ends above zero. ``line`` is that of an ``upper`` verdict with a
    paired ``difference``; ``margins (R,)`` are the replicates of bound minus truth. Raises
    ``ValueError`` for another line, and unless ``margins`` is a vector of at least two numbers.
    Source: ``verdicts``, the statistics of claims.
    """
    import matplotlib.pyplot as plt

    found = _LINE.fullmatch(line)
    if found is None:
        raise ValueError(f"line must be that of an inequality on replicates; got {line!r}")
    values = as_numpy("margins", margins, "R")
    estimate = mean(values)
    pieces = {k: v for k, v in found.groupdict().items() if v}
    shown = ReadVerdict(pieces, estimate.value, estimate.standard_error,
                        estimate.half_width(VERDICT_ERROR))

    plots.use_style()
    figure = plt.figure(figsize=(plots.WIDTH, 3.9), layout="none")
    height = 0.975
    for key, text in pieces.items():
        left = _typeset(key, text)
        figure.text(0.53, height, left, ha="right", va="top", linespacing=1.25,
                    color=plots.GREEN if key == "outcome" else plots.BLUE,
                    fontweight="bold" if key == "outcome" else None)
        figure.text(0.555, height, WORDS[key], color="0.4", va="top", linespacing=1.25)
        height -= 0.062 * (1 + max(left.count("\n"), WORDS[key].count("\n"))) + 0.008
    axis = figure.add_axes((0.03, 0.135, 0.91, 0.27))
    heights = np.linspace(0.2, 1.0, len(values))[np.argsort(np.argsort(values, kind="stable"))]
    axis.plot(values, heights, "o", color="0.6", markersize=4)
    for width, half in ((2.0, shown.half_width), (6.0, shown.standard_error)):
        axis.plot(shown.mean + half * np.array([-1, 1]), [-0.3, -0.3], color=plots.GREEN,
                  linewidth=width, solid_capstyle="butt")
    axis.plot(shown.mean, -0.3, "o", color=plots.GREEN, markersize=9)
    low, high = min(values.min(), 0.0), values.max()
    left = low - 0.22 * (high - low)
    end = shown.mean + shown.half_width  # room for the words right of it
    right = max(high + 0.05 * (high - low), left + (end - left) / 0.72)
    axis.set(xlim=(left, right), ylim=(-0.75, 1.15),
           yticks=(), xlabel="bound − truth, one dot a data set")
    axis.spines["left"].set_visible(False)
    axis.axvspan(left, 0, color="0.88", linewidth=0)
    axis.annotate("here it would\nbe false", (left, 0.55), (4, 0), "data",
                  "offset points", color="0.35", va="center")
    axis.annotate("mean ± 1 standard\nerror; thin: interval",
                  (end, -0.3), (8, 0), "data", "offset points",
                  color=plots.GREEN, va="center")
    plt.show()
    return shown


def _typeset(key: str, text: str) -> str:
    text = text.replace("<=", "≤").replace("eps_stab^2", r"$\varepsilon_{stab}^2$")
    return {"margin": text.replace(", ", ",\n", 1), "kind": f"({text})"}.get(key, text)
