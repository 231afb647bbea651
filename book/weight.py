"""Take out of a built site what its pages load and never use; nothing looks different.

The theme loads an icon as a script of 1.5 MB beside the font that has it, the index of the search
on pages that do not search, and rules for thousands of classes that no page has.
"""

import re
from pathlib import Path

_ICONS = re.compile(r'<script[^>]*src="[^"]*/fontawesome\.js[^"]*"></script>\s*')
_SEARCH = re.compile(
    r'<script src="[^"]*(?:searchtools|language_data|searchindex)\.js[^"]*"></script>\s*')
_COLOUR = re.compile(r"(\S+) \.highlight(?: \.(\w+))? \{(?:[^}]*;)? *color: ([^;} ]+) *\}")
_RULE = re.compile(r"([^{}@;]+)\{([^{}]*)\}")
_COMMENT = re.compile(r"/\*.*?\*/", re.S)
_COMMA = re.compile(r",(?![^(]*\))")
_NEGATED = re.compile(r":not\([^()]*\)")


def lighten(site):
    """Rewrite pages and style sheets of the site in place.

    RuntimeError if a page no longer loads what is taken out: then the theme has changed.
    """
    site = Path(site)
    plain = _plain((site / "_static" / "pygments.css").read_text(encoding="utf-8"))
    pages = [p for p in site.rglob("*.html") if "_static" not in p.relative_to(site).parts]
    for path in pages:
        path.write_text(_page(path.read_text(encoding="utf-8"), path, plain), encoding="utf-8")
    for pattern in ("fontawesome.js*", "*.js.map", "*.css.map"):
        for path in (site / "_static").rglob(pattern):
            path.unlink()
    seen = set()
    for path in [*pages, *(site / "_static").rglob("*.js")]:
        seen.update(re.findall(r"[\w-]+", path.read_text(encoding="utf-8")))
    for path in (site / "_static" / "styles").glob("*.css"):
        path.write_text(used_rules(path.read_text(encoding="utf-8"), seen), encoding="utf-8")


def _plain(css):
    """Finds the pieces of code that have the colour of the code around them in every theme, as
    names and punctuation do."""
    colours = {}
    for theme, kind, colour in _COLOUR.findall(css):
        colours.setdefault(kind, {})[theme] = colour
    kinds = [kind for kind, found in colours.items() if kind and found == colours.get("")]
    return re.compile(rf'<span class="(?:{"|".join(kinds) or "(?!)"})">([^<]*)</span>')


def _page(text, path, plain):
    text, icons = _ICONS.subn("", text)
    if path.name != "search.html":
        text, search = _SEARCH.subn("", text)
        if search != 3:
            raise RuntimeError(f"{path.name} loads {search} scripts of the search instead of 3")
    if icons != 1:
        raise RuntimeError(f"{path.name} loads {icons} scripts of icons instead of 1")
    return plain.sub(r"\1", text)


def used_rules(css, seen):
    """The style sheet without the selectors that ask for a class which is no word of ``seen``."""

    def possible(selector):
        if ":is(" in selector or ":where(" in selector or ":has(" in selector:
            return True
        return set(re.findall(r"\.(-?[A-Za-z_][\w-]*)", _NEGATED.sub("", selector))) <= seen

    def rule(match):
        kept = [s for s in _COMMA.split(match[1]) if possible(s)]
        return f"{','.join(kept)}{{{match[2]}}}" if kept else ""

    return _RULE.sub(rule, _COMMENT.sub("", css))
