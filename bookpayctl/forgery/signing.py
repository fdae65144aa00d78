"""Signing a webhook body as Stripe does: for the control that must be accepted, and for forgeries.

Pure; the time is an argument.
"""

from __future__ import annotations

import hashlib
import hmac


def stripe_signature(body: bytes, *, secret: str, at: int) -> str:
    """The Stripe-Signature header of `body`, signed at `at` (seconds since the epoch).

    Source:
        Stripe manual, "Verify webhook signatures manually": HMAC-SHA256 over `t.body`, keyed by
        the whole `whsec_...` text.
    """
    signed = f"{at}.".encode() + body
    return f"t={at},v1={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"
