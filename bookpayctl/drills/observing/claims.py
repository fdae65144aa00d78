"""Whether the workers went on taking payments while something was wrong, by their own leases."""

from __future__ import annotations

import itertools

from bookpayctl.clients.database import reading
from bookpayctl.drill.scenario import DrillContext
from bookpayctl.faults.process import TimeAway
from bookpayctl.report.verdict import Item
from runtime.domain.names import PaymentState


def claims_went_on(context: DrillContext, window: TimeAway | None, *, seconds_max: float) -> Item:
    """The longest time within a window in which no payment was leased.

    Orders come all the while, so there is always something to take.

    Raises:
        LookupError: there was no fault.
    """
    if window is None:
        raise LookupError("the fault was never there")
    with reading(context.environment.dsn) as conn:
        rows = conn.execute(
            "SELECT extract(epoch FROM at)::float8 FROM payment_events"
            " WHERE to_state = %s AND at BETWEEN to_timestamp(%s) AND to_timestamp(%s) ORDER BY at",
            (PaymentState.CHARGING.value, window.began_at, window.ended_at),
        ).fetchall()
    times = [window.began_at, *(float(at) for (at,) in rows), window.ended_at]
    gap = max(later - earlier for earlier, later in itertools.pairwise(times))
    return context.judged(
        "work-went-on",
        "the workers went on",
        f"never more than {seconds_max:.0f} s without a payment taken, while orders came",
        f"{len(rows)} payments taken meanwhile, {gap:.1f} s without one at most",
        good=gap <= seconds_max,
        examined=max(1, len(rows)),
        fix="bookpayctl logs payments-worker",
    )
