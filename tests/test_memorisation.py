"""Memorisation: nearest-neighbour ratio against oracles, and its noise rule by simulation."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group
from sklearn.neighbors import NearestNeighbors

from score_stability.diffusion import OrnsteinUhlenbeck
from score_stability.scores import EmpiricalScore
from score_stability.yardsticks import (
    collision_probability,
    index_information,
    membership_advantage,
    memorisation_excess,
    memorised_fraction,
    nearest_neighbour_ratio,
    own_weights,
    plain_edge,
)

sizes = {"m": st.integers(1, 8), "n": st.integers(2, 9), "d": st.integers(1, 6)}
seeds = st.integers(0, 2**32 - 1)


def points(m, n, d, seed):
    generator = np.random.default_rng(seed)
    return generator.normal(size=(m, d)), generator.normal(size=(n, d))


def by_loops(samples, data):
    ratio, nearest, distance = [], [], []
    for y in samples:
        found = [float(np.sqrt(sum((a - b) ** 2 for a, b in zip(y, x, strict=True)))) for x in data]
        order = sorted(range(len(found)), key=found.__getitem__)
        nearest.append(order[0])
        distance.append(found[order[0]])
        ratio.append(found[order[0]] / found[order[1]])
    return ratio, nearest, distance


def assert_same(result, expected, rtol=1e-12):
    np.testing.assert_allclose(result[0], expected[0], rtol=rtol, atol=1e-300)
    np.testing.assert_array_equal(result[1], expected[1])
    np.testing.assert_allclose(result[2], expected[2], rtol=rtol, atol=1e-300)


# Oracles


@settings(max_examples=60, deadline=None)
@given(**sizes, seed=seeds)
def test_equals_explicit_loops(m, n, d, seed):
    samples, data = points(m, n, d, seed)
    assert_same(nearest_neighbour_ratio(samples, data), by_loops(samples, data))


@pytest.mark.parametrize("d", [1, 2, 64, 784])
@pytest.mark.parametrize("n", [2, 3, 300])
def test_equals_scikit_learn(d, n):
    samples, data = points(40, n, d, seed=d + n)
    search = NearestNeighbors(n_neighbors=2, algorithm="brute").fit(data)
    _, index = search.kneighbors(samples)
    d1, d2 = (np.linalg.norm(samples - data[index[:, k]], axis=1) for k in (0, 1))
    result = nearest_neighbour_ratio(samples, data)
    assert_same(result, (d1 / d2, index[:, 0], d1))
    assert result.ratio.dtype == result.distance.dtype == torch.float64


def test_by_hand_on_the_line():
    result = nearest_neighbour_ratio(np.array([[1.0], [0.0], [2.0]]), np.array([[0.0], [4.0]]))
    assert result.ratio.tolist() == [1 / 3, 0, 1]
    assert result.nearest.tolist()[:2] == [0, 0]
    assert result.distance.tolist() == [1, 0, 2]


# Metamorphic: what must not change the answer


@settings(max_examples=40, deadline=None)
@given(
    m=st.integers(1, 6), n=st.integers(2, 8), d=st.integers(2, 6), seed=seeds,
    shift=st.floats(-10, 10), scale=st.floats(1e-6, 1e6),
)  # fmt: skip
def test_isometries_and_units(m, n, d, seed, shift, scale):
    samples, data = points(m, n, d, seed)
    turn = ortho_group.rvs(d, random_state=seed)
    before = nearest_neighbour_ratio(samples, data)
    after = nearest_neighbour_ratio(scale * (samples @ turn + shift), scale * (data @ turn + shift))
    np.testing.assert_allclose(after.ratio, before.ratio, atol=1e-10)
    np.testing.assert_allclose(after.distance, scale * before.distance, atol=1e-10 * scale)


@settings(max_examples=40, deadline=None)
@given(**sizes, seed=seeds, chunk=st.integers(1, 9))
def test_order_and_chunks(m, n, d, seed, chunk):
    samples, data = points(m, n, d, seed)
    plain = nearest_neighbour_ratio(samples, data)
    assert_same(nearest_neighbour_ratio(samples, data, chunk=chunk), plain, rtol=0)
    generator = np.random.default_rng(seed)
    rows, columns = generator.permutation(m), generator.permutation(n)
    mixed = nearest_neighbour_ratio(samples[rows], data[columns])
    assert_same((mixed[0], columns[mixed[1]], mixed[2]), [part[rows] for part in plain], rtol=0)


@settings(max_examples=40, deadline=None)
@given(**sizes, seed=seeds)
def test_more_data_never_takes_the_neighbour_further_away(m, n, d, seed):
    samples, data = points(m, n, d, seed)
    more = np.concatenate([data, points(1, 5, d, seed + 1)[1]])
    few, many = (nearest_neighbour_ratio(samples, x).distance for x in (data, more))
    assert (many <= few).all()


def test_memory_is_bounded_by_the_default_chunk(monkeypatch):
    seen = []
    plain = torch.cdist
    monkeypatch.setattr(torch, "cdist", lambda a, b, **k: seen.append(len(a)) or plain(a, b, **k))
    samples, data = np.zeros((300, 1)), np.arange(1.0, 2**15 + 1)[:, None]
    nearest_neighbour_ratio(samples, data)
    assert max(seen) * len(data) <= 2**22 and sum(seen) == 300


# Accuracy


def test_the_expansion_is_a_trap():
    """|a|² + |b|² - 2ab is wrong at small distances, even in float64; differences are exact."""
    generator = np.random.default_rng(0)
    data = generator.random((200, 784)) + 3
    step = generator.normal(size=(200, 784))
    step *= 1e-7 / np.linalg.norm(step, axis=1, keepdims=True)
    samples = data + step
    truth = np.linalg.norm(samples - data, axis=1)
    mm = torch.cdist(
        *map(torch.from_numpy, (samples, data)), compute_mode="use_mm_for_euclid_dist"
    ).amin(1)
    assert np.abs(mm.numpy() / truth - 1).max() > 0.5
    result = nearest_neighbour_ratio(samples, data)
    np.testing.assert_allclose(result.distance, truth, rtol=1e-12)
    np.testing.assert_array_equal(result.nearest, np.arange(200))
    # In float32 the trap is within sight of image data: copies seem to be about 0.01 away.
    single = torch.from_numpy(data).float()
    spurious = torch.cdist(single, single, compute_mode="use_mm_for_euclid_dist").diagonal()
    assert spurious.max() > 1e-3
    assert nearest_neighbour_ratio(single, single).distance.max() == 0


def test_far_from_the_origin():
    """On a grid that float64 holds exactly, a shift by 2^40 changes no bit."""
    generator = np.random.default_rng(1)
    samples, data = (generator.integers(0, 1000, (n, 5)) / 1024 for n in (30, 20))
    near = nearest_neighbour_ratio(samples, data)
    far = nearest_neighbour_ratio(samples + 2.0**40, data + 2.0**40)
    assert_same(far, near, rtol=0)


@pytest.mark.parametrize("kind", ["float32", "torch float32", "integers", "read-only", "reversed"])
def test_any_real_input_is_measured_in_float64(kind):
    generator = np.random.default_rng(2)
    samples, data = (generator.integers(0, 256, (n, 16)) for n in (10, 12))
    expected = by_loops(samples.astype(float), data.astype(float))
    if kind == "integers":
        samples, data = samples.astype(np.uint8), data.astype(np.uint8)
    else:
        samples, data = samples.astype(np.float32), data.astype(np.float32)
    if kind == "torch float32":
        samples, data = torch.from_numpy(samples).requires_grad_(), torch.from_numpy(data)
    if kind == "read-only":
        samples, data = samples.astype(float), data.astype(float)
        samples.flags.writeable = data.flags.writeable = False
    if kind == "reversed":
        samples, data = samples[:, ::-1], data[:, ::-1]
    result = nearest_neighbour_ratio(samples, data)
    assert_same(result, expected)
    assert result.ratio.dtype == torch.float64 and not result.ratio.requires_grad


def test_inputs_are_left_alone():
    samples, data = points(5, 6, 3, seed=3)
    kept = samples.copy(), data.copy()
    nearest_neighbour_ratio(samples, data)
    np.testing.assert_array_equal(samples, kept[0])
    np.testing.assert_array_equal(data, kept[1])


def test_duplicates():
    """An exact copy of a doubled point is 0/0, hence 0; beside it the ratio is 1."""
    data = np.array([[0.0, 0.0], [0.0, 0.0], [3.0, 4.0]])
    result = nearest_neighbour_ratio(np.array([[0.0, 0.0], [1e-9, 0.0], [3.0, 4.0]]), data)
    assert result.ratio.tolist() == [0, 1, 0]
    assert result.distance.tolist() == [0, 1e-9, 0]


# The criterion


def test_controls_on_digits():
    """Copies are flagged, held-out images are not (the negative control)."""
    from score_stability import datasets

    train, held_out = datasets.split(datasets.digits(), [1000, 500], np.random.default_rng(0))
    copies = nearest_neighbour_ratio(train.pixels, train.pixels)
    np.testing.assert_array_equal(copies.nearest, np.arange(1000))
    assert memorised_fraction(copies.ratio) == 1
    fresh = nearest_neighbour_ratio(held_out.pixels, train.pixels)
    assert memorised_fraction(fresh.ratio) == 0
    assert 0.85 < float(fresh.ratio.median()) < 0.99


@pytest.mark.parametrize("threshold", [0.2, 1 / 3, 0.5])
def test_flag_rule_by_simulation(threshold):
    """x_j + N(0, v I) is flagged iff v d < Delta² c²/(1-c²), 1/8 at c = 1/3, for large d."""
    d, delta, m = 3000, 2.0, 200
    data = np.zeros((2, d))
    data[1, 0] = delta
    noise = np.random.default_rng(0).normal(size=(m, d))
    edge = delta**2 * threshold**2 / (1 - threshold**2)
    if threshold == 1 / 3:
        assert edge == pytest.approx(delta**2 / 8)
    fractions = [
        memorised_fraction(
            nearest_neighbour_ratio(np.sqrt(factor * edge / d) * noise, data).ratio, threshold
        )
        for factor in (0.8, 1.0, 1.25)
    ]
    assert fractions[0] == 1 and 0.1 < fractions[1] < 0.9 and fractions[2] == 0


def test_flag_rule_needs_many_dimensions():
    """Negative control: at d = 1 the rule is no rule; half or more are flagged far beyond it."""
    noise = np.random.default_rng(0).normal(size=(2000, 1))
    data = np.array([[0.0], [2.0]])
    samples = np.sqrt(4 * 2.0**2 / 8) * noise  # four times the edge
    assert 0.3 < memorised_fraction(nearest_neighbour_ratio(samples, data).ratio) < 0.7


@given(st.lists(st.floats(0, 1), min_size=1), st.floats(0.01, 1))
def test_fraction_is_a_count(values, threshold):
    count = sum(value < threshold for value in values)
    for ratio in (np.array(values), torch.tensor(values, dtype=torch.float64)):
        assert memorised_fraction(ratio, threshold) == pytest.approx(count / len(values))


# The noise taken off


@settings(max_examples=60, deadline=None)
@given(**sizes, seed=seeds, noise=st.floats(1e-3, 3.0))
def test_the_corrected_ratio_by_loops(m, n, d, seed, noise):
    samples, data = points(m, n, d, seed)
    found = nearest_neighbour_ratio(samples, data, noise)
    plain = nearest_neighbour_ratio(samples, data)
    assert (found.distance == plain.distance).all() and (found.nearest == plain.nearest).all()
    for ratio, y in zip(found.ratio.tolist(), samples, strict=True):
        d1, d2 = sorted(float(((y - x) ** 2).sum()) for x in data)[:2]
        if abs(d2 - noise * d) > 1e-9:
            square = max(d1 - noise * d, 0) / (d2 - noise * d) if d2 > noise * d else 1.0
            assert ratio == pytest.approx(np.sqrt(square), abs=1e-7)
        # Taking noise off never makes a copy of what the noise explains twice.
        assert ratio <= 1 and (ratio == 1 or d2 > noise * d)


def test_no_noise_gives_the_plain_ratio():
    samples, data = points(30, 9, 4, seed=7)
    plain = nearest_neighbour_ratio(samples, data).ratio
    assert (nearest_neighbour_ratio(samples, data, 0.0).ratio == plain).all()
    for noise in (1e-6, 1e-9, 1e-12):
        found = nearest_neighbour_ratio(samples, data, noise).ratio
        np.testing.assert_allclose(found, plain, atol=10 * noise)


@pytest.fixture(scope="module")
def digits():
    """1000 training digits, 300 held out, both at the scale of the notebooks: trace d."""
    from score_stability import datasets

    train, held_out = datasets.split(datasets.digits(), [1000, 300], np.random.default_rng(3))
    scale = datasets.Standardisation.of(train)
    return scale(train), scale(held_out)


@pytest.mark.parametrize("noise", [0.002, 0.02, 0.04])
def test_copies_are_seen_through_noise_and_nothing_else(digits, noise):
    data, held_out = digits
    generator = np.random.default_rng(4)
    xi = generator.standard_normal((300, 64))
    root = np.linalg.cholesky(np.cov(data.T) + 1e-3 * np.eye(64))
    cases = {"copies": data[:300], "held out": held_out,
             "white": generator.normal(size=(300, 64)),
             "Gaussian": data.mean(0) + generator.normal(size=(300, 64)) @ root.T}
    flagged = {name: memorised_fraction(nearest_neighbour_ratio(
        x + np.sqrt(noise) * xi, data, noise).ratio) for name, x in cases.items()}
    assert flagged.pop("copies") >= 0.98
    assert max(flagged.values()) == 0
    # The negative control: the plain ratio loses the copies as the noise grows.
    plain = memorised_fraction(nearest_neighbour_ratio(
        data[:300] + np.sqrt(noise) * xi, data).ratio)
    assert plain > 0.99 if noise == 0.002 else plain < 0.85


def test_denoising_flags_whatever_it_is_given(digits):
    """Why the library does not denoise before it counts."""
    data, held_out = digits
    process, stop = OrnsteinUhlenbeck(1.0), 0.01
    xi = torch.from_numpy(np.random.default_rng(5).standard_normal((300, 64)))
    score = EmpiricalScore(data, process)
    for clean in (torch.from_numpy(held_out), torch.zeros_like(xi)):
        y = process.sample(clean + (xi if not clean.any() else 0), stop, xi)
        ratio = nearest_neighbour_ratio(score.denoiser(y, stop), data).ratio
        assert memorised_fraction(ratio) > 0.9


def test_flag_probability_of_a_copy():
    """The formula of the docstring, at one neighbour, where it should bite."""
    from scipy.stats import norm

    d, delta, m = 400, 6.0, 4000
    data = np.zeros((2, d))
    data[1, 0] = delta
    noise = np.random.default_rng(6).standard_normal((m, d))
    for v in (0.1, 0.2, 0.4):
        found = memorised_fraction(nearest_neighbour_ratio(np.sqrt(v) * noise, data, v).ratio)
        want = norm.cdf(delta**2 / np.sqrt(128 * v**2 * d + 4 * v * delta**2))
        assert found == pytest.approx(want, abs=0.03) and 0.6 < want < 0.999


@pytest.mark.parametrize("noise", [-1e-9, float("nan"), float("inf"), [0.1, 0.2]])
def test_noise_variance_is_a_number_that_is_not_negative(noise):
    for call in (lambda: nearest_neighbour_ratio(ok, ok, noise),
                 lambda: memorisation_excess(ok, ok, ok, noise_variance=noise)):
        with pytest.raises(ValueError, match=r"^noise_variance "):
            call()


# Collision probability


@settings(max_examples=50)
@given(m=st.integers(1, 5), n=st.integers(1, 30), seed=seeds)
def test_collision_probability_is_the_sum_over_pairs(m, n, seed):
    weights = np.random.default_rng(seed).dirichlet(np.full(n, 0.3), size=m)
    pairs = np.einsum("mi,mj,ij->m", weights, weights, np.eye(n))
    result = collision_probability(weights)
    np.testing.assert_allclose(result, pairs, rtol=1e-12)
    assert ((result >= 1 / n - 1e-12) & (result <= 1 + 1e-12)).all()
    order = np.random.default_rng(seed).permutation(n)
    np.testing.assert_allclose(collision_probability(weights[:, order]), result, rtol=1e-12)
    # A point split into k equal ones is hit k times more rarely.
    thirds = np.repeat(weights / 3, 3, axis=1)
    np.testing.assert_allclose(collision_probability(thirds), result / 3, rtol=1e-12)


def test_collision_probability_by_drawing():
    weights = np.array([[0.5, 0.3, 0.2]])
    first, second = np.random.default_rng(0).choice(3, (2, 40_000), p=weights[0])
    deviation = np.sqrt(0.38 * 0.62 / 40_000)
    assert abs((first == second).mean() - collision_probability(weights).item()) < 5 * deviation
    assert collision_probability(np.eye(4)).tolist() == [1, 1, 1, 1]
    assert collision_probability(torch.full((1, 8), 0.125)).tolist() == [0.125]


# Wrong input

ok = np.arange(6.0).reshape(3, 2)


@pytest.mark.parametrize(
    ("samples", "data", "chunk", "error", "argument"),
    [
        (ok[0], ok, None, ValueError, "samples"),
        (ok, ok[0], None, ValueError, "data"),
        (ok[:0], ok, None, ValueError, "samples"),
        (ok, ok[:0], None, ValueError, "data"),
        (ok[:, :0], ok[:, :0], None, ValueError, "samples"),
        (ok, ok[:1], None, ValueError, "data"),
        (ok[:, :1], ok, None, ValueError, "samples"),
        (ok * np.nan, ok, None, ValueError, "samples"),
        (ok, ok + np.inf, None, ValueError, "data"),
        (torch.from_numpy(ok) * float("nan"), ok, None, ValueError, "samples"),
        ([[0.0], [0.0, 1.0]], ok, None, TypeError, "samples"),
        (ok, ok.astype(str), None, TypeError, "data"),
        (ok, ok + 1j, None, TypeError, "data"),
        (torch.from_numpy(ok + 1j), ok, None, TypeError, "samples"),
        (torch.empty(3, 2, device="meta"), ok, None, ValueError, "samples are on meta but data"),
        (1e200 * ok, -1e200 * ok, None, ValueError, "samples and data"),
        (ok, ok, 0, ValueError, "chunk"),
        (ok, ok, 1.5, TypeError, "chunk"),
        (ok, ok, True, TypeError, "chunk"),
    ],
)
def test_ratio_names_the_wrong_argument(samples, data, chunk, error, argument):
    with pytest.raises(error, match=f"^{argument} "):
        nearest_neighbour_ratio(samples, data, chunk=chunk)


@pytest.mark.parametrize(
    ("ratio", "threshold", "error", "argument"),
    [
        (ok, 0.3, ValueError, "ratio"),
        (ok[0, :0], 0.3, ValueError, "ratio"),
        (np.array([np.nan]), 0.3, ValueError, "ratio"),
        (np.array([1.5]), 0.3, ValueError, "ratio"),
        (np.array([-0.5]), 0.3, ValueError, "ratio"),
        (["half"], 0.3, TypeError, "ratio"),
        (np.array([0.5]), 0, ValueError, "threshold"),
        (np.array([0.5]), 1.5, ValueError, "threshold"),
        (np.array([0.5]), float("nan"), ValueError, "threshold"),
    ],
)
def test_fraction_names_the_wrong_argument(ratio, threshold, error, argument):
    with pytest.raises(error, match=f"^{argument} "):
        memorised_fraction(ratio, threshold)


@pytest.mark.parametrize(
    "weights",
    [
        np.array([[0.5, 0.4]]),
        np.array([[1.5, -0.5]]),
        np.array([[np.nan, 1.0]]),
        np.array([0.5, 0.5]),
        np.zeros((1, 0)),
    ],
)
def test_collision_probability_wants_probabilities(weights):
    with pytest.raises(ValueError, match=r"^weights "):
        collision_probability(weights)


def test_collision_of_three_draws():
    weights = np.array([[0.5, 0.3, 0.2], [1.0, 0.0, 0.0]])
    np.testing.assert_allclose(collision_probability(weights, draws=3), [0.16, 1.0], rtol=1e-14)
    two = collision_probability(weights)
    # Jensen: Q_2² <= Q_3 <= Q_2.
    three = collision_probability(weights, draws=3)
    assert (two**2 <= three + 1e-15).all() and (three <= two + 1e-15).all()
    for draws in (1, 2.0, True, "2"):
        with pytest.raises(ValueError, match=r"^draws "):
            collision_probability(weights, draws=draws)


@pytest.mark.parametrize("alpha", [0.0, 1.0])
@pytest.mark.parametrize("t", [0.02, 0.7])
def test_membership_advantage_is_the_total_variation(alpha, t):
    process = OrnsteinUhlenbeck(alpha)
    data, fresh = np.array([[0.3], [-1.0], [0.8]]), np.array([-0.4])
    mu, sd = process.mean_scale(t), process.variance(t) ** 0.5
    y, h = np.linspace(-9, 9, 400_001, retstep=True)

    def density(centres):
        return np.mean([np.exp(-((y - mu * c) ** 2) / (2 * sd**2)) for c in centres], 0) / (
            sd * np.sqrt(2 * np.pi))

    for index in range(3):
        other = data[:, 0].copy()
        other[index] = fresh[0]
        truth = 0.5 * h * np.abs(density(data[:, 0]) - density(other)).sum()
        value = membership_advantage(data, index, fresh, process, t)
        assert abs(value - truth) < 1e-6


@settings(max_examples=30, deadline=None, derandomize=True)
@given(n=st.integers(2, 9), d=st.integers(1, 6), seed=seeds, t=st.floats(1e-6, 3))
def test_membership_advantage_invariants(n, d, seed, t):
    fresh, data = points(1, n, d, seed)
    process = OrnsteinUhlenbeck(1.0)
    value = membership_advantage(data, n - 1, fresh, process, t)
    assert 0 < value <= 1 / n
    turn = ortho_group.rvs(d, random_state=seed) if d > 1 else -np.eye(1)
    assert membership_advantage(torch.from_numpy(data @ turn + 3), np.int64(n - 1),
                                fresh @ turn + 3, process, t) == pytest.approx(value, rel=1e-8)
    assert membership_advantage(data, n - 1, fresh, process, 2 * t) <= value
    # The other records do not matter, only their number.
    data[:-1] += 7.0
    assert membership_advantage(data, n - 1, fresh, process, t) == value
    assert membership_advantage(data, 0, data[0], process, t) == 0.0


@pytest.mark.parametrize(
    ("change", "error", "argument"),
    [
        ({"data": np.zeros((1, 2))}, ValueError, "data"),
        ({"data": np.full((3, 2), np.nan)}, ValueError, "data"),
        ({"data": [["0"]]}, TypeError, "data"),
        ({"fresh": np.zeros(3)}, ValueError, "fresh"),
        ({"fresh": np.array([0.0, np.inf])}, ValueError, "fresh"),
        ({"index": 3}, ValueError, "index"),
        ({"index": -1}, ValueError, "index"),
        ({"index": 1.0}, TypeError, "index"),
        ({"index": True}, TypeError, "index"),
        ({"early_stopping_time": 0.0}, ValueError, "early_stopping_time"),
        ({"early_stopping_time": float("nan")}, ValueError, "early_stopping_time"),
        ({"early_stopping_time": 1e-320}, ValueError, "early_stopping_time"),
    ],
)
def test_membership_advantage_names_the_wrong_argument(change, error, argument):
    arguments = {"data": np.eye(3)[:, :2], "index": 0, "fresh": np.zeros(2),
                 "process": OrnsteinUhlenbeck(1.0), "early_stopping_time": 0.1}
    with pytest.raises(error, match=f"^{argument} "):
        membership_advantage(**{**arguments, **change})


def test_fewer_points_than_neighbours():
    """The ratio needs two neighbours; a query among its own data needs three points for two."""
    query = np.zeros((3, 2))
    for data, message in ((np.ones((1, 2)), "at least two points"),
                          (np.ones((0, 2)), "not be empty")):
        with pytest.raises(ValueError, match=f"^data must .*{message}"):
            nearest_neighbour_ratio(query, data)


@pytest.mark.parametrize("t", [1e-4, 1e-8, 1e-12, 1e-100])
def test_stopping_times_at_which_only_logarithms_survive(t):
    """At sigma_t → 0 all exponentials underflow; weights, score and density do not."""
    process = OrnsteinUhlenbeck(1.0)
    data = np.random.default_rng(5).standard_normal((6, 784))
    score = EmpiricalScore(data, process)
    x = process.mean_scale(t) * torch.from_numpy(0.75 * data[:3] + 0.25 * data[3:])
    weights = score.weights(x, t)
    # A quarter of the way to another image: the nearer one explains the point alone.
    torch.testing.assert_close(collision_probability(weights), torch.ones(3, dtype=torch.float64))
    assert (weights.argmax(1) == torch.arange(3)).all()
    np.testing.assert_allclose(score.denoiser(x, t), data[:3], atol=1e-12)
    # log density of the one atom that counts: −|x − mu x_j|²/(2 sigma²) − …, finite.
    variance = process.variance(t)
    expected = (-((x.numpy() - process.mean_scale(t) * data[:3])**2).sum(1) / (2 * variance)
                - np.log(6) - 392 * np.log(2 * np.pi * variance))
    np.testing.assert_allclose(score.log_density(x, t), expected, rtol=1e-9)
    assert membership_advantage(data, 0, data[1] + 1, process, t) == pytest.approx(1 / 6)


def test_own_weights_are_softmax_of_squared_distances():
    rng = np.random.default_rng(3)
    points, chosen, sigmas = rng.standard_normal((30, 4)) + 7, [0, 5, 5, 29], (0.3, 1.0, 4.0)
    found = own_weights(points, chosen, sigmas, np.random.default_rng(8))
    xi = np.random.default_rng(8).standard_normal((4, 4))
    for column, s in zip(found.T, sigmas, strict=True):
        far = ((points[chosen] + s * xi)[:, None] - points) ** 2
        weights = np.exp(-far.sum(2) / (2 * s**2))
        weights /= weights.sum(1, keepdims=True)
        np.testing.assert_allclose(column, weights[range(4), chosen], rtol=1e-10)
    assert found[1, 0] != found[2, 0]  # each row has a noise of its own


def test_own_weights_are_one_over_n_in_much_noise_and_for_equal_points():
    rng = np.random.default_rng(0)
    points = rng.standard_normal((10, 3))
    np.testing.assert_allclose(own_weights(points, range(10), [1e8], rng), 0.1, rtol=1e-6)
    np.testing.assert_allclose(own_weights(points, range(10), [1e-8], rng), 1)
    twice = np.repeat(points, 2, axis=0)
    np.testing.assert_allclose(own_weights(twice, range(20), [1e-4], rng), 0.5, rtol=1e-6)
    moved = [own_weights(points + shift, [4], [0.7], np.random.default_rng(1)) for shift in (0, 50)]
    np.testing.assert_allclose(*moved, rtol=1e-9)


@pytest.mark.parametrize("points, chosen, sigmas, name", (
    ([[math.nan]], [0], [1.0], "points"), ([[0.0], [1.0]], [2], [1.0], "chosen"),
    ([[0.0], [1.0]], [-1], [1.0], "chosen"), ([[0.0], [1.0]], [0.5], [1.0], "chosen"),
    ([[0.0], [1.0]], [], [1.0], "chosen"), ([[0.0], [1.0]], [0], [0.0], "sigmas")))
def test_own_weights_name_a_wrong_argument(points, chosen, sigmas, name):
    with pytest.raises((ValueError, TypeError), match=name):
        own_weights(points, chosen, sigmas, np.random.default_rng(0))


def test_at_the_plain_edge_the_ratio_is_one_third():
    rng = np.random.default_rng(4)
    data, noise = rng.standard_normal((2, 30, 12))
    edges, gaps = plain_edge(data, noise)
    for k in range(30):
        y = data[[k]] + np.sqrt(float(edges[k])) * noise[k]
        found = nearest_neighbour_ratio(y, data)
        assert found.nearest[0] == k and abs(float(found.ratio[0]) - 1 / 3) < 1e-9
        others = ((np.delete(data, k, 0) - data[k]) ** 2).sum(1)
        assert abs(float(gaps[k]) - others.min()) < 1e-9
    with pytest.raises(ValueError, match="noise"):
        plain_edge(data, noise[1:])
    with pytest.raises(ValueError, match="data"):
        plain_edge(data[:1], noise[:1])


def test_the_residual_is_the_fall_of_the_information():
    points = np.array([[-1.0], [0.5], [3.0]])
    for sigma in (0.3, 1.0, 2.0):
        t, step = sigma**2 / 2, 1e-5
        late, early = (index_information(points, np.sqrt(2 * s))[1]
                       for s in (t + step, t - step))
        residual, known = index_information(points, sigma)
        assert abs(residual - (early - late) / (2 * step)) < 1e-6
        assert 0 < known < np.log(3) + 1e-12
    with pytest.raises(ValueError, match="points"):
        index_information(np.zeros((3, 2)), 1.0)
    with pytest.raises(ValueError, match="sigma"):
        index_information(points, 0.0)
