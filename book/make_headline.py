"""Draw ``book/headline.png`` from the stored table of notebook 26; nothing is computed again.

    python book/make_headline.py
"""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from score_stability import plots
from verdicts import notebook

HERE = Path(__file__).parent
SOURCE = HERE.parent / "notebooks" / "26_a_certified_diffusion_model.ipynb"
CAPTION = "Headline: mixture class, N = 1000"
BARS = (  # column of the table, label, colour, hatch
    ("train", "training loss", "white", ""),
    ("truth", "true loss (held-out images)", "0.75", ""),
    ("certificate", "certificate (no held-out image)", plots.BLUE, ""),
    ("Wiener, truth", "best linear filter, true loss", "white", "////"),
)


def stored_table():
    """The columns of the table, as a dict of lists; ``LookupError`` where there is none."""
    for record in notebook.records(notebook.read(SOURCE)):
        if record.get("table") == CAPTION:
            return record["numbers"]
    raise LookupError(f"{SOURCE.name} holds no table {CAPTION!r}: run the notebook first")


def draw(columns, path):
    """Grouped bars, one group per noise level, relative to the true loss."""
    plots.use_style()
    figure, axis = plots.panels(1, width=7.6, height=3.4)
    places = np.arange(len(columns["s"]))
    for k, (name, label, colour, hatch) in enumerate(BARS):
        heights = np.array(columns[name]) / np.array(columns["truth"])
        bars = axis.bar(places + 0.2 * (k - 1.5), heights, 0.19, color=colour, hatch=hatch,
                        edgecolor=plots.BLACK, linewidth=0.8, label=label)
        axis.bar_label(bars, [f"{height:.2f}" for height in heights], fontsize=7)
    axis.set(xticks=places, xticklabels=[f"noise level {s:g}" for s in columns["s"]],
             ylabel="denoising loss / true loss", ylim=(0, 1.6),
             title="A certified diffusion model of digits, 1000 training images")
    axis.grid(axis="x", visible=False)
    axis.legend(ncols=2, fontsize=8, loc="upper center")
    figure.savefig(path, metadata={"Software": None})
    plt.close(figure)


if __name__ == "__main__":
    draw(stored_table(), HERE / "headline.png")
