"""Whose answer it is that came from Stripe's address, and what Stripe's own says; pure.

A proxy, a load balancer or another program may answer in Stripe's place, before or after it has
passed the request on. What such an answer calls itself, its status number included, says nothing
of our money. So an answer is read only if it carries a mark that Stripe alone sets, and has the
shape that Stripe documents; any other is `NotStripes`, whatever its number.

Source:
    Stripe API reference, "Errors", "Request IDs", "Pagination". A 401 about our key comes without
    a request id and with the challenge `Bearer realm="Stripe"` (stripe/stripe-node, issue 950).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from runtime.domain import strict_json
from runtime.domain.names import PaymentIntentId
from runtime.domain.outcome_document import seconds_of_header

Document = Mapping[str, Any]

DEPTH_MAX: Final = 32

ERROR_STATUSES: Final = frozenset({400, 401, 402, 403, 404, 409, 429, *range(500, 600)})
"""What Stripe documents for an answer that is an error; 5xx stands for all of them."""

ERROR_TYPES: Final = frozenset(
    {"api_error", "card_error", "idempotency_error", "invalid_request_error"}
)

_REQUEST_ID: Final = re.compile(r"req_[A-Za-z0-9_]{1,250}")
_CHALLENGE: Final = 'Bearer realm="Stripe"'
_INTENT_ID: Final = re.compile(r"pi_[A-Za-z0-9_]{1,250}")
# `pyr_` is what Stripe calls the refund of a bank debit.
_REFUND_ID: Final = re.compile(r"(?:re|pyr)_[A-Za-z0-9_]{1,250}")
_CURRENCY: Final = re.compile(r"[a-z]{3}")
# `du_` is what new disputes have, `dp_` what the older ones do.
_DISPUTE_ID: Final = re.compile(r"(?:du|dp)_[A-Za-z0-9_]{1,250}")
_ID_OF_KIND: Final = {
    "payment_intent": _INTENT_ID,
    "refund": _REFUND_ID,
    "dispute": _DISPUTE_ID,
}

INTENT_STATUSES_OPEN: Final = frozenset(
    {
        "processing",
        "requires_payment_method",
        "requires_confirmation",
        "requires_action",
        "requires_capture",
    }
)
"""PaymentIntent states that are neither money moved nor an end."""
INTENT_STATUSES: Final = INTENT_STATUSES_OPEN | {"succeeded", "canceled"}


# --- answers --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Received:
    """An answer as it came, of whoever gave it.

    Attributes:
        headers: by their names in lower case.
    """

    http_status: int
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """No status line came back.

    Attributes:
        sent: False only when the connection was refused before a byte left.
    """

    sent: bool


@dataclass(frozen=True, slots=True)
class NotStripes:
    """Somebody answered, and nothing shows that it was Stripe; `why` says what is missing."""

    http_status: int
    why: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error of Stripe's own.

    Attributes:
        param: the parameter of our request that it blames; None when it blames none.
        payment_intent: the PaymentIntent a declined charge left behind, as Stripe shows it.
        replayed: the header Idempotent-Replayed was true.
    """

    http_status: int
    request_id: str | None
    type: str
    code: str | None = None
    param: str | None = None
    decline_code: str | None = None
    payment_intent: Document | None = None
    retry_after_seconds: float | None = None
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """A success of Stripe's own: the object it shows, of whatever kind."""

    request_id: str
    document: Document
    replayed: bool = False


Answer = NoAnswer | NotStripes | Refusal | Shown


def read(received: Received) -> NotStripes | Refusal | Shown:
    """Tell whose an answer is and take it apart."""
    status = received.http_status

    def foreign(why: str) -> NotStripes:
        return NotStripes(status, why)

    request_id = received.headers.get("request-id")
    if request_id is not None and not _REQUEST_ID.fullmatch(request_id):
        return foreign("its Request-Id is none of Stripe's")
    challenged = status == 401 and received.headers.get("www-authenticate") == _CHALLENGE
    if request_id is None and not challenged:
        return foreign("it has no Request-Id")
    media_type = received.headers.get("content-type", "").partition(";")[0]
    if media_type.strip().lower() != "application/json":
        return foreign("it is not application/json")
    try:
        document = strict_json.parse(received.body.encode(), depth_max=DEPTH_MAX)
    except (strict_json.NotStrictError, UnicodeEncodeError):
        return foreign("its body is not JSON")
    if not isinstance(document, dict):
        return foreign("its body is no object")
    replayed = received.headers.get("idempotent-replayed") == "true"
    # 200 alone: Stripe has no other success, and part of an answer (206) is none.
    if status == 200 and request_id is not None:
        is_object = isinstance(document.get("object"), str) and "error" not in document
        return Shown(request_id, document, replayed) if is_object else foreign("it shows no object")
    if status not in ERROR_STATUSES:
        return foreign("Stripe has no such status")
    refusal = _refusal(received, document.get("error"), request_id, replayed)
    return refusal or foreign("its error is none of Stripe's")


def _refusal(
    received: Received, error: object, request_id: str | None, replayed: bool
) -> Refusal | None:
    if not isinstance(error, dict) or not _is_one_of(error.get("type"), ERROR_TYPES):
        return None
    words = [error.get(name) for name in ("code", "param", "decline_code")]
    intent = error.get("payment_intent")
    if not all(word is None or isinstance(word, str) for word in words):
        return None
    if not (intent is None or isinstance(intent, dict)):
        return None
    code, param, decline_code = words
    return Refusal(
        received.http_status,
        request_id,
        error["type"],
        code,
        param,
        decline_code,
        intent,
        seconds_of_header(received.headers.get("retry-after")),
        replayed,
    )


# --- objects --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ShownIntent:
    """What decisions look at in a PaymentIntent of ours.

    Attributes:
        amount_received_cents: None where Stripe does not say, which is never in an answer of
            today; what is not said was not received.
        code: why the last try failed; one that may be confirmed again keeps it.
    """

    payment_intent_id: PaymentIntentId
    status: str
    amount_cents: int
    currency: str
    amount_received_cents: int | None
    code: str | None
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ShownRefund:
    """What decisions look at in a refund; `payment_intent_id` is None for a charge without one.

    Attributes:
        status: None where Stripe gives none, which it documents: such a refund has not ended.
    """

    stripe_refund_id: str
    status: str | None
    amount_cents: int
    currency: str
    payment_intent_id: PaymentIntentId | None
    failure_code: str | None
    metadata: Mapping[str, str]
    charge_id: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ShownDispute:
    """What decisions look at in a dispute."""

    stripe_dispute_id: str
    status: str
    amount_cents: int
    currency: str
    payment_intent_id: PaymentIntentId | None
    charge_id: str | None
    reason: str | None


def intent_of(document: Document | None) -> ShownIntent | None:
    """A PaymentIntent as Stripe shows it; None for anything else, and for one of live money."""
    if document is None or not is_of_kind(document, "payment_intent"):
        return None
    received, error = document.get("amount_received"), document.get("last_payment_error")
    code = error.get("code") if isinstance(error, dict) else None
    metadata = _metadata(document)
    if (
        not _is_one_of(document.get("status"), INTENT_STATUSES)
        or not _is_amount(document.get("amount"))
        or not _is_currency(document.get("currency"))
        or not (received is None or _is_amount(received))
        or not (code is None or isinstance(code, str))
        or metadata is None
        # Test keys and live money must never meet; what does not say is not believed.
        or document.get("livemode") is not False
    ):
        return None
    return ShownIntent(
        PaymentIntentId(document["id"]),
        document["status"],
        document["amount"],
        document["currency"],
        received,
        code,
        metadata,
    )


def refund_of(document: Document) -> ShownRefund | None:
    """A refund as Stripe shows it; None for anything else. Its status may be a new word."""
    if not is_of_kind(document, "refund"):
        return None
    status, intent = document.get("status"), document.get("payment_intent")
    failure_code, metadata = document.get("failure_reason"), _metadata(document)
    if (
        not all(word is None or isinstance(word, str) for word in (status, failure_code))
        or not _is_amount(document.get("amount"))
        or not _is_currency(document.get("currency"))
        or not (intent is None or (isinstance(intent, str) and _INTENT_ID.fullmatch(intent)))
        or metadata is None
    ):
        return None
    return ShownRefund(
        document["id"],
        status,
        document["amount"],
        document["currency"],
        PaymentIntentId(intent) if intent is not None else None,
        failure_code,
        metadata,
        _short_text(document.get("charge")),
        _short_text(document.get("reason")),
    )


def dispute_of(document: Document) -> ShownDispute | None:
    """A dispute as Stripe shows it; None for anything else. Its status may be a new word."""
    if not is_of_kind(document, "dispute"):
        return None
    status, intent = _short_text(document.get("status")), document.get("payment_intent")
    if (
        not status
        or not _is_amount(document.get("amount"))
        or not _is_currency(document.get("currency"))
        or not (intent is None or (isinstance(intent, str) and _INTENT_ID.fullmatch(intent)))
    ):
        return None
    return ShownDispute(
        document["id"],
        status,
        document["amount"],
        document["currency"],
        PaymentIntentId(intent) if intent is not None else None,
        _short_text(document.get("charge")),
        _short_text(document.get("reason")),
    )


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list, newest first."""

    documents: tuple[Document, ...]
    has_more: bool


def page_of(answer: Answer, kind: str) -> Page | None:
    """A page of objects of one kind; None for anything that does not prove what Stripe holds."""
    if not isinstance(answer, Shown) or answer.document["object"] != "list":
        return None
    data, has_more = answer.document.get("data"), answer.document.get("has_more")
    if not isinstance(data, list) or not isinstance(has_more, bool):
        return None
    if not all(isinstance(entry, dict) and is_of_kind(entry, kind) for entry in data):
        return None
    # More of a list that shows nothing: there would be no place to go on from.
    return None if has_more and not data else Page(tuple(data), has_more)


def is_of_kind(document: Document, kind: str) -> bool:
    """Whether it calls itself one of these and has the id of one."""
    named = document.get("id")
    if document.get("object") != kind or not isinstance(named, str):
        return False
    return _ID_OF_KIND[kind].fullmatch(named) is not None


def metadata_of(document: Document) -> Mapping[str, str]:
    """Its metadata; empty when it has none that can be read."""
    return _metadata(document) or {}


def _metadata(document: Document) -> Mapping[str, str] | None:
    metadata = document.get("metadata")
    if metadata is None:
        return {}
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        return None
    return metadata


def _short_text(value: object) -> str | None:
    """For people and look-ups: one that is none costs a hint."""
    return value if isinstance(value, str) and len(value) <= 255 else None


def _is_one_of(value: object, words: frozenset[str]) -> bool:
    return isinstance(value, str) and value in words


def _is_amount(value: object) -> bool:
    # True is an int to Python, and nobody's amount.
    return type(value) is int and value >= 0


def _is_currency(value: object) -> bool:
    return isinstance(value, str) and _CURRENCY.fullmatch(value) is not None
