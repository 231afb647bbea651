"""Numbers with their standard errors, made from independent replicates.

The unit of replication is the data set, never the row: a replicate is one draw of everything.
Everything here returns an ``Estimate``, which is what ``verdicts`` tests.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from verdicts.statistics import upper_quantile

from ..arrays import as_numpy, number


@dataclass(frozen=True)
class Estimate:
    """A value, its standard error and the degrees of freedom of that error.

    >>> from score_stability.yardsticks import Estimate
    >>> estimate = Estimate(2.0, 0.1, 4)
    >>> print(estimate)
    2.00 ± 0.10
    >>> round(estimate.half_width(), 3)  # 0.1 times the quantile 2.776 of Student's t
    0.278
    """

    value: float
    standard_error: float = 0.0
    degrees_of_freedom: float = math.inf

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise ValueError(f"value must be finite; got {self.value}")
        if not (math.isfinite(self.standard_error) and self.standard_error >= 0):
            raise ValueError(f"standard_error must be finite and >= 0; got {self.standard_error}")
        if not self.degrees_of_freedom > 0:
            raise ValueError(f"degrees_of_freedom must be positive; got {self.degrees_of_freedom}")

    def half_width(self, error: float = 0.05) -> float:
        """Half the length of the two-sided t-interval that misses with probability ``error``."""
        if not 0 < error < 1:
            raise ValueError(f"error must be in (0, 1); got {error}")
        if self.standard_error == 0:
            return 0.0
        return upper_quantile(error / 2, self.degrees_of_freedom) * self.standard_error

    def __str__(self) -> str:
        if self.standard_error == 0:
            return f"{self.value:.4g}"
        # One or two digits of error decide how many digits of the value mean anything.
        decimals = max(0, 1 - math.floor(math.log10(self.standard_error)))
        return f"{self.value:.{decimals}f} ± {self.standard_error:.{decimals}f}"


def _replicates(name: str, values: Any, minimum: int = 2) -> np.ndarray:
    array = as_numpy(name, values)
    if array.ndim != 1 or array.size < minimum:
        raise ValueError(f"{name} must be a vector of at least {minimum} replicates; "
                         f"got shape {array.shape}")
    return array


def mean(replicates: Any) -> Estimate:
    """Mean of R independent replicates, standard error s/√R, R − 1 degrees of freedom.

    >>> from score_stability.yardsticks import mean
    >>> print(mean([1.0, 2.0, 3.0]))  # s = 1, so the error is 1/√3
    2.00 ± 0.58
    """
    values = _replicates("replicates", replicates)
    return Estimate(float(values.mean()), float(values.std(ddof=1) / math.sqrt(values.size)),
                    values.size - 1)


def jackknife(function: Callable[..., float], *replicates: Any) -> Estimate:
    """``function`` of the means of paired replicates, with its delete-one jackknife error.

    ``jackknife(lambda a, b: a / b, u, v)`` estimates E u / E v from R paired draws. The standard
    error is √((R−1)/R Σ_r (f_(r) − f̄)²), with f_(r) the value without replicate r (Efron & Stein
    1981); the value is ``function`` of the full means. Use it for every difference or ratio of
    paired quantities: pairing is what makes small gaps visible.

    Raises ``ValueError`` if the vectors differ in length or ``function`` is not finite.

    >>> from score_stability.yardsticks import jackknife
    >>> print(jackknife(lambda a, b: a - b, [10, 20, 30], [9, 18, 30]))  # of 1, 2, 0
    1.00 ± 0.58
    """
    columns = [_replicates(f"replicates[{k}]", r) for k, r in enumerate(replicates)]
    if not columns:
        raise ValueError("replicates must contain at least one vector")
    count = columns[0].size
    if any(column.size != count for column in columns):
        raise ValueError(f"replicates must have one length; got {[c.size for c in columns]}")
    without = [(column.sum() - column) / (count - 1) for column in columns]
    with np.errstate(all="ignore"):  # a division by zero is reported below, as an error
        value = float(function(*(column.mean() for column in columns)))
        left_out = np.array([float(function(*row)) for row in zip(*without, strict=True)])
    if not (math.isfinite(value) and np.isfinite(left_out).all()):
        raise ValueError("function must be finite at the means and at every delete-one mean")
    spread = (count - 1) / count * np.sum((left_out - left_out.mean()) ** 2)
    return Estimate(value, math.sqrt(spread), count - 1)


def paired_ratio(numerator: Any, denominator: Any) -> Estimate:
    """E numerator / E denominator from paired replicates (jackknife).

    >>> from score_stability.yardsticks import paired_ratio
    >>> ratio = paired_ratio([2, 4, 7], [1, 2, 3])
    >>> round(ratio.value, 4), ratio.degrees_of_freedom  # 13/6
    (2.1667, 2)
    """
    return jackknife(lambda a, b: a / b, _replicates("numerator", numerator),
                     _replicates("denominator", denominator))


def independent_ratio(numerator: Estimate, denominator: Estimate) -> Estimate:
    """u/v of two independent estimates.

    Standard error |u/v| √((s_u/u)² + (s_v/v)²), to first order; the smaller number of degrees of
    freedom. ``ValueError`` if one of the values is zero.

    >>> from score_stability.yardsticks import Estimate, independent_ratio
    >>> print(independent_ratio(Estimate(6.0, 0.3), Estimate(2.0, 0.1)))
    3.00 ± 0.21
    """
    for name, estimate in (("numerator", numerator), ("denominator", denominator)):
        if estimate.value == 0:
            raise ValueError(f"{name} must not be zero")
    value = numerator.value / denominator.value
    relative = math.hypot(numerator.standard_error / numerator.value,
                          denominator.standard_error / denominator.value)
    return Estimate(value, abs(value) * relative,
                    min(numerator.degrees_of_freedom, denominator.degrees_of_freedom))


def log_log_slope(x: Any, y: Sequence[Estimate] | Any) -> Estimate:
    """Weighted least-squares slope of log y on log x.

    ``y`` is a sequence of independent ``Estimate`` (weights 1/relative error², delta method) or of
    plain numbers (equal weights, standard error from the residuals). With estimates the standard
    error is that of the weights; its degrees of freedom are the smallest of the estimates'.

    Raises ``ValueError`` for fewer than two points, or three where residuals must give the error,
    and for x or y that are not positive and finite.

    >>> from score_stability.yardsticks import log_log_slope
    >>> print(round(log_log_slope([1, 2, 4], [3, 12, 48]).value, 4))  # y = 3 x²
    2.0
    """
    log_x = as_numpy("x", x)
    if log_x.ndim != 1 or log_x.size < 2 or not (log_x > 0).all():
        raise ValueError("x must be a vector of at least two positive, finite numbers")
    points = list(y) if isinstance(y, Sequence) else as_numpy("y", y, "n").tolist()
    if len(points) != log_x.size:
        raise ValueError(f"y must have as many entries as x ({log_x.size}); got {len(points)}")
    log_x = np.log(log_x)
    weighted = all(isinstance(p, Estimate) and p.standard_error > 0 for p in points)
    values = as_numpy("y", [p.value if isinstance(p, Estimate) else number("y", p)
                           for p in points])
    if not (values > 0).all():
        raise ValueError("y must be positive and finite")
    if weighted:
        weights = np.array([(p.value / p.standard_error) ** 2 for p in points])
    else:
        if log_x.size < 3:
            raise ValueError("y must have at least three points when it carries no errors")
        weights = np.ones_like(values)
    centred = log_x - np.average(log_x, weights=weights)
    scale = np.sum(weights * centred**2)
    if np.ptp(log_x) == 0:
        raise ValueError("x must contain two different numbers")
    slope = float(np.sum(weights * centred * np.log(values)) / scale)
    if weighted:
        return Estimate(slope, float(scale**-0.5), min(p.degrees_of_freedom for p in points))
    residuals = np.log(values) - np.log(values).mean() - slope * centred
    freedom = values.size - 2
    return Estimate(slope, float(np.sqrt(np.sum(residuals**2) / freedom / scale)), freedom)


def wilson_interval(successes: int, trials: int, error: float = 0.05) -> tuple[float, float]:
    """Wilson's score interval for a proportion (Wilson 1927); valid at 0 and at ``trials``.

    >>> from score_stability.yardsticks import wilson_interval
    >>> low, high = wilson_interval(0, 10)
    >>> round(low, 4), round(high, 4)  # 1.96²/(10 + 1.96²)
    (0.0, 0.2775)
    """
    if trials < 1 or not 0 <= successes <= trials:
        raise ValueError(f"successes must lie in [0, trials] and trials >= 1; "
                         f"got {successes} of {trials}")
    if not 0 < error < 1:
        raise ValueError(f"error must be in (0, 1); got {error}")
    from scipy import stats

    interval = stats.binomtest(successes, trials).proportion_ci(1 - error, method="wilson")
    return float(interval.low), float(interval.high)
