"""The one style of all figures, and the few figures that recur.

Colours are told apart by colour-blind readers and, with the line styles, in grey print.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

BLUE, VERMILLION, BLACK, GREEN, PURPLE = "#0072B2", "#D55E00", "#000000", "#007A5A", "#8E4585"
STYLES = (
    {"color": BLUE, "linestyle": "-", "marker": "o"},
    {"color": VERMILLION, "linestyle": "--", "marker": "s"},
    {"color": BLACK, "linestyle": ":", "marker": "^"},
    {"color": GREEN, "linestyle": "-.", "marker": "D"},
    {"color": PURPLE, "linestyle": (0, (5, 1, 1, 1, 1, 1)), "marker": "v"},
)


def use_style() -> None:
    """Set the collection's figure style (seaborn "ticks", readable sizes, fixed resolution)."""
    import seaborn

    seaborn.set_theme(context="notebook", style="ticks", rc={
        "axes.grid": True, "grid.alpha": 0.3, "axes.spines.right": False,
        "axes.spines.top": False, "figure.dpi": 100, "savefig.dpi": 100,
        "figure.constrained_layout.use": True, "lines.markersize": 5, "legend.frameon": False,
        "axes.titlesize": "medium", "image.cmap": "gray_r", "font.family": "DejaVu Sans",
        "svg.hashsalt": "score-stability",
    })


def style(k: int, **changes: Any) -> dict[str, Any]:
    """Colour, line style and marker number k (they repeat after five), with changes."""
    return {**STYLES[k % len(STYLES)], **changes}


def panels(columns: int = 1, *, width: float = 4.2, height: float = 3.4) -> tuple[Any, Any]:
    """A figure with ``columns`` axes side by side; returns (figure, axes or array of axes)."""
    import matplotlib.pyplot as plt

    if columns < 1:
        raise ValueError(f"columns must be at least 1; got {columns}")
    return plt.subplots(1, columns, figsize=(width * columns, height))


def label_ticks(axis: Any, values: Sequence[float]) -> None:
    """Put ticks at exactly these values of a log-scaled ``axes.xaxis`` or ``axes.yaxis``.

    matplotlib labels the minor ticks of a short log axis, and the labels then overlap.
    """
    from matplotlib.ticker import FixedLocator, NullLocator

    axis.set_major_locator(FixedLocator(list(values)))
    axis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_minor_locator(NullLocator())


def error_bars(axes: Any, x: Any, y: Sequence[Any], k: int = 0, *, width: float = 1.0,
               **options: Any) -> Any:
    """Plot a sequence of ``Estimate`` at x with bars of ``width`` standard errors."""
    values = [point.value for point in y]
    errors = [width * point.standard_error for point in y]
    return axes.errorbar(x, values, yerr=errors, capsize=2, **style(k, **options))


def image_rows(rows: Sequence[Any], row_labels: Sequence[str],
               titles: Sequence[Sequence[str]] | None = None, *, size: float = 0.95) -> Any:
    """Rows of grey or colour images, ``(n, h, w)`` or ``(n, h, w, 3)``; one label per row.

    ``titles[r][c]`` is printed above image c of row r. Returns the figure. Raises ``ValueError``
    if labels or titles do not match the rows.
    """
    import matplotlib.pyplot as plt

    if len(rows) == 0:
        raise ValueError("rows must contain at least one row")
    if len(row_labels) != len(rows) or (titles is not None and len(titles) != len(rows)):
        raise ValueError("row_labels and titles must have one entry per row")
    for row, captions in zip(rows, titles or [()] * len(rows), strict=True):
        if len(captions) not in (0, len(row)):
            raise ValueError("titles must have one entry per image of a row, or none")
    columns = max(len(row) for row in rows)
    figure, axes = plt.subplots(len(rows), columns, squeeze=False,
                                figsize=(size * columns, (size + 0.22) * len(rows)))
    for r, row in enumerate(rows):
        for c in range(columns):
            axis = axes[r, c]
            axis.grid(False)
            axis.set(xticks=[], yticks=[])
            for spine in axis.spines.values():
                spine.set_visible(False)
            if c < len(row):
                image = np.asarray(row[c])
                # Grey images on one scale: ink is dark, whatever the noise around 0 and 1.
                limits = {} if image.ndim == 3 else {"vmin": 0.0, "vmax": 1.0}
                axis.imshow(np.clip(image, 0, 1) if image.ndim == 3 else image, **limits)
                if titles is not None and titles[r]:
                    axis.set_title(titles[r][c], fontsize=8, pad=2)
        axes[r, 0].set_ylabel(row_labels[r], fontsize=9, rotation=0, ha="right", va="center")
    return figure
