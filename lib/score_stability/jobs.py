"""Replicates, several at a time: the same numbers as one after the other.

With ``jobs`` = 1 they run in this process. Otherwise joblib spreads them over so many processes, or
over machines where ``joblib.parallel_config`` names another backend (Dask, Ray).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .arrays import count

Progress = Callable[..., Iterable[Any]]


def spread(work: Callable[..., Any], tasks: Iterable[tuple[Any, ...]], number: int, jobs: int = 1,
           progress: Progress | None = None) -> np.ndarray:
    """The results of ``work(*task)`` for ``number`` tasks, in their order, ``jobs`` at a time.

    ``progress``, for instance ``tqdm.tqdm``, is called as progress(results, total=number) and hands
    them on one by one. Raises ``ValueError`` or ``TypeError`` for jobs or progress of another kind.
    """
    count("jobs", jobs)
    if progress is not None and not callable(progress):
        raise TypeError("progress must be a function progress(results, total=…); "
                        f"got {type(progress).__name__}")
    results: Iterable[Any]
    if jobs == 1:
        results = (work(*task) for task in tasks)
    else:
        import joblib

        # As a list: joblib would ask for further tasks in threads of its own.
        results = joblib.Parallel(n_jobs=jobs, return_as="generator")(
            [joblib.delayed(work)(*task) for task in tasks])
    return np.array(list(results if progress is None else progress(results, total=number)))
