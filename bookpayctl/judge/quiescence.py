"""Whether the stack has come to rest: nothing unpublished, nothing being paid, nothing unread.

Payments that wait for their customer or their bank are at rest by right and only counted. Where
events leave the outbox by capture, and no row is ever marked, the stack is at rest once the capture
has confirmed the place at which the database's log was when nothing else moved any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, LiteralString

from bookpayctl.clients.capture_slot import read_slot
from bookpayctl.clients.database import Connection, reading
from bookpayctl.runs.waiting import Waited, wait_until
from bookpayctl.targets.environment import Environment


@dataclass(frozen=True, slots=True)
class PendingWork:
    """What still moves.

    Attributes:
        unpublished: events without a mark; 0 where a capture publishes, which sets none.
        waiting: payments in `processing`, which time alone may not move.
        written, confirmed: places in the database's log, its end and up to where a capture has
            confirmed; None where none publishes.
    """

    unpublished: int
    open_payments: int
    pending_orders: int
    refunds_due: int
    waiting: int
    written: int | None = None
    confirmed: int | None = None

    @property
    def is_settled(self) -> bool:
        """Whether nothing moves but what a capture may still have to send."""
        moving = self.unpublished, self.open_payments, self.pending_orders, self.refunds_due
        return moving == (0, 0, 0, 0)

    def is_quiescent_since(self, place: int | None) -> bool:
        """Whether nothing moves, and a capture has sent what was written before `place`.

        Args:
            place: where the log was when nothing else moved any more; None where none publishes.
        """
        if self.written is None:
            return self.is_settled
        return self.is_settled and place is not None and (self.confirmed or 0) >= place

    def sentence(self) -> str:
        published = f"{self.unpublished} events unpublished"
        if self.written is not None:
            behind = max(0, self.written - (self.confirmed or 0))
            published = f"the capture has {behind} bytes of log to confirm"
        return (
            f"{published}, {self.open_payments} payments open,"
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
    SELECT (SELECT count(*) FROM outbox WHERE MARKED AND published_at IS NULL
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


def read_pending_work(environment: Environment) -> PendingWork:
    """Count what moves, in one read.

    An order whose payment is `processing` or `parked` waits with it and is not counted as pending:
    parked means that a person was asked, and no patience here changes that.

    Raises:
        DatabaseError: the database could not be asked.
    """
    with reading(environment.dsn) as conn:
        migrated = conn.execute(_MIGRATED).fetchone()
        with_a_bank = _WITH_A_BANK if migrated and migrated[0] else "false"
        marked: LiteralString = "false" if environment.captured else "true"
        counts = _COUNTS.replace("WITH_A_BANK", with_a_bank).replace("MARKED", marked)
        row = conn.execute(counts).fetchone()
        # After the counts: what was written before they were taken lies before this place.
        places = _places(conn) if environment.captured else (None, None)
    return PendingWork(*row, *places) if row else PendingWork(-1, -1, -1, -1, -1)


def _places(conn: Connection) -> tuple[int, int | None]:
    """Where the log is, and up to where it is confirmed; nowhere, where there is no slot."""
    slot = read_slot(conn)
    return (1, None) if slot is None else (slot.written, slot.confirmed)


def wait_until_quiescent(
    environment: Environment, *, deadline_seconds: float
) -> Waited[PendingWork]:
    """Wait until nothing moves, or the deadline."""
    # Where the log was when everything else had come to rest; begun anew when something moves.
    place: int | None = None

    def is_quiescent(pending: PendingWork) -> bool:
        nonlocal place
        if not pending.is_settled:
            place = None
        elif place is None:
            place = pending.written
        return pending.is_quiescent_since(place)

    return wait_until(
        lambda: read_pending_work(environment),
        is_quiescent,
        deadline_seconds=deadline_seconds,
        every_seconds=0.25,
    )
