"""Cost by counting, without a clock: products, memory, imports. Ratios are in benchmarks/."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from score_stability.diffusion import OrnsteinUhlenbeck
from score_stability.sampler import kappa_grid, sample
from score_stability.scores import EmpiricalScore

HEAT = OrnsteinUhlenbeck(0.0)


def problem(number, queries, d):
    generator = np.random.default_rng(0)
    data, x = (torch.from_numpy(generator.standard_normal((n, d))) for n in (number, queries))
    return EmpiricalScore(data, HEAT), x


def flops(function):
    with FlopCounterMode(display=False) as counter:
        function()
    return counter.get_total_flops()


def peak_bytes(function):
    """Largest sum of memory allocated and not yet freed while ``function`` runs."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as run:
        function()
    events = [e for e in run.profiler.kineto_results.events() if e.name() == "[memory]"]
    sizes = [e.nbytes() for e in sorted(events, key=lambda e: e.start_ns())]
    assert sizes
    return int(np.cumsum(sizes).max())


@pytest.mark.parametrize(("number", "queries", "d"), [(50, 20, 3), (700, 130, 50), (5000, 1700, 2)])
def test_a_score_is_two_matrix_products(number, queries, d):
    score, x = problem(number, queries, d)
    for function in (score, score.denoiser):
        assert flops(lambda f=function: f(x, 0.1)) == 4 * queries * number * d
    # Density and weights need only the first product.
    for function in (score.log_density, score.weights):
        assert flops(lambda f=function: f(x, 0.1)) == 2 * queries * number * d


@pytest.mark.parametrize(("number", "queries", "d"), [(50, 20, 3), (700, 130, 50)])
def test_replace_one_is_five_products_instead_of_refits(number, queries, d):
    score, x = problem(number, queries, d)
    one = flops(lambda: score(x, 0.1))
    fresh_per_row = flops(lambda: score.replace_one(x, 0.1, x + 1))
    common = flops(lambda: score.replace_one(x, 0.1, x[:1]))
    origin = flops(lambda: score.replace_one(x, 0.1, x + 1, x + 2))
    assert fresh_per_row <= 2.5 * one
    assert common <= (2 + 1 / queries) * one
    assert origin <= 3 * one


def test_a_sampler_is_its_score_calls():
    score, x = problem(60, 20, 3)
    times = kappa_grid(0.5, 0.01, 2.0).times
    found = flops(lambda: sample(score, HEAT, times, x, np.random.default_rng(0)))
    assert found == (len(times) - 1) * flops(lambda: score(x, 0.1))


def test_memory_does_not_grow_with_the_number_of_queries():
    score, x = problem(5000, 1000, 50)
    score(x[:10], 0.1)
    assert peak_bytes(lambda: score(x, 0.1)) <= 64 * 2**20
    more = torch.cat([x] * 4)
    assert peak_bytes(lambda: score(more, 0.1)) <= 64 * 2**20  # blocks share one buffer
    # Control: the M x N temporaries of the plain formula are seen by this meter.
    assert peak_bytes(lambda: (more @ score.points.T).softmax(1)) > 256 * 2**20


@pytest.mark.parametrize("sigma", [1.0, 0.1, 0.002])
def test_no_exponential_underflows(sigma):
    # exp and the product after it are many times slower where their results are subnormal.
    score, x = problem(200, 50, 20)
    weights = score.weights(x, sigma**2 / 2)
    assert float(weights.min()) >= sys.float_info.min
    torch.testing.assert_close(weights.sum(1), torch.ones(50, dtype=torch.float64))


def test_importing_is_light():
    code = ("import sys, score_stability\n"
            "from score_stability import datasets, plots, runtime\n"
            "from score_stability import diffusion, optimiser, sampler, scores, stability\n"
            "from score_stability import pictures\n"
            "from score_stability.diffusion import OrnsteinUhlenbeck, TimeWeighting\n"
            "from score_stability.theory import bounds, quadrature, statement\n"
            "from score_stability.yardsticks import divergences, mean\n"
            "print([m for m in ('torch', 'seaborn', 'sklearn', 'matplotlib', 'pandas')"
            " if m in sys.modules])")
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                            check=True)
    assert result.stdout.strip() == "[]"
