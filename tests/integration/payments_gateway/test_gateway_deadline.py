"""The gateway's own deadline holds against a Stripe whose answer only trickles in."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.support.processes import ServiceProcess, running
from tests.support.services_alone import gateway_alone
from tests.support.stack import Database, post_charge


@pytest.fixture
def trickle() -> Iterator[str]:
    """A server that answers every request one byte at a time, for ever; yields its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def drip(connection: socket.socket) -> None:
        with connection:
            connection.recv(65_536)
            head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            try:
                connection.sendall(head + b"Content-Length: 1000000\r\n\r\n")
                while not over.wait(0.2):
                    connection.sendall(b" ")
            except OSError:
                return

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=drip, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    over.set()
    listener.close()


@pytest.fixture
def gateway(database: Database, trickle: str, tmp_path: Path) -> Iterator[ServiceProcess]:
    with running(gateway_alone(database.dsn, tmp_path, stripe_api_base=trickle)) as service:
        yield service


def test_an_answer_that_trickles_in_is_unknown_at_the_deadline(
    gateway: ServiceProcess, database: Database
) -> None:
    event_id = uuid4()

    answer = post_charge(gateway, event_id)

    told = answer.json
    assert (answer.status, told["outcome"], told["code"]) == (200, "unknown", "gateway_deadline")
    assert database.value("SELECT status FROM stripe_calls WHERE event_id = %s", event_id) is None
