"""What each route asks of Stripe, and how the answer is told.

The idempotency key always comes from the caller, who stored it before asking; nothing here
generates one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from runtime import config
from runtime.adapters.stripe_gateway import (
    Charge,
    ListTooLongError,
    StripeGateway,
    UnreadableListError,
)
from runtime.domain import stripe_answers, stripe_shape
from runtime.domain.money import Money
from runtime.domain.shadow import V1Outcome
from runtime.domain.stripe_answers import AskedCharge, AskedRefund
from runtime.domain.stripe_shape import Document, Refusal, Shown
from runtime.services.payments_gateway import shadow
from runtime.services.payments_gateway.edge import GatewayProblem
from runtime.services.payments_gateway.journal import Call, Journal
from runtime.services.payments_gateway.schema import (
    CancelBody,
    ChargeBody,
    DisputeList,
    Intent,
    IntentAnswer,
    MovedList,
    OutcomeBody,
    RefundBody,
    RefundList,
    dispute_shown,
    intent_shown,
    outcome_body,
    refund_shown,
)


@dataclass(frozen=True, slots=True)
class CallAnswer:
    """What a caller is told of a call: the outcome, and Stripe's own status for those who log it.

    Attributes:
        stripe_status: HTTP's; None where Stripe gave none.
    """

    outcome: OutcomeBody
    stripe_status: int | None = None


@dataclass(slots=True)
class Gateway:
    """What the routes share."""

    stripe: StripeGateway
    journal: Journal
    settings: config.GatewayConfig
    environment: str


def charge(gateway: Gateway, body: ChargeBody, v1: V1Outcome | None) -> CallAnswer:
    """Create and confirm the payment's PaymentIntent; in shadow mode, answer with v1's outcome."""
    # The mode is the process's, not the request's: nobody can ask for a charge of the other kind.
    if not gateway.settings.shadow:
        return _answer(_send_charge(gateway, body))
    outcome = shadow.charge(gateway.journal, body.event_id, v1, lambda: _send_charge(gateway, body))
    return CallAnswer(outcome_body(outcome))


def _send_charge(gateway: Gateway, body: ChargeBody) -> Call:
    method = body.payment_method or gateway.settings.default_payment_method
    metadata = {
        # What lets a reconciler, and the judge, find the charge again without its id.
        "event_id": str(body.event_id),
        "order_id": body.order_id,
        "tenant_id": body.tenant_id,
        "env": gateway.environment,
    }
    if gateway.settings.shadow:
        # The judge counts by this: a shadow's PaymentIntent is no second charge of its order.
        metadata["shadow"] = "true"
    charge = Charge(
        # One key per order, for ever. A second one could be a second charge.
        key=str(body.event_id),
        money=Money(body.amount_cents, body.currency),
        payment_method=method,
        payment_method_type=stripe_answers.payment_method_type(method),
        metadata=metadata,
    )
    asked = AskedCharge(charge.money, metadata)
    return gateway.journal.call(
        "shadow_charge" if gateway.settings.shadow else "charge",
        key=charge.key,
        event_id=body.event_id,
        payment_intent_id=None,
        send=lambda: gateway.stripe.charge(charge),
        classify=lambda answer: stripe_answers.outcome_of_charge(answer, asked),
    )


def refund(gateway: Gateway, body: RefundBody) -> CallAnswer:
    """Give an amount back under the caller's key."""
    if gateway.settings.shadow:
        raise shadow.waiting()
    metadata = {"refund_id": str(body.refund_id), "env": gateway.environment}
    asked = AskedRefund(body.payment_intent_id, body.amount_cents, metadata)
    call = gateway.journal.call(
        "refund",
        key=body.key,
        event_id=None,
        payment_intent_id=body.payment_intent_id,
        send=lambda: gateway.stripe.refund(
            body.payment_intent_id,
            key=body.key,
            amount_cents=body.amount_cents,
            metadata=metadata,
        ),
        classify=lambda answer: stripe_answers.outcome_of_refund(answer, asked),
    )
    return _answer(call)


def cancel(gateway: Gateway, body: CancelBody) -> CallAnswer:
    """Cancel a PaymentIntent that has not moved money."""
    if gateway.settings.shadow:
        raise shadow.waiting()
    # Derived, not drawn: a repeated cancellation is the same request to Stripe.
    key = f"{body.event_id}:cancel"
    call = gateway.journal.call(
        "cancel",
        key=key,
        event_id=body.event_id,
        payment_intent_id=body.payment_intent_id,
        send=lambda: gateway.stripe.cancel(body.payment_intent_id, key=key),
        classify=lambda answer: stripe_answers.outcome_of_cancel(answer, body.payment_intent_id),
    )
    return _answer(call)


def _answer(call: Call) -> CallAnswer:
    shown = call.answer.document if isinstance(call.answer, Shown) else {}
    # A PaymentIntent has an id too, and it is none of a refund.
    is_refund = stripe_shape.is_of_kind(shown, "refund")
    outcome = outcome_body(
        call.outcome,
        replayed=call.replayed,
        stripe_request_id=call.request_id,
        stripe_refund_id=shown["id"] if is_refund else None,
    )
    return CallAnswer(outcome, call.http_status if call.is_stripes else None)


def retrieve(gateway: Gateway, payment_intent_id: str) -> IntentAnswer:
    """One PaymentIntent as it is now."""
    answer = gateway.stripe.retrieve(payment_intent_id)
    gateway.journal.heard(answer)
    # Only Stripe's own word that the id is unknown is an absence; any other 404 may be a proxy's.
    if isinstance(answer, Refusal) and _is_missing(answer):
        return IntentAnswer(payment_intent=None)
    shown = intent_shown(answer.document) if isinstance(answer, Shown) else None
    if shown is None or shown.id != payment_intent_id:
        raise GatewayProblem("stripe_unavailable")
    return IntentAnswer(payment_intent=shown)


def find(
    gateway: Gateway, created_gte: int, created_lte: int | None, event_id: str
) -> list[Intent]:
    """A payment's own PaymentIntents in a creation window; a shadow's took nobody's money."""
    # The whole window, or an error: absence from half a list would prove nothing.
    listed = gateway.stripe.list_created(created_gte, created_lte)
    ours = [
        intent_shown(document)
        for document in _whole(gateway, listed)
        if _is_of(stripe_shape.metadata_of(document), event_id)
    ]
    # What is ours and cannot be read is there all the same.
    if None in ours:
        raise GatewayProblem("stripe_unavailable")
    return [intent for intent in ours if intent is not None]


def find_refunds(gateway: Gateway, payment_intent_id: str) -> RefundList:
    """Every refund of a PaymentIntent."""
    listed = gateway.stripe.list_refunds(payment_intent_id)
    # What is of another PaymentIntent was not asked for: a stand-in for Stripe that ignores the
    # question shows refunds that gave nothing back of this one.
    found = [
        refund_shown(document)
        for document in _whole(gateway, listed, missing_is_empty=True)
        if document.get("payment_intent") == payment_intent_id
    ]
    if None in found:
        raise GatewayProblem("stripe_unavailable")
    return RefundList(data=[refund for refund in found if refund is not None])


def find_disputes(gateway: Gateway, payment_intent_id: str) -> DisputeList:
    """Every dispute of a PaymentIntent."""
    listed = gateway.stripe.list_disputes(payment_intent_id)
    found = [
        dispute_shown(document)
        for document in _whole(gateway, listed, missing_is_empty=True)
        if document.get("payment_intent") == payment_intent_id
    ]
    if None in found:
        raise GatewayProblem("stripe_unavailable")
    return DisputeList(data=[dispute for dispute in found if dispute is not None])


def find_moved(gateway: Gateway, created_gte: int, created_lte: int) -> MovedList:
    """What of the whole account went back in a window.

    It is for finding what nobody told of, and proves nothing of a payment: what cannot be read here
    is left out, and others may use the account, too.
    """
    refunds, disputes = (
        _whole(gateway, gateway.stripe.list_moved(kind, created_gte, created_lte))
        for kind in ("refund", "dispute")
    )
    return MovedList(
        refunds=[shown for shown in map(refund_shown, refunds) if shown is not None],
        disputes=[shown for shown in map(dispute_shown, disputes) if shown is not None],
    )


def _whole(
    gateway: Gateway, listed: Iterable[Document], *, missing_is_empty: bool = False
) -> list[Document]:
    """A list read to its end.

    Args:
        missing_is_empty: a PaymentIntent that Stripe does not know has no refunds.

    Raises:
        GatewayProblem: a page could not be read, or there are too many of them.
    """
    try:
        return list(listed)
    except UnreadableListError as error:
        gateway.journal.heard(error.answer)
        if missing_is_empty and isinstance(error.answer, Refusal) and _is_missing(error.answer):
            return []
        raise GatewayProblem("stripe_unavailable") from error
    except ListTooLongError as error:
        raise GatewayProblem("stripe_unavailable") from error


def _is_missing(refusal: Refusal) -> bool:
    return refusal.http_status == 404 and refusal.code == "resource_missing"


def _is_of(metadata: Mapping[str, str], event_id: str) -> bool:
    # By metadata and not by search, which lags behind what was just created.
    return metadata.get("event_id") == event_id and metadata.get("shadow") != "true"
