"""What SQL answers becomes an item: counted, the worst first, never green where it is a guess."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest

from bookpayctl.judge import evaluation
from bookpayctl.judge.evaluation import EVIDENCE_MAX, blind_spots, missing_table, shown
from bookpayctl.judge.ledgers.absence import Absence
from bookpayctl.judge.rules import Invariant, rules
from bookpayctl.report.verdict import Item, Verdict
from tests.support import judged_shop as shop
from tests.support.judging import judge, judged_by_hand, violated
from tests.support.shop_rows import ChargeRow

D, S = shop.DATABASE, shop.STRIPE
RULES: Final = {rule.id: rule for rule in rules()}


def rule_that_needs(*tables: str) -> Invariant:
    return replace(RULES["I16"], needs=tuple(tuple(t.split("|")) for t in tables), columns=())


def test_many_violations_are_counted_and_the_worst_listed_first() -> None:
    strangers = tuple(
        ChargeRow(f"ch_{n:02}", None, "succeeded", n, "usd", 0, shop.at(n)) for n in range(1, 13)
    )
    item = next(i for i in judge(shop.with_stripe(charges=strangers)) if i.id == "I35")

    assert item.observed == "12 violations"
    assert item.evidence[0] == "ch_12: 0.12 usd taken for nobody we know"
    assert len(item.evidence) == EVIDENCE_MAX + 2
    assert item.evidence[-2] == "and 2 more"
    assert item.evidence[-1] == (
        "first ch_01 2026-11-22T12:00:01.000, last ch_12 2026-11-22T12:00:12.000"
    )


@pytest.mark.parametrize(
    ("detail", "words"),
    [
        ("paid {4999 usd}, held {-1 jpy}", "paid 49.99 usd, held -1 jpy"),
        ("{12 xyz}", "12 minor units of xyz"),
        ("key {none}", "key {none}"),
    ],
)
def test_money_is_shown_in_its_own_minor_units(detail: str, words: str) -> None:
    assert shown(detail) == words


def test_a_table_that_is_not_there_is_missed_by_who_needs_it() -> None:
    hole = {"inventory": Absence("gone", chosen=False)}

    assert missing_table(rule_that_needs("orders", "inventory"), hole) == hole["inventory"]
    assert missing_table(rule_that_needs("orders"), hole) is None


def test_one_of_two_witnesses_is_enough() -> None:
    one = {"stripe_requests": Absence("not shown", chosen=False)}
    both = {**one, "stripe_events": Absence("not read", chosen=False)}
    either = rule_that_needs("stripe_requests|stripe_events")

    assert missing_table(either, one) is None
    assert missing_table(either, both) == one["stripe_requests"]


def marked_unreadable(table: str, column: str, change: str = "") -> dict[str, Item]:
    with judged_by_hand(shop.healthy()) as connection:
        connection.execute(f"UPDATE {table} SET {column} = NULL, unreadable = '{column}'{change}")
        evaluation.prepare(connection)
        return {item.id: item for item in evaluation.judge(connection)}


def test_a_value_that_could_not_be_held_makes_what_needs_it_unknown() -> None:
    found = marked_unreadable("inventory", "sold")

    assert found["I16"].verdict is Verdict.UNKNOWN
    assert found["I16"].reason == "1 rows have a inventory.sold that could not be read"
    assert found["I18"].verdict is Verdict.HOLDS


def test_a_violation_is_one_whatever_else_could_not_be_read() -> None:
    found = marked_unreadable("inventory", "sold", ", on_hand = -1")

    assert found["I16"].verdict is Verdict.VIOLATED


def test_what_has_no_time_is_judged_and_only_who_compares_times_is_in_doubt() -> None:
    found = marked_unreadable("outbox", "created_at")

    assert found["I08"].verdict is Verdict.UNKNOWN
    assert found["I04"].verdict is Verdict.HOLDS
    assert found["I04"].examined == 3
    assert blind_spots(RULES["I04"], {"outbox.created_at": 11}) == ""


def test_a_payment_dated_ahead_does_not_wait_for_its_customer_for_ever() -> None:
    facts = shop.with_database(
        payments=(
            replace(D.payments[0], state="processing", created_at=shop.at(9_999)),
            *D.payments[1:],
        )
    )
    assert "I25" in violated(facts)


def test_an_answer_says_how_long_it_took_and_where_to_look() -> None:
    item = next(i for i in judge(shop.with_stripe(charges=S.charges[1:])) if i.id == "I11")

    assert item.fix == f"bookpayctl order trace {shop.PAID}"


def item_without(name: str, rule_id: str, *, chosen: bool) -> Item:
    """A healthy shop's answer to one rule, where a table or a column is said not to be there."""
    with judged_by_hand(shop.healthy()) as connection:
        connection.execute("INSERT INTO absent VALUES (?, 'not given', ?)", [name, chosen])
        evaluation.prepare(connection)
        return next(one for one in evaluation.judge(connection) if one.id == rule_id)


@pytest.mark.parametrize(
    ("column", "rule_id"),
    [
        ("outbox.published", "I05"),
        ("payments.payment_intent_id", "I30"),
        ("outbox.created_at", "I08"),
    ],
)
def test_what_needs_a_column_that_nobody_gives_is_not_asked(column: str, rule_id: str) -> None:
    item = item_without(column, rule_id, chosen=True)

    assert (item.verdict, item.reason) == (Verdict.SKIPPED, "not given")


def test_a_table_that_a_stack_does_without_is_asked_as_empty_and_that_is_said() -> None:
    without = item_without("shadows", "I30", chosen=True)
    unread = item_without("shadows", "I30", chosen=False)

    assert without.verdict is Verdict.HOLDS
    assert without.observed.endswith("asked without shadows, which this stack does not have")
    assert unread.verdict is Verdict.UNKNOWN


def test_a_wrong_step_is_seen_though_the_history_ends_well() -> None:
    with judged_by_hand(shop.healthy()) as connection:
        connection.execute(
            "UPDATE order_steps SET to_state = 'cancelled'"
            f" WHERE order_id = '{shop.REFUNDED}' AND to_state = 'paid'"
        )
        evaluation.prepare(connection)
        found = {item.id: item for item in evaluation.judge(connection)}

    wrong = f"{shop.REFUNDED}: was cancelled, next step begins at paid"
    assert found["I22"].evidence == (wrong,)
    assert found["I29"].verdict is Verdict.HOLDS


def test_the_plain_way_out_of_order_is_seen() -> None:
    root = shop.ROOT[shop.PAID]
    with judged_by_hand(shop.healthy()) as connection:
        # The payment succeeded before anybody had begun to charge.
        connection.execute(
            "UPDATE payment_steps SET step_number = -step_number"
            f" WHERE event_id = '{root}' AND from_state IS NOT NULL"
        )
        connection.execute(
            "UPDATE payment_steps SET step_number = step_number - 1000"
            f" WHERE event_id = '{root}' AND from_state IS NULL"
        )
        evaluation.prepare(connection)
        found = {item.id: item for item in evaluation.judge(connection)}

    assert found["I22"].evidence == (
        f"{shop.PAID}: was pending, next step begins at charging",
        f"{shop.PAID}: was succeeded, next step begins at pending",
    )
    assert found["I29"].verdict is Verdict.VIOLATED
