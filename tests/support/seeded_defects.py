"""A shop with one thing broken, for each invariant, and what is broken with it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bookpayctl.judge.rows import ClientOperation
from tests.support import judged_shop as shop
from tests.support.shop_rows import (
    ChargeRow,
    DeadLetterRow,
    GroupOffset,
    IntentRow,
    RecordRow,
    ReservationRow,
    StockRow,
    StripeRefundRow,
    StripeRequestRow,
    WebhookRow,
)


def first(rows: tuple[Any, ...], **changes: object) -> tuple[Any, ...]:
    """The rows with their first one changed."""
    return (replace(rows[0], **changes), *rows[1:])


D, S, K = shop.DATABASE, shop.STRIPE, shop.LOG
REQUESTS = shop.STRIPE_REQUESTS

SECOND_CHARGE = ChargeRow("ch_again", shop.INTENT[shop.PAID], "succeeded", 4999, "usd", 0)
ORPHAN_INTENT = IntentRow(
    "pi_orphan", "succeeded", 100, "usd", "root-x", "ord_x", shop.ENVIRONMENT, shadow=False
)
FORGED = WebhookRow("evt_forged", "payment_intent.succeeded", "pi_x", shop.at(1), True, False)

DEFECTS = {
    "I01": shop.with_history(
        *shop.HISTORY.operations, ClientOperation("run-lost", "ok", "ord_lost", 100)
    ),
    "I02": shop.with_history(
        ClientOperation("run-ord_paid", "fail", None, None), *shop.HISTORY.operations[1:]
    ),
    "I03": shop.with_database(
        orders=(*D.orders[:2], replace(D.orders[2], client_key=D.orders[0].client_key))
    ),
    "I04": shop.with_database(outbox=tuple(row for row in D.outbox if row.event_id != "root-paid")),
    "I05": shop.with_database(outbox=first(D.outbox, published=False)),
    "I06": shop.with_log(records=K.records[1:]),
    "I07": shop.with_log(
        records=(*K.records, RecordRow("orders.paid", 0, 99, "k", "invented", "OrderPaid"))
    ),
    "I08": shop.with_database(
        outbox=(*D.outbox[:1], replace(D.outbox[1], created_at=shop.at(-5)), *D.outbox[2:])
    ),
    "I09": shop.with_log(offsets=(GroupOffset("payments-worker", "orders.placed", 0, 2),)),
    "I10": shop.with_stripe(charges=(*S.charges, SECOND_CHARGE)),
    "I11": shop.with_stripe(charges=S.charges[1:]),
    "I12": shop.with_stripe(
        charges=(S.charges[0], replace(S.charges[1], status="succeeded"), S.charges[2])
    ),
    "I13": shop.with_stripe(
        intents=(*S.intents, ORPHAN_INTENT),
        charges=(*S.charges, ChargeRow("ch_x", "pi_orphan", "succeeded", 100, "usd", 0)),
    ),
    "I14": shop.with_database(
        reservations=(*D.reservations[:2], ReservationRow(shop.REFUNDED, "book", 1, "held"))
    ),
    "I15": shop.with_stripe(
        refunds=(*S.refunds, StripeRefundRow("re_2", "pi_refunded", "ch", "succeeded", 1))
    ),
    "I16": shop.with_database(stock=(StockRow("book", 10, 8, 0, 1),)),
    "I17": shop.with_database(stock=(StockRow("book", 10, 8, 0, 2),)),
    "I18": shop.with_database(reservations=first(D.reservations, state="held")),
    "I19": shop.with_database(payments=first(D.payments, state="failed")),
    "I20": shop.with_database(webhooks=(*D.webhooks, FORGED)),
    "I21": shop.with_database(order_transitions=shop.steps(shop.PAID, "t", None, "paid")),
    "I22": shop.with_database(
        payment_transitions=(D.payment_transitions[0], *D.payment_transitions[2:])
    ),
    "I23": shop.with_stripe(
        requests=(*REQUESTS, replace(REQUESTS[0], body_sha256="other", executed=False))
    ),
    "I24": shop.with_stripe(
        requests=(
            *REQUESTS,
            StripeRequestRow(None, "/v1/payment_intents", "e", True, shop.ENVIRONMENT, "pi_z"),
        )
    ),
    "I25": shop.with_database(payments=first(D.payments, state="unknown")),
    "I26": shop.with_database(orders=first(D.orders, status="pending")),
    "I27": shop.with_database(
        dead_letters=(
            *D.dead_letters,
            DeadLetterRow(2, "payments-worker", "parked", "root-paid", False),
        )
    ),
    "I28": shop.with_database(dead_letters=()),
    "I29": shop.with_database(
        payment_transitions=tuple(t for t in D.payment_transitions if t.to_state != "succeeded")
    ),
    "I30": shop.with_stripe(charges=first(S.charges, amount_cents=1)),
    "I31": shop.with_log(topics=(shop.topic("orders.paid", cleanup_policy="compact"),)),
    # An order that no money was taken for, so that its amount is nowhere else asked about.
    "I32": shop.with_database(
        orders=(D.orders[0], replace(D.orders[1], total_cents=3400), D.orders[2])
    ),
    "I33": shop.with_database(outbox=first(D.outbox, payload_sha256="of another text")),
    "I34": shop.with_database(calls=(D.calls or ())[1:]),
    "I35": shop.with_stripe(
        charges=(*S.charges, ChargeRow("ch_stranger", None, "succeeded", 778, "usd", 0))
    ),
    "I36": shop.with_database(notified=frozenset()),
    "I37": shop.with_database(webhooks=()),
}

# What cannot be broken alone, and why; every other defect violates its own invariant only.
COMPANIONS = {
    # The key that was overwritten belongs to an order that was accepted.
    "I03": {"I01"},
    # The record in the log has no row any more, and what followed from it no cause.
    "I04": {"I07", "I08"},
    # Money that was taken twice is more than the order's amount.
    "I10": {"I11"},
    # The charge that is missing is also the one that the payment names, and the other way round.
    "I11": {"I30"},
    "I30": {"I11"},
    # What nobody here made has no call in our journal.
    "I13": {"I34"},
    # The client was told the amount that the order had.
    "I32": {"I01"},
    # A cancelled order whose money is held has not been compensated.
    "I12": {"I14"},
    # Its stock is in neither the counters nor the state that its order asks for.
    "I14": {"I17", "I18"},
    "I15": {"I14"},
    "I18": {"I17"},
    # The row was moved by hand: its history ends elsewhere.
    "I19": {"I29"},
    "I21": {"I29"},
    "I25": {"I19", "I29"},
    "I26": {"I12", "I18", "I29"},
    # The step that was taken out of the history is missing in the chain, too.
    "I29": {"I22"},
}
