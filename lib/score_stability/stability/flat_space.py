"""Score stability of the empirical score where the data look flat, for every crowding.

In d-dimensional flat space let the training points be a Poisson process with n_loc points within
the noise, that is of density n_loc (2 pi sigma²)^{−d/2}, and let X come from a fresh point. With
m the denoiser of the other points and weights among them and one more,

    f_d(n_loc) = E w̃² |x̃ − m|² / sigma²,   q_d(n_loc) = E Σ_i w_i² |x_i − m_{−i}|² / sigma²

are what the fresh point moves (the limit of sigma² T1) and N times what one removed point moves
(the limit of N sigma² T2). Both are integrals of the Laplace transform of the total weight Z of a
Poisson process, by Mecke's formula (proved in the notebook on Proposition 6); nothing is drawn.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..arrays import count
from ..theory.averaged import pair_kernel
from ..theory.quadrature import gauss_legendre


class FlatStability(NamedTuple):
    """sigma² times the two parts of eps_stab²: ``fresh`` = f_d, ``removed`` = q_d, to be divided
    by N."""

    fresh: float
    removed: float

    def of(self, number: int) -> float:
        """sigma² eps_stab² of N points, but for a relative error of order 1/N."""
        return self.fresh + self.removed / count("number", number)


def flat_stability(dimension: int, local: float, *, nodes: int = 300) -> FlatStability:
    """f_d and q_d at ``local`` = n_loc > 0 points within the noise, by quadrature (about 1e-10).

    f_d -> d 3^{−d/2−1} n_loc^{−2} where points crowd, and E NN² / sigma² = Γ(1 + 2/d)
    (n_loc V_d)^{−2/d} 2 pi where they are alone, V_d the volume of the unit ball.
    Raises ``ValueError`` for a dimension below 1 and unless 1e-3 <= n_loc <= 1e4.

    >>> from score_stability.stability import flat_stability
    >>> round(100**2 * flat_stability(2, 100.0).fresh, 4)  # towards 2/9
    0.2248
    >>> round(1e-3 * flat_stability(2, 1e-3).fresh, 2)  # towards 2
    2.0
    """
    d, nodes = count("dimension", dimension), count("nodes", nodes, 20)
    if not 1e-3 <= local <= 1e4:
        raise ValueError(f"local must be between 1e-3 and 1e4; got {local}")
    ball = math.pi ** (d / 2) / math.gamma(d / 2 + 1)
    density = local / (2 * math.pi) ** (d / 2)
    # log s = y √(1 + y²)/2, y = sinh q: the trapezoid rule in q. sigma = 1 throughout.
    far = max(14.0, 1.1 * (60 / (density * ball)) ** (1 / d))
    q, step = np.linspace(-math.asinh(12.0), math.asinh(far), nodes, retstep=True)
    y = np.sinh(q)
    log_s = y * np.sqrt(1 + y**2) / 2
    measure = step * np.cosh(q) * (1 + 2 * y**2) / (2 * np.sqrt(1 + y**2))

    def radial(below: float, above: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Radii with log s − r²/2 between −below and above, weights and s e^{−r²/2}."""
        high = np.sqrt(2 * (np.maximum(log_s, 0) + below))
        low = np.sqrt(np.maximum(2 * (log_s - above), 0))
        x, w = gauss_legendre(0.0, 1.0, nodes // 2)
        r = low[:, None] + (high - low)[:, None] * x
        return r, (high - low)[:, None] * w, np.exp(log_s[:, None] - r**2 / 2)

    r, weights, x = radial(45.0, 4.0)
    void = ball * (weights * r ** (d + 1) * x * np.exp(-x)).sum(1)  # ∫ 1 − e^{−s b(z)} dz
    moment = d * ball * (weights * r ** (d + 1) * x**2 * np.exp(-x)).sum(1)  # s² ∫|z|² b² e^{−sb}
    r, weights, x = radial(22.0, 36.0)
    pairs = ball * (weights * r ** (d + 1) * _slope(x)).sum(1)  # ∫ pair_kernel(s b(z)) dz
    measure = measure * np.exp(-density * void)
    removed = density * measure @ (moment * (1 + density * pairs))

    r, weights = gauss_legendre(0.0, 13.0, nodes // 3)
    noise = weights * d * ball * r ** (d - 1) * np.exp(-(r**2) / 2) / (2 * math.pi) ** (d / 2)
    x = np.exp(np.minimum(log_s[:, None] - r**2 / 2, 300.0))
    pulled = density * moment[:, None] * pair_kernel(x)
    fresh = measure @ ((r**2 * x**2 * np.exp(-x) + pulled) @ noise)
    return FlatStability(float(fresh), float(removed))


def _slope(x: np.ndarray) -> np.ndarray:
    """x times the derivative of ``pair_kernel``."""
    small = x < 0.05
    safe = np.where(small, 1.0, x)
    u = np.minimum(x, 0.05)
    series = u**2 * (1 / 3 - u / 4 + u**2 / 10 - u**3 / 36 + u**4 / 168)
    exact = 2 * -np.expm1(-safe) / safe - (2 + safe) * np.exp(-safe)
    return np.where(small, series, exact)
