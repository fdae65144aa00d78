"""An answer that did not come says whether the request can have arrived."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from bookpayctl.clients.http import HttpAnswer, HttpClient, NoAnswer
from bookpayctl.clients.load_http import LoadHttpClient
from bookpayctl.clients.orders_api import OrdersApi, Outcome

Client = HttpClient | LoadHttpClient
Make = Callable[[], Client]

MAKERS: dict[str, Make] = {
    "httpx": lambda: HttpClient(timeout_seconds=3.0),
    "load": lambda: LoadHttpClient(timeout_seconds=3.0, headers={}),
}


@contextmanager
def server(answer: bytes | None) -> Iterator[str]:
    """Reads one request and sends `answer`, or nothing at all; then closes the connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(5.0)
                connection.recv(65_536)
                if answer is None:
                    # Held until the client has given up and closed.
                    connection.recv(1)
                else:
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/orders"
        finally:
            thread.join()


@pytest.fixture(params=MAKERS.values(), ids=list(MAKERS))
def client(request: pytest.FixtureRequest) -> Client:
    made: Client = request.param()
    return made


def ask(client: Client, url: str) -> HttpAnswer:
    return client.request("POST", url, document={"a": 1})


def test_an_answer_is_an_answer_whatever_its_status(client: Client) -> None:
    body = b'{"code":"out_of_stock"}'
    head = b"HTTP/1.1 409 Conflict\r\nX-Seen: yes\r\nContent-Length: 23\r\n\r\n"

    with server(head + body) as url:
        answer = ask(client, url)

    assert (answer.status, answer.missing, answer.ok) == (409, None, False)
    assert answer.object() == {"code": "out_of_stock"}
    assert answer.headers["x-seen"] == "yes"


def test_a_page_instead_of_json_is_an_answer_without_an_object(client: Client) -> None:
    with server(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 6\r\n\r\n<html>") as url:
        answer = ask(client, url)

    assert (answer.status, answer.object(), answer.text) == (502, {}, "<html>")


def test_a_redirect_is_not_followed(client: Client) -> None:
    head = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"

    with server(head) as url:
        answer = ask(client, url)

    assert answer.status == 302


def test_where_nobody_listens_nothing_was_sent(client: Client) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    answer = ask(client, f"http://127.0.0.1:{port}/orders")

    assert (answer.status, answer.missing) == (None, NoAnswer.NOT_SENT)
    assert answer.error


@pytest.mark.parametrize("cut", [b"", b"no HTTP at all\r\n\r\n"])
def test_a_connection_that_ends_without_an_answer_is_unknown(client: Client, cut: bytes) -> None:
    with server(cut) as url:
        answer = ask(client, url)

    assert (answer.status, answer.missing) == (None, NoAnswer.UNKNOWN)


@pytest.mark.parametrize("under_load", [False, True])
@pytest.mark.parametrize(
    "cut", [b"HTTP/1.1 201 Cre", b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}"]
)
def test_a_success_that_names_no_order_is_unknown(cut: bytes, under_load: bool) -> None:
    """urllib3 believes a head that was cut; what it cannot read is the order."""
    with server(cut) as url:
        api = OrdersApi(url, "token", timeout_seconds=3.0, under_load=under_load)
        end = api.place({}, client_key="k").call_end()

    assert end.outcome is Outcome.UNKNOWN
    assert end.order_id is None


def test_silence_is_unknown(client: Client) -> None:
    with server(None) as url:
        answer = ask(client, url)

    assert (answer.status, answer.missing) == (None, NoAnswer.UNKNOWN)


def test_no_proxy_of_the_shell_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")

    with server(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as url:
        answer = ask(HttpClient(timeout_seconds=3.0), url)

    assert answer.status == 200
