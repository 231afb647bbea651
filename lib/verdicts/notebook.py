"""Notebook files as plain JSON: reading, what is in them, writing in the canonical form."""

import json
import re

from verdicts.records import records_of

# What a notebook and its cells may say about themselves; editors add more.
NOTEBOOK_METADATA = {"kernelspec", "language_info", "mystnb", "authors", "title"}
CELL_METADATA = {"tags", "cellView", "jupyter", "mystnb", "slideshow"}
_MAGIC = re.compile(r"^([ \t]*)[%!].*", re.MULTILINE)
_CONFLICT = re.compile(r"^(?:<{7}|={7}|>{7})", re.MULTILINE)


class Unreadable(ValueError):
    """A file that is no notebook; the message names it and says why."""


def joined(text):
    """A source or an output's text, which files may hold as a list of lines."""
    return "".join(text) if isinstance(text, list) else text


def loads(text):
    """A notebook from its JSON, with joined sources and texts."""
    nb = json.loads(text)
    for cell in nb["cells"]:
        cell["source"] = joined(cell["source"])
        for output in cell.get("outputs", []):
            if "text" in output:
                output["text"] = joined(output["text"])
            data = output.get("data", {})
            for mime, value in data.items():
                if not mime.endswith("json"):
                    data[mime] = joined(value)
    return nb


def read(path):
    """The notebook in a file; Unreadable, with its name, if there is none."""
    try:
        text = path.read_text(encoding="utf-8-sig")  # some editors begin with a byte order mark
        return loads(text)
    except UnicodeDecodeError as error:
        why = f"it is not UTF-8 ({error.reason})"
    except json.JSONDecodeError as error:
        conflict = _CONFLICT.search(text)
        why = "it is empty" if not text.strip() else f"it is not JSON ({error})"
        why = "a merge conflict is not resolved" if conflict else why
    except (KeyError, TypeError, AttributeError):
        why = "its JSON holds no list of cells"
    raise Unreadable(f"{path.name} cannot be read as a notebook: {why}")


def code_cells(nb):
    """Its code cells, in order."""
    return [c for c in nb["cells"] if c["cell_type"] == "code"]


def tags(cell):
    """The tags of a cell."""
    return cell["metadata"].get("tags", [])


def title_in(source):
    """What a code cell does, in its first line ``#@title …``; empty where it does not say."""
    found = re.match(r"#@title (.+)", source)
    return found[1].strip() if found else ""


def without_magics(source):
    """The source of a cell as plain Python: magics, as in the setup cell, do nothing."""
    return _MAGIC.sub(r"\1pass", source)


def pictures(cell):
    """The outputs of a cell that hold a PNG."""
    return [o for o in cell.get("outputs", []) if "image/png" in o.get("data", {})]


def card_of(output):
    """The records of an output that is a card; empty for any other."""
    found = output.get("metadata", {}).get("verdicts")
    return found if isinstance(found, list) else []


def cards(cell):
    """Of each card of a cell the data of its output, its records and their lines."""
    for output in cell.get("outputs", []):
        if found := card_of(output):
            yield output["data"], found, output["data"].get("text/plain", "").split("\n")


def records(nb):
    """All its records, in order."""
    return [r for cell in code_cells(nb) for r in records_of(cell["outputs"])]


def claims(nb):
    """Its records that are claims, not displayed tables."""
    return [r for r in records(nb) if r.get("kind") != "table"]


def stripped(nb):
    """Why nothing in this notebook would be compared, as messages.

    nbval executes a cell without an execution count but never compares it: a notebook whose
    outputs were stripped would pass whatever it computes.
    """
    cells = code_cells(nb)
    messages = []
    unrun = [i for i, c in enumerate(cells) if c["execution_count"] is None]
    if unrun:
        messages.append(f"code cells {unrun} have no execution count: outputs were stripped")
    if cells and not records(nb):
        messages.append("no output holds a verdict: outputs or their metadata were stripped")
    return messages


def dumps(nb):
    """The canonical text of a notebook: nbformat's, one trailing newline."""
    import nbformat

    return nbformat.writes(nbformat.from_dict(nb)).rstrip("\n") + "\n"


def write(path, text):
    """Write a text if it differs from the file; whether it did."""
    data = text.encode("utf-8")
    if path.is_file() and path.read_bytes() == data:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return True
