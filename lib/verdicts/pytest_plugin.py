"""Pytest plugin: after nbval has run a cell, compare its stored records with the new ones.

Load it with ``-p verdicts.pytest_plugin --nbval``.  nbval compares texts; this plugin takes the
digits after "≈" out of that comparison and compares the numbers themselves, each within the
tolerance stored beside it.  Under another seed, profile or device nothing is compared, and a
notebook passes if none of its claims fails.
"""

import os
import warnings

import pytest

_SETTINGS = pytest.StashKey()
# One thread and one hash seed, so that a kernel repeats its sums in the same order.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
}


def _is_cell(item):
    return type(item).__name__ == "IPyNbCell"


def _settings(config):
    """The Config (or None), and whether stored numbers are compared in this session."""
    if _SETTINGS not in config.stash:
        from verdicts.config import find_config

        found = find_config(config.rootpath)
        config.stash[_SETTINGS] = found, found is None or found.comparable()
    return config.stash[_SETTINGS]


def pytest_configure(config):
    os.environ.update(ENVIRONMENT)
    # Cells of one notebook share a kernel: pytest -n alone would spread them over processes.
    if getattr(config.option, "dist", None) == "load":
        config.option.dist = "loadscope"
    # nbval opens the null device for each kernel and leaves it to the garbage collector.
    unclosed = "unclosed file <_io.TextIOWrapper name='(/dev/null|nul)'"
    config.addinivalue_line("filterwarnings", f"ignore:{unclosed}:ResourceWarning")  # in tests
    warnings.filterwarnings("ignore", unclosed, ResourceWarning)  # between and after them


def pytest_collectstart(collector):
    if type(collector).__name__ != "IPyNbFile":
        return
    from verdicts.notebook import Unreadable, read, stripped

    # Warnings carry paths and process numbers.
    collector.skip_compare = (*collector.skip_compare, "stderr")
    cells = collector.collect

    def collect():
        try:
            messages = stripped(read(collector.path))
        except Unreadable as error:
            raise collector.CollectError(str(error)) from None
        if messages:
            raise collector.CollectError(f"{collector.path.name}: {'; '.join(messages)}")
        return cells()

    collector.collect = collect


def pytest_itemcollected(item):
    if not _is_cell(item):
        return
    from verdicts.records import neutralise

    sanitize = item.sanitize
    item.sanitize = lambda s: neutralise(sanitize(s)) if isinstance(s, str) else s
    if not _settings(item.config)[1]:
        item.options["check"] = False


def pytest_report_collectionfinish(config, items):
    if not any(_is_cell(item) for item in items):
        return None
    found, compared = _settings(config)
    if compared:
        return "verdicts: claims checked, stored outputs compared"
    return (
        f"verdicts: claims checked, stored outputs NOT compared: they were made with "
        f"{found.stored_context}, this run has {found.current_context()}"
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    result = yield
    if _is_cell(item) and item.test_outputs is not None and _settings(item.config)[1]:
        from verdicts.records import disagreements, records_of

        messages = disagreements(records_of(item.cell.outputs), records_of(item.test_outputs))
        if messages:
            path = item.nodeid.split("::")[0]
            refresh = f"If the change is meant: python -m verdicts run {path}"
            item.raise_cell_error("Stored verdicts differ", "\n".join([*messages, refresh]))
    return result
