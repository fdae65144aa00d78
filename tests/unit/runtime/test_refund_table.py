"""A refund: every answer, every look at Stripe, and what may never happen in between."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.domain.names import PaymentIntentId, RefundState
from runtime.domain.outcome import (
    Declined,
    Halt,
    Outcome,
    Parked,
    Pending,
    Retry,
    Settled,
    Unknown,
)
from runtime.domain.refund import (
    Refund,
    RefundAbsent,
    RefundAnswered,
    RefundEvent,
    RefundSeen,
    may_be_sent,
    next_refund,
)

PI = PaymentIntentId("pi_1")
SENDING = Refund(RefundState.SENDING)
DAY = 86_400.0


def answered(outcome: Outcome, refund: Refund = SENDING, stripe_id: str | None = None) -> Refund:
    return next_refund(refund, RefundAnswered(outcome, stripe_id))


@pytest.mark.parametrize(
    ("outcome", "state", "code"),
    [
        (Settled(PI), RefundState.SUCCEEDED, None),
        (Pending(PI, "pending"), RefundState.PROCESSING, None),
        (Declined("refund_failed", PI), RefundState.FAILED, "refund_failed"),
        (Parked("resource_missing"), RefundState.FAILED, "resource_missing"),
        (Halt("api_key_expired"), RefundState.PENDING, None),
        (Retry("rate_limit"), RefundState.PENDING, None),
        (Retry("idempotency_key_in_use", may_run=True), RefundState.UNKNOWN, None),
        (Unknown("no answer"), RefundState.UNKNOWN, None),
        (Parked("charge_already_refunded"), RefundState.UNKNOWN, "charge_already_refunded"),
    ],
)
def test_each_answer_leads_to_one_state(
    outcome: Outcome, state: RefundState, code: str | None
) -> None:
    after = answered(outcome)

    assert (after.state, after.failure_code) == (state, code)


def test_the_id_stripe_gave_is_kept() -> None:
    assert answered(Settled(PI), stripe_id="re_1").stripe_refund_id == "re_1"
    known = replace(SENDING, stripe_refund_id="re_1")
    assert answered(Unknown("no answer"), known).stripe_refund_id == "re_1"


def test_an_answer_that_says_already_refunded_is_looked_up() -> None:
    after = answered(Parked("charge_already_refunded"))

    assert after.needs_reconcile
    seen = next_refund(after, RefundSeen("re_9", "succeeded", None))
    assert (seen.state, seen.stripe_refund_id) == (RefundState.SUCCEEDED, "re_9")


def test_a_rejection_after_an_unanswered_call_is_looked_up_before_it_counts() -> None:
    after = answered(Parked("idempotency_error"), replace(SENDING, maybe_executed=True))

    assert (after.state, after.needs_reconcile) == (RefundState.UNKNOWN, True)
    absent = next_refund(after, RefundAbsent(deadline_passed=True, key_age_seconds=5.0))
    assert (absent.state, absent.failure_code) == (RefundState.FAILED, "idempotency_error")


def test_three_unanswered_calls_or_one_saved_failure_ask_stripe_first() -> None:
    refund = SENDING
    for expected in (False, False, True):
        refund = replace(answered(Unknown("no answer"), refund), state=RefundState.SENDING)
        assert refund.needs_reconcile is expected
    assert answered(Unknown("http 500", saved_failure=True)).needs_reconcile


def test_refusals_never_give_a_refund_up() -> None:
    refund = SENDING
    for _ in range(50):
        refund = replace(answered(Retry("rate_limit"), refund), state=RefundState.SENDING)

    assert answered(Retry("rate_limit"), refund).state is RefundState.PENDING


UNKNOWN = Refund(RefundState.UNKNOWN, maybe_executed=True, needs_reconcile=True)


@pytest.mark.parametrize(
    ("refund", "deadline_passed", "key_age", "expected"),
    [
        (UNKNOWN, False, DAY, RefundState.UNKNOWN),
        (UNKNOWN, True, DAY, RefundState.FAILED),
        (replace(UNKNOWN, saved_failure=True), True, 1.0, RefundState.FAILED),
        (UNKNOWN, True, 1.0, RefundState.UNKNOWN),
    ],
    ids=["on-its-way", "pruned-key", "saved-500", "young-key"],
)
def test_absent_at_stripe_is_a_failure_only_when_the_key_is_dead(
    refund: Refund, deadline_passed: bool, key_age: float, expected: RefundState
) -> None:
    after = next_refund(refund, RefundAbsent(deadline_passed, key_age))

    assert after.state is expected
    if expected is RefundState.FAILED:
        assert after.failure_code == "not_executed"


def test_absent_with_a_young_key_is_posted_again() -> None:
    after = next_refund(UNKNOWN, RefundAbsent(deadline_passed=True, key_age_seconds=60.0))

    assert may_be_sent(after, 60.0)


@pytest.mark.parametrize(
    ("before", "status", "after"),
    [
        (RefundState.PROCESSING, "succeeded", RefundState.SUCCEEDED),
        (RefundState.PROCESSING, "failed", RefundState.FAILED),
        (RefundState.PROCESSING, "canceled", RefundState.FAILED),
        (RefundState.SUCCEEDED, "failed", RefundState.FAILED),
        (RefundState.SUCCEEDED, "pending", RefundState.SUCCEEDED),
        (RefundState.FAILED, "succeeded", RefundState.FAILED),
        (RefundState.FAILED, "pending", RefundState.FAILED),
        (RefundState.SENDING, "succeeded", RefundState.SUCCEEDED),
        (RefundState.UNKNOWN, "pending", RefundState.PROCESSING),
        (RefundState.PROCESSING, "a word of next year", RefundState.PROCESSING),
    ],
)
def test_news_of_stripe_never_takes_a_refund_back(
    before: RefundState, status: str, after: RefundState
) -> None:
    assert next_refund(Refund(before), RefundSeen("re_1", status, None)).state is after


OUTCOMES = st.sampled_from(
    [
        Settled(PI),
        Pending(PI, "pending"),
        Declined("refund_failed", PI),
        Parked("resource_missing"),
        Parked("charge_already_refunded"),
        Halt("api_key_expired"),
        Retry("rate_limit"),
        Retry("idempotency_key_in_use", may_run=True),
        Unknown("no answer"),
        Unknown("http 500", saved_failure=True),
    ]
)
EVENTS = st.one_of(
    st.builds(RefundAnswered, OUTCOMES, st.sampled_from([None, "re_1"])),
    st.builds(
        RefundSeen,
        st.just("re_1"),
        st.sampled_from(["pending", "succeeded", "failed", "canceled"]),
        st.none(),
    ),
    st.builds(RefundAbsent, st.booleans(), st.sampled_from([None, 10.0, DAY])),
)


@given(st.lists(st.tuples(EVENTS, st.sampled_from([1.0, DAY])), max_size=30))
def test_a_refund_that_may_have_run_is_never_posted_under_an_old_key(
    steps: list[tuple[RefundEvent, float]],
) -> None:
    refund = Refund(RefundState.PENDING)
    for event, age in steps:
        if isinstance(event, RefundAnswered):
            if not may_be_sent(refund, age):
                continue
            assert not (refund.maybe_executed and age >= DAY)
            refund = replace(refund, state=RefundState.SENDING)
        before = refund
        refund = next_refund(refund, event)
        assert refund.state is not RefundState.SENDING or refund == before
        assert refund.state is not RefundState.PENDING or not refund.maybe_executed
        assert (refund.state is RefundState.FAILED) <= (refund.failure_code is not None)
        if before.state is RefundState.SUCCEEDED:
            assert refund.state in (RefundState.SUCCEEDED, RefundState.FAILED)
        if before.state is RefundState.FAILED:
            assert refund.state is RefundState.FAILED
