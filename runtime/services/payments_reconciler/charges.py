"""Charges whose end nobody saw: unknown outcomes, and PaymentIntents that stay open.

Stripe is asked by id or by listing a creation window, never by search, because only retrieves and
lists show what was written a moment ago.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from runtime.adapters.gateway_client import FoundIntent
from runtime.adapters.store import reconcile
from runtime.adapters.store.payments import PaymentRow
from runtime.domain.money import Money
from runtime.domain.outcome import Declined, Outcome
from runtime.domain.payment import ORDER_CANCELLED, WEBHOOK_TIMEOUT
from runtime.domain.payment_events import (
    Event,
    SeenAbsent,
    SeenFailed,
    SeenOpen,
    SeenOtherMoney,
    SeenSucceeded,
)
from runtime.domain.stripe_answers import PAYMENT_INTENT_CANCELED, not_received, other_money
from runtime.faults import connections
from runtime.faults.points import Failpoint, Subject
from runtime.services.payments_reconciler.tools import BATCH, Tools, look_again_after

# A PaymentIntent's `created` is Stripe's clock in whole seconds; look a little before our own.
CREATED_MARGIN_SECONDS: Final = 120


# --- unknown outcomes -----------------------------------------------------------------------


def close_unanswered(tools: Tools) -> int:
    """Ask Stripe about payments that must not be posted again before it has answered."""
    with tools.pool.connection() as conn:
        rows = reconcile.claim_unanswered(conn, hold_seconds=tools.lease_seconds, limit=BATCH)
    for row in rows:
        _ask_and_apply(tools, row)
    return len(rows)


def _ask_and_apply(tools: Tools, row: PaymentRow) -> None:
    # No transaction is open while Stripe is asked: the claim holds the row by its time alone.
    seen = tools.ask(lambda: _what_stripe_holds(tools, row))
    if seen is None:
        _leave(tools, row)
        return
    tools.process.failpoints.hit(
        Failpoint.RECON_READ_BEFORE_FIX,
        Subject(row.order_id, row.event_id, row.tenant_id),
        connections.Pooled(tools.pool),
    )
    tools.apply(row, seen)


def _what_stripe_holds(tools: Tools, row: PaymentRow) -> Event:
    known = row.payment.payment_intent_id
    if known is not None:
        # By id first: it is exact, and a list has a window that a wrong clock could miss.
        intent = tools.gateway.retrieve(known)
        if intent is not None:
            return to_event(intent, row.money)
    with tools.pool.connection() as conn:
        now = reconcile.environment_seconds(conn)
    window = creation_window(row, now, tools.lease_seconds)
    found = news_of(tools.gateway.find(event_id=row.event_id, **window), row.money)
    return found or SeenAbsent(
        # By wall time: what is under way is bounded by our deadlines, not by a drill's clock.
        deadline_passed=row.quiet_seconds > tools.lease_seconds,
        key_age_seconds=row.key_age_seconds,
    )


# --- PaymentIntents that stay open ----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Canceled:
    """The PaymentIntent was open and is canceled now, by us."""


def close_processing(tools: Tools) -> int:
    """End PaymentIntents that nobody completed in time, or whose order is cancelled."""
    with tools.pool.connection() as conn:
        rows = reconcile.claim_processing(
            conn,
            window_seconds=tools.settings.webhook_window_seconds,
            hold_seconds=tools.lease_seconds,
            limit=BATCH,
        )
    for row in rows:
        _close_open_intent(tools, row)
    return len(rows)


def _close_open_intent(tools: Tools, row: PaymentRow) -> None:
    """Read it; cancel it if it can still be canceled; act on what it is."""
    known = row.payment.payment_intent_id
    if known is None:
        return

    def look() -> FoundIntent | _Canceled | None:
        intent = tools.gateway.retrieve(known)
        # Only these can be canceled; one in processing stays open until Stripe itself closes it.
        if intent is None or not intent.status.startswith("requires_"):
            return intent
        answer = tools.gateway.cancel(event_id=row.event_id, payment_intent_id=known)
        return (
            # Read again when it was not: a success may have overtaken the cancellation.
            _Canceled() if is_canceled(answer.outcome) else tools.gateway.retrieve(known)
        )

    match tools.ask(look):
        case None:
            _leave(tools, row)
        # Why it ended is ours to say: the customer, or our patience.
        case _Canceled():
            code = ORDER_CANCELLED if row.payment.cancel_requested else WEBHOOK_TIMEOUT
            tools.apply(row, SeenFailed(known, code))
        case FoundIntent() as intent:
            tools.apply(row, to_event(intent, row.money))


def _leave(tools: Tools, row: PaymentRow) -> None:
    with tools.pool.connection() as conn:
        reconcile.look_again_in(conn, row, look_again_after(row))


# --- pure -----------------------------------------------------------------------------------


def creation_window(row: PaymentRow, now: float, lease_seconds: float) -> dict[str, int]:
    """When Stripe can have created this payment's PaymentIntent, Unix seconds.

    From the first attempt to the end of the last one, both with a margin: a window without an end
    would grow until a busy shop's list no longer fits into one look.
    """
    # The older of the two: first_attempted_at begins anew after refusals, the row does not.
    first = max(row.key_age_seconds or 0.0, row.age_seconds)
    last = row.attempt_age_seconds or 0.0
    # An attempt before the first is a time that nobody can have meant: up to now, then, for a
    # window without our charge in it would prove that there is none.
    last = last if last <= first else 0.0
    return {
        "created_gte": max(int(now - first - CREATED_MARGIN_SECONDS), 0),
        "created_lte": int(now - last + lease_seconds + CREATED_MARGIN_SECONDS),
    }


def is_canceled(outcome: Outcome) -> bool:
    """Whether the answer to a cancellation says that it is done."""
    return isinstance(outcome, Declined) and outcome.code == PAYMENT_INTENT_CANCELED


def news_of(found: Sequence[FoundIntent], ours: Money) -> Event | None:
    """What the PaymentIntents that carry a payment's metadata say of it; None when it has none.

    Metadata can be copied with an object in the dashboard, so one of other money is not taken for
    our charge. But neither does it prove that there is none: with nothing better, and unless it
    has ended without money, a person looks at it.
    """
    same = [intent for intent in found if intent.money == ours]
    succeeded = [intent for intent in same if intent.status == "succeeded"]
    for intent in succeeded or same:
        return to_event(intent, ours)
    for intent in found:
        if intent.status != "canceled":
            return SeenOtherMoney(_mismatch(intent, ours) or "amount_mismatch")
    return None


def to_event(intent: FoundIntent, ours: Money) -> Event:
    """A PaymentIntent's status and money as news for the state machine."""
    match intent.status:
        case "succeeded":
            mismatch = _mismatch(intent, ours)
            if mismatch is not None:
                return SeenOtherMoney(mismatch)
            return SeenSucceeded(intent.payment_intent_id)
        case "canceled":
            return SeenFailed(intent.payment_intent_id, intent.code or PAYMENT_INTENT_CANCELED)
        case "requires_payment_method" if intent.code is not None:
            # A declined confirmation leaves the PaymentIntent here, with the decline on it.
            return SeenFailed(intent.payment_intent_id, intent.code)
        case _:
            return SeenOpen(intent.payment_intent_id)


def _mismatch(intent: FoundIntent, ours: Money) -> str | None:
    """The code of what differs from what was asked for; None when it is all there."""
    if intent.money is None:
        return "amount_mismatch"
    differs = other_money(ours, intent.money.amount_cents, intent.money.currency)
    differs = differs or not_received(ours, intent.received_cents)
    return f"{differs}_mismatch" if differs else None
