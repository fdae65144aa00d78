"""SQL and Python judge the same shops alike, also shops that no test thought of.

A healthy shop is damaged in a few places at random: rows are dropped, repeated under another id, or
say something else. Whatever comes of it, both judges give every invariant the same verdict, the
same count of examined, and the same offenders.
"""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import timedelta
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from bookpayctl.judge import invariants
from bookpayctl.judge.invariants import Excluded, Facts
from bookpayctl.judge.rows import (
    DeadLetterRow,
    DisputeRow,
    OutsideRefundRow,
    StripeDisputeRow,
    StripeRefundRow,
)
from tests.support import judged_shop as shop
from tests.support.judging import differences, judge_by_sql

ORDERS: Final = (shop.PAID, shop.DECLINED, shop.REFUNDED, "ord_nobody")
ROOTS: Final = (*shop.ROOT.values(), "root-nobody")
INTENTS: Final = (*shop.INTENT.values(), "pi_nobody")
AMOUNTS: Final = (0, 1, 2900, 3950, 4999, 9998)

# What else a field may say. Keys of rows stay: our tables cannot hold two of one.
OTHERS: Final[dict[str, tuple[Any, ...]]] = {
    "tenant_id": ("acme-books", "other"),
    "total_cents": AMOUNTS,
    "amount_cents": AMOUNTS,
    "refunded_cents": AMOUNTS,
    "currency": ("usd", "eur"),
    "client_key": (None, "run-ord_paid", "run-ord_declined", "run-nobody", "x-1"),
    "created_at": (shop.at(-90_000), shop.at(0), shop.at(29), shop.at(45), shop.at(9_999)),
    "received_at": (shop.at(0), shop.at(45), shop.at(9_999)),
    "event_type": ("OrderPlaced", "OrderPaid", "PaymentCompleted", "PaymentRefunded", "Unheard"),
    "root_event_id": ROOTS,
    "order_id": ORDERS,
    "published": (True, False),
    "payload_sha256": (None, "other"),
    "has_amount": (True, False),
    "payment_intent_id": (None, *INTENTS),
    "from_state": (None, "pending", "paid", "charging", "succeeded"),
    "to_state": ("pending", "paid", "cancelled", "charging", "succeeded", "refunding"),
    "kind": ("transition", "outcome", "refused"),
    "subject": (*ORDERS, *ROOTS),
    "operation": ("charge", "shadow_charge", "refund", "cancel"),
    "key": (None, *ROOTS, "key-ref-1", "root-paid:cancel", "made up"),
    "idempotency_key": ("key-ref-1", "root-paid", "other"),
    "stripe_refund_id": (None, "re_1", "re_9"),
    "refund_id": (None, "ref-1", "ref-2"),
    "request_id": (None, "req_root-paid", "req_x"),
    "environment": (None, shop.ENVIRONMENT, "elsewhere"),
    "shadow": (True, False),
    "charge_id": (None, "ch_paid", "ch_refunded"),
    "type": ("payment_intent.succeeded", "payment_intent.canceled", "payment_intent.created",
             "refund.created", "customer.created"),
    "object_id": (None, *INTENTS, "re_1", "re_9", "du_1"),
    "path": ("/v1/payment_intents", "/v1/refunds", "/v1/payment_intents/pi_paid/cancel",
             "/v1/payment_intents/pi_paid/confirm"),
    "body_sha256": ("a", "b"),
    "executed": (True, False),
    "processed": (True, False),
    "parked": (True, False),
    "resolved": (True, False),
    "source": ("outbox", "notifier"),
    "quantity": (1, 2),
    "initial": (9, 10),
    "on_hand": (-1, 8, 9),
    "reserved": (0, 1),
    "sold": (0, 1, 2),
    "topic": ("orders.placed", "orders.paid", "payments.completed"),
    "first_offset": (0, 1),
    "end_offset": (0, 3),
    "oldest_at": (None, shop.at(-90_000), shop.at(0.5)),
    "committed": (None, 0, 3),
    "partitions": (2, 3, 6),
    "replicas": (1, 3),
    "retention_ms": (-1, 1, 604_800_000),
    "cleanup_policy": ("delete", "compact"),
    "insync_min": (1, 2),
    "unclean_election": (True, False),
    "outcome": ("ok", "fail", "unknown"),
}  # fmt: skip

STATES: Final[dict[str, tuple[str, ...]]] = {
    "OrderRow.status": ("pending", "paid", "cancelled", "refunded"),
    "PaymentRow.state": (
        *("pending", "charging", "processing", "unknown", "parked"),
        *("succeeded", "failed", "refunding", "refunded"),
    ),
    "ReservationRow.state": ("held", "sold", "released"),
    "IntentRow.status": ("succeeded", "processing", "requires_action", "canceled"),
    "ChargeRow.status": ("succeeded", "failed", "pending"),
    "StripeRefundRow.status": ("succeeded", "pending", "failed", "canceled", "requires_action"),
    "StripeDisputeRow.status": ("lost", "won", "needs_response", "warning_closed"),
    "DisputeRow.status": ("lost", "won", "needs_response"),
    "OutsideRefundRow.status": ("succeeded", "pending"),
}

# A ledger names a thing of these kinds once: by the field that a copy of the row has to change.
NAMED_BY: Final = {
    "OrderRow": "id",
    "OutboxRow": "event_id",
    "ReservationRow": "sku",
    "StockRow": "sku",
    "WebhookRow": "event_id",
    "DeadLetterRow": "id",
    "RefundRow": "refund_id",
    "OutsideRefundRow": "stripe_refund_id",
    "DisputeRow": "stripe_dispute_id",
    "IntentRow": "id",
    "ChargeRow": "id",
    "StripeRefundRow": "id",
    "StripeDisputeRow": "id",
    "StripeEventRow": "id",
    "RecordRow": "offset",
    "Transition": "sequence",
    "ClientOperation": "client_key",
    "CallRow": "",
    "StripeRequestRow": "",
}
# One for each order, or order and topic: a copy under another name would be a second one.
SINGLE: Final = ("PaymentRow", "PartitionRow", "GroupOffset", "TopicRow", "History")
KEYS: Final = {
    *("PaymentRow.order_id", "PaymentRow.event_id", "RefundRow.refund_id", "TopicRow.topic"),
    *("OutsideRefundRow.stripe_refund_id", "PartitionRow.topic", "GroupOffset.topic"),
    *("PaymentRow.payment_intent_id", "ClientOperation.client_key", "RefundRow.stripe_refund_id"),
}

WIDE: Final = replace(
    shop.healthy(),
    database=replace(
        shop.DATABASE,
        disputes=(DisputeRow("du_1", shop.INTENT[shop.PAID], 4999, "won"),),
        outside_refunds=(OutsideRefundRow("re_9", shop.INTENT[shop.REFUNDED], 1, "succeeded"),),
        dead_letters=(DeadLetterRow(1, "notifier", "refused", "OrderPaid-ord_paid", True),),
    ),
    stripe=replace(
        shop.STRIPE,
        disputes=(
            StripeDisputeRow("du_1", shop.INTENT[shop.PAID], "ch_paid", "won", 4999, shop.at(3)),
        ),
        refunds=(
            *shop.STRIPE.refunds,
            StripeRefundRow("re_9", shop.INTENT[shop.REFUNDED], "ch_refunded", "failed", 1),
        ),
    ),
)
"""The healthy shop with a row in every ledger."""


def tables(facts: Facts) -> list[tuple[str, str]]:
    """Every sequence of rows in the facts, by the ledger and its name."""
    return [
        (ledger, entry.name)
        for ledger in ("database", "log", "stripe", "history")
        for entry in fields(getattr(facts, ledger))
        if isinstance(getattr(getattr(facts, ledger), entry.name), tuple)
    ]


TABLES: Final = tables(WIDE)


@st.composite
def damaged(draw: st.DrawFn) -> Facts:
    facts = WIDE
    for step in range(draw(st.integers(1, 5))):
        ledger, name = draw(st.sampled_from(TABLES))
        side = getattr(facts, ledger)
        rows = list(getattr(side, name))
        if not rows:
            continue
        place = draw(st.integers(0, len(rows) - 1))
        rows = draw(broken(rows, place, 100 + step))
        facts = replace(facts, **{ledger: replace(side, **{name: tuple(rows)})})
    return replace(
        facts,
        excluded=draw(
            st.sampled_from(
                [
                    Excluded(),
                    Excluded(client_keys=frozenset({"run-ord_paid"})),
                    Excluded(event_ids=frozenset({"root-paid"})),
                    Excluded(stripe_event_ids=frozenset({"evt_paid"})),
                ]
            )
        ),
        webhook_window=timedelta(minutes=draw(st.sampled_from([0, 15]))),
        account_is_shared=draw(st.booleans()),
        stripe=draw(st.sampled_from([facts.stripe, facts.stripe, facts.stripe, None])),
        absent={"stripe": "not read", "requests": "not read", "keys": "not read",
                "deliveries": "only the twin shows what it delivered"},
    )  # fmt: skip


@st.composite
def broken(draw: st.DrawFn, rows: list[Any], place: int, number: int) -> list[Any]:
    """The rows with one of them dropped, repeated, or saying something else."""
    row = rows[place]
    kind = type(row).__name__
    how = draw(st.sampled_from(["drop", "repeat", "change", "change", "change"]))
    if how == "drop":
        return [*rows[:place], *rows[place + 1 :]]
    if how == "repeat":
        if kind in SINGLE:
            return rows
        by = NAMED_BY[kind]
        named = {} if not by else {by: number if by in ("offset", "sequence") else f"x{number}"}
        if kind == "DeadLetterRow":
            named = {by: number}
        return [*rows, replace(row, **named)]
    choices = {
        entry.name: STATES.get(f"{kind}.{entry.name}", OTHERS.get(entry.name, ()))
        for entry in fields(row)
        if f"{kind}.{entry.name}" not in KEYS
    }
    name = draw(st.sampled_from(sorted(n for n, values in choices.items() if values)))
    value = draw(st.sampled_from(choices[name]))
    return [*rows[:place], replace(row, **{name: value}), *rows[place + 1 :]]


@settings(max_examples=40, deadline=None)
@given(damaged())
def test_two_judges_say_the_same_of_any_shop(facts: Facts) -> None:
    assert differences(invariants.judge(facts), judge_by_sql(facts)) == []
