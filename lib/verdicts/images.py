"""Pictures in outputs: PNG text chunks, palettes, and whether two pictures are the same."""

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
PALETTE_ERROR = 16  # of 255, in any pixel and colour


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


def is_animated(text):
    """Whether a base64 PNG is an animation."""
    png = _decode(text)
    return png.startswith(_SIGNATURE) and any(kind == b"acTL" for kind, _ in _chunks(png))


def _on_white(image):
    from PIL import Image

    clear = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear).convert("RGB")


def with_palette(text, colours=256):
    """A base64 PNG with a palette, if it is then smaller and no pixel moves by more than
    ``PALETTE_ERROR``; on white, where it is transparent.  An animation stays as it is."""
    from PIL import Image

    png = _decode(text)
    if not png.startswith(_SIGNATURE) or is_animated(text):
        return text
    with Image.open(io.BytesIO(png)) as image:
        if image.mode == "P":
            return text
        plain = _on_white(image)
    # The default method, median cut, turns the rarer of two hues into the other.
    small = plain.quantize(colours, Image.Quantize.MAXCOVERAGE, kmeans=3, dither=Image.Dither.NONE)
    moved = np.abs(np.asarray(small.convert("RGB"), int) - np.asarray(plain, int)).max()
    packed = io.BytesIO()
    small.save(packed, "PNG", optimize=True)
    if moved > PALETTE_ERROR or len(packed.getvalue()) >= len(png):
        return text
    encoded = base64.b64encode(packed.getvalue()).decode("ascii")
    return encoded + ("\n" if text.endswith("\n") else "")


def _pixels(text):
    """The pixels of every frame; what is shown where nothing moves counts as one."""
    from PIL import Image, ImageSequence

    with Image.open(io.BytesIO(_decode(text))) as image:
        return [np.asarray(_on_white(f), dtype=float) for f in ImageSequence.Iterator(image)]


def picture_difference(a, b):
    """How far two base64 pictures are apart, as a share of what counts as the same: the larger of
    the mean difference and that of any block of 8 x 8 pixels, in the frame in which they differ
    most; inf if their sizes or numbers of frames differ."""
    if a.strip() == b.strip():
        return 0.0
    x, y = _pixels(a), _pixels(b)
    if [frame.shape for frame in x] != [frame.shape for frame in y]:
        return math.inf
    return max(map(_frame_difference, x, y))


def _frame_difference(x, y):
    difference = np.abs(x - y).mean(axis=2)
    height, width = difference.shape
    blocks = np.zeros((-(-height // 8) * 8, -(-width // 8) * 8))
    blocks[:height, :width] = difference
    means = blocks.reshape(blocks.shape[0] // 8, 8, blocks.shape[1] // 8, 8).mean(axis=(1, 3))
    return float(max(difference.mean() / MEAN_DIFFERENCE, means.max() / BLOCK_DIFFERENCE))


def same_picture(a, b):
    """Whether two base64 pictures agree: bytes, or size and pixels up to rendering noise."""
    return picture_difference(a, b) <= 1
