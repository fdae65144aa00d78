"""What a drill's proxy does with connections: they pass, or as a toxic has it; and it tells."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from typing import Any

import pytest

from bookpayctl.clients.http import ask
from bookpayctl.targets.container.passage import LOOK_SECONDS, Gate, GateRule, serve
from bookpayctl.targets.container.proxy import Forwarding, control_server, parse_forwarding
from bookpayctl.targets.link import ask_proxy, tell_proxy
from bookpayctl.targets.toxic import Toxic, Toxicity
from tests.support.proxied_shop import HOST, Shop, is_silent, says
from tests.support.waiting import eventually, holds_for

HELD_SECONDS = 0.5
LONG = 60.0

HOLD = Toxic(Toxicity.HOLD, LONG)
RESET = Toxic(Toxicity.RESET, LONG)


@pytest.fixture
def shop() -> Iterator[Shop]:
    found = Shop()
    yield found
    found.gate.change(RESET)
    found.close()


def greets(shop: Shop) -> bytes:
    """On a new connection."""
    with shop.visit() as conn:
        return says(conn, b"hello")


def state(shop: Shop) -> dict[str, Any]:
    return shop.gate.state()


def passed(shop: Shop) -> tuple[int, int]:
    now = state(shop)
    return now["to_service_bytes"], now["to_caller_bytes"]


def test_what_comes_passes_both_ways_and_is_counted(shop: Shop) -> None:
    with shop.visit() as conn:
        assert says(conn, b"hello") == b"hello"
        now = state(shop)

    assert (now["toxic"], now["accepted"], now["open_connections"]) == (None, 1, 1)
    assert now["peers"] == [HOST]
    eventually(lambda: passed(shop) == (5, 5), "both ways were counted")
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

        shop.gate.change(HOLD)
        with shop.visit() as new:
            old.sendall(b"late")
            new.sendall(b"later")
            eventually(lambda: state(shop)["struck"] == 2, "both are held")
            holds_for(lambda: is_silent(old) and is_silent(new), "silence", HELD_SECONDS)
            shop.gate.change(None)

            # As packets that were lost and are sent again.
            assert old.recv(4096) == b"late"
            assert new.recv(4096) == b"later"


def test_when_it_is_held_nothing_moves_any_more_that_came_before(shop: Shop) -> None:
    with shop.visit() as conn:
        assert says(conn, b"before") == b"before"
        eventually(lambda: passed(shop) == (6, 6), "it was counted")

        shop.gate.change(HOLD)
        conn.sendall(b"after")
        holds_for(lambda: passed(shop) == (6, 6), "nothing passes", HELD_SECONDS)


class CountingGate(Gate):
    """One that counts how often connections look at its rule."""

    def __init__(self) -> None:
        super().__init__()
        self.looks = 0

    def rule(self) -> GateRule:
        self.looks += 1
        return super().rule()


def test_held_connections_do_not_wake_each_other() -> None:
    """Five proxies that kept the processors busy made everything late, the tool as well."""
    gate = CountingGate()
    shop = Shop(gate)
    with shop.visit() as one, shop.visit() as other:
        for conn in (one, other):
            assert says(conn, b"before") == b"before"
        gate.change(HOLD)
        gate.looks = 0
        holds_for(lambda: is_silent(one) and is_silent(other), "silence", HELD_SECONDS)

        # Each looks as often as it must; four times of that is for what is under way at first.
        assert gate.looks <= 4 * 2 * HELD_SECONDS / LOOK_SECONDS
        gate.change(RESET)
    shop.close()


def test_what_is_reset_ends_with_a_reset_on_old_connections_and_on_new_ones(shop: Shop) -> None:
    with shop.visit() as old:
        assert says(old, b"before") == b"before"

        shop.gate.change(RESET)

        with pytest.raises(ConnectionResetError):
            old.recv(4096)
    # Before the first word, or after it.
    with pytest.raises(OSError, match=r"reset|Broken pipe"):
        greets(shop)
    eventually(lambda: state(shop)["reset"] == 2, "both were counted")


def test_a_proxy_that_passes_again_takes_new_connections(shop: Shop) -> None:
    shop.gate.change(RESET)
    shop.gate.change(None)

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


def url(control: ThreadingHTTPServer) -> str:
    return f"http://{HOST}:{control.server_port}"


def test_it_tells_its_state_and_is_told_what_to_do(control: ThreadingHTTPServer) -> None:
    before = ask_proxy(url(control), timeout_seconds=10)
    told = tell_proxy(url(control), HOLD, timeout_seconds=10)
    after = tell_proxy(url(control), None, timeout_seconds=10)

    assert before.object()["toxic"] is None
    assert (told.status, told.object()["toxic"]) == (200, "hold")
    assert (after.status, after.object()["toxic"]) == (200, None)


@pytest.mark.parametrize(
    ("method", "path", "document", "status"),
    [
        ("GET", "/", {}, 404),
        ("GET", "/toxic", {}, 404),
        ("PUT", "/state", {"kind": "hold", "seconds": 1}, 404),
        ("PUT", "/toxic", {"kind": "drop", "seconds": 1}, 400),
        ("PUT", "/toxic", {"kind": "hold"}, 400),
        ("PUT", "/toxic", {"kind": "hold", "seconds": 1, "for": "ever"}, 400),
        ("PUT", "/toxic", {"kind": "hold", "seconds": 10**9}, 400),
        ("PUT", "/toxic", {"kind": "hold", "seconds": 1, "share": 0}, 400),
        ("PUT", "/toxic", {"kind": "latency", "seconds": 1}, 400),
        ("PUT", "/toxic", [], 400),
    ],
)
def test_what_it_does_not_know_changes_nothing(
    control: ThreadingHTTPServer,
    shop: Shop,
    method: str,
    path: str,
    document: object,
    status: int,
) -> None:
    content = json.dumps(document).encode()
    answer = ask(method, url(control) + path, content=content, timeout_seconds=10)

    assert answer.status == status
    assert shop.gate.rule().toxic is None


def test_where_it_leads_is_read_from_one_word() -> None:
    assert parse_forwarding("8080=gateway.ns.svc:80") == Forwarding(8080, "gateway.ns.svc", 80)
    for text in ("8080", "8080=80", "http=gateway:80", "8080=gateway:http"):
        with pytest.raises(ValueError, match=r"is not PORT|invalid literal"):
            parse_forwarding(text)
