"""The names both programs share: ids, topics, tables, states, event types.

This is the only module of the runtime that bookpayctl may import, so it holds nouns and no
behaviour beyond deriving one name from another. A name is added here once and used everywhere.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NewType
from uuid import UUID, uuid5

OrderId = NewType("OrderId", str)
EventId = NewType("EventId", UUID)
TenantId = NewType("TenantId", str)
PaymentIntentId = NewType("PaymentIntentId", str)
RefundId = NewType("RefundId", UUID)
StripeEventId = NewType("StripeEventId", str)

SCHEMA: Final = "bookstore_platform"

# The session-level advisory lock that makes one publisher the leader. The number is arbitrary and
# fixed: the first eight bytes of sha256("bookpay/outbox-publisher") as a signed bigint.
PUBLISHER_LOCK_KEY: Final = -5_128_467_940_286_105_871

PUBLISHER_STREAM_LOCK_KEY: Final = PUBLISHER_LOCK_KEY + 1
"""Held beside it by a leader that streams the log: its slot is then the lock that counts."""

PUBLICATION: Final = "bookpay_outbox"

SLOT_PREFIX: Final = "bookpay_outbox_"
"""Of a replication slot's name; the database's number follows, for slots are the server's."""

PARTITIONS: Final = 3
"""Partitions of every topic; the same count everywhere, so one key lands on one number."""


class Service(StrEnum):
    """Service names: Deployment, consumer group, metric label and log field alike."""

    ORDERS = "orders-service"
    PUBLISHER = "outbox-publisher"
    WORKER = "payments-worker"
    GATEWAY = "payments-gateway"
    RECEIVER = "payments-webhook-receiver"
    RECONCILER = "payments-reconciler"
    NOTIFIER = "notifier"


class PublisherMode(StrEnum):
    """How the outbox publisher learns of new rows."""

    POLL = "poll"
    WAL = "wal"


class Topic(StrEnum):
    ORDERS_PLACED = "orders.placed"
    ORDERS_PAID = "orders.paid"
    ORDERS_CANCELLED = "orders.cancelled"
    PAYMENTS_COMPLETED = "payments.completed"
    PAYMENTS_FAILED = "payments.failed"
    PAYMENTS_REFUNDED = "payments.refunded"
    ORDERS_PLACED_DLQ = "orders.placed.dlq"


class EventType(StrEnum):
    ORDER_PLACED = "OrderPlaced"
    ORDER_PAID = "OrderPaid"
    ORDER_CANCELLED = "OrderCancelled"
    PAYMENT_COMPLETED = "PaymentCompleted"
    PAYMENT_FAILED = "PaymentFailed"
    PAYMENT_REFUNDED = "PaymentRefunded"
    PAYMENT_PARKED = "PaymentParked"


# The publisher's routing, and the only one: a type that is not here is never published.
TOPIC_OF_EVENT_TYPE: Final[dict[str, Topic]] = {
    EventType.ORDER_PLACED: Topic.ORDERS_PLACED,
    EventType.ORDER_PAID: Topic.ORDERS_PAID,
    EventType.ORDER_CANCELLED: Topic.ORDERS_CANCELLED,
    EventType.PAYMENT_COMPLETED: Topic.PAYMENTS_COMPLETED,
    EventType.PAYMENT_FAILED: Topic.PAYMENTS_FAILED,
    EventType.PAYMENT_REFUNDED: Topic.PAYMENTS_REFUNDED,
    EventType.PAYMENT_PARKED: Topic.ORDERS_PLACED_DLQ,
}


class Aggregate(StrEnum):
    ORDERS = "orders"
    PAYMENTS = "payments"


class OrderStatus(StrEnum):
    PENDING = "pending"
    PAID = "paid"
    CANCELLED = "cancelled"
    REFUNDED = "refunded"


class ReservationState(StrEnum):
    HELD = "held"
    SOLD = "sold"
    RELEASED = "released"


class PaymentState(StrEnum):
    PENDING = "pending"
    CHARGING = "charging"
    PROCESSING = "processing"
    UNKNOWN = "unknown"
    PARKED = "parked"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REFUNDING = "refunding"
    REFUNDED = "refunded"


FINAL_PAYMENT_STATES: Final = frozenset(
    {PaymentState.SUCCEEDED, PaymentState.FAILED, PaymentState.REFUNDED}
)
"""States nothing is owed in. A parked payment waits for a person, so it is not final."""


class RefundState(StrEnum):
    PENDING = "pending"
    SENDING = "sending"
    PROCESSING = "processing"
    UNKNOWN = "unknown"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


TOPICS_OF_GROUP: Final = {
    Service.WORKER: (Topic.ORDERS_PLACED, Topic.ORDERS_CANCELLED),
    Service.ORDERS: (Topic.PAYMENTS_COMPLETED, Topic.PAYMENTS_FAILED, Topic.PAYMENTS_REFUNDED),
    Service.NOTIFIER: (Topic.ORDERS_CANCELLED, Topic.ORDERS_PAID, Topic.PAYMENTS_REFUNDED),
}
"""What each consumer group reads, by design. A group is named after its service."""


class Header(StrEnum):
    """Kafka record headers, values UTF-8."""

    EVENT_ID = "event_id"
    EVENT_TYPE = "event_type"
    AGGREGATE = "aggregate"
    AGGREGATE_ID = "aggregate_id"
    TENANT_ID = "tenant_id"
    CREATED_AT = "created_at"
    PUBLISHER_ID = "publisher_id"
    PUBLISHER_TERM = "publisher_term"
    TRACEPARENT = "traceparent"


LIVE_KEY_PREFIXES: Final = ("sk_live", "rk_live", "pk_live")
"""How Stripe's keys for real money begin."""
TEST_KEY_PREFIXES: Final = ("sk_test_", "rk_test_")
"""How the secret keys of a sandbox begin, and the twin's."""

# On the gateway's own 503: nothing was sent. A 503 without it is some proxy's and says nothing.
NOT_SENT_HEADER: Final = "X-Bookpay-Not-Sent"


def derive_event_id(root: EventId, event_type: EventType, n: int | None = None) -> EventId:
    """Name the event that follows from `root`, so that a repeat collides instead of doubling.

    Args:
        root: the event_id of the order's OrderPlaced.
        event_type: what happened.
        n: distinguishes several events of one type, such as a second refund; None for the first.
    """
    # The first one carries no number, so that its name is the same whether or not repeats exist.
    name = event_type.value if n is None else f"{event_type.value}:{n}"
    return EventId(uuid5(root, name))


def trace_id(root: EventId) -> str:
    """The W3C trace id of an order: the 128 bits of its root event id, 32 hex digits."""
    return root.hex
