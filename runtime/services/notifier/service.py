"""The notifier's loop: record, send, mark, then commit the offset."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Final

import psycopg
from confluent_kafka import Consumer, KafkaError, KafkaException

from runtime import config
from runtime.adapters import kafka, mail
from runtime.adapters.store import database, dead_letters, notifications
from runtime.domain.event import Malformed, Record, parse_record
from runtime.domain.names import TOPIC_OF_EVENT_TYPE, Header, Service
from runtime.domain.retry import CONNECTION_BACKOFF
from runtime.lifecycle import repeat
from runtime.process import Process
from runtime.services.notifier import letter
from runtime.telemetry import AdminServer, Outage

logger = logging.getLogger(__name__)

POLL_SECONDS: Final = 0.5


@dataclass(slots=True)
class Notifier:
    """One consumer, one connection, one SMTP session."""

    process: Process
    consumer: Consumer
    offsets: kafka.Offsets
    session: database.Session
    mailer: mail.Mailer
    mail_from: str
    outages: dict[str, Outage]

    def run_once(self) -> float:
        """Poll a batch and tell each customer; an event is marked once its mail is taken."""
        conn = self.session.connection()
        self.process.lifecycle.readiness.set("database", True)
        self.offsets.commit(time.monotonic())
        records = kafka.poll_batch(
            self.consumer, wait_seconds=POLL_SECONDS, on_error=self._consumer_error
        )
        if not records:
            kafka.note_recovery(self.consumer, self.outages["kafka"])
        else:
            self.outages["kafka"].recovered()
        for place, record in enumerate(records):
            try:
                self._tell(conn, record)
            except Exception:
                kafka.rewind(self.consumer, records[place:])
                raise
            self.offsets.note([record])
        return 0.0

    def _tell(self, conn: psycopg.Connection, record: Record) -> None:
        event = parse_record(record)
        if isinstance(event, Malformed):
            dead_letters.insert_record(
                conn, source=Service.NOTIFIER, reason=event.reason, record=record
            )
            return
        address = letter.recipient(notifications.customer_of(conn, event.order_id), event.order_id)
        untold = notifications.begin(
            conn,
            event_id=event.event_id,
            event_type=_event_type(record),
            order_id=event.order_id,
            recipient=address,
            message_id=letter.message_id(event),
        )
        if not untold:
            return
        message = letter.write_letter(
            record.topic, event, to_address=address, from_address=self.mail_from
        )
        try:
            self.mailer.send(message)
        except mail.MailRefusedError:
            dead_letters.insert_record(
                conn, source=Service.NOTIFIER, reason="mail_refused", record=record
            )
            logger.exception("a mail was refused for good; its record has a dead letter now")
            return
        notifications.mark_sent(conn, event.event_id)
        self.outages["mail"].recovered()
        logger.info(
            "customer told",
            extra={"event_id": str(event.root), "order_id": event.order_id, "topic": record.topic},
        )

    def _consumer_error(self, error: KafkaError) -> None:
        self.outages["kafka"].failed(KafkaException(error))

    def failed(self, error: Exception) -> None:
        """Say once what is away; the records come again."""
        if isinstance(error, database.UNAVAILABLE):
            self.outages["database"].failed(error)
            self.process.lifecycle.readiness.set("database", False)
            self.session.drop()
        elif isinstance(error, KafkaException):
            self.outages["kafka"].failed(error)
        else:
            self.outages["mail"].failed(error)


def _event_type(record: Record) -> str:
    """The record's event type, or its topic when the header names none that we know."""
    named = record.headers.get(Header.EVENT_TYPE, "")
    return named if named in TOPIC_OF_EVENT_TYPE else record.topic


def run(process: Process) -> None:
    """Tell customers until the process is told to stop."""
    common = process.common
    settings = config.notifier(process.source)
    kafka_outage = Outage(logger, "Kafka")
    source, offsets = kafka.consumer(
        config.kafka_bootstrap_servers(process.source),
        Service.NOTIFIER,
        common.process,
        instance_id=common.process,
        on_error=lambda error: kafka_outage.failed(KafkaException(error)),
    )
    source.subscribe([*letter.TOPICS])
    process.lifecycle.readiness.expect("database")
    AdminServer(
        common.http_host, common.http_port, process.lifecycle.readiness.snapshot, {}
    ).start()
    notifier = Notifier(
        process,
        source,
        offsets,
        database.Session(common.dsn, common.process),
        mail.Mailer(settings.smtp_host, settings.smtp_port),
        settings.mail_from,
        {
            "database": Outage(logger, "PostgreSQL"),
            "kafka": kafka_outage,
            "mail": Outage(logger, "the mail server"),
        },
    )
    repeat(
        notifier.run_once,
        stop=process.lifecycle.stop,
        backoff=CONNECTION_BACKOFF,
        rng=process.rng,
        recoverable=(*database.UNAVAILABLE, *kafka.UNAVAILABLE, *mail.UNAVAILABLE),
        on_failure=notifier.failed,
        on_success=notifier.outages["database"].recovered,
    )
    notifier.mailer.close()
    offsets.close()
