"""Re-execute notebooks in place, so that a re-run without changes leaves no trace in the files."""

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

from verdicts import images, notebook, report
from verdicts.pytest_plugin import ENVIRONMENT
from verdicts.records import disagreements, neutralise, records_of

TIMEOUT = 600  # seconds for one cell, of a run that must reproduce the stored outputs


def _seconds():
    """CPU seconds of finished child processes (kernels); wall-clock where there is no count."""
    try:
        import resource
    except ImportError:  # Windows
        return time.perf_counter(), "s"
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime, "s CPU"


async def execute_notebook(nb, folder, timeout=TIMEOUT, environment=None):
    """A new notebook: the same cells, executed in a fresh kernel in the given folder.

    timeout is in seconds for one cell, None for no limit; environment is the kernel's whole
    environment (default: this process's, with one thread).  Raises nbclient's CellExecutionError
    if a cell fails.
    """
    import nbformat
    from nbclient import NotebookClient

    new = nbformat.from_dict(nb)
    await NotebookClient(
        new,
        timeout=timeout,
        kernel_name="python3",
        record_timing=False,
        shutdown_kernel="immediate",  # nothing is lost: outputs have arrived
        resources={"metadata": {"path": str(folder)}},
    ).async_execute(
        env=environment or os.environ | ENVIRONMENT,
        stderr=subprocess.DEVNULL,  # the kernel's own log
    )
    return notebook.loads(nbformat.writes(new))


def normalise(nb):
    """Take out of a notebook what changes from run to run, machine to machine or editor to editor.

    Warnings on stderr carry paths; Colab, JupyterLab and VS Code leave metadata, and no cell ids.
    """
    _only(nb["metadata"], notebook.NOTEBOOK_METADATA)
    taken = {cell.get("id") for cell in nb["cells"]}
    for number, cell in enumerate(nb["cells"]):
        _only(cell["metadata"], notebook.CELL_METADATA)
        if not cell.get("id"):
            names = (f"cell-{number:02d}{suffix}" for suffix in ("", *"abcdefgh"))
            cell["id"] = next(name for name in names if name not in taken)
            taken.add(cell["id"])
    nb["nbformat_minor"] = max(5, nb.get("nbformat_minor", 0))  # the first with ids
    nb["metadata"]["kernelspec"] = {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    }
    nb["metadata"]["language_info"] = {"name": "python"}
    for cell in notebook.code_cells(nb):
        cell["outputs"] = _merged([o for o in cell["outputs"] if o.get("name") != "stderr"])
        for output in cell["outputs"]:
            data = output.get("data", {})
            if "image/png" in data:
                data["image/png"] = images.strip_png(data["image/png"])
    return nb


def _only(metadata, allowed):
    for name in set(metadata) - allowed:
        del metadata[name]


def _merged(outputs):
    """Neighbouring pieces of one stream as one: where it is cut is a matter of timing."""
    merged = []
    for output in outputs:
        last = merged[-1] if merged else {}
        if output["output_type"] == "stream" and last.get("name") == output["name"]:
            last["text"] += output["text"]
        else:
            merged.append(output)
    return merged


def _same_output(a, b):
    if a["output_type"] != b["output_type"]:
        return False
    for field in ("name", "ename", "evalue"):
        if a.get(field) != b.get(field):
            return False
    if neutralise(a.get("text", "")) != neutralise(b.get("text", "")):
        return False
    x, y = a.get("data", {}), b.get("data", {})
    return x.keys() == y.keys() and all(_same_data(mime, x[mime], y[mime]) for mime in x)


def _same_data(mime, x, y):
    if mime in ("image/png", "image/jpeg"):
        return images.same_picture(x, y)
    return neutralise(x) == neutralise(y) if isinstance(x, str) else x == y


def _settings(record):
    """What of a record does not come from a computation: names, tolerances, context."""
    return {k: v for k, v in record.items() if k not in ("numbers", "standard_errors", "status")}


def same_outputs(stored, new):
    """Whether stored outputs may stay: records within tolerance, texts, pictures."""
    a, b = records_of(stored), records_of(new)
    return (
        len(stored) == len(new)
        and not disagreements(a, b)
        and list(map(_settings, a)) == list(map(_settings, b))
        and all(_same_output(a, b) for a, b in zip(stored, new, strict=True))
    )


def keep_stored(old, new):
    """Put the stored outputs of ``old`` into ``new`` wherever they are the same."""
    pairs = zip(notebook.code_cells(old), notebook.code_cells(new), strict=True)
    for before, after in pairs:
        if before["execution_count"] is not None and same_outputs(
            before["outputs"], after["outputs"]
        ):
            after["outputs"] = before["outputs"]
            for output in after["outputs"]:
                if "execution_count" in output:
                    output["execution_count"] = after["execution_count"]
    return new


def _target(config, path):
    """Where the executed notebook is written: in place only with the stored seed and profile."""
    if config.comparable():
        return path
    label = "-".join(str(v) for v in config.current_context().values())
    return config.root / "build" / "runs" / label / path.name


def run(config, paths=None, fresh=False):
    """Execute notebooks one after the other; 0 if all claims hold, 1 otherwise.

    A notebook that fails is left untouched.  Outputs that agree with the stored ones stay as they
    are, unless ``fresh``: after a change of code whose numbers agree with the old ones.  Under
    another seed, profile or device the results go to build/runs/.  Without paths: all notebooks,
    and the table of verdicts at the end.
    """
    failed = []
    limit = TIMEOUT if config.comparable() else None
    selected = [Path(p).resolve() for p in paths or config.notebook_paths()]
    for path in selected:
        print(f"{path.stem} … ", end="", flush=True)
        start, _ = _seconds()
        try:
            old = normalise(notebook.read(path))
            new = normalise(asyncio.run(execute_notebook(old, path.parent, limit)))
        except Exception as error:  # whatever stops one notebook must not stop the others
            failed.append(path.name)
            print(f"FAILED\n{error}", file=sys.stderr)
            continue
        end, unit = _seconds()
        target = _target(config, path)
        changed = notebook.write(target, notebook.dumps(new if fresh else keep_stored(old, new)))
        note = f", wrote {config.mentions(target)}" if changed else ""
        count = len(notebook.claims(new))
        print(f"{end - start:.1f} {unit}, {count} verdicts{note}", flush=True)
    if not paths and selected:
        try:
            print("\n" + report.terminal(config, _target(config, selected[0]).parent))
        except notebook.Unreadable as error:
            print(f"\nno table of verdicts: {error}", file=sys.stderr)
    if failed:
        print(f"\nfailed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0
