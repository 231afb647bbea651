"""Reading what a claim is given: floats, arrays, tensors and estimates."""

import math
from dataclasses import dataclass

import numpy as np

from verdicts.statistics import half_width


@dataclass(frozen=True)
class Quantity:
    """A value (a float, or an array of cases) and its standard error (0: no Monte Carlo)."""

    value: np.ndarray
    standard_error: float = 0.0
    degrees_of_freedom: float = math.inf

    @property
    def half_width(self):
        return half_width(self.standard_error, self.degrees_of_freedom)

    @property
    def error_ratio(self):
        """Half width over standard error; 0 without an error."""
        return self.half_width / self.standard_error if self.standard_error else 0.0


def is_estimate(x):
    """Whether x has a value, a standard error and degrees of freedom."""
    return all(hasattr(x, a) for a in ("value", "standard_error", "degrees_of_freedom"))


def array(x, name, *, infinite=False):
    """x as a float64 array; ValueError on NaN, on infinity and on an empty array."""
    if hasattr(x, "detach"):  # a torch tensor, perhaps on another device
        x = x.detach().cpu()
    if np.iscomplexobj(x):
        raise TypeError(f"{name} must be real, not complex")
    wrong = f"{name} must be a number, an array of numbers or an estimate, not {type(x).__name__}"
    if x is None:
        raise TypeError(wrong)
    if np.ma.is_masked(x):
        raise ValueError(f"{name} must not be masked: what is hidden would be compared")
    try:
        values = np.asarray(x, dtype=float)
    except (TypeError, ValueError) as error:
        raise TypeError(wrong) from error
    if values.size == 0:
        raise ValueError(f"{name} must not be empty")
    if np.isnan(values).any():
        raise ValueError(f"{name} must not be NaN")
    if not infinite and np.isinf(values).any():
        raise ValueError(f"{name} must be finite")
    return values


def scalar(x, name):
    """x as one finite float; ValueError if it is not one."""
    values = array(x, name)
    if values.size != 1:
        raise ValueError(f"{name} must be one number, not an array of shape {values.shape}")
    return float(values.reshape(()))


def quantity(x, name, *, infinite=False):
    """x as a Quantity; ValueError or TypeError that names the argument."""
    if not is_estimate(x):
        return Quantity(array(x, name, infinite=infinite))
    error = scalar(x.standard_error, f"the standard error of {name}")
    if error < 0:
        raise ValueError(f"the standard error of {name} must not be negative")
    dof = float(x.degrees_of_freedom)
    if error > 0 and not dof >= 1:
        raise ValueError(f"the degrees of freedom of {name} must be at least 1, not {dof}")
    return Quantity(np.asarray(scalar(x.value, name)), error, dof)


def allowance(x, name="error"):
    """An evaluation error: finite and not negative."""
    values = array(x, name)
    if (values < 0).any():
        raise ValueError(f"{name} must not be negative")
    return values


def subtract(rhs, lhs):
    """rhs - lhs with standard errors added: valid whatever the dependence of the two."""
    with np.errstate(over="ignore"):
        value = rhs.value - lhs.value
    return Quantity(
        value,
        rhs.standard_error + lhs.standard_error,
        min(rhs.degrees_of_freedom, lhs.degrees_of_freedom),
    )
