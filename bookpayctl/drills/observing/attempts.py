"""Attempts that were under way before a fault, whose ends must not be taken for its effect."""

from __future__ import annotations

from bookpayctl.clients.database import writing
from bookpayctl.drill.scenario import DrillContext
from bookpayctl.runs.waiting import wait_until
from runtime.domain.names import PaymentState


def wait_for_earlier_attempts(context: DrillContext) -> None:
    """Wait until no attempt that began before now is still without its result."""
    # Not `reading`: its one snapshot would show the same attempts for ever.
    with writing(context.environment.dsn) as conn:
        row = conn.execute("SELECT environment_now()").fetchone()
        wait_until(
            lambda: conn.execute(
                "SELECT count(*) FROM payments WHERE state = %s AND last_attempted_at <= %s",
                (PaymentState.CHARGING.value, row[0] if row else None),
            ).fetchone(),
            lambda left: left == (0,),
            deadline_seconds=context.deadline_seconds,
            every_seconds=0.02,
        )
