"""What every part of the reconciler works with."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import psycopg
from psycopg_pool import ConnectionPool

from runtime import config, tracing
from runtime.adapters.gateway_client import GatewayClient, GatewayUnavailableError
from runtime.adapters.store import database, reconcile
from runtime.adapters.store.payments import Cause, PaymentRow
from runtime.domain.names import EventId, PaymentState, trace_id
from runtime.domain.payment_events import Event, Step
from runtime.domain.trace import of_inbox
from runtime.process import Process
from runtime.steps import payment
from runtime.telemetry import Outage

logger = logging.getLogger(__name__)

BATCH: Final = 20
"""Rows a part claims at a time; each may cost a request to Stripe."""

LOOK_AGAIN_SECONDS: Final = 2.0
LOOK_AGAIN_SECONDS_MAX: Final = 300.0

# A customer waits for the end of an unknown one: it is resolved soon after the fault has ended.
LOOK_AGAIN_UNKNOWN_SECONDS_MAX: Final = 15.0

_T = TypeVar("_T")


@dataclass(slots=True)
class Tools:
    """One process's pool, its way to the gateway, and what it may assume."""

    process: Process
    pool: ConnectionPool[psycopg.Connection]
    gateway: GatewayClient
    settings: config.ReconcilerConfig
    gateway_outage: Outage

    @property
    def lease_seconds(self) -> float:
        """After this long without a word, no request of ours can be on its way any more.

        A claimed row is held as long: a lease outlasts a call by the order of the deadlines.
        """
        return self.settings.gateway.deadlines.lease_seconds

    def tell_of_progress(self) -> None:
        """The database has answered, and the loop goes on; rows are asked about one by one."""
        # One look at a row is a few calls at most.
        within_seconds = database.ANSWER_SECONDS + (
            4 * self.settings.gateway.deadlines.worker_http_seconds
        )
        readiness = self.process.lifecycle.readiness
        database.tell(readiness, True, within_seconds=within_seconds)

    def ask(self, question: Callable[[], _T]) -> _T | None:
        """Ask the gateway; None when it gave no clear answer, which is said once per outage."""
        self.tell_of_progress()
        try:
            answer = question()
        except GatewayUnavailableError as error:
            self.gateway_outage.failed(error)
            return None
        self.gateway_outage.recovered()
        return answer

    def apply(self, row: PaymentRow, seen: Event) -> None:
        """Put news of a payment through its state machine; one that stays is looked at later."""
        # One transaction: whether the row stayed and when it comes up next belong together.
        span = tracing.span(
            f"reconcile {type(seen).__name__}", parent=of_inbox(EventId(row.event_id))
        )
        with span, self.pool.connection() as conn:
            applied = payment.apply(
                conn,
                row.event_id,
                seen,
                Cause("reconciler", type(seen).__name__),
                rng=self.process.rng,
            )
            if not (isinstance(applied, Step) and applied.payment.state is not row.payment.state):
                reconcile.look_again_in(conn, row, look_again_after(row))
        logger.info(
            "reconciled: %s",
            type(seen).__name__,
            extra={
                "event_id": str(row.event_id),
                "order_id": row.order_id,
                "trace_id": trace_id(row.event_id),
                "verdict": payment.describe(applied),
            },
        )


def look_again_after(row: PaymentRow) -> float:
    """Seconds to leave a payment that stays as it is, pure."""
    # Never sent is as old as its row.
    age = row.age_seconds if row.attempt_age_seconds is None else row.attempt_age_seconds
    return look_again_seconds(age, unknown=row.payment.state is not PaymentState.PROCESSING)


def look_again_seconds(age_seconds: float, *, unknown: bool) -> float:
    """A tenth of the time since the last attempt, pure.

    Soon while the fault may just be over, and seldom for a bank that takes days to decide.
    """
    most = LOOK_AGAIN_UNKNOWN_SECONDS_MAX if unknown else LOOK_AGAIN_SECONDS_MAX
    return min(max(age_seconds / 10.0, LOOK_AGAIN_SECONDS), most)
