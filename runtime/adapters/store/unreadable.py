"""A row that cannot be read is set aside alone, and the rows it came with go on.

What the schema's checks leave open can still be nonsense: an amount that no charge has, a currency
that is none, written by hand. It is told as a dead letter and looked at again now and then, so that
a row that was mended goes on by itself.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Final, TypeVar
from uuid import UUID

from psycopg import Connection

from runtime.adapters.store import dead_letters

logger = logging.getLogger(__name__)

SET_ASIDE_SECONDS: Final = 300.0
"""How long an unreadable row is left alone before it is looked at again."""

UNREADABLE: Final = "unreadable_row"

_Columns = TypeVar("_Columns")
_Row = TypeVar("_Row")


def readable(
    rows: Iterable[_Columns],
    to_row: Callable[[_Columns], _Row],
    set_aside: Callable[[_Columns, ValueError], None],
) -> list[_Row]:
    """Those of the rows that can be read.

    Args:
        set_aside: called for each of the others, after all were tried.
    """
    good: list[_Row] = []
    bad: list[tuple[_Columns, ValueError]] = []
    for columns in rows:
        try:
            good.append(to_row(columns))
        except ValueError as error:
            bad.append((columns, error))
    for columns, reason in bad:
        set_aside(columns, reason)
    return good


def set_aside(
    conn: Connection, *, table: str, key: str, row_id: UUID, event_id: UUID, error: ValueError
) -> None:
    """Leave a leased or waiting row alone for a while, and say which and why.

    It has a dead letter of its event, whose source is the table; nobody holds it meanwhile.

    Args:
        table, key: code, never input.
    """
    text = f"{key} {row_id}: {error}"
    dead_letters.insert_event(conn, source=table, reason=UNREADABLE, event_id=event_id, error=text)
    conn.execute(
        f"UPDATE {table} SET next_attempt_at = environment_now()"  # noqa: S608 - constants
        " + make_interval(secs => %(wait)s),"
        # A lease stays one, as the table demands: of nobody, and over when the wait is.
        " lease_until = CASE WHEN lease_until IS NOT NULL"
        " THEN environment_now() + make_interval(secs => %(wait)s) END,"
        " lease_owner = CASE WHEN lease_owner IS NOT NULL THEN 'nobody' END"
        f" WHERE {key} = %(row_id)s",
        {"wait": SET_ASIDE_SECONDS, "row_id": row_id},
    )
    logger.error(
        "a row cannot be read and is left alone for now; mend it in the database",
        extra={"event_id": str(event_id), "table": table, "row": str(row_id), "error": str(error)},
    )
