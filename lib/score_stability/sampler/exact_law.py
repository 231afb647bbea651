"""The exact law of a sampler on the line, without Monte Carlo.

A noisy step maps a density q to ∫ q(y) N(· ; m(y), v) dy, m the mean of the step. The integral is
a trapezoid rule in the variable xi(y) = y/sd_before + m(y)/sd_after: its nodes are dense where q is
narrow and where m is steep (between two data points), and its error is exponentially small. Only
logarithms are stored, so that tails and gaps are right relative to themselves, whatever underflows.
A noiseless step is inverted: log q(m(y)) − log m'(y).

Scores are callables ``score(x, t)``, ``(M, 1) -> (M, 1)``; everything here has d = 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, overload

import numpy as np
import torch

from ..arrays import as_numpy
from ..diffusion.process import OrnsteinUhlenbeck, Score
from ..scores.empirical import EmpiricalScore
from ..theory.quadrature import trapezoid_error
from .sampling import Scheme, Step, TwoStageStep, euler_maruyama, steps_of

# Sources e^-36 below the largest contribution to a target are left out: 2e-16 each.
_CUT = 36.0
_ALIKE = 48  # sources by which windows computed together may differ, beyond a fifth
_BLOCK = 16  # neighbouring targets that share one window of sources
PAD = 9.0  # standard deviations kept on each side
_ENTRIES = 2**21  # kernel entries held at once
_TOLERANCE = 1e-5  # mean relative error of a step's rule beyond which its nodes are doubled
# Contradiction of values and slopes of a map that doubles the nodes. A bend counts with the mass of
# a few nodes only: at that tolerance.
_RIPPLE, _BEND = 2e-3, 5e-2
# (−1)^j and the real and imaginary part of i^j, j = 0 … 3
_TURNS = np.array([[1.0, 1, 0], [-1, 0, 1], [1, -1, 0], [-1, 0, -1]])
_ROUNDING = 3e-14  # relative error that a step adds in any case
_MOST = 2**16  # nodes of a step beyond which they are not


class Start(NamedTuple):
    """The sampler's initial law on the line: N(mean, variance), or ``log_density`` ``(n,)->(n,)``
    whose mass lies within 9 √variance of the mean."""

    mean: float
    variance: float
    log_density: Callable[[np.ndarray], np.ndarray] | None = None

    def log(self, y: Any) -> np.ndarray:
        """log density at y."""
        y = as_numpy("y", y)
        if self.log_density is not None:
            return as_numpy("log_density(y)", self.log_density(y), *y.shape, finite=False)
        return -0.5 * ((y - self.mean) ** 2 / self.variance + math.log(2 * math.pi * self.variance))


def matched_start(target: Any, horizon: float) -> Start:
    """The Gaussian with the mean and the variance of p_T, T = ``horizon``."""
    x, weights = target.line_rule(horizon)
    mean = float(weights @ x)
    return Start(mean, float(weights @ (x - mean) ** 2))


def exact_start(law: Any, horizon: float) -> Start:
    """p_T itself; ``law`` has ``line_rule`` and ``log_density`` (any target on the line)."""
    mean, variance, _ = matched_start(law, horizon)
    return Start(mean, variance, lambda y: log_density_at(law, y, horizon))


def log_density_at(law: Any, y: np.ndarray, t: float) -> np.ndarray:
    """log p_t(y) of a law on the line, ``(n,)`` to ``(n,)``."""
    return law.log_density(torch.from_numpy(np.ascontiguousarray(y))[:, None], t).numpy()


@dataclass(frozen=True)
class Law:
    """A density on the line as log density at nodes, with the weights of a quadrature rule.

    ∫ f ≈ Σ weights f(nodes), so E f(Y) ≈ Σ weights exp(log_density) f(nodes). ``error`` estimates
    the error of the log density at each node: what the steps' quadratures make of it, each tried
    on parts of its nodes and carried on through the steps. An estimate, not a bound: at coarse
    steps a divergence may be off by 1e-7 where it says less.
    """

    nodes: np.ndarray
    weights: np.ndarray
    log_density: np.ndarray
    error: np.ndarray

    def __post_init__(self) -> None:
        nodes = as_numpy("nodes", self.nodes, "n")
        for name in ("nodes", "weights", "log_density", "error"):
            values = as_numpy(name, getattr(self, name), nodes.size, finite=name != "log_density")
            object.__setattr__(self, name, values)
        if not (self.log_density < np.inf).all():
            raise ValueError("log_density must not be NaN or infinite")

    @property
    def density(self) -> np.ndarray:
        """The density at the nodes."""
        return np.exp(self.log_density)

    @property
    def probabilities(self) -> np.ndarray:
        """weights × density: E f(Y) = probabilities @ f(nodes)."""
        return self.weights * self.density

    @property
    def mass_defect(self) -> float:
        """1 − total mass: what the truncation and the quadrature have lost."""
        return 1.0 - float(self.probabilities.sum())

    def moments(self) -> tuple[float, float]:
        """Mean and variance."""
        p = self.probabilities
        mean = float(p @ self.nodes)
        return mean, float(p @ (self.nodes - mean) ** 2)

    def at(self, x: Any) -> np.ndarray:
        """log density at x by cubic interpolation of the log density; x within the nodes."""
        from scipy.interpolate import CubicSpline

        x = as_numpy("x", x)
        if x.size and not (self.nodes[0] <= x.min() and x.max() <= self.nodes[-1]):
            raise ValueError(f"x must lie in [{self.nodes[0]:g}, {self.nodes[-1]:g}]: "
                             "widen cover")
        return CubicSpline(self.nodes, self.log_density)(x)

    def error_at(self, x: Any) -> np.ndarray:
        """The error of ``at(x)``: that of the law, and of interpolation.

        Interpolation is tried with every second node on those between them, and has an error of
        fourth order.
        """
        from scipy.interpolate import CubicSpline

        last = self.nodes.size - 1 - self.nodes.size % 2
        left_out = np.zeros_like(self.nodes)
        tried = slice(1, last, 2)
        left_out[tried] = np.abs(CubicSpline(self.nodes[::2], self.log_density[::2])(
            self.nodes[tried]) - self.log_density[tried]) / 8
        left_out[1:-1] = np.maximum(left_out[1:-1], np.maximum(left_out[2:], left_out[:-2]))
        return np.interp(as_numpy("x", x), self.nodes, self.error + left_out)


def score_and_slope(score: Score) -> Callable[[np.ndarray, float], tuple[np.ndarray, np.ndarray]]:
    """(y, t) -> (s, ds/dy), all ``(n,)``: in closed form for an empirical score.

    s' = −1/sigma² + mu² Var_w(x_i)/sigma⁴ there; otherwise an eighth-order difference with steps
    sigma_t/200 (sigma_t from the score's ``process`` if it has one, else min(√(2t), 1)), relative
    error about 1e-12 where the score is smooth at that scale, and up to 512 times smaller steps
    where it is not.
    """
    if isinstance(score, EmpiricalScore):
        process: Any  # below: that of any score, or None
        data, process = score.data.numpy(), score.process
        if data.shape[1] != 1:
            raise ValueError(f"score must live on the line; its data have dimension "
                             f"{data.shape[1]}")
        points = np.sort(data[:, 0])
        powers = np.stack((np.ones_like(points), points, points**2), 1)
        middles = 0.5 * (points[1:] + points[:-1])

        def closed(y: np.ndarray, t: float) -> tuple[np.ndarray, np.ndarray]:
            mu, variance = process.mean_scale(t), process.variance(t)
            # (mu x_i/variance) y − (mu x_i)²/(2 variance): the quadratic term in y cancels. The
            # nearest point has the largest weight.
            slope, offset = points * (mu / variance), (mu * points) ** 2 / (2 * variance)
            nearest = np.searchsorted(middles, y / mu)
            weights = np.multiply.outer(y, slope)
            weights -= offset
            weights -= (y * slope[nearest] - offset[nearest])[:, None]
            np.maximum(weights, -600.0, out=weights)
            np.exp(weights, out=weights)
            total, first, second = (weights @ powers).T
            mean = first / total
            spread = np.maximum(second / total - mean**2, 0.0)
            return (mu * mean - y) / variance, (mu**2 * spread / variance - 1) / variance

        return closed

    process = getattr(score, "process", None) or getattr(
        getattr(score, "__self__", None), "process", None)
    offsets = np.array([-4, -3, -2, -1, 0, 1, 2, 3, 4])
    eighth = np.array([1 / 280, -4 / 105, 1 / 5, -4 / 5, 0, 4 / 5, -1 / 5, 4 / 105, -1 / 280])
    fourth = np.array([1 / 24, 0, -1 / 3, 0, 0, 0, 1 / 3, 0, -1 / 24])

    def differences(y: np.ndarray, t: float, shrink: int = 3) -> tuple[np.ndarray, np.ndarray]:
        sigma = math.sqrt(process.variance(t) if process is not None else min(2 * t, 1.0))
        h = sigma / 200 / 8 ** (3 - shrink)
        points = (y[:, None] + h * offsets).reshape(-1, 1)
        values: Any = score(torch.from_numpy(points), t)  # a tensor, then an array
        if tuple(values.shape) != points.shape:
            raise ValueError(f"score must return shape {points.shape}; got {tuple(values.shape)}")
        values = values.detach().numpy().reshape(-1, 9)
        at, slope = values[:, 4], values @ eighth / h
        # An order lower at twice the step: where the two differ, the score turns within h.
        rough = np.abs(slope - values @ fourth / h) > 1e-5 * np.maximum(np.abs(slope), sigma**-2)
        if shrink and rough.any():
            slope[rough] = differences(y[rough], t, shrink - 1)[1]
        return at, slope

    return differences


def step_map(step: Step | TwoStageStep, slope_score: Any, a: float, b: float) -> Any:
    """y -> (m(y), m'(y)) of one step."""

    def mean(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        s, ds = slope_score(y, a)
        m, dm = step.A * y + step.B * s, step.A + step.B * ds
        if isinstance(step, TwoStageStep):
            ahead, d_ahead = (step.predictor.A * y + step.predictor.B * s,
                              step.predictor.A + step.predictor.B * ds)
            s, ds = slope_score(ahead, b)
            m, dm = m + step.C * s, dm + step.C * ds * d_ahead
        return m, dm

    return mean


def _invert(function: Any, targets: np.ndarray, table: np.ndarray, values: np.ndarray,
            slopes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Solve function(y) = target for an increasing function by safeguarded Newton steps.

    ``table`` holds points that bracket every solution. Returns y, function values and slopes.
    """
    cell = np.clip(np.searchsorted(values, targets, side="right") - 1, 0, table.size - 2)
    low, high = table[cell], table[cell + 1]
    width, rise = high - low, values[cell + 1] - values[cell]
    # Cubic Hermite interpolation of the inverse gives the first guess.
    t = np.clip((targets - values[cell]) / rise, 0.0, 1.0)
    y = (low + width * t**2 * (3 - 2 * t) + rise * t * (1 - t)
         * ((1 - t) / slopes[cell] - t / slopes[cell + 1]))
    y = np.where((y > low) & (y < high), y, low + t * width)
    tolerance = 1e-13 * np.maximum(np.abs(table[0]), np.abs(table[-1]))
    value, slope = function(y)
    active = np.arange(y.size)
    for _ in range(80):
        gap = value[active] - targets[active]
        above = gap > 0
        high[active[above]] = y[active[above]]
        low[active[~above]] = y[active[~above]]
        change = -gap / slope[active]
        proposal = y[active] + change
        outside = ~((proposal >= low[active]) & (proposal <= high[active]))
        middle = 0.5 * (low[active] + high[active])
        proposal = np.where(outside, middle, proposal)
        moved = np.abs(proposal - y[active])
        y[active] = proposal
        value[active], slope[active] = function(proposal)
        active = active[moved > tolerance]
        if active.size == 0:
            break
    return y, value, slope


def _log_convolve(targets: np.ndarray, centres: np.ndarray, log_weights: np.ndarray,
                  error: np.ndarray, v: float, order: float) -> tuple[np.ndarray, ...]:
    """log Σ_j exp(log_weights_j) N(target_i; centre_j, v) for increasing targets.

    Also, at every 16th target and its index, the error of the sum as a trapezoid rule in j
    (``trapezoid_error`` with ``order``) and the mean of ``error``, that of the log weights.

    For centres in increasing order the sources that matter to a target, those within e^-36 of the
    largest, move to the right with the target: if j < j' and j' outweighs j at one target, it
    does so at every target further right. So the windows of every 16th target bracket all others,
    and the kernel is banded without any assumption on tails.
    """
    source = None  # the number j of each, where the next is not j + 1
    if (centres[1:] < centres[:-1]).any():
        source = np.argsort(centres, kind="stable")
    if not log_weights.min() > -np.inf:
        source = np.arange(centres.size) if source is None else source
        source = source[log_weights[source] > -np.inf]
    if source is not None:
        centres, log_weights, error = centres[source], log_weights[source], error[source]
    scale = 1.0 / math.sqrt(2 * v)
    y, z, n = targets * scale, centres * scale, centres.size
    count = -(-y.size // _BLOCK)
    anchors = np.minimum(np.arange(0, (count + 1) * _BLOCK, _BLOCK), y.size - 1)
    low, high = np.empty(anchors.size, dtype=int), np.empty(anchors.size, dtype=int)
    top = np.empty(anchors.size)
    rows = max(1, _ENTRIES // n)
    for start in range(0, anchors.size, rows):
        part = slice(start, start + rows)
        exponent = np.subtract.outer(y[anchors[part]], z)
        np.multiply(exponent, exponent, out=exponent)
        np.subtract(log_weights, exponent, out=exponent)
        top[part] = exponent.max(1)
        inside = exponent > top[part][:, None] - _CUT
        low[part] = inside.argmax(1)
        high[part] = n - inside[:, ::-1].argmax(1)
    low, width = low[:-1], high[1:] - low[:-1]
    # The exponents of a block are a product of matrices, with y and z relative to the block; the
    # largest exponent, interpolated between the anchors, is taken out so that nothing overflows.
    blocks = np.full((count, _BLOCK), y[-1])
    blocks.reshape(-1)[:y.size] = y
    reference = np.interp(blocks, y[anchors], top)
    origin = blocks.sum(1, keepdims=True) / _BLOCK
    blocks -= origin
    left = np.ones((*blocks.shape, 3))
    left[:, :, 0] = 2 * blocks
    left[:, :, 2] = -(blocks**2) - reference
    out = np.empty_like(blocks)
    middle = np.zeros((len(blocks), int(width.max())))
    similar = np.argsort(width, kind="stable")  # blocks of similar width are computed together
    sorted_width, position = width[similar], 0
    while position < similar.size:
        limit = 1.2 * sorted_width[position] + _ALIKE
        stop = min(int(np.searchsorted(sorted_width, limit, side="right")),
                   position + max(1, int(_ENTRIES // (_BLOCK * limit))))
        group, length = similar[position:stop], sorted_width[stop - 1]
        position = stop
        offsets = np.arange(length)
        index = np.minimum(low[group][:, None] + offsets, n - 1)
        near = z[index] - origin[group]
        weight = np.where(offsets < width[group][:, None], log_weights[index], -1e9)
        right = np.ones((len(group), 3, length))
        right[:, 0] = near
        right[:, 1] = weight - near**2
        exponent = left[group] @ right
        np.maximum(exponent, -100.0, out=exponent)
        np.exp(exponent, out=exponent)
        out[group] = np.log(exponent.sum(2))
        middle[group, :length] = exponent[:, _BLOCK // 2]
    result = (out + reference).reshape(-1)[:y.size] - 0.5 * math.log(2 * math.pi * v)
    # At one target of each block we see how good the rule is. A common factor i^j is of no weight.
    index = np.minimum(low[:, None] + np.arange(middle.shape[1]), n - 1)
    middle /= middle.sum(1, keepdims=True)
    if source is None:
        turns = np.resize(_TURNS, (middle.shape[1], 3))
        half, *quarter = turns.T @ middle.T
    else:
        half, *quarter = np.einsum("bj,bjk->kb", middle, _TURNS[source[index] % 4])
    rule = trapezoid_error(np.abs(half), np.hypot(*quarter), order)
    inherited = np.einsum("bj,bj->b", middle, error[index])
    return result, np.minimum(anchors[:-1] + _BLOCK // 2, y.size - 1), rule, inherited


def _rule(function: Any, low: float, high: float, before: float, after: float,
          resolution: float, tolerance: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nodes, weights and m(nodes) of the trapezoid rule for ∫ q(y) N(· ; m(y), after²) dy."""
    y, weights, m, unseen = _nodes(function, low, high, before, after, resolution)
    # A ripple that fills the line is seen at many nodes, a single bend at a few.
    worst, bend = unseen.max(), _BEND * math.sqrt(tolerance / _TOLERANCE)
    if (worst > bend or (worst > _RIPPLE and np.mean(unseen > _RIPPLE) > 0.05)) and y.size < _MOST:
        return _rule(function, low, high, before, after, resolution / 2, tolerance)
    return y, weights, m


def _simpson_defect(values: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    """|Change of the values over two nodes − Simpson's integral of their slopes, per node|.

    A map that turns between the nodes may not show in sums over them, where they fall into step
    with it; but its values and its slopes contradict each other.
    """
    return np.abs(values[2:] - values[:-2] - (slopes[:-2] + 4 * slopes[1:-1] + slopes[2:]) / 3)


def _nodes(function: Any, low: float, high: float, before: float, after: float,
           resolution: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """``_rule`` without its check, and how far values and slopes of the map disagree."""
    # Wide steps need few nodes; a few more cost nothing there.
    spacing = min(resolution * before, (high - low) / 200)
    y = low + spacing * np.arange(math.ceil((high - low) / spacing) + 1)
    m, slope = function(y)
    steepest = float(np.abs(slope).max())
    # Equal steps do where the map is nowhere steep.
    if steepest * before <= 1.33 * after:
        return y, np.full(y.size, spacing), m, _simpson_defect(m, spacing * slope) / after
    if slope.min() <= 0:
        spacing = resolution / math.hypot(1 / before, steepest / after)
        y = low + spacing * np.arange(math.ceil((high - low) / spacing) + 1)
        m, slope = function(y)
        return y, np.full(y.size, spacing), m, _simpson_defect(m, spacing * slope) / after

    def xi(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        m, slope = function(y)
        return y / before + m / after, 1 / before + slope / after

    values, slopes = y / before + m / after, 1 / before + slope / after
    spacing = 0.7 * resolution  # a bent map needs more nodes than a straight one
    targets = values[0] + spacing * np.arange(1, math.floor((values[-1] - values[0]) / spacing))
    y, value, slope = _invert(xi, targets, y, values, slopes)
    weights = spacing / slope
    unseen = _simpson_defect(y, weights) / (y[2:] - y[:-2])
    return y, weights, after * (value - y / before), unseen


@overload
def sampler_law(score: Score, process: OrnsteinUhlenbeck, times: Any, start: Start, *,
                cover: tuple[float, float], scheme: Scheme = ..., resolution: float = ...,
                refine: int = ..., tolerance: float = ..., score_at_end: bool = ...,
                path: Literal[False] = ...) -> Law: ...


@overload
def sampler_law(score: Score, process: OrnsteinUhlenbeck, times: Any, start: Start, *,
                cover: tuple[float, float], scheme: Scheme = ..., resolution: float = ...,
                refine: int = ..., tolerance: float = ..., score_at_end: bool = ...,
                path: Literal[True]) -> list[Law]: ...


def sampler_law(score: Score, process: OrnsteinUhlenbeck, times: Any, start: Start, *,
                cover: tuple[float, float], scheme: Scheme = euler_maruyama,
                resolution: float = 0.6, refine: int = 8, tolerance: float = _TOLERANCE,
                score_at_end: bool = False, path: bool = False) -> Law | list[Law]:
    """The law of the sampler's output on the line; with ``path=True`` the laws of Y_0 … Y_K.

    Every log density is meant to be right relative to itself on ``cover`` = (low, high);
    ``Law.error`` says how right it is. Noisy schemes: nodes of each step at ``resolution`` widths
    of its integrand, and closer, halving by halving, where values and slopes of the step's map
    contradict each other or the mean error of a step is above ``tolerance``; the output is
    tabulated ``refine`` times finer than its last noise. Smaller ``resolution`` and larger
    ``refine`` make the error smaller; see ``Law.mass_defect`` too. Deterministic schemes: exact
    inversion at nodes √(variance at the last time)/(2 refine) apart.

    Raises ``ValueError`` for wrong times, cover, resolution, tolerance or start variance, for a
    scheme that needs the score at the last time (unless ``score_at_end``), for a scheme with and
    without noise in turn, and for a deterministic map that is not monotone.
    """
    low, high = map(float, as_numpy("cover", cover, 2))
    if not low < high:
        raise ValueError(f"cover must be (low, high), increasing; got {cover}")
    if not 0 < resolution <= 1.5:
        raise ValueError(f"resolution must be in (0, 1.5]; got {resolution}")
    if not 0 < start.variance < math.inf:
        raise ValueError(f"start must have a positive, finite variance; got {start.variance}")
    if not 0 < tolerance < 1:
        raise ValueError(f"tolerance must be in (0, 1); got {tolerance}")
    if refine < 1:
        raise ValueError(f"refine must be at least 1; got {refine}")
    steps = steps_of(scheme, process, times, score_at_end=score_at_end)
    noisy = [step.v > 0 for _, _, step in steps]
    if any(noisy) and not all(noisy):
        raise ValueError("scheme must have noise in every step or in none")
    slope_score = score_and_slope(score)
    if not noisy[0]:
        if path:
            raise ValueError("path=True needs a scheme with noise")
        return _deterministic(steps, slope_score, process, start, (low, high), refine)
    return _stochastic(steps, slope_score, process, start, (low, high), resolution, refine,
                       tolerance, path)


def _stochastic(steps: Any, slope_score: Any, process: OrnsteinUhlenbeck, start: Start,
                cover: tuple[float, float], resolution: float, refine: int, tolerance: float,
                path: bool) -> Any:
    before = math.sqrt(start.variance)
    low = min(start.mean - PAD * before, cover[0])
    high = max(start.mean + PAD * before, cover[1])

    def density(y: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return start.log(y), np.zeros_like(y)

    laws = []
    for a, b, step in steps:
        after = math.sqrt(step.v)
        function = step_map(step, slope_score, a, b)
        y, weights, centres = _rule(function, low, high, before, after, resolution, tolerance)
        log_q, error = density(y, weights)
        if path:
            laws.append(Law(y, weights, log_q, error))
        log_weights = log_q + np.log(weights)
        live = centres[log_weights > log_weights.max() - 50.0]
        density = _Output(function, density, (low, high, before, after), resolution, tolerance,
                          weights, (centres, log_weights, error))
        # Tails of the output come from sources nearly as far out, hence the margin of the cover.
        margin = 6.0 * math.sqrt(process.variance(b))
        low = min(live.min() - PAD * after, cover[0] - margin)
        high = max(live.max() + PAD * after, cover[1] + margin)
        before = after
    nodes, spacing = np.linspace(low, high, 2 + math.ceil(refine * (high - low) / before),
                                 retstep=True)
    weights = np.full(nodes.size, spacing)
    law = Law(nodes, weights, *density(nodes, weights))
    return [*laws, law] if path else law


class _Output:
    """The density after a noisy step: (nodes, weights) -> its logarithm, and the error of that.

    Where the step's rule turns out to be too coarse for these nodes its spacing is halved.
    """

    def __init__(self, function: Any, before: Any, window: tuple[float, float, float, float],
                 resolution: float, tolerance: float, weights: np.ndarray,
                 sources: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
        self.function, self.before, self.window = function, before, window
        self.tolerance, self.resolution = tolerance, resolution
        self.weights, self.sources = weights, sources

    def __call__(self, y: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        variance = self.window[3]**2
        while True:
            # Equal steps leave a nearly Gaussian integrand; bent maps have poles beside the line.
            order = 2.0 if np.ptp(self.weights) > 0 else 4.0
            log_q, some, rule, inherited = _log_convolve(y, *self.sources, variance, order)
            mass = weights[some] * np.exp(log_q[some])
            if mass @ rule <= self.tolerance * mass.sum() or self.weights.size >= _MOST:
                error = np.log(rule + inherited + _ROUNDING)
                return log_q, np.exp(np.interp(y, y[some], error))
            self.resolution /= 2
            nodes, self.weights, centres = _rule(self.function, *self.window, self.resolution,
                                                self.tolerance)
            log_before, error = self.before(nodes, self.weights)
            self.sources = centres, log_before + np.log(self.weights), error


def _deterministic(steps: Any, slope_score: Any, process: OrnsteinUhlenbeck, start: Start,
                   cover: tuple[float, float], refine: int) -> Law:
    # Forward: where the mass goes.
    half = PAD * math.sqrt(start.variance)
    ends = np.array([start.mean - half, start.mean + half])
    for a, b, step in steps:
        ends = step_map(step, slope_score, a, b)(ends)[0]
    low, high = min(ends.min(), cover[0]), max(ends.max(), cover[1])
    scale = math.sqrt(process.variance(steps[-1][1])) / (2 * refine)
    nodes, spacing = np.linspace(low, high, 2 + math.ceil((high - low) / scale), retstep=True)
    # Backward: y_K -> y_0, with the sum of log slopes.
    y, log_slopes = nodes, np.zeros(nodes.size)
    for a, b, step in reversed(steps):
        function = step_map(step, slope_score, a, b)
        left, right = y[0], y[-1]
        for _ in range(60):
            value, slope = function(np.array([left, right]))
            left -= max(0.0, 1.5 * (value[0] - y[0]) / abs(slope[0]) + 1e-9)
            right += max(0.0, 1.5 * (y[-1] - value[1]) / abs(slope[1]) + 1e-9)
            value, _ = function(np.array([left, right]))
            if value[0] <= y[0] and value[1] >= y[-1]:
                break
        table = np.linspace(left, right, min(3000, 2 * y.size))
        values, slopes = function(table)
        if not (slopes > 0).all():
            raise ValueError("scheme is not monotone on this grid, so its law cannot be inverted: "
                             "use a smaller kappa")
        y, _, slope = _invert(function, y, table, values, slopes)
        log_slopes += np.log(slope)
    return Law(nodes, np.full(nodes.size, spacing), start.log(y) - log_slopes,
               np.full(nodes.size, _ROUNDING * len(steps)))
