"""The OpenAPI description of the receiver: every answer it can give, with its exact sentences."""

from __future__ import annotations

import json
from itertools import groupby
from typing import Any, Final

from runtime.services.webhook_receiver.refusal import RECEIVED, REFUSALS, WebhookAnswer


def _answer(replies: list[WebhookAnswer], description: str) -> dict[str, Any]:
    """One status: its bodies are constants, and so are their headers."""
    # A dict, for its order: two codes may share a sentence.
    bodies = {reply.body.decode(): None for reply in replies}
    names = {name for reply in replies for name in reply.headers}
    answer: dict[str, Any] = {
        "description": description,
        "content": {
            "application/json": {"schema": {"enum": [json.loads(body) for body in bodies]}}
        },
    }
    # None of them is sometimes left out, or nobody could tell it from one that was forgotten.
    if names:
        answer["headers"] = {
            name: {"required": True, "schema": {"type": "string"}} for name in sorted(names)
        }
    return answer


def _answers() -> dict[str, Any]:
    ordered = sorted(REFUSALS.values(), key=lambda reply: reply.status)
    refusals = {
        str(status): _answer(replies, ", ".join(reply.code for reply in replies))
        for status, group in groupby(ordered, key=lambda reply: reply.status)
        if (replies := list(group))
    }
    received = _answer([RECEIVED], "stored; also for duplicates and quarantined events")
    return {"200": received, **refusals}


RECEIVE: Final[dict[str, Any]] = {
    "summary": "Take one event from Stripe",
    "parameters": [
        {
            "name": "Stripe-Signature",
            "in": "header",
            "required": True,
            "description": "t=<Unix seconds>,v1=<HMAC-SHA256 of t.body, hexadecimal>",
            "schema": {"type": "string", "minLength": 1, "maxLength": 4096},
            "example": "t=1760000000,v1=" + "0" * 64,
        }
    ],
    "requestBody": {
        "required": True,
        "description": "an event; any other JSON value is received too, and quarantined",
        "content": {
            "application/json": {
                # Anything that is JSON and signed is received: what it is gets decided afterwards.
                "schema": {},
                "example": {
                    "id": "evt_1",
                    "object": "event",
                    "type": "payment_intent.succeeded",
                    "livemode": False,
                    "data": {"object": {"id": "pi_1", "object": "payment_intent"}},
                },
            }
        },
    },
    "responses": _answers(),
}
