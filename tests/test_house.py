"""The house: folders in the paper's order, imports that run down, doors that open."""

import ast
import graphlib
import importlib
import inspect
import pkgutil
import re
import tomllib
from pathlib import Path

import pytest

import score_stability

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = ROOT / "lib" / "score_stability"
# From the bottom; two on one floor do not know each other.
FLOORS = (("arrays",), ("jobs",), ("theory",), ("runtime", "datasets"), ("diffusion",),
          ("yardsticks",), ("scores",), ("sampler",), ("optimiser", "stability"), ("plots",),
          ("pictures",))
FLOOR = {room: height for height, rooms in enumerate(FLOORS) for room in rooms}
DOORS = sorted(path.parent.name for path in LIBRARY.glob("*/__init__.pyi"))


def file_of(root, parts):
    """The file of the module or package with this path below ``root``, or None."""
    path = root.joinpath(*parts)
    found = (path.with_suffix(".py") if parts else path, path / "__init__.py")
    return next((f for f in found if f.is_file()), None)


def imported(root, path):
    """The files of the package ``root`` that a file of it imports, at its top or inside a function.

    ``from a import b`` is the file of a.b if there is one, else that of a.
    """
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            froms = [(name.name.split("."), []) for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = node.module.split(".") if node.module else []
            here = [root.name, *path.parent.relative_to(root).parts]
            start = here[:len(here) - node.level + 1] if node.level else []
            froms = [(start + module, [name.name]) for name in node.names]
        else:
            continue
        for parts, name in froms:
            if parts[0] == root.name:
                yield file_of(root, parts[1:] + name) or file_of(root, parts[1:])


def wrong(root):
    """What is wrong with the imports of the package ``root``, as sentences."""
    graph = {path: set(imported(root, path)) for path in sorted(root.rglob("*.py"))}
    found = []
    for path, targets in graph.items():
        room = path.relative_to(root).with_suffix("").parts[0]
        for target in sorted(targets):
            other = target.relative_to(root).with_suffix("").parts[0]
            words = f"{path.relative_to(root)} imports {target.relative_to(root)}"
            if target.name == "__init__.py":
                found.append(f"{words}: through a door, not the module itself")
            elif room != other and FLOOR[other] >= FLOOR[room]:
                found.append(f"{words}: upwards")
    return found + circle(graph)


def circle(graph):
    """One circle of imports, if there is any."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return [" imports ".join(path.name for path in reversed(error.args[1]))]
    return []


def test_every_import_of_the_library_runs_down():
    rooms = {path.relative_to(LIBRARY).with_suffix("").parts[0] for path in LIBRARY.rglob("*.py")}
    assert rooms - {"__init__", "data"} == FLOOR.keys()
    assert wrong(LIBRARY) == []


def test_verdicts_has_no_circle():
    root = ROOT / "lib" / "verdicts"
    graph = {path: set(imported(root, path)) for path in sorted(root.rglob("*.py"))}
    assert sum(map(len, graph.values())) > 50
    assert circle(graph) == []


@pytest.mark.parametrize(("line", "message"), [
    ("from ..sampler.sampling import sample", "upwards"),
    ("from ..sampler import sampling", "upwards"),
    ("import house.sampler.sampling", "upwards"),
    ("from house.sampler.sampling import sample", "upwards"),
    ("def f():\n    from ..sampler import sampling", "upwards"),
    ("from ..sampler import sample", "through a door"),
    ("from .. import sampler", "through a door"),
])
def test_an_import_upwards_or_through_a_door_is_found(tmp_path, line, message):
    root = tmp_path / "house"
    for folder in ("theory", "sampler"):
        (root / folder).mkdir(parents=True)
        (root / folder / "__init__.py").write_text("")
    (root / "sampler" / "sampling.py").write_text("from ..theory.bounds import BOUND\n")
    low = root / "theory" / "bounds.py"
    low.write_text("import math\n")
    assert wrong(root) == []
    low.write_text(line + "\n")
    found = wrong(root)[0]
    assert found.startswith(f"{Path('theory/bounds.py')} imports {Path('sampler')}")
    assert message in found


def test_neighbours_and_circles_are_found(tmp_path):
    root = tmp_path / "house"
    for folder in ("optimiser", "stability"):
        (root / folder).mkdir(parents=True)
    (root / "stability" / "definition_2.py").write_text("")
    (root / "optimiser" / "training.py").write_text("from ..stability import definition_2\n")
    assert [m.rpartition(": ")[2] for m in wrong(root)] == ["upwards"]
    (root / "optimiser" / "training.py").write_text("from . import noise\n")
    (root / "optimiser" / "noise.py").write_text("def f():\n    from .training import g\n")
    (found,) = wrong(root)
    assert "training.py imports noise.py" in found and "noise.py imports training.py" in found


# Doors


def stub(door):
    """(module, name) of every import of a door's stub."""
    body = ast.parse((LIBRARY / door / "__init__.pyi").read_text(encoding="utf-8")).body
    names = [(node.module, alias) for node in body for alias in node.names]
    assert all(alias.asname == alias.name for _, alias in names)  # which makes it public
    return [(module, alias.name) for module, alias in names]


def defined(path):
    """The names that a module binds at its top, imports aside."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                yield ast.unparse(target)


def test_every_folder_has_a_door():
    assert sorted({path.parent.name for path in LIBRARY.glob("*/*.py")} - {"data"}) == DOORS
    assert (LIBRARY / "py.typed").is_file()


@pytest.mark.parametrize("door", DOORS)
def test_a_door_leads_to_what_its_stub_names(door):
    for found in pkgutil.walk_packages(score_stability.__path__, "score_stability."):
        if ".data" not in found.name:
            importlib.import_module(found.name)
    package = importlib.import_module(f"score_stability.{door}")
    names = stub(door)
    assert sorted(package.__all__) == sorted(name for _, name in names)
    assert set(dir(package)) >= {name for _, name in names}
    for module, name in names:
        value = getattr(package, name)
        assert not inspect.ismodule(value), name
        home = importlib.import_module(f"score_stability.{door}.{module}")
        assert value is getattr(home, name)
        assert name in set(defined(Path(home.__file__))), f"{name} is not from {door}/{module}"


@pytest.mark.parametrize("door", DOORS)
def test_no_module_has_the_name_of_what_its_door_gives(door):
    # Importing such a module would put it in the place of the function.
    modules = {path.stem for path in (LIBRARY / door).rglob("*.py")} | {
        path.parent.name for path in (LIBRARY / door).rglob("__init__.py")}
    assert modules & {name for _, name in stub(door)} == set()


def test_a_door_says_what_it_has_not():
    with pytest.raises(ImportError, match="nothing_of_this_kind"):
        importlib.import_module("score_stability.sampler.nothing_of_this_kind")
    with pytest.raises(AttributeError, match="nothing_of_this_kind"):
        importlib.import_module("score_stability.sampler").nothing_of_this_kind  # noqa: B018


# What is installed


def test_every_folder_is_installed_under_one_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    folders = {".".join(path.parent.relative_to(ROOT / "lib").parts)
               for path in (ROOT / "lib").rglob("__init__.py")}
    listed = project["tool"]["setuptools"]["packages"]
    assert sorted(listed) == sorted(folders | {"score_stability.data"})
    version = score_stability.__version__
    assert project["project"]["version"] == version
    for name, pattern in (("CITATION.cff", r"^version: (\S+)$"),
                          ("CHANGELOG.md", r"^## \[(\d[^]]*)\]")):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert re.search(pattern, text, re.MULTILINE)[1] == version, name
