"""How long the faults of storms were felt: read from our orders, kept in the run's journal, told.

An answer that is later than it should be is a warning: the money is right, and nobody was quick.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, LiteralString

from bookpayctl.clients.database import reading, rows_of
from bookpayctl.drill.scenario import EVIDENCE_MAX, DrillContext
from bookpayctl.report.verdict import Item, Verdict
from bookpayctl.storm.kinds import StormProfile
from bookpayctl.storm.recovery import BOUND_SECONDS, FaultSpan, OrderSpan, recoveries, within

RECOVERED_EVENT: Final = "recovered"

# Which of the two ends comes first: an order that was paid can be cancelled later.
_ORDERS: Final[LiteralString] = """
    SELECT o.id AS order_id, extract(epoch FROM o.created_at)::float8 AS placed_at,
        coalesce(extract(epoch FROM min(e.at)), 'infinity')::float8 AS ended_at
    FROM orders AS o LEFT JOIN order_events AS e
        ON e.order_id = o.id AND e.to_state IN ('paid', 'cancelled')
    WHERE starts_with(o.client_key, %(prefix)s)
    GROUP BY o.id
"""

_WORDS: Final = {
    StormProfile.PROCESSES: "faults of processes were recovered from",
    StormProfile.SERVERS: "faults of PostgreSQL, Kafka and Stripe's server were recovered from",
    StormProfile.STRIPE: "what Stripe's answers left open was known",
}


def recovery_items(context: DrillContext, spans: Sequence[FaultSpan]) -> list[Item]:
    """One answer for each class of the storm's faults; each fault's own is in the journal.

    Raises:
        DatabaseError: the database did not answer.
    """
    values = {"prefix": f"{context.run.run_id}-load-"}
    with reading(context.environment.dsn) as conn:
        orders = rows_of(conn, OrderSpan, _ORDERS, values)
    lines = [
        {
            "fault": one.fault.number,
            "kind": one.fault.kind,
            "profile": one.profile.value,
            # JSON has no infinity.
            "seconds": round(one.seconds, 3) if math.isfinite(one.seconds) else None,
            "order_id": one.order_id,
        }
        for one in recoveries(spans, orders)
    ]
    for line in lines:
        context.run.journal(RECOVERED_EVENT, **line)
    return items_of_lines(f"{context.slug}/recovered", lines)


def items_of_lines(prefix: str, lines: Sequence[dict[str, Any]]) -> list[Item]:
    """What the journals of one storm or several say of each class of faults that there was. Pure.

    Args:
        prefix: begins the ids, e.g. `storm/recovered`.
    """
    return [
        _item(f"{prefix}-{profile.value}", profile, found)
        for profile in BOUND_SECONDS
        if (found := [line for line in lines if line["profile"] == profile.value])
    ]


def _item(item_id: str, profile: StormProfile, lines: Sequence[dict[str, Any]]) -> Item:
    slowest = sorted(lines, key=_seconds, reverse=True)
    seconds = [_seconds(line) for line in lines]
    bound, p99 = BOUND_SECONDS[profile], within(seconds, 0.99)
    return Item(
        id=item_id,
        title=_WORDS[profile],
        verdict=Verdict.HOLDS if p99 <= bound else Verdict.WARNING,
        required=f"99 of 100 within {bound:.0f} s of their end, by the orders that felt them",
        observed=f"half within {_told(within(seconds, 0.5))}, 99 of 100 within {_told(p99)},"
        f" all {len(lines)} within {_told(max(seconds))}",
        examined=len(lines),
        evidence=tuple(
            f"fault {line['fault']}, {line['kind']}: {_told(_seconds(line))},"
            f" order {line['order_id']}"
            for line in slowest[:EVIDENCE_MAX]
        ),
        fix="" if p99 <= bound else f"bookpayctl order trace {slowest[0]['order_id']}",
    )


def _seconds(line: dict[str, Any]) -> float:
    return math.inf if line["seconds"] is None else float(line["seconds"])


def _told(seconds: float) -> str:
    return f"{seconds:.1f} s" if math.isfinite(seconds) else "no time at all: it never ended"
