"""Draw the README's pictures, at twice the pixels.

    python book/make_pictures.py

``headline.png`` from the stored table of notebook 26: nothing is computed again. ``one_image.png``
by the library, in a few seconds.
"""

import base64
import io
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from score_stability import pictures, plots
from verdicts import images, notebook

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


def save(figure, path):
    """Write a figure with a palette, as notebooks store theirs."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=200, metadata={"Software": None})
    text = images.with_palette(base64.b64encode(buffer.getvalue()).decode("ascii"))
    path.write_bytes(base64.b64decode(text))
    plt.close(figure)


def draw(columns, path):
    """Grouped bars, one group per noise level, relative to the true loss."""
    plots.use_style()
    figure, axis = plots.panels(height=3.4)
    places = np.arange(len(columns["s"]))
    for k, (name, label, colour, hatch) in enumerate(BARS):
        heights = np.array(columns[name]) / np.array(columns["truth"])
        bars = axis.bar(places + 0.2 * (k - 1.5), heights, 0.19, color=colour, hatch=hatch,
                        edgecolor=plots.BLACK, linewidth=0.8, label=label)
        axis.bar_label(bars, [f"{height:.2f}" for height in heights], fontsize=9)
    axis.set(xticks=places, xticklabels=[f"noise level {s:g}" for s in columns["s"]],
             ylabel="denoising loss / true loss", ylim=(0, 1.6),
             title="A certified diffusion model of digits, 1000 training images")
    axis.grid(axis="x", visible=False)
    axis.legend(ncols=2, loc="upper center")
    save(figure, path)


if __name__ == "__main__":
    draw(stored_table(), HERE / "headline.png")
    pictures.one_image_in_and_out()
    save(plt.gcf(), HERE / "one_image.png")
