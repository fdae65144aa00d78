"""The gateway's journal is evidence only if its row is there before the call leaves."""

from __future__ import annotations

import signal

from tests.support.stack import Shop
from tests.support.twin import Twin
from tests.support.waiting import eventually

STRIPE_SECONDS = 2.5


def test_a_call_that_nobody_saw_the_end_of_is_in_the_journal(shop: Shop, twin: Twin) -> None:
    """The gateway is killed while Stripe takes its time; what it had sent must be on record."""
    numbers = {"milliseconds": STRIPE_SECONDS * 1000}
    fault = twin.fault("latency", match=shop.aim, numbers=numbers, count=1)
    order_id, event_id = shop.place()
    # Stripe has the request: whatever a gateway does before a call, it has done.
    eventually(lambda: twin.rows("/fault-hits", fault_id=fault), "the call is under way")

    shop.stack["gateway"].signal(signal.SIGKILL)
    shop.stack["gateway"].wait_end()
    written = shop.database.rows(
        "SELECT idempotency_key, answered_at FROM stripe_calls WHERE event_id = %s", event_id
    )
    shop.stack["gateway"].start().wait_ready()

    assert written == [(str(event_id), None)]
    shop.wait_status(order_id, "paid")
    assert len(twin.charges(event_id)) == 1
