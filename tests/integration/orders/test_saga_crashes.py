"""The orders consumer and the reconciler are killed between two steps: nothing is done by half."""

from __future__ import annotations

import pytest

from tests.support.stack import Shop
from tests.support.twin import Twin

SAGA = [
    "saga.decided_before_step1",
    "saga.stock_released_before_mark",
    "saga.done_before_event",
]


@pytest.mark.parametrize("point", SAGA)
def test_a_declined_order_whose_consumer_dies_is_cancelled_and_restocked_once(
    shop: Shop, point: str
) -> None:
    shop.database.arm(point, tenant_id=shop.tenant_id)

    order_id, event_id = shop.place("pm_card_visa_chargeDeclined")
    shop.stack.expect_crash(["orders-consumer"])

    shop.wait_status(order_id, "cancelled")
    assert shop.database.stock(shop.sku) == (100, 0, 0)
    cancelled = shop.database.value(
        "SELECT count(*) FROM outbox WHERE event_type = 'OrderCancelled' AND aggregate_id = %s",
        order_id,
    )
    assert cancelled == 1
    assert shop.database.outcomes(event_id) == ["PaymentFailed"]


@pytest.mark.parametrize("point", SAGA)
def test_a_paid_order_whose_consumer_dies_is_sold_once(shop: Shop, twin: Twin, point: str) -> None:
    shop.database.arm(point, tenant_id=shop.tenant_id)

    order_id, event_id = shop.place()
    shop.stack.expect_crash(["orders-consumer"])

    shop.wait_status(order_id, "paid")
    assert shop.database.stock(shop.sku) == (99, 0, 1)
    assert len(twin.charges(event_id)) == 1


def test_a_reconciler_killed_before_it_writes_finds_the_same_again(shop: Shop, twin: Twin) -> None:
    twin.fault("webhook_drop", match={"event_type": "payment_intent.*"})
    twin.fault("execute_then_500", match={**shop.aim, "path": "/v1/payment_intents"})
    shop.database.arm("recon.read_before_fix", tenant_id=shop.tenant_id)

    order_id, event_id = shop.place()
    shop.stack.expect_crash(["reconciler"])

    # The dead reconciler's claim holds the row for half a minute; the test need not wait for it.
    shop.database.run(
        "UPDATE payments SET next_attempt_at = environment_now() WHERE event_id = %s", event_id
    )
    shop.wait_status(order_id, "paid")
    assert len(twin.charges(event_id)) == 1
    assert shop.database.outcomes(event_id) == ["PaymentCompleted"]
