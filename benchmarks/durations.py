"""How long the two commands take: sentences generated from ``times.json``.

``python benchmarks/durations.py`` prints the minutes, ``--write`` puts them into README, Makefile
and the page on the full profile, ``--tests`` first measures the library's tests (some minutes). The
times of notebooks are stored by ``python -m verdicts run --times``. A test compares.
"""

from __future__ import annotations

import argparse
import math
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

from verdicts import times
from verdicts.config import load_config

ROOT = Path(__file__).parents[1]
# Two at a time cost each other a little, and the last one is alone for a while.
CORES, FRICTION = 2, 1.05
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
         "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
         "nineteen", "twenty")


def seconds(kept: dict) -> dict[str, float]:
    """CPU seconds of each notebook, on the machine where they were stored."""
    return {stem: times.total(n) * kept["reference"] for stem, n in kept["notebooks"].items()}


def minutes(kept: dict) -> tuple[int, int]:
    """Minutes, rounded up, of ``make notebooks`` and ``make test`` on two idle cores."""
    notebooks = sum(seconds(kept).values())
    tests = notebooks + kept["tests"] * kept["reference"]
    return tuple(math.ceil(total * FRICTION / CORES / 60) for total in (notebooks, tests))


def generated(kept: dict) -> dict[str, str]:
    """Path: the text of the file as it must be."""
    first, second = minutes(kept)
    replacements = {
        "README.md": [
            (r"(two cores without a GPU the second takes about )\w+( minutes, the third )\w+(\.)",
             rf"\g<1>{WORDS[first]}\g<2>{WORDS[second]}\g<3>")],
        "Makefile": [
            (r"(re-run every notebook and print the table of verdicts \(about )\d+( min)",
             rf"\g<1>{first}\g<2>"),
            (r"(run all tests, with every notebook against its stored outputs \(about )\d+( min)",
             rf"\g<1>{second}\g<2>")],
        "book/full_profile.md": [
            # Where nothing grows, the larger profile costs what the small one does.
            (rf"(?m)^(\| {stem[:2]} \| )(the same)( \| )\d+( \| )\d+( \| )[^|]*?( \|)$",
             rf"\g<1>\g<2>\g<3>{spent:.0f}\g<4>{spent:.0f}\g<5>about {math.ceil(spent / 30)} min"
             rf"\g<6>")
            for stem, spent in seconds(kept).items()] + [
            (rf"(?m)^(\| {stem[:2]} \| (?!the same)[^|]* \| )\d+( \|)",
             rf"\g<1>{spent:.0f}\g<2>")
            for stem, spent in seconds(kept).items()],
    }
    result = {}
    for name, pairs in replacements.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        for pattern, new in pairs:
            text = re.sub(pattern, new, text)
        result[name] = text
    return result


def measure_tests() -> float:
    """References that the library's tests take, in one process."""
    import resource

    namespace: dict = {}
    exec(times.REFERENCE, namespace)
    reference = statistics.median(namespace["_reference"](9))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
                   cwd=ROOT, check=False)  # sentences that are not yet true cost the same
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{spent:.0f} s CPU, {time.perf_counter() - start:.0f} s")
    return float(f"{spent / reference:.3g}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the sentences")
    parser.add_argument("--tests", action="store_true", help="measure the library tests first")
    options = parser.parse_args()
    config = load_config(ROOT)
    kept = times.stored(config)
    if options.tests:
        kept["tests"] = measure_tests()
        times.write(config, kept)
    print(times.summary(kept["notebooks"], kept["reference"]))
    print("make notebooks about {} min, make test about {} min".format(*minutes(kept)))
    for name, text in generated(kept).items():
        if options.write:
            (ROOT / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
