"""What is generated in every notebook: badge, navigation, setup cell; one address for all."""

import re
from functools import lru_cache

from verdicts import notebook
from verdicts.cards import card

_BADGE = "https://colab.research.google.com/assets/colab-badge.svg"
UNPUBLISHED = "*Open in Colab: works once this repository is published.*"
NOTE = re.compile(r"(<!-- unpublished:start -->\n).*?(<!-- unpublished:end -->)", re.DOTALL)
_READ = re.compile(r"\[Read\]\([^)]*\)")
_NAVIGATION = re.compile(r"(\[← .*|\[Notation\]\(.*|\[[^\]]* →\]\(\S*\))$")
_HEADING = re.compile(r"^# (.+)$", re.MULTILINE)
SETUP_METADATA = {
    "tags": ["setup", "hide-input"],
    "cellView": "form",
    "jupyter": {"source_hidden": True},
}


def _slug(url):
    """owner/name of a repository's address."""
    return "/".join(url.rstrip("/").split("/")[-2:])


def colab_link(config, path):
    """The address that opens a notebook in Colab."""
    where = f"{_slug(config.repository)}/blob/{config.branch}/{config.notebooks}/{path.name}"
    return f"https://colab.research.google.com/github/{where}"


def badge(config, path):
    """The "Open in Colab" line of a notebook: plain words until there is a public address."""
    if not config.published:
        return UNPUBLISHED
    return f"[![Open In Colab]({_BADGE})]({colab_link(config, path)})"


def setup_source(config):
    """The setup cell, the same everywhere: does nothing where the library is installed."""
    return (
        "#@title Setup (run me first; installs the helper library on Colab)\n"
        "try:\n"
        f"    import {config.import_name}\n"
        "except ImportError:\n"
        f"    %pip install -q --no-build-isolation git+{config.repository}@{config.branch}\n"
        f"    import {config.import_name}  # fails here if that did"
    )


@lru_cache(maxsize=256)
def _title(path, modified):
    try:
        cells = notebook.read(path)["cells"]
    except notebook.Unreadable:
        cells = []
    found = _HEADING.search(cells[0]["source"]) if cells else None
    return found[1].strip() if found else path.stem


def title(path):
    """The heading of a notebook: the first `# ` line of its first cell."""
    return _title(path, path.stat().st_mtime_ns)


def navigation(config, path):
    """The line with links to the previous notebook, the notation and the next one; a page without
    a number has the notation only."""
    paths = config.notebook_paths()
    base = f"{config.repository}/blob/{config.branch}/{config.notebooks}"
    here = paths.index(path) if path in paths else None
    links = []
    if here:
        links.append(f"[← {title(paths[here - 1])}]({base}/{paths[here - 1].name})")
    if here != 0 and paths and paths[0].name.startswith("00_"):
        links.append(f"[Notation]({base}/{paths[0].name})")
    if here is not None and here + 1 < len(paths):
        links.append(f"[{title(paths[here + 1])} →]({base}/{paths[here + 1].name})")
    return " · ".join(links)


def first_cell(config, path, source):
    """The source of cell 0 with the right badge and navigation around the author's text."""
    lines = source.strip().split("\n")
    if lines and (lines[0].startswith("[![Open In Colab]") or lines[0] == UNPUBLISHED):
        del lines[0]
    if lines and _NAVIGATION.match(lines[-1]):
        del lines[-1]
    parts = [badge(config, path), "\n".join(lines).strip(), navigation(config, path)]
    return "\n\n".join(p for p in parts if p)


def cards(config, cell):
    """(data of an output, the markup that belongs there) for each card of a cell."""
    title = notebook.title_in(cell["source"])
    for data, records, lines in notebook.cards(cell):
        yield data, card(records, lines, config.legend_link(), title)


def _stamp_notebook(config, path, old):
    nb = notebook.read(path)
    cells = nb["cells"]
    for cell in cells:
        for data, markup in cards(config, cell):
            data["text/html"] = markup
    for cell in cells:
        if cell["cell_type"] == "markdown" and old:
            cell["source"] = _readdress(cell["source"], old, config.repository)
    cells[0]["source"] = first_cell(config, path, cells[0]["source"])
    for cell in cells:
        if "setup" in notebook.tags(cell):
            cell["source"] = setup_source(config)
            cell["metadata"] |= SETUP_METADATA
    return notebook.write(path, notebook.dumps(nb))


def _note(config):
    """What the text files say between their marks while there is no public address."""
    words = ("**Not published yet**: the Colab links and the address to clone work once "
             "`make publish-check` has written the public address.\n")
    return "" if config.published else words


def _read(config):
    """What "Read" leads to: the site, until there is one the first notebook."""
    first = next((p.name for p in config.notebook_paths()), "")
    return config.site or f"{config.notebooks}/{first}"


def _readdress(text, old, new):
    return text.replace(old, new).replace(_slug(old), _slug(new))


def stamp(config):
    """Write the generated parts of all notebooks, cards too, and the address in the text files.

    The old address is the one in CITATION.cff; wherever README.md, CONTRIBUTING.md or a notebook's
    text has it, it is replaced.  Returns the files that changed.  Doing it twice changes nothing.
    Raises ValueError, before anything is written, if a notebook does not begin with Markdown.
    """
    paths = config.all_paths()
    for path in paths:
        cells = notebook.read(path)["cells"]
        if not cells or cells[0]["cell_type"] != "markdown":
            raise ValueError(f"{path.name}: the first cell must be Markdown")
    citation = config.root / "CITATION.cff"
    old = ""
    changed = []
    if citation.is_file():
        text = citation.read_text(encoding="utf-8")
        pattern = re.compile(r'^repository-code: *"?([^"\n]+?)"? *$', re.MULTILINE)
        if found := pattern.search(text):
            old = found[1].rstrip("/")
        text = pattern.sub(f'repository-code: "{config.repository}"', text)
        if notebook.write(citation, text):
            changed.append(citation)
    if old:
        for path in (config.root / "README.md", config.root / "CONTRIBUTING.md"):
            if path.is_file():
                text = path.read_text(encoding="utf-8")
                text = NOTE.sub(rf"\g<1>{_note(config)}\g<2>", text)
                text = _READ.sub(f"[Read]({_read(config)})", text)
                if notebook.write(path, _readdress(text, old, config.repository)):
                    changed.append(path)
    return changed + [p for p in paths if _stamp_notebook(config, p, old)]
