"""Fourier denoisers: closed-form noise against Monte Carlo, minimality, replace-one algebra."""

import itertools
import math

import numpy as np
import pytest

from score_stability.diffusion import OrnsteinUhlenbeck
from score_stability.scores import FourierDenoisers

heat = OrnsteinUhlenbeck(0.0)
rng = np.random.default_rng(5)
data = rng.uniform(-0.5, 0.5, 40)


def make(harmonics=3):
    return FourierDenoisers(harmonics, math.pi, heat, 0.02)


def features(family, x):
    return np.exp(1j * family.order * family.omega * x[..., None])


def test_loss_and_distance_by_quadrature():
    family = make()
    theta, other = family.fit(data), family.fit(data[:20])
    xi = np.linspace(-9, 9, 2001)
    w = np.exp(-(xi**2) / 2)
    w /= w.sum()
    x = family.mu * data[:, None] + family.sigma * xi
    m, m_other = features(family, x) @ theta, features(family, x) @ other
    assert np.abs(m.imag).max() < 1e-9  # a real data set has a real denoiser
    loss = (np.abs(m - data[:, None]) ** 2) @ w
    assert family.loss(theta, data) == pytest.approx(loss, abs=1e-12)
    distance = (np.abs(m - m_other) ** 2) @ w
    assert family.distance(theta, other, data) == pytest.approx(distance, abs=1e-12)


def test_fit_is_the_minimiser():
    family = make()
    theta = family.fit(data)
    best = family.loss(theta, data).mean()
    for _ in range(20):
        step = rng.standard_normal(7) + 1j * rng.standard_normal(7)
        assert family.loss(theta + 0.1 * step, data).mean() > best


def test_richer_classes_fit_better():
    losses = [make(k).loss(make(k).fit(data), data).mean() for k in (0, 1, 2, 4)]
    assert all(a > b for a, b in itertools.pairwise(losses))


def test_constant_class_fits_the_mean():
    assert make(0).fit(data)[0].real == pytest.approx(data.mean())


def test_replace_one_is_refitting():
    family = make()
    fast = family.replace_one(data, 0.17)
    for i in (0, 7, 39):
        neighbour = data.copy()
        neighbour[i] = 0.17
        assert fast[i] == pytest.approx(family.fit(neighbour), abs=1e-10)


def test_lemma_4_is_an_equality():
    """Mean over i of N F + N F_i equals the sum of the four losses, for every data set."""
    family, fresh = make(2), 0.31
    theta, others = family.fit(data), family.replace_one(data, fresh)
    N = len(data)
    for i in (0, 5, 20):
        neighbour = data.copy()
        neighbour[i] = fresh
        moves = (family.distance(theta, others[i], data).mean()
                 + family.distance(theta, others[i], neighbour).mean())
        four = (family.loss(others[i], data[i]) - family.loss(others[i], fresh)
                + family.loss(theta, fresh) - family.loss(theta, data[i]))[0]
        assert N * moves == pytest.approx(four, rel=1e-9)


@pytest.mark.parametrize("call, name", (
    (lambda: FourierDenoisers(-1, 1.0, heat, 0.1), "harmonics"),
    (lambda: FourierDenoisers(1, 0.0, heat, 0.1), "omega"),
    (lambda: make().fit([]), "data"), (lambda: make().fit([np.nan]), "data"),
    (lambda: FourierDenoisers(1, 1.0, heat, 0.0), "t")))
def test_wrong_inputs(call, name):
    with pytest.raises(ValueError, match=name):
        call()
