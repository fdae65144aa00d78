"""A run's ledgers judged by the judge's own SQL: slow, so of a sample of the seeds.

Checker and SQL must say the same of each invariant that both have; where they do not, one of them
is wrong, and no verdict of the other seeds is worth anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from bookpayctl.judge import evaluation
from bookpayctl.judge.ledgers.sink import RowSink
from bookpayctl.judge.ledgers.store import fill, opened
from bookpayctl.judge.ledgers.tables import TIMESTAMP, tables
from bookpayctl.judge.rules import rules
from bookpayctl.report.verdict import Verdict
from bookpayctl.simulation.checker import INVARIANTS
from bookpayctl.simulation.ledgers import Ledgers

BEGINNING: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""What second 0 of virtual time is called in a ledger."""


def judged(ledgers: Ledgers) -> dict[str, Verdict]:
    """What the judge's SQL says of each invariant that the checker has."""
    with opened() as connection, TemporaryDirectory() as folder:
        for table in tables().values():
            times = [column.name for column in table.columns if column.type == TIMESTAMP]
            with RowSink(table, Path(folder) / f"{table.name}.jsonl") as sink:
                for row in ledgers.get(table.name, ()):
                    sink.put(_dated(row, times))
            fill(connection, table, sink.path)
        evaluation.prepare(connection)
        absent = evaluation.absences(connection)
        return {
            rule.id: evaluation.item_of(connection, rule, absent, {}).verdict
            for rule in rules()
            if rule.id in INVARIANTS
        }


def disagreements(ledgers: Ledgers, findings: Mapping[str, Any]) -> Iterator[str]:
    """Where checker and SQL differ, a sentence each."""
    for invariant, verdict in judged(ledgers).items():
        if verdict in (Verdict.UNKNOWN, Verdict.SKIPPED):
            yield f"{invariant}: the judge could not answer ({verdict})"
        elif (verdict is Verdict.VIOLATED) != (invariant in findings):
            here = "violated" if invariant in findings else "holds"
            yield f"{invariant}: {verdict} by SQL, {here} by the checker"


def _dated(row: Mapping[str, Any], times: list[str]) -> dict[str, Any]:
    dated = dict(row)
    for name in times:
        if dated.get(name) is not None:
            dated[name] = BEGINNING + timedelta(seconds=dated[name])
    return dated
