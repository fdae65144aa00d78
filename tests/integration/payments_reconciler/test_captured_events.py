"""What was lost where a capture publishes: the row is inserted again, and nothing else moves it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bookpayctl.clients.capture_slot import PUBLICATION
from bookpayctl.targets.servers import connect
from runtime.adapters.store import missed, reconcile
from tests.support.publishing import write_event
from tests.support.stack import Database

SLOT = "test_of_captured_events"


@pytest.fixture
def captured(database: Database) -> Iterator[Database]:
    """A database whose outbox is decoded as the connector's is."""
    database.run(connect.publication_statement(connect.MANIFESTS))
    database.run("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", SLOT)
    yield database
    database.run("SELECT pg_drop_replication_slot(%s)", SLOT)


def inserts(database: Database) -> int:
    """Rows that a capture was told of since the last look (pgoutput: the message `I`)."""
    return int(
        database.value(
            "SELECT count(*) FILTER (WHERE get_byte(data, 0) = ascii('I'))"
            " FROM pg_logical_slot_get_binary_changes(%s, NULL, NULL,"
            " 'proto_version', '1', 'publication_names', %s)",
            *(SLOT, PUBLICATION),
        )
    )


def test_a_lost_event_reaches_the_capture_again_as_it_was(captured: Database) -> None:
    event_id = write_event(captured)
    before = captured.rows("SELECT * FROM outbox")
    assert inserts(captured) == 1

    told = missed.republish(captured.conn, [event_id], window_seconds=0, captured=True)

    assert told == [event_id]
    assert inserts(captured) == 1
    assert captured.rows("SELECT * FROM outbox") == before


def test_taking_a_mark_back_reaches_no_capture(captured: Database) -> None:
    event_id = write_event(captured)
    assert inserts(captured) == 1

    missed.republish(captured.conn, [event_id], window_seconds=0)

    assert inserts(captured) == 0


def test_an_event_written_within_the_window_is_not_sent_again(captured: Database) -> None:
    event_id = write_event(captured)

    assert missed.republish(captured.conn, [event_id], window_seconds=600, captured=True) == []


def test_an_event_sent_again_waits_twice_as_long_for_the_next_time(captured: Database) -> None:
    event_id = write_event(captured)
    captured.run("UPDATE outbox SET created_at = clock_timestamp() - interval '1 day'")

    once = missed.republish(captured.conn, [event_id], window_seconds=600, captured=True)
    twice = missed.republish(captured.conn, [event_id], window_seconds=600, captured=True)

    assert (once, twice) == ([event_id], [])


def test_an_operators_redrive_inserts_at_once(captured: Database) -> None:
    event_id = write_event(captured)
    assert inserts(captured) == 1

    assert missed.republish_now(captured.conn, event_id, captured=True) is True

    assert inserts(captured) == 1


def test_unmarked_rows_are_no_backlog_of_a_capture(captured: Database) -> None:
    write_event(captured)

    ours = {entry.what for entry in reconcile.waiting(captured.conn)}
    theirs = {entry.what for entry in reconcile.waiting(captured.conn, captured=True)}

    assert ours - theirs == {"outbox_unpublished"}
