"""Divergences against closed forms of Gaussians, invariants, wrong input."""

import math
import sys
from types import SimpleNamespace

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from score_stability.datasets import DataUnavailable
from score_stability.yardsticks import (
    energy_distance,
    frechet_distance,
    frechet_of_images,
    gaussian_kl,
    inception_metrics,
    kl,
    total_variation,
    wasserstein_1,
)

repeatable = settings(max_examples=25, deadline=None, derandomize=True)
centre, deviation = st.floats(-1, 1), st.floats(0.3, 2)
X = np.linspace(-25, 25, 8001)
W = np.full(X.size, X[1] - X[0])


def log_normal(m, s):
    return -0.5 * ((X - m) / s)**2 - math.log(s * math.sqrt(2 * math.pi))


@repeatable
@given(centre, deviation, centre, deviation)
def test_gaussians(m, s, other_m, other_s):
    p, q = log_normal(m, s), log_normal(other_m, other_s)
    assert kl(p, q, W) == pytest.approx(gaussian_kl(m, s**2, other_m, other_s**2), rel=1e-9,
                                        abs=1e-12)
    tv = total_variation(p, q, W)
    assert 0 <= tv <= 1 and tv <= math.sqrt(kl(p, q, W) / 2) + 1e-4  # Pinsker
    assert tv == total_variation(q, p, W)
    # W_1 lies between |difference of means| and W_2.
    w = wasserstein_1(p, q, X, W)
    assert abs(m - other_m) - 1e-6 <= w <= math.hypot(m - other_m, s - other_s) + 1e-6


def test_equal_variances():
    p, q = log_normal(0.0, 1.0), log_normal(0.7, 1.0)
    assert wasserstein_1(p, q, X, W) == pytest.approx(0.7, rel=1e-6)
    assert total_variation(p, q, W) == pytest.approx(math.erf(0.35 / math.sqrt(2)), abs=1e-5)


def test_tails_that_underflow_still_count():
    # q underflows in exp at |x| > 3; its logarithm does not.
    assert kl(log_normal(0, 1), log_normal(0, 0.05), W) == pytest.approx(
        gaussian_kl(0, 1, 0, 0.0025), rel=1e-9)
    # p = 0 contributes nothing, whatever q is there.
    p = np.where(abs(X) < 10, log_normal(0, 1), -np.inf)
    q = np.where(abs(X) < 10, log_normal(0, 2), -np.inf)
    assert kl(p, q, W) == pytest.approx(gaussian_kl(0, 1, 0, 4), rel=1e-9)


def test_energy_distance():
    generator = np.random.default_rng(0)
    # On the line E|X − Y| of N(0, 1) and N(m, 1): closed form by the folded normal.
    x, y = generator.standard_normal((4000, 1)), 1.5 + generator.standard_normal((3000, 1))
    m = 1.5
    between = (2 / math.sqrt(math.pi) * math.exp(-m**2 / 4) + m * math.erf(m / 2))
    expected = 2 * between - 4 / math.sqrt(math.pi)
    assert energy_distance(x, y) == pytest.approx(expected, abs=0.15)
    assert energy_distance(x, y) == pytest.approx(energy_distance(y, x), rel=1e-12)
    few = energy_distance(x, y, pairs=200000, generator=generator)
    assert few == pytest.approx(energy_distance(x, y), abs=0.03)
    # Unbiased: for two samples of one law the mean is 0 and the sign varies.
    nulls = [energy_distance(generator.standard_normal((20, 2)),
                             generator.standard_normal((25, 2))) for _ in range(200)]
    assert min(nulls) < 0 < max(nulls)
    assert abs(np.mean(nulls)) < 5 * np.std(nulls) / math.sqrt(200)


def test_pairs_of_different_points_only():
    # Two points at distance 2: E|X − X'| over different points is exactly 2.
    x = np.array([[0.0], [2.0]])
    assert energy_distance(x, x, pairs=4000, generator=np.random.default_rng(0)) == pytest.approx(
        -2.0, abs=0.2)


def test_frechet_distance():
    generator = np.random.default_rng(1)
    x = generator.standard_normal((500, 3)) @ np.diag([1.0, 2.0, 0.5])
    assert frechet_distance(x, x, features="line") == pytest.approx(0.0, abs=1e-9)
    moved = x + np.array([1, 2, 0])
    assert frechet_distance(x, moved, features="line") == pytest.approx(5.0, rel=1e-9)
    # Commuting covariances: sum of squared differences of deviations.
    scaled = (x - x.mean(0)) * 3 + x.mean(0)
    expected = 4 * np.trace(np.cov(x, rowvar=False))
    assert frechet_distance(x, scaled, features="line") == pytest.approx(expected, rel=1e-9)
    line = frechet_distance(x[:, :1], scaled[:, :1], features="line")
    assert line == pytest.approx(4 * x[:, 0].var(ddof=1), rel=1e-9)


def test_wrong_input():
    p = log_normal(0, 1)
    with pytest.raises(ValueError, match="log_p, log_q, weights must be vectors"):
        kl(p, p[:-1], W)
    with pytest.raises(ValueError, match="log_q must not be NaN"):
        kl(p, np.where(X[0] == X, np.nan, p), W)
    with pytest.raises(ValueError, match="log_p must have mass 1"):
        kl(log_normal(25, 1), p, W)
    with pytest.raises(ValueError, match="variances"):
        gaussian_kl(0, 1, 0, 0)
    good = np.zeros((3, 2))
    for bad in (np.zeros(3), np.zeros((1, 2)), np.full((3, 2), np.nan)):
        for function in (energy_distance, lambda x, y: frechet_distance(x, y, features="f")):
            with pytest.raises(ValueError, match=r"^x must (have|hold at least two|be fin)"):
                function(bad, good)
            with pytest.raises(ValueError, match=r"^y must (have|hold at least two|be fin)"):
                function(good, bad)
    with pytest.raises(ValueError, match=r"y must have shape \(M, 2\)"):
        energy_distance(good, np.zeros((3, 1)))
    with pytest.raises(ValueError, match=r"y must have shape \(M, 2\)"):
        frechet_distance(good, np.zeros((3, 1)), features="f")
    with pytest.raises(ValueError, match="pairs"):
        energy_distance(good, good, pairs=0, generator=np.random.default_rng(0))
    with pytest.raises(TypeError, match="generator"):
        energy_distance(good, good, pairs=3)
    with pytest.raises(ValueError, match="features must name"):
        frechet_distance(good, good, features="")


def test_frechet_of_images():
    generator = np.random.default_rng(2)
    images = generator.random((50, 4, 4))

    def sums(pixels):  # a stand-in for a network: two features
        return np.stack((pixels.sum((1, 2)), pixels[:, 0, 0]), axis=1)

    # Adding c to all 16 pixels moves the features by (16 c, c).
    value = frechet_of_images(images, images + 0.5, sums, features="sums")
    assert value == pytest.approx(8**2 + 0.5**2, rel=1e-9)
    assert value == pytest.approx(
        frechet_distance(sums(images), sums(images + 0.5), features="sums"), rel=1e-12)
    with pytest.raises(ValueError, match="images must be finite"):
        frechet_of_images(np.where(images > 0.9, np.nan, images), images, sums, features="s")
    with pytest.raises(ValueError, match=r"reference must have shape \(M, \.\.\.\)"):
        frechet_of_images(images, np.zeros(5), sums, features="s")
    with pytest.raises(ValueError, match="reference must be more than the 2 features"):
        frechet_of_images(images, images[:2], sums, features="s")
    for bad in (lambda x: x, lambda x: sums(x)[1:], lambda x: np.nan * sums(x)):
        with pytest.raises(ValueError, match=r"^extractor\(images\) must (have shape|be finite)"):
            frechet_of_images(images, images, bad, features="s")
    with pytest.raises(ValueError, match="features must name"):
        frechet_of_images(images, images, sums, features="")


class MeanColour:
    """Stand-in for both metrics: mean colours instead of Inception features, no weights."""

    def __init__(self, **options):
        assert options.pop("normalize") is True and options in ({}, {"feature": 2048})
        self.parts = {True: [], False: []}

    def update(self, images, real=False):
        assert images.dtype == torch.float32 and images.shape[1] == 3
        self.parts[real].append(images.mean((2, 3)).double())

    def compute(self):
        fake = torch.cat(self.parts[False])
        if not self.parts[True]:
            return fake.mean(), fake.std()
        return torch.tensor(frechet_distance(fake, torch.cat(self.parts[True]), features="colour"))


def test_inception_metrics_with_a_stand_in(monkeypatch):
    stand_in = SimpleNamespace(FrechetInceptionDistance=MeanColour, InceptionScore=MeanColour)
    reference = np.random.default_rng(3).random((2049, 2, 2, 3)) * 0.5
    result = inception_metrics(reference + 0.25, reference, metrics=stand_in)
    # Every colour moves by 1/4; all images are used once, in whatever batches.
    assert result.fid == pytest.approx(3 / 16, rel=1e-5)
    assert result.inception_score == pytest.approx(reference.mean() + 0.25, rel=1e-5)
    again = inception_metrics(reference + 0.25, reference, metrics=stand_in, batch=1000)
    assert again == pytest.approx(result, rel=1e-9)
    for bad, message in ((reference[:2048], "images must be more than the 2048"),
                         (reference[..., 0], r"images must have shape \(M, h, w, 3\)"),
                         (reference + 1, r"images must lie in \[0, 1\]"),
                         (np.full_like(reference, np.nan), "images must be finite")):
        with pytest.raises(ValueError, match=message):
            inception_metrics(bad, reference, metrics=stand_in)
    with pytest.raises(ValueError, match="batch"):
        inception_metrics(reference, reference, metrics=stand_in, batch=0)

    def no_network(**options):
        raise OSError("no route to host")

    with pytest.raises(DataUnavailable, match="no route to host"):
        inception_metrics(reference, reference, metrics=SimpleNamespace(
            FrechetInceptionDistance=no_network))
    monkeypatch.setitem(sys.modules, "torchmetrics", None)
    monkeypatch.setitem(sys.modules, "torchmetrics.image", None)
    with pytest.raises(DataUnavailable, match="need torchmetrics"):
        inception_metrics(reference, reference)


def test_nan_images_and_too_few_of_them():
    """Wrong images reach no metric: one NaN pixel, or fewer images than features."""
    images = np.random.default_rng(4).random((6, 3, 3))
    broken = images.copy()
    broken[1, 2, 0] = np.nan

    def two(pixels):
        return pixels.reshape(len(pixels), -1)[:, :2]

    for first, second, argument in ((broken, images, "images"), (images, broken, "reference")):
        with pytest.raises(ValueError, match=f"^{argument} must be finite"):
            frechet_of_images(first, second, two, features="two pixels")
    with pytest.raises(ValueError, match=r"^images must be more than the 2 features"):
        frechet_of_images(images[:2], images, two, features="two pixels")
    flat = images.reshape(6, -1)
    for function in (energy_distance, lambda x, y: frechet_distance(x, y, features="pixels")):
        with pytest.raises(ValueError, match=r"^x must be finite"):
            function(broken.reshape(6, -1), flat)
        with pytest.raises(ValueError, match=r"^y must hold at least two points"):
            function(flat, flat[:1])


def test_densities_far_below_the_smallest_number_stay_in_log_space():
    """Two spikes 300 deviations apart: exp(log q) is 0 where p lives, KL is 45000 nats."""
    x = np.linspace(-20, 320, 20001)
    weights = np.full(x.size, x[1] - x[0])
    log_p, log_q = (-0.5 * (x - m)**2 - 0.5 * math.log(2 * math.pi) for m in (0.0, 300.0))
    assert np.exp(log_q[np.argmax(log_p)]) == 0.0
    assert kl(log_p, log_q, weights) == pytest.approx(300**2 / 2, rel=1e-9)
    assert total_variation(log_p, log_q, weights) == pytest.approx(1.0, abs=1e-9)


# Right numbers or clear errors


def exact_kl(mean_p, variance_p, mean_q, variance_q):
    with mpmath.workdps(60):
        m, p, n, q = map(mpmath.mpf, (mean_p, variance_p, mean_q, variance_q))
        return (p / q - 1 - mpmath.log(p / q) + (m - n) ** 2 / q) / 2


exponent = st.floats(-120, 120)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(mean=st.floats(-1e8, 1e8), shift=st.floats(-16, 8), scale=exponent, ratio=exponent,
       near=st.floats(-17, 0), side=st.sampled_from([-1, 0, 1]))
def test_gaussian_kl_has_all_its_digits(mean, shift, scale, ratio, near, side):
    """Equal, nearly equal and extreme variances and means, against 60 digits."""
    variance = 10**scale
    others = (variance * 10**ratio, variance * (1 + side * 0.9 * 10**near))
    for other in others:
        for mean_q in (mean, mean + 10**shift):
            expected = exact_kl(mean, variance, mean_q, other)
            assert gaussian_kl(mean, variance, mean_q, other) == pytest.approx(
                float(expected), rel=1e-9, abs=0)


def test_gaussian_kl_refuses_what_has_no_number():
    for mean in (math.nan, math.inf, -math.inf):
        with pytest.raises(ValueError, match=r"^mean_p must be finite"):
            gaussian_kl(mean, 1, mean, 1)
    for variance in (math.nan, math.inf, -1.0, 0.0):
        for pair in ((variance, 1.0), (1.0, variance)):
            with pytest.raises(ValueError, match=r"^variance(_[pq] must be finite|s must be pos)"):
                gaussian_kl(0, pair[0], 0, pair[1])
    assert gaussian_kl(0, 1e300, 0, 1e-300) == math.inf
    assert gaussian_kl(1e300, 1, -1e300, 1) == math.inf


@repeatable
@given(surplus=st.floats(2e-6, 5), sign=st.sampled_from([-1, 1]))
def test_laws_without_mass_one_are_refused(surplus, sign):
    p = log_normal(0, 1)
    wrong, name = p + sign * surplus, "mass" if sign > 0 else "mass 1"
    for first, second in ((wrong, p), (p, wrong)):
        for distance in (lambda a, b: total_variation(a, b, W),
                         lambda a, b: wasserstein_1(a, b, X, W)):
            with pytest.raises(ValueError, match=f"log_[pq] must have {name}"):
                distance(first, second)
    with pytest.raises(ValueError, match="log_p must have mass 1"):
        kl(wrong, p, W)
    if sign > 0:
        with pytest.raises(ValueError, match="log_q must have mass at most 1"):
            kl(p, wrong, W)
    else:  # q may have mass elsewhere
        assert kl(p, wrong, W) == pytest.approx(surplus, rel=1e-6)


def test_wasserstein_looks_at_its_nodes():
    p, q = log_normal(0, 1), log_normal(1, 1)
    repeated = X.copy()
    repeated[4000] = repeated[4001]
    for nodes in (X[::-1], repeated, np.zeros_like(X)):
        with pytest.raises(ValueError, match="nodes must increase"):
            wasserstein_1(p, q, nodes, W)
    for nodes in (3 * X, X / 3):
        with pytest.raises(ValueError, match="weights must be those of a rule"):
            wasserstein_1(p, q, nodes, W)


@repeatable
@given(centre, deviation, centre, deviation, centre, deviation)
def test_metrics(m, s, other_m, other_s, third_m, third_s):
    """Symmetry, triangle, data processing (a coarser grid of events), and the stated error."""
    p, q, r = (log_normal(*pair) for pair in ((m, s), (other_m, other_s), (third_m, third_s)))
    for distance in (lambda a, b: total_variation(a, b, W),
                     lambda a, b: wasserstein_1(a, b, X, W)):
        assert distance(p, q) == distance(q, p) and distance(p, p) == 0
        assert distance(p, r) <= distance(p, q) + distance(q, r) + 1e-12
    masses = [np.log(np.add.reduceat(W * np.exp(law), np.arange(0, X.size, 40)) + 1e-300)
              for law in (p, q)]
    one = np.ones_like(masses[0])
    assert kl(*masses, one) <= kl(p, q, W) + 1e-12
    assert total_variation(*masses, one) <= total_variation(p, q, W) + 1e-12
    for distance in (kl, total_variation):
        value, error = distance(p, q, W, with_error=True)
        # Nodes 0.2 apart, the least deviation is 0.3: at one deviation no rule sees a kink.
        rough, rough_error = distance(p[::32], q[::32], 32 * W[::32], with_error=True)
        assert error < 1e-4 and abs(value - rough) <= error + rough_error


def plain_energy_distance(x, y):
    def mean(a, b):
        return math.fsum(math.dist(u, v) for u in a for v in b)
    return (2 * mean(x, y) / (len(x) * len(y)) - mean(x, x) / (len(x) * (len(x) - 1))
            - mean(y, y) / (len(y) * (len(y) - 1)))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=st.integers(0, 999), size=st.integers(2, 12), other=st.integers(2, 12),
       d=st.sampled_from([1, 3, 15, 16, 40]), offset=st.sampled_from([0.0, 1e6]),
       spread=st.sampled_from([1.0, 1e-5]), twins=st.booleans())
def test_energy_distance_by_its_definition(seed, size, other, d, offset, spread, twins):
    """Offsets, duplicates and tight clusters, where a product of matrices loses digits."""
    generator = np.random.default_rng(seed)
    x, y = (offset + spread * generator.standard_normal((n, d)) for n in (size, other))
    x[: size // 2] += 1.0
    if twins:
        x[-1], y[-1] = x[0], x[0]
    found, expected = energy_distance(x, y), plain_energy_distance(x, y)
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-9 * spread)
    assert energy_distance(y, x) == pytest.approx(found, rel=1e-9, abs=1e-9 * spread)


def test_energy_distance_in_blocks(monkeypatch):
    from score_stability.yardsticks import divergences

    generator = np.random.default_rng(7)
    for d in (3, 20):
        x, y = generator.standard_normal((90, d)), 1 + generator.standard_normal((70, d))
        whole = energy_distance(x, y)
        monkeypatch.setattr(divergences, "_BLOCK", 500)
        assert energy_distance(x, y) == pytest.approx(whole, rel=1e-12)
        monkeypatch.undo()


@repeatable
@given(seed=st.integers(0, 999), d=st.integers(1, 6), size=st.integers(2, 9),
       scale=st.sampled_from([1e-3, 1.0, 1e5]))
def test_frechet_distance_is_never_negative(seed, d, size, scale):
    x = scale * np.random.default_rng(seed).standard_normal((size, d))
    assert 0 <= frechet_distance(x, x, features="f") <= 1e-7 * scale**2
