"""Build the site from the stored outputs; nothing is executed.

    python book/build.py              formulas by KaTeX from its network
    python book/build.py --offline    formulas by a copy of KaTeX in the site (needs npm once)

Warnings are errors, every internal link and anchor of the result is followed, and what its pages
load in vain is taken out.
"""

import argparse
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import links  # noqa: E402
import npm  # noqa: E402
import pages  # noqa: E402
import weight  # noqa: E402

from verdicts.config import load_config  # noqa: E402

OUT = HERE.parent / "build" / "book"


def build(offline=False):
    """The folder of the site; SystemExit with Sphinx's status if it complains."""
    config = load_config(HERE)
    source, site = OUT / "source", OUT / "html"
    pages.assemble(config, source)
    shutil.rmtree(site, ignore_errors=True)
    command = [sys.executable, "-m", "sphinx", "-q", "-j", "auto", "-W", "--keep-going",
               "-b", "html", "-c", HERE, "-d", OUT / "doctrees", source, site]
    if offline:
        command += ["-D", "katex=katex/"]
    status = subprocess.run(list(map(str, command))).returncode
    if status:
        raise SystemExit(status)
    if offline:
        npm.unpack(npm.KATEX, site / "_static" / "katex")
    broken = links.broken(site, config.site)
    if broken:
        raise SystemExit("\n".join(["broken links:", *broken]))
    weight.lighten(site)
    return site


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--offline", action="store_true", help="copy KaTeX into the site")
    start = time.perf_counter()
    place = build(**vars(parser.parse_args()))
    count = len(list(place.rglob("*.html")))
    print(f"{count} pages in {time.perf_counter() - start:.0f} s: {place / 'index.html'}")
