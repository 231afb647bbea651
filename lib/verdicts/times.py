"""What notebooks cost, cell by cell, in units that travel from machine to machine.

A second is another one on another machine, and on the same machine while it does something else.
So each kernel runs a small reference computation at the start and after every cell, and a cell's
CPU time is kept as a multiple of their median.  Cells are known by their id: moving or renaming
things around them changes nothing.
"""

import json
import math
import re
import statistics
import sys
from dataclasses import dataclass, field

from verdicts import kernels, notebook

SLOWER = 1.3  # is said
NOTICED = 25.0  # references: what takes less is too short for a ratio
SHOWN = 20
# Products of matrices, a function, the interpreter, and memory: what notebooks do.
REFERENCE = """
def _reference(times):
    import time
    import numpy as np
    a, b = np.full((400, 400), 0.5), np.full(2**18, 0.5)
    c = np.full(2**22, 0.5)
    taken = []
    for _ in range(times):
        start = time.process_time()
        for _ in range(4):
            a @ a
        for _ in range(20):
            np.exp(b)
        total = 0
        for k in range(150_000):
            total += k
        c * c
        taken.append(time.process_time() - start)
    return taken
"""


@dataclass
class Cost:
    """What one notebook cost: in seconds of CPU, except where it says otherwise."""

    reference: float = math.nan  # what the reference took in the same kernel
    start: float = 0.0  # until the first cell
    peak: int = 0  # bytes
    cells: dict = field(default_factory=dict)  # id: (seconds, page faults)

    def relative(self):
        """As it is stored: in references, in thousands of faults, and in MB."""
        return {
            "start": _digits(self.start / self.reference),
            "peak": round(self.peak / 1e6),
            "cells": {
                name: [_digits(seconds / self.reference), round(faults / 1e3)]
                for name, (seconds, faults) in self.cells.items()
            },
        }


class Watch:
    """Follows a notebook that kernels.execute runs; ``cost`` is what it has seen."""

    def __init__(self):
        self.cost = Cost()
        self._last = kernels.Usage(0.0, 0, 0)
        self._references = []

    async def __call__(self, client, cell, used):
        if cell is not None:
            self.cost.cells[cell["id"]] = (
                used.seconds - self._last.seconds,
                used.faults - self._last.faults,
            )
            self.cost.peak = used.peak
        taken = (await kernels.ask(client, {"taken": "_reference(3)"}, REFERENCE))["taken"]
        await kernels.ask(client, {}, "del _reference")
        self._last = await kernels.usage(client)
        if cell is None:  # numpy, which the reference imports, belongs to the start
            self.cost.start = self._last.seconds - sum(taken)
        self._references += taken
        self.cost.reference = statistics.median(self._references)


def _digits(value):
    return float(f"{value:.3g}")


def stored(config):
    """The stored times: {"reference": seconds, "notebooks": {stem: …}}; empty without a file."""
    path = config.root / config.times
    if not config.times or not path.is_file():
        return {"reference": math.nan, "notebooks": {}}
    return json.loads(path.read_text(encoding="utf-8"))


def total(kept):
    """References that a notebook takes, from its stored times."""
    return kept["start"] + sum(relative for relative, _ in kept["cells"].values())


def startup(kept):
    """References until the third code cell: to start the kernel, set it up and import."""
    return kept["start"] + sum(relative for relative, _ in list(kept["cells"].values())[:2])


def longest_first(config, paths):
    """The paths in the order in which to begin them: those of unknown length, then the longest."""
    known = {stem: total(kept) for stem, kept in stored(config)["notebooks"].items()}
    return sorted(paths, key=lambda path: -known.get(path.stem, math.inf))


def slower(before, after):
    """Sentences on cells and notebooks that take more than SLOWER times what is stored."""
    found = []
    for stem, new in after.items():
        old = before.get(stem, {"start": 0.0, "cells": {}})
        pairs = [(f"{stem}, {name}", old["cells"][name][0], relative)
                 for name, (relative, _) in new["cells"].items() if name in old["cells"]]
        if stem in before and old["cells"].keys() == new["cells"].keys():
            pairs.append((stem, total(old), total(new)))
        found += [f"{name}: × {b / a:.2f}" for name, a, b in pairs
                  if b > SLOWER * a and b > NOTICED]
    return found


def report(before, after, reference):
    """What is slower than stored, the slowest cells, and totals, as text."""
    found = slower(before, after)
    cells = [(relative, faults, f"{stem}, {name}") for stem, new in after.items()
             for name, (relative, faults) in new["cells"].items()]
    lines = [f"slower than stored: {line}" for line in found]
    lines += ["  seconds  1000 faults  cell"]
    lines += [f"{relative * reference:9.1f}  {faults:11}  {name}"
              for relative, faults, name in sorted(cells, reverse=True)[:SHOWN]]
    return "\n".join([*lines, summary(after, reference)])


def summary(kept, reference):
    """One line on all notebooks together."""
    whole = sum(map(total, kept.values()))
    start = sum(map(startup, kept.values()))
    peak = max(new["peak"] for new in kept.values())
    return (f"{whole * reference:.0f} s CPU in {len(kept)} notebooks, of which start, setup and "
            f"imports {start / whole:.0%}; largest peak {peak / 1e3:.2f} GB; reference "
            f"{1e3 * reference:.1f} ms")


def update(config, costs, store=True):
    """Compare costs {stem: Cost} with the stored ones, keep them if ``store``; the report."""
    kept = stored(config)
    after = {stem: cost.relative() for stem, cost in costs.items()}
    reference = statistics.median(cost.reference for cost in costs.values())
    text = report(kept["notebooks"], after, reference)
    if store:
        if not config.times:
            raise ValueError("times must name a file in [tool.verdicts] to be stored")
        names = {path.stem for path in config.all_paths()}
        merged = {s: n for s, n in sorted((kept["notebooks"] | after).items()) if s in names}
        # Seconds are those of the machine that measured all of them.
        if set(after) == set(merged) or math.isnan(kept["reference"]):
            kept["reference"] = _digits(reference)
        kept["notebooks"] = merged
        write(config, kept)
    return text


def write(config, kept):
    """Write the file of times: JSON with one line a cell, whose change is that of one line."""
    pair = r"\[\s+([-+.\de]+),\s+(\d+)\s+\]"
    text = re.sub(pair, r"[\1, \2]", json.dumps(kept, indent=1)) + "\n"
    notebook.write(config.root / config.times, text)


def times(config, numbers=(), jobs=1):
    """Measure notebooks (default: all), write nothing, print the report; 1 if one fails."""
    paths = [config.notebook(n) for n in numbers] if numbers else config.all_paths()
    costs = {}

    def work(path):
        async def one():
            watch = Watch()
            await kernels.execute(notebook.read(path), path.parent, None, watch=watch)
            costs[path.stem] = watch.cost

        return one

    order = longest_first(config, paths)
    found = kernels.together([work(path) for path in order], jobs)
    failed = [f"{path.name}: {error}" for path, error in zip(order, found, strict=True) if error]
    print(update(config, dict(sorted(costs.items())), store=False) if costs else "")
    print("\n".join(failed), end="", file=sys.stderr)
    return 1 if failed else 0

