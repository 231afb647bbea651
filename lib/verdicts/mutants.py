"""Are wrong bounds refuted?  Each notebook is run with wrong variants of the bounds it uses.

Twice: first to record which bound is called where, and how far each variant is from the truth; then
again up to the first call of a bound, where for every variant a child goes on with wrong numbers,
to the first claim that fails, or through the last cell that they can reach.  Results are kept in
build/mutants and taken up again as long as code, library and packages stay the same.
"""

import json
import math
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from verdicts import hooks, kernels, ledger, notebook, portable, wrong
from verdicts.config import find_config
from verdicts.quantities import array, is_estimate
from verdicts.reach import last_reached

SEPARATED = 1e-9  # relative: the accuracy of the values
CALLS = 200  # of one bound: later ones are evaluated only for variants that are not wrong yet
MEMORY = 8 * 2**30  # bytes that a child may map
_SIDE = {"<=": -1, ">=": 1}  # where a variant must lie to claim more than is true


# ------------------------------------------------------------------- what happens at a call


class _Watch:
    """Stands at every call of something that can be wrong; ``cell`` is the one that runs."""

    cell, last = 0, math.inf  # and the last one to be run

    def own(self, name, value, values):
        return self.at(hooks.Target(name, "=", tuple(values)), value, values.__getitem__)

    def explain(self, name, variant, why):
        pass


class Recorder(_Watch):
    """The first run: gives the true values and notes how far the wrong ones are from them."""

    def __init__(self):
        self.found, self.explained = {}, {}

    def at(self, target, true, wrong):
        entry = self.found.setdefault(
            target.name, {"relation": target.relation, "calls": 0, "places": [], "variants": {}})
        entry["calls"] += 1
        if (place := [self.cell, _line()]) not in entry["places"]:
            entry["places"].append(place)
        for words in target.variants:
            seen = entry["variants"].setdefault(words, {"difference": 0.0, "wrong": False})
            if seen["wrong"] and entry["calls"] > CALLS:
                continue
            try:
                difference, too_much = compare(true, wrong(words), target.relation)
            except (ArithmeticError, TypeError, ValueError):  # no value: the claims will tell
                difference, too_much = 2.0, True
            seen["difference"] = max(seen["difference"], difference)
            seen["wrong"] |= too_much
        return true

    def explain(self, name, variant, why):
        self.explained.setdefault(name, {})[variant] = why


def _line():
    """The line of its cell that runs."""
    frame, line, names = sys._getframe(1), 1, vars(sys.modules["__main__"])
    while frame is not None:  # functions of the notebook lie further inside
        if frame.f_globals is names:
            line = frame.f_lineno
        frame = frame.f_back
    return line


def compare(true, other, relation):
    """(largest relative difference, at most 2; whether ``other`` claims more than is true).

    A larger upper bound, or a smaller lower one, is not wrong.
    """
    if true is other:
        return 0.0, False
    try:
        true, other = (array(x.value if is_estimate(x) else x, "value", infinite=True)
                       for x in (true, other))
    except (TypeError, ValueError):  # functions, or whatever a notebook has
        return 2.0, True
    if true.shape != other.shape:
        return 2.0, True
    with np.errstate(all="ignore"):
        change = (other - true) / np.maximum(np.abs(true), np.abs(other))
    change = np.where(other == true, 0.0, change)  # infinite ones, too
    side = _SIDE.get(relation)
    too_much = side * change if side else np.abs(change)
    difference = float(np.nan_to_num(np.abs(change), nan=2.0).max())
    return difference, bool((np.isnan(change) | (too_much > SEPARATED)).any())


class Judge(_Watch):
    """The second run: at the first call of a target one child for each of its variants goes on.

    ``wanted`` is {target: (variants, last cell that they can reach)}.  In a child ``mutant`` is
    (target, variant), and the calls of that target return the wrong values; the parent goes on with
    the true ones and hands what became of a child to ``store(target, variant, outcome)``.
    """

    def __init__(self, wanted, jobs, limit, store):
        self.mutant = None
        self._wanted, self._jobs, self._limit, self._store = dict(wanted), jobs, limit, store
        self._children = {}  # pid: (mutant, pipe)

    def at(self, target, true, wrong):
        if self.mutant is not None:
            return wrong(self.mutant[1]) if self.mutant[0] == target.name else true
        variants, last = self._wanted.pop(target.name, ((), 0))
        for words in variants:
            self.wait(self._jobs - 1)
            if self._fork((target.name, words)):
                self.last = last
                return wrong(words)
        self.wait(self._jobs - 1)  # this run is one of them
        if not self._wanted:
            self.last = self.cell
        return true

    def _fork(self, mutant):
        """Whether this is the child."""
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(self._limit)
            import resource  # which Windows has not

            # A wrong number can ask for an array of any size.
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            self.mutant, self._pipe, self._parent = mutant, writing, os.getppid()
            return True
        os.close(writing)
        self._children[pid] = mutant, reading
        return False

    def wait(self, most=0):
        """Until at most so many children are left."""
        while len(self._children) > max(most, 0):
            for pid in list(self._children):
                done, status, used = os.wait4(pid, os.WNOHANG)
                if done:
                    mutant, reading = self._children.pop(pid)
                    with os.fdopen(reading, "rb") as pipe:
                        text = pipe.read()
                    outcome = json.loads(text) if text else {
                        "status": "stopped", "why": self._death(status)}
                    seconds = round(used.ru_utime + used.ru_stime, 1)
                    self._store(*mutant, outcome | {"seconds": seconds})
            time.sleep(0.01)

    def _death(self, status):
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM:
            return f"not through after {self._limit} s"
        return f"the process ended with {os.waitstatus_to_exitcode(status)}"

    def report(self, outcome):
        """The end of a child."""
        os.write(self._pipe, json.dumps(outcome).encode())
        os._exit(0)

    def abandoned(self):
        """Whether this is a child whose parent has gone."""
        return self.mutant is not None and os.getppid() != self._parent

    def stop(self):
        """End all children without an outcome."""
        if self.mutant is None:
            for pid in self._children:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)


# ------------------------------------------------------------------- one notebook, in a process


def _shell():
    """IPython in this process: what it displays is lost, and an error is no text."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config as Settings

    settings = Settings()
    settings.HistoryManager.enabled = False  # its thread would not survive a fork
    shell = InteractiveShell.instance(config=settings)
    shell.showtraceback = shell.showsyntaxerror = lambda *args, **kwargs: None
    shell.display_formatter.active_types = ["text/plain"]
    return shell


def _violated():
    return [v for v in ledger.made() if v.status == "violated"]


def _run(shell, cells, watch):
    """Run the code cells up to the first that fails; how it ends, as an outcome."""
    for number, cell in enumerate(cells):
        if number > watch.last:
            break
        watch.cell, before = number, _violated()
        result = shell.run_cell(cell["source"], store_history=True)
        error = result.error_before_exec or result.error_in_exec
        if isinstance(error, KeyboardInterrupt):
            raise error
        if "matplotlib.pyplot" in sys.modules:
            sys.modules["matplotlib.pyplot"].close("all")
        if isinstance(watch, Judge) and watch.abandoned():
            os._exit(1)
        if error is None or "raises-exception" in notebook.tags(cell):
            continue
        failed = [v for v in _violated() if v not in before]
        if isinstance(error, AssertionError) and failed:
            verdict = failed[-1]  # an earlier one may have been caught
            by = f"{verdict.statement} · {verdict.key}"
            return {"status": "refuted", "by": by, "kind": verdict.kind, "cell": number}
        first, *_ = str(error).splitlines() or [""]
        return {"status": "stopped", "why": f"{type(error).__name__}: {first}", "cell": number}
    return {"status": "survived"}


def work(root, path, step, key, jobs):
    """One of the two runs, "record" or "judge", in a process of its own; ValueError if it fails."""
    config, path = find_config(root), Path(path)
    cells = notebook.code_cells(notebook.read(path))
    kept = read(config, path, key)
    watch = Recorder() if step == "record" else _judge(config, path, kept, cells, jobs)
    wrong.tool = watch
    names = hooks.install(config, watch)
    shell, start = _shell(), time.perf_counter()
    try:
        outcome = _run(shell, cells, watch)
        if step == "judge":
            if watch.mutant is not None:
                watch.report(outcome)
            watch.wait()
    finally:
        if step == "judge":
            watch.stop()
    if outcome["status"] != "survived":
        raise ValueError(f"{path.name} fails without a mutant: {outcome}")
    if step == "record":
        kept = {"key": key, "bounds": names, "seconds": round(time.perf_counter() - start, 1),
                "found": watch.found, "explained": watch.explained, "outcomes": {}}
        _write(config, path, kept)


def _judge(config, path, kept, cells, jobs):
    def store(target, words, outcome):
        kept["outcomes"].setdefault(target, {})[words] = outcome
        _write(config, path, kept)

    sources = [cell["source"] for cell in cells]
    wanted = {target: (words, last_reached(sources, kept["found"][target]["places"]))
              for target, words in open_mutants(kept).items()}
    return Judge(wanted, jobs, int(60 + 5 * kept["seconds"]), store)


def open_mutants(kept):
    """{target: the variants that are wrong somewhere and have no outcome yet}."""
    wanted = {
        target: [words for words, seen in entry["variants"].items()
                 if seen["wrong"] and words not in kept["outcomes"].get(target, {})]
        for target, entry in kept["found"].items()}
    return {target: words for target, words in wanted.items() if words}


# ------------------------------------------------------------------- what is kept


def kept_at(config, path):
    """The file with what is known of a notebook."""
    return config.root / "build" / "mutants" / f"{path.stem[:2]}.json"


def _key(config, path, sources):
    settings = [config.bounds, *config.bound_functions]
    return portable.key(sources, notebook.read(path), settings)


def read(config, path, key):
    """What is known of a notebook; nothing if it was another then, or other code."""
    try:
        kept = json.loads(kept_at(config, path).read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):  # or interrupted while it was written
        return {}
    return kept if kept.get("key") == key else {}


def _write(config, path, kept):
    notebook.write(kept_at(config, path), json.dumps(kept, indent=1, ensure_ascii=False))


# ------------------------------------------------------------------- all notebooks


_DONE = {"record": "recorded", "judge": "judged"}
_WORK = "import sys; from verdicts import mutants; mutants.work(*sys.argv[1:5], int(sys.argv[5]))"


def _start(config, path, step, key, jobs):
    """Run ``work``; its last words if it fails."""
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _WORK, str(config.root), str(path), step, key, str(jobs)],
        cwd=path.parent, env=os.environ | kernels.ENVIRONMENT | {"MPLBACKEND": "Agg"},
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    failed = done.returncode != 0
    print(f"{path.stem}: {'FAILED' if failed else _DONE[step]}, "
          f"{time.perf_counter() - begin:.0f} s", flush=True)
    return done.stderr.strip().rpartition("\n")[2] or "no reason given" if failed else None


def mutants(config, numbers=(), jobs=2):
    """Run the mutants of notebooks (default: all with a number) and print what became of them.

    1 if a notebook does not run, 0 whatever survives.  Raises ``ValueError`` outside the stored
    seed, profile and device, ``OSError`` on a system without ``fork``.
    """
    if not hasattr(os, "fork"):
        raise OSError("mutants are run by fork, which this system has not")
    if not config.comparable():
        raise ValueError(f"mutants run under {config.stored_context}: unset the others")
    paths = [config.notebook(n) for n in numbers] if numbers else config.notebook_paths()
    sources = portable.sources_digest(config)
    keys = {path: _key(config, path, sources) for path in paths}
    failed = {}

    def record(path):
        if not read(config, path, keys[path]):
            failed[path] = _start(config, path, "record", keys[path], jobs)

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(record, paths))
    results = {}
    for path in paths:
        if not failed.get(path) and open_mutants(read(config, path, keys[path])):
            failed[path] = _start(config, path, "judge", keys[path], jobs)
        if not failed.get(path):
            results[path] = read(config, path, keys[path])
    print("\n" + report(results, everything=not numbers))
    if not numbers:
        print(f"never asserted: {', '.join(hooks.unasserted(config)) or 'none'}")
    for path, why in failed.items():
        if why:
            print(f"\nfailed: {path.name}, {why}", file=sys.stderr)
    return 1 if any(failed.values()) else 0


# ------------------------------------------------------------------- the report


def rows(kept):
    """(target, variant, state, in words) of every variant in what is known of a notebook.

    state: refuted, stopped, SURVIVED, explained, same (in every case) or weaker (than the truth, in
    every case, and so not wrong).
    """
    for target, entry in kept["found"].items():
        for words, seen in entry["variants"].items():
            why = kept["explained"].get(target, {}).get(words)
            if not seen["wrong"]:
                same = seen["difference"] <= SEPARATED
                yield (target, words, *(
                    ("same", "separated by no case") if same else
                    ("weaker", "weaker than the truth wherever it is evaluated")))
                continue
            outcome = kept["outcomes"].get(target, {}).get(
                words, {"status": "stopped", "why": "the second run did not call it"})
            if outcome["status"] == "survived":
                size = f"differs by up to {100 * seen['difference']:.3g} %"
                yield (target, words, *(("explained", f"survived: {why}") if why else
                                        ("SURVIVED", f"SURVIVED, {size}")))
            else:
                text = (f"refuted by {outcome['by']}" if outcome["status"] == "refuted"
                        else f"stopped by an error: {outcome['why']}")
                stale = f" (though said to be inseparable: {why})" if why else ""
                yield target, words, outcome["status"], text + stale


_COUNTED = ("refuted", "stopped", "SURVIVED", "explained", "same", "weaker")


def report(results, everything=True):
    """All tables: one of each notebook, the counts, and the bounds that no notebook evaluates if
    there is ``everything``."""
    lines, counts = [], {}
    for path, kept in results.items():
        found = list(rows(kept))
        counts[path] = {s: sum(row[2] == s for row in found) for s in _COUNTED}
        if found:
            width = [max(len(row[k]) for row in found) for k in (0, 1)]
            lines += [path.stem, *(f"  {t:{width[0]}}  {w:{width[1]}}  {text}"
                                   for t, w, _, text in found), ""]
    lines += ["notebook  mutants  refuted  by an error  SURVIVED  explained  not separated  weaker"]
    for path, n in [*counts.items(), (None, _sum(counts.values()))]:
        name = path.stem[:2] if path else "all"
        wrong_ones = n["refuted"] + n["stopped"] + n["SURVIVED"] + n["explained"]
        lines.append(f"{name:8}  {wrong_ones:7}  {n['refuted']:7}  {n['stopped']:11}  "
                     f"{n['SURVIVED']:8}  {n['explained']:9}  {n['same']:13}  {n['weaker']:6}")
    if not everything:
        return "\n".join(lines)
    every = dict.fromkeys(name for kept in results.values() for name in kept["bounds"])
    never = [b for b in every if not any(b in kept["found"] for kept in results.values())]
    return "\n".join([*lines, "", f"never evaluated: {', '.join(never) or 'none'}"])


def _sum(counts):
    return {state: sum(n[state] for n in counts) for state in _COUNTED}
