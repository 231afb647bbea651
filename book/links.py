"""Follow every internal link, image, script and anchor of a built site."""

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class _Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.targets, self.anchors, self.images = [], set(), []

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.anchors |= {values[k] for k in ("id", "name") if values.get(k)}
        self.targets += [values[k] for k in ("href", "src") if values.get(k)]
        if tag == "img":
            self.images.append(values)


def read(path):
    """The parsed page: its ``targets``, ``anchors`` and ``images``."""
    page = _Page()
    page.feed(Path(path).read_text(encoding="utf-8"))
    return page


def broken(site):
    """Messages on links that lead nowhere within the site, and on images without alt text."""
    site = Path(site).resolve()
    parsed = {path.resolve(): read(path) for path in sorted(site.rglob("*.html"))
              if "_static" not in path.parts}
    messages = []

    def anchors(goal):
        return parsed[goal].anchors if goal in parsed else read(goal).anchors

    for path, page in parsed.items():
        name = path.relative_to(site)
        for target in dict.fromkeys(page.targets):
            parts = urlsplit(target)
            if parts.scheme or parts.netloc or target.startswith(("data:", "#!")):
                continue
            goal = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if goal.is_dir():
                goal /= "index.html"
            if not goal.is_relative_to(site) or not goal.is_file():
                messages.append(f"{name}: {target} leads nowhere")
            elif parts.fragment and unquote(parts.fragment) not in anchors(goal):
                messages.append(f"{name}: {target}: no such anchor")
        messages += [
            f"{name}: image {image.get('src', '')[:60]} has no alt text"
            for image in page.images
            if not (image.get("alt") or "").strip() and "logo" not in image.get("class", "")
        ]
    return messages
