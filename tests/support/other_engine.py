"""The rules as they are shipped, asked of PostgreSQL: what another engine makes of their text."""

from __future__ import annotations

from typing import Any, Final, LiteralString

import psycopg

from bookpayctl.controls.defects import clean_shop
from bookpayctl.judge.ledgers.tables import tables
from bookpayctl.judge.rules import Invariant, derived_tables, rules

Answers = dict[str, dict[str, list[Any]]]
"""By rule and statement: its rows, sorted."""

SCHEMA: Final = "judged"


def fill_postgres(conn: psycopg.Connection, statement: str) -> None:
    """Make the canonical tables of the clean shop, changed by a statement, and what rules ask of.

    In the caller's transaction, which is better rolled back: a commit for each of three hundred
    tables would be most of the work.
    """
    conn.execute(f"CREATE SCHEMA {SCHEMA}")
    conn.execute(f"SET search_path = {SCHEMA}; SET timezone = 'UTC'")
    for table in tables().values():
        run(conn, table.statement)
    conn.execute(clean_shop().encode())
    if statement:
        conn.execute(statement.encode())
    for derived in derived_tables():
        run(conn, derived)


def answers_of(conn: psycopg.Connection) -> Answers:
    """What each rule's statements answer."""
    return {rule.id: _answers(conn, rule) for rule in rules()}


def run(conn: psycopg.Connection, statement: LiteralString) -> psycopg.Cursor[Any]:
    """A statement of the rule set, as it is."""
    return conn.execute(statement)


def _answers(conn: psycopg.Connection, rule: Invariant) -> dict[str, list[Any]]:
    for name, statement in rule.tables.items():
        run(conn, f"CREATE TABLE {name} AS {statement}")
    found = {
        name: shown(run(conn, statement).fetchall()) for name, statement in rule.statements.items()
    }
    for name in reversed(rule.tables):
        run(conn, f"DROP TABLE {name}")
    return found


def shown(rows: list[Any]) -> list[Any]:
    """Rows in one order and one notation, for no engine owes another its own of either."""
    return sorted([[None if one is None else str(one) for one in row] for row in rows], key=repr)
