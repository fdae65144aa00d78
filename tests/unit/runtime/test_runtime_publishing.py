"""From an outbox row to a Kafka message, and what is under way between the two."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from runtime.adapters.store.outbox import OutboxRow
from runtime.services.outbox_publisher.in_flight import InFlight
from runtime.services.outbox_publisher.message import KafkaMessage, Unpublishable, to_message
from runtime.services.outbox_publisher.pace import (
    BUSY_SECONDS,
    IDLE_SECONDS_MAX,
    PATIENCE_SECONDS,
    next_wait,
)

ROOT = UUID("11111111-2222-4333-8444-555555555555")
EVENT = UUID("99999999-8888-4777-8666-555555555555")
TOO_LARGE = Unpublishable("MSG_SIZE_TOO_LARGE", "Broker: Message size too large")


def row(event_type: str = "PaymentCompleted", payload: Any = None) -> OutboxRow:
    """A row as the outbox gives it out."""
    written = {"root_event_id": str(ROOT), "order_id": "ord_é"} if payload is None else payload
    return OutboxRow(
        event_id=EVENT,
        aggregate="payments",
        aggregate_id=str(ROOT),
        event_type=event_type,
        payload=json.dumps(written, ensure_ascii=False),
        tenant_id="acme",
        created_at="2026-03-01T12:00:00.000000+00:00",
        root_event_id=written.get("root_event_id") if isinstance(written, dict) else None,
    )


def message_of(outbox_row: OutboxRow) -> KafkaMessage:
    message = to_message(outbox_row, publisher_id="publisher-1", term=4)
    assert isinstance(message, KafkaMessage)
    return message


@pytest.mark.parametrize(
    ("event_type", "topic"),
    [
        ("OrderPlaced", "orders.placed"),
        ("OrderPaid", "orders.paid"),
        ("OrderCancelled", "orders.cancelled"),
        ("PaymentCompleted", "payments.completed"),
        ("PaymentFailed", "payments.failed"),
        ("PaymentRefunded", "payments.refunded"),
        ("PaymentParked", "orders.placed.dlq"),
    ],
)
def test_each_event_type_has_its_topic(event_type: str, topic: str) -> None:
    assert message_of(row(event_type)).topic == topic


def test_the_key_is_the_root_event_id() -> None:
    assert message_of(row()).key == str(ROOT).encode()


def test_an_event_without_a_root_is_its_own_key() -> None:
    assert message_of(row(payload={"order_id": "ord_1"})).key == str(EVENT).encode()


def test_the_headers_name_event_tenant_publisher_term_and_trace() -> None:
    assert dict(message_of(row()).headers) == {
        "event_id": str(EVENT).encode(),
        "event_type": b"PaymentCompleted",
        "aggregate": b"payments",
        "aggregate_id": str(ROOT).encode(),
        "tenant_id": b"acme",
        "created_at": b"2026-03-01T12:00:00.000000+00:00",
        "publisher_id": b"publisher-1",
        "publisher_term": b"4",
        "traceparent": b"00-11111111222243338444555555555555-9999999988884777-01",
    }


def test_the_value_is_the_payload() -> None:
    message = message_of(row())

    assert json.loads(message.value) == {"root_event_id": str(ROOT), "order_id": "ord_é"}


def test_an_unknown_event_type_can_never_be_published() -> None:
    message = to_message(row("OrderShipped"), publisher_id="publisher-1", term=4)

    assert message == Unpublishable("unknown_event_type")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"payload": json.dumps({"note": "x" * 900_000})}, "too_large"),
        ({"payload": None}, "too_large"),
        ({"aggregate_id": "é" * 45_000}, "too_large"),
        ({"aggregate": "x" * 45_000, "tenant_id": "x" * 45_000}, "too_large"),
        ({"created_at": None}, "created_at_out_of_range"),
    ],
    ids=["large payload", "payload not brought", "long text", "long texts", "infinite time"],
)
def test_what_no_record_can_carry_can_never_be_published(
    changes: dict[str, Any], reason: str
) -> None:
    message = to_message(replace(row(), **changes), publisher_id="publisher-1", term=4)

    assert isinstance(message, Unpublishable)
    assert message.reason == reason


@pytest.mark.parametrize("payload", [[], "text", 7, [1, 2]])
def test_a_payload_written_by_hand_that_is_no_object_is_still_published(payload: Any) -> None:
    assert message_of(row(payload=payload)).key == str(EVENT).encode()


# --- in flight ------------------------------------------------------------------------------


def test_only_acknowledged_events_are_given_out_for_marking_and_only_once() -> None:
    in_flight = InFlight()
    in_flight.sent(EVENT)
    in_flight.sent(ROOT)

    in_flight.acknowledged(EVENT)

    assert in_flight.take_acknowledged() == [EVENT]
    assert in_flight.take_acknowledged() == []


def test_an_event_is_not_read_again_until_it_is_marked() -> None:
    in_flight = InFlight()
    in_flight.sent(EVENT)
    in_flight.sent(ROOT)
    in_flight.acknowledged(EVENT)

    assert set(in_flight.unmarked()) == {EVENT, ROOT}


def test_a_lost_event_is_neither_marked_nor_kept_from_being_read_again() -> None:
    in_flight = InFlight()
    in_flight.sent(EVENT)

    in_flight.lost(EVENT)

    assert in_flight.take_acknowledged() == []
    assert in_flight.unmarked() == []


def test_a_refused_event_gets_its_dead_letter_once() -> None:
    in_flight = InFlight()
    in_flight.sent(EVENT)

    in_flight.refused(EVENT, TOO_LARGE)

    assert in_flight.take_unpublishable() == [(EVENT, TOO_LARGE)]
    assert in_flight.take_unpublishable() == []
    assert in_flight.take_acknowledged() == []


def test_events_refused_in_company_are_tried_one_by_one_before_any_gets_a_dead_letter() -> None:
    in_flight = InFlight()
    in_flight.sent(EVENT)
    in_flight.sent(ROOT)

    in_flight.refused_by_broker(EVENT, TOO_LARGE)

    assert in_flight.take_suspect() is None, "the other is still under way"
    in_flight.refused_by_broker(ROOT, TOO_LARGE)
    assert in_flight.take_unpublishable() == []
    assert in_flight.take_suspect() == EVENT
    in_flight.sent(EVENT)
    assert in_flight.take_suspect() is None, "the first is still under way"
    in_flight.refused_by_broker(EVENT, TOO_LARGE)
    assert in_flight.take_unpublishable() == [(EVENT, TOO_LARGE)]
    assert in_flight.take_suspect() == ROOT
    in_flight.sent(ROOT)
    in_flight.acknowledged(ROOT)
    assert in_flight.take_acknowledged() == [ROOT]
    assert in_flight.take_suspect() is None


def test_an_event_that_was_tried_alone_is_in_company_again_the_next_time() -> None:
    in_flight = InFlight()
    in_flight.suspect([EVENT])
    assert in_flight.take_suspect() == EVENT
    in_flight.sent(EVENT)
    in_flight.lost(EVENT)

    in_flight.sent(EVENT)
    in_flight.refused_by_broker(EVENT, TOO_LARGE)

    assert in_flight.take_unpublishable() == []
    assert in_flight.take_suspect() == EVENT


# --- pace -----------------------------------------------------------------------------------


def test_rows_keep_the_pace_high() -> None:
    assert next_wait(IDLE_SECONDS_MAX, found_rows=True, idle_seconds=0.0) == BUSY_SECONDS


def test_a_trickle_keeps_the_pace_high() -> None:
    wait = next_wait(BUSY_SECONDS, found_rows=False, idle_seconds=PATIENCE_SECONDS / 2)

    assert wait == BUSY_SECONDS


def test_an_idle_outbox_is_looked_at_ten_times_a_second_at_least() -> None:
    wait = BUSY_SECONDS
    for _ in range(100):
        wait = next_wait(wait, found_rows=False, idle_seconds=60.0)

    assert wait == IDLE_SECONDS_MAX == 0.1
