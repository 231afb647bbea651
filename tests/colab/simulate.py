"""Run notebooks as Colab does: an empty folder, Colab's versions, no checkout; compare verdicts.

    python tests/colab/simulate.py 00 03        or:  make colab NOTEBOOKS="00 03"

The setup cell runs as it stands. Its address is redirected, by git's own ``insteadOf``, to a bare
repository made from the last commit of this checkout, so that nothing is published for the test.
The environment is built once, in build/colab; a run removes the library from it first, and what
Colab lacks. The setup cell must bring these back and leave every other package as it was.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = ROOT / "build" / "colab"
PYTHON = BUILD / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
LIBRARIES = (
    *("numpy", "scipy", "sympy", "matplotlib", "pandas", "seaborn", "scikit-learn", "joblib"),
    *("tqdm", "lazy_loader", "hypothesis", "ipython", "ipykernel", "nbclient", "nbformat", "wheel"),
)
LACKING = {"score-stability", "z3-solver"}  # what the setup cell has to install


def run(*command, **options):
    """A subprocess that must succeed."""
    return subprocess.run([str(c) for c in command], check=True, **options)


def environment(torch):
    """A virtual environment with Colab's versions and without this library."""
    stamp = BUILD / "venv" / ".installed"
    wanted = (HERE / "constraints.txt").read_text(encoding="utf-8") + torch
    if not (stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted):
        shutil.rmtree(BUILD / "venv", ignore_errors=True)
        run(sys.executable, "-m", "venv", BUILD / "venv")
        constraints = HERE / "constraints.txt"
        run(PYTHON, "-m", "pip", "install", "-q", "pip", "setuptools", "-c", constraints)
        run(PYTHON, "-m", "pip", "install", "-q", *LIBRARIES, "-c", constraints)
        run(PYTHON, "-m", "pip", "install", "-q", torch)
        stamp.write_text(wanted, encoding="utf-8")


def repository(address):
    """Environment variables under which git finds ``address`` in a bare copy of this checkout."""
    status = subprocess.run(["git", "-C", str(ROOT), "status", "--porcelain"],
                            capture_output=True, text=True, check=True).stdout
    if status:
        print("what is not committed does not take part:", *status.splitlines(), sep="\n")
    bare = BUILD / "repository.git"
    shutil.rmtree(bare, ignore_errors=True)
    run("git", "clone", "-q", "--bare", ROOT, bare)
    last = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "HEAD"],
                          capture_output=True, text=True, check=True).stdout.strip()
    # Whatever branch is checked out, or none, as in CI.
    run("git", "-C", bare, "update-ref", "refs/heads/main", last)
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{bare.as_uri()}.insteadOf",
        "GIT_CONFIG_VALUE_0": address,
    }


def installed():
    """All packages of the environment, with their versions."""
    command = [str(PYTHON), "-m", "pip", "list", "--format=json"]
    listed = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return {package["name"]: package["version"] for package in listed}


def simulate(number, variables):
    """Run one notebook in an empty folder, the library not installed; compare its verdicts, and
    the packages before and after."""
    run(PYTHON, "-m", "pip", "uninstall", "-q", "-y", *sorted(LACKING), stderr=subprocess.DEVNULL)
    before = installed()
    source, = (ROOT / "notebooks").glob(f"{number}_*.ipynb")
    folder = BUILD / "content"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copy(source, folder)
    shutil.copy(HERE / "execute.py", BUILD)
    clean = {k: v for k, v in os.environ.items()
             if not k.startswith(("SCORE_STABILITY", "PYTHON", "VIRTUAL_ENV"))}
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    run(PYTHON, "-I", BUILD / "execute.py", source.name, cwd=folder,
        env=clean | threads | variables)
    after = installed()
    changed = {name for name in before | after if before.get(name) != after.get(name)}
    if changed != LACKING:
        sys.exit(f"{number}: the setup cell changed {sorted(changed)}, not {sorted(LACKING)}")


def main():
    """Simulate the notebooks named; the process fails if one of them fails or differs."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("numbers", nargs="+", help="two digits each; of a page the first word")
    parser.add_argument("--torch", default="torch==2.13.0", help="what to install as torch")
    options = parser.parse_args()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    environment(options.torch)
    variables = repository(project["urls"]["Repository"])
    for number in options.numbers:
        simulate(number, variables)


if __name__ == "__main__":
    main()
