"""What the drills of Kafka, PostgreSQL and the orders API conclude from what they saw."""

from __future__ import annotations

import json

import pytest

from bookpayctl.clients.orders_api import NOT_SENT, CallEnd, OrderReply, Outcome
from bookpayctl.drills.kafka_partitions_added import NewPartition, is_taken_up
from bookpayctl.drills.observing.clients import is_right
from bookpayctl.drills.observing.sessions import POOL_MAX, crowded
from bookpayctl.drills.worker_frozen import fenced_lines
from bookpayctl.faults.race import OUT_OF_STOCK, Race, sold_too_often
from bookpayctl.faults.server_sessions import is_for_want_of_connections
from bookpayctl.load.history import TimedCall, calls_between

ACCEPTED = CallEnd(Outcome.OK, 201, order_id="ord_1")
SOLD_OUT = CallEnd(Outcome.FAIL, 409, code=OUT_OF_STOCK)
NO_ANSWER = CallEnd(Outcome.UNKNOWN, None)


def call(status: int | None, outcome: Outcome, **more: str) -> TimedCall:
    return TimedCall("key", outcome, status, more.get("code"), 0.1, 0.0, more.get("retry_after"))


def test_a_503_that_says_when_to_come_again_is_a_clear_refusal() -> None:
    assert is_right(call(503, Outcome.UNKNOWN, retry_after="1"), refusing=True)


def test_a_503_that_does_not_say_when_to_come_again_is_none() -> None:
    assert not is_right(call(503, Outcome.UNKNOWN), refusing=True)


@pytest.mark.parametrize("status", [400, 422, 500, 502])
def test_no_other_answer_is_a_clear_refusal(status: int) -> None:
    outcome = Outcome.UNKNOWN if status >= 500 else Outcome.FAIL

    assert not is_right(call(status, outcome, retry_after="1"), refusing=True)


def test_who_got_no_connection_knows_that_nothing_was_done() -> None:
    assert is_right(call(None, Outcome.FAIL, code=NOT_SENT), refusing=True)
    assert is_right(call(None, Outcome.UNKNOWN), refusing=True)


def test_where_orders_must_be_accepted_no_refusal_will_do() -> None:
    assert is_right(call(201, Outcome.OK), refusing=False)
    assert not is_right(call(503, Outcome.UNKNOWN, retry_after="1"), refusing=False)


def test_the_history_says_when_a_client_was_asked_to_come_again() -> None:
    end = OrderReply(503, {"code": "unavailable"}, retry_after="2").call_end()
    told = {"status": end.status, "code": end.code, "retry_after": end.retry_after}
    lines = [
        json.dumps({"type": "invoke", "key": "a", "at": 1.0}),
        json.dumps({"type": "unknown", "key": "a", "at": 2.0, **told}),
        json.dumps({"type": "invoke", "key": "b", "at": 1.0}),
        json.dumps({"type": "unknown", "key": "b", "at": 2.0, "status": 503, "code": None}),
    ]

    assert [call.retry_after for call in calls_between(lines, 0.0, 3.0)] == ["2", None]


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
