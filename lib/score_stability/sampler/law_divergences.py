"""How far laws on the line are apart: the sampler's from a target, and from another's."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..yardsticks import divergences
from .exact_law import Law, log_density_at


def divergences_from(target: Any, t: float, law: Law) -> dict[str, float]:
    """KL(p_t || law) "kl", KL(law || p_t) "reverse_kl", "tv" and "w1", on the law's own nodes.

    t = 0 stands for the data law itself (evaluated at t = 1e-12; it needs a density).
    """
    log_p = log_density_at(target, law.nodes, t if t > 0 else 1e-12)
    common: dict[str, Any] = dict(weights=law.weights, missing=1e-4)
    return {"kl": divergences.kl(log_p, law.log_density, law.weights, error=law.error),
            "reverse_kl": divergences.kl(law.log_density, log_p, error=law.error, **common),
            "tv": divergences.total_variation(log_p, law.log_density, error=law.error, **common),
            "w1": divergences.wasserstein_1(log_p, law.log_density, law.nodes, **common)}


def kl_from(target: Any, t: float, law: Law, *, with_error: bool = False) -> Any:
    """KL(p_t || law), nats; t = 0 stands for the data law itself.

    ``with_error`` gives (KL, its error). Raises ``ValueError`` if KL is negative beyond its error.
    """
    log_p = log_density_at(target, law.nodes, t if t > 0 else 1e-12)
    return divergences.kl(log_p, law.log_density, law.weights, error=law.error,
                          with_error=with_error)


def kl_at(target: Any, other: Any, t: float) -> float:
    """KL(p_t || q_t) of two targets on the line (an empirical law is a mixture of atoms)."""
    x, _ = target.line_rule(t, math.sqrt(target.process.variance(t)) / 32)
    log_p, log_q = log_density_at(target, x, t), log_density_at(other, x, t)
    return divergences.kl(log_p, log_q, np.full(x.size, x[1] - x[0]))


def tv_at(target: Any, other: Any, t: float, *, with_error: bool = False) -> Any:
    """TV(p_t, q_t) of two targets on the line (an empirical law is a mixture of atoms).

    Trapezoid rule over both ``interval(t)``, nodes sigma_t/64 apart; ``with_error`` gives (TV, its
    error). Raises ``ValueError`` if a law is not on the line or t is not a positive time.
    """
    ends = np.array([target.interval(t), other.interval(t)])
    low, high = ends[:, 0].min(), ends[:, 1].max()
    spacing = math.sqrt(target.process.variance(t)) / 64
    x, step = np.linspace(low, high, 2 + math.ceil((high - low) / spacing), retstep=True)
    return divergences.total_variation(log_density_at(target, x, t), log_density_at(other, x, t),
                                       np.full(x.size, step), with_error=with_error)


def tv_between(law: Law, other: Law, *, with_error: bool = False) -> Any:
    """TV of two laws with different nodes, on a common grid of their overlap.

    ``with_error`` gives (TV, its error): the errors of both laws, of interpolation and of the grid.
    Raises ``ValueError`` if a law has mass outside the other's nodes.
    """
    low, high = max(law.nodes[0], other.nodes[0]), min(law.nodes[-1], other.nodes[-1])
    if not low < high:
        raise ValueError("law and other must have nodes in common: widen their cover")
    grid, spacing = np.linspace(low, high, 2 * max(law.nodes.size, other.nodes.size), retstep=True)
    error = law.error_at(grid) + other.error_at(grid)
    return divergences.total_variation(law.at(grid), other.at(grid), np.full(grid.size, spacing),
                                       error=error, with_error=with_error)


def kl_between(law: Law, other: Law, *, with_error: bool = False) -> Any:
    """KL(law || other), the second interpolated (its nodes must cover those that carry mass).

    ``with_error`` gives (KL, its error). Raises ``ValueError`` if KL is negative beyond its error.
    """
    here = (law.nodes >= other.nodes[0]) & (law.nodes <= other.nodes[-1])
    nodes = law.nodes[here]
    return divergences.kl(law.log_density[here], other.at(nodes), law.weights[here],
                          error=law.error[here] + other.error_at(nodes), with_error=with_error)
