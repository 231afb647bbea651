"""Cost of the kernels as ratios, measured side by side in one run; prints a Markdown table.

Seconds depend on the machine and on what else it does. A ratio of two codes that take turns in one
process hardly does. So: one thread, CPU time, A and B alternate, and the median of the ratios of
the pairs is compared with a bar. A missed bar is measured once more; if it is missed again the
exit status is 1. Run it with ``python benchmarks/ratios.py``.
"""

from __future__ import annotations

import itertools
import statistics
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

from score_stability.diffusion import OrnsteinUhlenbeck, TimeWeighting
from score_stability.optimiser import (
    SGD,
    DenoisingLoss,
    exact_loss,
    log_uniform_times,
    sgd,
    streams,
)
from score_stability.sampler import Start, kappa_grid, sample, sampler_law
from score_stability.scores import MLP, EmpiricalScore

HEAT = OrnsteinUhlenbeck(0.0)
PAIRS = 7
Work = Callable[[], object]


class Ratio(NamedTuple):
    """Time of ``above`` over time of ``below``, which must stay on its side of the bar."""

    title: str
    sizes: str
    above: Work
    below: Work
    bar: float
    at_least: bool = False  # a peer that must be slower by this factor

    def passes(self, value: float) -> bool:
        return value >= self.bar if self.at_least else value <= self.bar


def seconds(work: Work, repeats: int) -> float:
    start = time.process_time()
    for _ in range(repeats):
        work()
    return time.process_time() - start


def measure(ratio: Ratio) -> tuple[float, float, float]:
    """Median, least and greatest of the pair ratios, after one round of each to warm up."""
    repeats = []
    for work in (ratio.above, ratio.below):
        work()
        # At least 50 ms a measurement: the clock and the scheduler have their own grain.
        repeats.append(max(1, round(0.05 / max(seconds(work, 1), 1e-4))))
    values = []
    for pair in range(PAIRS):
        # Which of the two goes first alternates as well.
        order = (0, 1) if pair % 2 else (1, 0)
        spent = {}
        for k in order:
            spent[k] = seconds((ratio.above, ratio.below)[k], repeats[k]) / repeats[k]
        values.append(spent[0] / spent[1])
    return statistics.median(values), min(values), max(values)


def problem(number: int, queries: int, d: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Data, and queries near the data: noised copies, as a sampler would see."""
    generator = np.random.default_rng(0)
    data = torch.from_numpy(generator.standard_normal((number, d)))
    rows = torch.from_numpy(generator.integers(number, size=queries))
    noise = torch.from_numpy(generator.standard_normal((queries, d)))
    return data, data[rows] + 0.3 * noise


def products(data: torch.Tensor, x: torch.Tensor) -> Work:
    """The two matrix products alone: nobody computes the score from its formula for less.

    In blocks of the same size as the library's, so that the products are the same products.
    """
    step = max(1, min(4096, 2**20 // data.shape[0]))

    def work() -> torch.Tensor:
        return torch.cat([(block @ data.T) @ data for block in x.split(step)])

    return work


def expansion(data: torch.Tensor, x: torch.Tensor, variance: float) -> Work:
    """The usual code: |x|² − 2⟨x, x_j⟩ + |x_j|², softmax, product."""

    def work() -> torch.Tensor:
        squares = (x**2).sum(1, keepdim=True) - 2 * x @ data.T + (data**2).sum(1)
        log_weights = -squares / (2 * variance)
        return (log_weights.softmax(1) @ data - x) / variance

    return work


def broadcast(data: torch.Tensor, x: torch.Tensor, variance: float) -> Work:
    """The formula as one reads it: all differences at once, an M x N x d array."""

    def work() -> torch.Tensor:
        gaps = data[None] - x[:, None]
        log_weights = -(gaps**2).sum(2) / (2 * variance)
        return (log_weights.softmax(1)[:, :, None] * gaps).sum(1) / variance

    return work


def dense_law(score: EmpiricalScore, times: np.ndarray, start: Start) -> Work:
    """The law on one fixed grid, wide enough for the start and fine enough for the last step."""
    spacing, half = 0.5 * float(np.sqrt(2 * -np.diff(times)[-1])), 6.5 * start.variance**0.5
    grid = torch.arange(-half, half, spacing, dtype=torch.float64)

    def work() -> torch.Tensor:
        density = torch.from_numpy(np.exp(start.log(grid.numpy())))
        for a, b in zip(times[:-1].tolist(), times[1:].tolist(), strict=True):
            centres = grid + 2 * (a - b) * score(grid[:, None], a)[:, 0]
            kernel = (grid[:, None] - centres).square_().mul_(-0.25 / (a - b))
            density = kernel.clamp_(min=-600).exp_() @ density
            density *= spacing / np.sqrt(4 * np.pi * (a - b))
        return density

    return work


def steps_of_sgd(network: MLP, theta: torch.Tensor, data: torch.Tensor, loss: DenoisingLoss,
                 options: SGD) -> Work:
    def work() -> None:
        for _ in sgd(network, theta, data, loss, options, streams(np.random.default_rng(1))):
            pass

    return work


def stacked_training(models: int, width: int, steps: int) -> tuple[Work, Work]:
    """The same clipped SGD with weight decay: a Python loop over modules, and all models at once.

    Both draw fresh minibatches of 32 points with 4 resamples a point.
    """
    network, batch, resamples = MLP(2, (width, width)), 32, 4
    generator = np.random.default_rng(0)
    data = torch.from_numpy(generator.standard_normal((64, 2))).float()
    theta = network.initial(models, generator, dtype=torch.float32)  # as the modules are
    loss = DenoisingLoss(HEAT, log_uniform_times(0.00125, 0.5))
    options = SGD(steps=steps, batch_size=batch, step_size=0.05, clip=1.0, weight_decay=1e-3,
                  resamples=resamples)
    modules = [torch.nn.Sequential(
        torch.nn.Linear(4, width), torch.nn.SiLU(), torch.nn.Linear(width, width),
        torch.nn.SiLU(), torch.nn.Linear(width, 2)) for _ in range(models)]

    def loop() -> None:
        optimisers = [torch.optim.SGD(module.parameters(), lr=0.05, weight_decay=1e-3)
                      for module in modules]
        for _ in range(steps):
            for module, optimiser in zip(modules, optimisers, strict=True):
                points = data[torch.randint(64, (batch,))].repeat_interleave(resamples, dim=0)
                sigma = (2 * 0.00125 * 400 ** torch.rand(len(points), 1)).sqrt()
                xi = torch.randn_like(points)
                x = (points + sigma * xi) * torch.rsqrt(1 + sigma**2)
                inputs = torch.cat([x, sigma.log(), sigma], dim=1)
                optimiser.zero_grad()
                ((module(inputs) - xi) ** 2).sum(1).mean().backward()
                torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
                optimiser.step()

    return loop, steps_of_sgd(network, theta, data.expand(models, 64, 2), loss, options)


def step_products(models: int, width: int, rows: int, steps: int, back: bool) -> Work:
    """The matrix products of a stacked network alone: forward, and those of its gradient.

    Without gradients so many models at a time as the library takes: the same products.
    """
    sizes = (4, width, width, 2)
    generator = np.random.default_rng(0)

    def draw(*shape: int) -> torch.Tensor:
        return torch.from_numpy(generator.standard_normal(shape))

    together = models if back else max(1, 2**18 // (rows * width))
    layers = [tuple(zip(*(draw(models, *shape).split(together)
                          for shape in ((rows, a), (a, b), (rows, b))), strict=True))
              for a, b in itertools.pairwise(sizes)]

    def work() -> None:
        for _ in range(steps):
            for k, blocks in enumerate(layers):
                for x, weight, upstream in blocks:
                    x @ weight
                    if back:
                        x.mT @ upstream
                        if k:  # the input has no gradient
                            upstream @ weight.mT

    return work


def sgd_step(models: int, width: int, rows: int, steps: int) -> Work:
    network, generator = MLP(2, (width, width)), np.random.default_rng(0)
    data = torch.from_numpy(generator.standard_normal((models, 2 * rows, 2)))
    theta = network.initial(models, generator)
    loss = DenoisingLoss(HEAT, log_uniform_times(0.00125, 0.5))
    options = SGD(steps=steps, batch_size=rows, step_size=0.05, clip=1.0, weight_decay=1e-3)

    return steps_of_sgd(network, theta, data, loss, options)


def all_nodes(models: int, width: int, number: int, nodes: int) -> tuple[Work, Work]:
    network, generator = MLP(2, (width, width)), np.random.default_rng(0)
    points = torch.from_numpy(generator.standard_normal((models, number, 2)))
    theta, time = network.initial(models, generator), TimeWeighting.at(0.1)
    return (lambda: exact_loss(network, theta, points, HEAT, time, nodes=nodes),
            step_products(models, width, number * nodes**2, 1, back=False))


def ratios() -> list[Ratio]:
    result = []

    def score_call(data: torch.Tensor, x: torch.Tensor, variance: float) -> Work:
        score = EmpiricalScore(data, HEAT)
        return lambda: score(x, variance / 2)

    for sizes, bar in (((5000, 512, 784), 1.8), ((5000, 1000, 50), 3.5)):
        data, x = problem(*sizes)
        result.append(Ratio("score / its two matrix products", str(sizes),
                            score_call(data, x, 0.1), products(data, x), bar))

    sizes = (5000, 1000, 50)
    data, x = problem(*sizes)
    result.append(Ratio("expansion and softmax / score", str(sizes), expansion(data, x, 0.1),
                        score_call(data, x, 0.1), 2.5, at_least=True))
    # sigma² = 1e-4: almost every weight underflows. sigma² = 10: none does.
    result.append(Ratio("score with underflow / without", str(sizes), score_call(data, x, 1e-4),
                        score_call(data, x, 10.0), 1.5))

    sizes = (2000, 100, 50)
    data, x = problem(*sizes)
    result.append(Ratio("naive broadcasting / score", str(sizes), broadcast(data, x, 0.1),
                        score_call(data, x, 0.1), 20, at_least=True))

    sizes = (500, 256, 50)
    data, x = problem(*sizes)
    score, fresh = EmpiricalScore(data, HEAT), x + 0.1

    def refits() -> None:
        for i in range(50):
            other = data.clone()
            other[i] = fresh[0]
            EmpiricalScore(other, HEAT)(x, 0.05)

    result.append(Ratio("stability, all i in one pass / score", str(sizes),
                        lambda: score.replace_one(x, 0.05, fresh), lambda: score(x, 0.05), 8))
    result.append(Ratio("50 of the 500 refits / stability, all i in one pass", str(sizes), refits,
                        lambda: score.replace_one(x, 0.05, fresh), 6, at_least=True))

    sizes = (500, 500, 2)
    chain_data, start = problem(*sizes)
    chain_score, times = EmpiricalScore(chain_data, HEAT), kappa_grid(0.2, 1e-3, 2.0).times

    def chain() -> torch.Tensor:
        return sample(chain_score, HEAT, times, start, np.random.default_rng(0))

    def calls() -> None:
        for t in times[:-1].tolist():
            chain_score(start, t)

    result.append(Ratio(f"sampler / its {len(times) - 1} score calls", str(sizes), chain, calls,
                        1.4))

    line_score = EmpiricalScore(problem(40, 1, 1)[0], HEAT)
    times, law_start = kappa_grid(0.1, 1e-2, 5.0).times, Start(0.0, 11.0)
    result.append(Ratio(
        f"exact law, {len(times) - 1} steps: fixed dense grid / library", "(40, -, 1)",
        dense_law(line_score, times, law_start),
        lambda: sampler_law(line_score, HEAT, times, law_start, cover=(-6.5, 6.5), refine=1),
        12, at_least=True))

    result.append(Ratio("training: loop of 16 modules / stacked", "(64, 128, 2), width 32",
                        *stacked_training(16, 32, 20), 4, at_least=True))
    result.append(Ratio("SGD step, float64 / its matrix products", "(256, 128, 2), 40 x width 64",
                        sgd_step(40, 64, 128, 10), step_products(40, 64, 128, 10, back=True), 4))
    result.append(Ratio("exact_loss, float64 / its matrix products", "(16, 144, 2), 40 x width 64",
                        *all_nodes(40, 64, 16, 12), 4))
    return result


def main() -> int:
    torch.set_num_threads(1)
    failed = 0
    print("| ratio of CPU times | (N, M, d) | median [least, greatest] | bar | |")
    print("|---|---|---|---|---|")
    for ratio in ratios():
        value, low, high = measure(ratio)
        note = ""
        if not ratio.passes(value):
            value, low, high = measure(ratio)
            note = " (second attempt)"
        passed = ratio.passes(value)
        failed += not passed
        sign = "≥" if ratio.at_least else "≤"
        print(f"| {ratio.title} | {ratio.sizes} | {value:.2f} [{low:.2f}, {high:.2f}]{note} "
              f"| {sign} {ratio.bar:g} | {'met' if passed else '**missed**'} |", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
