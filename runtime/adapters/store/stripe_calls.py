"""The gateway's journal of its calls to Stripe: a row before the call, completed after it."""

from __future__ import annotations

from uuid import UUID

from psycopg import Connection


def begin(
    conn: Connection,
    *,
    operation: str,
    idempotency_key: str | None,
    event_id: UUID | None,
    payment_intent_id: str | None,
) -> int:
    """Record that a call is about to leave; returns the row's id."""
    # A row without an answer is a call whose end nobody saw; that is why it is written first.
    row = conn.execute(
        "INSERT INTO stripe_calls (operation, idempotency_key, event_id, payment_intent_id)"
        " VALUES (%s, %s, %s, %s) RETURNING id",
        (operation, idempotency_key, event_id, payment_intent_id),
    ).fetchone()
    if row is None:
        raise RuntimeError("INSERT INTO stripe_calls returned no row")
    return int(row[0])


def end(
    conn: Connection,
    call_id: int,
    *,
    status: int | None,
    outcome: str,
    request_id: str | None,
    replayed: bool,
    payment_intent_id: str | None,
) -> None:
    """Complete the row with what came back."""
    conn.execute(
        # A cancel knows its PaymentIntent before the call, a charge only after it.
        "UPDATE stripe_calls SET status = %s, outcome = %s, request_id = %s, replayed = %s,"
        " payment_intent_id = coalesce(%s, payment_intent_id), answered_at = clock_timestamp()"
        " WHERE id = %s",
        (status, outcome, request_id, replayed, payment_intent_id, call_id),
    )
