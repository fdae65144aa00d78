"""What a storm is for, counted: the rare things that have to happen sometimes, or it was a breeze.

An answer says how often one was seen. What was not seen is vacuous: it fails nobody, and nobody
can say that it was survived. Sources are our tables, the services' logs, and Stripe's answers.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final, LiteralString

from bookpayctl.clients.database import reading
from bookpayctl.clients.orders_api import Outcome
from bookpayctl.drill.scenario import DrillContext
from bookpayctl.judge.rows import ClientOperation
from bookpayctl.report.verdict import Item
from bookpayctl.targets.target import Mark

SOMETIMES: Final[Mapping[str, str]] = {
    "key-replayed": "Stripe answered a key that it had answered before",
    "answer-unknown": "a charge whose end nobody knew",
    "unknown-succeeded": "one that turned out to have been paid",
    "unknown-failed": "one that turned out not to have been",
    "lease-fenced": "a result came when its lease was gone",
    "lease-lost": "a lease ran out over an attempt without an end",
    "charge-changed-hands": "a charge was begun by one worker and again by another",
    "rebalanced-in-charge": "the workers' group was balanced while charges were under way",
    "reconciler-moved": "the reconciler brought a payment on",
    "publisher-replaced": "a publisher began to lead",
    "call-unanswered": "a call to Stripe whose answer the gateway never had",
    "order-unknown-placed": "a client was not told, and its order was placed",
    "order-unknown-absent": "a client was not told, and there was no order",
}
"""Name -> what has to be seen sometimes. What no storm can show is not among them."""

SEEN_EVENT: Final = "seen"
"""Of the journal: how many orders there were, and how often each thing and failpoint was seen."""

_STORED: Final[LiteralString] = """
    WITH moved AS (SELECT * FROM payment_events WHERE at >= %(since)s)
    SELECT
        (SELECT count(*) FROM moved WHERE to_state = 'unknown') AS "answer-unknown",
        (SELECT count(DISTINCT event_id) FROM moved WHERE to_state = 'succeeded'
            AND event_id IN (SELECT event_id FROM moved WHERE to_state = 'unknown'))
            AS "unknown-succeeded",
        (SELECT count(DISTINCT event_id) FROM moved WHERE to_state = 'failed'
            AND event_id IN (SELECT event_id FROM moved WHERE to_state = 'unknown'))
            AS "unknown-failed",
        (SELECT count(*) FROM (SELECT FROM moved WHERE to_state = 'charging' GROUP BY event_id
            HAVING count(DISTINCT cause) > 1) AS handed) AS "charge-changed-hands",
        (SELECT count(*) FROM moved WHERE cause = 'reconciler') AS "reconciler-moved",
        (SELECT count(*) FROM moved WHERE cause = 'lease_lost') AS "lease-lost",
        (SELECT count(*) FROM publisher_terms WHERE began_at >= %(since)s)
            AS "publisher-replaced",
        (SELECT count(*) FROM stripe_calls WHERE outcome IS NULL AND started_at >= %(since)s)
            AS "call-unanswered"
"""


_LEASES_LOST: Final[LiteralString] = """
    SELECT DISTINCT event_id::text FROM payment_events
    WHERE cause = 'lease_lost' AND at >= %(since)s
"""


def leases_lost(context: DrillContext, since: datetime) -> frozenset[str]:
    """Payments of which a lease was lost since a moment, by the database's clock.

    Raises:
        DatabaseError: the database did not answer.
    """
    with reading(context.environment.dsn) as conn:
        rows = conn.execute(_LEASES_LOST, {"since": since}).fetchall()
    return frozenset(str(event_id) for (event_id,) in rows)


def sightings_of_logs(lines: Iterable[str], lost: Collection[str]) -> Counter[str]:
    """What the services' own logs tell. Pure.

    Args:
        lost: payments of which a lease was lost. A webhook that was first fences a result off as
            well, of every other charge; that is nothing rare, and no lease was another's.
    """
    seen: Counter[str] = Counter()
    for line in lines:
        said = _document(line)
        seen["key-replayed"] += said.get("replayed") is True
        is_fenced = "fenced" in (said.get("result"), said.get("status"))
        seen["lease-fenced"] += is_fenced and said.get("event_id") in lost
    return seen


def sightings_of_books(context: DrillContext, since: datetime) -> Counter[str]:
    """What our tables tell since a moment, by the database's clock.

    Raises:
        DatabaseError: the database did not answer.
    """
    with reading(context.environment.dsn) as conn:
        cursor = conn.execute(_STORED, {"since": since})
        names = [column.name for column in cursor.description or ()]
        row = cursor.fetchone() or ()
    return Counter(dict(zip(names, map(int, row), strict=True)))


def sightings_of_clients(
    operations: Iterable[ClientOperation], status_by_key: Mapping[str, str]
) -> Counter[str]:
    """How calls without an answer had ended, both ways. Pure."""
    unknown = [one for one in operations if one.outcome == Outcome.UNKNOWN.value]
    placed = sum(one.client_key in status_by_key for one in unknown)
    return Counter({"order-unknown-placed": placed, "order-unknown-absent": len(unknown) - placed})


def lines_since(context: DrillContext, since: Mark) -> Iterator[str]:
    """What every service wrote since a mark."""
    for process in context.target.processes().values():
        if not process.is_server:
            yield from context.target.log_since(process.name, since)


def sometimes_items(context: DrillContext, seen: Mapping[str, int]) -> list[Item]:
    """One answer for each; what was not seen is vacuous."""
    return [
        context.judged(
            f"saw-{name}",
            words,
            "seen at least once, sometimes",
            f"seen {seen.get(name, 0)} times" if seen.get(name) else "not seen in this storm",
            good=True,
            examined=seen.get(name, 0),
        )
        for name, words in SOMETIMES.items()
    ]


def failpoints_reached(context: DrillContext) -> dict[str, int]:
    """How often processes were struck at each failpoint.

    Raises:
        DatabaseError: the database did not answer.
    """
    with reading(context.environment.dsn) as conn:
        rows = conn.execute(
            "SELECT point, count(*) FROM failpoint_hits WHERE run_id = %s GROUP BY point"
            " ORDER BY point",
            (context.run.run_id,),
        ).fetchall()
    return {str(point): int(count) for point, count in rows}


def failpoints_item(
    context: DrillContext, reached: Mapping[str, int], known: frozenset[str]
) -> Item:
    """Which failpoints processes came by and were struck at."""
    return context.judged(
        "saw-failpoints",
        "failpoints were reached",
        "each at least once, in enough storms",
        f"{len(reached)} of {len(known)} reached",
        good=True,
        examined=len(reached),
        evidence=[f"{point}: {count}" for point, count in reached.items()],
    )


def _document(line: str) -> Mapping[str, Any]:
    """A line of a log; empty for one that is no object, as of a library or a crash."""
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
