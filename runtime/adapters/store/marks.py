"""`published_at` on a connection of its own, whose answer nobody waits for.

A mark is a statement for some thousand rows: half the time of a publisher that waits for each. Here
it is sent, and its answer is looked for between other things.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import psycopg
from psycopg import pq
from psycopg.errors import error_from_result

from runtime.adapters.store import database, outbox

_NAME: Final = b"mark_published"
_STATEMENT: Final = outbox.MARK_PUBLISHED.replace("%(event_ids)s", "$1").encode()


@dataclass(slots=True)
class Marks:
    """One statement at a time.

    Attributes:
        conn: nobody else's; nothing else runs on it.
    """

    conn: psycopg.Connection
    _sent_at: float | None = None

    @classmethod
    def open(cls, dsn: str, application_name: str) -> Marks:
        """Raises psycopg.OperationalError: the database cannot be reached."""
        # A mark that is lost in a crash of the server only repeats an event.
        conn = database.connect(
            dsn, f"{application_name}/marks", flush_commits=False, settings=outbox.PLANNER_SETTINGS
        )
        prepared = conn.pgconn.prepare(_NAME, _STATEMENT)
        if prepared.status != pq.ExecStatus.COMMAND_OK:
            raise error_from_result(prepared)
        conn.pgconn.nonblocking = 1
        return cls(conn)

    @property
    def is_idle(self) -> bool:
        return self._sent_at is None

    def begin(self, event_ids: Sequence[str]) -> None:
        """Send the statement; only while idle."""
        listed = "{" + ",".join(event_ids) + "}"
        self.conn.pgconn.send_query_prepared(_NAME, [listed.encode()])
        self.conn.pgconn.flush()
        self._sent_at = time.monotonic()

    def finish(self) -> int | None:
        """How many rows the statement has marked; None while there is no answer.

        Raises:
            psycopg.Error: it failed, or its answer does not come.
        """
        pgconn = self.conn.pgconn
        pgconn.flush()
        pgconn.consume_input()
        if pgconn.is_busy():
            if time.monotonic() - (self._sent_at or 0) > database.SILENT_SECONDS:
                raise psycopg.OperationalError("a mark has no answer")
            return None
        marked = 0
        while (result := pgconn.get_result()) is not None:
            if result.status != pq.ExecStatus.COMMAND_OK:
                raise error_from_result(result)
            marked = result.command_tuples or 0
        self._sent_at = None
        return marked

    def close(self) -> None:
        self.conn.close()
