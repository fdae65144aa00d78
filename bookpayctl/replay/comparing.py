"""A replay that only reads: the log and the ledger side by side, and what differs, by kind.

What is asked is written in `questions/`, as the judge's invariants are, and answered by the same
engine. Nothing compared is vacuous, whatever else holds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

from bookpayctl.clients.kafka import BrokerError
from bookpayctl.judge import evaluation
from bookpayctl.judge.ledgers.sink import RowSink, Value
from bookpayctl.judge.ledgers.store import (
    LedgerConnection,
    from_csv,
    from_lines,
    keep_open,
    opened,
    quoted,
)
from bookpayctl.judge.ledgers.tables import tables
from bookpayctl.judge.readers.kafka import read_topics
from bookpayctl.judge.rules import Invariant, rule_of
from bookpayctl.judge.topics import retention_of
from bookpayctl.replay.errors import ReplayError
from bookpayctl.replay.evidence import RECORDS_FILE, SavedPosition, folder_of, records_of, schema
from bookpayctl.replay.ledger import LedgerReading, selects
from bookpayctl.replay.position import records_in
from bookpayctl.replay.reading import Pacing, oldest_records, read_log
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.report.result import Report
from bookpayctl.report.verdict import Item, Verdict
from bookpayctl.runs import directory
from bookpayctl.runs.directory import Run
from bookpayctl.runs.interrupts import Stopped, interruptible
from bookpayctl.session import code_of_signal
from bookpayctl.targets.environment import Environment
from runtime.domain.names import TOPIC_OF_EVENT_TYPE

PLACE: Final = "bookpayctl.replay.questions"

Observer = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One way to hold the log against the ledger.

    Attributes:
        mode: its name on the command line.
        prefix: of the ids of its questions.
        compares: the id of the question without whose answer nothing was compared.
        made_by: the file with the statements that make what its questions ask of; empty for none.
        digests: by question, the table whose two columns are to have one digest.
    """

    mode: str
    prefix: str
    compares: str
    made_by: str = ""
    digests: Mapping[str, str] = field(default_factory=dict)


VERIFY: Final = Comparison("verify", "R", "R03")

SHADOW: Final = Comparison(
    "shadow", "S", "S01", "shadow.sql", {"S01": "both_orders", "S02": "both_payments"}
)

COMPARISONS: Final = {VERIFY.mode: VERIFY, SHADOW.mode: SHADOW}


@cache
def questions(prefix: str) -> tuple[Invariant, ...]:
    """The questions whose ids begin so, by id."""
    found = {
        entry.name: entry.read_text(encoding="utf-8")
        for entry in files(PLACE).iterdir()
        if entry.name.endswith(".sql") and entry.name.startswith(prefix)
    }
    return tuple(rule_of(name, text) for name, text in sorted(found.items()))


def compare(
    environment: Environment,
    run: Run,
    comparison: Comparison,
    position: SavedPosition,
    pacing: Pacing,
    *,
    strict: bool,
) -> Report:
    """Read what is left of the range, and ask.

    A signal ends the reading; what was read stays, and `position` with it.

    Raises:
        ReplayError: one of the two sides could not be read.
        OSError, StoreError: it could not be kept.
    """
    began_at, began = datetime.now(UTC), time.monotonic()
    items: tuple[Item, ...] = ()
    incidents: tuple[ExitCode, ...] = ()
    try:
        with interruptible():
            items = _compared(environment, run, comparison, position, pacing)
    except Stopped as stopped:
        incidents = (code_of_signal(stopped.number),)
        run.journal("stopped", signal=str(stopped))
    if not incidents and not any(i.id == comparison.compares and i.examined for i in items):
        incidents = (ExitCode.VACUOUS,)
    return Report(
        kind="ReplayReport",
        context=_context(environment, run, comparison, position),
        items=items,
        started_at=began_at.isoformat(timespec="milliseconds"),
        duration_seconds=time.monotonic() - began,
        each_must_answer=False,
        strict=strict,
        incidents=incidents,
        run_dir=str(run.path),
    )


def _compared(
    environment: Environment,
    run: Run,
    comparison: Comparison,
    position: SavedPosition,
    pacing: Pacing,
) -> tuple[Item, ...]:
    ledger = LedgerReading(environment, run.path)
    position = read_log(environment.kafka, run.path, position, pacing)
    ledger.finish()
    run.journal("read", records=position.done)
    with opened(run.path) as connection:
        keep(environment, connection, run.path, position)
        items = tuple(ask_all(connection, comparison))
    # Not before the answers: until then a resumed run can still be brought to its end.
    for name in (RECORDS_FILE, *(f"{table}.csv" for table in selects())):
        (folder_of(run.path) / name).unlink()
    for item in items:
        run.journal("question", id=item.id, verdict=item.verdict.value, observed=item.observed)
    return items


def keep(
    environment: Environment, connection: LedgerConnection, run: Path, position: SavedPosition
) -> None:
    """Turn what was read into one Parquet file for each table, and leave the tables open.

    Raises:
        StoreError: it could not be read again, or not be written.
    """
    folder = folder_of(run)
    ours = schema()
    keep_open(connection, ours["records"], records_of(run), folder)
    for name in selects():
        keep_open(connection, ours[name], from_csv(ours[name], folder / f"{name}.csv"), folder)
    rows: Mapping[str, list[dict[str, Value]]] = {
        "asked": [_asked(environment, position)],
        "partitions": _partitions(environment, position),
        "probes": [{"event_id": event_id} for event_id in _probes(environment.runs_dir)],
    }
    for name, found in rows.items():
        lines = folder / f"{name}.jsonl"
        with RowSink(ours[name], lines) as sink:
            for row in found:
                sink.put(row)
        keep_open(connection, ours[name], from_lines(ours[name], lines), folder)
        lines.unlink()


def ask_all(connection: LedgerConnection, comparison: Comparison) -> list[Item]:
    """Ask every question of tables that are there."""
    known = ", ".join(f"({quoted(t)}, {quoted(topic)})" for t, topic in _routes().items())
    connection.execute(
        f"CREATE TABLE event_topics AS SELECT * FROM (VALUES {known}) AS k (event_type, topic)"
    )
    # The judge's engine looks there for whose stack it is; a replay is always one of ours.
    connection.execute(tables()["judgement"].statement)
    if comparison.made_by:
        connection.execute(files(PLACE).joinpath(comparison.made_by).read_text(encoding="utf-8"))
    found = [
        _told(evaluation.item_of(connection, question, {}, {}))
        for question in questions(comparison.prefix)
    ]
    return [
        digested(item, *_digests(connection, comparison.digests[item.id]))
        if item.id in comparison.digests
        else item
        for item in found
    ]


def digested(item: Item, rebuilt: str, live: str) -> Item:
    """The answer with both digests: equal ones under no difference, or it is violated."""
    line = f"digest of what the log tells {rebuilt[:16]}, of the live table {live[:16]}"
    item = replace(item, evidence=(line, *item.evidence))
    if rebuilt == live or item.verdict is not Verdict.HOLDS:
        return item
    return replace(item, verdict=Verdict.VIOLATED, observed=f"{item.observed}, but {line}")


def _digests(connection: LedgerConnection, table: str) -> tuple[str, str]:
    """Of both sides' rows, in whatever order they came."""
    row = connection.execute(
        "SELECT COALESCE(md5(STRING_AGG(a, '' ORDER BY a)), ''),"
        " COALESCE(md5(STRING_AGG(b, '' ORDER BY b)), '')"
        " FROM (SELECT md5(order_id || '|' || rebuilt_row) AS a,"
        f" md5(order_id || '|' || live_row) AS b FROM {table}) AS rows_of_both"
    ).fetchone()
    return (row[0], row[1]) if row else ("", "")


def _told(item: Item) -> Item:
    """What is not compared is not explained by anybody's table: say what it is."""
    if item.verdict is not Verdict.WARNING:
        return item
    return replace(item, observed=f"{item.observed.split(', ')[1].split()[0]} not compared")


def _routes() -> dict[str, str]:
    return {str(event_type): topic.value for event_type, topic in TOPIC_OF_EVENT_TYPE.items()}


def _asked(environment: Environment, position: SavedPosition) -> dict[str, Value]:
    return {
        "began_at": position.began_at,
        "by_time": position.by_time,
        "since_at": position.since_at,
        "until_at": position.until_at,
        "captured": environment.captured,
    }


def _partitions(environment: Environment, position: SavedPosition) -> list[dict[str, Value]]:
    oldest = oldest_records(environment.kafka, position.retained)
    try:
        topics = {t.name: t for t in read_topics(environment.kafka)}
    except BrokerError as error:
        raise ReplayError(f"the topics' settings could not be read: {error}") from error
    found: list[dict[str, Value]] = []
    for (topic, partition), (first, end) in position.ranges.items():
        kept = retention_of(topics.get(topic))
        found.append(
            {
                "topic": topic,
                "partition_number": partition,
                "low_offset": position.retained[topic, partition][0],
                "from_offset": first,
                "to_offset": end,
                "kept_seconds": None if kept is None else int(kept.total_seconds()),
                "retained_since": oldest.get((topic, partition)),
            }
        )
    return found


def _probes(runs_dir: Path) -> list[str]:
    """Events that runs of this tool made on purpose."""
    return [
        str(line["id"])
        for folder in (sorted(runs_dir.iterdir()) if runs_dir.is_dir() else [])
        for line in directory.read_lines(folder / directory.PROBES_FILE)
        if line["kind"] == "event"
    ]


def _context(
    environment: Environment, run: Run, comparison: Comparison, position: SavedPosition
) -> dict[str, str]:
    topics = sorted({topic for topic, _ in position.ranges})
    return {
        "environment": environment.name,
        "target": environment.target,
        "run": run.run_id,
        "mode": comparison.mode,
        "topics": ", ".join(topics) or "none",
        "records": f"{records_in(position.ranges)} of {records_in(position.retained)} retained",
        "ledger_at": position.began_at.isoformat(timespec="milliseconds"),
    }
