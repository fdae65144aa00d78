"""What one ledger says of a thing is held against what the next one says of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bookpayctl.report.verdict import Verdict
from tests.support import judged_shop as shop
from tests.support.judging import answer
from tests.support.shop_rows import ChargeRow, DeadLetterRow, IntentRow, OutboxRow, RecordRow

D, S, K = shop.DATABASE, shop.STRIPE, shop.LOG


def event_changed(event_type: str, **changes: object) -> tuple[OutboxRow, ...]:
    return tuple(
        replace(row, **changes) if row.event_type == event_type else row  # type: ignore[arg-type]
        for row in D.outbox
    )


@pytest.mark.parametrize(
    "changes", [{"amount_cents": 1}, {"currency": "eur"}, {"amount_cents": None}]
)
def test_an_event_that_names_another_amount_than_its_order_is_found(
    changes: dict[str, object],
) -> None:
    facts = shop.with_database(outbox=event_changed("PaymentCompleted", **changes))

    assert answer(facts, "I32").verdict is Verdict.VIOLATED


def test_a_payment_intent_of_another_amount_is_found() -> None:
    facts = shop.with_stripe(intents=(replace(S.intents[0], amount_cents=1), *S.intents[1:]))

    item = answer(facts, "I32")

    assert item.evidence == ("ord_paid: pi_paid says 0.01 usd, the order 49.99 usd",)


def test_an_event_written_by_hand_may_leave_its_amount_out() -> None:
    events = event_changed("OrderPlaced", amount_cents=None, currency=None, has_amount=False)

    assert answer(shop.with_database(outbox=events), "I32").verdict is Verdict.HOLDS


def test_a_part_that_was_given_back_is_not_the_orders_amount() -> None:
    events = event_changed("PaymentRefunded", amount_cents=3450)

    assert answer(shop.with_database(outbox=events), "I32").verdict is Verdict.HOLDS


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"payload_sha256": "other"}, "another payload"),
        ({"key": "other"}, "another key"),
        ({"topic": "orders.paid"}, "another topic"),
        ({"topic": "orders.paid", "key": "other"}, "another topic and key"),
    ],
)
def test_a_second_record_of_a_known_event_that_says_something_else_is_found(
    changes: dict[str, str], words: str
) -> None:
    forged: RecordRow = replace(K.records[0], offset=99, **changes)  # type: ignore[arg-type]

    item = answer(shop.with_log(records=(*K.records, forged)), "I33")

    assert item.verdict is Verdict.VIOLATED
    assert words in item.evidence[0]


def test_a_record_that_was_sent_twice_as_it_is_is_no_finding() -> None:
    again = replace(K.records[0], offset=99)

    assert answer(shop.with_log(records=(*K.records, again)), "I33").verdict is Verdict.HOLDS


def test_a_refund_without_its_call_is_found() -> None:
    calls = tuple(call for call in D.calls or () if call.operation != "refund")

    item = answer(shop.with_database(calls=calls), "I34")

    assert item.evidence == ("re_1: a refund was made, our journal has no call",)


def test_a_cancellation_under_the_same_payment_is_not_the_call_of_its_charge() -> None:
    calls = tuple(replace(call, operation="cancel") for call in D.calls or ())

    assert answer(shop.with_database(calls=calls), "I34").verdict is Verdict.VIOLATED


STRANGER = IntentRow("pi_s", "succeeded", 778, "usd", None, None, None, shadow=False)
CHARGED = shop.with_stripe(
    intents=(*S.intents, STRANGER),
    charges=(*S.charges, ChargeRow("ch_s", "pi_s", "succeeded", 778, "usd", 0, shop.at(1))),
)


def test_a_charge_that_names_nobody_is_found_by_its_amount() -> None:
    item = answer(CHARGED, "I35")

    assert item.evidence == ("ch_s: 7.78 usd taken for nobody we know",)


def test_in_an_account_that_is_declared_shared_it_is_counted() -> None:
    item = answer(replace(CHARGED, account_is_shared=True), "I35")

    assert item.verdict is Verdict.HOLDS
    assert "excused: 1 charges of 7.78 usd of others in a shared account" in item.observed


def test_a_charge_that_v1_made_is_v1s() -> None:
    facts = replace(CHARGED, database=replace(D, v1_intents=frozenset({"pi_s"})))

    assert answer(facts, "I35").verdict is Verdict.HOLDS


def test_a_letter_that_could_not_be_sent_is_a_dead_letter_and_no_finding() -> None:
    missing = "OrderPaid-ord_paid"
    notified = (D.notified or frozenset()) - {missing}
    letter = DeadLetterRow(1, "notifier", "mail_refused", missing, resolved=True)

    assert answer(shop.with_database(notified=notified), "I36").verdict is Verdict.VIOLATED
    told = shop.with_database(notified=notified, dead_letters=(letter,))
    assert answer(told, "I36").verdict is Verdict.HOLDS


def test_where_stripe_does_not_show_what_it_delivered_nobody_is_asked() -> None:
    item = answer(shop.with_stripe(delivered=None), "I37")

    assert item.verdict is Verdict.SKIPPED
    assert item.reason == "only the twin shows what it delivered"
