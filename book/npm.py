"""Packages of npm that pages carry with them to need no network: got once, whole or not at all."""

import base64
import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(__file__).resolve().parent.parent / "build" / "npm"


@dataclass(frozen=True)
class Package:
    """A package of npm, and what is taken from it."""

    name: str  # with its version
    integrity: str  # its sha512, as npm states it
    parts: tuple  # the files that are taken, and whole folders: "dist/"
    root: str = ""  # the folder of the package whose content is wanted, as "es5/"

    @property
    def archive(self):
        return f"{self.name.replace('@', '-')}.tgz"

    def wants(self, name):
        """Is the file with this path in the package taken?"""
        return any(name.startswith(p) if p.endswith("/") else name == p for p in self.parts)

    def whole(self, path):
        """Is it the package, byte for byte? Then no member leads out of a folder, or is huge."""
        digest = hashlib.sha512(path.read_bytes()).digest() if path.is_file() else b""
        return base64.b64encode(digest).decode() == self.integrity


MATHJAX = Package(  # the last version whose fonts come with it
    "mathjax@3.2.2",
    "Bt+SSVU8eBG27zChVewOicYs7Xsdt40qm4+UpHyX7k0/O9NliPc+x77k1/FEsPsjKPZGJvtRZM1vO+geW0OhGw==",
    ("LICENSE", "es5/tex-mml-chtml.js", "es5/output/chtml/fonts/woff-v2/",
     "es5/input/tex/extensions/"),
    root="es5/")
KATEX = Package(
    "katex@0.19.1",
    "jG8uKntjSEcm2EpQOh0XturpPuuC9r3Sq5HLHdsFdWZT27E672SF19QEi+of0/YeOy15lDgRhKvr5614uRrEfA==",
    ("LICENSE", "dist/katex.min.js", "dist/katex.min.css", "dist/fonts/"),
    root="dist/")
REVEAL = Package(
    "reveal.js@5.2.1",
    "r7//6mIM5p34hFiDMvYfXgyjXqGRta+/psd9YtytsgRlrpRzFv4RbH76TXd2qD+7ZPZEbpBDhdRhJaFgfQ7zNQ==",
    ("LICENSE", "dist/reset.css", "dist/reveal.css", "dist/reveal.js", "dist/theme/white.css",
     "plugin/notes/notes.js",
     *(f"dist/theme/fonts/source-sans-pro/{name}" for name in (
         "LICENSE", "source-sans-pro.css", "source-sans-pro-regular.woff",
         "source-sans-pro-italic.woff", "source-sans-pro-semibold.woff",
         "source-sans-pro-semibolditalic.woff"))))


def _packed(package):
    """The path of the downloaded package."""
    path = CACHE / package.archive
    if package.whole(path):
        return path
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit(f"{package.name} comes through npm, which is not installed")
    CACHE.mkdir(parents=True, exist_ok=True)
    # An interrupted download leaves nothing behind that looks like the package.
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        done = subprocess.run([npm, "pack", "--loglevel=error", package.name], cwd=folder,
                              capture_output=True, text=True)
        fresh = Path(folder) / package.archive
        if done.returncode or not fresh.is_file():
            raise SystemExit(f"npm cannot fetch {package.name}; is its registry reachable? "
                             f"{done.stderr.strip()}")
        if not package.whole(fresh):
            raise SystemExit(f"{package.archive} from npm has the wrong checksum: try again")
        fresh.replace(path)
    return path


def unpack(package, target):
    """Copy what is wanted of the package into a folder.

    SystemExit without npm, without its registry, or if what it downloads is not the package that
    we know.
    """
    with tarfile.open(_packed(package)) as archive:
        for member in archive.getmembers():
            name = member.name.removeprefix("package/")
            if member.isfile() and package.wants(name):
                path = target / name.removeprefix(package.root)
                data = archive.extractfile(member).read()
                if not (path.is_file() and path.read_bytes() == data):
                    path.parent.mkdir(parents=True, exist_ok=True)
                    fresh = path.with_name(f"{path.name}.{os.getpid()}")
                    fresh.write_bytes(data)
                    fresh.replace(path)  # somebody may be looking at a deck
