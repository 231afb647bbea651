"""The sampler: time grids, one-step rules of the reverse SDE, and the loop that applies them.

Reverse SDE of the forward process, run from time T down to the early-stopping time eps with a
score s: dY = (alpha Y + 2 s(Y)) du + √2 dW, with u the time already travelled. A scheme is a
function (process, a, b) -> step, and takes a step from time a to time b < a as
Y' = A Y + B s(Y, a) + √v noise (Heun's method evaluates the score twice).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch

from .. import runtime
from ..arrays import as_numpy, as_tensor, count, floating
from ..diffusion.process import EXTREME, OrnsteinUhlenbeck, Score


class KappaGrid(NamedTuple):
    """Decreasing times u_0 = T > … > u_K = eps and the effective step ratios of its two parts."""

    times: np.ndarray
    kappa: float  # geometric part, u_k/u_{k+1} = 1 + kappa exactly
    kappa_uniform: float  # step of the uniform part above time 1, at most kappa


def kappa_grid(kappa: float, early_stopping_time: float, horizon: float, *,
               uniform_cap: float = math.inf) -> KappaGrid:
    """The paper's grid: uniform steps kappa above time 1, geometric ratio 1 + kappa below it.

    The requested kappa is lowered until both parts have a whole number of steps, so that the grid
    ends exactly at the early-stopping time and u_k − u_{k+1} <= kappa min(1, u_{k+1}) holds for
    every step. K = ceil((T−1)/kappa) + log(1/eps)/log(1+kappa). ``uniform_cap`` bounds the steps
    of the uniform part alone (not the paper's grid: it isolates the geometric part at alpha > 0).

    Raises ``ValueError`` unless kappa > 0, uniform_cap > 0, 0 < early_stopping_time < 1 <= horizon.
    """
    if not (math.isfinite(kappa) and kappa > 0):
        raise ValueError(f"kappa must be positive and finite; got {kappa}")
    if not uniform_cap > 0:
        raise ValueError(f"uniform_cap must be positive; got {uniform_cap}")
    _check_stop(early_stopping_time)
    if not (math.isfinite(horizon) and horizon >= 1):
        raise ValueError(f"horizon must be at least 1 and finite; got {horizon}")
    # The small shift keeps an exact quotient from being rounded up to one step more.
    steps = max(1, math.ceil(-math.log(early_stopping_time) / math.log1p(kappa) - 1e-9))
    kappa = kappa_of_steps(steps, early_stopping_time)
    step = min(kappa, uniform_cap)
    uniform_steps = max(1, math.ceil((horizon - 1) / step - 1e-9)) if horizon > 1 else 0
    uniform = np.linspace(horizon, 1.0, uniform_steps + 1)[:-1]
    geometric = early_stopping_time ** (np.arange(steps + 1) / steps)
    geometric[-1] = early_stopping_time
    kappa_uniform = (horizon - 1) / uniform_steps if uniform_steps else 0.0
    return KappaGrid(np.concatenate((uniform, geometric)), kappa, kappa_uniform)


def kappa_of_steps(steps: int, early_stopping_time: float) -> float:
    """The kappa whose geometric part, from time 1 to eps, has exactly this number of steps.

    kappa = eps^(−1/steps) − 1: the only values that ``kappa_grid`` does not have to lower.
    """
    steps = count("steps", steps)
    _check_stop(early_stopping_time)
    return math.expm1(-math.log(early_stopping_time) / steps)


def _check_stop(early_stopping_time: float) -> None:
    if not 0 < early_stopping_time < 1:
        raise ValueError(f"early_stopping_time must be in (0, 1); got {early_stopping_time}")


def geometric_grid(steps: int, early_stopping_time: float, horizon: float) -> np.ndarray:
    """K + 1 times from T down to eps with one common ratio (uniform in log time)."""
    steps = count("steps", steps)
    if not 0 < early_stopping_time < horizon < math.inf:
        raise ValueError("early_stopping_time and horizon must satisfy 0 < early_stopping_time < "
                         f"horizon; got {early_stopping_time}, {horizon}")
    grid = np.geomspace(horizon, early_stopping_time, steps + 1)
    grid[0], grid[-1] = horizon, early_stopping_time
    return grid


class Step(NamedTuple):
    """One step Y' = A Y + B s(Y, a) + √v noise."""

    A: float
    B: float
    v: float

    @property
    def kl_weight(self) -> float:
        """w = B²/(2v): one step with scores s, s' costs w |s − s'|² of KL; infinite at v = 0."""
        return self.B**2 / (2 * self.v) if self.v > 0 else math.inf

    def mean(self, score: Any, y: Any, a: float, b: float) -> Any:
        """E[Y' | Y = y], the shape of y; ``score(y, t)`` is called once, at a."""
        return self.A * y + self.B * score(y, a)

    def multiplier(self, variance_a: float, variance_b: float) -> float:
        """Slope of the mean where the score is −(y − centre)/variance: A − B/variance_a."""
        return self.A - self.B / variance_a


class TwoStageStep(NamedTuple):
    """Y* = predictor(Y), Y' = A Y + B s(Y, a) + C s(Y*, b): needs the score at b as well."""

    A: float
    B: float
    C: float
    predictor: Step
    v: float = 0.0

    @property
    def kl_weight(self) -> float:
        """Infinite: the step has no noise."""
        return math.inf

    def mean(self, score: Any, y: Any, a: float, b: float) -> Any:
        """Y', the shape of y; ``score`` is called at a and at b."""
        first = score(y, a)
        ahead = self.predictor.A * y + self.predictor.B * first
        return self.A * y + self.B * first + self.C * score(ahead, b)

    def multiplier(self, variance_a: float, variance_b: float) -> float:
        """Slope of the mean where the score is −(y − centre)/variance at both times."""
        ahead = self.predictor.multiplier(variance_a, variance_b)
        return self.A - self.B / variance_a - self.C * ahead / variance_b


Scheme = Callable[[OrnsteinUhlenbeck, float, float], Step | TwoStageStep]


def _growth(rate: float, gamma: float) -> float:
    """(e^{rate gamma} − 1)/rate, which is gamma at rate 0."""
    return math.expm1(rate * gamma) / rate if rate else gamma


def euler_maruyama(process: OrnsteinUhlenbeck, a: float, b: float) -> Step:
    """Drift alpha y + 2 s frozen over the step gamma = a − b: (1 + alpha gamma, 2 gamma, 2 gamma).

    At alpha > 0 it multiplies far-out points by 1 − alpha gamma: keep alpha gamma below 2.
    """
    gamma = a - b
    if process.alpha * gamma > 2:
        warnings.warn(f"Euler–Maruyama expands at alpha * step = {process.alpha * gamma:.3g} > 2: "
                      "use a smaller kappa or uniform_cap, or a horizon of 1", stacklevel=3)
    return Step(1 + process.alpha * gamma, 2 * gamma, 2 * gamma)


def exponential_integrator(process: OrnsteinUhlenbeck, a: float, b: float) -> Step:
    """Only the score is frozen; the linear drift is solved exactly.

    (e^{alpha gamma}, 2(e^{alpha gamma} − 1)/alpha, (e^{2 alpha gamma} − 1)/alpha). At alpha > 0 it
    multiplies far-out points by 2 − e^{alpha gamma}: keep alpha gamma below log 3 = 1.0986.
    """
    alpha, gamma = process.alpha, a - b
    if alpha * gamma > math.log(3):
        warnings.warn(f"the exponential integrator expands at alpha * step = {alpha * gamma:.3g} "
                      "> log 3: use a smaller kappa or uniform_cap, or a horizon of 1",
                      stacklevel=3)
    return Step(math.exp(alpha * gamma), 2 * _growth(alpha, gamma), 2 * _growth(2 * alpha, gamma))


def martingale_integrator(process: OrnsteinUhlenbeck, a: float, b: float) -> Step:
    """e^{−alpha (a − t)} s is frozen, which for the true score is a martingale backwards in time.

    (e^{alpha gamma}, 2 sinh(alpha gamma)/alpha, (e^{2 alpha gamma} − 1)/alpha).
    """
    alpha, gamma = process.alpha, a - b
    scale = math.exp(alpha * gamma)
    return Step(scale, scale * process.variance(gamma), 2 * _growth(2 * alpha, gamma))


def ddpm(process: OrnsteinUhlenbeck, a: float, b: float) -> Step:
    """X_b given X_a and X_0 = D(X_a), D the denoiser: the posterior step of DDPM (Ho et al. 2020).

    Mean as ``martingale_integrator``, noise sigma_b² sigma_gamma²/sigma_a².
    """
    step = martingale_integrator(process, a, b)
    noise = process.variance(b) * process.variance(a - b) / process.variance(a)
    return Step(step.A, step.B, noise)


def ddim(eta: float = 0.0) -> Scheme:
    """DDIM (Song et al. 2021): noise eta² times that of DDPM, mean shifted to keep the variance.

    B = e^{alpha gamma} sigma_a² − sigma_a √(sigma_b² − v). eta = 1 is DDPM, eta = 0 is
    deterministic. Raises ``ValueError`` unless 0 <= eta <= 1.
    """
    if not 0 <= eta <= 1:
        raise ValueError(f"eta must be in [0, 1]; got {eta}")

    def scheme(process: OrnsteinUhlenbeck, a: float, b: float) -> Step:
        posterior = ddpm(process, a, b)
        v, variance_a = eta**2 * posterior.v, process.variance(a)
        remaining = math.sqrt(variance_a * (process.variance(b) - v))
        return Step(posterior.A, posterior.A * variance_a - remaining, v)

    scheme.__name__ = f"ddim_{eta:g}"
    return scheme


def ode_euler(process: OrnsteinUhlenbeck, a: float, b: float) -> Step:
    """Probability-flow ODE (drift alpha y + s, no noise) by Euler's method."""
    return Step(1 + process.alpha * (a - b), a - b, 0.0)


def ode_exponential(process: OrnsteinUhlenbeck, a: float, b: float) -> Step:
    """Probability-flow ODE with only the score frozen."""
    gamma = a - b
    return Step(math.exp(process.alpha * gamma), _growth(process.alpha, gamma), 0.0)


def heun(process: OrnsteinUhlenbeck, a: float, b: float) -> TwoStageStep:
    """Probability-flow ODE by Heun's method (trapezoidal rule with an Euler predictor).

    It evaluates the score at b, so its last step evaluates it at the early-stopping time itself:
    ``sample`` and ``exact_law`` want ``score_at_end=True`` for it.
    """
    gamma, growth = a - b, process.alpha * (a - b)
    if process.variance(a) > (3 + 2 * math.sqrt(3)) * process.variance(b):
        warnings.warn("Heun's map is not monotone near an atom at variance ratio "
                      f"{process.variance(a) / process.variance(b):.3g} > 3 + 2√3: use a smaller "
                      "kappa", stacklevel=3)
    return TwoStageStep(1 + growth + growth**2 / 2, gamma * (1 + growth) / 2, gamma / 2,
                        Step(1 + growth, gamma, 0.0))


def step_pairs(times: Any) -> list[tuple[float, float]]:
    """The steps (a, b) of a grid; ``ValueError`` unless its times decrease and are positive."""
    times = as_numpy("times", times, "K + 1")
    if times.size < 2 or not (np.diff(times) < 0).all() or not (
            times[-1] >= 1 / EXTREME and times[0] <= EXTREME):
        raise ValueError("times must be a strictly decreasing vector of at least two positive "
                         f"times between {1 / EXTREME:g} and {EXTREME:g}")
    return list(zip(times[:-1].tolist(), times[1:].tolist(), strict=True))


def steps_of(scheme: Scheme, process: OrnsteinUhlenbeck, times: Any, *,
             score_at_end: bool = False) -> list[tuple[float, float, Step | TwoStageStep]]:
    """(a, b, step) for every step of the grid.

    Raises ``ValueError`` for a scheme that needs the score at the last time, unless
    ``score_at_end`` says that this is meant.
    """
    steps = [(a, b, scheme(process, a, b)) for a, b in step_pairs(times)]
    if isinstance(steps[-1][2], TwoStageStep) and not score_at_end:
        raise ValueError("scheme evaluates the score at the last time, where early stopping "
                         "forbids it: pass score_at_end=True if you mean it")
    return steps


def gaussian_law(process: OrnsteinUhlenbeck, times: Any, scheme: Scheme,
                 start: tuple[float, float], target: tuple[float, float] = (0.0, 0.0),
                 ) -> tuple[np.ndarray, np.ndarray]:
    """Means and variances ``(K + 1,)`` of the sampler's law for the true score of N(m, v0).

    With v_t = mu_t² v0 + sigma_t² every step is affine: M' = r M + (B mu_a/v_a) m and
    V' = r² V + v, r = A − B/v_a (one-stage schemes). ``start`` and ``target`` are
    (mean, variance); target variance 0 is a single atom.
    """
    m, v0 = target
    if not (start[1] >= 0 and v0 >= 0):
        raise ValueError("start and target must be (mean, variance) with variance >= 0; "
                         f"got {start}, {target}")

    def variance(t: float) -> float:
        return process.mean_scale(t) ** 2 * v0 + process.variance(t)

    def score(y: float, t: float) -> float:
        return -(y - process.mean_scale(t) * m) / variance(t)

    means, variances = [float(start[0])], [float(start[1])]
    for a, b, step in steps_of(scheme, process, times, score_at_end=True):
        means.append(step.mean(score, means[-1], a, b))
        variances.append(step.multiplier(variance(a), variance(b)) ** 2 * variances[-1] + step.v)
    return np.array(means), np.array(variances)


def effective_stopping_time(process: OrnsteinUhlenbeck, times: Any, scheme: Scheme,
                            start_variance: float | None = None) -> float:
    """The time t whose sigma_t² is the sampler's output variance around a single atom.

    At alpha = 0 Euler–Maruyama on the kappa grid gives eps (1 + kappa) up to a relative O(eps),
    DDPM and DDIM give eps. ``start_variance`` defaults to sigma_T². Infinite if the variance
    exceeds that of every sigma_t² (alpha > 0).
    """
    if start_variance is None:
        start_variance = process.variance(step_pairs(times)[0][0])
    output = gaussian_law(process, times, scheme, (0.0, start_variance))[1][-1]
    if process.alpha == 0:
        return float(output / 2)
    share = process.alpha * output
    return float(-math.log1p(-share) / (2 * process.alpha)) if share < 1 else math.inf


def evaluate(score: Score, x: torch.Tensor, t: float, dtype: torch.dtype = torch.float64,
             name: str = "score", finite: bool = True) -> torch.Tensor:
    """``score(x, t)`` for x in ``dtype``, without a graph, as float64 of the shape of x.

    The score may be a function or a torch module and may return numpy or torch. ``name`` is who
    the error blames for another shape, for what are not real numbers and, if ``finite``, for NaN.
    """
    with torch.no_grad():
        value = score(x.to(dtype), t)
    value = as_tensor(f"what {name} returns", value, device=x.device, finite=finite)
    if value.shape != x.shape:
        raise ValueError(f"{name} must return shape {tuple(x.shape)}; got {tuple(value.shape)}")
    return value


def sample(score: Score, process: OrnsteinUhlenbeck, times: Any, start: Any,
           generator: np.random.Generator, *, scheme: Scheme = exponential_integrator,
           path: bool = False, score_at_end: bool = False) -> torch.Tensor:
    """Run the reverse process from ``start`` ``(M, d)`` at times[0] down to times[-1].

    Returns the final points ``(M, d)``, or all K + 1 states ``(K + 1, M, d)`` with ``path=True``.
    The score is evaluated at times[0] … times[-2]; a scheme that evaluates it at the last time is
    an error unless ``score_at_end``. One array of normals of the shape of ``start`` is drawn per
    step, also where the step has no noise. A K-step run costs K score calls (Heun: 2 K).

    The chain is float64; the score, a function or a torch module, sees points in the floating dtype
    of a tensor ``start`` (else float64), in which the result comes back. No gradient is kept.

    Raises ``ValueError`` or ``TypeError`` for times that do not decrease, a wrong start, generator
    or score shape, and ``FloatingPointError`` if a state stops being finite.
    """
    steps = steps_of(scheme, process, times, score_at_end=score_at_end)
    if not isinstance(generator, np.random.Generator):
        raise TypeError("generator must be a numpy Generator; "
                        f"got {type(generator).__name__}")
    if not callable(score):
        raise TypeError(f"score must be a function score(x, t); got {type(score).__name__}")
    dtype = floating(start)
    y = as_tensor("start", start, "M", "d").clone()

    def checked(y: torch.Tensor, t: float) -> torch.Tensor:
        return evaluate(score, y, t, dtype, finite=False)  # the state is checked below

    states = [y.to(dtype)]
    for a, b, step in runtime.progress(steps, "sampling"):
        noise = torch.from_numpy(generator.standard_normal(tuple(y.shape))).to(y)
        y = step.mean(checked, y, a, b) + math.sqrt(step.v) * noise
        if not bool(torch.isfinite(y).all()):
            raise FloatingPointError("the sampler diverged: its state is not finite at "
                                     f"t = {b:g}; use a smaller kappa")
        if path:
            states.append(y.to(dtype))
    return torch.stack(states) if path else y.to(dtype)
