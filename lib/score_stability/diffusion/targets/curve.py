"""A closed curve of constant speed, whose curvature grows with its harmonics."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from ...arrays import as_tensor, count, like
from ..process import OrnsteinUhlenbeck
from .base import Target


class HarmonicCurve(Target):
    """Closed curve of constant speed in R^(2·harmonics), uniform law: d* = 1, span 2·harmonics.

    x(angle) = (cos(j angle), sin(j angle))/(j √harmonics), j = 1..harmonics: unit speed, length 2π,
    and a curvature that grows with the number of harmonics. One harmonic is the circle. The
    posterior mean is a sum over ``nodes`` points of the curve, exact to rounding while sigma
    exceeds a few spacings 2π/nodes.
    """

    def __init__(self, harmonics: int, process: OrnsteinUhlenbeck, nodes: int = 4096) -> None:
        harmonics, nodes = count("harmonics", harmonics), count("nodes", nodes, 2)
        self.harmonics, self.dimension, self.process = harmonics, 2 * harmonics, process
        grid = torch.arange(nodes, dtype=torch.float64) * (2 * math.pi / nodes)
        self.grid = self.points(grid)

    def points(self, angle: Any) -> torch.Tensor:
        """The points of the curve at these angles, ``(n,)`` to ``(n, 2·harmonics)``."""
        phase = as_tensor("angle", angle, "n", graph=True)[:, None]
        order = torch.arange(1, self.harmonics + 1, dtype=torch.float64, device=phase.device)
        phase, scale = phase * order, 1 / (order * math.sqrt(self.harmonics))
        return like(torch.stack((phase.cos() * scale, phase.sin() * scale), 2).reshape(
            len(phase), self.dimension), angle)

    @property
    def curvature(self) -> float:
        """|x''|, constant along the curve: √((harmonics + 1)(2 harmonics + 1)/6)."""
        k = self.harmonics
        return math.sqrt((k + 1) * (2 * k + 1) / 6)

    def sample(self, n: int, generator: np.random.Generator) -> torch.Tensor:
        n = count("n", n)
        return self.points(torch.from_numpy(generator.uniform(0.0, 2.0 * math.pi, n)))

    def _logits(self, x: torch.Tensor, t: float) -> torch.Tensor:
        mu, variance = self.process.mean_scale(t), self.process.variance(t)
        # The error of the sum over nodes is exp(−2 pi² (sigma/(mu spacing))²), relative.
        if math.sqrt(variance) * len(self.grid) < 2 * math.pi * 1.4 * mu:
            raise ValueError(f"t must be larger, or nodes more: at {t:g} the noise is smaller than "
                             f"the spacing of {len(self.grid)} nodes")
        return -torch.cdist(x, mu * self.grid.to(x)) ** 2 / (2 * variance)

    def _log_density(self, x: torch.Tensor, t: float) -> torch.Tensor:
        variance = self.process.variance(t)
        logits = self._logits(x, t)
        return (logits.logsumexp(1) - math.log(len(self.grid))
                - 0.5 * self.dimension * math.log(2 * math.pi * variance))

    def _posterior_mean(self, x: torch.Tensor, t: float) -> torch.Tensor:
        return self._logits(x, t).softmax(1) @ self.grid.to(x)
