"""The Stripe-Signature header. Pure.

Source: docs.stripe.com/webhooks, "Verify manually": HMAC-SHA256 over `<t>.<raw body>`, keyed with
the whole secret as text, in lower-case hex; one v1 per active secret; a fake v0 in test mode.
"""

import hashlib
import hmac
from collections.abc import Sequence


def sign(secret: str, signed_at: int, body: bytes) -> str:
    """The v1 signature of a body."""
    # The raw body: parsed and written again it is another text, and fails. The secret is used as it
    # is written, `whsec_` included; it is no base64 to be decoded.
    payload = str(signed_at).encode("ascii") + b"." + body
    return hmac.new(secret.encode(), payload, hashlib.sha256).hexdigest()


def signature_header(secrets: Sequence[str], signed_at: int, body: bytes) -> str:
    """The header for these secrets, newest first."""
    # One for each secret that is still valid, so that a receiver may roll without losing an event.
    schemes = [f"v1={sign(secret, signed_at, body)}" for secret in secrets]
    return ",".join([f"t={signed_at}", *schemes, f"v0={fake_v0(signed_at, body)}"])


def fake_v0(signed_at: int, body: bytes) -> str:
    """A value that looks like a signature and is none: receivers must ignore the scheme."""
    # Stripe sends such a thing with test-mode events. A receiver that takes any scheme for a
    # signature is open to a downgrade, and is found out by this.
    return sign("fake-scheme-of-test-mode", signed_at, body)
