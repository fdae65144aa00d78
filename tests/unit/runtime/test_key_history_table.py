"""A key that is sent again: what each end of a call adds to its past, and what may follow."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.domain import key_history
from runtime.domain.key_history import NEVER_SENT, KeyHistory
from runtime.domain.outcome import Retry, Unknown

MAYBE = KeyHistory(maybe_executed=True)
ASKED = KeyHistory(maybe_executed=True, needs_reconcile=True, transient_failures=3)

KEYS = st.builds(KeyHistory, st.booleans(), st.booleans(), st.booleans(), st.integers(0, 9))
UNKNOWNS = st.builds(Unknown, st.just("no answer"), st.booleans())
RETRIES = st.builds(Retry, st.just("lock_timeout"), st.none(), *[st.booleans()] * 3)


@pytest.mark.parametrize(
    ("before", "outcome", "after"),
    [
        (NEVER_SENT, Retry("lock_timeout"), KeyHistory(transient_failures=1)),
        (NEVER_SENT, Retry("no_v1_outcome", patient=True), NEVER_SENT),
        (
            NEVER_SENT,
            Retry("connection refused", unreached=True),
            KeyHistory(transient_failures=1),
        ),
        (
            NEVER_SENT,
            Retry("idempotency_key_in_use", may_run=True),
            KeyHistory(maybe_executed=True, transient_failures=1),
        ),
        (MAYBE, Retry("lock_timeout"), KeyHistory(maybe_executed=True, transient_failures=1)),
        (
            KeyHistory(saved_failure=True, transient_failures=7),
            Retry("lock_timeout"),
            KeyHistory(saved_failure=True, transient_failures=8),
        ),
    ],
    ids=["refused", "patient", "unreached", "under way elsewhere", "maybe stays", "saved stays"],
)
def test_a_refusal_adds_a_failure_and_forgets_nothing(
    before: KeyHistory, outcome: Retry, after: KeyHistory
) -> None:
    assert key_history.refused(before, outcome) == after


@pytest.mark.parametrize(
    ("before", "saved", "after"),
    [
        (NEVER_SENT, False, KeyHistory(maybe_executed=True, transient_failures=1)),
        (
            KeyHistory(transient_failures=1),
            False,
            KeyHistory(maybe_executed=True, transient_failures=2),
        ),
        (KeyHistory(transient_failures=2), False, ASKED),
        (
            NEVER_SENT,
            True,
            KeyHistory(True, saved_failure=True, needs_reconcile=True, transient_failures=1),
        ),
        (
            KeyHistory(saved_failure=True),
            False,
            KeyHistory(True, saved_failure=True, needs_reconcile=True, transient_failures=1),
        ),
    ],
    ids=["first", "second", "third", "saved 5xx", "saved before"],
)
def test_an_unanswered_post_may_have_executed_and_the_third_asks_stripe(
    before: KeyHistory, saved: bool, after: KeyHistory
) -> None:
    assert key_history.unanswered(before, Unknown("http 500", saved_failure=saved)) == after


@pytest.mark.parametrize("before", [NEVER_SENT, MAYBE, ASKED])
def test_an_interrupted_sender_leaves_everything_open(before: KeyHistory) -> None:
    assert key_history.interrupted(before) == replace(before, maybe_executed=True)


def test_an_answer_ends_the_failures_and_the_question_and_not_the_doubt() -> None:
    assert key_history.answered(ASKED) == MAYBE


@pytest.mark.parametrize(
    ("key", "age_seconds", "dead"),
    [
        (NEVER_SENT, None, False),
        (MAYBE, None, False),
        (MAYBE, 23 * 3600.0, False),
        (MAYBE, 23 * 3600.0 + 1, True),
        (KeyHistory(saved_failure=True), None, True),
        (KeyHistory(saved_failure=True), 1.0, True),
    ],
)
def test_a_key_is_dead_after_23_hours_or_a_saved_failure(
    key: KeyHistory, age_seconds: float | None, dead: bool
) -> None:
    assert key_history.is_dead(key, age_seconds) is dead


@pytest.mark.parametrize(
    ("key", "state"), [(NEVER_SENT, "pending"), (MAYBE, "unknown"), (ASKED, "unknown")]
)
def test_what_executed_nothing_waits_as_unknown_while_an_earlier_call_may_have(
    key: KeyHistory, state: str
) -> None:
    assert key_history.waiting_state(key, pending="pending", unknown="unknown") == state


@given(KEYS, st.one_of(UNKNOWNS, RETRIES))
def test_no_end_of_a_call_takes_back_that_money_may_have_moved(
    before: KeyHistory, outcome: Unknown | Retry
) -> None:
    after = (
        key_history.unanswered(before, outcome)
        if isinstance(outcome, Unknown)
        else key_history.refused(before, outcome)
    )

    assert after.maybe_executed >= before.maybe_executed
    assert after.saved_failure >= before.saved_failure
    assert after.transient_failures >= before.transient_failures
