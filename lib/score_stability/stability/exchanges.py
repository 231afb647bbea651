"""All exchanges among N + 1 points: Lemma 4 as an identity of one data set, with no noise drawn.

Take N + 1 points on the line and, for each j, the fit on all of them but z_j. Replacing z_i by z_j
turns the training set without z_j into the one without z_i, so every ordered pair (i, j) is one
exchange. Averaged over the pairs, N times the move on the training set *is* test minus training
loss if the class is linear, for every set of points: nothing is left to chance.
All quantities are in *denoiser units* (score units: times mu²/sigma⁴), at one time.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ..arrays import as_numpy, count
from ..diffusion.process import OrnsteinUhlenbeck, one_time
from ..scores.fourier import FourierDenoisers


class Exchanges(NamedTuple):
    """Means over all exchanges of each data set, arrays ``(sets,)``.

    ``stability`` is the mean square move seen from the point that comes in (its mean over data
    sets is eps_stab²), ``move`` that seen from the training set (its mean is E F).
    """

    stability: np.ndarray
    move: np.ndarray
    test_loss: np.ndarray
    training_loss: np.ndarray

    @property
    def gap(self) -> np.ndarray:
        """Test minus training loss."""
        return self.test_loss - self.training_loss


def _sets(points: Any) -> np.ndarray:
    z = as_numpy("points", points)
    if z.ndim != 2 or z.shape[0] < 1 or z.shape[1] < 2:
        raise ValueError("points must be sets of N + 1 >= 2 points on the line, shape "
                         f"(sets, N + 1); got shape {z.shape}")
    return z


def fourier_exchanges(family: FourierDenoisers, points: Any) -> Exchanges:
    """Every exchange of the exact minimisers of a Fourier class; ``points`` are ``(sets, N + 1)``.

    N + 1 linear solves for each set, in closed form over the noise. Raises ``ValueError`` unless
    ``points`` are such sets.

    >>> import numpy as np
    >>> from score_stability.diffusion import OrnsteinUhlenbeck
    >>> from score_stability.scores import FourierDenoisers
    >>> from score_stability.stability import fourier_exchanges
    >>> mean = FourierDenoisers(harmonics=0, omega=1.0, process=OrnsteinUhlenbeck(), t=0.5)
    >>> found = fourier_exchanges(mean, [[0.0, 1.0, 5.0]])  # means of two points move by half
    >>> float((2 * found.move - found.gap)[0]) < 1e-12, float(found.stability[0].round(6))
    (True, 3.5)
    """
    z = _sets(points)
    n = z.shape[1] - 1
    gram = family.gram(z.reshape(-1)).reshape(*z.shape, *2 * family.order.shape)
    moment = family.moment(z.reshape(-1)).reshape(*z.shape, -1)
    rest = gram.sum(1, keepdims=True) - gram
    theta = np.linalg.solve(rest, (moment.sum(1, keepdims=True) - moment)[..., None])[..., 0]
    moved = theta[:, None] - theta[:, :, None]  # [set, j, i]: without z_i minus without z_j
    seen, move = (_squares(moved, g).sum((1, 2)) for g in (gram, rest))
    # [set, k, j]: the loss at z_k of the fit without z_j.
    loss = (_squares(np.broadcast_to(theta[:, None], (*z.shape, *theta.shape[1:])), gram)
            - 2 * (moment.conj() @ theta.transpose(0, 2, 1)).real + z[..., None]**2)
    return _means(n, seen, move / n, loss)


def _squares(vectors: np.ndarray, gram: np.ndarray) -> np.ndarray:
    """v* G v for each of ``(sets, j, m, features)``, G being ``(sets, j, features, features)``."""
    return (vectors.conj() * (vectors @ gram.transpose(0, 1, 3, 2))).sum(-1).real


def _means(n: int, seen: np.ndarray, move: np.ndarray, loss: np.ndarray) -> Exchanges:
    pairs = n * (n + 1)
    test = np.einsum("bjj->b", loss)
    return Exchanges(seen / pairs, move / pairs, test / (n + 1),
                     (loss.sum((1, 2)) - test) / pairs)


def empirical_exchanges(points: Any, process: OrnsteinUhlenbeck, t: float, *,
                        nodes: int = 97) -> Exchanges:
    """Every exchange of the *empirical score*, the exact minimiser over all functions, by the
    trapezoid rule with ``nodes`` points over 8 standard deviations of the noise.

    Raises ``ValueError`` unless ``points`` are ``(sets, N + 1)`` and nodes at least two.

    >>> from score_stability.diffusion import OrnsteinUhlenbeck
    >>> from score_stability.stability import empirical_exchanges
    >>> found = empirical_exchanges([[0.0, 1.0, 5.0]], OrnsteinUhlenbeck(), 0.5)
    >>> bool(abs(2 * found.move - found.gap)[0] < 1e-9)  # Lemma 4: N E F = gap
    True
    """
    z, t = _sets(points), one_time(t)
    nodes, n = count("nodes", nodes, 2), z.shape[1] - 1
    mu, sigma = float(process.mean_scale(t)), math.sqrt(float(process.variance(t)))
    xi = np.linspace(-8.0, 8.0, nodes)
    weight = np.exp(-xi**2 / 2)
    weight /= weight.sum()
    rows = [_empirical_set(points, mu, sigma, xi, weight) for points in z]
    seen, move, loss = (np.array(part) for part in zip(*rows, strict=True))
    return _means(n, seen, move, loss)


def _empirical_set(z: np.ndarray, mu: float, sigma: float, xi: np.ndarray,
                   weight: np.ndarray) -> tuple[float, float, np.ndarray]:
    n = z.size - 1
    log_phi = -0.5 * (mu / sigma * (z[:, None, None] - z) + xi[:, None])**2  # [from z_k, node, a]
    nearest = log_phi.argmax(-1)[..., None]
    phi = np.exp(log_phi - np.take_along_axis(log_phi, nearest, -1))
    with np.errstate(invalid="ignore", divide="ignore"):
        fit = ((phi @ z)[..., None] - phi * z) / (phi.sum(-1, keepdims=True) - phi)
    # Without the nearest point: a difference would lose the digits of one that is alone.
    np.put_along_axis(log_phi, nearest, -np.inf, -1)
    phi = np.exp(log_phi - log_phi.max(-1, keepdims=True))
    np.put_along_axis(fit, nearest, (phi @ z / phi.sum(-1))[..., None], -1)
    loss = np.einsum("q,kqj->kj", weight, (fit - z[:, None, None])**2)
    own = np.einsum("kqk->kq", fit)
    seen = np.einsum("q,kq->", weight, ((fit - own[..., None])**2).sum(-1))
    spread = ((fit - fit.mean(-1, keepdims=True))**2).sum(-1)  # Σ over all pairs: 2 (N + 1) of it
    pairs = np.einsum("q,kq->", weight, 2 * (n + 1) * spread)
    # From a training point of S without z_j: all pairs and starts but those with j = k.
    return float(seen), float(pairs - seen) / n, loss

