"""Whether the twin can answer, asked on the port of Stripe's API by who has no key: a kubelet.

Every path of Stripe's begins with /v1/ or /v2/, so these two are nobody's. They stand before the
pipeline: no key, no journal, no latency and no fault, because a Stripe that a drill has made
slow or silent is a twin that works.
"""

import sqlite3
from collections.abc import Awaitable, Callable
from typing import Final

from bookpayctl.stripe_twin.documents import encode
from bookpayctl.stripe_twin.ledger.store import Ledger
from bookpayctl.stripe_twin.wire.message import WireRequest, WireResponse

PROBES: Final = ("/healthz", "/readyz")

Handler = Callable[[WireRequest], Awaitable[WireResponse]]


def with_probes(ledger: Ledger, answer: Handler) -> Handler:
    """A handler that answers a GET of a probe's path itself and leaves the rest to `answer`."""

    async def handle(request: WireRequest) -> WireResponse:
        if request.method == "GET" and request.path in PROBES:
            return _state(ledger)
        return await answer(request)

    return handle


def _state(ledger: Ledger) -> WireResponse:
    try:
        ledger.select("SELECT 1 FROM settings LIMIT 1")
    except sqlite3.Error:
        return WireResponse(503, encode({"status": "the ledger cannot be read"}).encode())
    return WireResponse(200, encode({"status": "ok"}).encode())
