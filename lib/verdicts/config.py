"""The settings of a collection: [tool.verdicts] and the repository's address in pyproject.toml."""

import importlib
import runpy
import tomllib
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Config:
    """Where the notebooks are, and which registry and context belong to them."""

    root: Path
    repository: str = ""  # [project.urls] Repository
    notebooks: str = "notebooks"
    branch: str = "main"
    import_name: str = ""  # what the setup cell looks for
    statements: str = ""  # "module:ATTRIBUTE", a sequence of objects with an id
    context: str = ""  # "module:function" giving seed, profile, device
    stored_context: dict = field(default_factory=dict)
    table_files: tuple = ()
    parts: str = ""  # the file whose PARTS are (title, sentence, numbers of notebooks)
    legend: str = ""  # where, in the notebooks' folder, the words of verdicts are explained
    coarse: str = ""  # the file of claims that may still notice too little, a line each
    unmended: str = ""  # the file of chapters that do not keep a rule of the form yet
    symbols: dict = field(default_factory=dict)  # of the notation: name, regular expression
    template: str = ""  # the notebook that new ones are copied from
    times: str = ""  # the file with what each cell costs
    sources: tuple = ("lib",)  # folders of the code and data that the notebooks use
    bounds: str = ""  # the module of the bounds of which wrong variants are made, see ``hooks``
    bound_functions: tuple = ()  # functions that return one: "relation module:function field"

    @property
    def published(self):
        """Whether the repository has its public address; OWNER stands for the missing one."""
        return bool(self.repository) and "/OWNER/" not in self.repository

    @property
    def site(self):
        """Where GitHub Pages puts the site; empty without a public address."""
        if not self.published:
            return ""
        owner, name = self.repository.split("/")[-2:]
        host = f"{owner.lower()}.github.io"
        return f"https://{host}/" if name.lower() == host else f"https://{host}/{name}/"

    @property
    def folder(self):
        return self.root / self.notebooks

    def notebook_paths(self):
        """The numbered notebooks, in reading order."""
        return sorted(p for p in self.folder.glob("*.ipynb") if numbered(p))

    def pages(self):
        """The notebooks without a number.

        A page is run, compared and stamped like a notebook and keeps its basic form; it stands in
        no order, and its claims are not in the table of verdicts.
        """
        return sorted(p for p in self.folder.glob("*.ipynb") if not numbered(p))

    def all_paths(self):
        """The numbered notebooks, and then the pages."""
        return self.notebook_paths() + self.pages()

    def notebook(self, number):
        """The notebook whose name begins with this number; LookupError unless there is one."""
        found = [p for p in self.notebook_paths() if p.name.startswith(f"{int(number):02d}_")]
        if len(found) != 1:
            raise LookupError(f"{len(found)} notebooks with number {number} instead of one")
        return found[0]

    def listed(self, name):
        """The lines of a list of exceptions, without comments; none where it is not kept."""
        path = self.root / name
        if not name or not path.is_file():
            return []
        lines = map(str.strip, path.read_text(encoding="utf-8").splitlines())
        return [line for line in lines if line and not line.startswith("#")]

    def legend_link(self):
        """The address of the legend of verdicts; empty where there is none."""
        base = f"{self.repository}/blob/{self.branch}/{self.notebooks}"
        return f"{base}/{self.legend}" if self.legend else ""

    def registry(self):
        """The statements, in order; empty where the collection names none."""
        return list(load(self.statements)) if self.statements else []

    def part_of(self):
        """Number of each notebook to the title of its part; empty where the file is not there."""
        path = self.root / self.parts
        if not self.parts or not path.is_file():
            return {}
        parts = runpy.run_path(str(path))["PARTS"]
        return {number: title for title, _, numbers in parts for number in numbers}

    def current_context(self):
        """Seed, profile and device of a run started now."""
        return dict(load(self.context)()) if self.context else dict(self.stored_context)

    def comparable(self):
        """Whether a run started now must reproduce the stored numbers."""
        current = self.current_context()
        return all(current.get(k) == v for k, v in self.stored_context.items())

    def mentions(self, path):
        """The path as messages name it: relative to the root."""
        path = Path(path).resolve()
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else path


def numbered(path):
    """Whether this notebook has a place in the order; its name begins with it."""
    return path.name[:2].isdigit()


def load(dotted):
    """The object that "module:ATTRIBUTE" names."""
    module, _, attribute = dotted.partition(":")
    return getattr(importlib.import_module(module), attribute)


def find_config(start=None):
    """The Config of the nearest pyproject.toml with [tool.verdicts] upwards from ``start``
    (default: the current directory), or None."""
    start = Path(start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        path = folder / "pyproject.toml"
        if path.is_file():
            content = tomllib.loads(path.read_text(encoding="utf-8"))
            if settings := content.get("tool", {}).get("verdicts"):
                url = content.get("project", {}).get("urls", {}).get("Repository", "")
                return Config(root=folder, repository=url.rstrip("/"), **settings)
    return None


def load_config(start=None):
    """As find_config; FileNotFoundError if there is none."""
    config = find_config(start)
    if config is None:
        raise FileNotFoundError("no pyproject.toml with [tool.verdicts] here or in a folder above")
    return config
