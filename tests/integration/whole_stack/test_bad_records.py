"""Records nobody should have written: each gets its dead letter, and the partition moves on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any
from uuid import UUID, uuid4

import pytest
from confluent_kafka import KafkaError, Message, Producer

from tests.support.processes import ROOT
from tests.support.records import produce, reasons_at
from tests.support.stack import PRICE_CENTS, WORKERS, Shop
from tests.support.twin import Twin
from tests.support.waiting import eventually


def placed_event(shop: Shop, event_id: UUID, order_id: str, **changes: Any) -> bytes:
    document = {
        "event_id": str(event_id),
        "root_event_id": str(event_id),
        "order_id": order_id,
        "amount_cents": PRICE_CENTS,
        "currency": "usd",
        **changes,
    }
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"{", "bad_json"),
        (None, "null_value"),
        (b"[]", "not_an_object"),
        (b"\xff\xfe", "bad_json"),
        (b'{"version":2}', "unknown_version"),
        (b'{"event_id":"x"}', "event_id"),
        (b'"' + b"x" * 900_001 + b'"', "too_large"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("topic", ["orders.placed", "payments.completed"])
def test_a_record_that_cannot_be_read_is_a_dead_letter(
    shop: Shop, topic: str, value: bytes | None, reason: str
) -> None:
    place = produce(shop, topic, value)

    eventually(lambda: reasons_at(shop, topic, place), "the record has a dead letter")
    assert reasons_at(shop, topic, place) == [reason]


def test_the_dead_letter_of_a_bad_record_is_there_before_its_offset(shop: Shop) -> None:
    """The worker dies as soon as it has committed the offset: nobody reads the record again."""
    shop.database.arm("worker.offset_committed")

    place = produce(shop, "orders.placed", b"{")
    eventually(
        lambda: [name for name in WORKERS if shop.stack[name].has_ended()],
        "a worker ends behind the offset",
    )

    assert reasons_at(shop, "orders.placed", place) == ["bad_json"]


def test_good_orders_behind_bad_records_are_paid(shop: Shop, twin: Twin) -> None:
    for topic in ("orders.placed", "orders.cancelled", "payments.completed", "orders.paid"):
        produce(shop, topic, b"{")

    order_id, event_id = shop.place()

    shop.wait_status(order_id, "paid")
    assert len(twin.charges(event_id)) == 1


def test_an_order_read_twice_is_paid_once(shop: Shop, twin: Twin) -> None:
    order_id, event_id = shop.place()
    shop.wait_status(order_id, "paid")

    for _ in range(3):
        again = placed_event(shop, event_id, order_id)
        produce(shop, "orders.placed", again, tenant_id=shop.tenant_id)
    last, last_event = shop.place()
    shop.wait_status(last, "paid")

    assert len(twin.posts(event_id)) == 1
    assert shop.database.outcomes(event_id) == ["PaymentCompleted"]
    assert shop.database.outcomes(last_event) == ["PaymentCompleted"]


def test_a_second_event_for_an_order_with_a_payment_is_a_dead_letter(
    shop: Shop, twin: Twin
) -> None:
    order_id, _ = shop.place()
    shop.wait_status(order_id, "paid")
    intruder = uuid4()

    record = placed_event(shop, intruder, order_id)
    place = produce(shop, "orders.placed", record, tenant_id=shop.tenant_id)

    eventually(lambda: reasons_at(shop, "orders.placed", place), "it has a dead letter")
    assert reasons_at(shop, "orders.placed", place) == ["duplicate_order"]
    assert shop.database.payment(intruder) == {}
    assert twin.posts(intruder) == []


def test_a_cancellation_before_its_order_leaves_a_tombstone_and_nothing_is_sent(
    shop: Shop, twin: Twin
) -> None:
    event_id, order_id = uuid4(), f"ord_{uuid4().hex}"
    cancelled = placed_event(shop, uuid4(), order_id, root_event_id=str(event_id))
    produce(shop, "orders.cancelled", cancelled, tenant_id=shop.tenant_id)
    shop.wait_payment(event_id, "failed")

    record = placed_event(shop, event_id, order_id)
    produce(shop, "orders.placed", record, tenant_id=shop.tenant_id)
    later, _ = shop.place()
    shop.wait_status(later, "paid")

    assert shop.database.payment(event_id)["failure_code"] == "order_cancelled"
    assert shop.database.outcomes(event_id) == ["PaymentFailed"]
    assert shop.database.steps(event_id) == [(None, "pending"), ("pending", "failed")]
    assert twin.posts(event_id) == []


@pytest.mark.parametrize(
    ("reason", "letter"),
    [("a\x00b", "DataError"), ("\ud800", "UnicodeEncodeError")],
    ids=["NUL", "lone surrogate"],
)
def test_a_failure_whose_reason_cannot_be_stored_does_not_stop_the_orders_consumer(
    shop: Shop, reason: str, letter: str
) -> None:
    order_id, event_id = shop.place("pm_twin_card_processing")
    shop.wait_payment(event_id, "processing")
    failed = placed_event(shop, uuid4(), order_id, root_event_id=str(event_id), reason=reason)

    place = produce(shop, "payments.failed", failed, tenant_id=shop.tenant_id)

    eventually(lambda: reasons_at(shop, "payments.failed", place), "the record has a dead letter")
    assert reasons_at(shop, "payments.failed", place) == [letter]
    assert shop.status(order_id) == "pending"
    assert not shop.stack["orders-consumer"].has_ended()


def test_reading_everything_again_as_another_group_inserts_and_charges_nothing(
    shop: Shop, twin: Twin
) -> None:
    placed = [shop.place() for _ in range(3)]
    for order_id, _ in placed:
        shop.wait_status(order_id, "paid")
    worker = shop.stack["worker-0"]
    before = payments_and_posts(shop, twin)

    again = subprocess.run(
        [
            *(sys.executable, "-m", "runtime", "payments-worker"),
            *("--group", f"replay-{uuid4()}", "--until-end"),
        ],
        env={**os.environ, **worker.variables, "BOOKPAY_PROCESS_NAME": "replay"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )

    counts = json.loads(again.stdout.splitlines()[-1])
    assert counts["inserted"] == 0
    assert counts["duplicates"] >= 3
    assert payments_and_posts(shop, twin) == before


def payments_and_posts(shop: Shop, twin: Twin) -> tuple[int, int]:
    return shop.database.value("SELECT count(*) FROM payments"), len(twin.rows("/executions"))


# What a stranger can put into a topic, beside the shapes above: bytes, headers and times.
_DEEP = b"[" * 400_000
_SHAPES: tuple[tuple[bytes | None, list[tuple[str, str | bytes | None]] | None, int], ...] = (
    (None, None, 0),
    (b"", [], 0),
    (b"null", [("event_id", None)], 0),
    (b"{}", [("event_id", b"\xff\xfe"), ("tenant_id", b"\xc3\x28")], 0),
    (b"{}", [("event_id", b"1"), ("event_id", b"2"), ("", b""), ("\u202e\u0000", b"\x00")], 0),
    (_DEEP, None, 0),
    (b'{"amount_cents":9223372036854775808,"currency":"usd"}', None, 0),
    (b'{"amount_cents":1e400}', None, 0),
    (b"9" * 5_000, None, 0),
    (b'{"event_id":"' + b"\xf0\x9f\x92\xa9" * 200 + b'"}', None, 0),
    (b'"' + b"x" * 990_000 + b'"', None, 0),
    (b"{}", None, 1),
    (b"{}", None, 4_000_000_000_000),
)


@pytest.mark.parametrize(
    "topic",
    ["orders.placed", "orders.cancelled", "payments.completed", "payments.failed", "orders.paid"],
)
def test_whatever_stands_in_a_topic_each_record_of_it_costs_itself_alone(
    shop: Shop, twin: Twin, topic: str
) -> None:
    places: list[tuple[int, int]] = []
    refused: list[object] = []

    def note(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            # The broker would not have it either, such as a time that is too far away.
            refused.append(error)
            return
        partition, offset = message.partition(), message.offset()
        assert partition is not None
        assert offset is not None
        places.append((partition, offset))

    producer = Producer(
        {"bootstrap.servers": shop.stack.bootstrap_servers, "message.max.bytes": 1_000_000}
    )
    for value, headers, at in _SHAPES:
        producer.produce(
            topic, value, key=None, headers=headers, timestamp=at, partition=0, on_delivery=note
        )
        # Each alone: with one that it does not take, the broker refuses the whole of its batch.
        assert producer.flush(60) == 0

    order_id, event_id = shop.place()

    shop.wait_status(order_id, "paid")
    assert len(twin.charges(event_id)) == 1
    assert len(refused) <= 1
    eventually(
        lambda: all(reasons_at(shop, topic, place) for place in places),
        "each has a dead letter",
    )


def test_an_event_whose_text_no_row_can_hold_leaves_its_neighbours_alone(shop: Shop) -> None:
    """Read in one poll with others, as likely as not: the batch is tried one by one."""
    order_id, event_id = shop.place("pm_twin_card_processing")
    shop.wait_payment(event_id, "processing")
    bad = placed_event(shop, uuid4(), order_id, root_event_id=str(event_id), reason="\x00")
    place = produce(shop, "payments.failed", bad, tenant_id=shop.tenant_id)

    other, _ = shop.place("pm_card_chargeDeclined")

    shop.wait_status(other, "cancelled")
    eventually(lambda: reasons_at(shop, "payments.failed", place), "it has a dead letter")
    assert shop.database.value("SELECT status FROM orders WHERE id = %s", order_id) == "pending"
