"""Placing and cancelling: one transaction each, the event beside the rows it announces."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from uuid import uuid4

import psycopg

from runtime.adapters.store import orders, outbox, stock
from runtime.adapters.store.orders import Entered, Item, NewOrder, OrderView
from runtime.adapters.store.stock import StockRow
from runtime.domain.event import Json, order_event
from runtime.domain.money import AMOUNT_CENTS_MAX, Money
from runtime.domain.names import EventId, EventType, OrderId, OrderStatus, TenantId
from runtime.faults import connections
from runtime.faults.points import Failpoint, Failpoints, Subject
from runtime.services.orders.problem import Problem
from runtime.services.orders.request import PlaceOrder
from runtime.steps.order import cancel_locked_order

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PlacedOrder:
    """The order as it stands, and whether an earlier request had made it."""

    order: OrderView
    replayed: bool


def place_order(
    conn: psycopg.Connection,
    entered: Entered,
    key: str,
    wanted: PlaceOrder,
    failpoints: Failpoints,
) -> PlacedOrder:
    """Write order, reservations and OrderPlaced in the caller's transaction.

    Args:
        entered: with the key held, before it is looked up: two requests with one key would both
            find nothing and make two orders.

    Raises:
        Problem: the request cannot be granted; nothing is written.
    """
    if entered.times is None:
        raise Problem("key_in_progress")
    tenant_id, times = entered.tenant_id, entered.times
    # Priced without a lock: the shelves are taken last, at this price, if there are enough by then.
    skus = [item.sku for item in wanted.items]
    priced, may_be_known = stock.read_for_order(conn, tenant_id, key, skus)
    earlier = orders.find_by_client_key(conn, tenant_id, key) if may_be_known else None
    if earlier is not None:
        # Another body under a known key is a client's mistake, and answering the first order hides
        # it.
        if earlier.client_request_sha256 != wanted.sha256:
            raise Problem("key_reused")
        return PlacedOrder(earlier, replayed=True)
    total = _total(priced, wanted)
    order = NewOrder(
        order_id=OrderId(f"ord_{uuid4().hex}"),
        tenant_id=tenant_id,
        customer_id=wanted.customer_id,
        total=total,
        event_id=EventId(uuid4()),
        payment_method=wanted.payment_method,
        client_key=key,
        client_request_sha256=wanted.sha256,
        items=wanted.items,
        # Both of this transaction: the row and the event agree on when it was.
        created_at=times[0],
        occurred_at=times[1],
    )
    if not _write(conn, order, priced, failpoints):
        # Somebody was quicker. Looked at again, what is missing has its own answer.
        _total(stock.read(conn, skus), wanted)
        # A price that changed in this moment: the same request finds the new one.
        raise Problem("unavailable")
    return PlacedOrder(orders.as_inserted(order), replayed=False)


def _write(
    conn: psycopg.Connection, order: NewOrder, priced: list[StockRow], failpoints: Failpoints
) -> bool:
    """The order, its event and its books, in one transaction and one round trip.

    Returns:
        False when the shelves do not have them any more at this price: nothing may be committed.
    """
    quantities = {item.sku: item.quantity for item in order.items}
    subject = Subject(order.order_id, order.event_id, order.tenant_id)
    statement, commit = connections.Statement(conn), connections.Commit(conn, sent=True)
    with conn.pipeline():
        orders.insert_order(conn, order)
        failpoints.hit(Failpoint.API_ORDER_INSERTED_BEFORE_OUTBOX, subject, statement)
        event = order_event(
            EventType.ORDER_PLACED,
            root=order.event_id,
            order_id=order.order_id,
            tenant_id=order.tenant_id,
            money=order.total,
            at=order.occurred_at,
            extra=_placed_fields(order),
        )
        outbox.insert_events(conn, [event])
        # Last: whoever wants the same book waits for this commit and for nothing else of ours.
        taken = stock.take(conn, priced, [quantities[row.sku] for row in priced])
    if taken.rowcount != len(priced):
        return False
    failpoints.hit(Failpoint.API_BEFORE_COMMIT, subject, statement)
    failpoints.hit(Failpoint.API_COMMIT_SENT_CONN_DROPPED, subject, commit)
    return True


def _total(shelves: list[StockRow], wanted: PlaceOrder) -> Money:
    """Price the order by our catalogue, pure."""
    by_sku = {row.sku: row for row in shelves}
    if any(item.sku not in by_sku for item in wanted.items):
        raise Problem("sku_unknown")
    if any(row.currency != wanted.currency for row in shelves):
        raise Problem("currency_invalid")
    cents = sum(by_sku[item.sku].unit_price_cents * item.quantity for item in wanted.items)
    # Before the ceiling: what the customer saw and what it costs is the first thing to tell him.
    if wanted.expected_total_cents is not None and wanted.expected_total_cents != cents:
        raise Problem("price_mismatch")
    if cents > AMOUNT_CENTS_MAX:
        raise Problem("amount_invalid")
    if any(by_sku[item.sku].on_hand < item.quantity for item in wanted.items):
        raise Problem("out_of_stock")
    return Money(cents, wanted.currency)


def _placed_fields(order: NewOrder) -> dict[str, Json]:
    return {
        "customer_id": order.customer_id,
        "payment_method": order.payment_method,
        "items": [_item_field(item) for item in order.items],
    }


def _item_field(item: Item) -> dict[str, Json]:
    return {"sku": item.sku, "quantity": item.quantity}


def cancel_order(
    conn: psycopg.Connection, tenant_id: TenantId, order_id: str, reason: str
) -> OrderView:
    """The customer cancels: order, stock and OrderCancelled in the caller's transaction.

    Asked twice, the second finds it cancelled and changes nothing.

    Raises:
        Problem: not_found for another tenant's order as for none.
    """
    order = orders.lock_order(conn, order_id)
    # Found and another's is told like not found: an id that exists is nobody else's business.
    if order is None or order.tenant_id != tenant_id:
        raise Problem("not_found")
    root = orders.root_event_of(conn, order)
    if root is None and order.status is not OrderStatus.CANCELLED:
        # Written by hand without an OrderPlaced: no payment waits to hear of it.
        raise Problem("order_closed")
    if root is not None:
        cancel_locked_order(conn, order, EventId(root), cause="customer_cancelled", reason=reason)
    # Read again under the lock, so that the answer is what was written, with its payment.
    view = orders.find_by_id(conn, tenant_id, order_id)
    if view is None:
        raise Problem("not_found")
    return view
