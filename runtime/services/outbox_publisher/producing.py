"""Handing events to the producer, and hearing what the broker says of each.

The delivery callbacks run inside `Producer.poll`, on the publisher's own thread. What is heard goes
into the term's `InFlight`; nothing is written down here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Final, cast
from uuid import UUID

import psycopg
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from runtime import tracing
from runtime.adapters.store.outbox import OutboxRow
from runtime.domain.names import EventId
from runtime.domain.trace import of_insertion, of_publication
from runtime.faults import connections
from runtime.faults.points import Failpoint, Failpoints, Subject
from runtime.services.outbox_publisher.in_flight import InFlight
from runtime.services.outbox_publisher.message import (
    Envelope,
    KafkaMessage,
    Unpublishable,
    message_payload,
)
from runtime.telemetry import Outage

# Errors of one message that no retry can mend.
HOPELESS: Final = frozenset(
    {KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_MSG, KafkaError.INVALID_MSG_SIZE}
)

# What `purge` makes of messages when a term ends; not the broker's doing.
PURGED: Final = frozenset({KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT})  # noqa: SLF001


@dataclass(slots=True)
class Sending:
    """The producer of one process, whoever leads.

    Attributes:
        outage: of Kafka, told of what the broker did not take.
    """

    producer: Producer
    failpoints: Failpoints
    outage: Outage

    def fetched(self, first: OutboxRow) -> None:
        """Rows were read, this one first, and none of them was sent yet."""
        # Asked first: whose row it is, is in its payload, which would be parsed at every look.
        point = Failpoint.PUBLISHER_FETCHED_BEFORE_PRODUCE
        if self.failpoints.may_act(point):
            self.failpoints.hit(point, subject_of(first), connections.Broker(self.producer))

    def about_to_mark(self, first: str, conn: psycopg.Connection) -> None:
        """The broker has these events, this one first, and none of them is marked."""
        self.failpoints.hit(
            Failpoint.PUBLISHER_ACKED_BEFORE_MARK,
            Subject(event_id=UUID(first)),
            connections.Executed(conn),
        )

    def has_marked(self, first: str, conn: psycopg.Connection) -> None:
        """These events are marked."""
        self.failpoints.hit(
            Failpoint.PUBLISHER_MARKED, Subject(event_id=UUID(first)), connections.Executed(conn)
        )

    def send(self, in_flight: InFlight, envelope: Envelope, row: OutboxRow) -> bool:
        """Hand a row to the producer, or set it aside; False when there is no room for it now."""
        message = envelope.to_message(row)
        if isinstance(message, Unpublishable):
            in_flight.refused(row.event_id, message)
            return True
        try:
            self.producer.produce(
                message.topic,
                message.value,
                message.key,
                headers=message.headers,
                on_delivery=partial(
                    self._delivered, in_flight, row.event_id, span_of(row, message)
                ),
            )
        except BufferError:
            # The queue is full: the row stays unpublished and is read again when there is room.
            in_flight.lost(row.event_id)
            return False
        except (TypeError, ValueError) as error:
            # The client will not have such a message, in whatever company.
            in_flight.refused(row.event_id, Unpublishable("not_a_message", str(error)))
            return True
        except KafkaException as error:
            # Anything else is the broker's or the client's state, and ends the term.
            if error.args[0].code() not in HOPELESS:
                raise
            in_flight.refused(row.event_id, refusal(error.args[0]))
            return True
        in_flight.sent(row.event_id)
        return True

    def _delivered(
        self,
        in_flight: InFlight,
        event_id: str,
        span: tracing.Span | None,
        error: KafkaError | None,
        _message: Message,
    ) -> None:
        """The broker's word on one event, on the publisher's own thread."""
        if error is None:
            error = self.lost_acknowledgement(event_id)
        if span is not None:
            span.end(error.name() if error else None)
        if error is None:
            in_flight.acknowledged(event_id)
            if self.outage.is_open:
                self.outage.recovered()
        elif error.code() in HOPELESS:
            in_flight.refused_by_broker(event_id, refusal(error))
        elif error.code() in PURGED:
            in_flight.lost(event_id)
        else:
            in_flight.lost(event_id)
            self.outage.failed(KafkaException(error))

    def lost_acknowledgement(self, event_id: str) -> KafkaError | None:
        """What is reported in place of an acknowledgement that a drill loses."""
        # Asked first: what the point is given takes longer to make than the rest of a report.
        point = Failpoint.PUBLISHER_PRODUCED_ACK_LOST
        if not self.failpoints.may_act(point):
            return None
        report = connections.DeliveryReport(self.producer)
        try:
            self.failpoints.hit(point, Subject(event_id=UUID(event_id)), report)
        except KafkaException as error:
            return cast("KafkaError", error.args[0])
        return None


def refusal(error: KafkaError) -> Unpublishable:
    return Unpublishable(error.name(), error.str())


def span_of(row: OutboxRow, message: KafkaMessage) -> tracing.Span | None:
    """From handing an event to the producer to the broker's word on it."""
    if not tracing.is_on():
        return None
    root, event_id = EventId(UUID(message.key)), EventId(UUID(row.event_id))
    return tracing.begin(
        f"publish {message.topic}",
        tracing.SpanSide.PRODUCER,
        parent=of_insertion(root, event_id),
        context=of_publication(root, event_id),
    )


def subject_of(row: OutboxRow) -> Subject:
    order_id = message_payload(row).get("order_id")
    return Subject(
        order_id=order_id if isinstance(order_id, str) else None,
        event_id=UUID(row.event_id),
        tenant_id=row.tenant_id,
    )
