"""What the collection costs: stored for every cell, and the sentences about it are generated."""

import importlib.util
import json
from pathlib import Path

import pytest

from verdicts import notebook, times
from verdicts.config import load_config

ROOT = Path(__file__).parents[1]
spec = importlib.util.spec_from_file_location("durations", ROOT / "benchmarks" / "durations.py")
durations = importlib.util.module_from_spec(spec)
spec.loader.exec_module(durations)
CONFIG = load_config(ROOT)
KEPT = times.stored(CONFIG)


@pytest.mark.parametrize("path", CONFIG.all_paths(), ids=lambda path: path.stem[:2])
def test_every_cell_has_its_stored_time(path):
    cells = [c["id"] for c in notebook.code_cells(notebook.read(path)) if c["source"].strip()]
    assert list(KEPT["notebooks"][path.stem]["cells"]) == cells  # else: verdicts run --times


def test_the_sentences_are_those_of_the_stored_times():
    for name, text in durations.generated(KEPT).items():
        stored = (ROOT / name).read_text(encoding="utf-8")
        assert text == stored, f"python benchmarks/durations.py --write changes {name}"


def test_other_times_give_other_sentences():
    slow = json.loads(json.dumps(KEPT)) | {"reference": 2 * KEPT["reference"]}
    for name, text in durations.generated(slow).items():
        changed = sum(a != b for a, b in zip(
            text.splitlines(), durations.generated(KEPT)[name].splitlines(), strict=True))
        assert changed == {
            "README.md": 1, "Makefile": 2,
            "book/full_profile.md": len(list((ROOT / "notebooks").glob("[0-9]*.ipynb")))}[name]


def test_two_kernels_need_less_than_two_gigabytes():
    peaks = sorted(kept["peak"] for kept in KEPT["notebooks"].values())
    assert sum(peaks[-2:]) < 2000
