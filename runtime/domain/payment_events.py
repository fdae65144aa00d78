"""The words of the payment state machine: what it looks at, what can happen, what follows.

Nouns only; `payment.step` is the machine. Split from it so that a caller who reports an event need
not read the decisions.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from runtime.domain import outcome as o
from runtime.domain.key_history import NEVER_SENT, KeyHistory
from runtime.domain.names import PaymentIntentId, PaymentState

# --- what a decision looks at ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Payment:
    """The part of a payments row that decisions depend on.

    Attributes:
        cancel_requested: the order is cancelled; a success from here on is given back.
        key: what has happened under the order's one charge key.
        unfinished_attempts: started minus finished; each is a process that died in between.
    """

    state: PaymentState
    payment_intent_id: PaymentIntentId | None = None
    cancel_requested: bool = False
    key: KeyHistory = NEVER_SENT
    # Both counters of the row as one number: only their difference decides anything.
    unfinished_attempts: int = 0
    failure_code: str | None = None


# --- what can happen ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Claimed:
    """A worker wants to send it.

    Attributes:
        key_age_seconds: since the first attempt on the environment clock; None before it.
    """

    key_age_seconds: float | None


@dataclass(frozen=True, slots=True)
class LeaseLost:
    """The lease ran out, or its worker came back as a new incarnation: the attempt has no end."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The attempt that holds the lease came to an outcome."""

    outcome: o.Outcome


@dataclass(frozen=True, slots=True)
class SeenSucceeded:
    """A webhook or the reconciler saw the PaymentIntent succeed."""

    payment_intent_id: PaymentIntentId


@dataclass(frozen=True, slots=True)
class SeenFailed:
    """A webhook or the reconciler saw the PaymentIntent fail or be canceled."""

    payment_intent_id: PaymentIntentId
    code: str


@dataclass(frozen=True, slots=True)
class SeenOpen:
    """A webhook or the reconciler saw the PaymentIntent exist without an end yet."""

    payment_intent_id: PaymentIntentId


@dataclass(frozen=True, slots=True)
class SeenOtherMoney:
    """The reconciler saw a PaymentIntent of ours that holds, or was made for, other money.

    Attributes:
        code: what differs, as `amount_received_mismatch`.
    """

    code: str


@dataclass(frozen=True, slots=True)
class SeenAbsent:
    """The reconciler listed Stripe and found nothing for this payment.

    Attributes:
        deadline_passed: no request of ours can still be on its way to Stripe.
    """

    deadline_passed: bool
    key_age_seconds: float | None


@dataclass(frozen=True, slots=True)
class OrderCancelled:
    """The order does not want the money any more."""


@dataclass(frozen=True, slots=True)
class Redriven:
    """An operator sends a parked payment again."""


@dataclass(frozen=True, slots=True)
class RefundSucceeded:
    """Stripe gave the money back."""


@dataclass(frozen=True, slots=True)
class RefundFailed:
    """Stripe could not give the money back; it stays owed and visible."""

    code: str


@dataclass(frozen=True, slots=True)
class NothingOwed:
    """Others have given all of it back, or a bank has: no refund of ours is needed any more."""


# Closed: who adds an event decides in `payment.step` what it means in every state.
Event = (
    Claimed
    | LeaseLost
    | Answered
    | SeenSucceeded
    | SeenFailed
    | SeenOpen
    | SeenOtherMoney
    | SeenAbsent
    | OrderCancelled
    | Redriven
    | RefundSucceeded
    | RefundFailed
    | NothingOwed
)


# --- what follows ---------------------------------------------------------------------------


class Effect(Enum):
    """What the store writes in the transaction of the step, besides the row itself."""

    EMIT_COMPLETED = auto()
    EMIT_FAILED = auto()
    EMIT_PARKED = auto()
    EMIT_REFUNDED = auto()
    REQUEST_REFUND = auto()
    RECORD_LATE_SUCCESS = auto()
    # No row of its own: the state it comes with is what is counted and alerted on.
    ALERT = auto()


# Exactly one of these in the life of a payment; a unique index refuses the second.
OUTCOME_EFFECTS: Final = frozenset({Effect.EMIT_COMPLETED, Effect.EMIT_FAILED})


class Wait(Enum):
    """When the payment is looked at next."""

    NOW = auto()
    BACK_OFF = auto()
    BACK_OFF_UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class Step:
    """A transition to write.

    Attributes:
        via: a state passed through in the same transaction, for the history.
        wait_seconds_min: the least wait Stripe asked for.
    """

    payment: Payment
    effects: tuple[Effect, ...] = ()
    wait: Wait = Wait.NOW
    wait_seconds_min: float = 0.0
    via: PaymentState | None = None


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Known already, or of no consequence in this state."""

    why: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Not in the table: recorded and alerted, the row untouched."""

    why: str


Verdict = Step | Unchanged | Refused
