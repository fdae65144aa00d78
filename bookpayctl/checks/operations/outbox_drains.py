"""BP-O001: what orders wrote into the outbox leaves it again."""

from __future__ import annotations

from typing import Final, LiteralString

from bookpayctl.check import Category, Check, CheckAnswer, Inquiry, warned
from bookpayctl.checks import capture
from bookpayctl.clients.database import reading

AGE_SECONDS_MAX: Final = 60.0
"""A publisher that works is at most a few seconds behind, one that took over some ten."""

# Dead letters are counted where they wait for a person. An event dated infinity has no age.
_OLDEST: Final[LiteralString] = """
SELECT count(*), coalesce(extract(epoch FROM clock_timestamp()
         - min(created_at) FILTER (WHERE isfinite(created_at))), 0)::float8
FROM outbox WHERE published_at IS NULL AND event_id NOT IN (
    SELECT event_id FROM dead_letters WHERE source = 'outbox' AND event_id IS NOT NULL)
"""


def ask(inquiry: Inquiry) -> CheckAnswer:
    """Count what is not published, and how long the oldest has waited."""
    if inquiry.environment.captured:
        return capture.ask_drains(inquiry)
    with reading(inquiry.environment.dsn) as conn:
        row = conn.execute(_OLDEST).fetchone()
    if row is None:
        raise RuntimeError("a count gave no row")
    count, oldest = row
    return answer(count, oldest)


def answer(count: int, oldest_seconds: float) -> CheckAnswer:
    """What it means that so many events wait, the oldest for so long."""
    seen = f"{count} unpublished, the oldest for {oldest_seconds:.0f} s" if count else "empty"
    worries = [seen] if count and oldest_seconds > AGE_SECONDS_MAX else []
    evidence = f"unpublished and no dead letter: {count}; the oldest {oldest_seconds:.1f} s"
    return warned(worries, seen, max(1, count), (evidence,))


CHECK: Final = Check(
    id="BP-O001",
    title="the outbox drains",
    question="Does what orders wrote into the outbox leave it again?",
    required=f"no event unpublished for more than {AGE_SECONDS_MAX:.0f} s",
    why="Orders are accepted and nobody is charged: customers wait, and the backlog grows.",
    fix="bookpayctl status; bookpayctl logs outbox-publisher",
    ask=ask,
    category=Category.OPERATIONS,
)
