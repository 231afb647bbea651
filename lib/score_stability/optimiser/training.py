"""Clipped SGD on the denoising loss, for many models at once; couplings of adjacent runs.

    G_k = (1/(N_B P)) Σ_{j in B_k} Σ_{p <= P} ∇ l(theta_k; x_j, t_jp, xi_jp)
    theta_{k+1} = (1 − eta_k lambda) theta_k − eta_k Clip_C(G_k),    Clip_C(g) = g min(1, C/|g|)

with the row loss l = w(t)|s_theta(X, t) + xi/sigma_t|², X = mu_t x + sigma_t xi. The minibatch B_k
is drawn afresh at every step: no epochs, the analysis does not cover reshuffling.

Models are the rows of one parameter matrix and never mix. A *group* of models shares every random
draw (minibatch, times, noise, injected noise): two models of one group on data sets that differ in
one point are two runs under the synchronous coupling.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from ..arrays import as_numpy, as_tensor, floating, indices
from ..diffusion.process import OrnsteinUhlenbeck
from ..diffusion.weighting import TimeWeighting
from ..sampler.sampling import ddpm, sample, step_pairs
from ..scores.networks import Network, noise_at, parameters
from ..theory import quadrature
from .contraction import reflection_maximal

TimeLaw = Callable[[np.ndarray], np.ndarray]
LIMIT = 1e6  # a run whose parameters have this norm has diverged


class Diverged(RuntimeError):
    """A run left the ball |theta| < 10⁶ or became NaN; the message says which model and when."""


def single_time(t: float) -> TimeLaw:
    """All rows at time t."""
    return lambda uniforms: np.full_like(uniforms, t)


def log_uniform_times(start: float, end: float) -> TimeLaw:
    """log t uniform on [log start, log end] (at alpha = 0: log sigma uniform as well)."""
    if not 0 < start < end < np.inf:
        raise ValueError(f"start and end must satisfy 0 < start < end; got {start}, {end}")
    return lambda uniforms: start * (end / start) ** uniforms


@dataclass(frozen=True)
class DenoisingLoss:
    """Row loss w(t)|s_theta(X, t) + xi/sigma_t|², t ~ ``times``, as a mean (mass one).

    ``weight`` is "noise" (w = sigma_t²: the loss is |xihat − xi|², of order d at every time) or
    "score" (w = 1: score units).
    """

    process: OrnsteinUhlenbeck
    times: TimeLaw
    weight: str = "noise"

    def __post_init__(self) -> None:
        if self.weight not in ("noise", "score"):
            raise ValueError(f"weight must be 'noise' or 'score'; got {self.weight!r}")

    def rows(self, network: Network, theta: torch.Tensor, points: torch.Tensor,
             uniforms: torch.Tensor, xi: torch.Tensor) -> torch.Tensor:
        """Row losses ``(B, n, P)`` for points ``(B, n, d)``, uniforms ``(B, n, P)``, xi with d."""
        t = torch.from_numpy(self.times(uniforms.cpu().numpy())).to(uniforms)
        mu, sigma = self.process.mean_scale(t), self.process.variance(t).sqrt()
        x = mu[..., None] * points[:, :, None, :] + sigma[..., None] * xi
        models, d = x.shape[0], x.shape[-1]
        error = network.noise(theta, x.reshape(models, -1, d), mu.reshape(models, -1),
                              sigma.reshape(models, -1)).reshape(x.shape) - xi
        loss = (error**2).sum(dim=-1)
        return loss if self.weight == "noise" else loss / sigma**2


@dataclass(frozen=True)
class SGD:
    """What one run is: sizes, steps, clip, decay, noise.

    ``step_size``, ``clip``, ``weight_decay`` and ``noise_std`` are numbers or vectors with one
    entry per model; ``step_size`` may be a function of k = 1, 2, …. ``clip_each`` clips the mean
    gradient of every data point before averaging (as DP-SGD does) instead of the aggregate.
    ``noise_std`` adds noise_std·Z to the parameters after every step, isotropic. ``matched`` adds
    a(G' − G''), a² = (1 − 1/P)/2, before the clip, where G', G'' are gradients on the same
    minibatch with one new (t, xi) a point each: the covariance is then that of P = 1.

    Raises ``ValueError`` naming the argument for sizes below 1, batch_size > N (without
    replacement), clip <= 0, eta lambda > 1 and the like.
    """

    steps: int
    batch_size: int
    step_size: Any
    clip: Any = math.inf
    weight_decay: Any = 0.0
    resamples: int = 1
    clip_each: bool = False
    with_replacement: bool = False
    noise_std: Any = 0.0
    matched: bool = False

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "resamples"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
                raise ValueError(f"{name} must be a positive integer; got {value!r}")
        for name in ("clip", "weight_decay", "noise_std"):
            value = as_numpy(name, getattr(self, name), finite=name != "clip")
            if not value.size or not (value >= 0).all() or (
                    name == "clip" and not (value > 0).all()):
                least = "positive" if name == "clip" else "finite and non-negative"
                raise ValueError(f"{name} must be {least}; got {value}")
            if value.ndim:
                object.__setattr__(self, name, value)
        if self.clip_each and self.matched:
            raise ValueError("matched noise is defined for the aggregate clip: set clip_each=False")
        self.step(1)

    def step(self, k: int) -> np.ndarray:
        """eta_k as a number or one entry per model; checks 0 < eta_k and eta_k lambda <= 1."""
        eta = as_numpy("step_size",
                       self.step_size(k) if callable(self.step_size) else self.step_size)
        if not eta.size or not (eta > 0).all():
            raise ValueError(f"step_size must be finite and positive; got {eta} at step {k}")
        if not (eta * np.asarray(self.weight_decay) <= 1).all():
            raise ValueError(f"step_size * weight_decay must be at most 1; got "
                             f"{np.max(eta * np.asarray(self.weight_decay))} at step {k}")
        return eta


class Streams(NamedTuple):
    """One generator for each kind of randomness, so that changing one leaves the others alone."""

    indices: np.random.Generator
    rows: np.random.Generator
    injected: np.random.Generator


def streams(generator: np.random.Generator) -> Streams:
    """Three independent streams from one generator."""
    return Streams(*generator.spawn(3))


class State(NamedTuple):
    """After step ``k``: parameters ``(B, P)``, the minibatch ``(B, N_B)`` and the (clipped)
    gradient of the step, and flags ``(B,)``."""

    k: int
    theta: torch.Tensor
    batch: torch.Tensor
    gradient: torch.Tensor
    clipped: torch.Tensor
    diverged: torch.Tensor


def adjacent(data: Any, index: Any, fresh: Any) -> torch.Tensor:
    """Data sets ``(2M, N, d)``: the M given ones, then the same with x_index replaced by fresh.

    ``data`` is ``(M, N, d)``, ``index`` an integer or ``(M,)``, ``fresh`` ``(M, d)``. The result is
    in the floating dtype of a tensor ``data``, else float64: a fresh point is never rounded to
    whole numbers. Raises ``ValueError`` or ``TypeError`` for an index that is out of range or not
    an integer, shapes that do not match, values that are not finite.
    """
    points = as_tensor("data", data, "M", "N", "d")
    models, number, d = points.shape
    fresh = as_tensor("fresh", fresh, models, d).to(points)
    rows = indices("index", index, number)
    if rows.shape not in ((), (models,)):
        raise ValueError(f"index must be a number or ({models},); got shape {rows.shape}")
    changed = points.clone()
    changed[torch.arange(models), torch.from_numpy(np.broadcast_to(rows, (models,)).copy())] = fresh
    return torch.cat([points, changed]).to(floating(data))


def sgd(network: Network, theta: Any, data: Any, loss: DenoisingLoss,
        options: SGD, streams: Streams, *, groups: Any = None, reflect: bool = False,
        project: bool = False, on_divergence: str = "raise") -> Iterator[State]:
    """Run SGD from ``theta (B, P)`` on ``data (B, N, d)``, yielding a ``State`` after every step.

    ``groups (B,)`` says which models share their randomness; default: all independent. For pairs
    made by ``adjacent``, ``pair_groups(M)`` is the synchronous coupling. With ``reflect`` models
    b and b + B/2 take their injected noise from the reflection-maximal coupling instead.
    ``project`` keeps theta in the ball of radius clip/weight_decay, in which noiseless SGD stays.
    ``on_divergence``: "raise" stops with ``Diverged``; "mark" sets a diverged model to NaN,
    flags it and goes on with the others. The run is in the dtype of ``networks.parameters``.
    """
    theta = parameters(theta, "models", network.parameters)
    data = as_tensor("data", data, len(theta), "N", "d").to(theta)
    models, number, _ = data.shape
    if options.batch_size > number and not options.with_replacement:
        raise ValueError(f"batch_size must be at most N = {number} without replacement; "
                         f"got {options.batch_size}")
    if on_divergence not in ("raise", "mark"):
        raise ValueError(f"on_divergence must be 'raise' or 'mark'; got {on_divergence!r}")
    if reflect and (models % 2 or not (np.asarray(options.noise_std) > 0).all()):
        raise ValueError("noise_std must be positive and the number of models even to reflect")
    if project and not (np.asarray(options.weight_decay) > 0).all():
        raise ValueError("weight_decay must be positive to project: the ball has radius "
                         "clip/weight_decay")
    group = np.arange(models) if groups is None else np.asarray(groups)
    if group.shape != (models,) or group.dtype.kind not in "iu" or group.min() < 0:
        raise ValueError(f"groups must be {models} non-negative integers; got {groups!r}")
    return _run(network, theta, data, loss, options, streams, group, reflect, project,
                on_divergence)


def pair_groups(pairs: int) -> np.ndarray:
    """Groups of 2·pairs models in which model m and model m + pairs share their randomness."""
    return np.tile(np.arange(pairs), 2)


def pair_distance(theta: Any) -> torch.Tensor:
    """|theta_m − theta_{m + M}| ``(M,)`` for the pairs of ``pair_groups(M)``."""
    theta = parameters(theta, "2M", "P", finite=False)  # a diverged model is NaN
    half, odd = divmod(len(theta), 2)
    if odd:
        raise ValueError(f"theta must hold pairs of models; got {len(theta)}")
    return (theta[:half] - theta[half:]).norm(dim=1)


class Mark(NamedTuple):
    """At a marked step: the moving average of the parameters ``(B, P)``, the ``State``, the
    fraction of steps so far that were clipped ``(B,)``, and Σ_k k·B_k ``(B, N_B)``, a fingerprint
    of the minibatches so far."""

    average: torch.Tensor
    state: State
    clipped: torch.Tensor
    fingerprint: torch.Tensor


def averaged(run: Iterable[State], start: Any, marks: Collection[int], *,
             decay: float = 0.995) -> Iterator[Mark]:
    """Follow ``run`` from ``start (B, P)`` and yield a ``Mark`` at every step k in ``marks``.

    average_k = decay·average_{k-1} + (1 − decay)·theta_k, average_0 = start. The last iterate of a
    noisy run jitters; the average hardly does. Raises ``ValueError`` if decay is not in [0, 1).
    """
    if not 0 <= decay < 1:
        raise ValueError(f"decay must lie in [0, 1); got {decay}")
    return _averaged(run, parameters(start, "B", "P", name="start").clone(),
                     {int(k) for k in marks}, decay)


def _averaged(run: Iterable[State], average: torch.Tensor, marks: set[int], decay: float
              ) -> Iterator[Mark]:
    clipped: Any
    fingerprint: Any
    clipped, fingerprint = 0.0, 0  # tensors from the first step on
    for state in run:
        average = average.to(state.theta).lerp(state.theta, 1 - decay)
        clipped = clipped + state.clipped.double()
        fingerprint = fingerprint + state.k * state.batch
        if state.k in marks:
            yield Mark(average, state, clipped / state.k, fingerprint)


def denoised_samples(network: Network, theta: Any, process: OrnsteinUhlenbeck,
                     times: Any, start: Any, generator: np.random.Generator) -> torch.Tensor:
    """One ancestral sample of its model for each point of ``start (B, n, d)``, denoised.

    The reverse process runs along ``times`` (see ``sampling.sample``) and ends with the posterior
    mean (x + sigma² s_theta(x, t))/mu at the last time: on raw samples a test for copies would
    measure the residual noise. Float64, ``(B, n, d)``. Raises ``ValueError`` for wrong shapes.
    """
    theta = parameters(theta, "models", "P")
    start = as_tensor("start", start, len(theta), "n", "d")

    def score(x: torch.Tensor, t: float) -> torch.Tensor:
        noise = noise_at(network, theta, x.view(start.shape), process, t)
        return -noise.reshape(x.shape).to(x) / math.sqrt(process.variance(t))

    end = sample(score, process, times, start.reshape(-1, start.shape[-1]), generator, scheme=ddpm)
    last = step_pairs(times)[-1][1]
    return process.denoiser_from_score(score(end, last), end, last).view(start.shape)


def _run(network: Network, theta: torch.Tensor, data: torch.Tensor, loss: DenoisingLoss,
         options: SGD, streams: Streams, group: np.ndarray, reflect: bool, project: bool,
         on_divergence: str) -> Iterator[State]:
    models, number, d = data.shape
    count = int(group.max()) + 1
    which = torch.from_numpy(group).to(data.device)

    def column(value: Any) -> torch.Tensor:
        vector = as_tensor("options", value, finite=False).to(theta)
        return vector.expand(models)[:, None]

    clip, decay, noise = map(column, (options.clip, options.weight_decay, options.noise_std))
    noisy = bool((noise > 0).any())
    diverged = torch.zeros(models, dtype=torch.bool, device=theta.device)
    mix = math.sqrt((1 - 1 / options.resamples) / 2) if options.matched else 0.0
    everyone = torch.arange(models, device=data.device)[:, None]

    def draw(generator: np.random.Generator, resamples: int) -> tuple[torch.Tensor, torch.Tensor]:
        shape = (count, options.batch_size, resamples)
        uniforms = torch.from_numpy(generator.random(shape)).to(theta)
        xi = torch.from_numpy(generator.standard_normal((*shape, d))).to(theta)
        return uniforms[which], xi[which]

    for k in range(1, options.steps + 1):
        eta = column(options.step(k))
        drawn = minibatches(number, count, options, streams.indices)
        batch = torch.from_numpy(drawn).to(data.device)[which]
        points = data[everyone, batch]
        uniforms, xi = draw(streams.rows, options.resamples)
        if options.clip_each:
            gradient, clipped = _clipped_each(network, theta, loss, points, uniforms, xi, clip)
        else:
            leaf = theta.detach().requires_grad_(True)
            objective = loss.rows(network, leaf, points, uniforms, xi).mean(dim=(1, 2))
            if mix:
                for sign in (1.0, -1.0):
                    extra = loss.rows(network, leaf, points, *draw(streams.injected, 1))
                    objective = objective + sign * mix * extra.mean(dim=(1, 2))
            (gradient,) = torch.autograd.grad(objective.sum(), leaf)
            gradient, clipped = clip_rows(gradient, clip)
        theta = (1 - eta * decay) * theta - eta * gradient
        if noisy and reflect:
            half = models // 2
            first, second, _ = reflection_maximal(theta[:half], theta[half:], noise[:half, 0],
                                                  streams.injected)
            theta = torch.cat([first, second])
        elif noisy:
            z = streams.injected.standard_normal((count, theta.shape[1]))
            theta = theta + noise * torch.from_numpy(z).to(theta)[which]
        if project:
            theta = clip_rows(theta, clip / decay)[0]
        # ~(norm < limit) rather than norm >= limit: it is true for NaN as well.
        out = ~(theta.norm(dim=1) < LIMIT)
        if bool((out & ~diverged).any()):
            if on_divergence == "raise":
                raise Diverged(f"model {int(torch.nonzero(out)[0])} diverged at step {k}: "
                               f"|theta| is not below {LIMIT:g}")
            diverged = diverged | out
            theta = torch.where(diverged[:, None], torch.nan, theta)
        yield State(k, theta, batch, gradient, clipped, diverged)


def minibatches(number: int, count: int, options: SGD,
                generator: np.random.Generator) -> np.ndarray:
    """Indices ``(count, batch_size)`` of independent fresh minibatches."""
    if options.with_replacement:
        return generator.integers(number, size=(count, options.batch_size))
    return np.argsort(generator.random((count, number)), axis=1)[:, :options.batch_size]


def hit_probability(number: int, options: SGD) -> float:
    """P(i in B_k): N_B/N without replacement, 1 − (1 − 1/N)^N_B with."""
    if options.with_replacement:
        return -math.expm1(options.batch_size * math.log1p(-1 / number)) if number > 1 else 1.0
    return options.batch_size / number


def clip_rows(vectors: torch.Tensor, radius: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Projection of every row on the ball of its radius ``(B, 1)``, and which rows moved."""
    norm = vectors.norm(dim=1, keepdim=True)
    # The least positive number keeps 0/0 away: a zero gradient stays zero.
    factor = (radius / norm.clamp_min(torch.finfo(norm.dtype).tiny)).clamp(max=1.0)
    return vectors * factor, (norm > radius)[:, 0]


def _clipped_each(network: Network, theta: torch.Tensor, loss: DenoisingLoss, points: torch.Tensor,
                  uniforms: torch.Tensor, xi: torch.Tensor, clip: torch.Tensor
                  ) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean over the minibatch of per-point gradients, each clipped: every point its own model."""
    models, batch = points.shape[:2]
    gradient = point_gradients(network, theta, loss, points, uniforms, xi)
    gradient, clipped = clip_rows(gradient.reshape(models * batch, -1),
                                  clip.repeat_interleave(batch, dim=0))
    return (gradient.reshape(models, batch, -1).mean(dim=1),
            clipped.reshape(models, batch).any(dim=1))


def point_gradients(network: Network, theta: torch.Tensor, loss: DenoisingLoss,
                    points: torch.Tensor, uniforms: torch.Tensor, xi: torch.Tensor
                    ) -> torch.Tensor:
    """Gradients ``(B, n, P)`` of the loss of every point, averaged over its resamples."""
    models, number = points.shape[:2]
    leaf = theta.detach().repeat_interleave(number, dim=0).requires_grad_(True)
    rows = loss.rows(network, leaf, points.reshape(models * number, 1, -1),
                     uniforms.reshape(models * number, 1, -1),
                     xi.reshape(models * number, 1, *xi.shape[2:]))
    (gradient,) = torch.autograd.grad(rows.mean(dim=(1, 2)).sum(), leaf)
    return gradient.reshape(models, number, -1)


def gauss_hermite(dimension: int, nodes: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Nodes ``(nodes^d, d)`` and weights of E f(xi), xi ~ N(0, I_d): exact to degree 2 nodes − 1.

    Meant for d <= 3; raises ``ValueError`` for more than 10⁵ nodes in all.
    """
    if dimension < 1 or nodes < 1 or nodes**dimension > 10**5:
        raise ValueError(f"nodes**dimension must lie in 1..100000; got {nodes}**{dimension}")
    x, w = quadrature.gauss_hermite(nodes)
    grid = np.stack(np.meshgrid(*[x] * dimension, indexing="ij"), axis=-1).reshape(-1, dimension)
    weights = np.stack(np.meshgrid(*[w] * dimension, indexing="ij"), axis=-1)
    return torch.from_numpy(grid), torch.from_numpy(weights.reshape(-1, dimension).prod(axis=1))


def exact_loss(network: Network, theta: Any, points: Any,
               process: OrnsteinUhlenbeck, weighting: TimeWeighting, *, weight: str = "noise",
               nodes: int = 5) -> torch.Tensor:
    """Loss of every point, ``(B, n)``: Σ_k tau_k w(t_k) E_xi|s_theta(X, t_k) + xi/sigma|².

    ``points`` is ``(B, n, d)``; the mean over xi is Gauss–Hermite with ``nodes`` per dimension, so
    there is no noise in the evaluation. Low-order Monte Carlo would bias comparisons of levels.
    """
    def squared(noise: torch.Tensor, xi: torch.Tensor) -> torch.Tensor:
        return ((noise - xi) ** 2).sum(dim=-1)

    return _integrate(network, (theta,), points, process, weighting, weight, nodes, squared)


def score_distance(network: Network, theta: Any, other: Any, points: Any,
                   process: OrnsteinUhlenbeck, weighting: TimeWeighting, *,
                   weight: str = "score", nodes: int = 5) -> torch.Tensor:
    """Σ_k tau_k w(t_k) E|s_theta − s_other|²(X_t, t_k) given X_0 = point, ``(B, n)``.

    With points x̃, theta trained on S and other on S^i this is the value of the coupling used in
    training: an upper bound of eps_stab² (Definition 2 takes the best coupling).
    """
    def squared(first: torch.Tensor, second: torch.Tensor, xi: torch.Tensor) -> torch.Tensor:
        return ((first - second) ** 2).sum(dim=-1)

    return _integrate(network, (theta, other), points, process, weighting, weight, nodes, squared)


def _integrate(network: Network, thetas: tuple[Any, ...], points: Any,
               process: OrnsteinUhlenbeck, weighting: TimeWeighting, weight: str, nodes: int,
               squared: Callable[..., torch.Tensor]) -> torch.Tensor:
    if weight not in ("noise", "score"):
        raise ValueError(f"weight must be 'noise' or 'score'; got {weight!r}")
    thetas = tuple(parameters(theta, "B", "P", finite=False, name=name)
                   for name, theta in zip(("theta", "other"), thetas, strict=False))
    thetas = tuple(theta.to(thetas[0]) for theta in thetas)
    points = as_tensor("points", points, len(thetas[0]), "n", "d")
    models, number, d = points.shape
    xi, w = (v.to(thetas[0]) for v in gauss_hermite(d, nodes))
    base = points.to(thetas[0])[:, :, None, :]
    everywhere = xi.expand(models, number, len(xi), d)
    total = torch.zeros(models, number, dtype=thetas[0].dtype, device=thetas[0].device)
    for t, tau in zip(weighting.times.tolist(), weighting.weights.tolist(), strict=True):
        mu, sigma = process.mean_scale(t), math.sqrt(process.variance(t))
        x = (mu * base + sigma * xi).reshape(models, -1, d)
        noises = [noise_at(network, theta, x, process, t).reshape(everywhere.shape)
                  for theta in thetas]
        values = squared(*noises, everywhere) @ w
        total += tau * (values if weight == "noise" else values / sigma**2)
    return total
