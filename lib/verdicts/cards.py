"""A card: the verdicts of one cell as one output, headed by the cell's title.  It leads with a
sentence and opens to the lines.

The markup is a function of the stored records and lines alone, so that the form guard can compare
it and ``stamp`` can write it anew without running anything.  It must read well without any style,
and where ``<details>`` does not fold: some viewers strip both.
"""

import html
import re
from collections import Counter

from verdicts.records import floats
from verdicts.resolution import change

# Okabe-Ito colours; the status word stands in the text as well.
COLOURS = {
    "holds": "#0072B2",
    "consistent": "#56B4E9",
    "refuted": "#009E73",
    "open": "#999999",
    "shown": "#999999",
    "violated": "#D55E00",
}
WORDS = {"refuted": "refuted, as it must be", "shown": "by construction"}
_REST = ("violated", "holds", "consistent", "open", "shown")  # controls have words of their own
# Of claims with one status the last to lead a card; a claim with numbers says more.
_LATER = {"for_all": 1, "identity": 2}
# What the words of a card mean, where they occur: below its lines, so that no reader has to leave.
_GLOSSARY = (
    ("holds", "true, up to the stated error, or beyond the interval"),
    ("consistent", "not refuted within interval plus stated error, and not confirmed"),
    ("refuted, as it must be", "a control: a false statement, found false"),
    ("by construction", "could not have failed, and does not count"),
    ("open", "reported, not asserted"),
    ("violated", "false"),
    ("identity", "two formulas agree; fails for any other formula"),
    ("tight", "two routes to one number, or the number that the text prints; fails if they differ "
              "by more than error plus interval"),
    ("upper", "an inequality, in each case; fails if the bound is too small in one"),
    ("lower", "the same for a bound from below"),
    ("for_all", "an inequality for all real values, decided by z3; a broken variant has an exact "
                "counterexample"),
    ("rate", "a fitted exponent; fails if it leaves its tolerance"),
    ("monotone", "every step has the stated sign"),
    ("shape", "a minimum with two branches, or none"),
    ("error", "what the computation may be off by, said before the claim"),
    ("interval", "over replicates, so wide that fewer than one seed in ten thousand raises a false "
                 "alarm"),
    ("slack", "bound over truth"),
    ("would notice", "a claimed value that wrong would have failed, in either direction; a bound "
                     "is tried on one side only"),
    ("half widths", "the effect in half widths of its interval; it counts from one on"),
    ("off by", "the difference as a share of the larger side, where it is largest"),
    ("coarse", "why it cannot notice less"),
)
_SIDES = re.compile(r"\b(?:lhs|rhs) ≈ ")
_EQUAL = re.compile(r"^lhs ≈ (\S+) equals rhs ≈ (\S+)")
_ITSELF = re.compile(r"(^| <= | >= | equals )(-?[0-9.]+(?:e-?[0-9]+)?|zero) ≈ \S+")
_SIGNS = {"<=": "≤", ">=": "≥", "=>": "⇒", "<=>": "⇔"}
GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "eps": "ε", "epsilon": "ε", "eta": "η",
    "theta": "θ", "kappa": "κ", "lambda": "λ", "mu": "μ", "xi": "ξ", "pi": "π", "rho": "ρ",
    "sigma": "σ", "tau": "τ", "phi": "φ", "chi": "χ", "upsilon": "υ", "omega": "ω",
}
_NAME = re.compile(
    r"(?<![A-Za-z0-9_&])([A-Za-z]+)(?:_([A-Za-z0-9]{1,5}))?"
    r"(?:\^([0-9]+(?![./][0-9])|[a-z]))?(?![A-Za-z0-9_^])"
)
_POWER = re.compile(r"\^(?:(-[0-9]+/[0-9]+|-?[0-9]+(?:\.[0-9]+)?)|\((-?[0-9/]+)\))")
_PRODUCT = re.compile(r"(?<=[\w)>])\*(?=[\w(|√])")


def kind_words(kind, of):
    """The kind of a claim; of a control or an illustration, which kind it controls or shows."""
    return f"{kind} of {of}" if of else kind


def line(statement, key, kind, status, text, of=None):
    """`[holds] Theorem 3 · circle (upper): root gap ≈ 0.1158 <= eps_stab ≈ 0.1557; …`"""
    words = WORDS.get(status, status)
    return f"[{words}] {statement} · {key} ({kind_words(kind, of)}): {text}"


def pretty(text, formula=False):
    """A line's text as markup: ≤ for <=, Greek letters for their names, and what follows _ or ^
    lowered or raised: eps_stab^2 becomes ε<sub>stab</sub><sup>2</sup>.

    In a ``formula``, as sympy writes it, products and roots have their signs, too.
    """
    text = html.escape(" ".join(_SIGNS.get(word, word) for word in text.split(" ")), quote=False)
    text = _NAME.sub(_written, text.replace("**", "^"))
    text = _POWER.sub(lambda m: f"<sup>{(m[1] or m[2]).replace('-', '−')}</sup>", text)
    return _PRODUCT.sub(" · ", text).replace("sqrt(", "√(") if formula else text


def _written(match):
    base, lowered, raised = match.groups()
    if lowered and base not in GREEK and len(base) > 2:  # a name of a program
        return match[0]
    base, lowered = (GREEK.get(name, name) for name in (base, lowered))
    return (
        base
        + (f"<sub>{lowered}</sub>" if lowered else "")
        + (f"<sup>{raised}</sup>" if raised else "")
    )


def _interesting(record):
    """Sorting key: sharp claims with numbers first; no side that is zero."""
    kind = record["kind"]
    numbers = record.get("numbers", {})
    idle = "lhs" in numbers and not any(floats(numbers["lhs"]) + floats(numbers["rhs"]))
    noticed = change(record) if kind in ("upper", "lower", "tight") else None
    return (
        ("violated", "holds", "consistent", "refuted", "open", "shown").index(record["status"]),
        _LATER.get(kind, 0),
        idle,
        0.5 if noticed is None else noticed,
    )


def _text(record, written):
    """The text of a line behind its status, statement, key and kind."""
    prefix = line(*(record[k] for k in ("statement", "key", "kind", "status")), "",
                  record.get("of"))
    return written.removeprefix(prefix).strip() if written.startswith(prefix[:3]) else written


def _sentence(record, written):
    claim, *notes = _text(record, written).split("; ")
    noticed = []
    if record["kind"] == "identity":  # rounding is not worth a sentence
        if claim == "difference = 0" and record["status"] == "holds":
            claim = "both sides are one formula (sympy)"
    else:
        noticed = [n for n in notes if n.startswith(("would notice", "effect", "off by"))]
    words = ", ".join([_readable(claim), *noticed[:1]])
    name = f"{html.escape(record['statement'])}, {pretty(record['key'])}"
    return f"{name}: {_formatted(record, words)}"


def _readable(claim):
    """Without the names of nameless sides, and without the value of a side that is a number."""
    claim = _EQUAL.sub(r"≈ \1 and ≈ \2 agree", claim)
    return _SIDES.sub("≈ ", _ITSELF.sub(r"\1\2", claim))


def _formatted(record, text):
    formula = "for_all" in (record["kind"], record.get("of"))
    return pretty(text, formula=formula)


def _rest(records, head):
    """What else the cell claims, in counts; a control that is alone by name."""
    counts = Counter(r["status"] for r in records)
    parts = []
    for status in _REST:
        if n := counts[status]:
            more = "more " if status == head["status"] else ""
            words = "hold" if status == "holds" and n > 1 else WORDS.get(status, status)
            parts.append(f"{n} {more}{words}")
    controls = [r["key"] for r in records if r["status"] == "refuted"]
    if controls and head["status"] == "refuted":
        parts.append(f"{len(controls)} more control{'s' if len(controls) > 1 else ''}")
    elif len(controls) == 1:
        parts.append(f"1 control refuted, as it must be: {pretty(controls[0])}")
    elif controls:
        parts.append(f"{len(controls)} controls refuted, as they must be")
    return ", ".join(parts)


def anchor(text):
    """The anchor of what has this name: its words in lower case, joined by hyphens."""
    return "-".join(re.findall(r"[^\W_]+", text.lower()))


def card(records, lines, legend="", title="", *, statements="", anchors=(), source=""):
    """The markup of the records of one cell and their lines; ``legend`` is the address of the
    legend of verdicts, ``title`` says what the cell does.

    On the site ``statements`` is the page that names lead to, ``anchors`` those of the rows, and
    ``source`` the address of the cell.
    """
    first = min(range(len(records)), key=lambda i: _interesting(records[i]))
    head = records[first]
    rest = _rest(records[:first] + records[first + 1 :], head)
    colour = COLOURS[head["status"]]
    lead = f"<i>{html.escape(title, quote=False)}.</i> " if title else ""
    summary = (
        f"{lead}<b>{WORDS.get(head['status'], head['status']).capitalize()}.</b> "
        f"{_sentence(head, lines[first])}." + (f" And {rest}." if rest else "")
    )
    names = anchors or [""] * len(records)
    rows = "".join(_row(r, text, statements, name)
                   for r, text, name in zip(records, lines, names, strict=True))
    said = "; ".join(f"<i>{word}</i>: {meaning}" for word, meaning in _GLOSSARY
                     if any(_says(r, text, word) for r, text in zip(records, lines, strict=True)))
    link = "".join(f' <a href="{html.escape(address)}">{words}</a>' for address, words in (
        (legend, "All words"), (source, "This verdict in the source")) if address)
    more = f'<p style="margin:0.5em 0 0"><small>{said}.{link}</small></p>'
    # Neither background nor text colour: the page is light or dark.
    return (
        f'<details style="border-left:3px solid {colour};padding:0.1em 0.6em;'
        f'overflow-wrap:anywhere"><summary>{summary}</summary>{rows}{more}</details>'
    )


def _says(record, written, word):
    """Whether a word of the glossary stands in the line of a claim."""
    kinds = (record["kind"], record.get("of"), record["status"],
             WORDS.get(record["status"], record["status"]))
    return word in kinds or re.search(rf"\b{word}\b(?! ≈ 0;)", _text(record, written)) is not None


def _row(record, written, statements, name):
    words = WORDS.get(record["status"], record["status"])
    statement = html.escape(record["statement"])
    if statements:
        statement = f'<a href="{statements}#{anchor(record["statement"])}">{statement}</a>'
    named = f' id="{name}"' if name else ""
    name = f"{statement} · {pretty(record['key'])}"
    kind = kind_words(record["kind"], record.get("of"))
    return (
        f'<p{named} style="margin:0.3em 0;border-left:3px solid {COLOURS[record["status"]]};'
        f'padding-left:0.4em"><b>{words}</b> '
        f"{name} ({kind}): {_formatted(record, _text(record, written))}</p>"
    )
