"""The fresh point's part of the stability of the empirical score, exact for every N.

The mean over the N − 1 other points is taken exactly, too: with Z = Σ phi_j and a the weight of
the fresh point, 1/(Z² (Z + a)²) is a Laplace transform, and E exp(−s Z) a power.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..arrays import as_numpy, count


def fresh_part(sizes: Sequence[int], points: np.ndarray, weights: np.ndarray, variance: float,
               positions: np.ndarray, *, step: float = 0.4) -> np.ndarray:
    """T_1(N) = sigma⁻⁴ E[w̃² |x̃ − m|²] for each N in ``sizes``, score units, mu = 1.

    w̃ is the weight of the fresh point x̃ at X = x̃ + sigma xi, m the denoiser of N − 1 others;
    sigma² is ``variance``. ``points`` (equally spaced) and ``weights`` (sum 1) stand for the law
    on the line, ``positions`` (equally spaced) for X, ``step`` is that of the Laplace integral in
    log s. Raises ``ValueError`` unless sizes are at least 2, points and weights vectors of one
    length, and variance and step positive.
    """
    sizes = [count("sizes", size, 2) for size in sizes]
    x, p = as_numpy("points", points, "K").astype(float), as_numpy("weights", weights, "K")
    if x.shape != p.shape or not ((p >= 0).all() and abs(p.sum() - 1) < 1e-9):
        raise ValueError("weights must be probabilities, one for each of points")
    for name, value in (("variance", variance), ("step", step)):
        if not (np.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be positive and finite; got {value}")
    where = as_numpy("positions", positions, "Q")
    if where.size < 2:
        raise ValueError("positions must be at least two")
    others = np.array(sizes, dtype=float)[:, None] - 1
    total = np.zeros(len(sizes))
    for X in where:
        log_phi = -(X - x)**2 / (2 * variance)
        density = p * np.exp(log_phi) / np.sqrt(2 * np.pi * variance)
        total += _given(others, x, p, log_phi, step) @ density
    return total * (where[1] - where[0]) / variance**2


def _given(others: np.ndarray, x: np.ndarray, p: np.ndarray, log_phi: np.ndarray,
           step: float) -> np.ndarray:
    """E[w̃² |x̃ − m|² | X] for fresh points x, ``(sizes, K)``."""
    mean = np.log(p @ np.exp(log_phi - log_phi.max())) + log_phi.max()
    order = np.argsort(-log_phi)
    near = np.searchsorted(np.cumsum(p[order]), -np.expm1(-42 / others.min()))
    low = -np.log(others.max()) - mean - 9
    high = -log_phi[order[min(near, len(x) - 1)]] + 4
    log_s = np.arange(low, max(high, low + 40) + step, step)
    u = np.exp(np.minimum(log_s[:, None] + log_phi, 300.0))  # s phi, (s, K)
    kept = np.exp(-u)
    part = u * kept
    square = u * part
    kernel = pair_kernel(u)
    missing = np.minimum(-np.expm1(-u) @ p, 1.0)  # 1 − E exp(−s phi)
    r_0, r_1 = part @ p, part @ (p * x)
    p_0, p_1, p_2 = (square @ (p * x**k) for k in range(3))
    with np.errstate(divide="ignore"):
        log_q = np.maximum(np.log1p(-missing), -1e4)
    one = others * np.exp((others - 1) * log_q)
    two = others * (others - 1) * np.exp(np.maximum(others - 2, 0) * log_q)
    # E[(s A)² exp(−s Z)], a polynomial of the fresh point.
    square_0, square_1, square_2 = (one * a + two * b for a, b in (
        (p_2, r_1**2), (-2 * p_1, -2 * r_0 * r_1), (p_0, r_0**2)))
    return step * (square_0 @ kernel + (square_1 @ kernel) * x + (square_2 @ kernel) * x**2)


def pair_kernel(x: np.ndarray) -> np.ndarray:
    """1 + e^{−x} − 2 (1 − e^{−x})/x: s⁻² times the inverse Laplace transform of (a/(y (y + a)))²
    at s = x/a."""
    small = x < 0.05
    safe = np.where(small, 1.0, x)
    u = np.minimum(x, 0.05)
    series = u**2 * (1 / 6 - u / 12 + u**2 / 40 - u**3 / 180 + u**4 / 1008)
    return np.where(small, series, 1 + np.exp(-safe) - 2 * -np.expm1(-safe) / safe)
