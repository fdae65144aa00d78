"""Webhooks that came before the payment they speak of: driven again until their window ends."""

from __future__ import annotations

import logging

import psycopg

from runtime.adapters.store import webhooks
from runtime.adapters.store.webhooks import ParkedWebhook
from runtime.domain.stripe_event import Kind, StripeEvent, parse
from runtime.services.payments_reconciler.tools import BATCH, Tools
from runtime.steps import webhook as webhook_effect

logger = logging.getLogger(__name__)


def drive_parked(tools: Tools) -> int:
    """Try every parked event that is due again; returns how many are parked no longer."""
    with tools.pool.connection() as conn:
        parked = webhooks.claim_parked(conn, limit=BATCH)
        return sum(_drive(tools, conn, webhook) for webhook in parked)


def _drive(tools: Tools, conn: psycopg.Connection, webhook: ParkedWebhook) -> int:
    effect = effect_of(tools, conn, webhook.body)
    if isinstance(effect, webhook_effect.Early):
        if webhook.age_seconds < tools.settings.early_webhook_window_seconds:
            webhooks.park(conn, webhook.stripe_event_id, effect.event_id, "early")
            return 0
        effect = webhook_effect.Quarantined(_never_came(webhook.body))
    if isinstance(effect, webhook_effect.Quarantined):
        webhooks.quarantine(conn, effect.reason, webhook.body, {})
    webhooks.mark_processed(conn, webhook.stripe_event_id)
    webhooks.unpark(conn, webhook.stripe_event_id)
    logger.info(
        "a parked webhook was driven again",
        extra={"stripe_event_id": webhook.stripe_event_id, "verdict": type(effect).__name__},
    )
    return 1


def effect_of(tools: Tools, conn: psycopg.Connection, body: bytes) -> webhook_effect.Effect:
    """Apply a stored body as the receiver would today, in the caller's transaction."""
    event = parse(body)
    if not isinstance(event, StripeEvent):
        return webhook_effect.Quarantined("unreadable")
    return webhook_effect.apply_safely(
        conn, event, environment=tools.process.common.environment, rng=tools.process.rng
    )


def _never_came(body: bytes) -> str:
    event = parse(body)
    is_refund = isinstance(event, StripeEvent) and event.kind is Kind.REFUND
    return "refund_not_ours" if is_refund else "payment_never_came"
