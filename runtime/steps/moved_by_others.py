"""A refund of others, or a dispute, written beside its payment, and what follows from it.

Receiver and reconciler both report through here, with the payment locked, in any order and as often
as they like: only news changes anything.
"""

from __future__ import annotations

import logging
import random

from psycopg import Connection

from runtime.adapters.store import outside
from runtime.adapters.store.outside import DisputeTold, RefundTold
from runtime.adapters.store.payments import Cause, PaymentRow
from runtime.domain.money import shown_money
from runtime.domain.names import PaymentState, trace_id
from runtime.domain.outside import Stands, stands
from runtime.steps import payment

logger = logging.getLogger(__name__)


def record_refund(
    conn: Connection, row: PaymentRow, told: RefundTold, cause: Cause, rng: random.Random
) -> bool:
    """Write a refund that is not ours and do what follows; False when it is no news."""
    if not outside.record_refund(conn, row.event_id, told):
        return False
    logger.warning(
        "a refund that is not ours is %s",
        told.status,
        extra=_of(row)
        | {"stripe_refund_id": told.stripe_refund_id, "money": shown_money(told.money)},
    )
    _follow(conn, row, cause, rng)
    return True


def record_dispute(
    conn: Connection, row: PaymentRow, told: DisputeTold, cause: Cause, rng: random.Random
) -> bool:
    """The same of a dispute; one that takes money is an error in the log, for a person."""
    if not outside.record_dispute(conn, row.event_id, told):
        return False
    taken = stands(told.status) is not Stands.NOTHING_TAKEN
    logger.log(
        logging.ERROR if taken else logging.WARNING,
        "a dispute is %s",
        told.status,
        extra=_of(row)
        | {
            "stripe_dispute_id": told.stripe_dispute_id,
            "reason": told.reason,
            "money": shown_money(told.money),
        },
    )
    _follow(conn, row, cause, rng)
    return True


def _follow(conn: Connection, row: PaymentRow, cause: Cause, rng: random.Random) -> None:
    if row.payment.state is PaymentState.FAILED:
        # Nothing goes back of what was never taken: it has succeeded after all, and Stripe knows.
        outside.check(conn, row.event_id)
    payment.settle_up(conn, row.event_id, cause, rng)


def _of(row: PaymentRow) -> dict[str, object]:
    return {
        "event_id": str(row.event_id),
        "order_id": row.order_id,
        "trace_id": trace_id(row.event_id),
    }
