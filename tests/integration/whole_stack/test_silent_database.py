"""A connection whose far end is gone without a word costs seconds, and is not used again."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from typing import ClassVar

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from bookpayctl.targets.container.passage import Gate, serve
from bookpayctl.targets.toxic import Toxic, Toxicity
from runtime.adapters.store import database as store
from tests.support.stack import Database

HALF_OPEN = Toxic(Toxicity.HALF_OPEN, 60.0)


class VeryImpatient(store.ImpatientConnection):
    patience_seconds: ClassVar[float] = 0.5


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def dsn(database: Database, gate: Gate) -> Iterator[str]:
    """The database, by way of a proxy."""
    address = conninfo_to_dict(database.dsn)
    there = str(address["host"]), int(str(address["port"]))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(
            target=serve,
            args=(gate, listener, lambda: socket.create_connection(there)),
            daemon=True,
        ).start()
        yield make_conninfo(database.dsn, host="127.0.0.1", port=listener.getsockname()[1])


def test_an_answer_that_does_not_come_is_an_outage_and_the_connection_is_given_up(
    dsn: str, gate: Gate
) -> None:
    with VeryImpatient.connect(dsn, autocommit=True) as conn:
        assert conn.execute("SELECT 1").fetchone() == (1,)
        gate.change(HALF_OPEN)
        began = time.monotonic()

        with pytest.raises(store.UNAVAILABLE):
            conn.execute("SELECT 2")

        assert time.monotonic() - began < 5.0
        assert conn.closed
        # A pool looks at this when the connection comes back.
        assert conn.broken
    with VeryImpatient.connect(dsn, autocommit=True) as other:
        assert other.execute("SELECT 3").fetchone() == (3,)


def test_one_silence_is_enough_for_all_the_connections_of_a_pool(
    dsn: str, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each would cost as long a silence, one after another."""
    monkeypatch.setattr(store.ImpatientConnection, "patience_seconds", 0.5)
    with store.open_pool(dsn, "silent", size_max=4, autocommit=True) as pool:
        together = [pool.getconn() for _ in range(4)]
        for conn in together:
            pool.putconn(conn)
        gate.change(HALF_OPEN)

        with pytest.raises(store.UNAVAILABLE), pool.connection() as conn:
            conn.execute("SELECT 1")

        for _ in range(4):
            with pool.connection() as conn:
                assert conn.execute("SELECT 2").fetchone() == (2,)


def test_every_connection_of_a_service_is_one_of_these(dsn: str) -> None:
    with store.connect(dsn, "silent") as conn:
        assert isinstance(conn, store.ImpatientConnection)
    with store.open_pool(dsn, "silent", size_max=1) as pool, pool.connection() as conn:
        assert isinstance(conn, store.ImpatientConnection)


def test_the_server_has_time_to_end_a_statement_and_to_say_so() -> None:
    assert store.ImpatientConnection.patience_seconds * 1000 > store.STATEMENT_TIMEOUT_MS
