"""One time of leading: the connection that holds the lock, and what is under way on it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import psycopg

from runtime.services.outbox_publisher.handover import Handover
from runtime.services.outbox_publisher.in_flight import InFlight
from runtime.services.outbox_publisher.message import Envelope
from runtime.services.outbox_publisher.missed import Missed
from runtime.services.outbox_publisher.pace import BATCH, BUSY_SECONDS
from runtime.services.outbox_publisher.position import Position
from runtime.services.outbox_publisher.streaming import Streaming


@dataclass(slots=True)
class Term:
    """One time of holding the lock, with the connection that holds it.

    Attributes:
        handover: the way from polling to the stream; None where nobody wants it.
        gathering_since: when the first was acknowledged of those that have no mark yet.
        streaming: what tells of rows; None while they are asked for.
    """

    conn: psycopg.Connection
    number: int
    envelope: Envelope
    in_flight: InFlight = field(default_factory=InFlight)
    position: Position = field(default_factory=Position)
    handover: Handover | None = None
    streaming: Streaming | None = None
    missed: Missed = field(default_factory=Missed)
    slot_looked_at: float = 0.0
    gathering_since: float | None = None
    limit: int = BATCH
    wait_seconds: float = BUSY_SECONDS
    last_row_at: float = field(default_factory=time.monotonic)
