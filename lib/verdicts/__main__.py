"""python -m verdicts run | times | teeth | mutants | table | portable | check | stamp | env |
publish"""

import argparse
import sys

from verdicts import (
    environment,
    execute,
    form,
    kernels,
    mutants,
    notebook,
    portable,
    publish,
    report,
    stamp,
    teeth,
    times,
)
from verdicts.config import load_config


def _jobs(text):
    jobs = int(text)
    if jobs < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1; got {jobs}")
    return jobs


def _parser():
    parser = argparse.ArgumentParser(prog="python -m verdicts", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="re-execute notebooks in place")
    run.add_argument("paths", nargs="*", help="default: all notebooks")
    run.add_argument("--fresh", action="store_true", help="store outputs that agree anew as well")
    run.add_argument("--jobs", type=_jobs, default=kernels.cores(),
                     help="notebooks at a time (default: as many as processors)")
    run.add_argument("--times", action="store_true", help="store what each cell costs")
    cost = commands.add_parser("times", help="what each cell costs, against what is stored")
    cost.add_argument("numbers", nargs="*", help="two digits each; default: all notebooks")
    cost.add_argument("--jobs", type=_jobs, default=kernels.cores(), help="as for run")
    bite = commands.add_parser("teeth", help="what each claim would notice, coarsest first")
    bite.add_argument("numbers", nargs="*", help="two digits each; default: all notebooks")
    table = commands.add_parser("table", help="print the table of verdicts")
    table.add_argument("numbers", nargs="*", help="two digits each: as text, and of these alone")
    how = table.add_mutually_exclusive_group()
    how.add_argument("--write", action="store_true", help="write it into the table files")
    how.add_argument("--check", action="store_true", help="fail if a table file is stale")
    travel = commands.add_parser("portable", help="run notebooks under simulated processors")
    travel.add_argument("numbers", nargs="*", help="two digits each; default: all notebooks")
    travel.add_argument("--processors", nargs="+", default=[], help="default: all")
    travel.add_argument("--jobs", type=_jobs, default=kernels.cores(), help="as for run")
    wrong = commands.add_parser("mutants", help="run notebooks with wrong variants of bounds")
    wrong.add_argument("numbers", nargs="*", help="two digits each; default: all notebooks")
    wrong.add_argument("--jobs", type=_jobs, default=kernels.cores(), help="processes at a time")
    commands.add_parser("check", help="check the form of all notebooks")
    commands.add_parser("env", help="print what a report of a failing verdict must say")
    public = commands.add_parser("publish", help="write the public address, and check what is left")
    public.add_argument("repository", nargs="?", default="", help="default: of the remote origin")
    commands.add_parser("stamp", help="write badges, navigation, setup cells, address")
    return parser


def _complain(messages):
    for message in messages:
        print(message)
    return 1 if messages else 0


def _check(config):
    return [
        f"{config.mentions(path)}: {message}"
        for path in config.all_paths()
        for message in form.check_notebook(path, config)
    ]


def main(arguments=None):
    """Run one subcommand; its exit status."""
    # A terminal with an older encoding must not stop the report.
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")
    options = _parser().parse_args(arguments)
    try:
        return _run(options, load_config())
    except notebook.Unreadable as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # no kernel is left by now
        print("interrupted", file=sys.stderr)
        return 130


def _run(options, config):
    if options.command == "run":
        return execute.run(config, options.paths, options.fresh, options.jobs, options.times)
    if options.command == "times":
        return times.times(config, options.numbers, options.jobs)
    if options.command == "teeth":
        print(teeth.teeth(config, options.numbers))
        return 0
    if options.command == "portable":
        return portable.portable(config, options.numbers, options.processors, options.jobs)
    if options.command == "mutants":
        return mutants.mutants(config, options.numbers, options.jobs)
    if options.command == "check":
        return _complain(_check(config))
    if options.command == "env":
        print("\n".join(environment.lines(config)))
        return 0
    if options.command == "publish":
        said, status = publish.publish(config, options.repository)
        print("\n".join(said))
        return status
    if options.command == "stamp":
        for path in stamp.stamp(config):
            print(f"wrote {config.mentions(path)}")
        return 0
    if options.check:
        return _complain(report.stale(config))
    if options.write:
        for path in report.write_tables(config):
            print(f"wrote {config.mentions(path)}")
        return 0
    if options.numbers:
        try:
            print(report.terminal(config, numbers=options.numbers))
        except ValueError as error:
            print(error, file=sys.stderr)
            return 1
        return 0
    print(report.markdown(config))
    return 0


if __name__ == "__main__":
    sys.exit(main())
