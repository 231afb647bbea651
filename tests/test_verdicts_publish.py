"""The public address is written everywhere by one command, which says what does not fit."""

import json
import subprocess

import pytest

from verdicts import __main__ as cli
from verdicts import environment, notebook, publish, stamp
from verdicts.config import load_config

ADDRESS = "https://github.com/name/repo"
PYPROJECT = """[project]
name = "tiny"
version = "1.2.0"

[project.urls]
Repository = "https://github.com/OWNER/tiny"

[tool.verdicts]
import_name = "tiny"
"""
README = """# Tiny

**[Read](somewhere)**

<!-- unpublished:start -->
<!-- unpublished:end -->

[run](https://colab.research.google.com/github/OWNER/tiny/blob/main/notebooks/00_start.ipynb)
"""
LOG = "# Changelog\n\n## [Unreleased]\n\n## [1.2.0]\n\nFirst.\n"


@pytest.fixture
def root(tmp_path):
    cell = {"cell_type": "markdown", "id": "title", "metadata": {},
            "source": "# 00 · Start\n\nWords."}
    setup = {"cell_type": "code", "id": "setup", "metadata": {"tags": ["setup"]}, "outputs": [],
             "execution_count": None, "source": "pass"}
    nb = {"cells": [cell, setup], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "lib" / "tiny").mkdir(parents=True)
    files = {"pyproject.toml": PYPROJECT, "README.md": README, "CHANGELOG.md": LOG,
             "CITATION.cff": 'version: 1.2.0\nrepository-code: "https://github.com/OWNER/tiny"\n',
             ".zenodo.json": '{"version": "1.2.0"}\n',
             "lib/tiny/__init__.py": '__version__ = "1.2.0"\n',
             "notebooks/00_start.ipynb": json.dumps(nb)}
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    for arguments in (["init", "-q"], ["add", "-A"]):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True)
    return tmp_path


def first_cell(root):
    return notebook.read(root / "notebooks" / "00_start.ipynb")["cells"][0]["source"]


def test_before_publishing_it_says_so_in_words(root):
    config = load_config(root)
    assert not config.published
    stamp.stamp(config)
    assert first_cell(root).startswith(stamp.UNPUBLISHED)
    text = (root / "README.md").read_text(encoding="utf-8")
    assert "**Not published yet**" in text and "[Read](notebooks/00_start.ipynb)" in text
    assert config.site == ""
    assert stamp.stamp(config) == []


def test_publishing_writes_the_address_everywhere(root):
    stamp.stamp(load_config(root))
    said, status = publish.publish(load_config(root), ADDRESS)
    assert status == 0, said
    assert load_config(root).repository == ADDRESS and load_config(root).published
    for path in (root / "README.md", root / "CITATION.cff", root / "notebooks" / "00_start.ipynb"):
        text = path.read_text(encoding="utf-8")
        assert "OWNER" not in text and "name/repo" in text and "once" not in text
    assert first_cell(root).startswith("[![Open In Colab](")
    assert "[Read](https://name.github.io/repo/)" in (root / "README.md").read_text()
    assert said[-1] == "The site will be https://name.github.io/repo/"
    assert any("git tag -a v1.2.0 -m v1.2.0" in line for line in said)
    # A second time nothing changes; another address replaces the first.
    assert publish.publish(load_config(root), ADDRESS)[0][0].endswith(" 0 files changed")
    publish.publish(load_config(root), "https://github.com/other/place")
    assert "name/repo" not in (root / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("remote", [
    f"{ADDRESS}.git", "git@github.com:name/repo.git", "ssh://git@github.com/name/repo"])
def test_the_address_of_the_remote(root, remote):
    subprocess.run(["git", "remote", "add", "origin", remote], cwd=root, check=True)
    assert publish.address(load_config(root)) == ADDRESS


@pytest.mark.parametrize("given", [
    "", "name/repo", "https://github.com/OWNER/repo", "ftp://a/b/c", "https://gitlab.com/a/b",
    "https://github.com/NAME/REPO", "https://github.com/name/REPO", "https://github.com/a/b/c"])
def test_wrong_addresses(root, given):
    before = (root / "README.md").read_bytes()
    with pytest.raises(ValueError, match="REPOSITORY must be your own"):
        publish.address(load_config(root), given)
    assert publish.publish(load_config(root), given)[1] == 1
    assert (root / "README.md").read_bytes() == before


@pytest.mark.parametrize("name, old, new, complaint", [
    ("CITATION.cff", "1.2.0", "1.1.0", "CITATION.cff: version 1.1.0, pyproject 1.2.0"),
    (".zenodo.json", "1.2.0", "2.0.0", ".zenodo.json: version 2.0.0, pyproject 1.2.0"),
    ("CHANGELOG.md", "[1.2.0]", "[1.1.0]", "CHANGELOG.md: no section [1.2.0]"),
    ("CHANGELOG.md", "[Unreleased]\n", "[Unreleased]\n\n- New.\n",
     "CHANGELOG.md: [Unreleased] is not empty: raise the version from 1.2.0, and name the section "
     "after it"),
    ("lib/tiny/__init__.py", "1.2.0", "1.1.0",
     "lib/tiny/__init__.py: version 1.1.0, pyproject 1.2.0"),
    ("README.md", "<!-- unpublished:end -->", "<!-- unpublished:end -->\nhttps://x.org/OWNER/y",
     "README.md:7: still says OWNER"),
])
def test_what_does_not_fit_is_named(root, name, old, new, complaint):
    path = root / name
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    said, status = publish.publish(load_config(root), ADDRESS)
    assert status == 1 and complaint in said


def test_a_tag_must_be_the_version(root):
    for arguments in (["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "one"],
                      ["tag", "v1.1.0"]):
        subprocess.run(["git", *arguments], cwd=root, check=True)
    said, _ = publish.publish(load_config(root), ADDRESS)
    assert "tag v1.1.0: the version is 1.2.0, so it must be v1.2.0" in said


def test_the_environment_names_no_path(root, monkeypatch, capsys):
    monkeypatch.chdir(root)
    assert cli.main(["env"]) == 0
    text = capsys.readouterr().out
    for name in ("python", "processor", "OMP_NUM_THREADS", "numpy", "z3-solver"):
        assert f"\n{name}" in f"\n{text}"
    assert str(root) not in text and "tiny   " in text and "not installed" in text
    assert environment.processor()
