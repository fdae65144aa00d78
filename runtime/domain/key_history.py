"""What has happened under one idempotency key, and what may follow from it; pure.

A charge and a refund are sent alike: one key, sent again until its end is known. The rules about
that key stand here once; what they mean for a payment or for a refund is each machine's own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

from runtime.domain import outcome as o
from runtime.domain.retry import KEY_AGE_SECONDS_MAX, UNKNOWN_TRIES_MAX

_S = TypeVar("_S")


@dataclass(frozen=True, slots=True)
class KeyHistory:
    """The past of a key, as far as decisions depend on it.

    Attributes:
        maybe_executed: a call with it ended without an answer at least once.
        saved_failure: Stripe replayed a saved 5xx for it.
        needs_reconcile: ask Stripe what it holds before posting it again.
        transient_failures: refusals, or unanswered posts, in a row.
    """

    maybe_executed: bool = False
    saved_failure: bool = False
    needs_reconcile: bool = False
    transient_failures: int = 0


# One value for all: it is frozen, and most keys never have any other history.
NEVER_SENT = KeyHistory()


def interrupted(key: KeyHistory) -> KeyHistory:
    """The sender is gone, and nobody knows how far it came."""
    return replace(key, maybe_executed=True)


def refused(key: KeyHistory, outcome: o.Retry) -> KeyHistory:
    """This call executed nothing, though another one with the key may be under way."""
    # A patient refusal is no failure: nothing is wrong, the answer is only not there yet.
    failures = key.transient_failures + (0 if outcome.patient else 1)
    return replace(
        key,
        maybe_executed=key.maybe_executed or outcome.may_run,
        transient_failures=failures,
    )


def unanswered(key: KeyHistory, outcome: o.Unknown) -> KeyHistory:
    """The call may have executed; after a few of them only Stripe's own list can tell."""
    tries = key.transient_failures + 1
    # Once Stripe has saved a failure under the key, it replays that for ever: more posts of the
    # key cannot bring another answer, whatever the later ones look like.
    saved_failure = key.saved_failure or outcome.saved_failure
    return KeyHistory(
        maybe_executed=True,
        saved_failure=saved_failure,
        needs_reconcile=saved_failure or tries >= UNKNOWN_TRIES_MAX,
        transient_failures=tries,
    )


def answered(key: KeyHistory) -> KeyHistory:
    """Stripe has said what it holds: there is nothing to ask, and the row of failures ends."""
    # maybe_executed stays: that an earlier call may have executed is no less true for this answer.
    return replace(key, needs_reconcile=False, transient_failures=0)


def is_dead(key: KeyHistory, age_seconds: float | None) -> bool:
    """Whether posting the key can no longer bring the truth.

    Stripe replays a saved failure for ever, and a key it may have pruned would execute anew.

    Args:
        age_seconds: since the first call that may have executed; None before it.
    """
    return key.saved_failure or (age_seconds or 0.0) > KEY_AGE_SECONDS_MAX


def waiting_state(key: KeyHistory, *, pending: _S, unknown: _S) -> _S:
    """Where a call that executed nothing leads back to: `unknown` while an earlier one may have."""
    return unknown if key.maybe_executed else pending
