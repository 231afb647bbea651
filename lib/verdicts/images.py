"""Pictures in outputs: PNG text chunks, and whether two pictures are the same."""

import base64
import io
import math
import struct

import numpy as np

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TEXT_CHUNKS = (b"tEXt", b"iTXt", b"zTXt")
MEAN_DIFFERENCE = 2.0  # of 255, over the whole picture
# Of 255, over any block of 8 x 8 pixels: a changed letter is no noise, however large the picture.
BLOCK_DIFFERENCE = 25.0


def _chunks(png):
    position = len(_SIGNATURE)
    while position < len(png):
        (length,) = struct.unpack(">I", png[position : position + 4])
        end = position + 12 + length
        yield png[position + 4 : position + 8], png[position:end]
        position = end


def _decode(text):
    return base64.b64decode(text)


def has_software(text):
    """Whether a base64 PNG names the software that wrote it."""
    png = _decode(text)
    return png.startswith(_SIGNATURE) and any(
        kind in _TEXT_CHUNKS and chunk[8:].startswith(b"Software\0") for kind, chunk in _chunks(png)
    )


def strip_png(text):
    """A base64 PNG without its text chunks (software, version, date)."""
    png = _decode(text)
    if not png.startswith(_SIGNATURE):
        return text
    kept = [chunk for kind, chunk in _chunks(png) if kind not in _TEXT_CHUNKS]
    encoded = base64.b64encode(_SIGNATURE + b"".join(kept)).decode("ascii")
    return encoded + ("\n" if text.endswith("\n") else "")


def _pixels(text):
    from PIL import Image

    with Image.open(io.BytesIO(_decode(text))) as image:
        return np.asarray(image.convert("RGB"), dtype=float)


def picture_difference(a, b):
    """How far two base64 pictures are apart, as a share of what counts as the same: the larger of
    the mean difference and that of any block of 8 x 8 pixels; inf if their sizes differ."""
    if a.strip() == b.strip():
        return 0.0
    x, y = _pixels(a), _pixels(b)
    if x.shape != y.shape:
        return math.inf
    difference = np.abs(x - y).mean(axis=2)
    height, width = difference.shape
    blocks = np.zeros((-(-height // 8) * 8, -(-width // 8) * 8))
    blocks[:height, :width] = difference
    means = blocks.reshape(blocks.shape[0] // 8, 8, blocks.shape[1] // 8, 8).mean(axis=(1, 3))
    return float(max(difference.mean() / MEAN_DIFFERENCE, means.max() / BLOCK_DIFFERENCE))


def same_picture(a, b):
    """Whether two base64 pictures agree: bytes, or size and pixels up to rendering noise."""
    return picture_difference(a, b) <= 1
