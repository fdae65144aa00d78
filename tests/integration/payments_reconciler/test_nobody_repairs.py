"""A killed consumer loses nothing by itself, while nobody is there who would tell it again.

The reconciler makes up for an event that was lost on its way, and so would hide a consumer that
commits an offset before the effect. Here it is stopped.
"""

from __future__ import annotations

import pytest

from tests.support.stack import WORKERS, Shop
from tests.support.twin import Twin


@pytest.fixture
def unrepaired(shop: Shop) -> Shop:
    """A shop without a reconciler; it runs again after the test."""
    shop.stack["reconciler"].stop()
    return shop


def test_a_worker_killed_before_its_inbox_commits_reads_the_order_again(
    unrepaired: Shop, twin: Twin
) -> None:
    unrepaired.database.arm("worker.reserved_before_commit")

    order_id, event_id = unrepaired.place()
    unrepaired.stack.expect_crash(WORKERS)

    unrepaired.wait_status(order_id, "paid")
    assert len(twin.charges(event_id)) == 1


def test_an_orders_consumer_killed_before_its_commit_reads_the_outcome_again(
    unrepaired: Shop,
) -> None:
    unrepaired.database.arm("saga.done_before_event", tenant_id=unrepaired.tenant_id)

    order_id, _ = unrepaired.place("pm_card_visa_chargeDeclined")
    unrepaired.stack.expect_crash(["orders-consumer"])

    unrepaired.wait_status(order_id, "cancelled")
    assert unrepaired.database.stock(unrepaired.sku) == (100, 0, 0)
