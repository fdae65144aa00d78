"""What the drills of Kafka, PostgreSQL and the orders API conclude from what they saw."""

from __future__ import annotations

import json

import pytest

from bookpayctl.clients.orders_api import CallEnd, Outcome
from bookpayctl.drills.kafka_partitions_added import NewPartition, is_taken_up
from bookpayctl.drills.observing.sessions import POOL_MAX, crowded
from bookpayctl.drills.worker_frozen import fenced_lines
from bookpayctl.faults.race import OUT_OF_STOCK, Race, sold_too_often
from bookpayctl.faults.server_sessions import is_for_want_of_connections

ACCEPTED = CallEnd(Outcome.OK, 201, order_id="ord_1")
SOLD_OUT = CallEnd(Outcome.FAIL, 409, code=OUT_OF_STOCK)
NO_ANSWER = CallEnd(Outcome.UNKNOWN, None)


def partition(group: str, topic: str, end: int, committed: int | None) -> NewPartition:
    return NewPartition(group, topic, 3, end, committed)


def test_new_partitions_are_taken_up_when_both_sides_have_read_theirs() -> None:
    placed = partition("payments-worker", "orders.placed", 4, 4)
    completed = partition("orders-service", "payments.completed", 2, 2)
    idle = partition("payments-worker", "orders.cancelled", 0, None)

    assert is_taken_up([placed, completed, idle])


@pytest.mark.parametrize(
    ("group", "topic", "end", "committed"),
    [
        ("payments-worker", "orders.placed", 4, 3),
        ("payments-worker", "orders.placed", 4, None),
        ("payments-worker", "orders.placed", 0, None),
        ("notifier", "orders.paid", 1, None),
    ],
    ids=["behind", "never read", "never written to", "somebody else behind"],
)
def test_a_new_partition_that_waits_is_not(
    group: str, topic: str, end: int, committed: int | None
) -> None:
    found = [
        partition("orders-service", "payments.completed", 2, 2),
        partition(group, topic, end, committed),
    ]
    if group == "notifier":
        found.append(partition("payments-worker", "orders.placed", 1, 1))

    assert not is_taken_up(found)


def test_a_copy_that_one_buyer_has_and_all_others_were_told_of_is_sold_once() -> None:
    assert sold_too_often([Race("sku", (ACCEPTED, SOLD_OUT, SOLD_OUT))]) == []


@pytest.mark.parametrize(
    "ends",
    [(ACCEPTED, ACCEPTED, SOLD_OUT), (SOLD_OUT, SOLD_OUT), (ACCEPTED, SOLD_OUT, NO_ANSWER)],
    ids=["sold twice", "sold to nobody", "somebody was told nothing"],
)
def test_any_other_end_of_a_race_is_none(ends: tuple[CallEnd, ...]) -> None:
    race = Race("sku", ends)

    assert sold_too_often([race]) == [race]


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [
        ("FATAL:  sorry, too many clients already", True),
        (
            "FATAL:  remaining connection slots are reserved for roles that are superusers",
            True,
        ),
        ("FATAL:  password authentication failed", False),
        ("connection timeout expired", False),
    ],
)
def test_only_want_of_connections_proves_that_none_is_left(refusal: str, expected: bool) -> None:
    assert is_for_want_of_connections(refusal) is expected


def test_a_process_with_more_sessions_than_its_pools_leaks_them() -> None:
    assert crowded({"payments-worker-1": POOL_MAX, "notifier": POOL_MAX + 1}) == {
        "notifier": POOL_MAX + 1
    }


def test_a_workers_log_says_which_results_were_fenced() -> None:
    lines = [
        '{"message": "processed payment", "order_id": "ord_1", "result": "fenced"}',
        '{"message": "processed payment", "order_id": "ord_2", "result": null}',
        "not JSON",
    ]

    (found,) = fenced_lines(lines)

    assert json.loads(found) == {"order_id": "ord_1", "status": None, "result": "fenced"}
