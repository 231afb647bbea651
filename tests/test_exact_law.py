"""Exact laws: Gaussian closed forms, dense quadrature, sampling; Girsanov's terms; two samplers."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from score_stability.diffusion import (
    Gaussian,
    GaussianMixture,
    OrnsteinUhlenbeck,
    Sphere,
    TimeWeighting,
    TwoPoint,
    UniformInterval,
)
from score_stability.sampler import (
    Start,
    chain_rule_bound,
    ddim,
    ddpm,
    discretisation_term,
    divergences_from,
    euler_maruyama,
    exact_start,
    exponential_integrator,
    gaussian_law,
    girsanov_bound,
    gronwall_w2_bound,
    heun,
    jacobian_tv_bound,
    kappa_grid,
    kappa_of_steps,
    kl_at,
    kl_between,
    kl_from,
    martingale_integrator,
    matched_start,
    ode_euler,
    ode_exponential,
    sample,
    sampler_law,
    score_and_slope,
    score_error,
    score_term,
    start_cost,
    tv_at,
    tv_between,
)
from score_stability.scores import EmpiricalScore
from score_stability.theory import bounds

HEAT, OU = OrnsteinUhlenbeck(0.0), OrnsteinUhlenbeck(1.0)
NOISY = [euler_maruyama, exponential_integrator, martingale_integrator, ddpm, ddim(0.5)]
NOISELESS = [ddim(), ode_euler, ode_exponential, heun]
ALL = pytest.mark.parametrize("scheme", NOISY + NOISELESS, ids=lambda scheme: scheme.__name__)
repeatable = settings(max_examples=12, deadline=None, derandomize=True)


def bimodal(process):
    return GaussianMixture([0.5, 0.5], [[-1.5], [1.5]], 0.25, process)


def empirical(number, seed=0, process=HEAT):
    data = torch.from_numpy(np.random.default_rng(seed).standard_normal((number, 1)))
    return EmpiricalScore(data, process)


# The law


@ALL
@pytest.mark.parametrize("process", [HEAT, OU], ids=["heat", "ou"])
def test_gaussian_target(scheme, process):
    target, times = Gaussian(0.3, 0.7, process), kappa_grid(0.5, 0.02, 5.0).times
    law = sampler_law(target.score, process, times, Start(0.1, 2.0), cover=(-6, 6), scheme=scheme,
                      score_at_end=True)
    means, variances = gaussian_law(process, times, scheme, (0.1, 2.0), (0.3, 0.7))
    exact = Start(means[-1], variances[-1]).log(law.nodes)
    inside = abs(law.nodes) <= 6  # log densities down to −150
    assert law.log_density[inside] == pytest.approx(exact[inside], abs=1e-6)
    assert abs(law.mass_defect) < 1e-12
    assert law.moments() == pytest.approx((means[-1], variances[-1]), rel=1e-10)


def dense(score, process, times, start, scheme, half=18.0):
    """The same law by a fixed grid and the full kernel matrix, in the log domain."""
    steps = [scheme(process, a, b) for a, b in pairwise(times)]
    spacing = min(math.sqrt(s.v) for s in steps) / 16
    wide = np.arange(-half - 20, half + 20, spacing)
    log_q, y, weight = start.log(wide), wide, spacing
    grid = np.arange(-half, half, spacing)
    for step, a in zip(steps, times, strict=False):
        z = step.A * y + step.B * score(torch.from_numpy(y)[:, None], a).numpy()[:, 0]
        exponent = (log_q + math.log(weight)
                    - (grid[:, None] - z)**2 / (2 * step.v))
        top = exponent.max(1)
        log_q = (np.log(np.exp(exponent - top[:, None]).sum(1)) + top
                 - 0.5 * math.log(2 * math.pi * step.v))
        y, weight = grid, spacing
    return grid, log_q


@pytest.mark.parametrize("scheme", [euler_maruyama, ddpm], ids=lambda scheme: scheme.__name__)
def test_empirical_score_against_a_dense_grid(scheme):
    score, times = empirical(12), kappa_grid(0.9, 0.05, 3.0).times
    grid, log_q = dense(score, HEAT, times, Start(0, 7.0), scheme)
    law = sampler_law(score, HEAT, times, Start(0, 7.0), cover=(-5, 5), scheme=scheme,
                      resolution=0.4, refine=32)
    inside = abs(grid) < 4.5
    assert law.at(grid[inside]) == pytest.approx(log_q[inside], abs=1e-7)


@pytest.mark.parametrize(("stop", "kappa", "tolerance"),
                         [(0.02, 0.63, 1e-8), (0.02, 6.1, 1e-5), (0.01, 0.3, 1e-8),
                          (1e-3, 0.5, 1e-5), (1e-3, 1.0, 2e-5)])
def test_refinement(stop, kappa, tolerance):
    target, score, times = Gaussian(0.0, 1.0, HEAT), empirical(40), kappa_grid(kappa, stop,
                                                                               10.0).times
    values = [kl_from(target, 0, sampler_law(score, HEAT, times, Start(0, 21.0), cover=cover,
                                             resolution=resolution, refine=refine))
              for resolution, refine, cover in ((0.6, 8, (-9, 9)), (0.3, 16, (-9, 9)),
                                                (0.6, 8, (-12, 13)))]
    assert values[1:] == pytest.approx([values[0]] * 2, rel=tolerance)


def test_a_generic_callable_has_the_same_law():
    score, times = empirical(20), kappa_grid(0.6, 0.02, 5.0).times

    def wrapped(x, t):
        return score(x, t)

    y = np.linspace(-4, 4, 301)
    for t in (0.01, 0.3, 5.0):
        closed, differences = score_and_slope(score)(y, t), score_and_slope(wrapped)(y, t)
        assert differences[0] == pytest.approx(closed[0], rel=1e-10, abs=1e-9)
        assert differences[1] == pytest.approx(closed[1], rel=1e-7, abs=1e-7 / t)
    laws = [sampler_law(s, HEAT, times, Start(0, 11.0), cover=(-5, 5)) for s in (score, wrapped)]
    assert laws[1].at(laws[0].nodes[50:-50]) == pytest.approx(
        laws[0].log_density[50:-50], abs=1e-5)


@pytest.mark.parametrize("scheme", [euler_maruyama, ode_euler], ids=lambda s: s.__name__)
def test_simulation_has_this_law(scheme):
    score, times = empirical(10, 3), kappa_grid(0.6, 0.02, 3.0).times
    generator = np.random.default_rng(5)
    start = torch.from_numpy(math.sqrt(7.0) * generator.standard_normal((40000, 1)))
    output = np.sort(sample(score, HEAT, times, start, generator, scheme=scheme)[:, 0].numpy())
    law = sampler_law(score, HEAT, times, Start(0, 7.0), cover=(-6, 6), scheme=scheme)
    distribution = np.interp(output, law.nodes, np.cumsum(law.probabilities))
    gap = abs(distribution - np.arange(1, 40001) / 40000).max()
    assert gap < 1.95 / math.sqrt(40000) + 2e-3  # Kolmogorov's 0.1 per cent point


def test_path_of_laws():
    target, times = Gaussian(0.0, 0.5, HEAT), kappa_grid(0.5, 0.05, 3.0).times
    laws = sampler_law(target.score, HEAT, times, Start(0.2, 5.0), cover=(-6, 6), path=True)
    means, variances = gaussian_law(HEAT, times, euler_maruyama, (0.2, 5.0), (0.0, 0.5))
    assert len(laws) == len(times)
    for law, m, v in zip(laws, means, variances, strict=True):
        assert law.moments() == pytest.approx((m, v), abs=1e-10)
        assert abs(law.mass_defect) < 1e-11


def test_unstable_map_that_changes_direction():
    # alpha * step = 1.3: the mean of Euler–Maruyama decreases far out; the law is still exact.
    target, times = Gaussian(0.0, 1.0, OU), np.array([5.0, 3.7, 2.4, 1.1, 0.5, 0.3])
    law = sampler_law(target.score, OU, times, Start(0, 1.0), cover=(-6, 6))
    variance = gaussian_law(OU, times, euler_maruyama, (0, 1.0), (0, 1.0))[1][-1]
    assert law.moments()[1] == pytest.approx(variance, rel=1e-9)


def test_exact_flow_returns_the_kernel_density_estimate():
    score = empirical(10)
    cloud = GaussianMixture([0.1] * 10, score.data, 0.0, HEAT)
    times = kappa_grid(0.02, 0.05, 2.0).times
    law = sampler_law(score, HEAT, times, exact_start(cloud, 2.0), cover=(-5, 5))
    assert kl_from(cloud, 0.05, law) < 2e-4
    assert start_cost(cloud, 2.0, exact_start(cloud, 2.0)) == pytest.approx(0, abs=1e-12)
    flow = sampler_law(score, HEAT, times, exact_start(cloud, 2.0), cover=(-5, 5), scheme=ddim())
    assert kl_from(cloud, 0.05, flow) < 2e-3


def test_divergences():
    target, other = Gaussian(0.0, 1.0, HEAT), Gaussian(0.2, 1.5, HEAT)
    times = np.array([1.0, 0.5])
    law = sampler_law(other.score, HEAT, times, exact_start(other, 1.0), cover=(-15, 15),
                      scheme=ddim())
    found = divergences_from(target, 0.5, law)
    mean, variance = law.moments()
    assert found["kl"] == pytest.approx(0.5 * (2 / variance - 1 - math.log(2 / variance)
                                               + mean**2 / variance), rel=1e-8)
    assert found["kl"] == kl_from(target, 0.5, law)
    assert 0 < found["tv"] < 1 and found["w1"] > 0 and found["reverse_kl"] > 0
    assert kl_at(target, other, 0.5) == pytest.approx(
        0.5 * (2 / 2.5 - 1 - math.log(2 / 2.5) + 0.04 / 2.5), rel=1e-9)


def mixture_tv(first, second, t):
    """The other route: distribution functions between the sign changes of p − q."""
    from scipy.optimize import brentq
    from scipy.stats import norm

    def parts(law, x):
        mu, variance = law.process.mean_scale(t), law.process.variance(t)
        scale = np.sqrt(mu**2 * law.variances.numpy() + variance)
        return (np.subtract.outer(x, mu * law.means[:, 0].numpy()) / scale, scale,
                law.weights.numpy())

    def gap(x):
        return sum(sign * ((norm.pdf(z) / scale) @ weights) for sign, (z, scale, weights) in (
            (1, parts(first, x)), (-1, parts(second, x))))

    def below(x):
        return sum(sign * (norm.cdf(z) @ weights) for sign, (z, _, weights) in (
            (1, parts(first, x)), (-1, parts(second, x))))

    low, high = first.interval(t)
    x = np.linspace(low, high, 3001)
    turns = np.flatnonzero(np.diff(np.sign(gap(x))))
    changes = [brentq(gap, x[k], x[k + 1], xtol=1e-12) for k in turns]
    return 0.5 * np.abs(np.diff(below(np.array([low - 30, *changes, high + 30])))).sum()


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_tv_at_one_time(alpha):
    process = OrnsteinUhlenbeck(alpha=alpha)
    target = GaussianMixture([0.5, 0.5], [[-1.5], [1.5]], 0.25, process)
    points = np.array([-1.7, 0.2, 1.2, 1.5, 2.4])
    atoms = GaussianMixture(np.full(5, 0.2), points[:, None], 0.0, process)
    found = []
    for t in (0.01, 0.1, 1.0, 5.0):
        value, error = tv_at(target, atoms, t, with_error=True)
        assert value == tv_at(target, atoms, t)
        assert value == pytest.approx(tv_at(atoms, target, t), abs=error)
        assert abs(value - mixture_tv(target, atoms, t)) <= error < 2e-3 * value
        found.append(value)
    assert (np.diff(found) < 0).all()  # data processing
    assert tv_at(target, target, 0.5) == 0
    with pytest.raises(ValueError, match="t must"):
        tv_at(target, atoms, 0.0)


# Girsanov


@pytest.mark.parametrize(("kappa", "expected"), [(0.122, 0.0398), (0.778, 0.1911),
                                                 (1.154, 0.2536), (9.0, 0.7421)])
def test_discretisation_digits(kappa, expected):
    steps = round(math.log(100) / math.log1p(kappa))
    times = kappa_grid(kappa_of_steps(steps, 0.01), 0.01, 10.0).times
    assert discretisation_term(bimodal(HEAT), times) == pytest.approx(expected, abs=6e-5)


def integral(target, times, integrand, nodes=12):
    x, w = np.polynomial.legendre.leggauss(nodes)
    total = 0.0
    for a, b in pairwise(times):
        t = np.exp(0.5 * math.log(a * b) + 0.5 * math.log(a / b) * x)
        total += 0.5 * math.log(a / b) * sum(wk * tk * integrand(a, tk)
                                             for wk, tk in zip(w, t, strict=True))
    return total


@pytest.mark.parametrize("process", [HEAT, OU], ids=["heat", "ou"])
def test_entropy_form_is_the_integral_form(process):
    target, times = bimodal(process), kappa_grid(0.8, 0.05, 2.0).times
    fisher, alpha = target.fisher_information, process.alpha

    def mmse(t):
        return target.score_matching_constant(t) / process.denoiser_to_score_units(t)

    integrands = {
        martingale_integrator: lambda a, b: (
            fisher(b) - math.exp(-2 * alpha * (a - b)) * fisher(a)),
        exponential_integrator: lambda a, b: (
            fisher(b) - (2 * math.exp(-alpha * (a - b)) - 1) * fisher(a)),
        ddpm: lambda a, b: process.denoiser_to_score_units(b) * (mmse(a) - mmse(b)),
    }
    for scheme, integrand in integrands.items():
        assert discretisation_term(target, times, scheme) == pytest.approx(
            integral(target, times, integrand), rel=1e-9)
    if alpha == 0:
        assert discretisation_term(target, times) == discretisation_term(
            target, times, exponential_integrator)


@pytest.mark.parametrize("scheme", [euler_maruyama, exponential_integrator, martingale_integrator,
                                    ddpm], ids=lambda scheme: scheme.__name__)
def test_terms_against_two_dimensional_quadrature(scheme):
    # E over (X_a, X_b) of the squared drift gap, directly, for one step at alpha = 1.
    target, score, a, b = bimodal(OU), empirical(20, 1, OU), 0.5, 0.3
    x, w = target.line_rule(b)
    z = np.linspace(-8, 8, 161)
    wz = np.exp(-z**2 / 2)
    wz /= wz.sum()
    nodes, weights = np.polynomial.legendre.leggauss(8)
    total = 0.0
    for node, weight in zip(nodes, weights, strict=True):
        t = 0.5 * (a + b) + 0.5 * (a - b) * node
        x, w = target.line_rule(t)
        delta = a - t
        later = (math.exp(-delta) * x[:, None] + math.sqrt(OU.variance(delta)) * z).reshape(-1, 1)
        frozen = score(torch.from_numpy(later), a).numpy().reshape(len(x), -1)
        later = later.reshape(len(x), -1)
        now = target.score(torch.from_numpy(x)[:, None], t).numpy()
        if scheme is euler_maruyama:
            gap = 0.5 * ((x[:, None] - later) + 2 * (now - frozen))
        elif scheme is exponential_integrator:
            gap = now - frozen
        elif scheme is martingale_integrator:
            gap = now - math.exp(-delta) * frozen
        else:
            scale = OU.mean_scale(t) / OU.variance(t)
            denoised = (later + OU.variance(a) * frozen) / OU.mean_scale(a)
            truth = (x[:, None] + OU.variance(t) * now) / OU.mean_scale(t)
            gap = scale * (denoised - truth)
        total += 0.5 * (a - b) * weight * float(w @ (gap**2 @ wz))
    terms = girsanov_bound(target, score, [a, b], Start(0, 1.0), scheme)
    assert terms.score + terms.discretisation + terms.cross == pytest.approx(total, rel=1e-7)


@repeatable
@given(kappa=st.floats(0.1, 9), stop=st.sampled_from([0.01, 0.05]), number=st.integers(2, 40),
       scheme=st.sampled_from([euler_maruyama, ddpm]), seed=st.integers(0, 99))
def test_girsanov_holds(kappa, stop, number, scheme, seed):
    target = bimodal(HEAT)
    score = EmpiricalScore(target.sample(number, np.random.default_rng(seed)), HEAT)
    times, start = kappa_grid(kappa, stop, 10.0).times, matched_start(target, 10.0)
    terms = girsanov_bound(target, score, times, start, scheme)
    law = sampler_law(score, HEAT, times, start, cover=target.interval(stop), scheme=scheme)
    assert kl_from(target, stop, law) <= terms.total * (1 + 1e-9)
    assert terms.cross == 0 and min(terms) >= 0
    if scheme is euler_maruyama:
        assert terms.score == pytest.approx(score_term(target, score, times), rel=1e-12)
        assert terms.discretisation <= bounds.DISCRETISATION(
            kappa=kappa_grid(kappa, stop, 10.0).kappa, dimension=1, early_stopping_time=stop)


def test_constant_is_one():
    # kappa → 0 and start p^_T: relative de Bruijn, KL(p_eps‖p^_eps) = KL_T + ∫E|s^ − s|² dt.
    target, score = Gaussian(0.0, 1.0, HEAT), empirical(40)
    cloud = GaussianMixture([1 / 40] * 40, score.data, 0.0, HEAT)
    rule = TimeWeighting.lebesgue(0.02, 10.0, 60)
    path = rule.integrate(lambda t: score_error(target, score, t))
    assert kl_at(target, cloud, 0.02) == pytest.approx(kl_at(target, cloud, 10.0) + path, rel=1e-7)


def test_higher_dimension_and_atoms():
    times = kappa_grid(0.5, 1e-3, 1.0).times
    kappa = kappa_grid(0.5, 1e-3, 1.0).kappa
    steps = len(times) - 1
    # Two far atoms are a point mass at these times; a sphere costs one normal direction more.
    point = GaussianMixture([1.0], [[0.0]], 0.0, HEAT)
    assert discretisation_term(point, times) == pytest.approx(
        steps * bounds.NORMAL_STEP(kappa=kappa), rel=1e-9)
    sphere = discretisation_term(Sphere(HEAT, 40.0), times)
    assert sphere == pytest.approx(steps * bounds.NORMAL_STEP(kappa=kappa), rel=1e-3)
    flat = discretisation_term(UniformInterval(HEAT, -400, 400), times, ddpm)
    assert flat == pytest.approx(steps * bounds.TANGENTIAL_STEP(kappa=kappa), rel=1e-2)
    assert discretisation_term(TwoPoint(HEAT), times) > 0


# Two samplers


@pytest.mark.parametrize(("number", "stop", "kappa"), [(10, 0.02, 0.63), (40, 0.02, 1.7),
                                                       (10, 0.002, 0.86)])
def test_two_samplers(number, stop, kappa):
    data = torch.from_numpy(np.random.default_rng(2).standard_normal((number + 1, 1)))
    score, other = EmpiricalScore(data[:-1], HEAT), EmpiricalScore(data[1:], HEAT)
    times, start = kappa_grid(kappa, stop, 10.0).times, Start(0, 21.0)
    options = dict(cover=(-7, 7))
    for scheme in (euler_maruyama, ddpm):
        laws = sampler_law(score, HEAT, times, start, scheme=scheme, path=True, **options)
        law = sampler_law(other, HEAT, times, start, scheme=scheme, **options)
        bound = chain_rule_bound(laws, score, other, HEAT, times, scheme)
        assert 0 < kl_between(laws[-1], law) <= bound
        assert tv_between(laws[-1], law) <= math.sqrt(bound / 2)
        assert gronwall_w2_bound(score, other, HEAT, times, start, scheme=scheme, **options) > 0
    assert chain_rule_bound(laws, score, other, HEAT, times, ddim()) == math.inf
    for scheme in (ddim(), ode_euler):
        laws = [sampler_law(s, HEAT, times, start, scheme=scheme, **options)
                for s in (score, other)]
        tv = tv_between(*laws)
        bound = jacobian_tv_bound(score, other, HEAT, times, start, scheme=scheme)
        assert 0 < tv <= bound
        finer = jacobian_tv_bound(score, other, HEAT, times, start, scheme=scheme, nodes=20001,
                                  thetas=9)
        assert finer == pytest.approx(bound, rel=2e-2)
        w2 = gronwall_w2_bound(score, other, HEAT, times, start, scheme=scheme, **options)
        # W_1 <= W_2: compare distribution functions on one grid.
        grid = np.linspace(-7, 7, 20001)
        gap = np.cumsum(np.exp(laws[0].at(grid)) - np.exp(laws[1].at(grid))) * (grid[1] - grid[0])
        assert abs(gap).sum() * (grid[1] - grid[0]) <= w2


def test_gronwall_is_exact_for_shifted_gaussians():
    # Equal slopes, constant gap: every step of the coupling is an equality.
    score, other = Gaussian(0.0, 1.0, HEAT).score, Gaussian(0.5, 1.0, HEAT).score
    times, start = kappa_grid(0.5, 0.05, 3.0).times, Start(0, 7.0)
    for scheme in (ode_euler, euler_maruyama):
        means = [gaussian_law(HEAT, times, scheme, (0, 7.0), (m, 1.0))[0][-1] for m in (0.0, 0.5)]
        assert gronwall_w2_bound(score, other, HEAT, times, start, cover=(-8, 8),
                                 scheme=scheme) == pytest.approx(means[1] - means[0], rel=1e-9)


# Wrong input


def test_wrong_input():
    score, times, start = empirical(5), kappa_grid(0.5, 0.1, 2.0).times, Start(0, 5.0)

    def law(**changes):
        arguments = dict(score=score, process=HEAT, times=times, start=start, cover=(-5, 5))
        return sampler_law(**{**arguments, **changes})

    for cover in ((1, 1), (5, -5), (-math.inf, 1), (math.nan, 1)):
        with pytest.raises(ValueError, match="cover must"):
            law(cover=cover)
    for resolution in (0, -1, 2, math.nan):
        with pytest.raises(ValueError, match="resolution must"):
            law(resolution=resolution)
    with pytest.raises(ValueError, match="refine must"):
        law(refine=0)
    for variance in (0.0, -1.0, math.inf):
        with pytest.raises(ValueError, match="start must"):
            law(start=Start(0, variance))
    with pytest.raises(ValueError, match="times must"):
        law(times=[1.0, 2.0])
    with pytest.raises(ValueError, match="score_at_end"):
        law(scheme=heun)
    with pytest.raises(ValueError, match="path=True needs"):
        law(scheme=ddim(), path=True)
    with pytest.raises(ValueError, match="noise in every step or in none"):
        law(scheme=lambda p, a, b: (ode_euler if a > 1 else euler_maruyama)(p, a, b))
    with pytest.warns(UserWarning, match="Heun"), pytest.raises(ValueError, match="not monotone"):
        law(scheme=heun, times=[10.0, 0.1], score_at_end=True)
    plane = EmpiricalScore(torch.zeros(3, 2, dtype=torch.float64), HEAT)
    with pytest.raises(ValueError, match="score must live on the line"):
        law(score=plane)
    with pytest.raises(ValueError, match="score must return shape"):
        law(score=lambda x, t: x[:1])
    found = law()
    with pytest.raises(ValueError, match="x must lie in"):
        found.at([100.0])
    with pytest.raises(ValueError, match="widen the cover"):
        kl_from(Gaussian(0.0, 100.0, HEAT), 0.1, found)
    with pytest.raises(ValueError, match="scheme must be one of"):
        discretisation_term(bimodal(HEAT), times, ode_euler)
    with pytest.raises(ValueError, match="thetas"):
        jacobian_tv_bound(score, score, HEAT, times, start, scheme=ddim(), thetas=4)
    with pytest.raises(ValueError, match="scheme must have no noise"):
        jacobian_tv_bound(score, score, HEAT, times, start, scheme=ddpm)
    with pytest.raises(ValueError, match="one stage"), pytest.warns(UserWarning):
        jacobian_tv_bound(score, score, HEAT, [10.0, 0.1], start,
                          scheme=heun)
