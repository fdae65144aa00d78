"""The durable inbox: OrderPlaced and OrderCancelled records become payments rows, each once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from psycopg import Connection

from runtime.adapters.store import payments
from runtime.adapters.store.payments import PaymentRow
from runtime.domain.event import ReceivedEvent, Record
from runtime.domain.retry import KEY_AGE_SECONDS_MAX


@dataclass(frozen=True, slots=True)
class NewPayment:
    """An OrderPlaced record, parsed, with where it came from.

    Attributes:
        occurred_at: environment clock, from the payload; a hand-written event may have none.
        written_at: wall clock, when its outbox row was written.
    """

    event: ReceivedEvent
    payment_method: str | None
    traceparent: str | None
    occurred_at: datetime | None
    written_at: datetime | None
    record: Record


# Two clocks, because the payload's time is the environment's and the header's is the wall's: a
# drill that moves the first must not make every record of today look like one of last week.
_INSERT: Final = f"""
    WITH placed AS (
        INSERT INTO payments (event_id, order_id, tenant_id, amount_cents, currency,
            payment_method, source_topic, source_partition, source_offset, traceparent,
            state, maybe_executed, needs_reconcile, first_attempted_at, next_attempt_at)
        SELECT event_id, order_id, tenant_id, amount_cents, currency, payment_method, topic,
            partition, "offset", traceparent,
            CASE WHEN old THEN 'unknown' ELSE 'pending' END, old, old,
            -- Its age counts from the order, so that a dead key is recognised when Stripe has
            -- nothing.
            CASE WHEN old THEN coalesce(occurred_at, written_at) END, environment_now()
        FROM (SELECT *, coalesce(
                  occurred_at < environment_now() - make_interval(secs => %s),
                  written_at < clock_timestamp() - make_interval(secs => %s), false) AS old
              FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::bigint[], %s::text[],
                  %s::text[], %s::text[], %s::int[], %s::bigint[], %s::text[], %s::timestamptz[],
                  %s::timestamptz[])
              AS record (event_id, order_id, tenant_id, amount_cents, currency, payment_method,
                  topic, partition, "offset", traceparent, occurred_at, written_at)) AS records
        -- Without a target: the event is known, or its order has another payment. Both are told
        -- apart afterwards, by whoever asks which of the two it was.
        ON CONFLICT DO NOTHING
        RETURNING *),
    recorded AS (
        -- Of those that were inserted only: a known payment has this line already.
        INSERT INTO payment_events (event_id, kind, from_state, to_state, cause)
        SELECT event_id, 'transition', NULL, state, 'OrderPlaced' FROM placed)
    SELECT {payments.COLUMNS} FROM placed
"""  # noqa: S608 - constants


def insert_placed(conn: Connection, placed: Sequence[NewPayment]) -> list[PaymentRow]:
    """Insert payments for OrderPlaced records.

    A record older than the life of an idempotency key may have been charged by a ledger that was
    lost since: it enters as `unknown` and Stripe is asked before anything is posted.

    Returns:
        Those that are new; the others are known, or their order has another payment.
    """
    # One array per column: a batch is one statement and one plan, whatever its size.
    columns = zip(
        *(
            (
                item.event.root,
                item.event.order_id,
                item.event.tenant_id,
                item.event.money.amount_cents,
                item.event.money.currency,
                item.payment_method,
                item.record.topic,
                item.record.partition,
                item.record.offset,
                item.traceparent,
                item.occurred_at,
                item.written_at,
            )
            for item in placed
        ),
        strict=True,
    )
    values = [KEY_AGE_SECONDS_MAX, KEY_AGE_SECONDS_MAX, *(list(column) for column in columns)]
    return payments.read(conn, _INSERT, values)


def known_of(conn: Connection, event_ids: Sequence[UUID]) -> set[UUID]:
    """Those of the ids that have a payment."""
    rows = conn.execute("SELECT event_id FROM payments WHERE event_id = ANY (%s)", (event_ids,))
    return {event_id for (event_id,) in rows}


def insert_unplaced(conn: Connection, event: ReceivedEvent) -> bool:
    """Insert the payment of an order whose OrderPlaced has not come, and the start of its history.

    Returns:
        False when the event or its order has a payment already.
    """
    inserted = conn.execute(
        "WITH unplaced AS ("
        " INSERT INTO payments (event_id, order_id, tenant_id, amount_cents, currency, state)"
        " VALUES (%s, %s, %s, %s, %s, 'pending') ON CONFLICT DO NOTHING"
        " RETURNING event_id, state)"
        # As of any payment: a history that began with its second step would be one with a gap.
        " INSERT INTO payment_events (event_id, kind, from_state, to_state, cause)"
        " SELECT event_id, 'transition', NULL, state, 'OrderCancelled' FROM unplaced",
        (
            event.root,
            event.order_id,
            event.tenant_id,
            event.money.amount_cents,
            event.money.currency,
        ),
    )
    return inserted.rowcount == 1
