"""The one style of all figures, and the few figures that recur.

Colours are told apart by colour-blind readers and, with the line styles, in grey print.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

WIDTH, HEIGHT = 7.2, 3.2  # inches
BLUE, VERMILLION, BLACK, GREEN, PURPLE = "#0072B2", "#D55E00", "#000000", "#007A5A", "#8E4585"
PALETTE = (BLUE, VERMILLION, BLACK, GREEN, PURPLE)
STYLES = (
    {"color": BLUE, "linestyle": "-", "marker": "o"},
    {"color": VERMILLION, "linestyle": "--", "marker": "s"},
    {"color": BLACK, "linestyle": ":", "marker": "^"},
    {"color": GREEN, "linestyle": "-.", "marker": "D"},
    {"color": PURPLE, "linestyle": (0, (5, 1, 1, 1, 1, 1)), "marker": "v"},
)


def use_style() -> None:
    """Set the collection's figure style: seaborn's "ticks", sizes that are read at ``WIDTH``
    inches (720 pixels of a page), formulas in TeX's letters, twice the pixels in a notebook."""
    import seaborn

    seaborn.set_theme(context="notebook", style="ticks", palette=PALETTE, rc={
        "axes.grid": True, "grid.alpha": 0.25, "axes.spines.right": False,
        "axes.spines.top": False, "axes.linewidth": 1.0, "xtick.major.width": 1.0,
        "ytick.major.width": 1.0, "figure.dpi": 100, "savefig.dpi": 100,
        "figure.figsize": (WIDTH, HEIGHT), "figure.constrained_layout.use": True,
        "lines.linewidth": 1.8, "lines.markersize": 5, "legend.frameon": False,
        "font.family": "DejaVu Sans", "mathtext.fontset": "cm", "font.size": 11,
        "axes.labelsize": 11.5, "axes.titlesize": 11.5, "xtick.labelsize": 10.5,
        "ytick.labelsize": 10.5, "legend.fontsize": 10.5, "legend.title_fontsize": 10.5,
        "image.cmap": "gray_r", "svg.hashsalt": "score-stability",
    })
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is not None and getattr(shell, "kernel", None) is not None:
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        # Every figure is as wide as it says: without the cut at the outermost ink.
        set_matplotlib_formats("retina", bbox_inches=None)


def style(k: int, **changes: Any) -> dict[str, Any]:
    """Colour, line style and marker number k (they repeat after five), with changes."""
    return {**STYLES[k % len(STYLES)], **changes}


def panels(columns: int = 1, *, rows: int = 1, height: float = HEIGHT,
           **options: Any) -> tuple[Any, Any]:
    """A figure ``WIDTH`` inches wide with rows of axes; returns (figure, axes or array of axes).

    ``options`` are those of ``plt.subplots``, such as ``width_ratios`` or ``sharey``.
    Raises ``ValueError`` unless columns and rows are at least 1.
    """
    import matplotlib.pyplot as plt

    for name, value in (("columns", columns), ("rows", rows)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1; got {value}")
    return plt.subplots(rows, columns, figsize=(WIDTH, height), **options)


def forbidden(axis: Any, low: float, high: float, words: str = "", at: float = 0.5) -> None:
    """Shade where no value can lie if the claim is true; ``words`` stand there, from left (0) to
    right (1)."""
    axis.axhspan(low, high, color="0.92", linewidth=0, zorder=0)
    if words:
        axis.annotate(words, (at, (low + high) / 2), color="0.35", ha="center", va="center",
                      xycoords=axis.get_yaxis_transform())


def refuted(axis: Any, cases: Mapping[str, Any]) -> None:
    """Controls in one picture: what each false claim promises, over the truth.

    Left of the line at 1 a claim is refuted. ``cases`` go from top to bottom. A case may also be
    the pair of its sides, arrays or numbers that are not negative: then it is the smaller over the
    larger one where they are furthest apart, the case on the claim's card, and the axis says so.
    """
    places = np.arange(len(cases))[::-1]
    pairs = any(np.ndim(case) for case in cases.values())
    ratios = np.array([_furthest_apart(*case) if np.ndim(case) else case
                       for case in cases.values()], dtype=float)
    axis.axvspan(1.0, 1.12, color="0.92", linewidth=0)
    axis.axvline(1.0, color=BLACK, linewidth=1.2)
    axis.hlines(places, ratios, 1.0, color=VERMILLION, linewidth=2)
    axis.plot(ratios, places, "o", color=VERMILLION, markersize=8)
    for place, ratio in zip(places, ratios, strict=True):
        axis.annotate(f"{ratio:.2f}", (ratio, place), xytext=(-10, 0),
                      textcoords="offset points", ha="right", va="center", color=VERMILLION)
    axis.set(yticks=places, yticklabels=list(cases), ylim=(-0.6, len(cases) - 0.4),
             xlim=(min(0.0, ratios.min()) - 0.18, 1.12),
             xlabel="smaller over larger of the two sides" if pairs else
             "what the false claim promises / the truth")
    axis.grid(axis="y", visible=False)


def _furthest_apart(one: Any, other: Any) -> float:
    return float((np.minimum(one, other) / np.maximum(one, other)).min())


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
               titles: Sequence[Sequence[str]] | None = None, *, size: float | None = None) -> Any:
    """Rows of grey or colour images, ``(n, h, w)`` or ``(n, h, w, 3)``; one label per row.

    ``titles[r][c]`` is printed above image c of row r. An image is ``size`` inches wide; if None,
    at most 0.95 and so that all fit ``WIDTH``. Returns the figure. Raises ``ValueError`` if labels
    or titles do not match the rows.
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
    room = 0.085 * max(len(line) for label in row_labels for line in label.split("\n")) + 0.15
    if size is None:
        size = min(0.95, (WIDTH - room) / columns)
    figure, axes = plt.subplots(len(rows), columns, squeeze=False,
                                figsize=(size * columns + room, (size + 0.24) * len(rows)))
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
                    axis.set_title(titles[r][c], fontsize=9.5, pad=2)
        axes[r, 0].set_ylabel(row_labels[r], fontsize=10.5, rotation=0, ha="right", va="center")
    return figure
