"""BP-O006: nothing keeps PostgreSQL from letting go of its log and of dead rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, LiteralString

from bookpayctl.check import Category, Check, CheckAnswer, Inquiry, warned
from bookpayctl.clients.database import reading

RETAINED_BYTES_MAX: Final = 1024**3
TRANSACTION_SECONDS_MAX: Final = 10 * 60.0

_SLOTS: Final[LiteralString] = """
SELECT slot_name::text, active, coalesce(wal_status, 'lost'),
       coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0)::bigint
FROM pg_replication_slots WHERE NOT temporary ORDER BY slot_name
"""
_TRANSACTIONS: Final[LiteralString] = """
SELECT pid, coalesce(nullif(application_name, ''), usename::text, 'somebody'),
       extract(epoch FROM clock_timestamp() - xact_start)::float8
FROM pg_stat_activity
WHERE datname = current_database() AND xact_start IS NOT NULL AND pid <> pg_backend_pid()
  AND backend_type = 'client backend' ORDER BY xact_start
"""


@dataclass(frozen=True, slots=True)
class Slot:
    """A replication slot.

    Attributes:
        status: `wal_status`: reserved, extended, unreserved or lost.
        retained_bytes: the log that is kept for it.
    """

    name: str
    active: bool
    status: str
    retained_bytes: int


@dataclass(frozen=True, slots=True)
class OpenTransaction:
    """A client's transaction and how long it has been open."""

    pid: int
    client: str
    seconds: float


def ask(inquiry: Inquiry) -> CheckAnswer:
    """Ask PostgreSQL for its slots and its open transactions."""
    with reading(inquiry.environment.dsn) as conn:
        slots = [Slot(*row) for row in conn.execute(_SLOTS).fetchall()]
        transactions = [OpenTransaction(*row) for row in conn.execute(_TRANSACTIONS).fetchall()]
    return answer(slots, transactions)


def answer(slots: Sequence[Slot], transactions: Sequence[OpenTransaction]) -> CheckAnswer:
    """What slots and transactions may come to."""
    worries = [worry for slot in slots if (worry := _worry(slot))]
    worries += [
        f"a transaction of {one.client} (pid {one.pid}) is open for {one.seconds / 60:.0f} min"
        for one in transactions
        if one.seconds > TRANSACTION_SECONDS_MAX
    ]
    seen = f"{len(slots)} slots, {len(transactions)} open transactions, none for long"
    evidence = [
        *(f"slot {one.name}: {one.status}, keeps {one.retained_bytes} bytes" for one in slots),
        *(f"{one.client} (pid {one.pid}): {one.seconds:.1f} s" for one in transactions),
    ]
    examined = 1 + len(slots) + len(transactions)
    return warned(worries, seen, examined, evidence or ["no slot, no other transaction"])


def _worry(slot: Slot) -> str:
    if slot.status in ("unreserved", "lost"):
        return f"slot {slot.name} is {slot.status}: what it has not read is going, or gone"
    if slot.retained_bytes > RETAINED_BYTES_MAX:
        idle = "" if slot.active else ", and nobody reads it"
        return f"slot {slot.name} keeps {slot.retained_bytes / 1024**3:.1f} GiB of WAL{idle}"
    return ""


CHECK: Final = Check(
    id="BP-O006",
    title="PostgreSQL lets go of its log",
    question="Does a replication slot or an old transaction keep what PostgreSQL should drop?",
    required=f"no slot lost or keeping more than {RETAINED_BYTES_MAX // 1024**3} GiB of WAL, no"
    f" transaction open for more than {TRANSACTION_SECONDS_MAX / 60:.0f} min",
    why="A forgotten slot fills the disk until no order is accepted; an old transaction makes every"
    " read of the outbox slower.",
    fix="psql: pg_replication_slots, pg_stat_activity",
    ask=ask,
    category=Category.OPERATIONS,
)
