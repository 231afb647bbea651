"""Recursions, reflection coupling and the comparison chain, against oracles and each other."""

import itertools
import math

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from score_stability.optimiser import (
    ComparisonChain,
    best_burn_in,
    first_moment,
    reflection_maximal,
    second_moment,
)
from score_stability.theory import bounds

STEP = dict(weight_decay=1.0, upsilon=4.0, clip=1.0)


def chain(s=0.15, nodes=400, **changes):
    return ComparisonChain(**{**dict(eta=0.05, noise_std=s, nodes=nodes, **STEP), **changes})


# Recursions


def test_plain_recursion_has_the_closed_forms():
    setting = dict(weight_decay=0.2, upsilon=1.5, clip=0.7, p=0.02)
    named = dict(weight_decay=0.2, upsilon=1.5, clip=0.7, hit_probability=0.02)
    constant = first_moment(200, 0.05, cap=False, **setting)
    k = np.arange(1, 201)
    assert constant == pytest.approx(bounds.SGD_CONSTANT(steps=k, step_size=0.05, **named))
    decaying = first_moment(200, lambda k: 0.3 / k, cap=False, **setting)
    closed = bounds.SGD_DECAY(steps=k, step_scale=0.3, free_steps=0, **named)
    assert decaying == pytest.approx(closed, rel=1e-9)
    late = first_moment(150, lambda k: 0.3 / k, cap=False, start=51, **setting)
    closed = bounds.SGD_DECAY(steps=k[50:], step_scale=0.3, free_steps=50, **named)
    assert late == pytest.approx(closed, rel=1e-9)
    power = bounds.SGD_DECAY_POWER(steps=k[50:], step_scale=0.3, free_steps=50, **named)
    assert (closed <= power).all()
    settled = first_moment(20000, 0.05, cap=False, **{**setting, "weight_decay": 2.0})[-1]
    assert settled == pytest.approx(bounds.SGD_STEADY(**{**named, "weight_decay": 2.0}))


def test_digits_of_the_decaying_schedule():
    values = first_moment(100, lambda k: 0.3 / k, weight_decay=0.0, upsilon=1.25 / 0.98, clip=0.7,
                          p=0.02, cap=False)
    assert values[9] == pytest.approx(0.0388728402, abs=1e-9)
    assert values[99] == pytest.approx(0.1196708216, abs=1e-9)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(eta=st.floats(1e-3, 0.5), decay=st.floats(0.01, 2), upsilon=st.floats(0, 30),
       clip=st.floats(0.1, 5), p=st.floats(0, 1))
def test_capped_recursion_is_the_smallest_bound(eta, decay, upsilon, clip, p):
    setting = dict(weight_decay=decay, upsilon=upsilon, clip=clip, p=p)
    capped = first_moment(60, eta, **setting)
    with np.errstate(over="ignore"):
        plain = first_moment(60, eta, cap=False, **setting)
    reach = 2 * clip / decay * (1 - (1 - eta * decay) ** np.arange(1, 61))
    assert (capped <= plain * (1 + 1e-12)).all() and (capped <= reach * (1 + 1e-9) + 1e-15).all()
    assert (np.diff(capped) >= -1e-12).all()  # increasing
    # The second moment with the same smoothness dominates the square of the first.
    square = second_moment(60, eta, weight_decay=decay, smoothness=upsilon, clip=clip, p=p)
    assert (np.sqrt(square) >= capped * (1 - 1e-9)).all()
    assert (square <= reach**2 * (1 + 1e-9)).all()


def test_clipping_expands_in_two_dimensions():
    # 1.6 of the derivation: convex, unclipped SGD contracts; clipped it may expand.
    hessian, angle, eta = np.diag([3.0, 0.2]), 0.5590, 0.3
    e = np.array([math.cos(angle), math.sin(angle)])
    for size, expected in ((1.5, 1.0687), (5.0, 1.0191)):
        jacobian = np.eye(2) - eta / size * (np.eye(2) - np.outer(e, e)) @ hessian
        symmetric = (jacobian + jacobian.T) / 2
        direction = np.linalg.eigh(symmetric)[1][:, -1]
        assert np.linalg.norm(jacobian @ direction) == pytest.approx(expected, abs=1e-3)


def test_burn_in():
    best = best_burn_in(1000, p=0.02, diameter=3, lipschitz=2, clip=0.7, step_scale=0.3,
                        growth=1.25)
    assert best.m == 2 and best.bound == pytest.approx(1.4135484, abs=1e-6)
    named = dict(hit_probability=0.02, clip=0.7, step_scale=0.3, upsilon=1.25 / 0.98,
                 weight_decay=0, steps=1000, diameter=3, lipschitz=2)
    assert bounds.SGD_BURN_IN(**named) == pytest.approx(1.7205166, abs=1e-6)
    assert bounds.SGD_FREE_STEPS(**{k: v for k, v in named.items() if k != "p"}) \
        == pytest.approx(2.6068433, abs=1e-6)
    assert best_burn_in(10, p=1.0, diameter=3, lipschitz=2, clip=0.7, step_scale=0.3,
                        growth=1.25).bound <= 9


# Coupling


@pytest.mark.parametrize("r", [0.05, 0.41231, 1.5])
def test_reflection_maximal_is_a_coupling(r):
    rows, s, d = 200_000, 0.3, 4
    a = torch.zeros(rows, d, dtype=torch.float64)
    b = a.clone()
    b[:, 1] = r
    first, second, met = reflection_maximal(a, b, s, np.random.default_rng(0))
    probability = bounds.MEETING(distance=r, noise_std=s)
    assert probability == pytest.approx(2 * norm.cdf(-r / (2 * s)))
    assert float(met.double().mean()) == pytest.approx(probability, abs=5 * 0.5 / rows**0.5)
    distance = (first - second).norm(dim=1)
    assert ((distance == 0) == met).all()
    assert float(distance.mean()) == pytest.approx(r, abs=5 * float(distance.std()) / rows**0.5)
    for draws, centre in ((first, a), (second, b)):
        centred = (draws - centre) / s
        assert float(centred.mean(0).abs().max()) < 5 / rows**0.5
        assert float((torch.cov(centred.T) - torch.eye(d)).abs().max()) < 8 / rows**0.5
    for z in (0.2, 0.6, 1.2):
        tail = norm.cdf((r - z) / (2 * s)) - norm.cdf(-(r + z) / (2 * s))
        assert float((distance > z).double().mean()) == pytest.approx(tail, abs=5 * .5 / rows**0.5)


def test_reflection_of_equal_points_and_single_precision():
    a = torch.randn(5, 3)
    first, second, met = reflection_maximal(a, a.clone(), torch.full((5,), 0.2),
                                            np.random.default_rng(0))
    assert torch.equal(first, second) and met.all() and first.dtype == torch.float32


# Comparison chain


@pytest.mark.parametrize(("s", "green", "continuous", "eberle", "doeblin", "rate", "meeting"), [
    (0.15, 19.812, 17.583, 46.9, 3088.6, 9.291e-3, 117.08),
    (0.10, 274.0, 252.18, 659, 8.578e4, 1.057e-3, 964.9)])
def test_chain_digits(s, green, continuous, eberle, doeblin, rate, meeting):
    c = chain(s, nodes=800)
    bracket = c.green()
    assert bracket.lower <= bracket.upper <= bracket.lower * 1.005
    assert bracket.lower == pytest.approx(green, rel=2e-3)
    assert c.green_continuous() == pytest.approx(continuous, rel=1e-4)
    assert c.eberle() == pytest.approx(eberle, rel=2e-3)
    bound, n, alpha = c.doeblin()
    assert bound == pytest.approx(doeblin, rel=1e-3) and bound == pytest.approx(
        n * c.diameter / alpha)
    assert bracket.upper < c.eberle() < bound
    assert c.spectral_rate() == pytest.approx(rate, rel=5e-3)
    assert c.meeting_time(2.0) == pytest.approx(meeting, rel=2e-3)
    assert math.log(c.green_continuous()) < 10 * bounds.BARRIER(step_size=0.05, noise_std=s, **STEP)


def test_kernel_is_the_law_of_absorbed_brownian_motion():
    c = chain(0.2, nodes=800)
    x = np.array([0.0, 0.1, 0.7, 1.9, 2.0])
    weights = c.kernel(x)
    assert weights.min() > -1e-12 and weights.sum(axis=1) == pytest.approx(1.0, abs=1e-12)
    # A grid mean of |path| up to its hitting time, via the image formula.
    for row, start in zip(weights, x, strict=True):
        w = np.linspace(0, 12, 400_001)
        density = norm.pdf(w, start, 0.4) - norm.pdf(w, -start, 0.4)
        exact = np.trapezoid(np.minimum(w, 2.0) * density, w)
        assert row @ c.grid == pytest.approx(exact, abs=1e-8)
        # Absorbed where the image formula says, up to the share of the first hat.
        assert row[0] == pytest.approx(2 * norm.cdf(-start / 0.4), abs=3e-3)


@pytest.mark.parametrize("s", [0.15, 0.0375, 0.02])
def test_chain_against_sixty_digits(s):
    # Down to G of 10³⁵: a solution of the linear system in float64 has no correct digit there.
    c = chain(s, nodes=24)
    with mpmath.workdps(60):
        sd, h = 2 * mpmath.mpf(s), mpmath.mpf(c.diameter) / 24
        nodes = [h * i for i in range(25)]

        def row(x):
            excess = [u * mpmath.ncdf(u / sd) + sd * mpmath.npdf(u / sd)
                      - v * mpmath.ncdf(v / sd) - sd * mpmath.npdf(v / sd)
                      for u, v in ((x - z, -x - z) for z in nodes)]
            slopes = [(a - b) / h for a, b in itertools.pairwise(excess)]
            return [1 - slopes[0], *(a - b for a, b in itertools.pairwise(slopes)), slopes[-1]]

        eta, decay, ups, clip = map(mpmath.mpf, (c.eta, c.weight_decay, c.upsilon, c.clip))
        exact = [row(min((1 - eta * decay + eta * ups) * z, (1 - eta * decay) * z + 2 * eta * clip))
                 for z in nodes[1:]]
        system = mpmath.matrix([[(i == j) - w for j, w in enumerate(weights[1:])]
                                for i, weights in enumerate(exact)])
        total, time = (mpmath.lu_solve(system, mpmath.matrix(r)) for r in (nodes[1:], [1] * 24))
        green = sum(w * u for w, u in zip(row(2 * eta * clip)[1:], total, strict=True))
    for found, weights in zip(c.kernel(c.free(c.grid[1:])), exact, strict=True):
        # The oracle's differences of numbers near one keep twenty of sixty digits down to 1e-40.
        pairs = [(f, w) for f, w in zip(found, weights, strict=True) if w > 1e-40]
        assert all(abs(f - w) <= 1e-11 * w for f, w in pairs)
    assert c.green().lower == pytest.approx(float(green), rel=1e-11)
    assert c.green().upper >= float(green)
    assert c.meeting_time(2.0) == pytest.approx(float(time[23]), rel=1e-11)
    # Behind a barrier a meeting is a rare event: its rate is one over the mean time.
    assert c.spectral_rate() * c.meeting_time(2.0) == pytest.approx(1.0, rel=0.1)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(s=st.floats(0.08, 0.4), upsilon=st.floats(0.1, 6), decay=st.floats(0.4, 2),
       p=st.floats(0.001, 0.3))
def test_chain_invariants(s, upsilon, decay, p):
    coarse, fine = (chain(s, nodes, upsilon=upsilon, weight_decay=decay) for nodes in (60, 120))
    low, high = coarse.green(), fine.green()
    # Refining raises the lower bound, and never above the upper one.
    assert low.lower <= high.lower * (1 + 1e-9) <= low.upper * (1 + 1e-8)
    level, finer = coarse.stationary(p), fine.stationary(p)
    assert level.lower <= finer.lower * (1 + 1e-9) and finer.lower <= level.upper * (1 + 1e-9)
    path = coarse.adjacent(p, 400)
    assert (np.diff(path) >= -1e-12).all() and path[-1] <= level.lower * (1 + 1e-9)
    partial = coarse.green_partial(400)
    assert (path <= p * partial * (1 + 1e-9)).all() and partial[-1] <= low.lower * (1 + 1e-9)
    # The capped recursion of Proposition 11 is the same chain without noise's help.
    plain = first_moment(400, 0.05, weight_decay=decay, upsilon=upsilon, clip=1.0, p=p)
    assert (path <= plain * (1 + 1e-6) + 1e-9).all()
    # U is concave and increasing, the property the proof rests on.
    values, _ = coarse._free_sums
    assert (np.diff(values) >= -1e-9).all() and (np.diff(values, 2)[1:] <= 1e-7).all()


def test_chain_against_simulation():
    c, p, runs = chain(0.15), 0.01, 4000
    rng = np.random.default_rng(0)
    r = np.zeros(runs)
    for _ in range(400):
        mean = np.where(rng.random(runs) < p, c.hit(r), c.free(r))
        # The distance after reflection: X − Y has size |mean + 2 s u| unless the pair meets.
        u = rng.standard_normal(runs)
        q = mean / c.noise_std
        met = np.log(rng.random(runs)) <= -q * (u + q / 2)
        r = np.where(met, 0.0, np.minimum(mean + 2 * c.noise_std * u, c.diameter))
    assert (r >= 0).all()
    exact = c.adjacent(p, 400)[-1]
    assert abs(r.mean() - exact) < 5 * r.std() / runs**0.5
    assert c.stationary(p).lower == pytest.approx(0.1740, abs=2e-4)
    assert chain(0.075, 800).stationary(0.001).lower == pytest.approx(1.352, abs=2e-3)
    assert p * c.green_partial(300)[[29, 99, 299]] == pytest.approx([.0447, .1183, .1858], abs=1e-4)


def test_without_a_barrier_the_chain_is_proposition_11():
    c = chain(0.05, upsilon=0.9)
    steady = bounds.SGD_STEADY(hit_probability=0.0 + 1e-9, clip=1.0, weight_decay=1.0, upsilon=0.9)
    assert c.green().lower <= steady / 1e-9 * (1 + 1e-6)
    assert c.green().upper <= 2 / 0.1 * 1.02


def test_trace_cap():
    value = bounds.TRACE_CAP(dimension=2, step_size=0.05, weight_decay=1.0, upsilon=4.0)
    assert value == pytest.approx(40 * 0.75)
    # It is the barrier at noise of trace C² spread evenly: s² = eta² C²/d.
    assert value == pytest.approx(bounds.BARRIER(step_size=0.05, noise_std=0.05 / 2**0.5, **STEP))


# Wrong inputs


@pytest.mark.parametrize(("change", "words"), [
    ({"eta": 0.0}, "eta"), ({"eta": 1.5}, "eta \\* weight_decay"), ({"clip": 0.0}, "clip"),
    ({"clip": math.inf}, "clip"), ({"weight_decay": 0.0}, "weight_decay"),
    ({"upsilon": -1.0}, "upsilon"), ({"noise_std": 0.0}, "noise_std"), ({"nodes": 2}, "nodes")])
def test_wrong_chain(change, words):
    with pytest.raises(ValueError, match=words):
        chain(**change)


@pytest.mark.parametrize(("call", "words"), [
    (lambda: first_moment(3, 0.1, p=1.5, **STEP), "p must"),
    (lambda: first_moment(3, 2.0, p=0.5, **STEP), "eta \\* weight_decay"),
    (lambda: second_moment(3, 0.1, weight_decay=1, smoothness=math.nan, clip=1, p=0.1), "upsilon"),
    (lambda: chain().stationary(-0.1), "p must"), (lambda: chain().meeting_time(3.0), "r must"),
    (lambda: best_burn_in(10, p=0.1, diameter=1, lipschitz=1, clip=1, step_scale=1, growth=0.0),
     "growth"),
    (lambda: reflection_maximal(torch.zeros(2, 3), torch.zeros(2, 2), 1.0,
                                np.random.default_rng(0)), r"b must have shape \(2, 3\)"),
    (lambda: reflection_maximal(torch.zeros(2, 3), torch.zeros(2, 3), 0.0,
                                np.random.default_rng(0)), "s must be positive")])
def test_wrong_inputs(call, words):
    with pytest.raises(ValueError, match=words):
        call()


# Digits


@settings(max_examples=40, deadline=None, derandomize=True)
@given(growth=st.floats(-15, 1), p=st.floats(-18, -0.1), steps=st.integers(1, 60))
def test_burn_in_in_digits(growth, p, steps):
    growth, p = 10.0**growth, 10.0**p
    best = best_burn_in(steps, p=p, diameter=3, lipschitz=2, clip=0.7, step_scale=0.3,
                        growth=growth)
    with mpmath.workdps(60):
        b, q = mpmath.mpf(0.3) * growth, 1 - mpmath.mpf(p)
        values, product = [], mpmath.mpf(1)
        for m in range(steps, -1, -1):
            drift = 2 * p * mpmath.mpf(0.7) * mpmath.mpf(0.3) / b * (product - 1)
            values.append(min((1 - q**m) * 9 + q**m * 6 * drift, 9))
            product *= 1 + b / m if m else 1
    assert best.bound == pytest.approx(float(min(values)), rel=1e-12, abs=0)
    assert float(values[steps - best.m]) == pytest.approx(best.bound, rel=1e-12, abs=0)


@pytest.mark.parametrize("decay", [1e-300, 1e-17, 1e-9, 0.3, 1.0])
def test_doeblin_in_digits(decay):
    c = chain(eta=1.0, weight_decay=decay, clip=decay, noise_std=3.0, nodes=8)
    bound, n, alpha = c.doeblin()
    with mpmath.workdps(400):
        rho = 1 - mpmath.mpf(decay)
        s_n = 3 * mpmath.sqrt(sum(rho ** (2 * k) for k in range(n)))
        expected = mpmath.ncdf(-mpmath.mpf(c.diameter) / (2 * s_n))
    assert alpha == pytest.approx(float(expected), rel=1e-12)
    assert bound == pytest.approx(n * c.diameter / alpha, rel=1e-12)


@pytest.mark.parametrize(("s", "nodes"), [(0.05, 40), (30.0, 20), (1e6, 20)])
def test_solution_of_the_chain_in_digits(s, nodes):
    """At both ends of a cell's width, and with noise far wider than R0."""
    c = chain(s, nodes)
    with mpmath.workdps(50):
        sd, h, x = 2 * mpmath.mpf(s), mpmath.mpf(c.diameter) / nodes, c.free(c.grid)

        def part(u):
            return u * mpmath.ncdf(u / sd) + sd * mpmath.npdf(u / sd)

        system = mpmath.eye(nodes)
        for i in range(1, nodes + 1):
            at = mpmath.mpf(float(x[i]))
            excess = [part(at - j * h) - part(-at - j * h) for j in range(nodes + 1)]
            slopes = [(excess[j] - excess[j + 1]) / h for j in range(nodes)]
            for j in range(1, nodes + 1):
                system[i - 1, j - 1] -= slopes[j - 1] - (slopes[j] if j < nodes else 0)
        times = mpmath.lu_solve(system, mpmath.ones(nodes, 1))
    assert c.meeting_time(c.diameter) == pytest.approx(float(times[nodes - 1]), rel=1e-9)
    assert c.meeting_time(c.grid[1]) == pytest.approx(float(times[0]), rel=1e-9)


def test_too_little_noise_is_an_error():
    assert chain(0.01, 50).green().lower > 1e100
    for call in (chain(1e-200, 50).green, chain(1e-200, 50).spectral_rate):
        with pytest.raises(ValueError, match="noise_std"):
            call()
