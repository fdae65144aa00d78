"""The payment state machine, row by row: cancellations, money that comes late, refunds, redrives.

The expected values are the tables of the payment protocol, written by hand.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from runtime.domain import outcome as o
from runtime.domain.key_history import KeyHistory
from runtime.domain.names import PaymentIntentId
from runtime.domain.names import PaymentState as S
from runtime.domain.payment import step, tombstone
from runtime.domain.payment_events import (
    Answered,
    Effect,
    Event,
    NothingOwed,
    OrderCancelled,
    Payment,
    Redriven,
    RefundFailed,
    RefundSucceeded,
    Refused,
    SeenAbsent,
    SeenSucceeded,
    Step,
    Unchanged,
)

PI = PaymentIntentId("pi_ours")
OTHER_PI = PaymentIntentId("pi_other")
DAY = 24 * 3600.0

CHARGING = Payment(S.CHARGING, unfinished_attempts=1)
UNKNOWN = Payment(S.UNKNOWN, key=KeyHistory(maybe_executed=True))
PROCESSING = Payment(S.PROCESSING, payment_intent_id=PI)
SUCCEEDED = Payment(S.SUCCEEDED, payment_intent_id=PI)
REFUNDING = Payment(S.REFUNDING, payment_intent_id=PI)
REFUNDED = Payment(S.REFUNDED, payment_intent_id=PI)
FAILED = Payment(S.FAILED, failure_code="card_declined")
PARKED = Payment(S.PARKED, failure_code="parameter_invalid")


def stepped(payment: Payment, event: Event) -> Step:
    verdict = step(payment, event)
    assert isinstance(verdict, Step), verdict
    return verdict


# --- cancellations --------------------------------------------------------------------------


def test_a_cancellation_before_the_order_is_a_failed_payment_that_is_never_sent() -> None:
    after = tombstone()

    assert (after.payment.state, after.payment.failure_code) == (S.FAILED, "order_cancelled")
    assert after.effects == (Effect.EMIT_FAILED,)


def test_a_cancellation_before_the_first_attempt_fails_the_payment_unsent() -> None:
    after = stepped(Payment(S.PENDING), OrderCancelled())

    assert (after.payment.state, after.payment.failure_code) == (S.FAILED, "order_cancelled")


@pytest.mark.parametrize("payment", [CHARGING, PROCESSING, UNKNOWN])
def test_a_cancellation_during_the_charge_is_noted_and_the_state_stays(payment: Payment) -> None:
    after = stepped(payment, OrderCancelled())

    assert (after.payment.state, after.payment.cancel_requested) == (payment.state, True)
    assert after.effects == ()


@pytest.mark.parametrize("payment", [CHARGING, PROCESSING, UNKNOWN, PARKED])
def test_a_cancellation_told_twice_is_noted_once(payment: Payment) -> None:
    noted = replace(payment, cancel_requested=True)

    assert isinstance(step(noted, OrderCancelled()), Unchanged)


@pytest.mark.parametrize("payment", [CHARGING, PROCESSING, UNKNOWN, PARKED])
def test_a_success_after_a_cancellation_is_given_back_in_the_same_step(payment: Payment) -> None:
    after = stepped(replace(payment, cancel_requested=True), SeenSucceeded(PI))

    assert (after.payment.state, after.via) == (S.REFUNDING, S.SUCCEEDED)
    assert after.effects == (Effect.EMIT_COMPLETED, Effect.REQUEST_REFUND)


def test_cancelling_a_paid_order_gives_its_money_back() -> None:
    after = stepped(SUCCEEDED, OrderCancelled())

    assert (after.payment.state, after.effects) == (S.REFUNDING, (Effect.REQUEST_REFUND,))


@pytest.mark.parametrize("payment", [FAILED, REFUNDING, REFUNDED])
def test_cancelling_what_owes_nothing_changes_nothing(payment: Payment) -> None:
    assert isinstance(step(payment, OrderCancelled()), Unchanged)


@pytest.mark.parametrize("outcome", [o.Retry("rate_limit"), o.Halt("api_key_expired")])
def test_a_refused_attempt_for_a_cancelled_order_is_not_tried_again(outcome: o.Outcome) -> None:
    cancelled = replace(CHARGING, cancel_requested=True)

    after = stepped(cancelled, Answered(outcome)).payment

    assert (after.state, after.failure_code) == (S.FAILED, "order_cancelled")


def test_a_refused_attempt_for_a_cancelled_order_waits_when_an_earlier_one_may_have_run() -> None:
    cancelled = replace(CHARGING, cancel_requested=True, key=KeyHistory(maybe_executed=True))

    assert stepped(cancelled, Answered(o.Retry("rate_limit"))).payment.state is S.UNKNOWN


def test_a_parked_payment_of_a_cancelled_order_fails_once_proven_not_executed() -> None:
    noted = stepped(PARKED, OrderCancelled()).payment

    after = stepped(noted, SeenAbsent(deadline_passed=True, key_age_seconds=None)).payment

    assert noted.key.needs_reconcile
    assert (after.state, after.failure_code) == (S.FAILED, "order_cancelled")


def test_a_payment_parked_after_its_cancellation_is_asked_about_so_that_it_can_end() -> None:
    cancelled = replace(CHARGING, cancel_requested=True)

    after = stepped(cancelled, Answered(o.Parked("parameter_invalid"))).payment

    assert (after.state, after.key.needs_reconcile) == (S.PARKED, True)


# --- the end that was not the end, and refunds ----------------------------------------------


def test_money_that_arrives_after_the_failure_is_given_back_without_a_second_outcome() -> None:
    after = stepped(FAILED, SeenSucceeded(PI))

    assert after.payment.state is S.REFUNDING
    assert after.effects == (Effect.RECORD_LATE_SUCCESS, Effect.REQUEST_REFUND, Effect.ALERT)


def test_a_refund_that_succeeds_ends_the_payment_with_its_event() -> None:
    after = stepped(REFUNDING, RefundSucceeded())

    assert (after.payment.state, after.effects) == (S.REFUNDED, (Effect.EMIT_REFUNDED,))


def test_a_refund_that_fails_stays_owed_and_calls_someone() -> None:
    after = stepped(REFUNDING, RefundFailed("expired_or_canceled_card"))

    assert (after.payment.state, after.effects) == (S.REFUNDING, (Effect.ALERT,))


def test_what_others_gave_back_ends_a_refunding_like_a_refund_of_ours() -> None:
    after = stepped(REFUNDING, NothingOwed())

    assert (after.payment.state, after.effects) == (S.REFUNDED, (Effect.EMIT_REFUNDED,))


def test_a_refund_told_twice_is_one_refund() -> None:
    assert isinstance(step(REFUNDED, RefundSucceeded()), Unchanged)
    assert isinstance(step(REFUNDED, NothingOwed()), Unchanged)


@pytest.mark.parametrize("payment", [Payment(S.PENDING), CHARGING, SUCCEEDED, FAILED, PARKED])
def test_a_refund_nobody_asked_for_is_refused(payment: Payment) -> None:
    assert isinstance(step(payment, RefundSucceeded()), Refused)
    assert isinstance(step(payment, RefundFailed("declined")), Refused)
    assert isinstance(step(payment, NothingOwed()), Refused)


# --- redrive --------------------------------------------------------------------------------


def test_an_operator_sends_a_parked_payment_again_from_the_start() -> None:
    tired = replace(PARKED, key=KeyHistory(transient_failures=8), unfinished_attempts=3)

    after = stepped(tired, Redriven()).payment

    assert after == Payment(S.PENDING)


@pytest.mark.parametrize(
    "payment",
    [
        replace(PARKED, key=KeyHistory(maybe_executed=True)),
        replace(PARKED, cancel_requested=True),
        Payment(S.PENDING),
        UNKNOWN,
        FAILED,
        SUCCEEDED,
    ],
)
def test_a_redrive_is_refused_where_it_could_charge_wrongly(payment: Payment) -> None:
    assert isinstance(step(payment, Redriven()), Refused)
