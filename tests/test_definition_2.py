"""Stability: two ways to measure agree with each other, with closed forms and published runs."""

import math

import numpy as np
import pytest
import torch

from score_stability.diffusion import (
    Circle,
    Gaussian,
    OrnsteinUhlenbeck,
    TimeWeighting,
    Torus,
    TwoPoint,
)
from score_stability.scores import EmpiricalScore
from score_stability.stability import (
    Measurement,
    direct_losses,
    excess_losses,
    excess_root_gap,
    loss_only_sandwich,
    measure,
    measure_empirical,
    replace_one_rows,
)
from score_stability.theory import gauss_hermite, gaussian_mean, two_point
from score_stability.yardsticks import estimates

HEAT, OU = OrnsteinUhlenbeck(0.0), OrnsteinUhlenbeck(1.0)
CIRCLE = Circle(HEAT)


def at_sigma(sigma):
    return TimeWeighting.at(sigma**2 / 2)


def empirical(data, generator):
    return EmpiricalScore(data, HEAT)


def assert_contains(estimate, value, error=1e-5):
    assert abs(estimate.value - value) < estimate.half_width(error)


# The two ways to measure


@pytest.mark.parametrize("coupling", ["shared", "independent"])
def test_refitting_agrees_with_one_pass(coupling):
    tau = TimeWeighting([0.02, 0.1], [1.0, 3.0])
    slow = measure(empirical, CIRCLE.sample, HEAT, tau, 8, np.random.default_rng(0),
                   replicates=100, replacements=3, queries=8, coupling=coupling)
    fast = measure_empirical(CIRCLE.sample, HEAT, tau, 8, np.random.default_rng(1),
                             replicates=100, queries=32)
    for name in ("stability_squared", "fresh", "seen", "gap", "root_gap", "score_stability"):
        a, b = getattr(slow, name), getattr(fast, name)
        difference = estimates.Estimate(a.value - b.value,
                                        math.hypot(a.standard_error, b.standard_error), 99)
        assert_contains(difference, 0.0)


@pytest.mark.parametrize("number", [1, 2, 4])
def test_both_agree_with_the_exact_two_point_case(number):
    target, gamma = TwoPoint(HEAT), 1.0
    t = HEAT.time_of_snr(gamma)
    tau = TimeWeighting.at(t, weight=1 / HEAT.denoiser_to_score_units(t))
    exact = two_point(number, gamma)
    for found in (
        measure(empirical, target.sample, HEAT, tau, number, np.random.default_rng(2),
                replicates=300, queries=8),
        measure_empirical(target.sample, HEAT, tau, number, np.random.default_rng(3),
                          replicates=300, queries=8),
    ):
        assert_contains(found.stability_squared, exact.stability)
        assert_contains(found.fresh, exact.fresh_loss)
        if number > 1:
            assert_contains(found.seen, exact.seen_loss)
        assert_contains(found.gap, exact.gap)


@pytest.mark.parametrize("coupling", ["shared", "independent"])
def test_random_offset_against_closed_forms(coupling):
    # Mean-only fit plus a random offset tau_0 omega: the shared seed cancels it, an independent
    # one adds 2 d mu² tau_0²/v², which no number of data removes.
    d, N, offset, t = 2, 20, 0.5, 0.3
    target = Gaussian([0.0] * d, 1.0, OU)
    mu, variance = OU.mean_scale(t), OU.variance(t)
    v = mu**2 + variance

    def fit(data, generator):
        centre = data.mean(0) + offset * torch.from_numpy(generator.standard_normal(d))
        return lambda x, t: -(x - mu * centre) / v

    found = measure(fit, target.sample, OU, TimeWeighting.at(t), N, np.random.default_rng(4),
                    replicates=400, replacements=2, queries=8, coupling=coupling)
    exact = gaussian_mean(N, variance, mean_scale=mu, dimension=d)
    assert exact.stability == pytest.approx(2 * d * mu**2 / (N * v)**2, rel=1e-12)
    noise = d * mu**2 * offset**2 / v**2
    extra = 2 * noise if coupling == "independent" else 0.0
    assert_contains(found.stability_squared, exact.stability + extra)
    assert_contains(found.fresh, exact.fresh_loss + noise)
    assert_contains(found.seen, exact.seen_loss + noise)
    # Theorem 3 holds for any coupling.
    assert found.theorem3_margin.value > 0 and found.squared_margin.value > 0


def test_a_constant_score_is_perfectly_stable_and_has_no_gap():
    found = measure(lambda data, generator: lambda x, t: torch.zeros_like(x), CIRCLE.sample, HEAT,
                    at_sigma(0.5), 3, np.random.default_rng(0), replicates=5)
    assert found.stability_squared.value == 0 and found.gap.value == 0
    assert found.theorem3_margin.value == 0


@pytest.mark.parametrize("number", [1, 2, 5])
def test_losses_without_the_exchange(number):
    # L on fresh points and L̂ on the data themselves: no replacement is involved.
    target, gamma = TwoPoint(HEAT), 1.0
    t, exact = HEAT.time_of_snr(gamma), two_point(number, gamma)
    rows = direct_losses(target.sample, HEAT, t, number, np.random.default_rng(7), replicates=400,
                         queries=8, true_score=target.score)
    assert rows.shape == (400, 2)
    units = HEAT.denoiser_to_score_units(t)
    for column, loss in zip(rows.T, (exact.fresh_loss, exact.seen_loss), strict=True):
        assert_contains(estimates.mean(column / units), loss - exact.constant)


@pytest.mark.parametrize("number", [1, 2, 5, 20])
@pytest.mark.parametrize("gamma", [0.25, 4.0])
def test_losses_as_squared_distances_from_the_true_score(number, gamma):
    target = TwoPoint(HEAT)
    t, exact = HEAT.time_of_snr(gamma), two_point(number, gamma)
    rows = excess_losses(target.sample, HEAT, t, number, np.random.default_rng(9),
                         replicates=20_000, queries=4, true_score=target.score)
    assert rows.shape == (20_000, 2) and (rows[:, 0] >= 0).all() and (rows[:, 1] <= 0).all()
    units = HEAT.denoiser_to_score_units(t)
    for column, loss in zip(rows.T, (exact.fresh_loss, exact.seen_loss), strict=True):
        assert_contains(estimates.mean(column / units), loss - exact.constant)
    found = excess_root_gap(rows / units, exact.constant)
    assert_contains(found, exact.root_gap)
    assert found.standard_error < 0.06 * exact.root_gap


def test_pythagoras_on_one_training_set():
    """E_p̂ |s − g|² = E_p̂ |s − ŝ|² + L̂(S), by a grid over the noise of each training point."""
    t, (z, w) = 0.3, gauss_hermite(80)
    data = CIRCLE.sample(3, np.random.default_rng(1))
    noise = torch.from_numpy(np.stack(np.meshgrid(z, z), -1).reshape(-1, 2))
    weights = torch.from_numpy(np.outer(w, w).ravel())
    losses = np.zeros(3)
    for point in data:
        x, score = HEAT.sample(point[None].expand_as(noise), t, noise), EmpiricalScore(data, HEAT)
        g, s, empirical_ = (HEAT.conditional_score(x, t, point[None].expand_as(noise)),
                            CIRCLE.score(x, t), score(x, t))
        losses += [float(weights @ (u - v).square().sum(1))
                   for u, v in ((s, g), (s, empirical_), (empirical_, g))]
    assert losses[0] == pytest.approx(losses[1] + losses[2], rel=1e-6)


def test_squares_are_less_noisy_than_differences_of_losses():
    options = {"replicates": 60, "queries": 32, "true_score": CIRCLE.score}
    errors = [excess_root_gap(function(CIRCLE.sample, HEAT, 0.02, 200, np.random.default_rng(8),
                                       **options), CIRCLE.score_matching_constant(0.02))
              .standard_error for function in (excess_losses, direct_losses)]
    assert errors[0] < errors[1] / 3


def test_the_true_score_as_control_variate_removes_noise():
    t, options = 0.02, {"replicates": 30, "queries": 32}
    with_it, without = (
        direct_losses(CIRCLE.sample, HEAT, t, 200, np.random.default_rng(8), **options,
                      true_score=score)
        for score in (CIRCLE.score, lambda x, t: torch.zeros_like(x)))
    errors = [estimates.mean(rows[:, 0]).standard_error for rows in (with_it, without)]
    assert errors[0] < errors[1] / 3


# Published run: Theorem 3 on the circle, and its control


@pytest.mark.parametrize(("sigma", "number", "root_gap", "eps", "generic"), [
    (0.05, 400, (0.968, 0.018), (1.306, 0.017), (0.329, 0.012)),
    (0.2, 200, (0.1158, 0.0018), (0.1557, 0.0016), (0.0803, 0.0014)),
    (1.0, 50, (0.0181, 0.0002), (0.0283, 0.0002), (0.0248, 0.0002))])
def test_circle(sigma, number, root_gap, eps, generic):
    runs = [measure_empirical(CIRCLE.sample, HEAT, at_sigma(sigma), number,
                              np.random.default_rng(6), replicates=40, queries=64,
                              third_point=third) for third in (False, True)]
    run, control = runs
    for estimate, (value, error) in ((run.root_gap, root_gap), (run.score_stability, eps),
                                     (control.score_stability, generic)):
        both = estimates.Estimate(estimate.value - value,
                                  math.hypot(estimate.standard_error, error), 39)
        assert_contains(both, 0.0, error=1e-4)
    for margin in (run.theorem3_margin, run.squared_margin, run.sandwich_margin):
        assert margin.value > margin.half_width(1e-5)
    assert run.slack.value == pytest.approx(run.score_stability.value / run.root_gap.value)
    # With a third point in place of the fresh one the theorem fails, to first order iff B > 2C.
    constants = CIRCLE.stability_constants(sigma**2 / 2)
    margin = estimates.jackknife(
        lambda s, L, L_hat: math.sqrt(s) - (math.sqrt(L) - math.sqrt(L_hat)),
        control.stability, run.fresh_loss, run.seen_loss)
    assert (margin.value < -margin.half_width(1e-5)) == (constants.B > 2 * constants.C)
    first_order = math.sqrt(2 * constants.B) / number
    assert control.score_stability.value == pytest.approx(first_order, rel=0.15)


def test_memorising_regime():
    # sigma far below the spacing: eps² is the whole gap, and Theorem 3 is tight.
    run = measure_empirical(Torus(2, HEAT).sample, HEAT, at_sigma(0.01), 30,
                            np.random.default_rng(0), replicates=40, queries=16)
    assert run.memorisation_fraction.value == pytest.approx(1, abs=0.01)
    assert run.slack.value == pytest.approx(1, abs=0.02)
    assert abs(run.sandwich_margin.value) < 0.01 * run.gap.value


def test_first_order_constant():
    # n_loc = 163: N² eps²/V is 1 within the stated bias 3/n_loc and the interval.
    run = measure_empirical(CIRCLE.sample, HEAT, at_sigma(0.2), 1024, np.random.default_rng(0),
                            replicates=24, queries=32)
    V = CIRCLE.stability_constants(0.02).V
    ratio = estimates.Estimate(1024**2 * run.stability_squared.value / V,
                               1024**2 * run.stability_squared.standard_error / V, 23)
    n_loc = 1024 / (2 * math.pi) * math.sqrt(2 * math.pi) * 0.2
    assert abs(ratio.value - 1) < 3 / n_loc + ratio.half_width(1e-5)


# Bookkeeping


def test_measurement_against_plain_formulas():
    s, L, L_hat = np.array([1.0, 1.5, 2.0]), np.array([5.0, 6.0, 8.0]), np.array([3.0, 3.5, 4.0])
    run = Measurement(s, L, L_hat)
    eps, root = math.sqrt(1.5), math.sqrt(19 / 3) - math.sqrt(3.5)
    assert run.stability_squared.value == pytest.approx(1.5)
    assert run.score_stability.value == pytest.approx(eps)
    assert run.fresh.value == pytest.approx(19 / 3) and run.seen.value == pytest.approx(3.5)
    assert run.gap.value == pytest.approx(19 / 3 - 3.5)
    assert run.root_gap.value == pytest.approx(root)
    assert run.slack.value == pytest.approx(eps / root)
    assert run.theorem3_margin.value == pytest.approx(eps - root)
    assert run.squared_margin.value == pytest.approx(2 * eps * math.sqrt(3.5) + 1.5 - 17 / 6)
    assert run.sandwich_margin.value == pytest.approx(17 / 6 - 1.5)
    assert run.memorisation_fraction.value == pytest.approx(1.5 / (17 / 6))
    low, high = loss_only_sandwich(run)
    assert low == run.root_gap and high.value == pytest.approx(math.sqrt(17 / 6))
    # Swapping L and L̂ changes the sign of the root gap and not the margin.
    swapped = Measurement(s, L_hat, L)
    assert swapped.root_gap.value == pytest.approx(-root)
    assert swapped.theorem3_margin.value == pytest.approx(run.theorem3_margin.value)


def test_pairing_makes_the_gap_visible():
    run = measure_empirical(CIRCLE.sample, HEAT, at_sigma(0.2), 200, np.random.default_rng(0),
                            replicates=30, queries=16)
    unpaired = math.hypot(run.fresh.standard_error, run.seen.standard_error)
    assert run.gap.standard_error < unpaired / 3
    assert run.gap.value > 5 * run.gap.standard_error
    low, high = loss_only_sandwich(run)
    assert low.value <= run.score_stability.value <= high.value


def test_rows_add_up_over_times_and_are_those_of_the_score():
    generator = np.random.default_rng(0)
    data, fresh, third = (CIRCLE.sample(n, generator) for n in (9, 5, 5))
    noise = torch.from_numpy(generator.standard_normal((5, 2)))
    score, tau = EmpiricalScore(data, HEAT), TimeWeighting([0.05, 0.2], [2.0, 0.5])
    for point in (None, third):
        rows = replace_one_rows(score, fresh, tau, noise, third=point)
        assert rows.shape == (5, 3)
        expected = 0
        for t, weight in ((0.05, 2.0), (0.2, 0.5)):
            clean = fresh if point is None else point
            parts = score.replace_one(HEAT.sample(clean, t, noise), t, fresh, clean)
            expected = expected + weight * np.stack([p.numpy() for p in parts], 1)
        np.testing.assert_allclose(rows, expected, rtol=1e-9)


def test_same_generator_same_measurement():
    def once(function, *first):
        return function(*first, CIRCLE.sample, HEAT, at_sigma(0.3), 4, np.random.default_rng(5),
                        replicates=3, queries=2)

    for arguments in ((measure, empirical), (measure_empirical,)):
        first, second = once(*arguments), once(*arguments)
        np.testing.assert_array_equal(first.stability, second.stability)
        np.testing.assert_array_equal(first.seen_loss, second.seen_loss)


def test_couplings_share_their_data():
    # Only the algorithm's generator differs, so a deterministic algorithm sees no difference.
    runs = [measure(empirical, CIRCLE.sample, HEAT, at_sigma(0.3), 4, np.random.default_rng(5),
                    replicates=3, replacements=2, coupling=c) for c in ("shared", "independent")]
    np.testing.assert_array_equal(runs[0].stability, runs[1].stability)


def test_data_are_not_changed_by_replacing():
    kept = []

    def fit(data, generator):
        kept.append((data, data.clone()))
        return EmpiricalScore(data, HEAT)

    measure(fit, CIRCLE.sample, HEAT, at_sigma(0.3), 4, np.random.default_rng(0), replicates=2,
            replacements=3)
    assert len(kept) == 2 * 4
    assert all(torch.equal(data, copy) for data, copy in kept)
    changed = [int((kept[0][0] != other).any(1).sum()) for other, _ in kept[1:4]]
    assert changed == [1, 1, 1]


# Wrong input


def test_wrong_measurements():
    good = np.ones(3)
    for bad, name in ((np.ones((3, 1)), "must have shape"), (np.array([1.0, math.nan, 1.0]),
                                                              "must be finite")):
        with pytest.raises(ValueError, match=f"stability {name}"):
            Measurement(bad, good, good)
    with pytest.raises(ValueError, match="fresh_loss must be a vector"):
        Measurement(good, np.ones(2), good)
    with pytest.raises(ValueError, match="seen_loss must be finite"):
        Measurement(good, good, np.full(3, math.inf))
    with pytest.raises(ValueError, match="measurement must have L > L̂"):
        loss_only_sandwich(Measurement(good, good, 2 * good))
    with pytest.raises(ValueError, match="replicates"):
        _ = Measurement([1.0], [1.0], [1.0]).gap
    with pytest.raises(ValueError, match="function must be finite"):
        _ = Measurement(good, good, good).slack


def test_wrong_counts_and_couplings():
    def run(function, *first, **changes):
        options = {"number": 4, "replicates": 2, "queries": 2, **changes}
        return function(*first, CIRCLE.sample, HEAT, at_sigma(0.3), options.pop("number"),
                        np.random.default_rng(0), **options)

    for name in ("number", "replicates", "queries", "replacements"):
        with pytest.raises(ValueError, match=name):
            run(measure, empirical, **{name: 0})
        if name != "replacements":
            with pytest.raises(ValueError, match=name):
                run(measure_empirical, **{name: 0})
            with pytest.raises(ValueError, match=name):
                direct_losses(CIRCLE.sample, HEAT, 0.1, generator=np.random.default_rng(0),
                              true_score=CIRCLE.score,
                              **{"number": 2, "replicates": 2, "queries": 2, name: 0})
            with pytest.raises(ValueError, match=name):
                excess_losses(CIRCLE.sample, HEAT, 0.1, generator=np.random.default_rng(0),
                              true_score=CIRCLE.score,
                              **{"number": 2, "replicates": 2, "queries": 2, name: 0})
    with pytest.raises(TypeError, match="true_score must be a function"):
        excess_losses(CIRCLE.sample, HEAT, 0.1, 2, np.random.default_rng(0), replicates=2,
                      queries=2, true_score=None)
    assert excess_root_gap(np.array([[2.0, -3.0], [2.0, -3.0]]), 2.0).value == 2  # L̂ is not below 0
    with pytest.raises(ValueError, match="constant"):
        excess_root_gap(np.ones((3, 2)), -1.0)
    with pytest.raises(ValueError, match="rows"):
        excess_root_gap(np.ones((3, 3)), 2.0)
    with pytest.raises(ValueError, match="coupling"):
        run(measure, empirical, coupling="best")
    with pytest.raises(ValueError, match="algorithm must return shape"):
        run(measure, lambda data, generator: lambda x, t: x[:, :1])


def test_wrong_rows():
    score, tau = EmpiricalScore(torch.zeros(3, 2), HEAT), at_sigma(0.3)
    noise = torch.zeros(4, 2)
    with pytest.raises(ValueError, match="fresh must have shape"):
        replace_one_rows(score, torch.zeros(4), tau, noise)
    with pytest.raises(ValueError, match="third must be finite"):
        replace_one_rows(score, torch.zeros(4, 2), tau, noise, third=torch.full((4, 2), math.nan))
    with pytest.raises(ValueError, match="noise must have the shape"):
        replace_one_rows(score, torch.zeros(3, 2), tau, noise)


# What users pass: every kind of draw, algorithm and score; errors before the work begins


class Linear(torch.nn.Module):
    """A trained network: float32, with gradients."""

    def __init__(self, data):
        super().__init__()
        self.layer = torch.nn.Linear(2, 2)
        with torch.no_grad():
            self.layer.weight.copy_(-torch.eye(2))
            self.layer.bias.copy_(data.mean(0))

    def forward(self, x, t):
        return self.layer(x) / t


def formula(data, generator):
    return lambda x, t: (data.mean(0) - x) / t


SCORES = {
    "formula": formula,
    "numpy": lambda data, g: lambda x, t: ((data.mean(0) - x) / t).numpy(),
    "list": lambda data, g: lambda x, t: ((data.mean(0) - x) / t).tolist(),
    "graph": lambda data, g: lambda x, t: (data.mean(0).requires_grad_() - x) / t,
    "module": lambda data, g: Linear(data).double(),
    "single": lambda data, g: lambda x, t: Linear(data)(x.float(), t),
}


def whole(n, generator):
    return generator.integers(0, 9, (n, 2))


DRAWS = {
    "numpy": whole,
    "uint8": lambda n, g: whole(n, g).astype(np.uint8),
    "float32": lambda n, g: whole(n, g).astype(np.float32),
    "list": lambda n, g: whole(n, g).tolist(),
    "torch int64": lambda n, g: torch.from_numpy(whole(n, g)),
    "torch uint8": lambda n, g: torch.from_numpy(whole(n, g)).byte(),
    "torch float64": lambda n, g: torch.from_numpy(whole(n, g)).double(),
    "graph": lambda n, g: torch.from_numpy(whole(n, g)).double().requires_grad_(),
}
TWO = TimeWeighting([0.5, 1.0], [1.0, 2.0])


def measured(algorithm=formula, draw=DRAWS["torch float64"], **changes):
    return measure(algorithm, draw, **{
        "process": OU, "weighting": TWO, "number": 4, "generator": np.random.default_rng(0),
        "replicates": 3, "replacements": 2, "queries": 3} | changes)


def one_pass(draw=DRAWS["torch float64"], **changes):
    return measure_empirical(draw, **{
        "process": OU, "weighting": TWO, "number": 4, "generator": np.random.default_rng(0),
        "replicates": 3, "queries": 3} | changes)


def direct(draw=DRAWS["torch float64"], **changes):
    return direct_losses(draw, **{
        "process": OU, "t": 0.5, "number": 4, "generator": np.random.default_rng(0),
        "replicates": 3, "queries": 3, "true_score": lambda x, t: -x} | changes)


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_any_draw_gives_the_same_measurement(draw):
    for function in (measured, one_pass):
        for name in ("stability", "fresh_loss", "seen_loss"):
            np.testing.assert_allclose(getattr(function(draw=draw), name),
                                       getattr(function(), name), rtol=1e-12)
    np.testing.assert_allclose(direct(draw), direct(), rtol=1e-12)


@pytest.mark.parametrize("kind", SCORES)
def test_any_score_gives_the_same_measurement(kind):
    found, expected = measured(SCORES[kind]), measured()
    rtol = 1e-4 if kind == "single" else 1e-12
    for name in ("stability", "fresh_loss", "seen_loss"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=rtol)
    true = SCORES[kind](torch.ones(1, 2, dtype=torch.float64), None)
    expected = direct(true_score=lambda x, t: (1 - x) / t)
    np.testing.assert_allclose(direct(true_score=true), expected, rtol=10 * rtol)


def test_a_network_in_single_precision_gets_single_precision():
    def single(n, generator):
        return DRAWS["torch float64"](n, generator).float()

    seen = []

    def fit(data, generator):
        assert data.dtype == torch.float32
        model = Linear(data)
        return lambda x, t: seen.append((x.dtype, torch.is_grad_enabled())) or model(x, t)

    found, expected = measured(fit, single), measured()
    assert set(seen) == {(torch.float32, False)}
    np.testing.assert_allclose(found.stability, expected.stability, rtol=1e-4)
    np.testing.assert_allclose(found.fresh_loss, expected.fresh_loss, rtol=1e-4)


@pytest.mark.parametrize("function", [measured, one_pass, direct])
def test_jobs_change_no_bit_and_progress_sees_every_replicate(function):
    seen = []

    def progress(rows, total):
        assert total == 3
        for row in rows:
            seen.append(row)
            yield row

    def numbers(result):
        return np.array(result if function is direct else
                        [result.stability, result.fresh_loss, result.seen_loss])

    expected = numbers(function())
    np.testing.assert_array_equal(numbers(function(jobs=2, progress=progress)), expected)
    assert len(seen) == 3
    np.testing.assert_array_equal(numbers(function(progress=progress)), expected)
    # What is drawn afterwards is the same too.
    ends = []
    for jobs in (1, 2):
        generator = np.random.default_rng(1)
        function(generator=generator, jobs=jobs)
        ends.append(generator.random())
    assert ends[0] == ends[1]


def test_direct_losses_of_any_algorithm():
    """The empirical score by its own name, by refitting, and with or without control variate."""
    def fit(data, generator):
        return EmpiricalScore(data, OU)

    # The seed of an algorithm is one more draw; the losses are those of the same law.
    many = {"queries": 200, "replicates": 60}
    own, refitted = direct(**many), direct(**many, algorithm=fit)
    error = np.sqrt(own.var(0) + refitted.var(0)) / math.sqrt(60)
    assert (np.abs(own.mean(0) - refitted.mean(0)) < 5 * error).all()

    def perfect(data, generator):
        return lambda x, t: -x

    # An algorithm that returns the true score: both differences vanish, both losses are C.
    assert (direct(algorithm=perfect) == 0).all()
    C = TimeWeighting.at(0.5).integrate(
        lambda t: torch.tensor([2 * OU.mean_scale(t)**2 / OU.variance(t)]))
    losses = direct(algorithm=perfect, true_score=None, draw=lambda n, g: g.standard_normal((n, 2)),
                    replicates=40, queries=500)
    np.testing.assert_allclose(losses.mean(0), float(C), rtol=0.05)
    # Over a time weighting: the weighted sum of single times, with the same draws.
    both = direct(t=TWO, true_score=None)
    single = [direct(t=float(t), true_score=None) for t in TWO.times]
    np.testing.assert_allclose(both, sum(w * s for w, s in zip(TWO.weights, single, strict=True)),
                               rtol=1e-12)


def never(*arguments):
    raise AssertionError("the work has begun")


WRONG = {
    "draw": [(None, TypeError), (torch.zeros(4, 2), TypeError)],
    "process": [(1.0, TypeError), (None, TypeError)],
    "generator": [(0, TypeError), (None, TypeError), (torch.Generator(), TypeError),
                  (np.random.RandomState(0), TypeError)],
    "weighting": [(0.5, TypeError), ([0.5], TypeError), (None, TypeError)],
    "number": [(0, ValueError), (4.0, TypeError), (True, TypeError), ("4", TypeError)],
    "replicates": [(0, ValueError), (1, ValueError), (2.0, TypeError)],
    "replacements": [(0, ValueError), (1.5, TypeError)],
    "queries": [(0, ValueError), (1.5, TypeError)],
    "coupling": [("best", ValueError)],
    "algorithm": [(None, TypeError), (3, TypeError)],
    "true_score": [(3, TypeError)],
    "jobs": [(0, ValueError), (-1, ValueError), (1.5, TypeError), (None, TypeError)],
    "progress": [(True, TypeError), ("bar", TypeError)],
    "t": [(0.0, ValueError), (1e-310, ValueError), (math.nan, ValueError), ([0.1, 0.2], ValueError),
          ("now", TypeError)],
}
OWN = {measured: ("weighting", "replacements", "coupling", "algorithm"),
       one_pass: ("weighting",), direct: ("true_score", "t", "algorithm")}


@pytest.mark.parametrize("function", OWN)
@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_are_named_before_the_work_begins(function, name):
    if name in {n for names in OWN.values() for n in names} - set(OWN[function]):
        return
    for value, error in WRONG[name]:
        if name == "replicates" and value == 1 and function is direct:
            continue  # it returns rows, no error over data sets
        if name == "algorithm" and value is None and function is direct:
            continue  # the empirical score
        work = {"draw": never} | ({"algorithm": never} if function is measured else {})
        with pytest.raises(error, match=rf"^{name} must be"):
            function(**work | {name: value})


@pytest.mark.parametrize("function", OWN)
def test_what_draw_returns_is_checked_before_the_first_fit(function):
    good = DRAWS["torch float64"]
    work = {"algorithm": never} if function is measured else {}
    for bad in (lambda n, g: good(n + 1, g), lambda n, g: good(n, g)[0], lambda n, g: None,
                lambda n, g: good(n, g) * math.nan, lambda n, g: good(n, g).numpy() + 1j,
                lambda n, g: good(n, g)[:, :0], lambda n, g: [["a", "b"]] * n):
        with pytest.raises((ValueError, TypeError), match=r"^what draw returns must"):
            function(draw=bad, **work)


def test_what_an_algorithm_returns_is_checked():
    for bad, error, words in (
            (lambda data, g: None, TypeError, "algorithm must return a score function"),
            (lambda data, g: lambda x, t: x[:1], ValueError, "algorithm must return shape"),
            (lambda data, g: lambda x, t: x * math.nan, ValueError,
             "what algorithm returns must be finite"),
            (lambda data, g: lambda x, t: x + 1j, TypeError, "what algorithm returns must be")):
        with pytest.raises(error, match=words):
            measured(bad)
    for bad in (lambda x, t: x[:1], lambda x, t: x * math.nan, lambda x, t: None):
        with pytest.raises((ValueError, TypeError), match="true_score"):
            direct(true_score=bad)
    with pytest.raises(TypeError, match="score must be an EmpiricalScore"):
        replace_one_rows(CIRCLE.score, torch.ones(3, 2), TWO, torch.ones(3, 2))
    with pytest.raises(TypeError, match="weighting must be a TimeWeighting"):
        replace_one_rows(EmpiricalScore(torch.ones(3, 2), OU), torch.ones(3, 2), 0.1,
                         torch.ones(3, 2))
