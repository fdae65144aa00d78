"""Looks on at the process of a pod, from within its container, and says what state it is in.

Begun before a drill lets the pod be forgotten by the API server: what it says afterwards is the
only word of a container that nobody can ask about any more. It can also wake a process that was
frozen, at a time that was set when it could still be told.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

LOOK_SECONDS: Final = 0.25

# The first process of a pod whose containers share their processes; it is nobody's service.
_PAUSE: Final = 1

_PROC: Final = Path("/proc")
_ZOMBIE: Final = "Z"


@dataclass(frozen=True, slots=True, order=True)
class SeenProcess:
    """One process; `began` in clock ticks since boot tells it from a later one of its pid."""

    began: int
    pid: int
    parent: int
    state: str


def run(wake_seconds: float, seconds: float, say: Callable[[str], None]) -> int:
    """Say the state of the container's process until it is gone, or the time is over.

    Args:
        wake_seconds: from the begin on, until a frozen process is told to go on.

    Returns:
        0; or 1 when there is no such process.
    """
    seen = process_of_container(_PROC, os.getpid(), os.getuid())
    if seen is None:
        say(json.dumps({"error": "no process of this container runs"}))
        return 1
    _wake_later(seen, wake_seconds)
    ends_at = time.monotonic() + seconds
    now: SeenProcess | None = seen
    while now is not None and time.monotonic() < ends_at:
        say(json.dumps({"pid": now.pid, "state": now.state}))
        time.sleep(LOOK_SECONDS)
        now = _again(_PROC, seen)
    say(json.dumps({"pid": seen.pid, "state": "gone" if now is None else now.state}))
    return 0


def process_of_container(proc: Path, me: int, user: int) -> SeenProcess | None:
    """The oldest process of this user that no process here started: the one of the container.

    Commands that are run in the container later, such as this one, have no parent here either.
    """
    found = []
    for folder in proc.iterdir():
        if not folder.name.isdigit() or int(folder.name) in (_PAUSE, me):
            continue
        with contextlib.suppress(OSError):
            seen = read_process(folder)
            if seen.parent == 0 and folder.stat().st_uid == user and seen.state != _ZOMBIE:
                found.append(seen)
    return min(found, default=None)


def read_process(folder: Path) -> SeenProcess:
    """What the kernel says of one process.

    Raises:
        OSError: it is gone.

    Source:
        proc_pid_stat(5): field 3 is the state, 4 the parent, 22 the start.
    """
    text = (folder / "stat").read_text()
    # The name before may hold anything, also a bracket.
    fields = text.rpartition(")")[2].split()
    return SeenProcess(int(fields[19]), int(folder.name), int(fields[1]), fields[0])


def _again(proc: Path, before: SeenProcess) -> SeenProcess | None:
    """The same process now; None when it is gone."""
    try:
        now = read_process(proc / str(before.pid))
    except OSError:
        return None
    return now if now.began == before.began and now.state != _ZOMBIE else None


def _wake_later(seen: SeenProcess, seconds: float) -> None:
    """Leave a child behind that wakes the process: this one ends when nobody listens any more."""
    if os.fork():
        return
    os.setsid()
    # Nothing of the connection to whoever listens stays open through it.
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    time.sleep(seconds)
    if _again(_PROC, seen) is not None:
        os.kill(seen.pid, signal.SIGCONT)
    os._exit(0)
