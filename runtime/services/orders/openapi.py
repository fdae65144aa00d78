"""The OpenAPI descriptions of the orders API, for routes that parse their bodies themselves."""

from __future__ import annotations

from typing import Any, Final

from runtime.services.orders.problem import TITLES

_TEXT: Final = {"type": "string", "minLength": 1, "maxLength": 255}

_PROBLEM: Final = {
    "type": "object",
    "required": ["type", "title", "status", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "enum": sorted(TITLES)},
    },
}

_ORDER: Final = {
    "type": "object",
    "required": ["id", "tenant_id", "status", "total_cents", "currency", "items", "created_at"],
    "properties": {
        "id": {"type": "string"},
        "tenant_id": {"type": "string"},
        "status": {"type": "string", "enum": ["pending", "paid", "cancelled", "refunded"]},
        "total_cents": {"type": "integer"},
        "currency": {"type": "string"},
        "items": {"type": "array", "items": {"$ref": "#/components/schemas/Item"}},
        "event_id": {"type": ["string", "null"], "format": "uuid"},
        "created_at": {"type": "string", "format": "date-time"},
        "cancel_reason": {"type": "string"},
        "payment": {"type": "object"},
    },
}

_ITEM: Final = {
    "type": "object",
    "additionalProperties": False,
    "required": ["sku", "quantity"],
    "properties": {
        "sku": _TEXT,
        "quantity": {"type": "integer", "minimum": 1, "maximum": 1000},
    },
}


def _inline(schema: dict[str, Any]) -> dict[str, Any]:
    """The order schema with its one reference resolved, so each route stands alone."""
    properties = {**schema["properties"], "items": {"type": "array", "items": _ITEM}}
    return {**schema, "properties": properties}


def _answers(*statuses: int, success: int) -> dict[str, Any]:
    answers: dict[str, Any] = {
        str(success): {
            "description": "the order",
            "content": {"application/json": {"schema": _inline(_ORDER)}},
        }
    }
    for status in statuses:
        answers[str(status)] = {
            "description": "refused",
            "content": {"application/problem+json": {"schema": _PROBLEM}},
        }
    return answers


_SECURITY: Final[list[dict[str, list[str]]]] = [{"bearer": []}]

PLACE: Final[dict[str, Any]] = {
    "security": _SECURITY,
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": True,
            "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
        }
    ],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["items", "currency", "customer_id"],
                    "properties": {
                        "items": {
                            "type": "array",
                            "minItems": 1,
                            "maxItems": 100,
                            "items": _ITEM,
                        },
                        "currency": {"type": "string", "pattern": "^[a-z]{3}$"},
                        "customer_id": _TEXT,
                        "payment_method": {"type": ["string", "null"], "pattern": "^pm_"},
                        "expected_total_cents": {"type": "integer", "minimum": 1},
                    },
                }
            }
        },
    },
    "responses": _answers(400, 401, 409, 413, 415, 422, 503, success=201),
}

SHOW: Final[dict[str, Any]] = {
    "security": _SECURITY,
    "responses": _answers(401, 404, 503, success=200),
}

CANCEL: Final[dict[str, Any]] = {
    "security": _SECURITY,
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["reason"],
                    "properties": {"reason": {"type": "string", "minLength": 1, "maxLength": 200}},
                }
            }
        },
    },
    "responses": _answers(400, 401, 404, 409, 413, 415, 422, 503, success=202),
}
