"""A signed webhook body as a Stripe event, parsed strictly, pure.

Three answers: an event; a body that is odd but signed, which is quarantined because refusing it
would only make Stripe send it for three days; and a body that is not JSON at all.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final, NoReturn

from runtime.domain.names import PaymentIntentId, StripeEventId

DEPTH_MAX: Final = 32
INTEGER_MAX: Final = 2**53


@dataclass(frozen=True, slots=True)
class Invalid:
    """Not UTF-8, not JSON, or JSON no reader should accept."""


@dataclass(frozen=True, slots=True)
class Odd:
    """Signed and parsable, but not an event we can use; `reason` is a fixed word."""

    reason: str


class Kind(Enum):
    """What an event tells us, if it is ours."""

    SUCCEEDED = auto()
    FAILED = auto()
    OPEN = auto()
    REFUND = auto()
    OTHER = auto()


_KINDS: Final = {
    "payment_intent.succeeded": Kind.SUCCEEDED,
    "payment_intent.payment_failed": Kind.FAILED,
    "payment_intent.canceled": Kind.FAILED,
    "payment_intent.processing": Kind.OPEN,
    "payment_intent.requires_action": Kind.OPEN,
    "refund.created": Kind.REFUND,
    "refund.updated": Kind.REFUND,
    "refund.failed": Kind.REFUND,
    # What accounts on older API versions get for the same news; its object is the refund, too.
    "charge.refund.updated": Kind.REFUND,
}


@dataclass(frozen=True, slots=True)
class StripeEvent:
    """The part of an event that decisions look at; fields of other object kinds are None."""

    stripe_event_id: StripeEventId
    type: str
    kind: Kind
    livemode: bool
    account: str | None
    object_id: str | None
    status: str | None
    amount_cents: int | None
    currency: str | None
    metadata_event_id: str | None
    metadata_env: str | None
    metadata_refund_id: str | None
    shadow: bool
    idempotency_key: str | None
    failure_code: str | None

    @property
    def payment_intent_id(self) -> PaymentIntentId | None:
        is_intent = self.object_id is not None and self.object_id.startswith("pi_")
        return PaymentIntentId(self.object_id) if is_intent and self.object_id else None


Parsed = StripeEvent | Odd | Invalid


def parse(body: bytes) -> Parsed:
    """Parse a body whose signature was verified."""
    try:
        text = body.decode("utf-8")
        if _depth(text) > DEPTH_MAX:
            return Invalid()
        document = json.loads(
            text, object_pairs_hook=_object, parse_constant=_refuse, parse_int=_integer
        )
    except (ValueError, RecursionError):
        return Invalid()
    if not isinstance(document, dict):
        return Odd("not_an_object")
    if _unstorable(text):
        return Odd("unstorable_text")
    return _event(document)


def _depth(text: str) -> int:
    """The deepest nesting of brackets outside strings, without recursing."""
    depth = deepest = 0
    in_string = escaped = False
    for char in text:
        if in_string:
            if escaped:
                escaped = False
            elif char == "\\":
                escaped = True
            elif char == '"':
                in_string = False
        elif char == '"':
            in_string = True
        elif char in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif char in "]}":
            depth -= 1
    return deepest


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    built = dict(pairs)
    if len(built) != len(pairs):
        raise ValueError("a name occurs twice")
    return built


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _integer(digits: str) -> int:
    if len(digits) > 17 or abs(int(digits)) > INTEGER_MAX:
        raise ValueError("an integer no reader keeps exactly")
    return int(digits)


def _unstorable(text: str) -> bool:
    """Escapes that JSON allows and PostgreSQL's text does not: NUL and lone surrogates."""
    if "\\u" not in text:
        return False
    try:
        json.dumps(json.loads(text), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return "\\u0000" in text


def _event(document: dict[str, Any]) -> StripeEvent | Odd:
    if document.get("object") == "v2.core.event":
        return Odd("thin_event")
    event_id, event_type = document.get("id"), document.get("type")
    if not isinstance(event_id, str) or not event_id.startswith("evt_") or len(event_id) > 255:
        return Odd("no_event_id")
    if not isinstance(event_type, str) or document.get("object") != "event":
        return Odd("not_an_event")
    data = document.get("data")
    thing = data.get("object") if isinstance(data, dict) else None
    if not isinstance(thing, dict):
        return Odd("no_object")
    metadata = thing.get("metadata")
    fields: dict[str, Any] = metadata if isinstance(metadata, dict) else {}
    request = document.get("request")
    return StripeEvent(
        stripe_event_id=StripeEventId(event_id),
        type=event_type,
        kind=_KINDS.get(event_type, Kind.OTHER),
        livemode=document.get("livemode") is not False,
        account=_text(document.get("account")),
        object_id=_text(thing.get("id")),
        status=_text(thing.get("status")),
        amount_cents=thing["amount"] if type(thing.get("amount")) is int else None,
        currency=_text(thing.get("currency")),
        metadata_event_id=_text(fields.get("event_id")),
        metadata_env=_text(fields.get("env")),
        metadata_refund_id=_text(fields.get("refund_id")),
        shadow=fields.get("shadow") == "true",
        idempotency_key=_text(request.get("idempotency_key"))
        if isinstance(request, dict)
        else None,
        failure_code=_failure_code(event_type, thing),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _failure_code(event_type: str, thing: dict[str, Any]) -> str | None:
    """The error code of a failure, the same one the charge call gives."""
    if event_type == "payment_intent.canceled":
        return "payment_intent_canceled"
    error = thing.get("last_payment_error")
    if isinstance(error, dict):
        return _text(error.get("code"))
    return _text(thing.get("failure_reason"))
