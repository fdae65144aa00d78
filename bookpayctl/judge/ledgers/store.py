"""The ledgers on disk: DuckDB turns rows into Parquet, and Parquet into tables that SQL asks.

Whatever the size of a ledger, memory stays below a limit: what does not fit goes to a folder of
this process. Nothing but the folder is read, no extension is fetched, and what comes out is the
same on every machine: times are UTC, order is the source's.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb

from bookpayctl.judge.ledgers.tables import Table, tables
from bookpayctl.runs.interrupts import LongWork, broken_off

MEMORY_LIMIT: Final = "700MB"
"""Of DuckDB alone; with Python and its libraries a judge of a million orders stays below 1 GB."""

THREADS: Final = 2

SUFFIX: Final = ".parquet"

PARQUET: Final = "(FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"
"""The usual level takes twice as long over ids and digests, and makes nothing smaller of them."""

StoreError = duckdb.Error
"""What the engine says when it cannot do as it is asked."""


@dataclass(frozen=True, slots=True)
class LedgerAnswer:
    """Rows of the last statement; some engines' work is done only when they are fetched."""

    engine: duckdb.DuckDBPyConnection
    work: LongWork

    @property
    def columns(self) -> list[str]:
        return [str(column[0]) for column in self.engine.description or ()]

    def fetchone(self) -> tuple[Any, ...] | None:
        with _ending_as_a_stop(self.work):
            found: tuple[Any, ...] | None = self.engine.fetchone()
            return found

    def fetchall(self) -> list[tuple[Any, ...]]:
        with _ending_as_a_stop(self.work):
            found: list[tuple[Any, ...]] = self.engine.fetchall()
            return found

    def fetchmany(self, most: int) -> list[tuple[Any, ...]]:
        with _ending_as_a_stop(self.work):
            found: list[tuple[Any, ...]] = self.engine.fetchmany(most)
            return found


@dataclass(frozen=True, slots=True)
class LedgerConnection:
    """The engine, asked by SQL. A signal that stops the command breaks off what it is at."""

    engine: duckdb.DuckDBPyConnection
    work: LongWork

    def execute(self, statement: str, parameters: object = None) -> LedgerAnswer:
        """Run a statement.

        Raises:
            StoreError: the engine cannot do it; so, too, of what its rows are fetched with.
            Stopped: a signal came meanwhile. DuckDB drops what a handler raises in the midst of a
                statement and goes on with it, for minutes at a million orders.
        """
        with _ending_as_a_stop(self.work):
            return LedgerAnswer(self.engine.execute(statement, parameters), self.work)

    @contextmanager
    def apart(self) -> Iterator[LedgerConnection]:
        """A second one to the same tables, for an answer that is fetched beside other questions."""
        with answering(self.engine.cursor()) as cursor:
            yield cursor


@contextmanager
def _ending_as_a_stop(work: LongWork) -> Iterator[None]:
    """Whatever the engine made of a signal, it is a stop."""
    try:
        yield
    finally:
        work.raise_if_stopped()


@contextmanager
def answering(engine: duckdb.DuckDBPyConnection) -> Iterator[LedgerConnection]:
    """An engine as long as the block lasts, which a signal breaks off; closed at its end."""
    try:
        with broken_off(engine.interrupt) as work:
            yield LedgerConnection(engine, work)
    finally:
        engine.close()


@contextmanager
def opened(scratch: Path | None = None) -> Iterator[LedgerConnection]:
    """An engine with a folder for what does not fit into memory, both gone at the end.

    Args:
        scratch: where that folder is made; None is the machine's place for such things.
    """
    folder = Path(tempfile.mkdtemp(prefix="bookpay-judge-", dir=scratch))
    try:
        engine = duckdb.connect(
            ":memory:",
            config={
                "memory_limit": MEMORY_LIMIT,
                "temp_directory": str(folder / "spilled"),
                "threads": str(THREADS),
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
            },
        )
        with answering(engine) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            # Where it takes the session for somebody's at a terminal it writes to stdout.
            connection.execute("SET enable_progress_bar = false")
            yield connection
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def keep_lines(connection: LedgerConnection, table: Table, lines: Path, folder: Path) -> Path:
    """Turn the lines that a sink wrote into the table's Parquet file.

    Raises:
        StoreError: they could not be read, or the file not be written.
    """
    return _keep(connection, table, from_lines(table, lines), folder)


def keep_csv(connection: LedgerConnection, table: Table, csv: Path, folder: Path) -> Path:
    """The same of what `COPY ... TO STDOUT (FORMAT csv, HEADER)` wrote.

    Raises:
        StoreError: as above, or its columns are not the table's.
    """
    return _keep(connection, table, from_csv(table, csv), folder)


def keep_open(connection: LedgerConnection, table: Table, source: str, folder: Path) -> Path:
    """Turn a source into a table that stays, for who asks at once, and into its Parquet file.

    Raises:
        StoreError: as above.
    """
    columns = ", ".join(table.names)
    connection.execute(f"CREATE TABLE {table.name} AS SELECT {columns} FROM {source}")
    return _keep(connection, table, table.name, folder)


def from_csv(table: Table, csv: Path) -> str:
    """What `COPY ... TO STDOUT (FORMAT csv, HEADER)` wrote, as a source of rows.

    Raises:
        StoreError: its columns are not the table's.
    """
    with csv.open(encoding="utf-8") as lines:
        head = lines.readline().strip().split(",")
    # What is read goes by its place in the line, so a column too many would move all others.
    if tuple(head) != table.names:
        raise StoreError(f"{table.name} was read with columns {', '.join(head)}")
    return (
        f"read_csv({quoted(csv)}, header = true, auto_detect = false, delim = ',', quote = '\"',"
        f" escape = '\"', nullstr = '', allow_quoted_nulls = false, new_line = '\\n',"
        f" max_line_size = 20000000, columns = {shape_of(table)})"
    )


def open_folder(connection: LedgerConnection, folder: Path, schema: str = "main") -> None:
    """Make a view of each table's file, and an empty table where there is none.

    Args:
        schema: where they are made; what was in it is gone.

    Raises:
        StoreError: a file is no Parquet, or has other columns.
    """
    if schema != "main":
        connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
        connection.execute(f"CREATE SCHEMA {schema}")
    for table in tables().values():
        path = folder / f"{table.name}{SUFFIX}"
        name = f"{schema}.{table.name}"
        if path.is_file():
            columns = ", ".join(table.names)
            connection.execute(
                f"CREATE VIEW {name} AS SELECT {columns} FROM read_parquet({quoted(path)})"
            )
        else:
            connection.execute(table.statement.replace(table.name, name, 1))


def fill(connection: LedgerConnection, table: Table, lines: Path) -> None:
    """Put the lines that a sink wrote into a table in the engine, past any file."""
    connection.execute(f"CREATE TABLE {table.name} AS SELECT * FROM {from_lines(table, lines)}")


def rows(connection: LedgerConnection, question: str) -> Iterator[tuple[Any, ...]]:
    """The answer to a question, a few rows at a time."""
    with connection.apart() as cursor:
        answer = cursor.execute(question)
        while found := answer.fetchmany(1_000):
            yield from found


def quoted(text: Path | str) -> str:
    """A text as SQL writes it."""
    return "'" + str(text).replace("'", "''") + "'"


def _keep(connection: LedgerConnection, table: Table, source: str, folder: Path) -> Path:
    path = folder / f"{table.name}{SUFFIX}"
    columns = ", ".join(table.names)
    connection.execute(f"COPY (SELECT {columns} FROM {source}) TO {quoted(path)} {PARQUET}")
    return path


def from_lines(table: Table, lines: Path) -> str:
    """What a sink wrote, as a source of rows."""
    if lines.stat().st_size == 0:
        # Nothing has no shape that could be read from it.
        nothing = ", ".join(f"CAST(NULL AS {c.type}) AS {c.name}" for c in table.columns)
        return f"(SELECT {nothing} WHERE false)"
    return (
        f"read_json({quoted(lines)}, format = 'newline_delimited', columns = {shape_of(table)},"
        " maximum_object_size = 20000000)"
    )


def shape_of(table: Table) -> str:
    """The columns as a reader of files is told them."""
    return "{" + ", ".join(f"{c.name}: {quoted(c.type)}" for c in table.columns) + "}"
