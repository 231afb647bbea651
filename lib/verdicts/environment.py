"""What a report of a failing verdict needs to say about the machine it failed on."""

import os
import platform
import sys
from importlib import metadata
from pathlib import Path

from verdicts.processors import THREADS

PACKAGES = ("numpy", "scipy", "sympy", "matplotlib", "torch", "scikit-learn", "z3-solver", "nbval")


def processor():
    """The processor's name, where the system tells."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(package):
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def lines(config):
    """Name and value, a line each: version, Python, system, processor, threads, packages, context
    (seed, profile, device). No path and no host name."""
    found = {config.import_name.replace("_", "-"): _version(config.import_name.replace("_", "-")),
             "python": platform.python_version(), "system": f"{sys.platform} {platform.machine()}",
             "processor": processor(), "cores": os.cpu_count()}
    found |= {name: os.environ.get(name, "not set") for name in THREADS}
    found |= {package: _version(package) for package in PACKAGES}
    found |= config.current_context()
    width = max(map(len, found))
    return [f"{name:{width}}  {value}" for name, value in found.items()]
