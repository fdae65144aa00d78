"""Every signature and every body an honest or a hostile sender may bring to the receiver.

Exact status and exact body; whatever is refused leaves no row.
"""

from __future__ import annotations

import json
import time
from typing import Any
from uuid import uuid4

import pytest
from stack_webhooks import (
    BAD_BODY,
    INVALID,
    MISSING,
    PATH,
    RECEIVED,
    TOLERANCE,
    Sender,
    encoded,
    raw_exchange,
    signature,
)

NOW = int(time.time())
BODY = encoded()
GOOD_HEX = signature(BODY, t=str(NOW)).split("v1=")[1]
ARABIC = str(NOW).translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩"))

# Headers over BODY that are refused, with the exact body of the refusal.
REFUSED_HEADERS: list[tuple[str, str | bytes | None, bytes]] = [
    ("no header", None, MISSING),
    ("empty header", "", MISSING),
    ("garbage", "garbage", INVALID),
    ("no timestamp", f"v1={GOOD_HEX}", INVALID),
    ("no signature", f"t={NOW}", INVALID),
    ("only v0", f"t={NOW},v0={GOOD_HEX}", INVALID),
    ("space after the comma", f"t={NOW}, v1={GOOD_HEX}", INVALID),
    ("space in t", signature(BODY, t=f" {NOW}"), INVALID),
    ("plus in t", signature(BODY, t=f"+{NOW}"), INVALID),
    ("zeros before t", signature(BODY, t=f"00{NOW}"), INVALID),
    ("underscore in t", signature(BODY, t="1_7" + str(NOW)[2:]), INVALID),
    ("Arabic digits", f"t={ARABIC},v1={GOOD_HEX}".encode(), INVALID),
    ("float t", signature(BODY, t=f"{NOW}.5"), INVALID),
    ("negative t", signature(BODY, t=f"-{NOW}"), INVALID),
    ("5,000 digits", signature(BODY, t="9" * 5000), INVALID),
    ("two timestamps", f"t={NOW},t={NOW - 400},v1={GOOD_HEX}", INVALID),
    ("not ASCII in v1", f"t={NOW},v1=é".encode(), INVALID),
    ("suffix on v1", f"t={NOW},v1={GOOD_HEX}=x", INVALID),
    ("17 items", ",".join([f"t={NOW}", *[f"v1={GOOD_HEX}"] * 16]), INVALID),
    ("empty v1", f"t={NOW},v1=", INVALID),
    ("63 hex", f"t={NOW},v1={GOOD_HEX[:-1]}", INVALID),
    ("65 hex", f"t={NOW},v1={GOOD_HEX}0", INVALID),
    ("upper case", f"t={NOW},v1=A{GOOD_HEX[1:].upper()}", INVALID),
    ("old secret", signature(BODY, secret="whsec_rotated_out"), INVALID),
    ("other body", signature(b"{}"), INVALID),
]


@pytest.mark.parametrize(
    ("header", "answer"),
    [(header, answer) for _, header, answer in REFUSED_HEADERS],
    ids=[name for name, _, _ in REFUSED_HEADERS],
)
def test_a_request_without_a_sound_signature_is_refused_and_leaves_no_row(
    sender: Sender, header: str | bytes | None, answer: bytes
) -> None:
    before = sender.rows()

    got = sender.post(BODY, header)

    assert (got.status, got.body) == (400, answer)
    assert got.headers["Content-Type"] == "application/json"
    assert sender.rows() == before


@pytest.mark.parametrize(
    "offset",
    [-301, -86_400, 330, 31_536_000],
    ids=["301 s old", "a day old", "330 s ahead", "a year ahead"],
)
def test_a_genuine_signature_outside_the_tolerance_is_refused_and_leaves_no_row(
    sender: Sender, offset: int
) -> None:
    body = encoded()

    got = sender.post(body, signature(body, offset=offset))

    assert (got.status, got.body) == (400, TOLERANCE)
    assert sender.stored(body) == 0


def test_two_signature_lines_are_malformed(sender: Sender) -> None:
    body = encoded()
    line = signature(body)
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    lines = f"Stripe-Signature: {line}\r\nStripe-Signature: {line}\r\n"
    length = f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"

    raw = raw_exchange(sender.stack, (head + lines + length).encode() + body)

    assert raw.startswith(b"HTTP/1.1 400 ")
    assert raw.endswith(INVALID)
    assert sender.stored(body) == 0


@pytest.mark.parametrize("offset", [0, -290, 290], ids=["now", "290 s old", "290 s ahead"])
def test_a_genuine_event_within_the_tolerance_is_stored_once(sender: Sender, offset: int) -> None:
    body = encoded()

    got = sender.post(body, signature(body, offset=offset))

    assert (got.status, got.body) == (200, RECEIVED)
    assert sender.stored(body) == 1


def test_one_good_signature_beside_a_bad_one_is_enough(sender: Sender) -> None:
    body = encoded()

    got = sender.post(body, signature(body) + f",v1={'0' * 64}")

    assert (got.status, got.body) == (200, RECEIVED)


def test_an_exact_replay_has_no_second_effect(sender: Sender) -> None:
    body = encoded()
    header = signature(body)

    answers = [sender.post(body, header) for _ in range(3)]

    assert [(answer.status, answer.body) for answer in answers] == [(200, RECEIVED)] * 3
    assert sender.stored(body) == 1


def test_the_same_id_with_another_body_is_quarantined_and_the_first_wins(sender: Sender) -> None:
    first = encoded()
    second = encoded(id=json.loads(first)["id"], note="other")
    sender.post(first, signature(first))

    got = sender.post(second, signature(second))

    assert (got.status, got.body) == (200, RECEIVED)
    assert (sender.stored(first), sender.stored(second)) == (1, 0)
    assert sender.quarantined(second) == ["same_id_other_body"]


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body[:-1] + b" ",
        lambda body: body + b"\n",
        lambda body: body.replace(b" ", b""),
    ],
    ids=["one byte", "trailing newline", "serialised anew"],
)
def test_a_body_that_is_not_byte_for_byte_the_signed_one_is_refused(
    sender: Sender, change: Any
) -> None:
    body = encoded()
    before = sender.rows()

    got = sender.post(change(body), signature(body))

    assert (got.status, got.body) == (400, INVALID)
    assert sender.rows() == before


@pytest.mark.parametrize(
    "body",
    [
        b"\xff\xfe\xfa",
        b"\xef\xbb\xbf" + encoded(),
        b"{",
        b"",
        b'{"a":NaN}',
        b'{"id":"evt_1","id":"evt_2"}',
        b'{"a":' + b"9" * 5000 + b"}",
        b"[" * 5_000 + b"]" * 5_000,
        b"[" * 100_000 + b"]" * 100_000,
    ],
    ids=[
        *("invalid UTF-8", "BOM", "cut", "empty", "NaN", "duplicate keys"),
        *("5,000 digits", "depth 5,000", "depth 100,000"),
    ],
)
def test_a_signed_body_that_is_no_strict_json_is_refused_and_leaves_no_row(
    sender: Sender, body: bytes
) -> None:
    before = sender.rows()

    got = sender.post(body, signature(body))

    assert (got.status, got.body) == (400, BAD_BODY)
    assert sender.rows() == before


def test_an_unsigned_body_that_is_not_utf8_is_an_invalid_signature(sender: Sender) -> None:
    got = sender.post(b"\xff\xfe", signature(b"other"))

    assert (got.status, got.body) == (400, INVALID)


@pytest.mark.parametrize(
    ("make_body", "reason"),
    [
        (lambda: b'["%s"]' % uuid4().hex.encode(), "not_an_object"),
        (lambda: b'"%d"' % time.time_ns(), "not_an_object"),
        (lambda: b"%d" % (time.time_ns() % 2**50), "not_an_object"),
        (lambda: encoded(note="a\x00b"), "unstorable_text"),
        (lambda: encoded(note="\ud800"), "unstorable_text"),
        (lambda: encoded(id=None, n=time.time_ns() % 2**50), "no_event_id"),
        (lambda: encoded(type=None), "not_an_event"),
        (lambda: encoded(object="charge"), "not_an_event"),
        (lambda: encoded(data=None), "no_object"),
    ],
    ids=["array", "text", "number", "NUL", "surrogate", "no id", "no type", "object", "no data"],
)
def test_a_signed_body_that_is_odd_is_kept_in_quarantine(
    sender: Sender, make_body: Any, reason: str
) -> None:
    body = make_body()

    got = sender.post(body, signature(body))

    assert (got.status, got.body) == (200, RECEIVED)
    assert sender.quarantined(body) == [reason]
    assert sender.stored(body) == 0


def test_a_thin_event_is_received_and_ignored(sender: Sender) -> None:
    body = encoded(object="v2.core.event")
    before = sender.rows()

    got = sender.post(body, signature(body))

    assert (got.status, got.body) == (200, RECEIVED)
    assert sender.rows() == before


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"livemode": True}, "livemode"), ({"account": "acct_other"}, "other_account")],
)
def test_an_event_of_another_world_is_quarantined_without_effect(
    sender: Sender, changes: dict[str, Any], reason: str
) -> None:
    body = encoded(type="payment_intent.succeeded", **changes)

    got = sender.post(body, signature(body))

    assert (got.status, got.body) == (200, RECEIVED)
    assert sender.quarantined(body) == [reason]
