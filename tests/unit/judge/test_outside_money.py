"""Money that a bank or somebody else took back is not held: named, and explained or violated."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bookpayctl.judge import evaluation
from bookpayctl.report.verdict import Verdict
from tests.support import judged_shop as shop
from tests.support.judging import answer, judged_by_hand, violated
from tests.support.shop_rows import (
    DisputeRow,
    Facts,
    OutsideRefundRow,
    StripeDisputeRow,
    StripeEventRow,
    StripeRefundRow,
    StripeRequestRow,
)

D, S = shop.DATABASE, shop.STRIPE
PI = shop.INTENT[shop.PAID]
DISPUTE = StripeDisputeRow("du_1", PI, "ch_paid", "lost", 4999, shop.at(10))
KNOWN_DISPUTE = DisputeRow("du_1", PI, 4999, "lost")
REFUND = StripeRefundRow("re_9", PI, "ch_paid", "succeeded", 500, None, shop.at(10))
KNOWN_REFUND = OutsideRefundRow("re_9", PI, 500, "succeeded")


def test_a_lost_dispute_that_our_tables_know_is_a_warning_that_names_the_order() -> None:
    facts = replace(
        shop.with_stripe(disputes=(DISPUTE,)), database=replace(D, disputes=(KNOWN_DISPUTE,))
    )

    item = answer(facts, "I11")

    assert item.verdict is Verdict.WARNING
    assert item.evidence == (
        "ord_paid: 49.99 usd not held any more: dispute du_1 is lost, as our tables say",
    )
    assert violated(facts) == set()


def test_a_lost_dispute_that_our_tables_do_not_know_is_violated() -> None:
    facts = shop.with_stripe(disputes=(DISPUTE,))

    assert violated(facts) == {"I11"}
    assert "our tables do not know it" in answer(facts, "I11").evidence[0]


@pytest.mark.parametrize(
    "known",
    [
        replace(KNOWN_DISPUTE, status="needs_response"),
        replace(KNOWN_DISPUTE, amount_cents=1),
        replace(KNOWN_DISPUTE, stripe_dispute_id="du_other"),
    ],
)
def test_a_row_that_says_something_else_explains_nothing(known: DisputeRow) -> None:
    facts = replace(shop.with_stripe(disputes=(DISPUTE,)), database=replace(D, disputes=(known,)))

    assert violated(facts) == {"I11"}


def test_a_dispute_of_this_moment_waits_for_our_tables() -> None:
    young = replace(DISPUTE, created_at=shop.at(45))
    facts = shop.with_stripe(disputes=(young,))

    assert violated(facts) == set()
    assert "1 waiting by right" in answer(facts, "I11").observed


def test_an_old_dispute_that_was_lost_at_this_moment_waits_too() -> None:
    lost_now = StripeEventRow("evt_d", "charge.dispute.closed", "du_1", None, shop.at(45))
    facts = shop.with_stripe(disputes=(DISPUTE,), events=(*S.events, lost_now))

    assert violated(facts) == set()


def test_a_dispute_dated_by_a_clock_that_a_drill_moved_is_as_old_as_it_is() -> None:
    moved = replace(DISPUTE, created_at=shop.at(10) + timedelta(days=1))
    facts = replace(
        shop.with_stripe(disputes=(moved,)),
        database=replace(D, clock_ahead=timedelta(days=1)),
    )

    assert violated(facts) == {"I11"}


def test_an_order_too_young_to_be_judged_is_named_when_its_dispute_is_known() -> None:
    facts = replace(
        shop.with_stripe(disputes=(DISPUTE,)),
        database=replace(D, disputes=(KNOWN_DISPUTE,)),
        cut_off=shop.at(-1),
    )

    assert "ord_paid" in answer(facts, "I11").evidence[0]


def test_a_won_dispute_gives_the_money_back() -> None:
    assert violated(shop.with_stripe(disputes=(replace(DISPUTE, status="won"),))) == set()


@pytest.mark.parametrize(
    ("status", "stands"),
    [
        ("needs_response", "open"),
        ("under_review", "open"),
        ("lost", "lost"),
        ("won", "none"),
        ("warning_needs_response", "none"),
        ("warning_closed", "none"),
        ("a_word_of_next_year", "open"),
    ],
)
def test_stripes_word_for_a_dispute_says_where_the_money_is(status: str, stands: str) -> None:
    facts = replace(
        shop.with_stripe(disputes=(replace(DISPUTE, status=status),)),
        database=replace(D, disputes=(replace(KNOWN_DISPUTE, status=status),)),
    )
    with judged_by_hand(facts) as connection:
        evaluation.prepare(connection)
        told = connection.execute("SELECT DISTINCT stands FROM dispute_words").fetchall()

    assert told == [(stands,)]


def test_a_cancelled_order_whose_dispute_was_lost_holds_nothing_and_owes_nothing() -> None:
    refunded = replace(
        DISPUTE, payment_intent_id=shop.INTENT[shop.REFUNDED], amount_cents=3950, id="du_2"
    )
    facts = replace(
        shop.with_stripe(disputes=(refunded,), refunds=()),
        database=replace(D, disputes=(DisputeRow("du_2", None, 3950, "lost"),)),
    )

    assert "I14" not in violated(facts)


def test_a_partial_refund_outside_is_explained_by_its_row_and_violated_without_it() -> None:
    with_refund = shop.with_stripe(refunds=(*S.refunds, REFUND))
    known = replace(with_refund, database=replace(D, outside_refunds=(KNOWN_REFUND,)))

    assert violated(with_refund) == {"I11"}
    assert violated(known) == set()
    assert answer(known, "I11").verdict is Verdict.WARNING


def test_a_refund_outside_and_the_rest_by_us_are_two_refunds_by_right() -> None:
    intent = shop.INTENT[shop.REFUNDED]
    outside = StripeRefundRow("re_9", intent, "ch_refunded", "succeeded", 500, None, shop.at(1))
    ours = replace(S.refunds[0], amount_cents=3450)
    facts = shop.with_stripe(refunds=(ours, outside))
    known = OutsideRefundRow("re_9", intent, 500, "succeeded")

    assert "I15" in violated(facts)
    assert violated(replace(facts, database=replace(D, outside_refunds=(known,)))) == set()


def with_request(request: StripeRequestRow) -> Facts:
    return shop.with_stripe(requests=(*shop.STRIPE_REQUESTS, request))


CREATE = shop.STRIPE_REQUESTS[0]


@pytest.mark.parametrize("key", ["key-ref-1", "root-paid:cancel", "phone-1", None])
def test_a_key_of_another_operation_excuses_no_creation(key: str | None) -> None:
    assert "I24" in violated(with_request(replace(CREATE, key=key, object_id="pi_z")))


def test_a_refund_under_the_charges_key_is_not_ours() -> None:
    request = StripeRequestRow("root-paid", "/v1/refunds", "e", True, None, "re_1")

    assert "I24" in violated(with_request(request))


def test_a_confirmation_in_the_customers_browser_is_counted_and_not_judged() -> None:
    path = f"/v1/payment_intents/{PI}/confirm"
    facts = with_request(StripeRequestRow("phone-1", path, "e", True, None, PI, "req_x"))

    assert violated(facts) == set()
    assert "excused: 1 requests of others" in answer(facts, "I24").observed


def test_a_request_of_others_that_our_journal_knows_is_ours_after_all() -> None:
    path = f"/v1/payment_intents/{PI}/cancel"
    facts = with_request(StripeRequestRow("made-up", path, "e", True, None, PI, "req_x"))
    calls = (*(D.calls or ()), shop.call("cancel", "made-up", "req_x"))

    assert violated(facts) == set()
    assert violated(replace(facts, database=replace(D, calls=calls))) == {"I24"}


def test_a_refund_outside_is_made_by_others_only_if_our_tables_know_it() -> None:
    request = StripeRequestRow("dashboard-1", "/v1/refunds", "e", True, None, "re_9")
    refunds = (*S.refunds, replace(REFUND))
    facts = shop.with_stripe(refunds=refunds, requests=(*shop.STRIPE_REQUESTS, request))
    known = replace(facts, database=replace(D, outside_refunds=(KNOWN_REFUND,)))

    assert "I24" in violated(facts)
    assert "I24" not in violated(known)
    assert answer(known, "I24").evidence == ("ord_paid: refund re_9 was made outside",)


def refunding(dispute_status: str | None = None, refund_status: str | None = None) -> Facts:
    """A cancelled order whose money is on its way back, and what a bank still has to decide."""
    intent = shop.INTENT[shop.REFUNDED]
    payments = tuple(
        replace(row, state="refunding") if row.order_id == shop.REFUNDED else row
        for row in D.payments
    )
    disputes = (
        (StripeDisputeRow("du_2", intent, "ch_refunded", dispute_status, 3950, shop.at(2)),)
        if dispute_status
        else ()
    )
    refunds = tuple(
        replace(row, status=refund_status or row.status)
        for row in S.refunds
        if refund_status is not None
    )
    return replace(
        shop.with_stripe(disputes=disputes, refunds=refunds), database=replace(D, payments=payments)
    )


@pytest.mark.parametrize(
    ("facts", "waits"),
    [
        (refunding(dispute_status="needs_response"), True),
        (refunding(dispute_status="lost"), False),
        (refunding(dispute_status="warning_needs_response"), False),
        (refunding(refund_status="pending"), True),
        (refunding(refund_status="failed"), False),
        (refunding(), False),
    ],
)
def test_a_refunding_payment_waits_by_right_only_while_a_bank_decides(
    facts: Facts, waits: bool
) -> None:
    assert ("I25" not in violated(facts)) is waits


def test_a_refund_of_others_that_came_back_is_given_by_another_of_ours() -> None:
    intent = shop.INTENT[shop.REFUNDED]
    came_back = StripeRefundRow("re_9", intent, "ch_refunded", "failed", 500, None, shop.at(1))
    first = replace(S.refunds[0], amount_cents=3450)
    second = replace(S.refunds[0], id="re_10", amount_cents=500)

    assert "I15" in violated(shop.with_stripe(refunds=(first, second)))
    assert "I15" not in violated(shop.with_stripe(refunds=(first, second, came_back)))
