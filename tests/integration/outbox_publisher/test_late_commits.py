"""Rows dated before others and committed after them: none stays behind, none is overtaken."""

from __future__ import annotations

from uuid import UUID, uuid4

import psycopg
import pytest

from runtime.adapters.store import outbox
from runtime.adapters.store.outbox import OVERLAP_SECONDS
from runtime.services.outbox_publisher.in_flight import InFlight
from runtime.services.outbox_publisher.position import LONG_SECONDS, WHOLE_LOOK_SECONDS, Position
from runtime.services.outbox_publisher.reading import read_next
from tests.support.publishing import EVENT_TYPE
from tests.support.stack import Database, connect

# Before where a look begins that goes on from a row of now.
LONG_AGO_SECONDS = OVERLAP_SECONDS + 60


class Looks:
    """A publisher's looks at the outbox, at times of the test's; what it reads counts as marked."""

    def __init__(self, database: Database) -> None:
        self.conn = database.conn
        self.position = Position()
        self.in_flight = InFlight()
        self.now = 1_000.0

    def look(self, *, later_seconds: float = 0.01) -> list[UUID]:
        self.now += later_seconds
        rows = read_next(
            self.conn, self.in_flight, self.position, limit=1_000, clock=lambda: self.now
        )
        outbox.mark_published(self.conn, [row.event_id for row in rows])
        return [UUID(row.event_id) for row in rows]


@pytest.fixture
def looks(database: Database) -> Looks:
    return Looks(database)


def write(conn: psycopg.Connection, *, seconds_ago: float = 0.0) -> UUID:
    event_id = uuid4()
    conn.execute(
        "INSERT INTO outbox (event_id, aggregate, aggregate_id, event_type, payload, tenant_id,"
        " created_at) VALUES (%s, 'payments', 'ord_1', %s, '{}', 'acme',"
        " clock_timestamp() - %s * interval '1 second')",
        (event_id, EVENT_TYPE, seconds_ago),
    )
    return event_id


def test_a_look_goes_on_where_the_last_one_ended(database: Database, looks: Looks) -> None:
    first = write(database.conn)
    assert looks.look() == [first]

    backdated, second = (
        write(database.conn, seconds_ago=LONG_AGO_SECONDS),
        write(database.conn),
    )

    assert looks.look() == [second]
    assert looks.look(later_seconds=WHOLE_LOOK_SECONDS) == [backdated]


def test_a_transaction_of_the_usual_length_is_within_the_overlap(
    database: Database, looks: Looks
) -> None:
    assert looks.look() == []
    first = write(database.conn)
    assert looks.look() == [first]

    late = write(database.conn, seconds_ago=OVERLAP_SECONDS / 2)

    assert looks.look() == [late]


def test_what_followed_from_a_long_transaction_does_not_overtake_it(
    database: Database, looks: Looks
) -> None:
    """The look that finds the consequence begins after the date of the cause."""
    with connect(database.dsn) as long_one:
        long_one.execute("BEGIN")
        cause = write(long_one, seconds_ago=LONG_AGO_SECONDS)
        first = write(database.conn)
        assert looks.look() == [first]
        second = write(database.conn)
        # Whole by its time; the next one is not.
        assert looks.look(later_seconds=LONG_SECONDS + 0.1) == [second]
        long_one.execute("COMMIT")
    consequence = write(database.conn)

    assert looks.look() == [cause, consequence]


def test_rows_that_were_lost_are_read_again_however_far_the_looks_have_come(
    database: Database, looks: Looks
) -> None:
    old = write(database.conn, seconds_ago=LONG_AGO_SECONDS)
    rows = read_next(database.conn, looks.in_flight, looks.position, limit=1, clock=lambda: 1_000.0)
    looks.in_flight.sent(rows[0].event_id)
    first = write(database.conn)
    assert looks.look() == [first]

    looks.in_flight.lost(rows[0].event_id)

    assert looks.look() == [old]


def test_a_row_dated_in_the_future_does_not_take_the_looks_with_it(
    database: Database, looks: Looks
) -> None:
    ahead = write(database.conn, seconds_ago=-LONG_AGO_SECONDS)
    assert looks.look() == [ahead]

    first = write(database.conn)

    assert looks.look() == [first]
