"""Refunds whose end nobody saw: Stripe's list is asked, as it is for charges."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence

from runtime.adapters.gateway_client import FoundRefund
from runtime.adapters.store import refunds
from runtime.adapters.store.refunds import RefundRow
from runtime.domain.names import RefundState
from runtime.domain.refund import CHARGE_DISPUTED, RefundAbsent, RefundEvent, RefundSeen
from runtime.services.payments_reconciler import outside
from runtime.services.payments_reconciler.tools import BATCH, Tools, look_again_seconds
from runtime.steps import refund

logger = logging.getLogger(__name__)


def close_refunds(tools: Tools) -> int:
    """Ask Stripe about refunds that are unknown, and those that stay open past the window."""
    with tools.pool.connection() as conn:
        rows = refunds.claim_unanswered(
            conn,
            window_seconds=tools.settings.webhook_window_seconds,
            hold_seconds=tools.lease_seconds,
            limit=BATCH,
        )
    for row in rows:
        _ask_and_apply(tools, row)
    return len(rows)


def _ask_and_apply(tools: Tools, row: RefundRow) -> None:
    found = tools.ask(lambda: outside.look_up(tools, row.payment_intent_id))
    unknown = row.refund.state is not RefundState.PROCESSING
    wait = look_again_seconds(row.attempt_age_seconds or 0.0, unknown=unknown)
    # A refusal because of a dispute says nothing until the disputes are known.
    disputed = row.refund.failure_code == CHARGE_DISPUTED
    if found is None or (disputed and not found.is_whole):
        with tools.pool.connection() as conn:
            refunds.look_again_in(conn, row, wait)
        return
    # First what others moved, in a transaction of its own that locks the payment: what a refusal
    # leads to follows from the sums.
    others = outside.record(tools, row.event_id, found)
    seen = what_is_there(found.refunds, row, tools.lease_seconds, others=others)
    with tools.pool.connection() as conn:
        moved = refund.apply(conn, row.refund_id, seen, "reconciler", rng=tools.process.rng)
        # Stripe said nothing new: without this it would be asked again in the next round.
        if moved is not None and not moved.changed:
            refunds.look_again_in(conn, row, wait)
    logger.info(
        "a refund was looked up at Stripe",
        extra={
            "event_id": str(row.event_id),
            "order_id": row.order_id,
            "refund_id": str(row.refund_id),
            "seen": type(seen).__name__,
            "status": moved.refund.state.value if moved else "gone",
        },
    )


def what_is_there(
    found: Sequence[FoundRefund],
    row: RefundRow,
    lease_seconds: float,
    *,
    others: Collection[str] = (),
) -> RefundEvent:
    """What Stripe's refunds of a PaymentIntent say about this one of ours, pure.

    Args:
        others: Stripe's ids of those that are known not to be ours.
    """
    for entry in (e for e in found if _is_ours(e, row) and e.stripe_refund_id not in others):
        return RefundSeen(entry.stripe_refund_id, entry.status, entry.failure_code)
    return RefundAbsent(
        deadline_passed=row.quiet_seconds > lease_seconds, key_age_seconds=row.key_age_seconds
    )


def _is_ours(entry: FoundRefund, row: RefundRow) -> bool:
    # Its id once Stripe has given one; before that only our own, which the call carried along.
    if row.refund.stripe_refund_id is not None:
        return entry.stripe_refund_id == row.refund.stripe_refund_id
    # One whose every call was refused was executed by nobody of ours.
    may_be = row.refund.key.maybe_executed or row.refund.state is RefundState.PROCESSING
    return may_be and entry.refund_id == str(row.refund_id)
