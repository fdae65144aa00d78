"""The ingest thread: poll, store and lease in one transaction, start attempts, commit offsets."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import psycopg
from confluent_kafka import Consumer, KafkaError, KafkaException
from psycopg_pool import ConnectionPool

from runtime.adapters import kafka
from runtime.adapters.store import database, dead_letters, inbox_suspects
from runtime.domain.event import Record
from runtime.domain.names import Header
from runtime.domain.payment import PROCESS_DEATHS_MAX
from runtime.faults import connections
from runtime.faults.points import Failpoint, Subject
from runtime.process import Process
from runtime.services.payments_worker import inbox
from runtime.services.payments_worker.executor import Executor
from runtime.steps.queue import PaymentClaim
from runtime.telemetry import Outage

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.5


PROCESS_DIED = "process_died"


class ProcessDiedError(Exception):
    """Whoever took this record in was dead before it was stored."""

    def __init__(self, deaths: int) -> None:
        super().__init__(f"{deaths} processes ended while they took it in")


@dataclass(slots=True)
class Ingest:
    """One consumer and where its records go."""

    process: Process
    consumer: Consumer
    offsets: kafka.Offsets
    pool: ConnectionPool[psycopg.Connection]
    executor: Executor | None
    source: str
    kafka_outage: Outage
    totals: inbox.Counts = field(default_factory=inbox.Counts)
    # The first batch after a start may hold the record that ended the life before.
    careful: bool = True

    def run_once(self) -> float:
        """Poll one batch, store it, commit its offsets; returns seconds to wait (none)."""
        # Between a poll and its transaction nothing may fail: the position is ahead of the store.
        self.offsets.commit(time.monotonic())
        records = kafka.poll_batch(
            self.consumer, wait_seconds=POLL_SECONDS, on_error=self._consumer_error
        )
        if not records:
            kafka.note_recovery(self.consumer, self.kafka_outage)
            return 0.0
        self.kafka_outage.recovered()
        failpoints, subject = self.process.failpoints, _subject(records)
        broker = connections.Broker(self.consumer)
        try:
            take_in = self._take_in_one_by_one if self.careful else self._take_in
            counts = take_in(records)
        except Exception:
            # Nothing of the batch is stored: let the consumer give the same records again.
            kafka.rewind(self.consumer, records)
            raise
        failpoints.hit(Failpoint.WORKER_COMMITTED_BEFORE_OFFSET, subject, broker)
        self.totals = self.totals.plus(replace(counts, new=()))
        # Stored is stored: a lost commit only brings records that are known already.
        self.offsets.note(records)
        self.offsets.commit(time.monotonic())
        failpoints.hit(Failpoint.WORKER_OFFSET_COMMITTED, subject, broker)
        return 0.0

    def _take_in(self, records: Sequence[Record]) -> inbox.Counts:
        self.process.failpoints.hit(
            Failpoint.WORKER_POLLED_BEFORE_INBOX, _subject(records), connections.Pooled(self.pool)
        )
        return self._store(records)

    def _take_in_one_by_one(self, records: Sequence[Record]) -> inbox.Counts:
        """Take each in by itself, named before it is touched: one that kills its process is found.

        After three deaths it is buried and its partition moves on.
        """
        counts = inbox.Counts()
        for record in records:
            with self.pool.connection() as conn:
                deaths = inbox_suspects.begin(conn, record)
            if deaths >= PROCESS_DEATHS_MAX:
                counts = counts.plus(self._bury(record, ProcessDiedError(deaths), PROCESS_DIED))
            else:
                counts = counts.plus(self._take_in([record]))
        self.careful = False
        return counts

    def _store(self, records: Sequence[Record]) -> inbox.Counts:
        """Store a batch, and start what was leased in the same transaction.

        When one record spoils the batch, the others are stored and that one is buried.
        """
        claims: list[PaymentClaim] = []
        try:
            with self.pool.connection() as conn:
                counts = inbox.store_batch(conn, records, source=self.source, rng=self.process.rng)
                if self.careful:
                    inbox_suspects.clear(conn, records)
                claims = self.executor.claim_new(conn, counts.new) if self.executor else []
                before_commit = connections.Commit(conn)
                self.process.failpoints.hit(
                    Failpoint.WORKER_RESERVED_BEFORE_COMMIT, _subject(records), before_commit
                )
        except Exception as error:
            if self.executor is not None:
                self.executor.forget(claims)
            if not isinstance(error, database.SPOILT):
                raise
            return self._store_one_by_one(records, error)
        if self.executor is not None:
            self.executor.start(claims)
        return counts

    def _store_one_by_one(self, records: Sequence[Record], error: Exception) -> inbox.Counts:
        if len(records) == 1:
            return self._bury(records[0], error, type(error).__name__)
        counts = inbox.Counts()
        for record in records:
            counts = counts.plus(self._store([record]))
        return counts

    def _bury(self, record: Record, error: Exception, reason: str) -> inbox.Counts:
        logger.error("a record cannot be stored and has a dead letter now", exc_info=error)
        with self.pool.connection() as conn:
            dead_letters.insert_record(conn, source=self.source, reason=reason, record=record)
            inbox_suspects.clear(conn, [record])
        return inbox.Counts(records=1, malformed=1)

    def _consumer_error(self, error: KafkaError) -> None:
        self.kafka_outage.failed(KafkaException(error))


def _subject(records: Sequence[Record]) -> Subject:
    """Whom a batch is for, as far as its first record tells."""
    return Subject(tenant_id=records[0].headers.get(Header.TENANT_ID))
