"""Whether the stack has come to rest: nothing unpublished, nothing being paid, nothing unread.

Payments that wait for their customer or their bank are at rest by right and only counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, LiteralString

from bookpayctl.clients.database import reading
from bookpayctl.runs.waiting import Waited, wait_until
from bookpayctl.targets.environment import Environment


@dataclass(frozen=True, slots=True)
class PendingWork:
    """What still moves; `waiting` are payments in `processing`, which time alone may not move."""

    unpublished: int
    open_payments: int
    pending_orders: int
    refunds_due: int
    waiting: int

    @property
    def is_quiescent(self) -> bool:
        moving = self.unpublished, self.open_payments, self.pending_orders, self.refunds_due
        return moving == (0, 0, 0, 0)

    def sentence(self) -> str:
        return (
            f"{self.unpublished} events unpublished, {self.open_payments} payments open,"
            f" {self.pending_orders} orders pending, {self.refunds_due} refunds due,"
            f" {self.waiting} waiting for their customer or bank"
        )


_MIGRATED: Final[LiteralString] = (
    "SELECT to_regclass('outside_refunds') IS NOT NULL AND to_regclass('disputes') IS NOT NULL"
)
# A dispute that has no end yet, or a refund of others that has not arrived: a bank decides, and
# time alone may not.
_WITH_A_BANK: Final[LiteralString] = """(
    EXISTS (SELECT FROM disputes AS d WHERE d.event_id = open.event_id
        AND d.status NOT IN ('won', 'lost', 'prevented', 'charge_refunded')
        AND d.status NOT LIKE 'warning%')
    OR EXISTS (SELECT FROM outside_refunds AS o WHERE o.event_id = open.event_id
        AND o.status NOT IN ('succeeded', 'failed', 'canceled')))
"""
_COUNTS: Final[LiteralString] = """
    SELECT (SELECT count(*) FROM outbox WHERE published_at IS NULL
              AND event_id NOT IN (SELECT event_id FROM dead_letters
                                   WHERE source = 'outbox' AND event_id IS NOT NULL)),
           (SELECT count(*) FROM payments AS open
             WHERE state IN ('pending', 'charging', 'unknown')
                OR (state = 'refunding' AND NOT WITH_A_BANK)),
           (SELECT count(*) FROM orders o LEFT JOIN payments p ON p.order_id = o.id
             WHERE o.status = 'pending'
               AND coalesce(p.state, 'none') NOT IN ('processing', 'parked')),
           (SELECT count(*) FROM refunds AS open
             WHERE state IN ('pending', 'sending', 'unknown') AND NOT WITH_A_BANK),
           (SELECT count(*) FROM payments AS open
             WHERE state = 'processing' OR (state = 'refunding' AND WITH_A_BANK))
"""
_PENDING: Final[LiteralString] = _COUNTS.replace("WITH_A_BANK", _WITH_A_BANK)
_PENDING_BEFORE: Final[LiteralString] = _COUNTS.replace("WITH_A_BANK", "false")


def read_pending_work(environment: Environment) -> PendingWork:
    """Count what moves, in one read.

    An order whose payment is `processing` or `parked` waits with it and is not counted as pending:
    parked means that a person was asked, and no patience here changes that.

    Raises:
        DatabaseError: the database could not be asked.
    """
    with reading(environment.dsn) as conn:
        migrated = conn.execute(_MIGRATED).fetchone()
        row = conn.execute(_PENDING if migrated and migrated[0] else _PENDING_BEFORE).fetchone()
    return PendingWork(*row) if row else PendingWork(-1, -1, -1, -1, -1)


def wait_until_quiescent(
    environment: Environment, *, deadline_seconds: float
) -> Waited[PendingWork]:
    """Wait until nothing moves, or the deadline."""
    return wait_until(
        lambda: read_pending_work(environment),
        lambda pending: pending.is_quiescent,
        deadline_seconds=deadline_seconds,
        every_seconds=0.25,
    )
