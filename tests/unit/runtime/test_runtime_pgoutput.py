"""What logical replication sends, byte by byte as PostgreSQL's manual describes it, as rows."""

from __future__ import annotations

from struct import pack

import pytest

from runtime.adapters.store.outbox import OutboxRow
from runtime.adapters.store.pgoutput import COLUMNS, Decoder, UnexpectedMessageError

EVENT = "0b0e7a3c-1111-4222-8333-444455556666"
ROOT = "0b0e7a3c-aaaa-4bbb-8ccc-ddddeeeeffff"


def data(body: bytes) -> bytes:
    return b"w" + pack("!QQq", 0, 0, 0) + body


def keepalive(end: int, *, wants_reply: bool = False) -> bytes:
    return b"k" + pack("!QqB", end, 0, wants_reply)


def relation(number: int, table: bytes = b"outbox", columns: tuple[str, ...] = COLUMNS) -> bytes:
    described = b"".join(b"\0" + name.encode() + b"\0" + pack("!Ii", 25, -1) for name in columns)
    return data(
        b"R"
        + pack("!I", number)
        + b"shop\0"
        + table
        + b"\0d"
        + pack("!H", len(columns))
        + described
    )


def insert(number: int, *, payload: str, at: str = "2026-03-01 12:00:00.5+00") -> bytes:
    texts = (EVENT, "orders", "ord_ü", "OrderPlaced", payload, "acme", at)
    cells = b"".join(b"t" + pack("!I", len(text.encode())) + text.encode() for text in texts)
    return data(b"I" + pack("!I", number) + b"N" + pack("!H", len(texts)) + cells)


BEGIN = data(b"B" + pack("!QqI", 90, 0, 7))
COMMIT = data(b"C" + pack("!BQQq", 0, 90, 100, 0))


def decoded(*messages: bytes) -> tuple[Decoder, list[OutboxRow]]:
    decoder, rows = Decoder(b"shop"), list[OutboxRow]()
    for message in messages:
        decoder.feed(message, rows)
    return decoder, rows


def test_an_insert_becomes_the_row_that_polling_would_read() -> None:
    payload = f'{{"items": [{{"sku": "a"}}], "root_event_id": "{ROOT}"}}'

    decoder, rows = decoded(relation(5), BEGIN, insert(5, payload=payload), COMMIT)

    assert rows == [
        OutboxRow(
            event_id=EVENT,
            aggregate="orders",
            aggregate_id="ord_ü",
            event_type="OrderPlaced",
            payload=payload,
            tenant_id="acme",
            created_at="2026-03-01T12:00:00.500000+00:00",
            root_event_id=ROOT,
        )
    ]
    assert decoder.position == 100


def test_a_position_is_not_passed_on_within_a_transaction() -> None:
    decoder, _ = decoded(relation(5), BEGIN, insert(5, payload="{}"), keepalive(5000))

    assert decoder.position == 0


def test_between_transactions_the_server_says_how_far_it_is() -> None:
    decoder, rows = decoded(keepalive(5000, wants_reply=True))

    assert (decoder.position, decoder.asked, rows) == (5000, True, [])


def test_a_row_of_another_table_is_passed_over() -> None:
    _, rows = decoded(relation(6, b"orders"), BEGIN, insert(6, payload="{}"), COMMIT)

    assert rows == []


def test_other_columns_than_ours_are_refused() -> None:
    with pytest.raises(UnexpectedMessageError):
        decoded(relation(5, columns=("event_id", "published_at")))


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-03-01 12:00:00.123456+00", "2026-03-01T12:00:00.123456+00:00"),
        ("2026-03-01 12:00:00+00", "2026-03-01T12:00:00.000000+00:00"),
        ("0001-01-01 00:00:00+00", "0001-01-01T00:00:00.000000+00:00"),
        ("infinity", None),
        ("-infinity", None),
        ("0044-03-15 12:00:00+00 BC", None),
        ("12026-03-01 12:00:00.123456+00", None),
    ],
)
def test_a_time_that_a_record_has_no_form_for_is_none(at: str, expected: str | None) -> None:
    _, rows = decoded(relation(5), BEGIN, insert(5, payload="{}", at=at), COMMIT)

    assert rows[0].created_at == expected


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (f'{{"root_event_id": "{ROOT}"}}', ROOT),
        (f'{{"root_event_id": "{ROOT}", "longer_than_that": {{"a": 1}}}}', ROOT),
        (f'{{"a": {{"root_event_id": "{ROOT}"}}}}', None),
        (f'{{"a": [{{"root_event_id": "{ROOT}"}}], "root_event_id": "x"}}', "x"),
        (f'{{"text": "\\"root_event_id\\": \\"{ROOT}\\""}}', None),
        ('{"root_event_id": 7}', None),
        (f'[{{"root_event_id": "{ROOT}"}}]', None),
        ("7", None),
    ],
)
def test_the_root_is_the_payloads_own_and_no_inner_ones(payload: str, expected: str | None) -> None:
    _, rows = decoded(relation(5), BEGIN, insert(5, payload=payload), COMMIT)

    assert rows[0].root_event_id == expected
