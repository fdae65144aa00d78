"""I01-I03: what clients were told, against the orders that exist.

Only the tenant and the keys of one recorded history are judged, because only they have a record of
what the client saw. An operation whose end is unknown may have had either effect; it becomes a
violation only where its effects contradict each other.
"""

from __future__ import annotations

from collections.abc import Iterator

from bookpayctl.judge.invariants.facts import Facts, group
from bookpayctl.judge.invariants.finding import Finding, Violation, finding
from bookpayctl.judge.rows import ClientOperation, OrderRow
from bookpayctl.report.money import shown_money


def lost_orders(facts: Facts) -> Finding:
    """I01: every order a client was told of exists, with the amount it was told."""
    history = facts.history
    if history is None:
        return Finding(0, ())
    orders = _orders_by_key(facts)
    accepted = [op for op in history.operations if op.outcome == "ok"]

    def violations() -> Iterator[Violation]:
        for op in accepted:
            found = orders.get(op.client_key, [])
            if not found:
                yield Violation(op.order_id or op.client_key, "accepted, but there is no order")
            elif op.amount_cents is not None and found[0].total_cents != op.amount_cents:
                order = found[0]
                told = shown_money(op.amount_cents, order.currency)
                says = shown_money(order.total_cents, order.currency)
                yield Violation(
                    order.id,
                    f"client was told {told}, the order says {says}",
                    abs(order.total_cents - op.amount_cents),
                )

    return finding(len(accepted), violations())


def phantom_orders(facts: Facts) -> Finding:
    """I02: no order exists that its client was refused, or that no client of the run sent."""
    history = facts.history
    if history is None:
        return Finding(0, ())
    operations = group(history.operations, lambda op: op.client_key)
    ours = [
        order
        for key, orders in _orders_by_key(facts).items()
        if key.startswith(history.key_prefix)
        for order in orders
    ]

    def violations() -> Iterator[Violation]:
        for order in ours:
            said = operations.get(order.client_key or "", [])
            if not said:
                yield Violation(order.id, f"no client sent key {order.client_key}")
            elif all(op.outcome == "fail" for op in said):
                yield Violation(order.id, "every attempt was refused, yet the order exists")

    return finding(len(ours) + _failed(history.operations), violations())


def duplicate_orders(facts: Facts) -> Finding:
    """I03: one order per tenant and client key."""
    keyed = [order for order in facts.judged.values() if order.client_key]
    by_key = group(keyed, lambda order: f"{order.tenant_id}/{order.client_key}")
    return finding(
        len(keyed),
        (
            Violation(key, "orders " + ", ".join(o.id for o in orders), orders[1].total_cents)
            for key, orders in by_key.items()
            if len(orders) > 1
        ),
    )


def _orders_by_key(facts: Facts) -> dict[str, list[OrderRow]]:
    tenant = facts.history.tenant_id if facts.history else ""
    rows = (o for o in facts.database.orders if o.client_key and o.tenant_id == tenant)
    return group(rows, lambda order: str(order.client_key))


def _failed(operations: tuple[ClientOperation, ...]) -> int:
    return sum(1 for op in operations if op.outcome == "fail")
