"""What supervisor saw of a process: its pid, and how the one before it ended.

An exit status is evidence that a fault landed only if somebody else than the tool saw it; here it
is the parent of the process, in its own log, from a position noted before the fault.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bookpayctl.targets.environment import Environment
from bookpayctl.targets.local.machine.state import socket_path
from bookpayctl.targets.local.supervise.supervisor import LOG_FILE, ProcessInfo, Supervisor

_EXITED: Final = re.compile(r"exited: (\S+) \((?:exit status (\d+)|terminated by (\w+))")
_SPAWNED: Final = re.compile(r"spawned: '(.+)' with pid (\d+)")


@dataclass(frozen=True, slots=True)
class Ending:
    """How one process ended; `status` None when a signal ended it."""

    process: str
    status: int | None
    signal: str | None


@dataclass(frozen=True, slots=True)
class Happenings:
    """What the log says happened since a position: endings, and pids started anew."""

    endings: tuple[Ending, ...]
    spawned: tuple[tuple[str, int], ...]

    def endings_of(self, process: str) -> list[Ending]:
        return [ending for ending in self.endings if ending.process == process]

    def spawned_of(self, process: str) -> list[int]:
        return [pid for name, pid in self.spawned if name == process]


def processes(environment: Environment) -> dict[str, ProcessInfo]:
    """Every supervised process by name.

    Raises:
        SupervisorError: it does not answer.
    """
    supervisor = Supervisor(socket_path(environment.root))
    return {info.name: info for info in supervisor.processes()}


def log_position(environment: Environment) -> int:
    """Where supervisor's log ends now."""
    path = _log(environment)
    return path.stat().st_size if path.exists() else 0


def happenings(environment: Environment, *, since: int) -> Happenings:
    """Endings and starts logged after `since`."""
    path = _log(environment)
    with path.open("rb") as file:
        file.seek(since)
        return parse_log(file.read().decode("utf-8", "replace"))


def parse_log(text: str) -> Happenings:
    """Read supervisor's own sentences; lines it may add are passed over."""
    endings, spawned = [], []
    for line in text.splitlines():
        if found := _EXITED.search(line):
            status = int(found[2]) if found[2] else None
            endings.append(Ending(found[1], status, found[3]))
        elif found := _SPAWNED.search(line):
            spawned.append((found[1], int(found[2])))
    return Happenings(tuple(endings), tuple(spawned))


def environment_of_process(environment: Environment, process: str) -> dict[str, str]:
    """The environment variables of a running process, as the kernel has them.

    Raises:
        SupervisorError: supervisor does not answer, or the process does not run.
    """
    import psutil

    from bookpayctl.targets.local.supervise.supervisor import SupervisorError

    info = processes(environment).get(process)
    if info is None or info.pid is None:
        raise SupervisorError(f"{process} does not run, so its environment cannot be read")
    return dict(psutil.Process(info.pid).environ())


def _log(environment: Environment) -> Path:
    return environment.logs_dir / LOG_FILE
