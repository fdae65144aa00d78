"""What each route asks of Stripe, and how the answer is told.

The idempotency key always comes from the caller, who stored it before asking; nothing here
generates one.
"""

from __future__ import annotations

from dataclasses import dataclass

import stripe
from fastapi import Response

from runtime import config
from runtime.adapters.stripe_gateway import Call, Charge, ListTooLongError, StripeGateway
from runtime.domain import stripe_answers
from runtime.domain.money import Money
from runtime.domain.outcome import Outcome
from runtime.domain.shadow import V1Outcome
from runtime.services.payments_gateway import shadow
from runtime.services.payments_gateway.edge import GatewayProblem
from runtime.services.payments_gateway.journal import Journal
from runtime.services.payments_gateway.schema import (
    CancelBody,
    ChargeBody,
    Intent,
    IntentAnswer,
    OutcomeBody,
    RefundBody,
    RefundList,
    intent_of,
    outcome_body,
    refund_of,
)


@dataclass(slots=True)
class Gateway:
    """What the routes share."""

    stripe: StripeGateway
    journal: Journal
    settings: config.GatewayConfig
    environment: str


def charge(
    gateway: Gateway, body: ChargeBody, v1: V1Outcome | None, response: Response
) -> OutcomeBody:
    """Create and confirm the payment's PaymentIntent; in shadow mode, answer with v1's outcome."""
    # The mode is the process's, not the request's: nobody can ask for a charge of the other kind.
    if not gateway.settings.shadow:
        call, outcome = _send_charge(gateway, body)
        return _answer(call, outcome, response)
    outcome = shadow.charge(gateway.journal, body.event_id, v1, lambda: _send_charge(gateway, body))
    return outcome_body(outcome)


def _send_charge(gateway: Gateway, body: ChargeBody) -> tuple[Call, Outcome]:
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
    return gateway.journal.call(
        "shadow_charge" if gateway.settings.shadow else "charge",
        key=charge.key,
        event_id=body.event_id,
        payment_intent_id=None,
        send=lambda: gateway.stripe.charge(charge),
        classify=stripe_answers.outcome_of_charge,
    )


def refund(gateway: Gateway, body: RefundBody, response: Response) -> OutcomeBody:
    """Give an amount back under the caller's key."""
    if gateway.settings.shadow:
        raise shadow.waiting()
    metadata = {"refund_id": str(body.refund_id), "env": gateway.environment}
    call, outcome = gateway.journal.call(
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
        classify=stripe_answers.outcome_of_refund,
    )
    return _answer(call, outcome, response)


def cancel(gateway: Gateway, body: CancelBody, response: Response) -> OutcomeBody:
    """Cancel a PaymentIntent that has not moved money."""
    if gateway.settings.shadow:
        raise shadow.waiting()
    # Derived, not drawn: a repeated cancellation is the same request to Stripe.
    key = f"{body.event_id}:cancel"
    call, outcome = gateway.journal.call(
        "cancel",
        key=key,
        event_id=body.event_id,
        payment_intent_id=body.payment_intent_id,
        send=lambda: gateway.stripe.cancel(body.payment_intent_id, key=key),
        classify=stripe_answers.outcome_of_charge,
    )
    return _answer(call, outcome, response)


def _answer(call: Call, outcome: Outcome, response: Response) -> OutcomeBody:
    """The answer body; Stripe's own status is mirrored in a header for those who log it."""
    if call.answer.http_status is not None:
        response.headers["X-Stripe-Status"] = str(call.answer.http_status)
    # A PaymentIntent has an id too, and it is none of a refund.
    refund = call.stripe_object if call.stripe_object.get("object") == "refund" else {}
    return outcome_body(
        outcome,
        replayed=call.answer.replayed,
        stripe_request_id=call.request_id,
        stripe_refund_id=refund.get("id"),
    )


def retrieve(gateway: Gateway, payment_intent_id: str) -> IntentAnswer:
    """One PaymentIntent as it is now."""
    call = gateway.stripe.retrieve(payment_intent_id)
    # Only Stripe's own word that the id is unknown is an absence; any other 404 may be a proxy's.
    if call.answer.http_status == 404 and call.answer.error_code == "resource_missing":
        return IntentAnswer(payment_intent=None)
    if call.stripe_object.get("object") != "payment_intent":
        raise GatewayProblem("stripe_unavailable")
    return IntentAnswer(payment_intent=intent_of(dict(call.stripe_object)))


def find(
    gateway: Gateway, created_gte: int, created_lte: int | None, event_id: str
) -> list[Intent]:
    """A payment's own PaymentIntents in a creation window; a shadow's took nobody's money."""
    try:
        return [
            intent_of(dict(body))
            # The whole window, or an error: absence from half a list would prove nothing.
            for body in gateway.stripe.list_created(created_gte, created_lte)
            if _is_of((body.get("metadata") or {}), event_id)
        ]
    except (stripe.StripeError, ListTooLongError) as error:
        raise GatewayProblem("stripe_unavailable") from error


def find_refunds(gateway: Gateway, payment_intent_id: str) -> RefundList:
    """Every refund of a PaymentIntent."""
    try:
        found = [dict(body) for body in gateway.stripe.list_refunds(payment_intent_id)]
    except stripe.StripeError as error:
        if error.code != "resource_missing":
            raise GatewayProblem("stripe_unavailable") from error
        # A PaymentIntent that Stripe does not know has no refunds.
        found = []
    return RefundList(data=[refund_of(body) for body in found])


def _is_of(metadata: dict[str, str], event_id: str) -> bool:
    # By metadata and not by search, which lags behind what was just created.
    return metadata.get("event_id") == event_id and metadata.get("shadow") != "true"
