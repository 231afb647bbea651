"""Notebook files as plain JSON: reading, what is in them, writing in the canonical form."""

import json

from verdicts.records import records_of


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
    """The notebook in a file."""
    return loads(path.read_text(encoding="utf-8"))


def code_cells(nb):
    """Its code cells, in order."""
    return [c for c in nb["cells"] if c["cell_type"] == "code"]


def tags(cell):
    """The tags of a cell."""
    return cell["metadata"].get("tags", [])


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
