"""Gradient noise: closed cumulants of the scalar model, enumeration, known spectra."""

import itertools
import math

import numpy as np
import pytest
import torch

from score_stability.diffusion import OrnsteinUhlenbeck
from score_stability.optimiser import (
    DenoisingLoss,
    NoiseCovariances,
    excess_kurtosis,
    gradient_covariance,
    held_out_spectrum,
    log_uniform_times,
    noise_covariances,
    participation_ratio,
    row_gradients,
    single_time,
)
from score_stability.scores import MLP, ScaledLinear

OU = OrnsteinUhlenbeck(1.0)
LOSS = DenoisingLoss(OU, single_time(0.5), "score")


def scalar(theta, points, draws, seed=0):
    return row_gradients(ScaledLinear(), torch.tensor([theta], dtype=torch.float64),
                         torch.tensor(points, dtype=torch.float64)[:, None], LOSS, draws,
                         np.random.default_rng(seed))


@pytest.mark.parametrize(("theta", "x"), [(-0.7, 0.4), (0.2, -1.5), (-1.5, 0.0)])
def test_cumulants_of_the_scalar_model(theta, x):
    draws = 400_000
    g = scalar(theta, [x], draws).numpy()[0, :, 0]
    m, s2 = math.exp(-0.5) * x, 1 - math.exp(-1)
    s = math.sqrt(s2)
    A, B = 2 * theta * m * s + m / s, theta * s2 + 1
    assert g.mean() == pytest.approx(2 * (theta * (m**2 + s2) + 1), abs=5 * g.std() / draws**0.5)
    variance = 4 * (A**2 + 2 * B**2)
    assert g.var() == pytest.approx(variance, rel=0.02)
    kurtosis = 48 * (B**4 + A**2 * B**2) / (A**2 + 2 * B**2) ** 2
    one = torch.ones(1, dtype=torch.float64)
    rows = torch.from_numpy(g)[None, :, None]
    assert excess_kurtosis(rows, one) == pytest.approx(kurtosis, abs=0.6)
    assert excess_kurtosis(rows, one, 8) == pytest.approx(kurtosis / 8, abs=0.25)


def test_point_mass_score_makes_no_noise():
    assert float(scalar(-1 / (1 - math.exp(-1)), [0.0], 100).abs().max()) < 1e-12


def test_covariances_are_unbiased_and_add_up():
    points, theta = [0.4, -1.0, 1.2, 0.1, -0.3], -0.7
    mu, s2 = math.exp(-0.5), 1 - math.exp(-1)
    s = math.sqrt(s2)
    m = mu * np.array(points)
    means = 2 * (theta * (m**2 + s2) + 1)
    within = (4 * ((2 * theta * m * s + m / s) ** 2 + 2 * (theta * s2 + 1) ** 2)).mean()
    draws = [noise_covariances(scalar(theta, points, 4, seed)) for seed in range(4000)]
    index = np.array([float(c.index[0, 0]) for c in draws])
    noise = np.array([float(c.draws[0, 0]) for c in draws])
    assert abs(index.mean() - means.var()) < 5 * index.std() / 4000**0.5
    assert abs(noise.mean() - within) < 5 * noise.std() / 4000**0.5
    # The formula for a minibatch without replacement, by enumerating all of them.
    exact = NoiseCovariances(torch.tensor([[means.var()]]), torch.tensor([[within]]))
    averages = [means[list(batch)].mean() for batch in itertools.combinations(range(5), 2)]
    expected = np.var(averages) + within / (2 * 3)
    assert float(gradient_covariance(exact, 5, 2, 3)) == pytest.approx(expected, rel=1e-12)
    pairs = [means[list(batch)].mean() for batch in itertools.product(range(5), repeat=2)]
    replaced = float(gradient_covariance(exact, 5, 2, 3, with_replacement=True))
    assert replaced == pytest.approx(np.var(pairs) + within / 6, rel=1e-12)
    # With the whole set only the (t, xi) part is left.
    assert float(gradient_covariance(exact, 5, 5, 3)) == pytest.approx(within / 15, rel=1e-12)


def test_spectrum_tools_on_a_known_covariance():
    scales = torch.tensor([3.0, 1.0, 0.1, 0.0], dtype=torch.float64)
    g = torch.from_numpy(np.random.default_rng(0).standard_normal((5, 4000, 4))) * scales
    found = held_out_spectrum(g)
    assert torch.allclose(found, scales**2, rtol=0.05, atol=1e-12)
    assert participation_ratio(torch.eye(7)) == pytest.approx(7)
    assert participation_ratio(torch.diag(scales**2)) == pytest.approx(10.01**2 / 82.0001)
    assert abs(excess_kurtosis(g, torch.tensor([1.0, 0, 0, 0]))) < 0.2


def test_relu_network_has_no_noise_along_its_symmetries():
    net = MLP(2, (6, 6), "relu")
    theta = net.initial(1, np.random.default_rng(0), torch.float64)
    points = torch.from_numpy(np.random.default_rng(1).standard_normal((4, 2)))
    loss = DenoisingLoss(OrnsteinUhlenbeck(0.0), log_uniform_times(0.00125, 0.5))
    rows = row_gradients(net, theta[0], points, loss, 30, np.random.default_rng(2), chunk=50)
    assert rows.shape == (4, 30, net.parameters)
    directions = net.rescaling_directions(theta)[0]
    directions = directions / directions.norm(dim=1, keepdim=True)
    along = (rows @ directions.T).abs().amax(dim=2) / rows.norm(dim=2)
    assert float(along.max()) < 1e-14
    noise = noise_covariances(rows).draws
    variance = (directions @ noise @ directions.T).diagonal()
    assert float(variance.abs().max()) < 1e-14 * float(noise.trace())


@pytest.mark.parametrize(("call", "words"), [
    (lambda: row_gradients(ScaledLinear(), torch.zeros(2), torch.zeros(3, 1), LOSS, 2,
                           np.random.default_rng(0)), "theta"),
    (lambda: row_gradients(ScaledLinear(), torch.zeros(1), torch.zeros(3), LOSS, 2,
                           np.random.default_rng(0)), "points"),
    (lambda: noise_covariances(torch.zeros(1, 3, 2)), "gradients"),
    (lambda: gradient_covariance(NoiseCovariances(torch.eye(1), torch.eye(1)), 1, 1, 1), "N >= 2"),
    (lambda: gradient_covariance(NoiseCovariances(torch.eye(1), torch.eye(1)), 3, 4, 1), "batch"),
    (lambda: participation_ratio(torch.zeros(2, 2)), "covariance"),
    (lambda: held_out_spectrum(torch.zeros(2, 3, 2)), "gradients"),
    (lambda: excess_kurtosis(torch.zeros(2, 8, 2), torch.zeros(2), 3), "size")])
def test_wrong_inputs(call, words):
    with pytest.raises(ValueError, match=words):
        call()
