"""What a republication comes to, and what a row is as a record."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from bookpayctl.clients.kafka_producer import RecordToSend
from bookpayctl.replay.money import Counted
from bookpayctl.replay.outbox_rows import OutboxSelection, RowToSend, record_of
from bookpayctl.replay.republish import Sending, consumed_item, sent_item, unmoved_item
from bookpayctl.report.verdict import Verdict

T0 = datetime(2026, 11, 29, 10, tzinfo=UTC)
ROOT = UUID("11111111-2222-4333-8444-555555555555")
ROW = RowToSend(
    event_id=UUID("aaaaaaaa-2222-4333-8444-555555555555"),
    event_type="OrderPaid",
    aggregate="orders",
    aggregate_id="ord_1",
    tenant_id="acme",
    payload='{"order_id": "ord_1"}',
    created_at="2026-11-29T10:00:00.000000+00:00",
    root_event_id=str(ROOT),
    place=T0,
)
BEFORE = Counted(executions=5, stripe_calls=6, payments=5, states="digest", letters=2)
SENT = Sending(OutboxSelection(T0), total=3, sent=3, ranges={("orders.paid", 1): (4, 7)})


def test_a_row_goes_out_as_the_publisher_made_it_and_says_that_it_is_a_replay() -> None:
    record = record_of(ROW, "run-1")

    assert record == RecordToSend(
        "orders.paid",
        str(ROOT).encode(),
        b'{"order_id": "ord_1"}',
        (
            ("event_id", b"aaaaaaaa-2222-4333-8444-555555555555"),
            ("event_type", b"OrderPaid"),
            ("aggregate", b"orders"),
            ("aggregate_id", b"ord_1"),
            ("tenant_id", b"acme"),
            ("created_at", b"2026-11-29T10:00:00.000000+00:00"),
            ("publisher_id", b"bookpayctl-replay"),
            ("traceparent", b"00-11111111222243338444555555555555-aaaaaaaa22224333-01"),
            ("replay", b"run-1"),
        ),
    )


@pytest.mark.parametrize("root", [None, "", "no id"])
def test_a_row_without_a_root_is_its_own(root: str | None) -> None:
    record = record_of(replace(ROW, root_event_id=root), "run-1")

    assert isinstance(record, RecordToSend)
    assert record.key == str(ROW.event_id).encode()


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (replace(ROW, event_type="OrderSung"), "its type has no topic"),
        (replace(ROW, payload=f'"{"x" * 900_000}"'), "it is larger than a record may be"),
        (replace(ROW, tenant_id="x" * 90_001), "it is larger than a record may be"),
    ],
)
def test_a_row_that_can_be_no_record_says_why(row: RowToSend, why: str) -> None:
    assert record_of(row, "run-1") == why


def test_all_that_was_chosen_and_sent_holds() -> None:
    item = sent_item(SENT)

    assert (item.verdict, item.observed) == (Verdict.HOLDS, "3 of 3 rows sent")
    assert item.evidence == ("orders.paid/1: offsets 4 to 6",)


def test_rows_that_were_chosen_and_not_found_are_violated() -> None:
    assert sent_item(replace(SENT, total=4)).verdict is Verdict.VIOLATED


def test_a_row_that_can_be_no_record_is_a_warning_with_its_name() -> None:
    item = sent_item(replace(SENT, total=4, left_out=1, named=["e-1: its type has no topic"]))

    assert item.verdict is Verdict.WARNING
    assert item.evidence[-1] == "e-1: its type has no topic"


def test_nothing_chosen_is_vacuous() -> None:
    nothing = Sending(OutboxSelection(T0), total=0)

    assert sent_item(nothing).verdict is Verdict.VACUOUS
    assert consumed_item(nothing, [], 1.0).verdict is Verdict.VACUOUS
    assert unmoved_item(BEFORE, BEFORE, concerned=0, consumed=True).verdict is Verdict.VACUOUS


def test_nothing_is_shown_before_the_consumers_have_passed_it() -> None:
    item = unmoved_item(BEFORE, BEFORE, concerned=3, consumed=False)

    assert item.verdict is Verdict.UNKNOWN
    assert consumed_item(SENT, ["notifier is at 4"], 1.0).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    "changed",
    [
        {"executions": 6},
        {"stripe_calls": 7},
        {"payments": 4},
        {"states": "other"},
        {"letters": 3},
    ],
)
def test_whatever_moved_is_violated_also_before_all_have_passed_it(changed: dict[str, int]) -> None:
    after = replace(BEFORE, **changed)  # type: ignore[arg-type] # one of them is a text

    for consumed in (True, False):
        item = unmoved_item(BEFORE, after, concerned=3, consumed=consumed)
        assert item.verdict is Verdict.VIOLATED
