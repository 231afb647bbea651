"""Forward process: the ODE of its variance, limits, inverses, Gaussian scores, wrong input."""

import math

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from score_stability.diffusion import OrnsteinUhlenbeck
from score_stability.diffusion.process import EXTREME, by_time, check_time, one_time

repeatable = settings(max_examples=40, deadline=None, derandomize=True)
alphas = st.one_of(st.just(0.0), st.floats(1e-6, 4.0))
times = st.floats(1e-4, 5.0)
ALPHAS = (0.0, 0.3, 1.0, 2.5)


def rows(seed, count=5, d=3):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal((count, d)))


# Closed forms


@repeatable
@given(alphas, times)
def test_variance_solves_its_differential_equation(alpha, t):
    process, step = OrnsteinUhlenbeck(alpha), 1e-5 * t
    slope = (process.variance(t + step) - process.variance(t - step)) / (2 * step)
    assert slope == pytest.approx(2 - 2 * alpha * process.variance(t), rel=1e-7, abs=1e-7)


@repeatable
@given(alphas, times, times)
def test_semigroup(alpha, s, t):
    process = OrnsteinUhlenbeck(alpha)
    mu = process.mean_scale(t)
    assert process.mean_scale(s + t) == pytest.approx(process.mean_scale(s) * mu, rel=1e-12)
    expected = mu**2 * process.variance(s) + process.variance(t)
    assert process.variance(s + t) == pytest.approx(expected, rel=1e-12)


@repeatable
@given(times)
def test_small_alpha_tends_to_the_heat_flow(t):
    heat, nearly = OrnsteinUhlenbeck(0.0), OrnsteinUhlenbeck(1e-12)
    for name in ("mean_scale", "variance", "snr"):
        assert getattr(nearly, name)(t) == pytest.approx(getattr(heat, name)(t), rel=1e-10)


@repeatable
@given(alphas, times)
def test_signal_to_noise_ratio(alpha, t):
    process, step = OrnsteinUhlenbeck(alpha), 1e-5 * t
    mu, variance = process.mean_scale(t), process.variance(t)
    assert process.snr(t) == pytest.approx(mu**2 / variance, rel=1e-12)
    slope = (process.snr(t + step) - process.snr(t - step)) / (2 * step)
    # The same constant turns squared distances of denoisers into squared distances of scores.
    units = process.denoiser_to_score_units(t)
    assert units == pytest.approx(mu**2 / variance**2, rel=1e-12)
    assert slope == pytest.approx(-2 * units, rel=1e-6)


@repeatable
@given(alphas, times)
def test_time_of_snr_inverts_snr(alpha, t):
    process = OrnsteinUhlenbeck(alpha)
    assert process.time_of_snr(process.snr(t)) == pytest.approx(t, rel=1e-9)


def test_stationary_variance_is_one_over_alpha():
    assert OrnsteinUhlenbeck(2.0).variance(30.0) == pytest.approx(0.5, rel=1e-15)


# The same numbers for floats, arrays and tensors


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("name", ["mean_scale", "variance", "snr", "time_of_snr",
                                  "denoiser_to_score_units"])
def test_floats_arrays_and_tensors_agree(alpha, name):
    function = getattr(OrnsteinUhlenbeck(alpha), name)
    values = np.array([1e-3, 0.2, 1.0, 3.0])
    array, tensor = function(values), function(torch.from_numpy(values))
    assert isinstance(array, np.ndarray) and isinstance(tensor, torch.Tensor)
    np.testing.assert_allclose(array, [function(float(v)) for v in values], rtol=1e-14)
    np.testing.assert_allclose(tensor.numpy(), array, rtol=1e-14)


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("points", ["numpy", "torch"])
@pytest.mark.parametrize("clock", ["numpy", "torch"])
def test_a_vector_of_times_is_one_time_per_row(alpha, points, clock):
    process = OrnsteinUhlenbeck(alpha)
    x, x0 = rows(1), rows(2)
    t = torch.tensor([0.1, 0.5, 0.1, 2.0, 0.01], dtype=torch.float64)
    if points == "numpy":
        x, x0 = x.numpy(), x0.numpy()
    if clock == "numpy":
        t = t.numpy()
    for function in (lambda x, t, x0: process.sample(x0, t, x), process.conditional_score,
                     lambda x, t, x0: process.score_from_denoiser(x0, x, t),
                     lambda x, t, x0: process.denoiser_from_score(x0, x, t)):
        together = function(x, t, x0)
        assert isinstance(together, type(x))
        for k in range(5):
            alone = function(x[k:k + 1], float(t[k]), x0[k:k + 1])
            np.testing.assert_allclose(np.asarray(together[k:k + 1]), np.asarray(alone),
                                       rtol=1e-14)


# Gaussian transitions


@repeatable
@given(alphas, times)
def test_sample_is_mean_plus_noise(alpha, t):
    process, x0, noise = OrnsteinUhlenbeck(alpha), rows(3), rows(4)
    x = process.sample(x0, t, noise)
    expected = process.mean_scale(t) * x0 + math.sqrt(process.variance(t)) * noise
    torch.testing.assert_close(x, expected, rtol=1e-14, atol=0)
    # Hence the conditional score is −noise/sigma.
    torch.testing.assert_close(process.conditional_score(x, t, x0),
                               -noise / math.sqrt(process.variance(t)), rtol=1e-7, atol=1e-7)


@repeatable
@given(alphas, times)
def test_conditional_score_is_the_gradient_of_the_gaussian_log_density(alpha, t):
    process, x0 = OrnsteinUhlenbeck(alpha), rows(5)
    x = rows(6).requires_grad_()
    law = torch.distributions.Normal(process.mean_scale(t) * x0, math.sqrt(process.variance(t)))
    (gradient,) = torch.autograd.grad(law.log_prob(x).sum(), x)
    torch.testing.assert_close(process.conditional_score(x.detach(), t, x0), gradient,
                               rtol=1e-11, atol=1e-12)


@repeatable
@given(alphas, times)
def test_tweedie_round_trip(alpha, t):
    process, x, score = OrnsteinUhlenbeck(alpha), rows(7), rows(8)
    denoised = process.denoiser_from_score(score, x, t)
    scale = 1 + float(x.abs().max()) / process.variance(t)
    torch.testing.assert_close(process.score_from_denoiser(denoised, x, t), score,
                               rtol=0, atol=1e-14 * scale)


# Grouping by time


def test_by_time_equals_a_loop_over_rows():
    x = rows(9, count=6)
    t = torch.tensor([0.3, 0.1, 0.3, 0.2, 0.1, 0.3])
    seen = []

    def function(x, t):
        seen.append(t)
        return x * t + t**2

    for clock in (t, t.numpy(), t.tolist()):
        seen.clear()
        together = by_time(function, x, clock)
        assert len(seen) == 3  # one call per distinct time
        for k in range(6):
            torch.testing.assert_close(together[k], function(x[k], float(t[k])))


def test_by_time_passes_a_float():
    for t in (0.5, np.float64(0.5), torch.tensor(0.5, dtype=torch.float64)):
        assert by_time(lambda x, t: type(t), None, t) is float


# Wrong input


@pytest.mark.parametrize("alpha", [-1.0, -1e-300, math.nan, math.inf])
def test_wrong_alpha(alpha):
    with pytest.raises(ValueError, match="alpha"):
        OrnsteinUhlenbeck(alpha)


@pytest.mark.parametrize("t", [0.0, -1.0, math.nan, math.inf, np.array([0.1, 0.0]),
                               torch.tensor([0.1, -1.0]), torch.tensor(math.nan)])
def test_wrong_time(t):
    process = OrnsteinUhlenbeck(1.0)
    with pytest.raises(ValueError, match="t must be positive"):
        check_time(t)
    for function in (process.mean_scale, process.variance, process.snr):
        with pytest.raises(ValueError, match="t must be positive"):
            function(t)
    with pytest.raises(ValueError, match="snr"):
        process.time_of_snr(t)


def test_wrong_shapes():
    process, x = OrnsteinUhlenbeck(1.0), rows(0)
    with pytest.raises(ValueError, match="noise must have the shape"):
        process.sample(x, 0.1, x[:2])
    with pytest.raises(ValueError, match=r"t must be a number or have shape \(5,\)"):
        by_time(lambda x, t: x, x, torch.ones(3))
    with pytest.raises(ValueError, match="t must be positive"):
        by_time(lambda x, t: x, x, torch.zeros(5))
    for function in (process.conditional_score, process.sample):
        with pytest.raises(ValueError, match=r"t must be a number or have shape \(5,\)"):
            function(x, torch.ones(3), x)


# Extreme times


def decades(low, high):
    return st.floats(low, high).map(lambda e: 10.0**e)


@repeatable
@given(st.one_of(st.just(0.0), decades(-150, 150)), decades(-150, 150))
def test_closed_forms_at_all_times_that_are_accepted(alpha, t):
    process = OrnsteinUhlenbeck(alpha)
    with mpmath.workdps(60):
        a, s = mpmath.mpf(alpha), mpmath.mpf(t)
        variance = -mpmath.expm1(-2 * a * s) / a if alpha else 2 * s
        mu = mpmath.exp(-a * s)
        expected = {"mean_scale": mu, "variance": variance, "snr": mu**2 / variance,
                    "denoiser_to_score_units": mu**2 / variance**2}
        expected = {name: float(value) for name, value in expected.items()}
    # exp(−x) has relative error x u.
    rtol = 1e-14 * (1 + min(2 * alpha * t, 1500))
    for name, value in expected.items():
        for clock in (t, np.array([t]), torch.tensor([t], dtype=torch.float64)):
            found = float(np.ravel(getattr(process, name)(clock))[0])
            assert found == pytest.approx(value, rel=rtol, abs=1e-300), name


@pytest.mark.parametrize("t", [1e-310, 5e-324, 0.9 / EXTREME, 1.1 * EXTREME, 1e308, math.inf, 0.0,
                               -1.0, math.nan])
def test_times_beyond_are_refused_by_name(t):
    x = rows(0)
    for process in (OrnsteinUhlenbeck(0.0), OrnsteinUhlenbeck(1.0)):
        for clock in (t, [t] * 5, np.full(5, t), torch.full((5,), t, dtype=torch.float64)):
            for call, arguments in (
                    (process.mean_scale, (clock,)), (process.variance, (clock,)),
                    (process.snr, (clock,)), (process.denoiser_to_score_units, (clock,)),
                    (check_time, (clock,)), (process.sample, (x, clock, x)),
                    (process.conditional_score, (x, clock, x)),
                    (process.denoiser_from_score, (x, x, clock)),
                    (by_time, (lambda x, t: x, x, clock))):
                with pytest.raises(ValueError, match=r"^t must be"):
                    call(*arguments)
            with pytest.raises(ValueError, match=r"^snr must be"):
                process.time_of_snr(clock)
    if math.isfinite(t) and t > 0:
        with pytest.raises(ValueError, match=r"^alpha must be"):
            OrnsteinUhlenbeck(t)


def test_a_mean_scale_of_zero_leaves_no_denoiser():
    process, x = OrnsteinUhlenbeck(1.0), rows(0)
    torch.testing.assert_close(process.conditional_score(x, 1e4, 7 * x), -x)
    with pytest.raises(ValueError, match="result overflows"):
        process.denoiser_from_score(x, x, 1e4)


def test_one_time():
    for t in (2, 2.0, np.float32(2), np.array(2), torch.tensor(2),
              torch.tensor(2.0).requires_grad_()):
        assert type(one_time(t)) is float and one_time(t) == 2.0
    with pytest.raises(ValueError, match="t must be a number here"):
        one_time([2.0])


def test_the_forward_process_keeps_the_gradient():
    process, t = OrnsteinUhlenbeck(1.0), torch.tensor(0.3).requires_grad_()
    x = rows(0).float().requires_grad_()
    process.conditional_score(x, 0.3, torch.zeros_like(x)).sum().backward()
    torch.testing.assert_close(x.grad, torch.full_like(x, -1 / process.variance(0.3)))
    process.mean_scale(t).backward()
    assert float(t.grad) == pytest.approx(-math.exp(-0.3), rel=1e-6)
