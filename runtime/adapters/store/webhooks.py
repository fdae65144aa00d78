"""Stripe's events as they came: stored once, quarantined when odd, kept while they are early.

An early event speaks of a payment that is not here yet; its table is called webhook_parked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row

from runtime.adapters.store.rows import seconds_since
from runtime.domain.stripe_event import StripeEvent


class Stored(Enum):
    NEW = auto()
    DUPLICATE = auto()
    OTHER_BODY = auto()


@dataclass(frozen=True, slots=True)
class EarlyWebhook:
    """An event that came before the payment it speaks of; its age is by the environment's clock."""

    stripe_event_id: str
    body: bytes
    age_seconds: float


@dataclass(frozen=True, slots=True)
class QuarantinedWebhook:
    """A signed body that could not be used, its row locked."""

    row_id: int
    body: bytes
    released: bool


def store(conn: Connection, event: StripeEvent, body: bytes) -> Stored:
    """Insert the event once, by its id; the same id with another body is told apart.

    A new one is processed, as everybody sees it when the transaction ends, unless `keep_early` says
    otherwise before that.
    """
    row = conn.execute(
        "INSERT INTO stripe_events (event_id, type, object_id, body, processed_at)"
        " VALUES (%s, %s, %s, %s, clock_timestamp())"
        " ON CONFLICT (event_id) DO NOTHING RETURNING event_id",
        (event.stripe_event_id, event.type, event.object_id, body),
    ).fetchone()
    if row is not None:
        return Stored.NEW
    # Stripe sends an event again for three days, byte by byte the same. Other bytes under a known
    # id are not Stripe's doing.
    known = conn.execute(
        "SELECT body = %s FROM stripe_events WHERE event_id = %s", (body, event.stripe_event_id)
    ).fetchone()
    return Stored.DUPLICATE if known and known[0] else Stored.OTHER_BODY


def mark_processed(conn: Connection, stripe_event_id: str) -> None:
    conn.execute(
        "UPDATE stripe_events SET processed_at = clock_timestamp()"
        " WHERE event_id = %s AND processed_at IS NULL",
        (stripe_event_id,),
    )


def quarantine(conn: Connection, reason: str, body: bytes, headers: Mapping[str, str]) -> None:
    """Keep a signed but unusable body for an operator to look at."""
    conn.execute(
        "INSERT INTO webhook_quarantine (reason, body, headers) VALUES (%s, %s, %s)",
        (reason, body, json.dumps(dict(headers))),
    )


def keep_early(conn: Connection, stripe_event_id: str, event_id: UUID | None, reason: str) -> None:
    """Keep an event that is early, and so not processed; the reconciler drives it again."""
    conn.execute(
        "WITH not_yet AS (UPDATE stripe_events SET processed_at = NULL"
        " WHERE event_id = %s AND processed_at IS NOT NULL)"
        # Driven again with growing waits: mostly the payment is a moment behind, seldom it never
        # comes.
        " INSERT INTO webhook_parked"
        " (stripe_event_id, event_id, reason, parked_at, next_attempt_at)"
        " VALUES (%s, %s, %s, environment_now(), environment_now())"
        " ON CONFLICT (stripe_event_id) DO UPDATE SET attempts = webhook_parked.attempts + 1,"
        " next_attempt_at = environment_now() + make_interval(secs => least(0.25 *"
        " power(2, webhook_parked.attempts), 30))",
        (stripe_event_id, stripe_event_id, event_id, reason),
    )


def claim_early(conn: Connection, *, limit: int) -> list[EarlyWebhook]:
    """Lock early events that are due; other reconcilers' rows are skipped."""
    with conn.cursor(row_factory=class_row(EarlyWebhook)) as cursor:
        return cursor.execute(
            # Only the early row is locked; the event itself is read by anybody at any time.
            f"SELECT stripe_event_id, body, {seconds_since('parked_at')} AS age_seconds"  # noqa: S608 - a constant
            " FROM webhook_parked JOIN stripe_events ON stripe_events.event_id = stripe_event_id"
            " WHERE next_attempt_at <= environment_now()"
            " ORDER BY next_attempt_at LIMIT %s FOR UPDATE OF webhook_parked SKIP LOCKED",
            (limit,),
        ).fetchall()


def forget_early(conn: Connection, stripe_event_id: str) -> None:
    conn.execute("DELETE FROM webhook_parked WHERE stripe_event_id = %s", (stripe_event_id,))


def lock_quarantined(conn: Connection, row_id: int) -> QuarantinedWebhook | None:
    """Read one quarantined body and hold its row until the transaction ends."""
    with conn.cursor(row_factory=class_row(QuarantinedWebhook)) as cursor:
        return cursor.execute(
            "SELECT id AS row_id, body, released_at IS NOT NULL AS released"
            " FROM webhook_quarantine WHERE id = %s FOR UPDATE",
            (row_id,),
        ).fetchone()


def release(conn: Connection, row_id: int) -> None:
    """It is in quarantine no longer; the row stays as evidence."""
    conn.execute(
        "UPDATE webhook_quarantine SET released_at = clock_timestamp() WHERE id = %s", (row_id,)
    )
