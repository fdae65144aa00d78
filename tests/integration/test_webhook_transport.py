"""What the receiver refuses before it looks at a signature: method, path, type, size, pace."""

from __future__ import annotations

import time

import pytest
from stack_webhooks import (
    PATH,
    Sender,
    encoded,
    raw_exchange,
    signature,
)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "PATCH", "HEAD"])
def test_only_post_is_taken(sender: Sender, method: str) -> None:
    got = sender.request(method, PATH, None, {})

    assert (got.status, got.headers["Allow"]) == (405, "POST")
    assert got.body in (b'{"error":"method not allowed"}', b"")


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/stripe/webhook/", "/stripe//webhook", "//stripe/webhook", "/stripe/webhook/..;/"),
        *("/stripe/%2e/webhook", "/webhooks/stripe", "/stripe/webhookx", "/docs", "/admin"),
    ],
)
def test_every_other_path_is_not_there(sender: Sender, path: str) -> None:
    body = encoded()

    raw = raw_exchange(
        sender.stack,
        f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Stripe-Signature: {signature(body)}\r\nContent-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n".encode()
        + body,
    )

    assert raw.startswith(b"HTTP/1.1 404 ")
    assert raw.endswith(b'{"error":"not found"}')
    assert sender.stored(body) == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": ""},
        {"Content-Encoding": "gzip"},
    ],
    ids=str,
)
def test_a_body_of_another_type_is_refused(sender: Sender, headers: dict[str, str]) -> None:
    body = encoded()

    got = sender.post(body, signature(body), **headers)

    assert (got.status, got.body) == (415, b'{"error":"unsupported media type"}')
    assert sender.stored(body) == 0


def test_a_charset_beside_the_type_is_fine(sender: Sender) -> None:
    body = encoded()

    got = sender.post(body, signature(body), **{"Content-Type": "application/json; charset=utf-8"})

    assert got.status == 200


def test_a_body_over_one_mebibyte_is_refused(sender: Sender) -> None:
    body = b" " * (1024 * 1024 + 1)

    got = sender.post(body, signature(body))

    assert (got.status, got.body) == (413, b'{"error":"body too large"}')


def test_an_endless_chunked_body_is_cut_off_at_one_mebibyte(sender: Sender) -> None:
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Stripe-Signature: {signature(b'x')}\r\nTransfer-Encoding: chunked\r\n\r\n"
    ).encode()
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"

    raw = raw_exchange(sender.stack, head + chunk * 20)

    assert raw.startswith(b"HTTP/1.1 413 ")


def test_a_sender_of_one_byte_a_second_is_told_to_go_within_ten_seconds(sender: Sender) -> None:
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Stripe-Signature: {signature(b'x')}\r\nContent-Length: 1000\r\n\r\n{{"
    ).encode()
    began = time.monotonic()

    raw = raw_exchange(sender.stack, head)

    assert raw.startswith(b"HTTP/1.1 408 ")
    assert b'{"error":"request timeout"}' in raw
    assert time.monotonic() - began < 12


@pytest.mark.parametrize("size", [64 * 1024, 1024 * 1024], ids=["64 KiB", "1 MiB"])
def test_a_giant_signature_header_is_refused_quickly(sender: Sender, size: int) -> None:
    giant = ",".join([f"t={int(time.time())}", *["v1=" + "0" * 64] * (size // 68)])
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Stripe-Signature: {giant}\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}"
    ).encode()
    began = time.monotonic()

    raw = raw_exchange(sender.stack, head)

    assert raw == b"" or raw.split(b" ")[1] in (b"400", b"431")
    assert time.monotonic() - began < 5


def test_a_request_that_smuggles_another_is_not_understood(sender: Sender) -> None:
    body = encoded()
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Stripe-Signature: {signature(body)}\r\nContent-Length: {len(body)}\r\n"
        "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    ).encode()

    raw = raw_exchange(sender.stack, head + b"0\r\n\r\n" + body)

    assert raw == b"" or raw.split(b" ")[1] == b"400"
    assert sender.stored(body) == 0
