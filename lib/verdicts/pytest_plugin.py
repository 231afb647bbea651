"""Pytest plugin: after nbval has run a cell, compare its stored records with the new ones.

Load it with ``-p verdicts.pytest_plugin --nbval``.  nbval compares texts; this plugin takes the
digits after "≈" out of that comparison and compares the numbers themselves, each within the
tolerance stored beside it.  Under another seed, profile or device nothing is compared, and a
notebook passes if none of its claims fails.
"""

import contextlib
import os
import warnings

import pytest

from verdicts import kernels, times

_SETTINGS = pytest.StashKey()


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
    os.environ.update(kernels.ENVIRONMENT)
    # Cells of one notebook share a kernel: pytest -n alone would spread them over processes.
    if getattr(config.option, "dist", None) == "load":
        config.option.dist = "loadscope"
    # And files are begun in the order in which they are collected, see below.
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False
    _start_kernels_safely()
    # nbval opens the null device for each kernel and leaves it to the garbage collector.
    unclosed = "unclosed file <_io.TextIOWrapper name='(/dev/null|nul)'"
    config.addinivalue_line("filterwarnings", f"ignore:{unclosed}:ResourceWarning")  # in tests
    warnings.filterwarnings("ignore", unclosed, ResourceWarning)  # between and after them


def _start_kernels_safely():
    """Let nbval's kernels use sockets of their own, and try a start that fails again."""
    try:
        from nbval import kernel
    except ImportError:
        return
    if hasattr(kernel, "_verdicts"):
        return
    kernel._verdicts = manager, start = kernel.KernelManager, kernel.start_new_kernel
    kernel.KernelManager = lambda **options: manager(**options, **kernels.connection())

    def start_new_kernel(*arguments, **options):
        for _ in range(kernels.ATTEMPTS - 1):
            with contextlib.suppress(RuntimeError):
                return start(*arguments, **options)
        return start(*arguments, **options)

    kernel.start_new_kernel = start_new_kernel


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Longest files first, by their stored times, so that no worker ends with a long one.

    Files of unknown length, those without notebooks, come before them.
    """
    found, _ = _settings(config)
    if found is not None:
        paths = list(dict.fromkeys(item.path for item in items))
        order = {path: k for k, path in enumerate(times.longest_first(found, paths))}
        items.sort(key=lambda item: order[item.path])


def pytest_collectstart(collector):
    if type(collector).__name__ != "IPyNbFile":
        return
    from verdicts.notebook import Unreadable, read, stripped

    # Warnings carry paths and process numbers; the form guard compares markup with its records.
    collector.skip_compare = (*collector.skip_compare, "stderr", "text/html")
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


def _compared(records):
    """How many records and numbers a cell has compared, and one number to show."""
    from verdicts.records import floats, name_of

    numbers = [(r, floats(x)) for r in records if not r.get("uncompared")
               for x in r.get("numbers", {}).values()]
    shown = [(r, x) for r, x in numbers if r.get("kind") in ("upper", "tight") and x[0]]
    example = f"{shown[0][1][0]:.4g} in {name_of(shown[0][0])}" if shown else ""
    return len(records), sum(len(x) for _, x in numbers), example


def pytest_terminal_summary(terminalreporter, config):
    """What was computed again, in numbers, unless something failed."""
    found = [value for report in terminalreporter.stats.get("passed", [])
             for name, value in report.user_properties if name == "verdicts"]
    if not found or any(terminalreporter.stats.get(k) for k in ("failed", "error")):
        return
    records, numbers = (sum(one[k] for one in found) for k in (0, 1))
    example = next((one[2] for one in found if one[2]), "")
    terminalreporter.write_line(
        f"verdicts: {numbers} numbers of {records} claims and tables computed again; each is the "
        f"stored one, within its tolerance" + (f"; the first is {example}" if example else ""))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    result = yield
    if _is_cell(item) and item.test_outputs is not None and _settings(item.config)[1]:
        from verdicts.records import disagreements, records_of

        messages = disagreements(records_of(item.cell.outputs), records_of(item.test_outputs))
        if messages:
            item.raise_cell_error("\n".join([
                "Stored verdicts differ", *messages,
                "If you have changed nothing, report it with what this prints: "
                "python -m verdicts env",
                f"If the change is meant: python -m verdicts run {item.nodeid.split('::')[0]}"]))
        item.user_properties.append(("verdicts", _compared(records_of(item.cell.outputs))))
    return result
