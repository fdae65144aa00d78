"""What a stored Stripe event does to our payment; shared by the receiver and the reconciler.

An event is ours when its metadata names a payments row, and its PaymentIntent is that row's or,
while the row knows none, was moved under a key of ours. It is believed when its object agrees:
the money, all of it received, and a status that fits the event's name. It then goes through the
same compare-and-set as the worker's answer, so the webhook may win the
race. An event about a row that is not there yet is early and kept;
one that contradicts a row is quarantined.

Refunds of others and disputes belong to the payment whose PaymentIntent they name, and are written
beside it; what is owed follows from the sums (`moved_by_others`, `payment.settle_up`).
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import psycopg
from psycopg import Connection

from runtime.adapters.store import outside, payments, refunds, shadow
from runtime.adapters.store.payments import Cause, PaymentRow
from runtime.adapters.store.refunds import RefundRow
from runtime.domain.money import Money
from runtime.domain.names import PaymentIntentId
from runtime.domain.outside import Claimant, is_ours
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
from runtime.steps import moved_by_others, payment, refund

ID_LENGTH_MAX: Final = 255
"""It becomes a primary key; Stripe's are far shorter."""
STATUS_LENGTH_MAX: Final = 100


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
        case Kind.CHARGE:
            return _apply_charge(conn, event)
        case Kind.DISPUTE:
            return _apply_dispute(conn, event, rng)
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
        return contradiction(error)


def contradiction(error: psycopg.IntegrityError) -> Quarantined:
    """What becomes of an event whose effect a constraint refused."""
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
    if not event.shows_its_object or event.object_id is None or not event.status:
        return Quarantined("no_object")
    row = refunds.lock_by_stripe_id(conn, event.object_id, _uuid(event.metadata_refund_id))
    if row is None or not _is_ours(row, event):
        return _apply_outside_refund(conn, event, rng)
    other_money = _other_money(row.money, event.money)
    if other_money is not None:
        return Quarantined(other_money)
    seen = RefundSeen(event.object_id, event.status, event.failure_code)
    moved = refund.apply_locked(conn, row, seen, "webhook", rng=rng)
    return Done(f"refund {moved.refund.state}" if moved.changed else "refund known")


def _is_ours(row: RefundRow, event: StripeEvent) -> bool:
    """Whether the refund is the one that our row asked for; metadata alone makes it none."""
    claimant = Claimant(
        str(row.refund_id),
        row.idempotency_key,
        row.refund.stripe_refund_id,
        row.refund.state,
        row.refund.key.maybe_executed,
    )
    named = _uuid(event.metadata_refund_id)
    return is_ours(
        claimant, event.object_id or "", str(named) if named else None, event.idempotency_key
    )


# --- money that others moved ----------------------------------------------------------------


def _apply_outside_refund(
    conn: Connection, event: StripeEvent, rng: random.Random
) -> WebhookEffect:
    found = _payment_of(conn, event)
    if not isinstance(found, PaymentRow):
        return found
    # Stripe gives back in the currency of the charge, and never more than that.
    if event.money is None or event.money.amount_cents > found.money.amount_cents:
        return Quarantined("amount")
    if event.money.currency != found.money.currency:
        return Quarantined("currency")
    told = outside.RefundTold(
        event.object_id or "",
        event.of_intent or PaymentIntentId(""),
        event.charge_id,
        event.money,
        event.status or "",
        event.reason,
    )
    cause = Cause("webhook", event.stripe_event_id)
    changed = moved_by_others.record_refund(conn, found, told, cause, rng)
    return Done("a refund of others" if changed else "a refund of others, known")


def _apply_charge(conn: Connection, event: StripeEvent) -> WebhookEffect:
    """How much of a charge has gone back: what we do not know of is looked up."""
    if not event.shows_its_object or event.amount_refunded_cents is None:
        return Quarantined("no_object")
    found = _payment_of(conn, event)
    if not isinstance(found, PaymentRow):
        return found
    other_money = _other_money(found.money, event.money)
    if other_money is not None:
        return Quarantined(other_money)
    known = outside.moved_of_one(conn, found.event_id).refunded_cents
    if known == event.amount_refunded_cents:
        return Done("known")
    outside.check(conn, found.event_id)
    return Done("Stripe is asked what went back")


def _apply_dispute(conn: Connection, event: StripeEvent, rng: random.Random) -> WebhookEffect:
    if not event.shows_its_object or not event.status or len(event.status) > STATUS_LENGTH_MAX:
        return Quarantined("no_object")
    found = _payment_of(conn, event)
    if not isinstance(found, PaymentRow):
        return found
    # Its currency may be another: the bank's, not the charge's.
    if event.money is None:
        return Quarantined("amount")
    told = outside.DisputeTold(
        event.object_id or "",
        event.of_intent or PaymentIntentId(""),
        event.charge_id,
        event.money,
        event.status,
        event.reason,
        told_at=datetime.fromtimestamp(event.created_seconds or 0, UTC),
    )
    cause = Cause("webhook", event.stripe_event_id)
    changed = moved_by_others.record_dispute(conn, found, told, cause, rng)
    return Done(f"dispute {event.status}" if changed else "dispute known")


def _payment_of(conn: Connection, event: StripeEvent) -> PaymentRow | Early | Quarantined:
    """The payment whose PaymentIntent an object belongs to, locked."""
    if len(event.object_id or "") > ID_LENGTH_MAX:
        return Quarantined("no_object")
    # A charge without a PaymentIntent is none of ours; one that nobody names yet may be.
    if event.of_intent is None:
        return Quarantined("not_ours")
    # Ours before we heard its id, or another program's: the end of its window decides.
    return outside.lock_payment_of(conn, event.of_intent) or Early(None)


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text or "")
    except ValueError:
        return None
