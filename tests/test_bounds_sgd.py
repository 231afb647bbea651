"""Closed forms of SGD stability against formulas in plain numbers."""

import math

import numpy as np
import pytest

from score_stability.theory import bounds, statements

V = dict(step_size=0.05, step_scale=0.3, weight_decay=0.2, upsilon=1.5, clip=0.7, steps=100.0,
         hit_probability=0.02, free_steps=3.0, lipschitz=2.0, noise_std=0.15, diameter=3.0,
         distance=0.4, dimension=5.0, N=40.0)
a = 0.98 * 1.5 - 0.2
b = 0.3 * a
EXPECTED = {
    "SGD_CONSTANT": 2 * 0.02 * 0.7 / a * ((1 + 0.05 * a) ** 100 - 1),
    "SGD_DECAY_POWER": 2 * 0.02 * 0.7 / a * (100 / 3) ** b,
    "SGD_DECAY": 2 * 0.02 * 0.7 / a * (math.prod((k + b) / k for k in range(4, 101)) - 1),
    "SGD_FREE_STEPS": (2 * 2 * 0.7 * 0.3 / 3) ** (1 / (b + 1)) * 100 ** (b / (b + 1)),
    "SGD_PAPER": 100 ** (0.45 / 1.45) / 40,
    "MEETING": math.erfc(0.4 / (2 * math.sqrt(2) * 0.15)),
    "BARRIER": 0.49 * 0.05 * (5 - 1 / 1.5) / 0.15**2,
    "TRACE_CAP": 5 / (0.05 * 0.2) * (1 - 0.2 / 1.5),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_plain_numbers(name):
    bound = getattr(bounds, name)
    assert bound(**{k: V[k] for k in bound.arguments}) == pytest.approx(EXPECTED[name], rel=1e-10)
    assert bound.statement in statements.IDS


def test_burn_in_is_the_minimum_over_free_steps():
    def total(m):
        return (0.02 * m * 9 + 3 * 2 * 2 * 0.02 * 0.7 / a * (100 / m) ** b)

    best = EXPECTED["SGD_FREE_STEPS"]
    value = bounds.SGD_BURN_IN(**{k: V[k] for k in bounds.SGD_BURN_IN.arguments})
    assert value == pytest.approx(total(best), rel=1e-10)
    assert all(value <= total(best * f) for f in (0.5, 0.9, 1.1, 2))


def test_steady_state():
    values = dict(hit_probability=0.1, clip=1.0, weight_decay=2.0, upsilon=1.3678)
    steady = bounds.SGD_STEADY(**values)
    assert steady == pytest.approx(0.2 / (2 - 0.9 * 1.3678))
    assert bounds.SGD_STABILITY(**values, lipschitz=0.6) == pytest.approx(
        0.36 * steady * 2 * 1.0 / 2.0)
    # Below the trivial 2C/lambda exactly if lambda > upsilon, whatever the batch.
    for p in (0.01, 0.5, 0.99):
        for upsilon, smaller in ((0.99, True), (1.01, False)):
            value = bounds.SGD_STEADY(hit_probability=p, clip=1.0, weight_decay=1.0,
                                      upsilon=upsilon * (1 if p < .5 or smaller else 1.0))
            if value > 0:
                assert (value < 2.0) == smaller


def test_decay_agrees_with_its_power_form_for_many_steps():
    k = np.array([1e3, 1e5, 1e7])
    values = {n: V[n] for n in ("hit_probability", "clip", "step_scale", "upsilon",
                                "weight_decay")}
    ratio = (bounds.SGD_DECAY(steps=k, free_steps=0.0, **values)
             / bounds.SGD_DECAY(steps=10 * k, free_steps=0.0, **values))
    assert ratio[-1] == pytest.approx(10**-b, rel=2e-2)
