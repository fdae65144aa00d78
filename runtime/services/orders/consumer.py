"""The consumer role: follows payment events, one transaction per event.

One per batch would lock the books of many orders in the order the events came, and deadlock with
`POST /orders`, which locks them by name.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Final

import psycopg
from confluent_kafka import Consumer, KafkaError, KafkaException

from runtime import config
from runtime.adapters import kafka
from runtime.adapters.store import database, dead_letters
from runtime.domain.event import Malformed, Record, parse_record
from runtime.domain.names import Service
from runtime.domain.retry import CONNECTION_BACKOFF
from runtime.lifecycle import repeat
from runtime.process import Process
from runtime.services.orders import saga
from runtime.telemetry import AdminServer, Outage

logger = logging.getLogger(__name__)

POLL_SECONDS: Final = 0.5


@dataclass(slots=True)
class OrdersConsumer:
    """One consumer and the connection it writes with."""

    process: Process
    consumer: Consumer
    offsets: kafka.Offsets
    session: database.Session
    database_outage: Outage
    kafka_outage: Outage

    def run_once(self) -> float:
        """Poll one batch, apply it, commit its offsets."""
        conn = self.session.connection()
        self.process.lifecycle.readiness.set("database", True)
        # Between a poll and its transaction nothing may fail: the position is ahead of the store.
        self.offsets.commit(time.monotonic())
        records = kafka.poll_batch(
            self.consumer, wait_seconds=POLL_SECONDS, on_error=self._consumer_error
        )
        if not records:
            kafka.note_recovery(self.consumer, self.kafka_outage)
            return 0.0
        self.kafka_outage.recovered()
        for place, record in enumerate(records):
            try:
                self._apply(conn, record)
            except Exception:
                # This one and those behind it are not stored: let the consumer give them again.
                kafka.rewind(self.consumer, records[place:])
                raise
            self.offsets.note([record])
        return 0.0

    def _apply(self, conn: psycopg.Connection, record: Record) -> None:
        """Apply one record in one transaction; one that cannot be applied gets a dead letter."""
        try:
            with conn.transaction():
                self._follow(conn, record)
        except database.SPOILT as error:
            logger.exception("a record cannot be applied and has a dead letter now")
            dead_letters.insert_record(
                conn, source=Service.ORDERS, reason=type(error).__name__, record=record
            )

    def _follow(self, conn: psycopg.Connection, record: Record) -> None:
        event = parse_record(record)
        if isinstance(event, Malformed):
            dead_letters.insert_record(
                conn, source=Service.ORDERS, reason=event.reason, record=record
            )
            logger.error(
                "a record cannot be understood and has a dead letter now",
                extra={"reason": event.reason, "topic": record.topic, "offset": record.offset},
            )
            return
        came_to = saga.follow(conn, record, event, self.process.failpoints)
        logger.debug("%s: %s", record.topic, came_to, extra={"order_id": event.order_id})

    def _consumer_error(self, error: KafkaError) -> None:
        self.kafka_outage.failed(KafkaException(error))

    def failed(self, error: Exception) -> None:
        """Something is away: say so once, drop the connection, try again."""
        if isinstance(error, KafkaException):
            self.kafka_outage.failed(error)
            return
        self.database_outage.failed(error)
        self.process.lifecycle.readiness.set("database", False)
        self.session.drop()


def run(process: Process) -> None:
    """Follow payment events until the process is told to stop."""
    common = process.common
    servers = config.kafka_bootstrap_servers(process.source)
    kafka_outage = Outage(logger, "Kafka")
    source, offsets = kafka.consumer(
        servers,
        Service.ORDERS,
        common.process,
        instance_id=common.process,
        on_error=lambda error: kafka_outage.failed(KafkaException(error)),
    )
    source.subscribe([*saga.EVENT_OF_TOPIC])
    process.lifecycle.readiness.expect("database")
    AdminServer(
        common.http_host, common.http_port, process.lifecycle.readiness.snapshot, {}
    ).start()
    worker = OrdersConsumer(
        process,
        source,
        offsets,
        database.Session(common.dsn, common.process),
        Outage(logger, "PostgreSQL"),
        kafka_outage,
    )
    repeat(
        worker.run_once,
        stop=process.lifecycle.stop,
        backoff=CONNECTION_BACKOFF,
        rng=process.rng,
        recoverable=(*database.UNAVAILABLE, *kafka.UNAVAILABLE),
        on_failure=worker.failed,
        on_success=worker.database_outage.recovered,
    )
    offsets.close()
