"""The reconciler's loop: unknown outcomes, PaymentIntents that stay open, early webhooks.

It asks Stripe through the gateway by id or by listing a creation window, never by search, because
only retrieves and lists show what was written a moment ago. What it learns goes through the same
state machine as everyone else's news.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Final

import psycopg
from prometheus_client import Gauge
from psycopg_pool import ConnectionPool

from runtime import config
from runtime.adapters import lines, webhook_effect
from runtime.adapters.gateway_client import FoundIntent, GatewayClient, GatewayUnavailableError
from runtime.adapters.store import database, payments, reconcile, webhooks
from runtime.adapters.store.payments import Applied, Cause, PaymentRow
from runtime.adapters.store.webhooks import ParkedWebhook
from runtime.domain.names import PaymentState, trace_id
from runtime.domain.outcome import Declined
from runtime.domain.payment import ORDER_CANCELLED, WEBHOOK_TIMEOUT
from runtime.domain.payment_events import (
    Event,
    SeenAbsent,
    SeenFailed,
    SeenOpen,
    SeenSucceeded,
)
from runtime.domain.retry import CONNECTION_BACKOFF
from runtime.domain.stripe_event import StripeEvent, parse
from runtime.failpoints import Failpoint, Subject
from runtime.lifecycle import repeat
from runtime.process import Process
from runtime.telemetry import AdminServer, Outage

logger = logging.getLogger(__name__)

BATCH: Final = 20
IDLE_SECONDS: Final = 0.25
LOOK_AGAIN_SECONDS: Final = 2.0

# A PaymentIntent's `created` is Stripe's clock in whole seconds; look a little before our own.
CREATED_MARGIN_SECONDS: Final = 120

PAYMENTS_OPEN = Gauge("payments_open", "Payments that are not final", ["state"])
PAYMENTS_OPEN_AGE = Gauge("payments_open_oldest_seconds", "Age of the oldest", ["state"])


@dataclass(slots=True)
class Reconciler:
    """One reconciler process."""

    process: Process
    pool: ConnectionPool[psycopg.Connection]
    gateway: GatewayClient
    settings: config.ReconcilerConfig
    gateway_outage: Outage
    _known_states: set[str] = field(default_factory=set)

    def run_once(self) -> float:
        """Look once at everything that may need closing; returns seconds to wait."""
        done = self._drive_parked_webhooks() + self._close_unanswered() + self._close_processing()
        self._publish_backlog()
        self.process.lifecycle.readiness.set("database", True)
        return 0.0 if done else IDLE_SECONDS

    @property
    def _hold_seconds(self) -> float:
        """A lease: it outlasts a call by the order in which deadlines nest."""
        return self.settings.gateway.deadlines.lease_seconds

    # --- unknown outcomes ---

    def _close_unanswered(self) -> int:
        with self.pool.connection() as conn:
            rows = reconcile.claim_unanswered(conn, hold_seconds=self._hold_seconds, limit=BATCH)
        for row in rows:
            self._ask_and_apply(row)
        return len(rows)

    def _ask_and_apply(self, row: PaymentRow) -> None:
        try:
            seen = self._ask(row)
        except GatewayUnavailableError as error:
            self.gateway_outage.failed(error)
            with self.pool.connection() as conn:
                reconcile.look_again_in(conn, row, LOOK_AGAIN_SECONDS)
            return
        self.gateway_outage.recovered()
        self.process.failpoints.hit(
            Failpoint.RECON_READ_BEFORE_FIX,
            Subject(row.order_id, row.event_id, row.tenant_id),
            lines.Pooled(self.pool),
        )
        self._apply(row, seen)

    def _ask(self, row: PaymentRow) -> Event:
        """What Stripe holds for this payment now."""
        known = row.payment.payment_intent_id
        if known is not None:
            intent = self.gateway.retrieve(known)
            if intent is not None:
                return to_event(intent)
        with self.pool.connection() as conn:
            now = reconcile.environment_seconds(conn)
        lease_seconds = self.settings.gateway.deadlines.lease_seconds
        found = self.gateway.find(event_id=row.event_id, **creation_window(row, now, lease_seconds))
        ours = pick(found, row)
        if ours is not None:
            return to_event(ours)
        return SeenAbsent(
            deadline_passed=row.quiet_seconds > lease_seconds,
            key_age_seconds=row.key_age_seconds,
        )

    # --- PaymentIntents that stay open ---

    def _close_processing(self) -> int:
        with self.pool.connection() as conn:
            rows = reconcile.claim_processing(
                conn,
                window_seconds=self.settings.webhook_window_seconds,
                hold_seconds=self._hold_seconds,
                limit=BATCH,
            )
        for row in rows:
            self._close_open_intent(row)
        return len(rows)

    def _close_open_intent(self, row: PaymentRow) -> None:
        """Read it; cancel it if it can still be canceled; act on what it is."""
        known = row.payment.payment_intent_id
        if known is None:
            return
        try:
            intent = self.gateway.retrieve(known)
            if intent is not None and intent.status.startswith("requires_"):
                answer = self.gateway.cancel(event_id=row.event_id, payment_intent_id=known)
                canceled = isinstance(answer.outcome, Declined)
                intent = None if canceled else self.gateway.retrieve(known)
                if canceled:
                    code = ORDER_CANCELLED if row.payment.cancel_requested else WEBHOOK_TIMEOUT
                    self._apply(row, SeenFailed(known, code))
                    return
        except GatewayUnavailableError as error:
            self.gateway_outage.failed(error)
            intent = None
        if intent is None:
            with self.pool.connection() as conn:
                reconcile.look_again_in(conn, row, LOOK_AGAIN_SECONDS)
            return
        self._apply(row, to_event(intent))

    # --- both ---

    def _apply(self, row: PaymentRow, seen: Event) -> None:
        with self.pool.connection() as conn:
            applied = payments.apply(
                conn,
                row.event_id,
                seen,
                Cause("reconciler", type(seen).__name__),
                rng=self.process.rng,
            )
            if not _moved(applied, row.payment.state):
                reconcile.look_again_in(conn, row, LOOK_AGAIN_SECONDS)
        logger.info(
            "reconciled: %s",
            type(seen).__name__,
            extra={
                "event_id": str(row.event_id),
                "order_id": row.order_id,
                "trace_id": trace_id(row.event_id),
                "verdict": payments.said(applied),
            },
        )

    # --- webhooks that came before their payment ---

    def _drive_parked_webhooks(self) -> int:
        with self.pool.connection() as conn:
            parked = webhooks.claim_parked(conn, limit=BATCH)
            return sum(self._drive(conn, webhook) for webhook in parked)

    def _drive(self, conn: psycopg.Connection, webhook: ParkedWebhook) -> int:
        """Try a parked event again; 1 when it is parked no longer."""
        event = parse(webhook.body)
        effect: webhook_effect.Effect = webhook_effect.Quarantined("unreadable")
        if isinstance(event, StripeEvent):
            effect = webhook_effect.apply_safely(
                conn,
                event,
                environment=self.process.common.environment,
                rng=self.process.rng,
            )
        if isinstance(effect, webhook_effect.Early):
            if webhook.age_seconds < self.settings.parked_webhook_window_seconds:
                webhooks.park(conn, webhook.stripe_event_id, effect.event_id, "early")
                return 0
            effect = webhook_effect.Quarantined("payment_never_came")
        if isinstance(effect, webhook_effect.Quarantined):
            webhooks.quarantine(conn, effect.reason, webhook.body, {})
        webhooks.mark_processed(conn, webhook.stripe_event_id)
        webhooks.unpark(conn, webhook.stripe_event_id)
        logger.info(
            "a parked webhook was driven again",
            extra={"stripe_event_id": webhook.stripe_event_id, "verdict": type(effect).__name__},
        )
        return 1

    def _publish_backlog(self) -> None:
        with self.pool.connection() as conn:
            open_by_state = {entry.state: entry for entry in reconcile.open_payments(conn)}
        for state in self._known_states | set(open_by_state):
            entry = open_by_state.get(state)
            PAYMENTS_OPEN.labels(state).set(entry.count if entry else 0)
            PAYMENTS_OPEN_AGE.labels(state).set(entry.oldest_seconds if entry else 0)
        self._known_states |= set(open_by_state)

    def failed(self, error: Exception) -> None:
        self.process.lifecycle.readiness.set("database", False)
        logger.debug("a round failed", exc_info=error)


def creation_window(row: PaymentRow, now: float, lease_seconds: float) -> dict[str, int]:
    """When Stripe can have created this payment's PaymentIntent, Unix seconds, pure.

    From the first attempt to the end of the last one, both with a margin: a window without an end
    would grow until a busy shop's list no longer fits into one look.
    """
    first = max(row.key_age_seconds or 0.0, row.age_seconds)
    last = row.attempt_age_seconds or 0.0
    return {
        "created_gte": max(int(now - first - CREATED_MARGIN_SECONDS), 0),
        "created_lte": int(now - last + lease_seconds + CREATED_MARGIN_SECONDS),
    }


def pick(found: list[FoundIntent], row: PaymentRow) -> FoundIntent | None:
    """The PaymentIntent that is this payment's, pure: a success before anything else."""
    ours = [
        intent
        for intent in found
        if (intent.amount_cents, intent.currency) == (row.money.amount_cents, row.money.currency)
    ]
    succeeded = [intent for intent in ours if intent.status == "succeeded"]
    return next(iter(succeeded or ours), None)


def to_event(intent: FoundIntent) -> Event:
    """A PaymentIntent's status as news for the state machine, pure."""
    match intent.status:
        case "succeeded":
            return SeenSucceeded(intent.payment_intent_id)
        case "canceled":
            return SeenFailed(intent.payment_intent_id, intent.code or "payment_intent_canceled")
        case "requires_payment_method" if intent.code is not None:
            # A declined confirmation leaves the PaymentIntent here, with the decline on it.
            return SeenFailed(intent.payment_intent_id, intent.code)
        case _:
            return SeenOpen(intent.payment_intent_id)


def _moved(applied: Applied, before: PaymentState) -> bool:
    after = getattr(applied, "payment", None)
    return after is not None and after.state is not before


def run(process: Process) -> None:
    """Reconcile until the process is told to stop."""
    common = process.common
    settings = config.reconciler(process.source)
    pool = database.open_pool(common.dsn, common.process, size_max=4)
    database_outage = Outage(logger, "PostgreSQL")
    reconciler = Reconciler(
        process,
        pool,
        GatewayClient(settings.gateway, connections_max=4),
        settings,
        Outage(logger, "payments-gateway"),
    )
    process.lifecycle.readiness.expect("database")
    AdminServer(
        common.http_host, common.http_port, process.lifecycle.readiness.snapshot, {}
    ).start()

    def on_failure(error: Exception) -> None:
        database_outage.failed(error)
        reconciler.failed(error)

    repeat(
        reconciler.run_once,
        stop=process.lifecycle.stop,
        backoff=CONNECTION_BACKOFF,
        rng=process.rng,
        recoverable=database.UNAVAILABLE,
        on_failure=on_failure,
        on_success=database_outage.recovered,
    )
    pool.close(timeout=1.0)
