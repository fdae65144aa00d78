"""Money of a payment that others moved, what is still owed, and what follows; pure.

A refund made in the dashboard, a dispute that a bank opened: Stripe tells of them in any order, or
not at all. What is left to give back is what was taken less all that has gone, whoever moved it,
and a refund of ours asks for that and for nothing else.

Source:
    Stripe documentation, "Refunds" (a refund may fail after it succeeded; Stripe gives back at most
    what the charge holds) and "How disputes work" (the amount is withdrawn when a dispute opens,
    and returned when it is won; an inquiry withdraws nothing; a disputed charge is not refunded).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Final

from runtime.domain.names import PaymentState, RefundState
from runtime.domain.refund import CHARGE_DISPUTED, NOTHING_OWED, OVERTAKEN

S = PaymentState

REFUNDED_OUTSIDE: Final = "refunded_outside"
"""Why an order is cancelled whose whole money somebody else gave back."""
DISPUTE_LOST: Final = "dispute_lost"
"""What ended a refunding: the customer has the money from the bank."""

# A refund's words in the order in which they can follow each other. One that Stripe may add counts
# as under way: the money may be gone.
_REFUND_RANKS: Final = {
    "pending": 0,
    "requires_action": 0,
    "succeeded": 1,
    "failed": 2,
    "canceled": 2,
}
_NOT_GIVEN: Final = frozenset({"failed", "canceled"})

# A dispute's. An inquiry that was closed can still become a dispute; an end is the end, though a
# bank may decide it anew.
_DISPUTE_RANKS: Final = {
    "warning_needs_response": 0,
    "warning_under_review": 1,
    "warning_closed": 2,
    "needs_response": 3,
    "under_review": 4,
    "prevented": 5,
    "charge_refunded": 5,
    "won": 5,
    "lost": 5,
}
_RANK_OF_A_NEW_WORD: Final = 4
_RANK_OF_AN_END: Final = 5


class Stands(Enum):
    """Where a dispute has the money."""

    NOTHING_TAKEN = auto()
    WITHDRAWN = auto()
    LOST = auto()


def stands(status: str) -> Stands:
    """What Stripe's word for a dispute means for the money; a new word means that it is gone."""
    if status == "lost":
        return Stands.LOST
    if status in ("won", "prevented", "charge_refunded") or status.startswith("warning"):
        return Stands.NOTHING_TAKEN
    return Stands.WITHDRAWN


def has_ended(dispute_status: str) -> bool:
    """Whether nothing more is expected of a dispute; a closed inquiry counts."""
    rank = _DISPUTE_RANKS.get(dispute_status, _RANK_OF_A_NEW_WORD)
    return rank == _RANK_OF_AN_END or dispute_status == "warning_closed"


def is_pending(refund_status: str) -> bool:
    """Whether a refund has neither arrived nor come back."""
    return refund_status not in _NOT_GIVEN and refund_status != "succeeded"


def newer_refund(known: str, told: str) -> bool:
    """Whether `told` can have come after `known`: a refund's words follow each other one way."""
    return _REFUND_RANKS.get(told, 0) > _REFUND_RANKS.get(known, 0)


def newer_dispute(known: str, known_at: datetime, told: str, told_at: datetime) -> bool:
    """The same of a dispute, whose end may be told before its beginning."""
    before = _DISPUTE_RANKS.get(known, _RANK_OF_A_NEW_WORD)
    after = _DISPUTE_RANKS.get(told, _RANK_OF_A_NEW_WORD)
    if before != after:
        return after > before
    return told != known and told_at > known_at


# --- what has moved -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class GivenBack:
    """A refund that is not ours.

    Attributes:
        back_since_asked: we heard that it failed after our last refund was asked for.
    """

    stripe_refund_id: str
    amount_cents: int
    status: str
    back_since_asked: bool = False

    @property
    def counts(self) -> bool:
        """Whether the money is gone, or on its way."""
        return self.status not in _NOT_GIVEN


@dataclass(frozen=True, slots=True)
class Disputed:
    """A dispute.

    Attributes:
        amount_cents: in the payment's currency; all of it where Stripe names another one.
        ended_since_asked: it ended after our last refund was asked for.
    """

    stripe_dispute_id: str
    amount_cents: int
    status: str
    ended_since_asked: bool = False


@dataclass(frozen=True, slots=True)
class OurRefund:
    """A refunds row, as far as the sums depend on it."""

    n: int
    amount_cents: int
    state: RefundState
    failure_code: str | None = None

    @property
    def is_open(self) -> bool:
        return self.state not in (RefundState.SUCCEEDED, RefundState.FAILED)


@dataclass(frozen=True, slots=True)
class MovedMoney:
    """All the money of one payment that went back, or may have.

    Attributes:
        taken_cents: what the charge took.
        ours: by n, ascending.
    """

    taken_cents: int
    refunds: tuple[GivenBack, ...] = ()
    disputes: tuple[Disputed, ...] = ()
    ours: tuple[OurRefund, ...] = ()

    @property
    def open_refund(self) -> OurRefund | None:
        """The refund of ours whose end is not known; there is one at a time."""
        return next((refund for refund in self.ours if refund.is_open), None)

    @property
    def given_outside_cents(self) -> int:
        """What refunds of others have given back, or are about to."""
        return sum(refund.amount_cents for refund in self.refunds if refund.counts)

    @property
    def refunded_cents(self) -> int:
        """What Stripe shows as given back of the charge, as far as we know: others' and ours."""
        not_there = (RefundState.PENDING, RefundState.FAILED)
        sent = sum(r.amount_cents for r in self.ours if r.state not in not_there)
        return self.given_outside_cents + sent

    @property
    def is_withdrawn(self) -> bool:
        """Whether a dispute holds money back whose end is not known."""
        return any(stands(entry.status) is Stands.WITHDRAWN for entry in self.disputes)

    @property
    def lost_cents(self) -> int:
        return self._disputed_cents(Stands.LOST)

    def _disputed_cents(self, *where: Stands) -> int:
        return sum(e.amount_cents for e in self.disputes if stands(e.status) in where)

    def left_cents(self, *, without: int | None = None) -> int:
        """What is still owed if everything under way arrives; never below zero.

        Args:
            without: the n of a refund of ours that is not counted, because it is to be sent.
        """
        ours = sum(
            refund.amount_cents
            for refund in self.ours
            if refund.n != without and refund.state is not RefundState.FAILED
        )
        gone = self.given_outside_cents + self._disputed_cents(Stands.LOST, Stands.WITHDRAWN)
        return max(self.taken_cents - gone - ours, 0)

    @property
    def is_stuck(self) -> bool:
        """Whether something is owed that neither a refund of ours nor a bank is about."""
        return self.left_cents() > 0 and self.open_refund is None and not self.is_withdrawn

    @property
    def is_all_back(self) -> bool:
        """Whether what has arrived for good is all that was taken."""
        arrived = sum(r.amount_cents for r in self.refunds if r.status == "succeeded")
        ours = sum(r.amount_cents for r in self.ours if r.state is RefundState.SUCCEEDED)
        return arrived + ours + self.lost_cents >= self.taken_cents


# --- what follows ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CancelOrder:
    """Others gave a paid order's whole money back: nothing was sold."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A refund of ours is asked for: the next one, of this amount."""

    n: int
    amount_cents: int


@dataclass(frozen=True, slots=True)
class End:
    """Nothing more is owed, by the doing of others.

    Attributes:
        by: `refunded_outside` or `dispute_lost`.
        reference: Stripe's id of what gave the last of it back.
    """

    by: str
    reference: str | None


Move = CancelOrder | Ask | End | None


def next_move(state: PaymentState, moved: MovedMoney) -> Move:
    """What follows for a payment in `state` when this much has moved; None when nothing does."""
    match state:
        case S.SUCCEEDED:
            whole = moved.given_outside_cents >= moved.taken_cents
            # A lost dispute cancels nothing: goods may have been sent, and people decide.
            return CancelOrder() if whole else None
        case S.REFUNDING | S.REFUNDED:
            return _go_on(state, moved)
        case _:
            # Its money has not come, as far as is known; what comes later is looked at then.
            return None


def _go_on(state: PaymentState, moved: MovedMoney) -> Move:
    last = moved.ours[-1] if moved.ours else None
    if moved.open_refund is not None:
        # Its own end looks at the sums again.
        return None
    if moved.is_all_back:
        return _end(moved) if state is S.REFUNDING else None
    # While a dispute is open Stripe refuses to refund, and its end decides what is owed.
    if moved.is_withdrawn:
        return None
    left = moved.left_cents()
    if left > 0 and _may_ask(moved, last, left):
        return Ask(last.n + 1 if last else 1, left)
    return None


def _may_ask(moved: MovedMoney, last: OurRefund | None, left: int) -> bool:
    """Whether the next refund follows by itself; what failed at the bank waits for an operator."""
    if last is None or last.state is RefundState.SUCCEEDED or last.failure_code == NOTHING_OWED:
        return True
    if last.failure_code not in OVERTAKEN:
        return False
    # It was refused because something had gone back meanwhile. With nothing to show for that, the
    # same question would get the same answer for ever.
    if last.failure_code == CHARGE_DISPUTED:
        return any(dispute.ended_since_asked for dispute in moved.disputes)
    return left < last.amount_cents or any(refund.back_since_asked for refund in moved.refunds)


def _end(moved: MovedMoney) -> End:
    lost = [entry for entry in moved.disputes if stands(entry.status) is Stands.LOST]
    if lost:
        return End(DISPUTE_LOST, lost[-1].stripe_dispute_id)
    given = [entry for entry in moved.refunds if entry.status == "succeeded"]
    return End(REFUNDED_OUTSIDE, given[-1].stripe_refund_id if given else None)


# --- a refund of ours that is about to leave --------------------------------------------------


@dataclass(frozen=True, slots=True)
class Send:
    """It may leave, and asks for this much."""

    amount_cents: int


class Hold(Enum):
    """It does not leave."""

    # A dispute is open: Stripe would refuse it.
    DISPUTED = auto()
    NOTHING_OWED = auto()


def before_sending(moved: MovedMoney, n: int) -> Send | Hold:
    """What becomes of a refund that was never posted; its amount is what is left now."""
    if moved.is_withdrawn:
        return Hold.DISPUTED
    left = moved.left_cents(without=n)
    return Send(left) if left > 0 else Hold.NOTHING_OWED


def retry_of(moved: MovedMoney) -> Ask | str:
    """What an operator's wish for the next refund comes to: the refund, or why there is none."""
    last, under_way = moved.ours[-1] if moved.ours else None, moved.open_refund
    if under_way is not None:
        return f"refund {under_way.n} is {under_way.state}; only a failed one is retried"
    if moved.is_withdrawn:
        return "a dispute is open: Stripe refunds nothing until it has ended"
    left = moved.left_cents()
    if left > 0:
        return Ask(last.n + 1 if last else 1, left)
    if last is not None and last.state is RefundState.SUCCEEDED:
        return f"refund {last.n} is succeeded; only a failed one is retried"
    return "nothing is left to give back: others have given it back, or a bank has taken it"


# --- whose a refund is ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Claimant:
    """A refunds row that a refund at Stripe may belong to."""

    refund_id: str
    idempotency_key: str
    stripe_refund_id: str | None
    state: RefundState
    maybe_executed: bool


def is_ours(
    claimant: Claimant, stripe_refund_id: str, named_refund_id: str | None, key: str | None
) -> bool:
    """Whether a refund at Stripe is the one that this row asked for.

    Args:
        named_refund_id: what its metadata names; anybody can write that.
        key: the idempotency key of the request that made it; None where nobody says.
    """
    if claimant.stripe_refund_id is not None:
        return claimant.stripe_refund_id == stripe_refund_id
    if named_refund_id != claimant.refund_id or key not in (None, claimant.idempotency_key):
        return False
    match claimant.state:
        # Nothing has been executed under its key, or it was proven so: who wrote its name there?
        case RefundState.PENDING | RefundState.FAILED:
            return False
        case RefundState.UNKNOWN:
            return claimant.maybe_executed
        case RefundState.SENDING | RefundState.PROCESSING | RefundState.SUCCEEDED:
            return True
