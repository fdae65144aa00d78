"""A small log and its ledger, as a replay has them, for tests that then break one thing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from bookpayctl.controls.defects import clean_log
from bookpayctl.judge.ledgers.sink import RowSink
from bookpayctl.judge.ledgers.store import fill, opened
from bookpayctl.replay.comparing import Comparison, ask_all
from bookpayctl.replay.evidence import schema
from bookpayctl.report.verdict import Item

ORDER, INTENT = "ord_1", "pi_1"
TYPES: Final = ("OrderPlaced", "PaymentCompleted", "OrderPaid")

Row = dict[str, Any]
Tables = dict[str, list[Row]]


@cache
def _clean() -> Mapping[str, tuple[Row, ...]]:
    """The log of the red controls, row by row."""
    found = {}
    with opened() as connection:
        for table in schema().values():
            connection.execute(table.statement)
        connection.execute(clean_log())
        for table in schema().values():
            rows = connection.execute(f"SELECT * FROM {table.name}").fetchall()
            found[table.name] = tuple(
                {name: _held(value) for name, value in zip(table.names, row, strict=True)}
                for row in rows
            )
    return found


def _held(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value


def tables(**changes: list[Row]) -> Tables:
    """One paid order, with its three events in the log."""
    return {**{name: [dict(row) for row in rows] for name, rows in _clean().items()}, **changes}


def event(event_type: str) -> Row:
    """The outbox row of one step of the order."""
    return next(row for row in tables()["events"] if row["event_type"] == event_type)


def record(event_type: str, /, **changes: Any) -> Row:
    """The record of that row, as the publisher makes it."""
    made = next(row for row in tables()["records"] if row["event_type"] == event_type)
    return {**made, **changes}


def asked(comparison: Comparison, facts: Mapping[str, list[Row]], scratch: Path) -> dict[str, Item]:
    """The answers of every question, by id."""
    with opened() as connection:
        for name, table in schema().items():
            lines = scratch / f"{name}.jsonl"
            with RowSink(table, lines) as sink:
                for row in facts[name]:
                    sink.put(row)
            fill(connection, table, lines)
        return {item.id: item for item in ask_all(connection, comparison)}
