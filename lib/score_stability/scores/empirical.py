"""The empirical score: the exact minimiser of the empirical denoising loss (Lemma 1).

For data x_1..x_N, at X_t = x:

    w_j(x) ∝ exp(−|x − mu_t x_j|²/(2 sigma_t²)),   denoiser m(x) = Σ_j w_j x_j,
    score s(x) = (mu_t m(x) − x)/sigma_t².

Arithmetic is float64 whatever the input: in float32 the logits |x|²/sigma² lose all their
digits at small sigma, and with them the weights (a rounding bound in the tests shows it).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch

from ..arrays import as_tensor, like
from ..diffusion.process import OrnsteinUhlenbeck, by_time, one_time

# exp is 20 times slower when its result underflows, and near memorisation almost every weight
# does. Weights below e^-600 of the largest are set to e^-600: a mass below N e^-600.
_FLOOR = -600.0
_BLOCK = 2**20  # logits held at once: 8 MB, which a cache can hold


class ReplaceOne(NamedTuple):
    """One row per query: what Theorem 3 compares, averaged over the replaced index i.

    ``stability`` is mean_i |s(x) − s^i(x)|²; ``fresh_loss`` is |s(x) − g|² and ``seen_loss`` is
    mean_i |s^i(x) − g|², with g = ∇log p_{t|0}(x | origin). Score units, shape ``(M,)``.
    """

    stability: torch.Tensor
    fresh_loss: torch.Tensor
    seen_loss: torch.Tensor


class EmpiricalScore:
    """The score of the noised empirical law of ``data`` ``(N, d)``; call it as ``score(x, t)``.

    Data and queries are anything that holds real numbers; results are tensors, detached, in the
    floating dtype of a query tensor, else float64. Cost of a call with M queries: two matrix
    products, 4 M N d flops, memory 32 MB beyond the data. Raises ``ValueError`` or ``TypeError``
    for empty, non-finite, complex or wrongly shaped data, t <= 0, queries of another dimension or
    device, and where the result overflows (t too small for points so far apart).

    >>> from score_stability.diffusion import OrnsteinUhlenbeck
    >>> from score_stability.scores import EmpiricalScore
    >>> score = EmpiricalScore([[-1.0], [1.0]], OrnsteinUhlenbeck(0.0))
    >>> round(score.denoiser([[1.0]], 0.5).item(), 4)  # sigma² = 1: tanh(x)
    0.7616
    >>> round(score([[1.0]], 0.5).item(), 4)  # tanh(x) − x
    -0.2384
    """

    def __init__(self, data: Any, process: OrnsteinUhlenbeck) -> None:
        data = as_tensor("data", data, "N", "d")
        self.process = process
        # Centring removes the rounding error of a common offset at no cost.
        self.centre = data.mean(0)
        self.points = data - self.centre
        self._half_squares = 0.5 * torch.linalg.vecdot(self.points, self.points)
        self._rows = max(1, min(4096, _BLOCK // data.shape[0]))

    @property
    def number(self) -> int:
        """N, the number of data."""
        return self.points.shape[0]

    @property
    def data(self) -> torch.Tensor:
        """The data, ``(N, d)``."""
        return self.points + self.centre

    def __call__(self, x: Any, t: Any) -> torch.Tensor:
        """∇log p̂_t(x), ``(M, d)`` in the floating dtype of x; t a float or ``(M,)``."""
        return self._apply(x, t, lambda m, x, t: self.process.score_from_denoiser(m, x, t))

    def denoiser(self, x: Any, t: Any) -> torch.Tensor:
        """m(x) = Σ_j w_j(x) x_j, the posterior mean under the empirical law, ``(M, d)``."""
        return self._apply(x, t, lambda m, x, t: m)

    def log_density(self, x: Any, t: Any) -> torch.Tensor:
        """log p̂_t(x), the noised empirical law (a kernel density estimate), ``(M,)``."""
        points = self._queries(x)

        def evaluate(x: torch.Tensor, t: float) -> torch.Tensor:
            variance, d = self.process.variance(t), x.shape[1]
            shifted = x - self.process.mean_scale(t) * self.centre
            log_sum = torch.cat([log_sum for _, _, log_sum in self._blocks(shifted, t)])
            squares = torch.linalg.vecdot(shifted, shifted)
            return (log_sum - squares / (2 * variance) - math.log(self.number)
                    - 0.5 * d * math.log(2 * math.pi * variance))

        return like(by_time(evaluate, points, t), x)

    def weights(self, x: Any, t: Any) -> torch.Tensor:
        """Posterior weights w_j(x), ``(M, N)``: rows are probability vectors."""
        points = self._queries(x)

        def evaluate(x: torch.Tensor, t: float) -> torch.Tensor:
            shifted = x - self.process.mean_scale(t) * self.centre
            return torch.cat([weights / total
                              for weights, total, _ in self._blocks(shifted, t)])

        return like(by_time(evaluate, points, t), x)

    def replace_one(self, x: Any, t: float, fresh: Any, origin: Any | None = None) -> ReplaceOne:
        """Replace each data point in turn by ``fresh`` and compare the scores at x, in one pass.

        With u = w_fresh the weight of the fresh point among all N + 1 and pi_i those of the data,

            s(x) − s^i(x) = (mu/sigma²) [pi_i (x_i − m) − u (fresh − m)]/(1 − pi_i),

        so all N refits cost five matrix products instead of N score calls. The denominator loses
        its digits only where pi_i is near 1; that is the largest weight, and its column is
        recomputed explicitly.

        ``x`` is ``(M, d)``; ``fresh`` is ``(M, d)`` or ``(1, d)``, the new point of each query;
        ``origin`` (default ``fresh``) is the clean point X_0 whose denoising loss is reported.
        Definition 2 has x drawn from origin = fresh; taking origin among the data gives the
        in-sample quantity of Lemma 4.
        """
        queries, x = x, self._queries(x)
        t = one_time(t)
        fresh = as_tensor("fresh", fresh, "M", "d", device=x.device)
        same = origin is None
        origin = fresh if same else as_tensor("origin", origin, "M", "d", device=x.device)
        for name, value in (("fresh", fresh), ("origin", origin)):
            if value.shape[1] != x.shape[1] or value.shape[0] not in (1, x.shape[0]):
                raise ValueError(f"{name} must have shape ({x.shape[0]}, {x.shape[1]}) or "
                                 f"(1, {x.shape[1]}); got {tuple(value.shape)}")
        mu, variance = self.process.mean_scale(t), self.process.variance(t)
        shifted = x - mu * self.centre
        fresh = fresh - self.centre
        origin = fresh if same else origin - self.centre
        # Several M x N arrays live at once, so a smaller block than in a score call.
        rows = max(1, min(4096, _BLOCK // (4 * self.number)))
        parts = []
        for start in range(0, x.shape[0], rows):
            block = slice(start, start + rows)
            new = fresh if fresh.shape[0] == 1 else fresh[block]
            clean = new if same else origin if origin.shape[0] == 1 else origin[block]
            parts.append(self._replace_one_block(shifted[block], mu / variance, mu, new, clean))
        scale = (mu / variance) ** 2
        return ReplaceOne(*(like(scale * torch.cat(part), queries)
                            for part in zip(*parts, strict=True)))

    # ------------------------------------------------------------------------------------------

    def _queries(self, x: Any) -> torch.Tensor:
        return as_tensor("x", x, "M", self.points.shape[1], device=self.points.device)

    def _logits(self, shifted: torch.Tensor, ratio: float, mu: float,
                out: torch.Tensor | None = None) -> torch.Tensor:
        """−|x − mu x_j|²/(2 sigma²) + |x|²/(2 sigma²): the bias is fused, no |x − x_j|² formed."""
        return torch.addmm(self._half_squares * (-mu * ratio), shifted, self.points.T, alpha=ratio,
                           out=out)

    def _blocks(self, shifted: torch.Tensor, t: float) -> Any:
        """Yield (unnormalised weights, their sums, log-sum-exp of the logits) per block of rows.

        The weights of all blocks share one buffer.
        """
        mu, variance = self.process.mean_scale(t), self.process.variance(t)
        buffer = shifted.new_empty(min(self._rows, shifted.shape[0]), self.number)
        for block in shifted.split(self._rows):
            logits = self._logits(block, mu / variance, mu, buffer[:block.shape[0]])
            top = logits.amax(1, keepdim=True)
            weights = logits.sub_(top).clamp_(min=_FLOOR).exp_()
            total = weights.sum(1, keepdim=True)
            yield weights, total, (total.log() + top)[:, 0]

    def _apply(self, x: Any, t: Any, finish: Any) -> torch.Tensor:
        points = self._queries(x)

        def evaluate(x: torch.Tensor, t: float) -> torch.Tensor:
            shifted = x - self.process.mean_scale(t) * self.centre
            means = [(weights @ self.points).div_(total)
                     for weights, total, _ in self._blocks(shifted, t)]
            return finish(like(torch.cat(means) + self.centre, x), x, t)

        return like(by_time(evaluate, points, t), x)

    def _replace_one_block(self, x: torch.Tensor, ratio: float, mu: float, fresh: torch.Tensor,
                           origin: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Rows of ``ReplaceOne`` in denoiser units; all points centred."""
        logits = self._logits(x, ratio, mu)
        fresh_logit = (ratio * torch.linalg.vecdot(x, fresh)
                       - 0.5 * mu * ratio * torch.linalg.vecdot(fresh, fresh))[:, None]
        top, column = logits.max(1, keepdim=True)
        weights = (logits - top).clamp_(min=_FLOOR).exp_()
        total = weights.sum(1, keepdim=True)
        log_sum = total.log() + top
        mean = (weights @ self.points) / total
        # Sigmoids, never a common maximum of data and fresh point: either may exceed the other
        # by thousands.
        u = torch.sigmoid(fresh_logit - log_sum)
        pi = weights.mul_(torch.sigmoid(log_sum - fresh_logit) / total)

        squares = 2 * self._half_squares
        mean_data = mean @ self.points.T                       # <m, x_i>
        mean_square = torch.linalg.vecdot(mean, mean)[:, None]
        away = fresh - mean                                    # fresh − m
        # <fresh − m, x_i − m>
        away_data = (fresh @ self.points.T - mean_data
                     - torch.linalg.vecdot(away, mean)[:, None])
        spread = squares - 2 * mean_data + mean_square         # |x_i − m|²
        away_square = torch.linalg.vecdot(away, away)[:, None]
        keep = 1 - pi
        moved = (pi * pi * spread - 2 * u * pi * away_data + u * u * away_square) / (keep * keep)

        # <m − m^i, origin − m> for the loss of s^i at the origin.
        if origin is fresh:
            to_origin, to_origin_data = away, away_data
        else:
            to_origin = origin - mean
            to_origin_data = (origin @ self.points.T - mean_data
                              - torch.linalg.vecdot(to_origin, mean)[:, None])
        toward = (pi * to_origin_data
                  - u * torch.linalg.vecdot(to_origin, away)[:, None]) / keep
        fresh_loss = torch.linalg.vecdot(to_origin, to_origin)

        # The largest weight may be 1 to rounding: remove its point and add the fresh one afresh.
        without = logits.scatter(1, column, -torch.inf)
        rest_top = torch.maximum(without.amax(1, keepdim=True), fresh_logit)
        rest = (without - rest_top).clamp_(min=_FLOOR).exp_().scatter_(1, column, 0.0)
        fresh_weight = (fresh_logit - rest_top).clamp_(min=_FLOOR).exp()
        replaced = (rest @ self.points + fresh_weight * fresh) / (rest.sum(1, keepdim=True)
                                                                   + fresh_weight)
        difference = mean - replaced
        moved.scatter_(1, column, torch.linalg.vecdot(difference, difference)[:, None])

        # |m^i − origin|² = |m − origin|² + 2 <m − m^i, origin − m> + |m − m^i|²
        seen_loss = fresh_loss[:, None] + 2 * toward + moved
        seen_loss.scatter_(1, column, ((replaced - origin) ** 2).sum(1, keepdim=True))
        return (moved.clamp_(min=0).mean(1), fresh_loss, seen_loss.clamp_(min=0).mean(1))
