"""Failure signatures: one number, compared with its null, for each of the three known failures.

Memorisation (copies beyond those among fresh points), poor samples (spread against held-out data),
unstable training (what a run's loss, parameter norm and clipping look like). The thresholds are
parameters; the defaults suit the small models of this collection, the nulls carry over.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ..arrays import as_numpy
from .memorisation import memorised_fraction, nearest_neighbour_ratio


class MemorisationExcess(NamedTuple):
    """``excess`` = ``memorised`` − ``null``: fractions below the ratio threshold, of the samples
    and of fresh points."""

    excess: float
    memorised: float
    null: float


def memorisation_excess(samples: Any, data: Any, fresh: Any, threshold: float = 1 / 3,
                        noise_variance: float = 0.0) -> MemorisationExcess:
    """Copies among ``samples`` beyond those that fresh points of the population show by chance.

    ``mean 1{d1/d2 < threshold}`` over ``samples (M, d)`` minus the same over ``fresh (M', d)``,
    both against the training points ``data (N, d)``, N >= 2: between −1 and 1, without unit. 0 is
    the level of a sampler that draws from the population; above: memorisation; below: blur that
    hides the points, which is not privacy. In high dimension the null is nearly 0. With
    ``noise_variance`` v the ratio is corrected for noise N(0, v I) that samples *and* fresh points
    carry, see ``nearest_neighbour_ratio``; without it copies with enough noise are not seen.
    ``fresh`` must not hold training points; the null of ``null·M'`` successes in ``M'`` trials has
    an interval by ``estimates.wilson_interval``.

    Raises ``ValueError`` or ``TypeError`` naming the argument: NaN or infinite, empty, not two-
    dimensional, another number of columns than ``data``, N = 1 (no second neighbour), a threshold
    outside (0, 1], a negative variance. Source: ratio and 1/3 of Yoon, Choi, Kwon, Ryu 2023; the
    null is ours.

    >>> from score_stability.yardsticks import memorisation_excess
    >>> data, fresh = [[0.0], [1.0]], [[0.1], [0.5]]
    >>> memorisation_excess(data, data, fresh)  # copies; one fresh point is close by chance
    MemorisationExcess(excess=0.5, memorised=1.0, null=0.5)
    """
    fractions = []
    for name, points in (("samples", samples), ("fresh", fresh)):
        try:
            ratio = nearest_neighbour_ratio(points, data, noise_variance).ratio
        except (TypeError, ValueError) as error:
            # The call below knows its first argument as "samples".
            raise type(error)(str(error).replace("samples", name)) from error
        fractions.append(memorised_fraction(ratio, threshold))
    return MemorisationExcess(fractions[0] - fractions[1], *fractions)


def spread_ratio(samples: Any, held_out: Any) -> float:
    """Variance of the samples about their mean over that of held-out data: 1 for a good sampler.

    ``tr Cov(samples) / tr Cov(held_out)`` with divisors M − 1 and M' − 1, ``(M, d)`` and
    ``(M', d)``, numpy or torch, at least two points each; no unit. Above 1: blur or explosion;
    below: collapse. Blind to what keeps the trace, such as a rotation or copies.

    Raises ``ValueError`` naming the argument: NaN or infinite, wrong shape, fewer than two points,
    different dimensions, held-out points that are all equal, a variance that overflows.

    >>> from score_stability.yardsticks import spread_ratio
    >>> spread_ratio([[0.0], [2.0]], held_out=[[0.0], [1.0]])  # twice as wide
    4.0
    """
    traces = []
    for name, value in (("samples", samples), ("held_out", held_out)):
        points = as_numpy(name, value, "M", "d")
        if points.shape[0] < 2:
            raise ValueError(f"{name} must be (M, d) with M >= 2 points; got {points.shape}")
        with np.errstate(over="ignore", invalid="ignore"):
            trace = float(points.var(axis=0, ddof=1).sum())
        if not math.isfinite(trace):
            raise ValueError(f"{name} must have a variance that does not overflow")
        traces.append((trace, points.shape[1]))
    (above, d), (below, other) = traces
    if other != d:
        raise ValueError(f"held_out must have as many columns as samples ({d}); got {other}")
    if below == 0:
        raise ValueError("held_out must hold different points: its variance is 0")
    return above / below


class TrainingSignature(NamedTuple):
    """``name`` of the signature, and what it was read from: the last loss over that of the zero
    network, the last parameter norm over the first, the share of clipped steps (second half)."""

    name: str
    relative_loss: float
    relative_norm: float
    clip_share: float


SIGNATURES = ("learns", "slow", "stalled", "collapsed", "unstable", "diverged")


def training_signature(loss: Any, norm: Any, clipped: Any, *, zero_loss: float,
                       learnt: float = 0.85, unstable: float = 1.1, collapsed: float = 0.1,
                       clip_share: float = 0.9) -> TrainingSignature:
    """Name what one training run looks like, from three records that every training loop has.

    ``loss (n,)`` training loss and ``norm (n,)`` norm of all parameters, from the start to now at
    the same n >= 2 moments; ``clipped (K,)`` one entry a step (or a block of steps), the share of
    clipped gradients in [0, 1]; ``zero_loss`` the loss of the network that predicts nothing, in the
    units of ``loss`` (E|xi|² = d for noise prediction). The first line that applies:

    - "diverged": the last loss or norm is NaN or infinite;
    - "unstable": last loss > ``unstable`` · max(zero_loss, first loss);
    - "learns": last loss <= ``learnt`` · zero_loss;
    - "collapsed": last norm < ``collapsed`` · first norm (on the way to the zero network);
    - "stalled": nothing learnt, and at least ``clip_share`` of the steps were clipped in the second
      half: a larger clip or step would move on;
    - "slow": nothing learnt, for another reason.

    Raises ``ValueError`` naming the argument: empty trajectory or fewer than two entries, wrong
    shape, a first loss or norm that is not positive and finite, a finite value after a NaN, shares
    outside [0, 1], ``zero_loss`` or a threshold that is not positive and finite. Ours.

    >>> from score_stability.yardsticks import training_signature
    >>> training_signature([1.0, 0.5], [2.0, 3.0], [0.0, 0.0], zero_loss=1.0)
    TrainingSignature(name='learns', relative_loss=0.5, relative_norm=1.5, clip_share=0.0)
    """
    records = {}
    for name, value in (("loss", loss), ("norm", norm)):
        record = as_numpy(name, value, "n", finite=False)  # a diverged run is NaN to its end
        if record.size < 2:
            raise ValueError(f"{name} must be a trajectory (n,) with n >= 2 entries; got shape "
                             f"{record.shape}")
        if not 0 < record[0] < math.inf:
            raise ValueError(f"{name} must start with a positive, finite value; got {record[0]}")
        if (record < 0).any():
            raise ValueError(f"{name} must not be negative")
        gone = np.isnan(record)
        if (gone[:-1] & ~gone[1:]).any():
            raise ValueError(f"{name} must not come back from NaN: mark a diverged run to its end")
        records[name] = record
    loss, norm = records.values()
    if norm.shape != loss.shape:
        raise ValueError(f"norm must have one entry per loss, {loss.size}; got {norm.size}")
    clipped = as_numpy("clipped", clipped, "K")
    if not ((clipped >= 0) & (clipped <= 1)).all():
        raise ValueError("clipped must hold shares in [0, 1]")
    for name, value in (("zero_loss", zero_loss), ("learnt", learnt), ("unstable", unstable),
                        ("collapsed", collapsed), ("clip_share", clip_share)):
        if not 0 < value < math.inf:
            raise ValueError(f"{name} must be positive and finite; got {value}")
    share = float(clipped[clipped.size // 2:].mean())
    last, relative_norm = float(loss[-1]), float(norm[-1] / norm[0])
    if not (math.isfinite(last) and math.isfinite(norm[-1])):
        name = "diverged"
    elif last > unstable * max(zero_loss, loss[0]):
        name = "unstable"
    elif last <= learnt * zero_loss:
        name = "learns"
    elif relative_norm < collapsed:
        name = "collapsed"
    else:
        name = "stalled" if share >= clip_share else "slow"
    return TrainingSignature(name, last / zero_loss, relative_norm, share)
