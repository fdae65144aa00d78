"""What is asked of Stripe, and under which key: `runtime/services/payments_gateway/calls.py`."""

from __future__ import annotations

from bookpayctl.simulation.store import PaymentRow, RefundRow
from bookpayctl.simulation.stripe.account import CREATE, REFUND, Posted
from bookpayctl.simulation.world import ENVIRONMENT, World
from runtime.domain.stripe_answers import AskedCharge, AskedRefund


def charge_request(world: World, row: PaymentRow) -> tuple[Posted, AskedCharge]:
    """`calls._send_charge`."""
    key = world.decisions.charge_key(row.event_id, row.started_attempts + 1, world.protocol)
    metadata = {"event_id": row.event_id, "order_id": row.order_id, "env": ENVIRONMENT}
    money, method = row.money, row.payment_method
    posted = Posted(
        key,
        CREATE,
        f"{money!r} {method} {row.event_id}",
        lambda: world.account.charge(money, method, metadata, key),
    )
    return posted, AskedCharge(money, metadata)


def refund_request(world: World, row: RefundRow) -> tuple[Posted, AskedRefund]:
    """`calls.refund`."""
    key = world.decisions.refund_key(row.idempotency_key, world.protocol)
    amount, intent = row.money.amount_cents, row.payment_intent_id
    posted = Posted(
        key,
        REFUND,
        f"{amount} {intent} {row.refund_id}",
        lambda: world.account.refund(intent, amount, row.refund_id, key),
    )
    metadata = {"refund_id": row.refund_id, "env": ENVIRONMENT}
    return posted, AskedRefund(intent, amount, metadata)


def cancel_request(world: World, row: PaymentRow, intent: str) -> Posted:
    """`calls.cancel`: derived, not drawn."""
    key = f"{row.event_id}:cancel"
    path = f"{CREATE}/{intent}/cancel"
    return Posted(key, path, "", lambda: world.account.cancel(intent, key))
