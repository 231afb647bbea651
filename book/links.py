"""Follow every internal link, image, script and anchor of a built site."""

import functools
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class _Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.targets, self.anchors, self.images = [], set(), []  # targets: of card and page, too

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.anchors |= {values[k] for k in ("id", "name") if values.get(k)}
        self.targets += [values[k] for k in ("href", "src") if values.get(k)]
        if values.get("property") in ("og:image", "og:url") and "://" in values["content"]:
            self.targets.append(values["content"])  # without a public address they say nothing
        if tag == "img":
            self.images.append(values)


def read(path):
    """The parsed page: its ``targets``, ``anchors`` and ``images``."""
    page = _Page()
    page.feed(Path(path).read_text(encoding="utf-8"))
    return page


def broken(site, address=""):
    """Messages on links that lead nowhere within the site, and on images without alt text; links
    to its public ``address`` are links within it, too."""
    site = Path(site).resolve()
    parsed = functools.cache(read)
    messages = []
    for path in sorted(site.rglob("*.html")):
        name = path.relative_to(site)
        if "_static" in name.parts:  # the theme's own templates
            continue
        page = parsed(path)
        for target in dict.fromkeys(page.targets):
            public = bool(address) and target.startswith(address)
            parts = urlsplit(target.removeprefix(address) if public else target)
            if parts.scheme or parts.netloc or target.startswith(("data:", "#!")):
                continue
            base = site if public else path.parent
            goal = (base / unquote(parts.path)).resolve() if parts.path or public else path
            if goal.is_dir():
                goal /= "index.html"
            if not goal.is_relative_to(site) or not goal.is_file():
                messages.append(f"{name}: {target} leads nowhere")
            elif parts.fragment and unquote(parts.fragment) not in parsed(goal).anchors:
                messages.append(f"{name}: {target}: no such anchor")
        messages += [
            f"{name}: image {image.get('src', '')[:60]} has no alt text"
            for image in page.images
            if not (image.get("alt") or "").strip() and "logo" not in image.get("class", "")
        ]
    return messages
