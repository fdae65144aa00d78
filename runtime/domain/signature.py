"""Verifying a Stripe-Signature header over the raw body, pure.

Stricter than the SDK: the header's shape is checked before any arithmetic, a timestamp from the
future is as wrong as one from the past, and nothing an attacker sends raises. Only `v1` counts.

Source:
    Stripe docs, "Verify webhook signatures manually": HMAC-SHA256 of "<t>.<body>" keyed with the
    whole whsec_ string, lower-case hex; tolerance 300 s.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

TOLERANCE_SECONDS: Final = 300
HEADER_BYTES_MAX: Final = 4096
ITEMS_MAX: Final = 16

# Eleven digits last for three thousand years; without a bound int() would work for a stranger.
_TIMESTAMP = re.compile(r"[1-9][0-9]{0,10}", re.ASCII)
_ITEM = re.compile(r"[A-Za-z0-9_]+=[!-+\--<>-~]*", re.ASCII)


class Verified(StrEnum):
    """Whether the body may be believed; the values are the refusals' stable codes."""

    GENUINE = "genuine"
    MISSING = "signature_missing"
    MALFORMED = "signature_malformed"
    INVALID = "signature_invalid"
    EXPIRED = "signature_expired"
    FUTURE = "signature_future"


def verify(
    headers: Sequence[bytes], body: bytes, secrets: Sequence[str], now_seconds: float
) -> Verified:
    """Verify a request.

    Args:
        headers: every Stripe-Signature line of the request, raw.
        secrets: every active signing secret; one match is enough.
        now_seconds: wall time, Unix seconds.
    """
    if not headers or headers == [b""]:
        return Verified.MISSING
    if len(headers) > 1 or len(headers[0]) > HEADER_BYTES_MAX:
        return Verified.MALFORMED
    parsed = _parse(headers[0])
    if parsed is None:
        return Verified.MALFORMED
    timestamp, signatures = parsed
    # The signature before the clock: only who knows the secret learns that his time is off.
    if not _any_match(timestamp, body, signatures, secrets):
        return Verified.INVALID
    age = now_seconds - int(timestamp)
    if age > TOLERANCE_SECONDS:
        return Verified.EXPIRED
    if age < -TOLERANCE_SECONDS:
        return Verified.FUTURE
    return Verified.GENUINE


def _parse(header: bytes) -> tuple[str, list[str]] | None:
    """The timestamp and the v1 signatures; None for a header Stripe would never send."""
    try:
        text = header.decode("ascii")
    except UnicodeDecodeError:
        return None
    items = text.split(",")
    if len(items) > ITEMS_MAX or not all(_ITEM.fullmatch(item) for item in items):
        return None
    pairs = [tuple(item.split("=", 1)) for item in items]
    timestamps = [value for name, value in pairs if name == "t"]
    # v0 is counted to tell a header of Stripe's test mode from a broken one; it never matches.
    signed = [value for name, value in pairs if name in ("v0", "v1")]
    # Two timestamps would leave open which one was signed.
    if len(timestamps) != 1 or not _TIMESTAMP.fullmatch(timestamps[0]) or not signed:
        return None
    return timestamps[0], [value for name, value in pairs if name == "v1"]


def _any_match(
    timestamp: str, body: bytes, signatures: Sequence[str], secrets: Sequence[str]
) -> bool:
    """Compare every signature with every secret's, without stopping at the first match."""
    signed = timestamp.encode() + b"." + body
    matches = 0
    for secret in secrets:
        expected = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest().encode()
        for signature in signatures:
            # Added up, not returned: the time it takes must not tell which secret or signature
            # fitted.
            matches += hmac.compare_digest(expected, signature.encode())
    return matches > 0
