"""A model of Kafka: partitions, groups, committed offsets, and producers that may not hear back.

An append has three ends, which `World` draws: acknowledged, there without the word, not there. A
member that was taken for dead still works on what it has polled, but its offsets are refused.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bookpayctl.simulation.store import OutboxRow
from runtime.domain.names import PARTITIONS, TOPIC_OF_EVENT_TYPE

Place = tuple[str, int]
"""Topic and partition."""


@dataclass(frozen=True, slots=True)
class SimulatedRecord:
    topic: str
    partition: int
    offset: int
    event: OutboxRow
    term: int
    at: float


@dataclass(slots=True)
class Group:
    """One consumer group; a generation ends with every change of its members."""

    topics: tuple[str, ...]
    members: list[str] = field(default_factory=list)
    generation: int = 0
    committed: dict[Place, int] = field(default_factory=dict)


@dataclass(slots=True)
class Log:
    """All topics and groups."""

    records: dict[Place, list[SimulatedRecord]] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)

    def append(self, event: OutboxRow, term: int, at: float) -> None:
        """Append an event to its topic; the key is the root event id."""
        topic = TOPIC_OF_EVENT_TYPE[event.event_type].value
        place = (topic, int(event.root[:8], 16) % PARTITIONS)
        records = self.records.setdefault(place, [])
        records.append(SimulatedRecord(*place, len(records), event, term, at))

    def join(self, name: str, member: str) -> None:
        """Take a member in, or in again: partitions are given out anew."""
        group = self.groups[name]
        if member not in group.members:
            group.members.append(member)
            group.members.sort()
        group.generation += 1

    def leave(self, name: str, member: str) -> None:
        """A member has gone, or is taken for dead."""
        group = self.groups[name]
        if member in group.members:
            group.members.remove(member)
            group.generation += 1

    def assigned(self, name: str, member: str) -> list[Place]:
        """The partitions of a member in this generation."""
        group = self.groups[name]
        if member not in group.members:
            return []
        mine, count = group.members.index(member), len(group.members)
        places = [(topic, n) for topic in group.topics for n in range(PARTITIONS)]
        return [place for index, place in enumerate(places) if index % count == mine]

    def commit(self, name: str, member: str, generation: int, offsets: dict[Place, int]) -> bool:
        """Commit offsets; refused from a member that is out, or of an earlier generation."""
        group = self.groups[name]
        if member not in group.members or group.generation != generation:
            return False
        group.committed.update(offsets)
        return True

    def lag(self) -> int:
        """Records that some group has not committed past."""
        return sum(
            len(self.records.get((topic, n), ())) - group.committed.get((topic, n), 0)
            for group in self.groups.values()
            for topic in group.topics
            for n in range(PARTITIONS)
        )


@dataclass(slots=True)
class Consumer:
    """One member's position; gone with its process."""

    log: Log
    group: str
    member: str
    generation: int = -1
    positions: dict[Place, int] = field(default_factory=dict)

    def poll(self, most: int) -> list[SimulatedRecord]:
        """Records behind the position, in each partition's order; joins first if it is out."""
        group = self.log.groups[self.group]
        if self.member not in group.members:
            self.log.join(self.group, self.member)
        if group.generation != self.generation:
            self.generation = group.generation
            places = self.log.assigned(self.group, self.member)
            self.positions = {place: group.committed.get(place, 0) for place in places}
        found: list[SimulatedRecord] = []
        for place, position in self.positions.items():
            records = self.log.records.get(place)
            if records and position < len(records):
                found += records[position : position + most]
                self.positions[place] = min(position + most, len(records))
        return found

    def rewind(self) -> None:
        """What was polled and not stored has to come again."""
        self.generation = -1

    def commit(self, records: list[SimulatedRecord]) -> bool:
        """Commit past these records."""
        offsets: dict[Place, int] = {}
        for record in records:
            offsets[record.topic, record.partition] = record.offset + 1
        return self.log.commit(self.group, self.member, self.generation, offsets)
