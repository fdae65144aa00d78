"""What a mapping gives, column by column, with examples that show no content: for `mapping test`.

Few rows are read, in the same read-only transaction in which an audit reads all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from bookpayctl.clients.database import Connection, DatabaseError
from bookpayctl.clients.read_only import rows
from bookpayctl.judge.mapping.columns import Found, own, problems_of, source_of
from bookpayctl.judge.mapping.document import Mapping, MappingError, TableMapping
from bookpayctl.judge.mapping.mask import masked
from bookpayctl.judge.mapping.tables import REQUIRED, WORDS, columns_of
from bookpayctl.judge.readers.mapped import describe, notes_of_access, session
from bookpayctl.judge.rules import rules

EXAMPLES: Final = 3


@dataclass(frozen=True, slots=True)
class ColumnFinding:
    """One column of a canonical table.

    Attributes:
        type_name: PostgreSQL's; empty where the SELECT does not give it.
        examples: of at most three rows, masked; words of states are nobody's secret and shown.
        not_asked: ids of the invariants that are not asked without it.
    """

    table: str
    column: str
    required: bool
    type_name: str
    examples: tuple[str, ...]
    not_asked: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MappingFindings:
    """What became of every column, what is wrong, and what must be known of the access."""

    columns: tuple[ColumnFinding, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...]


def examine(dsn: str, mapping: Mapping) -> MappingFindings:
    """Look at each SELECT of the mapping, and at three rows of each.

    Raises:
        DatabaseError: the database could not be asked.
    """
    found: list[ColumnFinding] = []
    problems: list[str] = []
    with session(dsn, mapping) as conn:
        notes = tuple(notes_of_access(conn))
        for table in mapping.tables.values():
            columns, told = _examined(conn, table, mapping.database.time_zone)
            found += columns
            problems += told
    return MappingFindings(tuple(found), tuple(problems), notes)


def not_asked_without(table: str, column: str | None = None) -> tuple[str, ...]:
    """Ids of the invariants that need a table, or beyond that one of its columns."""
    if column is not None:
        return tuple(rule.id for rule in rules() if f"{table}.{column}" in rule.columns)
    return tuple(rule.id for rule in rules() if any(table in group for group in rule.needs))


def _examined(
    conn: Connection, table: TableMapping, time_zone: str | None
) -> tuple[list[ColumnFinding], list[str]]:
    try:
        given = describe(conn, table)
    except MappingError as error:
        return [], [str(error)]
    told = [f"tables.{table.name}: {one}" for one in problems_of(table, given, time_zone)]
    names = {column.name for column in given}
    examples: dict[str, tuple[str, ...]] = {}
    # A name that is none of ours may be anything, and stands in no statement of ours.
    if len(names) == len(given) and names <= set(columns_of(table.name)):
        try:
            examples = _examples(conn, table, given)
        except DatabaseError as error:
            reason = (error.diag.message_primary or str(error)).strip()
            return [], [*told, f"tables.{table.name}: PostgreSQL says: {reason}"]
    kinds = {column.name: column.type_name for column in given}
    return list(_findings(table, kinds, examples)), told


def _examples(
    conn: Connection, table: TableMapping, given: list[Found]
) -> dict[str, tuple[str, ...]]:
    conn.execute("SAVEPOINT examples")
    names = ", ".join(f"{own(column.name)}::text" for column in given)
    try:
        found = rows(conn, f"SELECT {names} {source_of(table)} LIMIT {EXAMPLES}")
    except DatabaseError:
        conn.execute("ROLLBACK TO SAVEPOINT examples")
        raise
    return {
        column.name: tuple(_shown(table, column.name, row[place]) for row in found)
        for place, column in enumerate(given)
    }


def _shown(table: TableMapping, column: str, value: object) -> str:
    if (table.name, column) not in WORDS or not isinstance(value, str):
        return masked(value)
    canonical = table.translate.get(column, {}).get(value)
    return value if canonical is None else f"{value} -> {canonical}"


def _findings(
    table: TableMapping, kinds: dict[str, str], examples: dict[str, tuple[str, ...]]
) -> Iterator[ColumnFinding]:
    for column in columns_of(table.name):
        yield ColumnFinding(
            table=table.name,
            column=column,
            required=column in REQUIRED[table.name],
            type_name=kinds.get(column, ""),
            examples=examples.get(column, ()),
            not_asked=() if column in kinds else not_asked_without(table.name, column),
        )
