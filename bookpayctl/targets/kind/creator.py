"""Which process of kind makes a cluster: written down, so that who comes after a kill waits for it.

A kind whose `up` was killed lives on until it says its next word. Deleting under its hands what it
makes would let it clean up what is made in its place.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

import psutil

from bookpayctl.runs.files import write_atomically
from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets.kind.errors import KindDeadlineError

_LOOK_SECONDS: Final = 0.2


def note_creator(note: Path, pid: int) -> None:
    """Write down that this process makes the cluster."""
    try:
        born = psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return
    write_atomically(note, json.dumps({"pid": pid, "born": born}))


def wait_for_creator(note: Path, *, deadline_seconds: float, tell: Callable[[str], None]) -> None:
    """Wait until the process that was written down has ended; at once when there is none.

    Raises:
        KindDeadlineError: it has not; the message has its id.
    """
    pid = living_creator(note)
    if pid is None:
        return
    tell(f"waiting for kind (pid {pid}) to end, which an `up` before had started")
    ended = wait_until(
        lambda: living_creator(note),
        lambda living: living is None,
        deadline_seconds=deadline_seconds,
        every_seconds=_LOOK_SECONDS,
    )
    if not ended.reached:
        raise KindDeadlineError(
            f"kind (pid {pid}) still makes the cluster after {deadline_seconds:g} s"
        )


def living_creator(note: Path) -> int | None:
    """The process's id while it lives; another that got its id since is not it."""
    try:
        known = json.loads(note.read_text())
        process = psutil.Process(known["pid"])
        lives = process.create_time() == known["born"] and process.status() != psutil.STATUS_ZOMBIE
    except (FileNotFoundError, ValueError, KeyError, psutil.Error):
        return None
    return int(known["pid"]) if lives else None
