"""Exact cases: published digits, enumeration of every data set, Monte Carlo, limits."""

import itertools
import math

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from score_stability.diffusion import OrnsteinUhlenbeck, TwoPoint
from score_stability.scores import EmpiricalScore
from score_stability.theory import (
    ExactCase,
    bounds,
    fitted_mean,
    fitted_slope,
    gaussian_affine,
    gaussian_mean,
    scaled_linear_sgd,
    standard_normal,
    two_point,
    two_point_algorithm,
    two_point_true_score,
)
from score_stability.theory.exact_cases import _chi_square_rule
from score_stability.yardsticks import estimates

repeatable = settings(max_examples=25, deadline=None, derandomize=True)
HEAT = OrnsteinUhlenbeck(0.0)
# E sech² h at gamma = 1.
C_ONE = 0.449599509207


# Two points


@pytest.mark.parametrize(("number", "stability", "fresh", "seen"), [
    (8, 0.0188063640066, 0.508165067082, 0.406356488135),
    (64, 1.59462790244e-4, 0.454684835451, 0.444607983774)])
def test_two_point_digits(number, stability, fresh, seen):
    case = two_point(number, 1.0)
    assert case.stability == pytest.approx(stability, rel=3e-12)
    assert case.fresh_loss == pytest.approx(fresh, rel=3e-12)
    assert case.seen_loss == pytest.approx(seen, rel=3e-12)
    assert case.constant == pytest.approx(C_ONE, rel=3e-12)


@pytest.mark.parametrize(("number", "defect"), [
    (2, 0.224799754604), (8, 0.043243021072), (32, 0.010078111072)])
def test_two_point_defect(number, defect):
    # The empirical score attains L̂ = E Ĉ, so C − L̂ is the defect.
    case = two_point(number, 1.0)
    assert case.constant - case.seen_loss == pytest.approx(defect, abs=1e-12)


@pytest.mark.parametrize(("gamma", "ratio"), [
    (0.1, 1.0108), (0.25, 1.0190), (1.0, 1.0317), (4.0, 1.0387), (16.0, 1.0412)])
def test_two_point_first_order(gamma, ratio):
    t = HEAT.time_of_snr(gamma)
    V = TwoPoint(HEAT).stability_constants(t).V / HEAT.denoiser_to_score_units(t)
    assert 64**2 * two_point(64, gamma).stability / V == pytest.approx(ratio, abs=6e-5)


@pytest.mark.parametrize(("number", "gamma", "slack"), [
    (1024, 1.0, 1.6851), (1024, 4.0, 1.8477), (16, 16.0, 2.5859)])
def test_two_point_slack(number, gamma, slack):
    assert two_point(number, gamma).slack == pytest.approx(slack, abs=6e-5)


@pytest.mark.parametrize(("number", "gamma", "low", "eps", "high"), [
    (8, 1.0, 0.0754, 0.1371, 0.3191), (128, 1.0, 0.003722, 0.006264, 0.07065),
    (8, 16.0, 0.1159, 0.1250, 0.1251)])
def test_two_point_sandwich(number, gamma, low, eps, high):
    case = two_point(number, gamma)
    found = (case.root_gap, case.score_stability, math.sqrt(case.gap))
    assert found == pytest.approx((low, eps, high), rel=2e-3)
    assert found == tuple(sorted(found))


@repeatable
@given(st.floats(-3, 2))
def test_two_point_closed_forms_at_one_and_two(log_gamma):
    gamma = 10.0**log_gamma
    one, two = two_point(1, gamma), two_point(2, gamma)
    assert (one.stability, one.fresh_loss, one.seen_loss) == pytest.approx((2, 2, 0), abs=1e-12)
    C = two.constant
    assert two.fresh_loss == pytest.approx(1 + C / 2, abs=1e-12)
    assert two.seen_loss == pytest.approx(C / 2, abs=1e-12)
    assert two.stability == pytest.approx(1 - C / 2, abs=1e-12)
    assert two.score_error == pytest.approx(two.stability, abs=1e-12)


@pytest.mark.parametrize("gamma", [0.25, 1.0, 16.0])
@pytest.mark.parametrize("number", [1, 2, 3, 5])
def test_two_point_by_enumeration_of_every_data_set(number, gamma):
    # Every S in {−1, 1}^N and both fresh points, refits by the general code.
    t = HEAT.time_of_snr(gamma)
    z, weights = standard_normal(401)
    noise, weights = torch.from_numpy(z)[:, None], torch.from_numpy(weights)
    means = []
    for signs in itertools.product((-1.0, 1.0), repeat=number):
        score = EmpiricalScore(torch.tensor(signs)[:, None], HEAT)
        for sign in (-1.0, 1.0):
            fresh = torch.tensor([[sign]], dtype=torch.float64)
            x = HEAT.sample(fresh.expand_as(noise), t, noise)
            error = ((score(x, t) - TwoPoint(HEAT).score(x, t))**2).sum(1)
            means.append([float(weights @ row) for row in (*score.replace_one(x, t, fresh), error)])
    expected = np.mean(means, 0) / HEAT.denoiser_to_score_units(t)
    np.testing.assert_allclose(two_point(number, gamma)[:4], expected, rtol=1e-9, atol=1e-9)


@repeatable
@given(number=st.integers(2, 200), log_gamma=st.floats(-2, 1.7))
def test_two_point_obeys_the_theorems(number, log_gamma):
    case = two_point(number, 10.0**log_gamma, nodes=801)
    eps, L, L_hat, C = case.score_stability, case.fresh_loss, case.seen_loss, case.constant
    assert case.root_gap == pytest.approx(math.sqrt(L) - math.sqrt(L_hat), abs=1e-9)
    assert 0 <= case.root_gap <= eps * (1 + 1e-9) <= math.sqrt(case.gap) * (1 + 2e-9)
    assert case.slack >= 1 - 1e-9
    assert case.score_error == pytest.approx(L - C, abs=1e-10)
    assert case.gap <= bounds.GAP(eps_stab=eps, seen_loss=L_hat) + 1e-12
    sharp = bounds.SCORE_ERROR_SHARP(h=0, defect=C - L_hat, C_hat=L_hat, eps_stab=eps)
    assert case.score_error <= sharp + 1e-12
    assert case.score_error >= bounds.SCORE_ERROR_LOWER(seen_loss=L_hat, eps_stab=eps, C=C)


def test_dropping_the_middle_term_of_theorem_3_is_refuted():
    # Control: E l_sm <= h + eps² is an equality at N = 2 and false from N = 3 on.
    for gamma in (0.25, 1.0, 4.0, 16.0):
        for number in (3, 8, 64):
            case = two_point(number, gamma)
            assert case.score_error > case.stability * (1 + 1e-5)


# Gaussian, only the mean is fitted


@pytest.mark.parametrize(("variance", "slack"), [
    (4.0, 1.581126), (1.0, 1.999994), (0.25, 3.162276)])
def test_gaussian_mean_slack_digits(variance, slack):
    assert gaussian_mean(100, variance).slack == pytest.approx(slack, abs=6e-7)
    limit = bounds.GAUSSIAN_MEAN_SLACK(snr=1 / variance, data_variance=1)
    assert gaussian_mean(10**6, variance).slack == pytest.approx(limit, rel=1e-6)


def simulated(fit, number, d, mu, lam, variance, replicates=200, inner=100):
    """Replicates of (stability, L, L̂) by Monte Carlo over data sets, for affine scores on R^d.

    ``fit(data)`` maps ``(..., N, d)`` to the centre and variance of the fitted Gaussian.
    """
    generator = np.random.default_rng(11)
    shape = (replicates, inner)
    data = math.sqrt(lam) * generator.standard_normal((*shape, number, d))
    fresh = math.sqrt(lam) * generator.standard_normal((*shape, d))
    noise = generator.standard_normal((*shape, d))
    x = mu * fresh + math.sqrt(variance) * noise
    g = -noise / math.sqrt(variance)
    other = data.copy()
    other[..., 0, :] = fresh
    scores = []
    for sample in (data, other):
        centre, spread = fit(sample)
        scores.append(-(x - mu * centre) / (mu**2 * spread + variance))
    s, s_i = scores
    return [estimates.mean((v**2).sum(-1).mean(1)) for v in (s - s_i, s - g, s_i - g)]


def assert_contains(found, case):
    for estimate, value in zip(found, case[:3], strict=True):
        assert abs(estimate.value - value) < estimate.half_width(1e-5)


def test_gaussian_mean_by_monte_carlo():
    settings_ = {"number": 5, "mu": 0.8, "lam": 2.0, "variance": 0.5}
    found = simulated(lambda s: (s.mean(-2), 2.0), d=3, **settings_)
    case = gaussian_mean(5, 0.5, mean_scale=0.8, data_variance=2.0, dimension=3)
    assert_contains(found, case)
    assert case.gap == pytest.approx(5 * case.stability, rel=1e-12)
    assert case.score_error == pytest.approx(case.fresh_loss - case.constant, rel=1e-12)


# Gaussian, mean and variance are fitted


@pytest.mark.parametrize(("number", "stability", "fresh", "seen"), [
    (10, 0.022217394374, 0.563322151448, 0.449033861534),
    (30, 0.0023232839086, 0.5181809903658, 0.4832056879127)])
def test_gaussian_affine_digits(number, stability, fresh, seen):
    case = gaussian_affine(number, 1.0)
    assert case[:3] == pytest.approx((stability, fresh, seen), rel=5e-11, abs=0)
    assert case.constant == 0.5


def test_gaussian_affine_first_order():
    assert 100**2 * gaussian_affine(100, 4.0).stability == pytest.approx(0.156791, abs=6e-7)
    for variance in (1.0, 4.0):
        v, N = 1 + variance, 10**4
        case = gaussian_affine(N, variance)
        V = 2 / v**2 + (12 + 4 * variance) / v**4 + 4 / v**3
        assert N**2 * case.stability == pytest.approx(V, rel=2e-3)
        assert N * case.gap == pytest.approx(2 * (1 / v**2 + 2 / v**3), rel=2e-3)
    assert gaussian_affine(10**4, 1.0).slack == pytest.approx(2.0, rel=1e-3)


@pytest.mark.parametrize("number", [30, 100, 1000])
@pytest.mark.parametrize("variance", [0.25, 1.0, 4.0])
def test_gaussian_affine_has_converged(number, variance):
    np.testing.assert_allclose(gaussian_affine(number, variance)[:4],
                               gaussian_affine(number, variance, nodes=32)[:4], rtol=1e-11)


def test_gaussian_affine_by_monte_carlo():
    found = simulated(lambda s: (s.mean(-2), s.var(-2)), 8, 1, 0.8, 2.0, 0.9)
    assert_contains(found, gaussian_affine(8, 0.9, mean_scale=0.8, data_variance=2.0, nodes=32))


def test_gaussian_affine_sees_the_product_of_scales():
    one = gaussian_affine(20, 0.7, mean_scale=0.5, data_variance=4.0)
    np.testing.assert_allclose(one, gaussian_affine(20, 0.7), rtol=1e-13)


@pytest.mark.parametrize("degrees", [1, 2, 8, 998])
def test_chi_square_moments(degrees):
    q, weights = _chi_square_rule(degrees, 24)
    for power in range(5):
        moment = math.prod(degrees + 2 * k for k in range(power))
        assert weights @ q**power == pytest.approx(moment, rel=1e-10)


# Wrong input


def test_wrong_input():
    for number in (0, -1):
        with pytest.raises(ValueError, match="number"):
            two_point(number, 1.0)
        with pytest.raises(ValueError, match="number"):
            gaussian_mean(number, 1.0)
    with pytest.raises(ValueError, match="number must be at least 3"):
        gaussian_affine(2, 1.0)
    for bad in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="snr"):
            two_point(2, bad)
        for function in (gaussian_mean, gaussian_affine):
            with pytest.raises(ValueError, match=r"^variance"):
                function(5, bad)
            with pytest.raises(ValueError, match="mean_scale"):
                function(5, 1.0, mean_scale=bad)
            with pytest.raises(ValueError, match="data_variance"):
                function(5, 1.0, data_variance=bad)
    with pytest.raises(ValueError, match="dimension"):
        gaussian_mean(5, 1.0, dimension=0)
    with pytest.raises(ValueError, match="nodes"):
        two_point(5, 1.0, nodes=1)


def test_root_gap_does_not_cancel():
    case = ExactCase(1e-30, 1.0 + 2e-15, 1.0, 0.0, 0.0, 0.0)
    assert case.root_gap == pytest.approx(case.gap / 2, rel=1e-12, abs=0)


@pytest.mark.parametrize("number", (1, 2, 8, 64, 1024))
@pytest.mark.parametrize("snr", (0.1, 1.0, 16.0))
def test_lemma_4_is_an_equality_for_two_points(number, snr):
    case = two_point(number, snr)
    assert number * case.move == pytest.approx(case.gap, rel=1e-9)


def test_move_of_two_points_oracles():
    assert two_point(8, 1.0).move == pytest.approx(0.0127260723684, rel=1e-11)
    assert two_point(64, 1.0).move == pytest.approx(1.57450807458e-4, rel=1e-11)


@pytest.mark.parametrize("number, move", ((10, 0.01142882899), (30, 0.0011658434151)))
def test_lemma_4_is_an_equality_for_affine_scores(number, move):
    case = gaussian_affine(number, 1.0, nodes=32)
    assert case.move == pytest.approx(move, rel=1e-9)
    assert number * case.move == pytest.approx(case.gap, rel=1e-9)


def test_lemma_4_is_an_equality_for_the_mean_only_fit():
    case = gaussian_mean(20, 0.5, data_variance=2.0, dimension=3)
    assert 20 * case.move == pytest.approx(case.gap, rel=1e-12)


def test_scaled_linear_sgd_digits_and_limits():
    data = np.random.default_rng(0).uniform(-math.sqrt(3), math.sqrt(3), 50)
    data[0] = 0.1
    setting = dict(mean_scale=math.exp(-0.5), variance=1 - math.exp(-1), steps=400, step_size=0.05,
                   weight_decay=0.2)
    one = scaled_linear_sgd(data[None], 0, np.array([1.6]), **setting)
    assert one.squared_distance[0] == pytest.approx(1.0585969e-3, rel=1e-6)
    # Infinitely many resamples: less noise, the same mean.
    many = scaled_linear_sgd(data[None], 0, np.array([1.6]), **setting, resamples=math.inf)
    assert many.mean_shift == pytest.approx(one.mean_shift)
    assert one.mean_shift[0] ** 2 < many.squared_distance[0] < one.squared_distance[0]
    # A replacement by itself moves nothing; several data sets at once are separate.
    still = scaled_linear_sgd(data[None], 0, data[:1], **setting)
    assert still.squared_distance == pytest.approx([0.0], abs=1e-15)
    both = scaled_linear_sgd(np.stack([data, data]), 0, np.array([1.6, 0.1]), **setting)
    assert both.squared_distance == pytest.approx([1.0585969e-3, 0.0], rel=1e-6, abs=1e-15)
    # The mean is that of deterministic gradient descent on the expected loss.
    mean = []
    for points in (data, np.r_[1.6, data[1:]]):
        theta, square = 0.0, np.mean(math.exp(-1) * points**2) + 1 - math.exp(-1)
        for _ in range(400):
            theta = (1 - 0.05 * 0.2) * theta - 0.05 * 2 * (square * theta + 1)
        mean.append(theta)
    assert one.mean_shift[0] == pytest.approx(mean[0] - mean[1], rel=1e-10)


def test_scaled_linear_sgd_with_one_point_and_wrong_inputs():
    setting = dict(mean_scale=0.6, variance=0.6, steps=5, step_size=lambda k: 0.1 / k)
    moved = scaled_linear_sgd(np.array([[0.3]]), 0, np.array([1.0]), **setting)
    assert moved.squared_distance[0] > moved.mean_shift[0] ** 2
    for arguments, words in (((np.zeros(3), 0, np.zeros(1)), "data"),
                             ((np.zeros((1, 3)), 3, np.zeros(1)), "index"),
                             ((np.zeros((1, 3)), 0, np.zeros(2)), "fresh")):
        with pytest.raises(ValueError, match=words):
            scaled_linear_sgd(*arguments, **setting)
    with pytest.raises(ValueError, match="resamples"):
        scaled_linear_sgd(np.zeros((1, 3)), 0, np.zeros(1), **setting, resamples=0)


# Digits


def two_point_in_digits(number, snr):
    """Stability, both losses, score error, constant by quadrature in 25 digits, as defined."""
    with mpmath.workdps(25):
        snr = mpmath.mpf(snr)

        def denoiser(h, n):
            odds = mpmath.mpf(n) / (number - n) if n < number else mpmath.inf
            return mpmath.tanh(h + mpmath.log(odds) / 2) if 0 < n < number else 2 * (n > 0) - 1

        def mean(values, trials):
            def integrand(h):
                inner = sum(mpmath.binomial(trials, k) * values(h, k) for k in range(trials + 1))
                return inner * mpmath.exp(-((h - snr) ** 2) / (2 * snr))

            ends = [snr + k * mpmath.sqrt(snr) for k in (-20, -6, 0, 6, 12)]
            cuts = sorted({mpmath.mpf(c) for c in (*range(-18, 43, 3), *ends)})
            return mpmath.quad(integrand, cuts) / mpmath.sqrt(2 * mpmath.pi * snr) / 2**trials

        return [mean(lambda h, k: (denoiser(h, k + 1) - denoiser(h, k)) ** 2, number - 1) / 2,
                mean(lambda h, k: (1 - denoiser(h, k)) ** 2, number),
                mean(lambda h, k: (1 - denoiser(h, k + 1)) ** 2, number - 1),
                mean(lambda h, k: (denoiser(h, k) - mpmath.tanh(h)) ** 2, number),
                mean(lambda h, k: 1 / mpmath.cosh(h) ** 2, 0)]


@pytest.mark.parametrize(("number", "snr"), [(1, 5.0), (3, 1e-4), (2, 90.0)])
def test_two_point_in_digits(number, snr):
    expected = [float(value) for value in two_point_in_digits(number, snr)]
    assert two_point(number, snr)[:5] == pytest.approx(expected, rel=1e-9, abs=0)


def test_two_point_at_an_snr_beyond_the_window():
    case, finer = two_point(2, 600.0), two_point(2, 600.0, nodes=16001)
    assert case.constant == pytest.approx(finer.constant, rel=1e-10, abs=0)
    assert case.seen_loss == pytest.approx(case.constant / 2, rel=1e-10, abs=0)
    # C = e^(−snr/2) E' sech² h e^h, ∫ sech² h e^h dh = π, up to 1/snr.
    leading = math.exp(-300) * math.pi / math.sqrt(2 * math.pi * 600)
    assert case.constant == pytest.approx(leading, rel=5e-3, abs=0)


def test_two_point_refuses_what_its_nodes_do_not_resolve():
    with pytest.raises(ValueError, match="snr"):
        two_point(3, 1e4)
    with pytest.raises(ValueError, match="nodes"):
        two_point(3, 60.0, nodes=201)


@repeatable
@given(number=st.integers(1, 10**9), log_variance=st.floats(-60, 60), log_data=st.floats(-60, 60))
def test_gaussian_mean_in_digits(number, log_variance, log_data):
    variance, data_variance = 10.0**log_variance, 10.0**log_data
    case = gaussian_mean(number, variance, data_variance=data_variance)
    with mpmath.workdps(300):
        sigma2, lam = mpmath.mpf(variance), mpmath.mpf(data_variance)
        v = sigma2 + lam
        C, error = lam / (sigma2 * v), lam / (number * v**2)
        expected = 2 * error / number, C + error, C - error, error, C
    assert case[:5] == pytest.approx([float(e) for e in expected], rel=1e-12, abs=0)


# A fitted slope

CLASSES = {
    "all": (lambda s: s, ()),
    "interval": (lambda s: np.clip(s, 0.45, 0.51), (0.45, 0.51)),
    "two": (lambda s: np.where(s > 0.5, 0.6, 0.4), (0.5,)),
}


def two_slopes_by_chi_square(number):
    """(E F, gap, excess): given the other points' sum of squares all is an incomplete moment."""
    def chi(a, k):
        return stats.chi2.cdf(a, k)

    def move(rest):
        a = number - rest  # the larger slope is chosen if x² < a
        p, inside = chi(a, 1), chi(a, 3)  # E 1, E x² there
        v = 1 + rest / number
        return 0.04 * (p * (v * (1 - p) + (1 - inside) / number)
                       + (1 - p) * (v * p + inside / number))

    density = stats.chi2(number - 1).pdf
    found = integrate.quad(lambda r: density(r) * move(r), 0, number, epsabs=0, epsrel=1e-10,
                           limit=500)[0]
    # θ² (1 − q): (0.36 − 0.16) E (1 − q)_+, N q ~ chi²_N.
    gap = 0.2 * (chi(number, number) - chi(number, number + 2))
    low, high = 0.0, 40 * number
    excess = integrate.quad(
        lambda t: stats.chi2(number).pdf(t) * (1 + t / number)
        * (CLASSES["two"][0](1 / (1 + t / number)) - 1 / (1 + t / number)) ** 2,
        low, high, points=[number], limit=500, epsabs=1e-13)[0]
    return found, gap, excess


@pytest.mark.parametrize("number", [2, 5, 10, 100])
def test_two_slopes_by_another_route(number):
    case = fitted_slope(number, *CLASSES["two"])
    assert (case.move, case.gap, case.excess) == pytest.approx(
        two_slopes_by_chi_square(number), rel=1e-7)


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("number", [2, 7, 300])
def test_a_fitted_slope_obeys_the_exchange_and_more_nodes_change_nothing(name, number):
    case = fitted_slope(number, *CLASSES[name])
    assert case.excess_moved == pytest.approx(case.excess + case.gap / number, rel=1e-9)
    assert fitted_slope(number, *CLASSES[name], nodes=110) == pytest.approx(case, rel=1e-9)
    if name == "all":
        assert case.excess == 0 and number * case.move == pytest.approx(case.gap, rel=1e-9)


@pytest.mark.parametrize("name", CLASSES)
def test_a_fitted_slope_by_simulation(name):
    choose, kinks = CLASSES[name]
    case, generator = fitted_slope(6, choose, kinks), np.random.default_rng(1)
    x = generator.standard_normal((200_000, 7))
    q, q_i = (x[:, :6] ** 2).mean(1), (x[:, 1:] ** 2).mean(1)  # x_0 replaced by x_6
    best = 1 / (1 + q)
    fit, fit_i = choose(best), choose(1 / (1 + q_i))
    rows = np.stack([(fit - fit_i) ** 2 * (1 + q), (fit - fit_i) ** 2 * (1 + x[:, 6] ** 2),
                     (1 + x[:, 6] ** 2) * fit**2 - 2 * fit + 1, (1 + q) * fit**2 - 2 * fit + 1,
                     (fit - best) ** 2 * (1 + q), (fit_i - best) ** 2 * (1 + q)])
    error = 5 * rows.std(1) / math.sqrt(len(x)) + 1e-12
    assert (np.abs(rows.mean(1) - np.array(case)) < error).all()


@pytest.mark.parametrize(("number", "options", "named"), [
    (1, {}, "number"), (5, {"kinks": (1.0,)}, "kinks"),
    (5, {"kinks": (0.5, -1)}, "kinks"), (5, {"nodes": 1}, "nodes")])
def test_a_fitted_slope_refuses(number, options, named):
    with pytest.raises(ValueError, match=named):
        fitted_slope(number, lambda s: s, **options)


# A fitted mean, and any algorithm on two points


@pytest.mark.parametrize("number", [2, 10, 300])
def test_a_fitted_mean_in_closed_form(number):
    for coins, times in (("the same", 0), ("independent", 2), ("opposite", 4)):
        case = fitted_mean(number, 0.3, coins)
        assert case.move == pytest.approx(2 / number**2 + times * 0.09, rel=1e-12)
        assert (case.gap, case.excess, case.excess_moved) == pytest.approx(
            (2 / number, 0.09, 0.09 + 2 / number**2), rel=1e-10)
    plain, library = fitted_mean(number), gaussian_mean(number, 1.0)  # mu/v = 1/2
    assert (plain.move, plain.gap) == pytest.approx((4 * library.move, 4 * library.gap), rel=1e-10)
    assert fitted_mean(number, peek=1.0).move == pytest.approx(18 / number**2)


def test_a_fitted_mean_refuses():
    with pytest.raises(ValueError, match="number"):
        fitted_mean(1)
    with pytest.raises(ValueError, match="coins"):
        fitted_mean(3, coins="other")


@pytest.mark.parametrize(("number", "snr"), [(1, 0.5), (4, 1.0), (20, 16.0)])
def test_the_empirical_denoiser_is_one_of_all_algorithms(number, snr):
    found = two_point_algorithm(number, snr, lambda m_S, m, k: [[m_S]] * 2)
    case = two_point(number, snr)
    assert (found.move, found.stability, found.fresh_loss, found.seen_loss) == pytest.approx(
        (case.move, case.stability, case.fresh_loss, case.seen_loss), rel=1e-9, abs=1e-12)
    assert found.excess == 0 and found.excess_moved == pytest.approx(found.move, abs=1e-14)


def test_any_algorithm_by_listing_signs():
    """All data sets one by one; an algorithm without symmetry, with two random outcomes."""
    def algorithm(m_S, m, k):
        return [0.5 * m_S + 0.1 * k + 0 * m, m_S * m], [0.5 * m_S + 0.1 * k, 0 * m_S]

    z, w = standard_normal(801)

    def denoiser(h, k):
        with np.errstate(divide="ignore"):
            return np.tanh(h + 0.5 * (np.log(k) - np.log(3 - k)))

    total = np.zeros(6)
    for *S, new in itertools.product((1, -1), repeat=4):
        for i in range(3):
            S_i = [*S[:i], new, *S[i + 1:]]
            k, k_i = S.count(1), S_i.count(1)

            def squares(start, k=k, k_i=k_i):
                h = start * 2.0 + math.sqrt(2.0) * z
                m, m_i, truth = denoiser(h, k), denoiser(h, k_i), np.tanh(h)
                pairs = ((0.5 * m + 0.1 * k, 0.5 * m_i + 0.1 * k_i), (m * truth, 0 * truth))
                return np.mean([[w @ (a - b) ** 2, w @ (a - start) ** 2, w @ (a - m) ** 2,
                                 w @ (b - m) ** 2] for a, b in pairs], axis=0)

            on_S = np.mean([squares(x) for x in S], axis=0)
            total += [on_S[0], squares(new)[0], (squares(1)[1] + squares(-1)[1]) / 2, on_S[1],
                      on_S[2], on_S[3]]
    assert two_point_algorithm(3, 2.0, algorithm) == pytest.approx(total / 48, rel=1e-10)


def test_any_algorithm_refuses():
    def fine(m_S, m, k):
        return [m_S], [m_S]

    for number, snr, named in ((0, 1.0, "number"), (2, -1.0, "snr"), (2, math.inf, "snr")):
        with pytest.raises(ValueError, match=named):
            two_point_algorithm(number, snr, fine)
    with pytest.raises(ValueError, match="two lists"):
        two_point_algorithm(2, 1.0, lambda m_S, m, k: ([m_S], [m_S, m_S]))


@pytest.mark.parametrize(("number", "snr"), [(1, 1.0), (2, 1.0), (7, 0.3), (20, 4.0)])
def test_the_true_score_is_as_far_as_the_constants_differ(number, snr):
    case = two_point(number, snr)
    assert abs(two_point_true_score(number, snr) - case.constant + case.seen_loss) < 1e-11


def test_the_true_score_names_what_is_wrong():
    with pytest.raises(ValueError, match="number"):
        two_point_true_score(0, 1.0)
    with pytest.raises(ValueError, match="snr"):
        two_point_true_score(2, 0.0)
