"""The publisher's loop: take the lock, then read, produce, and mark what was acknowledged.

The advisory lock is held by the very connection that selects and marks. When that backend dies,
the lock, the batch and this term die together; the producer's queue is purged and the process
stands in line again. Rows are marked only after the broker's acknowledgement, so a crash repeats
events and never skips one. Reading, producing and marking overlap: a new batch is read while the
acknowledgements of the last are still out.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

import psycopg
from confluent_kafka import KafkaException

from runtime import config, metrics
from runtime.adapters import kafka
from runtime.adapters.http.admin import serve_admin_port
from runtime.adapters.store import database, outbox, publisher_lock, replication
from runtime.adapters.store.pgoutput import UnexpectedMessageError
from runtime.adapters.store.replication import ReplicationRefusedError
from runtime.domain.retry import CONNECTION_BACKOFF
from runtime.lifecycle import repeat
from runtime.process import Process
from runtime.services.outbox_publisher.handover import Handover
from runtime.services.outbox_publisher.leadership import Leadership, tell_slot
from runtime.services.outbox_publisher.marking import settle
from runtime.services.outbox_publisher.pace import BATCH, BUSY_SECONDS, next_limit, next_wait
from runtime.services.outbox_publisher.producing import Sending
from runtime.services.outbox_publisher.reading import read_by_id, read_next
from runtime.services.outbox_publisher.streaming import Streaming
from runtime.services.outbox_publisher.term import Term
from runtime.telemetry import Outage

logger = logging.getLogger(__name__)

IN_FLIGHT_MAX: Final = 5_000
"""Unacknowledged events; more would only lengthen what a takeover repeats."""

STANDBY_SECONDS: Final = 0.25
"""How often a standby asks for the lock: takeover is this, plus the server noticing the death."""

FLUSH_SECONDS: Final = 5.0

LOST_SECONDS: Final = 0.25
"""How soon an event that the broker did not take is looked for again in the table."""

STREAM_ENDED: Final = (ReplicationRefusedError, UnexpectedMessageError)
"""A stream that no further try mends; polling does without."""

STALLED_SECONDS_MAX: Final = 30.0
"""How long events may wait without one of them getting through: a broker that restarts is back by
then, and what a producer could not deliver is reported to it by then."""


@dataclass(slots=True)
class Publisher:
    """One publisher process: leading in a term, or standing by."""

    process: Process
    leadership: Leadership
    sending: Sending
    database_outage: Outage
    term: Term | None = None
    # When something got through, or there was nothing to get through. Across terms: one that ends
    # and begins again has moved nothing.
    moved_at: float = field(default_factory=time.monotonic)

    def run_once(self) -> float:
        """One look at the outbox, or one try for the lock; returns seconds to wait."""
        if self.term is None:
            self.term = self.leadership.try_to_lead()
            if self.term is None:
                self.moved_at = time.monotonic()
                return STANDBY_SECONDS if self.leadership.stream is None else BUSY_SECONDS
        if self.term.streaming is not None:
            return self._stream_once(self.term, self.term.streaming)
        return self._publish_once(self.term)

    def succeeded(self) -> None:
        """A round has ended well: the database answered, and events leave or stand still."""
        self.database_outage.recovered()
        readiness = self.process.lifecycle.readiness
        database.tell(readiness, True)
        stalled = time.monotonic() - self.moved_at
        holds = stalled <= STALLED_SECONDS_MAX
        readiness.set(
            "publishing",
            holds,
            f"events wait, and for {stalled:.0f} s Kafka has taken none of them",
            within_seconds=database.ANSWER_SECONDS if holds else None,
        )

    def _publish_once(self, term: Term) -> float:
        rows = self._read(term)
        sent_all = True
        for row in rows:
            # What did not fit is read again; a later and smaller one must not pass it.
            if not self.sending.send(term.in_flight, term.envelope, row):
                sent_all = False
                break
            if term.handover is not None:
                term.handover.sent(row.event_id)
        self.sending.producer.poll(0)
        self._settle(term)
        now = time.monotonic()
        if term.handover is not None:
            self._hand_over(term, term.handover, is_behind=not sent_all or term.limit > BATCH)
        self.leadership.look_at_slot(term, now)
        if rows:
            term.last_row_at = now
        elif not term.in_flight.unacknowledged and not term.in_flight.suspects:
            self.moved_at = now
        term.wait_seconds = next_wait(
            term.wait_seconds, found_rows=bool(rows), idle_seconds=now - term.last_row_at
        )
        # More is there: waiting would only let it pile up.
        if (rows and term.limit > BATCH) or (
            term.in_flight.suspects and not term.in_flight.unacknowledged
        ):
            return 0.0
        if term.in_flight.unacknowledged:
            # Wait inside the client: it returns as soon as an acknowledgement is there.
            self.sending.producer.poll(term.wait_seconds)
            self._settle(term)
            return 0.0
        return term.wait_seconds

    def _read(self, term: Term) -> list[outbox.OutboxRow]:
        # Back-pressure: a broker that does not answer must not fill the memory with the outbox. A
        # whole batch or nothing: the server is told of all that is in flight each time, which for
        # a few rows is most of the work.
        room = IN_FLIGHT_MAX - len(term.in_flight.unacknowledged)
        if room < term.limit:
            return []
        is_alone = bool(term.in_flight.suspects)
        if term.handover is not None and term.handover.look_begins(can_be_whole=not is_alone):
            term.position.restart()
        rows = read_next(term.conn, term.in_flight, term.position, limit=term.limit)
        term.limit = next_limit(term.limit, found=len(rows))
        if rows:
            self.sending.fetched(rows[0])
        return rows

    def _hand_over(self, term: Term, handover: Handover, *, is_behind: bool) -> None:
        """On the way to the stream, as far as nothing is waited for."""
        now = time.monotonic()
        is_behind = is_behind or bool(term.in_flight.suspects)
        handover.has_looked(is_behind=is_behind, now=now, conn=term.conn)
        stream = handover.step(now)
        if stream is not None:
            self.leadership.stream_in(term, stream, handover.published)

    def _stream_once(self, term: Term, streaming: Streaming) -> float:
        in_flight = term.in_flight
        # The slot is still ours when the session with the lock has ended, and yet the term is over.
        publisher_lock.refuse_ended(term.conn)
        moved = streaming.run_once()
        term.missed.brought(streaming.brought)
        if in_flight.suspects and not streaming.unacknowledged:
            for row in read_next(term.conn, in_flight, term.position, limit=1):
                self.sending.send(in_flight, term.envelope, row)
        if streaming.is_caught_up or streaming.missing:
            self._look_for_missed(term, streaming)
        self._settle(term)
        now = time.monotonic()
        self.leadership.look_at_slot(term, now)
        if moved or (streaming.is_idle and not in_flight.unacknowledged and streaming.is_caught_up):
            self.moved_at = now
        return 0.0

    def _look_for_missed(self, term: Term, streaming: Streaming) -> None:
        """Publish from the table what waits there and comes by no stream."""
        missed, in_flight, now = term.missed, term.in_flight, time.monotonic()
        if streaming.missing:
            missed.due_at = min(missed.due_at, now + LOST_SECONDS)
            streaming.missing = False
        missed.look(term.conn, chain(streaming.unmarked(), in_flight.unmarked()), now)
        for event_id in missed.take(streaming.position):
            for row in read_by_id(term.conn, in_flight, event_id):
                self.sending.send(in_flight, term.envelope, row)

    def _settle(self, term: Term, *, is_last: bool = False) -> None:
        if settle(term, self.sending, is_last=is_last):
            self.moved_at = time.monotonic()

    def step_down(self, error: Exception) -> None:
        """The term is over because something broke: forget what was under way, stand in line.

        Raises:
            KafkaException: the producer itself is beyond repair; the process has to start anew.
        """
        if isinstance(error, KafkaException) and kafka.is_fatal(error.args[0]):
            raise error
        if isinstance(error, STREAM_ENDED):
            # The next term looks at the slot, and polls where there is none.
            logger.warning("the stream of the outbox has ended: %s", error)
            self._forget_slot()
        elif isinstance(error, psycopg.Error):
            self.database_outage.failed(error)
            database.tell(self.process.lifecycle.readiness, False)
        else:
            self.sending.outage.failed(error)
        self._abandon()

    def _forget_slot(self) -> None:
        """A stream that can never be read on from where it stands is given up with its slot."""
        term = self.term
        if term is None or term.streaming is None:
            return
        term.streaming.replication.close()
        try:
            slot = replication.find_slot(term.conn)
            if slot is not None and not slot.active:
                replication.drop_slot(term.conn, slot.slot_name)
        except psycopg.Error as error:
            # The next term meets the same end, and tries again.
            logger.warning("the slot could not be dropped: %s", error)

    def _abandon(self) -> None:
        for gauge in (
            metrics.PUBLISHER_LEADING,
            metrics.PUBLISHER_TERM,
            metrics.PUBLISHER_STREAMING,
            metrics.PUBLISHER_POLLS_INSTEAD,
        ):
            gauge.set(0)
        tell_slot(None)
        # What is still queued belongs to a term that is over; its rows are unmarked and the next
        # leader reads them.
        self.sending.producer.purge()
        self.sending.producer.poll(0)
        if self.term is not None:
            for held in (self.term.streaming, self.term.handover, self.term.conn):
                if held is not None:
                    held.close()
        self.leadership.give_up()
        self.term = None

    def close(self) -> None:
        """Orderly stop: wait for acknowledgements, mark them, give the lock back."""
        term = self.term
        if term is not None:
            self.sending.producer.flush(FLUSH_SECONDS)
            try:
                self._settle(term, is_last=True)
                if term.streaming is not None:
                    term.streaming.finish(FLUSH_SECONDS)
                # The next leader need not wait for the server to notice that this connection has
                # gone.
                publisher_lock.end_term(term.conn, term.number)
            except database.UNAVAILABLE as error:
                self.database_outage.failed(error)
        self._abandon()


def run(process: Process) -> None:
    """Publish or stand by until the process is told to stop."""
    common = process.common
    servers = config.kafka_bootstrap_servers(process.source)
    kafka_outage = Outage(logger, "Kafka")
    sending = Sending(
        kafka.producer(
            servers,
            common.process,
            lambda error: kafka_outage.failed(KafkaException(error)),
            security=config.kafka_security(process.source),
        ),
        process.failpoints,
        kafka_outage,
    )
    publisher = Publisher(
        process,
        Leadership(process, config.publisher_mode(process.source), sending),
        sending,
        Outage(logger, "PostgreSQL"),
    )
    process.lifecycle.readiness.expect("database", "publishing")
    # What `check` explains must be the statement that runs, in the session it runs in, not a copy.
    serve_admin_port(
        process,
        {
            "/publisher/statement": outbox.SELECT_UNPUBLISHED,
            "/publisher/settings": "".join(
                f"{name}={value}\n" for name, value in outbox.PLANNER_SETTINGS.items()
            ),
        },
    )
    try:
        repeat(
            publisher.run_once,
            stop=process.lifecycle.stop,
            backoff=CONNECTION_BACKOFF,
            rng=process.rng,
            recoverable=(*database.UNAVAILABLE, *STREAM_ENDED, KafkaException),
            on_failure=publisher.step_down,
            on_success=publisher.succeeded,
        )
    finally:
        publisher.close()
