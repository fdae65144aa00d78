"""What a drill's proxy does with connections: they pass, are held, or are reset; and it tells."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from typing import Any

import pytest

from bookpayctl.clients.http import ask
from bookpayctl.targets.cluster_target import Passage
from bookpayctl.targets.container.passage import Gate, serve
from bookpayctl.targets.container.proxy import Forwarding, control_server, parse_forwarding
from tests.support.waiting import eventually, holds_for

HOST = "127.0.0.1"
HELD_SECONDS = 0.5


class Shop:
    """Somebody who says back what is said, behind a gate."""

    def __init__(self) -> None:
        self.gate = Gate()
        self.backend = socket.create_server((HOST, 0))
        self.listener = socket.create_server((HOST, 0))
        address = self.backend.getsockname()
        threading.Thread(target=self._echo, daemon=True).start()
        threading.Thread(
            target=serve,
            args=(self.gate, self.listener, lambda: socket.create_connection(address, timeout=10)),
            daemon=True,
        ).start()

    def visit(self) -> socket.socket:
        return socket.create_connection(self.listener.getsockname(), timeout=10)

    def close(self) -> None:
        for listener in (self.listener, self.backend):
            listener.close()

    def _echo(self) -> None:
        while True:
            try:
                conn, _ = self.backend.accept()
            except OSError:
                return
            threading.Thread(target=self._say_back, args=(conn,), daemon=True).start()

    @staticmethod
    def _say_back(conn: socket.socket) -> None:
        with conn:
            try:
                while data := conn.recv(4096):
                    conn.sendall(data)
            except OSError:
                return


@pytest.fixture
def shop() -> Iterator[Shop]:
    found = Shop()
    yield found
    found.gate.change(Passage.RESET)
    found.close()


def says(conn: socket.socket, text: bytes) -> bytes:
    conn.sendall(text)
    return conn.recv(4096)


def greets(shop: Shop) -> bytes:
    """On a new connection."""
    with shop.visit() as conn:
        return says(conn, b"hello")


def is_silent(conn: socket.socket) -> bool:
    """Whether nothing has come, neither a byte nor an end."""
    conn.setblocking(False)
    try:
        conn.recv(4096, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    finally:
        conn.settimeout(10)
    return False


def state(shop: Shop) -> dict[str, Any]:
    return shop.gate.state()


def test_what_comes_passes_both_ways_and_is_counted(shop: Shop) -> None:
    with shop.visit() as conn:
        assert says(conn, b"hello") == b"hello"
        now = state(shop)

    assert (now["passage"], now["accepted"], now["open_connections"]) == ("pass", 1, 1)
    assert now["peers"] == [HOST]
    eventually(lambda: state(shop)["passed_bytes"] == 10, "both ways were counted")
    eventually(lambda: state(shop)["open_connections"] == 0, "the connection ended")


def test_an_end_of_one_side_passes_and_the_other_side_may_go_on(shop: Shop) -> None:
    with shop.visit() as conn:
        conn.sendall(b"last words")
        conn.shutdown(socket.SHUT_WR)

        assert conn.recv(4096) == b"last words"
        assert conn.recv(4096) == b""


def test_while_it_is_held_nothing_passes_on_old_connections_and_on_new_ones(shop: Shop) -> None:
    with shop.visit() as old:
        assert says(old, b"before") == b"before"

        shop.gate.change(Passage.HOLD)
        with shop.visit() as new:
            old.sendall(b"late")
            new.sendall(b"later")
            eventually(lambda: state(shop)["held"] == 2, "both are held")
            holds_for(lambda: is_silent(old) and is_silent(new), "silence", HELD_SECONDS)
            shop.gate.change(Passage.PASS)

            # As packets that were lost and are sent again.
            assert old.recv(4096) == b"late"
            assert new.recv(4096) == b"later"


def test_when_it_is_held_nothing_moves_any_more_that_came_before(shop: Shop) -> None:
    with shop.visit() as conn:
        assert says(conn, b"before") == b"before"
        eventually(lambda: state(shop)["passed_bytes"] == 12, "it was counted")

        shop.gate.change(Passage.HOLD)
        conn.sendall(b"after")
        holds_for(lambda: state(shop)["passed_bytes"] == 12, "nothing passes", HELD_SECONDS)


def test_what_is_reset_ends_with_a_reset_on_old_connections_and_on_new_ones(shop: Shop) -> None:
    with shop.visit() as old:
        assert says(old, b"before") == b"before"

        shop.gate.change(Passage.RESET)

        with pytest.raises(ConnectionResetError):
            old.recv(4096)
    # Before the first word, or after it.
    with pytest.raises(OSError, match=r"reset|Broken pipe"):
        greets(shop)
    eventually(lambda: state(shop)["reset"] == 2, "both were counted")


def test_a_proxy_that_passes_again_takes_new_connections(shop: Shop) -> None:
    shop.gate.change(Passage.RESET)
    shop.gate.change(Passage.PASS)

    with shop.visit() as conn:
        assert says(conn, b"hello") == b"hello"


def test_a_backend_that_is_not_there_is_told_by_the_end_of_the_connection() -> None:
    gate, listener = Gate(), socket.create_server((HOST, 0))

    def nobody() -> socket.socket:
        raise ConnectionRefusedError

    threading.Thread(target=serve, args=(gate, listener, nobody), daemon=True).start()
    # The end may come while the connection is still being made.
    with (
        listener,
        pytest.raises(ConnectionResetError),
        socket.create_connection(listener.getsockname(), timeout=10) as conn,
    ):
        conn.recv(1)


# --- what it is told ------------------------------------------------------------------------


@pytest.fixture
def control(shop: Shop) -> Iterator[ThreadingHTTPServer]:
    server = control_server(shop.gate, 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def url(control: ThreadingHTTPServer, path: str) -> str:
    return f"http://{HOST}:{control.server_port}{path}"


def test_it_tells_its_state_and_is_told_what_to_do(control: ThreadingHTTPServer) -> None:
    before = ask("GET", url(control, "/state"), timeout_seconds=10)
    told = ask("PUT", url(control, "/passage/hold"), timeout_seconds=10)

    assert before.object()["passage"] == "pass"
    assert (told.status, told.object()["passage"]) == (200, "hold")
    assert json.loads(ask("GET", url(control, "/state"), timeout_seconds=10).body) == told.object()


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("PUT", "/passage/drop"), ("PUT", "/state"), ("GET", "/passage/hold")],
)
def test_what_it_does_not_know_changes_nothing(
    control: ThreadingHTTPServer, shop: Shop, method: str, path: str
) -> None:
    answer = ask(method, url(control, path), timeout_seconds=10)

    assert answer.status == 404
    assert shop.gate.passage is Passage.PASS


def test_where_it_leads_is_read_from_one_word() -> None:
    assert parse_forwarding("8080=gateway.ns.svc:80") == Forwarding(8080, "gateway.ns.svc", 80)
    for text in ("8080", "8080=80", "http=gateway:80", "8080=gateway:http"):
        with pytest.raises(ValueError, match=r"is not PORT|invalid literal"):
            parse_forwarding(text)
