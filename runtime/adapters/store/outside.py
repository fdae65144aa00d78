"""Refunds that are not ours, and disputes: what is known of them, and when Stripe is asked again.

News comes in any order and more than once. A row is written by the newest news alone, under the
lock of its payment, so that the sums over a payment's rows are of one moment.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row

from runtime.adapters.store import payments
from runtime.adapters.store.payments import PaymentRow
from runtime.adapters.store.rows import seconds_since
from runtime.domain.money import Money
from runtime.domain.names import EventId, PaymentIntentId, RefundState
from runtime.domain.outside import (
    Claimant,
    Disputed,
    GivenBack,
    MovedMoney,
    OurRefund,
    has_ended,
    is_pending,
    newer_dispute,
    newer_refund,
)

LOOK_AGAIN_SECONDS_MAX: Final = 3600
"""How long an open dispute or a pending refund is left alone; both may take weeks."""

# A tenth of the time since the last news, as for charges that a bank is slow about.
_NEXT_LOOK: Final = (
    "environment_now() + make_interval(secs => greatest(2, least(%(most)s,"
    f" {seconds_since('updated_at', clock='clock_timestamp()')} / 10)))"
)


@dataclass(frozen=True, slots=True)
class RefundTold:
    """A refund of others, as Stripe tells of it."""

    stripe_refund_id: str
    payment_intent_id: PaymentIntentId
    charge_id: str | None
    money: Money
    status: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class DisputeTold:
    """A dispute, as Stripe tells of it.

    Attributes:
        told_at: Stripe's time of these news.
    """

    stripe_dispute_id: str
    payment_intent_id: PaymentIntentId
    charge_id: str | None
    money: Money
    status: str
    reason: str | None
    told_at: datetime


# --- writing --------------------------------------------------------------------------------


def record_refund(conn: Connection, event_id: UUID, told: RefundTold) -> bool:
    """Write what is told, under the lock of the payment; False when it is no news."""
    known = conn.execute(
        "SELECT status FROM outside_refunds WHERE stripe_refund_id = %s",
        (told.stripe_refund_id,),
    ).fetchone()
    if known is not None and not newer_refund(known[0], told.status):
        return False
    conn.execute(
        "INSERT INTO outside_refunds (stripe_refund_id, event_id, payment_intent_id, charge_id,"
        " amount_cents, currency, status, reason, next_look_at, updated_at)"
        " VALUES (%(id)s, %(event_id)s, %(intent)s, %(charge)s, %(amount)s, %(currency)s,"
        " %(status)s, %(reason)s, CASE WHEN %(open)s THEN environment_now() END, now())"
        " ON CONFLICT (stripe_refund_id) DO UPDATE SET status = excluded.status,"
        " reason = coalesce(excluded.reason, outside_refunds.reason),"
        " next_look_at = excluded.next_look_at, updated_at = excluded.updated_at",
        {
            "id": told.stripe_refund_id,
            "event_id": event_id,
            "intent": told.payment_intent_id,
            "charge": told.charge_id,
            "amount": told.money.amount_cents,
            "currency": told.money.currency,
            "status": told.status,
            "reason": told.reason,
            "open": is_pending(told.status),
        },
    )
    return True


def record_dispute(conn: Connection, event_id: UUID, told: DisputeTold) -> bool:
    """The same of a dispute."""
    known = conn.execute(
        "SELECT status, least(greatest(told_at, 'epoch'), '9000-01-01 00:00:00+00')"
        " FROM disputes WHERE stripe_dispute_id = %s",
        (told.stripe_dispute_id,),
    ).fetchone()
    if known is not None and not newer_dispute(known[0], known[1], told.status, told.told_at):
        return False
    # Ended at the time of its transaction, which the refund that follows from it there has, too: it
    # must not seem to have ended after that one was asked for.
    conn.execute(
        "INSERT INTO disputes (stripe_dispute_id, event_id, payment_intent_id, charge_id,"
        " amount_cents, currency, status, reason, told_at, closed_at, next_look_at)"
        " VALUES (%(id)s, %(event_id)s, %(intent)s, %(charge)s, %(amount)s, %(currency)s,"
        " %(status)s, %(reason)s, %(told_at)s, CASE WHEN %(ended)s THEN now() END,"
        " CASE WHEN NOT %(ended)s THEN environment_now() END)"
        " ON CONFLICT (stripe_dispute_id) DO UPDATE SET status = excluded.status,"
        # Part of it may have been accepted: the newest amount is what the bank has.
        " amount_cents = excluded.amount_cents, currency = excluded.currency,"
        " reason = coalesce(excluded.reason, disputes.reason), told_at = excluded.told_at,"
        " closed_at = excluded.closed_at, next_look_at = excluded.next_look_at,"
        " updated_at = clock_timestamp()",
        {
            "id": told.stripe_dispute_id,
            "event_id": event_id,
            "intent": told.payment_intent_id,
            "charge": told.charge_id,
            "amount": told.money.amount_cents,
            "currency": told.money.currency,
            "status": told.status,
            "reason": told.reason,
            "told_at": told.told_at,
            "ended": has_ended(told.status),
        },
    )
    return True


# --- reading --------------------------------------------------------------------------------

_MOVED: Final = """
    SELECT kind, event_id, id, amount_cents, status, code, late, n FROM (
    SELECT 'refund' AS kind, event_id, stripe_refund_id AS id, amount_cents, status,
           NULL::text AS code, status IN ('failed', 'canceled') AND coalesce(
               updated_at > (SELECT max(r.created_at) FROM refunds r
                             WHERE r.event_id = outside_refunds.event_id), false) AS late,
           0 AS n, created_at
    FROM outside_refunds WHERE event_id = ANY (%(event_ids)s)
    UNION ALL
    SELECT 'dispute', d.event_id, stripe_dispute_id,
           -- In another currency the bank names a sum that ours cannot be compared with.
           CASE WHEN d.currency = p.currency THEN d.amount_cents ELSE p.amount_cents END,
           status, NULL,
           coalesce(closed_at > (SELECT max(r.created_at) FROM refunds r
                                 WHERE r.event_id = d.event_id), false), 0, d.created_at
    FROM disputes d JOIN payments p ON p.event_id = d.event_id
    WHERE d.event_id = ANY (%(event_ids)s)
    UNION ALL
    SELECT 'ours', event_id, refund_id::text, amount_cents, state, failure_code, false, n,
           created_at
    FROM refunds WHERE event_id = ANY (%(event_ids)s)
    UNION ALL
    SELECT 'taken', event_id, payment_intent_id, amount_cents, state, NULL, false, 0, created_at
    FROM payments WHERE event_id = ANY (%(event_ids)s)) AS moved
    ORDER BY n, created_at, id
"""


def moved_of(conn: Connection, event_ids: Sequence[UUID]) -> dict[UUID, MovedMoney]:
    """All the money of these payments that went back, or may have, by root event id."""
    found = conn.execute(_MOVED, {"event_ids": list(event_ids)}).fetchall()
    by_payment: dict[UUID, list[tuple[object, ...]]] = {}
    for row in found:
        by_payment.setdefault(row[1], []).append(row)
    return {event_id: _moved(rows) for event_id, rows in by_payment.items()}


def moved_of_one(conn: Connection, event_id: UUID) -> MovedMoney:
    """The same of one payment, which is there."""
    return moved_of(conn, [event_id])[event_id]


def _moved(rows: Sequence[tuple[object, ...]]) -> MovedMoney:
    taken = 0
    refunds: list[GivenBack] = []
    disputes: list[Disputed] = []
    ours: list[OurRefund] = []
    for kind, _, named, amount, status, code, late, n in rows:
        cents, word = int(str(amount)), str(status)
        match kind:
            case "refund":
                refunds.append(GivenBack(str(named), cents, word, bool(late)))
            case "dispute":
                disputes.append(Disputed(str(named), cents, word, bool(late)))
            case "ours":
                reason = None if code is None else str(code)
                ours.append(OurRefund(int(str(n)), cents, RefundState(word), reason))
            case _:
                taken = cents
    return MovedMoney(taken, tuple(refunds), tuple(disputes), tuple(ours))


def claimants_of(conn: Connection, event_id: UUID) -> list[Claimant]:
    """The refunds rows of a payment, as far as they tell whose a refund at Stripe is."""
    with conn.cursor(row_factory=class_row(_Claimant)) as cursor:
        rows = cursor.execute(
            "SELECT refund_id::text, idempotency_key, stripe_refund_id, state, maybe_executed"
            " FROM refunds WHERE event_id = %s ORDER BY n",
            (event_id,),
        ).fetchall()
    return [
        Claimant(
            row.refund_id,
            row.idempotency_key,
            row.stripe_refund_id,
            RefundState(row.state),
            row.maybe_executed,
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class _Claimant:
    refund_id: str
    idempotency_key: str
    stripe_refund_id: str | None
    state: str
    maybe_executed: bool


def known_refunds(conn: Connection, payment_intent_id: str) -> frozenset[str]:
    """Stripe's ids of the refunds that are known to be others'."""
    rows = conn.execute(
        "SELECT stripe_refund_id FROM outside_refunds WHERE payment_intent_id = %s",
        (payment_intent_id,),
    )
    return frozenset(row[0] for row in rows)


def lock_payment_of(conn: Connection, payment_intent_id: str) -> PaymentRow | None:
    """The payment of a PaymentIntent, locked; None while no row of ours names it."""
    found = payments.select(
        conn, "payment_intent_id = %(intent)s FOR UPDATE", {"intent": payment_intent_id}
    )
    return found[0] if found else None


# --- asking Stripe --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ToCheck:
    """A payment whose refunds and disputes are to be listed."""

    event_id: EventId
    payment_intent_id: PaymentIntentId


def check(conn: Connection, event_id: UUID) -> None:
    """Have Stripe asked what moved; a payment that names no PaymentIntent waits until it does."""
    conn.execute(
        "UPDATE payments SET outside_check_at = environment_now() WHERE event_id = %s", (event_id,)
    )


def mark_open(conn: Connection, *, limit: int) -> int:
    """Have Stripe asked about disputes and refunds that are open for a while; returns how many."""
    marked = 0
    for table in ("disputes", "outside_refunds"):
        marked += conn.execute(
            f"WITH due AS (SELECT ctid, event_id FROM {table}"  # noqa: S608 - constants
            " WHERE next_look_at <= environment_now() ORDER BY next_look_at LIMIT %(limit)s"
            " FOR UPDATE SKIP LOCKED),"
            f" looked AS (UPDATE {table} SET next_look_at = {_NEXT_LOOK}"
            f" FROM due WHERE {table}.ctid = due.ctid)"
            # Never waits for a payment: whoever holds one may be about to write these very rows.
            " UPDATE payments SET outside_check_at = environment_now() WHERE event_id IN ("
            " SELECT event_id FROM payments WHERE event_id IN (SELECT event_id FROM due)"
            " FOR UPDATE SKIP LOCKED)",
            {"limit": limit, "most": LOOK_AGAIN_SECONDS_MAX},
        ).rowcount
    return marked


def claim_checks(conn: Connection, *, hold_seconds: float, limit: int) -> list[ToCheck]:
    """Payments to be looked up; held by their time alone while Stripe is asked."""
    with conn.cursor(row_factory=class_row(ToCheck)) as cursor:
        return cursor.execute(
            "UPDATE payments SET"
            " outside_check_at = environment_now() + make_interval(secs => %(hold)s)"
            " WHERE event_id IN (SELECT event_id FROM payments"
            "   WHERE outside_check_at <= environment_now() AND payment_intent_id IS NOT NULL"
            "   ORDER BY outside_check_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)"
            " RETURNING event_id, payment_intent_id",
            {"hold": hold_seconds, "limit": limit},
        ).fetchall()


def checked(conn: Connection, event_id: UUID) -> None:
    """Stripe has told; what was marked meanwhile is due and stays so."""
    conn.execute(
        "UPDATE payments SET outside_check_at = NULL"
        " WHERE event_id = %s AND outside_check_at > environment_now()",
        (event_id,),
    )


def ours_among(conn: Connection, intents: Sequence[str]) -> Iterator[str]:
    """Those of the PaymentIntents that belong to our payments."""
    rows = conn.execute(
        "SELECT payment_intent_id FROM payments WHERE payment_intent_id = ANY (%s)",
        (list(intents),),
    )
    return (row[0] for row in rows)


def listed_to(conn: Connection) -> float:
    """Up to when the account was listed, as Unix seconds of the environment's clock.

    Before the first time: since our first payment, at most thirty days ago, which is as long as a
    refund may still fail.
    """
    row = conn.execute(
        "SELECT extract(epoch FROM coalesce("
        " (SELECT least(greatest(listed_to, environment_now() - interval '30 days'),"
        "               environment_now()) FROM outside_listings),"
        " (SELECT greatest(min(created_at), environment_now() - interval '30 days')"
        "  FROM payments WHERE created_at > 'epoch' HAVING count(*) > 0),"
        " environment_now()))::float8"
    ).fetchone()
    if row is None:
        raise RuntimeError("SELECT returned no row")
    return float(row[0])


def note_listed(conn: Connection, seconds: float) -> None:
    """The account is listed up to this moment."""
    conn.execute(
        "INSERT INTO outside_listings (listed_to) VALUES (%(to)s)"
        " ON CONFLICT (one) DO UPDATE SET listed_to = excluded.listed_to",
        {"to": datetime.fromtimestamp(seconds, UTC)},
    )
