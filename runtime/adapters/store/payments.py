"""The payments table: one row per order, read and written; what becomes of a row is decided above.

Every write names the state it was decided on, so that a row that moved in between is noticed, and
leaves its history beside it in the same transaction. `payment_events` refuses a second outcome
whatever happens.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from typing import Final
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row

from runtime.adapters.store import outbox
from runtime.adapters.store.rows import age_seconds, select_list
from runtime.adapters.store.unreadable import readable, set_aside
from runtime.domain.event import NewEvent
from runtime.domain.key_history import KeyHistory
from runtime.domain.lease import Lease
from runtime.domain.money import Money
from runtime.domain.names import (
    EventId,
    OrderId,
    PaymentIntentId,
    PaymentState,
    TenantId,
)
from runtime.domain.payment_events import Payment


@dataclass(frozen=True, slots=True)
class PaymentRow:
    """A payments row: who it is for, and the part the machine decides on.

    Attributes:
        key_age_seconds, attempt_age_seconds, age_seconds: on the environment clock, since the
            first attempt, the last one, and the row.
        quiet_seconds: by wall clock since anything was written: a drill that moves the environment
            clock does not end a request that is on its way.
    """

    event_id: EventId
    order_id: OrderId
    tenant_id: TenantId
    money: Money
    payment_method: str | None
    payment: Payment
    started_attempts: int
    lease_token: UUID | None
    key_age_seconds: float | None
    attempt_age_seconds: float | None
    age_seconds: float
    read_at: datetime
    quiet_seconds: float


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a transition happened: who saw what, and its id (a Stripe event, a request, a token)."""

    who: str
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """A line of a payment's history; `why` is kept as its detail."""

    kind: str
    before: PaymentState
    after: PaymentState
    cause: Cause
    why: str | None = None

    def values(self, name: str = "") -> dict[str, object]:
        """The parameters of `_RECORD`, which has their names begin with `name`."""
        return {
            f"{name}kind": self.kind,
            f"{name}before": self.before,
            f"{name}after": self.after,
            f"{name}who": self.cause.who,
            f"{name}reference": self.cause.reference,
            f"{name}detail": json.dumps({"why": self.why} if self.why else {}),
        }


# --- reading --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _PaymentColumns:
    """A payments row as it is selected; `row` gives its parts their types."""

    event_id: EventId
    order_id: OrderId
    tenant_id: TenantId
    amount_cents: int
    currency: str
    payment_method: str | None
    state: str
    payment_intent_id: PaymentIntentId | None
    cancel_requested: bool
    maybe_executed: bool
    saved_failure: bool
    needs_reconcile: bool
    started_attempts: int
    finished_attempts: int
    transient_failures: int
    failure_code: str | None
    lease_token: UUID | None
    first_attempted_at: datetime | None
    last_attempted_at: datetime | None
    created_at: datetime
    updated_at: datetime
    read_at: datetime
    environment_at: datetime

    def _age_seconds(self, at: datetime | None) -> float | None:
        return None if at is None else age_seconds(at, self.environment_at)

    def row(self) -> PaymentRow:
        return PaymentRow(
            event_id=self.event_id,
            order_id=self.order_id,
            tenant_id=self.tenant_id,
            money=Money(self.amount_cents, self.currency),
            payment_method=self.payment_method,
            payment=Payment(
                state=PaymentState(self.state),
                payment_intent_id=self.payment_intent_id,
                cancel_requested=self.cancel_requested,
                key=KeyHistory(
                    maybe_executed=self.maybe_executed,
                    saved_failure=self.saved_failure,
                    needs_reconcile=self.needs_reconcile,
                    transient_failures=self.transient_failures,
                ),
                unfinished_attempts=self.started_attempts - self.finished_attempts,
                failure_code=self.failure_code,
            ),
            started_attempts=self.started_attempts,
            lease_token=self.lease_token,
            key_age_seconds=self._age_seconds(self.first_attempted_at),
            attempt_age_seconds=self._age_seconds(self.last_attempted_at),
            age_seconds=age_seconds(self.created_at, self.environment_at),
            read_at=self.read_at,
            quiet_seconds=age_seconds(self.updated_at, self.read_at, senseless=0),
        )


COLUMNS: Final = select_list(
    _PaymentColumns,
    {
        "cancel_requested": "cancel_requested_at IS NOT NULL",
        "read_at": "clock_timestamp()",
        # Once for the statement.
        "environment_at": "(SELECT environment_now())",
    },
)


def read(conn: Connection, query: str, values: Sequence[object]) -> list[PaymentRow]:
    """Rows of a statement that ends with `COLUMNS` of payments; `query` is code, never input."""
    with conn.cursor(row_factory=class_row(_PaymentColumns)) as cursor:
        rows = cursor.execute(query, values).fetchall()
    return readable(rows, _PaymentColumns.row, partial(_set_aside, conn))


def select(conn: Connection, where: str, values: Mapping[str, object]) -> list[PaymentRow]:
    """Rows matching a condition written at the call; `where` is code, never input."""
    query = f"SELECT {COLUMNS} FROM payments WHERE {where}"  # noqa: S608 - see above
    with conn.cursor(row_factory=class_row(_PaymentColumns)) as cursor:
        rows = cursor.execute(query, values).fetchall()
    return readable(rows, _PaymentColumns.row, partial(_set_aside, conn))


def _set_aside(conn: Connection, columns: _PaymentColumns, error: ValueError) -> None:
    set_aside(
        conn,
        table="payments",
        key="event_id",
        row_id=columns.event_id,
        event_id=columns.event_id,
        error=error,
    )


def lock(conn: Connection, event_id: UUID) -> PaymentRow | None:
    """Read one payment and hold its row until the transaction ends."""
    rows = select(conn, "event_id = %(event_id)s FOR UPDATE", {"event_id": event_id})
    return rows[0] if rows else None


def lock_due(conn: Connection, *, limit: int) -> list[PaymentRow]:
    """Payments that wait to be sent and are due, oldest first; rows others hold are skipped."""
    return select(
        conn,
        "state IN ('pending', 'unknown') AND NOT needs_reconcile"
        " AND next_attempt_at <= environment_now()"
        " ORDER BY next_attempt_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED",
        {"limit": limit},
    )


def lock_pending(conn: Connection, event_ids: Sequence[UUID]) -> list[PaymentRow]:
    """Those of the named payments that have not been sent, locked."""
    return select(
        conn,
        "event_id = ANY (%(event_ids)s) AND state = 'pending' FOR UPDATE",
        {"event_ids": list(event_ids)},
    )


def lock_lost(
    conn: Connection, lease: Lease, *, orphans: Sequence[UUID], limit: int
) -> list[PaymentRow]:
    """Payments whose attempt nobody works on any more, locked.

    A lease is lost when its time is over, when this owner holds it from an earlier incarnation, or
    when its token is among the orphans.
    """
    return select(
        conn,
        "state = 'charging' AND (lease_until < environment_now() OR"
        " (lease_owner = %(owner)s AND lease_incarnation <> %(incarnation)s) OR"
        " lease_token = ANY (%(orphans)s))"
        " ORDER BY lease_until LIMIT %(limit)s FOR UPDATE SKIP LOCKED",
        {
            "owner": lease.owner,
            "incarnation": lease.incarnation,
            "orphans": list(orphans),
            "limit": limit,
        },
    )


def state_of(conn: Connection, event_id: UUID) -> PaymentState | None:
    """The payment's state now, without locking it."""
    row = conn.execute("SELECT state FROM payments WHERE event_id = %s", (event_id,)).fetchone()
    return PaymentState(row[0]) if row else None


# --- writing --------------------------------------------------------------------------------

_LEASE: Final = """
    WITH claimed AS (
        -- The token is made by the database in the statement that hands it out: there is none that
        -- was never a row's.
        UPDATE payments SET state = 'charging', started_attempts = started_attempts + 1,
            -- The key's age, from the first attempt that may execute.
            first_attempted_at = coalesce(first_attempted_at, environment_now()),
            last_attempted_at = environment_now(), lease_owner = %(owner)s,
            lease_incarnation = %(incarnation)s, lease_token = gen_random_uuid(),
            lease_until = environment_now() + make_interval(secs => %(seconds)s),
            updated_at = clock_timestamp()
        WHERE event_id = ANY (%(event_ids)s) RETURNING event_id, lease_token),
    recorded AS (
        INSERT INTO payment_events (event_id, kind, from_state, to_state, cause, cause_id)
        SELECT claimed.event_id, 'transition', before.state, 'charging', %(owner)s,
               claimed.lease_token::text
        -- RETURNING shows the row as it is now; where it came from is what the caller read under
        -- its lock.
        FROM claimed JOIN unnest(%(event_ids)s, %(states)s::text[]) AS before (event_id, state)
             USING (event_id))
    SELECT event_id, lease_token FROM claimed
"""


def lease(conn: Connection, rows: Sequence[PaymentRow], lease: Lease) -> dict[UUID, UUID]:
    """Put locked rows under a lease, each with a token of its own; returns tokens by event id."""
    tokens = conn.execute(
        _LEASE,
        {
            "owner": lease.owner,
            "incarnation": lease.incarnation,
            "seconds": lease.seconds,
            "event_ids": [row.event_id for row in rows],
            "states": [row.payment.state for row in rows],
        },
    )
    return dict(tokens.fetchall())


_UPDATE: Final = """
    UPDATE payments SET
        state = %(state)s, payment_intent_id = %(payment_intent_id)s,
        failure_code = %(failure_code)s,
        -- The first request keeps its time.
        cancel_requested_at = CASE WHEN %(cancel_requested)s
                                   THEN coalesce(cancel_requested_at, clock_timestamp()) END,
        maybe_executed = %(maybe_executed)s, saved_failure = %(saved_failure)s,
        needs_reconcile = %(needs_reconcile)s,
        -- started_attempts only grows, by a claim; the machine counts what has not ended.
        finished_attempts = started_attempts - %(unfinished)s,
        transient_failures = %(transient_failures)s,
        -- Nothing was executed under the key yet, so its age has not begun: a day of refusals, or
        -- of a wrong key of ours, must not read as a key that Stripe has pruned.
        first_attempted_at = CASE WHEN %(state)s IN ('pending', 'parked') AND NOT %(maybe_executed)s
                                  THEN NULL ELSE first_attempted_at END,
        next_attempt_at = environment_now() + make_interval(secs => %(wait)s),
        -- A lease ends with its attempt, and stays while only a cancellation was noted beside it.
        lease_owner = CASE WHEN %(state)s = 'charging' THEN lease_owner END,
        lease_incarnation = CASE WHEN %(state)s = 'charging' THEN lease_incarnation END,
        lease_token = CASE WHEN %(state)s = 'charging' THEN lease_token END,
        lease_until = CASE WHEN %(state)s = 'charging' THEN lease_until END,
        -- Wall time: a request on its way does not hurry because a drill moved the environment
        -- clock.
        updated_at = clock_timestamp()
    -- The compare of the compare-and-set: the caller checks that it met its row.
    WHERE event_id = %(event_id)s AND state = %(from_state)s
"""


_RECORD: Final = (
    "INSERT INTO payment_events (event_id, kind, from_state, to_state, cause, cause_id, detail)"
    " VALUES "
)
_LINE: Final = (
    "(%(event_id)s, %({n}kind)s, %({n}before)s, %({n}after)s, %({n}who)s, %({n}reference)s,"
    " %({n}detail)s)"
)


@cache
def _step_statement(lines: int, events: int) -> str:
    """The update of a row with so many lines of its history and so many events, in one round."""
    # The lines in one statement: of several, the last would be the first to be executed.
    rows = ", ".join(_LINE.format(n=f"line{n}_") for n in range(lines))
    told = [f"told{n} AS ({outbox.insertion(f'told{n}_')})" for n in range(events)]
    parts = [f"moved AS ({_UPDATE} RETURNING event_id)", f"recorded AS ({_RECORD}{rows})", *told]
    return f"WITH {', '.join(parts)} SELECT event_id FROM moved"  # noqa: S608 - constants


def write(
    conn: Connection,
    row: PaymentRow,
    after: Payment,
    *,
    wait_seconds: float,
    history: Sequence[HistoryLine],
    events: Sequence[NewEvent],
) -> int:
    """Write what a locked row has become; its lease ends unless it is being charged.

    Args:
        history: what is added to it, in its order.
        events: what the outbox is told beside it.

    Returns:
        How many rows were written: 1 unless the row moved since it was read.
    """
    values: dict[str, object] = {
        "event_id": row.event_id,
        "from_state": row.payment.state,
        "state": after.state,
        "payment_intent_id": after.payment_intent_id,
        "failure_code": after.failure_code,
        "cancel_requested": after.cancel_requested,
        "maybe_executed": after.key.maybe_executed,
        "saved_failure": after.key.saved_failure,
        "needs_reconcile": after.key.needs_reconcile,
        "unfinished": after.unfinished_attempts,
        "transient_failures": after.key.transient_failures,
        "wait": wait_seconds,
    }
    for n, line in enumerate(history):
        values |= line.values(f"line{n}_")
    for n, event in enumerate(events):
        values |= outbox.values(event, f"told{n}_")
    return conn.execute(_step_statement(len(history), len(events)), values).rowcount


def record(conn: Connection, event_id: UUID, line: HistoryLine) -> None:
    """Add a line to the payment's history."""
    conn.execute(_RECORD + _LINE.format(n=""), {"event_id": event_id, **line.values()})
