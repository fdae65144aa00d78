"""`nox -s busy` leaves no loop behind, whatever becomes of the command beside it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.support.processes import HEEDING
from tests.support.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
BEGUN: list[int] = []
ENDLESS = "import threading\n\ndef test_endless() -> None:\n    threading.Event().wait()\n"


def begin(tmp_path: Path, test: str) -> subprocess.Popen[bytes]:
    (tmp_path / "test_beside.py").write_text(test)
    arguments = (
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        str(tmp_path),
        "--rootdir",
        str(tmp_path),
    )
    with (tmp_path / "out").open("wb") as out:
        running = subprocess.Popen(
            [*HEEDING, sys.executable, "-m", "tests.support.busy_loops", *arguments],
            cwd=ROOT,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    BEGUN.append(running.pid)
    return running


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """Loops that a test could not end would take two processors from all that come after it."""
    yield
    while BEGUN:
        with suppress(ProcessLookupError):
            os.killpg(BEGUN.pop(), signal.SIGKILL)


def loops_of(tmp_path: Path) -> list[int]:
    """The pids that were said, once they were."""
    words = (tmp_path / "out").read_text().partition(" busy loops: ")[2].partition("\n")
    return [int(pid) for pid in words[0].split()] if words[1] else []


def is_a_loop(pid: int) -> bool:
    try:
        process = psutil.Process(pid)
        alive = process.status() != psutil.STATUS_ZOMBIE
        return alive and "os.getppid() == parent" in " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize(
    ("test", "code"),
    [("def test_good() -> None: ...", 0), ("def test_bad() -> None:\n    assert False", 1)],
)
def test_the_command_ends_as_it_ends_alone_and_the_loops_end_with_it(
    tmp_path: Path, test: str, code: int
) -> None:
    running = begin(tmp_path, test)
    pids = eventually(lambda: loops_of(tmp_path), "the loops run")

    assert running.wait(timeout=120) == code
    assert len(pids) == 2
    assert not any(is_a_loop(pid) for pid in pids)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_loops_end_with_an_interrupted_run(tmp_path: Path, number: signal.Signals) -> None:
    running = begin(tmp_path, ENDLESS)
    pids = eventually(lambda: loops_of(tmp_path), "the loops run")
    children = psutil.Process(running.pid).children()
    assert all(is_a_loop(pid) for pid in pids)

    running.send_signal(number)

    assert running.wait(timeout=120) != 0
    eventually(lambda: not any(is_a_loop(pid) for pid in pids), "no loop is left")
    # What was beside the loops is nobody's child after a SIGKILL.
    for child in children:
        if child.is_running() and child.pid not in pids:
            child.kill()
