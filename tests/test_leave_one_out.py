"""Certificates: N1 for any algorithm, exact expectations by enumeration, ELBO of a 1-D sampler."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from score_stability.theory import bounds
from score_stability.yardsticks import Jackknife, joint, leave_one_out, per_time, retrain

repeatable = settings(max_examples=40, deadline=None, derandomize=True)


def shrunk_mean(data, generator):
    """Not the minimiser of anything in particular; noise of its own, nonlinear in y."""
    offset = 0.3 * generator.standard_normal(data.shape[1])
    centre = data.sum(0) / (len(data) + 1) + offset
    return lambda y, s: (y + s * centre) / (1 + s) + np.sin(centre.sum() * y)


def by_pairs(fit, data, seed, s, models, draws):
    """N1's three numbers with a loop over pairs, from the same draws."""
    generator = np.random.default_rng(seed)
    data = data[generator.permutation(len(data))]
    pick = np.arange(len(data) - models, len(data))
    noise = generator.standard_normal((models, draws, data.shape[1]))
    inner = int(generator.integers(2**62))
    fits = [fit(np.delete(data, i, 0), np.random.default_rng(inner)) for i in pick]
    loo, seen, moved = [], [], []
    for j in range(models):
        x = data[pick[j]]
        own = fits[j](x + s * noise[j], s)
        loo.append(((own - x) ** 2).sum(1).mean())
        for i in range(models):
            if i != j:
                other = fits[i](x + s * noise[j], s)
                seen.append(((other - x) ** 2).sum(1).mean())
                moved.append(((other - own) ** 2).sum(1).mean())
    return np.array(loo), np.mean(seen), np.mean(moved)


def test_retrain_against_a_loop_over_pairs():
    data = np.random.default_rng(0).standard_normal((9, 3))
    parts = retrain(shrunk_mean, data, np.random.default_rng(5), noise_levels=[0.4, 2.0], models=6,
                    draws=3)
    for part, s in zip(parts, (0.4, 2.0), strict=True):
        loo, seen, moved = by_pairs(shrunk_mean, data, 5, s, 6, 3)
        np.testing.assert_allclose(part.loo_losses, loo, rtol=1e-11)
        assert part.seen_loss == pytest.approx(seen, rel=1e-11)
        assert part.stability == pytest.approx(moved, rel=1e-11)


def test_fits_see_all_points_but_one_and_agree_in_all_but_two_rows():
    seen = []

    def remember(data, generator):
        seen.append((data, generator.random()))
        return lambda y, s: y

    data = np.arange(14.0).reshape(7, 2)
    retrain(remember, data, np.random.default_rng(1), noise_levels=[1.0], models=4)
    missing = {min(set(map(tuple, data)) - set(map(tuple, rows))) for rows, _ in seen}
    assert len(missing) == 4 and len({draw for _, draw in seen}) == 1
    for (a, _), (b, _) in itertools.combinations(seen, 2):
        assert a.shape == (6, 2) and 1 <= (a != b).any(1).sum() <= 2


@repeatable
@given(seed=st.integers(0, 2**32), number=st.integers(2, 8), s=st.floats(1e-2, 10),
       scale=st.floats(1e-2, 1e2))
def test_the_certificate_never_lies_below_loo(seed, number, s, scale):
    data = scale * np.random.default_rng(seed).standard_normal((number, 2))
    models = max(2, number - 1)
    (part,) = retrain(shrunk_mean, data, np.random.default_rng(seed), noise_levels=[s],
                      models=models, draws=2)
    assert part.certificate >= part.loo * (1 - 1e-12)
    root_gap = abs(math.sqrt(part.loo) - math.sqrt(part.seen_loss))
    assert root_gap <= part.score_stability * (1 + 1e-12) + 1e-12
    assert part.certificate == pytest.approx(
        (math.sqrt(part.seen_loss) + math.sqrt(part.stability)) ** 2)


def test_expectations_by_enumeration():
    # Law on {0, 1, 4}, N = 3, A(S) = sum/(n + 1), f(a, x) = (a − x)²: E LOO, E L̂ and E eps² are
    # L, L̂ and eps_stab² at size N − 1 = 2, in rationals.
    law = (0, 1, 4)

    def A(points):
        return Fraction(sum(points), len(points) + 1)

    expected = np.array([Fraction(0)] * 3)
    for S in itertools.product(law, repeat=3):
        fits = [A([*S[:j], *S[j + 1:]]) for j in range(3)]
        pairs = [(i, j) for i in range(3) for j in range(3) if i != j]
        expected += [sum((fits[j] - S[j]) ** 2 for j in range(3)) / Fraction(3 * 27),
                     sum((fits[i] - S[j]) ** 2 for i, j in pairs) / Fraction(6 * 27),
                     sum((fits[i] - fits[j]) ** 2 for i, j in pairs) / Fraction(6 * 27)]
    defined = np.array([Fraction(0)] * 3)
    for a, b, new in itertools.product(law, repeat=3):
        defined += [(A([a, b]) - new) ** 2 / Fraction(27), (A([a, b]) - a) ** 2 / Fraction(27),
                    (A([a, b]) - A([new, b])) ** 2 / Fraction(27)]
    assert (expected == defined).all()


def some_parts(seed, count=3, size=5):
    generator = np.random.default_rng(seed)
    return [Jackknife(generator.random(size), generator.random(), generator.random())
            for _ in range(count)]


@repeatable
@given(seed=st.integers(0, 2**32), w=st.lists(st.floats(0, 10), min_size=3, max_size=3))
def test_per_time_is_never_above_joint(seed, w):
    parts = some_parts(seed)
    whole = joint(parts, w)
    assert per_time(parts, w) <= whole.certificate * (1 + 1e-12) + 1e-12
    assert whole.loo == pytest.approx(sum(a * p.loo for a, p in zip(w, parts, strict=True)))
    # One level, or proportional levels: equality.
    assert per_time(parts[:1], w[:1]) == pytest.approx(joint(parts[:1], w[:1]).certificate)


def test_slack_and_upper_end():
    part = Jackknife([1.0, 3.0, 2.0, 2.0], 1.0, 0.25)
    assert part.slack == pytest.approx(0.5 / (math.sqrt(2) - 1))
    v = part.loo_losses.var(ddof=1) / 4 + 0.3**2
    assert part.upper_end(0.3) == pytest.approx(2 + math.sqrt(19 * v))
    assert part.upper_end(0.3, 0.5) == pytest.approx(2 + math.sqrt(v))


def test_elbo_of_a_gaussian_sampler_bounds_its_exact_likelihood():
    # 1-D N(0, 3): exact posterior means, an affine sampler with an exact Gaussian law at s_min.
    variance = 3.0
    excess = []
    for K in (2, 5, 24, 400):
        s = np.geomspace(20.0, 0.2, K)
        loss = variance * s[:-1] ** 2 / (variance + s[:-1] ** 2)
        elbo = bounds.SAMPLER_NLL(weighted_loss=leave_one_out.elbo_weights(s) @ loss, dimension=1,
                                  second_moment=variance, noise_level=s[0], next_noise_level=s[-1])
        law = s[0] ** 2
        for a, b in itertools.pairwise(s):
            r = (b / a) ** 2
            shrink = variance / (variance + a**2)
            law = (shrink + r * (1 - shrink)) ** 2 * law + b**2 * (1 - r)
        data = variance + s[-1] ** 2
        exact = 0.5 * math.log(2 * math.pi * law) + data / (2 * law)
        excess.append(elbo - exact)
        entropy = 0.5 * math.log(2 * math.pi * math.e * data)
        assert exact >= entropy - 1e-12
    assert min(excess) >= 0 and excess == sorted(excess, reverse=True) and excess[-1] < 0.02


def test_elbo_weights_telescope():
    s = np.array([7.0, 2.0, 0.5, 0.1])
    weights = leave_one_out.elbo_weights(s)
    assert weights.shape == (3,)
    assert weights.sum() == pytest.approx((100 - 1 / 49) / 2)


# Wrong input


@pytest.mark.parametrize(("arguments", "message"), [
    (([1.0], 1.0, 1.0), "loo_losses must be a vector of at least two"),
    (([[1.0, 2.0]], 1.0, 1.0), "loo_losses must have shape"),
    (([1.0, math.nan], 1.0, 1.0), "loo_losses must be finite"),
    (([1.0, 2.0], -1.0, 1.0), "seen_loss must be finite"),
    (([1.0, 2.0], 1.0, math.inf), "stability must be finite")])
def test_wrong_jackknife(arguments, message):
    with pytest.raises(ValueError, match=message):
        Jackknife(*arguments)


def test_wrong_slack_and_miss():
    with pytest.raises(ValueError, match="slack needs LOO"):
        _ = Jackknife([1.0, 1.0], 2.0, 1.0).slack
    for miss in (0.0, 1.0, math.nan):
        with pytest.raises(ValueError, match="miss must be"):
            Jackknife([1.0, 1.0], 2.0, 1.0).upper_end(1.0, miss)


def test_wrong_parts_and_weights():
    parts = some_parts(0)
    for function in (joint, per_time):
        with pytest.raises(ValueError, match="weights must have one entry"):
            function(parts, [1.0])
        with pytest.raises(ValueError, match="weights must be finite"):
            function(parts, [1.0, -1.0, 1.0])
        with pytest.raises(ValueError, match="weights must have one entry"):
            function([], [])
    with pytest.raises(ValueError, match="parts must have left out"):
        joint([*parts[:2], *some_parts(1, 1, 6)], [1.0, 1.0, 1.0])


@pytest.mark.parametrize("levels", [[1.0], [1.0, 1.0], [1.0, 2.0], [1.0, 0.0], [math.inf, 1.0],
                                    [[2.0, 1.0]]])
def test_wrong_levels(levels):
    with pytest.raises(ValueError, match="noise_levels must be a strictly decreasing"):
        leave_one_out.elbo_weights(levels)


@pytest.mark.parametrize(("changes", "message"), [
    ({"data": np.ones((1, 2))}, "data must hold at least two"),
    ({"data": np.ones(3)}, "data must have shape"),
    ({"data": np.full((4, 2), np.nan)}, "data must be finite"),
    ({"models": 1}, "models must be between 2 and 5"),
    ({"models": 6}, "models must be between 2 and 5"),
    ({"draws": 0}, "draws must be"),
    ({"noise_levels": []}, "noise_levels must have shape"),
    ({"noise_levels": [0.0]}, "noise_levels must be"),
    ({"fit": lambda data, generator: lambda y, s: y[:, :1]}, "fit must return a denoiser")])
def test_wrong_retrain(changes, message):
    arguments = {"fit": shrunk_mean, "data": np.ones((5, 2)), "noise_levels": [1.0], "models": 3}
    arguments |= changes
    fit, data = arguments.pop("fit"), arguments.pop("data")
    with pytest.raises(ValueError, match=message):
        retrain(fit, data, np.random.default_rng(0), **arguments)
