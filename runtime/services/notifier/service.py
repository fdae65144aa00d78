"""The notifier: one e-mail per event, at least once.

The order is the promise: record the intent, send, mark as sent, then commit the offset. A crash
between sending and marking sends the same e-mail again, under the same Message-ID.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg

from runtime import config, tracing
from runtime.adapters import consumer_loop, mail
from runtime.adapters.consumer_loop import ConsumerLoop
from runtime.adapters.http.admin import serve_admin_port
from runtime.adapters.store import database, notifications
from runtime.domain.event import Malformed, ReceivedEvent, Record, parse_record
from runtime.domain.names import TOPIC_OF_EVENT_TYPE, Header, Service
from runtime.domain.trace import caller_of
from runtime.process import Process
from runtime.services.notifier import message
from runtime.telemetry import Outage

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Notifier:
    """One database connection and one SMTP session."""

    session: database.Session
    mailer: mail.Mailer
    mail_from: str
    mail_outage: Outage

    def records_at_once(self) -> int:
        """One: an e-mail that was sent is marked before the next is tried."""
        return 1

    def handle(self, records: Sequence[Record]) -> None:
        """Tell each event's customer, unless that has been done."""
        for record in records:
            event = parse_record(record)
            if isinstance(event, Malformed):
                self.bury(record, event.reason)
            else:
                caller = caller_of(record) if tracing.is_on() else None
                with tracing.span(
                    f"notify {record.topic}", tracing.SpanSide.CONSUMER, parent=caller
                ):
                    self._tell(self.session.connection(), record, event)

    def bury(self, record: Record, reason: str) -> None:
        """Keep the record as a dead letter; the connection commits each statement by itself."""
        consumer_loop.dead_letter(
            self.session.connection(), source=Service.NOTIFIER, reason=reason, record=record
        )

    def _tell(self, conn: psycopg.Connection, record: Record, event: ReceivedEvent) -> None:
        address = message.recipient(notifications.customer_of(conn, event.order_id), event.order_id)
        # The intent first. A row without a time of sending is an e-mail that may or may not have
        # left, and is sent again.
        untold = notifications.begin(
            conn,
            event_id=event.event_id,
            event_type=_event_type(record),
            order_id=event.order_id,
            recipient=address,
            message_id=message.message_id(event),
        )
        if not untold:
            return
        email = message.to_email(
            record.topic, event, to_address=address, from_address=self.mail_from
        )
        try:
            with tracing.span("mail", tracing.SpanSide.CLIENT):
                self.mailer.send(email.from_address, email.to_address, email.content())
        # A person has to look: no repetition will make this server take it.
        except mail.MailRefusedError:
            logger.exception("an e-mail was refused for good", extra={"order_id": event.order_id})
            self.bury(record, "mail_refused")
            return
        except mail.MailUnavailableError as error:
            self.mail_outage.failed(error)
            raise
        # Only now: a mark before the sending would lose an e-mail with every crash in between.
        notifications.mark_sent(conn, event.event_id)
        self.mail_outage.recovered()
        logger.info(
            "customer told",
            extra={"event_id": str(event.root), "order_id": event.order_id, "topic": record.topic},
        )


def _event_type(record: Record) -> str:
    """The record's event type, or its topic when the header names none that we know."""
    # The header is a producer's word; the column takes only types that exist.
    named = record.headers.get(Header.EVENT_TYPE, "")
    return named if named in TOPIC_OF_EVENT_TYPE else record.topic


def run(process: Process) -> None:
    """Tell customers until the process is told to stop."""
    common = process.common
    settings = config.notifier(process.source)
    subscription = consumer_loop.subscribe(process, Service.NOTIFIER, message.TOPICS)
    process.lifecycle.readiness.expect("database")
    serve_admin_port(process)
    session = database.Session(common.dsn, common.process)
    notifier = Notifier(
        session,
        mail.Mailer(settings.smtp_host, settings.smtp_port),
        settings.mail_from,
        Outage(logger, "the mail server"),
    )
    ConsumerLoop(
        process,
        subscription,
        notifier,
        Outage(logger, "PostgreSQL"),
        session,
        also_away=(mail.MailUnavailableError,),
    ).run()
    notifier.mailer.close()
