"""Marks wait for company, and at the end for nobody."""

from __future__ import annotations

import logging
import time
from uuid import uuid4

from confluent_kafka import Producer

from runtime.faults.points import Failpoints
from runtime.services.outbox_publisher.marking import settle
from runtime.services.outbox_publisher.message import Envelope
from runtime.services.outbox_publisher.producing import Sending
from runtime.services.outbox_publisher.term import Term
from runtime.telemetry import Outage
from tests.support.publishing import is_published, write_event
from tests.support.stack import Database

# Nobody is asked anything by it here.
NOWHERE = {"bootstrap.servers": "127.0.0.1:1"}


def test_what_waits_for_company_is_marked_when_nothing_else_will_come(database: Database) -> None:
    event_id = write_event(database)
    failpoints = Failpoints(None, "publisher-0", uuid4(), None)
    sending = Sending(Producer(NOWHERE), failpoints, Outage(logging.getLogger(__name__), "Kafka"))
    term = Term(database.conn, 1, Envelope("publisher-0", 1))
    term.in_flight.sent(str(event_id))
    term.in_flight.acknowledged(str(event_id))

    at_first = settle(term, sending)
    waits = not is_published(database, event_id)
    # However long this test is held up, company is still to be waited for.
    term.gathering_since = time.monotonic() + 3600
    at_last = settle(term, sending, is_last=True)

    assert (at_first, waits, at_last) == (False, True, True)
    assert is_published(database, event_id)
    assert term.in_flight.acknowledged_count == 0
