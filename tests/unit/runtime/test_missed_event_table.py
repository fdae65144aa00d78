"""Who must have heard what: which event an order waits for when everything was published."""

from __future__ import annotations

import pytest

from runtime.domain.missed import events_missed, root_of_order
from runtime.domain.names import EventType, OrderStatus, PaymentState

E = EventType
S = OrderStatus
P = PaymentState


@pytest.mark.parametrize(
    ("order", "payment", "cancel_known", "missed"),
    [
        (S.PENDING, None, False, {E.ORDER_PLACED}),
        (S.PENDING, P.SUCCEEDED, False, {E.PAYMENT_COMPLETED}),
        (S.PENDING, P.FAILED, False, {E.PAYMENT_FAILED}),
        (S.PENDING, P.REFUNDING, False, {E.PAYMENT_COMPLETED, E.PAYMENT_FAILED}),
        (S.PENDING, P.REFUNDED, True, {E.PAYMENT_COMPLETED, E.PAYMENT_FAILED}),
        (S.CANCELLED, None, False, {E.ORDER_CANCELLED}),
        (S.CANCELLED, P.SUCCEEDED, False, {E.ORDER_CANCELLED}),
        (S.CANCELLED, P.PROCESSING, False, {E.ORDER_CANCELLED}),
        (S.CANCELLED, P.REFUNDED, True, {E.PAYMENT_REFUNDED}),
    ],
)
def test_an_order_that_stands_still_waits_for_these_events(
    order: OrderStatus, payment: PaymentState | None, cancel_known: bool, missed: set[EventType]
) -> None:
    assert set(events_missed(order, payment, cancel_known=cancel_known)) == missed


@pytest.mark.parametrize("state", [P.PENDING, P.CHARGING, P.PROCESSING, P.UNKNOWN, P.PARKED])
def test_an_order_whose_payment_is_open_has_missed_nothing(state: PaymentState) -> None:
    assert events_missed(S.PENDING, state, cancel_known=False) == ()


@pytest.mark.parametrize("order", [S.PAID, S.REFUNDED])
@pytest.mark.parametrize("state", list(PaymentState))
def test_an_order_that_has_ended_waits_for_nothing(order: OrderStatus, state: PaymentState) -> None:
    assert events_missed(order, state, cancel_known=False) == ()


def test_a_cancellation_the_payment_knows_is_not_told_again() -> None:
    assert events_missed(S.CANCELLED, P.SUCCEEDED, cancel_known=True) == ()
    assert events_missed(S.CANCELLED, P.FAILED, cancel_known=False) == ()


def test_an_order_without_an_event_has_one_root_for_ever() -> None:
    assert root_of_order("ord_1") == root_of_order("ord_1")
    assert root_of_order("ord_1") != root_of_order("ord_2")
