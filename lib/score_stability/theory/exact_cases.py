"""Data laws and algorithms for which both sides of the theorems are known exactly.

No Monte Carlo: expectations over the data set are finite sums, closed forms or tensor quadratures.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from scipy import stats
from scipy.special import expit

from ..arrays import as_numpy, count
from .quadrature import gauss_hermite, gauss_legendre, standard_normal


class ExactCase(NamedTuple):
    """Both sides of Theorem 3 at one time: ``stability`` is eps_stab², ``fresh_loss`` L =
    E l_dsm(ŝ), ``seen_loss`` L̂ = E l̂_dsm(ŝ), ``score_error`` E l_sm(ŝ), ``constant`` C, and the
    ``move`` E F = E‖ŝ − ŝ^i‖² under p̂_S, the left side of Lemma 4.

    The units (score or denoiser) are those of the function that made it; ratios have none.
    """

    stability: float
    fresh_loss: float
    seen_loss: float
    score_error: float
    constant: float
    move: float

    @property
    def score_stability(self) -> float:
        """eps_stab."""
        return math.sqrt(self.stability)

    @property
    def gap(self) -> float:
        """L − L̂."""
        return self.fresh_loss - self.seen_loss

    @property
    def root_gap(self) -> float:
        """√L − √L̂, without cancellation."""
        return self.gap / (math.sqrt(self.fresh_loss) + math.sqrt(self.seen_loss))

    @property
    def slack(self) -> float:
        """eps_stab/(√L − √L̂)."""
        return self.score_stability / self.root_gap


def two_point(number: int, snr: float, nodes: int = 4001) -> ExactCase:
    """Empirical score of N points drawn from {−1, +1}; denoiser units, snr = mu²/sigma².

    With n pluses in S the denoiser is tanh(h + ½ log(n/(N − n))), h = snr X_0 + √snr Z. By
    symmetry X_0 = +1 throughout: the sums run over n ~ Bin(N, ½) (fresh point), over 1 + Bin(N−1,
    ½) (a point of S) and over the N − 1 other points (replacing a −1 by +1).

    With s = 1/(1 + e^(−2h)), r = 1 − s and D_n = n s + (N − n) r, nothing cancels: 1 − denoiser is
    2 (N − n) r/D_n, a jump from n to n + 1 is 2 N s r/(D_n D_(n+1)), sech² h is 4 s r.

    Raises ``ValueError`` for number < 1, for snr that is not positive and finite, or so large that
    the nodes do not resolve a transition of width 1 in h.
    """
    if number < 1:
        raise ValueError(f"number must be at least 1; got {number}")
    if not (math.isfinite(snr) and snr > 0):
        raise ValueError(f"snr must be positive and finite; got {snr}")
    root = math.sqrt(snr)
    half_width = max(12.0, root + 2)  # the transition is at z = −√snr
    z, weights = standard_normal(nodes, half_width)
    if root * (z[1] - z[0]) > 0.45:  # error e^(−pi²/step)
        raise ValueError(f"snr must be smaller, or nodes more: {nodes} do not resolve snr = {snr}")
    h = np.clip(snr + root * z, -350, 350)[:, None]  # beyond, everything is below 1e-300
    s, r = expit(2 * h), expit(-2 * h)
    n = np.arange(number + 1)
    D = n * s + (number - n) * r

    def average(values: np.ndarray, trials: int) -> float:
        return float(weights @ values @ _fair_coins(trials))

    loss = (2 * (number - n) * r / D) ** 2
    jump = (2 * number * (s / D[:, 1:]) * (r / D[:, :-1])) ** 2
    # Replace −1 by +1 in a set with k pluses: seen from a plus of S with probability k/N, from a
    # minus with (N − k)/N. At −1 the jump k has by reflection the law of the jump N − 1 − k at +1.
    share = np.arange(number) / number
    return ExactCase(
        stability=0.5 * average(jump, number - 1),
        fresh_loss=average(loss, number),
        seen_loss=average(loss[:, 1:], number - 1),
        score_error=average((2 * (2 * n - number) * s * (r / D)) ** 2, number),
        constant=float(weights @ (4 * s * r)[:, 0]),
        move=0.5 * average(share * jump + (1 - share) * jump[:, ::-1], number - 1),
    )


def two_point_true_score(number: int, snr: float, nodes: int = 4001) -> float:
    """Mean distance E |s* − s^|² of true and empirical score on the training set, denoiser units.

    As in ``two_point``, seen from X_0 = +1 in S: ``E (tanh h − tanh(h + ½ log(n/(N − n))))²`` over
    n ~ 1 + Bin(N − 1, ½). By Lemma 1 it is ``constant − seen_loss`` of that case; here it is summed
    by itself. Raises ``ValueError`` for number < 1, or snr that is not positive and finite.
    """
    if number < 1:
        raise ValueError(f"number must be at least 1; got {number}")
    if not (math.isfinite(snr) and snr > 0):
        raise ValueError(f"snr must be positive and finite; got {snr}")
    z, weights = standard_normal(nodes)
    h = snr + math.sqrt(snr) * z[:, None]
    n = 1 + np.arange(number)
    with np.errstate(divide="ignore"):
        log_odds = 0.5 * (np.log(n) - np.log(number - n))
    return float(weights @ (np.tanh(h + log_odds) - np.tanh(h)) ** 2 @ _fair_coins(number - 1))


@lru_cache(maxsize=64)
def _fair_coins(trials: int) -> np.ndarray:
    """The law of the number of heads: a sweep over snr asks for the same three again and again."""
    pmf = stats.binom.pmf(np.arange(trials + 1), trials, 0.5)
    pmf /= pmf.sum()
    pmf.flags.writeable = False
    return pmf


def gaussian_mean(number: int, variance: float, *, mean_scale: float = 1.0,
                  data_variance: float = 1.0, dimension: int = 1) -> ExactCase:
    """Only the mean is fitted: s = −(x − mu m)/v, v = mu² lambda + sigma²; score units.

    Data N(m_0, lambda I_d), m the sample mean: eps² = 2 d mu² lambda/(N v)²,
    L = C + d mu² lambda/(N v²), L̂ = C − d mu² lambda/(N v²), C = d mu² lambda/(sigma² v);
    E F = eps².
    """
    _check_gaussian(number, 1, variance, mean_scale, data_variance)
    if dimension < 1:
        raise ValueError(f"dimension must be at least 1; got {dimension}")
    signal = dimension * mean_scale**2 * data_variance
    v = mean_scale**2 * data_variance + variance
    C, error = signal / (variance * v), signal / (number * v**2)
    # C − error, which cancels at number = 1.
    seen = error * (mean_scale**2 * data_variance + (number - 1) * v) / variance
    return ExactCase(2 * error / number, C + error, seen, error, C, 2 * error / number)


def gaussian_affine(number: int, variance: float, *, mean_scale: float = 1.0,
                    data_variance: float = 1.0, nodes: int = 24) -> ExactCase:
    """Mean and variance are fitted (affine scores on the line); score units.

    The fit sees S through its mean and its 1/N-variance, hence through x_i, the mean of the
    others and their sum of squares: a tensor Gauss quadrature over (x_i, x̃, mean, chi²_{N−2}).
    Relative error 1e-11 for N >= 30 and mu² lambda/variance <= 4; at smaller N or less noise use
    more nodes. Needs N >= 3.
    """
    _check_gaussian(number, 3, variance, mean_scale, data_variance)
    # Rescale the data to unit variance; the score sees mu √lambda x.
    mu, N = mean_scale * math.sqrt(data_variance), number
    z, w = gauss_hermite(nodes)
    q, w_q = _chi_square_rule(N - 2, nodes)
    x, fresh, other, rest = np.meshgrid(z, z, z / math.sqrt(N - 1), q, indexing="ij")
    weight = np.einsum("i,j,k,l->ijkl", w, w, w, w_q)

    def fit(point: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        mean = ((N - 1) * other + point) / N
        spread = (rest + (N - 1) * (point - other) ** 2 / N) / N
        return mean, spread, mu**2 * spread + variance

    mean, spread, v = fit(x)
    mean_i, spread_i, v_i = fit(fresh)
    noise_part = mu**4 * spread**2 / (variance * v**2)  # (1/sigma − sigma/v)²
    inverses = mu**4 * ((spread_i - spread) / (v * v_i)) ** 2  # (1/v − 1/v_i)²
    fresh_loss = noise_part + mu**2 * (1 + mean**2) / v**2
    seen_loss = noise_part + mu**2 * spread / v**2
    stability = (variance * inverses
                 + mu**2 * ((fresh - mean) / v - (fresh - mean_i) / v_i) ** 2)
    move = v * inverses + mu**2 * (mean - mean_i) ** 2 / v_i**2
    C = mu**2 / (variance * (mu**2 + variance))
    L = float(np.sum(weight * fresh_loss))
    return ExactCase(float(np.sum(weight * stability)), L, float(np.sum(weight * seen_loss)),
                     L - C, C, float(np.sum(weight * move)))


def _chi_square_rule(degrees: int, nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss rule for chi² by Golub–Welsch: scipy's Laguerre weights overflow at large degrees."""
    alpha, k = degrees / 2 - 1, np.arange(nodes)
    diagonal = 2 * k + 1 + alpha
    off = np.sqrt(k[1:] * (k[1:] + alpha))
    points, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(off, 1) + np.diag(off, -1))
    return 2 * points, vectors[0] ** 2


def _check_gaussian(number: int, least: int, variance: float, mean_scale: float,
                    data_variance: float) -> None:
    if number < least:
        raise ValueError(f"number must be at least {least}; got {number}")
    for name, value in (("variance", variance), ("mean_scale", mean_scale),
                        ("data_variance", data_variance)):
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be positive and finite; got {value}")


class AdjacentMoments(NamedTuple):
    """After the last step, one entry per data set: ``mean_shift`` E theta − E theta^i and
    ``squared_distance`` E (theta − theta^i)² under the synchronous coupling.

    mean_shift² <= W_2²(theta, theta^i) <= squared_distance: with E[X_t² | X_0 = x̃] they bracket
    eps_stab² whatever the coupling.
    """

    mean_shift: np.ndarray
    squared_distance: np.ndarray


def scaled_linear_sgd(data: Any, index: int, fresh: Any, *, mean_scale: float,
                      variance: float, steps: int, step_size: Callable[[int], float] | float,
                      weight_decay: float = 0.0, resamples: float = 1) -> AdjacentMoments:
    """Exact moments of two adjacent SGD runs of s_theta(x) = theta x, N_B = 1, no clip.

    Row gradient 2(A theta + B) with A = X², B = X xi/sigma, X = mu x + sigma xi, so first and
    second moments of (theta, theta^i) obey a closed linear recursion (score weighting w = 1, start
    0, index uniform, both runs share index and xi; at the replaced index one run sees x_i, the
    other x̃). ``data`` is ``(R, N)``, ``fresh (R,)``; ``resamples`` may be infinite.
    Raises ``ValueError`` for wrong shapes or an index out of range.
    """
    data = as_numpy("data", data, "R", "N")
    fresh = as_numpy("fresh", fresh, len(data))
    if not 0 <= index < data.shape[1]:
        raise ValueError(f"index must lie in 0..{data.shape[1] - 1}; got {index}")
    if not resamples >= 1:
        raise ValueError(f"resamples must be at least 1; got {resamples}")
    s2, number = variance, data.shape[1]

    def moments(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, ...]:
        """E A(x), E A(x)A(y), E A(x)B(y), E B(x)A(y), E B(x)B(y) of resample averages, shared xi.

        Only the fluctuation around the product of means is divided by P; E B = 1.
        """
        m, n = mean_scale * x, mean_scale * y
        a, b = m**2 + s2, n**2 + s2
        aa = m**2 * n**2 + s2 * (m**2 + n**2 + 4 * m * n) + 3 * s2**2
        ab, ba = 2 * m * n + m**2 + 3 * s2, 2 * m * n + n**2 + 3 * s2
        bb = (m * n + 3 * s2) / s2
        return (a, a * b + (aa - a * b) / resamples, a + (ab - a) / resamples,
                b + (ba - b) / resamples, 1 + (bb - 1) / resamples)

    def average(x: np.ndarray) -> list[np.ndarray]:
        return [value.mean(axis=1) for value in moments(x, x)]

    changed = data.copy()
    changed[:, index] = fresh
    own, other = average(data), average(changed)
    others = [value * (number - 1) / number for value in average(np.delete(data, index, axis=1))] \
        if number > 1 else [np.zeros(len(data))] * 5
    a_i, aa_i, ab_i, ba_i, bb_i = moments(data[:, index], fresh)
    a_fresh = mean_scale**2 * fresh**2 + s2
    # Means over the index; the replaced one contributes 1/N.
    cross_a, cross_a_other = others[0] + a_i / number, others[0] + a_fresh / number
    cross = [value + part / number for value, part in
             zip(others[1:], (aa_i, ab_i, ba_i, bb_i), strict=True)]
    u, v, uu, vv, uv = (np.zeros(len(data)) for _ in range(5))
    for k in range(1, steps + 1):
        eta = step_size(k) if callable(step_size) else step_size
        rho = 1 - eta * weight_decay
        uv = (rho**2 * uv - 2 * eta * rho * ((cross_a + cross_a_other) * uv + u + v)
              + 4 * eta**2 * (cross[0] * uv + cross[1] * u + cross[2] * v + cross[3]))
        uu, vv = (rho**2 * w - 4 * eta * rho * (m[0] * w + z)
                  + 4 * eta**2 * (m[1] * w + (m[2] + m[3]) * z + m[4])
                  for w, z, m in ((uu, u, own), (vv, v, other)))
        u, v = (rho * z - 2 * eta * (m[0] * z + 1) for z, m in ((u, own), (v, other)))
    return AdjacentMoments(u - v, uu + vv - 2 * uv)


class Moves(NamedTuple):
    """What Lemma 4 speaks of: the ``move`` E F, eps_stab² in ``stability``, L in ``fresh_loss``, L̂
    in ``seen_loss``; squared distances under p̂_S from the best fit on S, of ŝ in ``excess``, and of
    ŝ^i in ``excess_moved``. Units are those of the function that made it.

    Many cases at once: ``Moves(*np.array(cases).T)``.
    """

    move: Any
    stability: Any
    fresh_loss: Any
    seen_loss: Any
    excess: Any
    excess_moved: Any

    @property
    def gap(self) -> Any:
        """L − L̂."""
        return self.fresh_loss - self.seen_loss


COINS = {"the same": ((1, 1), (-1, -1)), "opposite": ((1, -1), (-1, 1)),
         "independent": ((1, 1), (1, -1), (-1, 1), (-1, -1))}


def fitted_mean(number: int, error: float = 0.0, coins: str = "the same",
                peek: float = 0.0) -> Moves:
    """The mean x̄ of N points of N(0, 1), plus or minus ``error`` by a coin; squares on the line.

    The score is −(x − mu m)/v as in ``gaussian_mean``, in units of mu/v. ``coins`` says how the two
    runs throw them: the same, opposite or independent. ``peek`` adds peek (x_i − x̃)/N, and in the
    run on S^i peek (x̃ − x_i)/N: random numbers that look at the points, which no coupling may do,
    and which make both losses wrong. By quadrature over x_i, x̃ and the mean of the others, exact
    up to rounding. Raises ``ValueError`` for number < 2 or other coins.
    """
    number = count("number", number, 2)
    if coins not in COINS:
        raise ValueError(f"coins must be one of {sorted(COINS)}; got {coins!r}")
    z, w = gauss_hermite(6)
    x, fresh, rest = np.meshgrid(z, z, z / math.sqrt(number - 1), indexing="ij")
    weight = np.einsum("i,j,k->ijk", w, w, w)
    best, best_i = ((point + (number - 1) * rest) / number for point in (x, fresh))
    rows = []
    for ours, theirs in COINS[coins]:
        fit = best + ours * error + peek * (x - fresh) / number
        fit_i = best_i + theirs * error + peek * (fresh - x) / number
        rows.append([float(np.sum(weight * distance**2)) for distance in (
            fit - fit_i, fit - fit_i, fresh - fit, x - fit, fit - best, fit_i - best)])
    return Moves(*np.mean(rows, axis=0).tolist())


Algorithm = Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[Sequence[np.ndarray], ...]]


def two_point_algorithm(number: int, snr: float, algorithm: Algorithm,
                        nodes: int = 801) -> Moves:
    """Any denoiser that sees N points of {−1, +1} through their number of pluses k; denoiser units.

    ``algorithm(empirical, truth, k)`` gets the denoisers ``(N + 1, 2, nodes)`` of all k from
    X_0 = ±1, and k as a column; it returns two lists of arrays like ``empirical``, which are
    equally likely: the outputs of the run on S, and, with the same random numbers or others, of the
    run on S^i. All sets, exchanges and starting points are listed: nothing uses the exchange.
    ``excess`` is h, the distance from the empirical denoiser.
    Raises ``ValueError`` for number < 1, an snr that is not positive and finite, or two lists of
    different lengths.
    """
    number = count("number", number)
    if not (math.isfinite(snr) and snr > 0):
        raise ValueError(f"snr must be positive and finite; got {snr}")
    z, w = standard_normal(nodes)
    k, start = np.arange(number + 1), np.array([1.0, -1.0])
    h = start[:, None] * snr + math.sqrt(snr) * z
    with np.errstate(divide="ignore"):
        odds = 0.5 * (np.log(k) - np.log(number - k))
    empirical = np.tanh(h + odds[:, None, None])
    runs = algorithm(empirical, np.tanh(h), k[:, None, None])
    if len(runs) != 2 or len(runs[0]) != len(runs[1]):
        raise ValueError(f"algorithm must return two lists of one length; got {len(runs)}")
    law = _fair_coins(number)
    at = np.stack([k / number, 1 - k / number], 1)  # the law of a point of S: +1, −1
    found = np.zeros(6)
    for ours, theirs in zip(*runs, strict=True):
        loss = (ours - start[:, None]) ** 2 @ w
        found[2:5] += (law @ loss.mean(1), law @ (loss * at).sum(1),
                       law @ ((ours - empirical) ** 2 @ w * at).sum(1))
        for i, new in itertools.product((0, 1), repeat=2):  # x_i and x̃: +1, −1
            after = theirs[np.clip(k + i - new, 0, number)]
            chance = law * at[:, i] / 2
            move = (ours - after) ** 2 @ w
            found[[0, 1, 5]] += (chance @ (move * at).sum(1), chance @ move[:, new],
                                 chance @ ((after - empirical) ** 2 @ w * at).sum(1))
    return Moves(*(found / len(runs[0])).tolist())


def fitted_slope(number: int, choose: Callable[[np.ndarray], np.ndarray],
                 kinks: Sequence[float] = (), nodes: int = 60) -> Moves:
    """A score s = −θ x fitted to N points of N(0, 1), mu = sigma = 1, with θ = choose(best slope).

    Score units; the best of all slopes is the best fit on S. With q = Σ x_j²/N the training loss is
    (1 + q) θ² − 2 θ + 1, its best slope 1/(1 + q). Given the sum of squares of the other N − 1
    points x_i and x̃ are independent: Gauss rules over that sum and over one point, in panels that
    end where the best slope passes one of the ``kinks``, the places where ``choose`` is not smooth.
    Relative error 1e-9 for N <= 1000.
    Raises ``ValueError`` for number < 2, kinks that are not in (0, 1), or nodes < 2.
    """
    number, nodes = count("number", number, 2), count("nodes", nodes, 2)
    if any(not 0 < kink < 1 for kink in kinks):
        raise ValueError(f"kinks must be slopes in (0, 1); got {kinks}")
    tops = np.sort([number * (1 / kink - 1) for kink in kinks])  # Σ x² there
    low, high = stats.chi.ppf(1e-15, number - 1), stats.chi.isf(1e-15, number - 1)
    ends = [low, *(root for root in np.sqrt(tops) if low < root < high), high]
    u, w = gauss_legendre(0.0, 1.0, nodes)
    # Below a kink the inner panels end at √(top − y²): smooth in the root of the distance.
    y = np.concatenate([b - (b - a) * u**2 for a, b in itertools.pairwise(ends)])
    weight = np.concatenate([(b - a) * 2 * u * w for a, b in itertools.pairwise(ends)])
    weight *= stats.chi.pdf(y, number - 1)
    weight /= weight.sum()
    walls = [np.zeros_like(y), *(np.sqrt(np.clip(top - y**2, 0, 81)) for top in tops),
             np.full_like(y, 9.0)]
    steps = [(a[:, None], b[:, None]) for a, b in itertools.pairwise(walls)]
    x = np.hstack([a + (b - a) * u for a, b in steps])
    inner = np.hstack([(b - a) * w for a, b in steps]) * 2 * stats.norm.pdf(x)
    inner /= inner.sum(1, keepdims=True)

    def given(values: np.ndarray) -> np.ndarray:
        """Mean over the point, given the others: a column."""
        return (inner * values).sum(1, keepdims=True)

    v = 1 + (y[:, None] ** 2 + x**2) / number
    best = 1 / v
    fit = choose(best)
    away = fit - given(fit)  # the fit after the replacement has the same law, independently
    spread = given(away**2)

    def mean(values: np.ndarray) -> float:
        return float(weight @ given(values)[:, 0])

    return Moves(
        move=mean(v * (away**2 + spread)),
        stability=mean((1 + x**2) * (away**2 + spread)),
        fresh_loss=mean(2 * fit**2 - 2 * fit + 1),
        seen_loss=mean(v * fit**2 - 2 * fit + 1),
        excess=mean(v * (fit - best) ** 2),
        excess_moved=mean(v * ((given(fit) - best) ** 2 + spread)),
    )
