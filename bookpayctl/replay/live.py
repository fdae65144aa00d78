"""`replay --mode live`: a new consumer group reads the topics again through the real worker.

Nobody pays: a range that the payments ledger does not cover is refused. The group is new, so it
begins where it is told; the worker is the real program, so what is proven is its inbox and not a
copy of it. Money is counted at Stripe and in our
own journal, before and after, for the keys that were settled before the replay began.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from bookpayctl.clients import kafka
from bookpayctl.clients.database import reading
from bookpayctl.faults import undo
from bookpayctl.judge.readers.stripe import StripeReader, StripeReadError
from bookpayctl.replay.errors import ReplayError
from bookpayctl.replay.ledger_cover import NotCoveredError, read_cover
from bookpayctl.replay.position import Ranges, Where, records_in
from bookpayctl.replay.ranges import ReplayRange, choose
from bookpayctl.runs.directory import Run, UndoEntry
from bookpayctl.targets.environment import Environment
from bookpayctl.targets.errors import TargetError
from bookpayctl.targets.target import Target
from runtime.domain.names import FINAL_PAYMENT_STATES, Service, Topic

TOPICS: Final = (Topic.ORDERS_PLACED.value, Topic.ORDERS_CANCELLED.value)
"""What the worker reads."""


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
        left_out = f", {self.left_out} others left out" if self.left_out else " from earliest"
        return (
            f"{self.records} records reprocessed{left_out}: {self.duplicates}"
            f" duplicates, {self.inserted} new; 0 new charges for {self.settled} settled keys"
        )

    def evidence(self) -> tuple[str, ...]:
        return (
            f"at Stripe: {self.before.executions} executions before, {self.after.executions} after",
            f"stripe_calls: {self.before.stripe_calls} before, {self.after.stripe_calls} after",
            f"payments: {self.before.payments} before, {self.after.payments} after",
            f"group {self.group}, deleted: {self.group_deleted}; malformed {self.malformed}",
        )


def replay(target: Target, run: Run, wanted: ReplayRange, *, deadline_seconds: float) -> Replayed:
    """Read a range of the topics again with a group of this run's own.

    Raises:
        NotCoveredError: the payments ledger does not know orders of the range; nothing was read.
        PositionError: the log does not have that range.
        ReplayError: the worker did not finish, or a ledger could not be read.
    """
    environment = target.environment
    group = f"bookpay-replay-{run.run_id}"
    chosen = choose(environment.kafka_bootstrap_servers, wanted)
    refusal = read_cover(environment, chosen.ranges).problem()
    if refusal is not None:
        raise NotCoveredError(refusal)
    settled = _settled_keys(environment)
    before = _count(environment, settled)
    ranges = _ranges(environment)
    starts = starting_offsets(ranges, chosen.ranges)
    left_out = sum(starts[where] - first for where, (first, _) in ranges.items())
    # The group comes into being with its first offset, so the promise stands before that.
    entry = run.promise_undo(undo.DELETE_CONSUMER_GROUP, group=group)
    try:
        if left_out:
            _prepare_group(environment, group, starts)
        summary = _run_worker(target, group, deadline_seconds)
        after = _count(environment, settled)
    finally:
        deleted = _delete_group(target, run, entry)
    expected = records_in(ranges)
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


def starting_offsets(ranges: Ranges, chosen: Ranges) -> dict[Where, int]:
    """Where each partition that the worker reads is read from; one not chosen, from its end."""
    return {
        where: chosen[where][0] if where in chosen else end for where, (_, end) in ranges.items()
    }


def refusal_of(environment: Environment, wanted: ReplayRange) -> str | None:
    """Why this range must not go through the worker again; None when it may.

    Raises:
        PositionError: the log does not have that range.
        ReplayError: it cannot be told.
    """
    chosen = choose(environment.kafka_bootstrap_servers, wanted)
    return read_cover(environment, chosen.ranges).problem()


def _ranges(environment: Environment) -> Ranges:
    consumer = kafka.open_consumer(environment.kafka_bootstrap_servers)
    try:
        return kafka.log_ranges(consumer, TOPICS)
    except kafka.BrokerError as error:
        raise ReplayError(f"Kafka does not answer: {error}") from error
    finally:
        consumer.close()


def _prepare_group(environment: Environment, group: str, starts: dict[Where, int]) -> None:
    """Give the group its starting offsets, because not all is to be read."""
    try:
        kafka.set_group_offsets(environment.kafka_bootstrap_servers, group, starts)
    except kafka.BrokerError as error:
        raise ReplayError(f"the group's offsets could not be set: {error}") from error


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
