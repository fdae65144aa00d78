"""The consumer role: follows payment events, one transaction per event.

One per batch would lock the books of many orders in the order the events came, and deadlock with
`POST /orders`, which locks them by name.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from runtime.adapters import consumer_loop
from runtime.adapters.consumer_loop import ConsumerLoop
from runtime.adapters.http.admin import serve_admin_port
from runtime.adapters.store import database
from runtime.domain.event import Malformed, Record, parse_record
from runtime.domain.names import Service
from runtime.faults.points import Failpoints
from runtime.process import Process
from runtime.services.orders import saga
from runtime.telemetry import Outage

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PaymentFollower:
    """Moves orders as their payments end, on a connection of its own."""

    session: database.Session
    failpoints: Failpoints

    def records_at_once(self) -> int:
        """One: see the module's docstring."""
        return 1

    def handle(self, records: Sequence[Record]) -> None:
        """Apply each record in a transaction of its own."""
        conn = self.session.connection()
        for record in records:
            event = parse_record(record)
            # No transaction for it: nothing else would have to happen with its dead letter.
            if isinstance(event, Malformed):
                self.bury(record, event.reason)
                continue
            # The failpoints' time-outs, and a record that is spoilt, roll back this event alone.
            with conn.transaction():
                came_to = saga.follow(conn, record, event, self.failpoints)
            logger.debug("%s: %s", record.topic, came_to, extra={"order_id": event.order_id})

    def bury(self, record: Record, reason: str) -> None:
        """Keep the record as a dead letter; the connection commits each statement by itself."""
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
