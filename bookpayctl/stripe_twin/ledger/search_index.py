"""The index that searches use, in a file of its own beside the ledger.

It is derived: lost or damaged, it is made again from the ledger. It follows the ledger in pieces
when nothing else is to be done, and catches up before a search, so a charge never waits for it. All
of it runs in one thread, as SQL that holds no lock of the interpreter while it works.

A term stays after its object has changed: the index only says where to look, and each search
checks its conditions on the object as it is.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from bookpayctl.stripe_twin.ledger.store import LATEST_CHANGE, SEARCHED, Column

T = TypeVar("T")

# Rows of one statement here hold the reading of the ledger's log open only so long.
_OBJECTS_AT_ONCE = 2_000
# Fields of an object that are terms, and those of the card of a charge.
_FIELDS = (
    "'currency', 'customer', 'disputed', 'email', 'name', 'payment_intent', 'phone', "
    "'refunded', 'status'"
)
_CARD_FIELDS = "'brand', 'last4'"
log = logging.getLogger("stripe_twin.search")

_TABLES = """
CREATE TABLE IF NOT EXISTS progress (changed INTEGER NOT NULL);
INSERT INTO progress SELECT -1 WHERE NOT EXISTS (SELECT 1 FROM progress);
CREATE TABLE IF NOT EXISTS terms (
    account TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL,
    created INTEGER NOT NULL, n INTEGER NOT NULL,
    PRIMARY KEY (account, kind, name, value, created, n)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS amounts (
    account TEXT NOT NULL, kind TEXT NOT NULL, amount INTEGER NOT NULL,
    created INTEGER NOT NULL, n INTEGER NOT NULL,
    PRIMARY KEY (account, kind, amount, created, n)) WITHOUT ROWID;
"""
# Each statement reads an object's text once, however many terms it finds in it.
# One that cannot be read is found by nobody, and must not keep the others from being found.
_CHANGED = f"o.{SEARCHED} AND o.changed > ? AND o.changed <= ? AND json_valid(o.body)"
_ADD = tuple(
    statement.format(changed=_CHANGED, fields=_FIELDS, card_fields=_CARD_FIELDS)
    for statement in (
        """
        INSERT OR IGNORE INTO terms
        SELECT o.account, o.kind, field.key, field.atom, o.created, o.n
        FROM ledger.objects AS o, json_each(o.body) AS field
        WHERE {changed} AND field.key IN ({fields}) AND field.atom NOT NULL
        """,
        """
        INSERT OR IGNORE INTO terms
        SELECT o.account, o.kind, 'metadata.' || pair.key, pair.atom, o.created, o.n
        FROM ledger.objects AS o, json_each(o.body, '$.metadata') AS pair WHERE {changed}
        """,
        """
        INSERT OR IGNORE INTO terms
        SELECT o.account, o.kind, 'payment_method_details.card.' || field.key, field.atom,
            o.created, o.n
        FROM ledger.objects AS o,
            json_each(o.body, '$.payment_method_details.card') AS field
        WHERE {changed} AND o.kind = 'charge' AND field.key IN ({card_fields})
            AND field.atom NOT NULL
        """,
        """
        INSERT OR IGNORE INTO amounts
        SELECT o.account, o.kind, json_extract(o.body, '$.amount'), o.created, o.n
        FROM ledger.objects AS o WHERE {changed} AND o.kind != 'customer'
        """,
    )
)


class SearchIndex:
    """Terms and amounts of all objects that can be searched, behind the ledger by a little."""

    def __init__(self, ledger_path: Path) -> None:
        self._ledger_path = ledger_path
        self._path = ledger_path.with_name("search.sqlite3")
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="search")
        self._opened: sqlite3.Connection | None = None

    async def follow(self) -> bool:
        """Take in one piece of what has changed; whether there is more.

        A damaged index is thrown away, and there is everything to take in: it must not stop a twin
        that can charge.
        """
        try:
            return await self._in_thread(self._take_in)
        except sqlite3.DatabaseError as error:
            await self._in_thread(partial(self._discard, error))
            return False

    async def caught_up(self) -> None:
        """Take in everything that is on disk now."""
        while await self.follow():
            pass

    async def select(self, sql: str, values: Sequence[Column]) -> list[tuple[Column, ...]]:
        """Rows of `terms`, `amounts` and `ledger.objects`; a damaged index is made again first."""

        def rows() -> list[tuple[Column, ...]]:
            return self._connection().execute(sql, values).fetchall()

        try:
            return await self._in_thread(rows)
        except sqlite3.DatabaseError as error:
            await self._in_thread(partial(self._discard, error))
        await self.caught_up()
        return await self._in_thread(rows)

    def close(self) -> None:
        """Let go of both files."""
        self._thread.submit(self._forget_connection)
        self._thread.shutdown(wait=True)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _take_in(self) -> bool:
        connection = self._connection()
        latest = _latest_change(connection)
        seen = int(connection.execute("SELECT changed FROM progress").fetchone()[0])
        if seen >= latest:
            return False
        until = min(seen + _OBJECTS_AT_ONCE, latest)
        # The terms and how far they go are one transaction: after a crash a piece is taken in again
        # or not at all, and OR IGNORE makes again harmless.
        connection.execute("BEGIN IMMEDIATE")
        for statement in _ADD:
            connection.execute(statement, (seen, until))
        connection.execute("UPDATE progress SET changed = ?", (until,))
        connection.execute("COMMIT")
        return until < latest

    def _connection(self) -> sqlite3.Connection:
        if self._opened is None:
            try:
                self._opened = self._open()
            except sqlite3.DatabaseError as error:
                self._discard(error)
                self._opened = self._open()
        return self._opened

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, uri=True)
        connection.execute("PRAGMA journal_mode = WAL")
        # What is lost with the machine's power is found in the ledger again.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA cache_size = -65536")  # KiB: values come in any order
        connection.executescript(_TABLES)
        # Read-only, so that no defect in here can write into the book that the judge reads.
        connection.execute("ATTACH ? AS ledger", (f"{self._ledger_path.as_uri()}?mode=ro",))
        seen = connection.execute("SELECT changed FROM progress").fetchone()[0]
        if seen > _latest_change(connection):
            raise sqlite3.DatabaseError("it belongs to another ledger")
        return connection

    def _discard(self, reason: sqlite3.DatabaseError) -> None:
        log.warning("the search index is made again: %s", reason)
        self._forget_connection()
        # With its log and shared memory: SQLite would otherwise apply the log of a lost file to the
        # new one.
        for path in self._path.parent.glob(f"{self._path.name}*"):
            path.unlink()

    def _forget_connection(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None


def _latest_change(connection: sqlite3.Connection) -> int:
    row = connection.execute(LATEST_CHANGE.format(objects="ledger.objects")).fetchone()
    return int(row[0] or 0)
