"""Is a sample a copy of a training image? Nearest-neighbour ratio, posterior weights and
collisions, and the advantage of the best membership attack on one released sample."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..arrays import as_numpy, as_tensor, count, is_tensor, number
from ..diffusion.process import check_time

if TYPE_CHECKING:
    import torch


class NearestNeighbour(NamedTuple):
    """Per sample, all ``(M,)``: ``ratio`` d1/d2, noise taken off if one said how much, index
    ``nearest`` into the data, ``distance`` d1 as measured, in the units of the data."""

    ratio: "torch.Tensor"
    nearest: "torch.Tensor"
    distance: "torch.Tensor"


def nearest_neighbour_ratio(samples, data, noise_variance: float = 0.0,
                            chunk: int | None = None) -> NearestNeighbour:
    """Distance to the nearest training point over that to the second nearest, noise taken off.

    ``ratio = sqrt((d1² - v d)_+ / (d2² - v d)_+)`` in [0, 1], where ``d1 <= d2`` are the two
    smallest ``|y - x_j|`` and ``v = noise_variance`` is the variance of each coordinate that the
    samples are known to carry: ``sigma_eps²/mu_eps²`` for the output of a sampler that stopped at
    eps, divided by mu_eps. With ``v = 0`` it is the plain ratio ``d1/d2``.

    A copy ``x_j + N(0, v I)`` has ``d1² = v d`` up to ``v sqrt(2 d)``, whatever ``v``, and
    its plain ratio grows with the noise. A ratio below ``c`` means ``(1 - c²)(d1² - v d) <
    c² (d2² - d1²)``. So in many dimensions a copy is below 1/3 with probability about
    ``Phi(Delta² / sqrt(128 v² d + 4 v Delta²))``, ``Delta`` its distance to the nearest other
    training point. If ``v d >= d2²``, the noise would explain two neighbours: nothing is
    recognised, and the ratio is 1. Always show **held-out points with the same noise** beside it:
    in few dimensions they lie within the noise of a training point by chance.

    ``samples`` is ``(M, d)``, ``data`` ``(N, d)`` with ``N >= 2``, tensors on one device;
    the result is torch on that device, distances in float64 and as measured, without correction.
    ``chunk`` samples are treated at a time (by default so many that 2^22 distances are held).

    If ``d2 = v = 0`` the ratio is 0/0 and we return 0: the sample is an exact copy. Remove
    duplicates from ``data`` first all the same: a sample *near* two equal points has ratio 1.
    In a tie ``nearest`` is any one of the nearest.

    Raises ``ValueError`` or ``TypeError`` naming the argument: wrong shape, empty, NaN or infinite,
    ``N = 1``, different numbers of columns, different devices, distances that overflow, a variance
    that is negative or no number.
    Source: ratio and threshold of Yoon, Choi, Kwon, Ryu 2023; the correction is ours.

    >>> from score_stability.yardsticks import nearest_neighbour_ratio
    >>> found = nearest_neighbour_ratio([[1.0], [5.0]], data=[[0.0], [10.0]])
    >>> [round(ratio, 4) for ratio in found.ratio.tolist()]  # 1/9, and half-way
    [0.1111, 1.0]
    >>> nearest_neighbour_ratio([[1.0]], [[0.0], [10.0]], noise_variance=1.0).ratio.tolist()
    [0.0]
    """
    import torch

    here, there = (str(value.device) if is_tensor(value) else "cpu" for value in (samples, data))
    if here != there:
        raise ValueError(f"samples are on {here} but data on {there}: use one device")
    x, data = as_tensor("samples", samples, "M", "d"), as_tensor("data", data, "N", "d")
    if x.shape[1] != data.shape[1]:
        raise ValueError(
            f"samples must have as many columns as data ({data.shape[1]}), not {x.shape[1]}"
        )
    if len(data) < 2:
        raise ValueError("data must hold at least two points: the ratio needs a second neighbour")
    noise = number("noise_variance", noise_variance)
    if noise < 0:
        raise ValueError(f"noise_variance must not be negative, not {noise!r}")
    if chunk is None:
        chunk = max(1, 2**22 // len(data))
    chunk = count("chunk", chunk)

    values, indices = [], []
    for rows in x.split(chunk):
        # Exact differences: |a|² + |b|² - 2ab loses all digits of a small distance.
        distances = torch.cdist(rows, data, compute_mode="donot_use_mm_for_euclid_dist")
        two = distances.topk(2, dim=1, largest=False)
        values.append(two.values)
        indices.append(two.indices[:, 0])
    d1, d2 = torch.cat(values).unbind(1)
    if not torch.isfinite(d2).all():
        raise ValueError("samples and data are so far apart that squared distances overflow")
    if noise:
        total = noise * x.shape[1]
        ratio = torch.where(d2**2 > total, (d1**2 - total).clamp_min(0) / (d2**2 - total), 1.0)
        ratio = ratio.sqrt()
    else:
        ratio = torch.where(d2 > 0, d1 / d2, torch.zeros_like(d1))
    return NearestNeighbour(ratio, torch.cat(indices), d1)


def memorised_fraction(ratio, threshold: float = 1 / 3) -> float:
    """Fraction of samples whose nearest-neighbour ratio is below ``threshold``.

    ``mean(ratio < threshold)``, strictly; ``ratio`` is ``(M,)`` from ``nearest_neighbour_ratio``.

    Say there which noise the samples carry. The *plain* ratio of a copy ``x_j + N(0, v I)`` is
    below 1/3 if and only if ``v d < Delta²/8``, with ``Delta`` the distance of ``x_j`` to its
    nearest neighbour in the data (leading order in ``d``; for another threshold ``c``, 1/8 becomes
    ``c²/(1 - c²)``): more noise hides a copy although nothing was unlearnt. **Do not denoise
    instead** with the empirical score: at little noise its posterior mean is a training point for
    whatever it is given, and held-out images count as copies as well.

    Raises ``ValueError`` if ``ratio`` is not ``(M,)``, is empty, or leaves [0, 1], and if
    ``threshold`` is not in (0, 1]. Source: Yoon, Choi, Kwon, Ryu 2023.

    >>> from score_stability.yardsticks import memorised_fraction
    >>> memorised_fraction([0.0, 0.1, 0.5, 0.9])
    0.5
    """
    ratio = as_tensor("ratio", ratio, "M")
    if not ((ratio >= 0) & (ratio <= 1)).all():
        raise ValueError("ratio must lie in [0, 1]")
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold must be in (0, 1], not {threshold!r}")
    return (ratio < threshold).double().mean().item()


def collision_probability(weights, draws: int = 2):
    """Probability that ``draws`` draws from the posterior over training points pick the same one.

    ``Q = Σ_j w_j²`` for each row of ``weights``, ``(M, N)``, as torch float64 ``(M,)``, between
    ``1/N`` (nothing is recognised) and 1 (one training point explains the sample). ``1/Q`` is the
    effective number of training points. With ``draws=3`` it is ``Σ_j w_j³``, the mean square
    weight of the point that a sample came from. Raises ``ValueError`` if a row is not a probability
    vector (negative, NaN, or a sum off 1 by more than 1e-6) or ``draws`` is not an integer >= 2.
    Source: the inverse participation ratio.

    >>> from score_stability.yardsticks import collision_probability
    >>> collision_probability([[0.5, 0.5], [1.0, 0.0]]).tolist()
    [0.5, 1.0]
    """
    if isinstance(draws, bool) or not isinstance(draws, int) or draws < 2:
        raise ValueError(f"draws must be an integer >= 2, not {draws!r}")
    w = as_tensor("weights", weights, "M", "N")
    if (w < 0).any() or ((w.sum(1) - 1).abs() > 1e-6).any():
        raise ValueError("weights must be probabilities: rows that are >= 0 and sum to 1")
    return (w**draws).sum(1)


def own_weights(points, chosen, sigmas, generator: np.random.Generator) -> np.ndarray:
    """Posterior weight of a point given its own noised copy: of which point is X the noised one?

    ``w = e^{−|X − x|²/2σ²}/Σ_j e^{−|X − x_j|²/2σ²}``, ``X = x + σ ξ``, for the q rows ``chosen`` of
    ``points`` ``(N, d)`` and each of ``sigmas`` ``(m,)``: ``(q, m)``, numpy. One ξ for each row, at
    all sigmas the same. Near 1 the copy is recognised, at 1/N nothing is. In a diffusion σ is
    sigma_t/mu_t. By matrix products: digits are lost for σ below 1e-6 times the spread of the data.

    Raises ``ValueError`` or ``TypeError`` naming the argument: points that are no finite matrix, an
    index that is not in 0 … N − 1, a sigma that is not positive.
    Source: notebook on intrinsic dimension.

    >>> import numpy as np
    >>> from score_stability.yardsticks import own_weights
    >>> rng = np.random.default_rng(0)
    >>> own_weights([[0.0], [1.0], [9.0]], [2], [0.1, 1e6], rng).round(4).tolist()
    [[1.0, 0.3333]]
    """
    x, sigma = as_numpy("points", points, "N", "d"), as_numpy("sigmas", sigmas, "m")
    if not (sigma > 0).all():
        raise ValueError("sigmas must be positive")
    index = np.asarray(chosen)
    if index.ndim != 1 or index.dtype.kind not in "iu":
        raise TypeError(f"chosen must be a vector of integers; got {chosen!r}")
    if not index.size or index.min() < 0 or index.max() >= len(x):
        raise ValueError(f"chosen must hold indices in 0 to {len(x) - 1}")
    x = x - x.mean(0)
    mine, rows = x[index], np.arange(len(index))
    xi = generator.standard_normal(mine.shape)
    square = np.einsum("ij,ij->i", x, x)
    # |X − x_j|² − |X − x|² = |x − x_j|² + 2σ⟨ξ, x − x_j⟩.
    half = np.maximum(square[index, None] + square - 2 * mine @ x.T, 0) / 2
    along = np.einsum("ij,ij->i", xi, mine)[:, None] - xi @ x.T
    half[rows, index] = along[rows, index] = 0.0
    with np.errstate(over="ignore"):
        return np.stack([1 / np.exp(-(half / s + along) / s).sum(1) for s in sigma], 1)


def plain_edge(data, noise):
    """Where the plain test, without correction, loses the noised copy of each training point.

    Of ``x_J + √v xi_J`` the v at which ``d1 = d2/3``, and ``Delta²``, the squared distance from x_J
    to its nearest other point; both ``(N,)``, torch float64, for ``data`` and ``noise`` ``(N, d)``:
    the least root over k of ``8 v |xi|² + 2 √v xi.(x_k − x_J) = |x_k − x_J|²``. In many dimensions
    it is about ``Delta²/(8 d)``. Raises ``ValueError`` naming the argument: shapes, fewer than two
    points. Source: notebook on Lemma 1.

    >>> from score_stability.yardsticks import plain_edge
    >>> v, gap = plain_edge([[0.0], [4.0]], [[1.0], [-1.0]])  # at 1 one is 1 and 3 away
    >>> v.tolist(), gap.tolist()
    ([1.0, 1.0], [16.0, 16.0])
    """
    import math

    import torch

    x, xi = as_tensor("data", data, "N", "d"), as_tensor("noise", noise, "N", "d")
    if len(x) < 2:
        raise ValueError("data must hold at least two points")
    if xi.shape != x.shape:
        raise ValueError(f"noise must have the shape of data, {tuple(x.shape)}")
    squares = torch.cdist(x, x)**2
    squares.fill_diagonal_(math.inf)
    b, q = xi @ x.T - (xi * x).sum(1)[:, None], (xi**2).sum(1)[:, None]
    root = (-b + torch.sqrt(b**2 + 8 * q * squares)) / (8 * q)
    root[torch.isinf(squares)] = math.inf
    return root.min(1).values**2, squares.min(1).values


def index_information(points, sigma: float, nodes: int = 1001) -> tuple[float, float]:
    """What ``X = x_J + sigma xi`` tells about J, and the mean square residual of the score.

    ``(E |s^ − g|², I(J; X))`` for ``points`` ``(N, 1)`` on the line, J uniform, ``g = −xi/sigma``
    and s^ the empirical score, by a quadrature of ``nodes`` nodes for xi. The first is
    −dI/dt where sigma² = 2t. Raises ``ValueError`` naming the argument: points not on the line, a
    sigma that is not positive. Source: Guo, Shamai, Verdú 2005.

    >>> from score_stability.yardsticks import index_information
    >>> [round(value, 4) for value in index_information([[-1.0], [1.0]], 0.1)]  # log 2
    [0.0, 0.6931]
    """
    import math

    import torch

    from ..theory.quadrature import standard_normal

    x = as_tensor("points", points, "N", "d")
    if x.shape[1] != 1:
        raise ValueError("points must lie on the line, (N, 1)")
    sigma = number("sigma", sigma)
    if not sigma > 0:
        raise ValueError("sigma must be positive")
    xi, w = (torch.from_numpy(v) for v in standard_normal(nodes))
    z = x + sigma * xi  # (N, nodes)
    logits = -((z[..., None] - x[:, 0]) / sigma)**2 / 2
    score = (logits.softmax(-1) @ x[:, 0] - z) / sigma**2
    # log of N(xi) over the mean kernel: log N less the posterior entropy, on average.
    log_ratio = math.log(len(x)) - xi**2 / 2 - logits.logsumexp(-1)
    residual = (score + xi / sigma)**2
    return float((residual @ w).mean()), float((log_ratio @ w).mean())


def membership_advantage(data, index: int, fresh, process, early_stopping_time: float) -> float:
    """Total variation between one sample of the exact reverse process for S and for S^i.

    ``(1/N)(2 Phi(√snr |x_i − x~|/2) − 1)``, exact in every dimension: ``data`` ``(N, d)`` is S,
    ``index`` is i, ``fresh`` ``(d,)`` or ``(1, d)`` is x~, snr = mu²/sigma² of ``process`` at
    ``early_stopping_time``. It is true-positive minus false-positive rate of the best attack: say
    "S" if the sample is nearer to mu x_i than to mu x~.

    Raises ``ValueError`` or ``TypeError`` naming the argument: wrong shape, NaN or infinite, N = 1
    (no other record to hide behind), an index that is not in 0 … N − 1, a time that is not positive
    or too small. Source: ``bounds.MEMBERSHIP_ADVANTAGE``.

    >>> from score_stability.diffusion import OrnsteinUhlenbeck
    >>> from score_stability.yardsticks import membership_advantage
    >>> heat = OrnsteinUhlenbeck(0.0)  # snr 1 at t = 1/2
    >>> round(membership_advantage([[0.0], [5.0]], 0, [2.0], heat, 0.5), 4)  # (2 Phi(1) − 1)/2
    0.3413
    """
    from ..theory import bounds

    data = as_tensor("data", data, "N", "d")
    fresh = as_tensor("fresh", fresh, device=data.device)
    if len(data) < 2:
        raise ValueError("data must hold at least two points: with one there is nothing to hide")
    if fresh.numel() != data.shape[1]:
        raise ValueError(f"fresh must be one point of dimension {data.shape[1]}, not of "
                         f"shape {tuple(fresh.shape)}")
    if isinstance(index, bool) or not isinstance(index, (int, np.integer)):
        raise TypeError(f"index must be an integer, not {type(index).__name__}")
    if not 0 <= index < len(data):
        raise ValueError(f"index must be in 0 to {len(data) - 1}, not {index}")
    check_time(early_stopping_time, "early_stopping_time")
    snr = float(process.snr(float(early_stopping_time)))
    distance = float((data[index] - fresh.reshape(-1)).norm())
    return bounds.MEMBERSHIP_ADVANTAGE(N=len(data), snr=snr, distance=distance)
