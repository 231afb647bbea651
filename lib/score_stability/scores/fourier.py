"""Denoisers on the line that are linear in Fourier features, with the noise integrated out.

m_theta(x) = Σ_{|k| <= K} theta_k e^{i k omega x}. Every expectation over the noise of
X_t = mu x_0 + sigma xi is a Gaussian characteristic function, so losses, minimiser and stability
of one data set are finite sums: no noise is drawn. K = 0 estimates a mean; each harmonic more fits
more, and wants more points to tie it down.
All quantities are in *denoiser units* (score units: times mu²/sigma⁴).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..arrays import as_numpy, count
from ..diffusion.process import OrnsteinUhlenbeck, one_time


class FourierDenoisers:
    """The class of denoisers at one time t: ``features`` 2K + 1, frequency ``omega``.

    Raises ``ValueError`` for a negative number of harmonics or a frequency that is not positive.

    >>> from score_stability.diffusion import OrnsteinUhlenbeck
    >>> from score_stability.scores import FourierDenoisers
    >>> constants = FourierDenoisers(harmonics=0, omega=1.0, process=OrnsteinUhlenbeck(), t=0.5)
    >>> theta = constants.fit([0.0, 4.0])  # the mean
    >>> theta.real.round(4).tolist(), constants.loss(theta, [0.0, 4.0]).round(4).tolist()
    ([2.0], [4.0, 4.0])
    """

    def __init__(self, harmonics: int, omega: float, process: OrnsteinUhlenbeck,
                 t: float) -> None:
        harmonics, t = count("harmonics", harmonics, 0), one_time(t)
        if not (math.isfinite(omega) and omega > 0):
            raise ValueError(f"omega must be positive and finite; got {omega}")
        self.order = np.arange(-harmonics, harmonics + 1)
        self.omega = omega
        self.mu = float(process.mean_scale(t))
        self.sigma = math.sqrt(float(process.variance(t)))

    @staticmethod
    def _points(data: Any, name: str = "data") -> np.ndarray:
        x = as_numpy(name, data)
        if x.size == 0 or x.size != max(x.shape, default=1):
            raise ValueError(f"{name} must be a non-empty vector of points on the line; "
                             f"got shape {x.shape}")
        return x.reshape(-1)

    def _coefficients(self, name: str, theta: Any) -> np.ndarray:
        """The parameters are complex: the one argument that keeps an imaginary part."""
        value = np.asarray(theta)
        if value.dtype.kind not in "biufc" or value.shape != self.order.shape:
            raise ValueError(f"{name} must be {self.order.size} numbers; got shape {value.shape} "
                             f"of {value.dtype}")
        if not np.isfinite(value).all():
            raise ValueError(f"{name} must be finite")
        return value.astype(np.complex128)

    def gram(self, data: Any) -> np.ndarray:
        """G(x)_{jk} = E[conj(psi_j) psi_k | X_0 = x], ``(n, 2K+1, 2K+1)``."""
        x = self._points(data)
        difference = (self.order[None, :] - self.order[:, None]) * self.omega
        return np.exp(1j * difference * self.mu * x[:, None, None]
                      - 0.5 * (difference * self.sigma) ** 2)

    def moment(self, data: Any) -> np.ndarray:
        """h(x)_j = x E[conj(psi_j) | X_0 = x], ``(n, 2K+1)``."""
        x = self._points(data)
        frequency = self.order * self.omega
        return x[:, None] * np.exp(-1j * frequency * self.mu * x[:, None]
                                   - 0.5 * (frequency * self.sigma) ** 2)

    def fit(self, data: Any) -> np.ndarray:
        """Exact minimiser theta of the denoising loss on ``data``: mean(G) theta = mean(h)."""
        return np.linalg.solve(self.gram(data).mean(0), self.moment(data).mean(0))

    def loss(self, theta: np.ndarray, data: Any) -> np.ndarray:
        """E[|m_theta(X_t) − x|² | X_0 = x] at each point, ``(n,)``."""
        x, theta = self._points(data), self._coefficients("theta", theta)
        quadratic = np.einsum("j,njk,k->n", theta.conj(), self.gram(x), theta).real
        return quadratic - 2 * (self.moment(x) @ theta.conj()).real + x**2

    def distance(self, theta: np.ndarray, other: np.ndarray, data: Any) -> np.ndarray:
        """E[|m_theta − m_other|² | X_0 = x] at each point, ``(n,)``."""
        d = self._coefficients("theta", theta) - self._coefficients("other", other)
        return np.einsum("j,njk,k->n", d.conj(), self.gram(data), d).real

    def replace_one(self, data: Any, fresh: float) -> np.ndarray:
        """``(N, 2K+1)``: the minimisers with each point in turn replaced by ``fresh``."""
        x, new = self._points(data), self._points(fresh, "fresh")
        gram, moment = self.gram(x), self.moment(x)
        changed = gram.mean(0) + (self.gram(new) - gram) / len(x)
        return np.linalg.solve(changed, (moment.mean(0) + (self.moment(new) - moment) / len(x))
                               [..., None])[..., 0]
