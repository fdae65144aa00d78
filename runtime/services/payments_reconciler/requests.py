"""What operators ask for, carried out through the same state machines as everything else.

Their tool only writes the request. Whether it may be granted is decided here, under the row locks
everyone else uses, and the answer stays on record with the name of who asked.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final, assert_never
from uuid import UUID

import psycopg

from runtime.adapters.store import (
    dead_letters,
    missed,
    operator_requests,
    outside,
    payments,
    refunds,
    webhooks,
)
from runtime.adapters.store.dead_letters import DeadLetter
from runtime.adapters.store.operator_requests import OperatorRequest, RequestKind
from runtime.adapters.store.payments import Cause
from runtime.domain.money import Money, shown_money
from runtime.domain.names import PaymentState, Service
from runtime.domain.outside import Ask, retry_of
from runtime.domain.payment_events import Redriven, Refused, Step, Unchanged
from runtime.services.payments_reconciler.early_webhooks import effect_of
from runtime.services.payments_reconciler.tools import BATCH, Tools
from runtime.steps import payment, webhook

logger = logging.getLogger(__name__)

OUTBOX: Final = "outbox"


@dataclass(frozen=True, slots=True)
class _Answer:
    done: bool
    detail: str


def carry_out(tools: Tools) -> int:
    """Handle open requests, oldest first, each in a transaction of its own."""
    for handled in range(BATCH):
        with tools.pool.connection() as conn:
            request = operator_requests.claim_next(conn)
            if request is None:
                return handled
            # The answer commits with what was done: no request is done and called open, or the
            # reverse.
            answer = _try(tools, conn, request)
            operator_requests.finish(conn, request, done=answer.done, detail=answer.detail)
        logger.warning(
            "an operator's request: %s",
            answer.detail,
            extra={
                "request": request.kind.value,
                "requested_by": request.requested_by,
                "row": request.row_id or str(request.event_id),
                "result": "done" if answer.done else "refused",
            },
        )
    return BATCH


def _try(tools: Tools, conn: psycopg.Connection, request: OperatorRequest) -> _Answer:
    """Carry one out inside a savepoint: a contradiction is an answer, not the end of the loop."""
    try:
        with conn.transaction():
            return _carry_out(tools, conn, request)
    except (psycopg.IntegrityError, psycopg.DataError) as error:
        return _Answer(False, f"it contradicts {error.diag.constraint_name or 'the data'}")


def _carry_out(tools: Tools, conn: psycopg.Connection, request: OperatorRequest) -> _Answer:
    match request.kind:
        case RequestKind.REDRIVE_DEAD_LETTER:
            return _redrive(tools, conn, request)
        case RequestKind.RETRY_REFUND:
            return _retry_refund(conn, request.event_id)
        case RequestKind.RELEASE_WEBHOOK:
            return _release(tools, conn, request.row_id)
        case RequestKind.DISCARD_WEBHOOK:
            return _discard(conn, request.row_id)
    assert_never(request.kind)


# --- dead letters ---------------------------------------------------------------------------


def _redrive(tools: Tools, conn: psycopg.Connection, request: OperatorRequest) -> _Answer:
    # No row has the number 0: a request without one finds nothing.
    letter = dead_letters.lock(conn, request.row_id or 0)
    if letter is None:
        return _Answer(False, "there is no such dead letter")
    if letter.resolved:
        return _Answer(False, "it is resolved already")
    if letter.is_record:
        return _republish(tools, conn, letter)
    if letter.event_id is None:
        return _Answer(False, "it names no event that could be driven again")
    # Resolved is all it takes: the publisher passes over rows with an open dead letter.
    if letter.source == OUTBOX:
        dead_letters.resolve(conn, letter.row_id)
        return _Answer(True, "the outbox row will be published again")
    if letter.source != Service.WORKER:
        return _Answer(False, f"nothing of {letter.source} can be driven again")
    cause = Cause("operator", f"{request.requested_by} #{request.request_id}")
    applied = payment.apply(conn, letter.event_id, Redriven(), cause, rng=tools.process.rng)
    match applied:
        case Step():
            return _Answer(True, "the payment is pending again, with the same key")
        case Refused() | Unchanged():
            return _Answer(False, applied.why)
        case payment.Missing() | payment.Fenced():
            return _Answer(False, "there is no such payment")
    assert_never(applied)


def _republish(tools: Tools, conn: psycopg.Connection, letter: DeadLetter) -> _Answer:
    """A record is read again when its event is; one that nobody can read has no event."""
    captured = tools.settings.change_data_capture
    if letter.event_id is None or not missed.republish_now(
        conn, letter.event_id, captured=captured
    ):
        return _Answer(False, "no outbox row has this record's event; mend and run its producer")
    dead_letters.resolve(conn, letter.row_id)
    return _Answer(True, "its event is published again from the outbox")


# --- refunds --------------------------------------------------------------------------------


def _retry_refund(conn: psycopg.Connection, event_id: UUID | None) -> _Answer:
    row = payments.lock(conn, event_id) if event_id else None
    # A refund can fail weeks after its payment was called refunded; the money is owed again.
    if row is None or row.payment.payment_intent_id is None:
        return _Answer(False, "this payment has no refund")
    if row.payment.state not in (PaymentState.REFUNDING, PaymentState.REFUNDED):
        return _Answer(False, f"the payment is {row.payment.state}: no refund of it has failed")
    # One that may still succeed and a second one would give the money back twice; and only what
    # others have left can go back at all.
    match retry_of(outside.moved_of_one(conn, row.event_id)):
        case Ask(n, amount_cents):
            money = Money(amount_cents, row.money.currency)
            refund_id = refunds.request(conn, row.event_id, n, row.payment.payment_intent_id, money)
            what = f"refund {n} of {shown_money(money)}"
            return _Answer(True, f"{what} is requested under its own key {refund_id}")
        case str() as why:
            return _Answer(False, why)


# --- quarantined webhooks -------------------------------------------------------------------


def _release(tools: Tools, conn: psycopg.Connection, row_id: int | None) -> _Answer:
    held = webhooks.lock_quarantined(conn, row_id or 0)
    if held is None:
        return _Answer(False, "there is no such webhook in quarantine")
    if held.released:
        return _Answer(False, "it left quarantine already")
    # As the receiver would today: a release lets nothing in that a delivery would not.
    match effect_of(tools, conn, held.body):
        case webhook.Done(what):
            webhooks.release(conn, held.row_id)
            return _Answer(True, f"applied: {what}")
        case webhook.Early():
            return _Answer(False, "the payment it speaks of is not here")
        case webhook.Quarantined(reason):
            return _Answer(False, f"it still does not fit: {reason}")


def _discard(conn: psycopg.Connection, row_id: int | None) -> _Answer:
    held = webhooks.lock_quarantined(conn, row_id or 0)
    if held is None:
        return _Answer(False, "there is no such webhook in quarantine")
    if held.released:
        return _Answer(False, "it left quarantine already")
    webhooks.release(conn, held.row_id)
    return _Answer(True, "discarded; it has no effect")
