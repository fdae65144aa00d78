"""What keeps a stack from its rest, by name: who is not ready, and which orders wait for what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, LiteralString

from bookpayctl.clients.database import DatabaseError, reading, rows_of
from bookpayctl.targets.target import Target

SHOWN_MAX: Final = 3
"""Of each kind; how many there are says the answer itself."""

# In the order in which customers wait. What waits for a bank or a person is at rest by right.
_WAITING: Final[LiteralString] = """
    SELECT o.id AS order_id, o.status, p.state AS payment,
        extract(epoch FROM clock_timestamp() - o.created_at)::float8 AS age_seconds,
        coalesce(p.started_attempts, 0) AS attempts,
        extract(epoch FROM p.next_attempt_at - environment_now())::float8 AS next_in_seconds
    FROM orders AS o LEFT JOIN payments AS p ON p.order_id = o.id
    WHERE p.state IN ('pending', 'charging', 'unknown', 'refunding')
        OR (o.status = 'pending' AND coalesce(p.state, 'none') NOT IN ('processing', 'parked'))
    ORDER BY o.created_at LIMIT %(rows)s
"""


@dataclass(frozen=True, slots=True)
class WaitingOrder:
    """An order without an end; `payment` None where the worker has not taken it in."""

    order_id: str
    status: str
    payment: str | None
    age_seconds: float
    attempts: int
    next_in_seconds: float | None

    @property
    def words(self) -> str:
        """For a person, in one line."""
        told = f"{self.order_id} is {self.status} for {self.age_seconds:.0f} s"
        if self.payment is None:
            return f"{told}, and no worker has taken it in"
        told += f", its payment {self.payment} after {self.attempts} attempts"
        if self.next_in_seconds is None or self.payment not in ("pending", "unknown"):
            return told
        due = self.next_in_seconds
        return f"{told}, {f'the next in {due:.0f} s' if due > 0 else 'the next is due'}"


def what_keeps_it(target: Target) -> tuple[str, ...]:
    """A few lines, the cause first where a process says it; what nobody answers is left out."""
    unready = [
        f"{process.name} is {process.state} and not ready: {process.detail or 'it does not answer'}"
        for process in target.status().processes
        if process.ready is not True
    ]
    return (*unready[:SHOWN_MAX], *_orders(target))


def _orders(target: Target) -> list[str]:
    try:
        with reading(target.environment.dsn) as conn:
            found = rows_of(conn, WaitingOrder, _WAITING, {"rows": SHOWN_MAX})
    except DatabaseError as error:
        return [f"the database does not say which orders wait: {error}"]
    return [order.words for order in found]
