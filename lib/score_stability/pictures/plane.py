"""Points of the plane that pictures are drawn with: circles, grids, noise by quadrature."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..theory.quadrature import gauss_hermite


def on_circle(turns: Any) -> np.ndarray:
    """Points ``(n, 2)`` of the unit circle, at these parts of a turn from the right."""
    angles = 2 * np.pi * np.asarray(turns)
    return np.stack([np.cos(angles), np.sin(angles)], 1)


def grid(side: np.ndarray) -> np.ndarray:
    """The points ``(n², 2)`` of the square grid with these n coordinates, row by row."""
    return np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)


def gauss(nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes ``(nodes², 2)`` and weights of N(0, I) in the plane, by Gauss–Hermite quadrature."""
    z, w = gauss_hermite(nodes)
    return grid(z), np.outer(w, w).ravel()
