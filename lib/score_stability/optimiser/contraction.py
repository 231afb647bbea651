"""How far two SGD runs on adjacent data drift apart: recursions, couplings, comparison chain.

Two runs share their start and their random draws; delta_k = |theta_k − theta^i_k|. A step *hits*
when the replaced point is in the minibatch, with probability ``p``. Between hits the distance
grows at most by 1 − eta lambda + eta upsilon (smoothness) and never by more than 2 eta C (clip):

    no hit:  delta' <= h(delta) = min((rho + eta upsilon) delta, rho delta + 2 eta C)
    hit:     delta' <= rho delta + 2 eta C,                       rho = 1 − eta lambda.

With Gaussian noise N(0, s²) added after every step and coupled by reflection, the distance from r
becomes a Brownian motion from r absorbed at 0, run to variance 4 s². That is a Markov chain on
[0, R0], R0 = 2C/lambda, which dominates delta in the mean (Proposition 14, ours).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch

from ..arrays import as_numpy, as_tensor
from ..scores.networks import parameters
from ..theory.quadrature import gauss_legendre


def _check(*, at_most: float = math.inf, above: float = -math.inf, **values: float) -> None:
    for name, value in values.items():
        if not (math.isfinite(value) and above <= value <= at_most):
            raise ValueError(f"{name} must lie in [{above:g}, {at_most:g}]; got {value}")


def _check_step(eta: float, weight_decay: float, upsilon: float, clip: float) -> None:
    _check(eta=eta, weight_decay=weight_decay, upsilon=upsilon, above=0.0)
    if not (math.isfinite(clip) and clip > 0):
        raise ValueError(f"clip must be positive and finite; got {clip}")
    if eta * weight_decay > 1:
        raise ValueError(f"eta * weight_decay must be at most 1; got {eta * weight_decay}")


def _hit(r: Any, eta: float, weight_decay: float, clip: float) -> Any:
    """rho r + 2 eta C: the most that a step with a hit leaves of a distance r."""
    return (1 - eta * weight_decay) * r + 2 * eta * clip


def _smooth(r: Any, eta: float, weight_decay: float, upsilon: float) -> Any:
    """(rho + eta upsilon) r: the same for a step without a hit, the clip ignored."""
    return (1 - eta * weight_decay + eta * upsilon) * r


def first_moment(steps: int, step_size: Callable[[int], float] | float, *, weight_decay: float,
                 upsilon: float, clip: float, p: float, cap: bool = True,
                 start: int = 1) -> np.ndarray:
    """Bounds on E delta after steps start, …, start + steps − 1, from delta = 0 (Proposition 11).

    x' = q h(x) + p (rho x + 2 eta C), q = 1 − p; with ``cap=False`` the plain recursion
    x' = (1 − eta lambda + q eta upsilon) x + 2 p eta C, which ignores that a step is clipped.
    """
    _check(p=p, above=0.0, at_most=1.0)
    x, out = 0.0, np.empty(steps)
    for k in range(steps):
        eta = step_size(start + k) if callable(step_size) else step_size
        _check_step(eta, weight_decay, upsilon, clip)
        hit = _hit(x, eta, weight_decay, clip)
        smooth = _smooth(x, eta, weight_decay, upsilon)
        x = (1 - p) * (min(smooth, hit) if cap else smooth) + p * hit
        out[k] = x
    return out


def second_moment(steps: int, step_size: Callable[[int], float] | float, *, weight_decay: float,
                  smoothness: float, clip: float, p: float) -> np.ndarray:
    """Bounds on E delta², with ``smoothness`` = √E M², M the Lipschitz constant of a row gradient.

    y' = q (rho + eta m)² y + p (rho √y + 2 eta C)², with E delta <= √y; capped at R0².
    """
    _check(p=p, above=0.0, at_most=1.0)
    y, out, reach = 0.0, np.empty(steps), 0.0
    for k in range(steps):
        eta = step_size(1 + k) if callable(step_size) else step_size
        _check_step(eta, weight_decay, smoothness, clip)
        reach = _hit(reach, eta, weight_decay, clip)  # no run can be further apart
        root = math.sqrt(y)
        y = min((1 - p) * _smooth(root, eta, weight_decay, smoothness) ** 2
                + p * _hit(root, eta, weight_decay, clip) ** 2, reach**2)
        out[k] = y
    return out


class BurnIn(NamedTuple):
    """Best number of hit-free steps ``m`` and the bound on eps_stab² it gives."""

    m: int
    bound: float


def best_burn_in(steps: int, *, p: float, diameter: float, lipschitz: float, clip: float,
                 step_scale: float, growth: float) -> BurnIn:
    """min over integers 0 <= m <= K of (1 − q^m) D² + q^m D L E[delta | no hit in 1..m].

    Steps eta_k = step_scale/k, ``growth`` = q upsilon − lambda > 0; the conditional mean is the
    exact solution of the recursion, (c/b)(Π_{m<k<=K} (1 + b/k) − 1) with b = step_scale·growth and
    c = 2 p C step_scale. Never above D².
    """
    from scipy.special import xlog1py

    _check(p=p, above=0.0, at_most=1.0)
    _check(steps=steps, diameter=diameter, lipschitz=lipschitz, clip=clip, above=0.0)
    b, c = step_scale * growth, 2 * p * clip * step_scale
    if not (growth > 0 and step_scale > 0 and sys.float_info.min <= b < math.inf):
        raise ValueError("growth = q upsilon - lambda must be positive, as step_scale and their "
                         f"product; got {growth} and {step_scale}")
    # Logarithms of the products from the last factor back: Gamma functions would cancel.
    logs = np.cumsum(np.log1p(b / np.arange(steps, 0, -1)))
    with np.errstate(over="ignore"):  # D² is smaller
        drift = c * (np.expm1(np.append(logs[::-1], 0.0)) / b)
    log_free = xlog1py(np.arange(steps + 1), -p)
    values = np.minimum(-np.expm1(log_free) * diameter**2
                        + np.exp(log_free) * diameter * (lipschitz * drift), diameter**2)
    best = int(values.argmin())
    return BurnIn(best, float(values[best]))


class Coupled(NamedTuple):
    """Two coupled Gaussian draws ``(M, P)`` and which pairs ``(M,)`` met."""

    first: torch.Tensor
    second: torch.Tensor
    met: torch.Tensor


def reflection_maximal(a: Any, b: Any, s: Any, generator: np.random.Generator) -> Coupled:
    """Couple X ~ N(a, s² I) and Y ~ N(b, s² I) so that they meet as often as possible.

    With e = (a − b)/r, r = |a − b|, X = a + s Z and u = e·Z: Y = X when
    log U <= −(r/s)(u + r/(2s)), else Y = b + s (Z − 2 u e), the mirror image. P(meet) =
    2 Phi(−r/(2s)) and E|X − Y| = r. Rows with a = b give Y = X. ``s`` is positive, one number or
    ``(M,)``; the draws are in the dtype of ``a``. Source: Lindvall & Rogers 1986; Bou-Rabee,
    Eberle & Zimmer 2020.
    """
    # A run that has diverged is NaN.
    a = parameters(a, "M", "P", finite=False, name="a")
    b = parameters(b, *a.shape, finite=False, name="b").to(a)
    scale = as_tensor("s", s).to(a)
    if scale.ndim:
        scale = as_tensor("s", scale, len(a)).to(a)[:, None]
    if not bool((scale > 0).all()):
        raise ValueError("s must be positive")
    z = torch.from_numpy(generator.standard_normal(tuple(a.shape))).to(a)
    log_u = torch.from_numpy(np.log(generator.random((len(a), 1)))).to(a)
    difference = a - b
    r = difference.norm(dim=1, keepdim=True)
    e = torch.where(r > 0, difference / torch.where(r > 0, r, 1.0), 0.0)
    u = (e * z).sum(dim=1, keepdim=True)
    met = log_u <= -(r / scale) * (u + r / (2 * scale))
    first = a + scale * z
    second = torch.where(met, first, b + scale * (z - 2 * u * e))
    return Coupled(first, second, met[:, 0])


class Bracket(NamedTuple):
    """``lower`` <= exact value <= ``upper``."""

    lower: float
    upper: float


# Of a sum of that size: what its defect, a difference of such sums, may have lost.
_ROUNDING = 1e-14


def _sums_until_0(kernel: np.ndarray, *rewards: np.ndarray) -> tuple[np.ndarray, ...]:
    """Expected sums of each reward ``(n + 1,)`` from every state until the chain is in state 0.

    (I − Q)^{-1} r for the chain ``kernel (n + 1, n + 1)`` without state 0, whose sums are 0. I − Q
    is nearly singular where 0 is hard to reach, so states are eliminated from the last to the
    first without a subtraction: the probability to leave a state is the sum of its exits, not one
    minus that to stay. Every digit of the kernel counts then, whatever the condition number.
    Source: Grassmann, Taksar & Heyman 1985.
    """
    from scipy.linalg import solve_triangular

    count, size = len(rewards), len(kernel) - 1
    # Columns: the rewards, then state 0, then the others: all are updated alike.
    table = np.column_stack([*(r[1:] for r in rewards), kernel[1:]])
    for high in range(size, 0, -32):  # in blocks of states, for the sake of matrix products
        low = max(0, high - 32)
        for k in range(high - 1, low - 1, -1):
            row = table[k, :count + 1 + k]
            exits = row[count:].sum()
            if not exits > 0:
                raise ValueError("noise_std must be larger: runs never meet")
            row /= exits
            table[low:k, :count + 1 + k] += np.multiply.outer(table[low:k, count + 1 + k], row)
        if low:
            block = slice(count + 1 + low, count + 1 + high)
            within = np.eye(high - low) - np.tril(table[low:high, block], -1)
            ways = solve_triangular(within, table[:low, block].T, trans="T", lower=True,
                                    unit_diagonal=True).T
            table[:low, :block.start] += ways @ table[low:high, :block.start]
    sums = np.zeros((size + 1, count))
    for k in range(size):
        sums[k + 1] = table[k, :count] + table[k, count:count + 1 + k] @ sums[:k + 1]
    return tuple(sums.T)


@dataclass(frozen=True)
class ComparisonChain:
    """The chain R' = min(R0, KBM(h(R))) on [0, R0] and its solution on ``nodes`` cells.

    KBM(x) is Brownian motion from x absorbed at 0, run to variance 4 s². Piecewise linear
    interpolation of a concave function lies below it, so every ``lower`` here is a rigorous lower
    bound; every ``upper`` comes from a supersolution, verified between the nodes by concavity.
    Needs weight_decay > 0, noise_std > 0; ``ValueError`` where noise is so small that runs never
    meet in float64. Source: Proposition 14, ours.
    """

    eta: float
    weight_decay: float
    upsilon: float
    clip: float
    noise_std: float
    nodes: int = 400

    def __post_init__(self) -> None:
        _check_step(self.eta, self.weight_decay, self.upsilon, self.clip)
        for name in ("eta", "weight_decay", "noise_std"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive; got {getattr(self, name)}")
        if self.nodes < 4:
            raise ValueError(f"nodes must be at least 4; got {self.nodes}")

    @property
    def diameter(self) -> float:
        """R0 = 2C/lambda: no two runs from one start are ever further apart."""
        return 2 * self.clip / self.weight_decay

    @cached_property
    def grid(self) -> np.ndarray:
        """Nodes z_0 = 0, …, z_n = R0."""
        return np.linspace(0.0, self.diameter, self.nodes + 1)

    def free(self, r: Any) -> np.ndarray:
        """h(r), the distance after a step without a hit and before the noise."""
        r = as_numpy("r", r)
        return np.minimum(_smooth(r, self.eta, self.weight_decay, self.upsilon), self.hit(r))

    def hit(self, r: Any) -> np.ndarray:
        """rho r + 2 eta C, the distance after a hit and before the noise."""
        return _hit(as_numpy("r", r), self.eta, self.weight_decay, self.clip)

    def kernel(self, x: Any) -> np.ndarray:
        """Row i: weights ``(len(x), n + 1)`` of E f(min(R0, KBM(x_i))) for f linear between nodes.

        Gauss quadrature of the density on every cell where the noise is wider than a cell, else
        second differences in z of E (KBM(x) − z)^+ = c(x − z) − c(−x − z), c(u) = E (N(u, 4 s²))^+.
        A weight far from x keeps its digits: a chain that climbs a barrier multiplies such weights.
        """
        from scipy.special import erf, erfc, erfcx

        scale = 2 * self.noise_std
        x = as_numpy("x", np.atleast_1d(as_numpy("x", x)), "M") / scale
        z, cell = self.grid / scale, self.grid[1] / scale
        weights = np.zeros((len(x), len(z)))
        if cell < 0.7:
            for share, w in zip(*gauss_legendre(0.0, 1.0, 6), strict=True):
                y = z[:-1] + cell * share
                mass = w * cell * np.exp(-((x[:, None] - y) ** 2) / 2) * -np.expm1(
                    -2 * x[:, None] * y)
                weights[:, :-1] += (1 - share) * mass
                weights[:, 1:] += share * mass
            weights /= math.sqrt(2 * math.pi)
            start, far = x / math.sqrt(2), z[-1] / math.sqrt(2)
            weights[:, 0] += erfc(start)
            weights[:, -1] += np.where(far - start > 0.5, erfc(far - start) - erfc(far + start),
                                       erf(far + start) - erf(far - start)) / 2
            return weights

        def tail(u: np.ndarray) -> np.ndarray:
            """c(−u) for u >= 0, so that c(u) = u^+ + tail(|u|)."""
            mills = math.sqrt(math.pi / 2) * erfcx(u / math.sqrt(2))
            with np.errstate(over="ignore"):  # hardly any noise
                return np.exp(-(u**2) / 2) * (1 - u * mills) / math.sqrt(2 * math.pi)

        distance = np.abs(x[:, None] - z)
        curve = tail(distance) - tail(x[:, None] + z)
        weights += np.clip(1 - distance / cell, 0.0, None)  # without noise
        weights[:, 1:-1] += np.diff(curve, 2, axis=1) / cell
        weights[:, 0] += curve[:, 1] / cell  # the curve is 0 at 0, and absorption keeps it so
        weights[:, -1] += (curve[:, -2] - curve[:, -1]) / cell  # the cap at R0
        return np.maximum(weights, 0.0)

    @cached_property
    def _free_matrix(self) -> np.ndarray:
        return self.kernel(self.free(self.grid))

    @cached_property
    def _free_sums(self) -> tuple[np.ndarray, ...]:
        """Expected sum of the distances, and number of steps, from each node until 0, no hits."""
        return _sums_until_0(self._free_matrix, self.grid, np.ones(self.nodes + 1))

    @cached_property
    def _first_hit(self) -> np.ndarray:
        return self.kernel(self.hit(0.0))[0]

    def green(self) -> Bracket:
        """G: expected sum of the distances from one hit until the runs meet, no further hits.

        E delta_k <= p G for every k (Proposition 14 with constants, first form).
        """
        total, time = self._free_sums
        lower = float(self._first_hit @ total)
        # U + kappa T is a supersolution (Q V + r <= V) where Q U + r − U <= kappa (T − Q T). Both
        # sides vanish at 0, the left is concave and the right convex: slopes decide near 0.
        left = self._defect(total, self._free_map)
        right = -self._defect(time, self._free_map, source=0.0)
        left[0], right[0] = self._slope(total) + 1, -self._slope(time)
        left, right = left + _ROUNDING * total[-1], right - _ROUNDING * time[-1]
        if not (right > 0).all():
            return Bracket(lower, math.inf)
        inflation = max(float((left / right).max()), 0.0)
        return Bracket(lower, lower + inflation * float(self._first_hit @ time))

    def _slope(self, values: np.ndarray) -> float:
        """Derivative at 0 of Q f − f, f linear between the nodes with f(0) = 0."""
        from scipy.special import ndtr

        tail = 2 * ndtr(-self.grid / (2 * self.noise_std))  # d/dx E (KBM(x) − z)^+ at x = 0
        slopes = np.diff(values) / self.grid[1]
        growth = _smooth(1.0, self.eta, self.weight_decay, self.upsilon)
        return float(growth * np.sum(-np.diff(tail) * slopes) - slopes[0])

    def _free_map(self, r: np.ndarray) -> np.ndarray:
        return self.kernel(self.free(r))

    def green_partial(self, steps: int) -> np.ndarray:
        """G_1, …, G_steps (lower values): E delta_{K+1} <= p G_K from a common start."""
        values, out, total = self.grid.copy(), np.empty(steps), 0.0
        for k in range(steps):
            total += float(self._first_hit @ values)
            out[k] = total
            values = self._free_matrix @ values
        return out

    def meeting_time(self, r: float) -> float:
        """Mean number of steps until two runs at distance r <= R0 meet, no hits (lower value)."""
        _check(r=r, above=0.0, at_most=self.diameter)
        return float(np.interp(r, self.grid, self._free_sums[1]))

    def spectral_rate(self) -> float:
        """1 − largest eigenvalue of the chain without hits: its rate of contraction per step."""
        from scipy.sparse.linalg import eigs

        # The largest eigenvalue of (I − Q)^{-1} is the inverse of the rate, which may be tiny.
        sums = _sums_until_0(self._free_matrix, *np.eye(self.nodes + 1)[1:])
        value = eigs(np.column_stack(sums)[1:], k=1, which="LM", return_eigenvectors=False,
                     v0=np.ones(self.nodes))[0]
        return float(1 / value.real)

    def _with_hits(self, p: float) -> Callable[[np.ndarray], np.ndarray]:
        _check(p=p, above=0.0, at_most=1.0)
        return lambda r: ((1 - p) * self.kernel(self.free(r)) + p * self.kernel(self.hit(r)))

    def adjacent(self, p: float, steps: int) -> np.ndarray:
        """Means after 1, …, steps steps of the chain *with* hits, from 0 (lower values).

        The chain is itself the bound: E delta_{K+1} <= (T_p^K id)(0) <= min(R0, p G_K).
        """
        matrix = self._with_hits(p)(self.grid)
        law = np.zeros(self.nodes + 1)
        law[0] = 1.0
        out = np.empty(steps)
        for k in range(steps):
            law = law @ matrix
            out[k] = law @ self.grid
        return out

    def stationary(self, p: float) -> Bracket:
        """Limit of ``adjacent``: E delta_k <= upper for every k, whatever the number of steps."""
        matrix = self._with_hits(p)(self.grid)
        # A cycle from 0 to 0: the mean is that of its sum over that of its length. The potential
        # f = U − m T solves Poisson's equation (I − T_p) f = z − m with f(0) = 0.
        total, time = _sums_until_0(matrix, self.grid, np.ones(self.nodes + 1))
        level = float(matrix[0] @ total / (1 + matrix[0] @ time))
        # Where (T_p f)(r) + r − f(r) <= m for all r, m bounds the stationary mean.
        worst = float(self._defect(total - level * time, self._with_hits(p)).max())
        worst += _ROUNDING * total[-1]
        return Bracket(level, min(self.diameter, max(worst, level)))

    def doeblin(self) -> tuple[float, int, float]:
        """G <= n R0/alpha_n with alpha_n = Phi(−R0/(2 s_n)): (bound, best n, alpha_n).

        s_n² = s² (1 − rho^(2n))/(1 − rho²): after n steps any two runs have met with probability
        at least alpha_n.
        """
        from scipy.special import log_ndtr

        n = np.arange(1, 20001)
        decay = self.eta * self.weight_decay
        with np.errstate(divide="ignore"):  # rho = 0
            log_rho = np.log1p(-decay)
        # A geometric sum, which is n at rho = 1.
        spread = np.expm1(2 * n * log_rho) / np.expm1(2 * log_rho) if decay else n
        log_alpha = log_ndtr(-self.diameter / (2 * self.noise_std * np.sqrt(spread)))
        logs = np.log(n * self.diameter) - log_alpha
        best = int(logs.argmin())
        with np.errstate(over="ignore"):
            return float(np.exp(logs[best])), int(n[best]), float(np.exp(log_alpha[best]))

    @property
    def _diffusivity(self) -> float:
        """Sg = s²/eta: the comparison diffusion dr = b(r) dt + 2√Sg dB, time in units of eta."""
        return self.noise_std**2 / self.eta

    def _drift(self, r: np.ndarray) -> np.ndarray:
        return np.minimum((self.upsilon - self.weight_decay) * r,
                          2 * self.clip - self.weight_decay * r)

    def _barrier(self, r: np.ndarray) -> np.ndarray:
        """∫_0^r b, in closed form: a parabola up to the kink at 2C/upsilon, another after it."""
        kink = min(2 * self.clip / self.upsilon, self.diameter) if self.upsilon else self.diameter
        low = np.minimum(r, kink)
        value = (self.upsilon - self.weight_decay) * low**2 / 2
        high = np.maximum(r, kink)
        return value + 2 * self.clip * (high - kink) - self.weight_decay * (high**2 - kink**2) / 2

    def green_continuous(self) -> float:
        """2C/c_*: the limit of G as eta → 0 at fixed s²/eta. Not a bound at finite eta.

        1/c_* = ∫_0^R0 z exp(β(z)) dz/(2 Sg), β(z) = ∫_0^z b/(2 Sg). Needs upsilon > lambda for a
        barrier to exist.
        """
        z, w = gauss_legendre(0.0, self.diameter, 2000)
        scale = 2 * self._diffusivity
        with np.errstate(over="ignore"):
            return float(2 * self.clip * np.sum(w * z * np.exp(self._barrier(z) / scale)) / scale)

    def eberle(self) -> float:
        """p·bound in continuous time, by the concave distance of Eberle 2016 on [0, R0].

        phi = exp(−∫b⁺/(2 Sg)), Ph = ∫phi, c_E = Sg/∫ Ph/phi, f = ∫ phi g with
        g = 1 − (c_E/(2 Sg)) ∫ Ph/phi; the bound is 2 eta C R0/(f(R0) eta c_E). It certifies the
        diffusion, not the discrete chain.
        """
        from scipy.integrate import cumulative_trapezoid as running

        r = np.linspace(0.0, self.diameter, 20001)
        scale = 2 * self._diffusivity
        drift = np.maximum(self._drift(r), 0.0)
        phi = np.exp(-running(drift, r, initial=0.0) / scale)
        ratio = running(running(phi, r, initial=0.0) / phi, r, initial=0.0)
        rate = self._diffusivity / ratio[-1]
        f = running(phi * (1 - rate * ratio / scale), r, initial=0.0)
        return float(2 * self.clip * self.diameter / (f[-1] * rate))

    def _defect(self, values: np.ndarray, matrix: Callable[[np.ndarray], np.ndarray],
                source: float = 1.0, inside: int = 6) -> np.ndarray:
        """Upper bounds of (T f)(r) + source·r − f(r) on intervals finer than cells.

        f interpolates ``values``. Within a cell f is linear and the rest concave, so between two
        neighbouring points the defect lies below the chords next to it, extended.
        """
        step = self.grid[1] / inside
        fine = np.linspace(0.0, self.diameter, self.nodes * inside + 1)
        gap = matrix(fine) @ values + source * fine - np.interp(fine, self.grid, values)
        left = gap[:-1].reshape(self.nodes, inside)
        right = gap[1:].reshape(self.nodes, inside)
        slope = (right - left) / step
        bound = np.maximum(left, right)
        # The end intervals of a cell have a neighbour on one side only.
        bound[:, 0] = np.maximum(bound[:, 0], right[:, 0] - slope[:, 1] * step)
        bound[:, -1] = np.maximum(bound[:, -1], left[:, -1] + slope[:, -2] * step)
        # Highest point of min(left + a x, right + b (x − step)) on [0, step].
        a, b = slope[:, :-2], slope[:, 2:]
        rise = right[:, 1:-1] - left[:, 1:-1] - b * step
        where = np.clip(np.divide(rise, a - b, out=np.zeros_like(rise), where=a > b), 0, step)
        bound[:, 1:-1] = np.maximum(bound[:, 1:-1], left[:, 1:-1] + a * where)
        return bound.ravel()
