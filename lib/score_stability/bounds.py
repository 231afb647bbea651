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


@dataclass(frozen=True)
class Bound:
    """A bound: ``quantity`` <= (or >=, or →) ``expression``; call it with its symbols by name.

    Arguments are non-negative numbers or arrays that broadcast. Raises ``TypeError`` for a missing
    or unknown name, ``ValueError`` for a negative or non-finite argument or a bound that is not
    finite there.
    """

    statement: str
    quantity: str
    expression: sp.Expr

    @property
    def arguments(self) -> tuple[str, ...]:
        """The names of the symbols, in alphabetical order."""
        return tuple(sorted(symbol.name for symbol in self.expression.free_symbols))

    @cached_property
    def _function(self) -> Any:
        return sp.lambdify([SYMBOLS[name] for name in self.arguments], self.expression, "numpy")

    def __call__(self, **values: Any) -> Any:
        if set(values) != set(self.arguments):
            raise TypeError(f"this bound takes {', '.join(self.arguments)}; "
                            f"got {', '.join(sorted(values)) or 'nothing'}")
        arrays = {}
        for name, value in values.items():
            array = np.asarray(value, dtype=np.float64)
            if not (np.isfinite(array) & (array >= 0)).all():
                raise ValueError(f"{name} must be finite and non-negative")
            arrays[name] = array
        with np.errstate(all="ignore"):  # a division by zero is the error below
            result = np.asarray(self._function(*(arrays[name] for name in self.arguments)))
        if not np.isfinite(result).all():
            raise ValueError(f"{', '.join(self.arguments)} must give a finite bound")
        return float(result) if result.ndim == 0 else result

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
                          sp.Max(sp.sqrt(L_hat) - eps, 0) ** 2 - C)
# Exact minimisers over a convex class only.
SANDWICH = Bound("Theorem 3", "eps_stab, convex empirical risk minimisation", sp.sqrt(gap))
# First order in 1/N for the empirical score.
LIMITING_SLACK = Bound("Theorem 3", "slack, N → ∞", sp.sqrt(V * C) / B)
MANIFOLD_SLACK = Bound("Theorem 3", "slack, N → ∞ then sigma → 0, uniform density",
                       sp.Rational(4, 3) ** ((d_star + 2) / 4))
GAUSSIAN_MEAN_SLACK = Bound("Theorem 3", "slack, Gaussian mean-only fit, N → ∞",
                            sp.sqrt(2 * (1 + snr * lam)))

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
                    (SYMBOLS["next_noise_level"] ** -2 - SYMBOLS["noise_level"] ** -2) / 2)
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
MOVE_APPROXIMATE = Bound("Lemma 4", "E F, convex class, approximate minimiser",
                         2 * gap / N + 4 * delta_opt)
MOVE_GENERAL = Bound("Lemma 4", "E F, any class, exact minimiser", 4 * h + 4 * gap / N)
# The paper's form, every hidden constant set to one: never asserted.
MOVE_PAPER = Bound("Lemma 4", "E F, the paper's form", h + eps * (sp.sqrt(C) + eps) / N)

# Wang's Harnack inequality: (E f(x + s xi))^p <= exp(exponent) E f(y + s xi)^p, |x − y| = distance.
p, distance, sigma, alpha, t = (SYMBOLS[n] for n in ("p", "distance", "sigma", "alpha", "t"))
HARNACK = Bound("Wang's Harnack inequality", "exponent, Gaussian smoothing",
                p * distance**2 / (2 * (p - 1) * sigma**2))
HARNACK_SEMIGROUP = Bound("Wang's Harnack inequality", "exponent, Ornstein–Uhlenbeck semigroup",
                          p * alpha * distance**2 / (2 * (p - 1) * (sp.exp(2 * alpha * t) - 1)))
# E (N/n)^r for n = 1 + Bin(N − 1, ball): how rarely a small ball is empty.
order, ball = SYMBOLS["order"], SYMBOLS["ball"]
INVERSE_BINOMIAL = Bound("Wang's Harnack inequality", "E (N/n)^order",
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
                   d_star * 2 ** (-d_star / 2 - 1) * _density ** (d_star / 2) * volume / sigma**2)
MANIFOLD_V = Bound("Proposition 6", "V_t, sigma → 0",
                   d_star * 3 ** (-d_star / 2 - 1) * _density**d_star * inverse_density / sigma**2
                   + MANIFOLD_B.expression)
# The paper's form with every hidden constant set to one and c = power: never asserted.
power, c_nu = SYMBOLS["power"], SYMBOLS["c_nu"]
PAPER_CONSTANT = Bound("Proposition 6", "the paper's C",
                       sp.Max(diameter**2 / sigma**4, 1 / (c_nu * sigma**d_star)))

# The sampler. kappa = step ratio of the geometric grid; discretisation = D(kappa) of
# ``exact_law.discretisation_term``; score_error = Σ gamma_k E|s^ − s|²(X_{u_k}).
kappa, stop, dim, start, score_error, D = (SYMBOLS[n] for n in (
    "kappa", "early_stopping_time", "dimension", "start_cost", "score_error", "discretisation"))
GIRSANOV = Bound("Mechanism: sampler regularisation", "KL(p_eps || law of the sampler), alpha = 0",
                 start + score_error + D)
DISCRETISATION = Bound("Mechanism: sampler regularisation", "D(kappa), any target, alpha = 0",
                       kappa * dim / 2 * (1 + sp.log(1 / stop)))
# Per geometric step and dimension of an atom (a direction normal to the data): Euler–Maruyama.
# It is also the whole KL of N(0, 2 eps (1 + kappa)) from N(0, 2 eps), the cost at the output.
NORMAL_STEP = Bound("Mechanism: sampler regularisation", "D, one step, one normal direction",
                    (sp.log(1 + kappa) - kappa / (1 + kappa)) / 2)
# Per geometric step and dimension of a locally flat density: DDPM.
TANGENTIAL_STEP = Bound("Mechanism: sampler regularisation", "D of DDPM, one step, one flat "
                        "direction", (kappa - sp.log(1 + kappa)) / 2)
# Output variance over sigma_eps² around one atom, alpha = 0, geometric steps from time 1.
ATOM_INFLATION = Bound("Mechanism: sampler regularisation", "Var/sigma_eps², Euler–Maruyama",
                       1 + kappa)
ODE_INFLATION = Bound("Mechanism: sampler regularisation", "Var/sigma_eps², Euler for the ODE",
                      ((2 + kappa) ** 2 / (4 * (1 + kappa))) ** SYMBOLS["geometric_steps"])
# ∫ t^{−exponent−1} over the grid's measure, divided by the integral itself: geometric part, exact.
_q, _A, _Q, _R = (SYMBOLS[n] for n in ("exponent", "A", "Q", "ratio"))
KAPPA_FACTOR = Bound("Proposition 7", "factor of the stability term, g(t) ~ t^(−1−exponent)",
                     _q * kappa / ((1 + kappa) * ((1 + kappa) ** _q - 1)))
# Theorem 3 inside Girsanov. Weighting tau_kappa, unnormalised.
PROPOSITION_7 = Bound("Proposition 7", "E KL(p_eps || law of the sampler)",
                      start + (sp.sqrt(L_hat) + eps) ** 2 - C + D)
PROPOSITION_7_EMPIRICAL = Bound("Proposition 7", "the same, empirical score",
                                start + 2 * eps * sp.sqrt(C) + eps**2 + D)
# The model A (1 + kappa)^(−exponent) + Q kappa, ratio = A/Q.
COROLLARY_8_MODEL = Bound("Corollary 8", "stability + discretisation",
                          _A * (1 + kappa) ** (-_q) + _Q * kappa)
COROLLARY_8_BEST = Bound("Corollary 8", "best kappa, 0 where ratio <= 1/exponent",
                         sp.Max(0, (_q * _R) ** (1 / (_q + 1)) - 1))
COROLLARY_8_BALANCE = Bound("Corollary 8", "kappa (1 + kappa) = ratio, exponent 1",
                            (sp.sqrt(1 + 4 * _R) - 1) / 2)
# Exact flow started at p^_T and p^i_T: mixtures that differ in one of N components.
FLOW_TV = Bound("Open: probability-flow ODE", "TV of the exact flows, one point replaced", 1 / N)
FLOW_KL = Bound("Open: probability-flow ODE", "KL of the exact flows, one point replaced",
                snr * distance**2 / (2 * N))
