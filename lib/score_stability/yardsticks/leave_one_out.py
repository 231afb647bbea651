"""Certificates: Theorem 3 for one data set, from leave-one-out models of any algorithm.

With S_−j the data without point j, f(a, x) the denoising loss of an algorithm's output a at x, and
m points that are left out one at a time,

    LOO = mean_j f(A(S_−j), x_j),   L̂ = mean_{i≠j} f(A(S_−i), x_j),
    eps² = mean_{i≠j} |A(S_−i) − A(S_−j)|²  seen from x_j:     |√LOO − √L̂| <= eps,

for every data set and every algorithm (Minkowski). S_−j and S_−i differ by one exchanged point, so
eps² is the score stability of Definition 2 at size N − 1, and cert = (√L̂ + eps)² >= LOO.

The three numbers must use *identical* noise draws at x_j. Denoiser units: f = E|m(x + s xi) − x|²,
with s = sigma/mu; score units are mu²/sigma⁴ times that. numpy only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import as_numpy, count
from ..jobs import Progress, spread
from ..theory import bounds

Denoiser = Callable[[np.ndarray, float], np.ndarray]
Algorithm = Callable[[np.ndarray, np.random.Generator], Denoiser]


@dataclass(frozen=True, eq=False)
class Jackknife:
    """LOO losses ``(m,)``, L̂ and eps² of one data set (denoiser units), and what follows.

    Raises ``ValueError`` unless there are two or more finite losses, none negative.

    >>> import numpy as np
    >>> from score_stability.yardsticks import Jackknife
    >>> part = Jackknife(loo_losses=np.array([3.0, 5.0]), seen_loss=1.0, stability=4.0)
    >>> part.loo, part.certificate, part.slack  # 4 <= (1 + 2)²; 2/(2 − 1)
    (4.0, 9.0, 2.0)
    """

    loo_losses: np.ndarray
    seen_loss: float
    stability: float

    def __post_init__(self) -> None:
        losses = as_numpy("loo_losses", self.loo_losses, "m")
        if losses.size < 2:
            raise ValueError("loo_losses must be a vector of at least two losses; "
                             f"got shape {losses.shape}")
        for name, value in (("loo_losses", losses), ("seen_loss", self.seen_loss),
                            ("stability", self.stability)):
            if not (np.isfinite(value) & (np.asarray(value) >= 0)).all():
                raise ValueError(f"{name} must be finite and non-negative")
        object.__setattr__(self, "loo_losses", losses)

    @property
    def loo(self) -> float:
        """LOO: the mean loss at the point that was left out; unbiased for L at size N − 1."""
        return float(self.loo_losses.mean())

    @property
    def score_stability(self) -> float:
        """eps, the score stability at size N − 1; unbiased in the square if the algorithm ignores
        the order of the data."""
        return math.sqrt(self.stability)

    @property
    def certificate(self) -> float:
        """(√L̂ + eps)² >= LOO, hence E cert >= L at size N − 1."""
        return bounds.CERTIFICATE(eps_stab=self.score_stability, seen_loss=self.seen_loss)

    @property
    def slack(self) -> float:
        """eps/(√LOO − √L̂) >= 1, on the same sample; ``ValueError`` if LOO does not exceed L̂."""
        root_gap = math.sqrt(self.loo) - math.sqrt(self.seen_loss)
        if root_gap <= 0:
            raise ValueError("slack needs LOO > L̂")
        return self.score_stability / root_gap

    def upper_end(self, replace_one_rms: float, miss: float = 0.05) -> float:
        """LOO + √(v (1 − miss)/miss), v = V/N + beta²: the risk lies below, but for ``miss``.

        V is estimated by the variance of the LOO losses, beta = ``replace_one_rms`` is the root
        mean square change of the loss at a fresh point when one training point is replaced. A
        *plug-in* statement: v is not known. Raises ``ValueError`` unless 0 < miss < 1.
        """
        if not 0 < miss < 1:
            raise ValueError(f"miss must be in (0, 1); got {miss}")
        return self.loo + bounds.LOO_INTERVAL(
            N=self.loo_losses.size, beta_out=replace_one_rms, delta=miss,
            loss_variance=self.loo_losses.var(ddof=1))


def joint(parts: Sequence[Jackknife], weights: Any) -> Jackknife:
    """The jackknife of the weighted loss Σ_k w_k f_k, from one jackknife per noise level.

    All three numbers are weighted sums. Raises ``ValueError`` for weights that are negative or not
    one per part, and for parts that did not leave out equally many points.

    >>> import numpy as np
    >>> from score_stability.yardsticks import Jackknife, joint
    >>> parts = Jackknife(np.full(5, 4.0), 1.0, 1.0), Jackknife(np.full(5, 9.0), 3.0, 3.0)
    >>> both = joint(parts, [1.0, 1.0])
    >>> both.loo, round(both.certificate, 4)  # (√(1 + 3) + √(1 + 3))²
    (13.0, 16.0)
    """
    weights = _weights(parts, weights)
    if len({part.loo_losses.size for part in parts}) != 1:
        raise ValueError("parts must have left out the same points, in the same order")
    return Jackknife(sum(w * part.loo_losses for w, part in zip(weights, parts, strict=True)),
                     sum(w * part.seen_loss for w, part in zip(weights, parts, strict=True)),
                     sum(w * part.stability for w, part in zip(weights, parts, strict=True)))


def per_time(parts: Sequence[Jackknife], weights: Any) -> float:
    """Σ_k w_k cert_k: never above ``joint(parts, weights).certificate`` (Cauchy–Schwarz).

    >>> import numpy as np
    >>> from score_stability.yardsticks import Jackknife, joint, per_time
    >>> parts = Jackknife(np.full(5, 4.0), 1.0, 1.0), Jackknife(np.full(5, 9.0), 4.0, 1.0)
    >>> round(per_time(parts, [1.0, 1.0]), 4)  # (1 + 1)² + (2 + 1)²
    13.0
    >>> round(joint(parts, [1.0, 1.0]).certificate, 4)  # (√5 + √2)²
    13.3246
    """
    weights = _weights(parts, weights)
    return float(sum(w * part.certificate for w, part in zip(weights, parts, strict=True)))


def retrain(fit: Algorithm, data: np.ndarray, generator: np.random.Generator, *,
            noise_levels: Sequence[float], models: int, draws: int = 4, jobs: int = 1,
            progress: Progress | None = None) -> tuple[Jackknife, ...]:
    """The jackknife of *any* algorithm, from ``models`` fits without one point; one per level.

    ``fit(data, generator)`` returns a denoiser ``m(y, s) -> (M, d)`` (from a score:
    m = (x + sigma² score)/mu). Data ``(N, d)`` are permuted at random, and points are left out
    from the end. All fits get generators built alike (shared seed), and any two data sets agree in
    all but two rows: draw noise and batches row by row and they are coupled. LOO, L̂ and eps use
    the same ``draws`` fresh noises per point; L̂ is then a training loss on fresh noise.
    Cost: ``models`` fits, ``jobs`` at a time with the same numbers, and O(models²) evaluations of
    ``draws`` rows; ``progress``, for instance ``tqdm.tqdm``, is called as progress(fits,
    total=models) and hands them on one by one.

    Raises ``ValueError`` for fewer than two data or models, more models than data, levels that are
    not positive, data that are not finite, or a denoiser that returns another shape.

    >>> import numpy as np
    >>> from score_stability.yardsticks import retrain
    >>> def fit(data, generator):  # the best denoiser of N(mean of the data, I)
    ...     return lambda y, s: (y + s**2 * data.mean(0)) / (1 + s**2)
    >>> data = np.random.default_rng(0).standard_normal((20, 2))
    >>> (found,) = retrain(fit, data, np.random.default_rng(1), noise_levels=[1.0], models=20)
    >>> found.seen_loss < found.loo < found.certificate
    True
    """
    points = as_numpy("data", data, "N", "d")
    if len(points) < 2:
        raise ValueError(f"data must hold at least two points; got {len(points)}")
    if not 2 <= count("models", models, 0) <= len(points):
        raise ValueError(f"models must be between 2 and {len(points)}; got {models}")
    draws = count("draws", draws)
    levels = as_numpy("noise_levels", noise_levels, "K").tolist()
    if min(levels) <= 0:
        raise ValueError("noise_levels must be positive and finite")
    if not isinstance(generator, np.random.Generator):
        raise TypeError(f"generator must be a numpy Generator; got {type(generator).__name__}")
    if not callable(fit):
        raise TypeError("fit must be a function fit(data, generator) -> denoiser; "
                        f"got {type(fit).__name__}")
    points = points[generator.permutation(len(points))]
    noise = generator.standard_normal((models, draws, points.shape[1]))
    seed = int(generator.integers(2**62))
    clean = points[-models:]

    def outputs(i: int) -> np.ndarray:
        """Of the model without point i, (levels, points, draws, d)."""
        # The last point fills the slot of the one that is left out: no row shifts its place. Two
        # such sets differ in two slots; for an algorithm that looks at the order eps² is biased.
        others = points[:-1].copy()
        if i < models - 1:
            others[len(points) - models + i] = points[-1]
        denoiser, values = fit(others, np.random.default_rng(seed)), []
        for s in levels:
            y = (clean[:, None] + s * noise).reshape(-1, points.shape[1])
            value = as_numpy("what fit's denoiser returns", denoiser(y, s))
            if value.shape != y.shape:
                raise ValueError(f"fit must return a denoiser of shape {y.shape}; "
                                 f"got {value.shape}")
            values.append(value.reshape(noise.shape))
        return np.stack(values)

    found = spread(outputs, ((i,) for i in range(models)), models, jobs, progress)
    return tuple(_from_outputs(level, clean) for level in found.swapaxes(0, 1))


def _from_outputs(outputs: np.ndarray, clean: np.ndarray) -> Jackknife:
    """From the outputs of model i at point j, ``(m, m, J, d)``."""
    own = np.arange(len(clean))
    others = len(clean) * (len(clean) - 1)
    losses = ((outputs - clean[:, None]) ** 2).sum(3).mean(2)
    moved = ((outputs - outputs[own, own]) ** 2).sum(3).mean(2)
    return Jackknife(losses[own, own], float((losses.sum() - losses[own, own].sum()) / others),
                     float(moved.sum() / others))


def elbo_weights(noise_levels: Any) -> np.ndarray:
    """w_k = (1/s_{k+1}² − 1/s_k²)/2 for s_0 > … > s_{K−1}: ``(K − 1,)`` (denoiser units).

    Σ_k w_k E|x − m_k(x + s_k xi)|² + E|x|²/(2 s_0²) + (d/2) log(2 pi e s_min²) bounds the expected
    negative log likelihood of the K-level ancestral sampler at s_min (``bounds.SAMPLER_NLL``).
    Raises ``ValueError`` unless the levels fall strictly and are positive and finite.

    >>> from score_stability.yardsticks import elbo_weights
    >>> elbo_weights([2.0, 1.0, 0.5]).round(4).tolist()  # (1 − 1/4)/2 and (4 − 1)/2
    [0.375, 1.5]
    """
    s = as_numpy("noise_levels", noise_levels, finite=False)
    if s.ndim != 1 or s.size < 2 or not (np.isfinite(s) & (s > 0)).all() or (np.diff(s) >= 0).any():
        raise ValueError("noise_levels must be a strictly decreasing vector of positive levels")
    return bounds.ELBO_WEIGHT(noise_level=s[:-1], next_noise_level=s[1:])


def _weights(parts: Sequence[Jackknife], weights: Any) -> np.ndarray:
    weights = as_numpy("weights", weights)
    if len(parts) == 0 or weights.shape != (len(parts),):
        raise ValueError(f"weights must have one entry per part ({len(parts)}); "
                         f"got shape {weights.shape}")
    if not (weights >= 0).all():
        raise ValueError("weights must be finite and non-negative")
    return weights
