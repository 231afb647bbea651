"""Empirical score: 50-digit references, a proven rounding bound, peers, refits, equivariance."""

import math

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group

from score_stability.diffusion import OrnsteinUhlenbeck, Torus
from score_stability.scores import EmpiricalScore

repeatable = settings(max_examples=30, deadline=None, derandomize=True)
HEAT, OU = OrnsteinUhlenbeck(0.0), OrnsteinUhlenbeck(1.0)
seeds = st.integers(0, 2**32 - 1)


def at_sigma(sigma):
    return sigma**2 / 2


def problem(number, queries, d, seed=0, offset=0.0, sigma=0.3):
    """Data, and queries that are noised data: what a score is evaluated at."""
    generator = np.random.default_rng(seed)
    data = generator.standard_normal((number, d)) + offset
    rows = generator.integers(number, size=queries)
    x = data[rows] + sigma * generator.standard_normal((queries, d))
    return torch.from_numpy(data), torch.from_numpy(x)


def direct(data, x, mu, variance):
    """Score and log density by direct differences, no matrix product: the slow, plain formula."""
    gaps = mu * data[None] - x[:, None]
    logits = -(gaps**2).sum(2) / (2 * variance)
    score = (logits.softmax(1)[:, :, None] * gaps).sum(1) / variance
    log_density = (logits.logsumexp(1) - math.log(len(data))
                   - 0.5 * x.shape[1] * math.log(2 * math.pi * variance))
    return score, log_density


# Accuracy


def fifty_digits(data, x, mu, variance):
    with mpmath.workdps(50):
        mu, variance = mpmath.mpf(float(mu)), mpmath.mpf(float(variance))
        rows = [[mpmath.mpf(v) for v in row] for row in data.tolist()]
        result = []
        for query in x.tolist():
            query = [mpmath.mpf(v) for v in query]
            weights = [mpmath.exp(-sum((q - mu * v)**2 for q, v in zip(query, row, strict=True))
                                  / (2 * variance)) for row in rows]
            total = sum(weights)
            result.append([float((mu * sum(w * row[k] for w, row in zip(weights, rows, strict=True))
                                  / total - query[k]) / variance) for k in range(len(query))])
        return np.array(result)


def rounding_bound(data, x, mu, variance):
    """Proven bound of |error| per query: standard rounding analysis of the two products.

    With k = mu/sigma², g(n) = n u/(1 − n u): a logit is off by at most delta_j = g(d+4)(k|x||x_j| +
    mu k |x_j|²/2) + 750 u, a weight by a factor exp(2 delta_j).
    """
    u = 2.0**-53

    def g(n):
        return n * u / (1 - n * u)

    number, d = data.shape
    centre = data.mean(0)
    points, queries = data - centre, x - mu * centre
    norms, k = np.linalg.norm(points, axis=1), mu / variance
    delta = (g(d + 4) * (k * np.linalg.norm(queries, axis=1)[:, None] * norms
                         + mu * k * norms**2 / 2) + 750 * u)
    logits = -((queries[:, None] - mu * points)**2).sum(2) / (2 * variance)
    weights = np.exp(logits - logits.max(1, keepdims=True))
    weights /= weights.sum(1, keepdims=True)
    mean = weights @ points
    distance = np.linalg.norm(points - mean[:, None], axis=2)
    first = (weights * np.expm1(2 * delta) * distance).sum(1) + g(number + 2) * (weights @ norms)
    last = 3 * u * (mu * np.linalg.norm(mean + centre, axis=1) + np.linalg.norm(x, axis=1))
    return mu / variance * first + last / variance


@pytest.mark.parametrize("d", [1, 2, 50, 784])
@pytest.mark.parametrize("offset", [0.0, 3.0])
@pytest.mark.parametrize("variance", [1.0, 1e-2, 1e-4])
def test_error_is_below_the_proven_rounding_bound(d, offset, variance):
    number, queries = (6, 2) if d == 784 else (12, 4)
    data, x = problem(number, queries, d, seed=d, offset=offset, sigma=math.sqrt(variance))
    # A near-duplicate, so that two weights compete even at little noise.
    data[1] = data[0] + 0.7 * math.sqrt(variance / d)
    x[0] = (data[0] + data[1]) / 2
    t = variance / 2
    mu, variance = HEAT.mean_scale(t), HEAT.variance(t)
    reference = fifty_digits(data, x, mu, variance)
    score = EmpiricalScore(data, HEAT)(x, t).numpy()
    error = np.linalg.norm(score - reference, axis=1)
    bound = rounding_bound(data.numpy(), x.numpy(), mu, variance)
    assert (error <= bound).all()
    # The bound is worth something: a score has size √d/sigma, so it promises seven digits.
    assert (bound <= 1e-7 * math.sqrt(d / variance)).all()


@pytest.mark.parametrize("d", [2, 50, 784])
@pytest.mark.parametrize("variance", [1.0, 1e-2, 1e-4])
@pytest.mark.parametrize("process", [HEAT, OU])
def test_agrees_with_attention(d, variance, process):
    # Softmax attention with one more coordinate is the same function, computed by other code.
    # Only inputs with four dimensions reach its fused kernel.
    data, x = problem(300, 40, d, seed=d, sigma=math.sqrt(variance))
    t = variance / 2
    mu, variance = process.mean_scale(t), process.variance(t)
    data = data - data.mean(0)
    key = torch.cat((data, -0.5 * (data**2).sum(1, keepdim=True)), 1)[None, None]
    one = torch.full((len(x), 1), mu * mu / variance, dtype=torch.float64)
    query = torch.cat((x * (mu / variance), one), 1)[None, None]
    attention = torch.nn.functional.scaled_dot_product_attention
    mean = attention(query, key, key, scale=1.0)[0, 0, :, :-1]
    expected = process.score_from_denoiser(mean, x, t)
    score = EmpiricalScore(data, process)(x, t)
    assert float((score - expected).norm(dim=1).div(expected.norm(dim=1)).max()) <= 1e-9


@pytest.mark.parametrize("process", [HEAT, OU])
@pytest.mark.parametrize("offset", [0.0, 3.0, 1e6])
def test_agrees_with_direct_differences(process, offset):
    t = 0.02
    data, x = problem(40, 30, 3, offset=offset)
    mu, variance = process.mean_scale(t), process.variance(t)
    x = x - (1 - mu) * offset
    score = EmpiricalScore(data, process)
    expected, log_density = direct(data, x, mu, variance)
    # An offset of 1e6 costs the inputs themselves ten digits' worth of unit roundoff.
    tolerance = 1e-11 * (1 + offset)
    torch.testing.assert_close(score(x, t), expected, rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(score.log_density(x, t), log_density, rtol=tolerance,
                               atol=tolerance)
    torch.testing.assert_close(score.denoiser(x, t),
                               process.denoiser_from_score(expected, x, t),
                               rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(score.data, data, rtol=1e-15, atol=1e-15)


def test_single_precision_would_not_do():
    # Control: the same formula in float32 is wrong in the first digits at little noise.
    data, x = problem(200, 50, 784, sigma=0.01)
    data[100:] = data[:100] + 0.01 / 28
    x = data[:50] + 0.01 * torch.from_numpy(np.random.default_rng(1).standard_normal((50, 784)))
    data, x = data.float(), x.float()
    logits = (x @ data.T - 0.5 * (data**2).sum(1)) / 1e-4
    wrong = (logits.softmax(1) @ data - x) / 1e-4
    truth, _ = direct(data.double(), x.double(), 1.0, 1e-4)
    right = EmpiricalScore(data, HEAT)(x, at_sigma(0.01))
    assert right.dtype == torch.float32
    assert float((wrong - truth).norm() / truth.norm()) > 1e-3
    assert float((right - truth).norm() / truth.norm()) < 1e-6


def test_type_of_the_queries_comes_back():
    data, x = problem(20, 5, 2)
    score = EmpiricalScore(data, HEAT)
    for dtype in (torch.float32, torch.float64):
        queries = x.to(dtype)
        for function in (score, score.denoiser, score.log_density, score.weights):
            value = function(queries, 0.1)
            assert value.dtype == dtype
            torch.testing.assert_close(value, function(queries.double(), 0.1).to(dtype),
                                       rtol=0, atol=0)
        assert all(v.dtype == dtype for v in score.replace_one(queries, 0.1, data[:1]))
    # Anything else is taken as float64: whole numbers must not be rounded back to whole numbers.
    for queries in (torch.tensor([[1, 2]]), [[1.0, 2.0]], np.array([[1.0, 2.0]], dtype=np.float32)):
        torch.testing.assert_close(score(queries, 0.1),
                                   score(torch.tensor([[1.0, 2.0]], dtype=torch.float64), 0.1))


# Invariants


@repeatable
@given(number=st.integers(1, 9), d=st.integers(1, 5), seed=seeds, log_t=st.floats(-6, 1))
def test_weights_are_probabilities_and_agree_with_the_denoiser(number, d, seed, log_t):
    data, x = problem(number, 4, d, seed)
    score = EmpiricalScore(data, OU)
    weights = score.weights(x, 10.0**log_t)
    assert weights.shape == (4, number) and bool((weights >= 0).all())
    torch.testing.assert_close(weights.sum(1), torch.ones(4, dtype=torch.float64))
    torch.testing.assert_close(weights @ data, score.denoiser(x, 10.0**log_t),
                               rtol=1e-9, atol=1e-9)
    assert score.number == number


@repeatable
@given(number=st.integers(1, 9), d=st.integers(2, 5), seed=seeds, log_t=st.floats(-3, 1))
def test_equivariance(number, d, seed, log_t):
    data, x = problem(number, 4, d, seed)
    t, generator = 10.0**log_t, np.random.default_rng(seed)
    score = EmpiricalScore(data, OU)
    value, log_density = score(x, t), score.log_density(x, t)
    shift = torch.from_numpy(generator.standard_normal(d))
    rotation = torch.from_numpy(ortho_group.rvs(d, random_state=generator))
    order = torch.from_numpy(generator.permutation(number))
    close = {"rtol": 1e-9, "atol": 1e-9 / t}

    moved, queries = EmpiricalScore(data + shift, OU), x + OU.mean_scale(t) * shift
    torch.testing.assert_close(moved(queries, t), value, **close)
    torch.testing.assert_close(moved.log_density(queries, t), log_density, **close)
    turned = EmpiricalScore(data @ rotation, OU)
    torch.testing.assert_close(turned(x @ rotation, t), value @ rotation, **close)
    torch.testing.assert_close(turned.log_density(x @ rotation, t), log_density, **close)
    for same in (data[order], torch.cat((data, data))):
        torch.testing.assert_close(EmpiricalScore(same, OU)(x, t), value, **close)
        torch.testing.assert_close(EmpiricalScore(same, OU).log_density(x, t), log_density, **close)
    # A rigid motion changes no stability.
    fresh = x + 0.1
    for before, after in zip(score.replace_one(x, t, fresh),
                             turned.replace_one(x @ rotation, t, fresh @ rotation), strict=True):
        torch.testing.assert_close(before, after, rtol=1e-8, atol=1e-8 / t**2)


@repeatable
@given(seed=seeds, d=st.integers(1, 6), log_t=st.floats(-5, 1))
def test_one_point_gives_its_conditional_score(seed, d, log_t):
    data, x = problem(1, 4, d, seed)
    t = 10.0**log_t
    torch.testing.assert_close(EmpiricalScore(data, OU)(x, t), OU.conditional_score(x, t, data),
                               rtol=1e-12, atol=1e-12 / t)


@repeatable
@given(seed=seeds, log_t=st.floats(-4, 0.5))
def test_two_points_give_a_hyperbolic_tangent(seed, log_t):
    data, x = problem(2, 4, 1, seed)
    t = 10.0**log_t
    mu, variance = OU.mean_scale(t), OU.variance(t)
    a, b = data[0], data[1]
    expected = (a + b) / 2 + (a - b) / 2 * torch.tanh(
        mu * (a - b) * (x - mu * (a + b) / 2) / (2 * variance))
    torch.testing.assert_close(EmpiricalScore(data, OU).denoiser(x, t), expected, rtol=1e-8,
                               atol=1e-9)


@pytest.mark.parametrize("d", [1, 2])
@pytest.mark.parametrize("t", [0.01, 0.5])
def test_density_has_mass_one_and_its_gradient_is_the_score(d, t):
    data, x = problem(5, 4, d)
    score = EmpiricalScore(data, OU)
    line = torch.linspace(-12, 12, 4001 if d == 1 else 601, dtype=torch.float64)
    grid = torch.stack([g.flatten() for g in torch.meshgrid([line] * d, indexing="ij")], 1)
    mass = float(score.log_density(grid, t).exp().sum()) * float(line[1] - line[0])**d
    assert mass == pytest.approx(1, abs=1e-10)
    step = 1e-5
    for k in range(d):
        shift = torch.zeros(d, dtype=torch.float64)
        shift[k] = step
        slope = (score.log_density(x + shift, t) - score.log_density(x - shift, t)) / (2 * step)
        torch.testing.assert_close(slope, score(x, t)[:, k], rtol=1e-6, atol=1e-6)


def test_a_vector_of_times():
    data, x = problem(20, 5, 3)
    score = EmpiricalScore(data, OU)
    t = torch.tensor([0.1, 1e-3, 0.1, 2.0, 0.3], dtype=torch.float64)
    for function in (score, score.denoiser, score.log_density, score.weights):
        for clock in (t, t.numpy()):
            together = function(x, clock)
            for k in range(5):
                torch.testing.assert_close(together[k:k + 1], function(x[k:k + 1], float(t[k])))


def test_blocks_do_not_show():
    data, x = problem(30, 57, 3)
    whole, blocked = EmpiricalScore(data, OU), EmpiricalScore(data, OU)
    blocked._rows = 10
    for name in ("__call__", "denoiser", "log_density", "weights"):
        torch.testing.assert_close(getattr(blocked, name)(x, 0.1), getattr(whole, name)(x, 0.1))


# Replace one


def refits(data, x, mu, variance, fresh, origin):
    """Rows (stability, fresh loss, seen loss) by N explicit refits and direct differences."""
    score, _ = direct(data, x, mu, variance)
    g = (mu * origin - x) / variance
    stability, seen = torch.zeros(len(x)).double(), torch.zeros(len(x)).double()
    for m in range(len(x)):
        new = fresh[m % len(fresh)]
        for i in range(len(data)):
            other = data.clone()
            other[i] = new
            value, _ = direct(other, x[m:m + 1], mu, variance)
            stability[m] += ((value[0] - score[m])**2).sum() / len(data)
            seen[m] += ((value[0] - g[m])**2).sum() / len(data)
    return stability, ((score - g)**2).sum(1), seen


def assert_rows_agree(rows, expected, variance, mu):
    # In denoiser units the three are squared distances of order one, or zero to rounding.
    scale = (mu / variance)**2
    for value, reference in zip(rows, expected, strict=True):
        assert bool(torch.isfinite(value).all()) and bool((value >= 0).all())
        torch.testing.assert_close(value / scale, reference / scale, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("process", [HEAT, OU])
@pytest.mark.parametrize("sigma", [0.3, 0.1, 0.05, 0.02, 0.002])
@pytest.mark.parametrize(("circles", "number"), [(1, 24), (2, 24), (1, 2), (1, 1)])
def test_replace_one_equals_refits(process, sigma, circles, number):
    generator = np.random.default_rng(3)
    t = process.time_of_snr(1 / sigma**2)
    mu, variance = process.mean_scale(t), process.variance(t)
    target = Torus(circles, process)
    data, fresh = target.sample(number, generator), target.sample(10, generator)
    noise = torch.from_numpy(generator.standard_normal(tuple(fresh.shape)))
    score = EmpiricalScore(data, process)
    seen = data[generator.integers(number, size=10)]
    cases = {
        "fresh": (fresh, fresh, None),
        "one fresh point for all": (fresh[:1].expand_as(fresh), fresh[:1], None),
        "in sample": (seen, fresh, seen),
        "in sample, one fresh point": (seen, fresh[:1], seen),
        "third point": (fresh.flip(0), fresh, fresh.flip(0)),
        "one origin for all": (fresh[:1].expand_as(fresh), fresh, fresh[:1]),
    }
    for clean, new, origin in cases.values():
        x = process.sample(clean, t, noise)
        rows = score.replace_one(x, t, new, origin)
        assert_rows_agree(rows, refits(data, x, mu, variance, new, clean), variance, mu)


@pytest.mark.parametrize("gap", [1e3, 1e4, -1e3, -1e4])
@pytest.mark.parametrize("in_sample", [False, True])
def test_fresh_point_far_above_or_below_all_data(gap, in_sample):
    # logit of the fresh point minus the largest logit of the data. A common maximum for both
    # fails here, with NaN or, once clamped, silently.
    sigma, generator = 0.1, np.random.default_rng(0)
    data = torch.from_numpy(0.1 * generator.standard_normal((8, 2)))
    far = math.sqrt(2 * abs(gap)) * sigma + 0.3
    fresh = torch.tensor([[far, 0.0]], dtype=torch.float64)
    x = fresh.clone() if gap > 0 else data[:1].clone()
    logits = -((torch.cat((fresh, data)) - x)**2).sum(1) / (2 * sigma**2)
    assert float(logits[0] - logits[1:].max()) * math.copysign(1, gap) >= abs(gap)
    origin = data[:1] if in_sample else fresh
    rows = EmpiricalScore(data, HEAT).replace_one(x, at_sigma(sigma), fresh, origin)
    assert_rows_agree(rows, refits(data, x, 1.0, sigma**2, fresh, origin), sigma**2, 1.0)


@repeatable
@given(number=st.integers(1, 7), d=st.integers(1, 4), seed=seeds, log_sigma=st.floats(-3, 1),
       spread=st.floats(0.01, 10))
def test_replace_one_equals_refits_on_any_points(number, d, seed, log_sigma, spread):
    sigma = 10.0**log_sigma
    data, x = problem(number, 4, d, seed, sigma=sigma)
    fresh = spread * x.flip(0)
    rows = EmpiricalScore(data, HEAT).replace_one(x, at_sigma(sigma), fresh)
    expected = refits(data, x, 1.0, sigma**2, fresh, fresh)
    size = 1 + float(fresh.abs().max())**2
    for value, reference in zip(rows, expected, strict=True):
        torch.testing.assert_close(value * sigma**4, reference * sigma**4, rtol=1e-8,
                                   atol=1e-11 * size)


def test_replacing_a_point_by_itself_changes_nothing():
    data, x = problem(1, 6, 3)
    rows = EmpiricalScore(data, HEAT).replace_one(x, 0.1, data)
    assert float(rows.stability.abs().max()) == 0.0
    torch.testing.assert_close(rows.fresh_loss, rows.seen_loss, rtol=0, atol=1e-20)


def test_a_single_point_is_fitted_without_cancellation():
    data, x = problem(1, 6, 3, offset=2.0)
    rows = EmpiricalScore(data, HEAT).replace_one(x, 1e-4, x + 1e-3)
    assert float(rows.seen_loss.max()) <= 1e-24 * float(rows.fresh_loss.min())


def test_blocks_of_replace_one_do_not_show(monkeypatch):
    data, x = problem(30, 23, 3)
    fresh = x + 0.1
    score = EmpiricalScore(data, OU)
    whole = score.replace_one(x, 0.1, fresh, x)
    monkeypatch.setattr("score_stability.scores.empirical._BLOCK", 4 * 30 * 5)
    for before, after in zip(whole, score.replace_one(x, 0.1, fresh, x), strict=True):
        torch.testing.assert_close(before, after)


def test_the_naive_downdate_fails_in_sample():
    # Control: remove a_i from the total by subtraction, as one would write it first.
    sigma, generator = 0.1, np.random.default_rng(1)
    target, t = Torus(2, HEAT), at_sigma(0.1)
    data, fresh = target.sample(64, generator), target.sample(40, generator)
    origin = data[:40]
    noise = torch.from_numpy(generator.standard_normal((40, 4)))

    def naive(x):
        log_a = -((x[:, None] - data)**2).sum(2) / (2 * sigma**2)
        log_new = -((x - fresh)**2).sum(1, keepdim=True) / (2 * sigma**2)
        top = log_a.amax(1, keepdim=True)
        a, above = (log_a - top).exp(), top - log_new
        total = a.sum(1, keepdim=True)
        mean = a @ data / total
        s, b = torch.sigmoid(-above), torch.sigmoid(above)
        away, mean_data = fresh - mean, mean @ data.T
        away_data = away @ data.T - (away * mean).sum(1, keepdim=True)
        spread = (data**2).sum(1) - 2 * mean_data + (mean**2).sum(1, keepdim=True)
        moved = (s**2 * (away**2).sum(1, keepdim=True) - 2 * s * b * a * away_data
                 + (b * a)**2 * spread) / (b * (total - a) + s)**2
        return moved.mean(1) / sigma**4

    for clean, works in ((fresh, True), (origin, False)):
        x = HEAT.sample(clean, t, noise)
        truth = refits(data, x, 1.0, sigma**2, fresh, clean)[0].mean()
        one_pass = EmpiricalScore(data, HEAT).replace_one(x, t, fresh, clean).stability.mean()
        assert float(one_pass) == pytest.approx(float(truth), rel=1e-11)
        wrong = float(naive(x).mean())
        if works:
            assert wrong == pytest.approx(float(truth), rel=1e-9)
        else:
            assert not wrong < 1e3 * float(truth)  # huge, or NaN


# Wrong input


@pytest.mark.parametrize("bad", [np.zeros((0, 2)), np.zeros((2, 0)), np.zeros(3),
                                 np.zeros((2, 2, 2)), [[math.nan, 0.0]], [[math.inf, 0.0]]])
def test_wrong_arrays(bad):
    data, x = problem(5, 3, 2)
    score = EmpiricalScore(data, HEAT)
    with pytest.raises(ValueError, match="data must"):
        EmpiricalScore(bad, HEAT)
    for function in (score, score.denoiser, score.log_density, score.weights):
        with pytest.raises(ValueError, match="x must"):
            function(bad, 0.1)
    with pytest.raises(ValueError, match="fresh must"):
        score.replace_one(x, 0.1, bad)
    with pytest.raises(ValueError, match="origin must"):
        score.replace_one(x, 0.1, x, bad)


def test_wrong_shapes_and_times():
    data, x = problem(5, 3, 2)
    score = EmpiricalScore(data, HEAT)
    with pytest.raises(ValueError, match=r"x must have shape \(M, 2\)"):
        score(torch.zeros(3, 4), 0.1)
    for bad in (torch.zeros(2, 2), torch.zeros(3, 3)):
        with pytest.raises(ValueError, match=r"fresh must have shape \(3, 2\) or \(1, 2\)"):
            score.replace_one(x, 0.1, bad)
        with pytest.raises(ValueError, match="origin must have shape"):
            score.replace_one(x, 0.1, x, bad)
    for t in (0.0, -1.0, math.nan):
        for call in (score, score.denoiser, score.log_density, score.weights):
            with pytest.raises(ValueError, match="t must be positive"):
                call(x, t)
        with pytest.raises(ValueError, match="t must be positive"):
            score.replace_one(x, t, x)
    with pytest.raises(ValueError, match="t must be"):
        score(x, torch.ones(2))
    with pytest.raises(ValueError, match="t must be a number"):
        score.replace_one(x, torch.ones(3), x)


def test_mixed_devices():
    data, x = problem(5, 3, 2)
    score, elsewhere = EmpiricalScore(data, HEAT), torch.zeros(3, 2, device="meta")
    with pytest.raises(ValueError, match="x must be on cpu; got meta"):
        score(elsewhere, 0.1)
    with pytest.raises(ValueError, match="fresh must be on cpu; got meta"):
        score.replace_one(x, 0.1, elsewhere)
    with pytest.raises(ValueError, match="origin must be on cpu; got meta"):
        score.replace_one(x, 0.1, x, elsewhere)


# Extreme times and points


@pytest.mark.parametrize("process", [HEAT, OU])
@pytest.mark.parametrize("t", [1e-310, 1e-149, 1e-100, 1e-30, 1e-14, 1e3, 1e30, 1e149, 1e300])
def test_extreme_times_are_right_or_refused(process, t):
    data, x = problem(6, 4, 2)
    score = EmpiricalScore(data, process)
    if not 1e-150 < t < 1e150:
        for call in (score, score.denoiser, score.log_density, score.weights):
            for clock in (t, [t] * 4):
                with pytest.raises(ValueError, match=r"^t must be positive"):
                    call(x, clock)
        with pytest.raises(ValueError, match=r"^t must be positive"):
            score.replace_one(x, t, x)
        return
    # The nearest point alone at little noise, the mean of the data at much.
    distances = torch.cdist(process.mean_scale(t) * data, x)
    mean = data[distances.argmin(0)] if t < 1 else data.mean(0).expand_as(x)
    expected = (process.mean_scale(t) * mean - x) / process.variance(t)
    torch.testing.assert_close(score(x, t), expected, rtol=5e-2 if t == 1e3 else 1e-9, atol=1e-300)
    assert bool(torch.isfinite(score.log_density(x, t)).all())
    torch.testing.assert_close(score.weights(x, t).sum(1), torch.ones(4, dtype=torch.float64))
    try:
        parts = score.replace_one(x, t, x + 1)
    except ValueError as error:
        assert "overflows" in str(error)
    else:
        assert all(bool(torch.isfinite(part).all()) for part in parts)


def test_points_too_far_apart_are_an_error():
    far = EmpiricalScore([[0.0], [1e200]], HEAT)
    for call in (far, far.log_density, far.weights, lambda x, t: far.replace_one(x, t, x)):
        with pytest.raises(ValueError, match="result overflows"):
            call([[1e199]], 1e-140)


def test_queries_that_carry_a_gradient():
    data, x = problem(6, 4, 2)
    score = EmpiricalScore(data.requires_grad_(), HEAT)
    for call in (score, score.denoiser, score.log_density, score.weights):
        value = call(x.clone().requires_grad_(), 0.1)
        assert not value.requires_grad
        torch.testing.assert_close(value, call(x, 0.1), rtol=0, atol=0)
