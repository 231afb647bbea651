"""Where and how a notebook runs: seed, profile, device, randomness, progress.

Two environment variables, read once at import:
``SCORE_STABILITY_SEED`` (default 0) and ``SCORE_STABILITY_PROFILE`` (``quick``, the stored and
tested one, or ``full``: larger sizes, and a GPU where there is one).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import Any, TypeVar

import numpy as np

import verdicts

from .theory import statements

T = TypeVar("T")


def _read_seed(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"SCORE_STABILITY_SEED must be a non-negative integer; got {text!r}")
    return int(text)


def _read_profile(text: str) -> str:
    if text not in ("quick", "full"):
        raise ValueError(f"SCORE_STABILITY_PROFILE must be 'quick' or 'full'; got {text!r}")
    return text


SEED: int = _read_seed(os.environ.get("SCORE_STABILITY_SEED", "0"))
PROFILE: str = _read_profile(os.environ.get("SCORE_STABILITY_PROFILE", "quick"))


def device() -> str:
    """``"cuda"`` in the full profile where there is one, else ``"cpu"``.

    Apple's MPS is never used: it has no float64, and float32 cannot compute an empirical score
    (see ``empirical``).
    """
    if PROFILE == "full":
        import torch

        if torch.cuda.is_available():
            return "cuda"
    return "cpu"


def context() -> dict[str, Any]:
    """What a stored number depends on besides the code: seed, profile, device."""
    return {"seed": SEED, "profile": PROFILE, "device": device()}


def choose(*, quick: T, full: T) -> T:
    """The value for the current profile."""
    return full if PROFILE == "full" else quick


def generator(notebook: int, *stream: int) -> np.random.Generator:
    """An independent numpy generator for (seed, notebook number, stream numbers).

    Two generators built with the same arguments give the same draws; that is what "the same
    seed" means in this collection. Raises ``ValueError`` for negative numbers.
    """
    if min((notebook, *stream)) < 0:
        raise ValueError(f"notebook and stream must be non-negative; got {(notebook, *stream)}")
    # A spawn key, not a plain list of entropy: numpy pads that with zeros, so that (1,) and (1, 0)
    # would be one stream.
    return np.random.default_rng(np.random.SeedSequence(SEED, spawn_key=(notebook, *stream)))


def progress(iterable: Iterable[T], description: str = "") -> Iterable[T]:
    """``iterable`` with a progress bar in the full profile at a terminal; silent otherwise.

    A stored progress bar can never be compared, so the quick profile shows none.
    """
    if PROFILE == "full" and sys.stderr.isatty():
        from tqdm import tqdm

        return tqdm(iterable, desc=description)
    return iterable


# A claim made in any notebook that imports the library may only name a statement of the paper,
# and carries the context its numbers depend on.
verdicts.configure(known_statements=statements.IDS, context=context())
