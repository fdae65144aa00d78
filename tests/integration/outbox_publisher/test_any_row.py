"""Whatever the outbox's columns take: one row costs itself alone, and the others leave in order.

Each row ends in exactly one of two ways: published as it stands, or a dead letter and never
published. The publishers stay alive and ready, and the leader keeps its term: a row that ended the
term would end the next one too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID, uuid4

import psycopg
import pytest
from confluent_kafka import Consumer, Message, TopicPartition
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from psycopg import sql

from runtime.adapters.store import outbox
from runtime.adapters.store.outbox import OutboxRow, Unreadable
from runtime.domain.names import PARTITIONS
from runtime.sql import migrate
from tests.support.processes import ServiceProcess
from tests.support.publishing import EVENT_TYPE, TOPIC, Publishers, dead_letter, publishers_on
from tests.support.records import as_text
from tests.support.servers import Servers
from tests.support.stack import Database
from tests.support.waiting import eventually, holds_for

# A letter that is written again and again changes within milliseconds.
WELL_BEYOND_A_LOOK_SECONDS: Final = 0.5

LARGEST_PAYLOAD: Final = '"' + "x" * 899_998 + '"'


@dataclass(frozen=True)
class Row:
    """One row of the outbox; by default one that a service might have written."""

    payload: str = '{"order_id": "ord_1", "amount_cents": 4200}'
    aggregate: str = "payments"
    aggregate_id: str = "ord_1"
    event_type: str = EVENT_TYPE
    tenant_id: str = "acme"
    created_at: str = "2026-03-01 12:00:00+00"
    event_id: UUID = field(default_factory=uuid4)

    def write(self, database: Database) -> None:
        database.run(
            "INSERT INTO outbox (event_id, aggregate, aggregate_id, event_type, payload, tenant_id,"
            " created_at) VALUES (%s, %s, %s, %s, %s::jsonb, %s, %s)",
            *(self.event_id, self.aggregate, self.aggregate_id, self.event_type),
            *(self.payload, self.tenant_id, self.created_at),
        )


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


PUBLISHED: Final[Mapping[str, Row]] = {
    "before 1970": Row(created_at="1969-07-20 20:17:40+00"),
    "the first year": Row(created_at="0001-01-01 00:00:00+00"),
    "far ahead": Row(created_at="2100-01-01 00:00:00+00"),
    "the last microsecond of the driver": Row(created_at="9999-12-31 23:59:59.999999+00"),
    "nil id": Row(event_id=UUID(int=0)),
    "last id": Row(event_id=UUID(int=2**128 - 1)),
    "null": Row(payload="null"),
    "text": Row(payload='"text"'),
    "number": Row(payload="7"),
    "array": Row(payload="[1, [2], {}]"),
    "empty object": Row(payload="{}"),
    "nested deeply": Row(payload=nested(3_000)),
    "1e400": Row(payload='{"n": 1e400, "m": -1e-400}'),
    "200 digits": Row(payload='{"n": ' + "9" * 200 + "}"),
    "5,000 digits": Row(
        payload='{"root_event_id": "' + str(UUID(int=7)) + '", "n": ' + "9" * 5_000 + "}"
    ),
    "root of another kind": Row(payload='{"root_event_id": 11111111222243338444555555555555}'),
    "root that is an object": Row(payload='{"root_event_id": {"a": [1]}}'),
    "order id that is a number": Row(payload='{"order_id": 17, "root_event_id": "no id"}'),
    "every plane": Row(
        payload='{"order_id": "\\u0001\\u001f\\u007f\\u2028\\ud83d\\ude00\\uffff"}',
        aggregate_id="\x01\n\r\t\x7f\u0085\u2028\u202e\ufeff\uffff😀",
        tenant_id="חנות·店·\U0010ffff",
    ),
    "empty texts": Row(aggregate="", aggregate_id="", tenant_id=""),
    "the largest payload": Row(payload=LARGEST_PAYLOAD),
    "long headers": Row(aggregate_id="é" * 40_000),
}

SET_ASIDE: Final[Mapping[str, tuple[Row, str]]] = {
    "infinity": (Row(created_at="infinity"), "created_at_out_of_range"),
    "-infinity": (Row(created_at="-infinity"), "created_at_out_of_range"),
    "the last year of the column": (
        Row(created_at="294276-12-31 00:00:00+00"),
        "created_at_out_of_range",
    ),
    "year 10000": (Row(created_at="10000-01-01 00:00:00+00"), "created_at_out_of_range"),
    "4713 BC": (Row(created_at="4713-01-01 00:00:00+00 BC"), "created_at_out_of_range"),
    "unknown type": (Row(event_type="OrderShipped"), "unknown_event_type"),
    "empty type": (Row(event_type=""), "unknown_event_type"),
    "endless type": (Row(event_type=EVENT_TYPE * 100_000), "unknown_event_type"),
    "a byte too much": (Row(payload='"' + "x" * 899_999 + '"'), "too_large"),
    "megabytes": (Row(payload='{"n": "' + "é" * 3_000_000 + '"}'), "too_large"),
    "a number of megabytes": (Row(payload="[" + "1e131071," * 100 + "0]"), "too_large"),
    "too long for a header": (Row(aggregate_id="é" * 50_000), "too_large"),
    "megabytes of a header": (Row(tenant_id="x" * 3_000_000), "too_large"),
}


class Records:
    """What arrives in the topic from now on."""

    def __init__(self, bootstrap_servers: str) -> None:
        self.consumer = Consumer(
            {
                "bootstrap.servers": bootstrap_servers,
                "group.id": f"look-{uuid4()}",
                "log_level": 0,
                "fetch.message.max.bytes": 4_000_000,
            }
        )
        places = [TopicPartition(TOPIC, number) for number in range(PARTITIONS)]
        for place in places:
            place.offset = self.consumer.get_watermark_offsets(place, timeout=10)[1]
        self.position = {place.partition: place.offset for place in places}
        self.consumer.assign(places)
        self.found: list[Message] = []

    def read(self) -> list[Message]:
        """Every record up to the topic's ends of now, each partition in its order."""
        for number in range(PARTITIONS):
            place = TopicPartition(TOPIC, number)
            end = self.consumer.get_watermark_offsets(place, timeout=10)[1]
            while self.position[number] < end:
                self._take()
        return self.found

    def _take(self) -> None:
        message = self.consumer.poll(10.0)
        assert message is not None, "the records do not come"
        assert message.error() is None, message.error()
        partition, offset = message.partition(), message.offset()
        assert partition is not None
        assert offset is not None
        self.position[partition] = offset + 1
        self.found.append(message)


@dataclass
class Publishing:
    """Three publishers on one database, and what they have made of its rows."""

    database: Database
    processes: list[ServiceProcess]
    records: Records

    def settle(self, rows: list[Row]) -> None:
        eventually(
            lambda: all(self.end_of(row) for row in rows),
            lambda: f"each row has an end: {[self.end_of(row) for row in rows]}",
        )

    def end_of(self, row: Row) -> str | None:
        """`published`, the reason of its dead letter, or None while it waits."""
        letter = dead_letter(self.database, row.event_id)
        is_published = self.database.value(
            "SELECT published_at IS NOT NULL FROM outbox WHERE event_id = %s", row.event_id
        )
        assert not (letter and is_published), f"both published and {letter}"
        return "published" if is_published else letter

    def of(self, row: Row) -> list[Message]:
        return [m for m in self.records.read() if m.key() and event_id_of(m) == row.event_id]

    def check_faithful(self, row: Row) -> None:
        """The record says what the row says, to the byte."""
        (message,) = self.of(row)
        document, root = self.database.rows(
            "SELECT payload::text, CASE jsonb_typeof(payload) WHEN 'object' THEN"
            " payload -> 'root_event_id' END FROM outbox WHERE event_id = %s",
            row.event_id,
        )[0]
        value, key = message.value(), message.key()
        assert value == document.encode()
        assert key == str(is_uuid(root) or row.event_id).encode()
        headers = as_text(message.headers())
        assert headers["aggregate"] == row.aggregate
        assert headers["aggregate_id"] == row.aggregate_id
        assert headers["tenant_id"] == row.tenant_id
        assert self.database.value(
            "SELECT created_at = %s::timestamptz FROM outbox WHERE event_id = %s",
            *(headers["created_at"], row.event_id),
        )

    def check_alive(self) -> None:
        """Nobody has ended or lost the lock, and no dead letter is written over and over."""
        for process in self.processes:
            assert not process.has_ended(), process.log[-2000:]
            assert process.is_ready()
        assert self.database.value("SELECT count(*) FROM publisher_terms") == 1
        letters = "SELECT id, created_at FROM dead_letters ORDER BY id"
        before = self.database.rows(letters)
        holds_for(
            lambda: self.database.rows(letters) == before,
            "no dead letter is written again",
            WELL_BEYOND_A_LOOK_SECONDS,
        )


def event_id_of(message: Message) -> UUID:
    return UUID(as_text(message.headers())["event_id"])


def is_uuid(value: Any) -> UUID | None:
    if not isinstance(value, str):
        return None
    try:
        return UUID(value)
    except ValueError:
        return None


@pytest.fixture
def publishing(database: Database, publishers: Publishers, bootstrap_servers: str) -> Publishing:
    return Publishing(database, publishers(3), Records(bootstrap_servers))


def test_every_kind_of_value_is_published_as_it_stands_or_set_aside_with_its_reason(
    publishing: Publishing,
) -> None:
    bad = {name: row for name, (row, _) in SET_ASIDE.items()}
    rows = [row for pair in zip(PUBLISHED.values(), bad.values(), strict=False) for row in pair]
    rows += [row for row in (*PUBLISHED.values(), *bad.values()) if row not in rows]
    for row in rows:
        row.write(publishing.database)

    publishing.settle(rows)

    ends = {name: publishing.end_of(row) for name, row in {**PUBLISHED, **bad}.items()}
    expected = dict.fromkeys(PUBLISHED, "published") | {n: why for n, (_, why) in SET_ASIDE.items()}
    assert ends == expected
    for row in PUBLISHED.values():
        publishing.check_faithful(row)
    for row in bad.values():
        assert publishing.of(row) == []
    publishing.check_alive()


# --- any row at all -------------------------------------------------------------------------

# What a column of text, and a text in jsonb, cannot hold.
TEXT: Final = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))
JSON: Final = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | TEXT
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda parts: st.lists(parts, max_size=4) | st.dictionaries(TEXT, parts, max_size=4),
    max_leaves=12,
)
HOSTILE: Final = st.sampled_from(
    [row for row in PUBLISHED.values() if row.event_id.int not in (0, 2**128 - 1)]
    + [row for row, _ in SET_ASIDE.values()]
)
ROWS: Final = st.one_of(
    st.builds(
        Row,
        payload=JSON.map(json.dumps),
        aggregate=TEXT,
        aggregate_id=TEXT,
        event_type=st.just(EVENT_TYPE) | TEXT,
        tenant_id=TEXT,
        created_at=st.datetimes().map(lambda at: f"{at.isoformat()}+00:00")
        | st.sampled_from(["infinity", "-infinity", "4713-01-01 BC", "20000-01-01"]),
    ),
    HOSTILE,
)
# One time for all of them, so that only their number says which comes first.
GOOD: Final = Row(payload=json.dumps({"root_event_id": str(UUID(int=5)), "order_id": "ord_5"}))


# Derandomised: a failure is the same at the next run, and on another machine.
@settings(
    max_examples=3,
    derandomize=True,
    deadline=None,
    database=None,
    # A server at each step: making a failing example small would take longer than the whole suite.
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.large_base_example,
    ],
)
@given(strange=st.lists(ROWS, min_size=1, max_size=8))
def test_good_rows_leave_in_order_among_any_others(
    publishing: Publishing, strange: list[Row]
) -> None:
    good, others = [], []
    for number, row in enumerate(strange):
        others.append(replace(row, event_id=uuid4()))
        good.append(replace(GOOD, event_id=uuid4(), created_at=f"2026-03-01 12:00:{number:02d}+00"))
    rows = [row for pair in zip(others, good, strict=True) for row in pair]
    with publishing.database.conn.transaction():
        for row in rows:
            row.write(publishing.database)

    publishing.settle(rows)

    assert [publishing.end_of(row) for row in good] == ["published"] * len(good)
    of_good = {row.event_id for row in good}
    order = [event_id_of(m) for m in publishing.records.read() if event_id_of(m) in of_good]
    assert order == [row.event_id for row in good]
    for row in others:
        if publishing.end_of(row) == "published":
            publishing.check_faithful(row)
        else:
            assert publishing.of(row) == []
    publishing.check_alive()


# --- rows that no statement can provide for -------------------------------------------------


def test_text_in_no_encoding_costs_its_row_alone(
    servers: Servers, bootstrap_servers: str, tmp_path: Path
) -> None:
    """A database without an encoding takes any bytes, which are then in none."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(servers.dsn, autocommit=True) as conn:
        conn.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'").format(
                sql.Identifier(name)
            )
        )
    dsn = urlunsplit(urlsplit(servers.dsn)._replace(path=f"/{name}")) + "&client_encoding=utf8"
    migrate(dsn)
    plain = Database(dsn)
    rows = [Row(), replace(Row(), event_id=uuid4(), aggregate_id="é"), Row(event_id=uuid4())]
    with publishers_on(plain, bootstrap_servers, tmp_path) as start:
        for row in rows:
            row.write(plain)
        plain.run(
            "UPDATE outbox SET tenant_id = convert_from('\\xff41', 'SQL_ASCII')"
            " WHERE event_id = %s",
            rows[0].event_id,
        )
        publishing = Publishing(plain, start(1), Records(bootstrap_servers))

        publishing.settle(rows)

        assert [publishing.end_of(row) for row in rows] == [
            "unreadable_row",
            "published",
            "published",
        ]
        publishing.check_alive()
    plain.conn.close()


def test_a_row_that_is_not_read_in_time_is_known_from_the_others(database: Database) -> None:
    """30 kB in the table, and hundreds of megabytes of text."""
    slow, quick = Row(payload="[" + "1e131071," * 3_000 + "0]"), Row(event_id=uuid4())
    for row in (slow, quick):
        row.write(database)
    database.run("SET statement_timeout = '100ms'")

    with pytest.raises(outbox.UNREADABLE):
        outbox.select_unpublished(database.conn, limit=1_000, in_flight=[])
    ids = outbox.select_unpublished_ids(database.conn, limit=1_000, in_flight=[])

    assert set(ids) == {str(slow.event_id), str(quick.event_id)}
    assert isinstance(outbox.read_alone(database.conn, str(slow.event_id)), Unreadable)
    read = outbox.read_alone(database.conn, str(quick.event_id))
    assert isinstance(read, OutboxRow)
    assert read.event_id == str(quick.event_id)


def test_a_backlog_of_large_rows_is_read_in_pieces(database: Database) -> None:
    """A thousand rows are one read only while they are small."""
    for _ in range(40):
        Row(payload=LARGEST_PAYLOAD, event_id=uuid4()).write(database)

    rows = outbox.select_unpublished(database.conn, limit=1_000, in_flight=[])

    read = sum(len(row.payload or "") for row in rows)
    assert 0 < read < outbox.BATCH_BYTES + 900_000
