"""All exchanges among N + 1 points: Lemma 4 set by set, against refits one by one."""

import math

import numpy as np
import pytest

from score_stability.diffusion import OrnsteinUhlenbeck
from score_stability.scores import EmpiricalScore, FourierDenoisers
from score_stability.stability import empirical_exchanges, fourier_exchanges

heat = OrnsteinUhlenbeck(0.0)
points = np.random.default_rng(11).uniform(-0.5, 0.5, (3, 9))


def make(harmonics=2, process=heat, t=0.005):
    return FourierDenoisers(harmonics, math.pi, process, t)


def one_by_one(z, distance, loss, fit):
    """The four means of ``Exchanges``, by their definitions."""
    n = len(z) - 1
    fits = [fit(np.delete(z, j)) for j in range(n + 1)]
    rest = [np.delete(z, j) for j in range(n + 1)]
    pairs = [(j, i) for j in range(n + 1) for i in range(n + 1) if i != j]
    return (np.mean([distance(fits[j], fits[i], z[[j]]).mean() for j, i in pairs]),
            np.mean([distance(fits[j], fits[i], rest[j]).mean() for j, i in pairs]),
            np.mean([loss(fits[j], z[[j]]).mean() for j in range(n + 1)]),
            np.mean([loss(fits[j], rest[j]).mean() for j in range(n + 1)]))


def test_fourier_exchanges_are_refits():
    family = make(process=OrnsteinUhlenbeck(1.0), t=0.02)
    found = fourier_exchanges(family, points)
    for k, z in enumerate(points):
        expected = one_by_one(z, family.distance, family.loss, family.fit)
        assert [part[k] for part in found] == pytest.approx(expected, rel=1e-9)


def test_empirical_exchanges_are_refits():
    process, t = OrnsteinUhlenbeck(1.0), 0.02
    mu, sigma = float(process.mean_scale(t)), math.sqrt(float(process.variance(t)))
    xi = np.linspace(-9, 9, 601)
    w = np.exp(-(xi**2) / 2)
    w /= w.sum()

    def at(fit, start):
        X = mu * start[:, None] + sigma * xi
        return fit.denoiser(X.reshape(-1, 1), t)[:, 0].numpy().reshape(X.shape)

    found = empirical_exchanges(points, process, t)
    for k, z in enumerate(points):
        expected = one_by_one(
            z, lambda a, b, start: ((at(a, start) - at(b, start))**2) @ w,
            lambda a, start: ((at(a, start) - start[:, None])**2) @ w,
            lambda data: EmpiricalScore(data[:, None], process))
        assert [part[k] for part in found] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("harmonics", [0, 1, 3])
def test_lemma_4_is_an_identity_of_each_set(harmonics):
    found = fourier_exchanges(make(harmonics), points)
    np.testing.assert_allclose(8 * found.move, found.gap, rtol=1e-8)
    assert (found.stability <= found.gap * (1 + 1e-9)).all()
    if harmonics == 0:  # a mean moves everywhere alike
        np.testing.assert_allclose(found.stability, found.move, rtol=1e-12)


def test_lemma_4_holds_for_all_functions_even_of_points_that_are_alone():
    for t in (0.005, 1e-6):
        found = empirical_exchanges(points, heat, t)
        np.testing.assert_allclose(8 * found.move, found.gap, rtol=1e-6)
        assert (found.stability <= found.gap * (1 + 1e-9)).all()
    # Alone: the fit without a point gives its nearest neighbour's place.
    two = empirical_exchanges([[-0.5, 0.5]], heat, 1e-6)
    assert [two.stability[0], two.gap[0], two.test_loss[0]] == pytest.approx([1, 1, 1])
    assert two.training_loss[0] == 0


def test_moved_and_scaled_points_move_and_scale_with_the_noise():
    found = empirical_exchanges(points, heat, 0.005)
    for part, other in zip(found, empirical_exchanges(3 * points + 7, heat, 0.045), strict=True):
        np.testing.assert_allclose(9 * part, other, rtol=1e-9)
    order = np.random.default_rng(1).permutation(9)
    for part, other in zip(found, empirical_exchanges(points[:, order], heat, 0.005),
                           strict=True):
        np.testing.assert_allclose(part, other, rtol=1e-9)


@pytest.mark.parametrize("wrong", [[0.1, 0.2], [[0.1]], np.zeros((0, 3)), [[0.1, math.nan]],
                                   np.zeros((2, 3, 1))])
def test_wrong_points_are_named(wrong):
    with pytest.raises(ValueError, match="points"):
        fourier_exchanges(make(), wrong)
    with pytest.raises(ValueError, match="points"):
        empirical_exchanges(wrong, heat, 0.1)


def test_other_wrong_inputs_are_named():
    with pytest.raises(ValueError, match="nodes"):
        empirical_exchanges(points, heat, 0.1, nodes=1)
    with pytest.raises(ValueError, match="t must"):
        empirical_exchanges(points, heat, -1.0)
