"""Notebooks under simulated processors: do their numbers travel?

Each notebook is executed once under each processor (see ``processors``) and compared with what is
stored: the largest disagreement of every record as a share of its tolerance, pictures, and whether
``python -m verdicts run`` on that processor would change the file.  Finished results are kept in
build/portable and taken up again as long as notebook, library and packages stay the same.
"""

import copy
import hashlib
import json
import sys
import time
from dataclasses import dataclass, field
from importlib.metadata import distributions

from verdicts import execute, images, kernels, notebook, processors, times
from verdicts.records import largest_deviation, name_of, records_of

LIMIT = 0.1  # of a record's tolerance: a real foreign processor may be worse than simulated ones


@dataclass
class Result:
    """What one notebook did under one processor."""

    shares: dict = field(default_factory=dict)  # record -> disagreement as a share of its tolerance
    messages: list = field(default_factory=list)  # what is not as it must be

    @property
    def worst(self):
        """The record that disagrees most, and its share."""
        return max(self.shares.items(), key=lambda item: item[1], default=("", 0.0))

    @property
    def text(self):
        """A cell of the table: the deviation, and a mark where something is wrong."""
        return f"{self.worst[1]:.1g}" + (" ✗" if self.messages else "")


def compare(old, new, text):
    """The Result of a stored notebook, the same newly executed, and the text of the stored file."""
    result = Result()
    cells = zip(notebook.code_cells(old), notebook.code_cells(new), strict=True)
    for number, (before, after) in enumerate(cells):
        a, b = records_of(before["outputs"]), records_of(after["outputs"])
        if len(a) != len(b):
            result.messages.append(f"cell {number}: {len(a)} stored records, {len(b)} new")
            continue
        for stored, now in zip(a, b, strict=True):
            share = largest_deviation(stored, now)
            if share > LIMIT:
                result.messages.append(f"{name_of(stored)}: {share:.2g} of its tolerance")
            result.shares[name_of(stored)] = share
        for share in _pictures(before["outputs"], after["outputs"]):
            if share > 1:
                result.messages.append(f"cell {number}: another picture ({share:.2g} of the limit)")
    if notebook.dumps(execute.keep_stored(old, copy.deepcopy(new))) != text:
        result.messages.append("the file would change")
    return result


def _pictures(stored, new):
    for a, b in zip(stored, new, strict=False):
        x, y = (o.get("data", {}).get("image/png") for o in (a, b))
        if x and y:
            yield images.picture_difference(x, y)


def sources_digest(config):
    """Digest of what all results depend on: sources, data, packages."""
    digest = hashlib.sha256(sys.version.encode())
    for folder in config.sources:
        for path in sorted((config.root / folder).rglob("*")):
            if path.suffix in (".py", ".pyi", ".npz"):
                digest.update(path.relative_to(config.root).as_posix().encode())
                digest.update(path.read_bytes())
    digest.update("\n".join(sorted({f"{d.name} {d.version}" for d in distributions()})).encode())
    return digest.hexdigest()


def key(sources, nb, settings):
    """What a kept result of a notebook depends on: ``sources_digest``, its code, settings."""
    cells = [cell["source"] for cell in notebook.code_cells(nb)]
    return hashlib.sha256(json.dumps([sources, cells, settings]).encode()).hexdigest()


async def _execute(config, path, name, variables, sources):
    """The notebook executed under one processor, from build/portable if it is there already."""
    old = execute.normalise(notebook.read(path))
    current = key(sources, old, variables)
    kept = config.root / "build" / "portable" / name / f"{path.stem}.json"
    if kept.is_file():
        found = json.loads(kept.read_text(encoding="utf-8"))
        if found["key"] == current:
            print(f"{path.stem}, {name}: kept", flush=True)
            new = copy.deepcopy(old)  # the text around the cells may be another by now
            done = notebook.code_cells(found["notebook"])
            pairs = zip(notebook.code_cells(new), done, strict=True)
            for cell, executed in pairs:
                cell["outputs"] = executed["outputs"]
                cell["execution_count"] = executed["execution_count"]
            return new
    start = time.perf_counter()
    environment = processors.environment(variables)
    new, _ = await kernels.execute(old, path.parent, execute.TIMEOUT, environment)
    new = execute.normalise(new)
    notebook.write(kept, json.dumps({"key": current, "notebook": new}))
    print(f"{path.stem}, {name}: {time.perf_counter() - start:.0f} s", flush=True)
    return new


def _results(config, paths, chosen, jobs):
    """{(path, processor): Result or the error that stopped it}, ``jobs`` kernels at a time."""
    sources = sources_digest(config)

    def work(path, name):
        async def one():
            try:
                new = await _execute(config, path, name, chosen[name], sources)
            except Exception as error:  # whatever stops one notebook must not stop the others
                print(f"{path.stem}, {name}: FAILED")
                return Result({"the run": float("inf")}, [f"failed: {error}"])
            text = path.read_text(encoding="utf-8")
            return compare(execute.normalise(notebook.loads(text)), new, text)

        return one

    wanted = [(path, name) for path in times.longest_first(config, paths) for name in chosen]
    found = kernels.together([work(*w) for w in wanted], jobs)
    return dict(zip(wanted, found, strict=True))


def _report(results, paths, names):
    """The table, one row a notebook, and below it what is wrong."""
    lines = [
        "Largest disagreement of any record, as a share of its tolerance:",
        "",
        "| notebook | " + " | ".join(names) + " |",
        "|---" * (len(names) + 1) + "|",
    ]
    for path in paths:
        cells = [results[path, name].text for name in names]
        lines.append(f"| {path.stem[:2]} | " + " | ".join(cells) + " |")
    wrong = [
        f"{path.stem[:2]}, {name}: {message}"
        for (path, name), result in results.items()
        for message in result.messages
    ]
    (path, name), result = max(results.items(), key=lambda item: item[1].worst[1])
    if result.shares:
        lines += ["", f"The largest: {path.stem[:2]}, {name}, {result.worst[0]}."]
    verdict = f"{len(wrong)} disagreements" if wrong else "no disagreement"
    return "\n".join([*lines, "", *wrong, f"{verdict} in {len(results)} runs"])


def _records(results):
    """Every record with its largest share over the processors, the largest first."""
    shares = {}
    for (path, _), result in results.items():
        for record, share in result.shares.items():
            key = path.stem[:2], record
            shares[key] = max(share, shares.get(key, 0.0))
    ordered = sorted(shares.items(), key=lambda item: -item[1])
    return "".join(f"{share:.1e}\t{number}\t{record}\n" for (number, record), share in ordered)


def portable(config, numbers=(), names=(), jobs=2):
    """Execute notebooks under simulated processors and print the table; 0 if all is well.

    Without numbers: all notebooks; without names: all processors of this machine.  Raises
    ``ValueError`` for an unknown processor, or outside the stored seed, profile and device.
    """
    if not config.comparable():
        raise ValueError(f"stored outputs are those of {config.stored_context}: unset the others")
    known = processors.processors()
    if unknown := set(names) - set(known):
        raise ValueError(f"processors must be among {', '.join(known)}; got {', '.join(unknown)}")
    chosen = {name: known[name] for name in (names or known)}
    paths = [config.notebook(n) for n in numbers] if numbers else config.all_paths()
    foreign = {name: processors.probe(v) for name, v in chosen.items() if name != "native"}
    native = processors.probe(known["native"]) if foreign else {}
    for name, found in foreign.items():
        changed = [k for k in native if found[k] != native[k]]
        print(f"{name} takes another path in: {', '.join(changed) or 'nothing'}")
    results = _results(config, paths, chosen, jobs)
    print("\n" + _report(results, paths, list(chosen)))
    listing = config.root / "build" / "portable" / "records.tsv"
    notebook.write(listing, _records(results))
    print(f"each record: {config.mentions(listing)}")
    return 1 if any(result.messages for result in results.values()) else 0
