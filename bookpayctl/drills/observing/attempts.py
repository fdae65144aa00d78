"""Attempts that were under way before a fault, whose ends must not be taken for its effect."""

from __future__ import annotations

from bookpayctl.clients.database import reading
from bookpayctl.drill import DrillContext
from bookpayctl.runs.waiting import wait_until
from runtime.domain.names import PaymentState


def wait_for_earlier_attempts(context: DrillContext) -> None:
    """Wait until no attempt that began before now is still without its result."""
    with reading(context.environment.dsn) as conn:
        row = conn.execute("SELECT environment_now()").fetchone()
    began_before = row[0] if row else None

    def under_way() -> int:
        with reading(context.environment.dsn) as conn:
            found = conn.execute(
                "SELECT count(*) FROM payments WHERE state = %s AND last_attempted_at <= %s",
                (PaymentState.CHARGING.value, began_before),
            ).fetchone()
        return int(found[0]) if found else 0

    wait_until(
        under_way,
        lambda count: count == 0,
        deadline_seconds=context.deadline_seconds,
        every_seconds=0.02,
    )
