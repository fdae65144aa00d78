"""`replay --source outbox`: rows of the outbox published again, and nobody is charged by it.

A row goes out as the publisher made it, with a header `replay` that names the run. Consumers know
the event: its row in the payments ledger, the order's state and the letter that was sent are what
makes it harmless, and that is counted, not assumed. The position is saved behind each batch that
the broker has acknowledged; what a crash sends once more is at most one batch.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from bookpayctl.clients import kafka
from bookpayctl.clients.database import DatabaseError, reading
from bookpayctl.clients.kafka_producer import DeliveryError, open_producer, send_all
from bookpayctl.clients.kafka_servers import KafkaServers
from bookpayctl.replay import money
from bookpayctl.replay.errors import ReplayError
from bookpayctl.replay.evidence import folder_of
from bookpayctl.replay.outbox_rows import (
    BATCH,
    CountedRows,
    OutboxSelection,
    RowPlace,
    count_rows,
    count_settled,
    next_rows,
    record_of,
)
from bookpayctl.replay.pace import ReplayProgress, pause_seconds, slice_of
from bookpayctl.replay.position import Ranges, Where
from bookpayctl.replay.reading import Pacing
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.report.result import Report
from bookpayctl.report.verdict import Item, Verdict
from bookpayctl.runs.directory import Run
from bookpayctl.runs.files import write_atomically
from bookpayctl.runs.waiting import wait_until
from bookpayctl.session import open_session
from bookpayctl.targets.environment import Environment
from runtime.domain.names import TOPICS_OF_GROUP, Service

POSITION_FILE: Final = "outbox.json"
DOING: Final = "rows sent"
MODE: Final = "outbox"
LEFT_OUT_NAMED_MAX: Final = 3


@dataclass(slots=True)
class Sending:
    """How far it is.

    Attributes:
        total: rows that were chosen; `done_before` of them were sent by the run that is resumed.
        after: behind which row it goes on.
        sent: acknowledged by Kafka; `ranges` is where they lie.
        left_out: rows that can be no record, with the reason; the first few are named.
    """

    selection: OutboxSelection
    total: int
    done_before: int = 0
    after: RowPlace | None = None
    sent: int = 0
    left_out: int = 0
    named: list[str] = field(default_factory=list)
    ranges: Ranges = field(default_factory=dict)

    @property
    def done(self) -> int:
        return self.done_before + self.sent + self.left_out


def choose_rows(environment: Environment, selection: OutboxSelection) -> list[CountedRows]:
    """How many rows of each type would be sent.

    Raises:
        ReplayError: the ledger did not answer.
    """
    try:
        with reading(environment.dsn) as conn:
            return count_rows(conn, selection)
    except DatabaseError as error:
        raise ReplayError(f"the outbox could not be read: {str(error).strip()}") from error


def republish(
    environment: Environment,
    sending: Sending,
    pacing: Pacing,
    observe: Callable[[str], None],
    *,
    deadline_seconds: float,
    strict: bool,
    resumes: str = "",
) -> Report:
    """Publish chosen rows again, in a run of its own.

    A signal ends the sending behind the last acknowledged batch; the report says so.

    Raises:
        RefusedError: nothing may be disturbed here now; nothing was sent.
        ReplayError: see `publish_again`.
    """
    began_at, began = datetime.now(UTC), time.monotonic()
    items: list[Item] = []
    with open_session(environment, "replay", observe) as session:
        save(session.run.path, sending)
        session.run.journal("begin", mode=MODE, rows=sending.total, resumes=resumes)
        items = publish_again(
            environment, session.run, sending, pacing, deadline_seconds=deadline_seconds
        )
        for item in items:
            session.run.journal("item", id=item.id, verdict=item.verdict.value)
    shown_nothing = items and not items[-1].examined
    return Report(
        kind="ReplayReport",
        context={
            "environment": environment.name,
            "target": environment.target,
            "run": session.run.run_id,
            "mode": MODE,
            "topics": ", ".join(sorted({topic for topic, _ in sending.ranges})) or "none",
            "records": f"{sending.sent} of {sending.total} chosen rows",
            "ledger_at": sending.selection.began_at.isoformat(timespec="milliseconds"),
        },
        items=tuple(items),
        started_at=began_at.isoformat(timespec="milliseconds"),
        duration_seconds=time.monotonic() - began,
        each_must_answer=False,
        strict=strict,
        incidents=(*session.incidents, *([ExitCode.VACUOUS] if shown_nothing else [])),
        run_dir=str(session.run.path),
    )


def publish_again(
    environment: Environment,
    run: Run,
    sending: Sending,
    pacing: Pacing,
    *,
    deadline_seconds: float,
) -> list[Item]:
    """Send what is left, wait until every consumer has passed it, and count.

    Raises:
        ReplayError: rows or counts could not be read, or Kafka did not take a batch. What was sent
            until then stands in the run's position.
    """
    try:
        settled = money.settled_keys(environment)
        before = money.count(environment, settled)
        with reading(environment.dsn) as conn:
            concerned = count_settled(conn, sending.selection)
        _send(environment, run, sending, pacing)
        behind = _wait_for_consumers(environment, sending.ranges, deadline_seconds)
        after = money.count(environment, settled)
    except DatabaseError as error:
        raise ReplayError(f"the ledger could not be read: {str(error).strip()}") from error
    except (DeliveryError, kafka.BrokerError) as error:
        raise ReplayError(f"Kafka: {error}") from error
    return [
        sent_item(sending),
        consumed_item(sending, behind, deadline_seconds),
        unmoved_item(before, after, concerned=concerned, consumed=not behind),
    ]


def _send(environment: Environment, run: Run, sending: Sending, pacing: Pacing) -> None:
    producer = open_producer(environment.kafka, run.run_id)
    began, done_before = time.monotonic(), sending.done
    step = slice_of(pacing.rate, BATCH)
    while True:
        # A transaction for each batch: one over the whole replay would keep vacuum from the tables.
        with reading(environment.dsn) as conn:
            rows = next_rows(conn, sending.selection, after=sending.after, limit=step)
        if not rows:
            break
        records = [(row, record_of(row, run.run_id)) for row in rows]
        going = [record for _, record in records if not isinstance(record, str)]
        found = send_all(producer, going)
        for where, (first, end) in found.items():
            sending.ranges[where] = (sending.ranges.get(where, (first, end))[0], end)
        for row, record in records:
            if isinstance(record, str):
                sending.left_out += 1
                sending.named = [*sending.named, f"{row.event_id}: {record}"][:LEFT_OUT_NAMED_MAX]
        sending.sent += len(going)
        sending.after = RowPlace(rows[-1].place, str(rows[-1].event_id))
        save(run.path, sending)
        seconds = time.monotonic() - began
        pacing.show(ReplayProgress(DOING, sending.done, sending.total, seconds, done_before))
        time.sleep(pause_seconds(sending.done - done_before, seconds, pacing.rate))
    run.journal("sent", records=sending.sent, left_out=sending.left_out)


def _wait_for_consumers(
    environment: Environment, ranges: Ranges, deadline_seconds: float
) -> list[str]:
    """Which groups have not passed what was sent, at the deadline; empty when all have."""
    waited = wait_until(
        lambda: _behind(environment.kafka, ranges),
        lambda behind: not behind,
        deadline_seconds=deadline_seconds,
        every_seconds=0.5,
    )
    return waited.value


def _behind(servers: KafkaServers, ranges: Ranges) -> list[str]:
    found = []
    for group, topics in TOPICS_OF_GROUP.items():
        read = [where for where in ranges if where[0] in topics]
        committed = kafka.group_offsets(servers, group.value, read)
        found += [
            f"{group.value} is at {committed[where]} of {_place(where)}, sent up to"
            f" {ranges[where][1]}"
            for where in read
            if (committed[where] or 0) < ranges[where][1]
        ]
    return found


def _place(where: Where) -> str:
    return f"{where[0]}/{where[1]}"


# --- what it comes to -----------------------------------------------------------------------


def sent_item(sending: Sending) -> Item:
    """Every chosen row is in the log once more; those that cannot be are told."""
    lines = [f"{_place(w)}: offsets {a} to {b - 1}" for w, (a, b) in sorted(sending.ranges.items())]
    if sending.left_out:
        verdict, said = Verdict.WARNING, f", {sending.left_out} can be no record"
    else:
        verdict, said = (Verdict.HOLDS if sending.done else Verdict.VACUOUS), ""
    if sending.done < sending.total:
        # Rows do not go away by themselves; the ones that are gone were not sent.
        verdict, said = Verdict.VIOLATED, f"{said}, {sending.total - sending.done} were not found"
    earlier = f", {sending.done_before} by the run before" if sending.done_before else ""
    return Item(
        id="replay/sent",
        title="chosen rows are sent",
        verdict=verdict,
        required="every chosen row acknowledged by all in-sync replicas",
        observed=f"{sending.sent} of {sending.total} rows sent{earlier}{said}",
        examined=sending.done,
        evidence=(*lines, *sending.named),
        fix="" if verdict in (Verdict.HOLDS, Verdict.VACUOUS) else "bookpayctl dlq list",
    )


def consumed_item(sending: Sending, behind: list[str], deadline_seconds: float) -> Item:
    """Consumers have seen what was sent; before that nothing shows that it is harmless."""
    read = [w for w in sending.ranges if any(w[0] in topics for topics in TOPICS_OF_GROUP.values())]
    required = "every group that reads these topics has passed what was sent"
    title = "consumers have passed it"
    if behind:
        return Item(
            id="replay/consumed",
            title=title,
            verdict=Verdict.UNKNOWN,
            required=required,
            observed=f"{len(behind)} partitions are not passed",
            examined=0,
            evidence=tuple(behind),
            fix=f"bookpayctl logs {Service.WORKER.value}",
            reason=f"not passed within {deadline_seconds:.0f} s",
        )
    return Item(
        id="replay/consumed",
        title=title,
        verdict=Verdict.HOLDS if read else Verdict.VACUOUS,
        required=required,
        observed=f"{len(read)} partitions passed by every group that reads them",
        examined=len(read),
    )


def unmoved_item(
    before: money.Counted, after: money.Counted, *, concerned: int, consumed: bool
) -> Item:
    """No money moved, and no state; that nothing happened yet shows nothing."""
    problems = money.changes(before, after)
    title, required = (
        "nobody is charged",
        ("0 new executions and calls for settled keys; payments, orders and letters as before"),
    )
    if problems:
        verdict, observed, reason = Verdict.VIOLATED, "; ".join(problems), ""
    elif not consumed:
        verdict, observed = Verdict.UNKNOWN, "nothing moved until now"
        reason = "consumers have not passed what was sent"
    else:
        verdict, reason = (Verdict.HOLDS if concerned else Verdict.VACUOUS), ""
        observed = f"0 new charges for {concerned} settled payments that the rows speak of"
    return Item(
        id="replay/nobody-charged",
        title=title,
        verdict=verdict,
        required=required,
        observed=observed,
        examined=concerned,
        evidence=money.evidence_of(before, after),
        fix="" if verdict in (Verdict.HOLDS, Verdict.VACUOUS) else "bookpayctl audit",
        reason=reason,
    )


# --- the position on disk -------------------------------------------------------------------


def save(run: Path, sending: Sending) -> None:
    """Write down behind which row it is, durably."""
    folder_of(run).mkdir(exist_ok=True)
    chosen = sending.selection
    document = {
        "mode": MODE,
        "began_at": chosen.began_at,
        "since": chosen.since,
        "until": chosen.until,
        "types": chosen.types,
        "aggregates": chosen.aggregates,
        "total": sending.total,
        "done": sending.done,
        "after": None if sending.after is None else [sending.after.at, sending.after.event_id],
    }
    write_atomically(folder_of(run) / POSITION_FILE, json.dumps(document, default=str))


def saved(run: Path) -> Sending:
    """Where a run had come to.

    Raises:
        ReplayError: it sent nothing from the outbox.
    """
    try:
        text = (folder_of(run) / POSITION_FILE).read_text(encoding="utf-8")
        document: dict[str, Any] = json.loads(text)
        selection = OutboxSelection(
            began_at=datetime.fromisoformat(document["began_at"]),
            since=_time(document["since"]),
            until=_time(document["until"]),
            types=_texts(document["types"]),
            aggregates=_texts(document["aggregates"]),
        )
        at = document["after"]
        after = None if at is None else RowPlace(datetime.fromisoformat(at[0]), str(at[1]))
        return Sending(selection, int(document["total"]), int(document["done"]), after)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReplayError(f"{run.name} has no position to go on from: {error}") from error


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _texts(found: list[str] | None) -> tuple[str, ...] | None:
    return None if found is None else tuple(found)
