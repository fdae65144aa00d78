"""Named points on the money path where a drill may break a process.

Off (the default), a point costs one comparison. On (`BOOKPAY_FAILPOINTS`, drills only), a thread
listens for changes of the table `failpoints` and keeps the set of armed points in memory, so that
an unarmed point still costs one look-up. An armed one asks the table whether it is meant for this
order; the hit is recorded on a connection of its own before it acts, so the evidence survives the
crash and `remaining` survives the restart. When the database cannot take the record, a line in an
fsynced file under the run directory does.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
import time
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final
from uuid import UUID

import psycopg

from runtime.domain.names import SCHEMA

logger = logging.getLogger(__name__)

EXIT_STATUS: Final = 137
"""What a shell shows for SIGKILL: no handler ran, nothing was flushed."""

STOP_SECONDS: Final = 30.0
CHANNEL: Final = "bookpay_failpoints"
LISTEN_SECONDS: Final = 5.0
RELISTEN_SECONDS: Final = 0.5
EVIDENCE_FILE: Final = "failpoint-hits.jsonl"


class Failpoint(StrEnum):
    """Stable names; the table in ARCHITECTURE.md maps each to its service and line."""

    API_VALIDATED_BEFORE_TX = "api.validated_before_tx"
    API_ORDER_INSERTED_BEFORE_OUTBOX = "api.order_inserted_before_outbox"
    API_BEFORE_COMMIT = "api.before_commit"
    API_COMMIT_SENT_CONN_DROPPED = "api.commit_sent_conn_dropped"
    API_COMMITTED_BEFORE_RESPONSE = "api.committed_before_response"
    PUBLISHER_FETCHED_BEFORE_PRODUCE = "publisher.fetched_before_produce"
    PUBLISHER_PRODUCED_ACK_LOST = "publisher.produced_ack_lost"
    PUBLISHER_ACKED_BEFORE_MARK = "publisher.acked_before_mark"
    PUBLISHER_MARKED = "publisher.marked"
    WORKER_POLLED_BEFORE_INBOX = "worker.polled_before_inbox"
    WORKER_RESERVED_BEFORE_COMMIT = "worker.reserved_before_commit"
    WORKER_ATTEMPT_DURABLE_BEFORE_PSP = "worker.attempt_durable_before_psp"
    PSP_EXECUTED_RESPONSE_LOST = "psp.executed_response_lost"
    PSP_RESPONSE_BEFORE_PERSIST = "psp.response_before_persist"
    WORKER_RESULT_TX_BEFORE_COMMIT = "worker.result_tx_before_commit"
    WORKER_COMMITTED_BEFORE_OFFSET = "worker.committed_before_offset"
    WORKER_OFFSET_COMMITTED = "worker.offset_committed"
    RECEIVER_VERIFIED_BEFORE_INSERT = "receiver.verified_before_insert"
    RECEIVER_INSERTED_BEFORE_200 = "receiver.inserted_before_200"
    RECEIVER_APPLY_BEFORE_COMMIT = "receiver.apply_before_commit"
    RECEIVER_RESPONDED = "receiver.responded"
    SAGA_DECIDED_BEFORE_STEP1 = "saga.decided_before_step1"
    SAGA_REFUND_SENT_NO_RESPONSE = "saga.refund_sent_no_response"
    SAGA_REFUND_BEFORE_PERSIST = "saga.refund_before_persist"
    SAGA_STOCK_RELEASED_BEFORE_MARK = "saga.stock_released_before_mark"
    SAGA_DONE_BEFORE_EVENT = "saga.done_before_event"
    RECON_READ_BEFORE_FIX = "recon.read_before_fix"


class ConnectionDroppedError(Exception):
    """The `dropconn` action: the caller's connection is gone as if the network had cut it."""


class ExecutedThenTimedOutError(Exception):
    """The `exectimeout` action: the step took effect and its answer never came."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a point is hit for; an armed row matches on any of these."""

    order_id: str | None = None
    event_id: UUID | None = None
    tenant_id: str | None = None


@dataclass(frozen=True, slots=True)
class _Armed:
    failpoint_id: int
    run_id: str
    action: str
    argument: str | None


ANYONE: Final = Subject()

_CLAIM = f"""
    WITH claimed AS (
        UPDATE {SCHEMA}.failpoints SET remaining = remaining - 1
        WHERE id = (
            SELECT id FROM {SCHEMA}.failpoints
            WHERE point = %(point)s AND remaining > 0 AND expires_at > clock_timestamp()
              AND (match_order_id IS NULL OR match_order_id = %(order_id)s)
              AND (match_event_id IS NULL OR match_event_id = %(event_id)s)
              AND (match_tenant_id IS NULL OR match_tenant_id = %(tenant_id)s)
            ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
        RETURNING id, run_id, point, action, argument),
    recorded AS (
        INSERT INTO {SCHEMA}.failpoint_hits
            (failpoint_id, run_id, point, action, process, pid, incarnation, order_id, event_id)
        SELECT id, run_id, point, action, %(process)s, %(pid)s, %(incarnation)s,
               %(order_id)s, %(event_id)s
        FROM claimed)
    SELECT id, run_id, action, argument FROM claimed
"""  # noqa: S608 - the schema is a constant


@dataclass(slots=True)
class Failpoints:
    """The points of one process; `hit` is what the code calls.

    Attributes:
        dsn: None when failpoints are off.
        incarnation: this process start, so that a hit tells which life it ended.
    """

    dsn: str | None
    process: str
    incarnation: UUID
    run_dir: Path | None
    _connection: psycopg.Connection | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    # None while it is not known: then every point asks the table.
    _armed: frozenset[str] | None = None

    def start(self) -> None:
        """Begin to listen for armed points; does nothing when failpoints are off."""
        if self.dsn is not None:
            threading.Thread(target=self._listen, name="failpoints", daemon=True).start()

    def _listen(self) -> None:
        """Keep `_armed` true to the table for the life of the process."""
        while True:
            try:
                with self._connect() as conn:
                    conn.execute(f"LISTEN {CHANNEL}")
                    while True:
                        self._armed = _armed_points(conn)
                        # A row that expires tells nobody, hence the time-out.
                        next(conn.notifies(timeout=LISTEN_SECONDS, stop_after=1), None)
            except psycopg.Error as error:
                self._armed = None
                logger.debug("the failpoints cannot be listened to", exc_info=error)
                time.sleep(RELISTEN_SECONDS)

    def hit(self, point: Failpoint, subject: Subject = ANYONE) -> None:
        """Act if `point` is armed for `subject`; otherwise return at once.

        Raises:
            ConnectionDroppedError, ExecutedThenTimedOutError: the armed action is to raise them.
        """
        if self.dsn is None or (self._armed is not None and point.value not in self._armed):
            return
        armed = self._claim(point, subject)
        if armed is not None:
            self._act(point, armed)

    def _claim(self, point: Failpoint, subject: Subject) -> _Armed | None:
        """Take one use of an armed row and record the hit, in one autocommitted statement."""
        values = {
            "point": point.value,
            "order_id": subject.order_id,
            "event_id": subject.event_id,
            "tenant_id": subject.tenant_id,
            "process": self.process,
            "pid": os.getpid(),
            "incarnation": self.incarnation,
        }
        with self._lock:
            try:
                row = self._connected().execute(_CLAIM, values).fetchone()
            except psycopg.Error as error:
                # A drill that also takes the database away keeps its evidence in the file; an
                # unarmed point must not fail because the drill's own table cannot be read.
                self._connection = None
                self._note_in_file(point, subject, error)
                return None
        return _Armed(*row) if row else None

    def _connected(self) -> psycopg.Connection:
        if self._connection is None or self._connection.closed:
            self._connection = self._connect()
        return self._connection

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(
            self.dsn or "",
            autocommit=True,
            connect_timeout=2,
            application_name=f"{self.process}/failpoints",
            options="-c statement_timeout=2000",
        )

    def _note_in_file(self, point: Failpoint, subject: Subject, error: psycopg.Error) -> None:
        if self.run_dir is None:
            return
        line = json.dumps(
            {
                "at": time.time(),
                "point": point.value,
                "process": self.process,
                "pid": os.getpid(),
                "order_id": subject.order_id,
                "unread": type(error).__name__,
            }
        )
        self.run_dir.mkdir(parents=True, exist_ok=True)
        with (self.run_dir / EVIDENCE_FILE).open("a") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())

    def _act(self, point: Failpoint, armed: _Armed) -> None:
        logger.warning(
            "failpoint %s acts: %s", point.value, armed.action, extra={"run_id": armed.run_id}
        )
        match armed.action:
            case "exit":
                os._exit(EXIT_STATUS)
            case "stop":
                _freeze(float(armed.argument or STOP_SECONDS))
            case "dropconn":
                raise ConnectionDroppedError(point.value)
            case "exectimeout":
                raise ExecutedThenTimedOutError(point.value)
            case "delay":
                time.sleep(float(armed.argument or "1"))
            case action:
                raise ValueError(f"failpoint {point.value} has an unknown action {action!r}")


def _armed_points(conn: psycopg.Connection) -> frozenset[str]:
    rows = conn.execute(
        f"SELECT DISTINCT point FROM {SCHEMA}.failpoints"  # noqa: S608 - a constant
        " WHERE remaining > 0 AND expires_at > clock_timestamp()"
    ).fetchall()
    return frozenset(row[0] for row in rows)


def _freeze(seconds: float) -> None:
    """Stop the whole process as a long garbage collection would, and let a child wake it."""
    pid = os.getpid()
    if os.fork() == 0:  # the child holds nothing but the clock
        time.sleep(seconds)
        os.kill(pid, signal.SIGCONT)
        os._exit(0)
    os.kill(pid, signal.SIGSTOP)
