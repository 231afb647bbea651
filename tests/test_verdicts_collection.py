"""A small made-up collection: executed, stamped, checked, tabulated, re-tested, tampered with."""

import base64
import copy
import dataclasses
import io
import json
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import nbformat
import numpy as np
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from matplotlib.figure import Figure

from verdicts import __main__ as cli
from verdicts import execute, form, images, notebook, report, stamp
from verdicts.config import find_config, load_config

PYPROJECT = """
[project.urls]
Repository = "https://github.com/somebody/tiny"

[tool.verdicts]
notebooks = "notebooks"
import_name = "verdicts"
statements = "tiny_registry:STATEMENTS"
context = "tiny_registry:context"
stored_context = { seed = 0 }
table_files = ["README.md", "notebooks/00_start.ipynb"]

[tool.pytest.ini_options]
addopts = "-p verdicts.pytest_plugin --nbval --nbval-current-env --nbval-cell-timeout=60"
filterwarnings = ["error"]
pythonpath = ["."]
"""
REGISTRY = """
import os
from types import SimpleNamespace


def context():
    return {"seed": int(os.environ.get("TINY_SEED", "0"))}


def statement(id, notebook, **needs):
    needs = {"needs_verdict": True, "needs_control": True} | needs
    return SimpleNamespace(
        id=id, title=id, sentence=f"{id} | is true.", notebooks=(notebook,), **needs
    )


STATEMENTS = [statement("Lemma A", 1), statement("Lemma B", 9)]
"""
README = "# Tiny\n\n<!-- verdicts:start -->\n<!-- verdicts:end -->\n\nThe end.\n"
PRELUDE = """import os

import verdicts

seed = int(os.environ.get("TINY_SEED", "0"))
verdicts.configure(["Lemma A", "Lemma B"], {"seed": seed})"""
FIGURE = """import io

from IPython.display import Image, display
from PIL import Image as Picture
from PIL import PngImagePlugin

info = PngImagePlugin.PngInfo()
info.add_text("Software", "tiny 1.0")
buffer = io.BytesIO()
Picture.new("RGB", (40, 30), (200, 20, 20)).save(buffer, "PNG", pnginfo=info)
display(Image(buffer.getvalue()))"""
CELLS = [  # of notebook 01; the tampering below counts on their order
    PRELUDE,
    'verdicts.upper("Lemma A", "exact", 1.0 + 1e-3 * seed, 1.5)',
    'verdicts.upper("Lemma A", "array", [1.0, 2.0], [1.5, 5.0])',
    'verdicts.lower("Lemma A", "digits", 2.0, 1.5)\nprint("two claims = 1")',
    'verdicts.control("Lemma A", "false", "upper", 2.0, 1.0)',
    'verdicts.table(["n", "gap"], [[1, 0.5], [2, 0.25]], caption="Gaps")',
    FIGURE,
    "verdicts.summary()",
]


def code(source, index, **metadata):
    cell = nbformat.v4.new_code_cell(source, metadata=metadata)
    cell["id"] = f"code-{index}"
    return cell


def text(source, index):
    cell = nbformat.v4.new_markdown_cell(source)
    cell["id"] = f"text-{index}"
    return cell


def save(path, heading, sources):
    cells = [text(heading, 0), code("", 0, tags=["setup"])]
    for i, source in enumerate(sources, start=1):
        metadata = {"mystnb": {"image": {"alt": "a red square"}}} if source == FIGURE else {}
        cells.append(code(source, i, **metadata))
    nb = nbformat.v4.new_notebook(cells=cells)
    nb["metadata"]["kernelspec"] = {"name": "python3", "display_name": "x", "language": "python"}
    notebook.write(path, notebook.dumps(nb))


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    """The root of the collection, stamped, executed once and with its tables written."""
    root = tmp_path_factory.mktemp("tiny")
    for name, content in (
        ("pyproject.toml", PYPROJECT),
        ("tiny_registry.py", REGISTRY),
        ("README.md", README),
        ("CITATION.cff", 'title: Tiny\nrepository-code: "https://github.com/old/name"\n'),
        ("CONTRIBUTING.md", "See https://github.com/old/name/issues.\n"),
    ):
        (root / name).write_text(content, encoding="utf-8")
    folder = root / "notebooks"
    start = "# 00 · Start\n\n<!-- verdicts:start -->\n<!-- verdicts:end -->"
    save(folder / "00_start.ipynb", start, [PRELUDE, 'verdicts.upper("Lemma A", "zero", 0.6, 1)'])
    save(folder / "01_first.ipynb", "# 01 · First", CELLS)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.syspath_prepend(str(root))
        assert cli.main(["stamp"]) == 0
        assert cli.main(["run"]) == 0
        assert cli.main(["table", "--write"]) == 0
        yield root
    sys.modules.pop("tiny_registry", None)


@pytest.fixture
def config(collection):
    return load_config(collection / "notebooks")


def test_the_table_is_folded_by_part(config, tmp_path):
    """Every statement stands once, in the part of its first notebook; without parts, as before."""
    flat = report.markdown(config)
    assert "<details>" not in flat
    (tmp_path / "parts.py").write_text('PARTS = (("Begin", "", (0, 1)), ("End", "", (9,)))\n')
    parts = dataclasses.replace(config, parts=str(tmp_path / "parts.py"))
    assert parts.part_of() == {0: "Begin", 1: "Begin", 9: "End"}
    folded = report.markdown(parts)
    first, second = folded.split("</details>")[:2]
    assert "<b>Begin</b>: 1 statement, 4 hold, 1 refuted" in first and "Lemma A" in first
    assert "<b>End</b>: 1 statement" in second and "Lemma B" in second
    rows = [line for line in flat.splitlines() if line.startswith("| Lemma")]
    assert [line for line in folded.splitlines() if line.startswith("| Lemma")] == rows
    assert dataclasses.replace(config, parts="nowhere.py").part_of() == {}


@pytest.fixture
def first(config):
    """Notebook 01; whatever a test does to it is undone."""
    path = config.folder / "01_first.ipynb"
    before = path.read_bytes()
    yield path
    path.write_bytes(before)


def edit(path, change):
    nb = notebook.read(path)
    change(nb)
    # As any editor might write it: nbformat would repair some defects.
    path.write_text(json.dumps(nb, ensure_ascii=False), encoding="utf-8")


# ----------------------------------------------------------------------------- pytest


class Reports:
    """Collects what a nested pytest session reports."""

    def __init__(self):
        self.cells, self.collection = {}, []

    def pytest_runtest_logreport(self, report):
        if report.when == "call":
            self.cells[report.nodeid.rsplit(" ", 1)[1]] = report

    def pytest_collectreport(self, report):
        if report.failed:
            self.collection.append(report.longreprtext)


def run_pytest(root, *arguments):
    reports = Reports()
    base = ["-c", str(root / "pyproject.toml"), "--rootdir", str(root), "-p", "no:cacheprovider"]
    status = pytest.main([*base, *map(str, arguments)], plugins=[reports])
    return status, reports


# Each changes the stored (source, outputs) of one code cell of notebook 01.
def _beyond(cell):
    cell["outputs"][0]["metadata"]["verdicts"][0]["numbers"]["rhs"] = 1.50001


def _within(cell):
    cell["outputs"][0]["metadata"]["verdicts"][0]["numbers"]["rhs"][1] = 5.000001


def _digits(cell):
    data = cell["outputs"][-1]["data"]  # a card comes last
    for mime in data:
        data[mime] = data[mime].replace("≈ 2", "≈ 2.001").replace("[holds]", "[consistent]")


def _metadata(cell):
    cell["outputs"][0]["metadata"] = {}


def _false_claim(cell):
    cell["source"] = 'verdicts.upper("Lemma A", "Gaps", 0.75, 0.5)'


def _false_control(cell):
    cell["source"] = 'verdicts.control("Lemma A", "tame", "upper", 1.0, 2.0)'


def _unknown(cell):
    cell["source"] = 'verdicts.upper("Lemma Z", "k", 1.0, 2.0)'


def test_tampering_is_found_cell_by_cell(config, first, capfd):
    def tamper(nb):
        cells = notebook.code_cells(nb)
        changes = [_beyond, _within, _digits, _metadata, _false_claim, _false_control, _unknown]
        for cell, change in zip(cells[2:], changes, strict=True):
            change(cell)

    edit(first, tamper)
    stripped = config.folder / "02_stripped.ipynb"
    nb = notebook.read(config.folder / "00_start.ipynb")
    for cell in notebook.code_cells(nb):
        cell["outputs"], cell["execution_count"] = [], None
    stripped.write_text(notebook.dumps(nb), encoding="utf-8")
    try:
        status, found = run_pytest(config.root, "--continue-on-collection-errors", first, stripped)
    finally:
        stripped.unlink()
    assert status == 1
    assert "stored outputs compared" in capfd.readouterr().out
    (message,) = found.collection
    assert "02_stripped.ipynb: code cells [0, 1, 2] have no execution count" in message
    outcome = {n: r.outcome for n, r in found.cells.items()}
    assert [n for n, o in outcome.items() if o == "passed"] == ["0", "1", "3", "4"]
    say = {n: r.longreprtext for n, r in found.cells.items()}
    assert "Lemma A · exact: rhs was 1.50001, is 1.5 (rtol 1e-06, atol 1e-12)" in say["2"]
    assert "python -m verdicts run notebooks/01_first.ipynb" in say["2"]
    assert "0 stored verdicts, 1 new" in say["5"]
    assert "[violated] Lemma A · Gaps (upper)" in say["6"]
    assert "the control did not fail" in say["7"]
    assert "unknown statement 'Lemma Z'" in say["8"]


def test_untouched_passes_and_another_seed_is_not_compared(config, first, capfd, monkeypatch):
    status, found = run_pytest(config.root, first)
    assert status == 0, found.cells
    edit(first, lambda nb: _beyond(notebook.code_cells(nb)[2]))
    monkeypatch.setenv("TINY_SEED", "1")
    status, found = run_pytest(config.root, first)
    assert status == 0
    assert len(found.cells) == 9
    assert "stored outputs NOT compared" in capfd.readouterr().out


# ----------------------------------------------------------------------------- executor


def test_a_rerun_leaves_the_files_as_they_are(config, first, capsys):
    before = first.read_bytes()
    assert cli.main(["run", str(first)]) == 0
    assert first.read_bytes() == before
    assert "wrote" not in capsys.readouterr().out
    nb = notebook.read(first)
    assert nb["metadata"]["language_info"] == {"name": "python"}
    assert not any("execution" in c["metadata"] for c in nb["cells"])


def test_a_changed_source_is_refreshed_and_a_failing_notebook_left_alone(config, first, capsys):
    source = 'verdicts.upper("Lemma A", "exact", 1.0, 1.75)'
    edit(first, lambda nb: notebook.code_cells(nb)[2].update(source=source))
    assert cli.main(["run", str(first)]) == 0
    stored = notebook.claims(notebook.read(first))[0]
    assert stored["numbers"]["rhs"] == 1.75

    edit(first, lambda nb: notebook.code_cells(nb)[2].update(source=source.replace("1.75", "0.5")))
    before = first.read_bytes()
    assert cli.main(["run", str(first)]) == 1
    assert first.read_bytes() == before
    captured = capsys.readouterr()
    assert "[violated] Lemma A · exact" in captured.err
    assert "failed: 01_first.ipynb" in captured.err


def test_another_processor_leaves_the_file_as_it_is(config, first):
    # Last digits, in records and texts; holds or consistent; markup of either.
    def elsewhere(nb):
        for cell in notebook.code_cells(nb)[2:5]:
            for output in cell["outputs"]:
                for record in notebook.card_of(output):
                    rhs = record["numbers"]["rhs"]
                    scale = 1 + 1e-8
                    record["numbers"]["rhs"] = (
                        [v * scale for v in rhs] if isinstance(rhs, list) else rhs * scale)
                    record["status"] = "consistent"
                    record["resolution"]["value"] += 0.5 * record["resolution"]["tolerance"]
                data = output.get("data", {})
                for mime, text in data.items():
                    data[mime] = text.replace("[holds]", "[consistent]").replace("≈ 0.6", "≈ 0.59")

    edit(first, elsewhere)
    stamp.stamp(config)  # the cards that go with these records
    before = first.read_bytes()
    assert b"consistent" in before and b"0.59" in before
    assert cli.main(["run", str(first)]) == 0
    assert first.read_bytes() == before
    edit(first, lambda nb: _record(nb, 3)["resolution"].update(value=0.6))
    assert cli.main(["run", str(first)]) == 0
    assert _record(notebook.read(first), 3)["resolution"]["value"] == pytest.approx(2 / 3)


def test_a_fresh_run_stores_what_agrees_as_well(config, first):
    before = first.read_bytes()
    edit(first, lambda nb: _within(notebook.code_cells(nb)[3]))
    edited = notebook.read(first)
    assert cli.main(["run", str(first)]) == 0
    assert notebook.read(first) == edited
    assert cli.main(["run", "--fresh", str(first)]) == 0
    assert first.read_bytes() == before


def test_another_seed_writes_elsewhere(config, first, monkeypatch, capsys):
    monkeypatch.setenv("TINY_SEED", "7")
    before = {p: p.read_bytes() for p in config.notebook_paths()}
    assert cli.main(["run"]) == 0
    assert before == {p: p.read_bytes() for p in config.notebook_paths()}
    made = notebook.read(config.root / "build" / "runs" / "7" / "01_first.ipynb")
    assert notebook.claims(made)[0]["numbers"]["lhs"] == pytest.approx(1.007)
    out = capsys.readouterr().out
    assert "Lemma A    4 hold           1 refuted  1.3–2.5  33 % – 40 %   00, 01" in out
    assert "Lemma B    not yet covered" in out


def test_stored_outputs_stay_only_if_they_are_the_same(first):
    cells = notebook.code_cells(notebook.read(first))
    for cell in cells:
        assert execute.same_outputs(cell["outputs"], copy.deepcopy(cell["outputs"]))
    for change in ("name", "text", "data", "number"):
        outputs = copy.deepcopy(cells[4]["outputs"])
        stream = next(o for o in outputs if o["output_type"] == "stream")
        shown = next(o for o in outputs if o["output_type"] != "stream")
        if change == "name":
            stream["name"] = "stderr"
        elif change == "text":
            stream["text"] = "two claims = 2"
        elif change == "data":
            shown["data"]["text/plain"] += "!"
        else:
            shown["metadata"]["verdicts"][0]["numbers"]["lhs"] = 2.1
        assert not execute.same_outputs(cells[4]["outputs"], outputs)
    assert not execute.same_outputs(cells[4]["outputs"], cells[4]["outputs"][::-1])
    # A new tolerance, with the same numbers, must be stored.
    outputs = copy.deepcopy(cells[4]["outputs"])
    shown = next(o for o in outputs if "verdicts" in o.get("metadata", {}))
    shown["metadata"]["verdicts"][0]["rtol"] = 0.5
    assert not execute.same_outputs(cells[4]["outputs"], outputs)
    pieces = [{"output_type": "stream", "name": "stdout", "text": t} for t in "ab"]
    assert execute._merged(pieces) == [{"output_type": "stream", "name": "stdout", "text": "ab"}]


def _png(pixels):
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels.astype("uint8")).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def test_pictures_agree_up_to_noise_but_not_up_to_a_letter():
    pixels = np.full((100, 150, 3), 200.0)
    noisy = pixels + np.random.default_rng(0).integers(-1, 2, pixels.shape)
    assert images.same_picture(_png(pixels), _png(noisy))
    letter = pixels.copy()
    letter[20:28, 20:26] = 0  # 0.3 % of the pixels
    assert not images.same_picture(_png(pixels), _png(letter))
    assert not images.same_picture(_png(pixels), _png(pixels + 10))
    assert not images.same_picture(_png(pixels), _png(pixels[:50]))


def _animation(*shades):
    from PIL import Image

    first, *others = [Image.fromarray(np.full((9, 12, 3), s, "uint8")) for s in shades]
    buffer = io.BytesIO()
    first.save(buffer, "PNG", save_all=True, append_images=others, duration=100)
    return base64.b64encode(buffer.getvalue()).decode()


def test_all_frames_of_an_animation_are_looked_at():
    moving = _animation(0, 100, 200)
    assert images.is_animated(moving) and not images.is_animated(_png(np.zeros((4, 4, 3))))
    assert images.same_picture(moving, _animation(0, 101, 200))
    assert not images.same_picture(moving, _animation(0, 100, 180))  # the first frame is the same
    assert not images.same_picture(moving, _animation(0, 100))
    assert images.with_palette(moving) == moving


def test_a_palette_keeps_every_colour_or_is_not_used():
    from PIL import Image

    rng = np.random.default_rng(0)
    house = ["#0072B2", "#D55E00", "#000000", "#007A5A", "#8E4585"]
    figure = Figure((4, 2.5), dpi=200)  # what notebooks store
    x = np.linspace(0, 6, 100)
    for k, colour in enumerate(house):  # edges between colours, and colours with white
        figure.gca().plot(x, np.sin(x + k), color=colour, label=f"curve {k}")
        figure.gca().fill_between(x, k, k + 1, color=colour, alpha=0.2, linewidth=0)
    figure.gca().legend()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", transparent=True)
    with Image.open(buffer) as image:  # black where nothing is seen, without the white below
        white = Image.new("RGBA", image.size, "white")
        drawn = np.asarray(Image.alpha_composite(white, image).convert("RGB"), int)
    full = base64.b64encode(buffer.getvalue()).decode()
    stored = images.with_palette(full + "\n")
    assert stored.endswith("\n") and len(stored) < 0.7 * len(full)
    with Image.open(io.BytesIO(base64.b64decode(stored))) as image:
        assert image.mode == "P"
        found = np.asarray(image.convert("RGB"), int)
    assert np.abs(found - drawn).max() <= images.PALETTE_ERROR
    assert images.with_palette(stored) == stored and images.same_picture(stored, full)
    noise = _png(rng.integers(0, 256, (60, 60, 3)))  # no palette holds it
    assert images.with_palette(noise) == noise


def test_png_text_chunks_are_removed():
    png = base64.b64decode(_png(np.zeros((4, 4, 3))))
    body = b"tEXtSoftware\0tiny"
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    tagged = base64.b64encode(png[:33] + chunk + png[33:]).decode() + "\n"
    assert images.has_software(tagged)
    assert images.strip_png(tagged) == base64.b64encode(png).decode() + "\n"
    jpeg = base64.b64encode(b"\xff\xd8").decode()
    assert images.strip_png(jpeg) == jpeg


BAD = {
    "empty": (b"", "it is empty"),
    "conflict": (b'{\n<<<<<<< HEAD\n"cells": []\n=======\n', "a merge conflict is not resolved"),
    "cut": (b'{"cells": [', "it is not JSON"),
    "list": (b"[]", "its JSON holds no list of cells"),
    "other": (b'{"nbformat": 4}', "its JSON holds no list of cells"),
    "latin": ('{"cells": "é"}'.encode("latin-1"), "it is not UTF-8"),
}


@pytest.mark.parametrize("kind", BAD)
def test_an_unreadable_notebook_is_named_and_stops_no_other(config, kind, capsys):
    content, why = BAD[kind]
    bad = config.folder / "02_bad.ipynb"
    bad.write_bytes(content)
    said = f"02_bad.ipynb cannot be read as a notebook: {why}"
    try:
        assert cli.main(["check"]) == 1
        assert capsys.readouterr().out.count(said) == 1
        assert cli.main(["table"]) == 1
        assert said in capsys.readouterr().err
        if kind in ("empty", "conflict"):  # the others take the same way
            assert cli.main(["run", str(bad), str(config.folder / "00_start.ipynb")]) == 1
            captured = capsys.readouterr()
            assert "00_start: 1 verdicts" in captured.out
            assert said in captured.err and "failed: 02_bad.ipynb" in captured.err
            status, found = run_pytest(config.root, "--continue-on-collection-errors", bad)
            assert status != 0 and said in found.collection[0]
    finally:
        bad.unlink()


def test_a_byte_order_mark_is_no_defect(first):
    nb = notebook.read(first)
    first.write_bytes(b"\xef\xbb\xbf" + first.read_bytes())
    assert notebook.read(first) == nb


def test_what_editors_leave_is_named_and_cleaned(config, first, capsys):
    before = first.read_bytes()

    def save_elsewhere(nb):
        nb["metadata"] |= {"colab": {"provenance": []}, "vscode": {}, "toc": {}}
        nb["nbformat_minor"] = 0
        for cell in nb["cells"]:
            cell["metadata"] |= {"id": "x", "collapsed": True, "scrolled": False}
        for cell in notebook.code_cells(nb):
            cell["metadata"] |= {"executionInfo": {"elapsed": 3}, "outputId": "y"}
        warning = {"output_type": "stream", "name": "stderr", "text": "/home/me: a warning"}
        notebook.code_cells(nb)[2]["outputs"].append(warning)
        nb["cells"][3].pop("id")

    edit(first, save_elsewhere)
    messages = form.check_notebook(first, config)
    for words in ("['colab', 'toc', 'vscode']", "['collapsed', 'executionInfo', 'id', 'outputId'",
                  "stored stderr", "cell ids must be unique: ['None']"):
        found = [m for m in messages if words in m]
        assert found and found[0].endswith("run: python -m verdicts run"), (words, messages)
    assert cli.main(["run", str(first)]) == 0
    assert form.check_notebook(first, config) == []
    assert first.read_bytes() == before.replace(b'"id": "code-2"', b'"id": "cell-03"')


def test_windows_line_ends_are_not_stale(config):
    readme = config.root / "README.md"
    before = readme.read_bytes()
    readme.write_bytes(before.replace(b"\n", b"\r\n"))
    try:
        assert report.stale(config) == []
    finally:
        readme.write_bytes(before)


def test_two_processes_never_split_a_notebook(config):
    command = [sys.executable, "-m", "pytest", "-n", "2", "-q", "-p", "no:cacheprovider",
               "notebooks"]
    done = subprocess.run(command, cwd=config.root, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "12 passed" in done.stdout


def test_a_checkout_that_cannot_be_written_to_passes(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    tests = Path(__file__).with_name("test_quadrature.py")
    cache = f"cache_dir={tmp_path / 'file' / 'cache'}"
    command = [sys.executable, "-m", "pytest", "-q", "-o", "addopts=", "-o", cache, str(tests),
               "-k", "legendre"]
    done = subprocess.run(command, cwd=tests.parents[1], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


# ----------------------------------------------------------------------------- stamp and form


def test_the_stamp(config, first):
    cells = notebook.read(first)["cells"]
    base = "https://github.com/somebody/tiny/blob/main/notebooks/00_start.ipynb"
    colab = "https://colab.research.google.com/github/somebody/tiny/blob/main/notebooks"
    assert cells[0]["source"] == (
        f"[![Open In Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
        f"({colab}/01_first.ipynb)\n\n# 01 · First\n\n[← 00 · Start]({base}) · [Notation]({base})"
    )
    assert "git+https://github.com/somebody/tiny@main" in cells[1]["source"]
    assert len(cells[1]["source"].splitlines()) == 6  # it stands before the first picture
    compile(TransformerManager().transform_cell(cells[1]["source"]), "setup", "exec")
    zero = notebook.read(config.folder / "00_start.ipynb")["cells"][0]["source"]
    assert zero.endswith("\n\n[01 · First →](" + base.replace("00_start", "01_first") + ")")
    assert 'repository-code: "https://github.com/somebody/tiny"' in (
        config.root / "CITATION.cff"
    ).read_text(encoding="utf-8")
    contributing = (config.root / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert contributing == "See https://github.com/somebody/tiny/issues.\n"
    assert stamp.stamp(config) == []


def test_a_notebook_must_begin_with_markdown(config, first):
    edit(first, lambda nb: nb["cells"].pop(0))
    with pytest.raises(ValueError, match="first cell must be Markdown"):
        stamp.stamp(config)
    assert any("first cell must be Markdown" in m for m in form.check_notebook(first, config))


def test_the_form_of_the_collection_is_right(config, capsys):
    assert cli.main(["check"]) == 0, capsys.readouterr().out


def _output(nb, index, **changes):
    notebook.code_cells(nb)[index]["outputs"][0].update(changes)


def _record(nb, index):
    return nb["cells"][index]["outputs"][0]["metadata"]["verdicts"][0]


def _set(index, **changes):
    return lambda nb: nb["cells"][index].update(changes)


SOFTWARE = base64.b64encode(
    images._SIGNATURE + struct.pack(">I", 10) + b"tEXtSoftware\0t" + b"\0\0\0\0"
).decode()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_set(2, execution_count=9), "execution counts must be 1 to 9"),
        (_set(2, execution_count=None), "have no execution count"),
        (lambda nb: nb["metadata"].update(kernelspec={"name": "conda"}), "kernelspec"),
        (lambda nb: nb["metadata"].update(language_info={"version": "3.1"}), "language_info"),
        (lambda nb: nb["metadata"].update(colab={}), "metadata of one program: ['colab']"),
        (_set(2, id="text-0"), "cell ids must be unique: ['text-0']"),
        (lambda nb: nb["cells"][2].pop("id"), "cell ids must be unique: ['None']"),
        (
            lambda nb: nb["cells"][2]["metadata"].update(execution={}),
            "metadata of one program or of one run: ['execution']; run: python -m",
        ),
        (lambda nb: _output(nb, 4, output_type="stream", name="stderr", text="w"), "stderr: 'w'"),
        (lambda nb: _output(nb, 4, output_type="error", ename="E"), "stored error E"),
        (_set(2, source='open("/home/me")'), "absolute path '/home' in its source"),
        (_set(2, source=r"C:\Users\me"), "absolute path"),
        (lambda nb: _output(nb, 4, data={"text/plain": "<f at 0x7f>"}), "memory address 'at 0x7f'"),
        (lambda nb: _output(nb, 2, metadata={}), '"≈" in an output that holds no record'),
        (lambda nb: nb["cells"][8]["metadata"].clear(), "an image without alt text"),
        (lambda nb: _output(nb, 7, data={"image/png": SOFTWARE}), "names its software"),
        (lambda nb: _output(nb, 4, data={form.WIDGET: {}}), "a widget"),
        (_set(0, source="[a](../notebooks/gone.ipynb#x)"), "link to ../notebooks/gone.ipynb"),
        (_set(0, source="<details>"), "<details> is not closed"),
        (_set(0, source="# 02 · First"), "the Colab badge must name this file"),
        (_set(0, source="# 02 · First"), 'the title must begin with "# 01 · "'),
        (_set(0, source="# 02 · First"), "badge and navigation of cell 0"),
        (_set(1, source="pass"), "the setup cell is not the generated one"),
        (lambda nb: nb["cells"][1]["metadata"].update(tags=[]), 'must have the tag "setup"'),
        (_set(2, source="# NBVAL_IGNORE_OUTPUT"), "keeps the output from being compared"),
        (lambda nb: nb["cells"][2]["metadata"].update(tags=["nbval-skip"]), "'nbval-skip' keeps"),
        (_set(2, source="x" * 80), "a code line has 80 characters"),
        (_set(0, source="x" * 1_000_000), "bytes, at most"),
        (
            lambda nb: nb["cells"][3].update(outputs=nb["cells"][4]["outputs"]),
            "Lemma A · array: 2 claims with one key",
        ),
        (
            lambda nb: nb["cells"][3]["outputs"][0]["metadata"]["verdicts"][0].update(
                statement="Z"),
            "Z · exact: no such statement",
        ),
        (
            lambda nb: nb["cells"][3]["outputs"][0]["data"].update({"text/html": "<b>fine</b>"}),
            "cell 3: a card is not what its records give; run: python -m verdicts stamp",
        ),
        (
            lambda nb: _record(nb, 3).update(
                resolution={"measure": "factor below", "value": 0.4, "tolerance": 0}),
            "Lemma A · exact: half of its bound would not be noticed by it; sharpen it, or say",
        ),
        (
            lambda nb: _record(nb, 3).update(coarse="why not"),
            "Lemma A · exact: says why it is coarse, and is not",
        ),
        (
            lambda nb: [c.update(outputs=[]) for c in notebook.code_cells(nb)],
            "no output holds a verdict",
        ),
    ],
)
def test_defects_of_form_are_named(config, first, change, message):
    edit(first, change)
    messages = form.check_notebook(first, config)
    assert any(message in m for m in messages), messages


def test_mathematics_and_addresses_are_no_paths(config, first):
    source = notebook.read(first)["cells"][0]["source"]
    fine = r"$C:\mathbb{R}\to\mathbb{R}$, https://example.org/home/x, a/work/b"
    edit(first, _set(0, source=source.replace("# 01 · First", f"# 01 · First\n\n{fine}")))
    assert form.check_notebook(first, config) == []


def test_an_expected_error_may_be_stored(config, first):
    def expect(nb):
        nb["cells"][3]["metadata"]["tags"] = ["raises-exception"]
        _output(nb, 2, output_type="error", ename="E")

    edit(first, expect)
    assert form.check_notebook(first, config) == []


# ----------------------------------------------------------------------------- table


def test_the_table(config, capsys):
    assert cli.main(["table", "--check"]) == 0
    assert cli.main(["table"]) == 0
    row = (
        r"| Lemma A | Lemma A \| is true. | 4 hold | 1 refuted | 1.3–2.5 | 33 % – 40 % "
        "| [00](notebooks/00_start.ipynb), [01](notebooks/01_first.ipynb) |"
    )
    assert row in capsys.readouterr().out
    readme = (config.root / "README.md").read_text(encoding="utf-8")
    assert row in readme
    assert readme.endswith("<!-- verdicts:end -->\n\nThe end.\n")
    planned = "| Lemma B | Lemma B \\| is true. | not yet covered | – | – | – | planned: 09 |"
    assert planned in readme
    zero = notebook.read(config.folder / "00_start.ipynb")["cells"][0]["source"]
    assert "[00](00_start.ipynb), [01](01_first.ipynb)" in zero


def test_the_table_of_some_notebooks(config, capsys):
    assert cli.main(["table", "01"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and lines[1].startswith("Lemma A") and "3 hold" in lines[1]
    assert cli.main(["table", "01", "77"]) == 1
    assert "numbers must be those of notebooks; got 77" in capsys.readouterr().err


@pytest.mark.parametrize("change, shown", [
    ({}, "1.5–2.5"),
    ({"slack": False}, "1.5"),  # the ratio of this claim means nothing
    ({"status": "consistent"}, "1.5–2.5"),
    ({"status": "consistent", "numbers": {"lhs": 1.0, "rhs": 0.9}}, "0.90–1.5"),
    ({"kind": "lower", "numbers": {"lhs": 3.0, "rhs": 1.0}}, "1.5–3.0"),
    ({"kind": "tight"}, "1.5"),
])
def test_which_slacks_the_table_counts(change, shown):
    def record(rhs, **change):
        numbers = {"lhs": 1.0, "rhs": rhs}
        return None, {"kind": "upper", "status": "holds", "numbers": numbers} | change

    claims = [record(1.5), record(2.5, **change)]
    assert report._slack(report.Entry(None, claims, [])) == shown


def test_a_stale_table_is_named(config, first, capsys):
    edit(first, lambda nb: nb["cells"][6].update(outputs=[]))  # its control
    assert cli.main(["table", "--check"]) == 1
    assert report.stale(config) == [
        "README.md: stale; run: python -m verdicts table --write",
        "notebooks/00_start.ipynb: stale; run: python -m verdicts table --write",
    ]
    assert report.missing(config) == ["Lemma A: no control in 01_first.ipynb"]


def test_lost_markers_are_named(config):
    readme = config.root / "README.md"
    before = readme.read_bytes()
    readme.write_text("# Tiny\n", encoding="utf-8")
    assert "README.md: the markers" in report.stale(config)[0]
    readme.write_bytes(before)


def test_what_statements_need(config, first, monkeypatch):
    for check in (report.missing, report.unknown, report.too_many):
        assert check(config) == []

    def rename(nb):
        for record in notebook.claims(nb):
            record["statement"] = "Lemma Z"
            record["statistical"] = True

    edit(first, rename)
    assert len(report.unknown(config)) == 4
    assert "01_first.ipynb: Lemma Z · exact: no such statement" in report.unknown(config)[0]
    assert report.missing(config) == [
        "Lemma A: no verdict in 01_first.ipynb",
        "Lemma A: no control in 01_first.ipynb",
    ]
    monkeypatch.setattr(report, "MAX_STATISTICAL_VERDICTS", 3)
    assert report.too_many(config) == ["4 statistical verdicts, at most 3 are allowed for"]


@pytest.mark.parametrize(
    ("value", "shown"), [(1, "1.0"), (2.649, "2.6"), (13.4, "13"), (134, "130"), (2.5e7, "2.5e+07")]
)
def test_slack_has_two_digits(value, shown):
    assert report._two_digits(value) == shown


def test_a_page_without_a_number_stands_beside_the_order(config, first, capsys):
    page = config.folder / "my_page.ipynb"
    before = {p: p.read_bytes() for p in config.all_paths()}
    try:
        nb = copy.deepcopy(notebook.read(first))
        nb["cells"][0]["source"] = "# My page"
        for cell in notebook.code_cells(nb):
            cell["outputs"], cell["execution_count"] = [], None
        notebook.write(page, notebook.dumps(nb))
        assert config.all_paths()[-1] == page and page not in config.notebook_paths()
        assert stamp.stamp(config) == [page]  # no other notebook's navigation changes
        head = notebook.read(page)["cells"][0]["source"]
        assert page.name in head and "[Notation](" in head and "←" not in head and "→" not in head
        assert cli.main(["run", str(page)]) == 0
        assert form.check_notebook(page, config) == []
        assert report.stale(config) == []  # its claims are not in the table
        assert "my_page" not in report.markdown(config)
        status, found = run_pytest(config.root, page)
        assert status == 0, found
        edit(page, lambda nb: _beyond(notebook.code_cells(nb)[2]))
        status, _ = run_pytest(config.root, page)
        assert status == 1  # but they are compared
        edit(page, lambda nb: nb["cells"][0].update(source="My page"))
        assert any("title must begin" in m for m in form.check_notebook(page, config))
    finally:
        page.unlink(missing_ok=True)
    assert before == {p: p.read_bytes() for p in config.all_paths()}


def test_an_empty_collection_has_no_defects(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[tool.verdicts]\n", encoding="utf-8")
    (tmp_path / "README.md").write_text("", encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text(
        '[tool.verdicts]\ntable_files = ["README.md"]\n', encoding="utf-8"
    )
    config = load_config(tmp_path)
    assert config.comparable()
    for check in (report.stale, report.missing, report.unknown, report.too_many):
        assert check(config) == []
    assert execute.run(config) == 0
    assert config.mentions(tmp_path.parent) == tmp_path.parent


def test_a_folder_without_settings(tmp_path):
    assert find_config(tmp_path) is None
    with pytest.raises(FileNotFoundError, match=r"tool\.verdicts"):
        load_config(tmp_path)
