"""The whole in one picture: the paper as a map of what it is about, and score stability on one
image of a digit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from .. import datasets, plots
from ..diffusion.process import OrnsteinUhlenbeck
from ..sampler.sampling import geometric_grid, sample
from ..scores.empirical import EmpiricalScore
from .plane import gauss, grid, on_circle

# The paper's boxes in its order, Theorem 3, and what lies beyond: the chapters on each.
BOXES = {"data": (9,), "forward process": (1,), "loss": (2,), "optimiser": (16, 17, 18),
         "score": (3, 5, 6, 7, 8), "sampler": (10, 11, 12, 13, 14, 15)}
THEOREM = {"Theorem 3": (4,)}
BEYOND = {"experiments": (19, 20, 21, 22), "high probability": (23,), "privacy": (24,),
          "smoothness": (25,), "a certificate": (26,)}

POINTS = 9
STOP = 0.1  # the noise level sigma at the time epsilon
SLOPES_AT = 0.5  # the noise level of the linear denoiser


class Paper(NamedTuple):
    """Nine points of the unit circle, N = 9, and what each box makes of them. Lengths in radii.

    ``chapters``: name of a box to its chapters; ``data (N, 2)``; ``forward (15, N, 2)``: the heat
    flow from the data, sigma up to 0.41; ``sigma (26,)`` and ``test_loss``, ``training_loss
    (26,)``: root mean square error of the exact optimum as a denoiser, on the circle and on the
    data; ``stop``: the sigma at which we stop; ``descent (61, 2)``: slopes (a, b) of the denoiser
    (a x, b y) along stochastic gradient descent, ``minimum (2,)`` those of the least training loss;
    ``places``, ``score (100, 2)``: where the empirical score is drawn, and its value;
    ``samples (K + 1, 3, 2)``: the states of a coarse sampler with that score.
    """

    chapters: dict[str, tuple[int, ...]]
    data: np.ndarray
    forward: np.ndarray
    sigma: np.ndarray
    test_loss: np.ndarray
    training_loss: np.ndarray
    stop: float
    descent: np.ndarray
    minimum: np.ndarray
    places: np.ndarray
    score: np.ndarray
    samples: np.ndarray


def run_every_box(generator: np.random.Generator) -> Paper:
    """Every box of the paper on nine points, one drawn from each ninth of the circle."""
    heat = OrnsteinUhlenbeck(alpha=0.0)  # sigma² = 2t
    data = on_circle((np.arange(POINTS) + 0.6 * generator.random(POINTS)) / POINTS)
    steps = 0.11 * generator.standard_normal((14, POINTS, 2))
    forward = data + np.concatenate([np.zeros((1, POINTS, 2)), np.cumsum(steps, 0)])

    score, sigma = EmpiricalScore(data, heat), np.geomspace(0.025, 0.8, 26)
    test, training = (np.array([_root_loss(score, clean, s) for s in sigma])
                      for clean in (on_circle(np.arange(120) / 120), data))

    # The mean of (a x - x_0)² over the noise is a² (x_0² + sigma²) - 2 a x_0² + x_0².
    second = np.mean(data**2, 0)
    minimum = second / (second + SLOPES_AT**2)
    drawn, noise = generator.integers(POINTS, size=60), generator.standard_normal((60, 2))
    descent = [np.array([0.0, 0.15])]
    for clean, xi in zip(data[drawn], noise, strict=True):
        x = clean + SLOPES_AT * xi
        descent.append(descent[-1] - 0.24 * (descent[-1] * x - clean) * x)

    places = grid(np.linspace(-1.35, 1.35, 10))
    start = generator.standard_normal((3, 2))
    samples = sample(score, heat, geometric_grid(7, STOP**2 / 2, 0.5), start, generator, path=True)
    return Paper({**BOXES, **THEOREM, **BEYOND}, data, forward, sigma, test, training, STOP,
                 np.array(descent), minimum, places, score(places, 0.06).numpy(), samples.numpy())


def _root_loss(score: EmpiricalScore, clean: np.ndarray, sigma: float) -> float:
    """√E|m(x_0 + sigma xi) − x_0|², m the denoiser and x_0 a row of clean, by quadrature."""
    xi, weights = gauss(16)
    noisy = clean[:, None] + sigma * xi
    moved = score.denoiser(noisy.reshape(-1, 2), sigma**2 / 2).numpy().reshape(noisy.shape)
    return math.sqrt(float((((moved - clean[:, None]) ** 2).sum(2) @ weights).mean()))


def the_paper() -> Paper:
    """The paper as a map: a diffusion model from data to sampler, its chapters, and Theorem 3.

    See: every thumbnail is computed from the same nine points. Green: the three places where
    stability is made. Purple: what it bounds. With less noise the test loss (vermillion) leaves the
    training loss (blue). Last line: where the paper is tested, and where it is left open. Returns
    ``Paper``. Source: the paper's order, with the chapters of the table of statements.
    """
    import matplotlib.pyplot as plt

    shown = run_every_box(np.random.default_rng(2578))  # chosen for legibility: paths in the frames
    plots.use_style()
    height = 4.0
    figure = plt.figure(figsize=(plots.WIDTH, height), layout="none")

    def write(column: float, inches: float, words: str, colour: str, size: float = 11) -> None:
        figure.text(column / 6, 1 - inches / height, words, color=colour, fontsize=size,
                    ha="center", va="center")

    def names(boxes: Mapping[str, tuple[int, ...]], columns: Any, inches: float) -> None:
        for column, (name, chapters) in zip(columns, boxes.items(), strict=True):
            write(column, inches, name, "0.1")
            write(column, inches + 0.21, _ranges(chapters), "0.5")

    names(BOXES, np.arange(6) + 0.5, 0.13)
    names(THEOREM, [0.55], 2.68)
    names(BEYOND, [0.55, 1.85, 3.03, 4.08, 5.35], 3.62)
    figure.add_artist(plt.Line2D((0.01, 0.99), (1 - 3.43 / height,) * 2, color="0.85", linewidth=1))
    for border in range(1, 6):
        write(border, 0.975, "→", "0.4", 18)
    for column, at, words in ((2.5, 2.42, "stop early:\nonly $t\\geq\\varepsilon$"),
                              (3.5, 3.5, "gradient\nnoise"),
                              (5.5, 5.5, "coarse steps $\\kappa$,\nend at $\\varepsilon$")):
        write(at, 1.59, "↑", plots.GREEN, 18)
        write(column, 1.91, words, plots.GREEN)
    write(0.55, 1.91, "three sources\nof stability", plots.GREEN)
    for place, words, colour in ((1.75, "$|$", "0"), (2.05, r"$\sqrt{L}$", plots.VERMILLION),
                                 (2.45, "$-$", "0"), (2.85, r"$\sqrt{\hat L}$", plots.BLUE),
                                 (3.16, "$|$", "0"), (3.7, r"$\leq$", "0"),
                                 (4.5, r"$\varepsilon_{stab}$", plots.PURPLE)):
        write(place, 2.7, words, colour, 21)
    write(2.05, 3.07, "test loss", plots.VERMILLION)
    write(2.85, 3.07, "training loss", plots.BLUE)
    write(4.5, 3.12, "move of the score when\none data point is replaced", plots.PURPLE)

    axes = [figure.add_axes((k / 6 + 0.016, 1 - 1.46 / height, 0.135, 0.97 / height),
                            frame_on=False, xticks=(), yticks=()) for k in range(6)]
    for axis in axes:
        axis.grid(False)
    for axis in (axes[0], axes[1], axes[4], axes[5]):
        axis.plot(*shown.data.T, "o", color="0.1", markersize=4, zorder=4)
        axis.set(xlim=(-1.5, 1.5), ylim=(-1.5, 1.5), aspect="equal")
    axes[1].plot(*shown.forward.transpose(2, 0, 1), color="0.6", linewidth=0.9)
    _losses(axes[2], shown)
    _descent(axes[3], shown)
    arrows = shown.score / np.linalg.norm(shown.score, axis=1, keepdims=True)
    axes[4].quiver(*shown.places.T, *arrows.T, color=plots.PURPLE, alpha=0.6, scale=13, width=0.013)
    axes[5].plot(*shown.samples.transpose(2, 0, 1), color=plots.BLUE, linewidth=0.9, marker=".",
                 markersize=3)
    axes[5].plot(*shown.samples[-1].T, "o", color=plots.BLUE, markersize=5.5, zorder=3)
    axes[0].annotate("", (0.75, 1 - 2.45 / height), (0.75, 1 - 1.5 / height), "figure fraction",
                     "figure fraction", {"arrowstyle": "-|>", "color": plots.PURPLE, "lw": 1.8},
                     annotation_clip=False)
    plt.show()
    return shown


def _ranges(chapters: tuple[int, ...]) -> str:
    """(3, 5, 6, 7) as "03, 05–07"."""
    runs: list[list[int]] = []
    for chapter in chapters:
        if runs and chapter == runs[-1][-1] + 1:
            runs[-1].append(chapter)
        else:
            runs.append([chapter])
    return ", ".join(f"{run[0]:02}–{run[-1]:02}" if len(run) > 1 else f"{run[0]:02}"
                     for run in runs)


def _losses(axis: Any, shown: Paper) -> None:
    level = np.log(shown.sigma)
    axis.plot(level, shown.test_loss, color=plots.VERMILLION, linewidth=2)
    axis.plot(level, shown.training_loss, color=plots.BLUE, linewidth=2)
    axis.fill_between(level, shown.training_loss, shown.test_loss, color=plots.PURPLE, alpha=0.25,
                      where=shown.sigma > 0.999 * shown.stop, linewidth=0)
    axis.axvline(math.log(shown.stop), color=plots.GREEN, linewidth=2)


def _descent(axis: Any, shown: Paper) -> None:
    side = np.linspace(-0.2, 1.2, 80)
    second = np.mean(shown.data**2, 0)
    a, b = (side**2 * (m + SLOPES_AT**2) - 2 * side * m for m in second)
    axis.contour(side, side, a + b[:, None], levels=7, colors="0.75", linewidths=0.8,
                 linestyles="-")
    axis.plot(*shown.descent.T, color="0", linewidth=0.9)


# ----------------------------------------------------------------------------- README's picture

IMAGES, QUERIES = 1000, 40
NOISE = 2.5  # standard deviation of the noise, in root mean square deviations of the images
FAR = 1.4  # to the local model a pixel k pixels away has a noise of variance NOISE² + (FAR k)²


class OneImage(NamedTuple):
    """Two models (memoriser, local) of 1000 images, Q = 40 images exchanged one at a time.

    Pictures are in grey, 0 white and 1 black: ``image`` and ``noisy (28, 28)``, the example;
    ``without``, ``having (2, 28, 28)``: it denoised by a model trained without and with it. In
    per cent of black, root mean square over the pixels: ``moved (2, Q)``: by how much the answers
    to noised new image q differ; ``test_error (2, Q)``: of the model without it;
    ``training_errors``: of the model at noised images of its training set, 1000 of them for the
    memoriser, Q for the local model; and the root mean squares of these: ``stability``, ``test``,
    ``training (2,)``. ``example``: the q of the example.
    """

    image: np.ndarray
    noisy: np.ndarray
    without: np.ndarray
    having: np.ndarray
    moved: np.ndarray
    test_error: np.ndarray
    training_errors: tuple[np.ndarray, np.ndarray]
    stability: np.ndarray
    test: np.ndarray
    training: np.ndarray
    example: int


def exchange_one_image(generator: np.random.Generator, example: int = 0) -> OneImage:
    """Replace one of 1000 MNIST images by a new one, 40 times, and denoise the new one, noised.

    The memoriser is the exact optimum, the posterior mean under the training images. The local
    model computes one for every pixel and sees far pixels through more noise.
    """
    training, fresh = (part.pixels for part in datasets.split(
        datasets.mnist(), (IMAGES, QUERIES), generator))
    noise = generator.standard_normal((QUERIES + IMAGES, training.shape[1]))
    replaced = generator.integers(IMAGES, size=QUERIES)
    sigma = NOISE * datasets.Standardisation.of(training).scale
    clean = np.concatenate([fresh, training])
    noisy = clean + sigma * noise
    # A pixel that is the same in all images is denoised without error, and tells nothing.
    some = np.flatnonzero(np.ptp(clean, 0) > 0)
    places = np.stack(np.divmod(some, 28), 1)
    apart = ((places[:, None] - places) ** 2).sum(2)
    heat = OrnsteinUhlenbeck(alpha=0.0)

    def memoriser(noisy: np.ndarray, data: np.ndarray) -> np.ndarray:
        return EmpiricalScore(data, heat).denoiser(noisy, sigma**2 / 2).numpy()

    def local(noisy: np.ndarray, data: np.ndarray) -> np.ndarray:
        precision = -0.5 / (sigma**2 * (1 + (FAR / NOISE) ** 2 * apart))
        answers = []
        for y in noisy:
            weights = precision @ ((y - data) ** 2).T
            weights = np.exp(np.maximum(weights - weights.max(1, keepdims=True), -600.0))
            answers.append((weights * data.T).sum(1) / weights.sum(1))
        return np.array(answers)

    def size(difference: np.ndarray) -> np.ndarray:
        return 100 * np.sqrt((difference**2).sum(1) / training.shape[1])

    pairs, moved, test, own = [], [], [], []
    # The memoriser's errors at its own images are rare and large, so all of them are looked at.
    for model, seen in ((memoriser, IMAGES), (local, QUERIES)):
        without = model(noisy[:QUERIES, some], training[:, some])
        having = np.empty_like(without)
        for q, place in enumerate(replaced):
            exchanged = training[:, some]
            exchanged[place] = fresh[q, some]
            having[q:q + 1] = model(noisy[q:q + 1, some], exchanged)
        moved.append(size(having - without))
        test.append(size(without - fresh[:, some]))
        own.append(size(model(noisy[QUERIES:QUERIES + seen, some], training[:, some])
                        - training[:seen, some]))
        pair = np.tile(fresh[0], (2, 1))
        pair[:, some] = without[example], having[example]
        pairs.append(pair.reshape(2, 28, 28))

    def root_mean_squares(errors: list[np.ndarray]) -> np.ndarray:
        return np.array([math.sqrt(float(np.mean(e**2))) for e in errors])

    without, having = np.array(pairs).transpose(1, 0, 2, 3)
    return OneImage(fresh[example].reshape(28, 28), noisy[example].reshape(28, 28), without, having,
                    np.array(moved), np.array(test), (own[0], own[1]), root_mean_squares(moved),
                    root_mean_squares(test), root_mean_squares(own), example)


def one_image_in_and_out() -> OneImage:
    """Score stability on one MNIST digit: two models trained without it and with it, and errors.

    See: without the image the memoriser answers with another digit, with it with the image itself;
    the local model hardly moves. How far the answers move, root mean square over new images (bars),
    is at least the difference of test and training error. Returns ``OneImage``. Source: Definition
    2 and Theorem 3 (notebooks 03 and 04), which is about means over training sets: here is one.
    """
    import matplotlib.pyplot as plt

    # Chosen for legibility: the memoriser takes this 5 for an 8, and both models move less than on
    # average.
    shown = exchange_one_image(np.random.default_rng(5), 28)
    plots.use_style()
    figure = plt.figure(figsize=(plots.WIDTH, plots.HEIGHT), layout="none")

    def picture(left: float, bottom: float, image: np.ndarray, title: str = "",
                cmap: str = "gray_r", low: float = 0.0) -> None:
        axis = figure.add_axes((left, bottom, 0.126, 0.2835), xticks=(), yticks=())
        axis.set_title(title, fontsize=11)
        axis.grid(False)
        axis.imshow(image, cmap=cmap, vmin=low, vmax=1)
        for side in axis.spines.values():
            side.set(visible=True, color="0.7", linewidth=0.8)

    picture(0.01, 0.535, shown.image, r"new image $\tilde x$")
    picture(0.01, 0.165, shown.noisy)
    for k, (name, bottom) in enumerate((("memoriser", 0.535), ("local model", 0.165))):
        titles = ("without it", "with it", "difference", "error per pixel") if k == 0 else [""] * 4
        picture(0.245, bottom, shown.without[k], titles[0])
        picture(0.385, bottom, shown.having[k], titles[1])
        picture(0.525, bottom, shown.having[k] - shown.without[k], titles[2], "PuOr", -1)
        figure.text(0.225, bottom + 0.142, name, rotation=90, ha="center", va="center")
        axis = figure.add_axes((0.69, bottom, 0.295, 0.2835), xlim=(-1.5, 24), ylim=(-1, 1),
                               yticks=())
        axis.set_title(titles[3], fontsize=11)
        axis.grid(False)
        axis.spines["left"].set_visible(False)
        axis.set_xticks((0, 10, 20), ("0", "10", "20 %") if k else [""] * 3)
        training, test, moves = shown.training[k], shown.test[k], shown.stability[k]
        axis.barh(-0.05, moves, 0.36, left=training, color=plots.PURPLE, alpha=0.4)
        axis.text(training + moves / 2, -0.58, r"$\varepsilon_{stab}$", color=plots.PURPLE,
                  ha="center", va="center")
        axis.plot(training, -0.05, "o", color=plots.BLUE, markersize=8)
        axis.plot(test, -0.05, "s", color=plots.VERMILLION, markersize=8)
        axis.text(training + (1.6, -1.6)[k == 0], 0.5, "training", color=plots.BLUE, va="center",
                  ha="left" if k == 0 else "right")
        axis.text(test, 0.5, "test", color=plots.VERMILLION, ha="center", va="center")
    figure.text(0.073, 0.49, "↓ noisy", ha="center", va="center")
    figure.text(0.378, 0.945, "denoised by a model trained", ha="center", va="center")
    figure.text(0.5, 0.035, r"$|\,$test error $-$ training error$\,|\;\leq\;\varepsilon_{stab}\;=$ "
                "root mean square of the difference", ha="center", va="center")
    plt.show()
    return shown
