"""Trying a sabotage: a copy of the repository, the change in it, its tests, and what they said.

The copy is complete and its own; a process that runs other code spoils the trial (`origin`).
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.mutants.mutant import Mutant, NotApplicableError, apply
from tests.mutants.origin import ORIGIN_NOTE, ForeignCodeError, check_origins, strangers
from tests.mutants.verdict import MISTAKES, Finding, Results, TestResult, Verdict, judge

TRIAL_SECONDS_MAX: Final = 420.0
GOODBYE_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 0.5

INTERRUPTED: Final = threading.Event()
"""Set when nobody waits for the trials any more: each stops its stack and ends."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of pytest left behind.

    Attributes:
        mistakes: lines of services' logs about names that are not there.
        processes: how many Python processes noted that they run the copy's code.
    """

    results: Results
    mistakes: tuple[str, ...]
    processes: int
    output: str


@contextmanager
def workplace(*, keep: bool = False) -> Iterator[Path]:
    """A folder for copies, gone afterwards unless it is kept for somebody to look at.

    Its name is short, because sockets live below it.
    """
    folder = Path(tempfile.mkdtemp(prefix="bpm-"))
    try:
        yield folder
    finally:
        if not keep:
            remove(folder)


def remove(folder: Path) -> None:
    """Remove a folder, and the databases that its servers had to keep elsewhere."""
    for mark in Path(tempfile.gettempdir()).glob("bookpay-test-*/made-for"):
        try:
            made_for = Path(mark.read_text())
        except FileNotFoundError:
            # Somebody else's, whose tests have just ended.
            continue
        if made_for.is_relative_to(folder):
            shutil.rmtree(mark.parent, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def remove_trial(copy: Path) -> None:
    """Remove a copy and what its tests left beside it."""
    remove(copy)
    remove(copy.with_suffix(".t"))


def copy_repository(root: Path, to: Path) -> Path:
    """Copy what is, or could be, committed; the copy has nothing of git, venv or environments."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        check=True,
    ).stdout.decode()
    for name in filter(None, listed.split("\0")):
        source = root / name
        if source.is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, to / name)
    (to / "sitecustomize.py").write_text(ORIGIN_NOTE)
    return to


def copy_of_copy(pristine: Path, to: Path) -> Path:
    """Another copy, with the compiled files of the first, so that nothing is compiled twice."""
    return Path(shutil.copytree(pristine, to, ignore=shutil.ignore_patterns(".origins")))


def run_tests(copy: Path, nodes: Sequence[str]) -> Run:
    """Run pytest over `nodes`, in the order given, on the code of the copy.

    Raises:
        ForeignCodeError: a process would have imported something else.
    """
    report, temporary = copy.with_suffix(".xml"), copy.with_suffix(".t")
    # What an earlier try said must not be taken for what this one says.
    report.unlink(missing_ok=True)
    command = [
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--no-header"),
        *(f"--junit-xml={report}", f"--basetemp={temporary}", *nodes),
    ]
    # The second name is for what `up` starts, which gets nothing of Python's own variables.
    modules = {"PYTHONPATH": str(copy), "BOOKPAY_PYTHONPATH": str(copy)}
    variables = {**os.environ, **modules, "NO_COLOR": "1", "CI": "true"}
    output = _finish(command, copy, variables)
    processes = check_origins(copy)
    results = read_report(report) if report.is_file() else {}
    logs = sorted(temporary.rglob("*.log")) if temporary.is_dir() else []
    mistakes = tuple(
        f"{log.stem}: {line.strip()}"
        for log in logs
        for line in log.read_text(errors="replace").splitlines()
        if MISTAKES.search(line)
    )
    return Run(results, mistakes, processes, output)


def _finish(command: Sequence[str], copy: Path, variables: dict[str, str]) -> str:
    """Run to the end; at the deadline pytest is interrupted: its fixtures stop what runs."""
    log = copy.with_suffix(".out")
    foreign: list[str] = []
    with log.open("wb") as sink:
        process = subprocess.Popen(
            command, cwd=copy, env=variables, stdout=sink, stderr=sink, start_new_session=True
        )
        give_up_at = time.monotonic() + TRIAL_SECONDS_MAX
        try:
            while not _has_ended(process, LOOK_SECONDS):
                foreign.extend(strangers(process.pid, copy))
                if INTERRUPTED.is_set() or time.monotonic() > give_up_at:
                    break
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                if not _has_ended(process, GOODBYE_SECONDS):
                    process.kill()
                    process.wait()
    if foreign:
        raise ForeignCodeError(f"{foreign[0]!r} was started without the copy on its path")
    return log.read_text(errors="replace")


def _has_ended(process: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def read_report(report: Path) -> Results:
    """pytest's JUnit report by node id; `classname` is the file with dots, and a class if any."""
    results: dict[str, TestResult] = {}
    for case in ElementTree.parse(report).getroot().iter("testcase"):  # noqa: S314 - our own file
        module = case.get("classname", "").replace(".", "/")
        name = f"{module}.py::{case.get('name')}"
        failure, error, skipped = (case.find(kind) for kind in ("failure", "error", "skipped"))
        wrong = failure if failure is not None else error if error is not None else skipped
        known = results.get(name)
        if known is not None and not known.passed and not known.in_fixture:
            # The test itself is red; what its clean-up met afterwards is not the news.
            continue
        if wrong is None:
            results.setdefault(name, TestResult(passed=True))
        else:
            message = (wrong.get("message") or "").strip()
            first_line = message.splitlines()[0] if message else ""
            results[name] = TestResult(False, first_line, in_fixture=failure is None)
    return results


def try_mutant(pristine: Path, to: Path, mutant: Mutant, *, with_smoke: bool = True) -> Finding:
    """Copy, sabotage, test, judge; never raises for what a sabotage does."""
    copy = copy_of_copy(pristine, to)
    try:
        apply(copy, mutant)
    except NotApplicableError as error:
        return Finding(Verdict.NOT_APPLIED, str(error))
    smoke = mutant.smoke if with_smoke else ()
    try:
        run = run_tests(copy, [*smoke, *mutant.caught_by])
    except ForeignCodeError as error:
        return Finding(Verdict.UNKNOWN, str(error))
    return judge(run.results, caught_by=mutant.caught_by, smoke=smoke, mistakes=run.mistakes)
