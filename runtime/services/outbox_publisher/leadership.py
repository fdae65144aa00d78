"""Who publishes: the advisory lock while a leader polls, the replication slot while one streams.

The advisory lock is held in both ways, by the connection that reads and marks, so that whoever
looks finds the leader by it. But a process that is frozen, or whose machine is gone, keeps that
lock for as long as its session looks alive. The slot it loses within seconds, because the server
wants to hear from who streams. A standby that gets the slot of a leader that streamed ends that
session, and with it the lock.
"""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass
from typing import Final

import psycopg

from runtime import metrics
from runtime.adapters.store import database, outbox, publisher_lock, replication
from runtime.adapters.store.marks import Marks
from runtime.adapters.store.replication import Replication, ReplicationRefusedError, SlotTakenError
from runtime.domain.names import PublisherMode
from runtime.process import Process
from runtime.services.outbox_publisher.handover import Handover
from runtime.services.outbox_publisher.message import Envelope
from runtime.services.outbox_publisher.producing import Sending
from runtime.services.outbox_publisher.streaming import Streaming
from runtime.services.outbox_publisher.term import Term

logger = logging.getLogger(__name__)

# A leader between taking the lock and taking the slot is no leader that lost it.
_FREE_LOOKS: Final = 2

SLOT_LOOK_SECONDS: Final = 1.0
"""How often a leader that streams asks how much log is kept for it."""

SLOT_LOOK_POLLING_SECONDS: Final = 5.0
"""The same while it polls, where log may be kept for a slot that nobody reads."""


@dataclass(slots=True)
class Leadership:
    """One process's way to a term.

    Attributes:
        control: the connection that takes the lock; the term's, once there is one.
        stream: the slot, taken from a leader that still holds the lock.
    """

    process: Process
    mode: PublisherMode
    sending: Sending
    control: psycopg.Connection | None = None
    stream: Replication | None = None
    _free_looks: int = 0
    _slot_stays: str = ""

    def try_to_lead(self) -> Term | None:
        """Ask for the lock, and for the slot; None while another has either.

        Raises:
            psycopg.OperationalError: the database does not answer.
        """
        control = self._connected()
        # Never waited for in the server: a blocked statement would hit its time-out and look like
        # an outage.
        if not publisher_lock.try_lock(control):
            self._claim_slot(control)
            return None
        if self.mode is PublisherMode.POLL:
            return self._begin(control, None)
        stream, handover = self.stream, None
        if stream is None:
            slot = replication.find_slot(control)
            if slot is not None and slot.active:
                # Whoever streams it leads until the server takes it away.
                return None
            handover = self._handover()
            if slot is not None and not slot.is_lost:
                stream = self._open(control, slot.slot_name, handover)
                if stream is None and handover.due_at < time.monotonic():
                    return None
        return self._begin(control, stream, None if stream else handover)

    def _connected(self) -> psycopg.Connection:
        if self.control is None:
            common = self.process.common
            # A mark lost in a crash of the server only repeats an event.
            self.control = database.connect(
                common.dsn,
                common.process,
                flush_commits=False,
                settings=outbox.PLANNER_SETTINGS,
            )
        return self.control

    def _handover(self) -> Handover:
        return Handover(self.process.common.dsn, self.process.common.process)

    def _open(
        self, control: psycopg.Connection, slot_name: str, handover: Handover
    ) -> Replication | None:
        """Stream the slot that is there; the hand-over is told when the server refuses."""
        stream = None
        try:
            replication.ensure_publication(control)
            stream = Replication.open(self.process.common.dsn, self.process.common.process)
            stream.start(slot_name)
        except SlotTakenError:
            pass
        except ReplicationRefusedError as error:
            handover.refused(str(error), time.monotonic())
        except psycopg.Error as error:
            if control.closed or control.broken:
                raise
            handover.refused(str(error).strip().splitlines()[0], time.monotonic())
        else:
            return stream
        if stream is not None:
            stream.close()
        return None

    def _claim_slot(self, control: psycopg.Connection) -> None:
        """Take the slot of a leader that the server has given up, and end its session."""
        if self.mode is PublisherMode.POLL:
            return
        if self.stream is not None:
            # Until the lock is free; the server must hear of us meanwhile.
            self.stream.confirm(0)
            replication.end_sessions_of_lock(control)
            return
        slot = replication.find_slot(control)
        is_free = (
            slot is not None
            and not slot.active
            and not slot.is_lost
            and publisher_lock.is_streaming(control)
        )
        self._free_looks = self._free_looks + 1 if is_free else 0
        if slot is None or self._free_looks < _FREE_LOOKS:
            return
        self._free_looks = 0
        self.stream = self._open(control, slot.slot_name, self._handover())
        if self.stream is not None:
            logger.warning("the leader has lost the slot; its session is ended")
            replication.end_sessions_of_lock(control)

    def look_at_slot(self, term: Term, now: float) -> None:
        """Tell how much log is kept for the slot; where rows are to be polled, leave none."""
        seconds = SLOT_LOOK_POLLING_SECONDS if term.streaming is None else SLOT_LOOK_SECONDS
        if now - term.slot_looked_at < seconds:
            return
        term.slot_looked_at = now
        # The session that holds the lock is alive, too.
        slot = replication.find_slot(term.conn)
        tell_slot(slot)
        if self.mode is PublisherMode.POLL:
            self._leave_no_slot(term.conn, slot)

    def _leave_no_slot(self, control: psycopg.Connection, slot: replication.Slot | None) -> None:
        """Nobody would read it, and the server would keep its log for it.

        One that is still read is left to the next look: its reader has lost the lock, or is none of
        ours.
        """
        if slot is None or slot.active:
            return
        try:
            replication.drop_slot(control, slot.slot_name)
            logger.info("the slot of an earlier way to publish is dropped")
        except psycopg.Error as error:
            if control.closed or control.broken:
                raise
            reason = str(error).strip().splitlines()[0]
            if reason != self._slot_stays:
                logger.warning("the slot %s stays, and keeps log: %s", slot.slot_name, reason)
            self._slot_stays = reason

    def _begin(
        self,
        control: psycopg.Connection,
        stream: Replication | None,
        handover: Handover | None = None,
    ) -> Term:
        # Written down, and in each record's header: two leaders could be told apart afterwards.
        common = self.process.common
        number = publisher_lock.begin_term(control, common.process)
        logger.info(
            "leading: the publisher lock is held",
            extra={"term": number, "mode": self.mode.value, "streams": stream is not None},
        )
        metrics.PUBLISHER_LEADING.set(1)
        metrics.PUBLISHER_TERM.set(number)
        metrics.PUBLISHER_POLLS_INSTEAD.set(handover is not None)
        term = Term(control, number, Envelope(common.process, number), handover=handover)
        self.stream = None
        if stream is not None:
            self.stream_in(term, stream, set())
        return term

    def stream_in(self, term: Term, stream: Replication, published: set[str]) -> None:
        """From now on the term is told by the stream."""
        common = self.process.common
        publisher_lock.note_streaming(term.conn)
        term.streaming = Streaming(
            stream,
            Marks.open(common.dsn, common.process),
            self.sending,
            term.envelope,
            term.in_flight,
            published,
        )
        if term.handover is not None:
            term.handover = None
        metrics.PUBLISHER_STREAMING.set(1)
        metrics.PUBLISHER_POLLS_INSTEAD.set(0)

    def give_up(self) -> None:
        """Close what is held outside a term."""
        for held in (self.stream, self.control):
            if held is not None:
                held.close()
        self.stream = self.control = None


def tell_slot(slot: replication.Slot | None) -> None:
    """How much log is kept for the slot, and how much more may be; nothing where there is none."""
    if slot is None:
        metrics.SLOT_RETAINED_BYTES.clear()
        metrics.SLOT_LEFT_BYTES.clear()
        return
    left = math.inf if slot.left_bytes is None else slot.left_bytes
    metrics.SLOT_RETAINED_BYTES.labels(slot.slot_name).set(slot.retained_bytes)
    metrics.SLOT_LEFT_BYTES.labels(slot.slot_name).set(left)
