"""Stripe's signature of a webhook, by an HMAC of our own: never by the code that is on trial."""

from __future__ import annotations

import hashlib
import hmac
import time


def v1(body: bytes, *, secret: str, stamp: str) -> str:
    """The hex digest behind `v1=`: HMAC-SHA256 over the time stamp, a full stop and the body."""
    return hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def signature(body: bytes, *, secret: str, at: float | None = None) -> str:
    """The header `Stripe-Signature` as Stripe would send it `at` these seconds, by default now."""
    stamp = str(int(time.time() if at is None else at))
    return f"t={stamp},v1={v1(body, secret=secret, stamp=stamp)}"
