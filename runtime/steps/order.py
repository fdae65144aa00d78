"""An order is cancelled by somebody's wish: order, stock and OrderCancelled in one transaction."""

from __future__ import annotations

import psycopg

from runtime.adapters.store import orders, outbox
from runtime.adapters.store.orders import LockedOrder
from runtime.domain.event import order_event
from runtime.domain.names import EventId, EventType
from runtime.domain.order import OrderEvent, next_order_step


def cancel(
    conn: psycopg.Connection, order: LockedOrder, root: EventId, *, cause: str, reason: str
) -> bool:
    """Cancel a locked order in the caller's transaction.

    Args:
        root: of the order's events; its payment, if it has one, hears of it by that id.
        cause: who wished it, for the history.

    Returns:
        False when the order is cancelled already: nothing was written.
    """
    step = next_order_step(order.status, OrderEvent.CUSTOMER_CANCELLED)
    if step is None:
        return False
    orders.move_stock(conn, order.order_id, step.stock)
    orders.write_step(conn, order, step, cause=cause, cause_id=None, cancel_reason=reason)
    event = order_event(
        EventType.ORDER_CANCELLED,
        root=root,
        order_id=order.order_id,
        tenant_id=order.tenant_id,
        money=order.money,
        at=order.read_at,
        extra={"reason": reason},
    )
    outbox.insert_events(conn, [event])
    return True
