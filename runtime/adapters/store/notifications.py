"""Notifications: one row per event, written before the mail leaves and marked after."""

from __future__ import annotations

from uuid import UUID

from psycopg import Connection


def begin(
    conn: Connection,
    *,
    event_id: UUID,
    event_type: str,
    order_id: str,
    recipient: str,
    message_id: str,
) -> bool:
    """Record the intent to write; False when the customer has been written to about this event."""
    # The update changes nothing. DO NOTHING would return no row, and the question is whether the
    # row that was there before has been sent.
    row = conn.execute(
        "INSERT INTO notifications (event_id, event_type, order_id, recipient, message_id)"
        " VALUES (%s, %s, %s, %s, %s)"
        " ON CONFLICT (event_id) DO UPDATE SET event_id = excluded.event_id"
        " RETURNING sent_at IS NULL",
        (event_id, event_type, order_id, recipient, message_id),
    ).fetchone()
    return bool(row and row[0])


def mark_sent(conn: Connection, event_id: UUID) -> None:
    conn.execute(
        "UPDATE notifications SET sent_at = clock_timestamp() WHERE event_id = %s", (event_id,)
    )


def customer_of(conn: Connection, order_id: str) -> str | None:
    """The order's customer_id; None when the order is unknown."""
    row = conn.execute("SELECT customer_id FROM orders WHERE id = %s", (order_id,)).fetchone()
    return row[0] if row else None
