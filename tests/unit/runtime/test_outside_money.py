"""What is owed when others moved money, and what follows: written by hand, then in any order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.domain.names import PaymentState, RefundState
from runtime.domain.outside import (
    Ask,
    CancelOrder,
    Claimant,
    Disputed,
    End,
    GivenBack,
    Hold,
    Move,
    MovedMoney,
    OurRefund,
    Send,
    Stands,
    before_sending,
    is_ours,
    newer_dispute,
    newer_refund,
    next_move,
    retry_of,
    stands,
)

S, R = PaymentState, RefundState
TAKEN = 1999
T0 = datetime(2026, 3, 1, tzinfo=UTC)


def given_back(amount: int, status: str = "succeeded") -> GivenBack:
    return GivenBack(f"re_{amount}", amount, status)


def disputed(amount: int, status: str, *, since_asked: bool = False) -> Disputed:
    return Disputed(f"du_{amount}", amount, status, since_asked)


def moved(*what: GivenBack | Disputed | OurRefund) -> MovedMoney:
    return MovedMoney(
        TAKEN,
        tuple(entry for entry in what if isinstance(entry, GivenBack)),
        tuple(entry for entry in what if isinstance(entry, Disputed)),
        tuple(entry for entry in what if isinstance(entry, OurRefund)),
    )


FAILED_AT_THE_BANK = OurRefund(1, TAKEN, R.FAILED, "expired_or_canceled_card")
TOO_MUCH = OurRefund(1, TAKEN, R.FAILED, "refund_more_than_left")
ALREADY = OurRefund(1, TAKEN, R.FAILED, "charge_already_refunded")
WAS_DISPUTED = OurRefund(1, TAKEN, R.FAILED, "charge_disputed")
PART = GivenBack("re_500", 500, "succeeded")
ALL_BACK = End("refunded_outside", "re_1999")
PART_BY_US = OurRefund(1, 1499, R.SUCCEEDED)
NOT_NEEDED = OurRefund(1, TAKEN, R.FAILED, "nothing_owed")


@pytest.mark.parametrize(
    ("state", "what", "move"),
    [
        # A paid order.
        (S.SUCCEEDED, moved(), None),
        (S.SUCCEEDED, moved(given_back(500)), None),
        (S.SUCCEEDED, moved(given_back(1999)), CancelOrder()),
        (S.SUCCEEDED, moved(given_back(1999, "pending")), CancelOrder()),
        (S.SUCCEEDED, moved(given_back(1999, "failed")), None),
        (S.SUCCEEDED, moved(given_back(500), given_back(1499)), CancelOrder()),
        (S.SUCCEEDED, moved(disputed(1999, "lost")), None),
        # A refund is wanted.
        (S.REFUNDING, moved(), Ask(1, 1999)),
        (S.REFUNDING, moved(given_back(500)), Ask(1, 1499)),
        (S.REFUNDING, moved(given_back(500, "canceled")), Ask(1, 1999)),
        (S.REFUNDING, moved(given_back(1999)), End("refunded_outside", "re_1999")),
        (S.REFUNDING, moved(given_back(1999, "pending")), None),
        (S.REFUNDING, moved(disputed(1999, "needs_response")), None),
        (S.REFUNDING, moved(disputed(1999, "warning_needs_response")), Ask(1, 1999)),
        (S.REFUNDING, moved(disputed(1999, "won")), Ask(1, 1999)),
        (S.REFUNDING, moved(disputed(1999, "lost")), End("dispute_lost", "du_1999")),
        (S.REFUNDING, moved(PART, disputed(1499, "lost")), End("dispute_lost", "du_1499")),
        (S.REFUNDING, moved(disputed(500, "lost")), Ask(1, 1499)),
        # One of ours is under way, or has ended.
        (S.REFUNDING, moved(OurRefund(1, 1999, R.SENDING)), None),
        (S.REFUNDING, moved(given_back(1999), OurRefund(1, 1999, R.UNKNOWN)), None),
        (S.REFUNDING, moved(FAILED_AT_THE_BANK), None),
        (S.REFUNDING, moved(FAILED_AT_THE_BANK, given_back(1999)), ALL_BACK),
        (S.REFUNDING, moved(TOO_MUCH, given_back(500)), Ask(2, 1499)),
        (S.REFUNDING, moved(TOO_MUCH), None),
        (S.REFUNDING, moved(TOO_MUCH, given_back(500, "failed")), None),
        (S.REFUNDING, moved(TOO_MUCH, GivenBack("re_1", 500, "failed", True)), Ask(2, 1999)),
        (S.REFUNDING, moved(ALREADY), None),
        (S.REFUNDING, moved(ALREADY, given_back(1999)), End("refunded_outside", "re_1999")),
        (S.REFUNDING, moved(WAS_DISPUTED, disputed(1999, "under_review")), None),
        (S.REFUNDING, moved(WAS_DISPUTED, disputed(1999, "won", since_asked=True)), Ask(2, 1999)),
        (S.REFUNDING, moved(WAS_DISPUTED, disputed(1999, "won")), None),
        (S.REFUNDING, moved(NOT_NEEDED, given_back(1999, "failed")), Ask(2, 1999)),
        # It is called refunded.
        (S.REFUNDED, moved(OurRefund(1, 1999, R.SUCCEEDED)), None),
        (S.REFUNDED, moved(PART_BY_US, given_back(500)), None),
        (S.REFUNDED, moved(PART_BY_US, given_back(500, "failed")), Ask(2, 500)),
        (S.REFUNDED, moved(given_back(1999, "failed")), Ask(1, 1999)),
        (S.REFUNDED, moved(OurRefund(1, 1999, R.SUCCEEDED), disputed(1999, "lost")), None),
        (S.REFUNDED, moved(FAILED_AT_THE_BANK), None),
        # Nothing was taken, as far as is known.
        (S.UNKNOWN, moved(given_back(1999)), None),
        (S.FAILED, moved(given_back(1999)), None),
    ],
)  # fmt: skip
def test_what_has_moved_decides_what_follows(
    state: PaymentState, what: MovedMoney, move: Move
) -> None:
    assert next_move(state, what) == move


@pytest.mark.parametrize(
    ("what", "asked"),
    [
        (moved(OurRefund(1, 1999, R.PENDING)), Send(1999)),
        (moved(OurRefund(1, 1999, R.PENDING), given_back(500)), Send(1499)),
        (moved(OurRefund(1, 1499, R.PENDING), given_back(500, "failed")), Send(1999)),
        (moved(OurRefund(1, 1999, R.PENDING), given_back(1999, "pending")), Hold.NOTHING_OWED),
        (moved(OurRefund(1, 1999, R.PENDING), disputed(1999, "lost")), Hold.NOTHING_OWED),
        (moved(OurRefund(1, 1999, R.PENDING), disputed(500, "under_review")), Hold.DISPUTED),
    ],
)
def test_a_refund_asks_for_what_is_left_when_it_leaves(
    what: MovedMoney, asked: Send | Hold
) -> None:
    assert before_sending(what, 1) == asked


@pytest.mark.parametrize(
    ("what", "answer"),
    [
        (moved(FAILED_AT_THE_BANK), Ask(2, 1999)),
        (moved(FAILED_AT_THE_BANK, given_back(500)), Ask(2, 1499)),
        (moved(TOO_MUCH), Ask(2, 1999)),
        (moved(given_back(1999, "failed")), Ask(1, 1999)),
        (moved(OurRefund(1, 1999, R.UNKNOWN)), "refund 1 is unknown; only a failed one is retried"),
        (
            moved(OurRefund(1, 1999, R.SUCCEEDED)),
            "refund 1 is succeeded; only a failed one is retried",
        ),
    ],
)
def test_an_operator_gets_what_is_left_or_the_reason(what: MovedMoney, answer: Ask | str) -> None:
    assert retry_of(what) == answer


@pytest.mark.parametrize(
    ("what", "begins"),
    [
        (moved(FAILED_AT_THE_BANK, given_back(1999)), "nothing is left to give back"),
        (moved(FAILED_AT_THE_BANK, disputed(1999, "lost")), "nothing is left to give back"),
        (moved(FAILED_AT_THE_BANK, disputed(1, "needs_response")), "a dispute is open"),
    ],
)
def test_an_operator_gets_no_refund_of_what_is_gone(what: MovedMoney, begins: str) -> None:
    answer = retry_of(what)

    assert isinstance(answer, str)
    assert answer.startswith(begins)


# --- never more than was taken ----------------------------------------------------------------

refunds = st.builds(
    GivenBack,
    st.just("re_x"),
    st.integers(1, TAKEN),
    st.sampled_from(["pending", "succeeded", "failed", "canceled"]),
)
disputes = st.builds(
    Disputed,
    st.just("du_x"),
    st.integers(1, TAKEN),
    st.sampled_from(["needs_response", "under_review", "won", "lost", "warning_closed", "new"]),
    st.booleans(),
)
codes = st.sampled_from(["declined", "refund_more_than_left", "charge_disputed", "nothing_owed"])


@st.composite
def any_money(draw: st.DrawFn) -> MovedMoney:
    ours = tuple(
        OurRefund(
            n,
            draw(st.integers(1, TAKEN)),
            state := draw(st.sampled_from([R.SUCCEEDED, R.FAILED, R.UNKNOWN, R.SENDING])),
            draw(codes) if state is R.FAILED else None,
        )
        for n in range(1, draw(st.integers(0, 3)) + 1)
    )
    return MovedMoney(
        TAKEN,
        tuple(draw(st.lists(refunds, max_size=3))),
        tuple(draw(st.lists(disputes, max_size=2))),
        ours,
    )


def gone(money: MovedMoney) -> int:
    """Everything that is gone, or may be: others', the banks', ours."""
    others = sum(r.amount_cents for r in money.refunds if r.status in ("pending", "succeeded"))
    taken = (entry for entry in money.disputes if stands(entry.status) is not Stands.NOTHING_TAKEN)
    banks = sum(entry.amount_cents for entry in taken)
    ours = sum(refund.amount_cents for refund in money.ours if refund.state is not R.FAILED)
    return others + banks + ours


@given(st.sampled_from(list(S)), any_money())
def test_no_refund_asks_for_more_than_is_left(state: PaymentState, money: MovedMoney) -> None:
    for asked in (next_move(state, money), retry_of(money)):
        if isinstance(asked, Ask):
            assert 0 < asked.amount_cents <= TAKEN - gone(money)
            assert asked.n == len(money.ours) + 1
            assert not any(refund.is_open for refund in money.ours)


@given(st.sampled_from(list(S)), any_money())
def test_nothing_ends_while_money_is_held(state: PaymentState, money: MovedMoney) -> None:
    if isinstance(next_move(state, money), End):
        assert state is S.REFUNDING
        assert gone(money) >= TAKEN


@given(any_money(), st.integers(1, TAKEN))
def test_what_is_sent_is_never_more_than_is_left(money: MovedMoney, amount: int) -> None:
    n = len(money.ours) + 1
    waiting = MovedMoney(
        TAKEN, money.refunds, money.disputes, (*money.ours, OurRefund(n, amount, R.PENDING))
    )

    sent = before_sending(waiting, n)

    if isinstance(sent, Send):
        assert 0 < sent.amount_cents <= TAKEN - gone(money)


@given(any_money())
def test_a_refusal_that_nothing_explains_is_not_asked_again(money: MovedMoney) -> None:
    n = len(money.ours) + 1
    left = money.left_cents()
    refused = OurRefund(n, max(left, 1), R.FAILED, "refund_more_than_left")
    after = MovedMoney(TAKEN, money.refunds, money.disputes, (*money.ours, refused))

    assert not isinstance(next_move(S.REFUNDING, after), Ask)


# --- news in any order ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("known", "told", "newer"),
    [
        ("pending", "succeeded", True),
        ("pending", "failed", True),
        ("succeeded", "failed", True),
        ("succeeded", "pending", False),
        ("failed", "succeeded", False),
        ("canceled", "pending", False),
        ("pending", "pending", False),
    ],
)
def test_a_refunds_words_follow_one_way(known: str, told: str, newer: bool) -> None:
    assert newer_refund(known, told) is newer


@pytest.mark.parametrize(
    ("known", "told", "seconds", "newer"),
    [
        ("needs_response", "lost", -5, True),
        ("lost", "needs_response", 5, False),
        ("needs_response", "under_review", 0, True),
        ("warning_closed", "needs_response", 5, True),
        ("won", "lost", 5, True),
        ("won", "lost", -5, False),
        ("won", "won", 5, False),
    ],
)
def test_a_dispute_that_has_ended_is_not_opened_by_late_news(
    known: str, told: str, seconds: int, newer: bool
) -> None:
    assert newer_dispute(known, T0, told, T0 + timedelta(seconds=seconds)) is newer


# --- whose a refund is ------------------------------------------------------------------------

NAMED = "0b0b0b0b-0b0b-4b0b-8b0b-0b0b0b0b0b0b"


@pytest.mark.parametrize(
    ("state", "maybe_executed", "stripe_id", "named", "key", "ours"),
    [
        (R.SENDING, False, None, NAMED, "key", True),
        (R.SENDING, False, None, NAMED, None, True),
        (R.SENDING, False, None, NAMED, "dashboard", False),
        (R.SENDING, False, None, None, "key", False),
        (R.UNKNOWN, True, None, NAMED, None, True),
        (R.UNKNOWN, False, None, NAMED, None, False),
        (R.PENDING, False, None, NAMED, None, False),
        (R.FAILED, False, None, NAMED, None, False),
        (R.SUCCEEDED, False, "re_1", None, "dashboard", True),
        (R.SUCCEEDED, False, "re_other", NAMED, "key", False),
    ],
)
def test_metadata_alone_makes_no_refund_ours(
    state: RefundState,
    maybe_executed: bool,
    stripe_id: str | None,
    named: str | None,
    key: str | None,
    ours: bool,
) -> None:
    claimant = Claimant(NAMED, "key", stripe_id, state, maybe_executed)

    assert is_ours(claimant, "re_1", named, key) is ours
