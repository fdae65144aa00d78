"""A table as it is shortly before autovacuum comes: with the dead rows that it may have by then.

Rows that were open and are over leave entries in the indexes of what is open. How many there may be
is a setting of the table, or of the server, and by default a share of the table: so it is a part of
what grows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, LiteralString

import psycopg
from psycopg import sql

from benchmarks.growth_stage import SizedShop

# Less than what makes autovacuum begin; it is off meanwhile all the same.
_SHARE: Final = 0.95

_ALLOWED: Final = """
    SELECT coalesce((SELECT option_value FROM pg_options_to_table(reloptions)
                     WHERE option_name = 'autovacuum_vacuum_threshold'),
                    current_setting('autovacuum_vacuum_threshold'))::float8
           + coalesce((SELECT option_value FROM pg_options_to_table(reloptions)
                       WHERE option_name = 'autovacuum_vacuum_scale_factor'),
                      current_setting('autovacuum_vacuum_scale_factor'))::float8 * reltuples
    FROM pg_class WHERE oid = %s::regclass
"""


@dataclass(frozen=True, slots=True)
class Churn:
    """How rows of a table come to be over once more, and end as they were.

    Attributes:
        over: which rows are.
        opens: makes the rows of `chosen` open ones.
        ends: makes all that are open over.
        dead_of_a_row: dead versions that a row leaves in its life, of which one is in the index of
            what is open.
    """

    over: LiteralString
    opens: LiteralString
    ends: LiteralString
    dead_of_a_row: int


_CHURNS: Final = {
    "outbox": Churn(
        "published_at IS NOT NULL",
        "UPDATE outbox SET published_at = NULL WHERE event_id IN (SELECT event_id FROM chosen)",
        "UPDATE outbox SET published_at = created_at WHERE published_at IS NULL",
        dead_of_a_row=1,
    ),
    "payments": Churn(
        "state = 'succeeded'",
        "UPDATE payments SET state = 'pending' WHERE event_id IN (SELECT event_id FROM chosen)",
        "UPDATE payments SET state = 'succeeded' WHERE state = 'pending'",
        dead_of_a_row=2,
    ),
    "orders": Churn(
        "status = 'paid'",
        "UPDATE orders SET status = 'pending' WHERE event_id IN (SELECT event_id FROM chosen)",
        "UPDATE orders SET status = 'paid' WHERE status = 'pending'",
        dead_of_a_row=1,
    ),
}


def leave_dead_rows(shop: SizedShop, *tables: str) -> int:
    """Bring tables into that state; every row is as it was, and what was open is over.

    Returns:
        How many rows were open meanwhile.
    """
    with shop.session(synchronous_commit="off", work_mem="256MB") as conn:
        rows = sum(_leave(conn, table) for table in tables)
        conn.execute("CHECKPOINT")
    return rows


def _leave(conn: psycopg.Connection, table: str) -> int:
    name, churn = sql.Identifier(table), _CHURNS[table]
    conn.execute(sql.SQL("ALTER TABLE {} SET (autovacuum_enabled = off)").format(name))
    conn.execute(churn.ends)
    conn.execute(sql.SQL("VACUUM (ANALYZE, INDEX_CLEANUP ON) {}").format(name))
    allowed = (conn.execute(_ALLOWED, (table,)).fetchone() or (0.0,))[0]
    conn.execute("CREATE TEMP TABLE chosen (event_id uuid)")
    conn.execute(
        sql.SQL(
            "INSERT INTO chosen SELECT event_id FROM {} WHERE {} ORDER BY created_at DESC LIMIT {}"
        ).format(
            name, sql.SQL(churn.over), sql.Literal(int(allowed * _SHARE / churn.dead_of_a_row))
        )
    )
    conn.execute("ANALYZE chosen")
    rows = conn.execute(churn.opens).rowcount
    conn.execute(churn.ends)
    conn.execute("DROP TABLE chosen")
    return rows
