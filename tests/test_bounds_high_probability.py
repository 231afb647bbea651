"""Bounds beyond expectation: plain numbers, exact small cases, wrong input."""

import itertools
import math

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from score_stability.diffusion import OrnsteinUhlenbeck, TimeWeighting
from score_stability.theory import bounds

repeatable = settings(max_examples=50, deadline=None, derandomize=True)
root, log = math.sqrt, math.log
STATEMENT = "Open: high probability"
ALL = {name: bound for name, bound in vars(bounds).items()
       if isinstance(bound, bounds.Bound) and bound.statement == STATEMENT}


def rms(N, beta_in, beta_out, loss_variance):
    return beta_in + beta_out + root(loss_variance / N + (1 - 1 / N) * beta_out**2)


PLAIN = {
    "GAP_RMS": rms,
    "GAP_CHEBYSHEV": lambda delta, **other: rms(**other) / root(delta),
    "GAP_RMS_SCORE": lambda N, eps_stab, third_stability, root_range, loss_variance: rms(
        N, 2 * root_range * eps_stab, 2 * root_range * third_stability, loss_variance),
    "GAP_MCDIARMID": lambda N, beta, loss_range, delta: (
        beta + (2 * N * beta + loss_range) * root(log(1 / delta) / (2 * N))),
    "GAP_GOOD_EVENT": lambda N, good_mean, good_step, bad_probability, delta: (
        good_mean + bad_probability * N * good_step
        + good_step * root(N * log(1 / (delta - bad_probability)) / 2)),
    "QUOTED_FELDMAN_VONDRAK": lambda N, beta, loss_range, delta: (
        loss_range * 8 * root((2 * beta / loss_range + 1 / N) * log(8 / delta))),
    "QUOTED_BOUSQUET_KLOCHKOV_ZHIVOTOVSKIY": lambda N, beta, loss_range, delta: (
        2 * beta + math.e / N * (
            12 * root(2) * log(1 / delta) * N * 2 * beta * math.ceil(math.log2(N))
            + 4 * loss_range * root(log(1 / delta) * N))),
}


def example(name, rng):
    values = dict.fromkeys(ALL[name].arguments, 0.0)
    for argument in values:
        values[argument] = float(rng.uniform(0.2, 3.0))
    for argument, value in (("N", float(rng.integers(2, 500))), ("delta", rng.uniform(0.06, 0.13)),
                            ("bad_probability", rng.uniform(0.0, 0.05))):
        if argument in values:
            values[argument] = float(value)
    return values


@pytest.mark.parametrize("name", PLAIN)
def test_plain_numbers(name):
    rng = np.random.default_rng(23)
    for _ in range(20):
        values = example(name, rng)
        assert ALL[name](**values) == pytest.approx(PLAIN[name](**values), rel=1e-12)
    columns = [example(name, rng) for _ in range(4)]
    together = ALL[name](**{a: np.array([c[a] for c in columns]) for a in columns[0]})
    assert together == pytest.approx([ALL[name](**c) for c in columns], rel=1e-14)


def test_every_bound_of_the_statement_is_here():
    assert set(ALL) == {*PLAIN, "UNIFORM_SCORE_STABILITY"}


def uniform_by_quadrature(N, diameter, snr_start, snr_end):
    """(D²/2) ∫ min(1, (2/N²) e^(3 D² u)) du, the integrand as it stands, split at its kink."""
    kink = min(max(log(N**2 / 2) / (3 * diameter**2), snr_end), snr_start)
    total = snr_start - kink
    if kink > snr_end:
        u, w = np.polynomial.legendre.leggauss(200)
        u = snr_end + (kink - snr_end) * (u + 1) / 2
        total += float(w @ np.exp(3 * diameter**2 * u + log(2) - 2 * log(N))) * (
            kink - snr_end) / 2
    return diameter**2 / 2 * total


@repeatable
@given(N=st.integers(2, 10**6), diameter=st.floats(0.1, 80), end=st.floats(0, 10),
       more=st.floats(1e-3, 50))
def test_uniform_constant_is_its_integral_and_below_the_trivial_one(N, diameter, end, more):
    arguments = {"N": N, "diameter": diameter, "snr_start": end + more, "snr_end": end}
    value = bounds.UNIFORM_SCORE_STABILITY(**arguments)
    assert value == pytest.approx(uniform_by_quadrature(**arguments), rel=1e-9)
    assert 0 <= value <= diameter**2 * more / 2 * (1 + 1e-12)


@repeatable
@given(N=st.integers(2, 10**4), factor=st.integers(2, 100), diameter=st.floats(0.1, 30),
       end=st.floats(0, 3), more=st.floats(1e-3, 20), extra=st.floats(0, 5))
def test_uniform_constant_falls_with_n_and_grows_with_snr(N, factor, diameter, end, more, extra):
    def value(n, first):
        return bounds.UNIFORM_SCORE_STABILITY(N=n, diameter=diameter, snr_start=first, snr_end=end)

    first = end + more
    assert value(factor * N, first) <= value(N, first) * (1 + 1e-12)
    assert value(N, first) <= value(N, first + extra) * (1 + 1e-12)


def test_uniform_constant_by_brute_force():
    """Data on three points: every S, every replacement, every evaluation point, by quadrature."""
    process = OrnsteinUhlenbeck(1.0)
    atoms, N = (-1.0, 0.2, 1.0), 4
    z, w = np.polynomial.hermite_e.hermegauss(60)
    w = w / w.sum()
    for stop, end in ((0.3, 2.0), (1.0, 3.0), (0.2, 0.5)):
        tau = TimeWeighting.lebesgue(stop, end, 20)
        truth = 0.0
        for sample in itertools.combinations_with_replacement(atoms, N):
            for new, origin in itertools.product(atoms, repeat=2):
                neighbour = [new, *sample[1:]]

                def moved(t, sample=sample, neighbour=neighbour, origin=origin):
                    snr = process.snr(t)
                    x = origin + z / root(snr)  # in units of mu
                    means = []
                    for points in (sample, neighbour):
                        points = np.array(points)
                        weight = np.exp(-snr * (x[:, None] - points) ** 2 / 2)
                        means.append(weight @ points / weight.sum(1))
                    return snr / process.variance(t) * (w @ (means[0] - means[1]) ** 2)

                truth = max(truth, float(tau.integrate(moved)))
        bound = bounds.UNIFORM_SCORE_STABILITY(
            N=N, diameter=2.0, snr_start=process.snr(stop), snr_end=process.snr(end))
        assert 0 < truth <= bound


def test_score_form_is_the_loss_form():
    S = bounds.SYMBOLS
    substituted = bounds.GAP_RMS.expression.subs({
        S["beta_in"]: 2 * S["root_range"] * S["eps_stab"],
        S["beta_out"]: 2 * S["root_range"] * S["third_stability"]})
    assert sp.simplify(substituted - bounds.GAP_RMS_SCORE.expression) == 0


def test_second_moment_bound_by_enumeration():
    """Three atoms, N = 3, several algorithms and losses: E G² exactly, and all three constants."""
    rng = np.random.default_rng(5)
    atoms = np.array([0.0, 1.0, 4.0])
    grid = np.stack(np.meshgrid(*[atoms] * 3, indexing="ij"), -1)
    tables = [lambda fit: (fit[..., None] - atoms) ** 2, lambda fit: np.abs(fit[..., None] - atoms)]
    for fit in (grid.mean(-1), grid.max(-1), np.median(grid, -1)):
        for table in tables:
            f = table(fit)
            _check_by_enumeration(f)
    for _ in range(50):  # a random symmetric algorithm: a loss per multiset
        f = rng.exponential(size=(3, 3, 3, 3))
        _check_by_enumeration(sum(f.transpose(*p, 3) for p in itertools.permutations(range(3))))


def _check_by_enumeration(f):
    risk, train = f.mean(3), sum(np.einsum(e, f) for e in ("abca->abc", "abcb->abc", "abcc->abc"))
    square = np.mean((risk - train / 3) ** 2)
    # Replace the first point a by d; z is a third point.
    own = np.einsum("abca->abc", f)[:, None] - np.einsum("dbca->adbc", f)
    other = f[:, None] - f[None]
    bound = bounds.GAP_RMS(N=3, beta_in=root(np.mean(own**2)), beta_out=root(np.mean(other**2)),
                           loss_variance=np.mean(f.var(3)))
    assert root(square) <= bound * (1 + 1e-12)


@pytest.mark.parametrize("name", ALL)
def test_wrong_values(name):
    values = example(name, np.random.default_rng(1))
    for argument in values:
        for bad in (-1.0, math.nan, math.inf):
            with pytest.raises(ValueError, match=f"^{argument} must be finite and non-negative"):
                ALL[name](**{**values, argument: bad})
    with pytest.raises(TypeError, match="this bound takes"):
        ALL[name]()


@pytest.mark.parametrize(("name", "wrong"), [
    ("GAP_CHEBYSHEV", {"delta": 0.0}), ("GAP_RMS", {"N": 0.0}), ("GAP_MCDIARMID", {"delta": 0.0}),
    ("GAP_MCDIARMID", {"delta": 1.5}), ("GAP_GOOD_EVENT", {"delta": 0.1, "bad_probability": 0.1}),
    ("GAP_GOOD_EVENT", {"delta": 0.1, "bad_probability": 0.2}),
    ("UNIFORM_SCORE_STABILITY", {"diameter": 0.0}), ("UNIFORM_SCORE_STABILITY", {"N": 0.0}),
    ("QUOTED_BOUSQUET_KLOCHKOV_ZHIVOTOVSKIY", {"delta": 0.5}),
    ("QUOTED_FELDMAN_VONDRAK", {"delta": 0.0})])
def test_where_there_is_no_bound(name, wrong):
    values = example(name, np.random.default_rng(2))
    with pytest.raises(ValueError, match="must give a finite bound") as error:
        ALL[name](**{**values, **wrong})
    assert all(argument in str(error.value) for argument in wrong)
