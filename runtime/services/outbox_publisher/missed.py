"""What waits in the outbox and comes by no stream: found by a look at the table now and then.

The stream tells of an INSERT once. A row whose mark was taken back, to be published again, one
whose dead letter was resolved, one that was lost on its way to the broker, one from before the
slot: of none of them it tells. A look lists what waits. What the stream brings until it has come to
where the log ended at that look was only on its way; the rest is published from the table.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from psycopg import Connection

from runtime.adapters.store import outbox, replication

LOOK_SECONDS: Final = 1.0
LOOK_SECONDS_MAX: Final = 15.0
LOOK_SHARE: Final = 0.05
"""Of the time; a look that takes longer comes less often."""

LISTED_MAX: Final = 1_000


@dataclass(slots=True)
class Missed:
    """The looks of one term; times are monotonic seconds."""

    due_at: float = 0.0
    _listed: dict[str, None] = field(default_factory=dict)
    _until: int = 0

    def brought(self, event_ids: Iterable[str]) -> None:
        """The stream brought these."""
        if self._listed:
            for event_id in event_ids:
                self._listed.pop(event_id, None)

    def look(self, conn: Connection, known: Iterable[str], now: float) -> None:
        """List what waits, if it is time for it and no list is open.

        Args:
            known: events that are on their way or acknowledged.
        """
        if self._listed or now < self.due_at:
            return
        listed = outbox.select_unpublished_ids(conn, limit=LISTED_MAX, in_flight=known)
        if listed:
            self._listed, self._until = dict.fromkeys(listed), replication.wal_position(conn)
        elapsed = time.monotonic() - now
        self.due_at = now + min(max(LOOK_SECONDS, elapsed / LOOK_SHARE), LOOK_SECONDS_MAX)

    def take(self, position: int) -> list[str]:
        """What the stream has not brought although it is at `position`; once, oldest first."""
        if not self._listed or position < self._until:
            return []
        taken, self._listed = self._listed, {}
        return list(taken)
