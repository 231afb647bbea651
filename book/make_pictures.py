"""Draw the README's pictures, at twice the pixels.

    python book/make_pictures.py

``headline.png`` is the stored figure of notebook 26: nothing is computed again. ``one_image.png``
by the library, in a few seconds.
"""

import base64
import io
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from score_stability import pictures
from verdicts import chapter, images, notebook

HERE = Path(__file__).parent
SOURCE = HERE.parent / "notebooks" / "26_a_certified_diffusion_model.ipynb"
HEADLINE = (26, 3)  # its figure


def stored_figure():
    """The headline of notebook 26 as it is stored; ``LookupError`` where there is none."""
    return base64.b64decode(chapter.figures(notebook.read(SOURCE))[HEADLINE][0])


def save(figure, path):
    """Write a figure with a palette, as notebooks store theirs."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=200, metadata={"Software": None})
    text = images.with_palette(base64.b64encode(buffer.getvalue()).decode("ascii"))
    path.write_bytes(base64.b64decode(text))
    plt.close(figure)


if __name__ == "__main__":
    (HERE / "headline.png").write_bytes(stored_figure())
    pictures.one_image_in_and_out()
    save(plt.gcf(), HERE / "one_image.png")
