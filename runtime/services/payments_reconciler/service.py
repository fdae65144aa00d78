"""The reconciler's loop: whatever has been open for too long is closed here.

Unknown outcomes and PaymentIntents that stay open (`charges`), refunds (`refunds`), webhooks that
came early (`early_webhooks`), events whose consequence never came (`missed_events`), and what
operators ask for (`requests`). What it learns goes through the same state machines as everyone
else's news; rows are claimed with SKIP LOCKED, so replicas are safe.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import Final

from runtime import config, metrics
from runtime.adapters.gateway_client import GatewayClient
from runtime.adapters.http.admin import serve_admin_port
from runtime.adapters.store import database, reconcile
from runtime.domain.retry import CONNECTION_BACKOFF
from runtime.lifecycle import repeat
from runtime.process import Process
from runtime.services.payments_reconciler import (
    charges,
    early_webhooks,
    missed_events,
    refunds,
    requests,
)
from runtime.services.payments_reconciler.tools import Tools
from runtime.telemetry import Outage

logger = logging.getLogger(__name__)

IDLE_SECONDS: Final = 0.25

BACKLOG_SECONDS: Final = 1.0
"""How often the backlog is counted: a busy round follows the next without a pause, and the counts
read every open row."""


@dataclass(slots=True)
class Reconciler:
    """One reconciler process."""

    tools: Tools
    missed: missed_events.MissedEvents
    _known_states: set[str] = field(default_factory=set)
    _published_at: float = 0.0

    def run_once(self) -> float:
        """Look once at everything that may need closing; returns seconds to wait."""
        # Webhooks first: what they know need not be asked of Stripe.
        done = (
            early_webhooks.drive_early(self.tools)
            + requests.carry_out(self.tools)
            + charges.close_unanswered(self.tools)
            + charges.close_processing(self.tools)
            + refunds.close_refunds(self.tools)
            + self.missed.look()
        )
        self._publish_backlog()
        self.tools.process.lifecycle.readiness.set("database", True)
        # Whatever moved may have made something else due.
        return 0.0 if done else IDLE_SECONDS

    def _publish_backlog(self) -> None:
        now = time.monotonic()
        if now - self._published_at < BACKLOG_SECONDS:
            return
        self._published_at = now
        with self.tools.pool.connection() as conn:
            open_by_state = {entry.what: entry for entry in reconcile.open_payments(conn)}
            waiting = reconcile.waiting(conn)
        # A state that has emptied goes to zero; left out, its last count would stand for ever.
        for state in self._known_states | set(open_by_state):
            entry = open_by_state.get(state)
            metrics.PAYMENTS_OPEN.labels(state).set(entry.count if entry else 0)
            oldest_seconds = entry.oldest_seconds if entry else 0
            metrics.PAYMENTS_OPEN_OLDEST_SECONDS.labels(state).set(oldest_seconds)
        self._known_states |= set(open_by_state)
        for entry in waiting:
            metrics.WAITING_ITEMS.labels(entry.what).set(entry.count)
            metrics.WAITING_OLDEST_SECONDS.labels(entry.what).set(entry.oldest_seconds)

    def failed(self, error: Exception) -> None:
        """A round broke off because something is away; the next one begins anew."""
        self.tools.process.lifecycle.readiness.set("database", False)
        logger.debug("a round failed", exc_info=error)


def run(process: Process) -> None:
    """Reconcile until the process is told to stop."""
    common = process.common
    settings = config.reconciler(process.source)
    pool = database.open_pool(common.dsn, common.process, size_max=4)
    database_outage = Outage(logger, "PostgreSQL")
    tools = Tools(
        process,
        pool,
        GatewayClient(settings.gateway, connections_max=4),
        settings,
        Outage(logger, "payments-gateway"),
    )
    reconciler = Reconciler(tools, missed_events.MissedEvents(tools))
    process.lifecycle.readiness.expect("database")
    serve_admin_port(process)

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
