"""What `replay --mode verify` asks: a whole log is silent, and each seeded difference is named."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bookpayctl.replay.comparing import VERIFY
from bookpayctl.report.verdict import Item, Verdict
from tests.support.judged_shop import T0, at
from tests.support.replayed_log import TYPES, Row, asked, event, record, tables


def verified(scratch: Path, **changes: list[Row]) -> dict[str, Item]:
    return asked(VERIFY, tables(**changes), scratch)


def records(event_type: str, /, **changes: Any) -> list[Row]:
    """The log, with one record changed."""
    return [record(name, **(changes if name == event_type else {})) for name in TYPES]


def test_a_whole_log_violates_nothing_and_every_question_looked_at_something(
    tmp_path: Path,
) -> None:
    found = verified(tmp_path)

    assert {item.verdict for item in found.values()} == {Verdict.HOLDS}
    assert {name: item.examined for name, item in found.items()} == {
        "R01": 3, "R02": 3, "R03": 3, "R04": 1, "R05": 3, "R06": 3, "R07": 3,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("question", "changes", "words"),
    [
        ("R01", {"event_id": "nobody"}, "orders.paid/0/0 is OrderPaid, which the outbox has not"),
        ("R03", {"payload_sha256": "other"}, "has another payload than its OrderPaid"),
        ("R03", {"record_key": "other"}, "has another key than its OrderPaid"),
        ("R03", {"topic": "orders.placed"}, "has another topic than its OrderPaid"),
        ("R03", {"event_type": "OrderPlaced"}, "has another type than its OrderPaid"),
        ("R03", {"tenant_id": "rival"}, "has another tenant than its OrderPaid"),
        ("R03", {"aggregate_id": "ord_2"}, "has another aggregate than its OrderPaid"),
        ("R03", {"created_text": "yesterday"}, "has another time than its OrderPaid"),
        ("R05", {"order_id": "ord_2"}, "of ord_2, an order that is not there"),
        ("R05", {"amount": 1}, "of ord_1, which is about other money"),
        ("R05", {"currency": "eur"}, "of ord_1, which is about other money"),
        ("R05", {"event_type": "OrderCancelled"}, "OrderCancelled of ord_1, which is paid"),
    ],
)
def test_a_record_that_differs_is_violated_and_named(
    question: str, changes: dict[str, Any], words: str, tmp_path: Path
) -> None:
    item = verified(tmp_path, records=records("OrderPaid", **changes))[question]

    assert item.verdict is Verdict.VIOLATED
    assert words in item.evidence[0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"root_event_id": "root-2"}, "whose payment has another root"),
        ({"payment_intent_id": "pi_2"}, "whose payment has another PaymentIntent"),
        ({"event_type": "PaymentFailed"}, "whose payment is succeeded"),
        ({"order_id": "ord_2"}, "whose payment is not there"),
    ],
)
def test_a_record_that_tells_of_another_payment_is_violated_and_named(
    changes: dict[str, Any], words: str, tmp_path: Path
) -> None:
    item = verified(tmp_path, records=records("PaymentCompleted", **changes))["R06"]

    assert item.verdict is Verdict.VIOLATED
    assert words in item.evidence[0]


def test_a_published_row_without_its_record_is_violated_and_named(tmp_path: Path) -> None:
    item = verified(tmp_path, records=records("OrderPaid")[:2])["R02"]

    assert (item.verdict, item.examined) == (Verdict.VIOLATED, 3)
    assert item.evidence == (
        "OrderPaid-1: OrderPaid of ord_1 is marked published, not in orders.paid",
    )


def test_a_row_that_was_marked_after_the_ends_were_looked_up_is_not_missed(tmp_path: Path) -> None:
    late = [{**event(name), "published_at": at(61)} for name in TYPES]

    item = verified(tmp_path, records=[record("OrderPlaced")], events=late)["R02"]

    assert (item.verdict, item.examined) == (Verdict.VACUOUS, 0)


def test_a_row_that_its_topic_has_trimmed_by_right_is_left_out_and_counted(tmp_path: Path) -> None:
    facts = tables()
    for partition in facts["partitions"]:
        partition.update(low_offset=1, retained_since=at(0.5))
    facts["asked"][0]["began_at"] = T0 + timedelta(days=8)

    item = asked(VERIFY, {**facts, "records": []}, tmp_path)["R02"]

    assert (item.verdict, item.examined) == (Verdict.VACUOUS, 0)
    assert "excused: 3 published events that were trimmed" in item.observed


def test_a_row_that_was_trimmed_before_its_time_is_missed(tmp_path: Path) -> None:
    facts = tables()
    for partition in facts["partitions"]:
        partition.update(low_offset=1, retained_since=at(0.5))

    item = asked(VERIFY, {**facts, "records": []}, tmp_path)["R02"]

    assert item.observed == "3 violations"


def test_rows_are_not_asked_about_where_the_range_is_an_offset(tmp_path: Path) -> None:
    item = verified(tmp_path, records=[], asked=[{"began_at": at(60), "by_time": False}])["R02"]

    assert item.verdict is Verdict.VACUOUS


def test_a_row_before_the_range_or_at_its_edge_is_not_missed(tmp_path: Path) -> None:
    window = {"began_at": at(60), "by_time": True, "since_at": at(-4)}

    item = verified(tmp_path, records=[], asked=[window])["R02"]

    assert (item.verdict, item.examined) == (Verdict.VACUOUS, 0)
    assert "excused: 3" in item.observed


def test_a_key_in_two_partitions_is_violated_and_named(tmp_path: Path) -> None:
    moved = [*records("OrderPaid"), record("OrderPaid", partition_number=2, record_offset=9)]

    item = verified(tmp_path, records=moved)["R04"]

    assert item.evidence == ("root-1: orders.paid has the key in partitions 0, 2",)


def test_a_record_that_was_published_twice_is_compared_twice_and_well(tmp_path: Path) -> None:
    twice = [*records("OrderPaid"), record("OrderPaid", record_offset=1, replay="run-1")]

    found = verified(tmp_path, records=twice)

    assert {item.verdict for item in found.values()} == {Verdict.HOLDS}
    assert found["R03"].examined == 4


def test_what_cannot_be_read_is_counted_and_told_with_who_set_it_aside(tmp_path: Path) -> None:
    poison = {"topic": "orders.placed", "partition_number": 0, "record_offset": 7}
    tombstone = {**poison, "record_offset": 8, "problem": "it has no value (a tombstone)"}
    letters = [{**poison, "source": "payments-worker", "reason": "bad_json"}]

    found = verified(
        tmp_path,
        records=[*records("OrderPaid"), {**poison, "problem": "it is no JSON"}, tombstone],
        dead_letters=letters,
    )

    item = found["R07"]
    assert (item.verdict, item.examined, item.observed) == (Verdict.WARNING, 5, "2 not compared")
    assert item.evidence == (
        "orders.placed/0/7: it is no JSON, set aside by payments-worker (bad_json)",
        "orders.placed/0/8: it has no value (a tombstone), which nobody has set aside",
    )
    assert found["R01"].examined == 3


def test_events_that_a_run_put_there_on_purpose_need_no_row(tmp_path: Path) -> None:
    probe = record("OrderPlaced", event_id="probe-1", order_id="ord_probe", record_offset=5)

    found = verified(
        tmp_path, records=[*records("OrderPaid"), probe], probes=[{"event_id": "probe-1"}]
    )

    assert {found[name].verdict for name in ("R01", "R05", "R06")} == {Verdict.HOLDS}
