"""The exact law knows its own error: ripples, every scheme and kind of score, refusals."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from score_stability.diffusion import Gaussian, GaussianMixture, OrnsteinUhlenbeck
from score_stability.sampler import (
    Law,
    Start,
    ddim,
    ddpm,
    euler_maruyama,
    exponential_integrator,
    kappa_grid,
    kappa_of_steps,
    kl_between,
    kl_from,
    martingale_integrator,
    ode_euler,
    sampler_law,
    score_and_slope,
    tv_between,
)
from score_stability.scores import EmpiricalScore
from score_stability.theory.quadrature import trapezoid_error

HEAT = OrnsteinUhlenbeck(0.0)
NORMAL = Gaussian(0.0, 1.0, HEAT)
START = Start(0.0, 21.0)
TIMES = kappa_grid(kappa_of_steps(3, 0.05), 0.05, 10.0).times


def rippled(length, share=1.0):
    """The true score, and a ripple on its last evaluation."""
    when = float(TIMES[-2])

    def score(y, t):
        ripple = share / (2 * when) * length * torch.sin(y / length)
        return NORMAL.score(y, t) + (ripple if t == when else 0.0)
    return score


def law_of(score, times=TIMES, cover=(-6, 6), **options):
    return sampler_law(score, HEAT, times, START, cover=cover, **options)


@pytest.fixture(scope="module")
def smooth():
    return law_of(NORMAL.score)


@pytest.mark.parametrize(("length", "kl", "tv"), [
    (1.0, 0.1102652647, 0.2050113), (0.3, 0.0103339547, 0.0642830), (0.1, 3.49605e-7, 2.86859e-4),
    (0.03, 2.8350e-9, 2.57682e-5), (0.01, 3.506e-11, 2.86320e-6)])
def test_a_ripple_is_seen(smooth, length, kl, tv):
    """Short ripples of a score, with values found at a twelfth of the spacing."""
    law = law_of(rippled(length))
    found, error = kl_between(smooth, law, with_error=True)
    assert abs(found - kl) <= error + 1e-4 * kl and error < 2e-6
    assert abs(found - kl) < 2e-3 * kl + 1e-11
    found, error = tv_between(smooth, law, with_error=True)
    assert abs(found - tv) <= error + 1e-5 * tv and error < 8e-5
    assert abs(law.mass_defect) < 1e-8


@settings(max_examples=10, deadline=None, derandomize=True)
@given(length=st.floats(0.004, 0.5), share=st.floats(0.1, 1.0))
def test_any_ripple_within_its_error(length, share):
    p, other = law_of(NORMAL.score), rippled(length, share)
    coarse, fine = law_of(other), law_of(other, resolution=0.15)
    for distance in (kl_between, tv_between):
        (a, error_a), (b, error_b) = (distance(p, q, with_error=True) for q in (coarse, fine))
        assert abs(a - b) <= error_a + error_b + 1e-8
        assert error_a < 9e-5


def bimodal():
    return GaussianMixture([0.5, 0.5], [[-1.5], [1.5]], 0.25, HEAT)


def empirical(number, seed):
    data = np.random.default_rng(seed).standard_normal((number, 1))
    return EmpiricalScore(torch.from_numpy(data), HEAT)


SCORES = {"true": lambda: bimodal().score, "few points": lambda: empirical(4, 0),
          "many points": lambda: empirical(40, 1),
          "callable": lambda: lambda x, t: empirical(8, 2)(x, t),
          "ripple": lambda: rippled(0.08)}


@pytest.mark.parametrize("kind", SCORES)
@pytest.mark.parametrize("scheme", [euler_maruyama, ddpm, exponential_integrator,
                                    martingale_integrator, ddim(0.5), ddim(), ode_euler],
                         ids=lambda scheme: scheme.__name__)
def test_half_the_spacing_is_within_the_stated_error(scheme, kind):
    for steps in (1, 5):
        times = TIMES if kind == "ripple" else kappa_grid(kappa_of_steps(steps, 0.02), 0.02,
                                                          10.0).times
        p = law_of(NORMAL.score, times, (-9, 9), scheme=scheme)
        score = SCORES[kind]()
        laws = [law_of(score, times, (-9, 9), scheme=scheme, resolution=r, refine=f)
                for r, f in ((0.6, 8), (0.3, 16))]
        for pairs in ([kl_from(NORMAL, times[-1], law, with_error=True) for law in laws],
                      [tv_between(p, law, with_error=True) for law in laws]):
            (a, error_a), (b, error_b) = pairs
            assert abs(a - b) <= error_a + error_b + 1e-12


def test_the_slope_of_a_rough_score():
    """Differences notice a score that turns within their step."""
    y = np.linspace(-1.0, 1.0, 101)
    for length in (0.3, 0.01, 0.002):
        s, slope = score_and_slope(lambda x, t, a=length: a * torch.sin(x / a))(y, 0.5)
        assert s == pytest.approx(length * np.sin(y / length), abs=1e-14)
        assert slope == pytest.approx(np.cos(y / length), abs=1e-7)


def test_the_error_of_a_trapezoid_rule():
    """The claim covers the error where it is known, and gives up where nothing falls."""
    for spacing in (0.5, 1.0, 1.5):
        for density, order in ((lambda x: np.exp(-x**2 / 2) / math.sqrt(2 * math.pi), 4.0),
                               (lambda x: 0.5 / np.cosh(math.pi * x / 2), 2.0)):
            shifts = np.linspace(0, spacing, 9)
            x = spacing * np.arange(-80, 80) + shifts[:, None]
            terms, j = spacing * density(x), np.arange(160)
            total = terms.sum(1)
            claim = trapezoid_error(*(abs((terms * i**j).sum(1)) / total for i in (-1, 1j)), order)
            # The phase at half the frequency is not known: look at all shifts together.
            error = abs(total - 1).max()
            assert error <= claim.max() + 1e-15 and claim.max() <= 2 * math.sqrt(error) + 1e-10
    assert trapezoid_error(np.array([0.1]), np.array([0.05]))[0] == pytest.approx(0.2)


def test_refusals():
    nodes = np.linspace(-9.0, 9.0, 361)
    weights = np.full(nodes.size, nodes[1] - nodes[0])
    log_p = -0.5 * nodes**2 - 0.5 * math.log(2 * math.pi)

    def law(shift, nodes=nodes):
        return Law(nodes, weights, log_p + shift, np.zeros(nodes.size))

    with pytest.raises(ValueError, match="log_q must have mass at most 1"):
        kl_between(law(0.0), law(1e-3))
    with pytest.raises(ValueError, match="below 0 by more than its error"):
        kl_between(law(0.0), law(5e-7))
    assert kl_between(law(0.0), law(0.0)) == 0.0
    with pytest.raises(ValueError, match="nodes in common"):
        tv_between(law(0.0), law(0.0, nodes + 40))
    with pytest.raises(ValueError, match="mass 1"):
        tv_between(law(0.0), law(0.0, nodes + 12))


@pytest.mark.parametrize("stop", [1e-3, 2e-4])
def test_a_looser_tolerance_is_faster_and_reported_as_such(stop):
    data = torch.from_numpy(np.random.default_rng(0).standard_normal((10, 1)))
    score, times = EmpiricalScore(data, HEAT), kappa_grid(0.3183, stop, 2.0).times
    laws = [sampler_law(score, HEAT, times, Start(0.0, 5.0), cover=(-4, 4), resolution=0.9,
                        refine=1, tolerance=tolerance) for tolerance in (1e-1, 1e-3, 1e-6)]
    assert all((law.nodes == laws[0].nodes).all() for law in laws)
    mass = laws[-1].probabilities
    errors = [float(mass @ law.error) for law in laws]
    truth = [float(mass @ np.abs(law.log_density - laws[-1].log_density)) for law in laws]
    assert errors[0] >= errors[1] > errors[2]
    assert all(t <= e for t, e in zip(truth, errors, strict=True))
    # Each of the steps may add as much as the tolerance.
    assert all(e <= len(times) * tolerance
               for e, tolerance in zip(errors, (1e-1, 1e-3, 1e-6), strict=True))


@pytest.mark.parametrize("tolerance", [0.0, -1.0, 1.0, math.nan])
def test_a_tolerance_is_a_small_number(tolerance):
    with pytest.raises(ValueError, match=r"^tolerance must be in"):
        law_of(NORMAL.score, tolerance=tolerance)
