"""One runner for contenders: in turns, medians with their spread, the load beside each figure.

    python -m benchmarks [SUITE] [--only NAME,...] [--rounds 3] [--rows 50000] [--per-second 500]
                         [--seconds 5] [-o table|json|html] [--keep FILE] [--compare FILE]

`--keep` writes the run as JSON, which `--compare` reads later: it prints what changed by more than
both spreads, and exits 1 where something became worse. Progress goes to stderr.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psycopg
from confluent_kafka import KafkaException

from benchmarks.runner import machine, shown
from benchmarks.runner.result import BenchResult, changes, document_of, result_of
from benchmarks.suites import SUITES, Suite
from bookpayctl.runs.interrupts import Stopped, interruptible

USAGE: Final = 2
UNKNOWN: Final = 3

# What servers and programs of a benchmark end with that did not do their part.
NOT_MEASURED: Final = (KafkaException, psycopg.Error, OSError, RuntimeError, AssertionError)


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print, and compare; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("suite", nargs="?", default="publisher", choices=sorted(SUITES))
    parser.add_argument("--only", default="", metavar="NAME,...")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--per-second", type=float, default=500.0)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("-o", "--output", choices=("table", "json", "html"), default="table")
    parser.add_argument("--keep", type=Path, metavar="FILE")
    parser.add_argument("--compare", type=Path, metavar="FILE")
    given = parser.parse_args(words)
    suite = SUITES[given.suite]
    names = chosen(suite, given.only)
    if names is None:
        parser.error(f"--only takes {', '.join(suite.titles)}, by comma")
    before = None
    if given.compare is not None:
        try:
            before = result_of(json.loads(given.compare.read_text()))
        except (OSError, ValueError, KeyError) as error:
            parser.error(f"--compare {given.compare}: {error}")
    settings = {
        "rounds": given.rounds,
        "rows": given.rows,
        "per_second": given.per_second,
        "seconds": given.seconds,
    }
    # Before the first round: what is measured keeps the machine busy by itself.
    of = machine.described()
    try:
        with interruptible(), one_folder():
            rounds = suite.measure(names, settings, tell)
    except NOT_MEASURED as error:
        tell(f"error: {given.suite} could not be measured: {error}")
        return UNKNOWN
    except Stopped as stopped:
        tell(f"stopped by {stopped}; the servers of the benchmark are stopped, too")
        return 128 + stopped.number
    result = BenchResult(
        suite=given.suite,
        settings=settings,
        machine=of,
        metrics=suite.metrics,
        titles={name: suite.titles[name] for name in names},
        rounds=rounds,
    )
    if given.keep is not None:
        given.keep.write_text(json.dumps(document_of(result), indent=1) + "\n")
    worse = None if before is None else compared(before, result)
    print(text_of(result, given.output, worse))
    return int(bool(worse))


@contextmanager
def one_folder() -> Iterator[None]:
    """Whatever is temporary lies in a folder that is gone at the end, also what a server made."""
    with tempfile.TemporaryDirectory(prefix="bpb-") as folder:
        # Root's PostgreSQL runs as somebody else.
        Path(folder).chmod(0o755)
        before, tempfile.tempdir = tempfile.tempdir, folder
        try:
            yield
        finally:
            tempfile.tempdir = before


def tell(text: str) -> None:
    """Progress, and what went wrong."""
    print(text, file=sys.stderr, flush=True)


def chosen(suite: Suite, only: str) -> list[str] | None:
    """The contenders by their order; None where one is not known."""
    wanted = [name for name in only.split(",") if name]
    if not set(wanted) <= suite.titles.keys():
        return None
    return [name for name in suite.titles if name in wanted or not wanted]


def text_of(result: BenchResult, output: str, worse: int | None) -> str:
    """The run in the chosen form."""
    if output == "json":
        return json.dumps(document_of(result, worse), indent=1)
    return shown.page(result) if output == "html" else shown.table(result)


def compared(before: BenchResult, now: BenchResult) -> int:
    """Say on stderr what changed beyond the spread; how many figures are worse."""
    found = list(changes(before, now))
    for line in shown.changes_told(found):
        print(line, file=sys.stderr)
    return sum(not one.is_better for one in found)


if __name__ == "__main__":
    raise SystemExit(main())
