"""Slides of a notebook from its stored outputs; nothing is executed.

    python book/slides.py 07        writes build/slides/07.html  (or: make slides NOTEBOOK=07)

A chapter with a lesson, as book/lessons/04.md, has a deck instead: see ``deck``.

Open the file in a browser (reveal.js and MathJax come from their public network): arrow keys turn
the pages, ``s`` opens the speaker's view. Every cell is a page of 16:9; a text that is too long for
one goes on on the next, what is still too high is shrunk to fit. Long code, that of figures, and
solutions stay in the notebook.
"""

import re
import sys
from pathlib import Path

import deck
import nbformat
from nbconvert import SlidesExporter

from verdicts import notebook, stamp
from verdicts.config import load_config

HERE = Path(__file__).resolve().parent
REVEAL = "https://unpkg.com/reveal.js@4.0.2"  # what nbconvert's template is written for
ROOM = 780  # what fits a page, in characters of text
LINES = 30  # code that leaves less room than this for its outputs, two lines each, is left out
_STYLE = """<style>
.reveal { font-size: 28px; }
.reveal .slides section { text-align: left; height: auto; }
.reveal h1 { font-size: 1.9em; } .reveal h2 { font-size: 1.4em; } .reveal h3 { font-size: 1.15em; }
.reveal pre, .reveal code, .reveal .jp-InputArea { font-size: 18px; line-height: 1.25; }
.reveal table { font-size: 20px; } .reveal img { max-height: 600px; }
.reveal .jp-InputPrompt, .reveal .jp-OutputPrompt { display: none; }
.reveal .jp-OutputArea-output { overflow: visible; font-size: 18px; }
</style>
"""
# Shrink a page that is higher than the screen; after MathJax, which changes heights.
_FIT = """<script>
require(["URL/dist/reveal.js"], Reveal => {
  function fit() {
    const page = Reveal.getCurrentSlide(), room = Reveal.getConfig().height - 20;
    if (!page) return;
    // Smaller letters need fewer lines: the right size is found by halving.
    const fits = zoom => {
      page.style.zoom = zoom;
      return page.getBoundingClientRect().height / Reveal.getScale() <= room;
    };
    let low = 0.3, high = 1;
    if (!fits(high)) {
      for (let k = 0; k < 7; k++) {
        const middle = (low + high) / 2;
        if (fits(middle)) low = middle; else high = middle;
      }
      fits(low);
    }
    Reveal.layout();
    document.body.dataset.fitted = page.style.zoom;
  }
  const later = () => MathJax.Hub.Queue(() => setTimeout(fit, 50));
  Reveal.on("ready", later);
  Reveal.on("slidechanged", () => setTimeout(later, 0));
  if (Reveal.isReady()) later();
});
</script>
"""


def _weight(block):
    """How much room a block of Markdown takes, in characters of text."""
    lines = block.split("\n")
    if block.startswith("#"):
        return 150
    if "$$" in block:
        return 260
    if block.startswith("|"):
        return sum(max(90, len(line)) for line in lines)
    return sum(max(90, len(re.sub(r"[{}$]", "", line))) for line in lines)


def split(source):
    """A Markdown text as pieces that fit a page each, broken between blocks only."""
    source = re.sub(r"<details>.*?</details>", "", source, flags=re.DOTALL)
    pieces, room = [], 0
    for block in re.split(r"\n\s*\n", source.strip()):
        if not block.strip():
            continue
        weight = _weight(block)
        after_heading = pieces and pieces[-1][-1].startswith("#")  # a heading is never left alone
        if not pieces or block.startswith("## ") or (weight > room and not after_heading):
            pieces.append([])
            room = ROOM
        pieces[-1].append(block)
        room -= weight
    return ["\n\n".join(piece) for piece in pieces]


def pages(config, path):
    """The notebook with one cell per page: a section starts a column, the rest hangs below."""
    nb = nbformat.read(path, 4)
    title = f"# {stamp.title(path)}\n\n{config.repository}"
    cells = [nbformat.v4.new_markdown_cell(title)]
    for cell in nb.cells[1:]:
        if "setup" in notebook.tags(cell):
            continue
        if cell.cell_type == "code":
            if cell.source.strip() == "summary()":
                continue
            if cell.source.count("\n") + 2 * len(cell.outputs) > LINES:
                cell.metadata["tags"] = sorted({*notebook.tags(cell), "hide-input"})
            if cell.outputs or "hide-input" not in notebook.tags(cell):
                cells.append(cell)
        else:
            cells += [nbformat.v4.new_markdown_cell(piece) for piece in split(cell.source)]
    for cell in cells:
        first = cell.cell_type == "markdown" and re.match(r"##? ", cell.source)
        cell.metadata["slideshow"] = {"slide_type": "slide" if first else "subslide"}
    nb.cells = cells
    return nb


def export(config, number):
    """Write the slides of the notebook with this number; the path. LookupError if there is none."""
    path = config.notebook(number)
    exporter = SlidesExporter(
        reveal_url_prefix=REVEAL, reveal_theme="simple", reveal_transition="none",
        reveal_number="c/t", reveal_width="1280", reveal_height="720",
        config={"TagRemovePreprocessor": {"enabled": True,
                                          "remove_input_tags": ["hide-input"]}})
    html, _ = exporter.from_notebook_node(pages(config, path))
    html = html.replace("</head>", f"{_STYLE}</head>", 1)
    html = html.replace("</html>", f"{_FIT.replace('URL', REVEAL)}</html>", 1)
    target = config.root / "build" / "slides" / f"{number}.html"
    notebook.write(target, html)
    return target


def make(config, number):
    """Write the deck of a chapter that has a lesson, else its slides; the path."""
    write = deck.build if deck.lesson(number).is_file() else export
    return write(config, number)


if __name__ == "__main__":
    for wanted in sys.argv[1:]:
        try:
            print(make(load_config(HERE), wanted))
        except LookupError as error:
            raise SystemExit(str(error)) from None
