"""SGD for affine denoisers on adjacent sets: the exchange, and what a loop finds."""

import numpy as np
import pytest

from score_stability.optimiser import affine_runs

POINTS = np.random.default_rng(3).standard_normal((60, 2)) @ [[1.0, 0.4], [0.0, 0.5]] + [1.0, 0.0]
OPTIONS = {"sets": 4, "steps": 9, "batch_size": 3, "step_size": 0.05, "noise_level": 0.7}


def generator():
    return np.random.default_rng(0)


def test_it_is_what_a_loop_over_rows_finds():
    found = affine_runs(POINTS, 5, generator(), **OPTIONS)
    assert list(found.steps) == [1, 2, 4, 8]
    rng = generator()
    order = np.argsort(rng.random((4, 60)), axis=1)[:, :6]
    draws = [[(rng.integers(5, size=(4, 3)), 0.7 * rng.standard_normal((4, 3, 2)))
              for _ in range(2)] for _ in range(9)]
    for r in range(4):
        S = POINTS[order[r, :5]]
        S_i = np.vstack([POINTS[order[r, 5]], S[1:]])
        outside = np.delete(POINTS, order[r, :5], axis=0)
        weights = [(np.zeros((2, 2)), np.zeros(2)) for _ in range(3)]
        for both, other in draws[:8]:
            for k, (data, (at, noise)) in enumerate(((S, both), (S_i, both), (S_i, other))):
                W, w = weights[k]
                slope, shift = np.zeros((2, 2)), np.zeros(2)
                for j, xi in zip(at[r], noise[r], strict=True):
                    residual = W @ (data[j] + xi) + w - data[j]
                    slope += 2 * np.outer(residual, data[j] + xi) / 3
                    shift += 2 * residual / 3
                weights[k] = W - 0.05 * slope, w - 0.05 * shift
        mean, spread = S.mean(0), np.cov(S.T, bias=True)
        best = spread @ np.linalg.inv(spread + 0.49 * np.eye(2))
        best = best, mean - best @ mean

        def far(one, two, S=S):
            W, w = one[0] - two[0], one[1] - two[1]
            return ((S @ W.T + w) ** 2).sum(1).mean() + 0.49 * (W**2).sum()

        def loss(one, at):
            return ((at @ (one[0] - np.eye(2)).T + one[1]) ** 2).sum(1).mean() + (
                0.49 * (one[0] ** 2).sum())

        a, b, c = weights
        want = [far(a, b), far(a, c), far(a, best), far(b, best), far(c, best),
                loss(a, outside) - loss(a, S), loss(a, outside) - loss(
                    a, POINTS[order[r - 1, :5]])]
        np.testing.assert_allclose([field[3, r] for field in found[1:]], want, rtol=1e-9)


def test_the_exchange_in_the_mean():
    found = affine_runs(POINTS, 5, generator(), **(OPTIONS | {"sets": 4000, "steps": 8}))
    for moved in (found.excess_shared[-1], found.excess_own[-1]):
        off = moved - found.excess[-1] - found.gap[-1] / 5
        assert abs(off.mean()) < 4 * off.std() / np.sqrt(len(off))
        assert (found.gap[-1] / 5).mean() > 6 * off.std() / np.sqrt(len(off))
    assert (found.own.mean(1) > found.shared.mean(1)).all()


@pytest.mark.parametrize(("changes", "named"), [
    ({"number": 1}, "number"), ({"number": 59}, "population"), ({"population": POINTS[0]},
                                                                "population"),
    ({"sets": 0}, "sets"), ({"steps": 0}, "steps"), ({"batch_size": 0}, "batch_size"),
    ({"step_size": 0.0}, "step_size"), ({"noise_level": -1.0}, "noise_level")])
def test_wrong_runs(changes, named):
    given = {"population": POINTS, "number": 5, "generator": generator(), **OPTIONS, **changes}
    with pytest.raises(ValueError, match=named):
        affine_runs(**given)
