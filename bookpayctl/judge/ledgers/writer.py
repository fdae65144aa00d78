"""Where readers put what they read: one folder, one Parquet file per table.

A reader fills a sink, or a CSV file that PostgreSQL writes, and says `keep`; the lines are gone
then, and the table stands. Sinks may be filled side by side, but are kept one after the other.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from bookpayctl.judge.ledgers.sink import RowSink
from bookpayctl.judge.ledgers.store import (
    SUFFIX,
    LedgerConnection,
    keep_csv,
    keep_lines,
    quoted,
    rows,
)
from bookpayctl.judge.ledgers.tables import UNREADABLE, tables

LINES: Final = ".jsonl"
CSV: Final = ".csv"


class LedgerWriter:
    """One folder of ledgers that is being written."""

    def __init__(self, connection: LedgerConnection, folder: Path) -> None:
        self.folder = folder
        self._connection = connection
        folder.mkdir(parents=True, exist_ok=True)

    def sink(self, table_name: str) -> RowSink:
        """A sink for the rows of one table; `keep` it when all of them are in."""
        return RowSink(tables()[table_name], self.folder / f"{table_name}{LINES}")

    def keep(self, *sinks: RowSink) -> None:
        """Turn what the sinks took into the tables' files.

        Raises:
            StoreError: a file could not be written.
        """
        for sink in sinks:
            sink.close()
            keep_lines(self._connection, sink.table, sink.path, self.folder)
            sink.path.unlink()

    def csv_path(self, table_name: str) -> Path:
        return self.folder / f"{table_name}{CSV}"

    def keep_csv(self, table_name: str) -> None:
        """Turn the CSV file of a table into its ledger.

        Raises:
            StoreError: as above.
        """
        path = self.csv_path(table_name)
        keep_csv(self._connection, tables()[table_name], path, self.folder)
        path.unlink()

    def count_unreadable(self, table_name: str) -> int:
        """How many rows of a kept table have a value that could not be held.

        Raises:
            StoreError: as above.
        """
        path = self.folder / f"{table_name}{SUFFIX}"
        question = f"SELECT COUNT({UNREADABLE}) FROM read_parquet({quoted(path)})"  # noqa: S608 - ours
        return int(next(rows(self._connection, question))[0])
