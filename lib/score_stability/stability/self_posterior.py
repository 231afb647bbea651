"""Bounds on the posterior weight of a point given its own noised copy.

For a set of N points containing x̃, let X = mu x̃ + sigma xi and let w̃ be the posterior weight of x̃
at X. With u_j = mu (x_j − x̃)/sigma, for every a > 0 and every configuration (proved in the notebook
on Harnack's inequality),

    E_xi w̃^a <= A_a^{−a},  A_a = Σ_j exp(−(a + 1)|u_j|²/2)                               (Harnack)
    E_xi w̃^a <= exp(a²|ū|²/2) Z^{−a},  Z = Σ_j exp(−|u_j|²/2), ū = Σ_j e^{−|u_j|²/2} u_j/Z  (Jensen)

The coefficients (a + 1)/2 and a²/2 cannot be lowered. On dense points of a flat d*-dimensional
patch the bounds are (a+1)^{(a+1)d*/2} and (a+1)^{d*/2} times too large.

Both are functions of the points alone. Averaged over data sets they bound the stability of the
empirical score (notebook on Proposition 6) without retraining and without Monte-Carlo noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from ..arrays import as_tensor, count
from ..diffusion.process import OrnsteinUhlenbeck, one_time
from ..theory.quadrature import gauss_legendre, standard_normal


class MomentBounds(NamedTuple):
    """Per point of a set, ``(N,)``: bounds on E w̃^a, and |ū|² (the pull of the other points)."""

    harnack: torch.Tensor
    jensen: torch.Tensor
    pull: torch.Tensor

    @property
    def best(self) -> torch.Tensor:
        """min(Harnack, Jensen, 1)."""
        return torch.minimum(self.harnack, self.jensen).clamp(max=1.0)


def moment_bounds(data: Any, process: OrnsteinUhlenbeck, t: float, a: float) -> MomentBounds:
    """Both bounds on E w̃^a for every point of ``data`` ``(N, d)``, O(N² d) in blocks.

    Tensors on the device of the data. Raises ``ValueError`` or ``TypeError`` unless a > 0 and the
    data are a finite real matrix.

    >>> from score_stability.diffusion import OrnsteinUhlenbeck
    >>> from score_stability.stability import moment_bounds
    >>> bounds = moment_bounds([[0.0], [0.0], [100.0]], OrnsteinUhlenbeck(), 0.5, a=1)
    >>> bounds.best.round(decimals=4).tolist()  # a pair shares its weight; nothing hides the third
    [0.5, 0.5, 1.0]
    """
    if not (math.isfinite(a) and a > 0):
        raise ValueError(f"a must be positive and finite; got {a}")
    points, t = as_tensor("data", data, "N", "d"), one_time(t)
    ratio = process.mean_scale(t) / math.sqrt(process.variance(t))
    parts = []
    for block in points.split(max(1, 2**22 // points.shape[0])):
        squares = (ratio * torch.cdist(
            block, points, compute_mode="donot_use_mm_for_euclid_dist")) ** 2
        harnack = (-0.5 * (a + 1) * squares).exp().sum(1) ** -a
        weights = (-0.5 * squares).exp()
        Z = weights.sum(1)
        pull = ratio**2 * ((weights @ points / Z[:, None] - block) ** 2).sum(1)
        # The exponent is capped: beyond it the bound is vacuous and only its size matters.
        jensen = (0.5 * a**2 * pull - a * Z.log()).clamp(max=700).exp()
        parts.append((harnack, jensen, pull))
    return MomentBounds(*(torch.cat(part) for part in zip(*parts, strict=True)))


def exchange_parts(points: Any, process: OrnsteinUhlenbeck, t: float, *, nodes: int | None = None
                   ) -> tuple[float, float]:
    """(T1, T2) of one planar set ``(n, 2)``, n >= 3, by quadrature over the noise; score units.

    x̃ is the first point. T1 = E w̃²|g̃ − ŝ^{−i}|² with the others as the rest of S^i, N = n; T2 =
    mean_i E w_i²|g_i − ŝ^{−i}|² with the others as S, N = n − 1. For points that are all alike, as
    on a ring, these are the means over which of them is x̃ that ``empirical_score_certificate``
    bounds. ``nodes`` per direction; without it 141, halving their spacing until neither part moves
    by 1e-3, and ten times less than before: the error is then about the square of that. (Between
    two points at distance L the weights turn over within sigma²/L, and the spacing must be as
    fine.) Raises ``ValueError`` unless there are three points or more in the plane, and where 4481
    nodes do not suffice.

    >>> import numpy as np
    >>> from score_stability.diffusion import OrnsteinUhlenbeck
    >>> from score_stability.stability import exchange_parts
    >>> lone = 20 * np.array([[1, 0], [-0.5, 0.75**0.5], [-0.5, -0.75**0.5]])
    >>> T1, T2 = exchange_parts(lone, OrnsteinUhlenbeck(0.0), 0.5)
    >>> round(T1 / 1200, 3), round(T2 / 1200, 3)  # D² = 1200, N = 2: nearly D² and D²/N
    (0.988, 0.488)
    """
    x, t = as_tensor("points", points, "n", 2).numpy(), one_time(t)
    if len(x) < 3:
        raise ValueError(f"points must be three or more; got {len(x)}")
    sigma = math.sqrt(process.variance(t))
    u = process.mean_scale(t) * (x - x[0]) / sigma
    if nodes is not None:
        parts = _planar_parts(u, count("nodes", nodes, 3))
    else:
        nodes, parts, change, moved = 141, _planar_parts(u, 141), 0.0, 2e-3
        # A layer that is not resolved halves its error each time: no convergence.
        while moved > 1e-9 and (moved > 1e-3 or moved > 0.1 * change):
            nodes = 2 * nodes - 1
            if nodes > 4481:
                raise ValueError("points must be nearer to each other, or t larger: at "
                                 f"{t:g} the layers between them are too thin to be resolved")
            coarse, parts, change = parts, _planar_parts(u, nodes), moved
            moved = np.max(np.abs(parts - coarse) / np.maximum(parts, 1e-300)).item()
    return float(parts[0]) / sigma**2, float(parts[1]) / sigma**2


def _planar_parts(u: np.ndarray, nodes: int) -> np.ndarray:
    """sigma² (T1, T2) for displacements ``u`` from x̃, the first, in units of the noise."""
    number, reach = len(u) - 1, 7.0
    length = np.hypot(*u.T)
    # On |xi| <= 10 a point further away has less than e^-40 of the weight of the third nearest.
    nearest = np.sort(length)[min(3, number)]
    u = u[10 * length - length**2 / 2 + 40 >= -10 * nearest - nearest**2 / 2]
    z, w = standard_normal(nodes, reach)
    parts = np.zeros(2)
    blocks = nodes**2 * len(u) // 2**18 + 1
    for row, weight in zip(np.array_split(z, blocks), np.array_split(w, blocks), strict=True):
        noise = np.stack(np.meshgrid(row, z, indexing="ij"), 2).reshape(-1, 2)
        share = np.outer(weight, w).ravel()
        inside = (noise**2).sum(1) <= reach**2
        noise, share = noise[inside], share[inside]
        logit = noise @ u.T - (u**2).sum(1) / 2
        others = logit[:, 1:]
        # Weights of the others, and, where i has most of it, of the others without i.
        top = others.argmax(1)
        at = np.arange(len(noise)), top
        best = others[at]
        part = np.exp(others - best[:, None])
        total = part.sum(1)
        own = np.exp(-np.logaddexp(0.0, best + np.log(total)))
        mean = part @ u[1:] / total[:, None]
        parts[0] += share @ (own**2 * (mean**2).sum(1))
        second = others.copy()
        second[at] = -np.inf
        second -= second.max(1, keepdims=True)
        kept = np.exp(second)
        without = kept @ u[1:] / kept.sum(1, keepdims=True)
        p = part / total[:, None]
        squares = (u[1:] ** 2).sum(1) - 2 * mean @ u[1:].T + (mean**2).sum(1, keepdims=True)
        moved = (p / (1 - np.where(p < 1, p, 0))) ** 2 * squares
        moved[at] = p[at] ** 2 * ((u[1:][top] - without) ** 2).sum(1)
        parts[1] += share @ moved.sum(1) / number
    return parts


class CertificateInputs(NamedTuple):
    """What the stability certificate of the empirical score needs from one data set.

    ``moments[a]`` is the mean over points of the bound on E w̃^a, a = 1, 2, 3, 4; ``pull`` the mean
    of (bound on E w̃²)·|ū|². Average over data sets *before* ``empirical_score_certificate``: its
    right side is concave in them.
    """

    moments: dict[int, float]
    pull: float


def certificate_inputs(data: Any, process: OrnsteinUhlenbeck, t: float) -> CertificateInputs:
    """Moments and pull of one data set: deterministic, no noise is drawn.

    >>> from score_stability.diffusion import OrnsteinUhlenbeck
    >>> from score_stability.stability import certificate_inputs
    >>> inputs = certificate_inputs([[0.0], [0.0]], OrnsteinUhlenbeck(), 0.5)
    >>> {a: round(moment, 4) for a, moment in inputs.moments.items()}  # 1/2^a
    {1: 0.5, 2: 0.25, 3: 0.125, 4: 0.0625}
    """
    bounds = {a: moment_bounds(data, process, t, a) for a in (1, 2, 3, 4)}
    return CertificateInputs(
        {a: float(bound.best.mean()) for a, bound in bounds.items()},
        float((bounds[2].best * bounds[2].pull).mean()),
    )


def average_inputs(inputs: Sequence[CertificateInputs]) -> CertificateInputs:
    """Mean over data sets.

    >>> from score_stability.diffusion import OrnsteinUhlenbeck
    >>> from score_stability.stability import average_inputs, certificate_inputs
    >>> equal, apart = (certificate_inputs([[0.0], [x]], OrnsteinUhlenbeck(), 0.5)
    ...                 for x in (0.0, 100.0))
    >>> round(average_inputs([equal, apart]).moments[1], 4)  # (1/2 + 1)/2
    0.75
    """
    if not inputs:
        raise ValueError("inputs must contain at least one data set")
    return CertificateInputs(
        {a: float(np.mean([i.moments[a] for i in inputs])) for a in (1, 2, 3, 4)},
        float(np.mean([i.pull for i in inputs])),
    )


class Certificate(NamedTuple):
    """Upper bounds on the two parts of eps_stab² at one time, score units.

    eps_stab <= √T1 + √T2; T1 is the fresh point's part, T2 the removed point's. Each is the smaller
    of its two forms, ``simple`` = (T1, T2) and ``local`` = (T1, T2).
    """

    T1: float
    T2: float
    simple: tuple[float, float]
    local: tuple[float, float]

    @property
    def score_stability(self) -> float:
        """√T1 + √T2 >= eps_stab."""
        return math.sqrt(self.T1) + math.sqrt(self.T2)


def empirical_score_certificate(inputs: CertificateInputs, larger: CertificateInputs, number: int,
                                process: OrnsteinUhlenbeck, t: float, *, diameter: float,
                                span: int) -> Certificate:
    """Bound T1 and T2 of the empirical score of ``number`` points: the better of two forms each.

    ``inputs`` belong to sets of N points and bound T1, ``larger`` to sets of N + 1 points and bound
    T2. ``diameter`` D is that of the support of the data, ``span`` the dimension k of its affine
    hull. With v = (mu D/sigma)², a = √(k(k+2) m_4), Y = ((√b + √(b + 2a))/2)², b the pull, and the
    minimum over 0 < eta < ½ (any eta gives a bound; a grid is searched),

        simple: sigma² T1 <= v m_2,    N sigma² T2 <= v min(1, 4 (m_1 + m_2))
        local:  sigma² T1 <= (1−eta)⁻² Y + eta⁻² v m_4
                N sigma² T2 <= (1−2eta)⁻² [2√(kY) + 2 (eta/(1−eta))² √(k(k+2) m_2)]
                               + v m_3 (eta⁻³ + eta⁻² (1−eta)⁻²).

    A bound on expectations over exchangeable points: give it inputs averaged over data sets.
    Proved in the notebook on Proposition 6, Evidence A. Raises ``ValueError`` for fewer than two
    points, a span below 1 and a diameter that is not positive and finite.

    >>> from score_stability.diffusion import OrnsteinUhlenbeck
    >>> from score_stability.stability import CertificateInputs, empirical_score_certificate
    >>> nothing = CertificateInputs({1: 1.0, 2: 1.0, 3: 1.0, 4: 1.0}, 0.0)  # w̃ <= 1
    >>> heat = OrnsteinUhlenbeck(0.0)  # mu = sigma = 1 at t = 1/2
    >>> bound = empirical_score_certificate(nothing, nothing, 5, heat, 0.5, diameter=1.0, span=1)
    >>> round(bound.T1, 4), round(bound.T2, 4)  # 1 and 1/N
    (1.0, 0.2)
    """
    N, k = count("number", number, 2), count("span", span)
    if not (math.isfinite(diameter) and diameter > 0):
        raise ValueError(f"diameter must be positive and finite; got {diameter}")
    variance = float(process.variance(t))
    v = float(process.snr(t)) * diameter**2
    eta = np.linspace(1e-3, 0.499, 2000)

    def self_weighted(m: dict[int, float], b: float) -> float:
        """Y, a bound on E w̃² |V|²."""
        a = math.sqrt(k * (k + 2) * m[4])
        return ((math.sqrt(b) + math.sqrt(b + 2 * a)) / 2) ** 2

    m, b = inputs
    T1 = (1 - eta) ** -2 * self_weighted(m, b) + eta**-2 * v * m[4]
    simple_T1 = v * m[2]
    m, b = larger
    T2 = ((1 - 2 * eta) ** -2 * (2 * math.sqrt(k * self_weighted(m, b))
                                 + 2 * (eta / (1 - eta)) ** 2 * math.sqrt(k * (k + 2) * m[2]))
          + v * m[3] * (eta**-3 + eta**-2 * (1 - eta) ** -2)) / N
    simple_T2 = v * min(1.0, 4 * (m[1] + m[2])) / N
    simple = (simple_T1 / variance, simple_T2 / variance)
    local = (float(T1.min()) / variance, float(T2.min()) / variance)
    return Certificate(min(simple[0], local[0]), min(simple[1], local[1]), simple, local)


def laplace_moment(transform: Callable[[np.ndarray], np.ndarray], number: int, power: float, *,
                   nodes: int = 400) -> float:
    """E over S of (1 + Σ_{j=1}^{N−1} Y_j)^{−power} for i.i.d. Y_j, without Monte Carlo.

    Γ(b)⁻¹ ∫_0^∞ s^{b−1} e^{−s} (E e^{−s Y})^{N−1} ds, ``transform(s)`` = E e^{−s Y}, ``(n,)`` to
    ``(n,)``. With Y = exp(−(a+1)|u|²/2) this is E A_a^{−b} on a homogeneous space.

    >>> import numpy as np
    >>> from score_stability.stability import laplace_moment
    >>> round(laplace_moment(lambda s: np.exp(-s), number=5, power=1.0), 4)  # Y = 1: 1/5
    0.2
    """
    number = count("number", number)
    if not power > 0:
        raise ValueError(f"power must be positive; got {power}")
    # In log s the integrand is smooth and decays at both ends.
    log_s, weights = gauss_legendre(-40.0 / power - 10.0, math.log(700.0), nodes)
    s = np.exp(log_s)
    values = np.exp(power * log_s - s + (number - 1) * np.log(transform(s)))
    return float(weights @ values) / math.gamma(power)


class PoissonMoments(NamedTuple):
    """Means over Poisson points: of w̃^a, ``weight``, and of the bound A_a^{−a}, ``harnack``."""

    weight: float
    harnack: float


def poisson_moments(n_loc: float, a: float, dimension: int, *, nodes: int = 400) -> PoissonMoments:
    """E w̃^a and E A_a^{−a} for Poisson points of flat space, without Monte Carlo.

    ``n_loc`` = density · (2 pi)^{d/2} points within the noise, lengths in units of the noise, x̃
    not counted; ``dimension`` is d, any further directions of the noise cancel. With
    G(s) = (2 pi)^{−d/2} ∫ (1 − e^{−s e^{−|v|²/2}}) dv the means are

        Γ(a)⁻¹ ∫_0^∞ s^{a−1} e^{−s} E_xi exp(−n_loc G(s e^{|xi|²/2})) ds,
        Γ(a)⁻¹ ∫_0^∞ s^{a−1} e^{−s} exp(−n_loc (a + 1)^{−d/2} G(s)) ds.

    Raises ``ValueError`` unless n_loc >= 0, a > 0 and d >= 1.

    >>> from score_stability.stability import poisson_moments
    >>> dense = poisson_moments(n_loc=1000, a=2, dimension=1)
    >>> round(dense.harnack / dense.weight, 2)  # 3√3
    5.2
    """
    from scipy.interpolate import CubicSpline

    dimension = count("dimension", dimension)
    if not (math.isfinite(n_loc) and n_loc >= 0):
        raise ValueError(f"n_loc must be at least 0 and finite; got {n_loc}")
    if not (math.isfinite(a) and a > 0):
        raise ValueError(f"a must be positive and finite; got {a}")
    log_s, weights = gauss_legendre(-40.0 / a - 10.0, math.log(700.0), nodes)
    weights = weights * np.exp(a * log_s - np.exp(log_s)) / math.gamma(a)

    def radial(end: float, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Radii, and weights of (2 pi)^{−d/2} ∫ dv."""
        radius, step = gauss_legendre(0.0, end, number)
        surface = 2.0 / (2.0 ** (dimension / 2) * math.gamma(dimension / 2))
        return radius, surface * step * radius ** (dimension - 1)

    radius, ring = radial(20.0, 2 * nodes)
    at = np.linspace(log_s[0] - 1.0, log_s[-1] + 9.5**2 / 2 + 1.0, 1500)
    log_g = CubicSpline(at, np.log(-np.expm1(-np.exp(at[:, None] - radius**2 / 2)) @ ring))

    def moment(shift: float, share: float) -> float:
        return float(weights @ np.exp(-n_loc * share * np.exp(log_g(log_s + shift))))

    radius, ring = radial(9.5, nodes // 2)
    own = sum(w * math.exp(-r**2 / 2) * moment(r**2 / 2, 1.0)
              for r, w in zip(radius, ring, strict=True))
    return PoissonMoments(float(own), moment(0.0, (a + 1) ** (-dimension / 2)))


def ball_moment_bound(number: int, ball: float, radius_factor: float, a: int) -> float:
    """E w̃^a <= min(1, e^{a(a+1)R²/2} a!/(N pi)^a) for integer a >= 1: no data at all.

    Given x̃; the mean is over the noise and the N − 1 others. Harnack's bound on the n points with
    |u| <= R, then E (N/n)^a <= a! pi^{−a}. ``ball`` is pi, the mass of the ball of radius
    R sigma/mu around x̃, ``radius_factor`` R. With pi = inf_x of that mass, or (E pi^{−a})^{−1/a}
    over x̃, the bound holds on average over x̃, too.

    >>> from score_stability.stability import ball_moment_bound
    >>> round(ball_moment_bound(number=100, ball=0.1, radius_factor=1.0, a=1), 4)  # e/10
    0.2718
    """
    if a < 1 or a != int(a):
        raise ValueError(f"a must be a positive integer; got {a}")
    if not 0 < ball <= 1:
        raise ValueError(f"ball must be in (0, 1]; got {ball}")
    if not radius_factor > 0:
        raise ValueError(f"radius_factor must be positive; got {radius_factor}")
    log_bound = (a * (a + 1) * radius_factor**2 / 2 + math.lgamma(a + 1)
                 - a * math.log(number * ball))
    return math.exp(min(0.0, log_bound))
