"""Rows on their way from a source into a ledger: one JSON line each, in a file, never in memory.

A value that no column can hold does not stop the reading and is not passed over: the row is kept,
the column is NULL, and `unreadable` says which.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

import orjson

from bookpayctl.judge.ledgers.tables import (
    BIGINT,
    BOOLEAN,
    INTEGER,
    TIMESTAMP,
    UNREADABLE,
    Table,
)

Value = str | int | bool | datetime | None

_WHOLE: Final = {BIGINT: 2**63, INTEGER: 2**31}


class RowSink:
    """Takes the rows of one table, as they come."""

    def __init__(self, table: Table, path: Path) -> None:
        self.table = table
        self.path = path
        self.rows = 0
        self._types = {column.name: column.type for column in table.columns}
        self._notes_unreadable = UNREADABLE in self._types
        self._file: BinaryIO = path.open("wb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def put(self, row: Mapping[str, Value]) -> None:
        """Take one row; columns that it does not name are NULL.

        Raises:
            KeyError: it names a column that the table does not have.
        """
        held: dict[str, Value] = {}
        unreadable = []
        for name, value in row.items():
            held[name] = value
            if value is not None:
                shown = held_as(value, self._types[name])
                held[name] = shown
                if shown is None:
                    unreadable.append(name)
        if unreadable and self._notes_unreadable:
            held[UNREADABLE] = ", ".join(unreadable)
        self._file.write(orjson.dumps(held))
        self._file.write(b"\n")
        self.rows += 1

    def close(self) -> None:
        self._file.close()


def held_as(value: Value, type_name: str) -> Value:
    """The value as its column holds it; None when it cannot."""
    if type_name in _WHOLE:
        limit = _WHOLE[type_name]
        whole = isinstance(value, int) and not isinstance(value, bool)
        return value if whole and -limit <= value < limit else None  # type: ignore[operator]
    if type_name == BOOLEAN:
        return value if isinstance(value, bool) else None
    if type_name == TIMESTAMP:
        return _time(value)
    return _text(value)


def _time(value: Value) -> str | None:
    if not isinstance(value, datetime):
        return None
    if value.tzinfo is not None:
        try:
            value = value.astimezone(UTC).replace(tzinfo=None)
        except OverflowError:
            return None
    return value.isoformat(sep=" ", timespec="microseconds")


def _text(value: Value) -> str | None:
    """Text that is UTF-8; a NUL in it would end the text for some engines."""
    if not isinstance(value, str) or "\x00" in value:
        return None
    try:
        value.encode()
    except UnicodeEncodeError:
        return None
    return value
