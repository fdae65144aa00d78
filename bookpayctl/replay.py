"""Replay: a new consumer group reads the topic again through the real worker, and nobody pays.

The group is new, so it has no offsets and begins at the earliest record; the worker is the real
program, so what is proven is its inbox and not a copy of it. Money is counted at Stripe and in our
own journal, before and after, for the keys that were settled before the replay began.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from bookpayctl.clients import kafka
from bookpayctl.clients.database import reading
from bookpayctl.faults import undo
from bookpayctl.judge.readers.kafka import read_topics
from bookpayctl.judge.readers.stripe import StripeReader, StripeReadError
from bookpayctl.judge.topics import retention_of, topic_violations
from bookpayctl.runs.directory import Run, UndoEntry
from bookpayctl.targets.environment import Environment
from bookpayctl.targets.errors import TargetError
from bookpayctl.targets.target import Target
from runtime.domain.names import FINAL_PAYMENT_STATES, Service, Topic

TOPICS: Final = (Topic.ORDERS_PLACED, Topic.ORDERS_CANCELLED)

KEYS_NAMED_MAX: Final = 3

# An order that never was in the outbox, or never left it, is asked about elsewhere.
_SETTLED: Final = (
    "SELECT p.event_id::text,"
    " least(greatest(b.published_at, 'epoch'), '9000-01-01 00:00:00+00'), clock_timestamp()"
    " FROM payments p JOIN outbox b ON b.event_id = p.event_id"
    " WHERE p.state = ANY(%s) AND b.published_at IS NOT NULL"
)


class ReplayError(RuntimeError):
    """The replay could not be carried out, so it shows nothing; the message says why."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Money and rows at one moment, for the keys settled before the replay."""

    executions: int
    stripe_calls: int
    payments: int
    states: str


@dataclass(frozen=True, slots=True)
class Replayed:
    """What the replay read and what it changed.

    Attributes:
        expected: records in the topics when it began; `left_out` of them were not asked for.
        settled: keys whose payment was final before it began; the ones money is counted for.
    """

    group: str
    expected: int
    left_out: int
    records: int
    inserted: int
    duplicates: int
    malformed: int
    settled: int
    before: Counted
    after: Counted
    group_deleted: bool

    def problems(self) -> list[str]:
        """Everything that must not have happened."""
        found = []
        charges = self.after.executions - self.before.executions
        if charges:
            found.append(f"{charges} new executions at Stripe for settled keys")
        calls = self.after.stripe_calls - self.before.stripe_calls
        if calls:
            found.append(f"{calls} new calls to Stripe in our journal for settled keys")
        if self.after.payments != self.before.payments:
            found.append(
                f"payments of settled keys: {self.before.payments} -> {self.after.payments}"
            )
        if self.after.states != self.before.states:
            found.append("a settled payment changed its state")
        if self.records < self.expected - self.left_out:
            found.append(
                f"only {self.records} of {self.expected - self.left_out} records were reprocessed"
            )
        if not self.group_deleted:
            found.append(f"consumer group {self.group} could not be deleted")
        return found

    def sentence(self) -> str:
        left_out = f", {self.left_out} older ones left out" if self.left_out else ""
        return (
            f"{self.records} records reprocessed from earliest{left_out}: {self.duplicates}"
            f" duplicates, {self.inserted} new; 0 new charges for {self.settled} settled keys"
        )

    def evidence(self) -> tuple[str, ...]:
        return (
            f"at Stripe: {self.before.executions} executions before, {self.after.executions} after",
            f"stripe_calls: {self.before.stripe_calls} before, {self.after.stripe_calls} after",
            f"payments: {self.before.payments} before, {self.after.payments} after",
            f"group {self.group}, deleted: {self.group_deleted}; malformed {self.malformed}",
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
        rows = conn.execute(_SETTLED, ([state.value for state in FINAL_PAYMENT_STATES],)).fetchall()
    now = rows[0][2] if rows else None
    # After the rows: what was settled before has long been published.
    consumer = kafka.open_consumer(environment.kafka_bootstrap_servers)
    try:
        topics = read_topics(environment.kafka_bootstrap_servers)
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


def replay(
    target: Target, run: Run, *, records_max: int | None, deadline_seconds: float
) -> Replayed:
    """Read the topics again with a group of this run's own.

    Args:
        records_max: read only about so many of the newest records; None reads all of them.

    Raises:
        ReplayError: the worker did not finish, or a ledger could not be read.
    """
    environment = target.environment
    group = f"bookpay-replay-{run.run_id}"
    settled = _settled_keys(environment)
    before = _count(environment, settled)
    ranges = _ranges(environment)
    # The group comes into being with its first offset, so the promise stands before that.
    entry = run.promise_undo(undo.DELETE_CONSUMER_GROUP, group=group)
    try:
        expected, left_out = _prepare_group(environment, group, ranges, records_max)
        summary = _run_worker(target, group, deadline_seconds)
        after = _count(environment, settled)
    finally:
        deleted = _delete_group(target, run, entry)
    return Replayed(
        group=group,
        expected=expected,
        left_out=left_out,
        records=int(summary["records"]),
        inserted=int(summary["inserted"]),
        duplicates=int(summary["duplicates"]),
        malformed=int(summary["malformed"]),
        settled=len(settled),
        before=before,
        after=after,
        group_deleted=deleted,
    )


def starting_offsets(
    ranges: dict[tuple[str, int], tuple[int, int]], records_max: int | None
) -> dict[tuple[str, int], int]:
    """Where each partition is read from, so that about `records_max` of the newest are read.

    Each partition gets an even share; a partition with less than its share gives none of it away,
    so fewer may be read than allowed, never more.
    """
    if records_max is None:
        return {where: first for where, (first, _) in ranges.items()}
    share, rest = divmod(records_max, max(1, len(ranges)))
    # What does not divide goes to the fullest, so that a small number reads something, too.
    fullest = sorted(ranges, key=lambda where: ranges[where][0] - ranges[where][1])[:rest]
    return {
        where: max(first, end - share - (where in fullest))
        for where, (first, end) in ranges.items()
    }


def _settled_keys(environment: Environment) -> list[str]:
    with reading(environment.dsn) as conn:
        rows = conn.execute(
            "SELECT event_id::text FROM payments WHERE state = ANY(%s) ORDER BY event_id",
            ([state.value for state in FINAL_PAYMENT_STATES],),
        ).fetchall()
    return [key for (key,) in rows]


def _count(environment: Environment, settled: list[str]) -> Counted:
    try:
        executed = StripeReader(environment).executed_keys()
    except StripeReadError as error:
        raise ReplayError(f"charges cannot be counted at Stripe: {error}") from error
    keys = set(settled)
    with reading(environment.dsn) as conn:
        row = conn.execute(
            "SELECT (SELECT count(*) FROM stripe_calls WHERE event_id = ANY(%(keys)s::uuid[])),"
            " count(*), coalesce(md5(string_agg(event_id || state, ',' ORDER BY event_id)), '')"
            " FROM payments WHERE event_id = ANY(%(keys)s::uuid[])",
            {"keys": settled},
        ).fetchone()
    if row is None:
        raise ReplayError("the payments could not be counted")
    return Counted(sum(1 for key in executed if key in keys), row[0], row[1], row[2])


def _ranges(environment: Environment) -> dict[tuple[str, int], tuple[int, int]]:
    consumer = kafka.open_consumer(environment.kafka_bootstrap_servers)
    try:
        return kafka.log_ranges(consumer, [topic.value for topic in TOPICS])
    except kafka.BrokerError as error:
        raise ReplayError(f"Kafka does not answer: {error}") from error
    finally:
        consumer.close()


def _prepare_group(
    environment: Environment,
    group: str,
    ranges: dict[tuple[str, int], tuple[int, int]],
    records_max: int | None,
) -> tuple[int, int]:
    """Give the group its starting offsets when not all is to be read; (expected, left out)."""
    starts = starting_offsets(ranges, records_max)
    left_out = sum(starts[where] - first for where, (first, _) in ranges.items())
    if left_out:
        try:
            kafka.set_group_offsets(environment.kafka_bootstrap_servers, group, starts)
        except kafka.BrokerError as error:
            raise ReplayError(f"the group's offsets could not be set: {error}") from error
    return sum(end - first for first, end in ranges.values()), left_out


def _run_worker(target: Target, group: str, deadline_seconds: float) -> dict[str, Any]:
    """Run the real worker with another group to the end of the topics; its last line is JSON."""
    try:
        done = target.run_once(
            Service.WORKER.value,
            ["--group", group, "--until-end"],
            deadline_seconds=deadline_seconds,
        )
    except TargetError as error:
        raise ReplayError(f"the topics could not be read again: {error}") from error
    if done.exit_status != 0:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise ReplayError(f"the replaying worker exited {done.exit_status}: {''.join(last)}")
    return _last_count(done.stdout)


def _last_count(stdout: str) -> dict[str, Any]:
    """The worker's summary: the last line of its output that is an object with `records`."""
    for line in reversed(stdout.splitlines()):
        try:
            document = json.loads(line)
        except ValueError:
            continue
        if isinstance(document, dict) and "records" in document:
            return document
    raise ReplayError("the replaying worker ended without its summary")


def _delete_group(target: Target, run: Run, entry: UndoEntry) -> bool:
    try:
        undo.undo(target, entry)
    except undo.UndoError as error:
        run.journal("undo_failed", op=entry.op, error=str(error))
        return False
    run.undone(entry)
    return True
