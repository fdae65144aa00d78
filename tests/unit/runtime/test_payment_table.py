"""The payment state machine, row by row: what each answer and each event makes of a payment.

The expected values are the two tables of the payment protocol, written by hand.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from runtime.domain import outcome as o
from runtime.domain.key_history import KeyHistory
from runtime.domain.names import PaymentIntentId
from runtime.domain.names import PaymentState as S
from runtime.domain.payment import step
from runtime.domain.payment_events import (
    Answered,
    Claimed,
    Effect,
    Event,
    LeaseLost,
    Payment,
    Refused,
    SeenAbsent,
    SeenFailed,
    SeenOpen,
    SeenOtherMoney,
    SeenSucceeded,
    Step,
    Unchanged,
    Wait,
)

PI = PaymentIntentId("pi_ours")
OTHER_PI = PaymentIntentId("pi_other")
DAY = 24 * 3600.0

CHARGING = Payment(S.CHARGING, unfinished_attempts=1)
UNANSWERED = KeyHistory(maybe_executed=True)
UNKNOWN = Payment(S.UNKNOWN, key=UNANSWERED)
SAVED_500 = replace(UNKNOWN, key=replace(UNANSWERED, saved_failure=True))
ASKED = replace(UNKNOWN, key=replace(UNANSWERED, needs_reconcile=True))
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


def failed(times: int) -> Payment:
    """An attempt under way after so many failures in a row."""
    return replace(CHARGING, key=KeyHistory(transient_failures=times))


# --- answers to an attempt ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "state", "effects"),
    [
        (o.Settled(PI), S.SUCCEEDED, (Effect.EMIT_COMPLETED,)),
        (o.Pending(PI, "processing"), S.PROCESSING, ()),
        (o.Pending(PI, "requires_payment_method"), S.PROCESSING, ()),
        (o.Declined("card_declined", PI), S.FAILED, (Effect.EMIT_FAILED,)),
        (o.Parked("parameter_invalid"), S.PARKED, (Effect.EMIT_PARKED, Effect.ALERT)),
        (o.Halt("api_key_expired"), S.PENDING, (Effect.ALERT,)),
        (o.Retry("rate_limit"), S.PENDING, ()),
        (o.Unknown("no answer"), S.UNKNOWN, ()),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, tuple | S) else "",
)
def test_each_outcome_of_a_first_attempt_leads_to_its_state(
    outcome: o.Outcome, state: S, effects: tuple[Effect, ...]
) -> None:
    after = stepped(CHARGING, Answered(outcome))

    assert (after.payment.state, after.effects) == (state, effects)
    assert after.payment.unfinished_attempts == 0


@pytest.mark.parametrize("outcome", [o.Settled(PI), o.Pending(PI, "processing")])
def test_an_answer_that_names_the_payment_intent_stores_it(outcome: o.Outcome) -> None:
    assert stepped(CHARGING, Answered(outcome)).payment.payment_intent_id == PI


def test_a_decline_keeps_its_code_and_its_payment_intent() -> None:
    after = stepped(CHARGING, Answered(o.Declined("expired_card", PI))).payment

    assert (after.failure_code, after.payment_intent_id) == ("expired_card", PI)


def test_a_refusal_of_our_credentials_is_not_counted_as_a_failure() -> None:
    after = stepped(CHARGING, Answered(o.Halt("api_key_expired"))).payment

    assert after.key.transient_failures == 0


def test_a_refused_attempt_waits_at_least_as_long_as_stripe_asked() -> None:
    after = stepped(CHARGING, Answered(o.Retry("rate_limit", 7.0)))

    assert (after.wait, after.wait_seconds_min) == (Wait.BACK_OFF, 7.0)


def test_seven_refusals_wait_and_the_eighth_parks() -> None:
    seventh = stepped(failed(6), Answered(o.Retry("lock_timeout")))
    eighth = stepped(failed(7), Answered(o.Retry("lock_timeout")))

    assert seventh.payment.state is S.PENDING
    assert eighth.payment.state is S.PARKED
    assert Effect.EMIT_PARKED in eighth.effects


def test_that_nobody_was_there_counts_as_a_refusal_does() -> None:
    away = o.Retry("connection refused", unreached=True)

    seventh = stepped(failed(6), Answered(away))

    assert (seventh.payment.state, seventh.wait) == (S.PENDING, Wait.BACK_OFF)
    assert seventh.payment.key.transient_failures == 7
    assert stepped(failed(7), Answered(away)).payment.state is S.PARKED


@pytest.mark.parametrize("outcome", [o.Retry("rate_limit"), o.Halt("api_key_expired")])
def test_a_refusal_after_an_unanswered_attempt_stays_unknown(outcome: o.Outcome) -> None:
    after = stepped(replace(CHARGING, key=UNANSWERED), Answered(outcome)).payment

    assert (after.state, after.key.maybe_executed) == (S.UNKNOWN, True)


def test_refusals_never_park_a_payment_that_may_have_been_executed() -> None:
    tired = replace(CHARGING, key=KeyHistory(maybe_executed=True, transient_failures=50))

    assert stepped(tired, Answered(o.Retry("rate_limit"))).payment.state is S.UNKNOWN


def test_two_unanswered_posts_are_repeated_and_the_third_asks_stripe_first() -> None:
    second = stepped(failed(1), Answered(o.Unknown("http 500")))
    third = stepped(failed(2), Answered(o.Unknown("http 500")))

    assert not second.payment.key.needs_reconcile
    assert third.payment.key.needs_reconcile


def test_a_saved_failure_asks_stripe_at_once() -> None:
    after = stepped(CHARGING, Answered(o.Unknown("http 500", saved_failure=True))).payment

    assert (after.key.saved_failure, after.key.needs_reconcile) == (True, True)


@pytest.mark.parametrize("payment", [UNKNOWN, PROCESSING, SUCCEEDED, FAILED, PARKED, REFUNDED])
def test_an_answer_to_nobody_is_refused(payment: Payment) -> None:
    assert isinstance(step(payment, Answered(o.Settled(PI))), Refused)


# --- claims and leases ----------------------------------------------------------------------


def test_a_pending_payment_is_claimed_for_charging() -> None:
    after = stepped(Payment(S.PENDING), Claimed(None)).payment

    assert (after.state, after.unfinished_attempts) == (S.CHARGING, 1)


def test_an_unknown_payment_is_charged_again_under_the_same_key() -> None:
    assert stepped(UNKNOWN, Claimed(60.0)).payment.state is S.CHARGING


def test_a_lost_lease_leaves_the_payment_unknown_and_perhaps_executed() -> None:
    after = stepped(CHARGING, LeaseLost()).payment

    assert (after.state, after.key.maybe_executed, after.unfinished_attempts) == (
        S.UNKNOWN,
        True,
        1,
    )


@pytest.mark.parametrize("payment", [Payment(S.PENDING), UNKNOWN])
def test_a_key_older_than_23_hours_is_never_posted(payment: Payment) -> None:
    young = stepped(payment, Claimed(23 * 3600.0))
    old = stepped(payment, Claimed(23 * 3600.0 + 1))

    assert young.payment.state is S.CHARGING
    assert (old.payment.state, old.payment.key.needs_reconcile) == (S.UNKNOWN, True)


def test_a_payment_its_process_died_on_three_times_is_not_sent_a_fourth_time() -> None:
    twice = stepped(replace(UNKNOWN, unfinished_attempts=2), Claimed(60.0))
    thrice = stepped(replace(UNKNOWN, unfinished_attempts=3), Claimed(60.0))

    assert twice.payment.state is S.CHARGING
    assert (thrice.payment.state, thrice.payment.key.needs_reconcile) == (S.UNKNOWN, True)


@pytest.mark.parametrize(
    "payment", [CHARGING, PROCESSING, SUCCEEDED, FAILED, PARKED, REFUNDING, REFUNDED]
)
def test_only_waiting_payments_are_claimed(payment: Payment) -> None:
    assert isinstance(step(payment, Claimed(None)), Unchanged)


def test_a_payment_that_stripe_must_be_asked_about_is_not_claimed() -> None:
    assert isinstance(step(ASKED, Claimed(60.0)), Unchanged)


@pytest.mark.parametrize("payment", [Payment(S.PENDING), UNKNOWN, PROCESSING, FAILED, SUCCEEDED])
def test_a_lease_is_lost_only_while_charging(payment: Payment) -> None:
    assert isinstance(step(payment, LeaseLost()), Unchanged)


# --- what webhook and reconciler see --------------------------------------------------------

OPEN = [Payment(S.PENDING), CHARGING, PROCESSING, UNKNOWN, PARKED]


@pytest.mark.parametrize("payment", OPEN, ids=lambda payment: payment.state)
def test_a_success_seen_anywhere_before_the_end_completes_the_payment(payment: Payment) -> None:
    after = stepped(payment, SeenSucceeded(PI))

    assert (after.payment.state, after.effects) == (S.SUCCEEDED, (Effect.EMIT_COMPLETED,))
    assert (after.payment.payment_intent_id, after.payment.failure_code) == (PI, None)


@pytest.mark.parametrize("payment", OPEN, ids=lambda payment: payment.state)
def test_a_failure_seen_anywhere_before_the_end_fails_the_payment(payment: Payment) -> None:
    after = stepped(payment, SeenFailed(PI, "card_declined"))

    assert (after.payment.state, after.effects) == (S.FAILED, (Effect.EMIT_FAILED,))
    assert after.payment.failure_code == "card_declined"


@pytest.mark.parametrize("payment", [SUCCEEDED, REFUNDING, REFUNDED, FAILED])
def test_a_late_failure_undoes_nothing(payment: Payment) -> None:
    assert isinstance(step(payment, SeenFailed(PI, "card_declined")), Unchanged)


@pytest.mark.parametrize("payment", [SUCCEEDED, REFUNDING, REFUNDED])
def test_a_success_seen_twice_is_one_success(payment: Payment) -> None:
    assert isinstance(step(payment, SeenSucceeded(PI)), Unchanged)


@pytest.mark.parametrize("payment", [Payment(S.PENDING), UNKNOWN, PARKED])
def test_an_open_payment_intent_makes_the_payment_processing(payment: Payment) -> None:
    after = stepped(payment, SeenOpen(PI)).payment

    assert (after.state, after.payment_intent_id) == (S.PROCESSING, PI)


@pytest.mark.parametrize("payment", [CHARGING, PROCESSING, SUCCEEDED, FAILED, REFUNDING, REFUNDED])
def test_an_open_payment_intent_moves_nothing_that_is_under_way_or_over(payment: Payment) -> None:
    assert isinstance(step(payment, SeenOpen(PI)), Unchanged)


@pytest.mark.parametrize("event", [SeenSucceeded(OTHER_PI), SeenFailed(OTHER_PI, "card_declined")])
@pytest.mark.parametrize("payment", [PROCESSING, SUCCEEDED, REFUNDED])
def test_news_of_another_payment_intent_is_refused(payment: Payment, event: Event) -> None:
    assert isinstance(step(payment, event), Refused)


def test_a_second_payment_intent_in_an_answer_is_refused() -> None:
    known = replace(CHARGING, payment_intent_id=PI)

    assert isinstance(step(known, Answered(o.Settled(OTHER_PI))), Refused)
    assert isinstance(step(known, Answered(o.Pending(OTHER_PI, "processing"))), Refused)


@pytest.mark.parametrize("payment", [UNKNOWN, PROCESSING])
def test_other_money_than_was_asked_for_waits_for_a_person(payment: Payment) -> None:
    after = stepped(payment, SeenOtherMoney("amount_received_mismatch"))

    told = (after.payment.state, after.payment.failure_code, after.effects)
    assert told == (S.PARKED, "amount_received_mismatch", (Effect.EMIT_PARKED, Effect.ALERT))
    assert after.payment.key.maybe_executed
    assert isinstance(step(after.payment, SeenOtherMoney("amount_received_mismatch")), Unchanged)


@pytest.mark.parametrize(
    "payment", [Payment(S.PENDING), CHARGING, PARKED, SUCCEEDED, FAILED, REFUNDING, REFUNDED]
)
def test_other_money_moves_nothing_that_is_under_way_or_over(payment: Payment) -> None:
    assert isinstance(step(payment, SeenOtherMoney("amount_mismatch")), Unchanged)


# --- proven absent --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payment", "key_age"),
    [(SAVED_500, 60.0), (UNKNOWN, 23 * 3600.0 + 1)],
    ids=["saved 5xx", "key older than 23 h"],
)
def test_absence_proves_failure_only_once_the_key_is_dead(payment: Payment, key_age: float) -> None:
    after = stepped(payment, SeenAbsent(deadline_passed=True, key_age_seconds=key_age))

    assert (after.payment.state, after.payment.failure_code) == (S.FAILED, "not_executed")
    assert after.effects == (Effect.EMIT_FAILED,)


@pytest.mark.parametrize("payment", [SAVED_500, replace(UNKNOWN, cancel_requested=True)])
def test_absence_proves_nothing_while_a_request_may_be_on_its_way(payment: Payment) -> None:
    event = SeenAbsent(deadline_passed=False, key_age_seconds=2 * DAY)

    assert isinstance(step(payment, event), Unchanged)


def test_a_young_key_that_left_no_trace_is_posted_again() -> None:
    asked = replace(ASKED, key=replace(ASKED.key, transient_failures=3))

    after = stepped(asked, SeenAbsent(deadline_passed=True, key_age_seconds=60.0)).payment

    assert after == replace(UNKNOWN, key=UNANSWERED)


def test_a_payment_that_kills_its_workers_parks_once_proven_not_executed() -> None:
    deadly = replace(ASKED, unfinished_attempts=3)

    after = stepped(deadly, SeenAbsent(deadline_passed=True, key_age_seconds=60.0))

    assert (after.payment.state, after.payment.failure_code) == (S.PARKED, "process_died")
    assert not after.payment.key.maybe_executed


@pytest.mark.parametrize(
    "payment", [Payment(S.PENDING), CHARGING, PROCESSING, SUCCEEDED, FAILED, REFUNDING, REFUNDED]
)
def test_absence_matters_only_for_what_is_unknown_or_parked(payment: Payment) -> None:
    event = SeenAbsent(deadline_passed=True, key_age_seconds=2 * DAY)

    assert isinstance(step(payment, event), Unchanged)
