"""The payment state machine: every state, every event, one pure function.

Worker, webhook receiver and reconciler all pass what they learnt through `step`, and the store
writes its answer with a compare-and-set on the state. The invariant, whatever the interleaving:
a payment emits exactly one outcome event (PaymentCompleted or PaymentFailed), money that arrives
after the order stopped wanting it is given back, and nothing is called failed while Stripe may
still hold a charge for it.

What is not in the table is `Refused`: recorded and alerted, never guessed at.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, assert_never

from runtime.domain import key_history
from runtime.domain import outcome as o
from runtime.domain.names import PaymentIntentId, PaymentState
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
    Refused,
    SeenAbsent,
    SeenFailed,
    SeenOpen,
    SeenOtherMoney,
    SeenSucceeded,
    Step,
    Unchanged,
    Verdict,
    Wait,
)
from runtime.domain.retry import KEY_AGE_SECONDS_MAX, TRANSIENT_FAILURES_MAX

S = PaymentState

PROCESS_DEATHS_MAX: Final = 3
"""Attempts that began and never ended before the payment itself is suspected of killing workers."""

ORDER_CANCELLED: Final = "order_cancelled"
NOT_EXECUTED: Final = "not_executed"
WEBHOOK_TIMEOUT: Final = "webhook_timeout"
PROCESS_DIED: Final = "process_died"


def tombstone() -> Step:
    """OrderCancelled came before OrderPlaced: the payment is failed and never sent."""
    return Step(
        Payment(S.FAILED, cancel_requested=True, failure_code=ORDER_CANCELLED),
        (Effect.EMIT_FAILED,),
    )


def step(payment: Payment, event: Event) -> Verdict:
    """Decide what `event` makes of `payment`."""
    match event:
        case Claimed():
            return _claimed(payment, event)
        case LeaseLost():
            return _lease_lost(payment)
        case Answered():
            return _answered(payment, event.outcome)
        case SeenSucceeded():
            return _succeeded(payment, event.payment_intent_id)
        case SeenFailed():
            return _failed(payment, event.code, event.payment_intent_id)
        case SeenOpen():
            return _seen_open(payment, event.payment_intent_id)
        case SeenOtherMoney():
            return _seen_other_money(payment, event.code)
        case SeenAbsent():
            return _seen_absent(payment, event)
        case OrderCancelled():
            return _order_cancelled(payment)
        case Redriven():
            return _redriven(payment)
        case RefundSucceeded() | RefundFailed() | NothingOwed():
            return _went_back(payment, event)
    assert_never(event)


# --- sending --------------------------------------------------------------------------------


def _claimed(payment: Payment, event: Claimed) -> Verdict:
    if payment.state not in (S.PENDING, S.UNKNOWN):
        return Unchanged(f"nothing to send in {payment.state}")
    if payment.key.needs_reconcile:
        return Unchanged("Stripe is asked first")
    too_old = (event.key_age_seconds or 0.0) > KEY_AGE_SECONDS_MAX
    if too_old or payment.unfinished_attempts >= PROCESS_DEATHS_MAX:
        # A pruned key would charge again; a payment that kills its worker is not sent blindly.
        key = replace(payment.key, maybe_executed=True, needs_reconcile=True)
        return Step(replace(payment, state=S.UNKNOWN, key=key), (Effect.ALERT,))
    attempts = payment.unfinished_attempts + 1
    return Step(replace(payment, state=S.CHARGING, unfinished_attempts=attempts))


def _lease_lost(payment: Payment) -> Verdict:
    if payment.state is not S.CHARGING:
        return Unchanged(f"no lease in {payment.state}")
    return Step(replace(payment, state=S.UNKNOWN, key=key_history.interrupted(payment.key)))


def _answered(payment: Payment, outcome: o.Outcome) -> Verdict:
    if payment.state is not S.CHARGING:
        return Refused(f"an answer without a lease in {payment.state}")
    # It has ended, whatever it says; not below zero, for a row whose counters a hand has mended.
    payment = replace(payment, unfinished_attempts=max(payment.unfinished_attempts - 1, 0))
    match outcome:
        case o.Settled():
            return _succeeded(payment, outcome.payment_intent_id)
        case o.Declined():
            return _failed(payment, outcome.code, outcome.payment_intent_id)
        case o.Pending():
            return _seen_pending(payment, outcome.payment_intent_id)
        case o.Parked():
            return _parked(payment, outcome.reason)
        case o.Halt():
            if payment.cancel_requested and not payment.key.maybe_executed:
                return _failed(payment, ORDER_CANCELLED, None)
            # Not counted among the failures: a wrong key of ours must park nobody's payment.
            waiting = replace(payment, state=_waiting_state(payment))
            return Step(waiting, (Effect.ALERT,), _wait_after_refusal(waiting))
        case o.Retry():
            return _retry(payment, outcome)
        case o.Unknown():
            return _unknown(payment, outcome)
    assert_never(outcome)


def _waiting_state(payment: Payment) -> PaymentState:
    return key_history.waiting_state(payment.key, pending=S.PENDING, unknown=S.UNKNOWN)


def _retry(payment: Payment, outcome: o.Retry) -> Verdict:
    # The state is chosen by what was known before: while somebody else sends our key, a payment
    # stays pending, so that a cancellation asks Stripe first instead of waiting for our next post.
    refused = replace(
        payment, state=_waiting_state(payment), key=key_history.refused(payment.key, outcome)
    )
    key = refused.key
    if payment.cancel_requested and not key.maybe_executed:
        return _failed(payment, ORDER_CANCELLED, None)
    too_often = not outcome.patient and key.transient_failures >= TRANSIENT_FAILURES_MAX
    if too_often and not key.maybe_executed:
        return _parked(refused, f"refused {key.transient_failures} times: {outcome.reason}")
    return Step(refused, (), _wait_after_refusal(refused), outcome.after_seconds or 0.0)


def _wait_after_refusal(payment: Payment) -> Wait:
    """Minutes if nothing is at stake, seconds while money may have moved."""
    return Wait.BACK_OFF_UNKNOWN if payment.key.maybe_executed else Wait.BACK_OFF


def _unknown(payment: Payment, outcome: o.Unknown) -> Verdict:
    key = key_history.unanswered(payment.key, outcome)
    return Step(replace(payment, state=S.UNKNOWN, key=key), (), Wait.BACK_OFF_UNKNOWN)


def _parked(payment: Payment, reason: str) -> Step:
    # Nobody redrives a payment whose order is cancelled: Stripe is asked, so that it can end.
    key = payment.key
    needs_reconcile = key.needs_reconcile or payment.cancel_requested or key.maybe_executed
    return Step(
        replace(
            payment,
            state=S.PARKED,
            failure_code=reason,
            key=replace(key, needs_reconcile=needs_reconcile),
        ),
        (Effect.EMIT_PARKED, Effect.ALERT),
    )


# --- ends -----------------------------------------------------------------------------------


def _another(payment: Payment, payment_intent_id: PaymentIntentId | None) -> bool:
    """A PaymentIntent that is not this payment's: value is granted once per PaymentIntent."""
    # Not known yet is no contradiction: whoever is first names it.
    known = payment.payment_intent_id
    return known is not None and payment_intent_id is not None and known != payment_intent_id


def _succeeded(payment: Payment, payment_intent_id: PaymentIntentId) -> Verdict:
    if _another(payment, payment_intent_id):
        return Refused(f"success of {payment_intent_id}, but {payment.payment_intent_id} is ours")
    known = replace(payment, payment_intent_id=payment_intent_id, failure_code=None)
    match payment.state:
        case S.PENDING | S.CHARGING | S.PROCESSING | S.UNKNOWN | S.PARKED:
            if payment.cancel_requested:
                return Step(
                    replace(known, state=S.REFUNDING),
                    # The order hears of the money first and of its return later, from the same
                    # history.
                    (Effect.EMIT_COMPLETED, Effect.REQUEST_REFUND),
                    via=S.SUCCEEDED,
                )
            return Step(replace(known, state=S.SUCCEEDED), (Effect.EMIT_COMPLETED,))
        case S.FAILED:
            # The order has heard of a failure and sold nothing: the money goes back, and no second
            # outcome follows the first.
            return Step(
                replace(known, state=S.REFUNDING, failure_code=payment.failure_code),
                (Effect.RECORD_LATE_SUCCESS, Effect.REQUEST_REFUND, Effect.ALERT),
            )
        case S.SUCCEEDED | S.REFUNDING | S.REFUNDED:
            return Unchanged("this success is known")
    assert_never(payment.state)


def _failed(payment: Payment, code: str, payment_intent_id: PaymentIntentId | None) -> Verdict:
    if _another(payment, payment_intent_id):
        return Refused(f"failure of {payment_intent_id}, but {payment.payment_intent_id} is ours")
    match payment.state:
        case S.PENDING | S.CHARGING | S.PROCESSING | S.UNKNOWN | S.PARKED:
            failed = replace(
                payment,
                state=S.FAILED,
                failure_code=code,
                payment_intent_id=payment_intent_id or payment.payment_intent_id,
            )
            return Step(failed, (Effect.EMIT_FAILED,))
        case S.FAILED:
            return Unchanged("this failure is known")
        case S.SUCCEEDED | S.REFUNDING | S.REFUNDED:
            return Unchanged("a late failure does not undo a success")
    assert_never(payment.state)


def _seen_pending(payment: Payment, payment_intent_id: PaymentIntentId) -> Verdict:
    if _another(payment, payment_intent_id):
        return Refused(f"answer about {payment_intent_id}, not {payment.payment_intent_id}")
    return Step(
        replace(
            payment,
            state=S.PROCESSING,
            payment_intent_id=payment_intent_id,
            key=key_history.answered(payment.key),
        )
    )


def _seen_open(payment: Payment, payment_intent_id: PaymentIntentId) -> Verdict:
    match payment.state:
        case S.PENDING | S.UNKNOWN | S.PARKED:
            return _seen_pending(payment, payment_intent_id)
        case S.CHARGING:
            # Its answer holds the lease; news from beside it would end a lease that is still worked
            # on.
            return Unchanged("the attempt under way will say so itself")
        case S.PROCESSING | S.SUCCEEDED | S.FAILED | S.REFUNDING | S.REFUNDED:
            return Unchanged("an open PaymentIntent is known or overtaken")
    assert_never(payment.state)


def _seen_other_money(payment: Payment, code: str) -> Verdict:
    if payment.state not in (S.UNKNOWN, S.PROCESSING):
        return Unchanged(f"other money changes nothing in {payment.state}")
    # Neither the success that was asked for nor a failure: a person decides what it is.
    return _parked(replace(payment, key=replace(payment.key, maybe_executed=True)), code)


def _seen_absent(payment: Payment, event: SeenAbsent) -> Verdict:
    if payment.state not in (S.UNKNOWN, S.PARKED):
        return Unchanged(f"nothing to prove in {payment.state}")
    if not event.deadline_passed:
        return Unchanged("a request may still be on its way")
    died = payment.unfinished_attempts >= PROCESS_DEATHS_MAX
    # A dead key can bring no other answer, so absence is final; a young one can still be asked.
    key_dead = key_history.is_dead(payment.key, event.key_age_seconds)
    if payment.cancel_requested and (died or key_dead or payment.state is S.PARKED):
        return _failed(payment, ORDER_CANCELLED, None)
    proven = replace(payment, key=replace(payment.key, maybe_executed=False, needs_reconcile=False))
    if payment.state is S.PARKED:
        # Proven now, so an operator may redrive it.
        return Step(proven) if payment != proven else Unchanged("waits for an operator")
    if died and not key_dead:
        return _parked(proven, PROCESS_DIED)
    if key_dead:
        return _failed(payment, NOT_EXECUTED, None)
    # The key is young: posting it again both asks and answers the question.
    again = replace(payment, key=key_history.answered(payment.key))
    return Step(again, (), Wait.BACK_OFF_UNKNOWN)


# --- requests of the order and of operators --------------------------------------------------


def _order_cancelled(payment: Payment) -> Verdict:
    wanted_back = replace(payment, cancel_requested=True)
    match payment.state:
        case S.PENDING if payment.key.maybe_executed:
            key = replace(payment.key, needs_reconcile=True)
            return Step(replace(wanted_back, state=S.UNKNOWN, key=key))
        case S.PENDING:
            return _failed(wanted_back, ORDER_CANCELLED, None)
        case S.CHARGING | S.PROCESSING | S.UNKNOWN | S.PARKED:
            if payment.cancel_requested:
                return Unchanged("the cancellation is known")
            # A parked payment has no attempt under way that would find out: Stripe is asked.
            needs_reconcile = payment.key.needs_reconcile or payment.state is S.PARKED
            key = replace(payment.key, needs_reconcile=needs_reconcile)
            return Step(replace(wanted_back, key=key))
        case S.SUCCEEDED:
            return Step(replace(wanted_back, state=S.REFUNDING), (Effect.REQUEST_REFUND,))
        case S.FAILED | S.REFUNDING | S.REFUNDED:
            return Unchanged("nothing is owed to this order")
    assert_never(payment.state)


def _redriven(payment: Payment) -> Verdict:
    if payment.state is not S.PARKED:
        return Refused(f"only a parked payment is redriven, this one is {payment.state}")
    if payment.cancel_requested:
        return Refused("its order is cancelled")
    if payment.key.maybe_executed:
        # Posting it again would be safe under the key, but parked means that nobody knows why it
        # was refused: what Stripe holds is looked at first.
        return Refused("it may have been executed; reconcile it first")
    return Step(
        replace(
            payment,
            state=S.PENDING,
            key=replace(payment.key, transient_failures=0),
            unfinished_attempts=0,
            failure_code=None,
        )
    )


# --- money that goes back -------------------------------------------------------------------


def _went_back(payment: Payment, event: RefundSucceeded | RefundFailed | NothingOwed) -> Verdict:
    match event:
        # Whoever gave it back: the customer has it.
        case RefundSucceeded() | NothingOwed():
            return _refund_succeeded(payment)
        case RefundFailed():
            return _refund_failed(payment)
    assert_never(event)


def _refund_succeeded(payment: Payment) -> Verdict:
    match payment.state:
        case S.REFUNDING:
            return Step(replace(payment, state=S.REFUNDED), (Effect.EMIT_REFUNDED,))
        case S.REFUNDED:
            return Unchanged("this refund is known")
        case _:
            return Refused(f"a refund of a payment that is {payment.state}")


def _refund_failed(payment: Payment) -> Verdict:
    match payment.state:
        case S.REFUNDING:
            # It stays refunding: the money is still owed, and only an operator asks for the next
            # refund.
            return Step(payment, (Effect.ALERT,))
        case _:
            return Refused(f"a failed refund of a payment that is {payment.state}")
