"""Which steps a payment's event makes an order take, and that other money makes it take none."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.domain.event import Malformed, ReceivedEvent, Record, parse_record
from runtime.domain.money import AMOUNT_CENTS_MAX, Money
from runtime.domain.names import OrderStatus
from runtime.domain.order import AmountMismatch, OrderEvent, OrderStep, Stock, order_path

TOTAL = Money(4999, "usd")
CANCELLED = OrderStep(OrderStatus.CANCELLED, Stock.RELEASE)
REFUNDED = OrderStep(OrderStatus.REFUNDED, Stock.KEEP)

MONEY = st.builds(
    Money,
    st.integers(1, AMOUNT_CENTS_MAX),
    st.sampled_from(["usd", "eur", "jpy"]),
)
PAYMENT_EVENTS = st.sampled_from(
    [OrderEvent.PAYMENT_COMPLETED, OrderEvent.PAYMENT_FAILED, OrderEvent.PAYMENT_REFUNDED]
)


@pytest.mark.parametrize(
    ("status", "event", "steps"),
    [
        ("pending", OrderEvent.PAYMENT_COMPLETED, [OrderStep(OrderStatus.PAID, Stock.SELL)]),
        ("pending", OrderEvent.PAYMENT_FAILED, [CANCELLED]),
        ("pending", OrderEvent.PAYMENT_REFUNDED, [CANCELLED, REFUNDED]),
        ("paid", OrderEvent.PAYMENT_COMPLETED, []),
        ("paid", OrderEvent.PAYMENT_FAILED, []),
        ("paid", OrderEvent.PAYMENT_REFUNDED, []),
        ("cancelled", OrderEvent.PAYMENT_COMPLETED, []),
        ("cancelled", OrderEvent.PAYMENT_FAILED, []),
        ("cancelled", OrderEvent.PAYMENT_REFUNDED, [REFUNDED]),
        ("refunded", OrderEvent.PAYMENT_COMPLETED, []),
        ("refunded", OrderEvent.PAYMENT_FAILED, []),
        ("refunded", OrderEvent.PAYMENT_REFUNDED, []),
    ],
)
def test_an_event_about_the_orders_money_takes_the_steps_of_the_table(
    status: str, event: OrderEvent, steps: list[OrderStep]
) -> None:
    path = order_path(OrderStatus(status), TOTAL, event, Money(4999, "usd"))

    assert not isinstance(path, AmountMismatch)
    assert [step for _, step in path] == steps


def test_a_refund_that_overtook_the_failure_takes_the_failures_step_in_its_name() -> None:
    path = order_path(OrderStatus.PENDING, TOTAL, OrderEvent.PAYMENT_REFUNDED, TOTAL)

    assert not isinstance(path, AmountMismatch)
    assert [event for event, _ in path] == [OrderEvent.PAYMENT_FAILED, OrderEvent.PAYMENT_REFUNDED]


@given(st.sampled_from(list(OrderStatus)), PAYMENT_EVENTS, MONEY, MONEY)
def test_an_event_about_other_money_changes_no_order_in_any_state(
    status: OrderStatus, event: OrderEvent, total: Money, named: Money
) -> None:
    path = order_path(status, total, event, named)

    assert isinstance(path, AmountMismatch) == (total != named)


@pytest.mark.parametrize("named", [Money(4998, "usd"), Money(5000, "usd"), Money(4999, "eur")])
def test_a_cent_or_a_currency_is_other_money(named: Money) -> None:
    path = order_path(OrderStatus.PENDING, TOTAL, OrderEvent.PAYMENT_COMPLETED, named)

    assert path == AmountMismatch(TOTAL, named)


ABSENT = object()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("amount_cents", ABSENT),
        ("amount_cents", None),
        ("amount_cents", "4999"),
        ("amount_cents", 4999.0),
        ("amount_cents", True),
        ("amount_cents", 0),
        ("amount_cents", -4999),
        ("amount_cents", AMOUNT_CENTS_MAX + 1),
        ("currency", ABSENT),
        ("currency", None),
        ("currency", 840),
        ("currency", "USD"),
        ("currency", "us"),
    ],
)
def test_an_event_whose_money_cannot_be_read_is_malformed(field: str, value: object) -> None:
    body: dict[str, Any] = {
        "event_id": str(UUID(int=1)),
        "order_id": "ord_1",
        "amount_cents": 4999,
        "currency": "usd",
        field: value,
    }
    if value is ABSENT:
        del body[field]
    record = Record(
        "payments.completed", 0, 0, b"", json.dumps(body).encode(), {"tenant_id": "acme"}
    )

    parsed = parse_record(record)

    assert not isinstance(parsed, ReceivedEvent)
    assert parsed == Malformed("amount")
