"""What excuses a row from judgement is checked against another ledger, counted and shown."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bookpayctl.judge import evaluation
from bookpayctl.judge.evaluation import all_of
from bookpayctl.judge.rows import TopicRow
from bookpayctl.judge.rules import EXPLAINED, rules
from bookpayctl.report.verdict import Verdict
from tests.support import judged_shop as shop
from tests.support.judging import answer, judged_by_hand, violated
from tests.support.shop_rows import ChargeRow, IntentRow, WebhookRow

D, S, K = shop.DATABASE, shop.STRIPE, shop.LOG
SHADOW = IntentRow(
    "pi_shadow", "succeeded", 4999, "usd", "root-paid", shop.PAID, shop.ENVIRONMENT, shadow=True
)
SHADOWED = shop.with_stripe(
    intents=(*S.intents, SHADOW),
    charges=(*S.charges, ChargeRow("ch_s", "pi_shadow", "succeeded", 4999, "usd", 0)),
)


def test_a_second_charge_that_calls_itself_a_shadow_is_a_second_charge() -> None:
    assert violated(SHADOWED) == {"I10", "I11"}


def test_a_shadow_that_our_tables_know_is_left_out_counted_and_shown() -> None:
    facts = replace(SHADOWED, database=replace(D, shadowed_events=frozenset({"root-paid"})))

    assert violated(facts) == set()
    words = "excused: 1 PaymentIntents of 49.99 usd that our tables say only shadowed v1"
    assert words in answer(facts, "I10").observed


def test_a_shadow_that_our_payment_names_took_the_money() -> None:
    payments = (replace(D.payments[0], payment_intent_id="pi_shadow"), *D.payments[1:])
    database = replace(D, payments=payments, shadowed_events=frozenset({"root-paid"}))

    assert "I10" in violated(replace(SHADOWED, database=database))


def test_orders_that_v1_charged_are_counted_and_need_their_comparison() -> None:
    by_v1 = frozenset({shop.INTENT[shop.PAID]})
    no_charge = shop.with_stripe(charges=S.charges[1:])
    alone = replace(no_charge, database=replace(D, v1_intents=by_v1))
    known = replace(
        no_charge,
        database=replace(D, v1_intents=by_v1, shadowed_events=frozenset({"root-paid"})),
    )

    assert "I11" in violated(alone)
    assert "I11" not in violated(known)
    assert "excused: 1 orders of 49.99 usd that v1 charged" in answer(known, "I11").observed


FOR_EVER = datetime(9000, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("created_at", [shop.at(60 + 61), FOR_EVER])
def test_an_order_dated_ahead_of_the_clock_is_judged(created_at: datetime) -> None:
    orders = (replace(D.orders[0], created_at=created_at), *D.orders[1:])
    facts = replace(shop.with_stripe(charges=S.charges[1:]), database=replace(D, orders=orders))

    assert "I11" in violated(facts)


def test_an_order_that_was_placed_a_moment_ago_is_not() -> None:
    orders = (replace(D.orders[0], created_at=shop.at(60 + 59)), *D.orders[1:])

    facts = shop.with_database(orders=orders)

    assert answer(facts, "I04").examined == 2


def test_a_webhook_dated_ahead_is_judged() -> None:
    forged = WebhookRow("evt_f", "payment_intent.succeeded", "pi_x", FOR_EVER, True, False)

    assert violated(shop.with_database(webhooks=(*D.webhooks, forged))) == {"I20"}


def of_i20(*more: WebhookRow) -> tuple[list[str], list[str]]:
    """Who is violated by these webhooks beside the shop's, and who is only told about."""
    with judged_by_hand(shop.with_database(webhooks=(*D.webhooks, *more))) as connection:
        (rule,) = [rule for rule in rules() if rule.id == "I20"]
        evaluation.prepare(connection)
        return (
            sorted(v.subject for v in all_of(connection, rule)),
            sorted(v.subject for v in all_of(connection, rule, EXPLAINED)),
        )


def test_the_probe_of_a_check_from_elsewhere_is_a_warning_and_nothing_that_moves_money() -> None:
    received = D.webhooks[0].received_at
    probe = WebhookRow("evt_bookpayprobe_1", "customer.created", "cus_1", received, True, False)
    moving = replace(probe, event_id="evt_bookpayprobe_2", type="payment_intent.succeeded")
    other = replace(probe, event_id="evt_1x")

    assert of_i20(probe) == ([], ["evt_bookpayprobe_1"])
    assert of_i20(moving, other) == (["evt_1x", "evt_bookpayprobe_2"], [])


TOPICS = K.topics or ()


def changed_topic(**changes: object) -> tuple[TopicRow, ...]:
    return (replace(TOPICS[0], **changes), *TOPICS[1:])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("topics", "words"),
    [
        (TOPICS[1:], "the topic does not exist"),
        (changed_topic(partitions=6), "6 partitions, the others have 3"),
        (tuple(replace(t, partitions=2) for t in TOPICS), "required at least 3"),
        (changed_topic(cleanup_policy="compact"), "cleanup.policy is compact"),
        (changed_topic(cleanup_policy="compact,delete"), "cleanup.policy is compact,delete"),
        (changed_topic(retention_ms=60_000), "retention.ms is 60000, promised 7 days"),
        (changed_topic(retention_bytes=1_000), "retention.bytes is 1000"),
        (changed_topic(unclean_election=True), "unclean.leader.election.enable is on"),
        (changed_topic(replicas=3), "min.insync.replicas is 1, required 2"),
        (changed_topic(insync_min=2), "min.insync.replicas is 2 with 1 replicas"),
    ],
)
def test_a_topic_that_cannot_keep_its_promise_is_a_finding(
    topics: tuple[TopicRow, ...], words: str
) -> None:
    item = answer(shop.with_log(topics=topics), "I31")

    assert item.verdict is Verdict.VIOLATED
    assert any(words in line for line in item.evidence)


def test_more_of_everything_is_no_finding() -> None:
    topics = tuple(
        replace(t, partitions=12, replicas=3, insync_min=2, retention_ms=-1) for t in TOPICS
    )

    assert answer(shop.with_log(topics=topics), "I31").verdict is Verdict.HOLDS


def test_a_retention_that_was_lowered_does_not_excuse_what_it_deleted() -> None:
    topics = tuple(replace(t, retention_ms=1) for t in TOPICS)
    trimmed = tuple(replace(p, first_offset=1, oldest_at=shop.at(0.5)) for p in K.partitions)
    log = replace(K, records=K.records[1:], partitions=trimmed, topics=topics)
    facts = replace(
        shop.healthy(), log=log, database=replace(D, read_at=shop.T0 + timedelta(days=6))
    )

    assert {"I06", "I31"} <= violated(facts)


@pytest.mark.parametrize(("days", "is_missing"), [(6, True), (8, False)])
def test_a_retention_that_nobody_could_read_is_the_promised_one(
    days: int, is_missing: bool
) -> None:
    topics = tuple(replace(t, retention_ms=None) for t in TOPICS)  # type: ignore[arg-type]
    trimmed = tuple(replace(p, first_offset=1, oldest_at=shop.at(0.5)) for p in K.partitions)
    log = replace(K, records=K.records[1:], partitions=trimmed, topics=topics)
    database = replace(D, read_at=shop.T0 + timedelta(days=days))

    found = violated(replace(shop.healthy(), log=log, database=database))

    assert ("I06" in found) is is_missing
