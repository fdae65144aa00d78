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
from typing import Final

import psycopg
from confluent_kafka import KafkaException

from runtime import config, metrics
from runtime.adapters import kafka
from runtime.adapters.http.admin import serve_admin_port
from runtime.adapters.store import database, outbox, publisher_lock
from runtime.domain.names import PublisherMode
from runtime.domain.retry import CONNECTION_BACKOFF
from runtime.lifecycle import repeat
from runtime.process import Process
from runtime.services.outbox_publisher.marking import settle
from runtime.services.outbox_publisher.message import Envelope
from runtime.services.outbox_publisher.pace import BATCH, next_limit, next_wait
from runtime.services.outbox_publisher.producing import Sending
from runtime.services.outbox_publisher.reading import read_next
from runtime.services.outbox_publisher.term import Term
from runtime.telemetry import Outage

logger = logging.getLogger(__name__)

IN_FLIGHT_MAX: Final = 5_000
"""Unacknowledged events; more would only lengthen what a takeover repeats."""

STANDBY_SECONDS: Final = 0.25
"""How often a standby asks for the lock: takeover is this, plus the server noticing the death."""

FLUSH_SECONDS: Final = 5.0

STALLED_SECONDS_MAX: Final = 30.0
"""How long events may wait without one of them getting through: a broker that restarts is back by
then, and what a producer could not deliver is reported to it by then."""


@dataclass(slots=True)
class Publisher:
    """One publisher process: leading in a term, or standing by."""

    process: Process
    mode: PublisherMode
    sending: Sending
    database_outage: Outage
    term: Term | None = None
    standby: psycopg.Connection | None = None
    # When something got through, or there was nothing to get through. Across terms: one that ends
    # and begins again has moved nothing.
    moved_at: float = field(default_factory=time.monotonic)

    def run_once(self) -> float:
        """One look at the outbox, or one try for the lock; returns seconds to wait."""
        if self.term is None:
            self.term = self._try_to_lead()
            if self.term is None:
                self.moved_at = time.monotonic()
                return STANDBY_SECONDS
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

    def _try_to_lead(self) -> Term | None:
        common = self.process.common
        if self.standby is None:
            # A mark lost in a crash of the server only repeats an event.
            self.standby = database.connect(
                common.dsn,
                common.process,
                flush_commits=False,
                settings=outbox.PLANNER_SETTINGS,
            )
        # Never waited for in the server: a blocked statement would hit its time-out and look like
        # an outage.
        if not publisher_lock.try_lock(self.standby):
            return None
        # Written down, and in each record's header: two leaders could be told apart afterwards.
        number = publisher_lock.begin_term(self.standby, common.process)
        logger.info(
            "leading: the publisher lock is held",
            extra={"term": number, "mode": self.mode.value},
        )
        metrics.PUBLISHER_LEADING.set(1)
        metrics.PUBLISHER_TERM.set(number)
        return Term(self.standby, number, Envelope(common.process, number))

    def _publish_once(self, term: Term) -> float:
        rows = self._read(term)
        for row in rows:
            # What did not fit is read again; a later and smaller one must not pass it.
            if not self.sending.send(term, row):
                break
        self.sending.producer.poll(0)
        self._settle(term)
        now = time.monotonic()
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
        rows = read_next(term.conn, term.in_flight, term.position, limit=term.limit)
        term.limit = next_limit(term.limit, found=len(rows))
        if rows:
            self.sending.fetched(rows[0])
        return rows

    def _settle(self, term: Term) -> None:
        if settle(term, self.process.failpoints):
            self.moved_at = time.monotonic()

    def step_down(self, error: Exception) -> None:
        """The term is over because something broke: forget what was under way, stand in line.

        Raises:
            KafkaException: the producer itself is beyond repair; the process has to start anew.
        """
        if isinstance(error, KafkaException) and kafka.is_fatal(error.args[0]):
            raise error
        if isinstance(error, psycopg.Error):
            self.database_outage.failed(error)
            database.tell(self.process.lifecycle.readiness, False)
        else:
            self.sending.outage.failed(error)
        self._abandon()

    def _abandon(self) -> None:
        metrics.PUBLISHER_LEADING.set(0)
        metrics.PUBLISHER_TERM.set(0)
        # What is still queued belongs to a term that is over; its rows are unmarked and the next
        # leader reads them.
        self.sending.producer.purge()
        self.sending.producer.poll(0)
        for conn in (self.standby, self.term.conn if self.term else None):
            if conn is not None:
                conn.close()
        self.standby = self.term = None

    def close(self) -> None:
        """Orderly stop: wait for acknowledgements, mark them, give the lock back."""
        term = self.term
        if term is not None:
            self.sending.producer.flush(FLUSH_SECONDS)
            # Nothing else will come to be marked with what there is.
            term.limit = BATCH
            try:
                self._settle(term)
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
    publisher = Publisher(
        process,
        config.publisher_mode(process.source),
        Sending(
            kafka.producer(
                servers,
                common.process,
                lambda error: kafka_outage.failed(KafkaException(error)),
                security=config.kafka_security(process.source),
            ),
            process.failpoints,
            kafka_outage,
        ),
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
            recoverable=(*database.UNAVAILABLE, KafkaException),
            on_failure=publisher.step_down,
            on_success=publisher.succeeded,
        )
    finally:
        publisher.close()
