"""What the publisher reads next: a batch; after one that failed as a whole, its rows one by one.

One value that cannot be read makes the statement fail that it is in, and every other row of the
batch with it. Read again in the same company it would fail for ever. So the batch's ids are read
instead, which takes nothing of the rows' contents, and then each row by itself: those that can be
read are published, in their order, and the one that cannot gets a dead letter.
"""

from __future__ import annotations

import logging

from psycopg import Connection

from runtime.adapters.store import outbox
from runtime.adapters.store.outbox import OutboxRow, Unreadable
from runtime.services.outbox_publisher.in_flight import InFlight
from runtime.services.outbox_publisher.message import Unpublishable

logger = logging.getLogger(__name__)


def read_next(conn: Connection, in_flight: InFlight, *, limit: int) -> list[OutboxRow]:
    """The next rows to publish, oldest first; none while there are none, or while a suspect waits.

    Raises:
        psycopg.OperationalError: the database does not answer, or the connection is gone.
    """
    if in_flight.suspects:
        return _read_suspect(conn, in_flight)
    unmarked = in_flight.unmarked()
    try:
        return outbox.select_unpublished(conn, limit=limit, in_flight=unmarked)
    except outbox.UNREADABLE as error:
        if conn.broken:
            raise
        in_flight.suspect(outbox.select_unpublished_ids(conn, limit=limit, in_flight=unmarked))
        logger.warning(
            "a batch of the outbox cannot be read as a whole (%s); its rows are read one by one",
            type(error).__name__,
            extra={"rows": len(in_flight.suspects)},
        )
        return []


def _read_suspect(conn: Connection, in_flight: InFlight) -> list[OutboxRow]:
    event_id = in_flight.take_suspect()
    if event_id is None:
        return []
    match outbox.read_alone(conn, event_id):
        case None:
            # Published or removed meanwhile, by whoever looked after it.
            in_flight.lost(event_id)
            return []
        case Unreadable(error):
            in_flight.refused(event_id, Unpublishable("unreadable", error))
            return []
        case OutboxRow() as row:
            return [row]
