"""Re-execute notebooks in place, so that a re-run without changes leaves no trace in the files."""

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path

from verdicts import images, kernels, notebook, report, times
from verdicts.records import TABLE_MARK, disagreements, neutralise, records_of

TIMEOUT = 600  # seconds for one cell, of a run that must reproduce the stored outputs


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
                data["image/png"] = images.with_palette(images.strip_png(data["image/png"]))
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
    x, y = (_compared(output) for output in (a, b))
    return x.keys() == y.keys() and all(_same_data(mime, x[mime], y[mime]) for mime in x)


def _compared(output):
    """Its data but the markup of a card, which the form guard compares with its records; that of
    a table has the mark of one."""
    data = dict(output.get("data", {}))
    if notebook.card_of(output):
        data.pop("text/html", None)
    elif records_of([output]) and "text/html" in data:
        data["text/html"] += TABLE_MARK
    return data


def _same_data(mime, x, y):
    if mime in ("image/png", "image/jpeg"):
        return images.same_picture(x, y)
    return neutralise(x) == neutralise(y) if isinstance(x, str) else x == y


def _settings(record):
    """What of a record does not come from a computation: names, tolerances, context."""
    computed = ("numbers", "standard_errors", "status", "resolution")
    return {k: v for k, v in record.items() if k not in computed}


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


@dataclass
class _Done:
    """A notebook that was executed: where it was written to, if it changed, and what it cost."""

    target: Path
    changed: bool
    verdicts: int
    used: kernels.Usage
    cost: times.Cost | None


async def _execute(config, path, fresh, measured):
    old = normalise(notebook.read(path))
    limit = TIMEOUT if config.comparable() else None
    watch = times.Watch() if measured else None
    new, used = await kernels.execute(old, path.parent, limit, watch=watch)
    new = normalise(new)
    target = _target(config, path)

    def write():  # takes its time with pictures, and must not keep other kernels waiting
        return notebook.write(target, notebook.dumps(new if fresh else keep_stored(old, new)))

    changed = await asyncio.to_thread(write)
    return _Done(target, changed, len(notebook.claims(new)), used,
                 watch.cost if measured else None)


def _line(used):
    memory = f", {used.peak / 1e9:.2f} GB" if used.peak else ""
    return f"{used.seconds:.1f} s CPU{memory}"


def run(config, paths=None, fresh=False, jobs=1, measured=False):
    """Execute notebooks, ``jobs`` at a time; 0 if all claims hold, 1 otherwise.

    Several at a time are begun longest first, by their stored times, and each says so when it is
    through; the results follow in reading order.  A notebook that fails is left untouched and stops
    no other.  Outputs that agree with the stored ones stay as they are, unless ``fresh``: after a
    change of code whose numbers agree with the old ones.  Under another seed, profile or device the
    results go to build/runs/.  ``measured`` stores the times of the cells.  Without paths: all
    notebooks, and the table of verdicts at the end.
    """
    selected = [Path(p).resolve() for p in paths or config.all_paths()]
    order = times.longest_first(config, selected) if jobs > 1 else selected
    results, width = {}, max((len(path.stem) for path in selected), default=0)

    def work(path):
        async def one():
            try:
                results[path] = await _execute(config, path, fresh, measured)
                line = _line(results[path].used)
            except Exception as error:  # whatever stops one notebook must not stop the others
                results[path] = error
                line = "FAILED"
            print(f"[{len(results):2}/{len(order)}] {path.stem:{width}}  {line}", flush=True)

        return one

    try:
        kernels.together([work(path) for path in order], jobs)
    except KeyboardInterrupt:
        done = [path.stem for path in selected if isinstance(results.get(path), _Done)]
        print(f"done: {', '.join(done) or 'none'}", file=sys.stderr)
        raise
    failed = [path for path in selected if isinstance(results[path], Exception)]
    done = {path: results[path] for path in selected if path not in failed}
    print()
    for path, result in done.items():
        note = f", wrote {config.mentions(result.target)}" if result.changed else ""
        print(f"{path.stem}: {result.verdicts} verdicts{note}")
    if measured and done:
        print("\n" + times.update(config, {path.stem: d.cost for path, d in done.items()}))
    if not paths and selected:
        try:
            print("\n" + report.terminal(config, _target(config, selected[0]).parent))
        except notebook.Unreadable as error:
            print(f"\nno table of verdicts: {error}", file=sys.stderr)
    for path in failed:
        print(f"\nfailed: {path.name}, {results[path]}", file=sys.stderr)
    return 1 if failed else 0
