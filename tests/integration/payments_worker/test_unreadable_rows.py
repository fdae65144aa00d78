"""One row that nobody can read costs one row: whoever claims rows in a batch goes on with the rest.

Each time of each table that a loop reads is set to what a hand can write, beside a good row.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import closing
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from psycopg import Connection, sql

from runtime.adapters.store import (
    far_times,
    missed,
    orders,
    payments,
    reconcile,
    refunds,
    webhooks,
)
from runtime.adapters.store.database import FAR_FUTURE, FAR_PAST
from runtime.adapters.store.database import connect as database_connection
from runtime.adapters.store.payments import PaymentRow
from runtime.domain.lease import Lease
from runtime.domain.money import Money
from runtime.domain.names import EventId, PaymentIntentId, TenantId
from runtime.services.payments_reconciler.charges import creation_window
from runtime.steps import queue, refund
from tests.support.stack import Database

RNG = random.Random(1)
PI = PaymentIntentId("pi_1")

TIMES = (
    "infinity",
    "-infinity",
    "294276-12-31 23:59:59.999999Z",
    "4713-01-01 00:00:00Z BC",
    "10000-01-01 00:00:00Z",
    "0001-01-01 00:00:00Z",
)


def new_payment(database: Database, state: str, **columns: object) -> UUID:
    event_id = uuid4()
    values: dict[str, object] = {
        "event_id": event_id,
        "order_id": f"ord_{event_id.hex}",
        "tenant_id": "acme",
        "amount_cents": 100,
        "currency": "usd",
        "state": state,
        "maybe_executed": state in ("unknown", "charging"),
        **columns,
    }
    query = sql.SQL("INSERT INTO payments ({}) VALUES ({})").format(
        sql.SQL(", ").join(map(sql.Identifier, values)),
        sql.SQL(", ").join(map(sql.Placeholder, values)),
    )
    database.conn.execute(query, values)
    return event_id


def charging(lease_until: str = "now") -> dict[str, object]:
    return {
        "lease_owner": "worker-0",
        "lease_incarnation": uuid4(),
        "lease_token": uuid4(),
        "lease_until": lease_until,
        "started_attempts": 1,
    }


def set_time(database: Database, table: str, column: str, at: str, event_id: UUID) -> None:
    database.conn.execute(
        sql.SQL("UPDATE {} SET {} = %s WHERE event_id = %s").format(
            sql.Identifier(table), sql.Identifier(column)
        ),
        (at, event_id),
    )


def in_transaction(database: Database, step: Callable[[Connection[Any]], Any]) -> Any:
    """On a connection as services have it, whose times are read whatever they are."""
    with closing(database_connection(database.dsn, "suite")) as conn, conn.transaction():
        return step(conn)


def selected(database: Database, event_id: UUID) -> PaymentRow:
    where = "event_id = %(id)s"
    (row,) = in_transaction(database, lambda conn: payments.select(conn, where, {"id": event_id}))
    return cast("PaymentRow", row)


def another_lease() -> Lease:
    return Lease("worker-1", uuid4(), 60.0)


@pytest.mark.parametrize("at", TIMES)
@pytest.mark.parametrize(
    "column",
    ["created_at", "updated_at", "first_attempted_at", "last_attempted_at", "next_attempt_at"],
)
def test_a_time_of_one_payment_keeps_no_other_from_being_claimed(
    database: Database, column: str, at: str
) -> None:
    odd, good = (new_payment(database, "pending") for _ in range(2))
    set_time(database, "payments", column, at, odd)

    in_transaction(database, far_times.bring_near)
    claims = in_transaction(
        database, lambda conn: queue.claim_due(conn, another_lease(), RNG, limit=10)
    )

    assert good in {claim.row.event_id for claim in claims}
    # Sent, or Stripe is asked first: it is forgotten by nobody.
    state, asked = database.rows(
        "SELECT state, needs_reconcile FROM payments WHERE event_id = %s", odd
    )[0]
    assert (state, asked) in {("charging", False), ("unknown", True)}


@pytest.mark.parametrize("at", TIMES)
def test_a_key_whose_age_nobody_can_tell_is_not_sent_before_stripe_was_asked(
    database: Database, at: str
) -> None:
    odd = new_payment(database, "pending", first_attempted_at=at)

    in_transaction(database, lambda conn: queue.claim_due(conn, another_lease(), RNG, limit=10))

    assert database.rows(
        "SELECT state, needs_reconcile FROM payments WHERE event_id = %s", odd
    ) == [("unknown", True)]


@pytest.mark.parametrize("at", TIMES)
def test_a_lease_without_an_end_ends(database: Database, at: str) -> None:
    odd = new_payment(database, "charging", **charging(at))

    in_transaction(database, far_times.bring_near)
    given_up = in_transaction(
        database, lambda conn: queue.give_up_leases(conn, another_lease(), RNG, limit=10)
    )

    assert given_up == 1
    assert database.payment(odd)["state"] != "charging"


@pytest.mark.parametrize("at", TIMES)
@pytest.mark.parametrize(
    "column",
    ["created_at", "updated_at", "first_attempted_at", "last_attempted_at", "next_attempt_at"],
)
@pytest.mark.parametrize("state", ["unknown", "processing"])
def test_a_time_of_one_payment_keeps_no_other_from_being_asked_about(
    database: Database, state: str, column: str, at: str
) -> None:
    long_ago = {"created_at": "2020-01-01", "next_attempt_at": "2020-01-01"}
    odd, good = (
        new_payment(
            database, state, needs_reconcile=state == "unknown", payment_intent_id=pi, **long_ago
        )
        for pi in ("pi_1", "pi_2")
    )
    set_time(database, "payments", column, at, odd)

    in_transaction(database, far_times.bring_near)
    rows = in_transaction(
        database,
        lambda conn: (
            reconcile.claim_unanswered(conn, hold_seconds=60, limit=10)
            + reconcile.claim_processing(conn, window_seconds=1, hold_seconds=60, limit=10)
        ),
    )

    assert good in {row.event_id for row in rows}
    now = reconcile.environment_seconds(database.conn)
    for row in rows:
        window = creation_window(row, now, 60.0)
        assert 0 <= window["created_gte"] <= window["created_lte"]


@pytest.mark.parametrize("at", TIMES)
def test_a_row_that_was_written_at_no_time_can_be_called_quiet_in_the_end(
    database: Database, at: str
) -> None:
    """Until then nobody may conclude that no request is on its way for it."""
    odd = new_payment(database, "unknown", needs_reconcile=True, updated_at=at)
    before = selected(database, odd)

    named = in_transaction(database, far_times.bring_near)

    after = selected(database, odd)
    assert named == [f"payments {odd} updated_at"]
    assert before.quiet_seconds == 0
    assert 0 < after.quiet_seconds < 3600


@pytest.mark.parametrize("at", TIMES)
def test_the_backlog_is_counted_whatever_the_times_are(database: Database, at: str) -> None:
    new_payment(database, "pending", created_at=at)
    database.run(
        "INSERT INTO orders (id, tenant_id, customer_id, total_cents, currency, status, created_at)"
        " VALUES ('ord_1', 'acme', 'c', 100, 'usd', 'pending', %s)",
        at,
    )
    database.run(
        "INSERT INTO webhook_quarantine (received_at, reason, body) VALUES (%s, 'odd', '')", at
    )

    open_payments = reconcile.open_payments(database.conn)
    counted = {entry.what: entry.count for entry in reconcile.waiting(database.conn)}

    assert [(entry.what, entry.count) for entry in open_payments] == [("pending", 1)]
    assert (counted["orders_pending"], counted["webhooks_quarantined"]) == (1, 1)


@pytest.mark.parametrize("at", TIMES)
def test_an_order_of_any_time_is_shown_and_seen_to_wait(database: Database, at: str) -> None:
    database.run(
        "INSERT INTO orders (id, tenant_id, customer_id, total_cents, currency, status, created_at,"
        " updated_at) VALUES ('ord_1', 'acme', 'c', 100, 'usd', 'pending', %s,"
        " now() - interval '2 minutes')",
        at,
    )

    waiting = missed.waiting_orders(database.conn, window_seconds=60, limit=10)
    own = database_connection(database.dsn, "suite")
    shown = orders.find_by_id(own, TenantId("acme"), "ord_1")
    own.close()

    assert [order.order_id for order in waiting] == ["ord_1"]
    assert shown is not None
    assert shown.created_at in (FAR_PAST, FAR_FUTURE)


@pytest.mark.parametrize("at", TIMES)
@pytest.mark.parametrize("column", ["parked_at", "next_attempt_at"])
def test_an_early_webhook_of_any_time_keeps_no_other_waiting(
    database: Database, column: str, at: str
) -> None:
    for name in ("evt_odd", "evt_good"):
        database.run(
            "INSERT INTO stripe_events (event_id, type, body) VALUES (%s, 'x', '{}')", name
        )
        webhooks.keep_early(database.conn, name, None, "early")
    database.conn.execute(
        sql.SQL("UPDATE webhook_parked SET {} = %s WHERE stripe_event_id = 'evt_odd'").format(
            sql.Identifier(column)
        ),
        (at,),
    )

    in_transaction(database, far_times.bring_near)
    found = in_transaction(database, lambda conn: webhooks.claim_early(conn, limit=10))

    assert {early.stripe_event_id for early in found} == {"evt_odd", "evt_good"}


@pytest.mark.parametrize(
    "offset", ["infinity", "-infinity", "10000 years", "-178000000 years", "0"]
)
def test_a_clock_that_nobody_can_have_meant_stops_no_claim(database: Database, offset: str) -> None:
    event_id = new_payment(database, "pending")
    database.run('UPDATE environment_clock SET "offset" = %s::interval', offset)

    claims = in_transaction(
        database, lambda conn: queue.claim_due(conn, another_lease(), RNG, limit=10)
    )

    assert [claim.row.event_id for claim in claims] == [event_id]


# --- amounts --------------------------------------------------------------------------------


def owe(database: Database, pi: str) -> UUID:
    event_id = new_payment(database, "refunding", payment_intent_id=pi)
    refunds.request_first(database.conn, EventId(event_id), PaymentIntentId(pi), Money(100, "usd"))
    return event_id


@pytest.mark.parametrize(
    ("column", "value"), [("amount_cents", 9223372036854775807), ("currency", "\u202eusd\n")]
)
@pytest.mark.parametrize("state", ["pending", "sending", "unknown"])
def test_a_refund_that_cannot_be_read_is_set_aside_alone(
    database: Database, state: str, column: str, value: object
) -> None:
    odd, good = owe(database, "pi_1"), owe(database, "pi_2")
    database.conn.execute(
        sql.SQL("UPDATE refunds SET {} = %s, state = %s WHERE event_id = %s").format(
            sql.Identifier(column)
        ),
        (value, "pending", odd),
    )
    if state == "sending":
        database.run(
            "UPDATE refunds SET state = 'sending', lease_owner = 'worker-1',"
            " lease_incarnation = %s, lease_token = %s, lease_until = now() WHERE event_id = %s",
            *(uuid4(), uuid4(), odd),
        )
    elif state == "unknown":
        database.run(
            "UPDATE refunds SET state = 'unknown', maybe_executed = true, needs_reconcile = true"
            " WHERE event_id = %s",
            odd,
        )
        in_transaction(
            database,
            lambda conn: refunds.claim_unanswered(
                conn, window_seconds=1, hold_seconds=60, limit=10
            ),
        )

    mine = another_lease()

    claims, again = (
        in_transaction(database, lambda conn: refund.claim_due(conn, mine, RNG, limit=10))
        for _ in range(2)
    )

    assert [claim.row.event_id for claim in claims] == [good]
    assert again == []
    assert database.rows("SELECT source, reason, event_id FROM dead_letters") == [
        ("refunds", "unreadable_row", odd)
    ]


def test_a_row_that_was_mended_goes_on(database: Database) -> None:
    odd = owe(database, "pi_1")
    database.run("UPDATE refunds SET amount_cents = 9223372036854775807 WHERE event_id = %s", odd)
    in_transaction(database, lambda conn: refund.claim_due(conn, another_lease(), RNG, limit=10))

    database.run(
        "UPDATE refunds SET amount_cents = 100, next_attempt_at = now() WHERE event_id = %s", odd
    )
    claims = in_transaction(
        database, lambda conn: refund.claim_due(conn, another_lease(), RNG, limit=10)
    )

    assert [claim.row.event_id for claim in claims] == [odd]
    assert payments.state_of(database.conn, odd) == "refunding"
