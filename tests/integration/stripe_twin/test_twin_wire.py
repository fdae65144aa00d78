"""HTTP as bytes: what well-behaved libraries never send, and what the twin makes of it."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.twin import TwinProcess, new_key
from tests.support.waiting import eventually

FORM = b"amount=700&currency=usd"


def head(key: str, *more: str, path: str = "/v1/payment_intents") -> bytes:
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: twin",
        "Authorization: Bearer sk_test_suite",
        "Content-Type: application/x-www-form-urlencoded",
        f"Idempotency-Key: {key}",
        *more,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


@pytest.fixture
def wire(twin: TwinProcess) -> Iterator[socket.socket]:
    parts = urlsplit(twin.api)
    with socket.create_connection((parts.hostname, parts.port), timeout=15) as connection:
        yield connection


def read_answer(reader: Any) -> tuple[int, dict[str, Any]]:
    status = int(reader.readline().split()[1])
    length = 0
    while (line := reader.readline().strip()) != b"":
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    return status, json.loads(reader.read(length)) if length else {}


def test_pipelined_requests_are_answered_in_order(twin: TwinProcess, wire: socket.socket) -> None:
    keys = [new_key() for _ in range(5)]
    requests = [head(key, f"Content-Length: {len(FORM)}") + FORM for key in keys]

    wire.sendall(b"".join(requests))
    reader = wire.makefile("rb")
    answers = [read_answer(reader) for _ in keys]

    rows = [twin.rows(f"/requests?key={key}")[0]["object_id"] for key in keys]
    assert [status for status, _ in answers] == [200] * 5
    assert [body["id"] for _, body in answers] == rows


def test_a_chunked_body_is_one_body(wire: socket.socket) -> None:
    pieces = [FORM[:5], FORM[5:]]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)

    wire.sendall(head(new_key(), "Transfer-Encoding: chunked") + chunks + b"0\r\n\r\n")

    assert read_answer(wire.makefile("rb"))[0] == 200


def test_a_body_may_come_byte_by_byte(wire: socket.socket) -> None:
    for byte in head(new_key(), f"Content-Length: {len(FORM)}") + FORM:
        wire.sendall(bytes([byte]))

    assert read_answer(wire.makefile("rb"))[0] == 200


def test_a_client_that_expects_to_continue_is_told_to(wire: socket.socket) -> None:
    wire.sendall(head(new_key(), f"Content-Length: {len(FORM)}", "Expect: 100-continue"))
    reader = wire.makefile("rb")
    told = reader.readline()
    reader.readline()

    wire.sendall(FORM)

    assert told == b"HTTP/1.1 100 Continue\r\n"
    assert read_answer(reader)[0] == 200


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (head(new_key(), f"X-Long: {'x' * 70_000}", "Content-Length: 0"), 413),
        (head(new_key(), "Content-Length: 3000000") + b"x" * 3_000_000, 413),
    ],
)
def test_what_is_no_request_is_refused_and_the_connection_ends(
    wire: socket.socket, sent: bytes, status: int
) -> None:
    wire.sendall(sent)
    reader = wire.makefile("rb")

    answer = read_answer(reader)

    assert answer[0] == status
    assert reader.read() == b""


def test_a_charge_is_made_although_the_client_left(twin: TwinProcess, wire: socket.socket) -> None:
    key = new_key()
    form = (
        b"amount=700&currency=usd&confirm=true&payment_method=pm_card_visa"
        b"&payment_method_types[]=card"
    )
    fault = twin.fault("slow", count=1, match={"key": key}, numbers={"seconds": 2})
    wire.sendall(head(key, f"Content-Length: {len(form)}") + form)
    eventually(lambda: twin.rows(f"/fault-hits?fault_id={fault}"), "the request is under way")

    wire.close()

    rows = eventually(lambda: twin.rows(f"/requests?key={key}"), "the request is over")
    outcome = eventually(
        lambda: twin.rows(f"/requests?key={key}")[0]["delivered"], "what became of the answer"
    )
    assert (rows[0]["status"], rows[0]["executed"]) == (200, True)
    assert outcome == "client_gone"
    assert [row["kind"] for row in twin.rows(f"/executions?key={key}")] == ["charge"]
