"""Refunds: a row first, then the call; one row and one key per attempt to give money back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final
from uuid import UUID, uuid5

from psycopg import Connection
from psycopg.rows import class_row

from runtime.adapters.store.rows import seconds_since, select_list
from runtime.adapters.store.unreadable import readable, set_aside
from runtime.domain.key_history import KeyHistory
from runtime.domain.lease import Lease
from runtime.domain.money import Money
from runtime.domain.names import (
    EventId,
    EventType,
    OrderId,
    PaymentIntentId,
    RefundId,
    RefundState,
    derive_event_id,
)
from runtime.domain.refund import Refund


@dataclass(frozen=True, slots=True)
class RefundRow:
    """A refunds row: what it gives back, and the part decisions depend on.

    Attributes:
        key_age_seconds: on the environment clock, since the first call that may have executed.
        attempt_age_seconds: on the environment clock, since the last call; None before it.
        quiet_seconds: by wall clock, since anything was written.
    """

    refund_id: RefundId
    event_id: EventId
    order_id: OrderId
    n: int
    idempotency_key: str
    payment_intent_id: PaymentIntentId
    money: Money
    refund: Refund
    lease_token: UUID | None
    key_age_seconds: float | None
    attempt_age_seconds: float | None
    quiet_seconds: float


@dataclass(frozen=True, slots=True)
class _RefundColumns:
    """A refunds row as it is selected; `row` gives its parts their types."""

    refund_id: RefundId
    event_id: EventId
    order_id: OrderId
    n: int
    idempotency_key: str
    payment_intent_id: PaymentIntentId
    amount_cents: int
    currency: str
    state: str
    stripe_refund_id: str | None
    maybe_executed: bool
    saved_failure: bool
    needs_reconcile: bool
    transient_failures: int
    failure_code: str | None
    lease_token: UUID | None
    key_age_seconds: float | None
    attempt_age_seconds: float | None
    quiet_seconds: float

    def row(self) -> RefundRow:
        return RefundRow(
            refund_id=self.refund_id,
            event_id=self.event_id,
            order_id=self.order_id,
            n=self.n,
            idempotency_key=self.idempotency_key,
            payment_intent_id=self.payment_intent_id,
            money=Money(self.amount_cents, self.currency),
            refund=Refund(
                state=RefundState(self.state),
                stripe_refund_id=self.stripe_refund_id,
                key=KeyHistory(
                    maybe_executed=self.maybe_executed,
                    saved_failure=self.saved_failure,
                    needs_reconcile=self.needs_reconcile,
                    transient_failures=self.transient_failures,
                ),
                failure_code=self.failure_code,
            ),
            lease_token=self.lease_token,
            key_age_seconds=self.key_age_seconds,
            attempt_age_seconds=self.attempt_age_seconds,
            quiet_seconds=self.quiet_seconds,
        )


_COLUMNS: Final = select_list(
    _RefundColumns,
    {
        # Not a join: FOR UPDATE would lock the payment's row too.
        "order_id": "(SELECT order_id FROM payments WHERE payments.event_id = refunds.event_id)",
        "key_age_seconds": seconds_since("first_attempted_at"),
        "attempt_age_seconds": seconds_since("last_attempted_at"),
        "quiet_seconds": seconds_since("updated_at", clock="clock_timestamp()", senseless=0),
    },
)


def _select(conn: Connection, where: str, values: Mapping[str, object]) -> list[RefundRow]:
    """Rows matching a condition written at the call; `where` is code, never input."""
    query = f"SELECT {_COLUMNS} FROM refunds WHERE {where}"  # noqa: S608 - see above
    with conn.cursor(row_factory=class_row(_RefundColumns)) as cursor:
        rows = cursor.execute(query, values).fetchall()
    return readable(rows, _RefundColumns.row, partial(_set_aside, conn))


def _set_aside(conn: Connection, columns: _RefundColumns, error: ValueError) -> None:
    set_aside(
        conn,
        table="refunds",
        key="refund_id",
        row_id=columns.refund_id,
        event_id=columns.event_id,
        error=error,
    )


# --- asking for one -------------------------------------------------------------------------


def request_first(
    conn: Connection, event_id: EventId, payment_intent_id: PaymentIntentId, money: Money
) -> None:
    """Write the refund with n = 1; asked twice, it is there once.

    Its key is the OrderCancelled event's id, which is derived from the root, so that whoever asks
    first and whoever asks again mean the same refund.
    """
    key = derive_event_id(event_id, EventType.ORDER_CANCELLED)
    _insert(conn, event_id, 1, str(key), payment_intent_id, money)


def request(
    conn: Connection, event_id: EventId, n: int, payment_intent_id: PaymentIntentId, money: Money
) -> RefundId:
    """Write a payment's n-th refund; from the second on its key is its own id."""
    refund_id = _refund_id(event_id, n)
    if n == 1:
        request_first(conn, event_id, payment_intent_id, money)
    else:
        _insert(conn, event_id, n, str(refund_id), payment_intent_id, money)
    return refund_id


def _refund_id(event_id: EventId, n: int) -> RefundId:
    return RefundId(uuid5(event_id, f"Refund:{n}"))


def _insert(
    conn: Connection,
    event_id: EventId,
    n: int,
    key: str,
    payment_intent_id: PaymentIntentId,
    money: Money,
) -> None:
    conn.execute(
        # (event_id, n) is unique and the key is derived from both: a step that is taken again finds
        # its refund and makes no second one.
        "INSERT INTO refunds (refund_id, event_id, n, idempotency_key, payment_intent_id,"
        " amount_cents, currency, next_attempt_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, environment_now()) ON CONFLICT DO NOTHING",
        (
            _refund_id(event_id, n),
            event_id,
            n,
            key,
            payment_intent_id,
            money.amount_cents,
            money.currency,
        ),
    )


# --- reading --------------------------------------------------------------------------------


def lock(conn: Connection, refund_id: UUID) -> RefundRow | None:
    """Read one refund and hold its row until the transaction ends."""
    found = _select(conn, "refund_id = %(refund_id)s FOR UPDATE", {"refund_id": refund_id})
    return found[0] if found else None


def lock_by_stripe_id(
    conn: Connection, stripe_refund_id: str, refund_id: UUID | None
) -> RefundRow | None:
    """The refund with Stripe's id, or with our own from its metadata when the id is not known."""
    found = _select(
        conn,
        # Our own id counts only while Stripe's is not known: metadata can be edited by hand, an id
        # not.
        "stripe_refund_id = %(stripe_id)s"
        " OR (stripe_refund_id IS NULL AND refund_id = %(refund_id)s)"
        " ORDER BY stripe_refund_id NULLS LAST FOR UPDATE",
        {"stripe_id": stripe_refund_id, "refund_id": refund_id},
    )
    return found[0] if found else None


# --- sending --------------------------------------------------------------------------------

_LEASE: Final = """
    -- Only rows the machine has just called due; a payment's claim has the same shape.
    UPDATE refunds SET state = 'sending', attempts = attempts + 1, lease_owner = %(owner)s,
        lease_incarnation = %(incarnation)s, lease_token = gen_random_uuid(),
        lease_until = environment_now() + make_interval(secs => %(seconds)s),
        first_attempted_at = coalesce(first_attempted_at, environment_now()),
        last_attempted_at = environment_now(), updated_at = clock_timestamp()
    WHERE refund_id = ANY (%(refund_ids)s) RETURNING refund_id, lease_token
"""


def lock_due(conn: Connection, *, limit: int) -> list[RefundRow]:
    """Refunds that wait to be sent and are due, oldest first; rows others hold are skipped."""
    return _select(
        conn,
        "state IN ('pending', 'unknown') AND NOT needs_reconcile"
        " AND next_attempt_at <= environment_now()"
        " ORDER BY next_attempt_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED",
        {"limit": limit},
    )


def lock_lost(conn: Connection, lease: Lease, *, limit: int) -> list[RefundRow]:
    """Refunds under way whose lease is over, or is this owner's from an earlier incarnation."""
    return _select(
        conn,
        "state = 'sending' AND (lease_until < environment_now()"
        " OR (lease_owner = %(owner)s AND lease_incarnation <> %(incarnation)s))"
        " ORDER BY lease_until LIMIT %(limit)s FOR UPDATE SKIP LOCKED",
        {"owner": lease.owner, "incarnation": lease.incarnation, "limit": limit},
    )


def lease(conn: Connection, rows: Sequence[RefundRow], lease: Lease) -> dict[RefundId, UUID]:
    """Put locked rows under a lease, each with a token of its own; returns tokens by refund."""
    tokens = conn.execute(
        _LEASE,
        {
            "owner": lease.owner,
            "incarnation": lease.incarnation,
            "seconds": lease.seconds,
            "refund_ids": [row.refund_id for row in rows],
        },
    )
    return dict(tokens.fetchall())


def set_amount(conn: Connection, row: RefundRow, amount_cents: int) -> None:
    """Ask for another amount than was written; only of one that nothing was posted for."""
    conn.execute(
        "UPDATE refunds SET amount_cents = %s WHERE refund_id = %s",
        (amount_cents, row.refund_id),
    )


def wake(conn: Connection, event_id: UUID) -> None:
    """Have what waits to be sent looked at now: what its payment owes has changed."""
    conn.execute(
        # Never waits for a refund's row: whoever holds one may wait for the payment that is locked
        # here, and looks at the sums itself.
        "UPDATE refunds SET next_attempt_at = environment_now() WHERE refund_id IN ("
        " SELECT refund_id FROM refunds WHERE event_id = %s AND state = 'pending'"
        " FOR UPDATE SKIP LOCKED)",
        (event_id,),
    )


# --- what came of it ------------------------------------------------------------------------

_WRITE: Final = """
    UPDATE refunds SET state = %(state)s, stripe_refund_id = %(stripe_refund_id)s,
        maybe_executed = %(maybe_executed)s, saved_failure = %(saved_failure)s,
        needs_reconcile = %(needs_reconcile)s, transient_failures = %(transient_failures)s,
        failure_code = %(failure_code)s,
        -- Back to pending means that nothing was executed: the key's age has not begun.
        first_attempted_at = CASE WHEN %(state)s = 'pending' THEN NULL ELSE first_attempted_at END,
        next_attempt_at = environment_now() + make_interval(secs => %(wait)s),
        lease_owner = NULL, lease_incarnation = NULL, lease_token = NULL, lease_until = NULL,
        updated_at = clock_timestamp()
    -- No compare: every caller holds the row's lock since it read it.
    WHERE refund_id = %(refund_id)s
"""


def write(conn: Connection, row: RefundRow, after: Refund, *, wait_seconds: float) -> None:
    """Write what a refund, locked by the caller, has become; any lease on it ends."""
    conn.execute(
        _WRITE,
        {
            "refund_id": row.refund_id,
            "state": after.state,
            "stripe_refund_id": after.stripe_refund_id,
            "maybe_executed": after.key.maybe_executed,
            "saved_failure": after.key.saved_failure,
            "needs_reconcile": after.key.needs_reconcile,
            "transient_failures": after.key.transient_failures,
            "failure_code": after.failure_code,
            "wait": wait_seconds,
        },
    )


# --- asking Stripe --------------------------------------------------------------------------


def claim_unanswered(
    conn: Connection, *, window_seconds: float, hold_seconds: float, limit: int
) -> list[RefundRow]:
    """Refunds Stripe has to be asked about: unknown ones, and those open for too long.

    The claim pushes next_attempt_at ahead, so that no lock is held while Stripe is asked.
    """
    found = _select(
        conn,
        "next_attempt_at <= environment_now() AND ((state = 'unknown' AND needs_reconcile)"
        " OR (state = 'processing' AND coalesce(last_attempted_at, created_at)"
        "     < environment_now() - make_interval(secs => %(window)s)))"
        " ORDER BY next_attempt_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED",
        {"window": window_seconds, "limit": limit},
    )
    # Held for as long as a call may take, and released by that alone: whoever dies while it asks
    # has delayed a look and nothing else.
    for row in found:
        look_again_in(conn, row, hold_seconds)
    return found


def look_again_in(conn: Connection, row: RefundRow, seconds: float) -> None:
    """Set when a refund that stays as it is comes up next."""
    conn.execute(
        "UPDATE refunds SET next_attempt_at = environment_now() + make_interval(secs => %s)"
        # In the state it was seen in only: what moved in between has set its own time.
        " WHERE refund_id = %s AND state = %s",
        (seconds, row.refund_id, row.refund.state),
    )
