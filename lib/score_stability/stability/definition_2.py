"""Score stability (Definition 2) and both sides of Theorem 3, for any algorithm.

    eps_stab² = E_{S, x̃} ∫ E[|ŝ − ŝ^i|²(X_t, t) | X_0 = x̃] tau(dt),   ŝ = A(S), ŝ^i = A(S^i),

where S^i is S with x_i replaced by the fresh point x̃. The evaluation point is x̃ itself: in the
training set of ŝ^i, not in that of ŝ. Hence |ŝ − g|² there averages to L = E l_dsm(ŝ), and
|ŝ^i − g|², by exchanging x_i and x̃, to L̂ = E l̂_dsm(ŝ): one set of evaluations gives both sides
of Theorem 3, paired.

Mind what such a measurement can refute. Measured like this the inequality of Theorem 3 holds for
*every* sample, by Minkowski's inequality over the rows; the part that could fail is the exchange.
To test the theorem, measure L̂ on the training set (``direct_losses``; for the empirical score and
a known population ``excess_losses``, which is far less noisy).

What the functions here call, all in the units of the data:

- ``draw(n, generator)`` returns n points of the population, ``(n, d)``: numpy, torch or lists of
  real numbers, d the same at every call.
- ``fit(data, generator)`` gets a tensor ``(N, d)`` and a numpy generator and returns a score.
- ``score(x, t)`` gets a tensor ``(M, d)`` and a float and returns ∇log p_t(x), ``(M, d)``, numpy or
  torch; a function or a torch module. It is called under ``torch.no_grad()``.

``data`` and ``x`` have the floating dtype of the drawn tensor, else float64 (whole numbers, numpy,
lists). Noise, losses and means are float64 in any case.

What is random is drawn apart from the fits, in one order; replicates are fitted and evaluated
``jobs`` at a time (in processes, through joblib, or where ``joblib.parallel_config`` says). The
numbers do not depend on ``jobs``. ``progress``, for instance ``tqdm.tqdm``, is called as
progress(replicates, total=their number) and hands them on one by one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..arrays import as_numpy, as_tensor, count, floating
from ..diffusion.process import OrnsteinUhlenbeck, Score, one_time
from ..diffusion.weighting import TimeWeighting
from ..jobs import Progress, spread
from ..sampler.sampling import evaluate
from ..scores.empirical import EmpiricalScore
from ..yardsticks import estimates
from ..yardsticks.estimates import Estimate

Algorithm = Callable[[torch.Tensor, np.random.Generator], Score]
Draw = Callable[[int, np.random.Generator], Any]
_BLOCK = 2**20  # logits held at once: 8 MB
_PLAIN = "donot_use_mm_for_euclid_dist"  # differences, not |x|² − 2xy + |y|², which lose digits


@dataclass(frozen=True)
class Measurement:
    """Replicates, one per data set, of eps_stab², L and L̂ (score units, integrated over tau).

    All derived quantities are functions of the three means with jackknife errors over data sets.
    Raises ``ValueError`` unless the three are finite vectors of one length.

    >>> import numpy as np
    >>> from score_stability.stability import Measurement
    >>> found = Measurement(stability=np.ones(5), fresh_loss=np.full(5, 4.0), seen_loss=np.ones(5))
    >>> found.gap.value, found.theorem3_margin.value  # 4 − 1, and √1 − |√4 − √1|
    (3.0, 0.0)
    """

    stability: np.ndarray
    fresh_loss: np.ndarray
    seen_loss: np.ndarray

    def __post_init__(self) -> None:
        for name in ("stability", "fresh_loss", "seen_loss"):
            array = as_numpy(name, getattr(self, name), "R")
            object.__setattr__(self, name, array)
            if array.shape != self.stability.shape:
                raise ValueError(f"{name} must be a vector, one entry per data set; "
                                 f"got shape {array.shape}")

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

    >>> import numpy as np
    >>> from score_stability.stability import Measurement, loss_only_sandwich
    >>> found = Measurement(stability=np.ones(5), fresh_loss=np.full(5, 4.0), seen_loss=np.ones(5))
    >>> [round(end.value, 4) for end in loss_only_sandwich(found)]  # √4 − √1 and √(4 − 1)
    [1.0, 1.7321]
    """
    if measurement.gap.value <= 0:
        raise ValueError("measurement must have L > L̂; "
                         f"got a gap of {measurement.gap.value:.3g}")
    upper = estimates.jackknife(lambda gap: math.sqrt(max(gap, 0.0)),
                                measurement.fresh_loss - measurement.seen_loss)
    return measurement.root_gap, upper


def replace_one_rows(score: EmpiricalScore, fresh: Any, weighting: TimeWeighting,
                     noise: Any, *, third: Any | None = None) -> np.ndarray:
    """Rows ``(M, 3)``: stability, fresh loss and seen loss at each fresh point, over tau, all i.

    The empirical score of one data set; ``fresh`` and ``noise`` are ``(M, d)``, the same noise at
    all times. With ``third`` the evaluation point X_0 is that third point instead of the fresh one
    – not Definition 2, but the control that shows why the definition says x̃.

    Raises ``ValueError`` or ``TypeError`` naming the argument: another type of score or weighting,
    points or noise of other shapes, devices or not finite.

    >>> import numpy as np
    >>> from score_stability.diffusion import OrnsteinUhlenbeck, TimeWeighting
    >>> from score_stability.scores import EmpiricalScore
    >>> from score_stability.stability import replace_one_rows
    >>> score = EmpiricalScore([[0.0]], OrnsteinUhlenbeck(0.0))  # one point, replaced by 3
    >>> replace_one_rows(score, [[3.0]], TimeWeighting.at(0.5), np.zeros((1, 1))).round(4).tolist()
    [[9.0, 9.0, 0.0]]
    """
    if not isinstance(score, EmpiricalScore):
        raise TypeError(f"score must be an EmpiricalScore; got {type(score).__name__}")
    _check_types(weighting=(weighting, TimeWeighting))
    _, d = score.points.shape
    fresh, noise, origin = (
        None if name == "third" and value is None
        else as_tensor(name, value, "M", d, device=score.points.device)
        for name, value in (("fresh", fresh), ("noise", noise), ("third", third)))
    clean = fresh if origin is None else origin

    def at(t: float) -> torch.Tensor:
        x = score.process.sample(clean, t, noise)
        return torch.stack(score.replace_one(x, t, fresh, origin), 1)

    return weighting.integrate(at).cpu().numpy()


def measure_empirical(draw: Draw, process: OrnsteinUhlenbeck, weighting: TimeWeighting,
                      number: int, generator: np.random.Generator, *, replicates: int,
                      queries: int, third_point: bool = False, jobs: int = 1,
                      progress: Progress | None = None) -> Measurement:
    """Definition 2 and Theorem 3 for the empirical score of N drawn points, all i in one pass.

    ``draw`` as at the top. Each of the replicates draws S, then ``queries`` fresh points. Cost per
    replicate and time: about eight score calls, instead of the N + 1 fits of the definition.

    Raises ``ValueError`` or ``TypeError`` naming the argument before any work: counts that are not
    integers >= 1 (``replicates`` >= 2: the errors are over data sets), another type of generator,
    weighting or process, or a ``draw`` that does not return finite points of shape ``(n, d)``.

    >>> import numpy as np
    >>> from score_stability.diffusion import OrnsteinUhlenbeck, TimeWeighting
    >>> from score_stability.stability import measure_empirical
    >>> found = measure_empirical(lambda n, generator: generator.standard_normal((n, 2)),
    ...                           OrnsteinUhlenbeck(1.0), TimeWeighting.at(0.5), 20,
    ...                           np.random.default_rng(0), replicates=50, queries=50)
    >>> bool(0 < found.root_gap.value < found.score_stability.value)  # Theorem 3
    True
    """
    _check(draw, process, generator, weighting=(weighting, TimeWeighting))
    number, replicates, queries = (count("number", number), count("replicates", replicates, 2),
                                   count("queries", queries))

    def draws() -> Iterator[tuple[Any, ...]]:
        for _ in range(replicates):
            data = _drawn(draw, number, generator)
            d = data.shape[1]
            fresh = _drawn(draw, queries, generator, d)
            noise = _normals(fresh, generator)
            yield data, fresh, noise, _drawn(draw, queries, generator, d) if third_point else None

    def row(data: torch.Tensor, fresh: torch.Tensor, noise: torch.Tensor,
            third: torch.Tensor | None) -> np.ndarray:
        score = EmpiricalScore(data, process)
        return replace_one_rows(score, fresh, weighting, noise, third=third).mean(0)

    return Measurement(*spread(row, draws(), replicates, jobs, progress).T)


def direct_losses(draw: Draw, process: OrnsteinUhlenbeck, t: float | TimeWeighting, number: int,
                  generator: np.random.Generator, *, replicates: int, queries: int,
                  algorithm: Algorithm | None = None, true_score: Score | None = None,
                  jobs: int = 1, progress: Progress | None = None) -> np.ndarray:
    """(R, 2): L and L̂ of any algorithm, measured without the exchange; one row per data set.

    L on ``queries`` fresh points, L̂ on ``queries`` points of S, drawn with replacement, each with
    one noise; at a time t, or integrated over a ``TimeWeighting``, where the noise is the same at
    all times. Score units. ``algorithm`` is a ``fit`` as at the top; None is the empirical score.
    With a ``true_score`` its loss is subtracted row by row, so that the rows are L − C and L̂ − C:
    the mean is C in both cases, and most of the noise goes with it (a control variate).

    Errors as in ``measure_empirical`` (one replicate will do).

    >>> import numpy as np
    >>> from score_stability.diffusion import OrnsteinUhlenbeck
    >>> from score_stability.stability import direct_losses
    >>> losses = direct_losses(lambda n, generator: generator.standard_normal((n, 2)),
    ...                        OrnsteinUhlenbeck(1.0), 0.5, 20, np.random.default_rng(0),
    ...                        replicates=50, queries=50, true_score=lambda x, t: -x)
    >>> excess, seen = losses.mean(0)  # L − C > 0 > L̂ − C: what is learned fits its own points
    >>> bool(excess > 0 > seen)
    True
    """
    _check(draw, process, generator)
    for name, function in (("true_score", true_score), ("algorithm", algorithm)):
        if function is not None and not callable(function):
            raise TypeError(f"{name} must be a function; got {type(function).__name__}")
    weighting = t if isinstance(t, TimeWeighting) else TimeWeighting.at(one_time(t))
    number, replicates, queries = (count("number", number), count("replicates", replicates),
                                   count("queries", queries))

    def draws() -> Iterator[tuple[Any, ...]]:
        for _ in range(replicates):
            data = _drawn(draw, number, generator)
            seed = int(generator.integers(2**63)) if algorithm is not None else 0
            pick = torch.from_numpy(generator.integers(number, size=queries)).to(data.device)
            fresh = _drawn(draw, queries, generator, data.shape[1])
            noise = _normals(fresh, generator)
            yield data, seed, ((fresh, noise), (data[pick], _normals(fresh, generator)))

    def row(data: torch.Tensor, seed: int, points: Any) -> list[float]:
        score = (EmpiricalScore(data, process) if algorithm is None
                 else _fitted(algorithm, data, seed))
        return [float(weighting.integrate(lambda time, c=clean, n=noise: _loss(
            process, score, true_score, c, n, time))) for clean, noise in points]

    return spread(row, draws(), replicates, jobs, progress)


def excess_losses(draw: Draw, process: OrnsteinUhlenbeck, t: float, number: int,
                  generator: np.random.Generator, *, replicates: int, queries: int,
                  true_score: Score) -> np.ndarray:
    """(R, 2): rows with means L − C and L̂ − C for the empirical score; neither uses the exchange.

    With ŝ = A(S) and the true score s, as squares that need no subtraction of noisy losses:

        L − C = E|ŝ − s|²(X_t), X_0 fresh;    L̂ − C = −E|ŝ − s|²(X_t), X_0 in S.

    The first holds for every score, because s is the mean of g given X_t. The second is Pythagoras
    on the training set, where ŝ is that mean, with C the mean over S of the loss of s there.
    Many data sets at once, ``queries`` points of each kind in a set. Score units. Errors as in
    ``direct_losses``.

    >>> import numpy as np
    >>> from score_stability.diffusion import OrnsteinUhlenbeck
    >>> from score_stability.stability import excess_losses
    >>> rows = excess_losses(lambda n, generator: generator.standard_normal((n, 1)),
    ...                      OrnsteinUhlenbeck(1.0), 0.5, 1, np.random.default_rng(0),
    ...                      replicates=10_000, queries=4, true_score=lambda x, t: -x)
    >>> C = OrnsteinUhlenbeck(1.0).snr(0.5)  # mu²/sigma²; with one point L̂ = 0
    >>> bool(abs(rows[:, 1].mean() + C) < 0.02)
    True
    """
    _check(draw, process, generator)
    if not callable(true_score):
        raise TypeError(f"true_score must be a function; got {type(true_score).__name__}")
    t, number, replicates, queries = (one_time(t), count("number", number),
                                      count("replicates", replicates), count("queries", queries))
    mu, variance = process.mean_scale(t), process.variance(t)
    sets = max(1, _BLOCK // (number * queries))
    rows = []
    for first in range(0, replicates, sets):
        block = min(sets, replicates - first)
        data = _drawn(draw, block * number, generator).double().unflatten(0, (block, number))
        d = data.shape[2]
        fresh = _drawn(draw, block * queries, generator, d).double().unflatten(0, (block, queries))
        pick = torch.from_numpy(generator.integers(number, size=(block, queries, 1)))
        seen = data.gather(1, pick.to(data.device).expand(block, queries, d))
        columns = []
        for clean in (fresh, seen):
            x = process.sample(clean, t, _normals(clean.flatten(0, 1), generator).view_as(clean))
            logits = -torch.cdist(x, mu * data, compute_mode=_PLAIN) ** 2 / (2 * variance)
            denoiser = torch.softmax(logits, 2) @ data
            true = evaluate(true_score, x.flatten(0, 1), t, x.dtype, "true_score").view_as(x)
            difference = process.score_from_denoiser(denoiser, x, t) - true
            columns.append(difference.square().sum(2).mean(1))
        rows.append(torch.stack((columns[0], -columns[1]), 1))
    return torch.cat(rows).cpu().numpy()


def excess_root_gap(rows: np.ndarray, constant: float) -> Estimate:
    """√L − √L̂ from rows with means L − C and L̂ − C, without cancellation, and C:

        ((L − C) − (L̂ − C))/(√(C + (L − C)) + √(C + (L̂ − C))),

    with a jackknife standard error over the rows. A loss that comes out negative, as it may where
    L̂ is nearly 0, counts as 0. ``ValueError`` for other shapes of rows or a constant below 0.

    >>> import numpy as np
    >>> from score_stability.stability import excess_root_gap
    >>> found = excess_root_gap(np.array([[5.0, -3.0], [5.0, -3.0]]), 4.0)  # √9 − √1
    >>> (found.value, found.standard_error)
    (2.0, 0.0)
    """
    rows = as_numpy("rows", rows, "R", 2)
    if not 0 <= constant < math.inf:
        raise ValueError(f"constant must be finite and at least 0; got {constant}")

    def root_gap(fresh: float, seen: float) -> float:
        losses = max(constant + fresh, 0.0), max(constant + seen, 0.0)
        return (losses[0] - losses[1]) / (math.sqrt(losses[0]) + math.sqrt(losses[1]))

    return estimates.jackknife(root_gap, rows[:, 0], rows[:, 1])


def _loss(process: OrnsteinUhlenbeck, score: Score, true_score: Score | None,
          clean: torch.Tensor, noise: torch.Tensor, t: float) -> torch.Tensor:
    """Mean of |score − g|², minus that of the true score if there is one."""
    dtype, clean = clean.dtype, clean.double()
    x = process.sample(clean, t, noise).to(dtype).double()
    g = process.conditional_score(x, t, clean)
    squares = (evaluate(score, x, t, dtype, "algorithm") - g) ** 2
    if true_score is not None:
        squares = squares - (evaluate(true_score, x, t, dtype, "true_score") - g) ** 2
    return squares.sum(1).mean()


def measure(algorithm: Algorithm, draw: Draw, process: OrnsteinUhlenbeck,
            weighting: TimeWeighting, number: int, generator: np.random.Generator, *,
            replicates: int, replacements: int = 1, queries: int = 16,
            coupling: str = "shared", jobs: int = 1,
            progress: Progress | None = None) -> Measurement:
    """Definition 2 and Theorem 3 for any algorithm ``fit(data, generator) -> score``, by refitting.

    Each replicate draws S, fits once, then replaces ``replacements`` random points, one at a time,
    by a fresh point, refits, and evaluates both scores at ``queries`` noised copies of that point.
    ``coupling="shared"`` fits S and S^i with two generators built alike, ``"independent"`` with
    unrelated ones. Any coupling bounds the infimum of Definition 2 from above, so Theorem 3 holds
    for both; the shared one is usually far smaller.

    ``fit``, its score and ``draw`` as at the top. Raises ``ValueError`` or ``TypeError`` naming the
    argument: as ``measure_empirical``, and an unknown coupling, before the first fit; a score of
    wrong shape, or not finite, at its first call.

    >>> import numpy as np
    >>> from score_stability.diffusion import OrnsteinUhlenbeck, TimeWeighting
    >>> from score_stability.stability import measure
    >>> def fit(data, generator):  # N(mean of the data, 1), unit variance known
    ...     return lambda x, t: (data.mean(0) - x) / (1 + 2 * t)
    >>> found = measure(fit, lambda n, generator: generator.standard_normal((n, 1)),
    ...                 OrnsteinUhlenbeck(0.0), TimeWeighting.at(0.5), 10,
    ...                 np.random.default_rng(0), replicates=400)
    >>> exact = (2 / 10**2) / 2**2  # E (x̃ − x_i)²/N² over (1 + 2t)²
    >>> bool(abs(found.stability_squared.value / exact - 1) < 0.3)
    True
    """
    _check(draw, process, generator, weighting=(weighting, TimeWeighting))
    if not callable(algorithm):
        raise TypeError("algorithm must be a function fit(data, generator) -> score; "
                        f"got {type(algorithm).__name__}")
    number, replicates, replacements, queries = (
        count("number", number), count("replicates", replicates, 2),
        count("replacements", replacements), count("queries", queries))
    if coupling not in ("shared", "independent"):
        raise ValueError(f"coupling must be 'shared' or 'independent'; got {coupling!r}")

    def draws() -> Iterator[tuple[Any, ...]]:
        for _ in range(replicates):
            data = _drawn(draw, number, generator)
            seed, neighbours = int(generator.integers(2**63)), []
            for _ in range(replacements):
                index = int(generator.integers(number))
                fresh = _drawn(draw, 1, generator, data.shape[1]).to(data)
                other_seed = int(generator.integers(2**63))
                noise = _normals(fresh.expand(queries, -1), generator)
                neighbours.append((index, fresh, noise,
                                   seed if coupling == "shared" else other_seed))
            yield data, seed, neighbours

    def row(data: torch.Tensor, seed: int, neighbours: Any) -> np.ndarray:
        score, parts = _fitted(algorithm, data, seed), []
        for index, fresh, noise, other_seed in neighbours:
            neighbour = data.clone()
            neighbour[index] = fresh[0]
            other = _fitted(algorithm, neighbour, other_seed)
            parts.append(weighting.integrate(
                lambda t, o=other, x0=fresh, n=noise: _compare(process, score, o, x0, n, t)))
        return torch.stack(parts).mean(0).cpu().numpy()

    return Measurement(*spread(row, draws(), replicates, jobs, progress).T)


def _fitted(algorithm: Algorithm, data: torch.Tensor, seed: int) -> Score:
    score = algorithm(data, np.random.default_rng(seed))
    if not callable(score):
        raise TypeError("algorithm must return a score function score(x, t); "
                        f"got {type(score).__name__}")
    return score


def _compare(process: OrnsteinUhlenbeck, score: Score, other: Score, fresh: torch.Tensor,
             noise: torch.Tensor, t: float) -> torch.Tensor:
    clean = fresh.double().expand_as(noise)
    # The scores see x in the dtype of the data, and are compared with g at the x they saw.
    x = process.sample(clean, t, noise).to(fresh.dtype).double()
    g = process.conditional_score(x, t, clean)
    first, second = (evaluate(s, x, t, fresh.dtype, "algorithm") for s in (score, other))
    squares = [((u - v) ** 2).sum(1).mean() for u, v in
               ((first, second), (first, g), (second, g))]
    return torch.stack(squares)


def _check(draw: Any, process: Any, generator: Any, **others: tuple[Any, type]) -> None:
    if not callable(draw):
        raise TypeError(f"draw must be a function draw(n, generator); got {type(draw).__name__}")
    _check_types(process=(process, OrnsteinUhlenbeck), generator=(generator, np.random.Generator),
                 **others)


def _check_types(**arguments: tuple[Any, type]) -> None:
    for name, (value, wanted) in arguments.items():
        if not isinstance(value, wanted):
            raise TypeError(f"{name} must be a {wanted.__name__}; got {type(value).__name__}")


def _drawn(draw: Draw, n: int, generator: np.random.Generator, d: int | str = "d") -> torch.Tensor:
    """n points of the population in the floating dtype of the drawn tensor, else float64."""
    points = draw(n, generator)
    return as_tensor("what draw returns", points, n, d).to(floating(points))


def _normals(points: torch.Tensor, generator: np.random.Generator) -> torch.Tensor:
    """Standard normals of the shape of ``points``, float64 on their device."""
    return torch.from_numpy(generator.standard_normal(tuple(points.shape))).to(points.device)
