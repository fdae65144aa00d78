"""The words of a case: a request as bytes, the answers it may get, the rows it may leave."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

from bookpayctl.clients.raw_http import RawRequest
from bookpayctl.forgery.signing import stripe_signature


@dataclass(frozen=True, slots=True)
class ForgedPayment:
    """A payment the receiver knows, which some cases lie about."""

    event_id: str
    payment_intent_id: str
    amount_cents: int
    currency: str
    environment: str


@dataclass(frozen=True, slots=True)
class ForgeryInput:
    """What cases are made from.

    Attributes:
        now: the wall time of sending, Unix seconds.
        host: the value of Host for the receiver, e.g. `127.0.0.1:8080`.
        payment: a settled payment; cases that lie about one need it.
    """

    secret: str
    now: int
    host: str
    path: str
    payment: ForgedPayment | None = None

    def sign(self, body: bytes, *, offset: int = 0) -> str:
        return stripe_signature(body, secret=self.secret, at=self.now + offset)

    def mac(self, body: bytes, timestamp: str | None = None) -> str:
        """The hexadecimal HMAC over any text in place of the timestamp."""
        return mac(self.secret, str(self.now) if timestamp is None else timestamp, body)


def mac(secret: str, timestamp: str, body: bytes) -> str:
    """The HMAC of a header that no honest sender writes.

    `stripe_signature` only takes whole seconds; a forger is not so kind.
    """
    signed = timestamp.encode() + b"." + body
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class Expected:
    """One answer that is right.

    Attributes:
        body: exact; None where the method has none (HEAD).
    """

    status: int
    body: bytes | None
    header: str = ""


@dataclass(frozen=True, slots=True)
class RowsLeft:
    """How many rows with the last request's body may be left."""

    events: int = 0
    quarantined: int = 0
    parked: int = 0


NOTHING: Final = RowsLeft()
STORED: Final = RowsLeft(events=1)
QUARANTINED: Final = RowsLeft(quarantined=1)
STORED_AND_QUARANTINED: Final = RowsLeft(events=1, quarantined=1)
PARKED: Final = RowsLeft(events=1, parked=1)


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to do what the case is about.

    Attributes:
        before: honest requests that come first and must be received.
        sent: what is sent, in words; never the secret.
    """

    name: str
    sent: str
    request: RawRequest
    expected: tuple[Expected, ...]
    left: RowsLeft = NOTHING
    before: tuple[RawRequest, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the table.

    Attributes:
        needs: what beside a receiver it takes: "payment", "outage", or nothing.
    """

    id: str
    title: str
    variants: Callable[[ForgeryInput], Sequence[Variant]]
    needs: str = ""


def _sentence(text: str) -> bytes:
    return json.dumps({"error": text}, separators=(",", ":")).encode()


RECEIVED: Final = Expected(200, b'{"received":true}')
SIGNATURE_MISSING: Final = Expected(400, _sentence("missing stripe-signature header"))
SIGNATURE_INVALID: Final = Expected(400, _sentence("invalid signature"))
OUT_OF_TOLERANCE: Final = Expected(400, _sentence("timestamp outside tolerance"))
BODY_INVALID: Final = Expected(400, _sentence("invalid body"))
BODY_TOO_LARGE: Final = Expected(413, _sentence("body too large"))
HEAD_TOO_LARGE: Final = Expected(431, _sentence("header fields too large"))
SLOW_BODY: Final = Expected(408, _sentence("request timeout"))
METHOD: Final = Expected(405, _sentence("method not allowed"), "Allow: POST")
METHOD_OF_HEAD: Final = Expected(405, None, "Allow: POST")
PATH: Final = Expected(404, _sentence("not found"))
MEDIA_TYPE: Final = Expected(415, _sentence("unsupported media type"))
UNAVAILABLE: Final = Expected(503, _sentence("temporarily unavailable"), "Retry-After: 1")

JSON_TYPE: Final = ("Content-Type: application/json",)


@dataclass(frozen=True, slots=True)
class Post:
    """A request's parts, for `encode`; what is left out is as an honest sender writes it."""

    body: bytes
    signatures: tuple[str | bytes, ...]
    method: str = "POST"
    target: str = ""
    hosts: tuple[str, ...] | None = None
    headers: tuple[str, ...] = field(default=JSON_TYPE)
    framing: tuple[str, ...] | None = None


def head(material: ForgeryInput, post: Post) -> bytes:
    """Request line and headers, byte for byte as written here."""
    length = f"Content-Length: {len(post.body)}"
    framing = (length,) if post.framing is None else post.framing
    hosts = (material.host,) if post.hosts is None else post.hosts
    lines: list[bytes] = [f"{post.method} {post.target or material.path} HTTP/1.1".encode()]
    lines += [f"Host: {host}".encode() for host in hosts]
    lines += [header.encode() for header in post.headers]
    for signature in post.signatures:
        value = signature if isinstance(signature, bytes) else signature.encode()
        lines.append(b"Stripe-Signature: " + value)
    lines += [line.encode() for line in framing]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def encode(material: ForgeryInput, post: Post) -> RawRequest:
    """A whole request in one piece."""
    raw = head(material, post) + post.body
    return RawRequest(post.body, lambda: [raw], bodiless=post.method == "HEAD")


def honest(material: ForgeryInput, body: bytes) -> RawRequest:
    """A request as Stripe would send it."""
    return encode(material, Post(body, (material.sign(body),)))


def event(**changes: Any) -> dict[str, Any]:
    """A harmless event with an id of its own; `changes` replace its fields."""
    return {
        "id": f"evt_bookpayforge{uuid4().hex}",
        "object": "event",
        "type": "customer.created",
        "created": 0,
        "livemode": False,
        "api_version": None,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "data": {"object": {"id": "cus_bookpayforge", "object": "customer"}},
        **changes,
    }


def encoded(**changes: Any) -> bytes:
    return json.dumps(event(**changes)).encode()
