"""Faults of PostgreSQL's sessions: all are ended once a second, or none is left for anybody.

PostgreSQL counts the sessions that an operator has ended (pg_stat_database.sessions_killed) and
refuses who comes too many: these are the proofs. The sessions of this tool are left alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from bookpayctl.clients.database import (
    Connection,
    DatabaseError,
    connect,
    reading,
    writing,
)
from bookpayctl.clients.publisher_lock import lock_holders
from bookpayctl.faults import undo
from bookpayctl.faults.fault import Fault, FaultError
from bookpayctl.faults.process import TimeAway
from bookpayctl.report.verdict import Item
from bookpayctl.runs.directory import Run
from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets.target import Target

HOLDER: Final = "bookpayctl-holder"
"""How the sessions are named that a drill holds so that nobody else has them."""

EVERY_SECONDS: Final = 1.0

TAKE_EVERY_SECONDS: Final = 0.1
"""Soon enough that a session which ended is ours before the pool of its owner asks again."""

HELD_MAX: Final = 1_000

NOTHING_LEFT: Final = ("too many clients", "remaining connection slots are reserved")
"""What PostgreSQL says to whoever comes too late; of SQLSTATE 53300 libpq shows the words alone."""

# A session that is told to end is counted when it has ended.
COUNTED_SECONDS_MAX: Final = 10.0

_THEIRS: Final = (
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
    " AND usename = current_user AND backend_type = 'client backend'"
    " AND NOT starts_with(application_name, 'bookpayctl')"
)

Victims = Callable[[Connection], Sequence[int]]


def sessions_of_services(conn: Connection) -> Sequence[int]:
    """Backends of everybody in our database but this tool."""
    return [pid for (pid,) in conn.execute(_THEIRS).fetchall()]


def session_of_leader(conn: Connection) -> Sequence[int]:
    """The backend that holds the publisher's lock."""
    return lock_holders(conn)


class SessionsTerminated(Fault):
    """Sessions are ended again and again.

    Args:
        victims: whom to end, asked each time.
    """

    def __init__(
        self, target: Target, run: Run, *, prefix: str, victims: Victims, seconds: float
    ) -> None:
        super().__init__(target, run, prefix=prefix)
        self.window: TimeAway | None = None
        self.ended = 0
        self._victims = victims
        self._seconds = seconds
        self._killed_before = 0

    def plan_undo(self) -> None:
        """A process that a lost session ends is to run again."""
        self._plan(undo.PROCESSES_RUNNING)

    def inject(self) -> None:
        began_at, ends_at = time.time(), time.monotonic() + self._seconds
        with writing(self.target.environment.dsn) as conn:
            self._killed_before = _sessions_killed(conn)
            while time.monotonic() < ends_at:
                for pid in self._victims(conn):
                    row = conn.execute("SELECT pg_terminate_backend(%s)", (pid,)).fetchone()
                    self.ended += bool(row and row[0])
                # The pace of the fault; nothing is waited for.
                threading.Event().wait(EVERY_SECONDS)
        self.window = TimeAway(began_at, time.time())
        self.run.journal("terminated", fault="sessions_terminated", sessions=self.ended)

    def prove(self, *, deadline_seconds: float) -> list[Item]:
        """By PostgreSQL's own count of ended sessions."""
        title = "sessions were ended"
        required = f"PostgreSQL counts {self.ended} more sessions that an operator ended"
        waited = wait_until(
            lambda: _killed_now(self.target) - self._killed_before,
            lambda count: count >= self.ended,
            deadline_seconds=min(deadline_seconds, COUNTED_SECONDS_MAX),
        )
        if not self.ended or not waited.value:
            reason = f"{self.ended} were told to end, {waited.value} are counted"
            return [self._unproven("sessions-ended", title, required, reason)]
        observed = f"{waited.value} counted, {self.ended} told to end"
        return [self._proven("sessions-ended", title, required, observed, self.ended)]


class ConnectionsExhausted(Fault):
    """Every connection that PostgreSQL gives is held for a while, those of the services, too."""

    def __init__(self, target: Target, run: Run, *, prefix: str, seconds: float) -> None:
        super().__init__(target, run, prefix=prefix)
        self.window: TimeAway | None = None
        self.refusal = ""
        self._seconds = seconds
        self._held: list[Connection] = []

    def plan_undo(self) -> None:
        """What is held ends with this process; one that died of it is to run again."""
        self._plan(undo.PROCESSES_RUNNING)

    def inject(self) -> None:
        """Take what is free, end the sessions of the services, and take theirs as they fall free.

        Raises:
            FaultError: PostgreSQL refused nobody.
        """
        began_at, ends_at = time.time(), time.monotonic() + self._seconds
        try:
            with writing(self.target.environment.dsn) as conn:
                while time.monotonic() < ends_at:
                    self._take_all()
                    for pid in sessions_of_services(conn):
                        conn.execute("SELECT pg_terminate_backend(%s)", (pid,))
                    # The pace of the fault; nothing is waited for.
                    threading.Event().wait(TAKE_EVERY_SECONDS)
        finally:
            held = len(self._held)
            for one in self._held:
                one.close()
        self.window = TimeAway(began_at, time.time())
        self.run.journal("held", fault="connections_exhausted", sessions=held)
        if not self.refusal:
            raise FaultError(f"PostgreSQL refused nobody after {held} connections")

    def prove(self, *, deadline_seconds: float) -> list[Item]:
        """By PostgreSQL's words to whoever came too late."""
        del deadline_seconds  # it was refused while the others were held
        title, required = "nobody got a connection", "PostgreSQL refuses for want of connections"
        if not is_for_want_of_connections(self.refusal):
            return [self._unproven("nothing-left", title, required, self.refusal or "no refusal")]
        held = len(self._held)
        observed = f"{held} connections held for {self._seconds:.0f} s, then {self.refusal}"
        return [self._proven("nothing-left", title, required, observed, held)]

    def _take_all(self) -> None:
        """Open connections until one is refused."""
        while len(self._held) < HELD_MAX:
            try:
                self._held.append(
                    connect(self.target.environment.dsn, application_name=HOLDER, autocommit=True)
                )
            except DatabaseError as error:
                self.refusal = str(error).strip().splitlines()[-1]
                return


def is_for_want_of_connections(refusal: str) -> bool:
    """Whether PostgreSQL refused a session because there are too many. Pure."""
    return any(words in refusal for words in NOTHING_LEFT)


def _sessions_killed(conn: Connection) -> int:
    row = conn.execute(
        "SELECT sessions_killed FROM pg_stat_database WHERE datname = current_database()"
    ).fetchone()
    return int(row[0]) if row else 0


def _killed_now(target: Target) -> int:
    with reading(target.environment.dsn) as conn:
        return _sessions_killed(conn)
