"""The built site in headless Chromium, with every address but the site's own blocked.

    make book-test        builds the offline site, then runs this

Skips with a message where Chromium or playwright is not installed. With SCREENSHOTS=1 a picture of
every page, at phone and at desktop width, and of every slide of a deck, is left in
build/book/screenshots.
"""

import functools
import http.server
import os
import re
import shutil
import threading
from pathlib import Path
from urllib.parse import quote

import deck
import measure
import pytest

from verdicts import chapter, notebook, stamp
from verdicts.config import load_config

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CONFIG = load_config(Path(__file__).parent)
SITE = CONFIG.root / "build" / "book" / "html"
SHOTS = CONFIG.root / "build" / "book" / "screenshots"
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
WIDTHS = {"phone": (390, 844), "desktop": (1280, 900)}
PAGES = sorted(p.relative_to(SITE).as_posix() for p in SITE.rglob("*.html")
               if "_static" not in p.parts)
HEAVIEST = 1_500_000  # bytes of a page with all it loads, uncompressed, fonts apart
_WEIGHT = """() => Object.values(Object.fromEntries(performance.getEntries()
    .filter(e => e.decodedBodySize && !/\\.woff2?$/.test(e.name))
    .map(e => [e.name, e.decodedBodySize]))).reduce((sum, one) => sum + one, 0)"""
# The text of an element without its code, and the formulas that stick out to the left.
_TEXT = """article => {
    const copy = article.cloneNode(true);
    copy.querySelectorAll("code, pre, .katex").forEach(e => e.remove());
    return copy.textContent;
}"""
_CUT = """all => all.filter(d => d.firstElementChild.getBoundingClientRect().left
    < d.getBoundingClientRect().left - 1).map(d => d.textContent.slice(0, 60))"""
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update",
         "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
    pytest.mark.skipif(not (SITE / "_static" / "katex").is_dir(),
                       reason="no offline site; run: python book/build.py --offline"),
]


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def address():
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(_Quiet, directory=SITE))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


class Visit:
    """A page, opened: what it complained of and which addresses it asked for in vain."""

    def __init__(self, browser, address, path, width, height):
        self.page = browser.new_page(viewport={"width": width, "height": height})
        self.errors, self.outside = [], []
        self.page.on("console", lambda m: m.type == "error" and self.errors.append(m.text))
        self.page.on("pageerror", lambda e: self.errors.append(str(e)))
        self.page.route("**/*", functools.partial(self._only, address))
        self.page.goto(f"{address}/{path}", wait_until="load")
        self.page.evaluate("window.MathJax?.startup?.promise")

    def _only(self, address, route):
        if route.request.url.startswith((address, "data:", "blob:")):
            route.continue_()
        else:
            self.outside.append(route.request.url)
            route.abort()


@pytest.fixture
def visit(browser, address):
    opened = []

    def open_(path, width=1280, height=900):
        opened.append(Visit(browser, address, path, width, height))
        return opened[-1]

    yield open_
    for one in opened:
        one.page.close()


@pytest.mark.parametrize("device", WIDTHS)
@pytest.mark.parametrize("path", PAGES)
def test_page(visit, path, device):
    """No error, nothing asked of the network, all formulas rendered, nothing wider than it, and
    light enough for a phone."""
    found = visit(path, *WIDTHS[device])
    page = found.page
    assert not found.outside, found.outside
    assert not found.errors, found.errors
    sources = page.locator(".math").count()
    assert page.locator(".math > .katex, .math > .katex-display > .katex").count() == sources
    assert page.locator(".katex-error").count() == 0
    article = page.locator(".bd-article-container").first
    if article.count():
        text = article.evaluate(_TEXT)
        for raw in ("$$", r"\(", r"\["):
            assert raw not in text, f"{raw} in the text of the page"
    cut = page.locator("div.math").evaluate_all(_CUT)
    assert not cut, f"formulas whose left end cannot be reached: {cut}"
    wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert wide <= 0, f"{wide} pixels wider than the window"
    assert page.evaluate(_WEIGHT) <= HEAVIEST
    if os.environ.get("SCREENSHOTS"):
        name = path.removesuffix(".html").replace("/", "-")
        SHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SHOTS / f"{name}.{device}.png", full_page=True)


def test_formulas_exist(visit):
    """The counts above are not of empty pages."""
    path = f"notebooks/{CONFIG.notebook_paths()[4].stem}.html"
    assert visit(path).page.locator(".katex").count() > 50


@pytest.mark.parametrize("query, first", [
    ("Harnack", {6}), ("κ", {12}), ("kappa", {14}), ("ε_stab", {0, 3}), ("score stability", {3}),
    ("membership inference", {24}), ("memorization", {2})])
def test_search_finds(visit, query, first):
    """Chapters first, and what their texts call otherwise."""
    page = visit(f"search.html?q={quote(query)}").page
    page.wait_for_selector("#search-results li", timeout=20_000)
    page.wait_for_function("document.querySelector('.search-summary')?.textContent.match(/found/)")
    found = page.locator("#search-results li").all_inner_texts()[:5]
    assert first <= {int(text[:2]) for text in found if text[:2].isdigit()}, found
    if query == "κ":  # an excerpt is of the article
        page.wait_for_function("document.querySelectorAll('#search-results p.context').length > 4")
        excerpts = page.locator("#search-results p.context").all_inner_texts()
        assert "In one sentence" in " ".join(excerpts) and "Settings" not in " ".join(excerpts)


def test_the_search_of_a_chapter_leads_to_the_search(visit):
    """The index is not loaded before."""
    page = visit(f"notebooks/{CONFIG.notebook(4).stem}.html").page
    assert not page.evaluate("performance.getEntries().some(e => /searchindex/.test(e.name))")
    page.keyboard.press("Control+k")
    page.keyboard.type("Girsanov")
    page.keyboard.press("Enter")
    page.wait_for_selector("#search-results li", timeout=20_000)
    assert "11 ·" in page.locator("#search-results").inner_text()


def test_a_claim_leads_to_its_card_and_the_card_to_its_statement(visit):
    page = visit("statements.html").page
    claim = page.locator("#theorem-3 table a").nth(7)
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    name = claim.inner_text()
    claim.click()
    row = page.locator(":target")
    row.wait_for()  # although its card was folded
    assert name in row.inner_text()
    assert row.evaluate("e => e.getBoundingClientRect().top") > 40  # not under the header
    row.locator("a", has_text="Theorem 3").click()
    page.locator("#theorem-3:target").wait_for()


def test_the_number_of_an_equation_leads_to_it(visit):
    page = visit(f"notebooks/{CONFIG.notebook(8).stem}.html").page
    page.locator("a[href*='05_'][href$='#eq-5-1']").first.click()
    assert "05_" in page.url
    formula = page.locator(":target ~ div.math").first
    assert "(5.1)" in re.sub(r"\s", "", formula.inner_text())
    assert formula.is_visible()


def test_dark_mode(visit):
    page = visit("index.html").page
    colour = "getComputedStyle(document.body).backgroundColor"
    page.evaluate("document.documentElement.dataset.theme = 'light'")
    light = page.evaluate(colour)
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert page.evaluate(colour) != light
    assert page.locator(".theme-switch-button").count() > 0


def test_phone_reaches_every_chapter(visit):
    page = visit("index.html", *WIDTHS["phone"]).page
    page.locator("button.primary-toggle").first.click()
    page.wait_for_timeout(400)
    links = page.locator("#pst-primary-sidebar a.reference, #pst-primary-sidebar-modal a.reference")
    hrefs = set(links.evaluate_all("all => all.map(a => a.getAttribute('href'))"))
    assert {f"notebooks/{p.stem}.html" for p in CONFIG.all_paths()} <= hrefs


@pytest.mark.parametrize("chapter_path", CONFIG.all_paths(), ids=lambda p: p.stem)
def test_colab_links_lead_to_the_notebook(visit, chapter_path):
    page = visit(f"notebooks/{chapter_path.stem}.html").page
    expected = stamp.colab_link(CONFIG, chapter_path)
    links = page.locator("a[href*='colab.research.google.com']")
    hrefs = links.evaluate_all("all => all.map(a => a.href)")
    if not CONFIG.published:  # plain words, and no link that leads nowhere
        assert hrefs == [] and "once published" in page.locator(".bd-article").inner_text()
        return
    assert len(hrefs) >= 2  # the text link and the button of the theme
    assert set(hrefs) == {expected}


def test_solutions_unfold(visit):
    path = f"notebooks/{CONFIG.notebook_paths()[3].stem}.html"
    details = visit(path).page.locator("details:has(summary:text('Solution'))").first
    closed = details.bounding_box()["height"]
    details.locator("summary").click()
    assert details.bounding_box()["height"] > 2 * closed


# ----------------------------------------------------------------------------- how a chapter reads


def _read(visit, path):
    """Its measures on a desk and on a phone."""
    name = f"notebooks/{path.stem}.html"
    found = []
    for size in (measure.DESKTOP, measure.PHONE):
        page = visit(name, *size).page
        page.wait_for_timeout(200)  # the switch for code, and what formulas push down
        found.append(measure.measure(page))
    return found


@pytest.mark.parametrize("path", CONFIG.notebook_paths(), ids=lambda p: p.stem)
def test_a_chapter_reads_as_it_should(visit, path):
    """The measured rules of the form, but those that the list of exceptions excuses; an exception
    that is no longer needed must go."""
    number = path.name[:2]
    desktop, phone = _read(visit, path)
    broken = measure.broken(int(number), desktop, phone, measure.sizes(notebook.read(path)))
    if not (deck.LESSONS / f"{number}.md").is_file():
        broken["deck"] = "no lesson"
    excused = chapter.exceptions(CONFIG).get(number, set()) & set(chapter.MEASURED)
    wrong = {rule: words for rule, words in broken.items() if rule not in excused}
    assert not wrong, f"{number} breaks {wrong}: see verdicts.chapter.MEASURED"
    kept = sorted(excused - set(broken))
    assert not kept, f"{number} keeps {kept}: take them out of {CONFIG.unmended}"


def test_chapters_are_ten_screens_on_average(visit):
    heights = []
    for path in CONFIG.notebook_paths():
        one = visit(f"notebooks/{path.stem}.html", *measure.DESKTOP)
        heights.append(measure.measure(one.page)["screens"])
        one.page.close()
    assert sum(heights) / len(heights) <= 10


def test_one_switch_shows_all_the_code(visit):
    page = visit(f"notebooks/{CONFIG.notebook(4).stem}.html").page
    folded = page.locator(".cell > details.hide")
    assert folded.count() > 10 and page.locator(".cell > details.hide[open]").count() == 0
    button = page.locator("button.code-switch")
    assert "lines)" in button.inner_text()
    button.click()
    assert page.locator(".cell > details.hide[open]").count() == folded.count()
    assert button.inner_text() == "Hide all code" and button.get_attribute("aria-pressed") == "true"
    summaries = folded.locator("summary").all_inner_texts()
    assert any("drawn by pictures.theorem_3" in text for text in summaries)


def test_a_figure_is_enlarged_and_escape_closes_it(visit):
    page = visit(f"notebooks/{CONFIG.notebook(4).stem}.html").page
    page.locator(".cell_output img").first.click()
    assert page.locator("dialog.enlarged[open] img").count() == 1
    page.keyboard.press("Escape")
    assert page.locator("dialog.enlarged[open]").count() == 0


def test_captions_are_captions(visit):
    page = visit(f"notebooks/{CONFIG.notebook(4).stem}.html").page
    captions = page.locator("figcaption").all_inner_texts()
    assert [c[:11] for c in captions] == [f"Figure 4.{k}." for k in range(1, len(captions) + 1)]
    assert page.locator("#fig-4-2 img").count() == 1


@pytest.mark.parametrize("name", ["index", "notebooks/14_figure_2_without_monte_carlo"])
def test_an_animation_has_a_slider(visit, name):
    page = visit(f"{name}.html").page
    page.wait_for_selector("canvas.animation")
    canvas, slider = page.locator("canvas.animation").first, page.locator("input[type=range]").first
    assert int(slider.get_attribute("max")) >= 10
    assert canvas.get_attribute("aria-label")
    page.locator(".animation-controls button[aria-label=pause]").first.click()
    seen = set()
    for k in (0, 5, int(slider.get_attribute("max"))):
        slider.fill(str(k))
        seen.add(canvas.evaluate("c => c.toDataURL()"))
    assert len(seen) == 3


def test_reduced_motion_is_respected(browser, address):
    context = browser.new_context(reduced_motion="reduce")
    page = context.new_page()
    page.goto(f"{address}/notebooks/{CONFIG.notebook(14).stem}.html")
    page.wait_for_selector("canvas.animation")
    assert page.locator(".animation-controls button[aria-label=play]").count() == 1
    slider = page.locator("input[type=range]").first
    first = slider.input_value()
    page.wait_for_timeout(600)
    assert slider.input_value() == first == slider.get_attribute("max")
    context.close()


def test_dark_mode_inverts_drawings_but_no_photographs(visit):
    def filters(number):
        page = visit(f"notebooks/{CONFIG.notebook(number).stem}.html").page
        page.evaluate("document.documentElement.dataset.theme = 'dark'")
        return page.locator(".cell_output img").evaluate_all(
            "all => all.map(i => [!!i.closest('.tag_photo'), getComputedStyle(i).filter])")

    found = filters(4) + filters(2)
    assert any(photo for photo, _ in found) and not all(photo for photo, _ in found)
    assert all(("invert" in value) != photo for photo, value in found)


# What sticks out of the current slide, with all its steps shown, and what is on it.
_SLIDE = """() => {
    const slide = Reveal.getCurrentSlide(), shown = slide.cloneNode(true);
    shown.querySelectorAll("aside, code, mjx-container").forEach(e => e.remove());
    const cut = box => box.left < 0 || box.top < 0
        || box.right > innerWidth || box.bottom > innerHeight;
    const parts = [...slide.querySelectorAll("*")].filter(
        e => !e.closest("aside, mjx-container *"));
    const words = document.createRange();
    const out = parts.filter(e => {
        words.selectNodeContents(e);
        return cut(e.getBoundingClientRect()) || cut(words.getBoundingClientRect());
    });
    const sizes = [...slide.querySelectorAll("img")].map(e => {
        const scale = Math.min(e.width / e.naturalWidth, e.height / e.naturalHeight);
        return Math.max(scale * e.naturalWidth / innerWidth, scale * e.naturalHeight / innerHeight);
    });
    return {
        out: out.map(e => e.outerHTML.slice(0, 60)),
        steps: slide.querySelectorAll(".fragment:not(.visible)").length,
        notes: slide.querySelector("aside.notes").textContent.trim(),
        text: shown.textContent,
        sizes,
    };
}"""


@pytest.mark.parametrize("number", sorted(p.stem for p in deck.LESSONS.glob("*.md")))
def test_deck(browser, number):
    """Opened from its file: nothing asked of the network, nothing cut, notes on every slide."""
    try:
        path = deck.build(CONFIG, number)
    except SystemExit as error:  # npm gives nothing
        pytest.skip(str(error))
    found = Visit(browser, path.parent.as_uri(), path.name, 1280, 720)
    page = found.page
    count = page.evaluate("Reveal.getTotalSlides()")
    assert 12 <= count <= 15
    for k in range(count):
        page.evaluate(f"Reveal.slide({k}, 0, 99)")
        page.wait_for_timeout(300)
        slide = page.evaluate(_SLIDE)
        assert not slide["out"], f"slide {k + 1} is cut: {slide['out']}"
        assert slide["steps"] == 0 and slide["notes"] and "$" not in slide["text"]
        assert all(size > 0.9 for size in slide["sizes"]), f"slide {k + 1}: a small picture"
        if os.environ.get("SCREENSHOTS"):
            SHOTS.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=SHOTS / f"deck-{number}-{k + 1:02d}.png")
    source = (deck.LESSONS / f"{number}.md").read_text()
    typeset = page.locator(".slides mjx-container").count()
    assert typeset >= len(re.findall(r"\$\$.+?\$\$|\$[^$]+\$", source, re.S)) > 0
    assert page.locator("mjx-merror").count() == 0
    assert not found.outside and not found.errors, found.outside + found.errors
    page.close()
