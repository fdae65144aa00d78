"""A signed webhook body as a Stripe event, parsed strictly, pure.

Three answers: an event; a body that is odd but signed, which is quarantined because refusing it
would only make Stripe send it for three days; and a body that is not JSON at all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

from runtime.domain import strict_json
from runtime.domain.money import Money, read_money
from runtime.domain.names import PaymentIntentId, StripeEventId
from runtime.domain.stripe_shape import INTENT_STATUSES_OPEN

DEPTH_MAX: Final = 32

OLDEST_API_VERSION: Final = "2019-02-11"
"""Before it a PaymentIntent's statuses had other names.

Source: Stripe API changelog, 2019-02-11.
"""
_API_VERSION: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:\.[a-z_]+)?")


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
    # A charge's own word on how much of it has gone back.
    CHARGE = auto()
    DISPUTE = auto()
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
    "charge.refunded": Kind.CHARGE,
    "charge.dispute.created": Kind.DISPUTE,
    "charge.dispute.updated": Kind.DISPUTE,
    "charge.dispute.closed": Kind.DISPUTE,
    "charge.dispute.funds_withdrawn": Kind.DISPUTE,
    "charge.dispute.funds_reinstated": Kind.DISPUTE,
}
_OBJECT_OF_KIND: Final = {
    Kind.REFUND: "refund",
    Kind.CHARGE: "charge",
    Kind.DISPUTE: "dispute",
}

# The states a PaymentIntent can be in when Stripe tells this of it. After a failure it can be paid
# with another card; what is being paid, or is paid, has not failed, whatever the event is called.
_FITTING: Final = {
    "payment_intent.succeeded": frozenset({"succeeded"}),
    "payment_intent.payment_failed": frozenset({"requires_payment_method", "canceled"}),
    "payment_intent.canceled": frozenset({"canceled"}),
    "payment_intent.processing": INTENT_STATUSES_OPEN,
    "payment_intent.requires_action": INTENT_STATUSES_OPEN,
}


@dataclass(frozen=True, slots=True)
class StripeEvent:
    """The part of an event that decisions look at; fields of other object kinds are None.

    Attributes:
        livemode: live money, or no word on it, in the event or in its object.
        amount_cents: the object's amount, also where no `money` can be read from it.
        amount_received_cents: what of it has arrived; None where that is not said.
        amount_refunded_cents: what of a charge has gone back, whoever gave it.
        of_intent: the PaymentIntent that a refund, a charge or a dispute belongs to.
        created_seconds: when it happened, Stripe's clock in Unix seconds.
    """

    stripe_event_id: StripeEventId
    type: str
    kind: Kind
    livemode: bool
    account: str | None
    object_id: str | None
    status: str | None
    money: Money | None
    metadata_event_id: str | None
    metadata_env: str | None
    metadata_refund_id: str | None
    shadow: bool
    idempotency_key: str | None
    failure_code: str | None
    api_version: str | None = None
    object_kind: str | None = None
    amount_cents: int | None = None
    amount_received_cents: int | None = None
    amount_refunded_cents: int | None = None
    of_intent: PaymentIntentId | None = None
    charge_id: str | None = None
    reason: str | None = None
    created_seconds: int | None = None

    @property
    def shows_its_object(self) -> bool:
        """Whether its object is of the kind that Stripe tells this of, with an id."""
        wanted = _OBJECT_OF_KIND.get(self.kind)
        return self.object_id is not None and self.object_kind == wanted

    @property
    def is_of_a_known_version(self) -> bool:
        """Whether the object is written in words we read; an event need not name its version."""
        version = self.api_version
        return version is None or (
            _API_VERSION.fullmatch(version) is not None and version[:10] >= OLDEST_API_VERSION
        )

    @property
    def status_fits(self) -> bool:
        """Whether the object is in a state in which Stripe tells this of a PaymentIntent."""
        return self.status in _FITTING.get(self.type, ())

    @property
    def payment_intent_id(self) -> PaymentIntentId | None:
        if self.object_kind != "payment_intent" or self.object_id is None:
            return None
        return PaymentIntentId(self.object_id) if self.object_id.startswith("pi_") else None


Parsed = StripeEvent | Odd | Invalid


def parse(body: bytes) -> Parsed:
    """Parse a body whose signature was verified."""
    try:
        document = strict_json.parse(body, depth_max=DEPTH_MAX)
    except strict_json.NotStrictError:
        return Invalid()
    if not isinstance(document, dict):
        return Odd("not_an_object")
    if not strict_json.is_storable(document):
        return Odd("unstorable_text")
    return _event(document)


def _event(document: dict[str, Any]) -> StripeEvent | Odd:
    # Thin events name an object without showing it; we decide on what was signed.
    if document.get("object") == "v2.core.event":
        return Odd("thin_event")
    event_id, event_type = document.get("id"), document.get("type")
    # Bounded, because it becomes a primary key.
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
        # Missing counts as live: what does not say that it is a test is not believed. An object
        # need not say it again, but must not say otherwise.
        livemode=document.get("livemode") is not False or thing.get("livemode", False) is not False,
        account=_text(document.get("account")),
        object_id=_text(thing.get("id")),
        status=_text(thing.get("status")),
        money=read_money(thing.get("amount"), thing.get("currency")),
        metadata_event_id=_text(fields.get("event_id")),
        metadata_env=_text(fields.get("env")),
        metadata_refund_id=_text(fields.get("refund_id")),
        shadow=fields.get("shadow") == "true",
        idempotency_key=_text(request.get("idempotency_key"))
        if isinstance(request, dict)
        else None,
        failure_code=_failure_code(event_type, thing),
        api_version=_version(document.get("api_version")),
        object_kind=_text(thing.get("object")),
        amount_cents=_integer(thing.get("amount")),
        amount_received_cents=_integer(thing.get("amount_received")),
        amount_refunded_cents=_integer(thing.get("amount_refunded")),
        of_intent=_intent_id(thing.get("payment_intent")),
        charge_id=_bounded(thing.get("charge")),
        reason=_bounded(thing.get("reason")),
        created_seconds=_seconds(document.get("created")),
    )


def _version(value: object) -> str | None:
    """The version's text; one that is no text is no version we know."""
    return value if isinstance(value, str) or value is None else ""


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _bounded(value: object) -> str | None:
    return value if isinstance(value, str) and len(value) <= 255 else None


def _intent_id(value: object) -> PaymentIntentId | None:
    text = _bounded(value)
    return PaymentIntentId(text) if text is not None and text.startswith("pi_") else None


def _seconds(value: object) -> int | None:
    number = _integer(value)
    # Ten digits reach to the year 2286.
    return number if number is not None and 0 <= number <= 9_999_999_999 else None


def _integer(value: object) -> int | None:
    # True is an int to Python, and nobody's amount.
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _failure_code(event_type: str, thing: dict[str, Any]) -> str | None:
    """The error code of a failure, the same one the charge call gives."""
    # It may still carry the error of an earlier try, which is not why it ended.
    if event_type == "payment_intent.canceled":
        return "payment_intent_canceled"
    error = thing.get("last_payment_error")
    if isinstance(error, dict):
        return _text(error.get("code"))
    return _text(thing.get("failure_reason"))
