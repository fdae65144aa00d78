"""Refunds of others, event by event on a real database: in any order, as often as Stripe likes."""

from __future__ import annotations

import itertools
from uuid import uuid5

import pytest

from runtime.domain.outcome import Parked
from runtime.domain.refund import RefundAnswered
from tests.support.moved_rows import (
    CENTS,
    answered,
    cancel,
    claim,
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

# --- a paid order ---------------------------------------------------------------------------


def test_a_part_is_written_down_and_the_rest_is_what_is_asked_for(database: Database) -> None:
    event_id = payment_row(database, "succeeded")

    refund_told(database, "re_1", 500, "succeeded")
    cancel(database, event_id)

    assert order(database) == ("paid", None)
    (claimed,) = claim(database)
    assert claimed.row.money.amount_cents == 1499
    assert claimed.row.idempotency_key == str(uuid5(event_id, "OrderCancelled"))
    succeeds(database, claimed)
    assert database.payment_state(event_id) == "refunded"
    assert refunded_events(database)[0]["amount_cents"] == CENTS


@pytest.mark.parametrize("status", ["succeeded", "pending"])
def test_the_whole_cancels_the_order_and_its_stock_comes_back(
    database: Database, status: str
) -> None:
    event_id = payment_row(database, "succeeded")

    refund_told(database, "re_1", 500, "succeeded")
    refund_told(database, "re_2", 1499, status)

    assert order(database) == ("cancelled", "refunded_outside")
    assert database.stock("book") == (5, 0, 0)
    cancel(database, event_id)
    assert database.payment_state(event_id) == (
        "refunded" if status == "succeeded" else "refunding"
    )
    assert ours(database) == []


@pytest.mark.parametrize("end", ["failed", "canceled"])
def test_a_pending_whole_that_comes_back_is_given_by_us(database: Database, end: str) -> None:
    event_id = payment_row(database, "succeeded")
    refund_told(database, "re_1", CENTS, "pending")
    cancel(database, event_id)

    refund_told(database, "re_1", CENTS, end)

    (claimed,) = claim(database)
    succeeds(database, claimed)
    assert database.payment_state(event_id) == "refunded"
    assert ours(database) == [(1, CENTS, "succeeded", None)]


def test_a_refund_that_comes_back_after_the_end_is_owed_again(database: Database) -> None:
    event_id = payment_row(database, "succeeded")
    refund_told(database, "re_1", 500, "succeeded")
    cancel(database, event_id)
    (first,) = claim(database)
    succeeds(database, first)

    refund_told(database, "re_1", 500, "failed")

    (second,) = claim(database)
    assert (second.row.n, second.row.money.amount_cents) == (2, 500)
    succeeds(database, second, "re_ours_2")
    assert len(refunded_events(database)) == 1


ENDS = [("re_1", "pending"), ("re_1", "succeeded"), ("re_1", "failed")]


@pytest.mark.parametrize("history", list(itertools.permutations(ENDS)))
def test_news_of_a_refund_comes_to_the_same_in_any_order(
    database: Database, history: list[tuple[str, str]]
) -> None:
    payment_row(database, "succeeded")

    for named, status in (*history, *history):
        refund_told(database, named, 500, status)

    assert database.rows("SELECT stripe_refund_id, status FROM outside_refunds") == [
        ("re_1", "failed")
    ]


# --- our refund is under way ------------------------------------------------------------------


def test_a_refund_that_waits_asks_for_less_when_others_were_first(database: Database) -> None:
    event_id = payment_row(database, "succeeded")
    cancel(database, event_id)

    refund_told(database, "re_1", 500, "succeeded")

    assert claim(database)[0].row.money.amount_cents == 1499


def test_a_refund_that_waits_is_not_sent_when_nothing_is_left(database: Database) -> None:
    event_id = payment_row(database, "succeeded")
    cancel(database, event_id)

    refund_told(database, "re_1", CENTS, "succeeded")

    assert claim(database) == []
    assert ours(database) == [(1, CENTS, "failed", "nothing_owed")]
    assert database.payment_state(event_id) == "refunded"
    (told,) = refunded_events(database)
    assert (told["by"], told["refund_id"]) == ("refunded_outside", "re_1")


def test_a_refusal_because_others_were_first_asks_for_what_is_left_once(
    database: Database,
) -> None:
    event_id = payment_row(database, "succeeded")
    cancel(database, event_id)
    (first,) = claim(database)
    refund_told(database, "re_1", 500, "succeeded")
    while_sending = ours(database)

    answered(database, first, RefundAnswered(Parked("refund_more_than_left"), None))
    looked_up(database, first)

    assert while_sending == [(1, CENTS, "sending", None)]
    (second,) = claim(database)
    assert (second.row.n, second.row.money.amount_cents) == (2, 1499)
    succeeds(database, second)
    assert database.payment_state(event_id) == "refunded"


def test_a_refusal_with_nothing_to_explain_it_stays_failed(database: Database) -> None:
    event_id = payment_row(database, "succeeded")
    cancel(database, event_id)
    (first,) = claim(database)

    answered(database, first, RefundAnswered(Parked("refund_more_than_left"), None))
    looked_up(database, first)

    assert claim(database) == []
    assert ours(database) == [(1, CENTS, "failed", "refund_more_than_left")]
    assert database.payment_state(event_id) == "refunding"
    assert database.rows(
        "SELECT cause FROM payment_events WHERE from_state = 'refunding' AND to_state = 'refunding'"
    ) == [("reconciler",)], "it is on record that it failed"


def test_a_refusal_because_of_a_refund_that_came_back_is_asked_once_more(
    database: Database,
) -> None:
    event_id = payment_row(database, "succeeded")
    cancel(database, event_id)
    (first,) = claim(database)
    answered(database, first, RefundAnswered(Parked("refund_more_than_left"), None))
    looked_up(database, first)
    before = claim(database)

    refund_told(database, "re_1", 500, "canceled")

    (second,) = claim(database)
    assert before == []
    assert (second.row.n, second.row.money.amount_cents) == (2, CENTS)
    answered(database, second, RefundAnswered(Parked("refund_more_than_left"), None))
    looked_up(database, second)
    assert claim(database) == [], "it is not asked a third time"


def test_a_refusal_because_all_went_back_ends_it(database: Database) -> None:
    event_id = payment_row(database, "succeeded")
    cancel(database, event_id)
    (first,) = claim(database)
    refund_told(database, "re_1", CENTS, "succeeded")

    answered(database, first, RefundAnswered(Parked("charge_already_refunded"), None))
    looked_up(database, first)

    assert database.payment_state(event_id) == "refunded"
    assert claim(database) == []


def test_our_own_news_that_comes_before_our_answer_is_ours(database: Database) -> None:
    event_id = payment_row(database, "succeeded")
    cancel(database, event_id)
    (first,) = claim(database)

    tell(
        database,
        "refund.created",
        id="re_ours",
        amount=CENTS,
        status="succeeded",
        metadata={"refund_id": str(first.row.refund_id)},
        key=first.row.idempotency_key,
    )
    succeeds(database, first)

    assert database.rows("SELECT * FROM outside_refunds") == []
    assert database.payment_state(event_id) == "refunded"


@pytest.mark.parametrize("key", ["dashboard-1", None])
def test_our_ids_in_somebody_elses_refund_do_not_make_it_ours(
    database: Database, key: str | None
) -> None:
    event_id = payment_row(database, "succeeded")
    cancel(database, event_id)
    named = {"refund_id": str(uuid5(event_id, "Refund:1")), "event_id": str(event_id)}

    tell(
        database, "refund.created", id="re_1", amount=500, status="succeeded", metadata=named,
        key=key,
    )  # fmt: skip

    assert claim(database)[0].row.money.amount_cents == 1499
