"""One time of leading: the connection that holds the lock, and what is under way on it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import psycopg

from runtime.services.outbox_publisher.in_flight import InFlight
from runtime.services.outbox_publisher.message import Envelope
from runtime.services.outbox_publisher.pace import BATCH, BUSY_SECONDS
from runtime.services.outbox_publisher.position import Position


@dataclass(slots=True)
class Term:
    """One time of holding the lock, with the connection that holds it."""

    conn: psycopg.Connection
    number: int
    envelope: Envelope
    in_flight: InFlight = field(default_factory=InFlight)
    position: Position = field(default_factory=Position)
    limit: int = BATCH
    wait_seconds: float = BUSY_SECONDS
    last_row_at: float = field(default_factory=time.monotonic)
