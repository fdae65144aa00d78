"""The rows of a shop that a test writes by hand, and the facts that they make together.

One value for each row, in words of the ledger that it stands in; `shop_tables` puts them into the
canonical tables.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bookpayctl.judge.rows import History, TopicRow


@dataclass(frozen=True, slots=True)
class OrderRow:
    id: str
    tenant_id: str
    total_cents: int
    currency: str
    status: str
    client_key: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One event; `root_event_id` is the order's OrderPlaced, itself when there is none named.

    Attributes:
        payload_sha256: of the payload's text as the database writes it, which is what is published.
        amount_cents: None where the payload has none, or one that is no whole number.
    """

    event_id: str
    event_type: str
    order_id: str
    root_event_id: str
    created_at: datetime
    published: bool
    payload_sha256: str | None = None
    amount_cents: int | None = None
    currency: str | None = None
    has_amount: bool = False


@dataclass(frozen=True, slots=True)
class PaymentRow:
    event_id: str
    order_id: str
    amount_cents: int
    currency: str
    state: str
    payment_intent_id: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Transition:
    """One line of order_events or payment_events; `subject` is the order id or root event id."""

    sequence: int
    subject: str
    kind: str
    from_state: str | None
    to_state: str
    cause: str


@dataclass(frozen=True, slots=True)
class RefundRow:
    refund_id: str
    event_id: str
    idempotency_key: str
    amount_cents: int
    state: str
    stripe_refund_id: str | None


@dataclass(frozen=True, slots=True)
class OutsideRefundRow:
    """A refund that somebody else made, as our tables have it."""

    stripe_refund_id: str
    payment_intent_id: str | None
    amount_cents: int
    status: str


@dataclass(frozen=True, slots=True)
class DisputeRow:
    """A dispute as our tables have it."""

    stripe_dispute_id: str
    payment_intent_id: str | None
    amount_cents: int
    status: str


@dataclass(frozen=True, slots=True)
class CallRow:
    """One call to Stripe in the gateway's own journal, written before it was made."""

    operation: str
    key: str | None
    event_id: str | None
    request_id: str | None


@dataclass(frozen=True, slots=True)
class StockRow:
    sku: str
    initial: int
    on_hand: int
    reserved: int
    sold: int


@dataclass(frozen=True, slots=True)
class ReservationRow:
    order_id: str
    sku: str
    quantity: int
    state: str


@dataclass(frozen=True, slots=True)
class WebhookRow:
    """One row of stripe_events; `parked` when it waits for the row it speaks of."""

    event_id: str
    type: str
    object_id: str | None
    received_at: datetime
    processed: bool
    parked: bool


@dataclass(frozen=True, slots=True)
class DeadLetterRow:
    id: int
    source: str
    reason: str
    event_id: str | None
    resolved: bool

    @property
    def number(self) -> str:
        return str(self.id)


@dataclass(frozen=True, slots=True)
class Database:
    """Everything read from PostgreSQL in one repeatable-read transaction on the primary.

    Attributes:
        v1_intents: PaymentIntents v1 took money with while our gateway only shadowed it.
        shadowed_events: payments that our tables say were only shadowed, by root event id.
        outside_refunds: refunds made by others that we know of.
        disputes: disputes that we know of.
        calls: the gateway's journal; None when it was not read.
        notified: event ids of the letters on record; None when they were not read.
        clock_ahead: how far the environment's clock is ahead of the wall clock, by drills.
    """

    read_at: datetime
    orders: tuple[OrderRow, ...]
    outbox: tuple[OutboxRow, ...]
    payments: tuple[PaymentRow, ...]
    payment_transitions: tuple[Transition, ...]
    order_transitions: tuple[Transition, ...]
    refunds: tuple[RefundRow, ...]
    stock: tuple[StockRow, ...]
    reservations: tuple[ReservationRow, ...]
    webhooks: tuple[WebhookRow, ...]
    dead_letters: tuple[DeadLetterRow, ...]
    v1_intents: frozenset[str] = frozenset()
    shadowed_events: frozenset[str] = frozenset()
    outside_refunds: tuple[OutsideRefundRow, ...] = ()
    disputes: tuple[DisputeRow, ...] = ()
    calls: tuple[CallRow, ...] | None = None
    notified: frozenset[str] | None = None
    clock_ahead: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class RecordRow:
    """One Kafka record of our topics; `key` decoded, `event_id` from header or payload."""

    topic: str
    partition: int
    offset: int
    key: str
    event_id: str | None
    event_type: str | None
    payload_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class PartitionRow:
    """Where a partition's log begins and ends, and what each group has committed."""

    topic: str
    partition: int
    first_offset: int
    end_offset: int
    oldest_at: datetime | None


@dataclass(frozen=True, slots=True)
class GroupOffset:
    group: str
    topic: str
    partition: int
    committed: int | None


@dataclass(frozen=True, slots=True)
class Log:
    """What Kafka holds: every record between first and end offset, and where groups stand.

    Attributes:
        topics: those of ours that exist, as they are set; None when they were not asked for.
    """

    records: tuple[RecordRow, ...]
    partitions: tuple[PartitionRow, ...]
    offsets: tuple[GroupOffset, ...]
    topics: tuple[TopicRow, ...] | None = None


@dataclass(frozen=True, slots=True)
class IntentRow:
    id: str
    status: str
    amount_cents: int
    currency: str
    event_id: str | None
    order_id: str | None
    environment: str | None
    shadow: bool


@dataclass(frozen=True, slots=True)
class ChargeRow:
    """One charge at Stripe; `refunded_cents` is what Stripe says has gone back."""

    id: str
    payment_intent_id: str | None
    status: str
    amount_cents: int
    currency: str
    refunded_cents: int
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class StripeRefundRow:
    id: str
    payment_intent_id: str | None
    charge_id: str | None
    status: str
    amount_cents: int
    refund_id: str | None = None
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class StripeDisputeRow:
    """A dispute at Stripe; while it is open, and when it is lost, the money is not held."""

    id: str
    payment_intent_id: str | None
    charge_id: str | None
    status: str
    amount_cents: int
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class StripeEventRow:
    id: str
    type: str
    object_id: str | None
    idempotency_key: str | None
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class StripeRequestRow:
    """One POST as Stripe saw it; `body_sha256` is of the parameters, `executed` if it acted.

    A row that the recording tap wrote has what the gateway sent, and the same meaning.
    """

    key: str | None
    path: str
    body_sha256: str
    executed: bool
    environment: str | None
    object_id: str | None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Stripe:
    """Stripe's side.

    Attributes:
        requests: None where Stripe does not show its journal (a sandbox); likewise `delivered`.
        delivered: events that were delivered to our endpoint and acknowledged with a 2xx.
    """

    intents: tuple[IntentRow, ...]
    charges: tuple[ChargeRow, ...]
    refunds: tuple[StripeRefundRow, ...]
    events: tuple[StripeEventRow, ...]
    requests: tuple[StripeRequestRow, ...] | None
    disputes: tuple[StripeDisputeRow, ...] = ()
    delivered: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Excluded:
    """Ids that runs registered as their own doing, so that they are not judged as customers'."""

    client_keys: frozenset[str] = frozenset()
    event_ids: frozenset[str] = frozenset()
    stripe_event_ids: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class PoisonRow:
    """A record that a run injected, as its journal tells it; no offset: it was only announced."""

    event_id: str
    topic: str
    partition: int | None
    offset: int | None


@dataclass(frozen=True, slots=True)
class Facts:
    """What is judged.

    Attributes:
        environment: the `env` our PaymentIntents carry in their metadata.
        cut_off: orders created at or after this are not judged; database clock.
        webhook_window: how long a payment may wait for its customer before it must be closed.
        debezium: events leave by change data capture, so none is ever marked published.
        absent: why a ledger is None, by the names `log`, `stripe`, `requests`, `deliveries`.
        tapped: the POSTs that the recording tap saw; None where none records.
        account_is_shared: others use the Stripe account, too, as the operator declared.
        poison: what runs put into topics on purpose.
    """

    environment: str
    cut_off: datetime
    database: Database
    log: Log | None
    stripe: Stripe | None
    history: History | None
    excluded: Excluded = field(default_factory=Excluded)
    webhook_window: timedelta = timedelta(minutes=15)
    debezium: bool = False
    absent: dict[str, str] = field(default_factory=dict)
    tapped: tuple[StripeRequestRow, ...] | None = None
    account_is_shared: bool = False
    poison: tuple[PoisonRow, ...] = ()

    @property
    def requests(self) -> tuple[StripeRequestRow, ...] | None:
        """The POSTs that Stripe's own journal shows, else those that the recording tap saw."""
        journal = self.stripe.requests if self.stripe else None
        return journal if journal is not None else self.tapped
