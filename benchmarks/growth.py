"""How cost grows: exponents of CPU time over a decade, beside those of theory; a Markdown table.

A log-log slope of five sizes, and of the upper three in brackets: what does not grow with the size
(calls, temporaries, one pass over the data) bends the lower half. Nothing fails here: an exponent
is for reading. Run it with ``python benchmarks/growth.py``.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch

from score_stability.diffusion import OrnsteinUhlenbeck
from score_stability.optimiser import SGD, DenoisingLoss, log_uniform_times, sgd, streams
from score_stability.sampler import Start, geometric_grid, sample, sampler_law
from score_stability.scores import MLP, EmpiricalScore

HEAT = OrnsteinUhlenbeck(0.0)
REPEATS = 5


def normal(*shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).standard_normal(shape))


def score(number: int = 2000, queries: int = 500, d: int = 50) -> Callable[[], object]:
    s, x = EmpiricalScore(normal(number, d), HEAT), normal(queries, d)
    return lambda: s(x, 0.05)


def one_pass(number: int = 500, d: int = 50) -> Callable[[], object]:
    s, x, fresh = EmpiricalScore(normal(number, d), HEAT), normal(256, d), normal(256, d) + 0.1
    return lambda: s.replace_one(x, 0.05, fresh)


def law(number: int = 40, steps: int = 40) -> Callable[[], object]:
    s, times = EmpiricalScore(normal(number, 1), HEAT), geometric_grid(steps, 0.01, 5.0)
    return lambda: sampler_law(s, HEAT, times, Start(0.0, 11.0), cover=(-6.5, 6.5), refine=1)


def sampler(steps: int = 40, number: int = 500, d: int = 2) -> Callable[[], object]:
    s, times = EmpiricalScore(normal(number, d), HEAT), geometric_grid(steps, 1e-3, 2.0)
    start = normal(500, d)
    return lambda: sample(s, HEAT, times, start, np.random.default_rng(0))


def training(steps: int = 30, models: int = 16, resamples: int = 4,
             width: int = 32, number: int = 64) -> Callable[[], object]:
    network = MLP(2, (width, width))
    theta = network.initial(models, np.random.default_rng(0))
    data = normal(number, 2).expand(models, number, 2)
    options = SGD(steps=steps, batch_size=16, step_size=0.05, clip=1.0, resamples=resamples)
    loss = DenoisingLoss(HEAT, log_uniform_times(0.00125, 0.5))

    def work() -> None:
        for _ in sgd(network, theta, data, loss, options, streams(np.random.default_rng(1))):
            pass

    return work


def powers(start: int) -> list[int]:
    """Five sizes over a decade."""
    return [round(start * 10 ** (k / 4)) for k in range(5)]


# What grows, its sizes, the work at one size, and the exponent of theory; from → to where it turns.
ROWS = (
    ("score, N", powers(1000), lambda n: score(number=n), "1"),
    ("score, M", powers(100), lambda n: score(queries=n), "1"),
    ("score, d", powers(50), lambda n: score(d=n), "0 → 1"),
    ("stability in one pass, N", powers(200), lambda n: one_pass(number=n), "1"),
    ("stability in one pass, d", powers(50), lambda n: one_pass(d=n), "0 → 1"),
    ("exact law, N", powers(20), lambda n: law(number=n), "0 → 1"),
    ("exact law, K", powers(20), lambda n: law(steps=n), "1 → 1.5"),
    ("sampler, K", powers(20), lambda n: sampler(steps=n), "1"),
    ("sampler, N", powers(200), lambda n: sampler(number=n), "1"),
    ("SGD, steps", powers(10), lambda n: training(steps=n), "1"),
    ("SGD, models", powers(10), lambda n: training(models=n), "0 → 1"),
    ("SGD, resamples P", powers(4), lambda n: training(resamples=n), "0 → 1"),
    ("SGD, N", powers(32), lambda n: training(number=n), "0"),
    ("SGD, width", powers(16), lambda n: training(width=n), "0 → 2"),
)


def seconds(work: Callable[[], object]) -> float:
    """The least of some runs: what disturbs only adds."""
    work()
    spent = []
    for _ in range(REPEATS):
        start, runs = time.process_time(), 0
        while time.process_time() - start < 0.02 or not runs:
            work()
            runs += 1
        spent.append((time.process_time() - start) / runs)
    return min(spent)


def slope(sizes: list[int], spent: list[float]) -> float:
    return float(np.polyfit(np.log(sizes), np.log(spent), 1)[0])


def main() -> None:
    torch.set_num_threads(1)
    print("| what grows | from – to | exponent (upper half) | theory |\n|---|---|---|---|")
    for title, sizes, at, theory in ROWS:
        spent = [seconds(at(n)) for n in sizes]
        print(f"| {title} | {sizes[0]} – {sizes[-1]} | {slope(sizes, spent):.2f} "
              f"({slope(sizes[2:], spent[2:]):.2f}) | {theory} |", flush=True)


if __name__ == "__main__":
    main()
