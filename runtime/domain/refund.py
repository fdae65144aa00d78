"""What becomes of a refund: every answer, every look at Stripe, one pure function.

The same outcome table as a charge's, with two differences. A refund is owed, so refusals never
give it up: it is sent again for as long as it takes. And a failure is nobody's end: it stays
visible until an operator asks for the next refund, which has a key of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, assert_never

from runtime.domain import outcome as o
from runtime.domain.names import RefundState
from runtime.domain.payment import NOT_EXECUTED
from runtime.domain.retry import KEY_AGE_SECONDS_MAX, UNKNOWN_TRIES_MAX

S = RefundState

ALREADY_REFUNDED: Final = "charge_already_refunded"
"""Stripe's code when nothing is left to give back: someone did it before us, or we did."""


@dataclass(frozen=True, slots=True)
class Refund:
    """The part of a refunds row that decisions depend on.

    Attributes:
        maybe_executed: a call ended without an answer at least once.
        saved_failure: Stripe replayed a saved 5xx for the key.
        needs_reconcile: ask Stripe what it holds before posting again.
        transient_failures: refusals, or unanswered posts, in a row.
    """

    state: RefundState
    stripe_refund_id: str | None = None
    maybe_executed: bool = False
    saved_failure: bool = False
    needs_reconcile: bool = False
    transient_failures: int = 0
    failure_code: str | None = None


@dataclass(frozen=True, slots=True)
class RefundAnswered:
    """The call that holds the lease came to an outcome."""

    outcome: o.Outcome
    stripe_refund_id: str | None


@dataclass(frozen=True, slots=True)
class RefundSeen:
    """A webhook or the reconciler saw the refund at Stripe, with Stripe's own status."""

    stripe_refund_id: str
    status: str
    failure_code: str | None


@dataclass(frozen=True, slots=True)
class RefundAbsent:
    """Stripe's list holds no such refund.

    Attributes:
        deadline_passed: no request of ours can still be on its way to Stripe.
        key_age_seconds: since the first call that may have executed; None before it.
    """

    deadline_passed: bool
    key_age_seconds: float | None


RefundEvent = RefundAnswered | RefundSeen | RefundAbsent


def may_be_sent(refund: Refund, key_age_seconds: float | None) -> bool:
    """Whether the refund's key may be posted: never once Stripe may have pruned it."""
    if refund.needs_reconcile or refund.state not in (S.PENDING, S.UNKNOWN):
        return False
    return not refund.maybe_executed or (key_age_seconds or 0.0) <= KEY_AGE_SECONDS_MAX


def next_refund(refund: Refund, event: RefundEvent) -> Refund:
    """Decide what `event` makes of `refund`; equal to it when it changes nothing."""
    match event:
        case RefundAnswered():
            return _answered(replace(refund, failure_code=None), event)
        case RefundSeen():
            return _seen(refund, event)
        case RefundAbsent():
            return _absent(refund, event)
    assert_never(event)


def _answered(refund: Refund, event: RefundAnswered) -> Refund:
    known = replace(refund, stripe_refund_id=event.stripe_refund_id or refund.stripe_refund_id)
    match event.outcome:
        case o.Settled():
            return _closed(known, S.SUCCEEDED, None)
        case o.Pending():
            return _closed(known, S.PROCESSING, None)
        case o.Declined():
            return _closed(known, S.FAILED, event.outcome.code)
        case o.Parked():
            return _rejected(known, event.outcome.reason)
        case o.Halt():
            return _waiting(known)
        case o.Retry():
            maybe = known.maybe_executed or event.outcome.may_run
            failures = known.transient_failures + (0 if event.outcome.patient else 1)
            return _waiting(replace(known, maybe_executed=maybe, transient_failures=failures))
        case o.Unknown():
            return _unanswered(known, event.outcome)
    assert_never(event.outcome)


def _closed(refund: Refund, state: RefundState, code: str | None) -> Refund:
    return replace(
        refund, state=state, failure_code=code, needs_reconcile=False, transient_failures=0
    )


def _rejected(refund: Refund, reason: str) -> Refund:
    """A request that Stripe calls wrong: final, unless money may have gone back all the same."""
    if reason == ALREADY_REFUNDED or refund.maybe_executed:
        return replace(
            refund,
            state=S.UNKNOWN,
            maybe_executed=True,
            needs_reconcile=True,
            failure_code=reason,
        )
    return _closed(refund, S.FAILED, reason)


def _waiting(refund: Refund) -> Refund:
    """Nothing ran now; an earlier call may have."""
    return replace(refund, state=S.UNKNOWN if refund.maybe_executed else S.PENDING)


def _unanswered(refund: Refund, outcome: o.Unknown) -> Refund:
    tries = refund.transient_failures + 1
    saved_failure = refund.saved_failure or outcome.saved_failure
    return replace(
        refund,
        state=S.UNKNOWN,
        maybe_executed=True,
        saved_failure=saved_failure,
        needs_reconcile=saved_failure or tries >= UNKNOWN_TRIES_MAX,
        transient_failures=tries,
    )


def _seen(refund: Refund, event: RefundSeen) -> Refund:
    known = replace(refund, stripe_refund_id=event.stripe_refund_id)
    match event.status:
        case "succeeded" if refund.state is not S.FAILED:
            return _closed(known, S.SUCCEEDED, None)
        case "failed" | "canceled":
            # A bank can send a refund back weeks after it succeeded.
            return _closed(known, S.FAILED, event.failure_code or f"refund_{event.status}")
        case "pending" | "requires_action" if refund.state not in (S.SUCCEEDED, S.FAILED):
            return _closed(known, S.PROCESSING, None)
        case _:
            # Older news than what is known, or a word of Stripe's that means nothing here yet.
            return refund


def _absent(refund: Refund, event: RefundAbsent) -> Refund:
    if refund.state is not S.UNKNOWN or not event.deadline_passed:
        return refund
    key_dead = refund.saved_failure or (event.key_age_seconds or 0.0) > KEY_AGE_SECONDS_MAX
    if key_dead or refund.failure_code is not None:
        code = refund.failure_code or NOT_EXECUTED
        return replace(_closed(refund, S.FAILED, code), maybe_executed=False)
    # The key is young: posting it again both asks and answers the question.
    return replace(refund, needs_reconcile=False, transient_failures=0)
