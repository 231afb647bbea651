"""The form of a chapter: story first, evidence after; checked by reading its JSON, nothing is run.

A chapter that does not meet a rule yet is a line "NN rule" of the file that the settings name
``unmended``; a line that is no longer needed is refused.  What must be measured on the built page
(``MEASURED``) has its lines in the same file.
"""

import ast
import itertools
import re

from verdicts import notebook
from verdicts.config import numbered

TITLE, SENTENCE, CELL_TITLE = 45, 35, 60  # characters, words, characters
CAPTION, ALT, NEED, HERO = (15, 60), 15, 8, 10  # words, words, symbols, lines of code
RULES = {
    "title": f"the title has at most {TITLE} characters behind its number",
    "sentence": f"cell 1 is one quoted sentence of at most {SENTENCE} words, without a formula",
    "hero": f"cells 2 and 3 are set-up and first figure, {HERO} lines of code in all",
    "captions": "under each figure, in order, **Figure N.k.** and 15 to 60 words",
    "need": f"before the first section a table **You need.** of at most {NEED} symbols",
    "symbols": "no symbol of the notation is used before it is introduced",
    "audit": "what sentence, captions and alt texts say of all cases names the claims it rests on",
    "sections": "sections What this does not say, Exercises and Evidence, in this order",
    "labels": "letters in figures are typeset",
}
MEASURED = {
    "first figure": "the first figure begins within 0.6 screens, on a phone 0.9",
    "screens": "at most 12 screens, 18 of a phone",
    "story": "at most 7 screens before the Evidence",
    "figures": "at least 4 figures, at least 15 % of the height",
    "code": "at most 5 % of the height is code",
    "tables": "no table of 8 rows or more is unfolded",
    "output": "no output but cards, tables and figures",
    "bytes": "figures at twice the pixels shown, at most 60 kB, animations 250 kB",
    "deck": "12 to 15 slides, a note on each, nothing cut, nothing from the network",
}
_ALL = re.compile(
    r"\b(?:all|every|each|always|never|none|between|at (?:most|least)|agrees?)\b", re.IGNORECASE)
_COMMENT = re.compile(r"<!--(.*?)-->", re.DOTALL)
_FIGURE = re.compile(r"\*\*Figure (\d+)\.(\d+)\.\*\* ")
_FORMULA = re.compile(r"\$\$.+?\$\$|\$[^$]+\$", re.DOTALL)
_ASCII = re.compile(
    r"\b(?:alpha|beta|gamma|delta|eps(?:ilon)?|eta|theta|kappa|lambda|mu|rho|sigma|tau)(?:\b|_|\^)"
    r"|\b(?:n_loc|KL_0|l_sm|l_dsm)\b")
_DRAWN = {"annotate", "text", "set_title", "set_xlabel", "set_ylabel", "suptitle", "supxlabel",
          "supylabel", "legend", "forbidden"}
_NAMED = {"xlabel", "ylabel", "title", "label", "words"}


def complaints(path, nb, config):
    """What is wrong with the form of a chapter, as messages: its cells; rules, but those in the
    list of exceptions; exceptions without need."""
    if not config.unmended or not numbered(path):
        return
    yield from hidden(nb["cells"])
    if notebook.stripped(nb):
        return
    found, number = {}, path.name[:2]
    for rule, message in _broken(path, nb, config):
        found.setdefault(rule, []).append(message)
    excused = exceptions(config).get(number, set())
    for rule, messages in found.items():
        if rule not in excused:
            yield from (f"{message} ({rule}: {RULES[rule]})" for message in messages)
    for rule in sorted(excused - set(found) - set(MEASURED)):
        yield f"keeps the rule {rule!r}: take {number} {rule!r} out of {config.unmended}"


def exceptions(config):
    """Number of a chapter -> the rules that it need not keep yet.

    ValueError for a line that names no rule.
    """
    listed = {}
    for line in config.listed(config.unmended):
        number, _, rule = line.partition(" ")
        if rule not in {*RULES, *MEASURED}:
            raise ValueError(f"{config.unmended}: no such rule: {line!r}")
        listed.setdefault(number, set()).add(rule)
    return listed


def has_figure(cell):
    """Whether a cell shows a picture."""
    return any(m.startswith("image/") for o in cell.get("outputs", []) for m in o.get("data", {}))


def caption_of(cell):
    """(number, k) and text of a Markdown cell that is a figure's caption; None if it is not."""
    found = _FIGURE.match(cell["source"]) if cell["cell_type"] == "markdown" else None
    if not found:
        return None
    text = cell["source"].partition("\n\n")[0]
    return (int(found[1]), int(found[2])), text[found.end():]


def figures(nb):
    """(number, k) of each figure with a caption -> its PNG in base64, alt text, caption."""
    found = {}
    for cell, below in itertools.pairwise(nb["cells"]):
        caption, shown = caption_of(below), notebook.pictures(cell)
        if caption and shown:
            found[caption[0]] = shown[0]["data"]["image/png"], alt_of(cell), caption[1]
    return found


def alt_of(cell):
    """The alt text of a cell's figure."""
    return cell["metadata"].get("mystnb", {}).get("image", {}).get("alt", "")


def words(text):
    """How many words a text has; a formula is one, a comment none."""
    return len(re.findall(r"\S*\w\S*", _FORMULA.sub("x", _COMMENT.sub("", text))))


def stated(source, name):
    """What the comments ``<!-- name: a; b -->`` of a cell list."""
    lists = (c.strip() for c in _COMMENT.findall(source))
    found = [c.partition(":")[2] for c in lists if c.partition(":")[0].strip() == name]
    return [item.strip() for text in found for item in text.split(";") if item.strip()]


def _broken(path, nb, config):
    cells = nb["cells"]
    yield from _titles(cells)
    yield from _first_cells(cells)
    yield from _figures(cells, int(path.name[:2]))
    yield from _symbols(cells, config.symbols)
    yield from _audit(nb)
    headings = [h.strip() for c in cells if c["cell_type"] == "markdown"
                for h in re.findall(r"^## (.+)$", c["source"], re.MULTILINE)]
    wanted = ["What this does not say", "Exercises", "Evidence"]
    if [h for h in headings if h in wanted] != wanted:
        yield "sections", f"of {wanted} it has {[h for h in headings if h in wanted]}"


def _titles(cells):
    heading = re.search(r"^# (?:\d\d · )?(.+)$", cells[0]["source"], re.MULTILINE)
    if heading and len(heading[1].strip()) > TITLE:
        yield "title", f"{heading[1].strip()!r} has {len(heading[1].strip())} characters"


def hidden(cells):
    """Hard rules of the cells: titles that differ, code folded but in one cell; as messages."""
    seen, visible = {}, 0
    for i, cell in enumerate(cells):
        if cell["cell_type"] != "code" or "setup" in notebook.tags(cell):
            continue
        title = notebook.title_in(cell["source"])
        if not title:
            yield f"cell {i}: no title, as its first line: #@title what it does"
        elif len(title) > CELL_TITLE:
            yield f"cell {i}: its title has {len(title)} characters, at most {CELL_TITLE}"
        elif title in seen:
            yield f"cell {i}: the title of cell {seen[title]}"
        seen.setdefault(title, i)
        folded = {"cellView": "form", "jupyter": {"source_hidden": True}}
        if "hide-input" not in notebook.tags(cell):
            visible += 1
        elif {k: cell["metadata"].get(k) for k in folded} != folded:
            yield f"cell {i}: folded on the site only: its metadata lacks {folded}"
    if visible > 1:
        yield f"{visible} visible cells of code, at most one (Try it) may be"


def _first_cells(cells):
    if len(cells) < 4:
        yield "hero", "it has less than four cells"
        return
    sentence = cells[1]["source"]
    text = " ".join(line.removeprefix(">").strip() for line in sentence.split("\n"))
    count = words(text.replace("**In one sentence.**", ""))
    plain = _COMMENT.sub("", sentence).strip()
    if not plain.startswith("> **In one sentence.**") or "\n\n" in plain:
        yield "sentence", "cell 1 is not one quoted sentence"
    if count > SENTENCE or "$" in text:
        yield "sentence", f"the sentence has {count} words" + " and a formula" * ("$" in text)
    code = [c for c in cells[:4] if c["cell_type"] == "code"]
    lines = sum(len(c["source"].split("\n")) for c in code)
    placed = cells[2] in code and "setup" in notebook.tags(cells[2]) and has_figure(cells[3])
    if not placed or lines > HERO:
        yield "hero", f"{lines} lines of code before the end of cell 3" if placed else (
            "cells 2 and 3 are not set-up and first figure")


def _figures(cells, number):
    k = 0
    for i, cell in enumerate(cells):
        if cell["cell_type"] != "code" or not has_figure(cell):
            continue
        k += 1
        found = caption_of(cells[i + 1]) if i + 1 < len(cells) else None
        if not found or found[0] != (number, k):
            yield "captions", f"cell {i + 1} does not begin with **Figure {number}.{k}.**"
        elif not CAPTION[0] <= words(found[1]) <= CAPTION[1]:
            yield "captions", f"the caption of Figure {number}.{k} has {words(found[1])} words"
        if words(alt_of(cell)) < ALT:
            yield "captions", f"the alt text of Figure {number}.{k} has {words(alt_of(cell))} words"
        for label in labels(cell["source"]):
            if _ASCII.search(_FORMULA.sub("", label)):
                yield "labels", f"cell {i}: {label!r}"


def labels(source):
    """The texts that a piece of code draws: axis labels, titles, annotations, legends."""
    try:
        tree = ast.parse(notebook.without_magics(source))
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        parts = [k.value for k in node.keywords if k.arg in _NAMED]
        parts += node.args if name in _DRAWN else []
        for part in parts:
            yield from _texts(part)


def _texts(node):
    """The strings below a node; of an f-string the text with 0 for what is put in."""
    if isinstance(node, ast.JoinedStr):
        yield "".join(v.value if isinstance(v, ast.Constant) else "0" for v in node.values)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    else:
        for child in ast.iter_child_nodes(node):
            yield from _texts(child)


def _symbols(cells, symbols):
    """The table of what is needed, and the first use of each symbol."""
    texts = [(i, _COMMENT.sub("", c["source"]), c["source"]) for i, c in enumerate(cells)
             if c["cell_type"] == "markdown" and i]
    needs = [(i, t) for i, t, _ in texts if t.lstrip().startswith("**You need.**")]
    section = next((i for i, t, _ in texts if re.search(r"^## ", t, re.MULTILINE)), len(cells))
    if len(needs) != 1 or needs[0][0] >= section:
        yield "need", "no table **You need.** before the first section"
        return
    place, strip = needs[0]
    rows = re.findall(r"^\|([^|\n]*\$[^|\n]*)\|", strip, re.MULTILINE)
    if not 1 <= len(rows) <= NEED:
        yield "need", f"{len(rows)} symbols"
    formulas = [(i, " ".join(_FORMULA.findall(t)), full) for i, t, full in texts]
    for name, pattern in symbols.items():
        first = next(((i, full) for i, t, full in formulas if re.search(pattern, t)), None)
        if first is None or re.search(pattern, " ".join(_FORMULA.findall(strip))):
            continue
        if first[0] < place:
            yield "symbols", f"{name} is used in cell {first[0]}, before what is needed"
        elif name not in stated(first[1], "introduces"):
            yield "symbols", (f"{name} is first used in cell {first[0]}, which does not say that "
                              f"it introduces it: <!-- introduces: {name} -->")


def _audit(nb):
    keys = {r["key"] for r in notebook.claims(nb)}
    cells = nb["cells"]
    for i, cell in enumerate(cells):
        for key in stated(cell["source"], "claims") if cell["cell_type"] == "markdown" else ():
            if key != "by definition" and key not in keys:
                yield "audit", f"cell {i} rests on {key!r}, which is no claim of this notebook"
    audited = {1: cells[1]["source"]}
    for i, cell in enumerate(cells):
        if found := caption_of(cell):
            audited[i] = f"{found[1]} {alt_of(cells[i - 1])}"
    for i, text in audited.items():
        said = _ALL.findall(_COMMENT.sub("", text))
        if said and not stated(cells[i]["source"], "claims"):
            yield "audit", f"cell {i} says {said[0]!r}: <!-- claims: key; key -->"
