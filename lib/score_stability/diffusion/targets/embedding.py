"""Laws in more dimensions than they need."""

from __future__ import annotations

import numpy as np
import torch

from ...arrays import count


def isometric_embedding(dimension: int, ambient: int,
                        generator: np.random.Generator) -> torch.Tensor:
    """A random matrix ``(dimension, ambient)`` with orthonormal rows: ``x @ matrix`` is isometric.

    QR of a Gaussian matrix. Raises ``ValueError`` unless 1 <= dimension <= ambient.
    """
    dimension, ambient = count("dimension", dimension), count("ambient", ambient)
    if not 1 <= dimension <= ambient:
        raise ValueError(f"dimension must be between 1 and ambient = {ambient}; got {dimension}")
    q, r = np.linalg.qr(generator.standard_normal((ambient, dimension)))
    return torch.from_numpy(np.ascontiguousarray((q * np.sign(np.diag(r))).T))
