"""I16-I18: stock is neither made nor lost, and what was sold was paid for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from bookpayctl.judge.invariants.facts import Facts
from bookpayctl.judge.invariants.finding import Finding, Violation, finding
from runtime.domain.names import OrderStatus, ReservationState

EXPECTED_RESERVATION: Final = {
    OrderStatus.PENDING.value: ReservationState.HELD.value,
    OrderStatus.PAID.value: ReservationState.SOLD.value,
    OrderStatus.CANCELLED.value: ReservationState.RELEASED.value,
    OrderStatus.REFUNDED.value: ReservationState.RELEASED.value,
}


def stock_conserved(facts: Facts) -> Finding:
    """I16: initial = on hand + reserved + sold, and none of them negative."""

    def violations() -> Iterator[Violation]:
        for row in facts.database.stock:
            if row.initial != row.on_hand + row.reserved + row.sold:
                yield Violation(
                    row.sku, f"{row.initial} <> {row.on_hand} + {row.reserved} + {row.sold}"
                )
            if min(row.on_hand, row.reserved, row.sold) < 0:
                yield Violation(row.sku, f"negative: {row.on_hand}, {row.reserved}, {row.sold}")

    return finding(len(facts.database.stock), violations())


def counters_match_reservations(facts: Facts) -> Finding:
    """I17: a sku's reserved and sold counters are the sums of its reservations."""
    held: Counter[str] = Counter()
    sold: Counter[str] = Counter()
    for row in facts.database.reservations:
        if row.state == ReservationState.HELD:
            held[row.sku] += row.quantity
        elif row.state == ReservationState.SOLD:
            sold[row.sku] += row.quantity

    def violations() -> Iterator[Violation]:
        for row in facts.database.stock:
            if row.reserved != held[row.sku]:
                yield Violation(row.sku, f"reserved {row.reserved}, reservations {held[row.sku]}")
            if row.sold != sold[row.sku]:
                yield Violation(row.sku, f"sold {row.sold}, reservations {sold[row.sku]}")

    return finding(len(facts.database.stock), violations())


def reservations_follow_orders(facts: Facts) -> Finding:
    """I18: pending orders hold their stock, paid ones sold it, cancelled ones gave it back."""
    rows = [row for row in facts.database.reservations if row.order_id in facts.judged]

    def violations() -> Iterator[Violation]:
        for row in rows:
            status = facts.judged[row.order_id].status
            if row.state != EXPECTED_RESERVATION[status]:
                yield Violation(row.order_id, f"order {status}, {row.sku} is {row.state}")

    return finding(len(rows), violations())
