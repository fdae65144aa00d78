"""The events handed to the producer and not yet marked, with what the broker said of each.

The producer's delivery callbacks run inside `Producer.poll`, on the publisher's own thread, so
this needs no lock. Only an acknowledged event is ever given out for marking.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID


@dataclass(slots=True)
class InFlight:
    """What is under way between the outbox and the broker, in one term.

    Attributes:
        unacknowledged: the producer has them, the broker has said nothing of them.
    """

    unacknowledged: set[UUID] = field(default_factory=set)
    _to_mark: list[UUID] = field(default_factory=list)
    _unpublishable: list[tuple[UUID, str]] = field(default_factory=list)

    def sent(self, event_id: UUID) -> None:
        """The producer accepted the event."""
        self.unacknowledged.add(event_id)

    def acknowledged(self, event_id: UUID) -> None:
        """The broker acknowledged the event with all in-sync replicas."""
        self.unacknowledged.discard(event_id)
        self._to_mark.append(event_id)

    def refused(self, event_id: UUID, error: str) -> None:
        """The broker will never take this event; trying again changes nothing."""
        self.unacknowledged.discard(event_id)
        self._unpublishable.append((event_id, error))

    def lost(self, event_id: UUID) -> None:
        """No acknowledgement; the row stays unmarked and is read again."""
        # The broker may have it all the same. Then it is published twice, which consumers bear;
        # marked now, it might not be published at all.
        self.unacknowledged.discard(event_id)

    def unmarked(self) -> list[UUID]:
        """Events not to read again yet: on their way, or acknowledged and not marked."""
        # The outbox still shows both as unpublished, and would give them out a second time.
        return [*self.unacknowledged, *self._to_mark]

    def take_acknowledged(self) -> list[UUID]:
        """Give out the acknowledged events for marking, once."""
        taken, self._to_mark = self._to_mark, []
        return taken

    def take_unpublishable(self) -> list[tuple[UUID, str]]:
        """Give out the events that need a dead letter, once."""
        taken, self._unpublishable = self._unpublishable, []
        return taken
