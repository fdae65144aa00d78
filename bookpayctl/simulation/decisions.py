"""What the simulated services decide by: the runtime's functions, each of which can be put wrong.

A sabotage (`mutants.py`) is this value with one field replaced. The first part is code of
`runtime.domain` itself; the second mirrors what the runtime's shells do in a line or two, each
beside the place that it mirrors.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from runtime.domain import missed, order, payment, refund, stripe_answers
from runtime.domain.money import Money
from runtime.domain.names import EventType, OrderStatus
from runtime.domain.order import AmountMismatch, OrderEvent, OrderStep
from runtime.domain.outcome import Outcome
from runtime.domain.payment_events import Event, Payment, Verdict
from runtime.domain.refund import Refund, RefundEvent
from runtime.domain.stripe_answers import AskedCharge, AskedRefund
from runtime.domain.stripe_shape import Answer

OrderPath = Callable[
    [OrderStatus, Money, OrderEvent, Money],
    tuple[tuple[OrderEvent, OrderStep], ...] | AmountMismatch,
]


def charge_key(event_id: str, attempt: int, rng: random.Random) -> str:  # noqa: ARG001
    """`payments_gateway/calls.py`: one key per order, for ever; the rest is for sabotages."""
    return event_id


def refund_key(key: str, rng: random.Random) -> str | None:  # noqa: ARG001
    """`adapters/store/refunds.py`: the key that was stored with the refund."""
    return key


@dataclass(frozen=True, slots=True)
class Decisions:
    """All decisions of the protocol; the defaults are right.

    Attributes:
        inbox_checks: a payment that is there is not inserted again (`adapters/store/inbox.py`).
        offset_after_effect: the order of `adapters/consumer_loop.py`.
        publish_after_commit: only what is committed is in the outbox, and only that is published.
        mark_after_acknowledgement: `outbox_publisher/in_flight.py`.
        fences_results: `steps/payment.py`, `lease_token`.
        lease_of_environment: a lease is over when the database says so (`store/payments.py`).
        releases_stock_once: reservations that are released move no shelf (`store/stock.py`).
        releases_stock: a cancelled order gives its books back.
        compares_amount: a webhook is about this payment's money (`steps/webhook.py`).
        takes_unknown_intents: a webhook may name a PaymentIntent first (`steps/webhook.py`).
        answers_webhook_after_insert: 2xx comes after the commit (`webhook_receiver/intake.py`).
        lists: the reconciler lists, which shows what was written a moment ago; else it searches.
        waits_for_deadline: absence is no proof while a request may be on its way.
        order_and_event_together: one transaction (`services/orders/place.py`).
        client_key_is_looked_up: a repeated POST finds the first one's order.
        sends_late: an attempt that was held up is sent all the same (`executor.py`).
    """

    step: Callable[[Payment, Event], Verdict] = payment.step
    next_refund: Callable[[Refund, RefundEvent], Refund] = refund.next_refund
    outcome_of_charge: Callable[[Answer, AskedCharge], Outcome] = stripe_answers.outcome_of_charge
    outcome_of_refund: Callable[[Answer, AskedRefund], Outcome] = stripe_answers.outcome_of_refund
    outcome_of_cancel: Callable[[Answer, str], Outcome] = stripe_answers.outcome_of_cancel
    next_order_step: Callable[[OrderStatus, OrderEvent], OrderStep | None] = order.next_order_step
    order_path: OrderPath = order.order_path
    events_missed: Callable[..., tuple[EventType, ...]] = missed.events_missed
    charge_key: Callable[[str, int, random.Random], str] = charge_key
    refund_key: Callable[[str, random.Random], str | None] = refund_key

    inbox_checks: bool = True
    offset_after_effect: bool = True
    publish_after_commit: bool = True
    mark_after_acknowledgement: bool = True
    fences_results: bool = True
    lease_of_environment: bool = True
    releases_stock_once: bool = True
    releases_stock: bool = True
    compares_amount: bool = True
    takes_unknown_intents: bool = True
    answers_webhook_after_insert: bool = True
    lists: bool = True
    waits_for_deadline: bool = True
    order_and_event_together: bool = True
    client_key_is_looked_up: bool = True
    sends_late: bool = False


RIGHT = Decisions()
"""The protocol as it is."""
