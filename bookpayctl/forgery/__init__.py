"""Hostile and honest webhooks, W01 to W44: what is sent, what has to come back, what it may leave.

The cases stand here once, for `webhook forge` and for the tests of the receiver, which write the
expected answers down a second time by hand. Nothing of the runtime is used: signatures are made by
an HMAC of our own and bytes go over a plain socket, so no client library mends them on the way.
"""

from __future__ import annotations

from typing import Final

from bookpayctl.forgery import bodies, payments, signatures, transport
from bookpayctl.forgery.case import Case

CASES: Final[tuple[Case, ...]] = tuple(
    sorted(
        (*signatures.CASES, *bodies.CASES, *transport.CASES, *payments.CASES),
        key=lambda case: case.id,
    )
)
