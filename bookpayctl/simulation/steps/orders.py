"""An order's steps: `runtime/steps/order.py` over `store/orders.py` and `store/stock.py`."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bookpayctl.simulation.steps.outbox import insert_event
from bookpayctl.simulation.store import (
    ORDERS,
    RESERVATIONS,
    STOCK,
    OrderRow,
    ReservationRow,
    StepRow,
    StockRow,
    Transaction,
)
from bookpayctl.simulation.world import World
from runtime.domain.money import Money
from runtime.domain.names import EventType, OrderStatus, ReservationState
from runtime.domain.order import AmountMismatch, OrderEvent, OrderStep, Stock

_ANNOUNCED_BY = {
    OrderStatus.PAID: EventType.ORDER_PAID,
    OrderStatus.CANCELLED: EventType.ORDER_CANCELLED,
}


@dataclass(frozen=True, slots=True)
class PaymentNews:
    """A payment's event, as far as its order looks at it."""

    cause: OrderEvent
    money: Money
    reason: str


def cancel_order(world: World, tx: Transaction, order_id: str, *, cause: str, reason: str) -> bool:
    """`steps.order.cancel_locked_order`: False when there is nothing to cancel."""
    order = tx.get(ORDERS, order_id)
    if order is None:
        return False
    step = world.decisions.next_order_step(order.status, OrderEvent.CUSTOMER_CANCELLED)
    if step is None:
        return False
    _take(world, tx, order, step, cause=cause, reason=reason)
    return True


def follow_payment(world: World, tx: Transaction, order_id: str, news: PaymentNews) -> str:
    """`steps.order.follow_payment`: a word for the record."""
    order = tx.get(ORDERS, order_id)
    if order is None:
        return "no such order"
    path = world.decisions.order_path(order.status, order.total, news.cause, news.money)
    if isinstance(path, AmountMismatch):
        return "amount_mismatch"
    for caused_by, step in path:
        cause = caused_by.name.lower()
        order = _take(world, tx, order, step, cause=cause, reason=news.reason)
    return order.status.value if path else f"unchanged ({order.status})"


def _take(
    world: World, tx: Transaction, order: OrderRow, step: OrderStep, *, cause: str, reason: str
) -> OrderRow:
    """`steps.order._take`: stock, status, history and the order's own event."""
    _move_stock(world, tx, order.order_id, step.stock)
    after = replace(order, status=step.status, updated_at=world.now)
    tx.put(ORDERS, order.order_id, after)
    tx.order_steps.append(
        StepRow(order.order_id, "transition", order.status, step.status, cause, world.now)
    )
    event_type = _ANNOUNCED_BY.get(step.status)
    if event_type is not None:
        insert_event(
            world,
            tx,
            event_type,
            root=order.event_id,
            order_id=order.order_id,
            money=order.total,
            reason=reason,
        )
    return after


def _move_stock(world: World, tx: Transaction, order_id: str, stock: Stock) -> None:
    """`store.stock.Shelves`: the state in the WHERE makes a repeat move nothing."""
    if stock is Stock.KEEP or (stock is Stock.RELEASE and not world.decisions.releases_stock):
        return
    held: ReservationRow = tx.get(RESERVATIONS, order_id)
    shelf: StockRow = tx.get(STOCK, held.sku)
    quantity = held.quantity
    if stock is Stock.SELL and held.state is ReservationState.HELD:
        tx.put(RESERVATIONS, order_id, replace(held, state=ReservationState.SOLD))
        moved = replace(shelf, reserved=shelf.reserved - quantity, sold=shelf.sold + quantity)
        tx.put(STOCK, held.sku, moved)
    again = held.state is ReservationState.RELEASED and not world.decisions.releases_stock_once
    if stock is Stock.RELEASE and (held.state is not ReservationState.RELEASED or again):
        tx.put(RESERVATIONS, order_id, replace(held, state=ReservationState.RELEASED))
        sold = quantity if held.state is ReservationState.SOLD else 0
        moved = replace(
            shelf,
            on_hand=shelf.on_hand + quantity,
            reserved=shelf.reserved - (quantity - sold),
            sold=shelf.sold - sold,
        )
        tx.put(STOCK, held.sku, moved)
