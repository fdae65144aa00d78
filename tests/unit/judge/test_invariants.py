"""Each invariant holds in a healthy shop; a seeded defect violates it, and what goes with it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bookpayctl.judge import evaluation
from bookpayctl.judge.rows import ClientOperation
from bookpayctl.report.verdict import Item, Verdict
from tests.support import judged_shop as shop
from tests.support.judging import judge, judged_by_hand, violated
from tests.support.shop_rows import (
    ChargeRow,
    Facts,
    IntentRow,
    RecordRow,
    StripeRefundRow,
)


def answers(facts: Facts) -> dict[str, Item]:
    return {item.id: item for item in judge(facts)}


def first(rows: tuple[Any, ...], **changes: object) -> tuple[Any, ...]:
    """The rows with their first one changed."""
    return (replace(rows[0], **changes), *rows[1:])


D, S, K = shop.DATABASE, shop.STRIPE, shop.LOG

SECOND_CHARGE = ChargeRow("ch_again", shop.INTENT[shop.PAID], "succeeded", 4999, "usd", 0)
ORPHAN_INTENT = IntentRow(
    "pi_orphan", "succeeded", 100, "usd", "root-x", "ord_x", shop.ENVIRONMENT, shadow=False
)


def test_a_healthy_shop_violates_nothing_and_every_invariant_looked_at_something() -> None:
    found = answers(shop.healthy())

    assert {item.id for item in found.values() if item.verdict is not Verdict.HOLDS} == set()
    assert all(item.examined > 0 for item in found.values())


def test_a_double_charge_is_found_even_if_the_second_one_was_refunded() -> None:
    refund = StripeRefundRow("re_9", shop.INTENT[shop.PAID], "ch_again", "succeeded", 4999)
    facts = shop.with_stripe(charges=(*S.charges, SECOND_CHARGE), refunds=(*S.refunds, refund))

    assert "I10" in violated(facts)


def test_a_wrong_step_that_healed_is_still_a_violation() -> None:
    healed = shop.steps(shop.DECLINED, "ttt", None, "pending", "paid", "cancelled")
    wrong = [*healed[:2], *shop.steps(shop.DECLINED, "tt", "paid", "pending", "cancelled")]
    facts = shop.with_database(
        order_transitions=(
            *(t for t in D.order_transitions if t.subject != shop.DECLINED),
            *(replace(t, sequence=n) for n, t in enumerate(wrong)),
        )
    )

    assert "I21" in violated(facts)
    assert "I29" not in violated(facts)


def test_a_shop_without_orders_is_vacuous_and_not_well() -> None:
    facts = replace(shop.healthy(), cut_off=shop.at(-60))

    found = answers(facts)

    assert found["I10"].verdict is Verdict.VACUOUS
    assert found["I04"].verdict is Verdict.VACUOUS


def test_a_missing_ledger_makes_what_needs_it_unknown_with_the_reason() -> None:
    facts = replace(shop.healthy(), stripe=None, absent={"stripe": "stripe-mock keeps no ledger"})

    found = answers(facts)

    assert found["I10"].verdict is Verdict.UNKNOWN
    assert found["I10"].reason == "stripe-mock keeps no ledger"
    assert found["I16"].verdict is Verdict.HOLDS


def test_a_missing_history_skips_its_invariants_and_says_so() -> None:
    found = answers(replace(shop.healthy(), history=None))

    assert found["I01"].verdict is Verdict.SKIPPED
    assert found["I01"].reason == "no client history was given"


def test_a_question_that_raises_is_unknown() -> None:
    with judged_by_hand(shop.healthy()) as connection:
        connection.execute("DROP TABLE inventory")
        connection.execute("CREATE TABLE inventory (sku VARCHAR, unreadable VARCHAR)")
        evaluation.prepare(connection)

        found = {item.id: item for item in evaluation.judge(connection)}

    assert found["I16"].verdict is Verdict.UNKNOWN
    assert found["I16"].reason.startswith("the question failed: BinderException")
    assert found["I18"].verdict is Verdict.HOLDS


def test_probes_are_left_out_by_their_client_key() -> None:
    probe = replace(D.orders[0], id="ord_probe", client_key="check-probe-1", status="pending")
    facts = shop.with_database(orders=(*D.orders, probe))

    judged_without = violated(
        replace(facts, excluded=replace(facts.excluded, client_keys=frozenset({"check-probe-1"})))
    )

    assert "I26" in violated(facts)
    assert judged_without == set()


def test_a_payment_that_waits_for_its_customer_is_open_by_right_until_the_window_ends() -> None:
    waiting = shop.with_database(
        orders=first(D.orders, status="pending"),
        payments=first(D.payments, state="processing"),
    )
    patient = replace(waiting, webhook_window=timedelta(minutes=15))
    late = replace(waiting, webhook_window=timedelta(seconds=30))

    assert {"I25", "I26"} & violated(patient) == set()
    assert {"I25", "I26"} <= violated(late)


def test_a_bank_debit_that_stripe_has_not_closed_waits_without_a_limit() -> None:
    intents = (replace(S.intents[0], status="processing"), *S.intents[1:])
    facts = replace(
        shop.with_database(payments=first(D.payments, state="processing")),
        stripe=replace(S, intents=intents, events=()),
        webhook_window=timedelta(0),
    )

    assert "I25" not in violated(facts)


def test_an_unknown_call_may_have_made_an_order_or_not() -> None:
    facts = shop.with_history(
        ClientOperation("run-ord_paid", "unknown", None, None),
        ClientOperation("run-never", "unknown", None, None),
        *shop.HISTORY.operations[1:],
    )

    assert violated(facts) == set()


def test_the_worst_case_by_money_is_the_first_evidence() -> None:
    small = ChargeRow("ch_small", shop.INTENT[shop.REFUNDED], "succeeded", 3950, "usd", 0)
    facts = shop.with_stripe(charges=(*S.charges, small, SECOND_CHARGE))

    item = answers(facts)["I10"]

    assert item.evidence[0].startswith(f"{shop.PAID}: 2 succeeded charges")
    assert item.fix == f"bookpayctl order trace {shop.PAID}"


TRIMMED = tuple(replace(p, first_offset=1, oldest_at=shop.at(0.5)) for p in K.partitions)


def test_a_record_behind_the_log_start_is_not_missed_once_its_time_is_over() -> None:
    log = replace(K, records=K.records[1:], partitions=TRIMMED)
    late = replace(D, read_at=shop.T0 + timedelta(days=7, seconds=1))
    facts = replace(shop.healthy(), database=late, log=log)

    item = answers(facts)["I06"]

    assert item.verdict is Verdict.HOLDS
    assert "excused: 3 events older than their topic keeps records" in item.observed


def test_a_record_that_was_trimmed_before_its_time_is_missing() -> None:
    facts = shop.with_log(records=K.records[1:], partitions=TRIMMED)

    assert "I06" in violated(facts)


def test_a_charge_of_another_environment_is_not_our_orphan() -> None:
    foreign = replace(ORPHAN_INTENT, environment="other")
    facts = shop.with_stripe(
        intents=(*S.intents, foreign),
        charges=(*S.charges, ChargeRow("ch_x", "pi_orphan", "succeeded", 100, "usd", 0)),
    )

    assert violated(facts) == set()


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"poison": ()}, Verdict.VACUOUS),
        ({"poison": (replace(shop.POISON, offset=3),)}, Verdict.VACUOUS),
        ({"poison": (shop.POISON,)}, Verdict.HOLDS),
    ],
    ids=["none was sent", "nobody has read past it", "it was set aside"],
)
def test_poison_that_nobody_met_acquits_nobody(changes: dict[str, Any], verdict: Verdict) -> None:
    found = answers(replace(shop.healthy(), **changes))

    assert found["I28"].verdict is verdict


def test_poison_whose_acknowledgement_never_came_is_asked_for_where_the_log_has_it() -> None:
    announced = replace(shop.POISON, event_id="unheard", partition=None, offset=None)
    record = RecordRow("orders.placed", 0, 1, "k", "unheard", None)
    sent = replace(shop.with_log(records=(*K.records, record)), poison=(shop.POISON, announced))
    lost = replace(shop.healthy(), poison=(shop.POISON, announced))

    assert answers(sent)["I28"].evidence[0].startswith("orders.placed/0/1: bad-json of run run-1")
    assert answers(lost)["I28"].verdict is Verdict.HOLDS


def test_poison_that_is_read_past_has_a_letter_of_its_own() -> None:
    other = replace(shop.POISON, event_id="other", offset=2)
    facts = replace(shop.healthy(), poison=(shop.POISON, other))

    assert answers(facts)["I28"].verdict is Verdict.VIOLATED
    assert answers(facts)["I28"].examined == 2
