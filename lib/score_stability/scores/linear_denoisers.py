"""Denoisers that are linear in their parameters, with closed-form leave-one-out.

m(y) = psi_s(y)^T theta at one noise level s, fitted by ridge with a fixed *total* penalty:

    min over theta of Σ_i ℓ_i(theta) + penalty |theta|²,   ℓ_i = mean_j |psi(x_i + s xi_ij)^T theta
    − x_i|²,   j = 1..J.

The datum is the image *with its J noise draws*: leaving one out removes both. All N leave-one-out
models and all N(N − 1) ordered pairs of them come from one factorisation, without a loop over data
or pairs. Cost: N J p² multiplications about four times over, plus p³: linear in N and J, quadratic
in p (measured at N = 1000, p = 665, J = 6: halving N or J takes 0.56 of the time, doubling p 3.7).
float64 numpy, denoiser units. **No feature may depend on the data it is fitted to**: the closed
form treats features as fixed, so features that have seen S make the leave-one-out losses wrong,
silently.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.linalg import LinAlgError, cholesky, solve_triangular
from scipy.special import softmax

from ..arrays import as_numpy, count, indices
from ..yardsticks.leave_one_out import Jackknife

Features = Callable[[np.ndarray, float], np.ndarray]


def affine(y: np.ndarray, noise_level: float) -> np.ndarray:
    """y/√(1 + s²) and the constant 1, ``(M, d + 1)``: ridge gives a regularised Wiener filter.

    >>> import numpy as np
    >>> from score_stability.scores import affine
    >>> affine(np.array([[2.0, 4.0]]), noise_level=3**0.5).round(4).tolist()  # √(1 + s²) = 2
    [[1.0, 2.0, 1.0]]
    """
    y = as_numpy("y", y, "M", "d")
    return np.concatenate((y / math.sqrt(1 + noise_level**2), np.ones((len(y), 1))), 1)


@dataclass(frozen=True, eq=False)
class RandomReLU:
    """√(8/width) max(W y/√(1 + s²) + b, 0): ``weights`` ``(width, d)``, ``biases`` ``(width,)``.

    >>> import numpy as np
    >>> from score_stability.scores import RandomReLU
    >>> features = RandomReLU(weights=np.array([[1.0], [-1.0]]), biases=np.array([0.0, 3.0]))
    >>> features(np.array([[2.0]]), 0.0).round(4).tolist()  # √(8/2) times max(2, 0), max(1, 0)
    [[4.0, 2.0]]
    """

    weights: np.ndarray
    biases: np.ndarray

    def __post_init__(self) -> None:
        _convert(self, weights=("width", "d"), biases=("width",))

    @classmethod
    def draw(cls, dimension: int, width: int, generator: np.random.Generator, *,
             weight_scale: float = 1.5, bias_scale: float = 0.7) -> RandomReLU:
        """W_ij ~ N(0, weight_scale²/d), b ~ N(0, bias_scale²). ``ValueError`` for sizes < 1."""
        for name, value in (("dimension", dimension), ("width", width)):
            count(name, value)
        weights = generator.standard_normal((width, dimension)) / math.sqrt(dimension)
        return cls(weight_scale * weights, bias_scale * generator.standard_normal(width))

    def __call__(self, y: np.ndarray, noise_level: float) -> np.ndarray:
        """Features ``(M, width)``."""
        y = as_numpy("y", y, "M", self.weights.shape[1])
        hidden = y @ (self.weights.T / math.sqrt(1 + noise_level**2))
        hidden += self.biases
        np.maximum(hidden, 0, out=hidden)
        hidden *= math.sqrt(8 / len(self.weights))
        return hidden


@dataclass(frozen=True, eq=False)
class Codebook:
    """Responsibilities of fixed points c_k: softmax_k(−|y − c_k|²/(2(s² + width²))) for s > above.

    ``points`` is ``(n, d)`` and must be disjoint from the data that are certified; below ``above``
    there are no features (shape ``(M, 0)``): single points say little there.

    >>> import numpy as np
    >>> from score_stability.scores import Codebook
    >>> features = Codebook(np.array([[-1.0], [1.0]]), width=0.0)
    >>> y = np.array([[0.0], [1.0]])
    >>> features(y, noise_level=1.0).round(4).tolist()  # 1/(1 + e^{±2y})
    [[0.5, 0.5], [0.1192, 0.8808]]
    >>> features(y, noise_level=0.1).shape
    (2, 0)
    """

    points: np.ndarray
    width: float = 0.8
    above: float = 0.5

    def __post_init__(self) -> None:
        _convert(self, points=("n", "d"))

    def __call__(self, y: np.ndarray, noise_level: float) -> np.ndarray:
        """Features ``(M, n)``, or ``(M, 0)``."""
        y = as_numpy("y", y, "M", self.points.shape[1])
        if noise_level <= self.above:
            return np.empty((len(y), 0))
        # |y|² is the same for every k, and softmax does not see it.
        logit = y @ self.points.T - (self.points**2).sum(1) / 2
        return softmax(logit / (noise_level**2 + self.width**2), axis=1)


@dataclass(frozen=True, eq=False)
class Mixture:
    """Responsibilities and posterior mean under a fixed Gaussian mixture seen through noise s.

    ``probabilities`` ``(k,)``, ``means`` ``(k, d)``, ``covariances`` ``(k, d, d)``, fitted to data
    disjoint from those that are certified. With C_k + s² I the noisy covariances: r_k(y), then
    Σ_k r_k(y) (mean_k + C_k (C_k + s² I)^{−1} (y − mean_k)).

    >>> import numpy as np
    >>> from score_stability.scores import Mixture
    >>> one = np.ones((1, 1))
    >>> normal = Mixture(probabilities=one[0], means=0 * one, covariances=one[None])
    >>> normal(4 * one, noise_level=1.0).round(4).tolist()  # r = 1, and y/(1 + s²)
    [[1.0, 2.0]]
    """

    probabilities: np.ndarray
    means: np.ndarray
    covariances: np.ndarray

    def __post_init__(self) -> None:
        _convert(self, probabilities=("k",), means=("k", "d"), covariances=("k", "d", "d"))

    @cached_property
    def _spectrum(self) -> tuple[np.ndarray, np.ndarray]:
        values, vectors = np.linalg.eigh(self.covariances)
        if values.min() < -1e-9 * values.max():
            raise ValueError("covariances must be positive semi-definite")
        return np.maximum(values, 0), vectors

    def __call__(self, y: np.ndarray, noise_level: float) -> np.ndarray:
        """Features ``(M, k + d)``."""
        y = as_numpy("y", y, "M", self.means.shape[1])
        logit, means = np.empty((len(self.means), len(y))), []
        for k, (mean, values, vectors) in enumerate(zip(self.means, *self._spectrum, strict=True)):
            noisy = values + noise_level**2
            z = (y - mean) @ vectors
            logit[k] = -((z**2 / noisy).sum(1) + np.log(noisy).sum()) / 2
            means.append(mean + (z * (values / noisy)) @ vectors.T)
        weight = softmax(logit + np.log(self.probabilities)[:, None], axis=0)
        posterior = sum(w[:, None] * m for w, m in zip(weight, means, strict=True))
        return np.concatenate((weight.T, posterior), 1)


def _convert(features: Any, **shapes: tuple[str, ...]) -> None:
    """The named fields as float64; letters that are the same must be the same size."""
    sizes: dict[str, int] = {}
    for name, letters in shapes.items():
        array = as_numpy(name, getattr(features, name), *(sizes.get(a, a) for a in letters))
        sizes |= zip(letters, array.shape, strict=True)
        object.__setattr__(features, name, array)


def combine(*features: Features) -> Features:
    """All these features side by side.

    >>> import numpy as np
    >>> from score_stability.scores import affine, combine
    >>> features = combine(affine, lambda y, noise_level: y**2)
    >>> features(np.array([[3.0]]), 0.0).tolist()
    [[3.0, 1.0, 9.0]]
    """
    return lambda y, noise_level: np.concatenate([f(y, noise_level) for f in features], 1)


@dataclass(frozen=True, eq=False)
class LinearDenoiser:
    """m(y) = psi_s(y)^T theta at one noise level; ``parameters`` is ``(p, d)``.

    >>> import numpy as np
    >>> from score_stability.scores import LinearDenoiser, affine
    >>> wiener = LinearDenoiser(affine, noise_level=3**0.5, parameters=np.array([[0.5], [0.0]]))
    >>> wiener(np.array([[4.0]])).round(4).tolist()  # exact for N(0, 1): y/(1 + s²)
    [[1.0]]
    """

    features: Features
    noise_level: float
    parameters: np.ndarray

    def __post_init__(self) -> None:
        _convert(self, parameters=("p", "d"))

    def __call__(self, y: np.ndarray) -> np.ndarray:
        """Denoised points ``(M, d)``."""
        return self.features(y, self.noise_level) @ self.parameters

    def losses(self, data: np.ndarray, noise: np.ndarray) -> np.ndarray:
        """mean_j |m(x_i + s xi_ij) − x_i|² for each point, ``(N,)``; noise is ``(N, J, d)``."""
        data, noise = _data_and_noise(data, noise)
        output = self(_noised(data, noise, self.noise_level)).reshape(noise.shape)
        return ((output - data[:, None]) ** 2).sum(2).mean(1)


@dataclass(frozen=True, eq=False)
class Ridge:
    """A ridge fit, its leave-one-out models and their certificate. Made by ``fit_ridge``.

    With Psi_i the J feature rows of datum i over √J, A = Σ Psi_i^T Psi_i + penalty I = L L^T and
    Z_i = Psi_i L^{−T}: H_i = Z_i Z_i^T, residual r_i, e_i = (I − H_i)^{−1} r_i the residual of the
    model without i, u_i = Z_i^T e_i, theta_−i = theta − L^{−T} u_i.
    """

    full: LinearDenoiser  # fitted to all data
    penalty: float
    _factor: np.ndarray  # L
    _rows: np.ndarray  # Z, (N, J, p)
    _residuals: np.ndarray  # r, (N, J, d)
    _left_out: np.ndarray  # e, (N, J, d)

    @property
    def training_losses(self) -> np.ndarray:
        """Loss of the full fit at each training datum, ``(N,)``."""
        return (self._residuals**2).sum((1, 2))

    @property
    def effective_dimension(self) -> float:
        """Σ tr H_i, trace of the map from targets to fitted values: p at penalty 0, or less."""
        return float((self._rows**2).sum())

    @cached_property
    def jackknife(self) -> Jackknife:
        """LOO, L̂ and eps² over all N(N − 1) ordered pairs.

        With U = Σ u_i and M = Σ u_i u_i^T,
        N(N−1) L̂ = N Σ|r_j|² + 2 Σ<r_j, Z_j U> + tr(M Σ Z_j^T Z_j) − Σ|e_j|²,
        N(N−1) eps² = tr(M Σ Z_j^T Z_j) − 2 Σ<Z_j U, Z_j u_j> + N Σ|Z_j u_j|².
        """
        count, _, p = self._rows.shape
        Z = self._rows.reshape(-1, p)
        r, e = self._residuals, self._left_out
        own = e - r  # Z_j u_j
        from_all = (Z @ self._sum).reshape(r.shape)  # Z_j U
        M = Z.T @ ((e @ e.transpose(0, 2, 1)) @ self._rows).reshape(-1, p)
        # Σ Z^T Z = I − penalty L^{−1} L^{−T}, without another product over the data.
        inverse = solve_triangular(self._factor, np.eye(p), lower=True)
        pairs = np.trace(M) - self.penalty * np.sum((M @ inverse) * inverse)
        seen = (count * np.sum(r**2) + 2 * np.sum(r * from_all) + pairs - np.sum(e**2))
        moved = pairs - 2 * np.sum(from_all * own) + count * np.sum(own**2)
        ordered = count * (count - 1)
        return Jackknife((e**2).sum((1, 2)), max(float(seen), 0.0) / ordered,
                         max(float(moved), 0.0) / ordered)

    @cached_property
    def _sum(self) -> np.ndarray:
        p = self._rows.shape[2]
        return self._rows.reshape(-1, p).T @ self._left_out.reshape(-1, self._left_out.shape[2])

    @cached_property
    def averaged(self) -> LinearDenoiser:
        """The mean of the N leave-one-out models: E risk <= E LOO <= E certificate (convexity)."""
        shift = solve_triangular(self._factor, self._sum, lower=True, trans=1)
        return LinearDenoiser(self.full.features, self.full.noise_level,
                              self.full.parameters - shift / len(self._rows))

    def parameters_without(self) -> np.ndarray:
        """All theta_−i, ``(N, p, d)``: for small problems, tests and controls."""
        u = self._rows.transpose(0, 2, 1) @ self._left_out
        count, p, d = u.shape
        moved = solve_triangular(self._factor, u.transpose(1, 0, 2).reshape(p, -1), lower=True,
                                 trans=1)
        return self.full.parameters - moved.reshape(p, count, d).transpose(1, 0, 2)

    def stability_elsewhere(self, y: Any) -> float:
        """What ``jackknife.stability`` is if seen from ``y`` ``(M, d)``, noised points of neither
        set: the mean over i != j of |m_−i(y) − m_−j(y)|². No certificate: a negative control."""
        y = as_numpy("y", y, "M", self.full.parameters.shape[1])
        psi = self.full.features(y, self.full.noise_level)
        outputs = np.tensordot(psi, self.parameters_without(), (1, 1))
        return float(2 * outputs.var(1, ddof=1).sum(1).mean())

    def leave_two_out(self, pairs: Any) -> np.ndarray:
        """Loss at datum a of the model without a and b, ``(T,)``, for rows (a, b) of ``pairs``."""
        pairs = indices("pairs", pairs, len(self._rows))
        if pairs.ndim != 2 or pairs.shape[1] != 2 or (pairs[:, 0] == pairs[:, 1]).any():
            raise ValueError("pairs must be (T, 2), two different indices in each row")
        _, J, p = self._rows.shape
        Z = self._rows[pairs].reshape(len(pairs), 2 * J, p)
        r = self._residuals[pairs].reshape(len(pairs), 2 * J, -1)
        e = np.linalg.solve(np.eye(2 * J) - Z @ Z.transpose(0, 2, 1), r)
        return (e[:, :J] ** 2).sum((1, 2))

    def replace_one_changes(self, triples: Any) -> np.ndarray:
        """f(without z, a; z) − f(without z, b; z), ``(T,)``, for rows (z, a, b) of ``triples``.

        The two training sets have N − 2 points and differ by one exchange; z is in neither. The
        root mean square estimates beta_out of ``Jackknife.upper_end``.
        """
        triples = indices("triples", triples, len(self._rows))
        if triples.ndim != 2 or triples.shape[1] != 3:
            raise ValueError(f"triples must be (T, 3); got shape {triples.shape}")
        return self.leave_two_out(triples[:, [0, 1]]) - self.leave_two_out(triples[:, [0, 2]])


def draw_triples(number: int, count: int, generator: np.random.Generator) -> np.ndarray:
    """``(count, 3)`` rows of three different indices below ``number``.

    >>> import numpy as np
    >>> from score_stability.scores import draw_triples
    >>> triples = draw_triples(5, 4, np.random.default_rng(0))
    >>> [len(set(row)) for row in triples.tolist()]
    [3, 3, 3, 3]
    """
    if number < 3:
        raise ValueError(f"number must be at least 3; got {number}")
    # Sorted, not partitioned: the order within a part differs between processors.
    return generator.random((count, number)).argsort(axis=1)[:, :3]


def fit_ridge(features: Features, data: Any, noise: Any, noise_level: float,
              penalty: float) -> Ridge:
    """Fit one noise level; data ``(N, d)``, noise ``(N, J, d)`` standard normal.

    The penalty is a total one, the same for N and for N − 1 data, and the constant is penalised
    like the rest. Raises ``ValueError`` for fewer than two data, wrong shapes, values that are not
    finite, features of another shape, a noise level that is not positive, a negative penalty, and
    for penalty 0 where a leave-one-out model is not unique (interpolation).

    >>> import numpy as np
    >>> from score_stability.scores import fit_ridge
    >>> constant = lambda y, noise_level: np.ones((len(y), 1))
    >>> fit = fit_ridge(constant, [[0.0], [1.0], [5.0]], np.zeros((3, 1, 1)), 1.0, penalty=0.0)
    >>> round(fit.full.parameters.item(), 4), round(fit.jackknife.loo, 4)  # (3² + 1.5² + 4.5²)/3
    (2.0, 10.5)
    """
    data, noise = _data_and_noise(data, noise)
    count, J, d = noise.shape
    if count < 2:
        raise ValueError(f"data must hold at least two points; got {count}")
    if not (math.isfinite(noise_level) and noise_level > 0):
        raise ValueError(f"noise_level must be positive and finite; got {noise_level}")
    if not (math.isfinite(penalty) and penalty >= 0):
        raise ValueError(f"penalty must be non-negative and finite; got {penalty}")
    psi = features(_noised(data, noise, noise_level), noise_level) / math.sqrt(J)
    if psi.ndim != 2 or len(psi) != count * J or not np.isfinite(psi).all():
        raise ValueError(f"features must return finite ({count * J}, p); got {psi.shape}")
    p = psi.shape[1]
    gram = psi.T @ psi
    gram.flat[:: p + 1] += penalty
    interpolates = ValueError("penalty must be positive (larger): the features interpolate, a "
                              "leave-one-out model is not unique to working precision")
    if penalty == 0 and (count - 1) * J < p:
        raise interpolates
    try:
        factor = cholesky(gram, lower=True)
    except LinAlgError:
        raise interpolates from None
    target = np.broadcast_to(data[:, None] / math.sqrt(J), noise.shape)
    Z = solve_triangular(factor, psi.T, lower=True).T.copy()
    parameters = solve_triangular(factor, Z.T @ target.reshape(-1, d), lower=True, trans=1)
    residuals = target - (psi @ parameters).reshape(noise.shape)
    rows = Z.reshape(count, J, p)
    leverage = rows @ rows.transpose(0, 2, 1)
    try:
        left_out = np.linalg.solve(np.eye(J) - leverage, residuals)
    except np.linalg.LinAlgError:
        raise interpolates from None
    if not np.isfinite(left_out).all():
        raise interpolates
    return Ridge(LinearDenoiser(features, float(noise_level), parameters), float(penalty), factor,
                 rows, residuals, left_out)


def _noised(data: np.ndarray, noise: np.ndarray, noise_level: float) -> np.ndarray:
    return (data[:, None] + noise_level * noise).reshape(-1, data.shape[1])


def _data_and_noise(data: Any, noise: Any) -> tuple[np.ndarray, np.ndarray]:
    data = as_numpy("data", data, "N", "d")
    return data, as_numpy("noise", noise, data.shape[0], "J", data.shape[1])
