"""What the claims of a collection would notice, and which of them notice too little.

A claim is *coarse* if it is an equality that would not notice 10 % (3 % without Monte Carlo), an
identity that would not notice 1e-6, an exponent that would not notice 0.15; a *bound* is coarse if
none of the claims on it in a notebook would notice half of it.  Claims name their bound
(``bound=``); one that does not is judged alone.  The form guard refuses coarse claims, unless they
say why (``coarse="why"``) or stand in the collection's file of exceptions.
"""

from verdicts import notebook
from verdicts.config import numbered
from verdicts.records import name_of
from verdicts.resolution import change

LIMITS = {"tight": 0.03, "statistical": 0.10, "identity": 1e-6, "exponent": 0.15}
HALF = {"upper": 0.5, "lower": 1.0}  # the change of a bound that is halved, or doubled


def noticed(record):
    """What a claim would have noticed, as a number that grows with coarseness; None for effects,
    absolute changes and open questions, of which nothing is asked."""
    found = record.get("resolution", {})
    if found.get("measure") == "exponent":
        return found["value"]
    return change(record)


def _limit(record):
    kind = record["kind"]
    if kind == "tight" and record.get("statistical"):
        return LIMITS["statistical"]
    return LIMITS["exponent"] if kind == "rate" else LIMITS.get(kind)


def coarse(claims):
    """{name: why} of the coarse claims among those of one notebook, whatever excuses they have."""
    found = {}
    groups = {}
    for record in claims:
        value, kind = noticed(record), record["kind"]
        if value is None:
            continue
        if kind in HALF:
            group = (record["statement"], kind, record.get("bound") or name_of(record))
            groups.setdefault(group, []).append(record)
        elif _limit(record) is not None and value > _limit(record):
            shown = f"{value:.2g}" if kind == "rate" else f"{100 * value:.2g} %"
            found[name_of(record)] = f"this {kind} would not notice less than {shown}"
    for (_, kind, bound), records in groups.items():
        if min(noticed(r) for r in records) > HALF[kind]:
            what = "half" if kind == "upper" else "twice"
            one = len(records) == 1
            which = "it" if one else f"any of its {len(records)} claims"
            for record in records:
                name = name_of(record)
                about = "its bound" if bound == name else bound
                found[name] = f"{what} of {about} would not be noticed by {which}"
    return found


def exceptions(config):
    """The claims that may still be coarse, as "NN · statement · key"; a file, one line each.

    NN is the notebook's number, of a page its name.
    """
    return config.listed(config.coarse)


def complaints(path, claims, excepted):
    """Why the form guard refuses claims of a notebook, as messages."""
    number = path.name[:2] if numbered(path) else path.stem
    found = coarse(claims)
    excused = {name_of(r) for r in claims if r.get("coarse")}
    allowed = {line for line in excepted if line.startswith(f"{number} · ")}
    for name, why in found.items():
        if name not in excused and f"{number} · {name}" not in allowed:
            yield f"{name}: {why}; sharpen it, or say coarse=\"why\""
    for name in sorted(excused - set(found)):
        yield f"{name}: says why it is coarse, and is not"
    for line in sorted(allowed - {f"{number} · {n}" for n in set(found) - excused}):
        yield f"{line.removeprefix(f'{number} · ')}: is no longer coarse: remove its exception"


def _resolution(record):
    found = record["resolution"]
    return found.get("value", 0.0), found["measure"]


def teeth(config, numbers=()):
    """What ``python -m verdicts teeth`` prints: claims by what they notice, coarsest first."""
    paths = [config.notebook(n) for n in numbers] or config.notebook_paths()
    claims = [(p, r) for p in paths for r in notebook.claims(notebook.read(p))]
    sections = {
        "Equalities: the smallest relative change": ("relative",),
        "Upper bounds: the largest factor that would be noticed": ("factor below", "nothing"),
        "Lower bounds: the smallest factor that would be noticed": ("factor above",),
        "Negative bounds: the smallest share of its size": ("lower by", "higher by"),
        "Exponents: the smallest change": ("exponent",),
        "Effects: in half widths": ("half widths",),
        "Effects: in stated errors": ("errors",),
        "Controls without error: how far they are off": ("off by",),
        "Absolute changes": ("absolute",),
    }
    rising = ("factor below", "nothing", "half widths", "errors", "off by")
    lines = []
    for title, measures in sections.items():
        found = [(p, r) for p, r in claims if r.get("resolution", {}).get("measure") in measures]
        found.sort(key=lambda pair: _resolution(pair[1])[0], reverse=measures[0] not in rising)
        lines += ["", f"{title} ({len(found)})"]
        for path, record in found:
            mark = " ".join(filter(None, (
                f"[{record['bound']}]" if record.get("bound") else "",
                f"coarse: {record['coarse']}" if record.get("coarse") else "")))
            value = f"{_resolution(record)[0]:.2g}"
            lines.append(f"{value:>9}  {path.name[:2]} · {name_of(record)} {mark}".rstrip())
    lines += ["", "Coarse claims by notebook"]
    for path in paths:
        own = [r for p, r in claims if p == path]
        found = coarse(own)
        excused = sum(bool(r.get("coarse")) for r in own)
        lines.append(f"{path.name[:2]}: {len(found)} of {len(own)}, {excused} say why")
    return "\n".join(lines[1:])
