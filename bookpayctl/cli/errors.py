"""What a caller is told when a command could not do its work, and the exit code for it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from bookpayctl.cli.output import Document, OutputFormat, fail, hint, leave, print_json
from bookpayctl.report.exit_code import ExitCode

if TYPE_CHECKING:
    from bookpayctl.targets.environment import Environment


@contextmanager
def explained(root: Path, output: OutputFormat) -> Iterator[None]:
    """Turn the target's errors into an answer and an exit code, in the format asked for."""
    from bookpayctl.runs.interrupts import Stopped
    from bookpayctl.targets.errors import TargetError

    try:
        yield
    except TargetError as error:
        message = f"{error}; {error.aftermath}" if error.aftermath else str(error)
        _end(
            Failure(error.code, error.reason, message, error.part, error.log, error.fix),
            root,
            output,
        )
    except OSError as error:
        _end(
            Failure(ExitCode.USAGE, "cannot_run_here", str(error), fix="bookpayctl doctor"),
            root,
            output,
        )
    except Stopped as stopped:
        code = ExitCode.INTERRUPTED if stopped.number == signal.SIGINT else ExitCode.TERMINATED
        message = f"stopped by {stopped}; nothing it started was left running"
        _end(Failure(code, "interrupted", message), root, output)


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed command.

    Attributes:
        reason: slug for programs.
        part: the process that failed; empty when it is none.
        log: the last lines it wrote.
        fix: what to do next, when one thing helps.
    """

    code: ExitCode
    reason: str
    message: str
    part: str = ""
    log: tuple[str, ...] = ()
    fix: str = ""


def _end(failure: Failure, root: Path, output: OutputFormat) -> NoReturn:
    _show(failure, root, output)
    leave(failure.code)


def _show(failure: Failure, root: Path, output: OutputFormat) -> None:
    if failure.log:
        hint(f"last lines of {root / 'logs' / failure.part}.log:")
    for line in failure.log:
        hint(f"    {line}")
    hint(f"error: {failure.message}")
    if failure.fix:
        hint(f"fix: {failure.fix}")
    if output is OutputFormat.JSON:
        body = {"message": failure.message, "part": failure.part, "log": list(failure.log)}
        print_json(Document("Failure", failure.code, failure.reason, body))


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
