"""One look at an environment, and what of it a person needs to see first. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bookpayctl.targets.status import ProcessStatus, Status, UnknownFact
from bookpayctl.watch.pace import Pace


@dataclass(frozen=True, slots=True)
class RunSeen:
    """A run of this tool that is at work, or whose tool is gone and that came to no end."""

    run_id: str
    kind: str
    state: str


@dataclass(frozen=True, slots=True)
class Glance:
    """What was seen at one moment; whatever nobody said is an UnknownFact with the reason."""

    at: datetime
    status: Status
    pace: Pace | UnknownFact
    runs: tuple[RunSeen, ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceSeen:
    """The processes of one service together.

    Attributes:
        restarts: of all of them; of those who say, where one does not.
        lag: its group's, which each of its processes names alike; None where it has none.
        ailing: those that are not ready, each with what it says.
    """

    service: str
    ready: int
    processes: int
    restarts: int
    lag: int | UnknownFact | None
    ailing: tuple[str, ...]


def services_in(processes: Sequence[ProcessStatus]) -> list[ServiceSeen]:
    """Every service once, in the order in which its first process stands."""
    names = dict.fromkeys(process.service for process in processes)
    return [_together([one for one in processes if one.service == name]) for name in names]


def _together(processes: Sequence[ProcessStatus]) -> ServiceSeen:
    restarts = [one.restarts for one in processes if not isinstance(one.restarts, UnknownFact)]
    lags = [one.lag for one in processes if one.lag is not None]
    unknown = [lag for lag in lags if isinstance(lag, UnknownFact)]
    known = [lag for lag in lags if not isinstance(lag, UnknownFact)]
    return ServiceSeen(
        service=processes[0].service,
        ready=sum(one.ready is True for one in processes),
        processes=len(processes),
        restarts=sum(restarts),
        lag=unknown[0] if unknown else max(known, default=None),
        ailing=tuple(f"{one.name} {_ailment(one)}" for one in processes if one.ready is not True),
    )


def _ailment(process: ProcessStatus) -> str:
    if process.state != "running":
        return process.state
    if isinstance(process.ready, UnknownFact):
        return f"unknown: {process.ready.reason}"
    return f"not ready: {process.detail}"
