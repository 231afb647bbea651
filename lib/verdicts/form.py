"""The form every notebook keeps, checked by reading its JSON; nothing is run."""

import re
from collections import Counter
from functools import lru_cache

from verdicts import chapter, images, notebook, stamp, teeth
from verdicts.config import numbered
from verdicts.records import name_of, records_of

MAX_BYTES = 1_000_000
MAX_CODE_LINE = 79
WIDGET = "application/vnd.jupyter.widget-view+json"
_IGNORED = re.compile(r"^\s*#\s*(?:NBVAL_\w+|PYTEST_VALIDATE_\w+)", re.MULTILINE)
_REMEDY = "; run: python -m verdicts run"
_ABSOLUTE = re.compile(
    r"""(?<![\w.~/-])/(?:home|tmp|work|root|Users)(?=[/"'])|\bC:\\(?:Users|Windows|Program|Temp)"""
)
_ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]+")
_LINK = re.compile(r"\]\(([^)\s]+\.ipynb)(?:#[^)\s]*)?\)")


def check_notebook(path, config):
    """All defects of form of one notebook, as messages that name the cell; [] if there are none."""
    try:
        nb = notebook.read(path)
    except notebook.Unreadable as error:
        return [str(error)]
    messages = [
        *notebook.stripped(nb),
        *_file(path, nb),
        *_generated(path, nb, config),
        *_claims(nb, config),
        *chapter.complaints(path, nb, config),
        *teeth.complaints(path, notebook.claims(nb), teeth.exceptions(config)),
    ]
    for i, cell in enumerate(nb["cells"]):
        check = _code if cell["cell_type"] == "code" else _markdown
        messages += [f"cell {i}: {m}" for m in [*_cell(cell), *check(cell, path)]]
        messages += [f"cell {i}: {m}" for m in _cards(cell, config)]
        messages += [f"cell {i}: {m}" for m in _unfilled(cell, config)]
    return messages


@lru_cache(maxsize=8)
def _template(path, modified):
    """What the template says and a chapter must put its own words in place of."""
    return {text for cell in notebook.read(path)["cells"] for text in _texts(cell)
            if len(text) >= (40 if text.startswith("#") else 33)}


def _texts(cell):
    """The paragraphs of a text; of a code cell what it says that it does, and what is seen."""
    if cell["cell_type"] == "markdown":
        return [" ".join(p.split()) for p in cell["source"].split("\n\n") if p[:1] != "<"]
    title = re.sub(r"^Figure \S+: ", "", notebook.title_in(cell["source"]))
    return [title, cell["metadata"].get("mystnb", {}).get("image", {}).get("alt", "")]


def _unfilled(cell, config):
    """What still says what the template says."""
    path = config.root / config.template
    if not config.template or not path.is_file():
        return
    words = _template(path, path.stat().st_mtime_ns)
    for text in _texts(cell):
        if text in words or re.search(r"^…$|^\*\*[^*]+\*\* …$", text):
            yield f"the template's own words: {text[:50]!r}"
    if found := re.search(r"# NN\b|Figure NN|\\tag\{NN|[\"']template: [^\"']*", cell["source"]):
        yield f"the template's own words: {found[0]!r}"


def _file(path, nb):
    if path.stat().st_size >= MAX_BYTES:
        yield f"the file has {path.stat().st_size} bytes, at most {MAX_BYTES} are allowed"
    counts = [c["execution_count"] for c in notebook.code_cells(nb)]
    if None not in counts and counts != list(range(1, len(counts) + 1)):
        yield f"execution counts must be 1 to {len(counts)} in order, not {counts}"
    if nb["metadata"].get("kernelspec", {}).get("name") != "python3":
        yield 'the kernelspec must be named "python3"'
    if extra := set(nb["metadata"].get("language_info", {})) - {"name"}:
        yield f"language_info must hold the name only, not {sorted(extra)}"
    if extra := set(nb["metadata"]) - notebook.NOTEBOOK_METADATA:
        yield f"notebook metadata of one program: {sorted(extra)}{_REMEDY}"
    ids = Counter(c.get("id") for c in nb["cells"])
    if bad := [str(i) for i, n in ids.items() if n > 1 or i is None]:
        yield f"cell ids must be unique: {bad}{_REMEDY}"


def _generated(path, nb, config):
    cells = nb["cells"]
    if not cells or cells[0]["cell_type"] != "markdown":
        yield "the first cell must be Markdown: badge, title, navigation"
        return
    source = cells[0]["source"]
    remedy = "run: python -m verdicts stamp"
    if source.split("\n")[0] != stamp.badge(config, path):
        yield f"the Colab badge must name this file in {config.repository}; {remedy}"
    number = f"{path.name[:2]} · " if numbered(path) else ""
    if not re.search(rf"^# {number}\w", source, re.MULTILINE):
        yield f'the title must begin with "# {number}"'
    if source != stamp.first_cell(config, path, source):
        yield f"badge and navigation of cell 0 are not the generated ones; {remedy}"
    code = notebook.code_cells(nb)
    setup = [c for c in code if "setup" in notebook.tags(c)]
    if code and (len(setup) != 1 or setup[0] is not code[0]):
        yield 'the first code cell, and no other, must have the tag "setup"'
    for cell in setup:
        metadata = {k: cell["metadata"].get(k) for k in stamp.SETUP_METADATA}
        if cell["source"] != stamp.setup_source(config) or metadata != stamp.SETUP_METADATA:
            yield f"the setup cell is not the generated one; {remedy}"


def _claims(nb, config):
    claims = notebook.claims(nb)
    for (statement, key), n in Counter((r["statement"], r["key"]) for r in claims).items():
        if n > 1:
            yield f"{statement} · {key}: {n} claims with one key"
    if config.statements:
        known = {s.id for s in config.registry()}
        for record in claims:
            if record["statement"] not in known:
                yield f"{name_of(record)}: no such statement is registered"


def _cell(cell):
    if extra := set(cell["metadata"]) - notebook.CELL_METADATA:
        yield f"metadata of one program or of one run: {sorted(extra)}{_REMEDY}"
    yield from _places(cell["source"], "source")


def _places(text, where):
    if found := _ABSOLUTE.search(text):
        yield f"absolute path {found[0]!r} in its {where}"
    if found := _ADDRESS.search(text):
        yield f"memory address {found[0]!r} in its {where}"


def _markdown(cell, path):
    source = cell["source"]
    for link in _LINK.findall(source):
        if "://" not in link and not (path.parent / link).is_file():
            yield f"link to {link}, which does not exist"
    if source.count("<details") != source.count("</details>"):
        yield "<details> is not closed"


def _code(cell, path):
    generated = "setup" in notebook.tags(cell)  # it has an address, however long
    for line in cell["source"].split("\n"):
        if len(line) > MAX_CODE_LINE and not generated:
            yield f"a code line has {len(line)} characters, at most {MAX_CODE_LINE}: {line[:40]!r}…"
    ignored = _IGNORED.findall(cell["source"]) + [
        t for t in notebook.tags(cell) if t.startswith("nbval-")
    ]
    if ignored:
        yield f"{ignored[0].strip()!r} keeps the output from being compared"
    for output in cell["outputs"]:
        yield from _output(cell, output)


def _cards(cell, config):
    for data, markup in stamp.cards(config, cell):
        if data.get("text/html") != markup:
            yield "a card is not what its records give; run: python -m verdicts stamp"


def _output(cell, output):
    kind, data = output["output_type"], output.get("data", {})
    if kind == "stream" and output["name"] == "stderr":
        yield f"stored stderr: {output['text'][:60]!r}{_REMEDY}"
    if kind == "error" and "raises-exception" not in notebook.tags(cell):
        yield f"stored error {output['ename']}"
    if WIDGET in data:
        yield "a widget or progress bar, which no static page can show"
    texts = [output.get("text", ""), *output.get("traceback", [])]
    texts += [v for m, v in data.items() if isinstance(v, str) and not m.startswith("image/")]
    for text in texts:
        yield from _places(text, "output")
    example = output.get("metadata", {}).get("verdicts_example")
    if any("≈" in t for t in texts) and not records_of([output]) and not example:
        yield '"≈" in an output that holds no record: nothing would compare the number'
    if any(m.startswith("image/") for m in data) and not chapter.alt_of(cell).strip():
        yield "an image without alt text (cell metadata mystnb.image.alt)"
    if "image/png" in data and images.has_software(data["image/png"]):
        yield f"a PNG that names its software{_REMEDY}"
