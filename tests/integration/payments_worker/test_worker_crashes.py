"""The worker is killed at each step of a charge: one execution at Stripe, and the order is paid."""

from __future__ import annotations

from uuid import UUID

import pytest

from tests.support.operator_requests import ask_operator
from tests.support.processes import stopped
from tests.support.stack import PRICE_CENTS, WORKERS, Shop, Stack
from tests.support.twin import Twin
from tests.support.waiting import eventually

WEBHOOKS = "payment_intent.*"


def without_webhooks(shop: Shop) -> None:
    """Nobody but the worker may save this payment."""
    shop.stack.twin.fault("webhook_drop", match={"event_type": WEBHOOKS})


@pytest.mark.parametrize(
    "point",
    [
        "worker.attempt_durable_before_psp",
        "psp.response_before_persist",
        "worker.result_tx_before_commit",
    ],
)
def test_a_worker_killed_during_a_charge_charges_once_and_the_order_is_paid(
    shop: Shop, twin: Twin, point: str
) -> None:
    without_webhooks(shop)
    shop.database.arm(point, tenant_id=shop.tenant_id)

    order_id, event_id = shop.place()
    shop.stack.expect_crash(WORKERS)

    shop.wait_status(order_id, "paid")
    assert [row["amount"] for row in twin.charges(event_id)] == [PRICE_CENTS]
    assert shop.database.outcomes(event_id) == ["PaymentCompleted"]
    assert shop.database.hits(point, order_id) == 1
    assert {row["idempotency_key"] for row in twin.posts(event_id)} == {str(event_id)}


@pytest.mark.parametrize(
    "point",
    [
        "worker.polled_before_inbox",
        "worker.reserved_before_commit",
        "worker.committed_before_offset",
        "worker.offset_committed",
    ],
)
def test_a_worker_killed_around_its_inbox_takes_the_order_in_exactly_once(
    shop: Shop, twin: Twin, point: str
) -> None:
    shop.database.arm(point)

    order_id, event_id = shop.place()
    shop.stack.expect_crash(WORKERS)

    shop.wait_status(order_id, "paid")
    assert len(twin.charges(event_id)) == 1
    assert shop.database.value("SELECT count(*) FROM payments WHERE order_id = %s", order_id) == 1
    assert shop.database.rows("SELECT * FROM dead_letters WHERE event_id = %s", event_id) == []


def test_a_worker_killed_while_refunding_gives_the_money_back_once(shop: Shop, twin: Twin) -> None:
    order_id, event_id = shop.place()
    shop.wait_status(order_id, "paid")
    shop.stack.twin.fault("webhook_drop", match={"event_type": "refund.*"})
    shop.database.arm("saga.refund_before_persist", order_id=order_id)

    shop.cancel(order_id)
    shop.stack.expect_crash(WORKERS)

    shop.wait_status(order_id, "refunded")
    intent = shop.database.payment(event_id)["payment_intent_id"]
    assert len(twin.refunds(intent)) == 1


def test_a_payment_that_kills_three_workers_is_not_sent_a_fourth_time(
    shop: Shop, twin: Twin
) -> None:
    without_webhooks(shop)
    for _ in range(3):
        shop.database.arm("worker.attempt_durable_before_psp", tenant_id=shop.tenant_id)

    _, event_id = shop.place()
    for _ in range(3):
        shop.stack.expect_crash(WORKERS)

    shop.wait_payment(event_id, "parked")
    assert shop.database.payment(event_id)["failure_code"] == "process_died"
    assert twin.posts(event_id) == []
    assert dead_letter_reasons(shop.stack, event_id) == ["process_died"]


def dead_letter_reasons(stack: Stack, event_id: UUID) -> list[str]:
    rows = stack.database.rows("SELECT reason FROM dead_letters WHERE event_id = %s", event_id)
    return [row[0] for row in rows]


def test_a_worker_that_was_frozen_past_its_lease_cannot_write_its_result(
    shop: Shop, twin: Twin
) -> None:
    """The zombie wakes up with an answer in its hand; the token of its lease is not the row's."""
    without_webhooks(shop)
    point = "psp.response_before_persist"
    shop.database.arm(point, "stop", tenant_id=shop.tenant_id, argument="12")

    order_id, event_id = shop.place()
    eventually(lambda: shop.database.hits(point, order_id) >= 1, "a worker freezes with the answer")

    shop.wait_status(order_id, "paid")
    eventually(lambda: "fenced" in logs_of_workers(shop.stack, event_id), "the zombie is fenced")
    assert len(twin.charges(event_id)) == 1
    assert shop.database.outcomes(event_id) == ["PaymentCompleted"]
    assert shop.database.payment(event_id)["started_attempts"] == 2


def logs_of_workers(stack: Stack, event_id: UUID) -> str:
    lines = [line for name in WORKERS for line in stack[name].log.splitlines()]
    return "\n".join(line for line in lines if str(event_id) in line)


def test_a_record_that_kills_whoever_takes_it_in_is_buried_and_its_partition_moves_on(
    shop: Shop, twin: Twin
) -> None:
    """Nothing of it is in any table yet when its process ends, four times at most."""
    deadly, healthy = shop, Shop(shop.stack)
    for _ in range(8):
        deadly.database.arm("worker.polled_before_inbox", tenant_id=deadly.tenant_id)
    order_id, event_id = deadly.place()

    def buried() -> bool:
        for name in WORKERS:
            if shop.stack[name].has_ended():
                shop.stack[name].start()
        return bool(
            deadly.database.rows(
                "SELECT 1 FROM dead_letters WHERE event_id = %s AND reason = 'process_died'",
                event_id,
            )
        )

    # Three deaths may take longer than the window after which the reconciler publishes the event
    # again, and a second record of it would be taken in as soon as the first is buried.
    with stopped(shop.stack["reconciler"]):
        # Up to six starts of a worker, each after the broker has noticed the death before.
        eventually(buried, "the record has a dead letter", seconds=240)
    deadly.database.run("DELETE FROM failpoints")
    paid_order, paid_event = healthy.place()

    healthy.wait_status(paid_order, "paid")
    assert len(twin.charges(paid_event)) == 1
    assert deadly.status(order_id) == "pending"
    assert deadly.database.payment(event_id) == {}
    assert twin.charges(event_id) == []
    letter = deadly.database.value("SELECT id FROM dead_letters WHERE event_id = %s", event_id)
    assert ask_operator(deadly, "redrive_dead_letter", row_id=letter)[0] == "done"
    deadly.wait_status(order_id, "paid")
    assert len(twin.charges(event_id)) == 1
