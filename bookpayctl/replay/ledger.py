"""Our own books for a replay: one SELECT for each table, all of one instant, into the run's folder.

Read while the log is: the ends of the log were looked up before, so every record up to them has its
row already. One REPEATABLE READ, READ ONLY transaction on the primary; nothing is kept in memory.
"""

from __future__ import annotations

import threading
from pathlib import Path

from bookpayctl.clients.database import DatabaseError, reading
from bookpayctl.clients.read_only import copy_csv
from bookpayctl.judge.readers.postgres import read_clock as read_clock
from bookpayctl.judge.readers.selects import selects_of
from bookpayctl.replay.errors import ReplayError
from bookpayctl.replay.evidence import folder_of
from bookpayctl.targets.environment import Environment

OURS = "bookpayctl.replay"


def selects() -> dict[str, str]:
    """The SELECT of each table of ours, by the table of `schema.sql` that it fills."""
    return selects_of(OURS)


class LedgerReading:
    """The ledger on its way into CSV files, on a thread of its own."""

    def __init__(self, environment: Environment, run: Path) -> None:
        """Begin to read; `finish` has the outcome."""
        self._error: Exception | None = None
        self._thread = threading.Thread(
            target=self._read, args=(environment, folder_of(run)), name="ledger", daemon=True
        )
        folder_of(run).mkdir(exist_ok=True)
        self._thread.start()

    def finish(self) -> None:
        """Wait for the end.

        Raises:
            ReplayError: the ledger could not be read, so nothing can be said of the records.
            OSError: it could not be kept.
        """
        self._thread.join()
        if isinstance(self._error, DatabaseError):
            said = str(self._error).strip()
            raise ReplayError(f"the ledger could not be read: {said}") from self._error
        if self._error is not None:
            raise self._error

    def _read(self, environment: Environment, folder: Path) -> None:
        try:
            with reading(environment.dsn) as conn:
                # How times are written is a setting of the server and of the role, too.
                conn.execute("SET datestyle TO 'ISO, YMD'")
                # What `ours/events.sql` asks for: a capture marks no row.
                if environment.captured:
                    conn.execute("SET bookpay.captured TO 'on'")
                for table, select in selects().items():
                    copy_csv(conn, select, folder / f"{table}.csv")
        except (DatabaseError, OSError) as error:
            self._error = error
