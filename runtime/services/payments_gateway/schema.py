"""The gateway's HTTP bodies: what it accepts, and the one shape it answers with."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from runtime.domain import stripe_shape
from runtime.domain.money import AMOUNT_CENTS_MAX
from runtime.domain.outcome import Outcome
from runtime.domain.outcome_document import encode
from runtime.domain.stripe_shape import Document

# What Stripe takes as metadata, and what no header, log or terminal reads as more than text.
Text = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[\x20-\x7E]+$")]
# Strict: pydantic would take "100", 100.0 and true for amounts.
Amount = Annotated[int, Field(strict=True, ge=1, le=AMOUNT_CENTS_MAX)]
# It becomes part of a path at Stripe.
IntentId = Annotated[str, Field(max_length=255, pattern=r"^pi_[A-Za-z0-9_]+$")]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


# Ten digits reach to the year 2286; Stripe refuses what is no time at all.
Moment = Annotated[int, Field(ge=0, le=9_999_999_999, examples=[1_760_000_000])]


# No amount has a default, and none of these a key: it is the event's id, or the caller's.
class ChargeBody(_Request):
    event_id: UUID
    order_id: Text
    tenant_id: Text
    amount_cents: Amount
    currency: Annotated[str, Field(pattern=r"^[a-z]{3}$")]
    payment_method: Text | None = None


class RefundBody(_Request):
    key: Text
    payment_intent_id: IntentId
    amount_cents: Amount
    refund_id: UUID


class CancelBody(_Request):
    event_id: UUID
    payment_intent_id: IntentId


class Window(_Request):
    """Which PaymentIntents to look among: created in this window, Unix seconds."""

    created_gte: Moment
    event_id: Annotated[UUID, Field(examples=["11111111-1111-4111-8111-111111111111"])]
    created_lte: Moment | None = None


class OfIntent(_Request):
    """Whose refunds are asked for."""

    payment_intent_id: Annotated[IntentId, Field(examples=["pi_1"])]


class Created(_Request):
    """Which refunds and disputes of the account: created in this window, Unix seconds."""

    created_gte: Moment
    created_lte: Moment


class OutcomeBody(BaseModel):
    """The answer whenever the gateway worked itself: an outcome, as `outcome_document` writes it.

    Null and false fields are written out: nobody has to know which may be left out.
    """

    # A field of an outcome that this shape does not have must not be lost without a word.
    model_config = ConfigDict(extra="forbid")

    outcome: Literal["settled", "pending", "declined", "parked", "halt", "retry", "unknown"]
    payment_intent_id: str | None = None
    status: str | None = None
    code: str | None = None
    decline_code: str | None = None
    retry_after_seconds: float | None = None
    may_run: bool = False
    unreached: bool = False
    stripe_request_id: str | None = None
    stripe_refund_id: str | None = None
    replayed: bool = False


class Intent(BaseModel):
    """A PaymentIntent as Stripe shows it; null where Stripe does not say what was received."""

    id: str
    status: str
    amount_cents: int
    amount_received_cents: int | None
    currency: str
    code: str | None
    metadata: dict[str, str]


class IntentAnswer(BaseModel):
    """`payment_intent` is null when Stripe does not know the id."""

    payment_intent: Intent | None


class IntentList(BaseModel):
    data: list[Intent]


class RefundShown(BaseModel):
    """A refund as Stripe shows it; `refund_id` is ours, null when somebody else made it."""

    id: str
    status: str
    amount_cents: int
    currency: str
    failure_code: str | None
    refund_id: str | None
    payment_intent_id: str | None
    charge_id: str | None
    reason: str | None


class RefundList(BaseModel):
    data: list[RefundShown]


class DisputeShown(BaseModel):
    """A dispute as Stripe shows it."""

    id: str
    status: str
    amount_cents: int
    currency: str
    payment_intent_id: str | None
    charge_id: str | None
    reason: str | None


class DisputeList(BaseModel):
    data: list[DisputeShown]


class MovedList(BaseModel):
    """What went back in a window, whoever moved it."""

    refunds: list[RefundShown]
    disputes: list[DisputeShown]


def outcome_body(
    outcome: Outcome,
    *,
    replayed: bool = False,
    stripe_request_id: str | None = None,
    stripe_refund_id: str | None = None,
) -> OutcomeBody:
    """The answer that tells an outcome, with what else is known of the call.

    Args:
        replayed: Stripe answered with what it had saved. Beside `unknown` that means the key will
            never say more, whatever the outcome itself holds.
    """
    fields = encode(outcome)
    fields["replayed"] = replayed or fields.get("replayed", False)
    fields["stripe_request_id"] = stripe_request_id
    fields["stripe_refund_id"] = stripe_refund_id
    return OutcomeBody.model_validate(fields)


def intent_shown(document: Document) -> Intent | None:
    """A PaymentIntent reduced to what a reconciler decides on; None when it cannot be read."""
    shown = stripe_shape.intent_of(document)
    if shown is None:
        return None
    return Intent(
        id=shown.payment_intent_id,
        status=shown.status,
        amount_cents=shown.amount_cents,
        amount_received_cents=shown.amount_received_cents,
        currency=shown.currency,
        code=shown.code,
        metadata=dict(shown.metadata),
    )


def refund_shown(document: Document) -> RefundShown | None:
    """A refund reduced to what a reconciler decides on; None when it cannot be read."""
    shown = stripe_shape.refund_of(document)
    if shown is None:
        return None
    return RefundShown(
        id=shown.stripe_refund_id,
        # Stripe documents it as nullable; a refund without a word has not ended.
        status=shown.status or "pending",
        amount_cents=shown.amount_cents,
        currency=shown.currency,
        failure_code=shown.failure_code,
        refund_id=shown.metadata.get("refund_id"),
        payment_intent_id=shown.payment_intent_id,
        charge_id=shown.charge_id,
        reason=shown.reason,
    )


def dispute_shown(document: Document) -> DisputeShown | None:
    """A dispute reduced to what a reconciler decides on; None when it cannot be read."""
    shown = stripe_shape.dispute_of(document)
    if shown is None:
        return None
    return DisputeShown(
        id=shown.stripe_dispute_id,
        status=shown.status,
        amount_cents=shown.amount_cents,
        currency=shown.currency,
        payment_intent_id=shown.payment_intent_id,
        charge_id=shown.charge_id,
        reason=shown.reason,
    )
