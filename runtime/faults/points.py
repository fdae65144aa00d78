"""Named points on the money path where a drill may break a process.

Off (the default), a point costs one comparison. On (`BOOKPAY_FAILPOINTS`, drills only), a thread
listens for changes of the table `failpoints` and keeps the set of armed points in memory, so that
an unarmed point still costs one look-up. An armed one asks the table whether it is meant for this
order; the hit is recorded on a connection of its own before it acts, so the evidence survives the
crash and `remaining` survives the restart. When the database cannot take the record, a line in an
fsynced file under the run directory does.

A fault of a connection is done to the connection itself: the caller hands over a
`ConnectionFault` for the connection that it is about to use, and what it then meets is what the
network would have made it meet.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol, runtime_checkable
from uuid import UUID

import psycopg

from runtime import libpq
from runtime.domain.names import SCHEMA
from runtime.faults.connections import Commit
from runtime.faults.names import INAPPLICABLE, Action, Failpoint

__all__ = ["ANYONE", "ConnectionFault", "Failpoint", "Failpoints", "Subject"]

logger = logging.getLogger(__name__)

EXIT_STATUS: Final = 137
"""What a shell shows for SIGKILL: no handler ran, nothing was flushed."""

STOP_SECONDS: Final = 30.0
"""How long a frozen process stays so by default: longer than the leases of a local environment."""

# A trigger of the table notifies it.
CHANNEL: Final = "bookpay_failpoints"
LISTEN_SECONDS: Final = 5.0
RELISTEN_SECONDS: Final = 0.5
EVIDENCE_FILE: Final = "failpoint-hits.jsonl"


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


@runtime_checkable
class ConnectionFault(Protocol):
    """What can be done to one connection, which the code is about to use or has just used."""

    def begin(self) -> None:
        """Send what the point's name says was sent, where the code sends it only afterwards.

        For a process that ends or sleeps at the point: one that dies with COMMIT sent must have
        sent it.
        """

    def cut(self) -> None:
        """Cut the connection itself; whoever uses it next is told so by its own library."""

    def time_out(self) -> None:
        """Let the step take effect; then raise what a time-out of it raises, if anyone is told."""


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

    def may_act(self, point: Failpoint) -> bool:
        """Whether `hit` has to be called at all, for whom a call costs more than itself."""
        return self.dsn is not None and (self._armed is None or point.value in self._armed)

    def start(self) -> None:
        """Begin to listen for armed points; does nothing when failpoints are off."""
        if self.dsn is not None:
            threading.Thread(target=self._listen, name="failpoints", daemon=True).start()

    def _listen(self) -> None:
        """Keep `_armed` true to the table for the life of the process."""
        # Without a stop: a drill may break a process that is being stopped as well.
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

    def hit(
        self,
        point: Failpoint,
        subject: Subject = ANYONE,
        fault: ConnectionFault | None = None,
    ) -> None:
        """Act if `point` is armed for `subject`; otherwise return at once.

        Args:
            fault: the connection that `dropconn` cuts and `exectimeout` lets execute.

        Raises:
            Exception: whatever the connection's own library raises for a time-out.
        """
        # The whole price of an unarmed point, on every path that moves money.
        if not self.may_act(point):
            return
        armed = self._claim(point, subject)
        if armed is not None:
            self._act(point, armed, fault)

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
        # One connection for all threads: only a point that is armed comes this far.
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
        dsn = self.dsn or ""
        return psycopg.connect(
            dsn,
            **libpq.parameters(dsn),  # type: ignore[arg-type] # all of them are texts
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
            # The process may be ended in the next instant, and the machine by the same drill.
            os.fsync(file.fileno())

    def _act(self, point: Failpoint, armed: _Armed, fault: ConnectionFault | None) -> None:
        logger.warning(
            "failpoint %s acts: %s", point.value, armed.action, extra={"run_id": armed.run_id}
        )
        if (point, Action(armed.action)) in INAPPLICABLE:
            # A drill that armed what makes no sense must not look as if it had tested something.
            raise ValueError(
                f"{point.value} {armed.action}: {INAPPLICABLE[point, Action(armed.action)]}"
            )
        match armed.action, fault:
            case Action.EXIT, _:
                if fault is not None:
                    fault.begin()
                # Not sys.exit: no handler, no flush and no COMMIT may get a chance.
                os._exit(EXIT_STATUS)
            case Action.STOP, _:
                if fault is not None:
                    fault.begin()
                _freeze(float(armed.argument or STOP_SECONDS))
                if isinstance(fault, Commit):
                    fault.hear()
            case Action.DELAY, _:
                time.sleep(float(armed.argument or "1"))
            case Action.DROPCONN, ConnectionFault():
                fault.cut()
            case Action.EXECTIMEOUT, ConnectionFault():
                fault.time_out()
            case action, _:
                raise ValueError(f"failpoint {point.value} has no action {action!r} here")


def _armed_points(conn: psycopg.Connection) -> frozenset[str]:
    rows = conn.execute(
        f"SELECT DISTINCT point FROM {SCHEMA}.failpoints"  # noqa: S608 - a constant
        " WHERE remaining > 0 AND expires_at > clock_timestamp()"
    ).fetchall()
    return frozenset(row[0] for row in rows)


def _freeze(seconds: float) -> None:
    """Stop the whole process as a long garbage collection would, and let a child wake it."""
    pid = os.getpid()
    # A stopped process cannot wake itself. The child runs nothing but this: after a fork of a
    # process with threads, any lock may be held by a thread that is not there.
    if os.fork() == 0:
        time.sleep(seconds)
        os.kill(pid, signal.SIGCONT)
        os._exit(0)
    os.kill(pid, signal.SIGSTOP)
