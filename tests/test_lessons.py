"""Lessons and TEACHING.md name what is in the notebooks (``make book-test`` looks at the decks)."""

import ast
import base64
import html.parser
import re
import sys
from pathlib import Path

import pytest

from verdicts import chapter, notebook
from verdicts.config import load_config

CONFIG = load_config(Path(__file__).parent)
ROOT = CONFIG.root
sys.path.insert(0, str(ROOT / "book"))

import deck  # noqa: E402
import slides  # noqa: E402

LESSONS = sorted(path.stem for path in deck.LESSONS.glob("*.md"))
TEACHING = (ROOT / "TEACHING.md").read_text(encoding="utf-8")


class Found(html.parser.HTMLParser):
    """How many slides a deck has, the words of their notes, the pictures."""

    def __init__(self, page):
        super().__init__()
        self.slides, self.notes, self.images, self.inside = 0, [], [], False
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.slides += tag == "section"
        if tag == "aside":
            self.inside = True
            self.notes.append("")
        if tag == "img":
            self.images.append((given["src"], given["alt"]))

    def handle_endtag(self, tag):
        if tag == "aside":
            self.inside = False

    def handle_data(self, data):
        if self.inside:
            self.notes[-1] += data


@pytest.mark.parametrize("number", LESSONS)
def test_a_lesson_names_what_its_notebook_has(number):
    """All figures and claims that it asks for are there, in 12 to 15 slides, with notes."""
    made = deck.Deck(CONFIG, number)
    found = Found(made.page)
    assert 12 <= found.slides <= 15 and len(found.notes) == found.slides
    assert all(chapter.words(note) >= 15 for note in found.notes)
    assert all(chapter.words(alt) >= chapter.ALT for _, alt in found.images)
    assert not re.search(r"(?:src|href)=.(?:https?:)?//", made.page)


def test_figures_and_claims_are_the_stored_ones():
    made = deck.Deck(CONFIG, "04")
    nb = notebook.read(CONFIG.notebook(4))
    hero = next(c for c in notebook.code_cells(nb) if "hero" in notebook.tags(c))
    (picture,) = (o["data"]["image/png"] for o in hero["outputs"] if "image/png" in o["data"])
    src, alt = Found(made.page).images[0]
    assert base64.b64decode(src.partition("base64,")[2]) == base64.b64decode(picture)
    assert alt == hero["metadata"]["mystnb"]["image"]["alt"]
    (shown,) = (s for s in made.slides if "exchange, by enumeration" in s)
    key = "exchange without replacing the point"
    (record,) = (r for r in notebook.claims(nb) if r["key"] == key)
    assert f"<b>refuted, as it must be</b> Theorem 3 · {key} (control of identity)" in shown
    assert f"point not replaced ≈ {record['numbers']['rhs']:.4g} is false" in shown
    assert 'class="claim fragment"' in shown and 'class="claim shown"' in shown


NOTE = "\n\nNote:\nfor the speaker"
SLIDES = {  # what is on the second slide, and what is said of it
    "!figure 4.99": r"notebook 04 has no Figure 4\.99",
    "!figure 97.1": "0 notebooks with number 97",
    "!claim no such key": "notebook 04 has no claim 'no such key'",
    "!claim 05 exchange, by enumeration": "notebook 05 has no claim 'exchange, by enumeration'",
    "<!-- step -->": "no item, paragraph, figure or claim is before",
    "Note:\nof $x$": "a formula in the notes",
    "!figures 4.1": "a line that is neither !figure nor !claim: !figures 4.1",
    "!figure four": "invalid literal .*'four'",
}


@pytest.mark.parametrize("body", SLIDES)
def test_what_is_missing_is_named_with_its_slide(body):
    text = f"# A{NOTE}\n\n---\n\n## The second\n\n{body}{NOTE}\n"
    with pytest.raises(LookupError, match=rf"^lesson 04, slide 2 \(The second\): {SLIDES[body]}"):
        deck.Deck(CONFIG, 4, text)


def test_a_slide_without_heading_or_notes():
    with pytest.raises(LookupError, match=r"lesson 04, slide 1 \(\): it does not begin with"):
        deck.Deck(CONFIG, 4, f"text{NOTE}")
    with pytest.raises(LookupError, match=r"slide 2 \(B\): it has no notes"):
        deck.Deck(CONFIG, 4, f"# A{NOTE}\n---\n## B\n\ntext")


def test_steps_formulas_and_other_notebooks():
    """Formulas reach MathJax as they are; a step is a class of its item; figures have a number."""
    text = f"## A *b*\n\n1. $a_1<b_2$ <!-- step -->\n2. two\n\n!figure 5.1 <!-- step -->{NOTE}\n"
    made = deck.Deck(CONFIG, 4, text)
    (slide,) = made.slides
    assert '<li class="fragment">$a_1&lt;b_2$</li>' in slide and "<li>two</li>" in slide
    assert '<figure class="fragment">' in slide and slide.startswith('<section class="full">')
    assert "<title>A b</title>" in made.page


def test_a_chapter_without_a_lesson_keeps_its_slides(monkeypatch):
    monkeypatch.setattr(deck, "build", lambda config, number: f"deck {number}")
    monkeypatch.setattr(slides, "export", lambda config, number: f"slides {number}")
    assert slides.make(CONFIG, "4") == "deck 4" and slides.make(CONFIG, "00") == "slides 00"


# ----------------------------------------------------------------------------- TEACHING.md

_QUOTED = r'["“]([^"”]+)["”]'
# Number of a lesson, and what stands there behind Live until the next words in italics.
_LIVE = r"^\*\*(\d+) · (?:(?!\n\n).)+?\*Live\*: (.+?)(?=\*[A-Z][^*]*\*[:,]|\n\n|\Z)"
_HIDDEN = re.compile(r"\$\$.+?\$\$|\$[^$]+\$|`[^`]*`|\d*\.\d+", re.DOTALL)


def names(nb):
    """Headings, titles of code cells, and what stands in bold at the beginning of a line."""
    for cell in nb["cells"]:
        if cell["cell_type"] == "code":
            yield notebook.title_in(cell["source"])
        else:
            yield from re.findall(r"^#+ (.+)$", cell["source"], re.MULTILINE)
            yield from re.findall(r"^(?:> )?\*\*(.+?)\*\*", cell["source"], re.MULTILINE)


def exercises(nb):
    """The numbers of its exercises."""
    text = "\n\n".join(c["source"] for c in nb["cells"] if c["cell_type"] == "markdown")
    text = text.partition("\n## Exercises\n")[2].partition("\n## ")[0]
    return re.findall(r"^(?:\*\*)?(\d)(?:\.|\*\*| \()", text, re.MULTILINE)


def variables(nb):
    """Every name and every argument in its code."""
    for cell in notebook.code_cells(nb):
        code = re.sub(r"^([ \t]*)[%!].*", r"\1pass", cell["source"], flags=re.MULTILINE)
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.Name):
                yield node.id
            elif isinstance(node, ast.arg | ast.keyword):
                yield node.arg


def rows(text):
    """Lesson -> (its notebooks, its exercises as (notebook, number))."""
    found = {}
    for row in re.findall(r"^\| (\d+) \|[^|]*\|([^|]*)\|.*?\|([^|]*)\|([^|]*)\|([^|]*)\|$", text,
                          re.MULTILINE):
        number, read, *stars = row
        asked, here = [], None
        for place, exercise in re.findall(r"(\d\d):|\b(\d)\b", " ".join(stars)):
            here = place or here
            asked += [(here, exercise)] if exercise else []
        found[number] = (re.findall(r"\d\d", read), asked)
    return found


def complaints(text):
    """What a text like TEACHING.md names and no notebook has."""
    stored = {p.name[:2]: notebook.read(p) for p in CONFIG.notebook_paths()}
    for number in re.findall(r"(?<!\d)\d\d(?!\d)", _HIDDEN.sub("", text)):
        if number not in stored:
            yield f"no notebook {number}"
    lessons = rows(text)
    asked = [pair for _, more in lessons.values() for pair in more]
    asked += [(n, k) for k, n in re.findall(r"exercise\s(\d)\s+of\s(\d\d)", text)]
    wanted = [(name, [n]) for name, n in re.findall(rf"[Ss]ee {_QUOTED}\s+in\s(\d\d)", text)]
    for number, live in re.findall(_LIVE, text, re.MULTILINE | re.DOTALL):
        read = lessons[number][0]
        wanted += [(name, read) for name in re.findall(_QUOTED, live)]
        code = {name for n in read for name in variables(stored[n])}
        there = {k for n in read for k in exercises(stored[n])}
        for name in set(re.findall(r"`([^`]+)`", live)) - code:
            yield f"lesson {number}: no variable {name} in {read}"
        for k in set(re.findall(r"exercise\s(\d)(?!\s+of)", live)) - there:
            yield f"lesson {number}: no exercise {k} in {read}"
    for number, k in asked:
        if k not in exercises(stored[number]):
            yield f"no exercise {k} in {number}"
    for name, places in wanted:
        name = " ".join(name.split())
        if not any(name in known for n in places for known in names(stored[n])):
            yield f"no section or cell {name!r} in {places}"


def test_teaching_names_what_there_is():
    lessons = rows(TEACHING)
    assert len(lessons) == 10 and all(read and asked for read, asked in lessons.values())
    assert len(re.findall(_LIVE, TEACHING, re.MULTILINE | re.DOTALL)) == 10
    assert list(complaints(TEACHING)) == []


@pytest.mark.parametrize("old, new, complaint", [
    ("| 03: 1 |", "| 03: 7 |", "no exercise 7 in 03"),
    ("(exercise 1\nof 06)", "(exercise 8\nof 06)", "no exercise 8 in 06"),
    ("U-curves of 14", "U-curves of 41", "no notebook 41"),
    ('"Try it", with $', '"Try that", with $', "no section or cell 'Try that' in ['04']"),
    ("in `snr`", "in `gamma_s`", "lesson 4: no variable gamma_s in ['04']"),
    ("\nexercise 4, the", "\nexercise 9, the", "lesson 4: no exercise 9 in ['04']"),
    ('removes the U" in 14', 'removes the W" in 14',
     "no section or cell 'Negative controls: what removes the W' in ['14']"),
])
def test_a_wrong_name_in_teaching_is_noticed(old, new, complaint):
    assert TEACHING.count(old) == 1
    assert list(complaints(TEACHING.replace(old, new))) == [complaint]


def test_the_numbers_of_lesson_4_are_those_of_its_cell():
    nb = notebook.read(CONFIG.notebook(4))
    (cell,) = (c for c in notebook.code_cells(nb)
               if notebook.title_in(c["source"]).startswith("Try it"))
    (output,) = cell["outputs"]
    sizes = re.findall(r"^(\d+) ", output["data"]["text/plain"], re.MULTILINE)
    slacks = output["metadata"]["verdicts"]["numbers"]["slack"]
    lesson = deck.lesson(4).read_text(encoding="utf-8")
    for n, slack in zip(sizes, slacks, strict=True):
        assert f"{slack:.2f} at $N={n}$" in TEACHING and f"{slack:.2f}" in lesson
    assert "the peak is 4.30 at $N=20$" in TEACHING and "4.30 at N = 20" in lesson
    claim, _ = deck.claims(nb)["the peak at snr 16 is 4.296"]
    assert claim["status"] == "holds"


@pytest.mark.parametrize("edits, noise", [
    ({}, 0.1), ({"upsilon=4.0": "upsilon=2.0"}, 0.1), ({"upsilon=4.0": "upsilon=0.9"}, 0.1),
    ({"(0.15, 0.1, 0.075)": "(0.3, 0.2, 0.15)"}, (0.3, 0.2, 0.15)),
])
def test_the_numbers_of_lesson_9_are_those_of_its_cells(edits, noise):
    """The edits that the lesson names, made in the two cells it names."""
    cells = {notebook.title_in(c["source"]): c["source"]
             for c in notebook.code_cells(notebook.read(CONFIG.notebook(18)))}
    (chain,) = (cells[t] for t in cells if t.startswith("The chain, bracketed"))
    code = cells["Imports and settings"] + "\n" + chain.partition("green = ")[0]
    for old, new in edits.items():
        assert code.count(old) == 1
        code = code.replace(old, new)
    names: dict = {}
    exec(code, names)
    wanted = noise if isinstance(noise, tuple) else (noise,)
    live = re.findall(_LIVE, TEACHING, re.MULTILINE | re.DOTALL)[8][1]
    printed = [float(x) for x in re.findall(r"\$([\d.]+)\$", live)]
    for s in wanted:
        low, high = names["chains"][s].green()
        assert any(0.995 * low < x < 1.005 * high for x in printed), (s, low, high, printed)


def test_the_numbers_of_lesson_3_are_those_of_its_cell():
    nb = notebook.read(CONFIG.notebook(3))
    (cell,) = (c for c in notebook.code_cells(nb)
               if notebook.title_in(c["source"]).startswith("Try it"))
    (share,) = cell["outputs"][0]["metadata"]["verdicts"]["numbers"]["eps_stab^2 / (L - L̂)"]
    assert "sigma = 0.05 " in cell["source"]
    assert f"{share:.2f} of the gap is stability at 0.05" in TEACHING
    claim, _ = deck.claims(nb)["the answer of Try it, sigma = 0.09"]
    assert claim["status"] != "violated" and 0.46 < claim["numbers"]["lhs"] < 0.5
    assert "half of it just below 0.09" in TEACHING
