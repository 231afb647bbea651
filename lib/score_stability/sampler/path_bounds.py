"""Sums along the sampler's path that bound how far its law is from the target, or from another's.

Girsanov with constant one against the target; the chain rule, Grönwall and the Jacobian between two
samplers. Scores are callables ``score(x, t)``, ``(M, 1) -> (M, 1)``; laws are on the line.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch

from ..diffusion.process import OrnsteinUhlenbeck, Score
from .exact_law import PAD, Law, Start, log_density_at, sampler_law, score_and_slope, step_map
from .sampling import Scheme, Step, euler_maruyama, step_pairs, steps_of

# ------------------------------------------------------------------------------------------------
# Girsanov with constant one: KL(p_eps || law) <= initial + score + discretisation + cross


class GirsanovTerms(NamedTuple):
    """The four terms; every one but ``cross`` is >= 0, and ``cross`` is 0 at alpha = 0."""

    initial: float
    score: float
    discretisation: float
    cross: float

    @property
    def total(self) -> float:
        """The bound on KL(p_eps || law)."""
        return self.initial + self.score + self.discretisation + self.cross


def start_cost(target: Any, horizon: float, start: Start) -> float:
    """KL(p_T || start)."""
    x, weights = target.line_rule(horizon)
    return float(weights @ (log_density_at(target, x, horizon) - start.log(x)))


def score_error(target: Any, score: Score, t: float) -> float:
    """E|s^ − s|²(X_t) with X from the target, a law on the line; score units."""
    return _squared_error(target, score, t)[0]


def score_term(target: Any, score: Score, times: Any) -> float:
    """Σ_k gamma_k E|s^ − s|²(X_{u_k}): l_sm for the measure tau_kappa of the grid."""
    return sum((a - b) * score_error(target, score, a) for a, b in step_pairs(times))


def _squared_error(target: Any, score: Score, t: float) -> tuple[float, float, float]:
    """E|e|², E<e, s> and E<e, X> at time t, e = score − s, for a target on the line."""
    x, weights, truth = _true_score(target, float(t))
    error = score(torch.from_numpy(x.copy())[:, None], t).numpy()[:, 0] - truth
    return float(weights @ error**2), float(weights @ (error * truth)), float(weights @ (error * x))


@lru_cache(maxsize=128)
def _true_score(target: Any, t: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nodes, weights and the true score there: the same for every data set of a sweep."""
    # An empirical score turns within sigma_t²/(distance of two data): nodes sigma_t/16 apart.
    x, weights = target.line_rule(t, math.sqrt(target.process.variance(t)) / 16)
    truth = target.score(torch.from_numpy(x)[:, None], t).numpy()[:, 0]
    for values in (x, weights, truth):
        values.flags.writeable = False
    return x, weights, truth


def discretisation_term(target: Any, times: Any, scheme: Scheme = euler_maruyama) -> float:
    """What freezing over each step costs the *true* score: exact, no Monte Carlo, no constant.

    At alpha = 0 (Euler–Maruyama and both exponential integrators): the error of a Riemann sum for
    de Bruijn's identity, H(p_T) − H(p_eps) − Σ gamma_k I(p_{u_k}) >= 0. In general, with
    delta = a − b, the integral over each step of

        exponential integrator   I_b − (2 e^{−alpha delta} − 1) I_a
        martingale integrator    I_b − e^{−2 alpha delta} I_a
        DDPM                     (mu_b²/sigma_b⁴) (mmse_a − mmse_b)
        Euler–Maruyama           alpha²/4 (M_a + M_b − 2 e^{−alpha delta} M_b) + alpha d (e^{alpha
                                 delta} + e^{−alpha delta} − 2) + I_b − (2 e^{−alpha delta} − 1) I_a
                                 − alpha e^{alpha delta} sigma_delta² I_a,   M_t = E|X_t|²

    with ∫ I_t dt = H(p_a) − H(p_b) + alpha d (a − b). The target needs ``entropy`` and
    ``score_matching_constant`` (Euler–Maruyama at alpha > 0 also a ``line_rule``). ``ValueError``
    for other schemes.
    """
    process: OrnsteinUhlenbeck = target.process
    alpha, d, name = process.alpha, target.dimension, scheme.__name__
    known = ("ddpm", "euler_maruyama", "exponential_integrator", "martingale_integrator")
    if name not in known:
        raise ValueError(f"scheme must be one of {', '.join(known)}; got {name}")
    pairs = step_pairs(times)
    horizon, stop = pairs[0][0], pairs[-1][1]
    fisher_integral = (target.entropy(horizon) - target.entropy(stop)
                       + alpha * d * (horizon - stop))
    if name == "ddpm":
        # ∫ C_t dt = ∫ d/sigma_t² dt − ∫ I_t dt, and mu_t²/sigma_t⁴ = −½ d snr/dt.
        total = fisher_integral - 0.5 * d * math.log(process.snr(stop) / process.snr(horizon))
        for a, b in pairs:
            mmse = target.score_matching_constant(a) / process.denoiser_to_score_units(a)
            total += 0.5 * mmse * (process.snr(b) - process.snr(a))
        return float(total)
    total = fisher_integral
    M = None
    nodes, weights = np.polynomial.legendre.leggauss(12)
    for a, b in pairs:
        fisher, gamma = target.fisher_information(a), a - b
        if alpha == 0:
            total -= gamma * fisher
        elif name == "martingale_integrator":
            total -= 0.5 * process.variance(gamma) * fisher
        else:
            total -= fisher * (2 * -math.expm1(-alpha * gamma) / alpha - gamma)
        if alpha > 0 and name == "euler_maruyama":
            if M is None:
                x, rule = target.line_rule(a)
                M = float(rule @ x**2)
            for w, delta in zip(0.5 * gamma * weights, 0.5 * gamma * (nodes + 1), strict=True):
                decay, noise = math.exp(-alpha * delta), process.variance(delta)
                earlier = (M - d * noise) / decay**2
                total += w * (alpha**2 / 4 * (M + earlier - 2 * decay * earlier)
                              + alpha * d * (decay + 1 / decay - 2)
                              - alpha / decay * noise * fisher)
            M = (M - d * process.variance(gamma)) * math.exp(2 * alpha * gamma)
    return float(total)


def girsanov_bound(target: Any, score: Score, times: Any, start: Start,
                   scheme: Scheme = euler_maruyama) -> GirsanovTerms:
    """The exact terms of KL(p_eps || law of the sampler) <= KL(p_T || start) + path cost.

    The path cost splits without a factor 2: the true score is a martingale backwards in time, so
    score error and discretisation are orthogonal (at alpha > 0 up to the ``cross`` term of the two
    schemes that freeze other things than a martingale). ``target`` is a law on the line.
    """
    process: OrnsteinUhlenbeck = target.process
    alpha = process.alpha
    name = scheme.__name__
    discretisation = discretisation_term(target, times, scheme)
    total_score = cross = 0.0
    nodes, weights = np.polynomial.legendre.leggauss(12)
    for a, b in step_pairs(times):
        error, with_score, with_state = _squared_error(target, score, a)
        step = scheme(process, a, b)
        # ∫ (coefficient of e)² over the step; for martingales and denoisers it is B²/(2v).
        martingale = alpha == 0 or name in ("martingale_integrator", "ddpm")
        total_score += (step.kl_weight if martingale else a - b) * error
        if martingale:
            continue
        half = 0.5 * (a - b)
        for w, delta in zip(half * weights, half * (nodes + 1), strict=True):
            decay = math.exp(-alpha * delta)
            cross += w * 2 * (1 - decay) * with_score
            if name == "euler_maruyama":
                cross -= w * alpha * ((1 / decay - 1) * with_state
                                      + process.variance(delta) / decay * with_score)
    initial = start_cost(target, step_pairs(times)[0][0], start)
    return GirsanovTerms(initial, float(total_score), discretisation, float(cross))


# ------------------------------------------------------------------------------------------------
# Two samplers on one grid with one start: how far apart can their laws be?


def chain_rule_bound(laws: list[Law], score: Score, other: Score, process: OrnsteinUhlenbeck,
                     times: Any, scheme: Scheme = euler_maruyama) -> float:
    """KL(law || law') <= Σ_k w_k E|s − s'|²(Y_k), w_k = B²/(2v), Y_k from the first sampler.

    ``laws`` are those of ``sampler_law(score, …, path=True)``. Infinite for schemes without noise.
    """
    total = 0.0
    for law, (a, _, step) in zip(laws, steps_of(scheme, process, times), strict=False):
        points = torch.from_numpy(law.nodes)[:, None]
        gap = (score(points, a) - other(points, a)).numpy()[:, 0]
        total += step.kl_weight * float(law.probabilities @ gap**2)
    return total


def _forward(score: Score, process: OrnsteinUhlenbeck, times: Any, scheme: Scheme, start: Start,
             nodes: int) -> Any:
    """Nodes y_0, their masses, and (a, b, step) of a deterministic scheme with one stage."""
    steps = steps_of(scheme, process, times, score_at_end=True)
    if not all(isinstance(step, Step) for _, _, step in steps):
        raise ValueError("scheme must have one stage")
    half = PAD * math.sqrt(start.variance)
    y, spacing = np.linspace(start.mean - half, start.mean + half, nodes, retstep=True)
    return y, spacing * np.exp(start.log(y)), steps


def gronwall_w2_bound(score: Score, other: Score, process: OrnsteinUhlenbeck, times: Any,
                      start: Start, *, cover: tuple[float, float], scheme: Scheme,
                      nodes: int = 4001) -> float:
    """W_2(law, law') <= Σ_k (Π_{j>k} L_j) B_k ‖s − s'‖_{L²(law'_k)}, L_j = sup |m_j'|.

    Synchronous coupling, so the scheme may be noisy or not; ``law'`` is the sampler of ``other``.
    The supremum is over ``cover`` widened by 6 sigma_t, on a grid of sigma_b/20.
    """
    steps = steps_of(scheme, process, times)
    slope_score = score_and_slope(score)
    noisy = steps[0][2].v > 0
    if noisy:
        laws = sampler_law(other, process, times, start, cover=cover, scheme=scheme, path=True)
    else:
        y, mass, _ = _forward(other, process, times, scheme, start, nodes)
        other_slope = score_and_slope(other)
    total = 0.0
    for k, (a, b, step) in enumerate(steps):
        if noisy:
            y, mass = laws[k].nodes, laws[k].probabilities
        points = torch.from_numpy(y)[:, None]
        gap = (score(points, a) - other(points, a)).numpy()[:, 0]
        widening = 6 * math.sqrt(process.variance(a))
        grid = np.arange(cover[0] - widening, cover[1] + widening,
                         math.sqrt(process.variance(b)) / 20)
        slope = step_map(step, slope_score, a, b)(grid)[1]
        total = total * float(np.abs(slope).max()) + abs(step.B) * math.sqrt(float(mass @ gap**2))
        if not noisy:
            y = step_map(step, other_slope, a, b)(y)[0]
    return total


def jacobian_tv_bound(score: Score, other: Score, process: OrnsteinUhlenbeck, times: Any,
                      start: Start, *, scheme: Scheme, nodes: int = 8001,
                      thetas: int = 5) -> float:
    """TV of two noiseless samplers, no exponential: needs the slope of the score difference.

    TV(law, law') <= Σ_k (B_k/2) ∫_0^1 ∫ |d/dx [q'_k (s − s')/(m_k^theta)']| dx dtheta, with
    m^theta = (1 − theta) m' + theta m. The inner integral is a total variation: increments are
    summed over the nodes, pushed forward with ``other``; Simpson's rule in theta. Raises
    ``ValueError`` if a map is not increasing or the scheme has noise.
    """
    if thetas < 3 or thetas % 2 == 0:
        raise ValueError(f"thetas must be odd and at least 3; got {thetas}")
    y, _, steps = _forward(other, process, times, scheme, start, nodes)
    if any(step.v > 0 for _, _, step in steps):
        raise ValueError("scheme must have no noise")
    log_density = start.log(y)
    slope_score, other_slope = score_and_slope(score), score_and_slope(other)
    theta = np.linspace(0.0, 1.0, thetas)
    simpson = np.ones(thetas)
    simpson[1:-1:2], simpson[2:-1:2] = 4.0, 2.0
    simpson /= simpson.sum()
    total = 0.0
    for a, _, step in steps:
        s, slope = slope_score(y, a)
        s_other, slope_other = other_slope(y, a)
        ahead, derivative = step.A * y + step.B * s_other, step.A + step.B * slope_other
        change = np.exp(log_density) * (s - s_other)
        for weight, share in zip(simpson, theta, strict=True):
            mixed = derivative + share * step.B * (slope - slope_other)
            if not (mixed > 0).all():
                raise ValueError("scheme must have increasing maps here: use a smaller kappa")
            total += float(weight * 0.5 * step.B * np.abs(np.diff(change / mixed)).sum())
        log_density = log_density - np.log(derivative)
        y = ahead
    return total
