"""Orders the tool places for its own questions: registered before they exist, never judged.

A probe goes the way every order goes, so that what it shows is true of customers too. Its tenant
is the tool's own, and its client key, written to the run before the call, tells it apart. That it
is left closed is promised before it is placed: one that is still pending is cancelled at the end.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from bookpayctl.clients.database import reading
from bookpayctl.clients.orders_api import OrdersApi
from bookpayctl.clients.probe_tenant import probe_tenants_api
from bookpayctl.faults.undo import CLOSE_PROBE_ORDER
from bookpayctl.runs.directory import Run
from bookpayctl.runs.waiting import Waited, wait_until
from bookpayctl.targets.environment import Environment

CUSTOMER: Final = "bookpayctl"

# Stripe's test card that asks for a second factor nobody here will give: the PaymentIntent stays
# in `requires_action` and the payment in `processing` until somebody closes it.
PAYMENT_METHOD_THAT_WAITS: Final = "pm_card_authenticationRequired"
PAYMENT_METHOD_THAT_PAYS: Final = "pm_card_visa"


class ProbeError(RuntimeError):
    """A probe order could not be placed; the message says what the service answered."""


@dataclass(frozen=True, slots=True)
class Title:
    """One thing the shop can sell."""

    sku: str
    unit_price_cents: int
    currency: str


@dataclass(frozen=True, slots=True)
class ProbeOrder:
    """An accepted probe order."""

    order_id: str
    event_id: str
    amount_cents: int
    currency: str


def titles_in_stock(environment: Environment, *, copies: int = 1) -> list[Title]:
    """What there are at least so many copies of, most first, all in the currency of the first."""
    with reading(environment.dsn) as conn:
        rows = conn.execute(
            "SELECT sku, unit_price_cents, currency FROM inventory WHERE on_hand >= %s"
            " ORDER BY on_hand DESC, sku",
            (copies,),
        ).fetchall()
    titles = [Title(*row) for row in rows]
    return [title for title in titles if title.currency == titles[0].currency]


def orders_api(environment: Environment) -> OrdersApi:
    return OrdersApi(environment.orders_url, environment.secret("orders-token"))


def order_document(title: Title, *, payment_method: str, customer_id: str) -> dict[str, Any]:
    """The body of POST /orders for one copy of one title."""
    return {
        "items": [{"sku": title.sku, "quantity": 1}],
        "currency": title.currency,
        "customer_id": customer_id,
        "payment_method": payment_method,
    }


def place_probe(environment: Environment, run: Run, *, payment_method: str) -> ProbeOrder:
    """Place one probe order of the tenant `probe_tenant.TENANT_ID`.

    Raises:
        ProbeError: nothing is in stock, or the service did not accept it.
    """
    titles = titles_in_stock(environment)
    if not titles:
        raise ProbeError("nothing is in stock, so no probe order can be placed")
    client_key = f"{run.run_id}-probe-{uuid4().hex[:8]}"
    run.probe("client_key", client_key)
    run.promise_undo(CLOSE_PROBE_ORDER, client_key=client_key)
    document = order_document(titles[0], payment_method=payment_method, customer_id=CUSTOMER)
    with probe_tenants_api(environment.dsn, environment.orders_url) as api:
        reply = api.place(document, client_key=client_key)
    if not reply.ok:
        raise ProbeError(f"the probe order was not accepted: {reply.problem()}")
    run.journal("probe_placed", order_id=reply.body["id"], payment_method=payment_method)
    return ProbeOrder(
        reply.body["id"],
        reply.body["event_id"],
        reply.body["total_cents"],
        reply.body["currency"],
    )


def payment_of(environment: Environment, event_id: str) -> tuple[str, str | None] | None:
    """State and PaymentIntent id of a payment; None while the worker has not taken it in."""
    with reading(environment.dsn) as conn:
        row = conn.execute(
            "SELECT state, payment_intent_id FROM payments WHERE event_id = %s", (event_id,)
        ).fetchone()
    return None if row is None else (row[0], row[1])


def wait_for_payment(
    environment: Environment, event_id: str, states: frozenset[str], *, deadline_seconds: float
) -> Waited[tuple[str, str | None] | None]:
    """Wait until the payment is in one of `states`, or the deadline."""
    return wait_until(
        lambda: payment_of(environment, event_id),
        lambda payment: payment is not None and payment[0] in states,
        deadline_seconds=deadline_seconds,
    )


def wall_clock_seconds() -> int:
    """Whole seconds since the epoch, as signatures are stamped."""
    return int(time.time())
