"""Publishers on a database of their own, outbox rows written by hand, and what reached Kafka."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

from runtime.domain.names import PublisherMode
from tests.support.processes import ServiceProcess, stop_all
from tests.support.records import headers_in
from tests.support.stack import Database
from tests.support.waiting import eventually

# Nobody acts on a parked payment's event, so these records disturb no other test.
EVENT_TYPE: Final = "PaymentParked"
TOPIC: Final = "orders.placed.dlq"

Publishers = Callable[..., list[ServiceProcess]]


def write_event(
    database: Database, *, event_type: str = EVENT_TYPE, payload: object = None
) -> UUID:
    """One outbox row, as a service would leave it."""
    event_id = uuid4()
    document = {"event_id": str(event_id), "order_id": f"ord_{event_id.hex}"}
    database.run(
        "INSERT INTO outbox (event_id, aggregate, aggregate_id, event_type, payload, tenant_id)"
        " VALUES (%s, 'payments', %s, %s, %s, 'acme')",
        *(event_id, str(event_id), event_type, json.dumps(payload or document)),
    )
    return event_id


def is_published(database: Database, event_id: UUID) -> bool:
    return bool(
        database.value("SELECT published_at IS NOT NULL FROM outbox WHERE event_id = %s", event_id)
    )


def published(bootstrap_servers: str) -> dict[UUID, list[dict[str, str]]]:
    """Every record of the topic by event id, with the headers of each time it was published."""
    found: dict[UUID, list[dict[str, str]]] = {}
    for headers in headers_in(bootstrap_servers, TOPIC):
        found.setdefault(UUID(headers["event_id"]), []).append(headers)
    return found


@contextmanager
def publishers_on(
    database: Database, bootstrap_servers: str, directory: Path, *, leave_slots: bool = False
) -> Iterator[Publishers]:
    """Starts publishers, on another broker if they are told so; stops them at the end.

    Args:
        leave_slots: they go with their server.
    """
    started: list[ServiceProcess] = []

    def start(
        count: int,
        *,
        until_ready: bool = True,
        bootstrap_servers: str = bootstrap_servers,
        mode: PublisherMode = PublisherMode.POLL,
    ) -> list[ServiceProcess]:
        variables = {
            "DB_DSN": database.dsn,
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers,
            "BOOKPAY_FAILPOINTS": "on",
            "BOOKPAY_PUBLISHER_MODE": mode.value,
        }
        fresh = [
            ServiceProcess(f"publisher-{n}", ("outbox-publisher",), variables, directory)
            for n in range(count)
        ]
        started.extend(process.start() for process in fresh)
        for process in fresh if until_ready else []:
            process.wait_ready()
        return fresh

    try:
        yield start
    finally:
        stop_all(started)
        # A database with a slot cannot be dropped; one that a killed process streamed is active
        # until the server notices.
        eventually(
            lambda: leave_slots or not _slots_left(database), "the publishers' slots are dropped"
        )


def _slots_left(database: Database) -> list[tuple[object, ...]]:
    database.rows(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
        " WHERE database = current_database() AND NOT active"
    )
    return database.rows(
        "SELECT slot_name FROM pg_replication_slots WHERE database = current_database()"
    )


def dead_letter(database: Database, event_id: UUID) -> str | None:
    """The reason why the outbox row was set aside; None while it was not."""
    reason: str | None = database.value(
        "SELECT reason FROM dead_letters WHERE source = 'outbox' AND event_id = %s"
        " AND resolved_at IS NULL",
        event_id,
    )
    return reason
