"""What holds of a payment whatever happens to it, in whatever order.

The events here are not even consistent with each other: a webhook may claim a success after a
proof of absence. The transition relation below is written from the protocol's table, not from the
code.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.domain import outcome as o
from runtime.domain.names import FINAL_PAYMENT_STATES, PaymentIntentId
from runtime.domain.names import PaymentState as S
from runtime.domain.payment import step, tombstone
from runtime.domain.payment_events import (
    Answered,
    Claimed,
    Effect,
    Event,
    LeaseLost,
    NothingOwed,
    OrderCancelled,
    Payment,
    Redriven,
    RefundFailed,
    RefundSucceeded,
    SeenAbsent,
    SeenFailed,
    SeenOpen,
    SeenOtherMoney,
    SeenSucceeded,
    Step,
)

# From -> to, by hand. A state maps to itself where a fact about it may be noted.
ALLOWED = {
    S.PENDING: {S.CHARGING, S.UNKNOWN, S.PROCESSING, S.SUCCEEDED, S.FAILED},
    S.CHARGING: {
        *(S.CHARGING, S.PENDING, S.UNKNOWN, S.PROCESSING, S.PARKED),
        *(S.SUCCEEDED, S.FAILED, S.REFUNDING),
    },
    S.PROCESSING: {S.PROCESSING, S.PARKED, S.SUCCEEDED, S.FAILED, S.REFUNDING},
    S.UNKNOWN: {
        *(S.UNKNOWN, S.CHARGING, S.PROCESSING, S.PARKED, S.SUCCEEDED, S.FAILED, S.REFUNDING),
    },
    S.PARKED: {S.PARKED, S.PENDING, S.PROCESSING, S.SUCCEEDED, S.FAILED, S.REFUNDING},
    S.SUCCEEDED: {S.REFUNDING},
    S.FAILED: {S.REFUNDING},
    S.REFUNDING: {S.REFUNDING, S.REFUNDED},
    S.REFUNDED: set[S](),
}

intents = st.sampled_from([PaymentIntentId("pi_1"), PaymentIntentId("pi_2")])
ages = st.sampled_from([None, 1.0, 3600.0, 22 * 3600.0, 24 * 3600.0])
outcomes: st.SearchStrategy[o.Outcome] = st.one_of(
    st.builds(o.Settled, intents),
    st.builds(o.Pending, intents, st.sampled_from(["processing", "requires_action"])),
    st.builds(o.Declined, st.just("card_declined"), st.one_of(st.none(), intents)),
    st.builds(o.Parked, st.just("parameter_invalid")),
    st.builds(o.Halt, st.just("api_key_expired")),
    st.builds(o.Retry, st.just("rate_limit"), st.sampled_from([None, 0.0, 5.0])),
    st.builds(o.Unknown, st.just("no answer"), st.booleans()),
)
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(Claimed, ages),
    st.just(LeaseLost()),
    st.builds(Answered, outcomes),
    st.builds(SeenSucceeded, intents),
    st.builds(SeenFailed, intents, st.just("card_declined")),
    st.builds(SeenOpen, intents),
    st.just(SeenOtherMoney("amount_mismatch")),
    st.builds(SeenAbsent, st.booleans(), ages),
    st.just(OrderCancelled()),
    st.just(Redriven()),
    st.just(RefundSucceeded()),
    st.just(RefundFailed("declined")),
    st.just(NothingOwed()),
)
histories = st.lists(events, max_size=40)


def played(history: list[Event], start: Payment) -> list[tuple[Payment, Event, Step]]:
    """Every step the history causes, with the payment before it."""
    taken, payment = [], start
    for event in history:
        verdict = step(payment, event)
        if isinstance(verdict, Step):
            taken.append((payment, event, verdict))
            payment = verdict.payment
    return taken


def effects_of(steps: list[tuple[Payment, Event, Step]]) -> Counter[Effect]:
    return Counter(effect for _, _, taken in steps for effect in taken.effects)


@settings(max_examples=150, deadline=None)
@given(histories)
def test_a_payment_never_emits_two_outcomes(history: list[Event]) -> None:
    effects = effects_of(played(history, Payment(S.PENDING)))

    assert effects[Effect.EMIT_COMPLETED] + effects[Effect.EMIT_FAILED] <= 1


@settings(max_examples=150, deadline=None)
@given(histories)
def test_a_payment_that_ends_has_emitted_exactly_one_outcome(history: list[Event]) -> None:
    steps = played(history, Payment(S.PENDING))
    effects = effects_of(steps)
    ended = [taken for _, _, taken in steps if taken.payment.state in FINAL_PAYMENT_STATES]

    assert effects[Effect.EMIT_COMPLETED] + effects[Effect.EMIT_FAILED] == 1 or not ended


@settings(max_examples=150, deadline=None)
@given(histories)
def test_a_tombstone_never_emits_another_outcome(history: list[Event]) -> None:
    effects = effects_of(played(history, tombstone().payment))

    assert effects[Effect.EMIT_COMPLETED] + effects[Effect.EMIT_FAILED] == 0


@settings(max_examples=150, deadline=None)
@given(histories)
def test_every_transition_is_in_the_relation(history: list[Event]) -> None:
    for before, event, taken in played(history, Payment(S.PENDING)):
        path = [before.state, *([taken.via] if taken.via else []), taken.payment.state]

        for source, target in pairwise(path):
            assert target in ALLOWED[source], (source, target, event)


@settings(max_examples=150, deadline=None)
@given(histories)
def test_at_most_one_refund_is_requested_and_only_with_a_payment_intent(
    history: list[Event],
) -> None:
    steps = played(history, Payment(S.PENDING))
    asking = [taken for _, _, taken in steps if Effect.REQUEST_REFUND in taken.effects]

    assert len(asking) <= 1
    assert all(taken.payment.payment_intent_id is not None for taken in asking)


@settings(max_examples=150, deadline=None)
@given(histories)
def test_a_payment_is_refunding_exactly_when_a_refund_was_requested(history: list[Event]) -> None:
    steps = played(history, Payment(S.PENDING))

    for before, _, taken in steps:
        began = taken.payment.state is S.REFUNDING and before.state is not S.REFUNDING
        assert began == (Effect.REQUEST_REFUND in taken.effects)


@settings(max_examples=150, deadline=None)
@given(histories)
def test_nothing_is_called_failed_without_a_proof(history: list[Event]) -> None:
    for before, event, taken in played(history, Payment(S.PENDING)):
        if taken.payment.state is not S.FAILED:
            continue
        match event:
            case Answered(o.Declined()) | SeenFailed():
                pass  # Stripe said so
            case SeenAbsent(deadline_passed=passed):
                assert passed
            case Answered(o.Retry() | o.Halt()):
                assert before.cancel_requested
                assert not before.key.maybe_executed
            case OrderCancelled():
                assert before.state is S.PENDING
            case _:
                raise AssertionError(f"{event} failed {before}")


@settings(max_examples=150, deadline=None)
@given(histories)
def test_a_pending_payment_was_never_perhaps_executed(history: list[Event]) -> None:
    for _, _, taken in played(history, Payment(S.PENDING)):
        assert taken.payment.state is not S.PENDING or not taken.payment.key.maybe_executed


@settings(max_examples=150, deadline=None)
@given(histories)
def test_no_post_leaves_with_a_key_older_than_23_hours(history: list[Event]) -> None:
    for _, event, taken in played(history, Payment(S.PENDING)):
        if isinstance(event, Claimed) and taken.payment.state is S.CHARGING:
            assert (event.key_age_seconds or 0.0) <= 23 * 3600


@settings(max_examples=150, deadline=None)
@given(histories)
def test_a_wanted_cancellation_is_never_forgotten(history: list[Event]) -> None:
    steps = played(history, Payment(S.PENDING))

    for before, _, taken in steps:
        assert taken.payment.cancel_requested or not before.cancel_requested


@settings(max_examples=150, deadline=None)
@given(histories)
def test_a_cancelled_order_never_keeps_the_money(history: list[Event]) -> None:
    for _, _, taken in played(history, Payment(S.PENDING)):
        assert not (taken.payment.state is S.SUCCEEDED and taken.payment.cancel_requested)


@settings(max_examples=150, deadline=None)
@given(histories)
def test_every_state_satisfies_what_the_table_demands_of_its_columns(
    history: list[Event],
) -> None:
    for _, _, taken in played(history, Payment(S.PENDING)):
        after = taken.payment
        paid = after.state in (S.SUCCEEDED, S.REFUNDING, S.REFUNDED)

        assert after.state is not S.UNKNOWN or after.key.maybe_executed
        assert after.state is not S.FAILED or after.failure_code is not None
        assert not paid or after.payment_intent_id is not None
        assert after.unfinished_attempts >= 0
