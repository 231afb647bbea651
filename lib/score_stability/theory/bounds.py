"""Every bound once: a sympy expression that is also the function that runs.

The formula you read is the formula that runs. A notebook derives an expression and claims that its
derivation equals the one here; numbers come from calling it. All are *ours, with constants*; the
statement each one makes explicit is named in its ``statement``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import sympy as sp
from sympy.codegen.cfunctions import log2

from ..arrays import as_numpy
from .rounding import evaluate

_names = ("eps_stab seen_loss fresh_loss gap h C C_hat defect delta snr data_variance N B V "
          "intrinsic_dimension beta optimisation_error p distance sigma alpha t mass diameter "
          "order radius_factor ball power mean_scale inverse_density volume c_nu kappa "
          "early_stopping_time dimension start_cost score_error discretisation exponent A Q ratio "
          "geometric_steps")
SYMBOLS: dict[str, sp.Symbol] = {name: sp.Symbol(name, nonnegative=True) for name in _names.split()}
eps, L_hat, L, gap = (SYMBOLS[n] for n in ("eps_stab", "seen_loss", "fresh_loss", "gap"))
h, C, C_hat, defect, delta = (SYMBOLS[n] for n in ("h", "C", "C_hat", "defect", "delta"))
snr, lam, N, B, V, d_star, beta = (SYMBOLS[n] for n in (
    "snr", "data_variance", "N", "B", "V", "intrinsic_dimension", "beta"))
RELATIONS = ("<=", ">=", "=", "->")


@dataclass(frozen=True)
class Bound:
    """A bound: ``quantity`` ``relation`` ``expression``; call it with its symbols by name.

    ``relation`` is "<=", ">=", "=" or "->" (a limit); ``name`` is that in this module; ``asserted``
    is False for what is quoted or shown only.
    ``limits`` are pairs (zero, limit): where ``zero`` vanishes the expression is 0/0, and the call
    gives its limit. Arguments are non-negative numbers or arrays that broadcast; the result has
    relative error below 1e-9 (``rounding``). Raises ``TypeError`` for a missing or unknown name,
    ``ValueError`` for a negative or non-finite argument or a bound that is not finite there, or
    that would be rounded to zero.
    """

    statement: str
    quantity: str
    expression: sp.Expr
    limits: tuple[tuple[sp.Expr, sp.Expr], ...] = ()
    relation: str = "<="
    name: str = ""
    asserted: bool = True

    def __post_init__(self) -> None:
        if self.relation not in RELATIONS:
            raise ValueError(f"relation must be one of {RELATIONS}; got {self.relation!r}")

    @cached_property
    def arguments(self) -> tuple[str, ...]:
        """The names of the symbols, in alphabetical order."""
        return tuple(sorted(symbol.name for symbol in self.expression.free_symbols))

    def __call__(self, **values: Any) -> Any:
        if set(values) != set(self.arguments):
            raise TypeError(f"this bound takes {', '.join(self.arguments)}; "
                            f"got {', '.join(sorted(values)) or 'nothing'}")
        arrays = {}
        for name, value in values.items():
            arrays[name] = as_numpy(name, value, finite=False)
            if not (np.isfinite(arrays[name]) & (arrays[name] >= 0)).all():
                raise ValueError(f"{name} must be finite and non-negative")
        result = self._value(arrays, self.limits)
        if not np.isfinite(result).all():
            raise ValueError(f"{', '.join(self.arguments)} must give a finite bound")
        return float(result) if result.ndim == 0 else result

    def _value(self, arrays: dict[str, np.ndarray], limits: Any) -> np.ndarray:
        if not limits:
            return evaluate(self.expression, arrays)
        (zero, limit), *others = limits
        at = evaluate(zero, arrays) == 0
        if not at.any():
            return self._value(arrays, others)
        names, columns = list(arrays), np.broadcast_arrays(*arrays.values())
        at = np.broadcast_to(at, columns[0].shape)
        result = np.empty(at.shape)
        result[at] = evaluate(limit, {n: c[at] for n, c in zip(names, columns, strict=True)})
        result[~at] = self._value({n: c[~at] for n, c in zip(names, columns, strict=True)}, others)
        return result

    def _repr_latex_(self) -> str:
        return f"${sp.latex(self.expression)}$"


# Lemma 1. Lebesgue weighting: Ĉ is the information about the index, at most that of N atoms.
EMPIRICAL_CONSTANT = Bound("Lemma 1", "Ĉ_sm, Lebesgue weighting", sp.log(N))
# One eigenvalue of the data covariance; sum over eigenvalues. Equality iff Gaussian. snr = mu²/σ²;
# the unit is 1/sigma², i.e. multiply by 1/sigma_t² for C_t in score units.
LINEAR_CONSTANT = Bound("Lemma 1", "sigma² C_t, one direction", snr * lam / (1 + snr * lam))

# Theorem 3, in all its versions. L = fresh_loss, L̂ = seen_loss, h = E l̂_sm, defect = C − E Ĉ.
ROOT_GAP = Bound("Theorem 3", "|√L − √L̂|", eps)
GAP = Bound("Theorem 3", "L − L̂", 2 * eps * sp.sqrt(L_hat) + eps**2)
SCORE_ERROR_SHARP = Bound("Theorem 3", "E l_sm (a)",
                          h - defect + 2 * eps * sp.sqrt(h + C_hat) + eps**2)
SCORE_ERROR_PLAIN = Bound("Theorem 3", "E l_sm (b)", h + 2 * eps * sp.sqrt(h + C) + eps**2)
SCORE_ERROR_PAPER = Bound("Theorem 3", "E l_sm (c)",
                          (1 + delta) * h + 2 * eps * sp.sqrt(C) + (1 + 1 / delta) * eps**2)
SCORE_ERROR_LOWER = Bound("Theorem 3", "E l_sm (d), from below",
                          sp.Max(sp.sqrt(L_hat) - eps, 0) ** 2 - C, relation=">=")
# Exact minimisers over a convex class only.
SANDWICH = Bound("Theorem 3", "eps_stab, convex empirical risk minimisation", sp.sqrt(gap))
# First order in 1/N for the empirical score.
LIMITING_SLACK = Bound("Theorem 3", "slack, N → ∞", sp.sqrt(V * C) / B, relation="->")
MANIFOLD_SLACK = Bound("Theorem 3", "slack, N → ∞ then sigma → 0, uniform density",
                       sp.Rational(4, 3) ** ((d_star + 2) / 4), relation="->")
GAUSSIAN_MEAN_SLACK = Bound("Theorem 3", "slack, Gaussian mean-only fit, N → ∞",
                            sp.sqrt(2 * (1 + snr * lam)), relation="->")

# Certificate (ours): N1, N2 and the likelihood of a sampler. Denoiser units, noise levels sigma/mu.
SYMBOLS.update({name: sp.Symbol(name, nonnegative=True) for name in (
    "loss_variance", "beta_out", "noise_level", "next_noise_level", "weighted_loss",
    "second_moment", "dimension")})
CERTIFICATE = Bound("Certificate (ours)", "LOO", (sp.sqrt(L_hat) + eps) ** 2)
LOO_VARIANCE = Bound("Certificate (ours)", "E (LOO − mean risk)²",
                     SYMBOLS["loss_variance"] / N + SYMBOLS["beta_out"] ** 2)
# Cantelli: exceeded with probability at most delta; trivial from delta = 1 on.
LOO_INTERVAL = Bound("Certificate (ours)", "risk − LOO, but for probability delta",
                     sp.sqrt(LOO_VARIANCE.expression * sp.Max(1 / delta - 1, 0)))
ELBO_WEIGHT = Bound("Certificate (ours)", "weight of E|x − m(x + s xi)|²",
                    (SYMBOLS["next_noise_level"] ** -2 - SYMBOLS["noise_level"] ** -2) / 2,
                    relation="=")
# noise_level is the first (largest) level of the sampler, next_noise_level its last.
SAMPLER_NLL = Bound("Certificate (ours)", "E −log q at the last level (nats)",
                    SYMBOLS["weighted_loss"]
                    + SYMBOLS["second_moment"] / (2 * SYMBOLS["noise_level"] ** 2)
                    + SYMBOLS["dimension"] / 2
                    * sp.log(2 * sp.pi * sp.E * SYMBOLS["next_noise_level"] ** 2))

# Classical algorithmic stability (Bousquet & Elisseeff 2002), in expectation.
UNIFORM_STABILITY = Bound("Question 2", "|E ℓ(A(S)) − E ℓ̂(A(S), S)|", beta)

# Lemma 4: movement E F of the score on its own training set when one point is replaced.
delta_opt = SYMBOLS["optimisation_error"]
MOVE_CONVEX = Bound("Lemma 4", "E F, convex class (= for linear classes)", gap / N)
MOVE_STABILITY = Bound("Lemma 4", "E F, convex class", eps * (2 * sp.sqrt(L_hat) + eps) / N)
# One triangle: ŝ and ŝ^i seen from the best of a convex class on S, or from the empirical score.
MOVE_APPROXIMATE = Bound("Lemma 4", "E F, convex class, training loss delta_opt above its best",
                         (sp.sqrt(delta_opt) + sp.sqrt(delta_opt + gap / N)) ** 2)
MOVE_GENERAL = Bound("Lemma 4", "E F, every algorithm", (sp.sqrt(h) + sp.sqrt(h + gap / N)) ** 2)
# The paper's form, every hidden constant set to one.
MOVE_PAPER = Bound("Lemma 4", "E F, the paper's form", h + eps * (sp.sqrt(C) + eps) / N,
                   asserted=False)

# Wang's Harnack inequality: (E f(x + s xi))^p <= exp(exponent) E f(y + s xi)^p, |x − y| = distance.
p, distance, sigma, alpha, t = (SYMBOLS[n] for n in ("p", "distance", "sigma", "alpha", "t"))
HARNACK = Bound("Wang's Harnack inequality", "exponent, Gaussian smoothing",
                p * distance**2 / (2 * (p - 1) * sigma**2))
HARNACK_SEMIGROUP = Bound("Wang's Harnack inequality", "exponent, Ornstein–Uhlenbeck semigroup",
                          p * alpha * distance**2 / (2 * (p - 1) * (sp.exp(2 * alpha * t) - 1)),
                          ((alpha, p * distance**2 / (4 * (p - 1) * t)),))
# E (N/n)^r for n = 1 + Bin(N − 1, ball): how rarely a small ball is empty; classical for r = 1
# (Györfi et al. 2002, Lemma 4.1).
order, ball = SYMBOLS["order"], SYMBOLS["ball"]
INVERSE_BINOMIAL = Bound("Self-posterior lemma (ours)", "E (N/n)^order",
                         sp.gamma(order + 1) * ball**-order)

# Proposition 6, general convex class: eps_stab² <= factor (gap/N)^c, c = order/(order + 1), with
# sup|s − s^i| <= diameter/sigma², total mass of tau, inf ball mass at radius_factor sigma/mu.
mass, diameter, R = (SYMBOLS[n] for n in ("mass", "diameter", "radius_factor"))
_c = order / (order + 1)
CLASS_FACTOR = Bound(
    "Proposition 6", "factor M",
    (mass * diameter**2 / sigma**4) ** (1 - _c) * sp.exp(order * R**2 / 2)
    * sp.gamma(order + 1) ** (1 - _c) * ball**-_c)
M = sp.Symbol("factor", nonnegative=True)
SYMBOLS["factor"] = M
CLASS_GAP = Bound("Proposition 6", "eps_stab², from the gap", M * (gap / N) ** _c)
CLASS_FIRST = Bound("Proposition 6", "eps_stab², branch eps_stab <= √L̂",
                    M * (9 * M * L_hat / N**2) ** (order / (order + 2)))
CLASS_SECOND = Bound("Proposition 6", "eps_stab², branch eps_stab > √L̂",
                     M ** (order + 1) * (3 / N) ** order)
# First-order constants of the empirical score on a compact d*-manifold without boundary, small
# sigma: V_t and B_t in score units; inverse_density = ∫ 1/rho dvol, volume = ∫ dvol.
mu, inverse_density, volume = (SYMBOLS[n] for n in ("mean_scale", "inverse_density", "volume"))
_density = mu**2 / (2 * sp.pi * sigma**2)
MANIFOLD_B = Bound("Proposition 6", "B_t, sigma → 0",
                   d_star * 2 ** (-d_star / 2 - 1) * _density ** (d_star / 2) * volume / sigma**2,
                   relation="->")
MANIFOLD_V = Bound("Proposition 6", "V_t, sigma → 0",
                   d_star * 3 ** (-d_star / 2 - 1) * _density**d_star * inverse_density / sigma**2
                   + MANIFOLD_B.expression, relation="->")
# The paper's form with every hidden constant set to one and c = power.
power, c_nu = SYMBOLS["power"], SYMBOLS["c_nu"]
PAPER_CONSTANT = Bound("Proposition 6", "the paper's C",
                       sp.Max(diameter**2 / sigma**4, 1 / (c_nu * sigma**d_star)), asserted=False)

# The sampler. kappa = step ratio of the geometric grid; discretisation = D(kappa) of
# ``path_bounds.discretisation_term``; score_error = Σ gamma_k E|s^ − s|²(X_{u_k}).
kappa, stop, dim, start, score_error, D = (SYMBOLS[n] for n in (
    "kappa", "early_stopping_time", "dimension", "start_cost", "score_error", "discretisation"))
GIRSANOV = Bound("Mechanism: sampler regularisation", "KL(p_eps || law of the sampler), alpha = 0",
                 start + score_error + D)
DISCRETISATION = Bound("Mechanism: sampler regularisation", "D(kappa), any target, alpha = 0",
                       kappa * dim / 2 * (1 + sp.log(1 / stop)))
# Per geometric step and dimension of an atom (a direction normal to the data): Euler–Maruyama.
# It is also the whole KL of N(0, 2 eps (1 + kappa)) from N(0, 2 eps), the cost at the output.
NORMAL_STEP = Bound("Mechanism: sampler regularisation", "D, one step, one normal direction",
                    (sp.log(1 + kappa) - kappa / (1 + kappa)) / 2, relation="=")
# Per geometric step and dimension of a locally flat density: DDPM.
TANGENTIAL_STEP = Bound("Mechanism: sampler regularisation", "D of DDPM, one step, one flat "
                        "direction", (kappa - sp.log(1 + kappa)) / 2, relation="=")
# Output variance over sigma_eps² around one atom, alpha = 0, geometric steps from time 1.
ATOM_INFLATION = Bound("Mechanism: sampler regularisation", "Var/sigma_eps², Euler–Maruyama",
                       1 + kappa, relation="=")
ODE_INFLATION = Bound("Mechanism: sampler regularisation", "Var/sigma_eps², Euler for the ODE",
                      ((2 + kappa) ** 2 / (4 * (1 + kappa))) ** SYMBOLS["geometric_steps"],
                      relation="=")
# ∫ t^{−exponent−1} over the grid's measure, divided by the integral itself: geometric part, exact.
_q, _A, _Q, _R = (SYMBOLS[n] for n in ("exponent", "A", "Q", "ratio"))
KAPPA_FACTOR = Bound("Proposition 7", "factor of the stability term, g(t) ~ t^(−1−exponent)",
                     _q * kappa / ((1 + kappa) * ((1 + kappa) ** _q - 1)),
                     ((kappa, sp.S.One), (_q, kappa / ((1 + kappa) * sp.log(1 + kappa)))),
                     relation="=")
# Theorem 3 inside Girsanov. Weighting tau_kappa, unnormalised.
PROPOSITION_7 = Bound("Proposition 7", "E KL(p_eps || law of the sampler)",
                      start + (sp.sqrt(L_hat) + eps) ** 2 - C + D)
PROPOSITION_7_EMPIRICAL = Bound("Proposition 7", "the same, empirical score",
                                start + 2 * eps * sp.sqrt(C) + eps**2 + D)
# The model A (1 + kappa)^(−exponent) + Q kappa, ratio = A/Q.
COROLLARY_8_MODEL = Bound("Corollary 8", "stability + discretisation",
                          _A * (1 + kappa) ** (-_q) + _Q * kappa, relation="=")
COROLLARY_8_BEST = Bound("Corollary 8", "best kappa, 0 where ratio <= 1/exponent",
                         sp.Max(0, (_q * _R) ** (1 / (_q + 1)) - 1), relation="=")
COROLLARY_8_BALANCE = Bound("Corollary 8", "kappa (1 + kappa) = ratio, exponent 1",
                            (sp.sqrt(1 + 4 * _R) - 1) / 2, relation="=")
# Exact flow started at p^_T and p^i_T: mixtures that differ in one of N components.
FLOW_TV = Bound("Open: probability-flow ODE", "TV of the exact flows, one point replaced", 1 / N)
FLOW_KL = Bound("Open: probability-flow ODE", "KL of the exact flows, one point replaced",
                snr * distance**2 / (2 * N))

# Beyond expectation: G = risk − training loss of one data set. beta_in, beta_out: root mean square
# change of the loss at the exchanged and at a third point; loss_variance V = E Var_x f(ŝ, x);
# f(ŝ, x) in [0, root_range²]; beta, loss_range: suprema over all data sets.
SYMBOLS.update({name: sp.Symbol(name, nonnegative=True) for name in (
    "beta_in", "third_stability", "root_range", "loss_range", "good_mean", "good_step",
    "bad_probability", "snr_start", "snr_end")})
_in, _out, _third, _root, _range = (SYMBOLS[n] for n in (
    "beta_in", "beta_out", "third_stability", "root_range", "loss_range"))
_HIGH = "Open: high probability"
GAP_RMS = Bound(_HIGH, "√E G²", _in + _out
                + sp.sqrt(SYMBOLS["loss_variance"] / N + (1 - 1 / N) * _out**2))
GAP_RMS_SCORE = Bound(_HIGH, "√E G², from score stability", 2 * _root * (eps + _third) + sp.sqrt(
    SYMBOLS["loss_variance"] / N + 4 * (1 - 1 / N) * _root**2 * _third**2))
GAP_CHEBYSHEV = Bound(_HIGH, "|G|, but for probability delta", GAP_RMS.expression / sp.sqrt(delta))
GAP_MCDIARMID = Bound(_HIGH, "G, but for probability delta, uniform stability", beta
                      + (2 * N * beta + _range) * sp.sqrt(sp.log(1 / delta) / (2 * N)))
# G moves by at most good_step per replaced point on an event of probability 1 − bad_probability.
GAP_GOOD_EVENT = Bound(
    _HIGH, "G, but for probability delta > bad_probability", SYMBOLS["good_mean"]
    + SYMBOLS["good_step"] * (N * SYMBOLS["bad_probability"] + sp.sqrt(
        N / 2 * sp.log(1 / (delta - SYMBOLS["bad_probability"])))))
# Empirical score, N >= 1, data in a set of this diameter, Lebesgue weighting on [eps, T];
# snr_start = snr at eps, snr_end = snr at T. Split at the snr where the exponential reaches one.
_first, _last = SYMBOLS["snr_start"], SYMBOLS["snr_end"]
_split = sp.Max(_last, sp.Min(_first, sp.log(N**2 / 2) / (3 * diameter**2)))
UNIFORM_SCORE_STABILITY = Bound(
    _HIGH, "sup over data sets of eps_stab², empirical score", sp.Piecewise((diameter**2 / 2 * (
        2 / (3 * diameter**2) * sp.exp(sp.Min(0, 3 * diameter**2 * _split - 2 * sp.log(N)))
        * (1 - sp.exp(-3 * diameter**2 * (_split - _last))) + _first - _split), N >= 1)))
# Quoted as remembered, constants to be checked before relying on them. Feldman &
# Vondrák 2018; Bousquet, Klochkov & Zhivotovskiy 2020, which needs delta <= exp(−2).
QUOTED_FELDMAN_VONDRAK = Bound(
    _HIGH, "G, quoted as remembered",
    8 * _range * sp.sqrt((2 * beta / _range + 1 / N) * sp.log(8 / delta)), asserted=False)
QUOTED_BOUSQUET_KLOCHKOV_ZHIVOTOVSKIY = Bound(
    _HIGH, "G, quoted as remembered", 2 * beta + sp.E * sp.Piecewise((
        24 * sp.sqrt(2) * sp.log(1 / delta) * beta * sp.ceiling(log2(N))
        + 4 * _range * sp.sqrt(sp.log(1 / delta) / N), delta <= sp.exp(-2))), asserted=False)

# Membership and privacy: the exact reverse process returns a sample of p^_eps, a mixture of N
# Gaussians; replace-one neighbours share N − 1 of them. distance = |x_i − x~|, or the diameter D of
# the data for a supremum over neighbours; snr = mu²/sigma² at eps; a = √snr distance.
SYMBOLS.update({name: sp.Symbol(name, nonnegative=True) for name in (
    "advantage", "releases", "privacy_loss", "trace_covariance", "seen_collision",
    "fresh_collision", "clip", "noise_scale", "contraction_rate", "steps", "horizon")})
_a = sp.sqrt(snr) * distance
_e, _rate, _steps = (SYMBOLS[n] for n in ("privacy_loss", "contraction_rate", "steps"))
FREE_STABILITY = Bound("Open: memorisation and privacy", "eps_stab², empirical score, Lebesgue "
                       "weighting from eps", snr * SYMBOLS["trace_covariance"])
# Integrand at one time: seen_collision = E Σ w_j³ at p^_t, fresh_collision = E Σ w_j² at p_t.
COLLISION_STABILITY = Bound(
    "Open: memorisation and privacy", "eps_stab² at one time, empirical score",
    snr / sigma**2 * diameter**2 * (SYMBOLS["seen_collision"] + SYMBOLS["fresh_collision"] / N))
MEMBERSHIP_ADVANTAGE = Bound("Open: memorisation and privacy", "TV, one sample (equality)",
                             sp.erf(_a / (2 * sp.sqrt(2))) / N, relation="=")
MEMBERSHIP_MANY = Bound("Open: memorisation and privacy", "TV, independent samples",
                        1 - (1 - SYMBOLS["advantage"]) ** SYMBOLS["releases"])
# log(1 + (e^x − 1)/N) with e^x taken out; order > 0, and order 1 is the relative entropy.
RENYI_PRIVACY = Bound(
    "Open: memorisation and privacy", "Rényi divergence, one sample",
    order * _a**2 / 2
    + sp.log((1 - 1 / N) * sp.exp(-order * (order - 1) * _a**2 / 2) + 1 / N) / (order - 1),
    ((order - 1, _a**2 / (2 * N)),))
ZCDP = Bound("Open: memorisation and privacy", "rho of zCDP, any N", _a**2 / 2)
# Hockey-stick divergence: one sample is (privacy_loss, delta) differentially private.
DELTA_PRIVACY = Bound(
    "Open: memorisation and privacy", "delta at this privacy loss, one sample",
    (sp.erfc((_e / _a - _a / 2) / sp.sqrt(2))
     - sp.exp(_e) * sp.erfc((_e / _a + _a / 2) / sp.sqrt(2))) / (2 * N),
    ((snr * distance, sp.S.Zero),))
# Euler–Maruyama, alpha = 0, all steps of ratio 1 + kappa from T = horizon down to eps.
EULER_ZCDP = Bound("Open: memorisation and privacy", "rho of zCDP, Euler–Maruyama, any N",
                   diameter**2 / 4 * (1 / (stop * (1 + kappa))
                                      + kappa / ((1 + kappa) * SYMBOLS["horizon"])))
# Noisy gradient descent, linear surrogate: shift of the update <= 2 clip, noise noise_scale.
COMPOSITION = Bound("Open: memorisation and privacy", "rho, all iterates released",
                    2 * _steps * SYMBOLS["clip"] ** 2 / SYMBOLS["noise_scale"] ** 2, relation="=")
# (1+a)/(1−a) (1−a^K)/(1+a^K) with a = e^(−rate).
LAST_ITERATE = Bound("Open: memorisation and privacy", "rho, last iterate released",
                     2 * SYMBOLS["clip"] ** 2 / SYMBOLS["noise_scale"] ** 2
                     * sp.tanh(_steps * _rate / 2) / sp.tanh(_rate / 2),
                     ((_rate, COMPOSITION.expression),), relation="=")


def last_iterate_zcdp(clip: float, noise_scale: float, decay: float, steps: Any) -> Any:
    """rho of the last iterate of theta' = (1 − decay) theta − eta (g + noise_scale xi), |g − g'| <=
    2 clip: ``LAST_ITERATE`` at rate −log(1 − decay), and its limit ``COMPOSITION`` at decay 0.

    ``decay`` is eta lambda in [0, 1); ``steps`` a number or array >= 1; eta cancels. Exact for this
    linear recursion with the worst constant shift. Raises ``ValueError`` naming the argument.
    """
    if not 0 <= decay < 1:  # false for NaN too
        raise ValueError(f"decay must be in [0, 1); got {decay}")
    if not (as_numpy("steps", steps) >= 1).all():
        raise ValueError(f"steps must be at least 1; got {steps}")
    return LAST_ITERATE(clip=clip, noise_scale=noise_scale, steps=steps,
                        contraction_rate=-np.log1p(-decay))


# SGD. Runs on adjacent data from one start, delta = |theta − theta^i|; hit_probability =
# P(i in B_k); growth = q upsilon − lambda with q = 1 − hit_probability. ``contraction`` has what
# needs an algorithm: the capped recursion, the second moment, the comparison chain.
SYMBOLS.update({name: sp.Symbol(name, nonnegative=True) for name in (
    "step_size", "step_scale", "weight_decay", "upsilon", "hit_probability", "free_steps",
    "lipschitz", "noise_std")})
_eta, _bar, _decay, _ups, _clip, _K, _hit, _m, _lip, _s = (SYMBOLS[n] for n in (
    "step_size", "step_scale", "weight_decay", "upsilon", "clip", "steps", "hit_probability",
    "free_steps", "lipschitz", "noise_std"))
_growth = (1 - _hit) * _ups - _decay
_b = _bar * _growth
SGD_CONSTANT = Bound("Proposition 11", "E delta after K constant steps",
                     2 * _hit * _clip / _growth * ((1 + _eta * _growth) ** _K - 1),
                     ((_growth, 2 * _hit * _clip * _eta * _K),))
# Below the trivial 2C/lambda exactly if lambda > upsilon.
SGD_STEADY = Bound("Proposition 11", "E delta, constant step, lambda > upsilon, any K",
                   2 * _hit * _clip / -_growth)
# eta_k = step_scale/k, no hit in the first free_steps steps: exact solution of the recursion.
SGD_DECAY = Bound("Proposition 11", "E delta after K steps eta_k = step_scale/k",
                  2 * _hit * _clip / _growth * (sp.exp(
                      sp.loggamma(_K + 1 + _b) + sp.loggamma(_m + 1) - sp.loggamma(_m + 1 + _b)
                      - sp.loggamma(_K + 1)) - 1),
                  ((_bar, sp.S.Zero), (_growth, 2 * _hit * _clip * _bar * (
                      sp.digamma(_K + 1) - sp.digamma(_m + 1)))))
SGD_DECAY_POWER = Bound("Proposition 11", "the same, growth > 0, free_steps >= 1",
                        2 * _hit * _clip / _growth * (_K / _m) ** _b)
# Best real number of free steps: p m D² + D L (2pC/a)(K/m)^b, a bound at each whole m >= 1, at its
# minimum over real m, which has the order of the least bound but need not be one.
SGD_FREE_STEPS = Bound("Proposition 11", "best number of free steps",
                       (2 * _lip * _clip * _bar / diameter) ** (1 / (_b + 1))
                       * _K ** (_b / (_b + 1)), relation="=")
SGD_BURN_IN = Bound("Proposition 11", "eps_stab², eta_k = step_scale/k, growth > 0",
                    _hit * diameter**2 * (1 + 1 / _b) * SGD_FREE_STEPS.expression)
SGD_STABILITY = Bound("Proposition 11", "eps_stab², constant step, lambda > upsilon, any K",
                      4 * _lip**2 * _clip**2 * _hit / (_decay * -_growth))
# The paper's form with every hidden constant set to one.
SGD_PAPER = Bound("Proposition 11", "eps_stab², the paper's form",
                  _K ** (_bar * _ups / (_bar * _ups + 1)) / N, asserted=False)
MEETING = Bound("Proposition 14", "P(meet), reflection-maximal coupling at this distance",
                sp.erfc(distance / (2 * sp.sqrt(2) * _s)), relation="=")
# Logarithm of the price of the barrier as step_size → 0 at fixed noise_std²/step_size;
# upsilon > lambda.
BARRIER = Bound("Proposition 14", "log of G, step_size → 0",
                _clip**2 * _eta * (1 / _decay - 1 / _ups) / _s**2, relation="->")
# Noise that is the noise of the clipped gradient itself: its least variance is at most C²/d.
TRACE_CAP = Bound("Proposition 14", "least log of G for intrinsic clipped noise",
                  dim / (_eta * _decay) * (1 - _decay / _ups), relation=">=")

# Smoothness: exact quadratic model on the circle of length 2 pi, noise along it, alpha = 0. Bias
# bias_constant · eps^order_of_smoothness beside the variance √(pi/2 eps)/(2 N) of the heat kernel;
# cut-off: |c_k| = amplitude k^(−order − 1/2).
SYMBOLS.update({name: sp.Symbol(name, nonnegative=True) for name in (
    "order_of_smoothness", "bias_constant", "amplitude")})
_order, _bias, _amplitude = (SYMBOLS[n] for n in (
    "order_of_smoothness", "bias_constant", "amplitude"))
SMOOTH_STOP = Bound("Open: smoothness", "best stopping time, N → ∞",
                    (sp.sqrt(sp.pi / 2) / (4 * N * _order * _bias)) ** (2 / (2 * _order + 1)),
                    relation="->")
SMOOTH_HEAT = Bound("Open: smoothness", "π E|p_0 − p^_eps|², best eps, N → ∞",
                    (1 + 2 * _order) * _bias * SMOOTH_STOP.expression**_order, relation="->")
SMOOTH_CUTOFF = Bound("Open: smoothness", "the same, spectral cut-off, best K, N → ∞",
                      (1 + 1 / (2 * _order)) * _amplitude ** (2 / (2 * _order + 1))
                      * N ** (-2 * _order / (2 * _order + 1)), relation="->")
# Uniform law, Lebesgue weighting from eps on; N → ∞, up to terms exponentially small in 1/eps.
CIRCLE_STABILITY = Bound("Open: smoothness", "eps_stab² of the empirical score",
                         (sp.pi / (6 * sp.sqrt(3) * stop) + sp.sqrt(sp.pi / (2 * stop)) / 2
                          - sp.Rational(2, 3)) / N**2, relation="->")

for _name in [n for n, value in globals().items() if isinstance(value, Bound)]:
    object.__setattr__(globals()[_name], "name", _name)  # once, before anybody sees it
