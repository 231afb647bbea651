"""Build the site from the stored outputs; nothing is executed.

    python book/build.py              formulas by MathJax from its network
    python book/build.py --offline    formulas by a copy of MathJax in the site (needs npm once)

Warnings are errors, and every internal link and anchor of the result is followed.
"""

import argparse
import base64
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import links  # noqa: E402
import pages  # noqa: E402

from verdicts.config import load_config  # noqa: E402

OUT = HERE.parent / "build" / "book"
MATHJAX = "mathjax@3.2.2"  # the last version whose fonts come with it
INTEGRITY = (  # its sha512, as npm states it
    "Bt+SSVU8eBG27zChVewOicYs7Xsdt40qm4+UpHyX7k0/O9NliPc+x77k1/FEsPsjKPZGJvtRZM1vO+geW0OhGw==")
_PARTS = ("es5/tex-mml-chtml.js", "es5/output/chtml/fonts/woff-v2/", "es5/input/tex/extensions/")


def _whole(packed):
    """Is it the package, byte for byte? Then no member leads out of a folder or is too large."""
    digest = hashlib.sha512(packed.read_bytes()).digest() if packed.is_file() else b""
    return base64.b64encode(digest).decode() == INTEGRITY


def mathjax(site):
    """Copy what formulas need from the npm package into the site.

    SystemExit without npm, or if what it downloads is not the package that we know.
    """
    cache = OUT / "mathjax"
    packed = cache / f"{MATHJAX.replace('@', '-')}.tgz"
    if not _whole(packed):
        npm = shutil.which("npm")
        if npm is None:
            raise SystemExit("the offline site gets MathJax through npm, which is not installed")
        cache.mkdir(parents=True, exist_ok=True)
        # An interrupted download leaves nothing behind that looks like the package.
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            subprocess.run([npm, "pack", "--silent", MATHJAX], cwd=folder, check=True,
                           stdout=subprocess.DEVNULL)
            fresh = Path(folder) / packed.name
            if not _whole(fresh):
                raise SystemExit(f"{packed.name} from npm has the wrong checksum: try again")
            fresh.replace(packed)
    target = site / "_static" / "mathjax"
    with tarfile.open(packed) as archive:
        for member in archive.getmembers():
            name = member.name.removeprefix("package/")
            if member.isfile() and name.startswith(_PARTS):
                path = target / name.removeprefix("es5/")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(archive.extractfile(member).read())


def build(offline=False):
    """The folder of the site; SystemExit with Sphinx's status if it complains."""
    config = load_config(HERE)
    source, site = OUT / "source", OUT / "html"
    pages.assemble(config, source)
    shutil.rmtree(site, ignore_errors=True)
    command = [sys.executable, "-m", "sphinx", "-q", "-j", "auto", "-W", "--keep-going",
               "-b", "html", "-c", HERE, "-d", OUT / "doctrees", source, site]
    if offline:
        command += ["-D", "mathjax_path=mathjax/tex-mml-chtml.js"]
    status = subprocess.run(list(map(str, command))).returncode
    if status:
        raise SystemExit(status)
    if offline:
        mathjax(site)
    broken = links.broken(site)
    if broken:
        raise SystemExit("\n".join(["broken links:", *broken]))
    return site


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--offline", action="store_true", help="copy MathJax into the site")
    start = time.perf_counter()
    place = build(**vars(parser.parse_args()))
    count = len(list(place.rglob("*.html")))
    print(f"{count} pages in {time.perf_counter() - start:.0f} s: {place / 'index.html'}")
