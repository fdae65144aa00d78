"""Webhooks that came before the payment they speak of: driven again until their window ends."""

from __future__ import annotations

import logging

import psycopg

from runtime.adapters.store import webhooks
from runtime.adapters.store.webhooks import EarlyWebhook
from runtime.domain.stripe_event import Kind, StripeEvent, parse
from runtime.services.payments_reconciler.tools import BATCH, Tools
from runtime.steps import webhook

logger = logging.getLogger(__name__)


def drive_early(tools: Tools) -> int:
    """Try every early event that is due again; returns how many are early no longer."""
    with tools.pool.connection() as conn:
        return sum(_drive(tools, conn, early) for early in webhooks.claim_early(conn, limit=BATCH))


def _drive(tools: Tools, conn: psycopg.Connection, early: EarlyWebhook) -> int:
    effect = effect_of(tools, conn, early.body)
    if isinstance(effect, webhook.Early):
        if early.age_seconds < tools.settings.early_webhook_window_seconds:
            webhooks.keep_early(conn, early.stripe_event_id, effect.event_id, "early")
            return 0
        # The window is over: whatever it speaks of is not ours, and a person decides.
        effect = _after_its_window(early.body)
    if isinstance(effect, webhook.Quarantined):
        # Its headers were those of the first delivery and are not kept with an early event.
        webhooks.quarantine(conn, effect.reason, early.body, {})
    webhooks.mark_processed(conn, early.stripe_event_id)
    webhooks.forget_early(conn, early.stripe_event_id)
    logger.info(
        "an early webhook was driven again",
        extra={"stripe_event_id": early.stripe_event_id, "verdict": type(effect).__name__},
    )
    return 1


def effect_of(tools: Tools, conn: psycopg.Connection, body: bytes) -> webhook.WebhookEffect:
    """Apply a stored body as the receiver would today, in the caller's transaction."""
    event = parse(body)
    # A quarantined body may never have been one, and a reader of a later version may be stricter
    # with an early one.
    if not isinstance(event, StripeEvent):
        return webhook.Quarantined("unreadable")
    return webhook.apply_safely(
        conn, event, environment=tools.process.common.environment, rng=tools.process.rng
    )


def _after_its_window(body: bytes) -> webhook.WebhookEffect:
    event = parse(body)
    kind = event.kind if isinstance(event, StripeEvent) else Kind.OTHER
    match kind:
        case Kind.REFUND:
            return webhook.Quarantined("refund_not_ours")
        case Kind.DISPUTE:
            return webhook.Quarantined("dispute_not_ours")
        case Kind.CHARGE:
            # The refund behind it has an event of its own.
            return webhook.Done("not ours")
        case _:
            return webhook.Quarantined("payment_never_came")
