"""An order as the API shows it; the same object from every route, so a replay is byte-equal."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from runtime.adapters.store.orders import OrderView
from runtime.domain.names import OrderStatus


def order_body(order: OrderView) -> dict[str, Any]:
    """The JSON object of an order; optional fields are absent, not null."""
    body: dict[str, Any] = {
        "id": order.order_id,
        "tenant_id": order.tenant_id,
        "status": order.status,
        "total_cents": order.total.amount_cents,
        "currency": order.total.currency,
        "items": [{"sku": item.sku, "quantity": item.quantity} for item in order.items],
        "event_id": str(order.event_id) if order.event_id else None,
        "created_at": order.created_at.isoformat(),
    }
    if order.cancel_reason is not None:
        body["cancel_reason"] = order.cancel_reason
    if order.payment_state is not None:
        payment = {"state": order.payment_state}
        if order.payment_intent_id is not None:
            payment["payment_intent_id"] = order.payment_intent_id
        body["payment"] = payment
    return body


def as_placed(order: OrderView) -> dict[str, Any]:
    """The body the first request got: what a client's retry sees, whatever happened since."""
    # Whatever happened since is to be read at its own address; a retry asks what was placed.
    first = replace(order, status=OrderStatus.PENDING, cancel_reason=None, payment_state=None)
    return order_body(first)


def encode(body: dict[str, Any]) -> bytes:
    # Without spaces and in one order, so that equal orders are equal bytes.
    return json.dumps(body, separators=(",", ":")).encode()


def log_fields(order: OrderView) -> dict[str, str]:
    """What a log line says of an order."""
    fields: dict[str, str] = {"order_id": order.order_id}
    if order.event_id is not None:
        fields |= {"event_id": str(order.event_id), "trace_id": order.event_id.hex}
    return fields
