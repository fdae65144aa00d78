"""Which settled orders the log still has: what a replay would come by, and what it would not.

A replay shows nothing about an order whose record is gone, so the log is held against the settled
orders, and the topics against what they promised to keep.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from bookpayctl.clients import kafka
from bookpayctl.clients.database import reading
from bookpayctl.judge.readers.kafka import read_topics
from bookpayctl.judge.topics import retention_of, topic_violations
from bookpayctl.replay.errors import ReplayError
from bookpayctl.targets.environment import Environment
from runtime.domain.names import FINAL_PAYMENT_STATES, Topic

KEYS_NAMED_MAX: Final = 3

# An order that never was in the outbox, or never left it, is asked about elsewhere. A capture marks
# no row: what was settled was sent, and not before it was written.
_SETTLED: Final = (
    "SELECT p.event_id::text,"
    " least(greatest(b.sent_at, 'epoch'), '9000-01-01 00:00:00+00'), clock_timestamp()"
    " FROM payments p JOIN (SELECT event_id,"
    "   CASE WHEN %(captured)s THEN created_at ELSE published_at END AS sent_at FROM outbox) b"
    " ON b.event_id = p.event_id WHERE p.state = ANY(%(final)s) AND b.sent_at IS NOT NULL"
)


@dataclass(frozen=True, slots=True)
class Coverage:
    """Which settled orders a replay from earliest would still come by.

    Attributes:
        missing: not in the log although the topic promised to keep them until now.
        expired: not in the log any more, and older than what the topic promises.
        topics: what keeps our topics from being replayed, in words.
    """

    settled: int
    missing: tuple[str, ...] = ()
    expired: int = 0
    kept: timedelta | None = None
    topics: tuple[str, ...] = ()

    def problems(self) -> list[str]:
        """What must not be: records gone before their time, topics that forget."""
        found = list(self.topics)
        if self.missing:
            named = ", ".join(self.missing[:KEYS_NAMED_MAX])
            found.append(
                f"{len(self.missing)} of {self.settled} settled orders are not in"
                f" {Topic.ORDERS_PLACED.value}, which keeps records {_kept(self.kept)}: {named}"
            )
        return found

    def warnings(self) -> list[str]:
        """What nobody is to blame for and a replay would not show."""
        if not self.expired:
            return []
        reach = f"older than {Topic.ORDERS_PLACED.value}, which keeps records {_kept(self.kept)}"
        return [f"{self.expired} of {self.settled} settled orders are {reach}: not replayed"]

    def evidence(self) -> str:
        covered = self.settled - len(self.missing) - self.expired
        return (
            f"{Topic.ORDERS_PLACED.value} covers {covered} of {self.settled} settled orders,"
            f" {self.expired} older than it keeps records, {len(self.missing)} missing"
        )


def _kept(kept: timedelta | None) -> str:
    return "for ever" if kept is None else f"for {kept.total_seconds() / 86400:g} days"


def coverage_of(
    published: Mapping[str, datetime],
    in_log: frozenset[str],
    *,
    now: datetime,
    kept: timedelta | None,
    topics: tuple[str, ...] = (),
) -> Coverage:
    """Hold settled orders against the log.

    Args:
        published: when each settled order's OrderPlaced went into the log, by its event id.
        kept: how long the topic promises to keep a record; None for ever.
    """
    absent = sorted(key for key in published if key not in in_log)
    missing = tuple(k for k in absent if kept is None or now - published[k] < kept)
    return Coverage(len(published), missing, len(absent) - len(missing), kept, topics)


def read_coverage(environment: Environment) -> Coverage:
    """Compare the settled orders with the records of orders.placed, from its earliest one.

    Raises:
        ReplayError: Kafka could not be read.
        DatabaseError: PostgreSQL could not.
    """
    with reading(environment.dsn) as conn:
        final = [state.value for state in FINAL_PAYMENT_STATES]
        values = {"final": final, "captured": environment.captured}
        rows = conn.execute(_SETTLED, values).fetchall()
    now = rows[0][2] if rows else None
    # After the rows: what was settled before has long been published.
    consumer = kafka.open_consumer(environment.kafka)
    try:
        topics = read_topics(environment.kafka)
        ranges = kafka.log_ranges(consumer, [Topic.ORDERS_PLACED.value])
        records = list(kafka.records_between(consumer, ranges))
    except (kafka.BrokerError, kafka.LogReadError) as error:
        raise ReplayError(f"the log could not be read: {error}") from error
    finally:
        consumer.close()
    problems = tuple(f"{v.subject}: {v.detail}" for v in topic_violations(topics))
    if now is None:
        return Coverage(0, topics=problems)
    placed = next((topic for topic in topics if topic.name == Topic.ORDERS_PLACED), None)
    return coverage_of(
        {key: published for key, published, _ in rows},
        frozenset(record.event_id for record in records if record.event_id),
        now=now,
        kept=retention_of(placed),
        topics=problems,
    )
