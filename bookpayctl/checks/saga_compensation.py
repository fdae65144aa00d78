"""BP-C005: a failed payment cancels its order, gives the stock back, says so, and voids the PI.

The synthetic PaymentFailed goes the way real ones go: through the outbox, on a probe order whose
payment is really waiting at Stripe, so that the compensation has something to take back. Where
Stripe remembers nothing (stripe-mock), what became of the PaymentIntent is not asked, and that is
said; what the chapter asks needs only our side.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

from bookpayctl.check import Check, CheckAnswer, Inquiry, cannot_tell, judged
from bookpayctl.clients import kafka
from bookpayctl.clients.database import reading, writing
from bookpayctl.clients.probe_tenant import TENANT_ID
from bookpayctl.judge.readers.stripe import StripeReader
from bookpayctl.load import probe_orders
from bookpayctl.runs.waiting import Waited, wait_until
from bookpayctl.targets.environment import Environment
from runtime.domain.names import (
    Aggregate,
    EventType,
    OrderStatus,
    PaymentState,
    ReservationState,
    Topic,
)

FAILURE: Final = "synthetic_failure"
VOIDED: Final = "canceled"


@dataclass(frozen=True, slots=True)
class Compensation:
    """How far the compensation has come."""

    order_status: str
    stock: tuple[str, ...]
    cancelled_event_id: str | None
    emitted: bool
    payment_state: str

    @property
    def done_by_us(self) -> bool:
        """Everything but Stripe's side."""
        return (
            self.order_status == OrderStatus.CANCELLED
            and bool(self.stock)
            and all(state == ReservationState.RELEASED for state in self.stock)
            and self.cancelled_event_id is not None
            and self.emitted
        )


def ask(inquiry: Inquiry) -> CheckAnswer:
    """Make a payment wait, fail it by an event, and watch all four consequences."""
    environment, run = inquiry.environment, inquiry.run
    probe = probe_orders.place_probe(
        environment, run, payment_method=probe_orders.PAYMENT_METHOD_THAT_WAITS
    )
    waiting = probe_orders.wait_for_payment(
        environment,
        probe.event_id,
        frozenset({PaymentState.PROCESSING.value}),
        deadline_seconds=inquiry.deadline_seconds,
    )
    if not waiting.reached or waiting.value is None or waiting.value[1] is None:
        return cannot_tell(
            f"the probe's payment did not come to wait at Stripe in {waiting.seconds:.0f} s:"
            f" {waiting.value}",
            fix=f"bookpayctl order trace {probe.order_id}",
        )
    payment_intent_id = waiting.value[1]
    ends = _topic_ends(environment)
    _fail_payment(environment, inquiry, probe)
    seen = wait_until(
        lambda: _compensation(environment, probe),
        lambda compensation: compensation.done_by_us,
        deadline_seconds=inquiry.deadline_seconds,
    )
    published = _wait_for_topic(inquiry, seen.value.cancelled_event_id, ends)
    void = _wait_for_void(inquiry, payment_intent_id)
    problems = [f"after {seen.seconds:.0f} s {p}" for p in _problems(seen.value, published)]
    if void is not None and void.value != VOIDED:
        problems.append(
            f"after {void.seconds:.0f} s the PaymentIntent is {void.value}, not {VOIDED}"
        )
    at_stripe = void.value if void else "not asked, this Stripe keeps no ledger"
    return judged(
        problems,
        f"order cancelled, stock released, OrderCancelled on {Topic.ORDERS_CANCELLED.value},"
        f" in {seen.seconds:.1f} s; PaymentIntent {at_stripe}",
        5 if void else 4,
        (
            f"order {probe.order_id} {seen.value.order_status}, stock {list(seen.value.stock)}",
            f"OrderCancelled {seen.value.cancelled_event_id}, on topic: {published}",
            f"{payment_intent_id} at Stripe: {at_stripe}; payment {seen.value.payment_state}",
        ),
        fix=f"bookpayctl order trace {probe.order_id}",
    )


def _fail_payment(
    environment: Environment, inquiry: Inquiry, probe: probe_orders.ProbeOrder
) -> None:
    """Put the synthetic PaymentFailed into the outbox, marked and registered as a probe."""

    event_id = str(uuid4())
    inquiry.run.probe("event", event_id)
    payload = {
        "event_id": event_id,
        "root_event_id": probe.event_id,
        "order_id": probe.order_id,
        "occurred_at": datetime.now(UTC).isoformat(),
        "amount_cents": probe.amount_cents,
        "currency": probe.currency,
        "reason": FAILURE,
        "failure_code": FAILURE,
        "probe": True,
    }
    with writing(environment.dsn) as conn:
        conn.execute(
            "INSERT INTO outbox (event_id, aggregate, aggregate_id, event_type, payload, tenant_id)"
            " VALUES (%s, %s, %s, %s, %s::jsonb, %s)",
            (
                event_id,
                Aggregate.PAYMENTS.value,
                probe.event_id,
                EventType.PAYMENT_FAILED.value,
                json.dumps(payload),
                TENANT_ID,
            ),
        )
    inquiry.run.journal("payment_failed_sent", event_id=event_id, order_id=probe.order_id)


def _compensation(environment: Environment, probe: probe_orders.ProbeOrder) -> Compensation:
    with reading(environment.dsn) as conn:
        order = conn.execute(
            "SELECT status FROM orders WHERE id = %s", (probe.order_id,)
        ).fetchone()
        stock = conn.execute(
            "SELECT state FROM reservations WHERE order_id = %s", (probe.order_id,)
        ).fetchall()
        event = conn.execute(
            "SELECT event_id::text, published_at IS NOT NULL FROM outbox"
            " WHERE event_type = %s AND payload->>'order_id' = %s",
            (EventType.ORDER_CANCELLED.value, probe.order_id),
        ).fetchone()
        payment = conn.execute(
            "SELECT state FROM payments WHERE event_id = %s", (probe.event_id,)
        ).fetchone()
    return Compensation(
        order_status=order[0] if order else "missing",
        stock=tuple(state for (state,) in stock),
        cancelled_event_id=event[0] if event else None,
        # A capture marks nothing: its record is waited for instead.
        emitted=bool(event and (event[1] or environment.captured)),
        payment_state=payment[0] if payment else "missing",
    )


def _topic_ends(environment: Environment) -> dict[tuple[str, int], int]:
    ranges = kafka.ranges_of(environment.kafka, [Topic.ORDERS_CANCELLED.value])
    return {where: end for where, (_, end) in ranges.items()}


def _wait_for_topic(
    inquiry: Inquiry, event_id: str | None, since: dict[tuple[str, int], int]
) -> bool:
    """Whether the event is on its topic: at once where it is marked, else by the deadline."""
    environment = inquiry.environment
    return wait_until(
        lambda: _is_on_topic(environment, event_id, since),
        bool,
        deadline_seconds=inquiry.deadline_seconds if environment.captured else 0.0,
        every_seconds=0.5,
    ).value


def _is_on_topic(
    environment: Environment, event_id: str | None, since: dict[tuple[str, int], int]
) -> bool:
    """Whether the event is in orders.cancelled, after the offsets seen before it was caused."""
    if event_id is None:
        return False
    consumer = kafka.open_consumer(environment.kafka)
    try:
        ranges = {
            where: (since.get(where, first), end)
            for where, (first, end) in kafka.log_ranges(
                consumer, [Topic.ORDERS_CANCELLED.value]
            ).items()
        }
        return any(
            record.event_id == event_id for record in kafka.records_between(consumer, ranges)
        )
    finally:
        consumer.close()


def _wait_for_void(inquiry: Inquiry, payment_intent_id: str) -> Waited[str] | None:
    """The PaymentIntent's status at Stripe once canceled, or at the deadline; None if not known."""
    reader = StripeReader(inquiry.environment)
    if not reader.keeps_a_ledger:
        return None
    return wait_until(
        lambda: str(reader.intent(payment_intent_id)["status"]),
        lambda status: status == VOIDED,
        deadline_seconds=inquiry.deadline_seconds,
    )


def _problems(seen: Compensation, published: bool) -> list[str]:
    problems = []
    if seen.order_status != OrderStatus.CANCELLED:
        problems.append(f"the order is {seen.order_status}, not cancelled")
    if not seen.stock or any(state != ReservationState.RELEASED for state in seen.stock):
        problems.append(f"its stock is {list(seen.stock) or 'not reserved'}, not released")
    if seen.cancelled_event_id is None:
        problems.append("no OrderCancelled is in the outbox")
    elif not published:
        problems.append(f"OrderCancelled is not on {Topic.ORDERS_CANCELLED.value}")
    return problems


CHECK: Final = Check(
    id="BP-C005",
    title="saga compensates a failed payment",
    question="Saga compensation: a synthetic payments.failed event flips the order to cancelled"
    " and emits an OrderCancelled event",
    required="order cancelled, stock released, OrderCancelled on its topic, PaymentIntent canceled",
    why="Without it a declined customer keeps the stock, and a late success takes money for"
    " nothing.",
    fix="bookpayctl order trace ORDER; bookpayctl logs orders-service",
    ask=ask,
)
