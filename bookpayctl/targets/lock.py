"""One `up` or `down` of an environment at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from bookpayctl.report.exit_code import ExitCode
from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets.environment import environment_root
from bookpayctl.targets.errors import TargetError

_POLL_SECONDS: Final = 0.1


class LockTimeoutError(TargetError):
    """Another command kept the environment for longer than we may wait."""

    code = ExitCode.DEADLINE
    reason = "locked"


def lock_file(name: str) -> Path:
    """The lock lies beside the environment's folder, because a purge removes that."""
    return environment_root(name).parent / ".locks" / f"{name}.lock"


@contextmanager
def environment_lock(
    path: Path, purpose: str, *, timeout_seconds: float, waiting: Callable[[str], None]
) -> Iterator[None]:
    """Hold the environment alone; ends with the process, so a killed holder blocks nobody.

    Args:
        path: a file beside the environment's folder, so that a purge does not remove it.
        purpose: what the holder does, for the one who waits: `up (pid 12)`.
        timeout_seconds: how long to wait for the present holder.
        waiting: told once, with the holder's purpose, when there is a wait.

    Raises:
        LockTimeoutError: the holder did not finish in time.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        if not _try(file.fileno()):
            waiting(_holder(file))
            got = wait_until(
                lambda: _try(file.fileno()),
                bool,
                deadline_seconds=timeout_seconds,
                every_seconds=_POLL_SECONDS,
            )
            if not got.reached:
                raise LockTimeoutError(
                    f"{_holder(file)} has held {path} for more than {timeout_seconds:g} s"
                )
        file.seek(0)
        file.truncate()
        file.write(f"{purpose} (pid {os.getpid()})")
        file.flush()
        yield


def _holder(file: IO[str]) -> str:
    file.seek(0)
    return file.read().strip() or "another command"


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
