"""Self-posterior bounds and the certificate of the empirical score."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from score_stability.diffusion import Circle, OrnsteinUhlenbeck, TimeWeighting
from score_stability.scores import EmpiricalScore
from score_stability.stability import (
    CertificateInputs,
    average_inputs,
    ball_moment_bound,
    certificate_inputs,
    empirical_score_certificate,
    exchange_parts,
    laplace_moment,
    measure_empirical,
    moment_bounds,
    poisson_moments,
)
from score_stability.theory import standard_normal

heat = OrnsteinUhlenbeck(0.0)


def exact_moment(points, t, a):
    """E w̃^a for each point of a set on the line, by quadrature."""
    xi, w = (torch.from_numpy(v) for v in standard_normal(2001))
    result = []
    for j, point in enumerate(points):
        x = (point + math.sqrt(2 * t) * xi)[:, None]
        weight = EmpiricalScore(points, heat).weights(x, t)[:, j]
        result.append(float(w @ weight**a))
    return np.array(result)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), number=st.integers(1, 9), spread=st.floats(0.05, 4),
       a=st.sampled_from((0.5, 1.0, 2.0, 3.0, 4.0)))
def test_bounds_hold_for_every_configuration(seed, number, spread, a):
    points = torch.from_numpy(spread * np.random.default_rng(seed).standard_normal((number, 1)))
    truth = exact_moment(points, 0.5, a)
    bounds = moment_bounds(points, heat, 0.5, a)
    assert (truth <= bounds.harnack.numpy() * (1 + 1e-9)).all()
    assert (truth <= bounds.jensen.numpy() * (1 + 1e-9)).all()
    assert (bounds.best.numpy() <= 1).all()


def test_one_point_is_certain():
    bounds = moment_bounds(np.zeros((1, 3)), heat, 0.1, 2.0)
    assert float(bounds.harnack) == float(bounds.jensen) == 1.0
    assert float(bounds.pull) == 0.0


def test_copies_share_the_weight():
    bounds = moment_bounds(np.zeros((5, 2)), heat, 0.1, 2.0)
    assert bounds.harnack.numpy() == pytest.approx(5.0**-2)
    assert bounds.jensen.numpy() == pytest.approx(5.0**-2)


def test_far_points_do_not_matter():
    bounds = moment_bounds(np.array([[0.0], [1e6]]), heat, 0.1, 2.0)
    assert bounds.harnack.numpy() == pytest.approx(1.0)
    assert np.isfinite(bounds.jensen.numpy()).all()


def circle_transform(a, sigma):
    chord = 2 * np.sin(np.linspace(0, np.pi, 4001) / 2)
    y = np.exp(-(a + 1) * (chord / sigma) ** 2 / 2)
    return lambda s: np.trapezoid(np.exp(-np.outer(s, y)), dx=1 / 4000, axis=1)


@pytest.mark.parametrize("a, expected", ((1, 0.0171769269), (2, 4.485312e-4), (4, 6.057044e-7)))
def test_laplace_oracles(a, expected):
    assert laplace_moment(circle_transform(a, 0.2), 1024, a) == pytest.approx(expected, rel=1e-6)


def test_laplace_of_constants():
    """Y = c surely: (1 + (N − 1) c)^{−b}."""
    for c, N, b in ((0.3, 10, 1.0), (1.0, 100, 2.5), (0.0, 5, 3.0)):
        value = laplace_moment(lambda s, c=c: np.exp(-s * c), N, b)
        assert value == pytest.approx((1 + (N - 1) * c) ** -b, rel=1e-9)


def test_laplace_agrees_with_monte_carlo():
    rng = np.random.default_rng(0)
    sample = 1 / (1 + rng.uniform(0, 1, (40000, 7)).sum(1)) ** 2
    exact = laplace_moment(lambda s: -np.expm1(-s) / s, 8, 2.0)
    assert abs(sample.mean() - exact) < 6 * sample.std() / 200


def test_certificate_bounds_the_measured_stability():
    circle, t, rng = Circle(heat), 0.02, np.random.default_rng(3)
    for number in (64, 256):
        inputs, larger = (average_inputs([certificate_inputs(circle.sample(n, rng), heat, t)
                                          for _ in range(6)]) for n in (number, number + 1))
        certificate = empirical_score_certificate(inputs, larger, number, heat, t, diameter=2.0,
                                                  span=2)
        measured = measure_empirical(circle.sample, heat, TimeWeighting.at(t), number, rng,
                                     replicates=20, queries=64)
        assert certificate.score_stability > measured.score_stability.value
        assert certificate.T1 > certificate.T2 > 0


def test_certificate_falls_with_more_data():
    circle, rng = Circle(heat), np.random.default_rng(4)
    values = []
    for number in (64, 256, 1024):
        inputs = certificate_inputs(circle.sample(number, rng), heat, 0.02)
        values.append(empirical_score_certificate(inputs, inputs, number, heat, 0.02, diameter=2.0,
                                                  span=2).score_stability)
    assert values[0] > values[1] > values[2]


def ring(number):
    angle = 2 * np.pi * np.arange(number) / number
    return np.stack((np.cos(angle), np.sin(angle)), 1)


@pytest.mark.parametrize("number", (3, 5, 8))
@pytest.mark.parametrize("sigma", (0.05, 0.3, 1.0))
def test_every_form_bounds_both_parts_of_a_ring(number, sigma):
    points, t = ring(number), sigma**2 / 2
    inputs = certificate_inputs(points, heat, t)
    bound = empirical_score_certificate(inputs, inputs, number - 1, heat, t, span=2,
                                        diameter=np.linalg.norm(points - points[0], axis=1).max())
    parts = np.array(exchange_parts(points, heat, t))
    assert (parts <= np.array(bound.simple) * (1 + 1e-9)).all()
    assert (parts <= np.array(bound.local) * (1 + 1e-9)).all()
    assert tuple(np.minimum(bound.simple, bound.local)) == (bound.T1, bound.T2)


def test_three_lone_points_attain_the_simple_form():
    points, t = ring(3), 0.02**2 / 2
    inputs = certificate_inputs(points, heat, t)
    bound = empirical_score_certificate(inputs, inputs, 2, heat, t, diameter=math.sqrt(3), span=2)
    ratio = np.array((bound.T1, bound.T2)) / exchange_parts(points, heat, t)
    # Between two points at distance √3 the weights are p and 1 - p, p a logistic of the noise.
    z, w = standard_normal(20001)
    layer = w @ (0.25 / np.cosh(np.sqrt(3) / 0.02 * z.clip(-1, 1) / 2) ** 2)
    assert ratio == pytest.approx((1 / (1 - layer), 1 / (1 - 2 * layer)), rel=1e-7)


@pytest.mark.parametrize("number, sigma", ((3, 0.03), (12, 0.015), (48, 0.003), (12, 0.5)))
def test_exchange_parts_have_converged(number, sigma):
    """Thin layers between equidistant neighbours; at 141 nodes the error would be 1e-3 and more."""
    points, t = ring(number), sigma**2 / 2
    found = exchange_parts(points, heat, t)
    assert found == pytest.approx(exchange_parts(points, heat, t, nodes=1601), rel=2e-6)
    if sigma < 0.1:
        assert found != pytest.approx(exchange_parts(points, heat, t, nodes=141), rel=5e-4)
    with pytest.raises(ValueError, match="points"):
        exchange_parts(points, heat, 1e-12)


def test_exchange_parts_agree_with_monte_carlo():
    """The other route: scores of fitted sets, as they are defined."""
    points, sigma, rng = torch.from_numpy(ring(5)), 0.7, np.random.default_rng(6)
    t = sigma**2 / 2
    x = points[:1] + sigma * torch.from_numpy(rng.standard_normal((40_000, 2)))
    logit = -((x[:, None] - points) ** 2).sum(2) / (2 * sigma**2)
    g = (points - x[:, None]) / sigma**2
    T1 = logit.softmax(1)[:, 0] ** 2 * (
        (g[:, 0] - EmpiricalScore(points[1:], heat)(x, t)) ** 2).sum(1)
    weights, T2 = logit[:, 1:].softmax(1), 0.0
    for i in range(4):
        kept = [j for j in range(1, 5) if j != i + 1]
        T2 = T2 + weights[:, i] ** 2 * (
            (g[:, i + 1] - EmpiricalScore(points[kept], heat)(x, t)) ** 2).sum(1) / 4
    for rows, exact in zip((T1, T2), exchange_parts(points, heat, t), strict=True):
        assert abs(float(rows.mean()) - exact) < 5 * float(rows.std()) / 200


def test_the_local_form_has_its_limits():
    many = CertificateInputs({a: 1e-6**a for a in (1, 2, 3, 4)}, 0.0)
    bound = empirical_score_certificate(many, many, 10**9, heat, 0.5, diameter=2.0, span=2)
    assert pytest.approx(math.sqrt(2), rel=0.02) == bound.T1 * 1e12
    assert pytest.approx(2 * math.sqrt(2 * math.sqrt(2)), rel=0.02) == bound.T2 * 1e15


@pytest.mark.parametrize("a, dimension", ((1, 1), (2, 1), (2, 2), (0.5, 3)))
def test_poisson_points_that_are_rare_or_dense(a, dimension):
    assert poisson_moments(0.0, a, dimension) == pytest.approx((1.0, 1.0), rel=1e-9)
    # To first order in 1/n_loc the slack has its limit (a + 1)^{(a + 1) d/2}.
    half, full = (poisson_moments(n, a, dimension) for n in (2000.0, 4000.0))
    limit = (a + 1) ** ((a + 1) * dimension / 2)
    assert 2 * full.harnack / full.weight - half.harnack / half.weight == pytest.approx(
        limit, rel=1e-4)
    assert full.weight * 4000.0**a == pytest.approx((a + 1) ** (-dimension / 2), rel=5e-3)
    assert full.weight == pytest.approx(
        poisson_moments(4000.0, a, dimension, nodes=500).weight, rel=1e-6)


def test_poisson_points_agree_with_monte_carlo():
    rng = np.random.default_rng(5)
    n_loc, half = 1.5, 8.0
    weight, harnack = [], []
    for _ in range(20_000):
        u = rng.uniform(-half, half, rng.poisson(n_loc * 2 * half / math.sqrt(2 * math.pi)))
        xi = rng.standard_normal()
        weight.append((1 + np.exp(u * xi - u**2 / 2).sum()) ** -2.0)
        harnack.append((1 + np.exp(-1.5 * u**2).sum()) ** -2.0)
    exact = poisson_moments(n_loc, 2.0, 1)
    for sample, value in ((weight, exact.weight), (harnack, exact.harnack)):
        assert abs(np.mean(sample) - value) < 5 * np.std(sample) / math.sqrt(20_000)


def test_ball_bound():
    assert ball_moment_bound(10, 0.5, 1.0, 1) == pytest.approx(math.exp(1.0) / 5)
    assert ball_moment_bound(10, 1e-6, 1.0, 2) == 1.0


def test_ball_bound_of_a_point_that_is_drawn_too():
    """Two far places of mass p: E w̃ = Σ_p (1 − (1 − p)^N)/N; the mean of 1/pi does, the largest
    mass as pi does not."""
    number, masses = 100, np.array([0.02, 0.98])
    truth = (1 - (1 - masses) ** number).sum() / number
    mean_inverse = float((masses / masses).sum())
    assert truth < ball_moment_bound(number, 1 / mean_inverse, 1e-9, 1) < 1.1 * truth
    assert ball_moment_bound(number, masses.max(), 1e-9, 1) < 0.6 * truth


@pytest.mark.parametrize("call, name", (
    (lambda: moment_bounds(np.zeros((2, 1)), heat, 0.1, 0.0), "a"),
    (lambda: moment_bounds(np.full((2, 1), np.nan), heat, 0.1, 1.0), "data"),
    (lambda: laplace_moment(np.exp, 0, 1.0), "number"),
    (lambda: laplace_moment(np.exp, 2, 0.0), "power"),
    (lambda: poisson_moments(-1.0, 1.0, 1), "n_loc"),
    (lambda: poisson_moments(math.inf, 1.0, 1), "n_loc"),
    (lambda: poisson_moments(1.0, 0.0, 1), "a must"),
    (lambda: poisson_moments(1.0, 1.0, 0), "dimension"),
    (lambda: ball_moment_bound(2, 0.0, 1.0, 1), "ball"),
    (lambda: ball_moment_bound(2, 0.5, -1.0, 1), "radius_factor"),
    (lambda: ball_moment_bound(2, 0.5, 1.0, 0), "a"),
    (lambda: average_inputs([]), "inputs"),
    (lambda: exchange_parts(np.zeros((2, 2)), heat, 0.1), "points"),
    (lambda: exchange_parts(np.zeros((4, 3)), heat, 0.1), "points"),
    (lambda: exchange_parts(np.zeros((4, 2)), heat, 0.0), "t"),
))
def test_wrong_inputs(call, name):
    with pytest.raises(ValueError, match=name):
        call()


@pytest.mark.parametrize("change, name", (
    ({"number": 1}, "number"), ({"diameter": 0.0}, "diameter"), ({"span": 0}, "span")))
def test_certificate_wrong_inputs(change, name):
    inputs = CertificateInputs({1: 0.1, 2: 0.1, 3: 0.1, 4: 0.1}, 0.1)
    arguments = {"number": 8, "diameter": 2.0, "span": 2} | change
    number = arguments.pop("number")
    with pytest.raises(ValueError, match=name):
        empirical_score_certificate(inputs, inputs, number, heat, 0.02, **arguments)
