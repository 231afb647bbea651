"""A deck from a lesson and the stored notebook; nothing is executed, nothing asked of a network.

    python book/slides.py 04        writes build/slides/04.html if there is book/lessons/04.md

Arrow keys turn the slides, ``s`` opens the speaker's view. A lesson is Markdown with formulas in
dollars. A line ``---`` ends a slide, a heading begins it, and on it:

    !figure 4.1         the stored picture above the caption "Figure 4.1", as large as fits
    !claim KEY          status, numbers and line of a stored claim; of notebook 07: !claim 07 KEY
    <!-- step -->       behind an item, a paragraph or one of these lines: it appears on a click
    Note:               what only the speaker sees, to the end of the slide; no formulas
"""

import html
import re
from pathlib import Path

import npm
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from verdicts import cards, chapter, notebook

HERE = Path(__file__).resolve().parent
LESSONS = HERE / "lessons"
STEP = "<!-- step -->"
_LINE = re.compile(rf"^!(figure|claim) (?:(\d\d) )?(.+?)[ ]*({STEP})?[ ]*$", re.MULTILINE)
_BEFORE_STEP = re.compile(rf"<(li|p)>((?:(?!<(?:li|p)>).)*?)\s*{STEP}", re.DOTALL)
_MATHJAX = """{
  tex: {inlineMath: [["$", "$"]], displayMath: [["$$", "$$"]]},
  chtml: {matchFontHeight: false, scale: 1.1},
  options: {ignoreHtmlClass: "notes"}
}"""
_REVEAL = """{
  width: 1280, height: 720, margin: 0, center: false, display: "flex", transition: "none",
  hash: true, slideNumber: "c/t", pdfSeparateFragments: false, plugins: [RevealNotes]
}"""
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>TITLE</title>
<link rel="stylesheet" href="reveal/dist/reset.css">
<link rel="stylesheet" href="reveal/dist/reveal.css">
<link rel="stylesheet" href="reveal/dist/theme/white.css">
<style>
STYLE</style>
</head>
<body>
<div class="reveal"><div class="slides">
SLIDES
</div></div>
<script>MathJax = MATHJAX</script>
<script src="mathjax/tex-mml-chtml.js"></script>
<script src="reveal/dist/reveal.js"></script>
<script src="reveal/plugin/notes/notes.js"></script>
<script>Reveal.initialize(REVEAL)</script>
</body>
</html>
"""


def lesson(number):
    """The path of the lesson of the notebook with this number, whether there is one or not."""
    return LESSONS / f"{int(number):02d}.md"


def figures(nb):
    """Name of each figure with a caption, "4.1" -> (PNG in base64, alt text)."""
    return {f"{number}.{k}": (png.replace("\n", ""), alt)
            for (number, k), (png, alt, _) in chapter.figures(nb).items()}


def claims(nb):
    """Key of each claim -> its record and its line."""
    found = {}
    for cell in notebook.code_cells(nb):
        for _, records, lines in notebook.cards(cell):
            found |= {r["key"]: (r, text) for r, text in zip(records, lines, strict=True)}
    return found


def _figure(png, alt, shown):
    return (f'<figure class="{shown}"><img src="data:image/png;base64,{png}" '
            f'alt="{html.escape(alt)}"></figure>')


def _claim(record, written, shown):
    of = record.get("of")
    named = [record[k] for k in ("statement", "key", "kind", "status")]
    first, *more = written.removeprefix(cards.line(*named, "", of)).strip().split("; ")
    word = cards.WORDS.get(record["status"], record["status"])
    return (
        f'<div class="claim {shown}" style="border-color:{cards.COLOURS[record["status"]]}">'
        f'<p><b>{word}</b> {html.escape(record["statement"])} · {cards.pretty(record["key"])} '
        f"({cards.kind_words(record['kind'], of)})</p>"
        f'<p class="numbers">{cards.pretty(first, "for_all" in (record["kind"], of))}</p>'
        f'<p class="more">{cards.pretty("; ".join(more))}</p></div>'
    )


def _heading(source):
    found = re.match(r"##? +(.+)", source)
    return found[1].strip() if found else ""


def _markup(text):
    renderer = IPythonRenderer(escape=False, exclude_anchor_links=True)
    markup = MarkdownWithMath(renderer=renderer).render(text)
    return _BEFORE_STEP.sub(r'<\1 class="fragment">\2', markup)


class Deck:
    """The slides of a lesson. LookupError, where something is missing, names lesson and slide."""

    def __init__(self, config, number, text=None):
        self.config, self.number = config, f"{int(number):02d}"
        text = lesson(number).read_text(encoding="utf-8") if text is None else text
        sources = re.split(r"^---[ ]*$", text, flags=re.MULTILINE)
        self._notebooks = {}
        self.slides = [self._slide(place, s.strip()) for place, s in enumerate(sources, 1)]
        self.title = _heading(sources[0].strip())

    def _slide(self, place, source):
        """The markup of one slide."""
        heading = _heading(source)
        try:
            if not heading:
                raise LookupError("it does not begin with a heading")
            body, _, notes = source.partition("\nNote:")
            if not notes.strip():
                raise LookupError("it has no notes for the speaker (Note:)")
            if "$" in notes:
                raise LookupError("a formula in the notes; the speaker's view shows none")
            body = _LINE.sub(self._stored, body)
            if other := re.search(r"^!\w.*", body, re.MULTILINE):
                raise LookupError(f"a line that is neither !figure nor !claim: {other[0]}")
            markup = _markup(body)
            if STEP in markup:
                raise LookupError(f"no item, paragraph, figure or claim is before {STEP}")
        except (LookupError, ValueError) as error:
            where = f"lesson {self.number}, slide {place} ({heading})"
            raise LookupError(f"{where}: {error}") from None
        full = "<figure " in body
        kind = "title" if source.startswith("# ") else "full" if full else "text"
        return (f'<section class="{kind}">\n{markup}<aside class="notes">\n{_markup(notes)}'
                "</aside>\n</section>")

    def _stored(self, match):
        """The markup of a figure or claim that a line asks for."""
        kind, number, name, step = match.groups()
        if kind == "figure":
            number, what = name.split(".")[0], f"Figure {name}"
        else:
            number, what = number or self.number, f"claim {name!r}"
        path = self.config.notebook(number)
        if path not in self._notebooks:
            nb = notebook.read(path)
            self._notebooks[path] = {"figure": figures(nb), "claim": claims(nb)}
        if name not in self._notebooks[path][kind]:
            raise LookupError(f"notebook {path.name[:2]} has no {what}")
        show = _figure if kind == "figure" else _claim
        return f"\n{show(*self._notebooks[path][kind][name], 'fragment' if step else 'shown')}\n"

    @property
    def page(self):
        """The HTML of the deck; reveal.js and MathJax are looked for beside it."""
        parts = {"TITLE": html.escape(re.sub(r"[$*]", "", self.title)), "MATHJAX": _MATHJAX,
                 "STYLE": (HERE / "deck.css").read_text(encoding="utf-8"), "REVEAL": _REVEAL,
                 "SLIDES": "\n".join(self.slides)}
        return re.sub(r"\b(?:TITLE|STYLE|SLIDES|MATHJAX|REVEAL)\b", lambda m: parts[m[0]], _PAGE)


def build(config, number):
    """Write a deck and what it needs; the path of the page. SystemExit where npm gives nothing."""
    deck = Deck(config, number)
    target = config.root / "build" / "slides" / f"{deck.number}.html"
    npm.unpack(npm.REVEAL, target.parent / "reveal")
    npm.unpack(npm.MATHJAX, target.parent / "mathjax")
    notebook.write(target, deck.page)
    return target
