"""Whose webhook is believed: every header an honest or a hostile sender may send.

Signatures are made here by an HMAC of our own, not by the code under test.
"""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stripe import WebhookSignature

from runtime.domain.signature import Verified, verify

NOW = 1_760_000_000
SECRET = "whsec_test_current"
OLD_SECRET = "whsec_test_rotated_out"
BODY = b'{"id":"evt_1","object":"event"}'


def mac(timestamp: str, body: bytes = BODY, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def verdict(header: str | bytes, body: bytes = BODY) -> Verified:
    raw = header if isinstance(header, bytes) else header.encode()
    return verify([raw], body, [SECRET], NOW)


GOOD = f"t={NOW},v1={mac(str(NOW))}"


def test_a_good_signature_is_genuine() -> None:
    assert verdict(GOOD) is Verified.GENUINE


def test_the_known_answer_of_an_independent_calculation_is_accepted() -> None:
    # echo -n '1492774577.{"id":"evt_1"}' | openssl dgst -sha256 -hmac whsec_known
    known = "e0b261683dfb202a77829e3fb7030c0f3d00ad950248c5f646db627abb2c5c09"
    header = f"t=1492774577,v1={known}".encode()

    assert verify([header], b'{"id":"evt_1"}', ["whsec_known"], 1492774577) is Verified.GENUINE


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ([], "signature_missing"),
        ([b""], "signature_missing"),
        ([GOOD.encode(), GOOD.encode()], "signature_malformed"),
    ],
    ids=["no header", "empty header", "header twice"],
)
def test_there_must_be_exactly_one_header(headers: list[bytes], code: str) -> None:
    assert verify(headers, BODY, [SECRET], NOW) == code


@pytest.mark.parametrize(
    "header",
    [
        "garbage",
        f"v1={mac(str(NOW))}",
        f"t={NOW}",
        f"t={NOW},v2={mac(str(NOW))}",
        f"t={NOW}, v1={mac(str(NOW))}",
        f"t= {NOW},v1={mac(' ' + str(NOW))}",
        f"t=+{NOW},v1={mac('+' + str(NOW))}",
        f"t=00{NOW},v1={mac('00' + str(NOW))}",
        f"t=1_760_000_000,v1={mac('1_760_000_000')}",
        f"t=-{NOW},v1={mac('-' + str(NOW))}",
        f"t={NOW}.0,v1={mac(str(NOW) + '.0')}",
        f"t={'9' * 5000},v1={mac('9' * 5000)}",
        f"t=,v1={mac('')}",
        f"t={NOW},t={NOW - 400},v1={mac(str(NOW))}",
        f"t={NOW},v1={mac(str(NOW))}=x",
        f"t={NOW},v1={mac(str(NOW))},",
        f",t={NOW},v1={mac(str(NOW))}",
        ",".join([f"t={NOW}", *[f"v1={mac(str(NOW))}"] * 16]),
        f"t={NOW},v1={mac(str(NOW))},x={'a' * 5000}",
    ],
    ids=lambda header: header[:24],
)
def test_a_header_stripe_would_never_send_is_malformed(header: str) -> None:
    assert verdict(header) is Verified.MALFORMED


def test_arabic_digits_are_malformed() -> None:
    arabic = str(NOW).translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩"))

    assert verdict(f"t={arabic},v1={mac(arabic)}") is Verified.MALFORMED


def test_a_signature_that_is_not_ascii_is_malformed_and_raises_nothing() -> None:
    assert verdict(f"t={NOW},v1=é{mac(str(NOW))[1:]}") is Verified.MALFORMED


@pytest.mark.parametrize(
    "header",
    [
        f"t={NOW},v0={mac(str(NOW))}",
        f"t={NOW},v1={mac(str(NOW), BODY + b' ')}",
        f"t={NOW},v1={mac(str(NOW), secret=OLD_SECRET)}",
        f"t={NOW},v1={mac(str(NOW - 1))}",
        f"t={NOW},v1=",
        f"t={NOW},v1={mac(str(NOW))[:-1]}",
        f"t={NOW},v1={mac(str(NOW))}0",
        f"t={NOW},v1={mac(str(NOW)).upper()}",
    ],
    ids=[
        "only v0",
        "another body",
        "old secret",
        "another timestamp",
        "empty",
        "63 hex",
        "65 hex",
        "upper case",
    ],
)
def test_a_signature_that_does_not_match_is_invalid(header: str) -> None:
    assert verdict(header) is Verified.INVALID


@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        (0, Verified.GENUINE),
        (-299, Verified.GENUINE),
        (-300, Verified.GENUINE),
        (-301, Verified.EXPIRED),
        (-86_400, Verified.EXPIRED),
        (299, Verified.GENUINE),
        (300, Verified.GENUINE),
        (301, Verified.FUTURE),
        (365 * 86_400, Verified.FUTURE),
    ],
)
def test_the_timestamp_may_be_300_seconds_off_either_way(offset: int, expected: Verified) -> None:
    timestamp = str(NOW + offset)

    assert verdict(f"t={timestamp},v1={mac(timestamp)}") is expected


def test_a_stale_forgery_is_told_nothing_about_its_age() -> None:
    timestamp = str(NOW - 400)

    assert verdict(f"t={timestamp},v1={'0' * 64}") is Verified.INVALID


def test_one_good_signature_among_bad_ones_is_enough() -> None:
    assert verdict(f"t={NOW},v1={'0' * 64},v1={mac(str(NOW))}") is Verified.GENUINE


def test_a_good_v1_beside_a_v0_is_genuine() -> None:
    assert verdict(f"t={NOW},v1={mac(str(NOW))},v0={'0' * 64}") is Verified.GENUINE


def test_during_a_rotation_either_secret_is_believed() -> None:
    header = f"t={NOW},v1={mac(str(NOW), secret=OLD_SECRET)}".encode()

    assert verify([header], BODY, [SECRET, OLD_SECRET], NOW) is Verified.GENUINE
    assert verify([header], BODY, [SECRET], NOW) is Verified.INVALID


@pytest.mark.parametrize(
    "body", [BODY[:-1] + b"]", BODY + b"\n", b'{"id": "evt_1", "object": "event"}', b""]
)
def test_the_signature_is_over_the_raw_bytes(body: bytes) -> None:
    assert verdict(GOOD, body) is Verified.INVALID


def test_an_unsigned_body_that_is_not_utf8_is_invalid_and_raises_nothing() -> None:
    assert verdict(GOOD, b"\xff\xfe") is Verified.INVALID


def test_a_signed_body_that_is_not_utf8_is_genuine_bytes() -> None:
    body = b"\xff\xfe"

    assert verdict(f"t={NOW},v1={mac(str(NOW), body)}", body) is Verified.GENUINE


@settings(max_examples=300, deadline=None)
@given(header=st.binary(max_size=200), body=st.binary(max_size=50))
def test_no_header_ever_raises_or_is_believed_by_chance(header: bytes, body: bytes) -> None:
    assert verify([header], body, [SECRET], NOW) is not Verified.GENUINE


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=200), offset=st.integers(-300, 300))
def test_whatever_we_believe_stripes_own_library_believes_too(text: str, offset: int) -> None:
    timestamp = str(NOW + offset)
    header = f"t={timestamp},v1={mac(timestamp, text.encode())}"

    ours = verify([header.encode()], text.encode(), [SECRET], NOW)

    assert ours is Verified.GENUINE
    assert WebhookSignature.verify_header(text, header, SECRET, tolerance=None)
