"""How a built chapter reads: lengths in screens, shares of its height, sizes of its pictures.

    python book/measure.py            a table of all chapters; build/book/html must be there
    python book/measure.py 03 04      of these
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from verdicts import images, notebook
from verdicts.config import load_config
from verdicts.display import FOLD

DESKTOP, PHONE = (1400, 900), (390, 844)
LONG = {24, 26}  # chapters that may have four screens more
SHARP = 1.9  # stored pixels per pixel shown
PICTURE, ANIMATION = 60_000, 250_000  # bytes

_SCRIPT = """() => {
  const article = document.querySelector(".bd-article");
  const height = document.documentElement.scrollHeight;
  const seen = e => e.getBoundingClientRect().height > 0
    && !e.closest("details:not([open]) > :not(summary)");
  const top = e => e.getBoundingClientRect().top + scrollY;
  const all = selector => [...article.querySelectorAll(selector)].filter(seen);
  const covered = elements => {
    const spans = elements.map(e => [top(e), top(e) + e.getBoundingClientRect().height]);
    let sum = 0, end = -1;
    for (const [a, b] of spans.sort((x, y) => x[0] - y[0])) {
      if (b > end) { sum += b - Math.max(a, end); end = b; }
    }
    return sum / height;
  };
  const figures = all(".cell_output img, canvas.animation").filter(
    e => e.getBoundingClientRect().width > 150);
  const headings = [...article.querySelectorAll("h2")];
  const evidence = headings.find(h => h.textContent.startsWith("Evidence"));
  const rows = table => table.querySelectorAll("tbody tr").length;
  const sharp = e => (e.naturalWidth || e.width) / e.getBoundingClientRect().width;
  const bare = all(".cell_output .text_plain, .cell_output .stream").length;
  return {
    screens: height / innerHeight,
    first: figures.length ? top(figures[0]) / innerHeight : Infinity,
    story: evidence ? top(evidence) / innerHeight : Infinity,
    count: figures.length,
    figures: covered(figures),
    code: covered(all(".cell_input")),
    rows: Math.max(0, ...all(".cell_output table").map(rows)),
    sharp: Math.min(99, ...figures.map(sharp)),
    bare,
  };
}"""


def measure(page):
    """The measures of a page that is open in playwright, after its formulas are set."""
    return page.evaluate(_SCRIPT)


def broken(number, desktop, phone, sizes):
    """The rules of ``verdicts.chapter.MEASURED`` that a chapter does not keep, with what was found.

    ``desktop`` and ``phone`` are its measures, ``sizes`` (bytes, animated) of its pictures.
    """
    more = 4 if number in LONG else 0
    checks = {
        "first figure": (desktop["first"] <= 0.6 and phone["first"] <= 0.9,
                         f"at {desktop['first']:.2f} and {phone['first']:.2f} screens"),
        "screens": (desktop["screens"] <= 12 + more and phone["screens"] <= 18 + 1.5 * more,
                    f"{desktop['screens']:.1f} and {phone['screens']:.1f}"),
        "story": (desktop["story"] <= 7, f"{desktop['story']:.2f}"),
        "figures": (desktop["count"] >= 4 and desktop["figures"] >= 0.15,
                    f"{desktop['count']}, {100 * desktop['figures']:.1f} %"),
        "code": (desktop["code"] <= 0.05, f"{100 * desktop['code']:.1f} %"),
        "tables": (desktop["rows"] < FOLD, f"{desktop['rows']} rows"),
        "output": (desktop["bare"] == 0, f"{desktop['bare']} printed"),
        "bytes": (desktop["sharp"] >= SHARP and all(
            size <= (ANIMATION if moves else PICTURE) for size, moves in sizes),
            f"{desktop['sharp']:.2f} pixels per pixel, {max(sizes, default=(0,))[0]} bytes"),
    }
    return {rule: words for rule, (kept, words) in checks.items() if not kept}


def sizes(nb):
    """(bytes, whether it moves) of every stored picture of a notebook."""
    found = [o["data"]["image/png"] for c in nb["cells"] for o in notebook.pictures(c)]
    return [(len(text) * 3 // 4, images.is_animated(text)) for text in found]


def main(numbers):
    """Print a line for each chapter."""
    try:
        from playwright.sync_api import sync_playwright
        from test_browser import CHROMIUM, FLAGS, SITE
    except ImportError:
        raise SystemExit("first: make book OFFLINE=1 (it installs a browser's driver)") from None
    if not SITE.is_dir():
        raise SystemExit("first: make book OFFLINE=1")

    config = load_config(Path(__file__).parent)
    paths = [config.notebook(n) for n in numbers] or config.notebook_paths()
    print("    screens  phone  first  story  figures      %  code %  rows")
    heights = []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for path in paths:
            found = []
            for width, height in (DESKTOP, PHONE):
                page = browser.new_page(viewport={"width": width, "height": height})
                page.goto((SITE / config.notebooks / f"{path.stem}.html").as_uri())
                page.wait_for_timeout(300)
                found.append(measure(page))
                page.close()
            m, phone = found
            heights.append(m["screens"])
            print(f"{path.name[:2]}  {m['screens']:7.1f}  {phone['screens']:5.1f}"
                  f"  {m['first']:5.2f}  {m['story']:5.2f}  {m['count']:7}"
                  f"  {100 * m['figures']:5.1f}  {100 * m['code']:6.1f}  {m['rows']:4}")
        browser.close()
    print(f"mean {sum(heights) / len(heights):6.1f}")


if __name__ == "__main__":
    main(sys.argv[1:])
