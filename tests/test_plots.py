"""Plots: each helper draws what it is given, and styles can be told apart."""

import matplotlib as mpl
import numpy as np
import pytest

from score_stability import plots
from score_stability.yardsticks import Estimate

mpl.use("Agg")


@pytest.fixture(autouse=True)
def clean():
    import matplotlib.pyplot as plt

    with mpl.rc_context():
        yield
    plt.close("all")


def test_style_is_set():
    plots.use_style()
    assert mpl.rcParams["figure.dpi"] == 100 and mpl.rcParams["axes.grid"]


def test_styles_differ_without_colour_and_repeat_after_five():
    shapes = {(str(s["linestyle"]), s["marker"]) for s in plots.STYLES}
    assert len(shapes) == len({s["color"] for s in plots.STYLES}) == 5
    assert plots.style(6) == plots.STYLES[1]
    assert plots.style(0, marker="x")["marker"] == "x" and plots.STYLES[0]["marker"] == "o"


def test_panels():
    figure, axes = plots.panels(3, width=2, height=1)
    assert len(axes) == 3 and tuple(figure.get_size_inches()) == (6, 1)
    _, one = plots.panels()
    assert hasattr(one, "plot")
    with pytest.raises(ValueError, match="columns"):
        plots.panels(0)


def test_error_bars():
    figure, axes = plots.panels()
    bars = plots.error_bars(axes, [1, 2], [Estimate(3.0, 0.5), Estimate(4.0)], 1, width=2.0,
                            label="run")
    line, _, (segments,) = bars.lines
    np.testing.assert_array_equal(line.get_ydata(), [3, 4])
    np.testing.assert_allclose([s[:, 1] for s in segments.get_segments()], [[2, 4], [4, 4]])
    assert line.get_color() == plots.VERMILLION and bars.get_label() == "run"
    figure.canvas.draw()


def test_tick_labels_are_the_values_asked_for():
    figure, axes = plots.panels()
    axes.loglog([0.1, 0.5], [1, 2])
    plots.label_ticks(axes.xaxis, [0.1, 0.25, 0.5])
    figure.canvas.draw()
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0.1", "0.25", "0.5"]
    assert len(axes.xaxis.get_minorticklocs()) == 0


def test_image_rows():
    generator = np.random.default_rng(0)
    grey, colour = generator.normal(size=(3, 4, 4)), generator.uniform(size=(2, 4, 4, 3))
    figure = plots.image_rows([grey, colour], ["grey", "colour"], [["a", "b", "c"], []])
    assert len(figure.axes) == 6
    images = [axis.images for axis in figure.axes]
    assert [len(i) for i in images] == [1, 1, 1, 1, 1, 0]
    # Grey images share one scale, whatever the noise.
    assert all(i[0].get_clim() == (0, 1) for i in images[:3])
    assert figure.axes[1].get_title() == "b" and figure.axes[3].get_ylabel() == "colour"
    figure.canvas.draw()


def test_wrong_image_rows():
    image = np.zeros((1, 2, 2))
    with pytest.raises(ValueError, match="row_labels and titles"):
        plots.image_rows([image], [])
    with pytest.raises(ValueError, match="row_labels and titles"):
        plots.image_rows([image], ["a"], [])
    for titles in (["one", "two"], ["one"]):
        with pytest.raises(ValueError, match="titles must have one entry per image"):
            plots.image_rows([np.zeros((3, 2, 2))], ["a"], [titles])
    with pytest.raises(ValueError, match="rows must"):
        plots.image_rows([], [])
