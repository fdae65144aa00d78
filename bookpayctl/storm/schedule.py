"""A storm as data: which fault strikes what, and when. Drawn before anything runs. Pure.

The same seed draws the same for the same processes. Each class of faults is in half of the seeds
(swarm testing), what may come changes every half minute and is nothing in a quarter of these
spells, and every fault has dice of its own: one that is left out moves no other. Faults overlap,
but none takes away what another needs in order to land.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import count, islice
from typing import Any, Final

from bookpayctl.simulation.seeds import stream
from bookpayctl.storm.kinds import (
    KINDS,
    POINTS,
    FaultKind,
    StormProfile,
    StrikeExtent,
    kinds_of,
    needs_of,
)
from runtime.domain.names import Service

VERSION: Final = 1

CALM_SECONDS: Final = 12.0
"""Between the last fault's end and the load's, so that what was struck last is seen to recover."""

SPELL_SECONDS: Final = 30.0
QUIET_SHARE: Final = 0.25
APART_SECONDS: Final = 1.0
LONGEST_SECONDS: Final = max(kind.seconds[1] for kind in KINDS.values())
SETTLED_SECONDS: Final = max(kind.settles for kind in KINDS.values())

KINDS_MIN: Final = 3
DRAWS_MAX: Final = 30

RATE_MIN: Final = 1.0
"""Orders a second under which too few come for a fault to strike one."""


class ScheduleError(ValueError):
    """The text is no schedule of a version that this program knows."""


@dataclass(frozen=True, slots=True)
class PlannedFault:
    """One fault of a schedule.

    Attributes:
        number: its place among all that were drawn; kept when others are left out.
        targets: names of processes; `leader` for whoever leads the publishers by then; a service
            or server by name, all of it; empty where the kind says what is struck.
        point: of a failpoint.
    """

    number: int
    kind: str
    at_seconds: float
    for_seconds: float
    extent: str = ""
    targets: tuple[str, ...] = ()
    point: str = ""

    @property
    def ends_at(self) -> float:
        return self.at_seconds + self.for_seconds

    @property
    def words(self) -> str:
        """For a person, in one line."""
        what = self.point or ", ".join(self.targets) or KINDS[self.kind].words
        return f"at {self.at_seconds:.1f} s for {self.for_seconds:.1f} s: {self.kind}: {what}"


@dataclass(frozen=True, slots=True)
class Schedule:
    """A storm before it runs.

    Attributes:
        rate_per_second: orders of the load, which lasts as long as the storm.
    """

    seed: int
    profile: str
    duration_seconds: float
    rate_per_second: float
    faults: tuple[PlannedFault, ...]

    def document(self) -> dict[str, Any]:
        """JSON-ready; `read_schedule` reads it."""
        return {"version": VERSION, **asdict(self)}


def read_schedule(document: Mapping[str, Any]) -> Schedule:
    """A schedule as a run keeps it.

    Raises:
        ScheduleError: see there.
    """
    try:
        if document["version"] != VERSION:
            raise ScheduleError(f"version {document['version']!r} is not {VERSION}")
        faults = [
            PlannedFault(**{**one, "targets": (*one["targets"],)}) for one in document["faults"]
        ]
        unknown = [one.kind for one in faults if one.kind not in KINDS]
        if unknown:
            raise ScheduleError(f"no kind of fault is called {', '.join(unknown)}")
        return Schedule(
            int(document["seed"]),
            str(document["profile"]),
            float(document["duration_seconds"]),
            float(document["rate_per_second"]),
            tuple(faults),
        )
    except (KeyError, TypeError) as error:
        raise ScheduleError(f"not a schedule of a storm: {error!r}") from error


def draw_schedule(
    seed: int,
    *,
    duration_seconds: float,
    rate_per_second: float,
    faults_per_minute: float,
    profile: StormProfile,
    processes: Mapping[str, Sequence[str]],
) -> Schedule:
    """Draw a storm.

    Args:
        processes: those of each service and server, by name, in their order.
    """
    on = _swarm(seed, [name for name in kinds_of(profile) if _fits(KINDS[name], processes)])
    chosen: list[PlannedFault] = []
    for number, at in enumerate(_times(seed, faults_per_minute), start=1):
        if at >= duration_seconds - CALM_SECONDS - LONGEST_SECONDS:
            break
        weights = _spell(seed, int(at // SPELL_SECONDS), on)
        if not weights:
            continue
        rng = stream(seed, f"storm/fault/{number}")
        near = [other for other in chosen if other.ends_at + SETTLED_SECONDS >= at]
        drafts = (_drawn(rng, number, at, weights, processes) for _ in range(DRAWS_MAX))
        fitting = (draft for draft in drafts if not any(_clash(draft, o, processes) for o in near))
        chosen += islice(fitting, 1)
    return Schedule(seed, profile.value, duration_seconds, rate_per_second, tuple(chosen))


def with_faults(schedule: Schedule, faults: Sequence[PlannedFault]) -> Schedule:
    """The same storm with these faults alone, which ends when they have been calm for long enough.

    What is left strikes when it did, and the load begins as it did.
    """
    end = max((fault.ends_at for fault in faults), default=0.0) + CALM_SECONDS
    seconds = min(schedule.duration_seconds, math.ceil(end))
    return replace(schedule, faults=tuple(faults), duration_seconds=float(seconds))


def lighter(schedule: Schedule) -> Schedule | None:
    """The same storm under half of its load; None where it could hardly be less."""
    rate = schedule.rate_per_second / 2
    return None if rate < RATE_MIN else replace(schedule, rate_per_second=rate)


def _fits(kind: FaultKind, processes: Mapping[str, Sequence[str]]) -> bool:
    return not kind.targets or any(processes.get(name) for name in kind.targets)


def _swarm(seed: int, names: Sequence[str]) -> dict[str, float]:
    """Which kinds a seed has and how heavy each is; never none of them."""
    drawn = {}
    for name in names:
        rng = stream(seed, f"storm/swarm/{name}")
        is_on, weight = rng.random() < 0.5, math.exp(rng.uniform(math.log(0.1), 0.0))
        if is_on:
            drawn[name] = weight
    return drawn or dict.fromkeys(names, 1.0)


def _times(seed: int, faults_per_minute: float) -> Iterator[float]:
    """When faults begin, without end: as they come, never closer than a second."""
    rng = stream(seed, "storm/times")
    at, mean = 0.0, 60.0 / faults_per_minute
    for _ in count():
        at += APART_SECONDS + rng.expovariate(1.0 / max(mean - APART_SECONDS, 0.01))
        yield round(at, 1)


def _spell(seed: int, number: int, on: Mapping[str, float]) -> dict[str, float]:
    """What may come in one half minute; the first is never quiet."""
    rng = stream(seed, f"storm/spell/{number}")
    if rng.random() < QUIET_SHARE and number > 0:
        return {}
    few = max(min(KINDS_MIN, len(on)), len(on) // 2)
    return {name: on[name] for name in rng.sample(list(on), few)}


def _drawn(
    rng: random.Random,
    number: int,
    at: float,
    weights: Mapping[str, float],
    processes: Mapping[str, Sequence[str]],
) -> PlannedFault:
    name = rng.choices(list(weights), list(weights.values()))[0]
    kind = KINDS[name]
    seconds = round(rng.uniform(*kind.seconds), 1)
    if name in POINTS:
        return PlannedFault(number, name, at, seconds, point=rng.choice(POINTS[name]))
    if not kind.targets:
        return PlannedFault(number, name, at, seconds)
    service = rng.choice([target for target in kind.targets if processes.get(target)])
    if not kind.extents:
        return PlannedFault(number, name, at, seconds, targets=(service,))
    extent = rng.choice(kind.extents)
    targets = _targets(rng, extent, service, processes)
    whole = extent is StrikeExtent.ALL and kind.extents == (StrikeExtent.ALL,)
    return PlannedFault(
        *(number, name, at, seconds, extent.value), targets=(service,) if whole else targets
    )


def _targets(
    rng: random.Random, extent: StrikeExtent, service: str, processes: Mapping[str, Sequence[str]]
) -> tuple[str, ...]:
    if extent is StrikeExtent.LEADER:
        return (StrikeExtent.LEADER.value,)
    if extent is StrikeExtent.ALL:
        return tuple(processes[service])
    if extent is StrikeExtent.ONE:
        return (rng.choice(processes[service]),)
    services = {one.value for one in Service}
    every = [one for name, names in processes.items() if name in services for one in names]
    return tuple(sorted(rng.sample(every, rng.randint(2, max(2, (len(every) - 1) // 2)))))


def _clash(one: PlannedFault, other: PlannedFault, processes: Mapping[str, Sequence[str]]) -> bool:
    """Whether one takes what the other takes or needs while it needs it."""
    apart = (
        one.at_seconds > other.ends_at + KINDS[other.kind].settles
        or other.at_seconds > one.ends_at + KINDS[one.kind].settles
    )
    if apart:
        return False
    takes, others = _taken(one, processes), _taken(other, processes)
    needs, needed = (needs_of(fault.kind, fault.point) for fault in (one, other))
    return bool(takes & (others | needed) or others & needs)


def roles_of(processes: Sequence[str]) -> list[list[str]]:
    """A service's processes by what they do: those whose names differ by a number do the same."""
    found: dict[str, list[str]] = {}
    for name in processes:
        head, _, tail = name.rpartition("-")
        found.setdefault(head if tail.isdigit() else name, []).append(name)
    return list(found.values())


def _taken(fault: PlannedFault, processes: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """What is not there for others: each process, and each service of which a role is struck."""
    names: set[str] = set()
    for target in fault.targets:
        # Whoever leads may be any of them.
        name = Service.PUBLISHER.value if target == StrikeExtent.LEADER else target
        names |= {name, *processes.get(name, ())}
    whole = {
        service
        for service, found in processes.items()
        if any(set(role) <= names for role in roles_of(found))
    }
    return KINDS[fault.kind].takes | names | whole
