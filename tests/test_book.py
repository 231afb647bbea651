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
import links  # noqa: E402
import npm  # noqa: E402
import pages  # noqa: E402
import slides  # noqa: E402

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
    assert text.count("| holds |") == sum(
        r["status"] == "holds" for _, r in report.stored_claims(CONFIG)
    )


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
