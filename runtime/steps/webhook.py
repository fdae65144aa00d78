"""What a stored Stripe event does to our payment; shared by the receiver and the reconciler.

An event is ours when its metadata names a payments row, and its PaymentIntent is that row's or,
while the row knows none, was moved under a key of ours. It is believed when its object agrees:
the money, all of it received, and a status that fits the event's name. It then goes through the
same compare-and-set as the worker's answer, so the webhook may win the
race. An event about a row that is not there yet is early and kept;
one that contradicts a row is quarantined.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from uuid import UUID

import psycopg
from psycopg import Connection

from runtime.adapters.store import payments, refunds, shadow
from runtime.adapters.store.payments import Cause, PaymentRow
from runtime.domain.money import Money
from runtime.domain.payment import ORDER_CANCELLED, WEBHOOK_TIMEOUT
from runtime.domain.payment_events import (
    Event,
    Refused,
    SeenFailed,
    SeenOpen,
    SeenSucceeded,
)
from runtime.domain.refund import RefundSeen
from runtime.domain.shadow import DECLINED, SETTLED
from runtime.domain.stripe_answers import not_received
from runtime.domain.stripe_event import Kind, StripeEvent
from runtime.steps import payment, refund


@dataclass(frozen=True, slots=True)
class Done:
    """The event has had its effect, or has none; `what` is for the log."""

    what: str


@dataclass(frozen=True, slots=True)
class Early:
    """The payment it speaks of is not here yet."""

    event_id: UUID | None


@dataclass(frozen=True, slots=True)
class Quarantined:
    """It contradicts what we know; `reason` is a fixed word."""

    reason: str


WebhookEffect = Done | Early | Quarantined


def apply(
    conn: Connection, event: StripeEvent, *, environment: str, rng: random.Random
) -> WebhookEffect:
    """Apply an event in the caller's transaction."""
    # Refused before anything is looked up: test keys and live money must never meet.
    if event.livemode:
        return Quarantined("livemode")
    # A connected account's event: its objects are not of this ledger.
    if event.account is not None:
        return Quarantined("other_account")
    if not event.is_of_a_known_version:
        return Quarantined("api_version")
    # Before the kinds: a shadow's own PaymentIntent carries a payment's ids and must not move it.
    if event.shadow:
        _note_shadow(conn, event)
        return Done("shadow")
    match event.kind:
        case Kind.OTHER:
            return Done("ignored")
        case Kind.REFUND:
            return _apply_refund(conn, event, rng)
        case Kind.SUCCEEDED | Kind.FAILED | Kind.OPEN:
            return _apply_intent(conn, event, environment, rng)


def _note_shadow(conn: Connection, event: StripeEvent) -> None:
    """The late end of a shadow's own PaymentIntent is compared, and moves no payment."""
    root = _uuid(event.metadata_event_id)
    if root is None or event.kind not in (Kind.SUCCEEDED, Kind.FAILED):
        return
    settled = event.kind is Kind.SUCCEEDED
    shadow.record_v2(
        conn,
        root,
        outcome=SETTLED if settled else DECLINED,
        code=None if settled else event.failure_code,
        payment_intent_id=event.object_id,
        request_id=None,
    )


def apply_safely(
    conn: Connection, event: StripeEvent, *, environment: str, rng: random.Random
) -> WebhookEffect:
    """Apply an event inside a savepoint: one that contradicts a constraint is quarantined.

    Without it such an event would be refused with a 500, or stop the reconciler, for ever.
    """
    try:
        with conn.transaction():
            return apply(conn, event, environment=environment, rng=rng)
    except psycopg.IntegrityError as error:
        return Quarantined(f"contradicts {error.diag.constraint_name or 'a constraint'}")


def _apply_intent(
    conn: Connection, event: StripeEvent, environment: str, rng: random.Random
) -> WebhookEffect:
    intent = event.payment_intent_id
    root = _uuid(event.metadata_event_id)
    if intent is None or root is None:
        return Quarantined("not_ours")
    # Two environments may share one Stripe account, and both endpoints hear of every event.
    if event.metadata_env is not None and event.metadata_env != environment:
        return Quarantined("other_environment")
    row = payments.lock(conn, root)
    if row is None:
        return Early(root)
    contradiction = disagreement(row, event)
    if contradiction is not None:
        return Quarantined(contradiction)
    seen: Event
    if event.kind is Kind.SUCCEEDED:
        seen = SeenSucceeded(intent)
    elif event.kind is Kind.FAILED:
        seen = SeenFailed(intent, _failure_code(row, event))
    else:
        seen = SeenOpen(intent)
    applied = payment.apply_locked(
        conn, row, seen, Cause("webhook", event.stripe_event_id), rng=rng
    )
    # The machine knows another PaymentIntent by now; value is granted once.
    if isinstance(applied, Refused):
        return Quarantined("other_payment_intent")
    return Done(payment.describe(applied))


def _failure_code(row: PaymentRow, event: StripeEvent) -> str:
    """Why it failed; a cancellation that we asked for has our reason, whoever reports it first."""
    if event.idempotency_key == f"{row.event_id}:cancel":
        return ORDER_CANCELLED if row.payment.cancel_requested else WEBHOOK_TIMEOUT
    return event.failure_code or "payment_failed"


def disagreement(row: PaymentRow, event: StripeEvent) -> str | None:
    """The first way in which the event is not about this payment, pure; None when it is."""
    if event.money is None and event.amount_cents == row.money.amount_cents:
        # The sum is right and no currency that Stripe writes, such as one in capitals.
        return "currency"
    other_money = _other_money(row.money, event.money)
    if other_money is not None:
        return other_money
    # What happened is in the object; an event's name alone moves nothing.
    if not event.status_fits:
        return "status"
    if event.kind is Kind.SUCCEEDED:
        missing = not_received(row.money, event.amount_received_cents)
        if missing is not None:
            return missing
    known = row.payment.payment_intent_id
    if known is not None:
        # Ours, whoever moved it: a customer confirms, a person cancels or captures, each under a
        # key of their own.
        return None if known == event.payment_intent_id else "other_payment_intent"
    # Not known yet is no contradiction: the webhook may be the first to name it. But then it must
    # be one that we made, under the charge's key or the cancel's.
    own_keys = {str(row.event_id), f"{row.event_id}:cancel"}
    if event.idempotency_key is not None and event.idempotency_key not in own_keys:
        return "idempotency_key"
    return None


def _other_money(ours: Money, theirs: Money | None) -> str | None:
    """In what their money differs from ours; None when they are the same."""
    if theirs is None or theirs.amount_cents != ours.amount_cents:
        return "amount"
    return None if theirs == ours else "currency"


def _apply_refund(conn: Connection, event: StripeEvent, rng: random.Random) -> WebhookEffect:
    if event.object_id is None or event.status is None:
        return Quarantined("no_object")
    row = refunds.lock_by_stripe_id(conn, event.object_id, _uuid(event.metadata_refund_id))
    if row is None:
        # Somebody else's, or ours before we heard its id: the end of its window decides.
        return Early(None)
    other_money = _other_money(row.money, event.money)
    if other_money is not None:
        return Quarantined(other_money)
    seen = RefundSeen(event.object_id, event.status, event.failure_code)
    moved = refund.apply_locked(conn, row, seen, "webhook", rng=rng)
    return Done(f"refund {moved.refund.state}" if moved.changed else "refund known")


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text or "")
    except ValueError:
        return None
