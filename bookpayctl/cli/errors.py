"""What a caller is told when `up` or `down` did not work, and the exit code for it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bookpayctl.cli.output import Document, OutputFormat, fail, hint, leave, print_json
from bookpayctl.report.exit_code import ExitCode

if TYPE_CHECKING:
    from bookpayctl.targets.environment import Environment


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


@contextmanager
def explained(root: Path, output: OutputFormat) -> Iterator[None]:
    """Turn the target's errors into an answer and an exit code, in the format asked for."""
    from bookpayctl.runs.interrupts import Stopped

    try:
        yield
    except (RuntimeError, OSError, Stopped) as error:
        failure = _failure(error)
        if failure is None:
            raise
        _show(failure, root, output)
        leave(failure.code)


def _failure(error: BaseException) -> Failure | None:
    """What an error of the target means; None for one that is not the target's."""
    from bookpayctl.runs.interrupts import Stopped
    from bookpayctl.targets.local.supervise.waiting import DeadlineError, PartFailedError

    gone = "nothing it started was left running"
    match error:
        case PartFailedError(part=part, log=log):
            message = f"{error}; {gone}"
            return Failure(ExitCode.VIOLATED, "part_failed", message, part, log)
        case DeadlineError(part=part, log=log):
            return Failure(ExitCode.DEADLINE, "deadline", f"{error}; {gone}", part, log)
        case Stopped(number=number):
            code = ExitCode.INTERRUPTED if number == signal.SIGINT else ExitCode.TERMINATED
            return Failure(code, "interrupted", f"stopped by {error}; {gone}")
        case _:
            return _refusal(error)


def _refusal(error: BaseException) -> Failure | None:
    """What is wrong around the command rather than with a part of it."""
    from bookpayctl.targets.local.credentials import LiveKeyError
    from bookpayctl.targets.local.machine.leftovers import LeftoversError
    from bookpayctl.targets.local.machine.lock import LockTimeoutError
    from bookpayctl.targets.local.machine.owner import OwnerError
    from bookpayctl.targets.local.machine.ports import PortTakenError
    from bookpayctl.targets.local.machine.state import StateError
    from bookpayctl.targets.local.servers.kafka import KafkaError
    from bookpayctl.targets.local.servers.postgres import PostgresError
    from bookpayctl.targets.local.supervise.supervisor import SupervisorError

    text = str(error)
    match error:
        case LiveKeyError():
            return Failure(ExitCode.REFUSED, "live_key", text)
        case LeftoversError():
            return Failure(ExitCode.DIRTY, "processes_left", text)
        case LockTimeoutError():
            return Failure(ExitCode.DEADLINE, "locked", text)
        case PortTakenError():
            return Failure(ExitCode.USAGE, "port_taken", text)
        case OwnerError() | StateError() | PostgresError() | KafkaError():
            return Failure(ExitCode.USAGE, "cannot_run_here", text, fix="bookpayctl doctor")
        case SupervisorError():
            fix = "bookpayctl down, then bookpayctl up"
            return Failure(ExitCode.UNKNOWN, "supervisor_mute", text, fix=fix)
        case OSError():
            return Failure(ExitCode.USAGE, "cannot_run_here", text, fix="bookpayctl doctor")
        case _:
            return None


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
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        fail(
            f"PostgreSQL of environment {environment.name!r} did not answer:"
            f" {str(error).strip().splitlines()[0]}",
            ExitCode.UNKNOWN,
            fix=f"bookpayctl status --name {environment.name}",
        )
