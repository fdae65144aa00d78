"""What a caller is told when a command could not do its work, and the exit code for it."""

from __future__ import annotations

import errno
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from bookpayctl.cli.output import Failed, Failure, fail, hint
from bookpayctl.report.exit_code import ExitCode

if TYPE_CHECKING:
    from bookpayctl.targets.environment import Environment


@contextmanager
def explained(root: Path) -> Iterator[None]:
    """Turn the target's errors into an answer and an exit code."""
    from bookpayctl.runs.interrupts import Stopped
    from bookpayctl.targets.errors import TargetError

    try:
        yield
    except TargetError as error:
        message = f"{error}; {error.aftermath}" if error.aftermath else str(error)
        _end(
            Failure(error.code, error.reason, message, error.part, error.log, error.fix),
            root,
        )
    except OSError as error:
        _end(cannot_run_here(error, root), root)
    except Stopped as stopped:
        code = ExitCode.INTERRUPTED if stopped.number == signal.SIGINT else ExitCode.TERMINATED
        message = f"stopped by {stopped}; nothing it started was left running"
        _end(Failure(code, "interrupted", message), root)


def cannot_run_here(error: OSError, root: Path) -> Failure:
    """What the system refused, and where; what is written is the environment's, if it is not said.

    A write that finds the disk full names no file.
    """
    message = str(error) if error.filename else f"{error.strerror or error}: {root}"
    fix = "bookpayctl doctor"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        fix = "free some space there, or set BOOKPAY_HOME to a folder on another disk"
    return Failure(ExitCode.USAGE, "cannot_run_here", message, fix=fix)


def _end(failure: Failure, root: Path) -> NoReturn:
    if failure.log:
        file = root / "logs" / f"{failure.part}.log"
        hint(f"last lines of {file if file.exists() else failure.part}:")
    for line in failure.log:
        hint(f"    {line}")
    hint(f"error: {failure.message}")
    if failure.fix:
        hint(f"fix: {failure.fix}")
    raise Failed(failure)


@contextmanager
def database_answers(environment: Environment) -> Iterator[None]:
    """Whatever is read in the block could not be read: unknown, with the remedy."""
    from bookpayctl.clients.database import DatabaseError

    try:
        yield
    except DatabaseError as error:
        fail(
            f"PostgreSQL of environment {environment.name!r} did not answer:"
            f" {str(error).strip().splitlines()[0]}",
            ExitCode.UNKNOWN,
            fix=f"bookpayctl status --name {environment.name}",
        )
