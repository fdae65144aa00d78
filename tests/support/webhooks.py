"""Webhooks as Stripe would send them, and the rows they left."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID, uuid4

from tests.support.http_client import Answer, http
from tests.support.processes import ServiceProcess
from tests.support.signing import signature
from tests.support.stack import ENVIRONMENT, PRICE_CENTS, WEBHOOK_SECRET, Database

PATH = "/stripe/webhook"
RECEIVED = b'{"received":true}'


def event(**changes: Any) -> dict[str, Any]:
    """A signed-to-be event nobody acts on, with an id of its own."""
    return {
        "id": f"evt_{uuid4().hex}",
        "object": "event",
        "type": "customer.created",
        "livemode": False,
        "data": {"object": {"id": "cus_1", "object": "customer"}},
        **changes,
    }


def encoded(**changes: Any) -> bytes:
    return json.dumps(event(**changes)).encode()


def intent_event(
    event_id: UUID,
    *,
    payment_intent_id: str = "",
    event_type: str = "payment_intent.succeeded",
    key: str | None = None,
    **changes: Any,
) -> bytes:
    """A success of this payment, or other news of it, as Stripe would tell it.

    Args:
        key: the idempotency key of the request that caused it; ours if none is given.
        changes: replace fields of the PaymentIntent.
    """
    thing = {
        "id": payment_intent_id or f"pi_{uuid4().hex}",
        "object": "payment_intent",
        "status": "succeeded",
        "amount": PRICE_CENTS,
        "amount_received": PRICE_CENTS,
        "currency": "usd",
        "livemode": False,
        "metadata": {"event_id": str(event_id), "env": ENVIRONMENT},
        **changes,
    }
    document = {
        "id": f"evt_{uuid4().hex}",
        "object": "event",
        "type": event_type,
        "livemode": False,
        "request": {"id": None, "idempotency_key": key or str(event_id)},
        "data": {"object": thing},
    }
    return json.dumps(document).encode()


def post_webhook(receiver: ServiceProcess, body: bytes, *, secret: str = WEBHOOK_SECRET) -> Answer:
    """Send it as Stripe would, signed with the suite's secret or another one."""
    return http.request(
        "POST",
        receiver.url + PATH,
        body=body,
        headers={
            "Content-Type": "application/json",
            "Stripe-Signature": signature(body, secret=secret),
        },
    )


def quarantine_reasons(database: Database, body: bytes) -> list[str]:
    """Why this body is in quarantine, each time it is."""
    found = database.rows("SELECT reason FROM webhook_quarantine WHERE body = %s", body)
    return [row[0] for row in found]
