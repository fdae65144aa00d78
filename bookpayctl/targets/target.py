"""The port through which everything else sees and touches a running environment.

Whatever it runs on, a process has a name, a parent that saw it start and end, a log, and perhaps
a port. What the tool did to a process is never evidence that it happened: the parent's record is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Protocol

from bookpayctl.clients.http import HttpAnswer
from bookpayctl.targets.environment import Environment
from bookpayctl.targets.log_lines import LogLine
from bookpayctl.targets.signing_secrets import SigningSecrets
from bookpayctl.targets.status import Status
from runtime.domain.names import Service

_SERVICES: Final = frozenset(service.value for service in Service)


@dataclass(frozen=True, slots=True)
class Process:
    """One process now.

    Attributes:
        name: its own; whoever is its successor may bear another, as pods do.
        service: the service's name, or postgres, kafka, stripe-twin, stripe-tap, mail-sink.
        state: in its parent's words, e.g. `RUNNING` or `BACKOFF`.
        incarnation: what tells this run of it from the one before: a pid, or a pod and a restart
            count; None when it does not run.
        ended: it stays away until somebody starts it.
    """

    name: str
    service: str
    state: str
    running: bool
    ended: bool
    incarnation: str | None

    @property
    def is_server(self) -> bool:
        """Whether it is no service of ours: database, broker, twin, tap, mail sink."""
        return self.service not in _SERVICES


@dataclass(frozen=True, slots=True)
class ProcessEnd:
    """How one process ended, as its parent saw it; `status` None when a signal ended it."""

    process: str
    status: int | None
    signal: str | None

    def __str__(self) -> str:
        return f"{self.signal}" if self.status is None else f"exit status {self.status}"


@dataclass(frozen=True, slots=True)
class ProcessStart:
    """One process started anew."""

    process: str
    incarnation: str


@dataclass(frozen=True, slots=True)
class ProcessEvents:
    """What the parent recorded since a mark, oldest first."""

    ends: tuple[ProcessEnd, ...]
    starts: tuple[ProcessStart, ...]

    def ends_of(self, process: str) -> list[ProcessEnd]:
        return [end for end in self.ends if end.process == process]

    def starts_of(self, process: str) -> list[str]:
        """The incarnations that were started, oldest first."""
        return [start.incarnation for start in self.starts if start.process == process]

    def successors_of(self, process: str, incarnation: str | None) -> list[str]:
        """The incarnations that were started and are not the one named, oldest first."""
        return [found for found in self.starts_of(process) if found != incarnation]


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in the parent's record and in every log; means something to its target only."""

    record: int
    logs: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Finished:
    """A program that was run once, to its end."""

    exit_status: int
    stdout: str
    stderr: str


class Target(Protocol):
    """One environment. Every method asks or acts now; what cannot be done is a TargetError.

    Which processes there are is asked of the target, never of the environment's file: a cluster
    gives them new names. `stop`, `start` and `accepts_connections` take the name of a service or
    server as well, and mean all of its processes.
    """

    @property
    def environment(self) -> Environment: ...

    def reserve(self, run_id: str) -> AbstractContextManager[None]:
        """Keep other runs away from it, also those of other machines, while the block lasts.

        Raises:
            ReservedError: another run is at work.
        """
        ...

    def why_not_broken(self) -> str | None:
        """Why nothing may be broken on purpose here; None where it may."""
        ...

    def status(self) -> Status:
        """Everything `bookpayctl status` shows. Never raises for a part that is down or mute."""
        ...

    def signing_secrets(self) -> SigningSecrets | None:
        """How many secrets the webhook receiver accepts, and since when; None where it has none."""
        ...

    def processes(self) -> dict[str, Process]:
        """Every process that there is now, by name, in an order that stays the same."""
        ...

    def kill(self, process: str) -> str | None:
        """End it at once, without a chance to clean up; the incarnation, None if none ran."""
        ...

    def stop(self, process: str) -> None:
        """End it in order and keep it stopped; returns when it is gone."""
        ...

    def start(self, process: str) -> None:
        """Begin to start it; harmless when it runs."""
        ...

    def freeze(self, process: str) -> None:
        """Let it stand still where it is: alive, with its connections, and mute."""
        ...

    def thaw(self, process: str) -> None:
        """Let it go on; harmless when it is not frozen."""
        ...

    def mark(self) -> Mark:
        """Now, for `events` and `log_since`."""
        ...

    def events(self, since: Mark) -> ProcessEvents:
        """What the parents of the processes saw since."""
        ...

    def log_since(self, process: str, since: Mark) -> list[str]:
        """The lines a process wrote since; empty when it has no log."""
        ...

    def log_lines(self, processes: Iterable[str]) -> Iterator[LogLine]:
        """Every line there is of the named processes, by time."""
        ...

    def follow(self, processes: Iterable[str]) -> Iterator[LogLine]:
        """New lines as they are written, without end."""
        ...

    def accepts_connections(self, process: str) -> bool:
        """Whether somebody listens where the process, or one of these, should."""
        ...

    def ask(self, process: str, path: str) -> HttpAnswer:
        """GET a path of its HTTP or admin port."""
        ...

    def run_once(
        self, service: str, arguments: Sequence[str], *, deadline_seconds: float
    ) -> Finished:
        """Run a service's program beside the running ones, as they are configured, to its end."""
        ...


def named(processes: Mapping[str, Process], name: str) -> list[Process]:
    """The process of that name, else all of the service or server of that name."""
    exact = processes.get(name)
    if exact is not None:
        return [exact]
    return [process for process in processes.values() if process.service == name]


def processes_of(target: Target, service: str) -> list[str]:
    """Names of the processes of one service that there are now, in the target's order."""
    found = target.processes().values()
    return [process.name for process in found if process.service == service]


def answering(target: Target, service: str) -> list[str]:
    """Those of a service's processes that answer /healthz."""
    names = processes_of(target, service)
    return [name for name in names if target.ask(name, "/healthz").status == 200]
