"""What the publisher reads next: a batch; after one that failed as a whole, its rows one by one.

One value that cannot be read makes the statement fail that it is in, and every other row of the
batch with it. Read again in the same company it would fail for ever. So the batch's ids are read
instead, which takes nothing of the rows' contents, and then each row by itself: those that can be
read are published, in their order, and the one that cannot gets a dead letter.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from psycopg import Connection

from runtime.adapters.store import outbox
from runtime.adapters.store.outbox import OutboxRow, Unreadable
from runtime.services.outbox_publisher.in_flight import InFlight
from runtime.services.outbox_publisher.message import Unpublishable
from runtime.services.outbox_publisher.position import Position

logger = logging.getLogger(__name__)


def read_next(
    conn: Connection,
    in_flight: InFlight,
    position: Position,
    *,
    limit: int,
    clock: Callable[[], float] = time.monotonic,
) -> list[OutboxRow]:
    """The next rows to publish, oldest first; none while there are none, or while a suspect waits.

    Args:
        clock: monotonic seconds.

    Raises:
        psycopg.OperationalError: the database does not answer, or the connection is gone.
    """
    if in_flight.suspects:
        return _read_suspect(conn, in_flight)
    if in_flight.has_lost:
        position.restart()
        in_flight.has_lost = False
    since = position.begin(clock())
    rows = _read_batch(conn, in_flight, limit, since)
    if rows and since is not None and position.is_passed_by_writer(rows[0], clock()):
        # A transaction that was open for long has ended: its rows may lie before where this look
        # began, and what was read may be their consequence. Nothing of it has been sent yet.
        position.restart()
        since = position.begin(clock())
        rows = _read_batch(conn, in_flight, limit, since)
    position.end(rows, clock())
    return rows


def _read_batch(
    conn: Connection, in_flight: InFlight, limit: int, since: str | None
) -> list[OutboxRow]:
    unmarked: Sequence[str] = in_flight.unmarked()
    try:
        return outbox.select_unpublished(conn, limit=limit, in_flight=unmarked, since=since)
    except outbox.UNREADABLE as error:
        if conn.broken:
            raise
        in_flight.suspect(
            outbox.select_unpublished_ids(conn, limit=limit, in_flight=unmarked, since=since)
        )
        logger.warning(
            "a batch of the outbox cannot be read as a whole (%s); its rows are read one by one",
            type(error).__name__,
            extra={"rows": len(in_flight.suspects)},
        )
        return []


def _read_suspect(conn: Connection, in_flight: InFlight) -> list[OutboxRow]:
    event_id = in_flight.take_suspect()
    return [] if event_id is None else read_by_id(conn, in_flight, event_id)


def read_by_id(conn: Connection, in_flight: InFlight, event_id: str) -> list[OutboxRow]:
    """One row that waits; none when it waits no longer, or cannot be read and is set aside."""
    match outbox.read_alone(conn, event_id):
        case None:
            # Published or removed meanwhile, by whoever looked after it.
            in_flight.lost(event_id)
            return []
        case Unreadable(error):
            in_flight.refused(event_id, Unpublishable("unreadable_row", error))
            return []
        case OutboxRow() as row:
            return [row]
