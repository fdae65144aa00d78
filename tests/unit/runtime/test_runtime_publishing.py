"""From an outbox row to a Kafka message, and what is under way between the two."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runtime.adapters.store.outbox import OutboxRow
from runtime.services.outbox_publisher.in_flight import InFlight
from runtime.services.outbox_publisher.message import (
    KINDS_MAX,
    Envelope,
    KafkaMessage,
    Unpublishable,
)
from runtime.services.outbox_publisher.position import (
    LONG_SECONDS,
    WHOLE_LOOK_SECONDS,
    WHOLE_LOOK_SECONDS_MAX,
    Position,
)

ROOT = "11111111-2222-4333-8444-555555555555"
EVENT = "99999999-8888-4777-8666-555555555555"
TOO_LARGE = Unpublishable("MSG_SIZE_TOO_LARGE", "Broker: Message size too large")


def row(event_type: str = "PaymentCompleted", payload: Any = None) -> OutboxRow:
    """A row as the outbox gives it out."""
    written = {"root_event_id": ROOT, "order_id": "ord_é"} if payload is None else payload
    return OutboxRow(
        event_id=EVENT,
        aggregate="payments",
        aggregate_id=ROOT,
        event_type=event_type,
        payload=json.dumps(written, ensure_ascii=False),
        tenant_id="acme",
        created_at="2026-03-01T12:00:00.000000+00:00",
        root_event_id=written.get("root_event_id") if isinstance(written, dict) else None,
    )


def made_of(outbox_row: OutboxRow) -> KafkaMessage | Unpublishable:
    return Envelope("publisher-1", 4).to_message(outbox_row)


def message_of(outbox_row: OutboxRow) -> KafkaMessage:
    message = made_of(outbox_row)
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
    assert message_of(row()).key == ROOT


def test_an_event_without_a_root_is_its_own_key() -> None:
    assert message_of(row(payload={"order_id": "ord_1"})).key == EVENT


def test_the_headers_name_event_tenant_publisher_term_and_trace() -> None:
    assert dict(message_of(row()).headers) == {
        "event_id": EVENT,
        "event_type": "PaymentCompleted",
        "aggregate": "payments",
        "aggregate_id": ROOT,
        "tenant_id": "acme",
        "created_at": "2026-03-01T12:00:00.000000+00:00",
        "publisher_id": "publisher-1",
        "publisher_term": "4",
        "traceparent": "00-11111111222243338444555555555555-9999999988884777-01",
    }


def test_rows_of_several_kinds_have_their_own_headers_whatever_came_before() -> None:
    envelope = Envelope("publisher-1", 4)
    kinds = [row()._replace(tenant_id=f"tenant-{n}") for n in range(KINDS_MAX + 2)]

    messages = [envelope.to_message(one) for one in (*kinds, kinds[0])]

    assert [
        dict(message.headers)["tenant_id"]
        for message in messages
        if isinstance(message, KafkaMessage)
    ] == [one.tenant_id for one in (*kinds, kinds[0])]


@pytest.mark.parametrize(
    ("written", "key"),
    [
        (ROOT.upper(), ROOT),
        ("{" + ROOT + "}", ROOT),
        (ROOT.replace("-", ""), ROOT),
        ("no id", EVENT),
        ("", EVENT),
        (None, EVENT),
        (ROOT + "\n", EVENT),
    ],
)
def test_a_root_in_another_form_is_the_same_key_and_what_is_no_id_is_none(
    written: str | None, key: str
) -> None:
    assert message_of(row()._replace(root_event_id=written)).key == key


def test_the_value_is_the_payload() -> None:
    message = message_of(row())

    assert json.loads(message.value) == {"root_event_id": ROOT, "order_id": "ord_é"}


def test_an_unknown_event_type_can_never_be_published() -> None:
    message = made_of(row("OrderShipped"))

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
    message = made_of(row()._replace(**changes))

    assert isinstance(message, Unpublishable)
    assert message.reason == reason


@pytest.mark.parametrize("payload", [[], "text", 7, [1, 2]])
def test_a_payload_written_by_hand_that_is_no_object_is_still_published(payload: Any) -> None:
    assert message_of(row(payload=payload)).key == EVENT


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


def test_a_lost_event_makes_the_next_look_go_back_for_it() -> None:
    in_flight = InFlight()
    in_flight.sent(EVENT)

    in_flight.lost(EVENT)

    assert in_flight.has_lost


# --- position -------------------------------------------------------------------------------

FIRST = "2026-03-01T12:00:00.000000+00:00"
LAST = "2026-03-01T12:00:01.000000+00:00"


def batch(snapshot: str = "700:700:") -> list[OutboxRow]:
    """Two rows as one look brings them."""
    first, last = row()._replace(created_at=FIRST), row()._replace(created_at=LAST)
    return [first._replace(snapshot=snapshot), last]


def after_a_whole_look(snapshot: str = "700:700:", *, at: float = 100.0) -> Position:
    position = Position()
    assert position.begin(at) is None
    position.end(batch(snapshot), at)
    return position


def test_a_term_begins_with_a_look_from_the_start_and_goes_on_where_that_ended() -> None:
    position = after_a_whole_look()

    assert position.begin(100.0) == LAST


def test_a_look_from_the_start_comes_again_soon() -> None:
    position = after_a_whole_look()

    assert position.begin(100.0 + WHOLE_LOOK_SECONDS - 0.1) == LAST
    assert position.begin(100.0 + WHOLE_LOOK_SECONDS) is None


def test_a_look_that_found_nothing_leaves_the_position_where_it_was() -> None:
    position = after_a_whole_look()

    assert position.begin(100.1) == LAST
    position.end([], 100.1)

    assert position.begin(100.2) == LAST


def test_looks_from_the_start_that_are_slow_are_a_twentieth_of_the_time_and_have_a_bound() -> None:
    position = Position()
    position.begin(100.0)
    position.end(batch(), 100.2)

    assert position.begin(104.1) == LAST
    assert position.begin(104.3) is None
    position.end(batch(), 124.3)
    assert position.begin(124.3 + WHOLE_LOOK_SECONDS_MAX - 0.1) == LAST
    assert position.begin(124.3 + WHOLE_LOOK_SECONDS_MAX) is None


def test_a_last_row_without_a_time_that_can_be_said_begins_from_the_start() -> None:
    position = Position()
    position.begin(100.0)
    position.end([row()._replace(created_at=None)], 100.0)

    assert position.begin(100.0) is None


def test_a_position_that_is_given_up_begins_from_the_start() -> None:
    position = after_a_whole_look()

    position.restart()

    assert position.begin(100.0) is None


def test_what_a_long_transaction_wrote_is_not_passed_by_when_it_ends() -> None:
    position = after_a_whole_look()
    position.end(batch("700:702:701"), 100.1)

    assert not position.is_passed_by_writer(batch("700:702:701")[0], 120.0), "it is running still"
    assert not position.is_passed_by_writer(batch("702:702:")[0], 100.2), "it was short"
    assert position.is_passed_by_writer(batch("702:702:")[0], 100.0 + LONG_SECONDS + 0.2)


def test_a_transaction_first_seen_after_a_pause_may_have_been_open_for_all_of_it() -> None:
    position = after_a_whole_look(at=100.0)

    position.end(batch("700:702:701"), 100.0 + LONG_SECONDS)

    assert position.is_passed_by_writer(batch("702:702:")[0], 100.1 + LONG_SECONDS)


def test_one_that_runs_on_does_not_hide_another_that_ended() -> None:
    position = after_a_whole_look()
    position.end(batch("700:703:700,701"), 100.1)

    assert position.is_passed_by_writer(batch("700:704:700,703")[0], 120.0)
