"""Bounds of Lemma 4, Harnack and Proposition 6 against formulas in plain numbers."""

import math

import numpy as np
import pytest

from score_stability.diffusion import Circle, OrnsteinUhlenbeck, Sphere, Torus
from score_stability.theory import bounds

rng = np.random.default_rng(7)
root = math.sqrt


def M(order, mass, diameter, sigma, radius_factor, ball):
    c = order / (order + 1)
    return ((mass * diameter**2 / sigma**4) ** (1 - c) * math.exp(order * radius_factor**2 / 2)
            * math.factorial(int(order)) ** (1 - c) * ball**-c)


PLAIN = {
    "MOVE_CONVEX": lambda gap, N: gap / N,
    "MOVE_STABILITY": lambda eps_stab, seen_loss, N: (
        eps_stab * (2 * root(seen_loss) + eps_stab) / N),
    "MOVE_APPROXIMATE": lambda gap, N, optimisation_error: (
        root(optimisation_error) + root(optimisation_error + gap / N)) ** 2,
    "MOVE_GENERAL": lambda h, gap, N: (root(h) + root(h + gap / N)) ** 2,
    "MOVE_PAPER": lambda h, eps_stab, C, N: h + eps_stab / N * (root(C) + eps_stab),
    "HARNACK": lambda p, distance, sigma: p * distance**2 / (2 * (p - 1) * sigma**2),
    "HARNACK_SEMIGROUP": lambda p, distance, alpha, t: (
        p * alpha * distance**2 / (2 * (p - 1) * math.expm1(2 * alpha * t))),
    "INVERSE_BINOMIAL": lambda order, ball: math.factorial(int(order)) / ball**order,
    "CLASS_FACTOR": M,
    "CLASS_GAP": lambda factor, gap, N, order: factor * (gap / N) ** (order / (order + 1)),
    "CLASS_FIRST": lambda factor, seen_loss, N, order: (
        factor * (9 * factor * seen_loss / N**2) ** (order / (order + 2))),
    "CLASS_SECOND": lambda factor, N, order: factor ** (order + 1) * (3 / N) ** order,
    "MANIFOLD_B": lambda intrinsic_dimension, mean_scale, sigma, volume: (
        intrinsic_dimension * 2 ** (-intrinsic_dimension / 2 - 1)
        * (mean_scale**2 / (2 * math.pi * sigma**2)) ** (intrinsic_dimension / 2)
        * volume / sigma**2),
    "MANIFOLD_V": lambda intrinsic_dimension, mean_scale, sigma, volume, inverse_density: (
        intrinsic_dimension * 3 ** (-intrinsic_dimension / 2 - 1)
        * (mean_scale**2 / (2 * math.pi * sigma**2)) ** intrinsic_dimension
        * inverse_density / sigma**2
        + PLAIN["MANIFOLD_B"](intrinsic_dimension, mean_scale, sigma, volume)),
    "PAPER_CONSTANT": lambda diameter, sigma, c_nu, intrinsic_dimension: max(
        diameter**2 / sigma**4, 1 / (c_nu * sigma**intrinsic_dimension)),
}


@pytest.mark.parametrize("name", PLAIN)
def test_plain_numbers(name):
    bound = getattr(bounds, name)
    for _ in range(10):
        values = {argument: float(v) for argument, v in zip(
            bound.arguments, rng.uniform(0.2, 2.5, 12)[: len(bound.arguments)], strict=True)}
        if "p" in values:
            values["p"] += 1.0
        if "order" in values:
            values["order"] = float(rng.integers(1, 6))
        assert bound(**values) == pytest.approx(PLAIN[name](**values), rel=1e-12)


def test_lemma_4_lies_between_its_limits():
    """gap/N at no excess, 4 delta_opt at no gap; never above 4/3 of their sum, nor below it."""
    error, gap, N = rng.uniform(0.01, 4, (3, 50))
    found = bounds.MOVE_APPROXIMATE(optimisation_error=error, gap=gap, N=N)
    np.testing.assert_allclose(found, bounds.MOVE_GENERAL(h=error, gap=gap, N=N), rtol=1e-12)
    both = gap / N + 4 * error
    assert (both <= found).all() and (found <= 4 / 3 * both + 1e-12).all()
    assert bounds.MOVE_GENERAL(h=0, gap=2.0, N=10) == pytest.approx(
        bounds.MOVE_CONVEX(gap=2.0, N=10))
    assert bounds.MOVE_GENERAL(h=1.5, gap=0, N=10) == pytest.approx(6)


def test_the_two_branches_solve_the_inequality_they_come_from():
    """eps² = M (eps (2 √L̂ + eps)/N)^c lies below the larger branch, for any M, L̂, N."""
    for order in (1, 2, 5):
        for factor, seen, N in rng.uniform(0.1, 50.0, (40, 3)):
            c = order / (order + 1)
            low, high = 1e-12, 1e12
            for _ in range(300):  # bisection in log eps: the ratio of both sides is monotone
                eps = root(low * high)
                if eps**2 < factor * (eps * (2 * root(seen) + eps) / N) ** c:
                    low = eps
                else:
                    high = eps
            best = max(bounds.CLASS_FIRST(factor=factor, seen_loss=seen, N=N, order=order),
                       bounds.CLASS_SECOND(factor=factor, N=N, order=order))
            assert low**2 <= best * (1 + 1e-9)


@pytest.mark.parametrize("target, d, volume", (
    (Circle, 1, 2 * math.pi), (lambda p: Torus(2, p), 2, (2 * math.pi) ** 2),
    (lambda p: Torus(3, p), 3, (2 * math.pi) ** 3), (Sphere, 2, 4 * math.pi)))
def test_manifold_constants_are_the_small_sigma_limit(target, d, volume):
    process = OrnsteinUhlenbeck(0.0)
    errors = []
    for sigma in (0.1, 0.05):
        exact = target(process).stability_constants(sigma**2 / 2)
        common = {"intrinsic_dimension": d, "mean_scale": 1.0, "sigma": sigma, "volume": volume}
        errors.append((
            abs(bounds.MANIFOLD_V(**common, inverse_density=volume**2) / exact.V - 1),
            abs(bounds.MANIFOLD_B(**common) / exact.B - 1)))
    # Relative error of order sigma²: halving sigma divides it by four.
    assert max(errors[0]) < 0.03
    for coarse, fine in zip(*errors, strict=True):
        assert fine < 0.35 * coarse or fine < 1e-9


def test_semigroup_form_is_the_gaussian_form_after_scaling():
    alpha, t, p, distance = 0.7, 0.4, 2.5, 1.3
    variance = -math.expm1(-2 * alpha * t) / alpha
    scaled = bounds.HARNACK(p=p, distance=math.exp(-alpha * t) * distance,
                            sigma=root(variance))
    assert bounds.HARNACK_SEMIGROUP(p=p, distance=distance, alpha=alpha, t=t) == pytest.approx(
        scaled, rel=1e-12)


def test_inverse_binomial_bound_holds_by_enumeration():
    from scipy import stats

    for N in (2, 5, 20, 60):
        for ball in (0.02, 0.1, 0.5, 0.95):
            n = 1 + np.arange(N)
            pmf = stats.binom.pmf(np.arange(N), N - 1, ball)
            for order in (1, 2, 3, 4):
                truth = float(np.sum(pmf * (N / n) ** order))
                limit = bounds.INVERSE_BINOMIAL(order=order, ball=ball)
                assert truth <= limit * (1 + 1e-12)
