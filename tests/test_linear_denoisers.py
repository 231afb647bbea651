"""Linear denoisers: closed forms against retraining, invariants, wrong input."""

import itertools
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from score_stability.scores import linear_denoisers as ld

repeatable = settings(max_examples=25, deadline=None, derandomize=True)


def problem(number=12, draws=3, d=4, width=7, codebook=5, seed=0):
    generator = np.random.default_rng(seed)
    parts = [ld.affine, ld.RandomReLU.draw(d, width, generator)]
    if codebook:
        parts.append(ld.Codebook(generator.standard_normal((codebook, d))))
    features = ld.combine(*parts)
    return features, generator.standard_normal((number, d)), generator.standard_normal(
        (number, draws, d))


def refits(features, data, noise, s, penalty):
    """N1's three numbers, all models and their average, by N separate fits and a double loop."""
    count = len(data)
    models = [ld.fit_ridge(features, np.delete(data, i, 0), np.delete(noise, i, 0), s, penalty).full
              for i in range(count)]
    at = [data[j] + s * noise[j] for j in range(count)]
    losses = np.array([m.losses(data, noise) for m in models])
    moved = [((models[i](at[j]) - models[j](at[j])) ** 2).sum(1).mean()
             for i in range(count) for j in range(count) if i != j]
    off = ~np.eye(count, dtype=bool)
    return np.diag(losses), losses[off].mean(), np.mean(moved), models


@pytest.mark.parametrize("s", [0.3, 1.5])
@pytest.mark.parametrize("penalty", [1e-3, 1.0])
@pytest.mark.parametrize("draws", [1, 3])
def test_closed_forms_agree_with_retraining(s, penalty, draws):
    features, data, noise = problem(draws=draws)
    fit = ld.fit_ridge(features, data, noise, s, penalty)
    loo, seen, stability, models = refits(features, data, noise, s, penalty)
    np.testing.assert_allclose(fit.jackknife.loo_losses, loo, rtol=1e-10)
    assert fit.jackknife.seen_loss == pytest.approx(seen, rel=1e-10)
    assert fit.jackknife.stability == pytest.approx(stability, rel=1e-10)
    parameters = np.array([m.parameters for m in models])
    np.testing.assert_allclose(fit.parameters_without(), parameters, rtol=0,
                               atol=1e-10 * np.abs(parameters).max())
    np.testing.assert_allclose(fit.averaged.parameters, parameters.mean(0), rtol=0,
                               atol=1e-10 * np.abs(parameters).max())
    assert fit.jackknife.certificate >= fit.jackknife.loo


def test_leave_two_out_agrees_with_retraining():
    features, data, noise = problem()
    fit = ld.fit_ridge(features, data, noise, 1.0, 0.5)
    triples = ld.draw_triples(12, 6, np.random.default_rng(1))
    for (z, a, b), change in zip(triples, fit.replace_one_changes(triples), strict=True):
        without = [ld.fit_ridge(features, np.delete(data, [z, k], 0), np.delete(noise, [z, k], 0),
                                1.0, 0.5).full.losses(data, noise)[z] for k in (a, b)]
        assert change == pytest.approx(without[0] - without[1], rel=1e-9, abs=1e-11)


def test_fit_minimises_the_stated_objective():
    features, data, noise = problem()
    fit = ld.fit_ridge(features, data, noise, 1.0, 0.5)

    def objective(parameters):
        model = ld.LinearDenoiser(features, 1.0, parameters)
        return model.losses(data, noise).sum() + 0.5 * (parameters**2).sum()

    np.testing.assert_allclose(fit.training_losses, fit.full.losses(data, noise), rtol=1e-11)
    least, generator = objective(fit.full.parameters), np.random.default_rng(2)
    for _ in range(5):
        step = generator.standard_normal(fit.full.parameters.shape)
        # A quadratic at its minimum: the same rise in both directions.
        up, down = (objective(fit.full.parameters + sign * 1e-2 * step) for sign in (1, -1))
        assert up > least and up == pytest.approx(down, rel=1e-9)


def test_affine_fit_tends_to_the_wiener_filter():
    generator = np.random.default_rng(3)
    data = generator.standard_normal((4000, 1)) * 2 + 1
    fit = ld.fit_ridge(ld.affine, data, generator.standard_normal((4000, 2, 1)), 1.0,
                       1e-3)
    y = np.array([[-3.0], [1.0], [4.0]])
    assert np.abs(fit.full(y) - (1 + 4 / 5 * (y - 1))).max() < 0.1
    assert fit.jackknife.loo == pytest.approx(4 / 5, rel=0.05)


def test_features_as_documented():
    generator = np.random.default_rng(4)
    y, s = generator.standard_normal((6, 4)), 0.9
    relu, book = ld.RandomReLU.draw(4, 7, generator), ld.Codebook(generator.standard_normal((5, 4)))
    psi = ld.combine(ld.affine, relu, book)(y, s)
    assert psi.shape == (6, 4 + 1 + 7 + 5)
    assert ld.combine(ld.affine, relu, book)(y, 0.5).shape == (6, 12)
    scaled = y / math.sqrt(1 + s**2)
    np.testing.assert_array_equal(psi[:, :4], scaled)
    np.testing.assert_array_equal(psi[:, 4], 1)
    hidden = np.maximum(scaled @ relu.weights.T + relu.biases, 0) * math.sqrt(8 / 7)
    np.testing.assert_allclose(psi[:, 5:12], hidden, rtol=1e-13)
    distance = ((y[:, None] - book.points) ** 2).sum(2)
    weight = np.exp(-distance / (2 * (s**2 + 0.8**2)))
    np.testing.assert_allclose(psi[:, 12:], weight / weight.sum(1, keepdims=True), rtol=1e-12)


def test_mixture_features_against_one_dimensional_quadrature():
    law = ld.Mixture(np.array([0.3, 0.7]), np.array([[-1.0], [2.0]]),
                     np.array([[[0.5]], [[0.2]]]))
    y, s, x = np.array([[-0.5], [0.4], [3.0]]), 0.7, np.linspace(-9, 9, 20001)
    found = law(y, s)
    density = [p * np.exp(-(x - m) ** 2 / (2 * c)) / np.sqrt(c) for p, m, c in
               ((0.3, -1.0, 0.5), (0.7, 2.0, 0.2))]
    for row, at in zip(found, y[:, 0], strict=True):
        seen = np.array(density) * np.exp(-(at - x) ** 2 / (2 * s**2))
        np.testing.assert_allclose(row[:2], seen.sum(1) / seen.sum(), rtol=1e-10)
        assert row[2] == pytest.approx((seen.sum(0) * x).sum() / seen.sum(), rel=1e-9)


def test_one_component_gives_the_wiener_filter():
    generator = np.random.default_rng(9)
    root = generator.standard_normal((3, 3))
    cov, mean, y = root @ root.T, generator.standard_normal(3), generator.standard_normal((5, 3))
    found = ld.Mixture(np.ones(1), mean[None], cov[None])(y, 0.6)
    expected = mean + (y - mean) @ np.linalg.solve(cov + 0.36 * np.eye(3), cov)
    np.testing.assert_allclose(found[:, 1:], expected, rtol=1e-11)
    np.testing.assert_array_equal(found[:, 0], 1)


def test_law_of_the_random_features():
    relu = ld.RandomReLU.draw(64, 4000, np.random.default_rng(5))
    assert relu.weights.std() == pytest.approx(1.5 / 8, rel=0.01)
    assert relu.biases.std() == pytest.approx(0.7, rel=0.05)


@repeatable
@given(seed=st.integers(0, 2**32), penalty=st.floats(1e-3, 1e3), s=st.floats(0.05, 5))
def test_pathwise_inequalities(seed, penalty, s):
    features, data, noise = problem(number=6, draws=2, d=2, width=3, codebook=0, seed=seed)
    found = ld.fit_ridge(features, data, noise, s, penalty).jackknife
    root_gap = math.sqrt(found.loo) - math.sqrt(found.seen_loss)
    assert abs(root_gap) <= found.score_stability * (1 + 1e-9)
    # Ridge minimises over a convex class: eps² <= LOO − L̂, for every data set.
    assert found.stability <= (found.loo - found.seen_loss) * (1 + 1e-9) + 1e-12


def test_stability_elsewhere_is_a_mean_over_pairs_of_refits():
    features, data, noise = problem(number=6)
    fit = ld.fit_ridge(features, data, noise, 1.0, 0.5)
    y = np.random.default_rng(9).standard_normal((5, 4))
    models = [ld.fit_ridge(features, np.delete(data, i, 0), np.delete(noise, i, 0), 1.0,
                           0.5).full(y) for i in range(6)]
    pairs = [((a - b)**2).sum(1).mean() for a, b in itertools.permutations(models, 2)]
    assert fit.stability_elsewhere(y) == pytest.approx(np.mean(pairs), rel=1e-10)
    with pytest.raises(ValueError, match="y"):
        fit.stability_elsewhere(y[:, :3])


def test_effective_dimension():
    features, data, noise = problem()
    draws = noise.shape[1]
    psi = features(ld._noised(data, noise, 1.0), 1.0) / math.sqrt(draws)
    gram = psi.T @ psi
    for penalty in (1e-2, 1.0, 100.0):
        found = ld.fit_ridge(features, data, noise, 1.0, penalty).effective_dimension
        expected = np.trace(np.linalg.solve(gram + penalty * np.eye(len(gram)), gram))
        assert found == pytest.approx(expected, rel=1e-9)
    plain = ld.fit_ridge(ld.affine, data, noise, 1.0, 0.0)
    assert plain.effective_dimension == pytest.approx(data.shape[1] + 1, rel=1e-9)


def test_order_of_the_data_does_not_matter():
    features, data, noise = problem()
    order = np.random.default_rng(6).permutation(12)
    a = ld.fit_ridge(features, data, noise, 1.0, 0.1)
    b = ld.fit_ridge(features, data[order], noise[order], 1.0, 0.1)
    np.testing.assert_allclose(b.jackknife.loo_losses, a.jackknife.loo_losses[order], rtol=1e-10)
    assert b.jackknife.stability == pytest.approx(a.jackknife.stability, rel=1e-10)


def test_interpolation_is_exact_with_a_small_penalty():
    features, data, noise = problem(number=6, draws=2, width=40, codebook=0)
    fit = ld.fit_ridge(features, data, noise, 1.0, 1e-8)
    assert fit.training_losses.max() < 1e-8
    loo, _, stability, _ = refits(features, data, noise, 1.0, 1e-8)
    np.testing.assert_allclose(fit.jackknife.loo_losses, loo, rtol=1e-4)
    assert fit.jackknife.stability == pytest.approx(stability, rel=1e-4)
    assert fit.jackknife.certificate >= fit.jackknife.loo


def test_penalty_zero_where_the_minimiser_is_unique():
    features = ld.affine
    generator = np.random.default_rng(7)
    data, noise = generator.standard_normal((8, 2)), generator.standard_normal((8, 2, 2))
    fit = ld.fit_ridge(features, data, noise, 1.0, 0.0)
    loo, _, stability, _ = refits(features, data, noise, 1.0, 0.0)
    np.testing.assert_allclose(fit.jackknife.loo_losses, loo, rtol=1e-10)
    assert fit.jackknife.stability == pytest.approx(stability, rel=1e-10)
    # Without a penalty and for quadratic losses the sandwich's right end is the whole gap.
    assert fit.jackknife.stability <= fit.jackknife.loo - fit.jackknife.seen_loss


def test_triples_are_different():
    for number in (3, 4, 50):
        triples = ld.draw_triples(number, 200, np.random.default_rng(8))
        assert triples.shape == (200, 3) and triples.min() >= 0 and triples.max() < number
        assert all(len(set(row)) == 3 for row in triples.tolist())


def test_neither_module_needs_torch():
    code = ("import sys; from score_stability import datasets, plots, runtime;"
            "from score_stability.scores import linear_denoisers;"
            "assert 'torch' not in sys.modules")
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


# Wrong input


@pytest.mark.parametrize(("changes", "message"), [
    ({"data": np.ones((1, 4)), "noise": np.ones((1, 3, 4))}, "data must hold at least two"),
    ({"data": np.ones((12, 4, 1))}, r"data must have shape \(N, d\)"),
    ({"data": np.full((12, 4), np.inf)}, "data must be finite"),
    ({"noise": np.ones((12, 4))}, "noise must have shape"),
    ({"noise": np.ones((11, 3, 4))}, "noise must have shape"),
    ({"noise": np.full((12, 3, 4), np.nan)}, "noise must be finite"),
    ({"noise_level": 0.0}, "noise_level must be"),
    ({"noise_level": math.nan}, "noise_level must be"),
    ({"penalty": -1.0}, "penalty must be non-negative"),
    ({"penalty": math.nan}, "penalty must be non-negative"),
    ({"penalty": 0.0, "features": ld.RandomReLU.draw(4, 60, np.random.default_rng(0))},
     "penalty must be positive"),
    ({"features": lambda y, s: y[1:]}, "features must return")])
def test_wrong_fit(changes, message):
    features, data, noise = problem()
    arguments = {"features": features, "data": data, "noise": noise, "noise_level": 1.0,
                 "penalty": 1.0} | changes
    with pytest.raises(ValueError, match=message):
        ld.fit_ridge(**arguments)


def test_interpolation_without_penalty_is_a_named_error():
    # Two of eight data determine the affine fit: leaving one out makes it ambiguous.
    data = np.zeros((8, 2))
    noise = np.zeros((8, 1, 2))
    data[0, 0] = 1.0
    with pytest.raises(ValueError, match="penalty must be positive"):
        ld.fit_ridge(ld.affine, data, noise, 1.0, 0.0)
    data[1, 1] = 1.0
    with pytest.raises(ValueError, match="penalty must be positive"):
        ld.fit_ridge(ld.affine, data, noise, 1.0, 0.0)


@pytest.mark.parametrize(("arguments", "message"), [
    ((0, 3), "dimension must be"), ((3, 0), "width must be")])
def test_wrong_features(arguments, message):
    with pytest.raises(ValueError, match=message):
        ld.RandomReLU.draw(*arguments, np.random.default_rng(0))


def test_wrong_covariances_pairs_and_triples():
    generator = np.random.default_rng(0)
    with pytest.raises(ValueError, match="covariances must be positive"):
        ld.Mixture(np.ones(1), np.zeros((1, 2)), np.diag([1.0, -1.0])[None])(np.ones((1, 2)), 1.0)
    features, data, noise = problem()
    fit = ld.fit_ridge(features, data, noise, 1.0, 1.0)
    for pairs in ([[1, 1]], [1, 2], [[1, 2, 3]]):
        with pytest.raises(ValueError, match="pairs must be"):
            fit.leave_two_out(pairs)
    with pytest.raises(ValueError, match="triples must be"):
        fit.replace_one_changes([[1, 2]])
    with pytest.raises(ValueError, match="number must be at least 3"):
        ld.draw_triples(2, 1, generator)
