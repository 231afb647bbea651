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
    # Read at 720 pixels: no letter smaller than ten points.
    sizes = ("font.size", "axes.labelsize", "axes.titlesize", "xtick.labelsize", "legend.fontsize")
    assert min(mpl.rcParams[name] for name in sizes) >= 10


def test_styles_differ_without_colour_and_repeat_after_five():
    shapes = {(str(s["linestyle"]), s["marker"]) for s in plots.STYLES}
    assert len(shapes) == len({s["color"] for s in plots.STYLES}) == 5
    assert plots.style(6) == plots.STYLES[1]
    assert plots.style(0, marker="x")["marker"] == "x" and plots.STYLES[0]["marker"] == "o"


def test_panels_are_as_wide_as_a_page():
    figure, axes = plots.panels(3, height=1, width_ratios=(1, 1, 2))
    assert len(axes) == 3 and tuple(figure.get_size_inches()) == (plots.WIDTH, 1)
    figure, axes = plots.panels(3, rows=2, height=5)
    assert axes.shape == (2, 3) and tuple(figure.get_size_inches()) == (plots.WIDTH, 5)
    _, one = plots.panels()
    assert hasattr(one, "plot")
    with pytest.raises(ValueError, match="columns"):
        plots.panels(0)
    with pytest.raises(ValueError, match="rows"):
        plots.panels(rows=0)


def test_refuted_puts_every_false_claim_left_of_one():
    figure, axis = plots.panels()
    plots.refuted(axis, {"half": 0.5, "no sign": -0.2})
    (points,) = [line for line in axis.lines if line.get_marker() == "o"]
    assert list(points.get_xdata()) == [0.5, -0.2] and list(points.get_ydata()) == [1, 0]
    low, high = axis.get_xlim()
    assert low < -0.2 and high > 1
    figure.canvas.draw()
    assert [t.get_text() for t in axis.get_yticklabels()] == ["half", "no sign"]


def test_refuted_divides_the_sides_where_they_are_furthest_apart():
    _, axis = plots.panels()
    plots.refuted(axis, {"pair": ([1.0, 4.0], [3.0, 3.0]), "turned": (1.0, 2.0)})
    (points,) = [line for line in axis.lines if line.get_marker() == "o"]
    assert list(points.get_xdata()) == [1 / 3, 0.5]
    assert "two sides" in axis.get_xlabel()


def test_forbidden_says_so_inside_the_band():
    figure, axis = plots.panels()
    axis.set(ylim=(0, 2))
    plots.forbidden(axis, 0.5, 1.0, "false here", 0.25)
    figure.canvas.draw()
    (words,) = axis.texts
    x, y = axis.transAxes.inverted().transform(words.get_window_extent().get_points().mean(0))
    assert words.get_text() == "false here" and abs(x - 0.25) < 0.01 and abs(y - 0.375) < 0.02


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
    assert plots.image_rows([grey.repeat(5, 0)], ["grey"]).get_figwidth() <= plots.WIDTH
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
