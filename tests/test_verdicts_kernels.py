"""Kernels: several at a time, interrupted, started again; and what notebooks cost."""

import asyncio
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verdicts import __main__ as cli
from verdicts import execute, kernels, notebook, times
from verdicts.config import Config, load_config

PYPROJECT = """
[tool.verdicts]
times = "times.json"

[tool.pytest.ini_options]
addopts = "-p verdicts.pytest_plugin --nbval --nbval-current-env --nbval-cell-timeout=60"
"""


@pytest.fixture
def root(tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(root, name, *sources):
    cells = [nbformat.v4.new_markdown_cell("# Title", id="title")]
    cells += [nbformat.v4.new_code_cell(source, id=f"code-{k}")
              for k, source in enumerate(sources, 1)]
    path = root / "notebooks" / f"{name}.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def alive(number):
    try:
        os.kill(number, 0)
    except OSError:
        return False
    stat = Path(f"/proc/{number}/stat")  # where there is one, a zombie is not alive
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.05)


# Several at a time


@pytest.mark.parametrize("jobs", [1, 2, 3, 9])
def test_begun_in_order_so_many_at_a_time_and_answered_in_order(jobs):
    begun, running, most = [], set(), 0

    def work(k):
        async def one():
            nonlocal most
            begun.append(k)
            running.add(k)
            most = max(most, len(running))
            await asyncio.sleep(0.02 * (5 - k))
            running.remove(k)
            if k == 2:
                raise ValueError("two")
            return k
        return one

    found = kernels.together([work(k) for k in range(5)], jobs)
    assert begun == list(range(5)) and most == min(jobs, 5)
    assert [str(f) for f in found] == ["0", "1", "two", "3", "4"]
    assert kernels.together([], jobs) == []


def test_one_failure_stops_no_other_and_is_named_with_its_cell(root, capsys):
    count = root / "count"
    good = write(root, "00_good", "1 + 1")
    bad = write(root, "01_bad", "x = 0", f"open({str(count)!r}, 'a').write('.')\n1 / x", "2")
    last = write(root, "02_last", "2 + 2")
    before = bad.read_bytes()
    assert cli.main(["run", "--jobs", "2"]) == 1
    captured = capsys.readouterr()
    assert captured.out.count(" s CPU") == 2 and "01_bad   FAILED" in captured.out
    assert captured.out.index("\n00_good: ") < captured.out.index("\n02_last: ")
    assert "failed: 01_bad.ipynb, cell 2 (code-2): " in captured.err
    assert "ZeroDivisionError" in captured.err
    assert count.read_text() == "."  # a cell that fails is not tried again
    assert bad.read_bytes() == before
    assert [c["outputs"] != [] for p in (good, last)
            for c in notebook.code_cells(notebook.read(p))] == [True, True]


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("command", ["run", "times"])
def test_an_interrupt_leaves_no_kernel_and_no_half_written_file(root, command):
    source = ("import os, time\nopen({!r}, 'w').write(str(os.getpid()))\n" "time.sleep(600)")
    pids = [root / f"pid{k}" for k in range(2)]
    paths = [write(root, f"0{k}_sleeps", source.format(str(pid))) for k, pid in enumerate(pids)]
    paths.append(write(root, "02_waits", "1"))
    before = [p.read_bytes() for p in paths]
    process = subprocess.Popen(
        [sys.executable, "-m", "verdicts", command, "--jobs", "2"], cwd=root,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        # As at a terminal: what runs in the background of a script ignores the signal.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    wait_for(lambda: all(pid.exists() and pid.read_text() for pid in pids))
    numbers = [int(pid.read_text()) for pid in pids]
    assert all(map(alive, numbers))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130 and "interrupted" in err, (out, err)
    assert command != "run" or "done: none" in err
    assert "Traceback" not in err
    wait_for(lambda: not any(map(alive, numbers)), 10)
    assert [p.read_bytes() for p in paths] == before


# How a kernel is started


def run_one(path, **options):
    work = kernels.execute(notebook.read(path), path.parent, 60, **options)
    return kernels.together([lambda: work], 1)[0]


@pytest.mark.parametrize("failures", [0, 2, 3])
def test_a_start_that_fails_is_tried_again(root, monkeypatch, failures):
    import nbclient

    start, calls = nbclient.NotebookClient.async_start_new_kernel_client, []

    async def unlucky(self):
        calls.append(1)
        if len(calls) <= failures:
            raise RuntimeError("Kernel died before replying to kernel_info")
        return await start(self)

    monkeypatch.setattr(nbclient.NotebookClient, "async_start_new_kernel_client", unlucky)
    found = run_one(write(root, "00_one", "1 + 1"))
    assert len(calls) == min(failures + 1, kernels.ATTEMPTS)
    if failures < kernels.ATTEMPTS:
        assert notebook.code_cells(found[0])[0]["outputs"][0]["data"]["text/plain"] == "2"
    else:
        assert isinstance(found, RuntimeError) and "died before" in str(found)


def test_nbval_starts_again_too(monkeypatch):
    from nbval import kernel

    made = []

    def manager(**options):
        made.append(options)
        if len(made) < 3:
            raise RuntimeError("Kernel died")
        channel = SimpleNamespace(start_channels=lambda: None, wait_for_ready=lambda timeout: None)
        return SimpleNamespace(start_kernel=lambda **_: None, client=lambda: channel)

    monkeypatch.setattr(kernel, "KernelManager", manager)
    kernel.start_new_kernel()
    assert len(made) == 3
    monkeypatch.undo()
    if os.name == "posix":
        assert kernel.KernelManager(kernel_name="python3").transport == "ipc"


@pytest.mark.skipif(os.name != "posix", reason="no sockets in files")
def test_kernels_talk_through_files_of_their_own(monkeypatch):
    a, b = kernels.connection(), kernels.connection()
    assert a["transport"] == "ipc" and a["connection_file"] != b["connection_file"]
    assert len(a["connection_file"]) < 104
    monkeypatch.setattr(kernels, "_folder", lambda: Path("/" + "x" * 100))
    assert kernels.connection() == {}  # too long for a socket: by ports then


def test_a_dead_kernel_is_named_with_its_cell(root):
    found = run_one(write(root, "00_dies", "1", "import os; os._exit(1)"))
    assert isinstance(found, kernels.CellFailed) and "cell 2 (code-2)" in str(found)


# What it costs

BURNS = "import time\nend = time.process_time() + 0.5\nwhile time.process_time() < end: pass"


def test_what_each_cell_costs(root):
    path = write(root, "00_costs", "1", BURNS, "x = bytearray(b'1') * 300_000_000", "2")
    watch = times.Watch()
    found, used = run_one(path, watch=watch)
    cost = watch.cost
    assert list(cost.cells) == ["code-1", "code-2", "code-3", "code-4"]
    seconds = [s for s, _ in cost.cells.values()]
    assert 0.45 < seconds[1] < 0.8 and seconds[0] < 0.2 and seconds[3] < 0.2
    rest = used.seconds - sum(seconds) - cost.start  # three references before each cell
    assert 8 * cost.reference < rest < 20 * cost.reference
    assert cost.start > 0.1 and 0 < cost.reference < 1
    if os.name == "posix":
        assert cost.peak == used.peak > 3e8
    if sys.platform == "linux":
        assert cost.cells["code-3"][1] > 100 > cost.cells["code-4"][1] / 10
    # Nothing of the measuring is seen in the notebook.
    assert [c["execution_count"] for c in notebook.code_cells(found)] == [1, 2, 3, 4]
    assert notebook.code_cells(found)[0]["outputs"][0]["data"]["text/plain"] == "1"
    assert "_reference" not in json.dumps(found)


def test_names_of_the_measuring_do_not_stay(root):
    path = write(root, "00_names", "sorted(n for n in dir() if 'reference' in n or n == 'np')")
    found, _ = run_one(path, watch=times.Watch())
    assert notebook.code_cells(found)[0]["outputs"][0]["data"]["text/plain"] == "[]"


def cost(start, *cells, reference=0.5, peak=10**8):
    return times.Cost(reference, start, peak, {f"c{k}": cell for k, cell in enumerate(cells)})


def test_stored_on_request_in_units_of_the_reference(root, capsys):
    config = load_config()
    for name in ("00_a", "01_b"):
        write(root, name, BURNS)
    assert cli.main(["run", "--jobs", "2"]) == 0
    assert not (root / "times.json").exists()
    assert cli.main(["run", "--jobs", "2", "--times"]) == 0
    kept = times.stored(config)
    assert list(kept["notebooks"]) == ["00_a", "01_b"]
    relative, _ = kept["notebooks"]["00_a"]["cells"]["code-1"]
    assert 0.45 < relative * kept["reference"] < 1.2
    text = (root / "times.json").read_text()
    assert '    "code-1": [' in text and len(text.splitlines()) == 3 + 2 * 7 + 2  # one a cell
    capsys.readouterr()
    assert cli.main(["times", "00"]) == 0
    assert "00_a, code-1" in capsys.readouterr().out
    assert (root / "times.json").read_text() == text


def test_notebooks_that_are_gone_are_forgotten_and_others_kept(root):
    config = load_config()
    write(root, "00_a", "1")
    write(root, "01_b", "1")
    times.update(config, {"00_a": cost(1.0, (5.0, 7000)), "09_gone": cost(1.0, (1.0, 0))})
    times.update(config, {"01_b": cost(1.0, (2.0, 0), peak=3 * 10**9)})
    kept = times.stored(config)["notebooks"]
    assert kept == {"00_a": {"start": 2.0, "peak": 100, "cells": {"c0": [10.0, 7]}},
                    "01_b": {"start": 2.0, "peak": 3000, "cells": {"c0": [4.0, 0]}}}
    assert times.total(kept["00_a"]) == 12.0


@pytest.mark.parametrize(("factor", "said"), [(1.0, 0), (1.2, 0), (1.4, 2), (0.5, 0)])
def test_slower_cells_and_notebooks_are_said(root, factor, said):
    config = load_config()
    write(root, "00_a", "1")
    times.update(config, {"00_a": cost(9.0, (10.0, 0), (1.0, 0))})
    # Another machine, three times as slow: only the ratio to its reference counts.
    now = cost(27.0 * factor, (30.0 * factor, 0), (9.0, 0), reference=1.5)
    text = times.update(config, {"00_a": now}, store=False)
    assert text.count("slower than stored") == said  # the short cell is not judged
    other = times.Cost(0.5, 1.0, 0, {"new": (99.0, 0)})
    assert "slower" not in times.update(config, {"00_a": other}, store=False)


def test_the_twenty_slowest_are_shown(root):
    config = load_config()
    cells = [(float(k), 1000 * k) for k in range(30)]
    text = times.update(config, {"00_a": cost(1.0, *cells)}, store=False)
    rows = [line.split() for line in text.splitlines() if "00_a" in line]
    assert [float(row[0]) for row in rows] == [float(k) for k in range(29, 9, -1)]
    assert f"{sum(range(30)) + 1:.0f} s CPU in 1 notebooks" in text and "0.10 GB" in text


@settings(max_examples=50, deadline=None)
@given(st.lists(st.one_of(st.none(), st.integers(1, 99)), max_size=8))
def test_longest_first_the_unknown_before_them(lengths):
    paths = [Path(f"{k:02d}_x.ipynb") for k in range(len(lengths))]
    kept = {"reference": 1.0, "notebooks": {
        path.stem: {"start": 0.0, "peak": 0, "cells": {"c": [length, 0]}}
        for path, length in zip(paths, lengths, strict=True) if length is not None}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(times, "stored", lambda config: kept)
        order = times.longest_first(None, paths)
    value = {p: math.inf if n is None else n for p, n in zip(paths, lengths, strict=True)}
    assert sorted(order) == paths
    assert [value[p] for p in order] == sorted(value.values(), reverse=True)


def test_storing_needs_a_place(root):
    with pytest.raises(ValueError, match=r"^times must name a file"):
        times.update(Config(root), {"00_a": cost(1.0)})


@pytest.mark.parametrize("jobs", ["0", "-1"])
def test_there_is_at_least_one_job(root, jobs, capsys):
    with pytest.raises(SystemExit):
        cli.main(["run", "--jobs", jobs])
    assert "must be at least 1" in capsys.readouterr().err


def test_the_tests_begin_with_the_longest_files(root):
    for name in ("00_a", "01_b", "02_c"):
        write(root, name, 'import verdicts\n_ = verdicts.upper("A", "b", 1.0, 2.0)')
    for path in (root / "notebooks").glob("*.ipynb"):
        assert execute.run(load_config(), [path]) == 0
    (root / "test_other.py").write_text("def test_it(): pass\n", encoding="utf-8")
    config = load_config()
    times.update(config, {"00_a": cost(1.0, (1.0, 0)), "01_b": cost(1.0, (9.0, 0)),
                          "02_c": cost(1.0, (3.0, 0))})
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q"]
    listed = subprocess.run([*command, "--collect-only"], cwd=root, capture_output=True, text=True)
    files = [line.split("::")[0] for line in listed.stdout.splitlines() if "::" in line]
    assert list(dict.fromkeys(files)) == [
        "test_other.py", "notebooks/01_b.ipynb", "notebooks/02_c.ipynb", "notebooks/00_a.ipynb"]
    # With one worker, the order in which it runs them is that in which they are handed out.
    done = subprocess.run([*command, "-vv", "-n", "1"], cwd=root, capture_output=True, text=True)
    ran = [line.split("PASSED ")[1].replace("::ipynb", ".ipynb").split("::")[0]
           for line in done.stdout.splitlines() if "PASSED" in line]
    assert list(dict.fromkeys(ran)) == list(dict.fromkeys(files)), done.stdout
