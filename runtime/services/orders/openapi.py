"""The OpenAPI descriptions of the orders API, for routes that parse their bodies themselves.

Every status that can be answered is here, with its codes and headers; the contract tests hold the
running service to it.
"""

from __future__ import annotations

from typing import Any, Final

from runtime.adapters.http.problem import openapi_answers
from runtime.domain.money import AMOUNT_CENTS_MAX
from runtime.services.orders.problem import TITLES
from runtime.services.orders.request import (
    ITEMS_MAX,
    QUANTITY_MAX,
    REASON_MAX,
    TEXT_MAX,
    UNCLEAN,
)

_TEXT: Final = {
    "type": "string",
    "minLength": 1,
    "maxLength": TEXT_MAX,
    "pattern": f"^[^{UNCLEAN}]*$",
}

_ITEM: Final = {
    "type": "object",
    "additionalProperties": False,
    "required": ["sku", "quantity"],
    "properties": {
        "sku": _TEXT,
        "quantity": {"type": "integer", "minimum": 1, "maximum": QUANTITY_MAX},
    },
}

_ORDER: Final = {
    "type": "object",
    "additionalProperties": False,
    "required": [
        *("id", "tenant_id", "status", "total_cents", "currency", "items", "event_id"),
        "created_at",
    ],
    "properties": {
        "id": {"type": "string"},
        "tenant_id": {"type": "string"},
        "status": {"type": "string", "enum": ["pending", "paid", "cancelled", "refunded"]},
        "total_cents": {"type": "integer", "minimum": 1, "maximum": AMOUNT_CENTS_MAX},
        "currency": {"type": "string", "pattern": "^[a-z]{3}$"},
        "items": {"type": "array", "items": _ITEM},
        "event_id": {"type": ["string", "null"], "format": "uuid"},
        "created_at": {"type": "string", "format": "date-time"},
        "cancel_reason": {"type": "string"},
        "payment": {
            "type": "object",
            # As strict as the parser: what the document allows is accepted, and nothing else.
            "additionalProperties": False,
            "required": ["state"],
            "properties": {
                "state": {"type": "string"},
                "payment_intent_id": {"type": "string"},
                "next_action": {"type": "object"},
            },
        },
    },
}


def _answers(*statuses: int, success: int) -> dict[str, Any]:
    return {
        str(success): {
            "description": "the order",
            "content": {"application/json": {"schema": _ORDER}},
        },
        **openapi_answers(TITLES, *statuses),
    }


def _body(schema: dict[str, Any], example: dict[str, Any]) -> dict[str, Any]:
    content = {"application/json": {"schema": schema, "example": example}}
    return {"required": True, "content": content}


SECURITY_SCHEMES: Final = {"bearer": {"type": "http", "scheme": "bearer"}}
_SECURITY: Final[list[dict[str, list[str]]]] = [{"bearer": []}]

_ORDER_ID: Final = {
    "name": "order_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "minLength": 1},
    "example": "ord_0123456789abcdef",
}

# What any request may be answered with, whatever its route.
_ALWAYS: Final = (400, 401, 405, 408, 429, 431, 503)

PLACE: Final[dict[str, Any]] = {
    "summary": "Place an order",
    # Said at each route, not once above: the probes have none.
    "security": _SECURITY,
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": True,
            "description": "of the client's choice; repeated, the first order is answered again",
            "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
            "example": "7f6c1f4e-cart-42",
        }
    ],
    "requestBody": _body(
        {
            "type": "object",
            "additionalProperties": False,
            "required": ["items", "currency", "customer_id"],
            "properties": {
                "items": {"type": "array", "minItems": 1, "maxItems": ITEMS_MAX, "items": _ITEM},
                "currency": {"type": "string", "pattern": "^[a-z]{3}$"},
                "customer_id": _TEXT,
                "payment_method": {
                    "type": ["string", "null"],
                    "maxLength": TEXT_MAX,
                    "pattern": "^pm_[ -~]*$",
                },
                "expected_total_cents": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": AMOUNT_CENTS_MAX,
                },
            },
        },
        {
            "items": [{"sku": "book-outbox", "quantity": 1}],
            "currency": "usd",
            "customer_id": "cust_demo",
            "payment_method": "pm_card_visa",
        },
    ),
    "responses": _answers(*_ALWAYS, 409, 413, 415, 422, success=201),
}
# Links let a tool that reads the document walk from a new order to its own two routes.
PLACE["responses"]["201"] |= {
    "headers": {
        "Idempotent-Replayed": {"schema": {"const": "true"}, "description": "only on a replay"}
    },
    "links": {
        name: {"operationId": name, "parameters": {"order_id": "$response.body#/id"}}
        for name in ("show_order", "cancel_order")
    },
}

SHOW: Final[dict[str, Any]] = {
    "summary": "One order with its payment",
    "security": _SECURITY,
    "parameters": [_ORDER_ID],
    "responses": _answers(*_ALWAYS, 404, success=200),
}

CANCEL: Final[dict[str, Any]] = {
    "summary": "Cancel an order; what was paid goes back",
    "security": _SECURITY,
    "parameters": [_ORDER_ID],
    "requestBody": _body(
        {
            "type": "object",
            "additionalProperties": False,
            "required": ["reason"],
            "properties": {"reason": {**_TEXT, "maxLength": REASON_MAX}},
        },
        {"reason": "changed my mind"},
    ),
    "responses": _answers(*_ALWAYS, 404, 409, 413, 415, 422, success=202),
}
