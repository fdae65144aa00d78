"""Orders and their history.

Rows are always locked in one order (orders by id, then the shelves by name, in `stock`), so that
two transactions over the same books wait for each other instead of dying of it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row

from runtime.adapters.store.rows import select_list
from runtime.domain.money import Money
from runtime.domain.names import EventId, OrderId, OrderStatus, TenantId
from runtime.domain.order import OrderStep


@dataclass(frozen=True, slots=True)
class Item:
    sku: str
    quantity: int


@dataclass(frozen=True, slots=True)
class NewOrder:
    """An order about to be written; `client_key` and the digest identify a client's retry.

    Attributes:
        created_at: wall clock, what the client is shown.
        occurred_at: environment clock, what ages are measured from.
    """

    order_id: OrderId
    tenant_id: TenantId
    customer_id: str
    total: Money
    event_id: EventId
    payment_method: str | None
    client_key: str
    client_request_sha256: bytes
    items: tuple[Item, ...]
    created_at: datetime
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class OrderView:
    """An order with its payment, as `GET /orders/{id}` shows it."""

    order_id: OrderId
    tenant_id: TenantId
    status: OrderStatus
    total: Money
    event_id: UUID | None
    created_at: datetime
    cancel_reason: str | None
    client_request_sha256: bytes | None
    items: tuple[Item, ...]
    payment_state: str | None
    payment_intent_id: str | None


@dataclass(frozen=True, slots=True)
class LockedOrder:
    """The part of an order that its saga decides on, its row locked."""

    order_id: OrderId
    tenant_id: TenantId
    total: Money
    status: OrderStatus
    event_id: UUID | None
    created_at: datetime
    read_at: datetime


# --- reading --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _ViewColumns:
    """An order with its payment as it is selected; `items` are pairs of SKU and quantity."""

    order_id: OrderId
    tenant_id: TenantId
    status: str
    total_cents: int
    currency: str
    event_id: UUID | None
    created_at: datetime
    cancel_reason: str | None
    client_request_sha256: bytes | None
    items: list[tuple[str, int]]
    payment_state: str | None
    payment_intent_id: str | None

    def view(self) -> OrderView:
        return OrderView(
            order_id=self.order_id,
            tenant_id=self.tenant_id,
            status=OrderStatus(self.status),
            total=Money(self.total_cents, self.currency),
            event_id=self.event_id,
            created_at=self.created_at,
            cancel_reason=self.cancel_reason,
            client_request_sha256=self.client_request_sha256,
            items=tuple(Item(sku, quantity) for sku, quantity in self.items),
            payment_state=self.payment_state,
            payment_intent_id=self.payment_intent_id,
        )


_VIEW_COLUMNS: Final = select_list(
    _ViewColumns,
    {
        "order_id": "o.id",
        "tenant_id": "o.tenant_id",
        "status": "o.status",
        "currency": "o.currency",
        "event_id": "o.event_id",
        "created_at": "o.created_at",
        # By code point, as a request's items are sorted, whatever locale the database has: a
        # replay is byte-equal.
        "items": """coalesce((SELECT json_agg(json_build_array(r.sku, r.quantity)
                                             ORDER BY r.sku COLLATE "C")
                             FROM reservations r WHERE r.order_id = o.id), '[]')""",
        "payment_state": "p.state",
        "payment_intent_id": "p.payment_intent_id",
    },
)
_VIEW: Final = (
    f"SELECT {_VIEW_COLUMNS} FROM orders o"  # noqa: S608 - constants
    " LEFT JOIN payments p ON p.order_id = o.id "
)


def find_by_id(conn: Connection, tenant_id: TenantId, order_id: str) -> OrderView | None:
    """One order of this tenant; another tenant's is as absent as none."""
    return _find(conn, "WHERE o.id = %s AND o.tenant_id = %s", (order_id, tenant_id))


def find_by_client_key(conn: Connection, tenant_id: TenantId, key: str) -> OrderView | None:
    """The order an earlier request with this key made."""
    return _find(conn, "WHERE o.client_key = %s AND o.tenant_id = %s", (key, tenant_id))


def _find(conn: Connection, where: str, values: tuple[str, str]) -> OrderView | None:
    """One order by a condition written at the call; `where` is code, never input."""
    with conn.cursor(row_factory=class_row(_ViewColumns)) as cursor:
        columns = cursor.execute(_VIEW + where, values).fetchone()
    return columns.view() if columns else None


# A row cannot be locked before it is there. The newline keeps a tenant's name from running into its
# key; two names with one hash only wait for each other.
_HOLD: Final = (
    "pg_try_advisory_xact_lock(hashtextextended({tenant} || chr(10) || %(key)s::text, 42))"
)
_OF_CALLER: Final = "token_sha256 = %(token_sha256)s AND (expires_at IS NULL OR expires_at > now())"


def try_hold_client_key(
    conn: Connection, tenant_id: TenantId, key: str
) -> tuple[datetime, datetime] | None:
    """Hold the key until this transaction ends.

    Returns:
        The transaction's time by the wall clock and by the environment's; None when another
        request is inside with this key.
    """
    row = conn.execute(
        f"SELECT {_HOLD.format(tenant='%(tenant_id)s::text')}, now(), environment_now()",
        {"tenant_id": tenant_id, "key": key},
    ).fetchone()
    return (row[1], row[2]) if row and row[0] else None


_INSERT: Final = """
    WITH placed AS (
        INSERT INTO orders (id, tenant_id, customer_id, total_cents, currency, status, event_id,
            payment_method, client_key, client_request_sha256, created_at)
        VALUES (%(order_id)s, %(tenant_id)s, %(customer_id)s, %(total_cents)s, %(currency)s,
            'pending', %(event_id)s, %(payment_method)s, %(client_key)s, %(sha256)s,
            %(created_at)s)),
    reserved AS (
        INSERT INTO reservations (order_id, sku, quantity)
        SELECT %(order_id)s, * FROM unnest(%(skus)s::text[], %(quantities)s::bigint[]))
    INSERT INTO order_events (order_id, to_state, cause)
    VALUES (%(order_id)s, 'pending', 'placed')
"""


def insert_order(conn: Connection, order: NewOrder) -> None:
    """Insert the order, its reservations and its history; `stock.take` moves the shelves."""
    conn.execute(
        _INSERT,
        {
            "order_id": order.order_id,
            "tenant_id": order.tenant_id,
            "customer_id": order.customer_id,
            "total_cents": order.total.amount_cents,
            "currency": order.total.currency,
            "event_id": order.event_id,
            "payment_method": order.payment_method,
            "client_key": order.client_key,
            "sha256": order.client_request_sha256,
            "created_at": order.created_at,
            "skus": [item.sku for item in order.items],
            "quantities": [item.quantity for item in order.items],
        },
    )


def as_inserted(order: NewOrder) -> OrderView:
    """The view of an order that was inserted in this transaction, without asking again."""
    return OrderView(
        order_id=order.order_id,
        tenant_id=order.tenant_id,
        status=OrderStatus.PENDING,
        total=order.total,
        event_id=order.event_id,
        created_at=order.created_at,
        cancel_reason=None,
        client_request_sha256=order.client_request_sha256,
        items=order.items,
        payment_state=None,
        payment_intent_id=None,
    )


@dataclass(frozen=True, slots=True)
class _LockedColumns:
    """The part of an orders row that is selected under its lock."""

    order_id: OrderId
    tenant_id: TenantId
    total_cents: int
    currency: str
    status: str
    event_id: UUID | None
    created_at: datetime
    read_at: datetime

    def order(self) -> LockedOrder:
        return LockedOrder(
            order_id=self.order_id,
            tenant_id=self.tenant_id,
            total=Money(self.total_cents, self.currency),
            status=OrderStatus(self.status),
            event_id=self.event_id,
            created_at=self.created_at,
            read_at=self.read_at,
        )


_LOCKED_COLUMNS: Final = select_list(
    _LockedColumns, {"order_id": "id", "read_at": "clock_timestamp()"}
)


def lock_order(conn: Connection, order_id: str) -> LockedOrder | None:
    """Lock one order until the transaction ends."""
    query = f"SELECT {_LOCKED_COLUMNS} FROM orders WHERE id = %s FOR UPDATE"  # noqa: S608 - constants
    with conn.cursor(row_factory=class_row(_LockedColumns)) as cursor:
        columns = cursor.execute(query, (order_id,)).fetchone()
    return columns.order() if columns else None


def lock_orders(conn: Connection, order_ids: Collection[str]) -> dict[str, LockedOrder]:
    """Lock several orders until the transaction ends; one that does not exist is missing."""
    query = (
        # By id: two consumers with the same orders in different turns wait for each other.
        f"SELECT {_LOCKED_COLUMNS} FROM orders WHERE id = ANY (%s) ORDER BY orders.id FOR UPDATE"  # noqa: S608 - constants
    )
    with conn.cursor(row_factory=class_row(_LockedColumns)) as cursor:
        found = cursor.execute(query, ([*order_ids],)).fetchall()
    return {columns.order_id: columns.order() for columns in found}


def write_step(
    conn: Connection,
    order: LockedOrder,
    step: OrderStep,
    *,
    cause: str,
    cause_id: str | None,
    cancel_reason: str | None,
) -> None:
    """Write the new status and its history; the stock moves with `stock.move`."""
    conn.execute(
        # The first reason stays: a refund that follows a cancellation must not rewrite why it
        # happened.
        "WITH moved AS (UPDATE orders SET status = %(to)s, updated_at = clock_timestamp(),"
        " cancel_reason = coalesce(cancel_reason, %(reason)s) WHERE id = %(id)s)"
        " INSERT INTO order_events (order_id, from_state, to_state, cause, cause_id)"
        " VALUES (%(id)s, %(from)s, %(to)s, %(cause)s, %(cause_id)s)",
        {
            "id": order.order_id,
            "from": order.status,
            "to": step.status,
            "reason": cancel_reason,
            "cause": cause,
            "cause_id": cause_id,
        },
    )


def tenant_of_token(conn: Connection, token_sha256: bytes) -> TenantId | None:
    """Whose token this is; None for an unknown or an expired one."""
    row = conn.execute(
        f"SELECT tenant_id FROM api_tokens WHERE {_OF_CALLER}",  # noqa: S608 - a constant
        {"token_sha256": token_sha256},
    ).fetchone()
    return TenantId(row[0]) if row else None


@dataclass(frozen=True, slots=True)
class Entered:
    """Whose request it is, and its transaction's time if it is the only one with its key.

    Attributes:
        times: by the wall clock and by the environment's; None when another request is inside with
            the same key.
    """

    tenant_id: TenantId
    times: tuple[datetime, datetime] | None


def enter(conn: Connection, token_sha256: bytes, key: str) -> Entered | None:
    """Look a token up, and hold its tenant's key until this transaction ends, in one round trip.

    Returns:
        None for an unknown token or an expired one; nothing is held then.
    """
    row = conn.execute(
        f"SELECT tenant_id, {_HOLD.format(tenant='tenant_id')}, now(), environment_now()"  # noqa: S608 - constants
        f" FROM api_tokens WHERE {_OF_CALLER}",
        {"key": key, "token_sha256": token_sha256},
    ).fetchone()
    if row is None:
        return None
    return Entered(TenantId(row[0]), (row[2], row[3]) if row[1] else None)


def root_event_of(conn: Connection, order: LockedOrder) -> UUID | None:
    """The event_id of the order's OrderPlaced; a hand-written order has it in the outbox only."""
    # Orders placed over HTTP know their root; one written by hand need not.
    if order.event_id is not None:
        return order.event_id
    row = conn.execute(
        "SELECT event_id FROM outbox WHERE aggregate = 'orders' AND aggregate_id = %s"
        " AND event_type = 'OrderPlaced' ORDER BY created_at LIMIT 1",
        (order.order_id,),
    ).fetchone()
    return row[0] if row else None
