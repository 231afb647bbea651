"""Do numbers travel: deviations of records, simulated processors, the table of disagreements."""

import copy
import functools
import json
import math
import sys

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import verdicts
from verdicts import __main__ as cli
from verdicts import ledger, notebook, portable, processors
from verdicts.config import load_config
from verdicts.records import deviation, disagreements, largest_deviation, neutralise

number = st.floats(-1e9, 1e9)
RECORD = {"statement": "Lemma A", "key": "k", "kind": "upper", "status": "holds",
          "numbers": {"lhs": [1.0, 2.0], "rhs": 4.0}, "standard_errors": {"lhs": 0.5},
          "rtol": 1e-6, "atol": 1e-12}


@settings(max_examples=100, deadline=None, derandomize=True)
@given(number, number, st.floats(0, 1), st.floats(0, 1))
def test_within_the_tolerance_is_a_deviation_of_at_most_one(a, b, rtol, atol):
    share = deviation(a, b, rtol, atol)
    assert (share <= 1) == (a == b or abs(a - b) <= atol + rtol * abs(a))
    assert deviation(a, a, rtol, atol) == 0
    if math.isfinite(share):
        assert share == pytest.approx(10 * deviation(a, b, 10 * rtol, 10 * atol))


@pytest.mark.parametrize(("a", "b", "share"), [
    (math.inf, math.inf, 0), (math.inf, 1.0, math.inf), (1.0, math.nan, math.inf),
    (math.nan, math.nan, 0), (0.0, 5e-13, 0.5), (2.0, 2.0 + 1e-6, 0.5)])
def test_deviation_of_special_numbers(a, b, share):
    assert deviation(a, b, 1e-6, 1e-12) == pytest.approx(share, rel=1e-3)


def changed(**fields):
    return copy.deepcopy(RECORD) | fields


@pytest.mark.parametrize(("new", "share"), [
    (changed(), 0), (changed(status="consistent"), 0),
    (changed(numbers={"lhs": [1.0, 2.0 + 1e-6], "rhs": 4.0}), 0.5),
    (changed(standard_errors={"lhs": 0.5 + 1e-7}), 0.2),
    (changed(status="violated"), math.inf), (changed(kind="lower"), math.inf),
    (changed(numbers={"lhs": [1.0], "rhs": 4.0}), math.inf),
    (changed(numbers={"lhs": [1.0, 2.0]}), math.inf)])
def test_the_largest_deviation_of_a_record(new, share):
    assert largest_deviation(RECORD, new) == pytest.approx(share, rel=1e-3)
    assert bool(disagreements([RECORD], [new])) == (share > 1)


def test_a_chaotic_number_is_compared_by_its_status_alone():
    chaotic = changed(uncompared="a chaotic run")
    other = copy.deepcopy(chaotic) | {"numbers": {"lhs": [7.0], "rhs": 9.0}}
    assert disagreements([chaotic], [other]) == [] and largest_deviation(chaotic, other) == 0
    assert "status" in disagreements([chaotic], [other | {"status": "violated"}])[0]
    # The excuse itself cannot appear unnoticed.
    assert "uncompared" in disagreements([RECORD], [changed(uncompared="why")])[0]


def test_the_excuse_is_shown_to_the_reader_and_must_be_words(monkeypatch):
    monkeypatch.setattr(ledger, "_known", None)  # other tests make theirs known
    for claim, first in ((verdicts.upper, ()), (verdicts.control, ("lower",))):
        made = claim("Lemma A", "chaos", *first, 1.0, 2.0, uncompared="rounding decides it")
        assert made.line.endswith("; numbers not compared: rounding decides it")
        assert made.record()["uncompared"] == "rounding decides it"
        assert "rounding decides it" in neutralise(made.line)
        for wrong in ("", " ", True, 3):
            with pytest.raises(ValueError, match="uncompared"):
                claim("Lemma A", "chaos", *first, 1.0, 2.0, uncompared=wrong)
    assert "uncompared" not in verdicts.upper("Lemma A", "tame", 1.0, 2.0).record()


def test_simulated_processors_take_other_paths(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")  # set on this machine, not by "native"
    known = processors.processors()
    assert list(known)[:2] == ["native", "threads"]
    for variables in known.values():
        assert set(variables) <= set(processors.VARIABLES)
        made = processors.environment(variables)
        assert {k: made.get(k) for k in processors.VARIABLES} == {
            k: variables.get(k) or None for k in processors.VARIABLES}
    if "nehalem" not in known:
        pytest.skip("no x86-64")
    native, again, foreign = (
        processors.probe(known[name]) for name in ("native", "native", "nehalem"))
    assert native == again
    # On any x86-64 processor since 2013 these differ from one without AVX.
    assert {k for k in native if native[k] != foreign[k]} >= {"LAPACK", "torch products"}


PYPROJECT = """
[tool.verdicts]
notebooks = "notebooks"
sources = ["code"]
stored_context = { seed = 0 }
"""
SOURCE = """import io, os
import verdicts
from IPython.display import Image, display
from PIL import Image as Picture

verdicts.configure(["Lemma A"], {"seed": 0})
name = os.environ.get("OPENBLAS_CORETYPE")
threads = os.environ["OMP_NUM_THREADS"]
verdicts.upper("Lemma A", "delicate", 1 + 5e-7 * (name == "Nehalem"), 2.0)
verdicts.upper("Lemma A", "chaotic", 1.0 + len(name or ""), 9.0, slack=False, uncompared="chaos")
buffer = io.BytesIO()
Picture.new("RGB", (40, 30), (200, 20 + 100 * (threads == "2"), 20)).save(buffer, "PNG")
display(Image(buffer.getvalue()))"""


probed = functools.cache(lambda names: processors_probe(dict(names)))
processors_probe = processors.probe


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A collection of one executed notebook whose numbers know the processor's variables."""
    # A probe imports everything in a process of its own: one for each processor is enough.
    monkeypatch.setattr(processors, "probe", lambda names: probed(tuple(names.items())))
    (tmp_path / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "module.py").write_text("", encoding="utf-8")
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(SOURCE)])
    notebook.write(tmp_path / "notebooks" / "01_first.ipynb", notebook.dumps(nb))
    monkeypatch.chdir(tmp_path)
    assert cli.main(["run"]) == 0
    return tmp_path


@pytest.mark.skipif("nehalem" not in processors.processors(), reason="no x86-64")
def test_the_table_names_what_does_not_travel_and_is_taken_up_again(tiny, capsys):
    path = tiny / "notebooks" / "01_first.ipynb"
    before = path.read_bytes()
    assert cli.main(["portable", "--processors", "native", "threads", "nehalem"]) == 1
    out = capsys.readouterr().out
    assert path.read_bytes() == before
    assert "| 01 | 0 | 0 ✗ | 0.5 ✗ |" in out
    assert "01, threads: cell 0: another picture" in out
    assert "01, threads: the file would change" in out
    assert "01, nehalem: Lemma A · delicate: 0.5 of its tolerance" in out
    assert "3 disagreements in 3 runs" in out and "chaotic" not in out
    listing = (tiny / "build" / "portable" / "records.tsv").read_text(encoding="utf-8")
    assert listing.splitlines() == [
        "5.0e-01\t01\tLemma A · delicate", "0.0e+00\t01\tLemma A · chaotic"]
    # Finished results are kept, until the code, the notebook or the data change.
    prose = notebook.read(path)
    text = {"cell_type": "markdown", "id": "prose", "metadata": {}, "source": "New."}
    prose["cells"].append(text)
    notebook.write(path, notebook.dumps(prose))
    assert cli.main(["portable", "01", "--processors", "native"]) == 0
    assert "01_first, native: kept" in capsys.readouterr().out
    (tiny / "code" / "module.py").write_text("x = 1\n", encoding="utf-8")
    edited = notebook.read(path)
    edited["cells"][0]["source"] += "\nraise RuntimeError('no')"
    path.write_text(json.dumps(edited), encoding="utf-8")
    assert cli.main(["portable", "01", "--processors", "native"]) == 1
    out = capsys.readouterr().out
    assert "kept" not in out and "01, native: failed:" in out and "RuntimeError" in out


def test_wrong_processors_and_seeds_are_refused(tiny, monkeypatch):
    config = load_config(tiny)
    with pytest.raises(ValueError, match="processors must be among native, threads"):
        portable.portable(config, names=["abacus"])
    module = tiny / "elsewhere.py"
    module.write_text("def context():\n    return {'seed': 1}\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tiny))
    (tiny / "pyproject.toml").write_text(PYPROJECT + 'context = "elsewhere:context"\n',
                                         encoding="utf-8")
    with pytest.raises(ValueError, match="stored outputs are those of"):
        portable.portable(load_config(tiny))
    sys.modules.pop("elsewhere", None)
