"""The consumer role: follows payment events, one transaction per batch.

A commit costs a flush, and `POST /orders` waits for it when both want the same book: one per event
would let a busy book decide how many orders a second are followed. The books are moved by the last
statement of the transaction, in the order of their names, as `POST /orders` does.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from runtime import tracing
from runtime.adapters import consumer_loop
from runtime.adapters.consumer_loop import ConsumerLoop
from runtime.adapters.http.admin import serve_admin_port
from runtime.adapters.store import database
from runtime.domain.event import Malformed, ReceivedEvent, Record, parse_record
from runtime.domain.names import Service
from runtime.faults.points import Failpoints
from runtime.process import Process
from runtime.services.orders import saga
from runtime.telemetry import Outage

logger = logging.getLogger(__name__)

EVENTS_AT_ONCE: Final = 100
"""Events of one transaction: a flush is shared by enough of them, and a customer who cancels an
order of the batch waits for milliseconds."""


@dataclass(frozen=True, slots=True)
class PaymentFollower:
    """Moves orders as their payments end, on a connection of its own."""

    session: database.Session
    failpoints: Failpoints

    def records_at_once(self) -> int:
        """As many as a transaction may hold its orders for."""
        return EVENTS_AT_ONCE

    def handle(self, records: Sequence[Record]) -> None:
        """Apply these records in one transaction; one that is spoilt makes the loop try each."""
        conn = self.session.connection()
        events: list[tuple[Record, ReceivedEvent]] = []
        with tracing.held(), conn.transaction():
            for record in records:
                event = parse_record(record)
                if isinstance(event, Malformed):
                    self.bury(record, event.reason)
                else:
                    events.append((record, event))
            words = saga.follow_all(conn, events, self.failpoints) if events else []
        for (record, event), came_to in zip(events, words, strict=True):
            logger.debug("%s: %s", record.topic, came_to, extra={"order_id": event.order_id})

    def bury(self, record: Record, reason: str) -> None:
        """Keep the record as a dead letter, in the transaction that is open, or by itself."""
        consumer_loop.dead_letter(
            self.session.connection(), source=Service.ORDERS, reason=reason, record=record
        )


def run(process: Process) -> None:
    """Follow payment events until the process is told to stop."""
    common = process.common
    subscription = consumer_loop.subscribe(process, Service.ORDERS, tuple(saga.EVENT_OF_TOPIC))
    process.lifecycle.readiness.expect("database")
    serve_admin_port(process)
    # One connection, no pool: the loop has one thread, and what it does not share cannot run out.
    session = database.Session(common.dsn, common.process)
    ConsumerLoop(
        process,
        subscription,
        PaymentFollower(session, process.failpoints),
        Outage(logger, "PostgreSQL"),
        session,
    ).run()
