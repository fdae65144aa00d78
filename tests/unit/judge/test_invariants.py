"""Each invariant holds in a healthy shop; a seeded defect violates it, and what goes with it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bookpayctl.judge import evaluation
from bookpayctl.judge.rows import ClientOperation
from bookpayctl.judge.rules import rules
from bookpayctl.report.verdict import Item, Verdict
from tests.support import judged_shop as shop
from tests.support.judging import judge, judged_by_hand, violated
from tests.support.shop_rows import (
    ChargeRow,
    DeadLetterRow,
    Excluded,
    Facts,
    GroupOffset,
    IntentRow,
    RecordRow,
    ReservationRow,
    StockRow,
    StripeRefundRow,
    StripeRequestRow,
    WebhookRow,
)


def answers(facts: Facts) -> dict[str, Item]:
    return {item.id: item for item in judge(facts)}


def first(rows: tuple[Any, ...], **changes: object) -> tuple[Any, ...]:
    """The rows with their first one changed."""
    return (replace(rows[0], **changes), *rows[1:])


D, S, K = shop.DATABASE, shop.STRIPE, shop.LOG
REQUESTS = shop.STRIPE_REQUESTS

SECOND_CHARGE = ChargeRow("ch_again", shop.INTENT[shop.PAID], "succeeded", 4999, "usd", 0)
ORPHAN_INTENT = IntentRow(
    "pi_orphan", "succeeded", 100, "usd", "root-x", "ord_x", shop.ENVIRONMENT, shadow=False
)
FORGED = WebhookRow("evt_forged", "payment_intent.succeeded", "pi_x", shop.at(1), True, False)

DEFECTS = {
    "I01": shop.with_history(
        *shop.HISTORY.operations, ClientOperation("run-lost", "ok", "ord_lost", 100)
    ),
    "I02": shop.with_history(
        ClientOperation("run-ord_paid", "fail", None, None), *shop.HISTORY.operations[1:]
    ),
    "I03": shop.with_database(
        orders=(*D.orders[:2], replace(D.orders[2], client_key=D.orders[0].client_key))
    ),
    "I04": shop.with_database(outbox=tuple(row for row in D.outbox if row.event_id != "root-paid")),
    "I05": shop.with_database(outbox=first(D.outbox, published=False)),
    "I06": shop.with_log(records=K.records[1:]),
    "I07": shop.with_log(
        records=(*K.records, RecordRow("orders.paid", 0, 99, "k", "invented", "OrderPaid"))
    ),
    "I08": shop.with_database(
        outbox=(*D.outbox[:1], replace(D.outbox[1], created_at=shop.at(-5)), *D.outbox[2:])
    ),
    "I09": shop.with_log(offsets=(GroupOffset("payments-worker", "orders.placed", 0, 2),)),
    "I10": shop.with_stripe(charges=(*S.charges, SECOND_CHARGE)),
    "I11": shop.with_stripe(charges=S.charges[1:]),
    "I12": shop.with_stripe(
        charges=(S.charges[0], replace(S.charges[1], status="succeeded"), S.charges[2])
    ),
    "I13": shop.with_stripe(
        intents=(*S.intents, ORPHAN_INTENT),
        charges=(*S.charges, ChargeRow("ch_x", "pi_orphan", "succeeded", 100, "usd", 0)),
    ),
    "I14": shop.with_database(
        reservations=(*D.reservations[:2], ReservationRow(shop.REFUNDED, "book", 1, "held"))
    ),
    "I15": shop.with_stripe(
        refunds=(*S.refunds, StripeRefundRow("re_2", "pi_refunded", "ch", "succeeded", 1))
    ),
    "I16": shop.with_database(stock=(StockRow("book", 10, 8, 0, 1),)),
    "I17": shop.with_database(stock=(StockRow("book", 10, 8, 0, 2),)),
    "I18": shop.with_database(reservations=first(D.reservations, state="held")),
    "I19": shop.with_database(payments=first(D.payments, state="failed")),
    "I20": shop.with_database(webhooks=(*D.webhooks, FORGED)),
    "I21": shop.with_database(order_transitions=shop.steps(shop.PAID, "t", None, "paid")),
    "I22": shop.with_database(
        payment_transitions=(D.payment_transitions[0], *D.payment_transitions[2:])
    ),
    "I23": shop.with_stripe(
        requests=(*REQUESTS, replace(REQUESTS[0], body_sha256="other", executed=False))
    ),
    "I24": shop.with_stripe(
        requests=(
            *REQUESTS,
            StripeRequestRow(None, "/v1/payment_intents", "e", True, shop.ENVIRONMENT, "pi_z"),
        )
    ),
    "I25": shop.with_database(payments=first(D.payments, state="unknown")),
    "I26": shop.with_database(orders=first(D.orders, status="pending")),
    "I27": shop.with_database(
        dead_letters=(DeadLetterRow(1, "payments-worker", "parked", "root-paid", False),)
    ),
    "I29": shop.with_database(
        payment_transitions=tuple(t for t in D.payment_transitions if t.to_state != "succeeded")
    ),
    "I30": shop.with_stripe(charges=first(S.charges, amount_cents=1)),
    "I31": shop.with_log(topics=(shop.topic("orders.paid", cleanup_policy="compact"),)),
    # An order that no money was taken for, so that its amount is nowhere else asked about.
    "I32": shop.with_database(
        orders=(D.orders[0], replace(D.orders[1], total_cents=3400), D.orders[2])
    ),
    "I33": shop.with_database(outbox=first(D.outbox, payload_sha256="of another text")),
    "I34": shop.with_database(calls=(D.calls or ())[1:]),
    "I35": shop.with_stripe(
        charges=(*S.charges, ChargeRow("ch_stranger", None, "succeeded", 778, "usd", 0))
    ),
    "I36": shop.with_database(notified=frozenset()),
    "I37": shop.with_database(webhooks=()),
}

# What cannot be broken alone, and why; every other defect violates its own invariant only.
COMPANIONS = {
    # The key that was overwritten belongs to an order that was accepted.
    "I03": {"I01"},
    # The record in the log has no row any more, and what followed from it no cause.
    "I04": {"I07", "I08"},
    # Money that was taken twice is more than the order's amount.
    "I10": {"I11"},
    # The charge that is missing is also the one that the payment names, and the other way round.
    "I11": {"I30"},
    "I30": {"I11"},
    # What nobody here made has no call in our journal.
    "I13": {"I34"},
    # The client was told the amount that the order had.
    "I32": {"I01"},
    # A cancelled order whose money is held has not been compensated.
    "I12": {"I14"},
    # Its stock is in neither the counters nor the state that its order asks for.
    "I14": {"I17", "I18"},
    "I15": {"I14"},
    "I18": {"I17"},
    # The row was moved by hand: its history ends elsewhere.
    "I19": {"I29"},
    "I21": {"I29"},
    "I25": {"I19", "I29"},
    "I26": {"I12", "I18", "I29"},
    # The step that was taken out of the history is missing in the chain, too.
    "I29": {"I22"},
}


def test_a_healthy_shop_violates_nothing_and_every_invariant_looked_at_something() -> None:
    found = answers(shop.healthy())

    assert {item.id for item in found.values() if item.verdict is not Verdict.HOLDS} == set()
    assert all(item.examined > 0 for item in found.values())


@pytest.mark.parametrize("invariant_id", sorted(DEFECTS))
def test_a_seeded_defect_violates_its_invariant(invariant_id: str) -> None:
    assert violated(DEFECTS[invariant_id]) == {invariant_id} | COMPANIONS.get(invariant_id, set())


def test_every_invariant_has_a_seeded_defect() -> None:
    assert {rule.id for rule in rules()} == set(DEFECTS)


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
        replace(facts, excluded=Excluded(client_keys=frozenset({"check-probe-1"})))
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
