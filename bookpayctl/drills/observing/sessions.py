"""How many sessions each process has at PostgreSQL: as many as before, or it leaks them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

from bookpayctl.clients.database import reading
from bookpayctl.drill.scenario import DrillContext
from bookpayctl.report.verdict import Item
from bookpayctl.runs.waiting import wait_until

POOL_MAX: Final = 40
"""More than two pools of sixteen, the most that a process has; one that leaks has no bound."""


def sessions_by_process(context: DrillContext) -> Counter[str]:
    """Sessions in our database by the name that they gave, without those of this tool."""
    with reading(context.environment.dsn) as conn:
        rows = conn.execute(
            "SELECT application_name, count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND backend_type = 'client backend'"
            " AND NOT starts_with(application_name, 'bookpayctl') GROUP BY application_name"
        ).fetchall()
    return Counter({str(name): int(count) for name, count in rows})


def crowded(now: Mapping[str, int]) -> dict[str, int]:
    """Processes that have more sessions than any pool of theirs holds. Pure."""
    return {name: count for name, count in now.items() if count > POOL_MAX}


def nothing_leaked(context: DrillContext) -> Item:
    """Every process has sessions again, and none of them more than its pools hold."""
    waited = wait_until(
        lambda: sessions_by_process(context),
        lambda now: bool(now) and not crowded(now),
        deadline_seconds=context.deadline_seconds,
    )
    many = crowded(waited.value)
    return context.judged(
        "nothing-leaked",
        "no session was left behind",
        f"at most {POOL_MAX} sessions of each process",
        f"{sum(waited.value.values())} sessions of {len(waited.value)} names",
        good=waited.reached,
        examined=len(waited.value),
        evidence=[f"{name}: {count}" for name, count in sorted(many.items())],
        fix="bookpayctl status",
    )
