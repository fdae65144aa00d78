"""How far change data capture is, as PostgreSQL knows it: the replication slot that Debezium reads.

Where events leave the outbox by capture none is ever marked as published. What the database can
say is up to which place of its log the capture has confirmed: every event that was committed before
that place is in Kafka.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, LiteralString

from bookpayctl.clients.database import Connection

SLOT: Final = "outbox_cdc"
"""As the connector of manifests/components/debezium names it."""

PUBLICATION: Final = "outbox_cdc"

_SLOT: Final[LiteralString] = """
SELECT active, coalesce(wal_status, ''), plugin,
       (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint,
       (confirmed_flush_lsn - '0/0'::pg_lsn)::bigint
FROM pg_replication_slots WHERE slot_name = %s AND database = current_database()
"""


@dataclass(frozen=True, slots=True)
class CaptureSlot:
    """The slot now.

    Attributes:
        active: whether somebody reads it.
        wal_status: `lost` once the server has thrown away what it needs.
        written: where the server's log ends, in bytes from its beginning.
        confirmed: up to where its reader has confirmed; None before it first has.
    """

    active: bool
    wal_status: str
    plugin: str
    written: int
    confirmed: int | None

    @property
    def behind_bytes(self) -> int:
        """How much of the log is not confirmed; of all tables, not of the outbox alone."""
        return max(0, self.written - (self.confirmed or 0))

    def has_passed(self, place: int) -> bool:
        """Whether what was committed before `place` is confirmed."""
        return self.confirmed is not None and self.confirmed >= place


def read_slot(conn: Connection) -> CaptureSlot | None:
    """The slot; None where there is none, as before the connector's first start.

    Raises:
        DatabaseError: the database did not answer.
    """
    row = conn.execute(_SLOT, (SLOT,)).fetchone()
    return None if row is None else CaptureSlot(*row)
