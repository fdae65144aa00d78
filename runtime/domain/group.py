"""Whether a member of a consumer group does its part: what is seen, judged as pure values.

A consumer can fall silent in many ways while its process runs on: it is in no group, in one that
never settles, it has lost a partition, its topic is another one of the same name, or it stands
still before records that are there. Each has its sentence here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Final

Place = tuple[str, int]
"""A topic and one of its partitions."""

NO_MEMBER: Final = "it is not a member of its group"

LOOP_SECONDS_MAX: Final = 60.0
"""How long one round of the loop may take: a batch is seconds, a database away is noticed in 5."""

STANDSTILL_SECONDS_MAX: Final = 60.0
"""How long a position may stay where it is while there are records behind it."""

ABSENT_SECONDS_MAX: Final = 30.0
"""How long a member may be out of its group: three session time-outs, so that no rebalance, no
restart of a member and no slow machine is told as a fault."""

LOST_SECONDS_MAX: Final = 60.0
"""How long a client may go on polling for nothing outside of its group, or before records that it
is not given: six session time-outs. It will not come back by itself then; a new start does."""

POLL_SECONDS_MAX: Final = 10.0
"""Between two polls; a loop that was at something else for longer was not polling."""


@dataclass(frozen=True, slots=True)
class BrokerSight:
    """What the broker says, all asked within one look.

    Attributes:
        partitions: how many each topic has; one that does not exist is missing.
        starts, ends: the first offset there is and the one after the last, by partition.
        is_settled: the group is in no rebalance.
        members: what each member of the group is to read, by its client id; None when that could
            not be asked, as while one of several brokers is down.
    """

    partitions: Mapping[str, int]
    starts: Mapping[Place, int]
    ends: Mapping[Place, int]
    is_settled: bool
    members: Mapping[str, Set[Place]] | None


@dataclass(frozen=True, slots=True)
class OwnSight:
    """What a member knows of itself.

    Attributes:
        client_id: the process's name; no two processes of an environment share one.
        positions: the offset of the next record of every partition that it reads; None before it
            has read or been told any.
        round_seconds: since its loop began a round or ended a part of one.
        idle_seconds: for how long it has polled again and again and was given nothing.
    """

    topics: Sequence[str]
    client_id: str
    positions: Mapping[Place, int | None]
    round_seconds: float
    idle_seconds: float


@dataclass(frozen=True, slots=True)
class Standstill:
    """A partition with records behind the position, and since when it is there (monotonic)."""

    position: int | None
    since: float


def standstills(
    broker: BrokerSight, own: OwnSight, known: Mapping[Place, Standstill], now: float
) -> dict[Place, Standstill]:
    """The partitions that have records to read, each since its position was last seen to move."""
    waiting = {}
    for place, position in own.positions.items():
        start = broker.starts.get(place, 0)
        if broker.ends.get(place, 0) <= max(position if position is not None else start, start):
            continue
        before = known.get(place)
        has_stood = before is not None and before.position == position
        waiting[place] = before if before and has_stood else Standstill(position, now)
    return waiting


def what_is_missing(
    broker: BrokerSight, own: OwnSight, waiting: Mapping[Place, Standstill], now: float
) -> list[str]:
    """Why this member does not do its part, in words; empty when it does."""
    found = [f"topic {topic} does not exist" for topic in own.topics if not _has(broker, topic)]
    if own.round_seconds > LOOP_SECONDS_MAX:
        found.append(f"its loop has not come round for {own.round_seconds:.0f} s")
    return [*found, *_of_membership(broker, own), *_standing_still(broker, waiting, now)]


def what_is_lost(
    broker: BrokerSight, own: OwnSight, waiting: Mapping[Place, Standstill], now: float
) -> list[str]:
    """What the client itself should mend as long as it is polled; empty where that is not known.

    Whatever others cause is left out: a topic that is gone, a group that is being balanced, a
    partition that nobody reads, a handler that cannot store what it was given.
    """
    if not own.idle_seconds or broker.members is None:
        return []
    if own.client_id not in broker.members:
        return [NO_MEMBER]
    if not broker.is_settled:
        return []
    lost = _lost(broker.members[own.client_id], own)
    return [*map(_not_read, lost), *_standing_still(broker, waiting, now)]


def _standing_still(
    broker: BrokerSight, waiting: Mapping[Place, Standstill], now: float
) -> list[str]:
    return [
        f"{_name(place)} stands still at {still.position or 0} of {broker.ends[place]}"
        for place, still in sorted(waiting.items())
        if now - still.since > STANDSTILL_SECONDS_MAX
    ]


def _of_membership(broker: BrokerSight, own: OwnSight) -> list[str]:
    if broker.members is None:
        # What it reads is seen to move or to stand still. One that reads nothing may be out.
        return [] if own.positions else ["it reads nothing, and Kafka does not say who is to"]
    if own.client_id not in broker.members:
        return [NO_MEMBER]
    if not broker.is_settled:
        return ["its group is being balanced"]
    return _of_assignment(broker.partitions, broker.members, own)


def _has(broker: BrokerSight, topic: str) -> bool:
    return broker.partitions.get(topic, 0) > 0


def _of_assignment(
    partitions: Mapping[str, int], members: Mapping[str, Set[Place]], own: OwnSight
) -> list[str]:
    """A settled group: every partition is somebody's, and ours are the ones that we read."""
    # A member more than there are partitions reads none and is well.
    mine, theirs = members[own.client_id], set[Place]().union(*members.values())
    every = {(topic, n) for topic in own.topics for n in range(partitions.get(topic, 0))}
    return [
        *map(_not_read, _lost(mine, own)),
        *(f"{_name(place)} is read by nobody" for place in sorted(every - theirs)),
    ]


def _lost(mine: Set[Place], own: OwnSight) -> list[Place]:
    return sorted(mine - own.positions.keys())


def _not_read(place: Place) -> str:
    return f"{_name(place)} is this member's and is not read"


def _name(place: Place) -> str:
    return f"{place[0]}/{place[1]}"


@dataclass(frozen=True, slots=True)
class Gap:
    """Offsets that a reader has passed without seeing a record: from `begin` up to before `end`."""

    place: Place
    begin: int
    end: int


def records_lost(gap: Gap, start: int) -> int:
    """How many offsets of a gap lie before the first that there is: nobody can read them any more.

    Those behind it were never records: the marks of a transaction, or what compaction took.
    """
    return max(min(gap.end, start) - gap.begin, 0)
