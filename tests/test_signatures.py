"""Failure signatures: oracles with a known answer, invariants, wrong input."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, ortho_group

from score_stability.datasets import noisy_ring
from score_stability.diffusion import OrnsteinUhlenbeck, TimeWeighting
from score_stability.optimiser import (
    SGD,
    DenoisingLoss,
    exact_loss,
    log_uniform_times,
    sgd,
    streams,
)
from score_stability.scores import MLP, ScaledLinear
from score_stability.yardsticks import (
    SIGNATURES,
    memorisation_excess,
    spread_ratio,
    training_signature,
)

repeatable = settings(max_examples=30, deadline=None, derandomize=True)
seeds = st.integers(0, 2**32 - 1)


# Memorisation


def test_exact_copies_are_all_memorised():
    generator = np.random.default_rng(0)
    data, fresh = generator.standard_normal((20, 50)), generator.standard_normal((400, 50))
    found = memorisation_excess(data[generator.integers(20, size=100)], data, fresh)
    assert found == (1.0, 1.0, 0.0)  # in 50 dimensions no fresh point is a copy by chance
    # In two dimensions the null is what it is, and copies are all that lies above it.
    found = memorisation_excess(data[:, :2], data[:, :2], fresh[:, :2])
    assert found.memorised == 1.0 and 0 < found.null < 0.5
    assert found.excess == 1.0 - found.null


def test_fresh_points_have_no_excess_within_the_null():
    generator = np.random.default_rng(1)
    values = []
    for _ in range(200):
        data, fresh, again = (noisy_ring(1, n, generator)[0] for n in (8, 200, 200))
        values.append(memorisation_excess(again, data, fresh).excess)
    assert abs(np.mean(values)) < 4 * np.std(values) / math.sqrt(len(values))
    # Given the data both fractions are binomial of one probability.
    data = noisy_ring(1, 8, generator)[0]
    p = memorisation_excess(noisy_ring(1, 40_000, generator)[0], data, data + 9.0).memorised
    count = 200 * memorisation_excess(again, data, data + 9.0).memorised
    assert binom.ppf(1e-6, 200, p) <= count <= binom.isf(1e-6, 200, p)


@repeatable
@given(seed=seeds, scale=st.floats(1e-3, 1e3), threshold=st.floats(0.05, 1))
def test_excess_forgets_order_rotation_and_units(seed, scale, threshold):
    generator = np.random.default_rng(seed)
    samples, data, fresh = (generator.standard_normal((n, 3)) for n in (30, 6, 40))
    before = memorisation_excess(samples, data, fresh, threshold)
    assert before.excess == before.memorised - before.null
    turn = ortho_group.rvs(3, random_state=seed)
    after = memorisation_excess(*(scale * (generator.permutation(x) @ turn + 2)
                                  for x in (samples, data, fresh)), threshold)
    assert after == before
    assert memorisation_excess(torch.from_numpy(samples), data, fresh, threshold) == before
    # Samples and null exchanged: the sign.
    assert memorisation_excess(fresh, data, samples, threshold).excess == -before.excess


def test_known_noise_is_taken_off_samples_and_null_alike():
    """Copies of 60 points in many dimensions, noised: the plain excess has lost them."""
    generator = np.random.default_rng(8)
    data, fresh = generator.normal(size=(60, 400)), generator.normal(size=(80, 400))
    noise = 0.4
    noisy = [x + np.sqrt(noise) * generator.normal(size=x.shape) for x in (data, fresh)]
    assert memorisation_excess(noisy[0], data, noisy[1]).excess == 0
    found = memorisation_excess(noisy[0], data, noisy[1], noise_variance=noise)
    assert found.memorised > 0.98 and found.null == 0


ok = np.random.default_rng(2).standard_normal((4, 2))


@pytest.mark.parametrize(("change", "error", "argument"), [
    ({"samples": ok * np.nan}, ValueError, "samples"),
    ({"samples": ok[:, 0]}, ValueError, "samples"),
    ({"samples": ok[:0]}, ValueError, "samples"),
    ({"samples": ok[:, :1]}, ValueError, "samples"),
    ({"samples": ok.astype(str)}, TypeError, "samples"),
    ({"fresh": ok * np.inf}, ValueError, "fresh"),
    ({"fresh": ok[:, :1]}, ValueError, "fresh"),
    ({"fresh": "none"}, TypeError, "fresh"),
    ({"data": ok[:1]}, ValueError, "data"),  # fewer points than neighbours
    ({"data": ok * np.nan}, ValueError, "data"),
    ({"threshold": 0}, ValueError, "threshold"),
    ({"threshold": math.nan}, ValueError, "threshold"),
])
def test_excess_names_the_wrong_argument(change, error, argument):
    arguments = {"samples": ok, "data": ok + 1, "fresh": ok + 2}
    with pytest.raises(error, match=f"^{argument} "):
        memorisation_excess(**{**arguments, **change})


# Spread


def test_spread_ratio_of_gaussians_of_known_scale():
    generator = np.random.default_rng(3)
    held_out = generator.standard_normal((4000, 5))
    for scale in (0.1, 1.0, 3.0):
        samples = 7 + scale * generator.standard_normal((4000, 5))
        # Relative error of a trace: √(2/(d M)) each.
        assert spread_ratio(samples, held_out) == pytest.approx(
            scale**2, rel=5 * 2 / math.sqrt(5 * 4000))
    assert spread_ratio(np.ones((3, 5)), held_out) == 0.0  # complete collapse
    # By hand: variances 2 and 8 on the line; unequal numbers of points do not matter.
    assert spread_ratio(np.array([[0.0], [2.0]]), np.array([[0.0], [4.0]])) == 0.25
    equal = [spread_ratio(generator.standard_normal((5, 2)), generator.standard_normal((50, 2)))
             for _ in range(3000)]
    assert np.mean(equal) == pytest.approx(1.0, abs=0.06)  # unbiased above, nearly so below


@repeatable
@given(seed=seeds, scale=st.floats(1e-3, 1e3))
def test_spread_ratio_invariants(seed, scale):
    generator = np.random.default_rng(seed)
    samples, held_out = generator.standard_normal((9, 3)), generator.standard_normal((7, 3))
    value = spread_ratio(samples, held_out)
    turn = ortho_group.rvs(3, random_state=seed)
    moved = spread_ratio(generator.permutation(samples) @ turn + 1,
                         torch.from_numpy(generator.permutation(held_out)) - 2)
    assert moved == pytest.approx(value, rel=1e-10)
    assert spread_ratio(scale * samples, held_out) == pytest.approx(scale**2 * value, rel=1e-10)
    assert spread_ratio(held_out, samples) == pytest.approx(1 / value, rel=1e-10)
    assert spread_ratio(samples, samples) == 1.0


@pytest.mark.parametrize(("change", "argument"), [
    ({"samples": ok * np.nan}, "samples"),
    ({"samples": ok[:1]}, "samples"),
    ({"samples": ok[0]}, "samples"),
    ({"samples": ok[:, :0]}, "samples"),
    ({"samples": ok * 1e200}, "samples"),
    ({"held_out": ok * np.inf}, "held_out"),
    ({"held_out": ok[:, :1]}, "held_out"),
    ({"held_out": np.ones((4, 2))}, "held_out"),
])
def test_spread_ratio_names_the_wrong_argument(change, argument):
    with pytest.raises(ValueError, match=f"^{argument} "):
        spread_ratio(**{"samples": ok, "held_out": ok, **change})


# Training


@pytest.mark.parametrize(("loss", "norm", "clipped", "name"), [
    ([2.1, 1.5], [6, 8], [0.0], "learns"),
    ([2.1, 2.0], [6, 0.01], [0.0], "collapsed"),
    ([2.1, 2.05], [6, 6.1], [1.0], "stalled"),
    ([2.9, 2.85], [6, 6.1], [1.0], "stalled"),  # a bad start is not instability
    ([2.1, 2.05], [6, 6.1], [0.0, 1.0, 0.5, 0.5], "slow"),
    ([2.1, 90.0], [6, 800], [1.0], "unstable"),
    ([2.1, 90.0, np.nan], [6, 800, np.nan], [1.0], "diverged"),
    ([2.1, np.inf], [6, 1e9], [1.0], "diverged"),
    ([2.1, 1.0], [6, np.inf], [1.0], "diverged"),
    ([2.1, 1.0], [600, 6], [1.0], "learns"),  # a small norm that fits is no collapse
])
def test_signatures_by_hand(loss, norm, clipped, name):
    found = training_signature(loss, norm, clipped, zero_loss=2.0)
    assert found.name == name and name in SIGNATURES
    for value, record, unit in ((found.relative_loss, loss, 2.0),
                                (found.relative_norm, norm, norm[0])):
        assert value == pytest.approx(record[-1] / unit, nan_ok=True)
    assert found.clip_share == np.mean(clipped[len(clipped) // 2:])


@repeatable
@given(st.lists(st.floats(0.1, 10), min_size=2, max_size=6), st.floats(0.01, 100), seeds)
def test_signature_forgets_units_and_what_lies_between(loss, unit, seed):
    generator = np.random.default_rng(seed)
    norm = generator.random(len(loss)) + 0.01
    clipped = generator.random(8)
    found = training_signature(loss, norm, clipped, zero_loss=2.0)
    again = training_signature(np.multiply(loss, unit), norm / unit, clipped, zero_loss=2 * unit)
    ends = training_signature([loss[0], loss[-1]], norm[[0, -1]], clipped, zero_loss=2.0)
    shuffled = np.concatenate([generator.permutation(half) for half in np.split(clipped, 2)])
    mixed = training_signature(loss, norm, shuffled, zero_loss=2.0)
    assert found.name == again.name == ends.name == mixed.name
    assert again[1:] == pytest.approx(found[1:]) and ends == found
    # Thresholds do what they say.
    assert training_signature(loss, norm, clipped, zero_loss=2.0, learnt=99,
                              unstable=1e6).name == "learns"
    assert training_signature(loss, norm, clipped, zero_loss=2.0,
                              unstable=1e-6).name == "unstable"


def test_signatures_of_runs_whose_fate_is_known():
    """Collapse: C/lambda far below the start. Stall: eta C K tiny. Divergence: eta upsilon > 2."""
    heat, generator = OrnsteinUhlenbeck(alpha=0.0), np.random.default_rng(4)
    loss = DenoisingLoss(heat, log_uniform_times(0.01, 0.5))
    weighting = TimeWeighting.log_uniform(0.01, 0.5, 3)
    weighting = TimeWeighting(weighting.times, weighting.weights / weighting.total_mass)
    data = noisy_ring(1, 8, generator)
    zero = exact_loss(MLP(2, (8,)), torch.zeros(1, MLP(2, (8,)).parameters, dtype=torch.float64),
                      data, heat, weighting).mean()
    assert float(zero) == pytest.approx(2.0, abs=1e-10)  # E|xi|² = d

    def signature(network, theta, **options):
        rows, clipped = [], []

        def record(theta):
            rows.append((float(exact_loss(network, theta, data, heat, weighting).mean()),
                         float(theta.norm())))

        record(theta)
        for state in sgd(network, theta, data, loss, SGD(batch_size=8, **options),
                         streams(generator), on_divergence="mark"):
            clipped.append(float(state.clipped[0]))
            record(state.theta)
        return training_signature(*zip(*rows, strict=True), clipped, zero_loss=2.0).name

    net = MLP(2, (8,))
    start = net.initial(1, generator, torch.float64)
    assert signature(net, start, steps=150, step_size=0.5, clip=0.05, weight_decay=0.2
                     ) == "collapsed"
    assert signature(net, start, steps=30, step_size=0.1, clip=1e-3) == "stalled"
    # s(x) = theta x: curvature above 2 · 0.02 · 0.02; the step is a thousand times too long.
    assert signature(ScaledLinear(), torch.ones(1, 1, dtype=torch.float64), steps=60,
                     step_size=1e5) == "diverged"


@pytest.mark.parametrize(("change", "argument"), [
    ({"loss": []}, "loss"),
    ({"loss": [1.0], "norm": [1.0]}, "loss"),
    ({"loss": [[1.0, 2.0]]}, "loss"),
    ({"loss": [np.nan, 1.0]}, "loss"),
    ({"loss": [2.0, -1.0]}, "loss"),
    ({"loss": [2.0, np.nan, 1.0], "norm": [1.0, 1.0, 1.0]}, "loss"),
    ({"norm": []}, "norm"),
    ({"norm": [0.0, 1.0]}, "norm"),
    ({"norm": [1.0, 1.0, 1.0]}, "norm"),
    ({"clipped": []}, "clipped"),
    ({"clipped": [[0.5]]}, "clipped"),
    ({"clipped": [1.5]}, "clipped"),
    ({"clipped": [np.nan]}, "clipped"),
    ({"zero_loss": 0.0}, "zero_loss"),
    ({"zero_loss": math.nan}, "zero_loss"),
    ({"learnt": -1.0}, "learnt"),
    ({"unstable": math.inf}, "unstable"),
    ({"collapsed": 0.0}, "collapsed"),
    ({"clip_share": math.nan}, "clip_share"),
])
def test_signature_names_the_wrong_argument(change, argument):
    good = {"loss": [2.0, 1.0], "norm": [1.0, 1.0], "clipped": [0.5], "zero_loss": 2.0}
    assert training_signature(**good).name == "learns"
    with pytest.raises(ValueError, match=f"^{argument} "):
        training_signature(**{**good, **change})
