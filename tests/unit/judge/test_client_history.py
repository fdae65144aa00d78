"""The client history keeps what clients saw, also when the client is killed."""

from __future__ import annotations

from pathlib import Path

import pytest

from bookpayctl.clients.orders_api import NOT_SENT, CallEnd, Outcome, outcome_of
from bookpayctl.judge.rows import ClientOperation, History
from bookpayctl.load.history import HistoryError, HistoryFile, read_history
from bookpayctl.load.sender import end_of


def history_file(path: Path) -> HistoryFile:
    return HistoryFile(path, run_id="run-1", tenant_id="acme-books", key_prefix="run-1-")


def read(path: Path) -> History:
    return read_history(path.read_text().splitlines(keepends=True))


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (201, None, Outcome.OK),
        (400, "key_missing", Outcome.FAIL),
        (401, None, Outcome.FAIL),
        (409, "out_of_stock", Outcome.FAIL),
        (409, "key_in_use", Outcome.UNKNOWN),
        (422, "sku_unknown", Outcome.FAIL),
        (408, None, Outcome.UNKNOWN),
        (429, None, Outcome.UNKNOWN),
        (500, None, Outcome.UNKNOWN),
        (502, None, Outcome.UNKNOWN),
        (503, None, Outcome.UNKNOWN),
        (302, None, Outcome.UNKNOWN),
        (None, None, Outcome.UNKNOWN),
        (None, NOT_SENT, Outcome.FAIL),
    ],
)
def test_only_a_definite_refusal_is_a_fail(
    status: int | None, code: str | None, expected: Outcome
) -> None:
    assert outcome_of(status, code) is expected


def test_a_call_is_on_disk_before_it_is_sent(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    history = history_file(path)

    history.invoked("run-1-0", at=1.0, kind="ok")
    seen_while_open = read(path)
    history.close()

    assert seen_while_open.operations == (ClientOperation("run-1-0", "unknown", None, None),)


def test_an_answer_closes_its_call(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    history = history_file(path)
    history.invoked("run-1-0", at=1.0, kind="ok")

    history.ended("run-1-0", CallEnd(Outcome.OK, 201, "ord_1", 4999), at=1.1, seconds=0.1)
    history.close()

    assert read(path).operations == (ClientOperation("run-1-0", "ok", "ord_1", 4999),)
    assert read(path).tenant_id == "acme-books"
    assert read(path).key_prefix == "run-1-"


def test_a_last_line_cut_short_leaves_its_call_unknown(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    history = history_file(path)
    history.invoked("run-1-0", at=1.0, kind="ok")
    history.close()

    path.write_text(path.read_text() + '{"type":"ok","key":"run-1-0","at"')

    assert read(path).operations[0].outcome == "unknown"


def test_a_broken_line_in_the_middle_is_not_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    history_file(path).close()

    path.write_text(path.read_text() + 'garbage\n{"type":"invoke","key":"k"}\n')

    with pytest.raises(HistoryError, match="line 2"):
        read(path)


def test_a_file_without_a_beginning_is_refused() -> None:
    with pytest.raises(HistoryError, match="no such begin line"):
        read_history(['{"type":"invoke","key":"k"}\n'])


ACCEPTED = CallEnd(Outcome.OK, 201, order_id="ord_1")
REFUSED = CallEnd(Outcome.FAIL, 422, code="sku_unknown")
NO_ANSWER = CallEnd(Outcome.UNKNOWN, None)
NEVER_LEFT = CallEnd(Outcome.FAIL, None, code=NOT_SENT)


@pytest.mark.parametrize(
    ("tries", "known"),
    [
        ([ACCEPTED], ACCEPTED),
        ([REFUSED], REFUSED),
        ([NO_ANSWER, ACCEPTED], ACCEPTED),
        ([NEVER_LEFT, NEVER_LEFT], NEVER_LEFT),
        ([NEVER_LEFT, REFUSED], REFUSED),
        # The first one may have made an order, whatever became of the others.
        ([NO_ANSWER, NEVER_LEFT], NO_ANSWER),
        ([NO_ANSWER, REFUSED], NO_ANSWER),
    ],
)
def test_who_asks_again_knows_no_less_and_no_more_than_all_tries_say(
    tries: list[CallEnd], known: CallEnd
) -> None:
    assert end_of(tries) is known
