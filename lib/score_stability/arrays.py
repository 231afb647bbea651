"""The one door of array arguments: finite float64 numbers, or an error that names the argument.

Lists, tables, whole numbers, half precision, big-endian, read-only, reversed and strided memory
are taken for the numbers they hold. Refused by name: complex numbers (an imaginary part is never
dropped), text and objects, masked entries, NaN, infinities, empty or wrongly shaped arrays.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch


def is_tensor(value: Any) -> bool:
    """Is it a torch tensor? Torch is not imported for the question."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def real(name: str, value: Any, *shape: str | int, finite: bool = True, graph: bool = False) -> Any:
    """``value`` as float64: a tensor on its own device if it was one, else a numpy array.

    ``shape`` has one entry per axis: a size, or a letter for any size of at least one; without
    entries every shape passes. A tensor is detached unless ``graph``. Raises ``TypeError`` for
    what are not real numbers and ``ValueError`` for a wrong shape or (unless ``finite`` is false)
    numbers that are not finite, both naming the argument.
    """
    if is_tensor(value):
        library = sys.modules["torch"]
        if value.is_complex() or value.is_quantized or value.layout != library.strided:
            raise TypeError(f"{name} must be a dense tensor of real numbers; got {value.dtype}, "
                            f"{value.layout}")
        array = (value if graph else value.detach()).to(library.float64)
    else:
        library = np
        if np.ma.is_masked(value):
            raise ValueError(f"{name} must have no masked entries")
        try:
            array = np.asarray(value)
        except (TypeError, ValueError, RuntimeError) as error:
            raise TypeError(f"{name} must be an array of real numbers: {error}") from None
        if array.dtype.kind not in "biuf":
            raise TypeError(f"{name} must be an array of real numbers; got {array.dtype}")
        with np.errstate(over="ignore"):
            array = array.astype(np.float64, copy=False)
    if shape and (array.ndim != len(shape) or any(
            size != want if isinstance(want, int) else size == 0
            for size, want in zip(array.shape, shape, strict=True))):
        empty = " and not be empty" if 0 in array.shape else ""
        comma = "," if len(shape) == 1 else ""
        raise ValueError(f"{name} must have shape ({', '.join(map(str, shape))}{comma}){empty}; "
                         f"got {tuple(array.shape)}")
    if finite and not bool(library.isfinite(array).all()):
        raise ValueError(f"{name} must be finite (no NaN, no infinity)")
    return array


def as_numpy(name: str, value: Any, *shape: str | int, finite: bool = True) -> np.ndarray:
    """``real`` as a numpy array; it may share memory with ``value``."""
    array = real(name, value, *shape, finite=finite)
    return array.cpu().numpy() if is_tensor(array) else array


def number(name: str, value: Any) -> float:
    """``real`` as one float; ``ValueError`` if it is an array of numbers."""
    array = as_numpy(name, value)
    if array.ndim:
        raise ValueError(f"{name} must be a number here, not an array {array.shape}")
    return float(array)


def as_tensor(name: str, value: Any, *shape: str | int, device: torch.device | None = None,
              finite: bool = True, graph: bool = False) -> torch.Tensor:
    """``real`` as a tensor on ``device``; it may share memory with ``value``.

    A tensor on another device than ``device`` is an error, not a silent copy.
    """
    import torch

    if device is not None and is_tensor(value) and value.device != device:
        raise ValueError(f"{name} must be on {device}; got {value.device}")
    array = real(name, value, *shape, finite=finite, graph=graph)
    if not isinstance(array, torch.Tensor):
        # torch warns about read-only memory and refuses negative strides: copy only then.
        array = np.require(array, requirements=["C", "W"])
        if min(array.strides, default=0) < 0:  # on an axis of length one numpy calls it contiguous
            array = array.copy()
        array = torch.from_numpy(array).to(device)
    return array


def floating(value: Any) -> torch.dtype:
    """The dtype in which a tensor comes back: its own if that is a floating one, else float64."""
    import torch

    own = isinstance(value, torch.Tensor) and value.is_floating_point()
    return value.dtype if own else torch.float64


def like(result: Any, value: Any) -> Any:
    """A float64 ``result`` in the floating dtype of ``value``, where ``value`` has one.

    Raises ``ValueError`` if it is not finite in that dtype: inputs are, so something overflowed.
    """
    tensor = is_tensor(result)
    if tensor:
        result = result.to(floating(value))
    elif isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind == "f":
        with np.errstate(over="ignore"):
            result = result.astype(value.dtype.newbyteorder("="), copy=False)
    if not bool((sys.modules["torch"] if tensor else np).isfinite(result).all()):
        raise ValueError("t must be less extreme, or the points smaller: the result overflows "
                         f"{getattr(result, 'dtype', 'float64')}")
    return result


def indices(name: str, value: Any, number: int) -> np.ndarray:
    """``value`` as int64 indices of ``number`` things, any shape; ``ValueError`` if it is not."""
    array = as_numpy(name, value)
    if not ((array == np.floor(array)) & (array >= 0) & (array < number)).all():
        raise ValueError(f"{name} must lie in 0..{number - 1} and be whole; got {value}")
    return array.astype(np.int64)


def count(name: str, value: Any, least: int = 1) -> int:
    """``value`` as an int; ``TypeError`` unless it is a whole number, ``ValueError`` if small."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} must be an integer, at least {least}; got {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}; got {value}")
    return int(value)
