"""Signing and sending webhooks, and looking for the rows they left.

Signatures are made here, by an HMAC of our own, not by the code under test.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from tests.support.processes import http
from tests.support.stack import WEBHOOK_SECRET, Answer, Stack

PATH = "/stripe/webhook"
RECEIVED = b'{"received":true}'


def signature(
    body: bytes, *, offset: int = 0, secret: str = WEBHOOK_SECRET, t: str | None = None
) -> str:
    stamp = t if t is not None else str(int(time.time()) + offset)
    mac = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"t={stamp},v1={mac}"


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


@dataclass
class Sender:
    """Posts to the receiver and counts the rows that are there."""

    stack: Stack
    json_type: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})

    def post(self, body: bytes, header: str | bytes | None, **headers: str) -> Answer:
        sent: dict[str, str | bytes] = {**self.json_type, **headers}
        if header is not None:
            sent["Stripe-Signature"] = header
        return self.request("POST", PATH, body, sent)

    def request(
        self, method: str, path: str, body: bytes | None, headers: dict[str, Any]
    ) -> Answer:
        answer = http.request(method, self.stack["receiver"].url + path, body=body, headers=headers)
        return Answer(answer.status, answer.headers, answer.data)

    def rows(self) -> tuple[int, ...]:
        (counts,) = self.stack.database.rows(
            "SELECT (SELECT count(*) FROM stripe_events), (SELECT count(*) FROM"
            " webhook_quarantine), (SELECT count(*) FROM webhook_parked),"
            " (SELECT count(*) FROM payment_events)"
        )
        return tuple(counts)

    def quarantined(self, body: bytes) -> list[str]:
        found = self.stack.database.rows(
            "SELECT reason FROM webhook_quarantine WHERE body = %s", body
        )
        return [row[0] for row in found]

    def stored(self, body: bytes) -> int:
        return int(
            self.stack.database.value("SELECT count(*) FROM stripe_events WHERE body = %s", body)
        )
