"""Try every sabotage, or those that are named, and print who catches which.

    python -m tests.mutants [-j N] [--keep] [M7 M12 ...]
    python -m tests.mutants --by-tool [M7 M12 ...]

With --by-tool it is not tests that have to find them but the tool's commands, each asked of a stack
that runs the sabotage; those that no command finds are named, with the reason, in docs/judge.md.

Exits 0 when every one is caught, 1 when one is not, 2 for a name that is none, 3 when the same
tests are not green without any sabotage: then nothing was proven. 130 when interrupted.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.mutants.by_tool import try_by_tool
from tests.mutants.catalogue import by_id
from tests.mutants.mutant import Mutant
from tests.mutants.origin import ForeignCodeError
from tests.mutants.trial import (
    INTERRUPTED,
    copy_repository,
    remove_trial,
    run_tests,
    try_mutant,
    workplace,
)
from tests.mutants.verdict import Finding, Verdict, of_node

ROOT: Final = Path(__file__).resolve().parents[2]
JOBS: Final = 2
"""Stacks at a time: most of a trial is waiting, and two cores take two."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table."""

    mutant: Mutant
    finding: Finding
    seconds: float


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="mutants", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("ids", nargs="*", metavar="ID")
    parser.add_argument("-j", "--jobs", type=int, default=JOBS)
    parser.add_argument("--keep", action="store_true", help="leave copies, logs and reports there")
    parser.add_argument("--by-tool", action="store_true", help="by commands instead of tests")
    given = parser.parse_args(arguments)
    try:
        if given.by_tool:
            return try_by_tool([name.upper() for name in given.ids], say)
        mutants = by_id(given.ids)
    except KeyError as unknown:
        asked = "that a command finds " if given.by_tool else ""
        parser.error(f"there is no mutant {asked}called {unknown}")
    with workplace(keep=given.keep) as folder:
        began = time.monotonic()
        if given.keep:
            say(f"copies, logs and reports stay in {folder}")
        pristine = copy_repository(ROOT, folder / "pristine")
        problem = what_is_red(pristine, mutants)
        if problem:
            say(f"UNKNOWN: without any sabotage {problem}")
            return 3
        say(f"without any sabotage everything is green ({time.monotonic() - began:.0f} s)")
        lines = try_all(pristine, folder, mutants, jobs=given.jobs, keep=given.keep)
    print_table(lines, time.monotonic() - began)
    return 0 if all(line.finding.verdict is Verdict.CAUGHT for line in lines) else 1


def try_all(
    pristine: Path, folder: Path, mutants: Sequence[Mutant], *, jobs: int, keep: bool
) -> list[Line]:
    """Try each, some at a time; interrupted, whatever runs is stopped before this ends."""
    with ThreadPoolExecutor(jobs) as pool:
        tried = [pool.submit(try_one, pristine, folder, mutant, keep=keep) for mutant in mutants]
        try:
            return [future.result() for future in tried]
        except KeyboardInterrupt:
            INTERRUPTED.set()
            pool.shutdown(cancel_futures=True)
            raise


def what_is_red(pristine: Path, mutants: Sequence[Mutant]) -> str | None:
    """Why the run can prove nothing; None when every test passes on the untouched copy."""
    smoke = dict.fromkeys(node for mutant in mutants for node in mutant.smoke)
    tests = dict.fromkeys(node for mutant in mutants for node in mutant.caught_by)
    nodes = [*smoke, *(node for node in tests if node not in smoke)]
    try:
        run = run_tests(pristine, nodes)
    except ForeignCodeError as error:
        return str(error)
    silent = [node for node in nodes if not of_node(run.results, node)]
    red = [f"{name}: {r.message[:200]}" for name, r in run.results.items() if not r.passed]
    if silent:
        return f"{silent[0]} gives no result:\n{run.output[-2000:]}"
    if red:
        return f"{len(red)} tests are red, first {red[0]}"
    if run.mistakes:
        return f"a service breaks: {run.mistakes[0][:200]}"
    say(f"{run.processes} Python processes, all of them on the copy's code")
    return None


def try_one(pristine: Path, folder: Path, mutant: Mutant, *, keep: bool) -> Line:
    began, place = time.monotonic(), folder / mutant.id
    finding = try_mutant(pristine, place, mutant)
    if finding.verdict is Verdict.BROKEN:
        # A port that somebody else took is no fault of a sabotage; what is really broken stays so.
        say(f"{mutant.id} is tried again: {finding.detail}")
        remove_trial(place)
        finding = try_mutant(pristine, place, mutant)
    if not keep:
        remove_trial(place)
    seconds = time.monotonic() - began
    say(f"{mutant.id} {finding.verdict} ({seconds:.0f} s): {finding.detail}")
    return Line(mutant, finding, seconds)


def print_table(lines: Sequence[Line], seconds: float) -> None:
    width = max(len(line.mutant.sabotage) for line in lines)
    rows = [f"| id  | {'sabotage':{width}} | caught by | seconds |", "|---|---|---|---|"]
    for line in lines:
        said = line.finding.detail
        if line.finding.verdict is not Verdict.CAUGHT:
            said = f"{line.finding.verdict}: {said}"
        mutant = line.mutant
        rows.append(f"| {mutant.id:3} | {mutant.sabotage:{width}} | {said} | {line.seconds:.0f} |")
    caught = sum(line.finding.verdict is Verdict.CAUGHT for line in lines)
    rows.append(f"{caught} of {len(lines)} caught, {seconds:.0f} s in all")
    sys.stdout.write("\n".join(rows) + "\n")


def say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    # Told to end, it ends as if interrupted: stacks are stopped, copies removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
