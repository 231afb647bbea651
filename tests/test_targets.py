"""Population laws: constants against published digits, each formula by a second route."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate

from score_stability.diffusion import (
    Circle,
    Gaussian,
    GaussianMixture,
    HarmonicCurve,
    OrnsteinUhlenbeck,
    Sphere,
    Target,
    Torus,
    TwoPoint,
    UniformInterval,
)
from score_stability.theory import bounds
from score_stability.yardsticks import estimates

repeatable = settings(max_examples=20, deadline=None, derandomize=True)
HEAT = OrnsteinUhlenbeck(0.0)
MATRIX = [[2.0, 0.6, 0.0], [0.6, 0.5, 0.1], [0.0, 0.1, 0.3]]
MAKERS = {
    "gaussian": lambda p: Gaussian([1.0, -2.0], 0.7, p),
    "gaussian, eigenvalues": lambda p: Gaussian([1.0, -2.0], [2.0, 0.0], p),
    "gaussian, matrix": lambda p: Gaussian([0.5, 0.0, -1.0], MATRIX, p),
    "mixture, line": lambda p: GaussianMixture([0.3, 0.7], [[-1.5], [1.0]], [0.25, 0.0], p),
    "mixture, plane": lambda p: GaussianMixture([0.2, 0.5, 0.3], [[-1, 0], [1, 1], [0, -2.0]],
                                                [0.25, 0.0, 1.0], p),
    "two-point": TwoPoint,
    "circle": Circle,
    "torus": lambda p: Torus(2, p),
    "sphere": lambda p: Sphere(p, radius=1.3),
    "interval": lambda p: UniformInterval(p, -0.5, 1.5),
}
COMPACT = ("two-point", "circle", "torus", "sphere", "interval")
names = pytest.mark.parametrize("name", MAKERS)
alphas = pytest.mark.parametrize("alpha", [0.0, 1.0])


def at_sigma(sigma):
    """The time at which the heat flow has this noise."""
    return sigma**2 / 2


def noised(target, t, count, seed):
    generator = np.random.default_rng(seed)
    x0 = target.sample(count, generator)
    noise = torch.from_numpy(generator.standard_normal((count, target.dimension)))
    return x0, target.process.sample(x0, t, noise)


# Score, density and posterior mean


@names
@alphas
@repeatable
@given(t=st.floats(1e-3, 3.0), seed=st.integers(0, 100))
def test_score_is_the_gradient_of_the_log_density(name, alpha, t, seed):
    target = MAKERS[name](OrnsteinUhlenbeck(alpha))
    _, x = noised(target, t, 4, seed)
    sigma = math.sqrt(target.process.variance(t))
    step, score = 1e-4 * sigma, target.score(x, t)
    for k in range(target.dimension):
        shift = torch.zeros(target.dimension, dtype=torch.float64)
        shift[k] = step
        slope = (target.log_density(x + shift, t) - target.log_density(x - shift, t)) / (2 * step)
        torch.testing.assert_close(slope, score[:, k], rtol=1e-6, atol=1e-6 / sigma)


def test_draws_do_not_depend_on_the_eigenvectors_that_lapack_chooses(monkeypatch):
    q = np.linalg.qr(np.random.default_rng(1).standard_normal((4, 4)))[0]
    matrix = torch.from_numpy(q * [2.0, 2.0, 0.5, 0.0] @ q.T)  # a double and a zero eigenvalue
    draws = Gaussian([0.0] * 4, matrix, HEAT).sample(50, np.random.default_rng(2))
    eigh, turn = torch.linalg.eigh, torch.eye(4, dtype=torch.float64)
    turn[2:, 2:] = torch.tensor([[0.6, 0.8], [0.8, -0.6]], dtype=turn.dtype)
    flip = torch.tensor([-1.0, 1.0, -1.0, 1.0], dtype=torch.float64)

    def other(matrix):
        values, vectors = eigh(matrix)
        return values + 1e-16, vectors @ turn * flip

    monkeypatch.setattr(torch.linalg, "eigh", other)
    again = Gaussian([0.0] * 4, matrix, HEAT).sample(50, np.random.default_rng(2))
    assert torch.allclose(draws, again, rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", ["mixture, line", "two-point", "interval", "circle",
                                  "mixture, plane", "gaussian", "sphere"])
@alphas
@pytest.mark.parametrize("t", [0.01, 0.4, 3.0])
def test_density_has_mass_one(name, alpha, t):
    target = MAKERS[name](OrnsteinUhlenbeck(alpha))
    sigma = math.sqrt(target.process.variance(t))
    if name == "sphere":
        radius = np.linspace(1e-9, 1.3 + 10 * sigma, 4001)
        x = torch.from_numpy(np.stack((radius, 0 * radius, 0 * radius), 1))
        density = 4 * math.pi * radius**2 * target.log_density(x, t).exp().numpy()
        assert integrate.simpson(density, x=radius) == pytest.approx(1, abs=1e-8)
        return
    half = 9 * sigma + (6 if target.dimension == 1 else 10)
    line = np.linspace(-half, half, 4001 if target.dimension == 1 else 501)
    grid = np.stack([g.ravel() for g in np.meshgrid(*[line] * target.dimension)], 1)
    mass = target.log_density(torch.from_numpy(grid), t).exp().sum()
    assert float(mass) * (line[1] - line[0])**target.dimension == pytest.approx(1, abs=1e-7)


def clean_points(name):
    """Points and prior weights of the compact laws."""
    angle = np.arange(0, 2 * math.pi, 2 * math.pi / 600)
    circle = np.stack((np.cos(angle), np.sin(angle)), 1)
    if name == "circle":
        return circle, np.ones(600)
    if name == "torus":
        left, right = np.repeat(circle, 600, 0), np.tile(circle, (600, 1))
        return np.concatenate((left, right), 1), np.ones(360000)
    if name == "sphere":
        height, weight = np.polynomial.legendre.leggauss(200)
        ring = np.sqrt(1 - height**2)[:, None, None] * circle[::3]
        z = np.broadcast_to(height[:, None, None], (200, 200, 1))
        return 1.3 * np.concatenate((ring, z), 2).reshape(-1, 3), np.repeat(weight, 200)
    if name == "interval":
        z, weight = np.polynomial.legendre.leggauss(400)
        return 0.5 + z[:, None], weight
    return np.array([[-1.0], [1.0]]), np.ones(2)


@pytest.mark.parametrize("name", COMPACT)
@alphas
@pytest.mark.parametrize("t", [0.01, 0.3, 2.0])
def test_posterior_mean_by_integration_over_the_prior(name, alpha, t):
    process = OrnsteinUhlenbeck(alpha)
    target = MAKERS[name](process)
    _, x = noised(target, t, 5, seed=1)
    clean, prior = clean_points(name)
    mu, variance = process.mean_scale(t), process.variance(t)
    for row in x:
        log_weight = -((row.numpy() - mu * clean) ** 2).sum(1) / (2 * variance)
        weight = prior * np.exp(log_weight - log_weight.max())
        expected = weight @ clean / weight.sum()
        np.testing.assert_allclose(target.posterior_mean(row[None], t)[0], expected,
                                   rtol=0, atol=1e-11)


def test_gaussian_posterior_in_precision_form():
    process, t = OrnsteinUhlenbeck(0.5), 0.3
    target = MAKERS["gaussian, matrix"](process)
    mu, variance = process.mean_scale(t), process.variance(t)
    precision = np.linalg.inv(MATRIX)
    x = np.random.default_rng(0).standard_normal((4, 3))
    covariance = np.linalg.inv(precision + mu**2 / variance * np.eye(3))
    expected = (mu / variance * x + precision @ target.mean.numpy()) @ covariance
    np.testing.assert_allclose(target.posterior_mean(x, t), expected, rtol=1e-12)
    assert target._posterior_variance(t) == pytest.approx(np.trace(covariance), rel=1e-12)


def test_one_component_is_a_gaussian():
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((6, 2)))
    mixture = GaussianMixture([1.0], [[1.0, -2.0]], 0.7, HEAT)
    for function in ("log_density", "posterior_mean", "score"):
        torch.testing.assert_close(getattr(mixture, function)(x, 0.2),
                                   getattr(MAKERS["gaussian"](HEAT), function)(x, 0.2))


def test_torus_is_a_product_of_circles():
    torus, circle, t = Torus(3, HEAT), Circle(HEAT), 0.05
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((5, 6)))
    parts = x.split(2, dim=1)
    torch.testing.assert_close(torus.score(x, t),
                               torch.cat([circle.score(part, t) for part in parts], 1))
    torch.testing.assert_close(torus.log_density(x, t),
                               sum(circle.log_density(part, t) for part in parts))
    assert torus.score_matching_constant(t) == pytest.approx(3 * circle.score_matching_constant(t))


@names
def test_a_vector_of_times(name):
    target = MAKERS[name](OrnsteinUhlenbeck(1.0))
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((4, target.dimension)))
    t = torch.tensor([0.1, 1.0, 0.1, 0.02], dtype=torch.float64)
    together = target.score(x, t)
    for k in range(4):
        torch.testing.assert_close(together[k:k + 1], target.score(x[k:k + 1], float(t[k])))


# Underflow: far points and little noise


@names
@alphas
@pytest.mark.parametrize("sigma", [0.002, 0.1, 1.0])
@pytest.mark.parametrize("distance", [0.0, 1e-200, 1.0, 50.0, 1e6])
def test_far_points_and_little_noise(name, alpha, sigma, distance):
    process = OrnsteinUhlenbeck(alpha)
    target = MAKERS[name](process)
    t = at_sigma(sigma) if alpha == 0 else -0.5 * math.log1p(-sigma**2 * alpha * 0.999999) / alpha
    variance, mu = process.variance(t), process.mean_scale(t)
    signs = torch.from_numpy(np.random.default_rng(0).choice([-1.0, 1.0], (6, target.dimension)))
    x = distance * signs
    mean, score = target.posterior_mean(x, t), target.score(x, t)
    for value in (mean, score, target.log_density(x, t)):
        assert bool(torch.isfinite(value).all())
    if name in COMPACT:
        # The posterior mean stays in the convex hull, however far away X is.
        assert float(mean.abs().max()) <= 1.5 + 1e-12
        torch.testing.assert_close(score * variance + x, mu * mean, rtol=1e-9,
                                   atol=1e-12 * max(1.0, distance))


@pytest.mark.parametrize("name", COMPACT)
@pytest.mark.parametrize("sigma", [0.002, 0.01, 3.0, 50.0])
def test_constants_at_extreme_noise(name, sigma):
    target = MAKERS[name](HEAT)
    constants = target.stability_constants(at_sigma(sigma))
    assert all(math.isfinite(c) for c in constants)
    slack = constants.limiting_slack if constants.B > 0 else None
    if sigma == 50.0:
        assert slack == pytest.approx(math.sqrt(2), rel=1e-3)
    elif slack is not None:
        assert slack >= 1


# Constants: published digits


def test_two_point_digits():
    t = HEAT.time_of_snr(1.0)
    scale = HEAT.denoiser_to_score_units(t)
    constants = TwoPoint(HEAT).stability_constants(t)
    found = [constant / scale for constant in constants]
    assert found[:2] == pytest.approx([0.449599509207, 0.316555345404], rel=3e-12)
    assert constants.V == 2 * constants.B


@repeatable
@given(st.floats(-3, 3.5))
def test_two_point_constants_by_the_even_part(log_snr):
    # E f(h) = e^{−gamma/2} ∫ f cosh dN(0, gamma) for even f: no steep tail is needed.
    gamma = 10.0**log_snr
    h = np.linspace(-1, 1, 20001) * min(13 * math.sqrt(gamma), 50.0)
    density = np.exp(-gamma / 2 - h**2 / (2 * gamma)) / math.sqrt(2 * math.pi * gamma)
    target, t = TwoPoint(HEAT), HEAT.time_of_snr(gamma)
    C, B = (integrate.trapezoid(density * np.cosh(h)**-k, h) for k in (1.0, 3.0))
    scale = HEAT.denoiser_to_score_units(t)
    if C < 1e-290:  # there the reference integrand is subnormal and loses digits itself
        return
    constants = target.stability_constants(t)
    assert constants[:2] == pytest.approx((scale * C, scale * B), rel=1e-9, abs=0)
    assert target.score_matching_constant(t) == pytest.approx(scale * C, rel=1e-9, abs=0)


@pytest.mark.parametrize(("gamma", "limit"), [(1e-4, math.sqrt(2)), (50.0, 2.0), (1000.0, 2.0)])
def test_two_point_slack(gamma, limit):
    constants = TwoPoint(HEAT).stability_constants(HEAT.time_of_snr(gamma))
    assert constants.limiting_slack == pytest.approx(limit, rel=0.02)


def test_circle_digits():
    moments = Circle(HEAT)._circle_moments(at_sigma(0.2))
    for name, digits in (("C1", 0.0408998584068), ("A1", 0.177734156967), ("A2", 1.2092026547),
                         ("R1", 8.83940862805), ("R2", 91.2944670054)):
        assert moments[name] == pytest.approx(digits, rel=5e-11), name
    assert moments["R0"] == pytest.approx(1, rel=1e-13)


@pytest.mark.parametrize(("sigma", "slack", "error"), [
    (0.05, 1.2639, 5.55e-6), (0.1, 1.2880, 4.37e-5), (0.2, 1.3400, 3.55e-4),
    (0.4, 1.4722, 1.93e-3)])
def test_circle_slack_and_small_noise_formula(sigma, slack, error):
    constants = Circle(HEAT).stability_constants(at_sigma(sigma))
    assert constants.limiting_slack == pytest.approx(slack, abs=6e-5)
    width = 1 / (2 * math.pi * sigma**2)
    formula = sigma**-2 * (3**-1.5 * width * 4 * math.pi**2
                           + 2**-1.5 * math.sqrt(width) * 2 * math.pi)
    assert abs(constants.V / formula - 1) == pytest.approx(error, rel=0.02)


@pytest.mark.parametrize("circles", [1, 2, 3, 4])
def test_dense_limit_of_the_slack(circles):
    constants = Torus(circles, HEAT).stability_constants(at_sigma(0.002))
    limit = bounds.MANIFOLD_SLACK(intrinsic_dimension=circles)
    assert constants.limiting_slack == pytest.approx(limit, rel=0.01 * circles)
    assert limit == pytest.approx([1.2408, 1.3333, 1.4328, 1.5396][circles - 1], abs=6e-5)


@pytest.mark.parametrize(("sigma", "V", "C", "slack"), [
    (0.1, 91.22222, 0.0198990, 1.3473), (0.2, 24.5555555, 0.0783260, 1.3868),
    (0.3, 12.2097706, 0.1706241, 1.4434)])
def test_sphere_digits(sigma, V, C, slack):
    t, target = at_sigma(sigma), Sphere(HEAT)
    constants = target.stability_constants(t)
    scale = HEAT.denoiser_to_score_units(t)
    assert constants.V / scale == pytest.approx(V, rel=1e-7)
    assert constants.C / scale == pytest.approx(C, rel=3e-6)
    assert constants.limiting_slack == pytest.approx(slack, abs=6e-5)
    # The closed form up to exp(−gamma/2).
    gamma = 1 / sigma**2
    rest = 30 * gamma**2 * math.exp(-gamma / 2)
    assert constants.B / scale == pytest.approx(1, abs=1e-12 + rest)
    assert constants.V / scale == pytest.approx(7 / 3 + 8 * gamma / 9, abs=1e-9 + rest)


def test_a_sphere_of_another_radius_is_a_change_of_units():
    one, three = Sphere(HEAT), Sphere(HEAT, radius=3.0)
    small, large = one.stability_constants(0.01), three.stability_constants(0.09)
    np.testing.assert_allclose(np.array(large) * 9, small, rtol=1e-12)


@pytest.mark.parametrize(("sigma", "digits"), [
    (0.2, (0.0255578426, 0.0281983487, 0.0841042952)),
    (0.1, (0.0081936054, 0.0141047396, 0.0573820763))])
def test_interval_digits(sigma, digits):
    t = at_sigma(sigma)
    constants = np.array(UniformInterval(HEAT).stability_constants(t))
    np.testing.assert_allclose(constants / HEAT.denoiser_to_score_units(t), digits, rtol=0,
                               atol=5.1e-11)


@repeatable
@given(st.floats(1e-3, 3.0), st.sampled_from([0.0, 0.5, 1.0]))
def test_gaussian_constant(t, alpha):
    process = OrnsteinUhlenbeck(alpha)
    mu, v = process.mean_scale(t), process.variance(t)
    expected = sum(mu**2 * e / (v * (mu**2 * e + v)) for e in np.linalg.eigvalsh(MATRIX))
    target = MAKERS["gaussian, matrix"](process)
    assert target.score_matching_constant(t) == pytest.approx(expected, rel=1e-12)
    # One Gaussian written as a mixture takes the quadrature instead of the closed form.
    line = GaussianMixture([0.4, 0.6], [[1.0], [1.0]], 0.7, process)
    assert line.score_matching_constant(t) == pytest.approx(
        Gaussian(1.0, 0.7, process).score_matching_constant(t), rel=1e-10)


# Constants: second routes


@pytest.mark.parametrize("name", ["mixture, line", "two-point", "interval", "circle", "sphere"])
@alphas
@pytest.mark.parametrize("t", [0.02, 0.4])
def test_fisher_information_by_independent_quadrature(name, alpha, t):
    target = MAKERS[name](OrnsteinUhlenbeck(alpha))
    sigma = math.sqrt(target.process.variance(t))
    if target.dimension == 1:
        line = np.linspace(-3 - 11 * sigma, 3 + 11 * sigma, 8001)
        x, volume = line[:, None], np.ones_like(line)
    else:  # rotation-invariant laws: one radius stands for its sphere
        line = np.linspace(1e-9, 1.3 + 11 * sigma, 8001)
        x = np.concatenate((line[:, None], np.zeros((8001, target.dimension - 1))), 1)
        volume = 2 * math.pi * line if target.dimension == 2 else 4 * math.pi * line**2
    x = torch.from_numpy(x)
    values = volume * (target.log_density(x, t).exp() * (target.score(x, t)**2).sum(1)).numpy()
    fisher = integrate.simpson(values, x=line)
    assert target.fisher_information(t) == pytest.approx(fisher, rel=1e-7)
    assert target.score_matching_constant(t) == pytest.approx(
        target.dimension / sigma**2 - fisher, rel=1e-5)


@pytest.mark.parametrize("name", COMPACT)
@alphas
def test_constants_by_monte_carlo(name, alpha):
    target, t = MAKERS[name](OrnsteinUhlenbeck(alpha)), 0.15
    x0, x = noised(target, t, 40000, seed=5)
    g, score = target.process.conditional_score(x, t, x0), target.score(x, t)
    variance = target.process.variance(t)
    log_kernel = (-variance * (g**2).sum(1) / 2
                  - target.dimension / 2 * math.log(2 * math.pi * variance))
    r = (log_kernel - target.log_density(x, t)).exp()
    squares = ((g - score)**2).sum(1)
    constants = target.stability_constants(t)
    for value, draws in ((constants.C, squares), (constants.B, r * squares),
                         (constants.V, (r * r + r) * squares),
                         (target.fisher_information(t), (score**2).sum(1))):
        found = estimates.mean(draws.numpy().reshape(200, 200).mean(1))
        assert abs(found.value - value) < found.half_width(1e-5)


@pytest.mark.parametrize("name", COMPACT)
@settings(repeatable, max_examples=10)
@given(log_t=st.floats(-2.5, 0.7), alpha=st.sampled_from([0.0, 1.0]))
def test_cauchy_schwarz_and_agreement_of_the_constants(name, log_t, alpha):
    target, t = MAKERS[name](OrnsteinUhlenbeck(alpha)), 10.0**log_t
    constants = target.stability_constants(t)
    assert constants.V * constants.C >= constants.B**2 * (1 - 1e-9)
    assert constants.limiting_slack == pytest.approx(
        bounds.LIMITING_SLACK(V=constants.V, C=constants.C, B=constants.B), rel=1e-12)
    assert target.score_matching_constant(t) == pytest.approx(constants.C, rel=1e-8)
    assert target.fisher_information(t) + constants.C == pytest.approx(
        target.dimension / target.process.variance(t), rel=1e-12)


# Sampling


@names
def test_samples_have_the_moments_of_the_law(name):
    target = MAKERS[name](HEAT)
    x = target.sample(20000, np.random.default_rng(7))
    assert x.dtype == torch.float64 and x.shape == (20000, target.dimension)
    batches = x.numpy().reshape(100, 200, -1)
    # At much noise the posterior mean tends to the mean of the law; the covariance is checked by
    # C_t = tr Cov mu²/sigma⁴ (1 + O(1/sigma²)).
    t = 1e7
    expected = target.posterior_mean(torch.zeros(1, target.dimension), t)[0].numpy()
    for k in range(target.dimension):
        found = estimates.mean(batches[:, :, k].mean(1))
        assert abs(found.value - expected[k]) <= found.half_width(1e-6) + 1e-5
    if name == "mixture, plane":
        return
    trace = target.score_matching_constant(t) / HEAT.denoiser_to_score_units(t)
    found = estimates.mean(((batches - expected)**2).sum(2).mean(1))
    assert abs(found.value - trace) <= found.half_width(1e-6) + 1e-5 * trace


def test_samples_lie_on_their_manifold():
    generator = np.random.default_rng(0)
    assert float((Sphere(HEAT, 2.0).sample(50, generator).norm(dim=1) - 2).abs().max()) < 1e-14
    planes = Torus(3, HEAT).sample(50, generator).reshape(50, 3, 2)
    assert float((planes.norm(dim=2) - 1).abs().max()) < 1e-14
    assert set(TwoPoint(HEAT).sample(50, generator).flatten().tolist()) == {-1.0, 1.0}
    interval = UniformInterval(HEAT, 2.0, 3.0).sample(50, generator)
    assert float(interval.min()) >= 2 and float(interval.max()) <= 3
    flat = MAKERS["gaussian, eigenvalues"](HEAT).sample(50, generator)
    assert bool((flat[:, 1] == -2).all())


@names
def test_same_generator_same_sample(name):
    target = MAKERS[name](HEAT)
    first, second = (target.sample(5, np.random.default_rng(3)) for _ in range(2))
    assert torch.equal(first, second)


# Wrong input


@names
def test_wrong_points_times_and_counts(name):
    target = MAKERS[name](HEAT)
    d = target.dimension
    for bad in (torch.zeros(3), torch.zeros(3, d + 1)):
        for function in (target.score, target.log_density, target.posterior_mean):
            with pytest.raises(ValueError, match=r"x must have shape \(M,"):
                function(bad, 0.1)
    with pytest.raises(ValueError, match="x must be finite"):
        target.score(torch.full((1, d), math.nan), 0.1)
    for function in (target.score, target.log_density, target.posterior_mean):
        with pytest.raises(ValueError, match="t must be positive"):
            function(torch.zeros(1, d), 0.0)
    if name != "mixture, plane":
        with pytest.raises(ValueError, match="t must be positive"):
            target.score_matching_constant(-1.0)
    with pytest.raises(ValueError, match="n must be"):
        target.sample(0, np.random.default_rng(0))


@pytest.mark.parametrize("covariance", [-1.0, [1.0, -1.0], [[1.0, 2.0], [2.0, 1.0]],
                                        [[1.0, 0.5], [0.0, 1.0]], math.nan, [1.0, 1.0, 1.0],
                                        [[1.0]], [[math.nan, 0.0], [0.0, 1.0]]])
def test_wrong_covariance(covariance):
    with pytest.raises(ValueError, match="covariance"):
        Gaussian([0.0, 0.0], covariance, HEAT)


def test_wrong_parameters():
    with pytest.raises(ValueError, match="mean"):
        Gaussian([math.nan, 0.0], 1.0, HEAT)
    for weights in ([0.5, 0.6], [1.5, -0.5], [1.0, 0.0], [math.nan, 1.0]):
        with pytest.raises(ValueError, match="weights"):
            GaussianMixture(weights, [[0.0], [1.0]], 1.0, HEAT)
    for means in ([0.0, 1.0], [[0.0]], [[math.nan], [1.0]]):
        with pytest.raises(ValueError, match="means"):
            GaussianMixture([0.5, 0.5], means, 1.0, HEAT)
    for variances in (-1.0, [1.0, math.inf], [1.0, 1.0, 1.0]):
        with pytest.raises(ValueError, match="variances"):
            GaussianMixture([0.5, 0.5], [[0.0], [1.0]], variances, HEAT)
    with pytest.raises(ValueError, match="circles"):
        Torus(0, HEAT)
    for radius in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="radius"):
            Sphere(HEAT, radius)
    for start, end in ((1.0, 1.0), (0.0, math.inf), (math.nan, 1.0)):
        with pytest.raises(ValueError, match="start and end"):
            UniformInterval(HEAT, start, end)


def test_what_has_no_constant_says_so():
    for name in ("gaussian", "mixture, line"):
        with pytest.raises(ValueError, match="compact support"):
            MAKERS[name](HEAT).stability_constants(0.1)
    with pytest.raises(ValueError, match="dimension must be 1"):
        MAKERS["mixture, plane"](HEAT).score_matching_constant(0.1)
    target = Target()
    for call in (lambda: target.sample(1, None), lambda: target._log_density(None, 1.0),
                 lambda: target._posterior_mean(None, 1.0),
                 lambda: target._posterior_variance(1.0)):
        with pytest.raises(NotImplementedError):
            call()


# Entropy and quadrature on the line


@alphas
@pytest.mark.parametrize("name", [name for name in MAKERS if name != "mixture, plane"])
@pytest.mark.parametrize("t", [0.01, 0.3, 3.0])
def test_entropy_obeys_de_bruijn(name, alpha, t):
    # dH/dt = I(p_t) − alpha d.
    target = MAKERS[name](OrnsteinUhlenbeck(alpha))
    h = 1e-4 * t
    slope = (target.entropy(t + h) - target.entropy(t - h)) / (2 * h)
    expected = target.fisher_information(t) - alpha * target.dimension
    assert slope == pytest.approx(expected, rel=1e-6, abs=1e-6 * target.dimension / t)


@pytest.mark.parametrize("name", ["mixture, line", "two-point", "interval"])
def test_line_rule(name):
    target = MAKERS[name](HEAT)
    for t in (1e-3, 0.1, 2.0):
        x, weights = target.line_rule(t)
        assert weights.sum() == pytest.approx(1, abs=1e-12)
        squares = target.score(torch.from_numpy(x)[:, None], t).numpy()[:, 0]**2
        assert weights @ squares == pytest.approx(target.fisher_information(t), rel=1e-9)
        low, high = target.interval(t)
        assert (x[0], x[-1]) == (low, high)
        finer = target.line_rule(t, spacing=1e-3)[0]
        assert np.diff(finer).max() <= 1e-3 * (1 + 1e-9) and finer.size > x.size


def test_entropy_of_gaussians():
    one, two = Gaussian(0.0, 0.7, HEAT), Gaussian([0.0, 1.0], [0.7, 0.7], HEAT)
    assert one.entropy(0.1) == pytest.approx(0.5 * math.log(2 * math.pi * math.e * 0.9), rel=1e-12)
    assert two.entropy(0.1) == pytest.approx(2 * one.entropy(0.1), rel=1e-12)
    mixture = GaussianMixture([1.0], [[0.0]], 0.7, HEAT)
    assert mixture.entropy(0.1) == pytest.approx(one.entropy(0.1), rel=1e-12)
    assert one.interval(0.1, 2.0) == mixture.interval(0.1, 2.0)


def test_wrong_input_of_the_line_rule():
    for name in ("gaussian", "mixture, plane", "circle", "sphere"):
        with pytest.raises(ValueError, match="is not a law on the line"):
            MAKERS[name](HEAT).line_rule(0.1)
    with pytest.raises(ValueError, match="spacing must be positive"):
        TwoPoint(HEAT).line_rule(0.1, spacing=0.0)


# Extreme times: the right number or an error that names t


EXTREME_TIMES = [10.0**e for e in (-310, -150, -80, -30, -16, -9, 3, 16, 100, 150, 300)]


@names
@pytest.mark.parametrize("process", [HEAT, OrnsteinUhlenbeck(1.0)])
def test_extreme_times_give_finite_numbers_or_a_named_error(name, process):
    target = MAKERS[name](process)
    x = torch.full((2, target.dimension), 0.3, dtype=torch.float64)
    calls = [lambda t, f=f: f(x, t) for f in (target.score, target.log_density,
                                              target.posterior_mean)]
    for method in ("entropy", "interval", "line_rule", "stability_constants",
                   "score_matching_constant", "fisher_information"):
        try:  # some laws have none of it
            getattr(target, method)(0.1)
            calls.append(getattr(target, method))
        except (ValueError, NotImplementedError):
            pass
    refused = 0
    for t in EXTREME_TIMES:
        for call in calls:
            try:
                value = call(t)
            except ValueError as error:
                assert str(error).startswith("t must be")
                refused += 1
            else:
                parts = value if isinstance(value, tuple) else (value,)
                assert all(np.isfinite(np.asarray(part)).all() for part in parts), (t, call)
    assert refused < len(calls) * len(EXTREME_TIMES)
    for t in (1e-310, 1e300):
        for clock in (t, [t, t], torch.full((2,), t, dtype=torch.float64)):
            for call in calls[:3]:
                with pytest.raises(ValueError, match=r"^t must be"):
                    call(clock)


@pytest.mark.parametrize("t", [1e-140, 1e-60, 1e-20, 1e-12, 1e-8])
def test_small_times_have_their_limits(t):
    # C_t sigma² → d* (the posterior is a Gaussian of d* dimensions), and the score of a smooth
    # density tends to that of the data. Written as (mu m − x)/sigma² it would be rounding only.
    for target, d in ((Torus(2, HEAT), 2), (Sphere(HEAT), 2),
                      (Gaussian([0.0, 1.0], [1.0, 2.0], HEAT), 2),
                      (GaussianMixture([0.5, 0.5], [[0.0], [0.5]], [1.0, 2.0], HEAT), 1)):
        assert target.score_matching_constant(t) * 2 * t == pytest.approx(d, rel=10 * t + 1e-9)
    x = torch.tensor([[0.3, 0.7]], dtype=torch.float64)
    score = Gaussian([0.0, 1.0], [1.0, 2.0], HEAT).score(x, t)
    torch.testing.assert_close(score, torch.tensor([[-0.3, 0.15]]).double(), rtol=1e-6, atol=0)
    mixture = GaussianMixture([0.5, 0.5], [[0.0], [0.5]], [1.0, 2.0], HEAT)
    leaf = x[:, :1].clone().requires_grad_()
    mixture.log_density(leaf, t).sum().backward()
    torch.testing.assert_close(mixture.score(x[:, :1], t), leaf.grad, rtol=1e-10, atol=0)
    assert float(UniformInterval(HEAT).score(x[:, :1], t)) == 0.0
    # Entropies of a d*-dimensional Gaussian around the circle and the sphere.
    for target, area, lost in ((Circle(HEAT), 2 * math.pi, 1), (Sphere(HEAT), 4 * math.pi, 1)):
        expected = math.log(area) + lost * 0.5 * math.log(2 * math.pi * math.e * 2 * t)
        assert target.entropy(t) == pytest.approx(expected, rel=10 * t + 1e-9)


def test_where_a_rule_sees_nothing_it_says_so():
    curve = HarmonicCurve(2, HEAT, nodes=64)
    coarse, x = 2 * math.pi / 64, curve.points([0.1, 0.2])
    fine = HarmonicCurve(2, HEAT, nodes=4096)
    t = (1.5 * coarse) ** 2 / 2
    torch.testing.assert_close(curve.score(x, t), fine.score(x, t), rtol=1e-7, atol=1e-7)
    with pytest.raises(ValueError, match="t must be larger, or nodes more"):
        curve.score(x, t / 4)
    # At little noise the ends matter in proportion to sigma: 2 t C = 1 − c sigma, c from 1/sigma
    # above and below the change of rule.
    interval = UniformInterval(HEAT)
    lost = [(1 - 2 * t * interval.score_matching_constant(t)) / math.sqrt(2 * t)
            for t in (4e-8, 2e-8, 1e-10, 1e-13)]
    np.testing.assert_allclose(lost, lost[0], rtol=1e-4)  # lost is of order sigma itself
    with pytest.raises(ValueError, match="t must be larger"):
        interval.stability_constants(1e-15)
    with pytest.raises(ValueError, match="t must be larger"):
        TwoPoint(HEAT).line_rule(1e-14)
    with pytest.raises(ValueError, match="limiting_slack needs B > 0"):
        _ = TwoPoint(HEAT).stability_constants(1e-9).limiting_slack
