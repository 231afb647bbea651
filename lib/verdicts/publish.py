"""One command before publishing: the address everywhere, and what does not fit yet."""

import re
import subprocess
import tomllib

from verdicts import notebook, stamp
from verdicts.config import load_config

# Colab, Pages and links to lines are GitHub's.
_ADDRESS = re.compile(r"https://github\.com/(?!NAME/|OWNER/)[\w.-]+/(?!REPO$)[\w.-]+")
_URL = re.compile(r'^(Repository = )"[^"\n]*"', re.MULTILINE)
# Where the version stands besides pyproject.toml; PACKAGE is the library's folder.
_VERSIONS = {
    "CITATION.cff": re.compile(r'^version: *"?([^"\n]+?)"? *$', re.MULTILINE),
    ".zenodo.json": re.compile(r'"version": *"([^"]*)"'),
    "lib/PACKAGE/__init__.py": re.compile(r'^__version__ = "([^"\n]+)"', re.MULTILINE),
}
# Whatever still stands for an owner; the code and the texts that are about it name it too.
_PLACEHOLDER = re.compile(r"[/:]OWNER/")


def _git(config, *arguments):
    found = subprocess.run(["git", *arguments], cwd=config.root, capture_output=True, text=True,
                           check=False)
    return found.stdout.strip() if found.returncode == 0 else ""


def address(config, given=""):
    """The public address: as given, or that of the remote ``origin``, as https.

    Raises ``ValueError`` unless it is of the form https://github.com/NAME/REPO.
    """
    found = given or _git(config, "remote", "get-url", "origin")
    found = re.sub(r"^(?:ssh://)?git@([^:/]+)[:/]", r"https://\1/", found).rstrip("/")
    found = found.removesuffix(".git")
    if not _ADDRESS.fullmatch(found):
        raise ValueError("REPOSITORY must be your own https://github.com/NAME/REPO; "
                         f"got {found or 'nothing, and there is no remote origin'!r}")
    return found


def write(config, repository):
    """Write the address into pyproject.toml and everything that is generated from it; returns the
    new Config and the files that changed."""
    path = config.root / "pyproject.toml"
    text = path.read_text(encoding="utf-8")
    changed = [path] if notebook.write(path, _URL.sub(rf'\1"{repository}"', text, count=1)) else []
    config = load_config(config.root)
    return config, changed + stamp.stamp(config)


def placeholders(config):
    """Files that still name OWNER in an address, the tests and tools that speak of it apart."""
    for name in _git(config, "ls-files").splitlines():
        path = config.root / name
        if name.startswith(("lib/", "tests/", "book/test_")) or not path.is_file():
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        if found := _PLACEHOLDER.search(text):
            line = text[:found.start()].count("\n") + 1
            yield f"{name}:{line}: still says OWNER"


def versions(config):
    """What of version, citation, archive's record, CHANGELOG and tag does not agree."""
    root = config.root
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version = project["version"]
    for place, pattern in _VERSIONS.items():
        name = place.replace("PACKAGE", config.import_name)
        if (root / name).is_file():
            found = pattern.search((root / name).read_text(encoding="utf-8"))
            stated = found[1] if found else "missing"
            if stated != version:
                yield f"{name}: version {stated}, pyproject {version}"
    log = root / "CHANGELOG.md"
    text = log.read_text(encoding="utf-8") if log.is_file() else ""
    if f"## [{version}]" not in text:
        yield f"CHANGELOG.md: no section [{version}]"
    unreleased = text.partition("## [Unreleased]")[2].partition("\n## ")[0].strip()
    if unreleased:
        yield (f"CHANGELOG.md: [Unreleased] is not empty: raise the version from {version}, and "
               "name the section after it")
    tags = _git(config, "tag", "--points-at", "HEAD").splitlines()
    if tags and f"v{version}" not in tags:
        yield f"tag {', '.join(tags)}: the version is {version}, so it must be v{version}"


def publish(config, given=""):
    """Stamp, check, and say what to do next; returns the lines to print and the exit status."""
    try:
        config, changed = write(config, address(config, given))
    except ValueError as error:
        return [str(error)], 1
    said = [f"{config.repository}: {len(changed)} files changed"]
    problems = [*placeholders(config), *versions(config)]
    if problems:
        return [*said, *problems], 1
    project = tomllib.loads((config.root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    tag = f"v{project['version']}"
    return [*said, "Next:",
            "  in the settings of the repository: Pages from GitHub Actions, private vulnerability "
            "reporting",
            "  git diff, then commit what changed", "  make test && make book-test",
            f"  git tag -a {tag} -m {tag} && git push --follow-tags",
            f"The site will be {config.site}"], 0
