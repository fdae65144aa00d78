"""What `replay --mode shadow` asks: the log rebuilds the tables, and each seeded drift is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bookpayctl.replay.comparing import SHADOW, digested
from bookpayctl.report.verdict import Item, Verdict
from tests.support.judged_shop import T0, at
from tests.support.replayed_log import (
    INTENT,
    ORDER,
    TYPES,
    Row,
    asked,
    event,
    record,
    tables,
)

CANCELLED_LATER = {"event_type": "OrderCancelled", "topic": "orders.cancelled", "event_id": "c-1"}
REFUNDED_LATER = {"event_type": "PaymentRefunded", "topic": "payments.refunded", "event_id": "r-1"}


def shadowed(scratch: Path, **changes: list[Row]) -> dict[str, Item]:
    return asked(SHADOW, tables(**changes), scratch)


def live_order(**changes: Any) -> list[Row]:
    return [{**tables()["orders"][0], **changes}]


def live_payment(**changes: Any) -> list[Row]:
    return [{**tables()["payments"][0], **changes}]


def test_a_log_that_tells_what_the_tables_have_has_their_digest(tmp_path: Path) -> None:
    found = shadowed(tmp_path)

    assert {item.verdict for item in found.values()} == {Verdict.HOLDS}
    assert {name: item.examined for name, item in found.items()} == {"S01": 1, "S02": 1, "S03": 1}
    told, live = (
        found["S01"]
        .evidence[0]
        .removeprefix("digest of what the log tells ")
        .split(", of the live table ")
    )
    assert told == live != ""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"status": "cancelled"}, "usd|root-1|paid, the live table acme|4999|usd|root-1|cancelled"),
        ({"status": "pending"}, "usd|root-1|paid, the live table acme|4999|usd|root-1|pending"),
        ({"amount": 1}, "the log tells acme|4999|usd|root-1|paid, the live table acme|1|usd"),
        ({"tenant_id": "rival"}, "the live table rival|4999"),
        ({"order_id": "ord_2"}, "the live table has no order"),
    ],
)
def test_an_order_that_drifted_is_violated_and_named(
    changes: dict[str, Any], words: str, tmp_path: Path
) -> None:
    item = shadowed(tmp_path, orders=live_order(**changes))["S01"]

    assert item.verdict is Verdict.VIOLATED
    assert item.evidence[1].startswith(f"{ORDER}: ")
    assert words in item.evidence[1]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"state": "failed"}, "|succeeded|pi_1, the live table acme|4999|usd|root-1|failed|pi_1"),
        ({"state": "pending"}, "|succeeded|pi_1, the live table acme|4999|usd|root-1|open|pi_1"),
        ({"payment_intent_id": "pi_2"}, "|succeeded|pi_2"),
        ({"event_id": "root-2"}, "the live table acme|4999|usd|root-2"),
        ({"order_id": "ord_2"}, "the live table has no payment"),
    ],
)
def test_a_payment_that_drifted_is_violated_and_named(
    changes: dict[str, Any], words: str, tmp_path: Path
) -> None:
    item = shadowed(tmp_path, payments=live_payment(**changes))["S02"]

    assert item.verdict is Verdict.VIOLATED
    assert words in item.evidence[1]


@pytest.mark.parametrize(
    ("later", "status", "state"),
    [
        ([], "paid", "succeeded"),
        ([CANCELLED_LATER], "cancelled", "refunding"),
        ([CANCELLED_LATER, REFUNDED_LATER], "refunded", "refunded"),
    ],
)
def test_what_happened_to_an_order_is_told_step_by_step(
    later: list[Row], status: str, state: str, tmp_path: Path
) -> None:
    log = [record(name) for name in TYPES]
    log += [{**record("OrderPaid"), **changes, "record_offset": 5} for changes in later]

    found = shadowed(
        tmp_path,
        records=log,
        orders=live_order(status=status),
        payments=live_payment(state=state),
    )

    assert {item.verdict for item in found.values()} == {Verdict.HOLDS}


@pytest.mark.parametrize(
    ("state", "intent"),
    [("pending", None), ("charging", None), ("processing", INTENT), ("unknown", None)],
)
def test_a_payment_under_way_is_open_on_both_sides(
    state: str, intent: str | None, tmp_path: Path
) -> None:
    found = shadowed(
        tmp_path,
        records=[record("OrderPlaced")],
        orders=live_order(status="pending"),
        payments=live_payment(state=state, payment_intent_id=intent),
    )

    assert {found[name].verdict for name in ("S01", "S02")} == {Verdict.HOLDS}


def test_a_late_success_is_failed_until_its_money_is_back(tmp_path: Path) -> None:
    log = [record("OrderPlaced"), record("PaymentCompleted", event_type="PaymentFailed")]

    item = shadowed(tmp_path, records=log, payments=live_payment(state="refunding"))["S02"]

    assert item.verdict is Verdict.HOLDS


@pytest.mark.parametrize("changes", [{"published_at": None}, {"created_at": at(59)}])
def test_what_is_moving_is_waited_for_and_counted(changes: dict[str, Any], tmp_path: Path) -> None:
    moving = [event("OrderPlaced"), event("PaymentCompleted"), {**event("OrderPaid"), **changes}]

    item = shadowed(tmp_path, events=moving, orders=live_order(status="pending"))["S01"]

    assert (item.verdict, item.examined) == (Verdict.VACUOUS, 0)
    assert "1 waiting by right" in item.observed


def test_an_event_that_was_sent_twice_is_told_once(tmp_path: Path) -> None:
    twice = [record(name, record_offset=place) for place in (0, 1) for name in TYPES]

    found = shadowed(tmp_path, records=twice)

    assert (found["S01"].verdict, found["S01"].examined) == (Verdict.HOLDS, 1)


def test_a_live_order_that_the_log_does_not_tell_of_is_violated_and_named(tmp_path: Path) -> None:
    item = shadowed(tmp_path, records=[])["S03"]

    assert item.verdict is Verdict.VIOLATED
    assert item.evidence == (f"{ORDER}: the live table has it, the log does not tell of it",)


def test_an_order_that_was_placed_before_the_range_is_left_out_and_counted(tmp_path: Path) -> None:
    window = {"began_at": at(60), "by_time": True, "since_at": T0}

    item = shadowed(tmp_path, records=[], asked=[window])["S03"]

    assert (item.verdict, item.examined) == (Verdict.VACUOUS, 0)
    assert "excused: 1 live orders" in item.observed


def test_equal_rows_under_different_digests_are_not_believed() -> None:
    item = Item("S01", "orders", Verdict.HOLDS, "one digest", "0 violations", 1)

    assert digested(item, "a", "a").verdict is Verdict.HOLDS
    assert digested(item, "a", "b").verdict is Verdict.VIOLATED
