"""Whether the payments ledger covers what a live replay would read: the guard before it.

What keeps a replay from charging is the payments row of each order, not Stripe, whose keys live for
a day. A ledger that was lost or restored from before, with a log that still has the orders, would
have them all charged again; so every OrderPlaced of the range must have its row, or have been set
aside, or lie where the worker has not been yet and takes it in by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from bookpayctl.clients import kafka
from bookpayctl.clients.database import DatabaseError, reading
from bookpayctl.clients.kafka_log import batches_between
from bookpayctl.clients.kafka_servers import KafkaServers
from bookpayctl.replay.errors import ReplayError
from bookpayctl.replay.position import Ranges, Where
from bookpayctl.replay.records import COLUMNS, cells_of, line_of
from bookpayctl.targets.environment import Environment
from runtime.domain.names import Service, Topic

PLACES_NAMED_MAX: Final = 3

_EVENT_ID, _OWN_ID, _ORDER_ID, _DIGEST = (
    COLUMNS.index(name) for name in ("event_id", "payload_event_id", "order_id", "payload_sha256")
)


class NotCoveredError(ReplayError):
    """The ledger does not know orders that the log has: a replay would charge them."""


class PlacedRecord(NamedTuple):
    """One OrderPlaced of the log: where it is, and by what the ledger may know it."""

    topic: str
    partition: int
    offset: int
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LedgerCover:
    """What the ledger knows of the range.

    Attributes:
        records: OrderPlaced records of the range that a worker would take for an order.
        waiting: of them, those that the worker has not come to yet.
        gaps: of them, those that nobody knows; a few are named.
    """

    records: int
    waiting: int
    gaps: int
    named: tuple[str, ...]

    def problem(self) -> str | None:
        """Why the range must not be replayed; None when it may."""
        if not self.gaps:
            return None
        return (
            "the payments ledger does not cover the range:"
            f" {self.gaps} of {self.records} records in"
            f" {Topic.ORDERS_PLACED.value} are of orders without a payment and would charge them,"
            f" such as {', '.join(self.named)}"
        )


def cover_of(
    placed: Iterable[PlacedRecord],
    *,
    known: frozenset[str],
    set_aside: frozenset[tuple[str, int, int]],
    committed: Mapping[Where, int | None],
) -> LedgerCover:
    """Hold the orders of a range against the ledger.

    Args:
        known: event ids and order ids of all payments.
        set_aside: topic, partition and offset of records with a dead letter.
        committed: how far the worker's group is. Where it knows nothing of any partition, its
            offsets were lost or it never ran, so nothing says that a record is yet to come.
    """
    lost = all(offset is None for offset in committed.values())
    records = waiting = gaps = 0
    named: list[str] = []
    for record in placed:
        records += 1
        place = (record.topic, record.partition, record.offset)
        if place in set_aside or any(name in known for name in record.ids):
            continue
        if not lost and record.offset >= (committed.get(place[:2]) or 0):
            waiting += 1
            continue
        gaps += 1
        if len(named) < PLACES_NAMED_MAX:
            named.append(f"{record.topic}/{record.partition}/{record.offset}")
    return LedgerCover(records, waiting, gaps, tuple(named))


def read_cover(environment: Environment, ranges: Ranges) -> LedgerCover:
    """Ask the log and the ledger; the ledger last, so that it knows what the log has.

    Raises:
        ReplayError: one of them did not answer, so nothing may be replayed.
    """
    servers = environment.kafka
    asked = {w: found for w, found in ranges.items() if w[0] == Topic.ORDERS_PLACED.value}
    try:
        placed = _placed(servers, asked)
        committed = kafka.group_offsets(servers, Service.WORKER.value, asked)
    except (kafka.BrokerError, kafka.LogReadError) as error:
        raise ReplayError(f"the log could not be read: {error}") from error
    try:
        with reading(environment.dsn) as conn:
            payments = conn.execute("SELECT event_id::text, order_id FROM payments").fetchall()
            letters = conn.execute(
                "SELECT source_topic, source_partition, source_offset FROM dead_letters"
                " WHERE source_offset IS NOT NULL"
            ).fetchall()
    except DatabaseError as error:
        raise ReplayError(f"the ledger could not be asked: {str(error).strip()}") from error
    return cover_of(
        placed,
        known=frozenset(name for row in payments for name in row),
        set_aside=frozenset((topic, partition, offset) for topic, partition, offset in letters),
        committed=committed,
    )


def _placed(servers: KafkaServers, ranges: Ranges) -> list[PlacedRecord]:
    """What a worker may take for an order: whatever has a value that names an event and an order.

    By topic, as the worker does; what a record calls itself counts nothing.
    """
    consumer = kafka.open_consumer(servers)
    found = []
    try:
        for batch, _ in batches_between(consumer, ranges):
            for record in batch:
                cells = cells_of(line_of(record))
                ids = tuple(cells[n] for n in (_EVENT_ID, _OWN_ID, _ORDER_ID) if cells[n])
                if cells[_DIGEST] and cells[_ORDER_ID] and cells[_EVENT_ID]:
                    place = (cells[0], int(cells[1]), int(cells[2]))
                    found.append(PlacedRecord(*place, ids))
    finally:
        consumer.close()
    return found
