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
from bookpayctl.faults import undo
from bookpayctl.faults.undo_error import UndoError
from bookpayctl.replay.errors import ReplayError
from bookpayctl.replay.ledger_cover import NotCoveredError, read_cover
from bookpayctl.replay.money import Counted, changes, count, evidence_of, settled_keys
from bookpayctl.replay.position import Ranges, Where, records_in
from bookpayctl.replay.ranges import ReplayRange, choose
from bookpayctl.runs.directory import Run, UndoEntry
from bookpayctl.targets.environment import Environment
from bookpayctl.targets.errors import TargetError
from bookpayctl.targets.target import Target
from runtime.domain.names import Service, Topic

TOPICS: Final = (Topic.ORDERS_PLACED.value, Topic.ORDERS_CANCELLED.value)
"""What the worker reads."""


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
        found = changes(self.before, self.after)
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
            *evidence_of(self.before, self.after),
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
    chosen = choose(environment.kafka, wanted)
    refusal = read_cover(environment, chosen.ranges).problem()
    if refusal is not None:
        raise NotCoveredError(refusal)
    settled = settled_keys(environment)
    before = count(environment, settled)
    ranges = _ranges(environment)
    starts = starting_offsets(ranges, chosen.ranges)
    left_out = sum(starts[where] - first for where, (first, _) in ranges.items())
    # The group comes into being with its first offset, so the promise stands before that.
    entry = run.promise_undo(undo.DELETE_CONSUMER_GROUP, group=group)
    try:
        if left_out:
            _prepare_group(environment, group, starts)
        summary = _run_worker(target, group, deadline_seconds)
        after = count(environment, settled)
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
    chosen = choose(environment.kafka, wanted)
    return read_cover(environment, chosen.ranges).problem()


def _ranges(environment: Environment) -> Ranges:
    try:
        return kafka.ranges_of(environment.kafka, TOPICS)
    except kafka.BrokerError as error:
        raise ReplayError(f"Kafka does not answer: {error}") from error


def _prepare_group(environment: Environment, group: str, starts: dict[Where, int]) -> None:
    """Give the group its starting offsets, because not all is to be read."""
    try:
        kafka.set_group_offsets(environment.kafka, group, starts)
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
    except UndoError as error:
        run.journal("undo_failed", op=entry.op, error=str(error))
        return False
    run.undone(entry)
    return True
