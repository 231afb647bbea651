"""Pictures that open the chapters: motion that decodes."""

import io
import struct
import sys
import types

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from score_stability import plots
from score_stability.pictures import animated_png, motion

mpl.use("Agg")


# ------------------------------------------------------------------------------------------ motion


def chunks(png):
    """(kind, data) of every chunk."""
    position = 8
    while position < len(png):
        (length,) = struct.unpack(">I", png[position:position + 4])
        yield png[position + 4:position + 8], png[position + 8:position + 8 + length]
        position += 12 + length


def decoded(png):
    """The default image, and (frame as composed, milliseconds) of all frames, by Pillow."""
    found = []
    with Image.open(io.BytesIO(png)) as image:
        assert image.default_image
        for k in range(image.n_frames):
            image.seek(k)
            found.append((np.asarray(image.convert("RGB")), image.info.get("duration")))
    return found[0][0], found[1:]


def error(a, b):
    return int(np.abs(a.astype(int) - b).max())


PALETTE = np.array([[255, 255, 255], [0, 0, 0], [213, 94, 0], [0, 114, 178]], np.uint8)


@st.composite
def sequences(draw):
    """Small frames of four colours; the same one may come again."""
    height, width = draw(st.integers(1, 6)), draw(st.integers(1, 9))
    generator = np.random.default_rng(draw(st.integers(0, 2**16)))
    frames = [PALETTE[generator.integers(4, size=(height, width))]]
    for change in draw(st.lists(st.sampled_from(("none", "one", "all")), max_size=4)):
        new = frames[-1].copy()
        if change == "one":
            new[generator.integers(height), generator.integers(width)] = PALETTE[2]
        elif change == "all":
            new = PALETTE[generator.integers(4, size=(height, width))]
        frames.append(new)
    return frames


@settings(max_examples=60, deadline=None, derandomize=True)
@given(sequences(), st.integers(1, 65535), st.integers(0, 5), st.sampled_from((5, 17, 256)))
def test_every_frame_comes_back(frames, milliseconds, loops, colours):
    poster, found = decoded(animated_png(frames, milliseconds, colours=colours, loops=loops))
    assert [round(duration, 6) for _, duration in found] == [milliseconds] * len(frames)
    # Four colours and a transparent one: all exact.
    assert all((a == b).all() for a, (b, _) in zip(frames, found, strict=True))
    assert (poster == frames[-1]).all()


def test_the_poster_is_no_frame_and_the_plays_are_counted():
    frames = [np.full((4, 6, 3), value, np.uint8) for value in (0, 100, 200)]
    png = animated_png(frames, [10, 20, 30], poster=frames[1])
    kinds = [kind for kind, _ in chunks(png)]
    assert kinds == [b"IHDR", b"acTL", b"PLTE", b"tRNS", b"IDAT", *[b"fcTL", b"fdAT"] * 3, b"IEND"]
    data = dict(chunks(png))
    assert struct.unpack(">II", data[b"acTL"]) == (3, 2)  # frames, plays
    poster, found = decoded(png)
    assert (poster == frames[1]).all() and [d for _, d in found] == [10, 20, 30]
    numbers = [struct.unpack(">I", body[:4])[0] for kind, body in chunks(png)
               if kind in (b"fcTL", b"fdAT")]
    assert numbers == list(range(6))
    assert struct.unpack(">II", dict(chunks(animated_png(frames, 9, loops=0)))[b"acTL"]) == (3, 0)


def test_only_the_rectangle_that_changed_is_stored():
    frames = [np.full((40, 60, 3), 255, np.uint8) for _ in range(3)]
    frames[1][10:13, 20:25] = 0
    frames[2][10:13, 20:25] = 0  # as before
    png = animated_png(frames, 50)
    controls = [struct.unpack(">IIIIIHHBB", body) for kind, body in chunks(png) if kind == b"fcTL"]
    assert [c[1:5] for c in controls] == [(60, 40, 0, 0), (5, 3, 20, 10), (1, 1, 0, 0)]
    assert [c[8] for c in controls] == [0, 1, 1]  # over


@pytest.mark.parametrize("colours", [32, 64, 256])
def test_the_colours_of_the_house_survive(colours):
    """Each a disc with soft edges on white, in a picture that is mostly white."""
    y, x = np.mgrid[:120, :700]
    frame = np.full((120, 700, 3), 255.0)
    house = np.array([[int(c[k:k + 2], 16) for k in (1, 3, 5)] for c in plots.PALETTE])
    for k, colour in enumerate(house):
        distance = np.hypot(x - 70 - 140 * k, y - 60)
        cover = np.clip(30.5 - distance, 0, 1)[:, :, None]
        frame = frame * (1 - cover) + colour * cover
    frame = frame.round().astype(np.uint8)
    poster, ((found, _),) = decoded(animated_png([frame], 100, colours=colours))
    for k, colour in enumerate(house):
        assert error(found[60, 70 + 140 * k], colour) <= 16
    assert (found[0, 0] == 255).all() and (poster == found).all()
    if colours >= 64:
        assert error(found, frame) <= 16


GOOD = [np.zeros((2, 3, 3), np.uint8)] * 2


@pytest.mark.parametrize(("changes", "named"), [
    ({"frames": []}, "frames"),
    ({"frames": [np.zeros((2, 3, 3))]}, "frames"),
    ({"frames": [np.zeros((2, 3), np.uint8)]}, "frames"),
    ({"frames": [np.zeros((0, 3, 3), np.uint8)]}, "frames"),
    ({"frames": [*GOOD, np.zeros((3, 3, 3), np.uint8)]}, "frames"),
    ({"milliseconds": 0}, "milliseconds"),
    ({"milliseconds": 65536}, "milliseconds"),
    ({"milliseconds": 0.5}, "milliseconds"),
    ({"milliseconds": [10]}, "milliseconds"),
    ({"poster": np.zeros((3, 3, 3), np.uint8)}, "poster"),
    ({"poster": np.zeros((2, 3, 4), np.uint8)}, "poster"),
    ({"colours": 1}, "colours"),
    ({"colours": 257}, "colours"),
    ({"loops": -1}, "loops"),
    ({"loops": 2**31}, "loops"),
])
def test_wrong_motion(changes, named):
    with pytest.raises(ValueError, match=named):
        animated_png(**{"frames": GOOD, "milliseconds": 10, **changes})


def test_a_frame_is_the_figure_with_more_pixels():
    with mpl.rc_context():
        plots.use_style()
        import matplotlib.pyplot as plt

        figure = plt.figure(figsize=(2, 1), layout="none")
        figure.add_axes((0, 0, 0.5, 1), facecolor=plots.BLUE)
        canvas = figure.canvas
        array = motion.frame(figure, 2)
        assert array.shape == (200, 400, 3) and array.dtype == np.uint8
        assert (array[100, 300] == 255).all() and (array[90, 70] == (0, 0x72, 0xB2)).all()
        assert figure.dpi == 100 and figure.canvas is canvas
        assert motion.frame(figure, 0.5).shape == (50, 100, 3)
        with pytest.raises(ValueError, match="scale"):
            motion.frame(figure, 0)
        plt.close(figure)


def test_showing_says_how_large(monkeypatch):
    png = animated_png([np.zeros((30, 40, 3), np.uint8)], 10)
    ipython = types.SimpleNamespace(get_ipython=lambda: None)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    motion.show(png, 20)  # no shell, nothing to do
    published = []
    ipython.get_ipython = object
    display = types.SimpleNamespace(
        publish_display_data=lambda data, metadata: published.append((data, metadata)))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    motion.show(png, 20)
    ((data, metadata),) = published
    assert metadata == {"image/png": {"width": 20, "height": 15}}
    import base64

    assert base64.b64decode(data["image/png"]) == png and "20x15" in data["text/plain"]
    with pytest.raises(ValueError, match="png"):
        motion.show(b"GIF89a", 20)
    with pytest.raises(ValueError, match="width"):
        motion.show(png, 0)
