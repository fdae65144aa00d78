"""Waiting for processes to become ready, with one deadline for all, and saying which did not.

Each part that becomes ready may have a step that follows at once, such as the migrations when the
database answers. A process that keeps dying ends the wait early: waiting longer never helps it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, assert_never

from bookpayctl.report.exit_code import ExitCode
from bookpayctl.targets import readiness
from bookpayctl.targets.errors import TargetError
from bookpayctl.targets.local.supervise.configuration import LOG_FILE
from bookpayctl.targets.local.supervise.endings import last_end
from bookpayctl.targets.local.supervise.programs import Program, ReadinessProbe
from bookpayctl.targets.local.supervise.supervisor import ProcessInfo, Supervisor
from bookpayctl.targets.servers.connect import CONNECTOR

_ENDED_BY_ITSELF: Final = ("Exited too quickly", "Bad exit code")

_POLL_SECONDS: Final = 0.05

_LOG_LINES: Final = 15

NOTHING_LEFT: Final = "nothing it started was left running"


class PartFailedError(TargetError):
    """One part did not come up.

    Attributes:
        part: its process name.
        log: the last lines of its log, oldest first.
    """

    code = ExitCode.VIOLATED
    reason = "part_failed"
    aftermath = NOTHING_LEFT

    def __init__(self, part: str, reason: str, log: Sequence[str] = ()) -> None:
        super().__init__(f"{part}: {reason}")
        self.part = part
        self.log = tuple(log)


class DeadlineError(TargetError):
    """Time ran out; the message names what was not ready, and why."""

    code = ExitCode.DEADLINE
    reason = "deadline"
    aftermath = NOTHING_LEFT

    def __init__(self, message: str, part: str, log: Sequence[str]) -> None:
        super().__init__(message)
        self.part = part
        self.log = tuple(log)


@dataclass(frozen=True, slots=True)
class Targets:
    """What the probes need to know beside ports."""

    dsn: str
    kafka_bootstrap_servers: str
    logs_dir: Path


def wait_until_ready(
    supervisor: Supervisor,
    programs: Sequence[Program],
    targets: Targets,
    *,
    deadline: float,
    on_ready: Callable[[Program], None],
) -> None:
    """Return when every program is ready.

    Args:
        supervisor: asked whether a process died.
        programs: what is waited for.
        targets: addresses for the probes.
        deadline: on the monotonic clock.
        on_ready: called once per program, in the order in which they become ready. May start
            other programs of the list; those not started yet count as not ready.

    Raises:
        PartFailedError: a process died twice, or cannot be started at all.
        DeadlineError: the time is over.
    """
    pending = {program.name: program for program in programs}
    deaths = _Deaths()
    while True:
        for info in supervisor.processes():
            if info.name in pending and deaths.is_hopeless(info):
                raise PartFailedError(
                    info.name,
                    last_words(info, targets.logs_dir),
                    tail(targets.logs_dir, info.name),
                )
        reasons: dict[str, str] = {}
        for name, program in list(pending.items()):
            port = program.probe_port or program.spec.port or 0
            answer = probe(program.probe, port, targets)
            if answer.ready:
                del pending[name]
                on_ready(program)
            else:
                reasons[name] = answer.detail
        if not pending:
            return
        if time.monotonic() > deadline:
            first = next(iter(pending))
            listed = "; ".join(f"{name} ({reason})" for name, reason in reasons.items())
            message = f"not ready in time: {listed}"
            raise DeadlineError(message, first, tail(targets.logs_dir, first))
        time.sleep(_POLL_SECONDS)


def probe(
    kind: ReadinessProbe,
    port: int,
    targets: Targets,
    *,
    seconds: float = readiness.ASK_SECONDS_MAX,
) -> readiness.ReadinessAnswer:
    """Ask one process whether it is ready, once."""
    match kind:
        case ReadinessProbe.READYZ:
            return readiness.http_readiness(port, seconds=seconds)
        case ReadinessProbe.POSTGRES:
            return _yes_or_no(readiness.postgres_answers(targets.dsn, seconds=seconds))
        case ReadinessProbe.KAFKA:
            servers = targets.kafka_bootstrap_servers
            return _yes_or_no(readiness.kafka_answers(servers, seconds=seconds))
        case ReadinessProbe.LISTENS:
            return _yes_or_no(readiness.listens(port))
        case ReadinessProbe.CONNECTOR:
            return readiness.connector_readiness(port, CONNECTOR, seconds=seconds)
        case ReadinessProbe.SMTP:
            return _yes_or_no(readiness.smtp_answers(port, seconds=seconds))
    assert_never(kind)


def tail(logs_dir: Path, name: str) -> list[str]:
    """The last lines of a process's log; empty when it never wrote one."""
    path = logs_dir / f"{name}.log"
    if not path.exists():
        return []
    with path.open("rb") as file:
        # Enough for the lines wanted, whatever the size of the file.
        file.seek(max(0, path.stat().st_size - 32_768))
        text = file.read().decode(errors="replace")
    return text.splitlines()[-_LOG_LINES:]


def _yes_or_no(answers: bool) -> readiness.ReadinessAnswer:
    return (
        readiness.ReadinessAnswer(True)
        if answers
        else readiness.ReadinessAnswer(None, "does not answer")
    )


def last_words(info: ProcessInfo, logs_dir: Path) -> str:
    """Why it is not running: supervisor's reason when it could not start it, else how it ended.

    supervisor has a phrase of its own for an end within a second of the start, and another for a
    later one, which on a slow machine is the same end.
    """
    if info.error and not info.error.startswith(_ENDED_BY_ITSELF):
        return info.error
    log = logs_dir / LOG_FILE
    how = last_end(log.read_text(errors="replace"), info.name) if log.exists() else ""
    return f"ended each time it was started ({how or f'exit status {info.exit_status}'})"


class _Deaths:
    """Counts how often each process was seen dead.

    Once may be bad luck, such as a lock file of a process that was just ending; twice is a
    reason to stop waiting.
    """

    def __init__(self) -> None:
        self._seen: dict[str, set[int]] = {}

    def is_hopeless(self, info: ProcessInfo) -> bool:
        if info.state == "FATAL":
            return True
        if info.state not in ("BACKOFF", "EXITED"):
            return False
        # supervisor counts starts in whole seconds, so two quick deaths may look like one; the
        # next one a second later does not.
        starts = self._seen.setdefault(info.name, set())
        starts.add(int(info.started_at))
        return len(starts) > 1
