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
from pathlib import Path
from typing import Any, Final

import duckdb

from bookpayctl.judge.ledgers.tables import Table, tables

MEMORY_LIMIT: Final = "700MB"
"""Of DuckDB alone; with Python and its libraries a judge of a million orders stays below 1 GB."""

THREADS: Final = 2

SUFFIX: Final = ".parquet"

PARQUET: Final = "(FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"
"""The usual level takes twice as long over ids and digests, and makes nothing smaller of them."""

Connection = duckdb.DuckDBPyConnection

StoreError = duckdb.Error
"""What the engine says when it cannot do as it is asked."""


@contextmanager
def opened(scratch: Path | None = None) -> Iterator[Connection]:
    """An engine with a folder for what does not fit into memory, both gone at the end.

    Args:
        scratch: where that folder is made; None is the machine's place for such things.
    """
    folder = Path(tempfile.mkdtemp(prefix="bookpay-judge-", dir=scratch))
    try:
        connection = duckdb.connect(
            ":memory:",
            config={
                "memory_limit": MEMORY_LIMIT,
                "temp_directory": str(folder / "spilled"),
                "threads": str(THREADS),
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
            },
        )
        try:
            connection.execute("SET TimeZone = 'UTC'")
            yield connection
        finally:
            connection.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def keep_lines(connection: Connection, table: Table, lines: Path, folder: Path) -> Path:
    """Turn the lines that a sink wrote into the table's Parquet file.

    Raises:
        StoreError: they could not be read, or the file not be written.
    """
    return _keep(connection, table, from_lines(table, lines), folder)


def keep_csv(connection: Connection, table: Table, csv: Path, folder: Path) -> Path:
    """The same of what `COPY ... TO STDOUT (FORMAT csv, HEADER)` wrote.

    Raises:
        StoreError: as above, or its columns are not the table's.
    """
    return _keep(connection, table, from_csv(table, csv), folder)


def keep_open(connection: Connection, table: Table, source: str, folder: Path) -> Path:
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


def open_folder(connection: Connection, folder: Path, schema: str = "main") -> None:
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


def fill(connection: Connection, table: Table, lines: Path) -> None:
    """Put the lines that a sink wrote into a table in the engine, past any file."""
    connection.execute(f"CREATE TABLE {table.name} AS SELECT * FROM {from_lines(table, lines)}")


def rows(connection: Connection, question: str) -> Iterator[tuple[Any, ...]]:
    """The answer to a question, a few rows at a time."""
    cursor = connection.cursor()
    try:
        cursor.execute(question)
        while found := cursor.fetchmany(1_000):
            yield from found
    finally:
        cursor.close()


def quoted(text: Path | str) -> str:
    """A text as SQL writes it."""
    return "'" + str(text).replace("'", "''") + "'"


def _keep(connection: Connection, table: Table, source: str, folder: Path) -> Path:
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
