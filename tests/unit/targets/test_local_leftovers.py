"""Orphans are known by the environment's id; strangers are never touched."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bookpayctl.targets.local.machine import leftovers
from bookpayctl.targets.local.machine.state import ID_VARIABLE

_PROGRAM = "import sys; print('up', flush=True); sys.stdin.read()"


@pytest.fixture
def children() -> Iterator[list[subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for child in started:
        child.kill()
        child.communicate()


def start(
    children: list[subprocess.Popen[str]], environment_id: str | None
) -> subprocess.Popen[str]:
    """A child that runs until it is told to end, and is running when this returns."""
    variables = {**os.environ, **({ID_VARIABLE: environment_id} if environment_id else {})}
    child = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM],
        env=variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    children.append(child)
    assert child.stdout is not None
    assert child.stdout.readline() == "up\n"
    return child


def test_only_processes_that_carry_the_id_are_found(
    children: list[subprocess.Popen[str]],
) -> None:
    environment_id = str(uuid.uuid4())
    ours = start(children, environment_id)
    start(children, str(uuid.uuid4()))
    start(children, None)

    found = leftovers.find(environment_id, None)

    assert [process.pid for process in found] == [ours.pid]


def test_what_is_ended_is_gone_and_the_stranger_lives(
    children: list[subprocess.Popen[str]],
) -> None:
    environment_id = str(uuid.uuid4())
    ours = start(children, environment_id)
    stranger = start(children, str(uuid.uuid4()))

    leftovers.end(leftovers.find(environment_id, None))

    assert not psutil.pid_exists(ours.pid)
    assert psutil.Process(stranger.pid).is_running()
    assert leftovers.find(environment_id, None) == []


def test_a_lock_file_that_nobody_holds_is_removed(tmp_path: Path) -> None:
    # The pid is our own: a number that exists, of a process that is no database.
    (tmp_path / "postmaster.pid").write_text(f"{os.getpid()}\n{tmp_path}\n")

    leftovers.remove_stale_pid_file(tmp_path)

    assert not (tmp_path / "postmaster.pid").exists()


def test_a_process_whose_folder_was_removed_and_made_again_does_not_work_in_it(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    sleeper = subprocess.Popen([sys.executable, "-c", "input()"], cwd=folder, stdin=subprocess.PIPE)
    try:
        before = leftovers.works_in(sleeper.pid, folder)
        # Moved, not removed: a folder made anew could get the number of one that is gone.
        folder.rename(tmp_path / "old")
        gone = leftovers.works_in(sleeper.pid, folder)
        folder.mkdir()
        anew = leftovers.works_in(sleeper.pid, folder)
    finally:
        sleeper.kill()
        sleeper.communicate()

    assert (before, gone, anew) == (True, False, False)
