"""Disputes, late news and numbers that do not fit, event by event on a real database."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg.errors import CheckViolation

from runtime.adapters.store import far_times, outside, reconcile
from runtime.adapters.store.payments import Cause
from runtime.domain.names import PaymentIntentId
from runtime.domain.outcome import Parked
from runtime.domain.payment_events import SeenSucceeded
from runtime.domain.refund import RefundAnswered
from runtime.steps import payment, webhook
from tests.support.moved_rows import (
    CENTS,
    PI,
    RNG,
    answered,
    cancel,
    claim,
    dispute_told,
    looked_up,
    order,
    ours,
    payment_row,
    refund_told,
    refunded_events,
    succeeds,
    tell,
)
from tests.support.stack import Database

# --- disputes -------------------------------------------------------------------------------


def test_a_refund_waits_for_an_open_dispute_and_ends_with_a_lost_one(database: Database) -> None:
    event_id = payment_row(database, "succeeded")
    dispute_told(database, "needs_response")
    cancel(database, event_id)
    while_open = (claim(database), ours(database), database.payment_state(event_id))

    dispute_told(database, "lost", at=1_760_000_100)

    assert while_open == ([], [], "refunding")
    assert database.payment_state(event_id) == "refunded"
    assert refunded_events(database)[0]["by"] == "dispute_lost"
    assert order(database)[0] == "paid", "its cancellation came from elsewhere"


def test_a_won_dispute_is_owed_again(database: Database) -> None:
    event_id = payment_row(database, "succeeded")
    cancel(database, event_id)
    dispute_told(database, "needs_response")
    held = claim(database)

    dispute_told(database, "won", at=1_760_000_100)

    assert held == []
    assert claim(database)[0].row.money.amount_cents == CENTS


def test_a_late_created_does_not_open_a_closed_dispute(database: Database) -> None:
    payment_row(database, "succeeded")

    dispute_told(database, "lost", at=1_760_000_100)
    dispute_told(database, "needs_response", at=1_760_000_000)
    dispute_told(database, "needs_response", at=1_760_000_200)

    assert database.rows("SELECT status, closed_at IS NULL, next_look_at FROM disputes") == [
        ("lost", False, None)
    ]


def test_a_part_by_others_and_a_lost_dispute_of_the_rest_owe_nothing(database: Database) -> None:
    event_id = payment_row(database, "succeeded")
    refund_told(database, "re_1", 500, "succeeded")
    dispute_told(database, "needs_response", amount=1499)
    cancel(database, event_id)

    dispute_told(database, "lost", amount=1499, at=1_760_000_100)

    assert database.payment_state(event_id) == "refunded"
    assert ours(database) == []


def test_a_dispute_after_our_refund_is_recorded_and_moves_nothing(database: Database) -> None:
    event_id = payment_row(database, "succeeded")
    cancel(database, event_id)
    succeeds(database, claim(database)[0])

    dispute_told(database, "needs_response")
    dispute_told(database, "lost", at=1_760_000_100)

    assert database.payment_state(event_id) == "refunded"
    assert ours(database) == [(1, CENTS, "succeeded", None)]


def test_a_dispute_that_was_met_by_a_refusal_is_asked_again_once_it_is_won(
    database: Database,
) -> None:
    event_id = payment_row(database, "succeeded")
    cancel(database, event_id)
    (first,) = claim(database)
    dispute_told(database, "needs_response")
    answered(database, first, RefundAnswered(Parked("charge_disputed"), None))
    looked_up(database, first)
    while_open = claim(database)

    dispute_told(database, "won", at=1_760_000_100)

    (second,) = claim(database)
    assert while_open == []
    assert (second.row.n, second.row.money.amount_cents) == (2, CENTS)
    answered(database, second, RefundAnswered(Parked("charge_disputed"), None))
    looked_up(database, second)
    assert claim(database) == [], "it is not asked a third time"


def test_a_dispute_in_another_currency_counts_as_the_whole(database: Database) -> None:
    event_id = payment_row(database, "succeeded")
    tell(database, "charge.dispute.closed", id="du_1", amount=3, status="lost", currency="eur")

    cancel(database, event_id)

    assert database.payment_state(event_id) == "refunded"


# --- the money has not come, or came late -------------------------------------------------------


def test_what_others_gave_back_before_we_heard_of_a_success_counts_when_we_do(
    database: Database,
) -> None:
    event_id = payment_row(database, "unknown")
    refund_told(database, "re_1", CENTS, "succeeded")
    before = order(database)

    with database.conn.transaction():
        payment.apply(
            database.conn, event_id, SeenSucceeded(PaymentIntentId(PI)), Cause("webhook"), rng=RNG
        )

    assert before == ("paid", None)
    assert order(database) == ("cancelled", "refunded_outside")


def test_a_late_success_that_others_gave_back_ends_at_once(database: Database) -> None:
    event_id = payment_row(database, "failed")
    refund_told(database, "re_1", CENTS, "succeeded")
    asked = database.value("SELECT outside_check_at IS NOT NULL FROM payments")

    with database.conn.transaction():
        payment.apply(
            database.conn, event_id, SeenSucceeded(PaymentIntentId(PI)), Cause("webhook"), rng=RNG
        )

    assert asked
    assert database.payment_state(event_id) == "refunded"
    assert ours(database) == []


def test_news_of_a_payment_intent_that_nobody_names_yet_is_early(database: Database) -> None:
    payment_row(database, "pending", intent=None)

    assert refund_told(database, "re_1", 500, "succeeded") == webhook.Early(None)
    assert dispute_told(database, "needs_response") == webhook.Early(None)


# --- numbers decide ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "thing", "reason"),
    [
        ("refund.created", {"amount": 500, "currency": "eur"}, "currency"),
        ("refund.created", {"amount": CENTS + 1}, "amount"),
        ("refund.created", {"amount": 0}, "amount"),
        ("refund.created", {"amount": "500"}, "amount"),
        ("refund.created", {"amount": 500, "payment_intent": None}, "not_ours"),
        ("refund.created", {"amount": 500, "object": "charge"}, "no_object"),
        ("refund.created", {"amount": 500, "livemode": True}, "livemode"),
        ("charge.dispute.created", {"amount": -1}, "amount"),
        ("charge.dispute.created", {"amount": CENTS, "status": None}, "no_object"),
        ("charge.dispute.created", {"amount": CENTS, "payment_intent": None}, "not_ours"),
        ("charge.refunded", {"amount": 500, "amount_refunded": 500}, "amount"),
        ("charge.refunded", {"amount": CENTS, "amount_refunded": None}, "no_object"),
    ],
)
def test_news_that_cannot_be_about_this_money_moves_nothing(
    database: Database, kind: str, thing: dict[str, Any], reason: str
) -> None:
    payment_row(database, "succeeded")

    effect = tell(database, kind, **{"id": "re_1", "status": "succeeded", **thing})

    assert effect == webhook.Quarantined(reason)
    assert database.rows("SELECT 1 FROM outside_refunds UNION ALL SELECT 1 FROM disputes") == []


@pytest.mark.parametrize(("refunded", "asked"), [(500, False), (700, True), (0, True)])
def test_a_charge_that_says_more_than_is_known_has_stripe_asked(
    database: Database, refunded: int, asked: bool
) -> None:
    payment_row(database, "succeeded")
    refund_told(database, "re_1", 500, "succeeded")

    tell(database, "charge.refunded", id="ch_1", amount=CENTS, amount_refunded=refunded)

    assert database.value("SELECT outside_check_at IS NOT NULL FROM payments") is asked


@pytest.mark.parametrize("currency", ["jpy", "kwd"])
def test_minor_units_are_those_of_the_currency(database: Database, currency: str) -> None:
    event_id = payment_row(database, "succeeded", currency=currency)
    tell(database, "refund.created", id="re_1", amount=500, status="succeeded", currency=currency)
    cancel(database, event_id)

    assert claim(database)[0].row.money.amount_cents == 1499


def test_the_database_refuses_impossible_rows(database: Database) -> None:
    insert = (
        "INSERT INTO disputes (stripe_dispute_id, payment_intent_id, amount_cents, currency,"
        " status, told_at, closed_at, next_look_at) VALUES ('du_1', 'pi_1', %s, 'usd', 'lost',"
        " now(), now(), %s)"
    )
    for values in ((0, None), (1, "2026-01-01")):
        with pytest.raises(CheckViolation):
            database.run(insert, *values)


TIMES = ["infinity", "-infinity", "294276-12-31 23:59:59Z", "4713-01-01 00:00:00Z BC"]


@pytest.mark.parametrize("at", TIMES)
def test_times_written_by_hand_stop_nothing(database: Database, at: str) -> None:
    event_id = payment_row(database, "succeeded")
    refund_told(database, "re_1", 500, "pending")
    dispute_told(database, "needs_response")
    for column in ("created_at", "updated_at", "next_look_at"):
        database.run(f"UPDATE outside_refunds SET {column} = %s", at)
        database.run(f"UPDATE disputes SET {column} = %s", at)
    database.run("UPDATE disputes SET told_at = %s", at)
    database.run("UPDATE payments SET outside_check_at = %s", at)
    database.run("INSERT INTO outside_listings (listed_to) VALUES (%s)", at)

    far_times.bring_near(database.conn)
    outside.mark_open(database.conn, limit=10)
    outside.listed_to(database.conn)
    counted = {entry.what: entry.count for entry in reconcile.waiting(database.conn)}
    refund_told(database, "re_1", 500, "succeeded")
    dispute_told(database, "lost")
    cancel(database, event_id)

    assert (counted["disputes_open"], counted["disputes_lost"]) == (1, 0)
    assert database.payment_state(event_id) == "refunded"


def test_a_shop_without_payments_has_no_past_to_list(database: Database) -> None:
    since = outside.listed_to(database.conn)

    assert reconcile.environment_seconds(database.conn) - since < 60
    payment_row(database, "succeeded")
    database.run("UPDATE payments SET created_at = now() - interval '90 days'")
    days = (reconcile.environment_seconds(database.conn) - outside.listed_to(database.conn)) / 86400
    assert 29 < days < 31
