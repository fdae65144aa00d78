"""What a stored Stripe event does: `runtime/steps/webhook.py` over `store/webhooks.py`.

Refunds of others, disputes, shadows, live mode and other versions are not simulated.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum, auto
from typing import Final

from bookpayctl.simulation.steps import payments, refunds
from bookpayctl.simulation.steps.payments import Cause, ContradictionError
from bookpayctl.simulation.store import (
    EARLY,
    PAYMENTS,
    QUARANTINE,
    REFUNDS,
    WEBHOOKS,
    EarlyRow,
    PaymentRow,
    RefundRow,
    Transaction,
    WebhookRow,
)
from bookpayctl.simulation.world import World
from runtime.domain.names import PaymentState
from runtime.domain.outside import Claimant, is_ours
from runtime.domain.payment import ORDER_CANCELLED, WEBHOOK_TIMEOUT
from runtime.domain.payment_events import Event, Refused, SeenFailed, SeenOpen, SeenSucceeded, Step
from runtime.domain.refund import RefundSeen
from runtime.domain.stripe_answers import not_received
from runtime.domain.stripe_event import Kind, StripeEvent

_TOOK_MONEY: Final = frozenset(
    {PaymentState.SUCCEEDED, PaymentState.REFUNDING, PaymentState.REFUNDED}
)


class Effect(Enum):
    DONE = auto()
    EARLY = auto()
    QUARANTINED = auto()


def store(world: World, tx: Transaction, event: StripeEvent) -> None:
    """`webhook_receiver.intake._store` and `_apply`: the event and its effect together."""
    event_id = event.stripe_event_id
    if not tx.insert(WEBHOOKS, event_id, WebhookRow(event, world.now)):
        world.count("a webhook duplicate")
        return
    effect = apply_safely(world, tx, event)
    if effect is Effect.DONE and event.kind is Kind.SUCCEEDED:
        state = tx.get(PAYMENTS, event.metadata_event_id).payment.state
        if state not in _TOOK_MONEY:
            world.alarm("S05", str(event.metadata_event_id), f"it is {state} all the same")
    if effect is Effect.EARLY:
        world.count("a parked webhook")
        now = world.environment_now
        tx.put(EARLY, event_id, EarlyRow(event_id, now, now))
        return
    close(world, tx, event_id, effect)


def close(world: World, tx: Transaction, event_id: str, effect: Effect) -> None:
    """An event is done with, or set aside on record."""
    if effect is Effect.QUARANTINED:
        world.count("a quarantined webhook")
        tx.put(QUARANTINE, event_id, True)
    tx.put(WEBHOOKS, event_id, replace(tx.get(WEBHOOKS, event_id), processed=True))


def apply_safely(world: World, tx: Transaction, event: StripeEvent) -> Effect:
    """`steps.webhook.apply_safely`: a savepoint around what may contradict a constraint."""
    kept = dict(tx.writes), list(tx.order_steps), list(tx.payment_steps)
    try:
        return apply(world, tx, event)
    except ContradictionError:
        tx.writes, tx.order_steps, tx.payment_steps = kept
        return Effect.QUARANTINED


def apply(world: World, tx: Transaction, event: StripeEvent) -> Effect:
    """`steps.webhook.apply`, for events of this account in test mode."""
    if event.kind is Kind.REFUND:
        return _apply_refund(world, tx, event)
    if event.kind is Kind.OTHER:
        return Effect.DONE
    row = tx.get(PAYMENTS, event.metadata_event_id)
    if row is None:
        return Effect.EARLY
    if disagreement(row, event, compares_amount=world.decisions.compares_amount) is not None:
        return Effect.QUARANTINED
    if row.payment.payment_intent_id is None and not world.decisions.takes_unknown_intents:
        return Effect.DONE
    intent = event.payment_intent_id
    assert intent is not None  # noqa: S101 - this Stripe always names one
    seen: Event
    if event.kind is Kind.SUCCEEDED:
        seen = SeenSucceeded(intent)
    elif event.kind is Kind.FAILED:
        seen = SeenFailed(intent, _failure_code(row, event))
    else:
        seen = SeenOpen(intent)
    verdict = payments.apply_locked(world, tx, row, seen, Cause("webhook"))
    if isinstance(verdict, Step) and event.kind is Kind.SUCCEEDED:
        world.count("a webhook that won the race")
    return Effect.QUARANTINED if isinstance(verdict, Refused) else Effect.DONE


def _failure_code(row: PaymentRow, event: StripeEvent) -> str:
    """`steps.webhook._failure_code`."""
    if event.idempotency_key == f"{row.event_id}:cancel":
        return ORDER_CANCELLED if row.payment.cancel_requested else WEBHOOK_TIMEOUT
    return event.failure_code or "payment_failed"


def disagreement(
    row: PaymentRow, event: StripeEvent, *, compares_amount: bool = True
) -> str | None:
    """`steps.webhook.disagreement`: the first way in which it is not about this payment."""
    if compares_amount and event.money != row.money:
        return "amount"
    if not event.status_fits:
        return "status"
    if compares_amount and event.kind is Kind.SUCCEEDED:
        missing = not_received(row.money, event.amount_received_cents)
        if missing is not None:
            return missing
    known = row.payment.payment_intent_id
    if known is not None:
        return None if known == event.payment_intent_id else "other_payment_intent"
    own_keys = {row.event_id, f"{row.event_id}:cancel"}
    if event.idempotency_key is not None and event.idempotency_key not in own_keys:
        return "idempotency_key"
    return None


def _apply_refund(world: World, tx: Transaction, event: StripeEvent) -> Effect:
    """`steps.webhook._apply_refund`, for refunds of ours."""
    row: RefundRow | None = tx.get(REFUNDS, event.metadata_refund_id)
    if row is None or event.object_id is None or event.status is None:
        return Effect.EARLY
    claimant = Claimant(
        row.refund_id,
        row.idempotency_key,
        row.refund.stripe_refund_id,
        row.refund.state,
        row.refund.key.maybe_executed,
    )
    if not is_ours(claimant, event.object_id, event.metadata_refund_id, event.idempotency_key):
        world.count("a refund that nobody of ours asked for")
        return Effect.QUARANTINED
    if event.money != row.money:
        return Effect.QUARANTINED
    seen = RefundSeen(event.object_id, event.status, event.failure_code)
    refunds.apply_locked(world, tx, row, seen, "webhook")
    return Effect.DONE
