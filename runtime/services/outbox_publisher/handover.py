"""From polling to the stream, in one term: make the slot, read once more from the start, stream.

A new slot tells of what commits after it; what committed before is the table's to tell. So polling
goes on while the server makes the slot, which waits for every transaction that writes, and until a
look that began at the start, and after the slot was there, has brought all it found. From then on
the stream is enough. What polling has published meanwhile it brings again, and is passed over.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

import psycopg

from runtime.adapters.store import replication
from runtime.adapters.store.replication import Replication, ReplicationRefusedError, SlotTakenError

logger = logging.getLogger(__name__)

RETRY_SECONDS: Final = 5.0
"""Between two tries for a slot that the server refused."""

REMEMBERED_MAX: Final = 200_000
"""Published events that are remembered; beyond it, the stream repeats them."""


class _Stage(Enum):
    WAITING = auto()
    MAKING = auto()
    READING = auto()
    READY = auto()


@dataclass(slots=True)
class Handover:
    """One term's way to the stream; times are monotonic seconds.

    Attributes:
        published: events handed to the producer since the slot was asked for.
    """

    dsn: str
    application_name: str
    due_at: float = -math.inf
    published: set[str] = field(default_factory=set)
    _stage: _Stage = _Stage.WAITING
    _is_looking: bool = False
    _reason: str = ""
    _name: str = ""
    _stream: Replication | None = None

    def look_begins(self, *, can_be_whole: bool) -> bool:
        """Polling is about to look; returns whether to begin at the start."""
        self._is_looking = can_be_whole and self._stage is _Stage.READING
        return self._is_looking

    def sent(self, event_id: str) -> None:
        """Polling handed the event to the producer."""
        if self._stage is not _Stage.WAITING and len(self.published) < REMEMBERED_MAX:
            self.published.add(event_id)

    def has_looked(self, *, is_behind: bool, now: float, conn: psycopg.Connection) -> None:
        """A look of polling has ended, and what it brought is with the producer.

        Args:
            is_behind: it was full, or something of it could not be handed on.
        """
        is_looking, self._is_looking = self._is_looking, False
        if is_looking and not is_behind:
            self._stage = _Stage.READY
        elif self._stage is _Stage.WAITING and not is_behind and now >= self.due_at:
            self._begin(conn, now)

    def _begin(self, conn: psycopg.Connection, now: float) -> None:
        try:
            replication.ensure_publication(conn)
            slot = replication.find_slot(conn)
            if slot is not None:
                # Lost, or its position is one that polling has gone past.
                replication.drop_slot(conn, slot.slot_name)
            self._name = replication.slot_name(conn)
            self._stream = Replication.open(self.dsn, self.application_name)
            self._stream.ask_for_slot(self._name)
        except ReplicationRefusedError as error:
            self.refused(str(error), now)
        except psycopg.Error as error:
            if conn.closed or conn.broken:
                raise
            self.refused(f"{type(error).__name__}: {str(error).strip().splitlines()[0]}", now)
        else:
            self._stage = _Stage.MAKING

    def step(self, now: float) -> Replication | None:
        """Go on as far as nothing is waited for; the stream when it is time to read it."""
        stream = self._stream
        if stream is None:
            return None
        try:
            if self._stage is _Stage.MAKING and stream.slot_made():
                self._stage = _Stage.READING
            if self._stage is not _Stage.READY:
                return None
            stream.start(self._name)
        except (ReplicationRefusedError, SlotTakenError, psycopg.Error) as error:
            self.refused(str(error).strip().splitlines()[0], now)
            return None
        self._stream = None
        logger.info("the outbox is streamed", extra={"slot": self._name})
        return stream

    def refused(self, reason: str, now: float) -> None:
        """There is no stream now; polling goes on, and it is tried again."""
        if reason != self._reason:
            logger.warning("the outbox is polled and not streamed: %s", reason)
        self._reason = reason
        self._stage = _Stage.WAITING
        self.published.clear()
        self.due_at = now + RETRY_SECONDS
        self.close()

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None
