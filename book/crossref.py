"""The links that the site writes: into prose, from statements to verdicts, and back.

In prose "notebook 04" leads to the notebook and "(4.1)" to the equation.  A claim has an anchor in
its card, a statement one on its page; each names the other.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from verdicts import notebook
from verdicts.cards import anchor, card

# What is no prose: code, comments, tags, formulas, links, headings, summaries.
_NO_PROSE = re.compile(
    r"```.*?```|<!--.*?-->|<a\b.*?</a>|<summary>.*?</summary>|<[^>]+>|`[^`]*`|\$\$.*?\$\$|\$[^$]+\$"
    r"|!?\[(?:[^\[\]]|\[[^\]]*\])*\]\([^)]*\)|^#+ .*?$", re.DOTALL | re.MULTILINE)
_NOTEBOOKS = re.compile(
    r"\b(?:[Nn]otebooks?|[Cc]hapters?)\s+\d\d(?:(?:,\s+(?:and\s+)?|\s+(?:and|to|or)\s+|–)\d\d)*\b")
_EQUATION = re.compile(r"\(([1-9]\d?)\.([1-9]\d?)\)")
_TAG = re.compile(r"\\tag\{([1-9]\d?)\.([1-9]\d?)\}")
_DISPLAY = re.compile(r"^([ >]*)\$\$(?:(?!\$\$).)*?\\tag\{.*?\$\$", re.DOTALL | re.MULTILINE)


def _key(found):
    """Chapter and number of an equation, from what stands on both sides of its point."""
    return int(found[0]), int(found[1])


def claim_anchors(claims):
    """The anchors of a notebook's claims within its page, in their order."""
    names = [anchor(f"{r['statement']} {r['key']} {r['kind']}") for r in claims]
    return [n if n not in names[:i] else f"{n}-{names[:i].count(n) + 1}"
            for i, n in enumerate(names)]


@dataclass(frozen=True)
class Links:
    """What can be linked from a page: notebooks by number, equations by (chapter, number)."""

    notebooks: dict  # 4: the name of its file
    equations: dict  # (4, 1): whether a formula carries it as a tag

    def prose(self, text, name, start):
        """The Markdown of a page with its links; ``start`` leads from it to the notebooks."""
        here = next((n for n, file in self.notebooks.items() if file == Path(name).name), None)

        def written(piece):
            piece = _NOTEBOOKS.sub(lambda m: re.sub(
                r"\d\d", lambda n: self._notebook(n[0], here, start), m[0]), piece)
            return _EQUATION.sub(lambda m: self._equation(m, here, start), piece)

        return outside(text, written)

    def _notebook(self, number, here, start):
        file = self.notebooks.get(int(number))
        return f"[{number}]({start}/{file})" if file and int(number) != here else number

    def _equation(self, match, here, start):
        chapter, number = key = _key(match.groups())
        if key not in self.equations:
            return match[0]
        page = f"{start}/{self.notebooks[chapter]}".replace(".ipynb", ".html")
        return f'<a href="{page * (chapter != here)}#eq-{chapter}-{number}">{match[0]}</a>'

    def anchored(self, texts, here):
        """The Markdown cells of chapter ``here`` with an anchor for each of its equations: above
        the formula with the tag, or around the number where it stands first."""
        left = {k for k, tagged in self.equations.items() if k[0] == here and not tagged}

        def first(match):
            key = _key(match.groups())
            if key not in left:
                return match[0]
            left.discard(key)
            return f'<span id="eq-{key[0]}-{key[1]}">{match[0]}</span>'

        def above(match):
            anchors = "".join(f'<div id="eq-{a}-{b}"></div>' for a, b in _TAG.findall(match[0])
                            if int(a) == here)
            return f"{match[1]}{anchors}\n{match[1].rstrip()}\n{match[0]}" if anchors else match[0]

        return [_DISPLAY.sub(above, outside(t, lambda p: _EQUATION.sub(first, p))) for t in texts]


def outside(text, written):
    """The Markdown with ``written`` applied to its prose only."""
    out, end = [], 0
    for match in _NO_PROSE.finditer(text):
        out += [written(text[end:match.start()]), match[0]]
        end = match.end()
    return "".join([*out, written(text[end:])])


def links(config):
    """The links of a collection."""
    notebooks = {int(p.name[:2]): p.name for p in config.notebook_paths()}
    equations = {}
    for path in config.notebook_paths():
        cells = [c["source"] for c in notebook.read(path)["cells"] if c["cell_type"] == "markdown"]
        prose = " ".join(piece for text in cells for piece in _NO_PROSE.split(text))
        named = map(_key, _EQUATION.findall(prose))
        equations |= {key: False for key in named if key[0] == int(path.name[:2])}
        equations |= {_key(tag): True for text in cells for tag in _TAG.findall(text)}
    return Links(notebooks, equations)


def cards(config, path, nb, found):
    """Write the cards of a chapter anew: claims with anchors, and links to their statements, to
    equations, and to the cell in the repository."""
    legend = config.legend.replace(".ipynb", ".html")
    file = path.read_text(encoding="utf-8").split("\n")
    left = iter(claim_anchors(notebook.claims(nb)))
    for cell in nb["cells"]:
        title = notebook.title_in(cell["source"])
        for data, records, lines in notebook.cards(cell):
            markup = card(records, lines, legend, title, statements="../statements.html",
                          anchors=[next(left) for _ in records],
                          source=_source(config, path, file, cell))
            data["text/html"] = found.prose(markup, path.name, ".")


def _source(config, path, lines, cell):
    """The address of a cell in the repository; empty until there is one."""
    if not config.published:
        return ""
    line = next(i for i, one in enumerate(lines, 1) if f'"id": "{cell["id"]}"' in one)
    return (f"{config.repository}/blob/{config.branch}/{config.notebooks}/{path.name}"
            f"?plain=1#L{line}")
