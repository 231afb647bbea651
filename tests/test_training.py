"""Clipped SGD: an independent loop, couplings, exact evaluation, wrong inputs, divergence."""

import collections
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from score_stability.diffusion import OrnsteinUhlenbeck, TimeWeighting
from score_stability.optimiser import (
    SGD,
    DenoisingLoss,
    Diverged,
    adjacent,
    averaged,
    clip_rows,
    denoised_samples,
    exact_loss,
    log_uniform_times,
    pair_distance,
    pair_groups,
    score_distance,
    sgd,
    single_time,
    streams,
    training,
)
from score_stability.sampler import ddpm, geometric_grid, sample
from score_stability.scores import MLP, DeepLinear, ScaledLinear, score_of
from score_stability.theory import scaled_linear_sgd

HEAT, OU = OrnsteinUhlenbeck(0.0), OrnsteinUhlenbeck(1.0)
LOSS = DenoisingLoss(HEAT, log_uniform_times(0.00125, 0.5))


def random(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def last(run):
    return collections.deque(run, maxlen=1)[0]


def start(models, seed=0, widths=(8,), dtype=torch.float64):
    net = MLP(2, widths)
    return net, net.initial(models, np.random.default_rng(seed), dtype)


def test_one_step_against_a_plain_loop():
    net, theta = start(3)
    data = random(3, 6, 2)
    options = SGD(steps=1, batch_size=4, step_size=0.3, clip=[0.1, 1.0, 50.0], weight_decay=0.2,
                  resamples=3)
    state = last(sgd(net, theta, data, LOSS, options, streams(np.random.default_rng(5))))
    draws = streams(np.random.default_rng(5))
    index = np.argsort(draws.indices.random((3, 6)), axis=1)[:, :4]
    u, xi = draws.rows.random((3, 4, 3)), draws.rows.standard_normal((3, 4, 3, 2))
    for m in range(3):
        leaf = theta[m:m + 1].clone().requires_grad_(True)
        total = 0.0
        for j in range(4):
            for p in range(3):
                t = 0.00125 * (0.5 / 0.00125) ** u[m, j, p]
                sigma = math.sqrt(2 * t)
                noise = torch.from_numpy(xi[m, j, p])
                x = data[m, index[m, j]] + sigma * noise
                one = torch.ones(1, 1, dtype=torch.float64)
                predicted = net.noise(leaf, x[None, None], one, sigma * one)[0, 0]
                total = total + ((predicted - noise) ** 2).sum() / 12
        (gradient,) = torch.autograd.grad(total, leaf)
        norm, limit = float(gradient.norm()), options.clip[m]
        expected = 0.94 * theta[m] - 0.3 * gradient[0] * min(1.0, limit / norm)
        assert torch.allclose(state.theta[m], expected, atol=1e-13)
        assert bool(state.clipped[m]) == (norm > limit)


def test_weights_differ_by_the_variance():
    net, theta = start(2)
    points, u, xi = random(2, 3, 2), torch.rand(2, 3, 4, dtype=torch.float64), random(2, 3, 4, 2)
    noise = LOSS.rows(net, theta, points, u, xi)
    score = DenoisingLoss(HEAT, LOSS.times, "score").rows(net, theta, points, u, xi)
    variance = 2 * torch.from_numpy(LOSS.times(u.numpy()))
    assert torch.allclose(score * variance, noise)
    at_one = DenoisingLoss(OU, single_time(0.5), "score")
    # The score network -x/1 has loss |−X + xi/sigma|², here by hand.
    row = at_one.rows(ScaledLinear(), -torch.ones(1, 1, dtype=torch.float64), points[:1, :1, :1],
                      u[:1, :1, :1], xi[:1, :1, :1, :1])
    mu, sigma = math.exp(-0.5), math.sqrt(1 - math.exp(-1))
    x = mu * float(points[0, 0, 0]) + sigma * float(xi[0, 0, 0, 0])
    assert float(row) == pytest.approx((-x + float(xi[0, 0, 0, 0]) / sigma) ** 2, rel=1e-12)


def test_per_model_hyper_parameters_are_separate_runs():
    net, theta = start(1)
    theta, data = theta.expand(3, -1), random(1, 5, 2).expand(3, 5, 2)
    options = dict(steps=5, batch_size=2, resamples=2)
    values = dict(step_size=[0.1, 0.2, 0.3], clip=[0.5, 1.0, 2.0], weight_decay=[0.0, 0.1, 0.5])
    groups = [0, 0, 0]
    together = last(sgd(net, theta, data, LOSS, SGD(**options, **values),
                        streams(np.random.default_rng(1)), groups=groups)).theta
    for m in range(3):
        alone = last(sgd(net, theta[:1], data[:1], LOSS,
                         SGD(**options, **{k: v[m] for k, v in values.items()}),
                         streams(np.random.default_rng(1)))).theta
        assert torch.allclose(together[m], alone[0], atol=1e-13)


def test_synchronous_pairs_are_identical_until_the_first_hit():
    net, theta = start(20)
    data = random(20, 10, 2)
    both = adjacent(data, 3, random(20, 2, seed=9))
    assert torch.equal(both[:20], data) and (both[20:, 3] != data[:, 3]).any()
    assert torch.equal(both[20:, [0, 1, 2, 4, 5, 6, 7, 8, 9]], data[:, [0, 1, 2, 4, 5, 6, 7, 8, 9]])
    options = SGD(steps=8, batch_size=2, step_size=0.1, clip=1.0, noise_std=0.01)
    draws = np.random.default_rng(2).spawn(3)[0]
    hit = np.zeros(20, dtype=bool)
    before = torch.zeros(20, dtype=torch.float64)
    for state in sgd(net, torch.cat([theta, theta]), both, LOSS, options,
                     streams(np.random.default_rng(2)), groups=pair_groups(20)):
        now = (np.argsort(draws.random((20, 10)), axis=1)[:, :2] == 3).any(axis=1)
        hit |= now
        distance = (state.theta[:20] - state.theta[20:]).norm(dim=1)
        assert ((distance > 0).numpy() == hit).all()
        # The two deterministic inequalities behind Proposition 11.
        change = (state.gradient[:20] - state.gradient[20:]).norm(dim=1)
        assert (change <= 2.0 + 1e-12).all()
        assert (distance <= before + 0.1 * change + 1e-12).all()
        before = distance
    assert hit.any() and not hit.all()


def test_more_resamples_leave_the_minibatches_alone():
    seen = []
    for resamples in (1, 7):
        draws = streams(np.random.default_rng(4))
        options = SGD(steps=3, batch_size=2, step_size=0.1, resamples=resamples)
        list(sgd(*start(2), random(2, 6, 2), LOSS, options, draws))
        seen.append(draws.indices.random())
    assert seen[0] == seen[1]


def test_exact_moments_of_the_scaled_linear_model():
    pairs, number = 20000, 12
    rng = np.random.default_rng(0)
    points = torch.from_numpy(rng.uniform(-1.7, 1.7, (1, number, 1)))
    fresh = torch.tensor([[1.3]], dtype=torch.float64)
    both = adjacent(points, 0, fresh)
    data = both.repeat_interleave(pairs, dim=0)
    loss = DenoisingLoss(OU, single_time(0.5), "score")
    options = SGD(steps=60, batch_size=1, step_size=lambda k: 0.6 / (k + 10), weight_decay=0.2,
                  resamples=2)
    run = last(sgd(ScaledLinear(), torch.zeros(2 * pairs, 1, dtype=torch.float64), data, loss,
                   options, streams(np.random.default_rng(1)), groups=pair_groups(pairs)))
    d = (run.theta[:pairs] - run.theta[pairs:])[:, 0].numpy()
    exact = scaled_linear_sgd(points[:, :, 0].numpy(), 0, np.array([1.3]),
                              mean_scale=math.exp(-0.5), variance=1 - math.exp(-1), steps=60,
                              step_size=options.step_size, weight_decay=0.2, resamples=2)
    error = (d**2).std() / math.sqrt(pairs)
    assert abs((d**2).mean() - exact.squared_distance[0]) < 5 * error
    assert abs(d.mean() - exact.mean_shift[0]) < 5 * d.std() / math.sqrt(pairs)


def test_matched_noise_has_the_covariance_of_one_resample():
    models = 60000
    data = torch.tensor([[0.4], [-1.0], [1.2]], dtype=torch.float64).expand(models, 3, 1)
    loss = DenoisingLoss(OU, single_time(0.5), "score")
    theta = torch.full((models, 1), -0.7, dtype=torch.float64)

    def gradient(seed, **kind):
        options = SGD(steps=1, batch_size=2, step_size=0.1, **kind)
        return last(sgd(ScaledLinear(), theta, data, loss, options,
                        streams(np.random.default_rng(seed)))).gradient[:, 0].numpy()

    one, sixteen = gradient(0, resamples=1), gradient(1, resamples=16)
    matched = gradient(2, resamples=16, matched=True)
    assert matched.var() == pytest.approx(one.var(), rel=0.04)
    assert sixteen.var() < 0.6 * one.var()
    assert matched.mean() == pytest.approx(one.mean(), abs=5 * one.std() / math.sqrt(models))
    assert gradient(3, resamples=1, matched=True).var() == pytest.approx(one.var(), rel=0.04)


def test_clip_each_is_the_mean_of_clipped_point_gradients():
    net, theta = start(2)
    data = random(2, 5, 2)
    run = dict(steps=1, batch_size=5, step_size=0.1, resamples=2)
    each = last(sgd(net, theta, data, LOSS, SGD(clip=0.3, clip_each=True, **run),
                    streams(np.random.default_rng(0)))).gradient
    assert (each.norm(dim=1) <= 0.3 + 1e-12).all()
    loose = [last(sgd(net, theta, data, LOSS, SGD(clip_each=flag, **run),
                      streams(np.random.default_rng(0)))).gradient for flag in (True, False)]
    assert torch.allclose(*loose, atol=1e-12)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.floats(1e-3, 1e3))
def test_clip_is_a_projection(seed, radius):
    a, b = random(4, 3, seed=seed), 10 * random(4, 3, seed=seed + 1)
    ball = torch.full((4, 1), radius, dtype=torch.float64)
    (pa, _), (pb, moved) = clip_rows(a, ball), clip_rows(b, ball)
    assert ((pa - pb).norm(dim=1) <= (a - b).norm(dim=1) * (1 + 1e-12)).all()  # 1-Lipschitz
    assert (pb.norm(dim=1) <= radius * (1 + 1e-12)).all()
    assert torch.equal(pb[~moved], b[~moved])
    assert torch.equal(clip_rows(torch.zeros(1, 3), ball[:1].float())[0], torch.zeros(1, 3))


def test_projection_keeps_runs_in_the_ball_and_noiseless_sgd_never_leaves_it():
    net, theta = start(6)
    radius = 1.0 / 0.5
    theta = clip_rows(theta, torch.full((6, 1), radius, dtype=torch.float64))[0]
    data = random(6, 5, 2)
    free = SGD(steps=60, batch_size=2, step_size=0.3, clip=1.0, weight_decay=0.5)
    for state in sgd(net, theta, data, LOSS, free, streams(np.random.default_rng(0))):
        assert (state.theta.norm(dim=1) <= radius + 1e-12).all()
    noisy = SGD(steps=60, batch_size=2, step_size=0.3, clip=1.0, weight_decay=0.5, noise_std=0.5)
    norms = [[s.theta.norm(dim=1).max() for s in sgd(
        net, theta, data, LOSS, noisy, streams(np.random.default_rng(0)), project=flag)]
        for flag in (True, False)]
    assert max(norms[0]) <= radius + 1e-12 < max(norms[1])


def test_reflected_runs_meet_and_stay_together():
    model = DeepLinear()
    theta = torch.tensor([[0.9, -0.9]] * 50 + [[-0.9, 0.9]] * 50, dtype=torch.float64)
    data = random(1, 4, 1).expand(100, 4, 1)
    loss = DenoisingLoss(OU, single_time(0.5), "score")
    options = SGD(steps=300, batch_size=4, step_size=0.05, clip=1.0, weight_decay=1.0,
                  noise_std=0.3)
    apart = []
    for state in sgd(model, theta, data, loss, options, streams(np.random.default_rng(0)),
                     groups=pair_groups(50), reflect=True):
        apart.append((state.theta[:50] - state.theta[50:]).norm(dim=1) > 1e-9)
    apart = torch.stack(apart)
    assert not (apart[1:] & ~apart[:-1]).any()  # once together, for ever
    assert apart[0].any() and apart[-1].float().mean() < 0.2


def test_exact_loss_and_distance():
    theta = torch.tensor([[-0.7], [-0.4]], dtype=torch.float64)
    points = torch.tensor([[[0.3], [1.1]]] * 2, dtype=torch.float64)
    weighting = TimeWeighting(np.array([0.2, 0.5]), np.array([1.0, 3.0]))
    loss = exact_loss(ScaledLinear(), theta, points, OU, weighting, weight="score")
    expected = torch.zeros(2, 2, dtype=torch.float64)
    distance = torch.zeros(2, dtype=torch.float64)
    for t, tau in ((0.2, 1.0), (0.5, 3.0)):
        mu2, s2 = math.exp(-2 * t), 1 - math.exp(-2 * t)
        square = mu2 * points[:, :, 0] ** 2 + s2  # E X²
        expected += tau * (theta**2 * square + 2 * theta + 1 / s2)
        distance += tau * 0.09 * square[0]
    assert torch.allclose(loss, expected, rtol=1e-12)
    moved = score_distance(ScaledLinear(), theta[:1], theta[1:], points[:1], OU, weighting)
    assert torch.allclose(moved[0], distance, rtol=1e-12)
    # In noise units a network's loss is a plain mean over xi: against many draws.
    net, mlp = start(1)
    at = TimeWeighting.at(0.1)
    value = float(exact_loss(net, mlp, points[:1].expand(1, 2, 1).repeat(1, 1, 2), HEAT, at,
                             nodes=20)[0, 0])
    xi = random(1, 200000, 2, seed=3)
    s = torch.full((1, 200000), math.sqrt(0.2), dtype=torch.float64)
    rows = ((net.noise(mlp, 0.3 + s[..., None] * xi, torch.ones_like(s), s) - xi) ** 2).sum(-1)
    assert abs(float(rows.mean()) - value) < 5 * float(rows.std()) / math.sqrt(200000)


def test_flat_training_costs_no_more_than_a_loop_of_modules():
    net, theta = start(16, widths=(32, 32), dtype=torch.float32)
    options = SGD(steps=1, batch_size=32, step_size=0.1, resamples=4)
    with FlopCounterMode(display=False) as counter:
        list(sgd(net, theta, random(16, 64, 2), LOSS, options, streams(np.random.default_rng(0))))
    # Three products per layer and row (forward, two backward), less the first layer's input.
    per_row = 3 * (4 * 32 + 32 * 32 + 32 * 2) - 4 * 32
    assert counter.get_total_flops() == 2 * per_row * 16 * 32 * 4


def test_divergence_is_said_and_stops():
    net, theta = start(3)
    data = random(3, 6, 2)
    options = SGD(steps=500, batch_size=4, step_size=[0.05, 40.0, 0.05])
    with pytest.raises(Diverged, match="model 1 diverged at step"):
        list(sgd(net, theta, data, LOSS, options, streams(np.random.default_rng(0))))
    state = last(sgd(net, theta, data, LOSS, options, streams(np.random.default_rng(0)),
                     on_divergence="mark"))
    assert state.diverged.tolist() == [False, True, False]
    assert torch.isfinite(state.theta[[0, 2]]).all() and torch.isnan(state.theta[1]).all()


GOOD = dict(steps=3, batch_size=2, step_size=0.1)


@pytest.mark.parametrize(("change", "words"), [
    ({"steps": 0}, "steps"), ({"batch_size": 0}, "batch_size"), ({"resamples": 0}, "resamples"),
    ({"resamples": 1.5}, "resamples"), ({"clip": 0.0}, "clip"), ({"clip": [1.0, -1.0]}, "clip"),
    ({"clip": math.nan}, "clip"), ({"weight_decay": -0.1}, "weight_decay"),
    ({"weight_decay": 11.0}, "step_size \\* weight_decay"), ({"step_size": 0.0}, "step_size"),
    ({"step_size": math.nan}, "step_size"), ({"noise_std": -1.0}, "noise_std"),
    ({"matched": True, "clip_each": True}, "clip_each")])
def test_wrong_options(change, words):
    with pytest.raises(ValueError, match=words):
        SGD(**{**GOOD, **change})


@pytest.mark.parametrize(("change", "words"), [
    ({"theta": torch.zeros(2, 3)}, "theta"), ({"theta": torch.full((2, 1), math.nan)}, "theta"),
    ({"data": torch.zeros(3, 4, 1)}, "data"), ({"data": torch.full((2, 4, 1), math.inf)}, "data"),
    ({"options": SGD(**{**GOOD, "batch_size": 5})}, "batch_size must be at most N = 4"),
    ({"on_divergence": "ignore"}, "on_divergence"), ({"reflect": True}, "noise_std"),
    ({"project": True}, "weight_decay"), ({"groups": [0]}, "groups"),
    ({"groups": [0, -1]}, "groups")])
def test_wrong_run(change, words):
    good = dict(network=ScaledLinear(), theta=torch.zeros(2, 1), data=torch.zeros(2, 4, 1),
                loss=LOSS, options=SGD(**GOOD), streams=streams(np.random.default_rng(0)))
    with pytest.raises(ValueError, match=words):
        sgd(**{**good, **change})


@pytest.mark.parametrize(("call", "words"), [
    (lambda: adjacent(torch.zeros(2, 4, 1), 4, torch.zeros(2, 1)), "index must lie in 0..3"),
    (lambda: adjacent(torch.zeros(2, 4, 1), -1, torch.zeros(2, 1)), "index"),
    (lambda: adjacent(torch.zeros(4, 1), 0, torch.zeros(2, 1)), "data"),
    (lambda: adjacent(torch.zeros(2, 4, 1), 0, torch.zeros(2, 2)), "fresh"),
    (lambda: log_uniform_times(0.5, 0.1), "start"), (lambda: DenoisingLoss(HEAT, single_time(1.0),
                                                                           "snr"), "weight"),
    (lambda: training.gauss_hermite(9, 5), "nodes"),
    (lambda: exact_loss(ScaledLinear(), torch.zeros(2, 1), torch.zeros(3, 2, 1), HEAT,
                        TimeWeighting.at(1.0)), "points"),
    (lambda: exact_loss(ScaledLinear(), torch.zeros(2, 1), torch.zeros(2, 2, 1), HEAT,
                        TimeWeighting.at(1.0), weight="x"), "weight")])
def test_wrong_inputs(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_hit_probability():
    assert training.hit_probability(20, SGD(**GOOD)) == 0.1
    with_replacement = SGD(**GOOD, with_replacement=True)
    assert training.hit_probability(20, with_replacement) == pytest.approx(1 - 0.95**2)
    assert training.hit_probability(1, with_replacement) == 1.0
    draws = training.minibatches(20, 40000, with_replacement, np.random.default_rng(0))
    assert (draws == 0).any(axis=1).mean() == pytest.approx(1 - 0.95**2, abs=0.01)


# Averages along a run, samples of a stack of models


def test_averages_against_a_plain_loop():
    net, theta = start(3)
    data = random(3, 6, 2)
    options = SGD(steps=12, batch_size=4, step_size=0.3, clip=1.5)
    states = list(sgd(net, theta, data, LOSS, options, streams(np.random.default_rng(1))))
    marks = list(averaged(states, theta, [5, 12, 40], decay=0.9))
    assert [mark.state.k for mark in marks] == [5, 12]
    for mark in marks:
        k, weights = mark.state.k, 0.1 * 0.9 ** np.arange(mark.state.k)[::-1]
        expected = 0.9**k * theta + sum(w * s.theta for w, s in zip(weights, states, strict=False))
        torch.testing.assert_close(mark.average, expected)
        clipped = torch.stack([s.clipped.double() for s in states[:k]])
        torch.testing.assert_close(mark.clipped, clipped.mean(dim=0))
        assert torch.equal(mark.fingerprint, sum(s.k * s.batch for s in states[:k]))
    assert 0 < float(marks[-1].clipped.mean()) < 1  # else the line above tests nothing
    (last_iterate,) = averaged(states, theta, [12], decay=0.0)
    torch.testing.assert_close(last_iterate.average, states[-1].theta)
    with pytest.raises(ValueError, match="decay"):
        averaged(states, theta, [1], decay=1.0)


@pytest.mark.parametrize("process", [HEAT, OU])
def test_samples_of_a_stack_are_those_of_each_model(process):
    net, theta = start(2)
    begin, times = random(2, 7, 2, seed=3), geometric_grid(9, 0.01, 0.5)
    together = denoised_samples(net, theta, process, times, begin, np.random.default_rng(0))
    for m in range(2):

        class Rows(np.random.Generator):
            """Hands model m its rows of the draws of the stack."""

            def standard_normal(self, shape, m=m):
                return super().standard_normal((14, 2))[7 * m:7 * m + 7]

        score = score_of(net, theta[m], process)
        rows = Rows(np.random.default_rng(0).bit_generator)
        end = sample(score, process, times, begin[m], rows, scheme=ddpm)
        clean = (end + process.variance(0.01) * score(end, 0.01)) / process.mean_scale(0.01)
        torch.testing.assert_close(together[m], clean)
    for wrong in (begin[:1], begin[0]):
        with pytest.raises(ValueError, match="start must have shape"):
            denoised_samples(net, theta, process, times, wrong, np.random.default_rng(0))


def test_pair_distance_is_that_of_the_pairs_of_pair_groups():
    theta = torch.tensor([[0.0, 0.0], [1.0, 1.0], [3.0, 4.0], [1.0, 1.0]], dtype=torch.float64)
    assert pair_distance(theta).tolist() == [5.0, 0.0]
    groups = pair_groups(2)
    assert groups[0] == groups[2] and groups[1] == groups[3] and groups[0] != groups[1]
