"""What becomes of a refund: every answer, every look at Stripe, one pure function.

The same outcome table as a charge's, with two differences. A refund is owed, so refusals never
give it up: it is sent again for as long as it takes. And a failure is nobody's end: it stays
visible until an operator asks for the next refund, which has a key of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, assert_never

from runtime.domain import key_history
from runtime.domain import outcome as o
from runtime.domain.key_history import NEVER_SENT, KeyHistory
from runtime.domain.names import RefundState
from runtime.domain.payment import NOT_EXECUTED
from runtime.domain.retry import KEY_AGE_SECONDS_MAX

S = RefundState

ALREADY_REFUNDED: Final = "charge_already_refunded"
"""Stripe's code when nothing is left to give back: someone did it before us, or we did."""
MORE_THAN_LEFT: Final = "refund_more_than_left"
"""Our word for Stripe's refusal of more than the charge still holds, which has no code."""
CHARGE_DISPUTED: Final = "charge_disputed"
"""Stripe's code while a dispute stands: the customer's bank has the money."""

OVERTAKEN: Final = frozenset({ALREADY_REFUNDED, MORE_THAN_LEFT, CHARGE_DISPUTED})
"""Refusals that say that others moved the money first; what is left is read and asked for anew."""

NOTHING_OWED: Final = "nothing_owed"
"""Why a refund ends that was never sent: others had given the money back."""


@dataclass(frozen=True, slots=True)
class Refund:
    """The part of a refunds row that decisions depend on.

    Attributes:
        key: what has happened under this refund's key.
    """

    state: RefundState
    stripe_refund_id: str | None = None
    key: KeyHistory = NEVER_SENT
    failure_code: str | None = None


@dataclass(frozen=True, slots=True)
class RefundClaimed:
    """A worker wants to send it.

    Attributes:
        key_age_seconds: since the first call that may have executed; None before it.
    """

    key_age_seconds: float | None


@dataclass(frozen=True, slots=True)
class RefundLeaseLost:
    """The lease ran out, or its worker came back as a new incarnation: the call has no end."""


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


@dataclass(frozen=True, slots=True)
class RefundUnneeded:
    """Nothing is owed any more: others gave it back before this was sent."""


RefundEvent = (
    RefundClaimed | RefundLeaseLost | RefundAnswered | RefundSeen | RefundAbsent | RefundUnneeded
)


def next_refund(refund: Refund, event: RefundEvent) -> Refund:
    """Decide what `event` makes of `refund`; equal to it when it changes nothing."""
    match event:
        case RefundClaimed():
            return _claimed(refund, event)
        case RefundLeaseLost():
            return _lease_lost(refund)
        case RefundAnswered():
            return _answered(replace(refund, failure_code=None), event)
        case RefundSeen():
            return _seen(refund, event)
        case RefundAbsent():
            return _absent(refund, event)
        case RefundUnneeded():
            # Only what was never posted: the end of what may have executed is Stripe's to tell.
            return _closed(refund, S.FAILED, NOTHING_OWED) if refund.state is S.PENDING else refund
    assert_never(event)


def _claimed(refund: Refund, event: RefundClaimed) -> Refund:
    if refund.key.needs_reconcile or refund.state not in (S.PENDING, S.UNKNOWN):
        return refund
    if refund.key.maybe_executed and (event.key_age_seconds or 0.0) > KEY_AGE_SECONDS_MAX:
        # Stripe may have pruned the key, and a pruned key would give the money back again.
        return replace(refund, key=replace(refund.key, needs_reconcile=True))
    return replace(refund, state=S.SENDING)


def _lease_lost(refund: Refund) -> Refund:
    if refund.state is not S.SENDING:
        return refund
    return replace(refund, state=S.UNKNOWN, key=key_history.interrupted(refund.key))


def _answered(refund: Refund, event: RefundAnswered) -> Refund:
    known = replace(refund, stripe_refund_id=event.stripe_refund_id or refund.stripe_refund_id)
    match event.outcome:
        case o.Settled():
            return _closed(known, S.SUCCEEDED, None)
        case o.Pending():
            return _closed(known, S.PROCESSING, None)
        # Final for this refund alone: the money stays owed, and the next one has a key of its own.
        case o.Declined():
            return _closed(known, S.FAILED, event.outcome.code)
        case o.Parked():
            return _rejected(known, event.outcome.reason)
        case o.Halt():
            return _waiting(known)
        case o.Retry():
            key = key_history.refused(known.key, event.outcome)
            return _waiting(replace(known, key=key))
        case o.Unknown():
            key = key_history.unanswered(known.key, event.outcome)
            return replace(known, state=S.UNKNOWN, key=key)
    assert_never(event.outcome)


def _closed(refund: Refund, state: RefundState, code: str | None) -> Refund:
    return replace(refund, state=state, failure_code=code, key=key_history.answered(refund.key))


def _rejected(refund: Refund, reason: str) -> Refund:
    """A request that Stripe calls wrong: final, unless money may have gone back all the same."""
    if reason in OVERTAKEN or refund.key.maybe_executed:
        key = replace(refund.key, needs_reconcile=True)
        return replace(refund, state=S.UNKNOWN, key=key, failure_code=reason)
    return _closed(refund, S.FAILED, reason)


def _waiting(refund: Refund) -> Refund:
    """Nothing ran now; an earlier call may have."""
    state = key_history.waiting_state(refund.key, pending=S.PENDING, unknown=S.UNKNOWN)
    return replace(refund, state=state)


def _seen(refund: Refund, event: RefundSeen) -> Refund:
    known = replace(refund, stripe_refund_id=event.stripe_refund_id)
    match event.status:
        # Not after a failure: an operator may have asked for the next refund since, and two would
        # count.
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
    if refund.state is not S.UNKNOWN:
        return refund
    if refund.failure_code is not None and not refund.key.maybe_executed:
        # Every call was refused: none is on its way.
        return _closed(refund, S.FAILED, refund.failure_code)
    # A request that is still on its way could execute behind this look.
    if not event.deadline_passed:
        return refund
    if key_history.is_dead(refund.key, event.key_age_seconds) or refund.failure_code is not None:
        failed = _closed(refund, S.FAILED, refund.failure_code or NOT_EXECUTED)
        return replace(failed, key=replace(failed.key, maybe_executed=False))
    # The key is young: posting it again both asks and answers the question.
    return replace(refund, key=key_history.answered(refund.key))
