"""One family of ridge fits, as losses over the penalty and inside the lens that bounds them."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from .. import datasets, plots
from ..scores.linear_denoisers import RandomReLU, affine, combine, fit_ridge

CENTRE, SCALE = 4.884 / 16, 4.333 / 16  # pixels of the digits to trace of covariance 64
NOISE_LEVEL, ELSEWHERE = 0.3, 0.1  # s; the penalty whose false certificate is drawn
PENALTIES = tuple(np.geomspace(1e-4, 1e3, 22).tolist())


class PenaltyPath(NamedTuple):
    """Losses ``train``, ``loo``, ``certificate``, ``held_out`` and ``stability`` eps of fits at
    rising ``penalties``, all ``(P,)``; ``lens (2, Q)``: √(L̂/LOO) and eps/√LOO of more fits;
    ``false`` ``(L̂, LOO, eps)``: of the fit at one penalty, eps seen from images in neither set."""

    penalties: np.ndarray
    train: np.ndarray
    loo: np.ndarray
    certificate: np.ndarray
    held_out: np.ndarray
    stability: np.ndarray
    lens: np.ndarray
    false: tuple[float, float, float]


def fit_penalties(generator: np.random.Generator, number: int = 300,
                  penalties: Any = PENALTIES) -> PenaltyPath:
    """The numbers of ``certificate_lens``: ridge on affine features and 600 random ReLUs of digits
    at noise level 0.3 with two draws an image, and linear filters of 30, 100 and ``number`` images
    at noise levels 0.3, 1 and 3 with one and four draws.

    ``ValueError`` unless 200 <= number <= 1297.
    """
    if not 200 <= number <= 1297:
        raise ValueError(f"number must be between 200 and 1297; got {number}")
    train, fresh = datasets.split(datasets.digits(), [number, 500], generator)
    images, held_out = ((part.pixels - CENTRE) / SCALE for part in (train, fresh))
    noise, unseen = (generator.standard_normal((len(x), draws, 64))
                     for x, draws in ((images, 2), (held_out, 6)))
    features = combine(affine, RandomReLU.draw(64, 600, generator))
    fits = [fit_ridge(features, images, noise, NOISE_LEVEL, float(p)) for p in penalties]
    parts = [fit.jackknife for fit in fits]
    wild = int(np.abs(np.log(np.array(penalties) / ELSEWHERE)).argmin())
    y = held_out[:60] + NOISE_LEVEL * unseen[:60, 0]
    elsewhere = math.sqrt(fits[wild].stability_elsewhere(y))
    more = [fit_ridge(affine, images[:n], generator.standard_normal((n, draws, 64)), s,
                      1.0).jackknife
            for s in (0.3, 1.0, 3.0) for n in (30, 100, number) for draws in (1, 4)]
    seen, loo, certificate, eps = np.array(
        [(p.seen_loss, p.loo, p.certificate, p.score_stability) for p in parts]).T
    truth = np.array([fit.averaged.losses(held_out, unseen).mean() for fit in fits])
    lens = np.array([(math.sqrt(p.seen_loss / p.loo), p.score_stability / math.sqrt(p.loo))
                     for p in more]).T
    return PenaltyPath(np.array(penalties), seen, loo, certificate, truth, eps, lens,
                       (float(seen[wild]), float(loo[wild]), elsewhere))


def certificate_lens() -> PenaltyPath:
    """Left: losses of ridge fits over the penalty. Right: the same fits between chord and arc.

    Hero of notebook 26.
    """
    import matplotlib.pyplot as plt

    plots.use_style()
    shown = fit_penalties(np.random.default_rng(26))
    _, (left, right) = plots.panels(2, height=3.4, width_ratios=(1.2, 1))
    best = shown.loo.argmin()
    for y, words, values, colour in ((42, "certificate", shown.certificate, plots.PURPLE),
                                     (28, "leave-one-out", shown.loo, plots.GREEN),
                                     (1.05, "training loss", shown.train, plots.VERMILLION)):
        left.plot(shown.penalties, values, color=colour)
        left.text(1.5e3 if y < 2 else 6e-3, y, words, color=colour, ha="right" if y < 2 else "left")
    left.plot(shown.penalties, shown.held_out, "o", color=plots.BLACK, markerfacecolor="white",
              markersize=4.5, zorder=3)
    left.text(6e-3, 18.7, r"$\circ$ held-out images")
    left.plot(shown.penalties[best], shown.certificate[best], "D", color=plots.PURPLE, markersize=8)
    left.set(xscale="log", yscale="log", xlim=(6e-5, 1.6e3), ylim=(0.45, 70),
             ylabel="denoising loss",
             xlabel=r"memorises  $\leftarrow$  penalty  $\rightarrow$  stiff")
    plots.label_ticks(left.yaxis, (1, 2, 5, 10, 20, 50))
    left.set_xticks((1e-4, 1e-2, 1, 1e2))
    left.minorticks_off()
    _lens(right)
    right.plot(*shown.lens, "o", color="0.45", markersize=4)
    right.plot(np.sqrt(shown.train / shown.loo), shown.stability / np.sqrt(shown.loo),
               color=plots.PURPLE, marker="D", markevery=[int(best)], markersize=8)
    seen, loo, eps = shown.false
    x = math.sqrt(seen / loo)
    right.plot(x, eps / math.sqrt(loo), "X", color=plots.VERMILLION, markersize=9)
    right.text(x + 0.05, 0.07, r"$\varepsilon$ seen from" "\nelsewhere", color=plots.VERMILLION,
               va="center", linespacing=1.1)
    plt.show()
    return shown


def _lens(axis: Any) -> None:
    """The chord x + y = 1 (the certificate is leave-one-out) and the arc x² + y² = 1."""
    angle = np.linspace(0, math.pi / 2, 100)
    axis.fill(np.cos(angle), np.sin(angle), facecolor="0.92", edgecolor="0.4", linewidth=1.5,
              clip_on=False)
    axis.text(0.04, 0.15, "no algorithm\nis here")
    axis.text(1.06, 0.93, "no ridge fit", ha="right")
    axis.text(0.435, 0.435, "cert = LOO", rotation=-45, ha="center", va="center")
    axis.text(0.765, 0.765, "ridge: limit", rotation=-45, ha="center", va="center")
    axis.set(xlim=(0, 1.04), ylim=(0, 1.04), aspect="equal", xticks=(0, 0.5, 1),
             yticks=(0, 0.5, 1), xlabel=r"training, $\sqrt{\hat L/\mathrm{LOO}}$",
             ylabel=r"stability, $\varepsilon/\sqrt{\mathrm{LOO}}$")
    axis.grid(False)
