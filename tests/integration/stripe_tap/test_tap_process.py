"""The tap as a process between real sockets: what one side does, the other side sees."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.waiting import eventually

POST = (
    b"POST /v1/payment_intents HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk_test_topsecret\r\n"
    b"Idempotency-Key: key-1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    b"Content-Length: 51\r\n\r\namount=100&currency=usd&card[number]=42424242424242"
)
BODY = b'{"id": "pi_1"}'
WHOLE = b"HTTP/1.1 200 OK\r\nRequest-Id: req_1\r\nContent-Length: 14\r\n\r\n" + BODY
SECONDS = 30


@dataclass
class Server:
    """A server on a real socket that gives a prepared answer to each request of a connection."""

    answer: bytes
    ending: str = "keep"
    on_request: Callable[[], None] = lambda: None
    tls: ssl.SSLContext | None = None
    received: list[bytes] = field(default_factory=list)
    connections: int = 0
    errors: list[str] = field(default_factory=list)

    def __enter__(self) -> Server:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(timeout=SECONDS)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            connection.settimeout(SECONDS)
            try:
                self._talk(self.tls.wrap_socket(connection, True) if self.tls else connection)
            except OSError as error:
                self.errors.append(str(error))
                connection.close()

    def _talk(self, connection: socket.socket) -> None:
        with connection:
            while data := _read_request(connection):
                self.received.append(data)
                self.on_request()
                connection.sendall(self.answer)
                if self.ending == "fin":
                    return
                if self.ending == "reset":
                    reset_on_close(connection)
                    return


def reset_on_close(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65_536)
        if not more:
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    while len(body) < length:
        body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body


@dataclass
class Tap:
    port: int
    journal: Path
    process: subprocess.Popen[bytes]

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.journal.read_text().splitlines()]

    def ask(self, *requests: bytes) -> tuple[bytes, str]:
        """All that comes back on one connection, and how it ended: fin, reset, or open."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS) as client:
            return talk(client, *requests)


def talk(client: socket.socket, *requests: bytes) -> tuple[bytes, str]:
    received = b""
    try:
        for request in requests:
            client.sendall(request)
            more = client.recv(65_536)
            received += more
        client.settimeout(0.5)
        while more := client.recv(65_536):
            received += more
    except TimeoutError:
        return received, "open"
    except ConnectionResetError:
        return received, "reset"
    return received, "fin"


@contextmanager
def tap_before(address: str, folder: Path, **variables: str) -> Iterator[Tap]:
    journal = folder / "tap" / "journal.jsonl"
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "bookpayctl.stripe_tap", "--upstream", address),
            *("--journal", str(journal), "--port", str(port)),
        ],
        env={**os.environ, **variables},
        stderr=subprocess.PIPE,
    )

    def listens() -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", port)) == 0

    try:
        eventually(listens, "the tap listens")
        yield Tap(port, journal, process)
    finally:
        process.terminate()
        _, said = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, said.decode()
    assert b"Traceback" not in said, said.decode()


@pytest.mark.parametrize(
    ("answer", "ending"),
    [
        (WHOLE, "keep"),
        (WHOLE, "fin"),
        (WHOLE[:-3], "fin"),
        (WHOLE[:-3], "reset"),
        (b"HTTP/1.1 200 OK\r\nReq", "reset"),
        (b"<html>no HTTP</html>", "fin"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + WHOLE, "keep"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab\xffde\r\n0\r\n\r\n",
            "keep",
        ),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n<html>", "fin"),
    ],
)
def test_an_answer_comes_through_byte_by_byte_and_ends_as_it_ended(
    tmp_path: Path, answer: bytes, ending: str
) -> None:
    with (
        Server(answer, ending) as server,
        tap_before(f"http://127.0.0.1:{server.port}", tmp_path) as tap,
    ):
        with socket.create_connection(("127.0.0.1", server.port), timeout=SECONDS) as direct:
            expected = talk(direct, POST)
        through = tap.ask(POST)

    # What was on its way when a connection was reset may or may not have arrived: that is a reset.
    assert through[1] == expected[1]
    assert through[0] == answer or ending == "reset"


def test_a_connection_is_kept_and_its_requests_reach_the_server_as_they_were(
    tmp_path: Path,
) -> None:
    with Server(WHOLE) as server, tap_before(f"http://127.0.0.1:{server.port}", tmp_path) as tap:
        received, ending = tap.ask(POST, POST, POST)

    assert (received, ending) == (WHOLE * 3, "open")
    assert server.connections == 1
    host = b"Host: 127.0.0.1:%d" % server.port
    assert server.received == [POST.replace(b"Host: x", host)] * 3


def test_a_request_is_on_record_before_the_server_has_it(tmp_path: Path) -> None:
    journal = tmp_path / "tap" / "journal.jsonl"
    on_record: list[str] = []
    server = Server(WHOLE, on_request=lambda: on_record.append(journal.read_text()))

    with server, tap_before(f"http://127.0.0.1:{server.port}", tmp_path) as tap:
        tap.ask(POST)

    assert json.loads(on_record[0].splitlines()[0])["idempotency_key"] == "key-1"


def test_the_journal_has_both_sides_and_no_secret(tmp_path: Path) -> None:
    with Server(WHOLE) as server, tap_before(f"http://127.0.0.1:{server.port}", tmp_path) as tap:
        tap.ask(POST)
        request, answer = eventually(lambda: _two(tap), "both lines are written")

    assert (request["method"], request["path"]) == ("POST", "/v1/payment_intents")
    assert request["params"]["amount"] == "100"
    assert (answer["status"], answer["request_id"], answer["object_id"]) == (200, "req_1", "pi_1")
    text = tap.journal.read_text()
    assert "topsecret" not in text
    assert "4242" not in text
    assert tap.journal.stat().st_mode & 0o077 == 0


def _two(tap: Tap) -> list[dict[str, Any]] | None:
    lines = tap.lines()
    return lines if len(lines) == 2 else None


@pytest.mark.parametrize(("answer", "outcome"), [(b"", "none"), (WHOLE[:-3], "cut")])
def test_an_answer_that_did_not_come_is_on_record_as_missing(
    tmp_path: Path, answer: bytes, outcome: str
) -> None:
    server = Server(answer, "fin")

    with server, tap_before(f"http://127.0.0.1:{server.port}", tmp_path) as tap:
        tap.ask(POST)
        _, missing = eventually(lambda: _two(tap), "both lines are written")

    assert missing["outcome"] == outcome
    assert "status" not in missing


def test_a_dead_stripe_is_a_reset_and_no_answer(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]

    with tap_before(f"http://127.0.0.1:{port}", tmp_path) as tap:
        assert tap.ask(POST) == (b"", "reset")

        (line,) = tap.lines()
        assert line["event"] == "connection_failed"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for 127.0.0.1 that no authority has signed."""
    openssl = shutil.which("openssl")
    assert openssl is not None, "openssl makes the certificate of this test"
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    subprocess.run(
        [
            *(openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(path), "-out", f"{path}.crt"),
        ],
        check=True,
        capture_output=True,
    )
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


def secure(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_a_stripe_that_nobody_vouches_for_hears_nothing(tmp_path: Path, certificate: Path) -> None:
    server = Server(WHOLE, tls=secure(certificate))

    with server, tap_before(f"https://127.0.0.1:{server.port}", tmp_path) as tap:
        received, ending = tap.ask(POST)

    assert (received, ending) == (b"", "reset")
    assert server.received == []
    assert "CERTIFICATE_VERIFY_FAILED" in tap.lines()[0]["detail"]


def test_a_stripe_that_is_trusted_is_spoken_to(tmp_path: Path, certificate: Path) -> None:
    server = Server(WHOLE, tls=secure(certificate))
    trusted = {"SSL_CERT_FILE": f"{certificate}.crt"}

    with server, tap_before(f"https://127.0.0.1:{server.port}", tmp_path, **trusted) as tap:
        received, _ = tap.ask(POST)

    assert received == WHOLE


def test_a_client_that_goes_away_in_the_middle_leaves_its_request_on_record(
    tmp_path: Path,
) -> None:
    asked, leave = threading.Event(), threading.Event()

    def wait() -> None:
        asked.set()
        leave.wait(SECONDS)

    server = Server(WHOLE, on_request=wait)
    with server, tap_before(f"http://127.0.0.1:{server.port}", tmp_path) as tap:
        with socket.create_connection(("127.0.0.1", tap.port), timeout=SECONDS) as client:
            client.sendall(POST)
            assert asked.wait(SECONDS)
            reset_on_close(client)
        leave.set()
        eventually(
            lambda: "answer" in {line["event"] for line in tap.lines()}, "the request has an end"
        )

    request, *rest = tap.lines()
    assert request["event"] == "request"
    assert {line.get("outcome") for line in rest} <= {None, "none", "answered"}
