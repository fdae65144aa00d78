"""What the tap reads from the bytes that go through it, however they are cut."""

from __future__ import annotations

import gzip
import json

import pytest

from bookpayctl.stripe_tap.answers import Answer, AnswerStream
from bookpayctl.stripe_tap.requests import Request, RequestStream

POST = (
    b"POST /v1/payment_intents HTTP/1.1\r\nHost: 127.0.0.1:9\r\nIdempotency-Key: k1\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 10\r\n\r\namount=100"
)
GET = b"GET /v1/charges?limit=1 HTTP/1.1\r\nhost: 127.0.0.1:9\r\n\r\n"
CHUNKED = (
    b"POST /v1/refunds HTTP/1.1\r\nHost: 127.0.0.1:9\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"6;note=x\r\namount\r\n4\r\n=100\r\n0\r\nTrailer: x\r\n\r\n"
)
ELSEWHERE = b"api.stripe.com"


def passed(data: bytes, cut: int) -> tuple[bytes, list[Request]]:
    """The bytes that go on and the requests that were seen, fed in pieces of `cut` bytes."""
    stream = RequestStream("api.stripe.com")
    sent, requests = b"", []
    for start in range(0, len(data), cut):
        for piece, request in stream.feed(data[start : start + cut]):
            sent += piece
            requests += [] if request is None else [request]
    return sent, requests


@pytest.mark.parametrize("cut", [1, 2, 7, 60, 10_000])
def test_every_byte_but_the_host_goes_on_as_it_came(cut: int) -> None:
    data = POST + GET + CHUNKED + POST

    sent, requests = passed(data, cut)

    assert sent == data.replace(b"127.0.0.1:9", ELSEWHERE)
    assert [(r.method, r.target) for r in requests] == [
        ("POST", "/v1/payment_intents"),
        ("GET", "/v1/charges?limit=1"),
        ("POST", "/v1/refunds"),
        ("POST", "/v1/payment_intents"),
    ]
    assert [r.body for r in requests] == [b"amount=100", b"", b"amount=100", b"amount=100"]
    assert requests[0].headers["idempotency-key"] == "k1"


def test_a_request_is_complete_with_its_last_byte_and_not_before() -> None:
    stream = RequestStream("api.stripe.com")

    before = list(stream.feed(POST[:-1]))
    last = list(stream.feed(POST[-1:]))

    assert [request for _, request in before] == [None, None]
    assert last[0][0] == b"0"
    assert last[0][1] is not None


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 no HTTP at all\r\n\r\n and more",
        b"POST / HTTP/1.1\r\nContent-Length: 1x\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc",
        b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n\x81\x00",
        b"X" * 100_000,
    ],
)
@pytest.mark.parametrize("cut", [1, 1_000])
def test_what_cannot_be_read_goes_through_unread(data: bytes, cut: int) -> None:
    sent, requests = passed(data, cut)

    assert sent == data
    assert requests == []


def test_a_body_too_long_to_be_kept_goes_through_whole() -> None:
    body = b"a" * 200_000
    head = b"POST / HTTP/1.1\r\nContent-Length: 200000\r\n\r\n"

    sent, (request,) = passed(head + body, 65_536)

    assert sent == head + body
    assert not request.whole
    assert len(request.body) < len(body)


def answer(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


def seen(data: bytes, cut: int = 7) -> list[Answer]:
    stream = AnswerStream()
    found = []
    for start in range(0, len(data), cut):
        found += stream.feed(data[start : start + cut])
    return [*found, *stream.end()]


BODY = json.dumps({"id": "pi_1", "object": "payment_intent"}).encode()


def test_an_answer_tells_its_request_and_its_object() -> None:
    data = answer(BODY, "Request-Id: req_1", "Idempotent-Replayed: true")

    assert seen(data * 2) == [Answer(200, "req_1", True, "pi_1")] * 2


def test_a_decline_names_the_payment_intent_that_it_made() -> None:
    body = json.dumps({"error": {"code": "card_declined", "payment_intent": {"id": "pi_2"}}})

    assert seen(answer(body.encode(), status="402 Payment Required"))[0].object_id == "pi_2"


def test_an_answer_in_chunks_one_that_is_packed_and_one_without_a_length_are_read() -> None:
    chunked = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        + f"{len(BODY):x}\r\n".encode()
        + BODY
        + b"\r\n0\r\n\r\n"
    )
    endless = b"HTTP/1.1 200 OK\r\nRequest-Id: req_9\r\n\r\n" + BODY

    assert seen(chunked)[0].object_id == "pi_1"
    assert seen(answer(gzip.compress(BODY), "Content-Encoding: gzip"))[0].object_id == "pi_1"
    assert seen(endless) == [Answer(200, "req_9", False, "pi_1")]


def test_an_interim_answer_is_not_the_answer() -> None:
    data = b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" + answer(BODY)

    assert [found.status for found in seen(data)] == [200]


@pytest.mark.parametrize("data", [b"<html>not http</html>", answer(BODY)[:-1], b""])
def test_a_broken_answer_is_none(data: bytes) -> None:
    assert seen(data) == []
