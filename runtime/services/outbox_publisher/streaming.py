"""Publishing what the log tells: in the order of commits, without a look at the table.

Rows are handed to the producer as they arrive. When the broker has all of a batch and of those
before it, the batch is marked, in large statements on a connection of their own; when it is marked,
its position is confirmed to the server, which then lets go of its log. So a crash repeats what was
not confirmed, a fifth of a second or a few thousand rows, and skips nothing.

What is wrong with a single row is not settled here: its id goes to the term's suspects, or it stays
unmarked and is found by the next look (`missed.py`).
"""

from __future__ import annotations

import select
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message

from runtime import metrics, tracing
from runtime.adapters.store.marks import Marks
from runtime.adapters.store.outbox import OutboxRow
from runtime.adapters.store.replication import Replication
from runtime.services.outbox_publisher.in_flight import InFlight
from runtime.services.outbox_publisher.message import Envelope, Unpublishable
from runtime.services.outbox_publisher.producing import (
    HOPELESS,
    PURGED,
    Sending,
    refusal,
    span_of,
)

READ_AT_ONCE: Final = 1_000
"""Rows between two looks at what the broker says."""

IN_FLIGHT_MAX: Final = 10_000
"""Unacknowledged events; beyond it the log is left where it is, which is the back-pressure."""

MARKED_AT_ONCE: Final = 5_000
"""Marks beyond this are not waited for any longer."""

MARK_SECONDS: Final = 0.2
"""Between two marks while there are few: each is a statement, and nobody waits for it."""

CONFIRM_SECONDS: Final = 1.0
"""At least this often the server hears of us, though there is nothing new."""

WAIT_SECONDS: Final = 0.1
BUSY_WAIT_SECONDS: Final = 0.005
"""The longest wait while an answer of the broker or of a mark is out."""


@dataclass(slots=True)
class Batch:
    """What one reading brought.

    Attributes:
        position: of the log; all that was committed before it is in this batch or an earlier one.
        left: events that the broker has not answered.
        aside: those that are not to be marked with the others.
    """

    position: int
    ids: list[str] = field(default_factory=list)
    left: int = 0
    aside: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Streaming:
    """One stream in one term.

    Attributes:
        published: events that polling has handed to the producer since the slot is there: the
            stream brings them again.
        missing: something was lost on its way; a look at the table finds it.
    """

    replication: Replication
    marks: Marks
    sending: Sending
    envelope: Envelope
    in_flight: InFlight
    published: set[str] = field(default_factory=set)
    unacknowledged: int = 0
    is_caught_up: bool = False
    missing: bool = False
    brought: Sequence[str] = ()
    _batches: deque[Batch] = field(default_factory=deque)
    _waiting: deque[OutboxRow] = field(default_factory=deque)
    _to_mark: list[str] = field(default_factory=list)
    _marking: list[str] = field(default_factory=list)
    _acknowledged: int = 0
    _marking_position: int = 0
    _position: int = 0
    _confirmed: int = 0
    _confirmed_at: float = 0.0
    _marked_at: float = 0.0

    @property
    def position(self) -> int:
        """All that was committed before it has been handed to the producer."""
        return 0 if self._waiting else self.replication.decoder.position

    @property
    def is_idle(self) -> bool:
        """Whether everything that came is published and marked."""
        return not (self._batches or self._to_mark or self._marking)

    def unmarked(self) -> Iterator[str]:
        """Events that are on their way, or acknowledged and not marked yet."""
        yield from self._to_mark
        yield from self._marking
        for batch in self._batches:
            yield from (one for one in batch.ids if one not in batch.aside)

    def run_once(self) -> bool:
        """Read, produce, mark and confirm what there is; waits a little when there is nothing.

        Returns:
            Whether something got through.
        """
        self._read()
        self.sending.producer.poll(0)
        marked = self._settle()
        self._confirm()
        if self.is_caught_up or self.unacknowledged >= IN_FLIGHT_MAX or self.in_flight.suspects:
            self._wait()
        return marked

    def _read(self) -> None:
        self.brought = ()
        if self.in_flight.suspects or self.unacknowledged >= IN_FLIGHT_MAX:
            return
        if self._waiting:
            rows = list(self._waiting)
            self._waiting.clear()
        else:
            rows, self.is_caught_up = self.replication.read(READ_AT_ONCE)
        decoder = self.replication.decoder
        if decoder.unreadable:
            self.in_flight.suspect(event_id for event_id, _ in decoder.unreadable)
            decoder.unreadable.clear()
        if rows:
            if self.published:
                rows = [row for row in rows if not self._is_published(row.event_id)]
            self._produce(rows)

    def _is_published(self, event_id: str) -> bool:
        if event_id in self.published:
            self.published.discard(event_id)
            return True
        return False

    def _produce(self, rows: list[OutboxRow]) -> None:
        if not rows:
            return
        self.sending.fetched(rows[0])
        batch = Batch(self.replication.decoder.position)
        ids, to_message = batch.ids, self.envelope.to_message
        produce, is_on = self.sending.producer.produce, tracing.is_on()
        self._batches.append(batch)
        for number, row in enumerate(rows):
            message = to_message(row)
            if isinstance(message, Unpublishable):
                self.in_flight.refused(row.event_id, message)
                continue
            answer = partial(
                self._delivered, batch, row.event_id, span_of(row, message) if is_on else None
            )
            # Counted before: the callback may run inside a call that is about to fail.
            ids.append(row.event_id)
            batch.left += 1
            try:
                produce(
                    message.topic,
                    message.value,
                    message.key,
                    headers=message.headers,
                    on_delivery=answer,
                )
            except BufferError:
                # The client's queue is full: the rest waits here, in its order.
                ids.pop()
                batch.left -= 1
                batch.position = self._batches[-2].position if len(self._batches) > 1 else 0
                self._waiting.extend(rows[number:])
                break
            except (TypeError, ValueError) as error:
                self._refuse(batch, Unpublishable("not_a_message", str(error)))
            except KafkaException as error:
                if error.args[0].code() not in HOPELESS:
                    raise
                self._refuse(batch, refusal(error.args[0]))
        self.unacknowledged += batch.left
        self.brought = ids

    def _refuse(self, batch: Batch, why: Unpublishable) -> None:
        batch.left -= 1
        self.in_flight.refused(batch.ids.pop(), why)

    def _delivered(
        self,
        batch: Batch,
        event_id: str,
        span: tracing.Span | None,
        error: KafkaError | None,
        _message: Message,
    ) -> None:
        """The broker's word on one event, on the publisher's own thread."""
        batch.left -= 1
        self.unacknowledged -= 1
        if error is None:
            error = self.sending.lost_acknowledgement(event_id)
        if span is not None:
            span.end(error.name() if error else None)
        if error is None:
            return
        batch.aside.add(event_id)
        if error.code() in HOPELESS:
            # It refuses a batch as a whole: each of it is tried again with nothing beside it.
            self.in_flight.suspects.append(event_id)
        elif error.code() not in PURGED:
            self.missing = True
            self.sending.outage.failed(KafkaException(error))

    def _settle(self) -> bool:
        """Move on what the broker has: into a mark, and from a mark that is done."""
        heard = False
        while self._batches and self._batches[0].left == 0:
            batch = self._batches.popleft()
            ids = batch.ids
            if batch.aside:
                ids = [one for one in ids if one not in batch.aside]
            self._to_mark += ids
            self._acknowledged = max(self._acknowledged, batch.position)
            heard = heard or bool(ids)
        if not self._batches and not self._waiting:
            # What came since was not for us: the slot moves on all the same, or the log is kept.
            self._acknowledged = max(self._acknowledged, self.replication.decoder.position)
        if heard and self.sending.outage.is_open:
            self.sending.outage.recovered()
        marked = False
        if not self.marks.is_idle and (count := self.marks.finish()) is not None:
            marked = True
            first = self._marking[0]
            self._marking = []
            self._confirmed = max(self._confirmed, self._marking_position)
            metrics.OUTBOX_PUBLISHED.inc(count)
            self.sending.has_marked(first, self.marks.conn)
        self._mark()
        return marked

    def _mark(self) -> None:
        if not self.marks.is_idle:
            return
        if not self._to_mark:
            self._confirmed = max(self._confirmed, self._acknowledged)
            return
        now = time.monotonic()
        if len(self._to_mark) < MARKED_AT_ONCE and now - self._marked_at < MARK_SECONDS:
            return
        self._marked_at = now
        self.sending.about_to_mark(self._to_mark[0], self.marks.conn)
        self._marking, self._to_mark = self._to_mark, []
        self._marking_position = self._acknowledged
        self.marks.begin(self._marking)

    def _confirm(self) -> None:
        now = time.monotonic()
        replication = self.replication
        is_new = self._confirmed > self._position and now - self._confirmed_at >= MARK_SECONDS
        if is_new or replication.decoder.asked or now - self._confirmed_at >= CONFIRM_SECONDS:
            replication.confirm(self._confirmed)
            self._position, self._confirmed_at = self._confirmed, now

    def _wait(self) -> None:
        """Until there is more of the log, or a little."""
        if self.unacknowledged >= IN_FLIGHT_MAX or self.in_flight.suspects:
            # The log is not read meanwhile; the client wakes when the broker answers.
            self.sending.producer.poll(BUSY_WAIT_SECONDS)
            return
        seconds = WAIT_SECONDS if self.is_idle else BUSY_WAIT_SECONDS
        select.select([self.replication.conn.pgconn.socket], [], [], seconds)

    def finish(self, seconds: float) -> None:
        """Orderly stop: mark and confirm what the broker has acknowledged by now."""
        self._marked_at = 0.0
        give_up_at = time.monotonic() + seconds
        while time.monotonic() < give_up_at:
            self._settle()
            if self.marks.is_idle and not self._to_mark:
                break
            select.select([self.marks.conn.pgconn.socket], [], [], BUSY_WAIT_SECONDS)
            self._marked_at = 0.0
        self.replication.confirm(self._confirmed)

    def close(self) -> None:
        self.replication.close()
        self.marks.close()
