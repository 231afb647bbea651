"""What the site is made of, without building it (``make book-test`` looks at the built pages)."""

import base64
import hashlib
import importlib
import inspect
import io
import re
import runpy
import subprocess
import sys
import tarfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from verdicts import notebook, report, stamp
from verdicts.config import load_config

CONFIG = load_config(Path(__file__).parent)
ROOT = CONFIG.root
sys.path.insert(0, str(ROOT / "book"))

import contents  # noqa: E402
import crossref  # noqa: E402
import links  # noqa: E402
import npm  # noqa: E402
import pages  # noqa: E402
import slides  # noqa: E402
import weight  # noqa: E402

NUMBERS = [int(p.name[:2]) for p in CONFIG.notebook_paths()]


def test_the_parts_hold_every_notebook_once_in_reading_order():
    assert [n for _, _, numbers in contents.PARTS for n in numbers] == NUMBERS


def test_a_notebook_is_found_by_its_number():
    assert CONFIG.notebook(3) == CONFIG.notebook("03") == CONFIG.notebook_paths()[3]
    with pytest.raises(LookupError, match="0 notebooks with number 98"):
        CONFIG.notebook(98)


def test_the_readme_lists_every_notebook_in_the_same_order():
    text = (ROOT / "README.md").read_text(encoding="utf-8").split(report.START)[0]
    for path in CONFIG.notebook_paths():
        assert f"({stamp.colab_link(CONFIG, path)})" in text, f"Colab link of {path.name}"
    chapters = text[text.index("## Read, or run in Colab") :]
    listed = re.findall(r"\(notebooks/(\d\d)_[^)]*\.ipynb\)", chapters)
    assert [int(n) for n in listed] == NUMBERS


def test_the_headline_is_the_stored_figure():
    make_pictures = runpy.run_path(str(ROOT / "book" / "make_pictures.py"))
    stored = make_pictures["stored_figure"]()
    assert (ROOT / "book" / "headline.png").read_bytes() == stored  # else: book/make_pictures.py


def test_every_page_of_the_reference_part_is_made(tmp_path):
    pages.assemble(CONFIG, tmp_path)
    for name in contents.REFERENCE:
        assert any((tmp_path / f"{name}{end}").is_file() for end in (".md", ".rst")), name
    shown = list((tmp_path / "notebooks").glob("*.ipynb"))
    assert len(shown) == len(CONFIG.all_paths()) > len(NUMBERS)
    # Nothing on a page may be asked of the network: no remote image.
    for path in tmp_path.rglob("*.md"):
        assert not re.search(r"!\[[^\]]*\]\(https?:", path.read_text(encoding="utf-8")), path


def test_the_landing_page_has_story_table_and_all_chapters():
    text = pages.landing(CONFIG)
    assert "**The paradox.**" in text
    for name in pages.FIGURES:
        assert f"```{{image}} book/{name}\n:alt: " in text
    assert "**Figure" not in text  # a number says nothing without its chapter
    assert report.markdown(CONFIG) in text
    for path in CONFIG.notebook_paths():
        assert f"(notebooks/{path.name})" in text


def test_the_index_of_statements_has_every_statement_and_every_claim():
    text = pages.statements(CONFIG)
    for statement in CONFIG.registry():
        assert f"\n## {statement.id}" in text
    stored = report.stored_claims(CONFIG)
    assert text.count("| holds |") == sum(r["status"] == "holds" for _, r in stored)
    targets = re.findall(r'<a href="notebooks/([^"#]+)\.html#([^"]+)">', text)
    assert len(targets) == len(set(targets)) == len(stored)
    for path in CONFIG.notebook_paths():  # each leads to the row of its card, and that leads back
        nb = notebook.loads(pages.chapter(CONFIG, path, crossref.Links({}, {})))
        cards = "".join(o["data"].get("text/html", "") for c in notebook.code_cells(nb)
                        for o in c["outputs"] if notebook.card_of(o))
        rows = re.findall(
            r'<p id="([^"]+)"[^>]*><b>[^<]*</b> <a href="../statements.html#([^"]+)">', cards)
        assert [name for name, _ in rows] == crossref.claim_anchors(
            [r for p, r in stored if p == path])
        assert {name for stem, name in targets if stem == path.stem} == {name for name, _ in rows}
        for _, statement in rows:
            assert f"\n({statement})=\n" in text


def test_chapters_lead_to_colab_without_remote_images_and_hide_the_setup_cell():
    path = CONFIG.notebook_paths()[3]
    nb = notebook.loads(pages.chapter(CONFIG, path))
    first = nb["cells"][0]["source"]
    assert ("colab.research.google.com/github/" in first) == CONFIG.published
    assert path.name in first or "once published" in first
    assert "colab-badge" not in first
    (setup,) = [c for c in nb["cells"] if "setup" in notebook.tags(c)]
    assert "remove-cell" in notebook.tags(setup)
    assert notebook.records(nb) == notebook.records(notebook.read(path))


def test_a_chapter_says_what_it_is_about_to_those_who_link_to_it_and_to_the_search():
    words = {5: "minimizers", 12: "κ", 13: "eps_stab", 24: "membership inference"}
    for number, word in words.items():
        nb = notebook.loads(pages.chapter(CONFIG, CONFIG.notebook(number)))
        meta = nb["metadata"]["myst"]["html_meta"]
        assert word in meta["keywords"].split(", ")
        said = nb["metadata"]["og:description"]
        assert said == meta["description"] and len(said) > 60 and not re.search(r"[$*\\{}\n]", said)
    assert "with κ: an optimal κ>0 exists" in pages.chapter(CONFIG, CONFIG.notebook(13))


def test_links_out_of_the_site_go_to_the_repository():
    known = {"index.md", "data/README.md"}
    text = "[a](LICENSE) [b](data) [c](index.md) [d](https://x.org) ![e](book/headline.png) [f](lib)"  # noqa: E501
    base = CONFIG.repository
    assert pages._outside_links(text, "index.md", known, CONFIG) == (
        f"[a]({base}/blob/main/LICENSE) [b](data/README.md) [c](index.md) [d](https://x.org) "
        f"![e](book/headline.png) [f]({base}/tree/main/lib)"
    )


def test_the_library_has_a_page_for_each_door_in_the_order_of_the_folders():
    names = [name.removeprefix("api/score_stability.").removesuffix(".rst")
             for name in pages.api_pages() if name.startswith("api/score_stability.")]
    doors = ["theory", "diffusion", "yardsticks", "scores", "sampler", "optimiser", "stability"]
    assert names == [*doors, "arrays", "jobs", "datasets", "runtime", "plots", "pictures"]
    for name in [*doors, "pictures"]:
        page = pages.api_pages()[f"api/score_stability.{name}.rst"]
        door = importlib.import_module(f"score_stability.{name}")
        shown = re.findall(r"^\.\. auto(?:class|function):: (\w+)$", page, re.MULTILINE)
        objects = {n: getattr(door, n) for n in door.__all__}
        assert sorted(shown) == sorted(n for n, value in objects.items()
                                       if inspect.isclass(value) or inspect.isfunction(value))


def test_an_example_in_a_docstring_is_shown_as_it_is():
    as_rst = runpy.run_path(str(ROOT / "book" / "conf.py"))["_as_rst"]
    lines = ["The norm |x|.", "", ">>> f(2 * x)  # |x|_", "array([2.,", "       *])", "", "Of |y|.",
             "", "    |z|"]
    as_rst(None, "function", "f", None, None, lines)
    assert lines == ["The norm \\|x\\|.", "", ">>> f(2 * x)  # |x|_", "array([2.,", "       *])",
                     "", "Of \\|y\\|.", "", "::", "", "    |z|"]


def test_section_wants_exactly_one_heading():
    text = "# A\n\none\n\n## B\n\ntwo\n\n### C\n\nthree\n\n## D\n\nfour"
    assert pages.section(text, "B") == "two\n\n### C\n\nthree"
    assert pages.section(text, "D") == "four"
    with pytest.raises(LookupError, match="0 headings 'E'"):
        pages.section(text, "E")
    with pytest.raises(LookupError, match="2 headings"):
        pages.section(text + "\n## D\n", "D")


def _site(tmp_path, **files):
    for name, text in files.items():
        (tmp_path / f"{name}.html").write_text(text, encoding="utf-8")
    return links.broken(tmp_path)


def test_links_finds_missing_files_anchors_and_alt_texts(tmp_path):
    good = '<h1 id="x">X</h1><a href="b.html#y">b</a><a href="#x">x</a><a href="https://z.org">z</a>'
    assert _site(tmp_path, a=good, b='<p id="y"><img src="a.html" alt="text"></p>') == []
    bad = '<a href="c.html">c</a><a href="b.html#no">b</a><img src="b.html">'
    messages = _site(tmp_path, a=bad)
    assert len(messages) == 3
    assert "c.html leads nowhere" in messages[0]
    assert "b.html#no: no such anchor" in messages[1]
    assert "no alt text" in messages[2]


def test_links_to_the_public_address_are_followed_too(tmp_path):
    """Those of the card that others show of a page among them."""
    card = '<meta property="og:image" content="https://a.github.io/b/{}.html">'
    text = '<a href="https://a.github.io/b/">x</a><a href="https://a.github.io/b/p.html#y">y</a>'
    pages_ = {"p": card.format("p"), "index": text, "q": card.format("z")}
    assert _site(tmp_path, **pages_) == []
    assert links.broken(tmp_path, "https://a.github.io/b/") == [
        "index.html: https://a.github.io/b/p.html#y: no such anchor",
        "q.html: https://a.github.io/b/z.html leads nowhere"]


def test_links_may_not_leave_the_site(tmp_path):
    (tmp_path / "outside.txt").write_text("x", encoding="utf-8")
    (tmp_path / "site").mkdir()
    assert _site(tmp_path / "site", a='<a href="../outside.txt">up</a>') == [
        "a.html: ../outside.txt leads nowhere"
    ]


# ----------------------------------------------------------------------------- npm


def _archive(path, *names):
    with tarfile.open(path, "w:gz") as archive:
        for name in names:
            member = tarfile.TarInfo(f"package/{name}")
            member.size = 4
            archive.addfile(member, io.BytesIO(b"text"))
    return path.read_bytes()


def _package(content, parts=("es5/tex.js", "es5/fonts/")):
    integrity = base64.b64encode(hashlib.sha512(content).digest()).decode()
    return npm.Package("mathjax@3.2.2", integrity, parts, root="es5/")


def test_a_package_is_taken_whole_or_not_at_all(tmp_path, monkeypatch):
    """Cut off, or with a member that leads out of the site: refused, and nothing is left of it."""
    good = _archive(tmp_path / "good.tgz", "es5/tex.js", "es5/tex.js.map", "es5/fonts/a", "README")
    evil = _archive(tmp_path / "evil.tgz", "es5/tex.js", "es5/fonts/../../../../../../escaped")
    package, downloads = _package(good), []

    def pack(command, cwd, **options):
        raw = downloads.pop(0)
        (Path(cwd) / "mathjax-3.2.2.tgz").write_bytes(raw)
        if len(raw) < 20:
            raise KeyboardInterrupt
        return SimpleNamespace(returncode=0, stderr="")

    cache, site = tmp_path / "npm", tmp_path / "site" / "mathjax"
    monkeypatch.setattr(npm, "CACHE", cache)
    monkeypatch.setattr(npm.shutil, "which", lambda name: "npm")
    monkeypatch.setattr(subprocess, "run", pack)
    for raw, error in ((good[:10], KeyboardInterrupt), (good[:-4], SystemExit),
                       (evil, SystemExit)):
        downloads[:] = [raw]
        with pytest.raises(error):
            npm.unpack(package, site)
        assert not downloads and list(cache.iterdir()) == []
    assert not list(tmp_path.rglob("escaped")) and not site.exists()
    for wanted in ([good], []):  # the second time it is there
        downloads[:] = wanted
        npm.unpack(package, site)
        assert not downloads
        assert {p.relative_to(site).as_posix() for p in site.rglob("*") if p.is_file()} == {
            "tex.js", "fonts/a"}
    (packed,) = cache.iterdir()
    for damaged in (good[:50], evil):  # what an earlier build has left
        packed.write_bytes(damaged)
        downloads[:] = [good]
        npm.unpack(package, site)
        assert not downloads and packed.read_bytes() == good


def test_without_npm_or_its_registry_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(npm, "CACHE", tmp_path)
    monkeypatch.setattr(npm.shutil, "which", lambda name: None)
    with pytest.raises(SystemExit, match=r"mathjax@3\.2\.2 comes through npm, which is not inst"):
        npm.unpack(npm.MATHJAX, tmp_path / "site")
    monkeypatch.setattr(npm.shutil, "which", lambda name: "npm")
    failed = SimpleNamespace(returncode=1, stderr="ECONNREFUSED\n")
    monkeypatch.setattr(subprocess, "run", lambda *a, **options: failed)
    with pytest.raises(SystemExit, match=r"cannot fetch reveal\.js@5\.2\.1.* ECONNREFUSED"):
        npm.unpack(npm.REVEAL, tmp_path / "site")


# ----------------------------------------------------------------------------- the full profile


def test_the_table_of_the_full_profile_says_which_notebooks_grow():
    """A row "the same" exactly where the code never asks for the profile."""
    text = (ROOT / "book" / "full_profile.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| (\d\d) \| ([^|]*) \|", text, re.MULTILINE))
    assert sorted(rows) == [f"{n:02d}" for n in NUMBERS]
    for path in CONFIG.notebook_paths():
        code = "\n".join(c["source"] for c in notebook.code_cells(notebook.read(path)))
        grows = "runtime.choose(" in code or 'PROFILE == "full"' in code
        assert (rows[path.name[:2]].strip() != "the same") == grows, path.name


# ----------------------------------------------------------------------------- slides


def test_slides_break_between_blocks_and_drop_solutions():
    long = " ".join(["word"] * 150)
    source = f"## Title\n\n{long}\n\n{long}\n\n<details><summary>S</summary>\n\nno\n\n</details>"
    first, second = slides.split(source)
    assert first == f"## Title\n\n{long}" and second == long
    assert slides.split("a\n\n## B\n\nc") == ["a", "## B\n\nc"]  # a heading starts a page


def test_slides_keep_every_figure_and_start_with_the_title():
    path = CONFIG.notebook_paths()[4]
    nb = slides.pages(CONFIG, path)
    assert nb.cells[0].source.startswith("# 04 · ")
    assert {c.metadata.slideshow.slide_type for c in nb.cells} == {"slide", "subslide"}

    def figures(cells):
        outputs = (o for c in cells for o in c.get("outputs", []))
        return sum("image/png" in o.get("data", {}) for o in outputs)

    assert figures(nb.cells) == figures(notebook.read(path)["cells"]) > 0


# ----------------------------------------------------------------------------- links in prose

SOME = crossref.Links({4: "04_gap.ipynb", 7: "07_exact.ipynb"}, {(4, 1): True, (7, 2): False})


@pytest.mark.parametrize("text, linked", [
    ("notebook 07", "notebook [07](../notebooks/07_exact.ipynb)"),
    ("notebooks 04 and\n07", "notebooks [04](../notebooks/04_gap.ipynb) and\n"
                             "[07](../notebooks/07_exact.ipynb)"),
    ("notebooks 04, 07, and 98", "notebooks [04](../notebooks/04_gap.ipynb), "
                                 "[07](../notebooks/07_exact.ipynb), and 98"),
    ("by (4.1).", 'by <a href="../notebooks/04_gap.html#eq-4-1">(4.1)</a>.'),
    ("a gap (4.2), a value (0.48)", "a gap (4.2), a value (0.48)"),  # no such equations
    ("`notebook 04`, $x\\in(4.1)$, [notebook 04](x), [(4.1)](x)", None),
    ("# notebook 04", None),
    ("$$\na (4.1)\n$$", None),
    ("```\nnotebook 04\n```", None),
    ("<!-- claims: (4.1) --><summary>notebook 04</summary>", None),
    ('<a href="x">(4.1)</a>', None),
])
def test_prose_is_linked_and_nothing_else(text, linked):
    assert SOME.prose(text, "book/page.md", "../notebooks") == (linked or text)


def test_a_chapter_leads_to_its_own_equations_on_its_page():
    text = SOME.prose("(4.1), (7.2), notebook 04", "04_gap.ipynb", ".")
    assert text == ('<a href="#eq-4-1">(4.1)</a>, <a href="./07_exact.html#eq-7-2">(7.2)</a>, '
                    "notebook 04")


def test_an_equation_has_one_anchor():
    """Above the formula with the tag, in its quotation too; else where its number stands first."""
    texts = ["see (4.1)\n\n> $$a\n\\tag{4.1}$$\n\n$$b$$", "so $x$ (7.2), by (7.2)"]
    assert SOME.anchored(texts[:1], 4) == [
        'see (4.1)\n\n> <div id="eq-4-1"></div>\n>\n> $$a\n\\tag{4.1}$$\n\n$$b$$']
    assert SOME.anchored(texts[1:], 7) == ['so $x$ <span id="eq-7-2">(7.2)</span>, by (7.2)']
    assert SOME.anchored(texts, None) == texts


def test_every_equation_of_a_chapter_has_one_anchor_and_links_lead_to_chapters():
    found = crossref.links(CONFIG)
    assert len(found.equations) > 90
    anchors = []
    for path in CONFIG.notebook_paths():
        nb = notebook.loads(pages.chapter(CONFIG, path, found))
        text = "\n".join(c["source"] for c in nb["cells"] if c["cell_type"] == "markdown")
        anchors += re.findall(r'<(?:div|span) id="eq-(\d+)-(\d+)">', text)
        for number in re.findall(r"(?<!\w)notebook (\d\d)\b", text):
            assert int(number) not in found.notebooks or number == path.name[:2], number
    assert sorted((int(a), int(b)) for a, b in anchors) == sorted(found.equations)


def test_a_number_in_brackets_is_taken_for_an_equation_of_another_chapter_only_if_it_is_one():
    """(17.1) beside a dimension would lead to notebook 17: such a value gets a word."""
    known, cross = crossref.links(CONFIG).equations, set()
    for path in CONFIG.notebook_paths():
        text = "\n".join(c["source"] for c in notebook.read(path)["cells"]
                         if c["cell_type"] == "markdown")
        found = crossref._EQUATION.findall(" ".join(crossref._NO_PROSE.split(text)))
        cross |= {(path.name[:2], f"{a}.{b}") for a, b in found
                  if (int(a), int(b)) in known and int(a) != int(path.name[:2])}
    # Not set as a formula with its number, but named where they stand first.
    assert {key for key, tagged in known.items() if not tagged} == {
        (4, 2), (13, 1), (13, 2), (13, 3), (13, 4), (13, 6), (25, 3)}
    assert cross == {("04", "3.2"), ("04", "2.3"), ("05", "2.1"), ("07", "6.6"), ("07", "5.2"),
                     ("08", "5.1"), ("08", "5.2"), ("19", "2.4"), ("20", "17.1"), ("21", "2.4"),
                     ("23", "3.4"), ("25", "7.2")}  # each was read: it means the equation


def test_the_equations_of_a_statement_are_in_its_chapters():
    known, named = crossref.links(CONFIG).equations, 0
    for statement in CONFIG.registry():
        for chapter, number in crossref._EQUATION.findall(statement.ours):
            assert (int(chapter), int(number)) in known, statement.id
            near = {n + k for n in statement.notebooks for k in (-1, 0)}  # 11 is half of 12
            assert int(chapter) in near, statement.id
            named += 1
    assert named > 25


def test_equal_names_have_different_anchors():
    claim = {"statement": "Lemma 1", "key": "x ≤ 1e-3", "kind": "upper"}
    assert crossref.claim_anchors([claim, claim | {"key": "y"}, claim | {"key": "x <= 1e-3"}]) == [
        "lemma-1-x-1e-3-upper", "lemma-1-y-upper", "lemma-1-x-1e-3-upper-2"]


def test_a_card_leads_to_its_cell_once_published(monkeypatch):
    path = CONFIG.notebook(4)
    public = SimpleNamespace(repository="https://github.com/a/b", branch="main", published=True,
                             notebooks="notebooks", legend=CONFIG.legend)
    nb = notebook.read(path)
    crossref.cards(public, path, nb, crossref.Links({}, {}))
    cards = [o["data"]["text/html"] for c in notebook.code_cells(nb) for o in c["outputs"]
             if notebook.card_of(o)]
    lines = path.read_text(encoding="utf-8").split("\n")
    for markup in cards:
        (line,) = re.findall(r'href="https://github.com/a/b/blob/main/notebooks/04_[^"]*\?plain=1#L'
                             r'(\d+)">This verdict in the source</a>', markup)
        assert '"id": "' in lines[int(line) - 1]


# ----------------------------------------------------------------------------- what a page loads


def test_only_rules_that_can_apply_are_kept():
    css = ("/* .a */.a,.b .c{x:1}.d:hover{y:2}@media (min-width:1px){.a .b{z:3}.c{w:4}}"
           "html :not(.c,.d) p{v:5}:is(.c,.d){u:6}@font-face{src:url(f)}@keyframes k{0%{t:7}}")
    assert weight.used_rules(css, {"a", "b"}) == (
        ".a{x:1}@media (min-width:1px){.a .b{z:3}}html :not(.c,.d) p{v:5}:is(.c,.d){u:6}"
        "@font-face{src:url(f)}@keyframes k{0%{t:7}}")


def test_a_theme_that_loads_something_else_is_noticed(tmp_path):
    (tmp_path / "_static" / "styles").mkdir(parents=True)
    (tmp_path / "_static" / "pygments.css").write_text("".join(
        f"{theme} .highlight {{ background: #fff; color: {base} }}\n"
        f"{theme} .highlight .n {{ color: {base} }} /* Name */\n"
        f"{theme} .highlight .k {{ color: {k} }}\n"
        for theme, base, k in (("light", "#080808", "#080808"), ("dark", "#f8f8f2", "#dcc6e0"))))
    page = tmp_path / "index.html"
    icons = '<script defer src="_static/scripts/fontawesome.js?digest=1"></script>'
    search = "".join(f'<script src="_static/{n}.js"></script>'
                     for n in ("searchtools", "language_data", "searchindex"))
    page.write_text(f'{icons}{search}<span class="n">f</span><span class="k">def</span>')
    weight.lighten(tmp_path)
    assert page.read_text() == 'f<span class="k">def</span>'
    with pytest.raises(RuntimeError, match="loads 0 scripts of the search instead of 3"):
        weight.lighten(tmp_path)
    page.write_text(search)
    with pytest.raises(RuntimeError, match="loads 0 scripts of icons instead of 1"):
        weight.lighten(tmp_path)
