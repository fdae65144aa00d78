"""What a client may be told while a part is away, and what its history keeps of it."""

from __future__ import annotations

import json

import pytest

from bookpayctl.clients.orders_api import NOT_SENT, OrderReply, Outcome
from bookpayctl.drills.observing.clients import is_right
from bookpayctl.load.history import TimedCall, calls_between


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
