"""SGD on adjacent data sets for affine denoisers, where all losses are exact."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..arrays import as_numpy, count


class AffineRuns(NamedTuple):
    """SGD on S and on S^i, at some ``steps (K,)``; the others are ``(K, sets)``, in units of the
    denoiser: E|·|² under p̂_S of ŝ − ŝ^i, in ``shared`` with the same random numbers, in ``own``
    with other ones; ``excess`` and ``excess_shared``, ``excess_own``, the squared distances of ŝ
    and of both ŝ^i from the best fit on S; ``gap`` L − L̂ of ŝ, L at all points not in S, and
    ``false_gap``, with L̂ at the points of another set."""

    steps: np.ndarray
    shared: np.ndarray
    own: np.ndarray
    excess: np.ndarray
    excess_shared: np.ndarray
    excess_own: np.ndarray
    gap: np.ndarray
    false_gap: np.ndarray


def affine_runs(population: np.ndarray, number: int, generator: np.random.Generator, *, sets: int,
                steps: int, batch_size: int, step_size: float,
                noise_level: float = 1.0) -> AffineRuns:
    """SGD from 0 for W x_noisy + w with loss |W x_noisy + w − x|², recorded at powers of two.

    ``sets`` times S and one more point are drawn from ``population (M, d)`` without replacement,
    which keeps the exchange, and the first point of S is replaced by it. One noise for each row of
    a batch; given the weights all expectations over noise and points are closed forms, and affine
    denoisers are a linear class. Raises ``ValueError`` for number < 2, a population of at most
    number + 1 points, sets, steps or a batch size < 1, a step size or noise level <= 0.
    """
    points = as_numpy("population", population, "M", "d")
    number, sets = count("number", number, 2), count("sets", sets)
    steps, batch_size = count("steps", steps), count("batch_size", batch_size)
    if len(points) <= number + 1:
        raise ValueError(f"population must have more than {number + 1} points; got {len(points)}")
    for name, value in (("step_size", step_size), ("noise_level", noise_level)):
        if not 0 < value < np.inf:
            raise ValueError(f"{name} must be positive and finite; got {value}")
    d = points.shape[1]
    points = np.hstack([points, np.ones((len(points), 1))])  # and an intercept
    order = np.argsort(generator.random((sets, len(points))), axis=1)[:, :number + 1]
    S, S_i = points[order[:, :number]], points[order[:, :number]]
    S_i[:, 0] = points[order[:, number]]
    inside = np.einsum("rjk,rjl->rkl", S, S) / number
    outside = (points.T @ points - number * inside) / (len(points) - number)
    gram = inside + noise_level**2 * np.diag([1.0] * d + [0.0])
    best = np.linalg.solve(gram, inside[:, :, :d]).swapaxes(1, 2)
    rows = np.arange(sets)[:, None]

    def square(D: np.ndarray, form: np.ndarray) -> np.ndarray:
        return np.einsum("rik,rkl,ril->r", D, form, D)

    def draw() -> tuple[np.ndarray, np.ndarray]:
        return (generator.integers(number, size=(sets, batch_size)),
                noise_level * generator.standard_normal((sets, batch_size, d)))

    def step(W: np.ndarray, data: np.ndarray, at: np.ndarray, noise: np.ndarray) -> np.ndarray:
        clean = data[rows, at]
        noisy = clean.copy()
        noisy[:, :, :d] += noise
        residual = noisy @ W.swapaxes(1, 2) - clean[:, :, :d]
        return W - 2 * step_size / batch_size * residual.swapaxes(1, 2) @ noisy

    W, shared, own = (np.zeros((sets, d, d + 1)) for _ in range(3))
    kept, found = [], []
    for k in range(1, steps + 1):
        both, other = draw(), draw()
        W, shared, own = step(W, S, *both), step(shared, S_i, *both), step(own, S_i, *other)
        if k & (k - 1) == 0:
            # What the noise adds to the loss is the same at all points.
            off = W - np.eye(d, d + 1)
            fresh = square(off, outside)
            kept.append(k)
            found.append([square(D, gram) for D in (W - shared, W - own, W - best, shared - best,
                                                    own - best)]
                         + [fresh - square(off, inside),
                            fresh - square(off, np.roll(inside, 1, axis=0))])
    return AffineRuns(np.array(kept), *np.array(found).swapaxes(0, 1))
