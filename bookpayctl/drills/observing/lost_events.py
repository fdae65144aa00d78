"""Events that were taken out of a topic before anybody read them: whether they came again.

The reconciler finds an order whose event had no consequence and has it published again from the
outbox. It waits for a window first, so that nothing is told twice that is merely late; the bound of
what is watched here is that window and the time of a look or two.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from bookpayctl.clients.database import reading
from bookpayctl.drill.scenario import DrillContext
from bookpayctl.faults.topic_refill import events_in
from bookpayctl.report.verdict import Item
from bookpayctl.runs.waiting import wait_until
from runtime.domain.names import TOPIC_OF_EVENT_TYPE, OrderStatus

REFILL_SECONDS: Final = 60.0
"""Beyond the window: four looks of the reconciler at its longest pace, and a charge."""


WELL_SECONDS: Final = 5.0
"""How long an order may wait on a loaded machine while nothing is wrong."""


@dataclass(frozen=True, slots=True)
class Refill:
    """What became of the orders behind some events.

    Attributes:
        unpaid: events whose orders are not paid.
        pending: orders that have been waiting for longer than one that is well.
        told_again: events of them that the reconciler had published again.
        others: events that it had published again since, and that were not among them.
    """

    unpaid: frozenset[str]
    pending: int
    told_again: frozenset[str]
    others: frozenset[str]


def bound_seconds(context: DrillContext) -> float:
    """How long a gap may stay one: the environment's window and what a look takes."""
    window = float(context.environment.settings.get("webhook_window_seconds") or 900)
    return max(context.deadline_seconds, window + REFILL_SECONDS)


def gap_refilled(
    context: DrillContext, lost: Collection[str], taken_at: datetime, *, nobody_read: bool
) -> list[Item]:
    """Wait until every order behind a lost event is paid, and nobody else's waits either.

    Args:
        lost: ids of OrderPlaced events that were taken away unread.
        taken_at: when they were; of the events from before this others may be lost, too, unseen.
        nobody_read: whether no reader was there, who might have had one in its hands; then one at
            least must have been told again.
    """
    seconds_max = bound_seconds(context)
    context.observe(f"{len(lost)} events are lost: waiting up to {seconds_max:.0f} s for them")
    waited = wait_until(
        lambda: _refill(context, lost, taken_at),
        lambda seen: not seen.unpaid and not seen.pending,
        deadline_seconds=seconds_max,
        every_seconds=0.5,
    )
    seen = waited.value
    return [
        context.judged(
            "gap-refilled",
            "what was lost came again from the outbox",
            f"every order behind a lost event paid within {seconds_max:.0f} s",
            f"{len(lost) - len(seen.unpaid)} of {len(lost)} paid after {waited.seconds:.0f} s,"
            f" {len(seen.told_again)} published again by the reconciler",
            good=not seen.unpaid and (bool(seen.told_again) or not lost or not nobody_read),
            examined=len(lost),
            evidence=[f"{event_id} is not paid for" for event_id in sorted(seen.unpaid)[:5]],
            fix="bookpayctl logs payments-reconciler",
        ),
        context.judged(
            "nothing-else-told-again",
            "nothing else had to be told again",
            "no other event published again: what came later was read as it came",
            f"{len(seen.others)} others told again, {seen.pending} orders wait",
            good=not seen.others and not seen.pending,
            examined=len(lost),
            evidence=[f"{event_id} was told again" for event_id in sorted(seen.others)[:5]],
            fix="bookpayctl logs payments-worker",
        ),
    ]


def marked_ones_in_log(context: DrillContext, topics: Collection[str], since: datetime) -> Item:
    """Whether every event of since then that is marked published is in its topic at this moment.

    Sooner than anybody could have it published again: what is marked was acknowledged.
    """
    types = [kind for kind, at in TOPIC_OF_EVENT_TYPE.items() if at.value in topics]
    with reading(context.environment.dsn) as conn:
        rows = conn.execute(
            "SELECT event_id::text FROM outbox WHERE event_type = ANY (%s) AND created_at > %s"
            " AND published_at IS NOT NULL",
            (types, since),
        ).fetchall()
    marked = {event_id for (event_id,) in rows}
    there = frozenset().union(*(events_in(context.environment, topic) for topic in topics))
    gone = sorted(marked - there)
    return context.judged(
        "marked-ones-are-there",
        "what is marked published is in its topic",
        "every event of this time that is marked published, at this moment",
        f"{len(marked) - len(gone)} of {len(marked)} are there",
        good=not gone,
        examined=len(marked),
        evidence=[f"{event_id} is marked published and not there" for event_id in gone[:5]],
        fix="bookpayctl logs outbox-publisher",
    )


def _refill(context: DrillContext, lost: Collection[str], taken_at: datetime) -> Refill:
    with reading(context.environment.dsn) as conn:
        paid = conn.execute(
            "SELECT event_id::text FROM orders WHERE event_id = ANY (%s::uuid[]) AND status = %s",
            (sorted(lost), OrderStatus.PAID.value),
        ).fetchall()
        waits = conn.execute(
            "SELECT count(*) FROM orders WHERE status = %s"
            " AND created_at < clock_timestamp() - make_interval(secs => %s)",
            (OrderStatus.PENDING.value, WELL_SECONDS),
        ).fetchone()
        told = conn.execute(
            "SELECT event_id::text, created_at < %s FROM events_told_again"
            " JOIN outbox USING (event_id) WHERE told_at > %s",
            (taken_at, taken_at),
        ).fetchall()
    again = {event_id for event_id, _ in told}
    return Refill(
        unpaid=frozenset(lost) - {event_id for (event_id,) in paid},
        pending=int(waits[0]) if waits else 0,
        told_again=frozenset(lost) & again,
        others=frozenset(event_id for event_id, early in told if not early) - frozenset(lost),
    )
