"""The events handed to the producer and not yet marked, with what the broker said of each.

The producer's delivery callbacks run inside `Producer.poll`, on the publisher's own thread, so
this needs no lock. Only an acknowledged event is ever given out for marking.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID


@dataclass(slots=True)
class Flight:
    """What is under way between the outbox and the broker."""

    waiting: set[UUID] = field(default_factory=set)
    acknowledged: list[UUID] = field(default_factory=list)
    unpublishable: list[tuple[UUID, str]] = field(default_factory=list)
    failed: int = 0

    def took_off(self, event_id: UUID) -> None:
        """The producer accepted the event."""
        self.waiting.add(event_id)

    def landed(self, event_id: UUID) -> None:
        """The broker acknowledged the event with all in-sync replicas."""
        self.waiting.discard(event_id)
        self.acknowledged.append(event_id)

    def refused(self, event_id: UUID, error: str) -> None:
        """The broker will never take this event; trying again changes nothing."""
        self.waiting.discard(event_id)
        self.unpublishable.append((event_id, error))

    def lost(self, event_id: UUID) -> None:
        """No acknowledgement; the row stays unmarked and is read again."""
        self.waiting.discard(event_id)
        self.failed += 1

    def in_flight(self) -> list[UUID]:
        """Events not to read again yet: on their way, or acknowledged and not marked."""
        return [*self.waiting, *self.acknowledged]

    def take_acknowledged(self) -> list[UUID]:
        """Give out the acknowledged events for marking, once."""
        taken, self.acknowledged = self.acknowledged, []
        return taken

    def take_unpublishable(self) -> list[tuple[UUID, str]]:
        """Give out the events that need a dead letter, once."""
        taken, self.unpublishable = self.unpublishable, []
        return taken
