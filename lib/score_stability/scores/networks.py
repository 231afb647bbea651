"""Small, plain score networks; many models at once, one row of a parameter matrix each.

A network is a map (parameters, noisy point, noise) -> predicted noise; its score is −noise/sigma:

    s_theta(x, t) = −xihat_theta(x, t)/sigma_t,    x = mu_t x_0 + sigma_t xi.

Parameters of ``B`` models are one tensor ``(B, P)``: layers are views of it, and the gradient of
the summed loss with respect to it *is* the stack of the gradients of the models.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch

from ..arrays import as_tensor, floating
from ..diffusion.process import OrnsteinUhlenbeck, Score, by_time, one_time

_ACTIVATION = 2**18  # numbers of an activation at once, without gradients: 2 MB
ACTIVATIONS = {"relu": torch.relu, "silu": torch.nn.functional.silu, "tanh": torch.tanh}


class Network(Protocol):
    """What training needs of a network: a parameter count and the predicted noise."""

    @property
    def parameters(self) -> int: ...

    def noise(self, theta: torch.Tensor, x: torch.Tensor, mean_scale: torch.Tensor,
              sigma: torch.Tensor) -> torch.Tensor:
        """Predicted noise ``(B, M, d)`` at ``x (B, M, d)`` for mean_scale and sigma ``(B, M)``."""
        ...


class MLP:
    """Fully connected network on (x/√(mu² + sigma²), log(sigma/mu), sigma/mu), predicts noise.

    ``widths`` are those of the hidden layers, in dimension ``dimension``; ``activation`` is one of
    "relu", "silu", "tanh". Raises ``ValueError`` for any other value.

    >>> import numpy as np
    >>> from score_stability.scores import MLP
    >>> network = MLP(dimension=2, widths=[8])
    >>> network.parameters  # (4 + 1)·8 + (8 + 1)·2
    58
    >>> tuple(network.initial(3, np.random.default_rng(0)).shape)
    (3, 58)
    """

    def __init__(self, dimension: int, widths: Sequence[int], activation: str = "silu") -> None:
        if dimension < 1:
            raise ValueError(f"dimension must be at least 1; got {dimension}")
        if not widths or min(widths) < 1:
            raise ValueError(f"widths must be at least one positive integer; got {widths}")
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation must be one of {sorted(ACTIVATIONS)}; got {activation!r}")
        self.dimension, self.activation = dimension, activation
        self.sizes = (dimension + 2, *widths, dimension)
        self.parameters = sum((a + 1) * b for a, b in itertools.pairwise(self.sizes))

    def initial(self, models: int, generator: np.random.Generator,
                dtype: torch.dtype = torch.float64) -> torch.Tensor:
        """Parameters ``(models, P)``: weights N(0, 1/fan-in), biases zero.

        Float64: SGD amplifies the last digit, which processors round differently, by a factor of
        ten to a hundred in a thousand steps. In float32 that shows in the sixth digit of a loss.
        """
        draws = generator.standard_normal((models, self.parameters))
        theta = torch.from_numpy(draws)
        for weight, bias in self.layers(theta):
            weight /= math.sqrt(weight.shape[1])
            bias.zero_()
        return theta.to(dtype)

    def layers(self, theta: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Views (weight ``(B, in, out)``, bias ``(B, 1, out)``) of the parameters ``(B, P)``."""
        _check_parameters(theta, self.parameters)
        shapes = [(rows, b) for a, b in itertools.pairwise(self.sizes) for rows in (a, 1)]
        # One split: autograd would answer every slice with a zero matrix of the full size.
        pieces = theta.split([rows * columns for rows, columns in shapes], dim=1)
        views = [piece.view(-1, *shape) for piece, shape in zip(pieces, shapes, strict=True)]
        return list(zip(views[::2], views[1::2], strict=True))

    def noise(self, theta: torch.Tensor, x: torch.Tensor, mean_scale: torch.Tensor,
              sigma: torch.Tensor) -> torch.Tensor:
        """Predicted noise ``(B, M, d)`` at ``x (B, M, d)``."""
        scale = torch.rsqrt(mean_scale**2 + sigma**2)
        level = sigma / mean_scale
        h = torch.cat([x * scale[..., None], level.log()[..., None], level[..., None]], dim=-1)
        layers = self.layers(theta)
        activation = ACTIVATIONS[self.activation]
        for k, (weight, bias) in enumerate(layers):
            h = torch.baddbmm(bias, h, weight)
            if k + 1 < len(layers):
                h = activation(h)
        return h

    def rescaling_directions(self, theta: torch.Tensor) -> torch.Tensor:
        """Directions along which a ReLU network does not change, ``(B, hidden units, P)``.

        For a positively homogeneous unit (c w_in, c b, w_out/c) is the same function for all
        c > 0; the derivative at c = 1 is (w_in, b, −w_out). No gradient of any loss has a
        component along it. Defined for every activation; a symmetry for "relu" only.
        """
        layers = self.layers(theta)
        directions = []
        for k, ((weight, bias), (following, _)) in enumerate(
                itertools.pairwise(layers)):
            for unit in range(weight.shape[2]):
                direction = torch.zeros_like(theta)
                views = self.layers(direction)
                views[k][0][:, :, unit] = weight[:, :, unit]
                views[k][1][:, :, unit] = bias[:, :, unit]
                views[k + 1][0][:, unit, :] = -following[:, unit, :]
                directions.append(direction)
        return torch.stack(directions, dim=1)


class ScaledLinear:
    """One parameter: s_theta(x) = theta x. The smallest model in which SGD has noise.

    >>> import torch
    >>> from score_stability.diffusion import OrnsteinUhlenbeck
    >>> from score_stability.scores import ScaledLinear, score_of
    >>> score = score_of(ScaledLinear(), [-1.0], OrnsteinUhlenbeck())  # of N(0, 1), at every time
    >>> round(score(torch.tensor([[2.0]]), 0.3).item(), 4)
    -2.0
    """

    parameters = 1

    def noise(self, theta: torch.Tensor, x: torch.Tensor, mean_scale: torch.Tensor,
              sigma: torch.Tensor) -> torch.Tensor:
        _check_parameters(theta, 1)
        return -sigma[..., None] * theta[:, None, :] * x


class DeepLinear:
    """Two parameters: s_theta(x) = theta_1 theta_2 x. A saddle at 0 between two equal wells.

    >>> import torch
    >>> from score_stability.diffusion import OrnsteinUhlenbeck
    >>> from score_stability.scores import DeepLinear, score_of
    >>> score = score_of(DeepLinear(), [-2.0, 3.0], OrnsteinUhlenbeck())
    >>> round(score(torch.tensor([[1.0]]), 0.3).item(), 4)
    -6.0
    """

    parameters = 2

    def noise(self, theta: torch.Tensor, x: torch.Tensor, mean_scale: torch.Tensor,
              sigma: torch.Tensor) -> torch.Tensor:
        _check_parameters(theta, 2)
        return -sigma[..., None] * theta.prod(dim=1)[:, None, None] * x


class RandomFeatures:
    """s_theta(x) = Phi(x) theta with Phi_j(x) = √(2/m) cos(omega_j x + b_j), in one dimension.

    Linear in theta: the denoising loss is a convex quadratic. omega_j ~ N(0, bandwidth²),
    b_j uniform on [0, 2π].

    >>> import numpy as np
    >>> import torch
    >>> from score_stability.scores import RandomFeatures
    >>> network = RandomFeatures(40_000, bandwidth=1.0, generator=np.random.default_rng(0))
    >>> zero, one = network.features(torch.tensor([[0.0], [1.0]], dtype=torch.float64))
    >>> round((zero @ one).item(), 1)  # Phi(x)·Phi(y) ≈ exp(−(x − y)²/2) = 0.607
    0.6
    """

    def __init__(self, features: int, bandwidth: float, generator: np.random.Generator) -> None:
        if features < 1 or not bandwidth > 0:
            raise ValueError(f"features must be at least 1 and bandwidth positive; "
                             f"got {features}, {bandwidth}")
        self.parameters = features
        self.frequencies = torch.from_numpy(bandwidth * generator.standard_normal(features))
        self.phases = torch.from_numpy(2 * np.pi * generator.random(features))

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Phi ``(..., m)`` at ``x (..., 1)``."""
        angles = x * self.frequencies.to(x) + self.phases.to(x)
        return math.sqrt(2 / self.parameters) * torch.cos(angles)

    def noise(self, theta: torch.Tensor, x: torch.Tensor, mean_scale: torch.Tensor,
              sigma: torch.Tensor) -> torch.Tensor:
        _check_parameters(theta, self.parameters)
        if x.shape[-1] != 1:
            raise ValueError(f"x must have one column for random features; got {x.shape[-1]}")
        return -sigma[..., None] * torch.bmm(self.features(x), theta[:, :, None])


def parameters(theta: Any, *shape: str | int, finite: bool = True,
               name: str = "theta") -> torch.Tensor:
    """``theta`` detached, in the dtype in which its network works: float32 or else float64."""
    single = floating(theta) == torch.float32
    return as_tensor(name, theta, *shape, finite=finite).to(
        torch.float32 if single else torch.float64)


def noise_at(network: Network, theta: Any, x: Any, process: OrnsteinUhlenbeck,
             t: float) -> torch.Tensor:
    """Predicted noise ``(B, n, d)`` of the models ``theta (B, P)`` at ``x (B, n, d)``, all at time
    t, without gradients, in the dtype of ``parameters``.

    >>> from score_stability.diffusion import OrnsteinUhlenbeck
    >>> from score_stability.scores import ScaledLinear, noise_at
    >>> theta, x = [[-1.0], [-3.0]], [[[2.0]], [[2.0]]]  # two models, one point each
    >>> noise = noise_at(ScaledLinear(), theta, x, OrnsteinUhlenbeck(0.0), 0.5)  # sigma = 1
    >>> [round(number, 4) for number in noise.flatten().tolist()]  # −theta x
    [2.0, 6.0]
    """
    # A model that has diverged is NaN, and so is what it predicts.
    t, theta = one_time(t), parameters(theta, "B", "P", finite=False)
    x = as_tensor("x", x, theta.shape[0], "n", "d").to(theta)
    mu = torch.full(x.shape[:2], process.mean_scale(t), dtype=x.dtype, device=x.device)
    sigma = torch.full_like(mu, math.sqrt(process.variance(t)))
    # So many models at a time that an activation stays in the cache.
    widest = max(getattr(network, "sizes", x.shape[2:]))
    models = max(1, _ACTIVATION // (x.shape[1] * widest))
    with torch.no_grad():
        return torch.cat([network.noise(*block) for block in zip(
            *(part.split(models) for part in (theta, x, mu, sigma)), strict=True)])


def score_of(network: Network, theta: Any, process: OrnsteinUhlenbeck) -> Score:
    """The score function of one model with parameters ``theta (P,)``: −noise/sigma_t.

    The network runs in float32 if theta is float32, else in float64; the score comes back in the
    floating dtype of x (else float64), without a graph.

    >>> import torch
    >>> from score_stability.diffusion import OrnsteinUhlenbeck
    >>> from score_stability.scores import ScaledLinear, score_of
    >>> score = score_of(ScaledLinear(), [-0.5], OrnsteinUhlenbeck())  # theta x
    >>> score(torch.tensor([[2.0], [4.0]]), 1.0).round(decimals=4).tolist()
    [[-1.0], [-2.0]]
    """
    rows = parameters(theta, "P")[None]

    def at_one_time(x: torch.Tensor, t: float) -> torch.Tensor:
        noise = noise_at(network, rows, x[None], process, t)[0]
        return -(noise / math.sqrt(process.variance(t))).to(x)

    def score(x: Any, t: Any) -> torch.Tensor:
        return by_time(at_one_time, as_tensor("x", x, "M", "d"), t).to(floating(x))

    return score


def _check_parameters(theta: torch.Tensor, parameters: int) -> None:
    if theta.ndim != 2 or theta.shape[1] != parameters:
        raise ValueError(f"theta must be (models, {parameters}); got {tuple(theta.shape)}")
