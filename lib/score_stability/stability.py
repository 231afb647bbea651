"""Score stability (Definition 2) and both sides of Theorem 3, for any algorithm.

    eps_stab² = E_{S, x̃} ∫ E[|ŝ − ŝ^i|²(X_t, t) | X_0 = x̃] tau(dt),   ŝ = A(S), ŝ^i = A(S^i),

where S^i is S with x_i replaced by the fresh point x̃. The evaluation point is x̃ itself: in the
training set of ŝ^i, not in that of ŝ. Hence |ŝ − g|² there averages to L = E l_dsm(ŝ), and
|ŝ^i − g|², by exchanging x_i and x̃, to L̂ = E l̂_dsm(ŝ): one set of evaluations gives both sides
of Theorem 3, paired.

Mind what such a measurement can refute. Measured like this the inequality of Theorem 3 holds for
*every* sample, by Minkowski's inequality over the rows; the part that could fail is the exchange.
To test the theorem, measure L̂ directly on the training set (``direct_losses``).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from . import estimates
from .empirical import EmpiricalScore, as_points
from .estimates import Estimate
from .process import OrnsteinUhlenbeck
from .sampling import Score
from .weighting import TimeWeighting

Algorithm = Callable[[torch.Tensor, np.random.Generator], Score]
Draw = Callable[[int, np.random.Generator], torch.Tensor]


@dataclass(frozen=True)
class Measurement:
    """Replicates, one per data set, of eps_stab², L and L̂ (score units, integrated over tau).

    All derived quantities are functions of the three means with jackknife errors over data sets.
    Raises ``ValueError`` unless the three are finite vectors of one length.
    """

    stability: np.ndarray
    fresh_loss: np.ndarray
    seen_loss: np.ndarray

    def __post_init__(self) -> None:
        for name in ("stability", "fresh_loss", "seen_loss"):
            array = np.asarray(getattr(self, name), dtype=np.float64)
            if array.ndim != 1 or array.shape != np.shape(self.stability):
                raise ValueError(f"{name} must be a vector, one entry per data set; "
                                 f"got shape {array.shape}")
            if not np.isfinite(array).all():
                raise ValueError(f"{name} must be finite")
            object.__setattr__(self, name, array)

    def _jackknife(self, function: Callable[[float, float, float], float]) -> Estimate:
        return estimates.jackknife(function, self.stability, self.fresh_loss, self.seen_loss)

    @property
    def score_stability(self) -> Estimate:
        """eps_stab = √E stability."""
        return self._jackknife(lambda s, L, L_hat: math.sqrt(s))

    @property
    def stability_squared(self) -> Estimate:
        """eps_stab²."""
        return estimates.mean(self.stability)

    @property
    def fresh(self) -> Estimate:
        """L = E l_dsm(ŝ)."""
        return estimates.mean(self.fresh_loss)

    @property
    def seen(self) -> Estimate:
        """L̂ = E l̂_dsm(ŝ)."""
        return estimates.mean(self.seen_loss)

    @property
    def gap(self) -> Estimate:
        """L − L̂, from paired differences."""
        return estimates.mean(self.fresh_loss - self.seen_loss)

    @property
    def root_gap(self) -> Estimate:
        """√L − √L̂ = (L − L̂)/(√L + √L̂): the left side of Theorem 3."""
        return self._jackknife(_root_gap)

    @property
    def slack(self) -> Estimate:
        """eps_stab/(√L − √L̂); only meaningful where L > L̂ clearly."""
        return self._jackknife(lambda s, L, L_hat: math.sqrt(s) / _root_gap(s, L, L_hat))

    @property
    def theorem3_margin(self) -> Estimate:
        """eps_stab − |√L − √L̂| >= 0 (Theorem 3)."""
        return self._jackknife(lambda s, L, L_hat: math.sqrt(s) - abs(_root_gap(s, L, L_hat)))

    @property
    def squared_margin(self) -> Estimate:
        """2 eps_stab √L̂ + eps_stab² − (L − L̂) >= 0 (Theorem 3, squared)."""
        return self._jackknife(lambda s, L, L_hat: 2 * math.sqrt(s * L_hat) + s - (L - L_hat))

    @property
    def sandwich_margin(self) -> Estimate:
        """(L − L̂) − eps_stab²: >= 0 for exact minimisers over a convex class (sandwich)."""
        return estimates.mean(self.fresh_loss - self.seen_loss - self.stability)

    @property
    def memorisation_fraction(self) -> Estimate:
        """eps_stab²/(L − L̂) in (0, 1] for exact minimisers over a linear class."""
        return estimates.paired_ratio(self.stability, self.fresh_loss - self.seen_loss)


def _root_gap(s: float, L: float, L_hat: float) -> float:
    return (L - L_hat) / (math.sqrt(L) + math.sqrt(L_hat))


def loss_only_sandwich(measurement: Measurement) -> tuple[Estimate, Estimate]:
    """Lower and upper estimates of eps_stab from train and test losses alone.

    √L − √L̂ <= eps_stab <= √(L − L̂). No retraining. The left end is Theorem 3 and holds for every
    algorithm; the right end needs the exact minimiser over a convex class. ``ValueError`` if the
    measured L does not exceed L̂.
    """
    if measurement.gap.value <= 0:
        raise ValueError("measurement must have L > L̂; "
                         f"got a gap of {measurement.gap.value:.3g}")
    upper = estimates.jackknife(lambda gap: math.sqrt(max(gap, 0.0)),
                                measurement.fresh_loss - measurement.seen_loss)
    return measurement.root_gap, upper


def replace_one_rows(score: EmpiricalScore, fresh: Any, weighting: TimeWeighting,
                     noise: torch.Tensor, *, third: Any | None = None) -> np.ndarray:
    """Rows ``(M, 3)``: stability, fresh loss and seen loss at each fresh point, over tau, all i.

    The empirical score of one data set; ``fresh`` and ``noise`` are ``(M, d)``, the same noise at
    all times. With ``third`` the evaluation point X_0 is that third point instead of the fresh one
    – not Definition 2, but the control that shows why the definition says x̃.
    """
    fresh = as_points("fresh", fresh, score.points.device)
    origin = None if third is None else as_points("third", third, score.points.device)
    clean = fresh if origin is None else origin

    def at(t: float) -> torch.Tensor:
        x = score.process.sample(clean, t, noise)
        return torch.stack(score.replace_one(x, t, fresh, origin), 1)

    return weighting.integrate(at).cpu().numpy()


def measure_empirical(draw: Draw, process: OrnsteinUhlenbeck, weighting: TimeWeighting,
                      number: int, generator: np.random.Generator, *, replicates: int,
                      queries: int, third_point: bool = False) -> Measurement:
    """Definition 2 and Theorem 3 for the empirical score of N drawn points, all i in one pass.

    ``draw(n, generator)`` gives n points of the population. Each of the replicates draws S, then
    ``queries`` fresh points. Cost per replicate and time: about eight score calls, instead of the
    N + 1 fits of the definition.
    """
    _check_counts(number=number, replicates=replicates, queries=queries)
    rows = []
    for _ in range(replicates):
        data, fresh = draw(number, generator), draw(queries, generator)
        noise = torch.from_numpy(generator.standard_normal(tuple(fresh.shape))).to(fresh)
        third = draw(queries, generator) if third_point else None
        score = EmpiricalScore(data, process)
        rows.append(replace_one_rows(score, fresh, weighting, noise, third=third).mean(0))
    return Measurement(*np.array(rows).T)


def direct_losses(draw: Draw, process: OrnsteinUhlenbeck, t: float, number: int,
                  generator: np.random.Generator, *, replicates: int, queries: int,
                  true_score: Score) -> np.ndarray:
    """(R, 2): L − C and L̂ − C of the empirical score at time t, measured without the exchange.

    L on ``queries`` fresh points, L̂ on ``queries`` points of S, drawn with replacement. The loss of
    the true score is subtracted row by row: its mean is C in both cases, and most of the noise goes
    with it (a control variate). One row per data set; score units.
    """
    _check_counts(number=number, replicates=replicates, queries=queries)
    rows = []
    for _ in range(replicates):
        data = draw(number, generator)
        score = EmpiricalScore(data, process)
        pick = torch.from_numpy(generator.integers(number, size=queries)).to(data.device)
        row = []
        for clean in (draw(queries, generator), data[pick]):
            noise = torch.from_numpy(generator.standard_normal(tuple(clean.shape))).to(clean)
            x = process.sample(clean, t, noise)
            g = process.conditional_score(x, t, clean)
            excess = ((score(x, t) - g) ** 2 - (true_score(x, t) - g) ** 2).sum(1)
            row.append(float(excess.mean()))
        rows.append(row)
    return np.array(rows)


def measure(algorithm: Algorithm, draw: Draw, process: OrnsteinUhlenbeck,
            weighting: TimeWeighting, number: int, generator: np.random.Generator, *,
            replicates: int, replacements: int = 1, queries: int = 16,
            coupling: str = "shared") -> Measurement:
    """Definition 2 and Theorem 3 for any algorithm ``fit(data, generator) -> score``, by refitting.

    Each replicate draws S, fits once, then replaces ``replacements`` random points, one at a time,
    by a fresh point, refits, and evaluates both scores at ``queries`` noised copies of that point.
    ``coupling="shared"`` fits S and S^i with two generators built alike, ``"independent"`` with
    unrelated ones. Any coupling bounds the infimum of Definition 2 from above, so Theorem 3 holds
    for both; the shared one is usually far smaller.

    Raises ``ValueError`` for counts below one, an unknown coupling, or a score of wrong shape.
    """
    _check_counts(number=number, replicates=replicates, replacements=replacements,
                  queries=queries)
    if coupling not in ("shared", "independent"):
        raise ValueError(f"coupling must be 'shared' or 'independent'; got {coupling!r}")
    rows = []
    for _ in range(replicates):
        data = draw(number, generator)
        seed = int(generator.integers(2**63))
        score = algorithm(data, np.random.default_rng(seed))
        parts = []
        for _ in range(replacements):
            index = int(generator.integers(number))
            fresh = draw(1, generator)
            other_seed = int(generator.integers(2**63))
            neighbour = data.clone()
            neighbour[index] = fresh[0]
            other = algorithm(neighbour, np.random.default_rng(
                seed if coupling == "shared" else other_seed))
            noise = torch.from_numpy(generator.standard_normal((queries, data.shape[1]))).to(data)
            parts.append(weighting.integrate(
                lambda t, s=score, o=other, x0=fresh, n=noise: _compare(process, s, o, x0, n, t)))
        rows.append(torch.stack(parts).mean(0).cpu().numpy())
    return Measurement(*np.array(rows).T)


def _compare(process: OrnsteinUhlenbeck, score: Score, other: Score, fresh: torch.Tensor,
             noise: torch.Tensor, t: float) -> torch.Tensor:
    clean = fresh.expand_as(noise)
    x = process.sample(clean, t, noise)
    g = process.conditional_score(x, t, clean)
    first, second = score(x, t), other(x, t)
    for value in (first, second):
        if value.shape != x.shape:
            raise ValueError(f"algorithm must return a score of shape {tuple(x.shape)}; "
                             f"got {tuple(value.shape)}")
    squares = [((u - v) ** 2).sum(1).mean() for u, v in
               ((first, second), (first, g), (second, g))]
    return torch.stack(squares)


def _check_counts(**counts: int) -> None:
    for name, value in counts.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1; got {value}")
