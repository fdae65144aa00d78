"""A refund: every answer, every look at Stripe, and what may never happen in between."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.domain.key_history import KeyHistory
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
    RefundClaimed,
    RefundEvent,
    RefundLeaseLost,
    RefundSeen,
    RefundUnneeded,
    next_refund,
)

PI = PaymentIntentId("pi_1")
SENDING = Refund(RefundState.SENDING)
UNANSWERED = KeyHistory(maybe_executed=True)
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
        (Parked("refund_more_than_left"), RefundState.UNKNOWN, "refund_more_than_left"),
        (Parked("charge_disputed"), RefundState.UNKNOWN, "charge_disputed"),
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


@pytest.mark.parametrize("state", list(RefundState))
def test_only_a_refund_that_was_never_sent_is_not_needed(state: RefundState) -> None:
    after = next_refund(Refund(state), RefundUnneeded())

    if state is RefundState.PENDING:
        assert (after.state, after.failure_code) == (RefundState.FAILED, "nothing_owed")
    else:
        assert after == Refund(state)


@pytest.mark.parametrize("code", ["refund_more_than_left", "charge_disputed"])
def test_a_first_refusal_because_of_others_waits_for_no_deadline(code: str) -> None:
    """Nothing is on its way: Stripe has answered the only call there was."""
    after = next_refund(answered(Parked(code)), RefundAbsent(False, 1.0))

    assert (after.state, after.failure_code) == (RefundState.FAILED, code)


def test_an_answer_that_says_already_refunded_is_looked_up() -> None:
    after = answered(Parked("charge_already_refunded"))

    assert after.key.needs_reconcile
    seen = next_refund(after, RefundSeen("re_9", "succeeded", None))
    assert (seen.state, seen.stripe_refund_id) == (RefundState.SUCCEEDED, "re_9")


def test_a_rejection_after_an_unanswered_call_is_looked_up_before_it_counts() -> None:
    after = answered(Parked("idempotency_error"), replace(SENDING, key=UNANSWERED))

    assert (after.state, after.key.needs_reconcile) == (RefundState.UNKNOWN, True)
    absent = next_refund(after, RefundAbsent(deadline_passed=True, key_age_seconds=5.0))
    assert (absent.state, absent.failure_code) == (RefundState.FAILED, "idempotency_error")


def test_three_unanswered_calls_or_one_saved_failure_ask_stripe_first() -> None:
    refund = SENDING
    for expected in (False, False, True):
        refund = replace(answered(Unknown("no answer"), refund), state=RefundState.SENDING)
        assert refund.key.needs_reconcile is expected
    assert answered(Unknown("http 500", saved_failure=True)).key.needs_reconcile


def test_refusals_never_give_a_refund_up() -> None:
    refund = SENDING
    for _ in range(50):
        refund = replace(answered(Retry("rate_limit"), refund), state=RefundState.SENDING)

    assert answered(Retry("rate_limit"), refund).state is RefundState.PENDING


ASKED = KeyHistory(maybe_executed=True, needs_reconcile=True)
SAVED_500 = replace(ASKED, saved_failure=True)
UNKNOWN = Refund(RefundState.UNKNOWN, key=ASKED)


@pytest.mark.parametrize(
    ("refund", "deadline_passed", "key_age", "expected"),
    [
        (UNKNOWN, False, DAY, RefundState.UNKNOWN),
        (UNKNOWN, True, DAY, RefundState.FAILED),
        (replace(UNKNOWN, key=SAVED_500), True, 1.0, RefundState.FAILED),
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

    assert next_refund(after, RefundClaimed(60.0)).state is RefundState.SENDING


# --- claims and leases ----------------------------------------------------------------------

CLAIMABLE = Refund(RefundState.UNKNOWN, key=UNANSWERED)


@pytest.mark.parametrize(
    ("refund", "key_age"),
    [
        (Refund(RefundState.PENDING), None),
        # Nothing was executed under it, so there is nothing that Stripe could have pruned.
        (Refund(RefundState.PENDING), DAY),
        (CLAIMABLE, 23 * 3600.0),
    ],
    ids=["new", "refused for a day", "young key"],
)
def test_a_due_refund_is_claimed_and_nothing_else_of_it_changes(
    refund: Refund, key_age: float | None
) -> None:
    claimed = next_refund(refund, RefundClaimed(key_age))

    assert claimed == replace(refund, state=RefundState.SENDING)


def test_a_refund_whose_key_may_be_pruned_is_looked_up_instead_of_claimed() -> None:
    claimed = next_refund(CLAIMABLE, RefundClaimed(23 * 3600.0 + 1))

    assert claimed == replace(CLAIMABLE, key=ASKED)


@pytest.mark.parametrize(
    "refund",
    [
        UNKNOWN,
        *(Refund(state) for state in RefundState if state not in ("pending", "unknown")),
    ],
    ids=lambda refund: refund.state,
)
def test_a_refund_that_is_looked_up_or_not_waiting_is_never_claimed(refund: Refund) -> None:
    assert next_refund(refund, RefundClaimed(1.0)) == refund


@pytest.mark.parametrize("state", list(RefundState))
def test_only_a_refund_under_way_loses_its_lease_and_may_have_executed(state: RefundState) -> None:
    refund = Refund(state)

    after = next_refund(refund, RefundLeaseLost())

    if state is RefundState.SENDING:
        assert after == Refund(RefundState.UNKNOWN, key=UNANSWERED)
    else:
        assert after == refund


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
        Parked("charge_disputed"),
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
    st.just(RefundLeaseLost()),
    st.just(RefundUnneeded()),
)


@given(st.lists(st.tuples(EVENTS, st.sampled_from([1.0, DAY])), max_size=30))
def test_a_refund_that_may_have_run_is_never_posted_under_an_old_key(
    steps: list[tuple[RefundEvent, float]],
) -> None:
    refund = Refund(RefundState.PENDING)
    for event, age in steps:
        if isinstance(event, RefundAnswered):
            refund = next_refund(refund, RefundClaimed(age))
            if refund.state is not RefundState.SENDING:
                continue
            assert not (refund.key.maybe_executed and age >= DAY)
        before = refund
        refund = next_refund(refund, event)
        assert refund.state is not RefundState.SENDING or refund == before
        assert refund.state is not RefundState.PENDING or not refund.key.maybe_executed
        assert (refund.state is RefundState.FAILED) <= (refund.failure_code is not None)
        if before.state is RefundState.SUCCEEDED:
            assert refund.state in (RefundState.SUCCEEDED, RefundState.FAILED)
        if before.state is RefundState.FAILED:
            assert refund.state is RefundState.FAILED
