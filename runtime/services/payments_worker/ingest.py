"""What the worker does with its records: store and lease in one transaction, start the attempts.

The offset waits for the inbox, never for a charge, so that nothing that happens to a payment can
hold up a partition. The first batch after a start is taken in record by record, each named before
it is touched: a record that kills its process is found by that, and buried after three deaths.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final
from uuid import UUID

import psycopg
from confluent_kafka import Consumer
from psycopg_pool import ConnectionPool

from runtime import tracing
from runtime.adapters import consumer_loop, kafka
from runtime.adapters.store import inbox_suspects
from runtime.domain.event import Record
from runtime.domain.names import EventId, Header, Topic
from runtime.domain.payment import PROCESS_DEATHS_MAX
from runtime.domain.trace import caller_of, of_inbox
from runtime.faults import connections
from runtime.faults.points import Failpoint, Subject
from runtime.process import Process
from runtime.services.payments_worker import inbox
from runtime.services.payments_worker.executor import Executor
from runtime.steps.queue import PaymentClaim

logger = logging.getLogger(__name__)

PROCESS_DIED: Final = "process_died"
"""The reason of a record whose taking-in was begun three times and never ended."""


@dataclass(slots=True)
class Ingest:
    """Where the worker's records go.

    Attributes:
        consumer: whose connections a drill cuts; it is polled by the loop alone.
        executor: None takes records in and charges nothing.
        source: the consumer group, which its dead letters name.
        careful: the first batch after a start may hold the record that ended the life before.
    """

    process: Process
    consumer: Consumer
    pool: ConnectionPool[psycopg.Connection]
    executor: Executor | None
    source: str
    careful: bool = True
    totals: inbox.Counts = field(default_factory=inbox.Counts)

    def records_at_once(self) -> int:
        """A whole poll, but for the first one."""
        return 1 if self.careful else kafka.BATCH_MAX

    def handle(self, records: Sequence[Record]) -> None:
        """Store a batch, and start what was leased in the same transaction."""
        if self.careful and self._is_deadly(records[0]):
            return
        failpoints, subject = self.process.failpoints, _subject(records)
        waiting = connections.Pooled(self.pool)
        failpoints.hit(Failpoint.WORKER_POLLED_BEFORE_INBOX, subject, waiting)
        counts = self._store(records, subject)
        broker = connections.Broker(self.consumer)
        failpoints.hit(Failpoint.WORKER_COMMITTED_BEFORE_OFFSET, subject, broker)
        self.totals = self.totals.plus(replace(counts, new=(), claimable=()))

    def bury(self, record: Record, reason: str) -> None:
        """Keep the record as a dead letter; it is nobody's suspect any more."""
        with self.pool.connection() as conn:
            consumer_loop.dead_letter(conn, source=self.source, reason=reason, record=record)
            inbox_suspects.clear(conn, [record])
        self.totals = self.totals.plus(inbox.Counts(records=1, malformed=1))

    def committed(self, records: Sequence[Record]) -> None:
        """A polled batch is stored and its offsets are on their way."""
        # Every record of the first batch has been survived: from here on, whole batches.
        self.careful = False
        broker = connections.Broker(self.consumer)
        self.process.failpoints.hit(Failpoint.WORKER_OFFSET_COMMITTED, _subject(records), broker)

    def _is_deadly(self, record: Record) -> bool:
        """Name a record before it is touched; bury one that has ended three processes."""
        # In a transaction of its own, committed before the record can do anything.
        with self.pool.connection() as conn:
            deaths = inbox_suspects.begin(conn, record)
        if deaths < PROCESS_DEATHS_MAX:
            return False
        logger.error("%d processes ended while they took a record in", deaths)
        self.bury(record, PROCESS_DIED)
        return True

    def _store(self, records: Sequence[Record], subject: Subject) -> inbox.Counts:
        claims: list[PaymentClaim] = []
        spans = _begun_spans(records)
        try:
            with self.pool.connection() as conn:
                counts = inbox.store_batch(conn, records, source=self.source, rng=self.process.rng)
                if self.careful:
                    inbox_suspects.clear(conn, records)
                # Leased with the insert: the order saves a round through the claim loop.
                claims = self.executor.claim_new(conn, counts.claimable) if self.executor else []
                before_commit = connections.Commit(conn)
                self.process.failpoints.hit(
                    Failpoint.WORKER_RESERVED_BEFORE_COMMIT, subject, before_commit
                )
        except Exception as error:
            for span, _ in spans:
                span.end(type(error).__name__)
            # COMMIT may have gone through unheard: then the leases are ours and nobody works on
            # them. The executor gives them up at its next look, before they run out.
            if self.executor is not None:
                self.executor.forget(claims)
            raise
        _end_spans(spans, counts.new)
        if self.executor is not None:
            self.executor.start(claims)
        return counts


def _begun_spans(records: Sequence[Record]) -> list[tuple[tracing.Span, Record]]:
    """A span for each record of a batch; none while nobody wants them."""
    if not tracing.is_on():
        return []
    begun = [
        (tracing.begin(f"inbox {record.topic}", tracing.SpanSide.CONSUMER, parent=caller), record)
        for record in records
        if (caller := caller_of(record)) is not None
    ]
    return [(span, record) for span, record in begun if span is not None]


def _end_spans(spans: Sequence[tuple[tracing.Span, Record]], new: Sequence[UUID]) -> None:
    """The batch is stored: what made a payment is what all of the payment's spans come from."""
    made = {EventId(root).hex: of_inbox(EventId(root)).span_id for root in new} if spans else {}
    for span, record in spans:
        if record.topic == Topic.ORDERS_PLACED and span.trace_id in made:
            span.span_id = made[span.trace_id]
        span.end()


def _subject(records: Sequence[Record]) -> Subject:
    """Whom a batch is for, as far as its first record tells."""
    return Subject(tenant_id=records[0].headers.get(Header.TENANT_ID))
