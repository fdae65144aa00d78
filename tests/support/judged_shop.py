"""A small shop whose three ledgers agree, for tests that then break one thing.

Three orders: one paid, one declined and cancelled, one paid and refunded. Every value is written
by hand, so that a test reads as the rows an operator would see.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from bookpayctl.judge.rows import ClientOperation, History, TopicRow
from tests.support.shop_rows import (
    CallRow,
    ChargeRow,
    Database,
    DeadLetterRow,
    Excluded,
    Facts,
    GroupOffset,
    IntentRow,
    Log,
    OrderRow,
    OutboxRow,
    PartitionRow,
    PaymentRow,
    PoisonRow,
    RecordRow,
    RefundRow,
    ReservationRow,
    StockRow,
    Stripe,
    StripeEventRow,
    StripeRefundRow,
    StripeRequestRow,
    Transition,
    WebhookRow,
)

T0 = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
ENVIRONMENT = "shop"

PAID, DECLINED, REFUNDED = "ord_paid", "ord_declined", "ord_refunded"
ROOT = {PAID: "root-paid", DECLINED: "root-declined", REFUNDED: "root-refunded"}
CENTS = {PAID: 4999, DECLINED: 2900, REFUNDED: 3950}
INTENT = {PAID: "pi_paid", DECLINED: "pi_declined", REFUNDED: "pi_refunded"}


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def order(order_id: str, status: str, cents: int) -> OrderRow:
    return OrderRow(order_id, "acme-books", cents, "usd", status, f"run-{order_id}", T0)


def event(order_id: str, event_type: str, seconds: float) -> OutboxRow:
    root = ROOT[order_id]
    event_id = root if event_type == "OrderPlaced" else f"{event_type}-{order_id}"
    return OutboxRow(
        *(event_id, event_type, order_id, root, at(seconds)),
        published=True,
        payload_sha256=f"sha of {event_id}",
        amount_cents=CENTS[order_id],
        currency="usd",
        has_amount=True,
    )


def call(operation: str, key: str | None, request_id: str, event_id: str | None = None) -> CallRow:
    """A line of the gateway's journal."""
    return CallRow(operation, key, event_id, request_id)


def steps(subject: str, kinds: str, *states: str | None) -> list[Transition]:
    """A chain of steps; `kinds` has one letter each: t(ransition) or o(utcome)."""
    names = {"t": "transition", "o": "outcome"}
    return [
        Transition(number, subject, names[kind], before, after or "", "test")
        for number, (kind, before, after) in enumerate(
            zip(kinds, states, states[1:], strict=False), start=1
        )
    ]


EVENTS = (
    event(PAID, "OrderPlaced", 0),
    event(PAID, "PaymentCompleted", 1),
    event(PAID, "OrderPaid", 2),
    event(DECLINED, "OrderPlaced", 0),
    event(DECLINED, "PaymentFailed", 1),
    event(DECLINED, "OrderCancelled", 2),
    event(REFUNDED, "OrderPlaced", 0),
    event(REFUNDED, "PaymentCompleted", 1),
    event(REFUNDED, "OrderPaid", 2),
    event(REFUNDED, "OrderCancelled", 3),
    event(REFUNDED, "PaymentRefunded", 4),
)

TOPIC = {
    "OrderPlaced": "orders.placed",
    "OrderPaid": "orders.paid",
    "OrderCancelled": "orders.cancelled",
    "PaymentCompleted": "payments.completed",
    "PaymentFailed": "payments.failed",
    "PaymentRefunded": "payments.refunded",
}

DATABASE = Database(
    read_at=at(60),
    orders=(
        order(PAID, "paid", 4999),
        order(DECLINED, "cancelled", 2900),
        order(REFUNDED, "refunded", 3950),
    ),
    outbox=EVENTS,
    payments=(
        PaymentRow(ROOT[PAID], PAID, 4999, "usd", "succeeded", INTENT[PAID], T0),
        PaymentRow(ROOT[DECLINED], DECLINED, 2900, "usd", "failed", INTENT[DECLINED], T0),
        PaymentRow(ROOT[REFUNDED], REFUNDED, 3950, "usd", "refunded", INTENT[REFUNDED], T0),
    ),
    payment_transitions=(
        *steps(ROOT[PAID], "tto", None, "pending", "charging", "succeeded"),
        *steps(ROOT[DECLINED], "tto", None, "pending", "charging", "failed"),
        *steps(
            ROOT[REFUNDED], "ttott", None, "pending", "charging", "succeeded", "refunding",
            "refunded",
        ),
    ),
    order_transitions=(
        *steps(PAID, "tt", None, "pending", "paid"),
        *steps(DECLINED, "tt", None, "pending", "cancelled"),
        *steps(REFUNDED, "tttt", None, "pending", "paid", "cancelled", "refunded"),
    ),
    refunds=(RefundRow("ref-1", ROOT[REFUNDED], "key-ref-1", 3950, "succeeded", "re_1"),),
    stock=(StockRow("book", 10, 9, 0, 1),),
    reservations=(
        ReservationRow(PAID, "book", 1, "sold"),
        ReservationRow(DECLINED, "book", 1, "released"),
        ReservationRow(REFUNDED, "book", 1, "released"),
    ),
    webhooks=(
        WebhookRow(
            "evt_paid", "payment_intent.succeeded", INTENT[PAID], at(1), processed=True,
            parked=False,
        ),
    ),
    dead_letters=(DeadLetterRow(1, "payments-worker", "bad_json", "poison", resolved=False),),
    calls=(
        *(call("charge", root, f"req_{root}", root) for root in ROOT.values()),
        call("refund", "key-ref-1", "req_ref"),
    ),
    notified=frozenset(
        row.event_id
        for row in EVENTS
        if row.event_type in ("OrderPaid", "OrderCancelled", "PaymentRefunded")
    ),
)  # fmt: skip


def topic(name: str, **changes: Any) -> TopicRow:
    """A topic as `up` makes it."""
    made = TopicRow(name, 3, 1, 604_800_000, -1, "delete", 1, unclean_election=False)
    return replace(made, **changes)


LOG = Log(
    records=tuple(
        RecordRow(
            *(TOPIC[row.event_type], 0, offset, row.root_event_id, row.event_id, row.event_type),
            row.payload_sha256,
        )
        for offset, row in enumerate(EVENTS)
    ),
    partitions=tuple(PartitionRow(topic, 0, 0, 3, T0) for topic in sorted(TOPIC.values())),
    offsets=(GroupOffset("payments-worker", "orders.placed", 0, 3),),
    topics=tuple(topic(name) for name in (*sorted(TOPIC.values()), "orders.placed.dlq")),
)

STRIPE_REQUESTS = (
    StripeRequestRow(ROOT[PAID], "/v1/payment_intents", "a", True, ENVIRONMENT, INTENT[PAID]),
    StripeRequestRow(
        ROOT[DECLINED], "/v1/payment_intents", "b", True, ENVIRONMENT, INTENT[DECLINED]
    ),
    StripeRequestRow(
        ROOT[REFUNDED], "/v1/payment_intents", "c", True, ENVIRONMENT, INTENT[REFUNDED]
    ),
    StripeRequestRow("key-ref-1", "/v1/refunds", "d", True, None, "re_1"),
)

STRIPE = Stripe(
    intents=tuple(
        IntentRow(INTENT[oid], status, cents, "usd", ROOT[oid], oid, ENVIRONMENT, shadow=False)
        for oid, status, cents in (
            (PAID, "succeeded", 4999),
            (DECLINED, "requires_payment_method", 2900),
            (REFUNDED, "succeeded", 3950),
        )
    ),
    charges=(
        ChargeRow("ch_paid", INTENT[PAID], "succeeded", 4999, "usd", 0),
        ChargeRow("ch_declined", INTENT[DECLINED], "failed", 2900, "usd", 0),
        ChargeRow("ch_refunded", INTENT[REFUNDED], "succeeded", 3950, "usd", 3950),
    ),
    refunds=(StripeRefundRow("re_1", INTENT[REFUNDED], "ch_refunded", "succeeded", 3950),),
    events=(
        StripeEventRow("evt_paid", "payment_intent.succeeded", INTENT[PAID], ROOT[PAID]),
        StripeEventRow("evt_ref", "payment_intent.succeeded", INTENT[REFUNDED], ROOT[REFUNDED]),
    ),
    requests=STRIPE_REQUESTS,
    delivered=frozenset({"evt_paid"}),
)  # fmt: skip

HISTORY = History(
    "acme-books",
    "run-",
    tuple(
        ClientOperation(f"run-{oid}", "ok", oid, cents)
        for oid, cents in ((PAID, 4999), (DECLINED, 2900), (REFUNDED, 3950))
    ),
)


POISON = PoisonRow("poison", "orders.placed", 0, 1)
"""What a run put among the orders, and the worker has read past."""


def healthy() -> Facts:
    """Facts of the shop as it should be."""
    return Facts(
        environment=ENVIRONMENT,
        cut_off=at(30),
        database=DATABASE,
        log=LOG,
        stripe=STRIPE,
        history=HISTORY,
        excluded=Excluded(event_ids=frozenset({"poison"})),
        poison=(POISON,),
    )


def with_database(**changes: Any) -> Facts:
    return replace(healthy(), database=replace(DATABASE, **changes))


def with_log(**changes: Any) -> Facts:
    return replace(healthy(), log=replace(LOG, **changes))


def with_stripe(**changes: Any) -> Facts:
    return replace(healthy(), stripe=replace(STRIPE, **changes))


def with_history(*operations: ClientOperation) -> Facts:
    return replace(healthy(), history=replace(HISTORY, operations=operations))
