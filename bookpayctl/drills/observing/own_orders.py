"""The orders of a drill's own load, as our books know them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString

from bookpayctl.clients.database import reading, rows_of
from bookpayctl.drill.scenario import DrillContext
from bookpayctl.load.probe_orders import orders_api
from bookpayctl.runs.waiting import wait_until
from runtime.domain.names import EventType, OrderStatus

_FIND: LiteralString = """
    SELECT o.id AS order_id, b.event_id::text AS event_id, o.tenant_id, o.total_cents, o.currency,
           o.status, b.payload::jsonb ->> 'payment_method' AS payment_method,
           p.event_id IS NOT NULL AS taken_in
    FROM orders o
    JOIN outbox b ON b.aggregate_id = o.id AND b.event_type = %(placed)s
    LEFT JOIN payments p ON p.event_id = b.event_id
    WHERE starts_with(o.client_key, %(prefix)s)
    ORDER BY o.created_at
"""


@dataclass(frozen=True, slots=True)
class OwnOrder:
    """One order; `taken_in` tells whether the worker has a payment for it."""

    order_id: str
    event_id: str
    tenant_id: str
    total_cents: int
    currency: str
    status: str
    payment_method: str | None
    taken_in: bool


def own_orders(context: DrillContext) -> list[OwnOrder]:
    """All that there are now, oldest first.

    Raises:
        DatabaseError: the database did not answer.
    """
    values = {
        "placed": EventType.ORDER_PLACED.value,
        "prefix": f"{context.run.run_id}-load-",
    }
    with reading(context.environment.dsn) as conn:
        return rows_of(conn, OwnOrder, _FIND, values)


def paid_orders(context: DrillContext, count: int) -> list[str]:
    """The first so many that are paid, once there are as many.

    Raises:
        LookupError: there are fewer at the deadline.
    """
    waited = wait_until(
        lambda: [one.order_id for one in own_orders(context) if one.status == OrderStatus.PAID],
        lambda found: len(found) >= count,
        deadline_seconds=context.deadline_seconds,
    )
    if not waited.reached:
        raise LookupError(f"{len(waited.value)} orders of this run were paid, not {count}")
    return waited.value[:count]


def cancel(context: DrillContext, order_ids: list[str]) -> None:
    """Cancel them as their customers would.

    Raises:
        LookupError: the service did not accept it.
    """
    api = orders_api(context.environment)
    for order_id in order_ids:
        reply = api.cancel(order_id, "the customer changed their mind")
        if not reply.ok:
            raise LookupError(f"order {order_id} could not be cancelled: {reply.problem()}")
    context.run.journal("cancelled", orders=order_ids)
