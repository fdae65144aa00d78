"""I25, I26: after the system was left alone, nothing is still on its way.

A payment that waits for its customer, or for a bank debit Stripe has not closed, waits by right
until the webhook window ends; it is counted and not judged.
"""

from __future__ import annotations

from bookpayctl.judge.invariants.facts import Facts
from bookpayctl.judge.invariants.finding import Finding, Violation, finding
from runtime.domain.names import FINAL_PAYMENT_STATES, OrderStatus


def payments_final(facts: Facts) -> Finding:
    """I25: every payment of a judged order is succeeded, failed or refunded."""
    open_rows = [row for row in facts.payments if row.state not in FINAL_PAYMENT_STATES]
    waiting = [row for row in open_rows if facts.may_still_wait(row)]
    stuck = [row for row in open_rows if not facts.may_still_wait(row)]
    return finding(
        len(facts.payments) - len(waiting),
        (
            Violation(row.order_id, f"payment is {row.state} after quiescence", row.amount_cents)
            for row in stuck
        ),
        waiting=len(waiting),
    )


def orders_final(facts: Facts) -> Finding:
    """I26: every judged order is paid, cancelled or refunded."""
    open_orders = [o for o in facts.judged.values() if o.status == OrderStatus.PENDING]
    waiting = set()
    for order in open_orders:
        payment = facts.payment_by_order.get(order.id)
        if payment is not None and facts.may_still_wait(payment):
            waiting.add(order.id)
    return finding(
        len(facts.judged) - len(waiting),
        (
            Violation(order.id, "order is pending after quiescence", order.total_cents)
            for order in open_orders
            if order.id not in waiting
        ),
        waiting=len(waiting),
    )
