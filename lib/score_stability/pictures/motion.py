"""Motion in a stored output: animated PNG, which is a picture wherever it does not move.

One palette for all frames; a frame stores the rectangle that changed, unchanged pixels transparent
(blend OVER). The default image is a poster and no frame: print, thumbnails and viewers without
animation show it. Source: the APNG specification, part of PNG since its third edition (W3C 2025).
"""

from __future__ import annotations

import base64
import struct
import sys
import zlib
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ..arrays import count

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PALETTE_PIXELS = 2**18  # on which the palette is chosen: a colour counts as often as it is drawn
_LONGEST = 2**16 - 1  # milliseconds that a frame can stay


def animated_png(frames: Sequence[np.ndarray], milliseconds: int | Sequence[int], *,
                 poster: np.ndarray | None = None, colours: int = 64, loops: int = 2) -> bytes:
    """An animated PNG of ``frames``, arrays ``(h, w, 3)`` of uint8 and one shape.

    ``milliseconds`` a frame stays: one number, or one per frame, 1 to 65535. ``poster``: an array
    of the same shape, by default the last frame. ``colours``: size of the palette, 2 to 256, one of
    them the transparent one. ``loops``: how often it plays; 0 is for ever. Raises ``ValueError``
    naming the argument, ``TypeError`` for a count that is no whole number.
    """
    frames = [_picture("frames", frame) for frame in frames]
    if not frames:
        raise ValueError("frames must contain at least one frame")
    shape = frames[0].shape
    poster = frames[-1] if poster is None else _picture("poster", poster)
    if any(frame.shape != shape for frame in frames):
        raise ValueError("frames must be arrays of one shape; got "
                         f"{sorted({frame.shape for frame in frames})}")
    if poster.shape != shape:
        raise ValueError(f"poster must have the frames' shape {shape}; got {poster.shape}")
    delays = _delays(milliseconds, len(frames))
    if not 2 <= count("colours", colours) <= 256:
        raise ValueError(f"colours must be between 2 and 256; got {colours}")
    if not 0 <= count("loops", loops, 0) < 2**31:
        raise ValueError(f"loops must be below 2**31; got {loops}")

    codes = [_codes(picture) for picture in (poster, *frames)]
    table, indices = _with_palette(codes, colours - 1)
    bits = next(b for b in (1, 2, 4, 8) if 2**b > len(table))  # one more is transparent
    height, width = shape[:2]
    parts = [_SIGNATURE,
             _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, 3, 0, 0, 0)),
             _chunk(b"acTL", struct.pack(">II", len(frames), loops)),
             _chunk(b"PLTE", table.tobytes() + b"\0\0\0"),
             _chunk(b"tRNS", b"\xff" * len(table) + b"\0"),
             _chunk(b"IDAT", _packed(indices[0], bits))]
    number, before = 0, np.full_like(indices[0], len(table))
    for delay, index in zip(delays, indices[1:], strict=True):
        changes, before = index != before, index
        rows, columns = (np.flatnonzero(changes.any(axis)) for axis in (1, 0))
        top, bottom, left, right = ((rows[0], rows[-1] + 1, columns[0], columns[-1] + 1)
                                    if rows.size else (0, 1, 0, 1))  # nothing is no rectangle
        part = np.where(changes, index, len(table))[top:bottom, left:right].astype(np.uint8)
        parts += [_chunk(b"fcTL", struct.pack(">IIIIIHHBB", number, right - left, bottom - top,
                                              left, top, delay, 1000, 0, 1 if number else 0)),
                  _chunk(b"fdAT", struct.pack(">I", number + 1) + _packed(part, bits))]
        number += 2
    return b"".join([*parts, _chunk(b"IEND", b"")])


def frame(figure: Any, scale: float = 2.0) -> np.ndarray:
    """The figure as it is now, ``(h, w, 3)`` of uint8, with ``scale`` times the pixels it says.

    A layout engine would place everything anew for each frame, a little elsewhere: give the axes
    their places, or draw once and then ``figure.set_layout_engine("none")``. Raises ``ValueError``
    unless scale > 0.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    if not 0 < scale < np.inf:
        raise ValueError(f"scale must be positive and finite; got {scale}")
    canvas, dpi = figure.canvas, figure.dpi
    try:
        figure.dpi = scale * dpi
        own = FigureCanvasAgg(figure)
        own.draw()
        return np.asarray(own.buffer_rgba())[:, :, :3].copy()
    finally:
        figure.dpi = dpi
        figure.set_canvas(canvas)


def show(png: bytes, width: int) -> None:
    """Publish a PNG as an output, ``width`` CSS pixels wide, under IPython; nothing outside.

    Raises ``ValueError`` if png is not one or width is below 1.
    """
    width = count("width", width)
    if not png.startswith(_SIGNATURE):
        raise ValueError("png must be the bytes of a PNG")
    across, down = struct.unpack(">II", png[16:24])
    if "IPython" in sys.modules and sys.modules["IPython"].get_ipython() is not None:
        from IPython.display import publish_display_data

        height = round(width * down / across)
        publish_display_data(
            {"image/png": base64.b64encode(png).decode("ascii"),
             "text/plain": f"<animation of {width}x{height}>"},
            metadata={"image/png": {"width": width, "height": height}})


def _picture(name: str, array: Any) -> np.ndarray:
    if not (isinstance(array, np.ndarray) and array.dtype == np.uint8 and array.ndim == 3
            and array.shape[2] == 3 and array.size):
        raise ValueError(f"{name} must be uint8 arrays of shape (h, w, 3), not empty")
    return array


def _delays(milliseconds: int | Sequence[int], number: int) -> list[int]:
    delays = np.asarray(milliseconds)
    if delays.dtype.kind not in "iu" or delays.shape not in ((), (number,)):
        raise ValueError("milliseconds must be a whole number or one per frame; "
                         f"got {milliseconds!r}")
    if delays.min() < 1 or delays.max() > _LONGEST:
        raise ValueError(f"milliseconds must be between 1 and {_LONGEST}; got {milliseconds!r}")
    return np.broadcast_to(delays, (number,)).tolist()


def _codes(picture: np.ndarray) -> np.ndarray:
    """Each colour as one number."""
    red, green, blue = picture.transpose(2, 0, 1).astype(np.int32)
    return red << 16 | green << 8 | blue


def _with_palette(codes: list[np.ndarray],
                  size: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """At most ``size`` colours ``(n, 3)``, and each picture as numbers of the nearest of them."""
    from PIL import Image  # comes with matplotlib

    # Only what is new in a picture is looked at: all of the first, little of the others.
    changed = [np.ones(codes[0].shape, bool), *(a != b for a, b in pairwise(codes))]
    drawn, inverse, often = np.unique(
        np.concatenate([code[change] for code, change in zip(codes, changed, strict=True)]),
        return_inverse=True, return_counts=True)
    colours = np.stack([drawn >> 16, drawn >> 8 & 255, drawn & 255], 1).astype(np.uint8)
    table = colours
    if len(colours) > size:
        often = np.ceil(often * (_PALETTE_PIXELS / often.sum())).astype(int)
        # Not MEDIANCUT: it turns vermillion brown.
        image = Image.fromarray(np.repeat(colours, often, 0)[None]).quantize(
            size, Image.Quantize.MAXCOVERAGE, kmeans=3, dither=Image.Dither.NONE)
        table = np.array(image.getpalette()[:3 * size], np.uint8).reshape(-1, 3)
    nearest = np.empty(len(colours), np.uint8)
    for start in range(0, len(colours), 4096):
        part = colours[start:start + 4096, None].astype(np.int32)
        nearest[start:start + 4096] = ((part - table) ** 2).sum(2).argmin(1)
    new = np.split(nearest[inverse], np.cumsum([change.sum() for change in changed])[:-1])
    indices: list[np.ndarray] = []
    for change, values in zip(changed, new, strict=True):
        index = indices[-1].copy() if indices else np.empty(change.shape, np.uint8)
        index[change] = values
        indices.append(index)
    return table, indices


def _packed(index: np.ndarray, bits: int) -> bytes:
    """Rows of palette numbers, packed to ``bits``, each behind filter byte 0, deflated."""
    shared = 8 // bits  # numbers in a byte
    index = np.pad(index, ((0, 0), (0, -index.shape[1] % shared)))
    rows = np.zeros((len(index), 1 + index.shape[1] // shared), np.uint8)
    for k in range(shared):
        rows[:, 1:] |= index[:, k::shared] << (8 - bits * (k + 1))
    return zlib.compress(rows.tobytes(), 9)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
