"""Sabotages of the simulated protocol: each puts one decision wrong, and seeds must turn red by it.

Protocol mistakes that real payment stacks have made. How many seeds it takes to find one is how
much a green run is worth.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from bookpayctl.simulation.decisions import RIGHT, Decisions
from runtime.domain import order, payment, stripe_answers
from runtime.domain.names import OrderStatus, PaymentState
from runtime.domain.order import OrderEvent, OrderStep, Stock
from runtime.domain.outcome import Declined, Outcome
from runtime.domain.payment_events import (
    Claimed,
    Effect,
    Event,
    Payment,
    SeenAbsent,
    SeenOpen,
    Step,
    Verdict,
)
from runtime.domain.stripe_answers import AskedCharge, AskedRefund
from runtime.domain.stripe_shape import Answer, NoAnswer, Refusal


@dataclass(frozen=True, slots=True)
class Mutant:
    """One sabotage: its name, what it does in a sentence, and the decisions with it."""

    name: str
    sabotage: str
    decisions: Decisions


def _drawn(rng: random.Random) -> str:
    return str(UUID(int=rng.getrandbits(128)))


def _random_key(event_id: str, attempt: int, rng: random.Random) -> str:  # noqa: ARG001
    return _drawn(rng)


def _key_with_attempt(event_id: str, attempt: int, rng: random.Random) -> str:  # noqa: ARG001
    return event_id if attempt == 1 else f"{event_id}:{attempt}"


def _no_key(key: str, rng: random.Random) -> str | None:  # noqa: ARG001
    return None


def _random_refund_key(key: str, rng: random.Random) -> str | None:  # noqa: ARG001
    return _drawn(rng)


def _final_when(
    is_meant: Callable[[Answer], bool],
) -> Callable[[Answer, AskedCharge], Outcome]:
    def outcome(answer: Answer, asked: AskedCharge) -> Outcome:
        if is_meant(answer):
            return Declined("payment_failed")
        return stripe_answers.outcome_of_charge(answer, asked)

    return outcome


def _is_timeout(answer: Answer) -> bool:
    return isinstance(answer, NoAnswer) and answer.sent


def _is_500(answer: Answer) -> bool:
    return isinstance(answer, Refusal) and answer.http_status >= 500


def _refund_times_out(answer: Answer, asked: AskedRefund) -> Outcome:
    if _is_timeout(answer):
        return Declined("refund_failed")
    return stripe_answers.outcome_of_refund(answer, asked)


def _step_back(before: Payment, event: Event) -> Verdict:
    if isinstance(event, SeenOpen) and before.state is PaymentState.SUCCEEDED:
        return Step(replace(before, state=PaymentState.PROCESSING))
    return payment.step(before, event)


def _not_executed_at_once(before: Payment, event: Event) -> Verdict:
    if isinstance(event, SeenAbsent) and before.state is PaymentState.UNKNOWN:
        failed = replace(before, state=PaymentState.FAILED, failure_code=payment.NOT_EXECUTED)
        return Step(failed, (Effect.EMIT_FAILED,))
    return payment.step(before, event)


def _no_refund(before: Payment, event: Event) -> Verdict:
    verdict = payment.step(before, event)
    if isinstance(verdict, Step) and Effect.REQUEST_REFUND in verdict.effects:
        kept = tuple(e for e in verdict.effects if e is not Effect.REQUEST_REFUND)
        return replace(verdict, effects=kept)
    return verdict


def _old_key_is_posted(before: Payment, event: Event) -> Verdict:
    if isinstance(event, Claimed):
        return payment.step(before, replace(event, key_age_seconds=None))
    return payment.step(before, event)


def _released_again(status: OrderStatus, event: OrderEvent) -> OrderStep | None:
    again = (OrderEvent.CUSTOMER_CANCELLED, OrderEvent.PAYMENT_FAILED)
    if status is OrderStatus.CANCELLED and event in again:
        return OrderStep(OrderStatus.CANCELLED, Stock.RELEASE)
    return order.next_order_step(status, event)


MUTANTS: Final = (
    Mutant("random-key", "every charge is sent under a key that is drawn",
           replace(RIGHT, charge_key=_random_key)),
    Mutant("key-with-retry-count", "the key of a retry has the number of the attempt",
           replace(RIGHT, charge_key=_key_with_attempt)),
    Mutant("old-key-posted", "a key that Stripe may have pruned is posted again",
           replace(RIGHT, step=_old_key_is_posted)),
    Mutant("no-inbox-check", "a record that is read again makes its payment anew",
           replace(RIGHT, inbox_checks=False)),
    Mutant("offset-before-effect", "offsets are committed before the work is done",
           replace(RIGHT, offset_after_effect=False)),
    Mutant("publish-before-commit", "an event is published whose transaction is not committed",
           replace(RIGHT, publish_after_commit=False)),
    Mutant("mark-before-acknowledgement", "an event is marked before the broker has it",
           replace(RIGHT, mark_after_acknowledgement=False)),
    Mutant("order-without-event", "the order is committed, and then its event",
           replace(RIGHT, order_and_event_together=False)),
    Mutant("client-key-ignored", "a repeated POST makes a second order",
           replace(RIGHT, client_key_is_looked_up=False)),
    Mutant("finalise-on-timeout", "a charge without an answer counts as declined",
           replace(RIGHT, outcome_of_charge=_final_when(_is_timeout))),
    Mutant("finalise-on-500", "a 500 counts as declined",
           replace(RIGHT, outcome_of_charge=_final_when(_is_500))),
    Mutant("no-lease-fencing", "a result is written whoever holds the lease",
           replace(RIGHT, fences_results=False)),
    Mutant("wall-clock-lease", "a lease is over when the worker's own clock says so",
           replace(RIGHT, lease_of_environment=False)),
    Mutant("refund-without-key", "a refund is sent without a key",
           replace(RIGHT, refund_key=_no_key)),
    Mutant("refund-key-drawn", "each try of a refund has a key of its own",
           replace(RIGHT, refund_key=_random_refund_key)),
    Mutant("refund-finalised-on-timeout", "a refund without an answer counts as failed",
           replace(RIGHT, outcome_of_refund=_refund_times_out)),
    Mutant("no-refund", "the money of a cancelled order is kept",
           replace(RIGHT, step=_no_refund)),
    Mutant("release-twice", "a cancelled order gives its books back again",
           replace(RIGHT, next_order_step=_released_again, releases_stock_once=False)),
    Mutant("skip-release", "a cancelled order keeps its books",
           replace(RIGHT, releases_stock=False)),
    Mutant("no-amount-match", "a webhook about other money is believed",
           replace(RIGHT, compares_amount=False)),
    Mutant("drop-unknown-intent", "a webhook is dropped whose PaymentIntent is not known yet",
           replace(RIGHT, takes_unknown_intents=False)),
    Mutant("state-regress", "late news leads a succeeded payment back",
           replace(RIGHT, step=_step_back)),
    Mutant("answer-before-insert", "a webhook is answered before it is stored",
           replace(RIGHT, answers_webhook_after_insert=False)),
    Mutant("search-instead-of-list", "absence is proven by a search, which lags",
           replace(RIGHT, lists=False)),
    Mutant("no-deadline", "absence is proven while a request may be on its way",
           replace(RIGHT, waits_for_deadline=False)),
    Mutant("not-executed-young-key", "absence under a young key ends the payment",
           replace(RIGHT, step=_not_executed_at_once)),
)  # fmt: skip
"""Each replaces code of the protocol by a mistake; all of them must be found."""
