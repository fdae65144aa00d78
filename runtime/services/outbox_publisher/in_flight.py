"""The events handed to the producer and not yet marked, with what the broker said of each.

The producer's delivery callbacks run inside `Producer.poll`, on the publisher's own thread, so
this needs no lock. Only an acknowledged event is ever given out for marking. When many rows fail
as one, because one of them cannot be read or is too large for the broker, all of them are suspects:
each is tried again with nothing beside it, so that what fails then is the row's own fault.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from runtime.services.outbox_publisher.message import Unpublishable


@dataclass(slots=True)
class InFlight:
    """What is under way between the outbox and the broker, in one term.

    Attributes:
        unacknowledged: the producer has them, the broker has said nothing of them.
        suspects: to be read and sent one by one, in this order, before anything else is read.
        has_lost: a row that was read has to be read again, so a look has to go back for it.
    """

    unacknowledged: set[str] = field(default_factory=set)
    suspects: deque[str] = field(default_factory=deque)
    has_lost: bool = False
    _alone: str | None = None
    _to_mark: list[str] = field(default_factory=list)
    _unpublishable: list[tuple[str, Unpublishable]] = field(default_factory=list)

    def sent(self, event_id: str) -> None:
        """The producer accepted the event."""
        self.unacknowledged.add(event_id)

    def acknowledged(self, event_id: str) -> None:
        """The broker acknowledged the event with all in-sync replicas."""
        self._answered(event_id)
        self._to_mark.append(event_id)

    def refused(self, event_id: str, why: Unpublishable) -> None:
        """The event can never be published; trying again changes nothing."""
        self._answered(event_id)
        self._unpublishable.append((event_id, why))

    def refused_by_broker(self, event_id: str, why: Unpublishable) -> None:
        """The broker refused what the event came in."""
        # It refuses a batch as a whole and does not say for which of its records.
        if self._alone == event_id:
            self.refused(event_id, why)
        else:
            self._answered(event_id)
            self.suspects.append(event_id)

    def lost(self, event_id: str) -> None:
        """No acknowledgement; the row stays unmarked and is read again."""
        # The broker may have it all the same. Then it is published twice, which consumers bear;
        # marked now, it might not be published at all.
        self._answered(event_id)
        self.has_lost = True

    def _answered(self, event_id: str) -> None:
        self.unacknowledged.discard(event_id)
        if self._alone == event_id:
            self._alone = None

    def suspect(self, event_ids: Iterable[str]) -> None:
        """One of these made all of them fail."""
        self.suspects.extend(event_ids)

    def take_suspect(self) -> str | None:
        """The next suspect, to be tried with nothing beside it; None while something is."""
        if not self.suspects or self.unacknowledged:
            return None
        self._alone = self.suspects.popleft()
        return self._alone

    def unmarked(self) -> list[str]:
        """Events not to read again yet: on their way, or acknowledged and not marked."""
        # The outbox still shows both as unpublished, and would give them out a second time.
        return [*self.unacknowledged, *self._to_mark]

    @property
    def acknowledged_count(self) -> int:
        """How many events wait for their mark."""
        return len(self._to_mark)

    def take_acknowledged(self) -> list[str]:
        """Give out the acknowledged events for marking, once."""
        taken, self._to_mark = self._to_mark, []
        return taken

    def take_unpublishable(self) -> list[tuple[str, Unpublishable]]:
        """Give out the events that need a dead letter, once."""
        taken, self._unpublishable = self._unpublishable, []
        return taken
