"""Makes gradient_noise_long_run.npz: what notebook 20 trains, for 4000 steps and two data sizes.

    python data/make_long_run.py [--steps 4000] [--datasets 40] [--file FILE]

Ten minutes on one core; the card in README.md says what is in the file. Set OMP_NUM_THREADS=1: the
last digits depend on the number of threads. With ``--null`` it writes nothing and prints, for two
arms, what held-out points and exact copies score through the same denoiser: one minute.
"""

import argparse
import math
from pathlib import Path

import numpy as np
import torch

from score_stability.datasets import LONG_RUN_FILE, noisy_ring
from score_stability.diffusion import OrnsteinUhlenbeck, TimeWeighting
from score_stability.optimiser import (
    SGD,
    DenoisingLoss,
    averaged,
    denoised_samples,
    exact_loss,
    log_uniform_times,
    row_gradients,
    sgd,
    streams,
)
from score_stability.sampler import geometric_grid
from score_stability.scores import MLP, noise_at
from score_stability.yardsticks import memorised_fraction, nearest_neighbour_ratio

SEED, SIZES, FRESH, SAMPLES = 0, (8, 16), 128, 200
FIRST, LAST = 0.00125, 0.5  # times: sigma from 0.05 to 1
ARMS = {"P = 1": {"resamples": 1}, "P = 4": {"resamples": 4}, "P = 16": {"resamples": 16},
        "matched": {"resamples": 16, "matched": True}, "isotropic": {"resamples": 16}}
HEAT, NET = OrnsteinUhlenbeck(alpha=0.0), MLP(2, (64, 64))
LOSS = DenoisingLoss(HEAT, log_uniform_times(FIRST, LAST))
LEVELS = TimeWeighting.log_uniform(FIRST, LAST, 6)


def generator(number, stream):
    """Data and start: stream 0; training: 1; isotropic noise: 2; samples: 3; --null: 4."""
    return np.random.default_rng([SEED, number, stream])


def copies(points, data):
    return [memorised_fraction(nearest_neighbour_ratio(p, x).ratio)
            for p, x in zip(points, data, strict=True)]


def mean_loss(theta, points):
    values = exact_loss(NET, theta, points, HEAT, LEVELS).mean(dim=1) / LEVELS.total_mass
    return values.numpy()


def sampled_copies(theta, data, number):
    random = generator(number, 3)
    start = noisy_ring(len(data), SAMPLES, random)
    start = start + torch.from_numpy(random.standard_normal(start.shape))
    times = geometric_grid(60, FIRST, LAST)
    return copies(denoised_samples(NET, theta, HEAT, times, start, random), data)


def run(number, sets, steps, marks):
    """Arrays of one data size: one row an arm, one column a mark, then the data sets."""
    random = generator(number, 0)
    data, fresh = (noisy_ring(sets, n, random) for n in (number, FRESH))
    start = NET.initial(sets, random)
    kept = {name: [] for name in ("train", "test", "memorised", "clipped")}
    noise_std, traces = 0.0, []
    for name, options in ARMS.items():
        rows = []
        settings = SGD(steps=steps, batch_size=4, step_size=0.1, clip=3.0, weight_decay=1e-3,
                       noise_std=noise_std if name == "isotropic" else 0.0, **options)
        states = sgd(NET, start, data, LOSS, settings, streams(generator(number, 1)))
        for mark in averaged(states, start, marks):
            rows.append((mean_loss(mark.average, data), mean_loss(mark.average, fresh),
                         sampled_copies(mark.average, data, number), mark.clipped.numpy()))
        for values, value in zip(kept.values(), zip(*rows, strict=True), strict=True):
            values.append(np.array(value))
        if name == "P = 1":
            random = generator(number, 2)
            for theta, points in zip(mark.state.theta[:10], data, strict=False):
                g = row_gradients(NET, theta, points, LOSS, 64, random)
                traces.append(float(g.var(dim=1).sum(dim=-1).mean()))
            noise_std = 0.1 * math.sqrt(np.mean(traces) / 4 / NET.parameters)
        print(f"N = {number}, {name}: training loss {rows[-1][0].mean():.3f}")
    return {**{name: np.array(v, np.float32) for name, v in kept.items()},
            # The fresh points as they are: they do not pass through the models' denoisers.
            "null": np.array(copies(fresh, data), np.float32),
            "traces": np.array(traces), "noise_std": np.array(noise_std)}


def null_through_the_denoiser(sets, steps, number=SIZES[0], arms=("P = 1", "P = 16")):
    """Prints the shares flagged of samples, held-out points and exact copies at the last step."""
    random = generator(number, 0)
    data, fresh = (noisy_ring(sets, n, random) for n in (number, FRESH))
    start = NET.initial(sets, random)
    sigma = math.sqrt(HEAT.variance(FIRST))
    for name in arms:
        settings = SGD(steps=steps, batch_size=4, step_size=0.1, clip=3.0, weight_decay=1e-3,
                       **ARMS[name])
        states = sgd(NET, start, data, LOSS, settings, streams(generator(number, 1)))
        (mark,) = averaged(states, start, [steps])
        shares, random = [sampled_copies(mark.average, data, number)], generator(number, 4)
        for points in (fresh, data[:, np.arange(SAMPLES) % number]):
            x = points + sigma * torch.from_numpy(random.standard_normal(points.shape))
            noise = noise_at(NET, mark.average, x, HEAT, FIRST)
            shares.append(copies(x - sigma * noise, data))
        words = (f"{what} {np.mean(v):.4f} ± {np.std(v, ddof=1) / math.sqrt(sets):.4f}"
                 for what, v in zip(("samples", "held-out points", "exact copies"), shares,
                                    strict=True))
        print(f"N = {number}, {name}, share flagged:", *words, sep="  ")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--datasets", type=int, default=40)
    parser.add_argument("--file", type=Path, default=Path(__file__).with_name(LONG_RUN_FILE))
    parser.add_argument("--null", action="store_true")
    arguments = parser.parse_args()
    if arguments.null:
        return null_through_the_denoiser(arguments.datasets, arguments.steps)
    marks = np.unique(np.geomspace(50, arguments.steps, 16).round().astype(int))
    runs = [run(n, arguments.datasets, arguments.steps, marks) for n in SIZES]
    np.savez_compressed(arguments.file, seed=SEED, sizes=SIZES, arms=list(ARMS), marks=marks,
                        **{name: np.stack([r[name] for r in runs]) for name in runs[0]})


if __name__ == "__main__":
    main()
