"""I21, I22, I29: every step was allowed, no step is missing, and the row is where they lead.

The relation below is the judge's own, written from the protocol and not imported from the runtime:
an error in the runtime's table must not excuse itself. Histories are judged, not last rows, so a
wrong state that healed is still found.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bookpayctl.judge.invariants.facts import Facts
from bookpayctl.judge.invariants.finding import Finding, Violation, finding
from bookpayctl.judge.rows import Transition

# A step to the same state is a note on it: a lease taken over, a cancellation asked for, a refund
# that failed. Final states take no notes. A record older than a key's life is born unknown.
PAYMENT_STEPS: Final[dict[str | None, frozenset[str]]] = {
    None: frozenset({"pending", "failed", "unknown"}),
    "pending": frozenset({"charging", "failed", "parked", "succeeded", "processing", "unknown"}),
    "charging": frozenset(
        {"charging", "succeeded", "failed", "processing", "unknown", "pending", "parked"}
    ),
    # Parked when a person has to look at what Stripe holds, which is not what was asked for.
    "processing": frozenset({"processing", "succeeded", "failed", "parked"}),
    "unknown": frozenset(
        {"unknown", "charging", "succeeded", "failed", "processing", "pending", "parked"}
    ),
    "parked": frozenset({"parked", "pending", "processing", "succeeded", "failed"}),
    "succeeded": frozenset({"refunding"}),
    "failed": frozenset({"refunding"}),
    "refunding": frozenset({"refunding", "refunded"}),
    "refunded": frozenset(),
}

ORDER_STEPS: Final[dict[str | None, frozenset[str]]] = {
    None: frozenset({"pending"}),
    "pending": frozenset({"paid", "cancelled"}),
    "paid": frozenset({"cancelled"}),
    "cancelled": frozenset({"refunded"}),
    "refunded": frozenset(),
}


def steps_allowed(facts: Facts) -> Finding:
    """I21: every recorded step of an order or payment is one the protocol knows."""
    examined = 0
    found: list[Violation] = []
    for subject, steps, allowed in _chains(facts):
        for step in steps:
            examined += 1
            if step.to_state not in allowed.get(step.from_state, frozenset()):
                found.append(
                    Violation(subject, f"{step.from_state} -> {step.to_state} by {step.cause}")
                )
    return finding(examined, found)


def steps_connect(facts: Facts) -> Finding:
    """I22: each step begins where the one before it ended."""
    examined = 0
    found: list[Violation] = []
    for subject, steps, _ in _chains(facts):
        examined += len(steps)
        reached: str | None = None
        for step in steps:
            if step.from_state != reached:
                found.append(
                    Violation(subject, f"was {reached}, next step begins at {step.from_state}")
                )
            reached = step.to_state
    return finding(examined, found)


def rows_are_where_steps_lead(facts: Facts) -> Finding:
    """I29: the state in the row is the end of its recorded steps."""

    def violations() -> Iterator[Violation]:
        for order in facts.judged.values():
            steps = facts.order_transitions.get(order.id, [])
            # An order inserted by hand, as the chapter does, has no first step on record.
            reached = steps[-1].to_state if steps else "pending"
            if order.status != reached:
                yield Violation(order.id, f"order says {order.status}, its steps end at {reached}")
        for payment in facts.payments:
            steps = facts.payment_transitions.get(payment.event_id, [])
            end = steps[-1].to_state if steps else None
            if payment.state != end:
                yield Violation(
                    payment.order_id, f"payment says {payment.state}, its steps end at {end}"
                )

    return finding(len(facts.judged) + len(facts.payments), violations())


def _chains(
    facts: Facts,
) -> Iterator[tuple[str, list[Transition], dict[str | None, frozenset[str]]]]:
    for order_id in facts.judged:
        yield order_id, _with_birth(facts.order_transitions.get(order_id, [])), ORDER_STEPS
    for payment in facts.payments:
        steps = facts.payment_transitions.get(payment.event_id, [])
        yield payment.order_id, steps, PAYMENT_STEPS


def _with_birth(steps: list[Transition]) -> list[Transition]:
    """Give an order inserted by hand the first step nobody recorded for it."""
    if not steps or steps[0].from_state is None:
        return steps
    first = steps[0]
    return [Transition(-1, first.subject, first.kind, None, "pending", "inserted by hand"), *steps]
