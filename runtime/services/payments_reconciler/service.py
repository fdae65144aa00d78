"""The reconciler's loop: whatever has been open for too long is closed here.

Unknown outcomes and PaymentIntents that stay open (`charges`), refunds (`refunds`), money that
others moved (`outside`), webhooks that came early (`early_webhooks`), events whose consequence
never came (`missed_events`), and what operators ask for (`requests`). What it learns goes through
the same state machines as everyone else's news; rows are claimed with SKIP LOCKED, so replicas are
safe.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from runtime import config, metrics
from runtime.adapters import gateway_client
from runtime.adapters.gateway_client import GatewayClient
from runtime.adapters.http.admin import serve_admin_port
from runtime.adapters.store import database, far_times, reconcile
from runtime.domain.names import FINAL_PAYMENT_STATES, PaymentState
from runtime.domain.retry import CONNECTION_BACKOFF
from runtime.lifecycle import repeat
from runtime.process import Process
from runtime.services.payments_reconciler import (
    charges,
    early_webhooks,
    missed_events,
    outside,
    refunds,
    requests,
)
from runtime.services.payments_reconciler.tools import Tools
from runtime.telemetry import Outage

logger = logging.getLogger(__name__)

IDLE_SECONDS: Final = 0.5
"""Between two rounds that found nothing: each asks ten questions, whatever is placed meanwhile."""

BACKLOG_SECONDS: Final = 1.0
"""How often the backlog is counted: a busy round follows the next without a pause, and the counts
read every open row."""

FAR_SECONDS: Final = 5.0
"""How often rows are looked for that would wait for ever."""

UNREADABLE: Final = (*database.SPOILT, ValueError, OverflowError)
"""Data that a part cannot read: waiting does not mend it, and a new start would meet it again."""


@dataclass(slots=True)
class Reconciler:
    """One reconciler process."""

    tools: Tools
    missed: missed_events.MissedEvents
    listing: outside.AccountListing
    # From the start: where nothing is open each is told to be zero, which is another thing than a
    # reconciler that does not count.
    _known_states: set[str] = field(
        default_factory=lambda: {state.value for state in set(PaymentState) - FINAL_PAYMENT_STATES}
    )
    _outages: dict[str, Outage] = field(default_factory=dict)
    _published_at: float = 0.0
    _looked_far_at: float = 0.0

    def run_once(self) -> float:
        """Look once at everything that may need closing; returns seconds to wait."""
        parts: tuple[tuple[str, Callable[[], int]], ...] = (
            # Webhooks first: what they know need not be asked of Stripe.
            ("early webhooks", partial(early_webhooks.drive_early, self.tools)),
            ("operators' requests", partial(requests.carry_out, self.tools)),
            ("unknown charges", partial(charges.close_unanswered, self.tools)),
            ("open charges", partial(charges.close_processing, self.tools)),
            ("refunds", partial(refunds.close_refunds, self.tools)),
            ("money moved by others", partial(outside.check_marked, self.tools)),
            ("the account's list", self.listing.look),
            ("missed events", self.missed.look),
            ("times that never come", self._bring_near),
            ("the backlog", self._publish_backlog),
        )
        done = sum(self._part(name, step) for name, step in parts)
        # Whatever moved may have made something else due.
        return 0.0 if done else IDLE_SECONDS

    def _part(self, name: str, step: Callable[[], int]) -> int:
        """Run one part; data that it cannot read is its own trouble, and the others go on."""
        outage = self._outages.setdefault(name, Outage(logger, f"the reconciler's part: {name}"))
        try:
            done = step()
        except UNREADABLE as error:
            outage.failed(error)
            done = 0
        else:
            outage.recovered()
        broken = [name for name, outage in self._outages.items() if outage.is_open]
        readiness = self.tools.process.lifecycle.readiness
        readiness.set("parts", not broken, f"data that cannot be read: {', '.join(broken)}")
        self.tools.tell_of_progress()
        return done

    def _bring_near(self) -> int:
        """Rows that would wait for ever are due now; looked for a few times a minute."""
        now = time.monotonic()
        if now - self._looked_far_at < FAR_SECONDS:
            return 0
        self._looked_far_at = now
        with self.tools.pool.connection() as conn:
            found = far_times.bring_near(conn)
        for row in found:
            logger.error("a row was to wait for ever and is due now", extra={"row": row})
        return len(found)

    def _publish_backlog(self) -> int:
        now = time.monotonic()
        if now - self._published_at < BACKLOG_SECONDS:
            return 0
        self._published_at = now
        with self.tools.pool.connection() as conn:
            open_by_state = {entry.what: entry for entry in reconcile.open_payments(conn)}
            captured = self.tools.settings.change_data_capture
            waiting = reconcile.waiting(conn, captured=captured)
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
        # Counting moves nothing.
        return 0

    def failed(self, error: Exception) -> None:
        """A round broke off because something is away; the next one begins anew."""
        database.tell(self.tools.process.lifecycle.readiness, False)
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
    reconciler = Reconciler(tools, missed_events.MissedEvents(tools), outside.AccountListing(tools))
    process.lifecycle.readiness.expect("database")
    serve_admin_port(process)
    gateway_client.watch(tools.gateway, process.lifecycle.readiness, process.lifecycle.stop)

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
