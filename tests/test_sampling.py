"""Sampler: time grids, one-step rules, exact Gaussian recursions, what the loop promises."""

import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from score_stability.diffusion import Gaussian, OrnsteinUhlenbeck, TimeWeighting
from score_stability.sampler import (
    Step,
    ddim,
    ddpm,
    effective_stopping_time,
    euler_maruyama,
    exponential_integrator,
    gaussian_law,
    geometric_grid,
    heun,
    kappa_grid,
    kappa_of_steps,
    martingale_integrator,
    ode_euler,
    ode_exponential,
    sample,
    step_pairs,
    steps_of,
)
from score_stability.scores import EmpiricalScore
from score_stability.yardsticks import estimates

repeatable = settings(max_examples=60, deadline=None, derandomize=True)
HEAT, OU = OrnsteinUhlenbeck(0.0), OrnsteinUhlenbeck(1.0)
SCHEMES = pytest.mark.parametrize("scheme", [euler_maruyama, exponential_integrator])


def zero(x, t):
    return torch.zeros_like(x)


# Grids


@repeatable
@given(st.floats(0.01, 20), st.floats(-5, -0.1), st.one_of(st.just(1.0), st.floats(1, 20)))
def test_kappa_grid(kappa, log_eps, horizon):
    eps = 10.0**log_eps
    grid = kappa_grid(kappa, eps, horizon)
    u, steps = grid.times, -np.diff(grid.times)
    assert u[0] == horizon and u[-1] == eps and (steps > 0).all()
    assert grid.kappa <= kappa * (1 + 1e-8) and grid.kappa_uniform <= grid.kappa * (1 + 1e-8)
    # Condition of Benton et al. for every step, the hybrid one included.
    assert (steps <= grid.kappa * np.minimum(1, u[1:]) * (1 + 1e-8)).all()
    geometric = round(-math.log(eps) / math.log1p(grid.kappa))
    uniform = max(1, math.ceil((horizon - 1) / grid.kappa - 1e-9)) if horizon > 1 else 0
    assert len(steps) == uniform + geometric
    assert steps.sum() == pytest.approx(horizon - eps, rel=1e-12)
    below = u[:-1] <= 1
    np.testing.assert_allclose(u[:-1][below] / u[1:][below], 1 + grid.kappa, rtol=1e-9)
    assert 1.0 in u


@pytest.mark.parametrize(("kappa", "geometric", "horizon"), [(0.5, 7, 3.0), (0.25, 20, 2.0),
                                                              (1.0, 5, 5.0), (0.1, 40, 1.0)])
def test_kappa_grid_is_the_papers_where_its_quotients_are_whole(kappa, geometric, horizon):
    eps = (1 + kappa)**-geometric
    grid = kappa_grid(kappa, eps, horizon)
    uniform = round((horizon - 1) / kappa)
    k = np.arange(uniform + geometric + 1)
    paper = np.where(k <= uniform, horizon - k * kappa, (1 + kappa)**(uniform - k.astype(float)))
    np.testing.assert_allclose(grid.times, paper, rtol=1e-12)
    assert grid.kappa == pytest.approx(kappa, rel=1e-12)
    assert grid.kappa_uniform == pytest.approx(kappa if horizon > 1 else 0.0, rel=1e-12)


def test_score_is_never_evaluated_below_the_effective_stopping_time():
    grid = kappa_grid(0.3, 1e-2, 2.0)
    assert TimeWeighting.sampler_grid(grid.times).times.min() == pytest.approx(
        1e-2 * (1 + grid.kappa), rel=1e-12)


@repeatable
@given(st.integers(1, 50), st.floats(1e-4, 0.9), st.floats(1, 20))
def test_geometric_grid(steps, eps, horizon):
    u = geometric_grid(steps, eps, horizon)
    assert len(u) == steps + 1 and u[0] == horizon and u[-1] == eps
    np.testing.assert_allclose(u[:-1] / u[1:], (horizon / eps)**(1 / steps), rtol=1e-9)


# One step


@repeatable
@given(st.floats(0.01, 1.0), st.floats(0.01, 0.9))
def test_steps_tend_to_the_heat_flow(a, fraction):
    b = a * fraction
    heat = euler_maruyama(HEAT, a, b)
    assert heat == exponential_integrator(HEAT, a, b)
    assert heat == pytest.approx((1.0, 2 * (a - b), 2 * (a - b)), rel=1e-12)
    for scheme in (euler_maruyama, exponential_integrator):
        assert scheme(OrnsteinUhlenbeck(1e-10), a, b) == pytest.approx(heat, rel=1e-9)


@repeatable
@given(st.floats(0.1, 2.0), st.floats(0.1, 0.5), st.floats(0.1, 0.9))
def test_exponential_integrator_is_exact_for_a_constant_score(alpha, gamma, fraction):
    # Two steps with the score held are one: drift alpha y + 2 s is linear.
    process = OrnsteinUhlenbeck(alpha)
    a, b = 1.0, 1.0 - gamma
    middle = a - fraction * gamma
    one = exponential_integrator(process, a, b)
    first, second = (exponential_integrator(process, *pair) for pair in ((a, middle), (middle, b)))
    assert one == pytest.approx((second.A * first.A, second.A * first.B + second.B,
                                 second.A**2 * first.v + second.v), rel=1e-12)


@repeatable
@given(st.floats(0.1, 2.0), st.floats(1e-4, 1e-2))
def test_euler_maruyama_is_first_order(alpha, gamma):
    process = OrnsteinUhlenbeck(alpha)
    euler, exact = (s(process, 1.0, 1.0 - gamma) for s in (euler_maruyama, exponential_integrator))
    np.testing.assert_allclose(euler, exact, rtol=0, atol=2 * (1 + alpha)**2 * gamma**2)


@pytest.mark.parametrize(("scheme", "limit", "word"), [
    (euler_maruyama, 2.0, "Euler"), (exponential_integrator, math.log(3), "exponential")])
def test_warning_where_a_scheme_expands(scheme, limit, word):
    for alpha in (0.5, 1.0):
        process = OrnsteinUhlenbeck(alpha)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            scheme(process, 0.99 * limit / alpha + 0.1, 0.1)
            scheme(HEAT, 100.0, 0.1)
        with pytest.warns(UserWarning, match=word):
            scheme(process, 1.01 * limit / alpha + 0.1, 0.1)
        # Far out at large times the mean is multiplied by A − B alpha, which then exceeds 1.
        with pytest.warns(UserWarning):
            step = scheme(process, 1.01 * limit / alpha + 50, 50.0)
        assert abs(step.A - step.B * alpha) > 1


# The loop against exact recursions


def recursion(scheme, target, times, mean, variance):
    """Exact mean and variance of the sampler on a Gaussian target: M' = rM + …, V' = r²V + v."""
    process = target.process
    centre, spread = float(target.mean[0]), float(target.eigenvalues[0])
    for a, b in zip(times[:-1].tolist(), times[1:].tolist(), strict=True):
        A, B, v = scheme(process, a, b)
        mu = process.mean_scale(a)
        total = mu**2 * spread + process.variance(a)
        r = A - B / total
        mean, variance = r * mean + B * mu * centre / total, r * r * variance + v
    return mean, variance


@SCHEMES
@pytest.mark.parametrize("alpha", [0.0, 1.0])
@pytest.mark.parametrize("kappa", [0.1, 0.6])
def test_gaussian_target(scheme, alpha, kappa):
    process = OrnsteinUhlenbeck(alpha)
    target, times = Gaussian(1.5, 0.3, process), kappa_grid(kappa, 0.02, 2.0).times
    generator = np.random.default_rng(4)
    start = torch.from_numpy(2.0 * generator.standard_normal((20000, 1)))
    y = sample(target.score, process, times, start, generator, scheme=scheme)
    mean, variance = recursion(scheme, target, times, 0.0, 4.0)
    batches = y.numpy().reshape(100, 200)
    for found, value in ((batches.mean(1), mean), (((batches - mean)**2).mean(1), variance)):
        estimate = estimates.mean(found)
        assert abs(estimate.value - value) < estimate.half_width(1e-5)


@SCHEMES
@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_sampler_converges_at_first_order_to_the_noised_law(scheme, alpha):
    process = OrnsteinUhlenbeck(alpha)
    target, eps, horizon = Gaussian(1.5, 0.3, process), 0.02, 2.0
    exact, start = ((process.mean_scale(t) * 1.5, process.mean_scale(t)**2 * 0.3
                     + process.variance(t)) for t in (eps, horizon))
    errors = []
    for kappa in (0.02, 0.01):
        found = recursion(scheme, target, kappa_grid(kappa, eps, horizon).times, *start)
        errors.append(abs(found[1] / exact[1] - 1) + abs(found[0] / exact[0] - 1))
    assert errors[1] < 0.01
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.1)


@pytest.mark.parametrize("kappa", [0.2, 1.0])
def test_one_data_point_ends_with_variance_two_eps_one_plus_kappa(kappa):
    # Heat flow, from the exact law at T: V_K/(2 eps) = 1 + kappa − kappa (1 + kappa)^−K.
    grid = kappa_grid(kappa, 1e-3, 1.0)
    kappa, K = grid.kappa, len(grid.times) - 1
    expected = 2e-3 * (1 + kappa - kappa * (1 + kappa)**-K)
    target = Gaussian(0.7, 0.0, HEAT)
    mean, variance = recursion(euler_maruyama, target, grid.times, 0.7, 2.0)
    assert (mean, variance) == pytest.approx((0.7, expected), rel=1e-11)
    generator = np.random.default_rng(5)
    start = 0.7 + math.sqrt(2) * torch.from_numpy(generator.standard_normal((5000, 1)))
    score = EmpiricalScore(torch.tensor([[0.7]], dtype=torch.float64), HEAT)
    y = sample(score, HEAT, grid.times, start, generator)
    found = estimates.mean((((y - 0.7)**2).numpy().reshape(50, 100)).mean(1))
    assert abs(found.value - expected) < found.half_width(1e-5)


# What the loop promises


def test_path_and_calls():
    times = kappa_grid(0.5, 0.1, 2.0).times
    seen = []

    def score(x, t):
        seen.append(t)
        return -x

    start = torch.ones(3, 2, dtype=torch.float64)
    path = sample(score, OU, times, start, np.random.default_rng(0), path=True)
    assert path.shape == (len(times), 3, 2)
    assert seen == times[:-1].tolist()
    assert torch.equal(path[0], start) and torch.equal(start, torch.ones(3, 2).double())
    last = sample(score, OU, times, start, np.random.default_rng(0))
    assert torch.equal(path[-1], last)


def test_draws_do_not_depend_on_the_score():
    # The coupling of two chains: same generator, same noise, whatever the scores.
    times, start = kappa_grid(0.5, 0.1, 2.0).times, torch.zeros(4, 2, dtype=torch.float64)
    first, second = np.random.default_rng(0), np.random.default_rng(0)
    y = sample(zero, HEAT, times, start, first)
    z = sample(lambda x, t: torch.ones_like(x), HEAT, times, start, second)
    assert first.bit_generator.state == second.bit_generator.state
    torch.testing.assert_close(z - y, torch.full_like(y, 2 * (2.0 - 0.1)))


def test_type_of_the_start_comes_back():
    times = [1.0, 0.5]
    y = sample(zero, HEAT, times, torch.zeros(2, 1), np.random.default_rng(0))
    assert y.dtype == torch.float32


def test_a_noiseless_scheme_of_ones_own():
    y = sample(lambda x, t: -x, HEAT, [1.0, 0.5], torch.ones(2, 1).double(),
               np.random.default_rng(0), scheme=lambda process, a, b: Step(1.0, a - b, 0.0))
    assert torch.equal(y, torch.full((2, 1), 0.5).double())


# Wrong input


def test_divergence_is_an_error():
    start = torch.ones(2, 1, dtype=torch.float64)
    times = kappa_grid(0.5, 0.01, 2.0).times
    for score in (lambda x, t: 1e200 * x, lambda x, t: x * math.nan):
        with pytest.raises(FloatingPointError, match="diverged"):
            sample(score, HEAT, times, start, np.random.default_rng(0))
    # A score that refuses infinite points must not hide what happened.
    empirical = EmpiricalScore(torch.zeros(1, 1), HEAT)
    with pytest.raises(FloatingPointError, match="diverged"):
        sample(lambda x, t: 1e200 * empirical(x, t), HEAT, times, start, np.random.default_rng(0))


def test_wrong_grids():
    for kappa in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="kappa"):
            kappa_grid(kappa, 0.1, 2.0)
    for eps in (0.0, 1.0, -0.1, math.nan):
        with pytest.raises(ValueError, match="early_stopping_time"):
            kappa_grid(0.1, eps, 2.0)
    for horizon in (0.5, math.inf, math.nan):
        with pytest.raises(ValueError, match="horizon"):
            kappa_grid(0.1, 0.1, horizon)
    with pytest.raises(ValueError, match="steps"):
        geometric_grid(0, 0.1, 1.0)
    for eps, horizon in ((0.0, 1.0), (1.0, 1.0), (0.1, math.inf), (math.nan, 1.0)):
        with pytest.raises(ValueError, match="early_stopping_time and horizon"):
            geometric_grid(3, eps, horizon)


def test_wrong_arguments_of_sample():
    start, generator = torch.zeros(2, 1, dtype=torch.float64), np.random.default_rng(0)
    for times in ([1.0], [1.0, 1.0], [0.5, 1.0], [1.0, 0.0], [1.0, -1.0], [[1.0, 0.5]],
                  [1.0, math.nan]):
        with pytest.raises(ValueError, match="times"):
            sample(zero, HEAT, times, start, generator)
    for bad in (None, 0, torch.Generator()):
        with pytest.raises(TypeError, match="generator must be a numpy Generator"):
            sample(zero, HEAT, [1.0, 0.5], start, bad)
    with pytest.raises(ValueError, match=r"score must return shape \(2, 1\)"):
        sample(lambda x, t: x[:1], HEAT, [1.0, 0.5], start, generator)
    for bad in (np.zeros((0, 1)), torch.zeros(2), torch.full((2, 1), math.nan)):
        with pytest.raises(ValueError, match="start must"):
            sample(zero, HEAT, [1.0, 0.5], bad, generator)


# All schemes


EVERY = [euler_maruyama, exponential_integrator, martingale_integrator, ddpm, ddim(0.5), ddim(),
         ode_euler, ode_exponential, heun]


@pytest.mark.parametrize("scheme", EVERY, ids=lambda scheme: scheme.__name__)
@pytest.mark.parametrize("process", [HEAT, OU], ids=["heat", "ou"])
def test_every_scheme_converges_to_the_target(scheme, process):
    # Exact start, small steps: the output is p_eps, at the scheme's order.
    m, v0, errors = 0.4, 0.6, []
    for steps in (60, 120):
        times = geometric_grid(steps, 0.05, 2.0)
        mu, variance = process.mean_scale(2.0), process.variance(2.0)
        means, variances = gaussian_law(process, times, scheme, (mu * m, mu**2 * v0 + variance),
                                        (m, v0))
        mu, variance = process.mean_scale(0.05), process.variance(0.05)
        errors.append(abs(variances[-1] - mu**2 * v0 - variance))
        assert means[-1] == pytest.approx(mu * m, abs=1e-2)
    assert errors[1] < 0.02
    order = math.log2(errors[0] / errors[1])
    assert order == pytest.approx(2 if scheme is heun else 1, abs=0.15)


@repeatable
@given(st.floats(0.01, 3), st.floats(0.01, 2), st.sampled_from([0.0, 0.5, 1.0]))
def test_relations_between_schemes(b, gamma, alpha):
    a, process = b + gamma, OrnsteinUhlenbeck(alpha)
    close = lambda step: pytest.approx(tuple(step), rel=1e-9, abs=1e-12)  # noqa: E731
    posterior, frozen = ddpm(process, a, b), martingale_integrator(process, a, b)
    assert tuple(ddim(1.0)(process, a, b)) == close(posterior)
    assert posterior[:2] == frozen[:2]
    # The DDPM noise is that of the other times sigma_b²/sigma_a² e^{−2 alpha gamma}.
    assert posterior.v == pytest.approx(frozen.v * math.exp(-2 * alpha * gamma)
                                        * process.variance(b) / process.variance(a), rel=1e-9)
    assert frozen.kl_weight == pytest.approx(process.variance(gamma) / 2, rel=1e-9)
    assert euler_maruyama(HEAT, a, b).kl_weight == pytest.approx(gamma, rel=1e-12)
    # w_DDPM = ∫ mu_t²/sigma_t⁴ dt sigma_a⁴/mu_a² = ½(snr_b − snr_a) sigma_a⁴/mu_a².
    expected = (process.snr(b) - process.snr(a)) / 2 / process.denoiser_to_score_units(a)
    assert posterior.kl_weight == pytest.approx(expected, rel=1e-7)
    assert ddim()(process, a, b).kl_weight == ode_euler(process, a, b).kl_weight == math.inf
    if alpha == 0:
        assert tuple(frozen) == close(euler_maruyama(process, a, b))
        assert tuple(exponential_integrator(process, a, b)) == close(frozen)
        assert tuple(ode_exponential(process, a, b)) == close(ode_euler(process, a, b))
    # DDPM and DDIM keep the variance of an atom: that of p_{t|0}.
    for scheme in (ddpm, ddim(0.3), ddim()):
        step, va, vb = scheme(process, a, b), process.variance(a), process.variance(b)
        assert step.multiplier(va, vb)**2 * va + step.v == pytest.approx(vb, rel=1e-9)
        assert step.multiplier(va, vb) > 0


@settings(repeatable, max_examples=20)
@given(st.floats(0.1, 5), st.floats(-4, -1))
def test_effective_stopping_time(kappa, log_eps):
    eps = 10.0**log_eps
    grid = kappa_grid(kappa, eps, 10.0)
    kappa, steps = grid.kappa, len(kappa_grid(kappa, eps, 1.0).times) - 1
    # alpha = 0: c' = c/(1 + kappa) + kappa below time 1, so c_K − (1 + kappa) shrinks by eps.
    variances = gaussian_law(HEAT, grid.times, euler_maruyama, (0.0, 20.0))[1]
    c_1 = variances[len(grid.times) - 1 - steps] / 2
    found = effective_stopping_time(HEAT, grid.times, euler_maruyama)
    assert found / eps == pytest.approx(1 + kappa + eps * (c_1 - 1 - kappa), rel=1e-9)
    for scheme in (ddpm, ddim(0.4), ddim()):
        assert effective_stopping_time(HEAT, grid.times, scheme) == pytest.approx(eps, rel=1e-9)
    start_at_one = kappa_grid(kappa, eps, 1.0)
    inflation = ((2 + kappa)**2 / (4 * (1 + kappa)))**steps
    assert effective_stopping_time(HEAT, start_at_one.times, ode_euler) == pytest.approx(
        eps * inflation, rel=1e-9)


def test_effective_stopping_time_of_ornstein_uhlenbeck():
    times = kappa_grid(0.1, 1e-3, 5.0).times
    found = effective_stopping_time(OU, times, euler_maruyama) / 1e-3
    assert found == pytest.approx(1.1, rel=5e-3)
    assert effective_stopping_time(OU, times[:2], euler_maruyama, start_variance=9.0) == math.inf


def test_caps_and_counts():
    free, capped = kappa_grid(2.0, 0.01, 10.0), kappa_grid(2.0, 0.01, 10.0, uniform_cap=0.5)
    assert capped.kappa == free.kappa and capped.kappa_uniform == 0.5 < free.kappa_uniform
    for steps in (1, 2, 7, 30):
        grid = kappa_grid(kappa_of_steps(steps, 0.02), 0.02, 1.0)
        assert len(grid.times) == steps + 1
        assert grid.kappa == kappa_of_steps(steps, 0.02)


def test_heun_samples_and_needs_the_last_score():
    target = Gaussian(0.0, 1.0, HEAT)
    times = kappa_grid(0.5, 0.05, 2.0).times
    start = torch.linspace(-2, 2, 5, dtype=torch.float64)[:, None]
    with pytest.raises(ValueError, match="score_at_end=True"):
        sample(target.score, HEAT, times, start, np.random.default_rng(0), scheme=heun)
    seen = []

    def score(x, t):
        seen.append(t)
        return target.score(x, t)

    output = sample(score, HEAT, times, start, np.random.default_rng(0), scheme=heun,
                    score_at_end=True)
    factor = math.sqrt(gaussian_law(HEAT, times, heun, (0.0, 1.0), (0.0, 1.0))[1][-1])
    assert output.numpy() == pytest.approx(factor * start.numpy(), rel=1e-12)
    assert min(seen) == times[-1] and len(seen) == 2 * (len(times) - 1)
    steps = steps_of(heun, HEAT, times, score_at_end=True)
    assert [step[:2] for step in steps] == step_pairs(times)
    with pytest.warns(UserWarning, match="Heun's map is not monotone"):
        heun(HEAT, 7.0, 1.0)


def test_wrong_arguments_of_the_schemes():
    for eta in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match="eta must be"):
            ddim(eta)
    with pytest.raises(ValueError, match="uniform_cap"):
        kappa_grid(0.5, 0.1, 2.0, uniform_cap=0.0)
    with pytest.raises(ValueError, match="steps must be"):
        kappa_of_steps(0, 0.1)
    with pytest.raises(ValueError, match="early_stopping_time"):
        kappa_of_steps(3, 1.0)
    for start, target in (((0.0, -1.0), (0.0, 0.0)), ((0.0, 1.0), (0.0, -1.0))):
        with pytest.raises(ValueError, match="variance >= 0"):
            gaussian_law(HEAT, [1.0, 0.5], ddpm, start, target)
