"""The gateway's own deadline holds against a Stripe whose answer only trickles in."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.support.stack import (
    Database,
    ServiceProcess,
    build_services,
    post_charge,
    service_variables,
    stopping,
)


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
def gateway(
    database: Database, bootstrap_servers: str, trickle: str, tmp_path: Path
) -> Iterator[ServiceProcess]:
    variables = service_variables(
        database.dsn,
        bootstrap_servers,
        gateway_url="http://127.0.0.1:1",
        twin_api=trickle,
        mail_port=1,
    )
    services = build_services(["gateway"], variables, tmp_path / "gateway")
    with stopping(services):
        yield services["gateway"].start().wait_ready()


def test_an_answer_that_trickles_in_is_unknown_at_the_deadline(
    gateway: ServiceProcess, database: Database
) -> None:
    event_id = uuid4()

    answer = post_charge(gateway, event_id)

    told = answer.json
    assert (answer.status, told["outcome"], told["code"]) == (200, "unknown", "gateway_deadline")
    assert database.value("SELECT status FROM stripe_calls WHERE event_id = %s", event_id) is None
