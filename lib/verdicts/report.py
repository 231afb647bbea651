"""The table of verdicts, built from stored records; nothing is run."""

import os
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from verdicts import notebook
from verdicts.config import numbered
from verdicts.display import slack_of
from verdicts.records import name_of
from verdicts.resolution import change
from verdicts.statistics import MAX_STATISTICAL_VERDICTS

START, END = "<!-- verdicts:start -->", "<!-- verdicts:end -->"
HEADER = ["Statement", "In one sentence", "Verdict", "Controls", "Slack", "Would notice",
          "Notebook"]


@dataclass(frozen=True)
class Entry:
    """One statement of the registry with the claims stored about it: (path, record) pairs."""

    statement: object
    claims: list
    paths: list  # the existing notebooks that the registry gives for it

    def kinds(self):
        """The kinds of claim that its own notebooks make about it."""
        return {r["kind"] for p, r in self.claims if p in self.paths}


def stored_claims(config, folder=None):
    """All (path, record) pairs of the numbered notebooks in a folder, by default the collection."""
    paths = sorted(Path(folder or config.folder).glob("*.ipynb"))
    return [(p, r) for p in paths if numbered(p) for r in notebook.claims(notebook.read(p))]


def entries(config, claims):
    """One Entry per registered statement, in order."""
    numbered = {p: int(p.name[:2]) for p in config.notebook_paths()}
    return [
        Entry(
            statement,
            [(p, r) for p, r in claims if r["statement"] == statement.id],
            [p for p, n in numbered.items() if n in statement.notebooks],
        )
        for statement in config.registry()
    ]


# ----------------------------------------------------------------------------- the table


def _counts(records, words):
    counts = Counter(r["status"] for r in records)
    return ", ".join(f"{counts[s]} {words.get(s, s)}" for s in counts) or "–"


def _two_digits(x):
    if x < 10:
        return f"{x:#.2g}"
    return f"{float(f'{x:.2g}'):.0f}" if x < 1e5 else f"{x:.1e}"


def _slack(entry):
    """The range of the slack over all inequalities; below one where noise covers it."""
    slacks = [
        s
        for _, r in entry.claims
        if r["kind"] in ("upper", "lower") and r.get("slack", True)
        for s in slack_of(r)
    ]
    if not slacks:
        return "–"
    ends = list(dict.fromkeys(_two_digits(s) for s in (min(slacks), max(slacks))))
    return "–".join(ends)


def _noticed(entry):
    """The smallest relative change that its sharpest and its coarsest claim with numbers would
    have noticed."""
    numeric = [r for _, r in entry.claims if r["kind"] in ("upper", "lower", "tight")]
    found = [c for r in numeric if (c := change(r)) is not None]
    if not found:
        formulas = any(r["kind"] in ("identity", "for_all") for _, r in entry.claims)
        return "exact" if formulas else "–"
    ends = list(dict.fromkeys(percent(c) for c in (min(found), max(found))))
    return " – ".join(ends)


def percent(c):
    """A relative change in words."""
    return f"{float(f'{100 * c:.2g}'):g} %" if c <= 1 else "> 100 %"


def cells(entry, link):
    """The row of a statement, in the order of HEADER; ``link`` renders a notebook's path."""
    shown = [r for _, r in entry.claims if r["kind"] not in ("control", "illustration")]
    controls = [r for _, r in entry.claims if r["kind"] == "control"]
    shown.sort(key=lambda r: ("holds", "consistent", "open").index(r["status"]))
    words = {"holds": "holds" if sum(r["status"] == "holds" for r in shown) == 1 else "hold"}
    places = sorted({p.name: p for p in [*entry.paths, *(p for p, _ in entry.claims)]}.items())
    return [
        entry.statement.id,
        entry.statement.sentence,
        _counts(shown, words) if entry.claims else "not yet covered",
        _counts(controls, {}),
        _slack(entry),
        _noticed(entry),
        ", ".join(link(p) for _, p in places) or _planned(entry.statement.notebooks),
    ]


def _planned(numbers):
    return f"planned: {', '.join(f'{n:02d}' for n in numbers)}" if numbers else "–"


def markdown_table(header, rows):
    """A Markdown table of texts."""
    lines = [[c.replace("|", r"\|") for c in row] for row in [header, ["---"] * len(header), *rows]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def markdown(config, beside=None):
    """The table as Markdown, folded by part of the collection, with links relative to the folder
    of the file ``beside``."""
    start = (beside or config.root / "README.md").parent

    def link(path):
        target = os.path.relpath(config.folder / path.name, start)
        return f"[{path.name[:2]}]({Path(target).as_posix()})"

    claims = stored_claims(config)
    part_of, parts = config.part_of(), {}
    for entry in entries(config, claims):
        first = min(entry.statement.notebooks, default=None)
        parts.setdefault(part_of.get(first, ""), []).append(entry)
    tables = []
    for title in dict.fromkeys([*part_of.values(), *parts]):
        if found := parts.get(title):
            table = markdown_table(HEADER, [cells(e, link) for e in found])
            tables.append(_folded(title, found, table) if title else table)
    return "\n\n".join([*tables, counts([r for _, r in claims])])


def _folded(title, found, table):
    """A part's table under one line that says what is in it."""
    records = [r for entry in found for _, r in entry.claims]
    kinds = Counter("control" if r["kind"] == "control" else r["status"] for r in records)
    says = [f"{len(found)} statement{'s' * (len(found) > 1)}"]
    says += [f"{kinds[k]} {w}" for k, w in (("holds", "hold"), ("consistent", "consistent"),
                                            ("open", "open"), ("control", "refuted"))
             if kinds[k]]
    return f"<details><summary><b>{title}</b>: {', '.join(says)}</summary>\n\n{table}\n\n</details>"


def counts(claims):
    """How many verdicts there are, and which of them the family error covers."""
    statistical = [r for r in claims if r["statistical"]]
    effects = [r["resolution"]["value"] for r in statistical
               if r.get("resolution", {}).get("measure") == "half widths"]
    text = (f"{len(claims)} verdicts. {len(statistical)} of them rest on replicates and have "
            "intervals: these the family error covers.")
    if effects:
        text += (f" {len(effects)} must find an effect in noise; the smallest is "
                 f"{min(effects):.2g} half widths.")
    return text


def terminal(config, folder=None, numbers=()):
    """The table as aligned text, without the sentences; of the notebooks with these numbers only
    the statements they have claims on, counted there. ``ValueError`` for a number of none."""
    claims = stored_claims(config, folder)
    if numbers:
        known = {path.name[:2] for path in config.notebook_paths()}
        if unknown := sorted({*numbers} - known):
            raise ValueError(f"numbers must be those of notebooks; got {', '.join(unknown)}")
        claims = [(p, r) for p, r in claims if p.name[:2] in numbers]
    found = [e for e in entries(config, claims) if e.claims or not numbers]
    if numbers:
        found = [replace(e, paths=[p for p in e.paths if p.name[:2] in numbers]) for e in found]
    rows = [cells(e, lambda p: p.name[:2]) for e in found]
    rows = [[c for c, h in zip(r, HEADER, strict=True) if h != HEADER[1]] for r in [HEADER, *rows]]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows
    )


# ----------------------------------------------------------------------------- in the files


def _replaced(text, table):
    """The text with the table between its markers; None where there are none."""
    before, found, rest = text.partition(START)
    _, closed, after = rest.partition(END)
    return f"{before}{START}\n\n{table}\n\n{END}{after}" if found and closed else None


def _new_text(config, path):
    """The text of a file with the current table; None if it has no markers."""
    text, table = path.read_text(encoding="utf-8"), markdown(config, path)
    if path.suffix != ".ipynb":
        return _replaced(text, table)
    nb = notebook.loads(text)
    for cell in nb["cells"]:
        if cell["cell_type"] == "markdown":
            source = _replaced(cell["source"], table)
            if source is not None:
                changed = source != cell["source"]
                cell["source"] = source
                return notebook.dumps(nb) if changed else text
    return None


def _table_files(config):
    return [p for p in (config.root / f for f in config.table_files) if p.is_file()]


def write_tables(config):
    """Write the table into every table file; the files that changed."""
    return [
        p
        for p in _table_files(config)
        if (text := _new_text(config, p)) is not None and notebook.write(p, text)
    ]


def stale(config):
    """Messages on table files that do not hold the current table; [] without notebooks."""
    if not config.notebook_paths():
        return []
    messages = []
    for path in _table_files(config):
        text = _new_text(config, path)
        name = config.mentions(path)
        if text is None:
            messages.append(f"{name}: the markers {START} and {END} are missing")
        elif text != path.read_text(encoding="utf-8"):  # whatever its line ends are
            messages.append(f"{name}: stale; run: python -m verdicts table --write")
    return messages


# ----------------------------------------------------------------------------- what is asked for


def missing(config):
    """Statements whose notebook exists but lacks the verdict or the control it needs."""
    messages = []
    for entry in entries(config, stored_claims(config)):
        where = ", ".join(p.name for p in entry.paths)
        kinds = entry.kinds()
        for needed, found, word in (
            (entry.statement.needs_verdict, kinds - {"control", "illustration", "open"}, "verdict"),
            (entry.statement.needs_control, "control" in kinds, "control"),
        ):
            if entry.paths and needed and not found:
                messages.append(f"{entry.statement.id}: no {word} in {where}")
    return messages


def unknown(config):
    """Records that name no registered statement."""
    known = {s.id for s in config.registry()}
    return [
        f"{p.name}: {name_of(r)}: no such statement is registered"
        for p, r in stored_claims(config)
        if r["statement"] not in known
    ]


def too_many(config):
    """A message if there are more statistical verdicts than the family error allows for."""
    made = (r for path in config.all_paths() for r in notebook.claims(notebook.read(path)))
    count = sum(bool(r["statistical"]) for r in made)
    if count <= MAX_STATISTICAL_VERDICTS:
        return []
    return [f"{count} statistical verdicts, at most {MAX_STATISTICAL_VERDICTS} are allowed for"]
