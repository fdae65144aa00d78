"""Writing down what the broker said: marks of what it has, dead letters of what it refused.

A row is marked only after the broker's acknowledgement, so a crash repeats events and skips none.
"""

from __future__ import annotations

import logging
import time
from uuid import UUID

from runtime import metrics
from runtime.adapters.store import dead_letters, outbox
from runtime.services.outbox_publisher.pace import marks_now
from runtime.services.outbox_publisher.producing import Sending
from runtime.services.outbox_publisher.term import Term

logger = logging.getLogger(__name__)


def settle(term: Term, sending: Sending, *, is_last: bool = False) -> bool:
    """Write down what the broker has said: marks, and dead letters.

    Args:
        is_last: nothing else will come to be marked with what there is.

    Returns:
        Whether there was anything of it.
    """
    moved = False
    count, now = term.in_flight.acknowledged_count, time.monotonic()
    if count and term.gathering_since is None:
        term.gathering_since = now
    if (is_last and count) or marks_now(
        count,
        waited_seconds=now - (term.gathering_since or now),
        unacknowledged=len(term.in_flight.unacknowledged),
        limit=term.limit,
    ):
        term.gathering_since = None
        acknowledged = term.in_flight.take_acknowledged()
        sending.about_to_mark(acknowledged[0], term.conn)
        metrics.OUTBOX_PUBLISHED.inc(outbox.mark_published(term.conn, acknowledged))
        moved = True
        sending.has_marked(acknowledged[0], term.conn)
    for event_id, why in term.in_flight.take_unpublishable():
        dead_letters.insert_event(
            term.conn,
            source="outbox",
            reason=why.reason,
            event_id=UUID(event_id),
            error=why.error,
        )
        moved = True
        logger.error(
            "an outbox row can never be published and has a dead letter now",
            extra={"event_id": event_id, "reason": why.reason},
        )
    return moved
