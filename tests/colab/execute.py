"""Executes the notebook named, in the current folder; then compares its verdicts with the stored.

Runs in the simulated environment, where the library is not installed until the setup cell does it.
"""

import copy
import importlib.util
import sys
import time

import nbformat
from nbclient import NotebookClient

name = sys.argv[1]
assert importlib.util.find_spec("score_stability") is None, "the library is already there"
stored = nbformat.read(name, 4)
fresh = copy.deepcopy(stored)
start = time.perf_counter()
NotebookClient(fresh, timeout=600, kernel_name="python3").execute()
seconds = time.perf_counter() - start

importlib.invalidate_caches()
from verdicts.records import disagreements, records_of  # noqa: E402  (installed a moment ago)

messages, count = [], 0
for k, (old, new) in enumerate(zip(stored.cells, fresh.cells, strict=True)):
    if old.cell_type == "code":
        before, after = records_of(old.outputs), records_of(new.outputs)
        count += len(before)
        messages += [f"cell {k}: {m}" for m in disagreements(before, after)]
print(f"{name}: {count} records equal the stored ones, {seconds:.0f} s"
      if not messages else "\n".join([name, *messages]))
sys.exit(bool(messages))
