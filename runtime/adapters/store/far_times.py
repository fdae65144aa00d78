"""Rows whose next time can never come: a time at infinity, or in another century.

Every wait of ours is minutes. A row that is due in a year was not meant to wait: whatever wrote
that, its payment would be forgotten. It is due now; the same key is sent, so nothing can be done
twice by it. A row that was last written at such a time was written now: from then on it can be told
how long nobody has touched it.
"""

from __future__ import annotations

from typing import Final

from psycopg import Connection

FAR: Final = "interval '1 day'"

# Table, its key as text, the column, and the rows in which it decides when they come up.
_WAITING: Final = (
    ("payments", "event_id", "next_attempt_at", "state IN ('pending', 'unknown', 'processing')"),
    ("payments", "event_id", "next_attempt_at", "state = 'parked' AND needs_reconcile"),
    ("payments", "event_id", "lease_until", "state = 'charging'"),
    ("refunds", "refund_id", "next_attempt_at", "state IN ('pending', 'sending', 'unknown')"),
    ("refunds", "refund_id", "next_attempt_at", "state IN ('processing', 'unknown')"),
    ("refunds", "refund_id", "lease_until", "state = 'sending'"),
    ("webhook_parked", "stripe_event_id", "next_attempt_at", "true"),
    ("payments", "event_id", "outside_check_at", "true"),
    ("outside_refunds", "stripe_refund_id", "next_look_at", "true"),
    ("disputes", "stripe_dispute_id", "next_look_at", "true"),
)

_OPEN: Final = (
    ("payments", "event_id", "state NOT IN ('succeeded', 'failed', 'refunded')"),
    ("refunds", "refund_id", "state IN ('pending', 'sending', 'processing', 'unknown')"),
)


def bring_near(conn: Connection) -> list[str]:
    """Make such rows due now; returns which, as table, key and column."""
    found = [f"{row} updated_at" for row in _touch_senseless(conn)]
    for table, key, column, where in _WAITING:
        rows = conn.execute(
            f"UPDATE {table} SET {column} = environment_now()"  # noqa: S608 - constants
            f" WHERE {where} AND {column} > environment_now() + {FAR}"
            f" RETURNING {key}::text"
        )
        found += [f"{table} {row[0]} {column}" for row in rows]
    return found


def _touch_senseless(conn: Connection) -> list[str]:
    found: list[str] = []
    for table, key, where in _OPEN:
        rows = conn.execute(
            f"UPDATE {table} SET updated_at = clock_timestamp() WHERE {where}"  # noqa: S608 - constants
            f" AND (updated_at > clock_timestamp() + {FAR}"
            "       OR updated_at < clock_timestamp() - interval '100 years')"
            f" RETURNING {key}::text"
        )
        found += [f"{table} {row[0]}" for row in rows]
    return found
