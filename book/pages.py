"""The pages of the site that are made from the repository: no text is written twice.

``assemble`` writes a Sphinx source folder that mirrors the repository's layout, so that the links
of README, notebooks and cards lead on the site where they lead in the repository.
"""

import ast
import base64
import copy
import importlib
import inspect
import itertools
import pkgutil
import re
import shutil
from pathlib import Path

import crossref
from contents import KEYWORDS, PARTS, REFERENCE, SIDEBAR

from verdicts import chapter as chapter_form
from verdicts import notebook, report, stamp
from verdicts.cards import GREEK, WORDS, anchor, kind_words, pretty

HERE = Path(__file__).parent
TEXTS = (
    "TEACHING.md", "CONTRIBUTING.md", "data/README.md", "benchmarks/README.md",
    "book/full_profile.md",
)
LEGEND = "Legend of verdicts"
PICTURES = ("headline.png", "one_image.png")  # of the README
# Figures of the landing page: name, notebook and number there.
FIGURES = {"map.png": (0, 1), "reverse.png": (0, 2), "kappa.png": (14, 1)}
_SENTENCE = "> **In one sentence.** "
_BRITISH = re.compile(r"\b(?:memor|general|minim|regular|optim|discret)is(?:ation|er|ing|e)s?\b")
_LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)\s#]+)(#[^)\s]*)?\)")


def assemble(config, target):
    """Write the whole source of the site into the folder ``target``, which is emptied first."""
    shutil.rmtree(target, ignore_errors=True)
    writers = {
        "index.md": landing,
        "notation.md": notation,
        "statements.md": statements,
        "api/index.md": api_index,
    }
    pages = {name: writer(config) for name, writer in writers.items()}
    pages |= {name: (config.root / name).read_text(encoding="utf-8") for name in TEXTS}
    pages |= api_pages()
    known = {*pages, *(f"{config.notebooks}/{p.name}" for p in config.all_paths())}
    found = crossref.links(config)
    for name, text in pages.items():
        if name.endswith(".md"):
            start = "../" * name.count("/") + config.notebooks
            text = found.prose(_outside_links(text, name, known, config), name, start)
        notebook.write(target / name, text)
    for path in config.all_paths():
        notebook.write(target / config.notebooks / path.name, chapter(config, path, found))
    for name in PICTURES:
        shutil.copy(HERE / name, target / "book" / name)
    for name in FIGURES:
        picture = base64.b64decode(figure(config, name)[0])
        (target / "book" / name).write_bytes(picture)


def _outside_links(text, name, known, config):
    """Relative links to files that are no page of the site lead to the repository."""

    def replace(match):
        path = (Path(name).parent / match[1]).as_posix()
        exists = (config.root / path).exists()
        # What does not exist is for Sphinx to complain about.
        if path in known or path.endswith(".png") or not exists:
            return match[0]
        kind = "tree" if (config.root / path).is_dir() else "blob"
        if f"{path.rstrip('/')}/README.md" in known:
            return f"]({match[1].rstrip('/')}/README.md)"
        return f"]({config.repository}/{kind}/{config.branch}/{path})"

    return _LINK.sub(replace, text)


def section(text, heading):
    """The body of a Markdown section, up to the next heading of its level or above.

    LookupError, which stops the build, if there is no such heading.
    """
    lines = text.split("\n")
    found = [i for i, line in enumerate(lines) if re.fullmatch(rf"#+ {re.escape(heading)}", line)]
    if len(found) != 1:
        raise LookupError(f"{len(found)} headings {heading!r} instead of one")
    level = len(lines[found[0]].split(" ")[0])
    end = next(
        (i for i in range(found[0] + 1, len(lines)) if re.match(rf"#{{1,{level}}} ", lines[i])),
        len(lines),
    )
    return "\n".join(lines[found[0] + 1 : end]).strip()


def _start_here(config):
    """The Markdown of notebook 00, whose links are relative to the notebooks' folder."""
    cells = notebook.read(config.notebook_paths()[0])["cells"]
    return "\n\n".join(c["source"] for c in cells if c["cell_type"] == "markdown")


def _words_of_verdicts(config):
    """How to read a verdict, from notebook 00: a paragraph, the tables, what follows."""
    return section(_start_here(config), LEGEND)


def figure(config, name):
    """A figure of the landing page: PNG in base64, alt text, caption; LookupError if it is gone."""
    place = FIGURES[name]
    return chapter_form.figures(notebook.read(config.notebook(place[0])))[place]


def _image(config, name, *classes):
    """A figure of the landing page with its caption, without the number it has in its chapter."""
    _, alt, caption = figure(config, name)
    options = [f":alt: {alt}", ":width: 720px", *(f":class: {c}" for c in classes)]
    return "\n".join([f"```{{image}} book/{name}", *options, "```", "", caption])


# ----------------------------------------------------------------------------- chapters


def chapter(config, path, found=None):
    """A notebook as the site shows it: its own navigation in place of the stored one, its prose
    and cards with the links of ``crossref.links(config)``.

    The badge is a remote image and the stored navigation leads away from the site, so cell 0 keeps
    the title, and a text link to Colab; the setup cell is for Colab only.
    """
    nb = notebook.read(path)
    found = found or crossref.links(config)
    link = stamp.colab_link(config, path)
    title = f"# {stamp.title(path)}"
    source = f"{config.repository}/raw/{config.branch}/{config.notebooks}/{path.name}"
    outside = (f"[Open in Colab]({link}) · [Download]({source})" if config.published else
               "Colab and download: once published")
    about = ", ".join(f"[{s.id}](../statements.md#{anchor(s.id)})" for s in config.registry()
                      if path.name[:2] in (f"{n:02d}" for n in s.notebooks))
    _about(config, path, nb)
    nb["cells"][0]["source"] = (
        f"{title}\n\n{outside} · [Notation](../notation.md) · "
        + (about or "[Statements](../statements.md)")
    )
    crossref.cards(config, path, nb, found)
    _prose(path, nb, found)
    _prompts(nb)
    _captions(nb)
    for cell in nb["cells"]:
        if "setup" in notebook.tags(cell):
            cell["metadata"]["tags"] = [*notebook.tags(cell), "remove-cell"]
    return notebook.dumps(nb)


def _prose(path, nb, found):
    """Links in prose, and anchors of equations."""
    cells = [c for c in nb["cells"] if c["cell_type"] == "markdown"]
    number = int(path.name[:2]) if path.name[:2].isdigit() else None
    texts = found.anchored([c["source"] for c in cells], number)
    for cell, text in zip(cells, texts, strict=True):
        cell["source"] = found.prose(text, path.name, ".")


def _about(config, path, nb):
    """What the search and those who link to the page know of it: words beside its text, among
    them the symbols it uses, and its one sentence, without markup."""
    texts = [c["source"] for c in nb["cells"] if c["cell_type"] == "markdown"]
    symbols = [name for name, pattern in config.symbols.items()
               if any(re.search(pattern, text) for text in texts)]
    words = {word for name in symbols if re.fullmatch(r"\w\w+|[^\W\x00-\x7f]", name)
             for word in (name, *(name.replace(g, w) for w, g in GREEK.items() if g in name))}
    for text in texts:  # American readers look for memorization
        words |= {word.replace("is", "iz") for word in _BRITISH.findall(text)}
    known = KEYWORDS.get(int(path.name[:2]), ()) if path.name[:2].isdigit() else ()
    meta = {"keywords": ", ".join([*known, *sorted(words)])}
    said = texts[1].split("\n\n")[0]
    if said.startswith(_SENTENCE):
        said = said.removeprefix(_SENTENCE).replace("\n> ", " ")
        said = re.sub(r"\\(?:var)?([a-z]+) ?",
                      lambda m: (GREEK | {"sqrt": "√"}).get(m[1], m[1]), said)
        meta["description"] = nb["metadata"]["og:description"] = re.sub(r"[$*{}]", "", said)
    nb["metadata"]["myst"] = {"html_meta": meta}


def _prompts(nb):
    """The line that unfolds the code of a cell says what it does, and how long it is."""
    for cell in notebook.code_cells(nb):
        title = notebook.title_in(cell["source"])
        if "hide-input" not in notebook.tags(cell) or not title:
            continue
        drawn = re.search(r"\b(pictures\.\w+)\(", cell["source"])
        what = f"drawn by {drawn[1]}" if drawn and chapter_form.has_figure(cell) else title
        lines = cell["source"].count("\n")  # the title is none
        settings = cell["metadata"].setdefault("mystnb", {})
        settings["code_prompt_show"] = f"{what} · code, {lines} line{'s' * (lines != 1)}"
        settings["code_prompt_hide"] = f"{what} · hide code"


def _captions(nb):
    """The first paragraph under a figure is its caption, with an anchor: fig-4-1.

    MyST-NB puts the caption under every output of a cell, so that a figure becomes a cell of its
    own, before what else its code shows.
    """
    cells = []
    for cell in nb["cells"]:
        found = chapter_form.caption_of(cell)
        if found and cells and chapter_form.has_figure(cells[-1]):
            caption, _, rest = cell["source"].partition("\n\n")
            figure = cells[-1]
            pictures = notebook.pictures(figure)
            others = [o for o in figure["outputs"] if o not in pictures]
            if others:
                below = copy.deepcopy(figure)
                below["id"] = f"{figure['id']}-rest"
                below["outputs"], figure["outputs"] = others, pictures
                below["metadata"].get("mystnb", {}).pop("image", None)
                kept = [t for t in notebook.tags(figure) if t != "hide-input"]
                figure["metadata"]["tags"] = [*kept, "remove-input"]
                cells.append(below)
            number = "-".join(map(str, found[0]))
            settings = figure["metadata"].setdefault("mystnb", {})
            settings["figure"] = {"caption": caption, "name": f"fig-{number}"}
            if not rest.strip():
                continue
            cell["source"] = rest
        cells.append(cell)
    nb["cells"] = cells


def _toctree(names, *options):
    return "\n".join(["```{toctree}", ":hidden:", *options, "", *names, "```"])


# ----------------------------------------------------------------------------- generated pages


def landing(config):
    """The story in one page, the parts, the table of verdicts."""
    readme = (config.root / "README.md").read_text(encoding="utf-8")
    first = section(readme, readme.split("\n")[0].lstrip("# ")).split("\n## ")[0].strip()
    story = section(_start_here(config), "The paper in one page")
    # Its figure is a page's picture here, where a caption has no number.
    number = "**Figure {}.{}.** ".format(*FIGURES["reverse.png"])
    caption = number + figure(config, "reverse.png")[2]
    story = story.replace(caption, _image(config, "reverse.png", "animation"), 1)
    parts, trees = [], []
    for title, sentence, numbers in PARTS:
        paths = [config.notebook(n) for n in numbers]
        chapters = "\n".join(f"- [{stamp.title(p)}]({config.notebooks}/{p.name})" for p in paths)
        parts.append(f"**{title}.** {sentence}\n\n{chapters}")
        names = [f"{SIDEBAR[n]} <{config.notebooks}/{p.stem}>"
                 for n, p in zip(numbers, paths, strict=True)]
        trees.append(_toctree(names, f":caption: {title}", ":maxdepth: 1"))
    own = config.pages()
    parts.append("**Your own model.** Short pages without a number, to be copied.\n\n" + "\n".join(
        f"- [{stamp.title(p)}]({config.notebooks}/{p.name})" for p in own))
    trees.append(_toctree([f"{config.notebooks}/{p.stem}" for p in own],
                          ":caption: Your own model", ":maxdepth: 1"))
    trees.append(_toctree(REFERENCE, ":caption: Reference and teaching", ":maxdepth: 1"))
    words = _words_of_verdicts(config).split("\n\n")[0]
    return "\n\n".join(
        [
            "# A paper you can run",
            first,
            _image(config, "map.png"),
            "## The paper in one page",
            story,
            "## A coarse sampler, exactly",
            _image(config, "kappa.png", "animation"),
            "## Chapters",
            *parts,
            f"Also here: [notation](notation.md), [every statement with its claims]"
            f"(statements.md), [a course of ten lessons](TEACHING.md), [the library]"
            f"(api/index.md), [the data](data/README.md), and the "
            f"[repository]({config.repository}) with everything that runs.",
            "## Table of verdicts",
            words,
            report.markdown(config),
            *trees,
        ]
    )


def notation(config):
    """The notation of notebook 00 as a page."""
    text = section(_start_here(config), "Notation")
    return f"# Notation\n\n{text}\n\n## Words of the verdicts\n\n{_words_of_verdicts(config)}"


def statements(config):
    """Every statement: the paper's form, ours, its chapters, its claims, its slack."""
    parts = [
        "# Statements",
        "Every numbered statement of the paper, its figures, experiments and open questions: the "
        "paper's form, ours, the chapters, and each claim that the notebooks make about it. A "
        'letter means what its chapter says under "You need" or "Statement". '
        "Generated from the stored outputs.",
    ]
    stored = report.stored_claims(config)
    anchors = {}
    for _, found in itertools.groupby(stored, lambda pair: pair[0]):
        records = [r for _, r in found]
        anchors |= {id(r): a for r, a in zip(records, crossref.claim_anchors(records), strict=True)}
    for entry in report.entries(config, stored):
        s = entry.statement

        def link(path):
            return f"[{stamp.title(path)}]({config.notebooks}/{path.name})"

        _, sentence, verdict, controls, slack, noticed, places = report.cells(entry, link)
        facts = [
            f"- **The paper's form.** {s.paper_form}",
            f"- **Ours.** {s.ours}",
            f"- **Chapters.** {places}",
            f"- **Verdict.** {verdict}; controls: {controls}; slack (bound / truth): {slack}; "
            f"would notice: {noticed}",
        ]
        claims = [
            [f'<a href="{config.notebooks}/{p.stem}.html#{anchors[id(r)]}">{_key(r)}</a>',
             kind_words(r["kind"], r.get("of")), WORDS.get(r["status"], r["status"]), p.name[:2]]
            for p, r in entry.claims
        ]
        heading = s.id if s.title in s.id else f"{s.id} · {s.title}"
        parts += [
            f"({anchor(s.id)})=",
            f"## {heading}",
            sentence,
            "\n".join(facts),
            f"<details><summary>{len(claims)} claims</summary>",
            report.markdown_table(["claim", "kind", "outcome", "notebook"], claims),
            "</details>",
        ]
    return "\n\n".join(parts)


# ----------------------------------------------------------------------------- the library


def _modules(package):
    """A package's public modules and folders, in the order in which its docstring names them."""
    found = importlib.import_module(package)
    names = [m.name for m in pkgutil.iter_modules(found.__path__) if not m.name.startswith("_")]
    text = found.__doc__ or ""
    names.sort(key=lambda n: text.find(f"``{n}``") if f"``{n}``" in text else len(text))
    return [f"{package}.{n}" for n in names if n != "data"]


def api_index(config):
    """The docstring of the library, its modules with their first lines, and the other package."""
    lines = ["# Library"]
    for page in config.pages():
        link = f"../{config.notebooks}/{page.name}"
        lines.append(f"**[{stamp.title(page)}]({link})**, and certify it: what a score, an "
                     "algorithm and a population must be, in code that runs.")
    modules = _modules("score_stability")
    lines.append("\n".join(f"- [{m}]({m}.rst): {_plain(_first_line(m))}" for m in modules))
    lines.append(f"And [verdicts](verdicts.rst): {_plain(_first_line('verdicts'))}")
    lines.append(_toctree([*modules, "verdicts"]))
    return "\n\n".join(lines)


def _key(record):
    """The name of a claim as its card has it."""
    return re.sub(r"([*_`$\[\]])", r"\\\1", pretty(record["key"]))


def _first_line(module):
    text = (importlib.import_module(module).__doc__ or "").strip()
    return " ".join(text.split("\n\n")[0].split())


def _plain(text):
    """A docstring's line as Markdown: double backquotes are code there too, the rest is text."""
    pieces = re.split(r"(``[^`]*``)", text)
    return "".join(p if p.startswith("``") else re.sub(r"([*_|<$])", r"\\\1", p) for p in pieces)


def _automodule(module, underline):
    title = module.replace("_", r"\_")
    return (
        f"{title}\n{underline * len(title)}\n\n.. automodule:: {module}\n"
        "   :members:\n   :member-order: bysource\n"
    )


def _rooms(door):
    """The modules behind a door and the names it has from each, in the order of its stub."""
    stub = Path(importlib.import_module(door).__file__).with_suffix(".pyi")
    rooms = {}
    for node in ast.parse(stub.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            room = f"{door}.{node.module.split('.')[0]}"  # of a folder in the folder: its docstring
            rooms.setdefault(room, []).extend(alias.name for alias in node.names)
    return rooms


def _door(door):
    """A folder's page: its docstring, then room by room what is imported from the door."""
    parts = [f"{door}\n{'=' * len(door)}", f".. automodule:: {door}\n   :no-members:"]
    for room, names in _rooms(door).items():
        title = room.rpartition(".")[2].replace("_", r"\_")
        parts += [f"{title}\n{'-' * len(title)}", f".. automodule:: {room}\n   :no-members:",
                  f".. currentmodule:: {door}"]
        for name in names:
            value = getattr(importlib.import_module(door), name)
            if inspect.isclass(value) or inspect.isfunction(value):
                kind = "class" if inspect.isclass(value) else "function"
                parts.append(f".. auto{kind}:: {name}")
    return "\n\n".join(parts) + "\n"


def api_pages():
    """What autodoc fills: a page per door and module of the library, one for the other package."""
    pages = {}
    for module in _modules("score_stability"):
        folder = hasattr(importlib.import_module(module), "__path__")
        pages[f"api/{module}.rst"] = _door(module) if folder else _automodule(module, "=")
    modules = [_automodule(m, "-") for m in _modules("verdicts")]
    head = "verdicts\n========\n\n.. automodule:: verdicts\n   :no-members:\n"
    pages["api/verdicts.rst"] = "\n".join([head, *modules])
    return pages
