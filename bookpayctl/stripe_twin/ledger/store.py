"""The ledger: many requests, one fsync, and no answer before it.

Rows gather in memory while a commit is under way; when it ends, all of them go into the next
transaction. A request waits for the transaction that holds its rows (`durable`), so what was
answered is on disk, and what was executed is never forgotten: both are in one transaction.

Only the event loop's thread calls this class. The steps that wait for the disk have a thread each:
one does nothing but COMMIT, another nothing but checkpoints.
"""

import asyncio
import fcntl
import logging
import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from bookpayctl.stripe_twin.documents import decode_object
from bookpayctl.stripe_twin.ledger import schema

log = logging.getLogger("stripe_twin.ledger")
Column: TypeAlias = int | float | str | None
Stored: TypeAlias = Mapping[str, object]

# Objects kept decoded in memory, in two generations of this size: those of the last seconds, which
# are the ones that are asked for. More of them would make garbage collection a pause one can see.
_CACHE_GENERATION = 2_000
# Rows between checkpoints of the write-ahead log, those of about a thousand charges: what waits for
# the same disk as a checkpoint is then less than one request of a hundred. A thread of its own
# makes them, because a request must not wait for one; should it fall behind, a commit makes one at
# this many pages.
_CHECKPOINT_ROWS = 25_000
_CHECKPOINT_PAGES_MAX = 128_000  # 256 MiB
# A charge alone touches some fifty pages of many indexes, and all of them go through the log:
# smaller ones make the wait for the disk shorter.
_PAGE_BYTES = 2_048
# How many rows that cannot be read are kept for the operator.
_ASIDE_MAX = 100
# How long a row that nobody waits for may wait for a transaction to go with.
_LAZY_SECONDS_MAX = 0.1


# Kinds of object that can be searched; the words of the index `objects_changed_idx`.
SEARCHED = "kind IN ('payment_intent', 'charge', 'customer')"
LATEST_CHANGE = f"SELECT max(changed) FROM {{objects}} WHERE {SEARCHED}"  # noqa: S608 - constants


class LedgerBusyError(Exception):
    """Another twin holds this data directory; stop it or choose another directory."""


@dataclass(slots=True)
class _Batch:
    """Rows of one coming transaction, by statement, and the objects they make current."""

    rows: dict[str, list[tuple[Column, ...]]] = field(default_factory=dict)
    objects: dict[str, Stored] = field(default_factory=dict)
    done: "asyncio.Future[None] | None" = None


class Ledger:
    """Current objects and append-only history in one SQLite file."""

    def __init__(self, directory: Path, *, on_failure: Callable[[BaseException], None]) -> None:
        """Open or create the ledger in `directory`.

        Args:
            directory: made if missing, readable by its owner only: it holds webhook secrets.
            on_failure: called once if a commit fails; memory is then ahead of the disk, and the
                only right answer is to stop without answering.

        Raises:
            LedgerBusyError: another process has it open.
        """
        # Absolute from here on: the search index opens the same file later and by URI, and a
        # relative name would be another file, or none, once the process has moved.
        directory = directory.absolute()
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        # A lock of the kernel and not a file that says "in use": that one would survive a kill -9,
        # and then nobody could start.
        self._lock = _lock(directory / "lock")
        self.aside: dict[str, str] = {}
        path = self._path = directory / "ledger.sqlite3"
        self._writer = _connect(path)
        _prepare(self._writer)
        path.chmod(0o600)
        self.reader = _connect(path)
        self._committer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="commit")
        self._checkpointer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._checkpoint_connection = _connect(path)
        self._checkpointing: asyncio.Future[sqlite3.Cursor] | None = None
        self._rows_to_checkpoint = _CHECKPOINT_ROWS
        self._on_failure = on_failure
        self._filling = _Batch()
        self._committing: _Batch | None = None
        self._flush_planned = False
        self._lazy_flush_planned = False
        self._young: dict[str, Stored] = {}
        self._old: dict[str, Stored] = {}
        self._next_request = 1 + self._highest("SELECT max(n) FROM requests")
        self._changes = self._highest(LATEST_CHANGE.format(objects="objects"))

    def _highest(self, sql: str) -> int:
        row = self.reader.execute(sql).fetchone()
        return int(row[0] or 0)

    @property
    def requests_made(self) -> int:
        """How many requests there have been; of interest is that it changes."""
        return self._next_request - 1

    def set_aside(self, what: str, why: object) -> None:
        """Go on without a row that cannot be read, and say so: in the log, and in the status."""
        # The newest complaints are of no use when there are a million.
        if what not in self.aside and len(self.aside) < _ASIDE_MAX:
            self.aside[what] = (
                f"{type(why).__name__}: {why}" if isinstance(why, Exception) else (str(why))
            )
            log.error("%s is left aside: %s", what, self.aside[what])

    def next_request(self) -> int:
        """The journal number of a new request; rows carry it before they are written."""
        number = self._next_request
        self._next_request += 1
        return number

    def put(self, statement: str, row: tuple[Column, ...]) -> None:
        """Add a row to the coming transaction."""
        self._filling.rows.setdefault(statement, []).append(row)
        self._plan_flush()

    def put_lazily(self, statement: str, row: tuple[Column, ...]) -> None:
        """Add a row that nobody waits for: it goes with the next transaction there is.

        An fsync of its own would be one that the next request has to wait for.
        """
        self._filling.rows.setdefault(statement, []).append(row)
        if not self._lazy_flush_planned:
            self._lazy_flush_planned = True
            asyncio.get_running_loop().call_later(_LAZY_SECONDS_MAX, self._flush_lazily)

    def put_object(self, row: tuple[Column, ...], document: Stored) -> None:
        """Add an object's row and make it current for readers of this process at once."""
        self._changes += 1
        self.put(schema.PUT_OBJECT, (*row, self._changes))
        self._filling.objects[str(row[0])] = document

    def find_object(self, object_id: str) -> Stored | None:
        """The current object, whether on disk yet or not; callers must not change it."""
        # Newest first: the coming transaction hides the one under way, and that hides what has been
        # read.
        found = self._filling.objects.get(object_id)
        if found is None and self._committing is not None:
            found = self._committing.objects.get(object_id)
        if found is None:
            found = self._young.get(object_id) or self._old.get(object_id)
        if found is None:
            row = self.reader.execute(
                "SELECT body FROM objects WHERE id = ?", (object_id,)
            ).fetchone()
            if row is None:
                return None
            found = decode_object(row[0])
            self._remember({object_id: found})
        return found

    async def durable(self) -> None:
        """Return when everything put so far is on disk.

        Raises:
            sqlite3.Error: it will never be; the process is stopping.
        """
        if self._filling.rows:
            self._plan_flush()
        # With nothing new to write, what was put before may still be on its way to the disk.
        batch = self._filling if self._filling.rows else self._committing
        if batch is None:
            return
        if batch.done is None:
            batch.done = asyncio.get_running_loop().create_future()
        # The future belongs to all requests of the batch: one client that goes away must not cancel
        # the wait of the others.
        await asyncio.shield(batch.done)

    def select(self, sql: str, values: Sequence[Column] = ()) -> list[tuple[Column, ...]]:
        """Rows that are on disk; await `durable` first to see what this process just wrote."""
        return self.reader.execute(sql, values).fetchall()

    @property
    def path(self) -> Path:
        """Of the file."""
        return self._path

    def open_reader(self) -> sqlite3.Connection:
        """Another connection for reading, for use in a thread of the caller's, who closes it."""
        return _connect(self._path)

    async def close(self) -> None:
        """Write what is left and let go of the directory."""
        await self.durable()
        self._committer.shutdown(wait=True)
        self._checkpointer.shutdown(wait=True)
        self._checkpoint_connection.close()
        self.reader.close()
        self._writer.close()
        os.close(self._lock)

    def _plan_flush(self) -> None:
        if not self._flush_planned and self._committing is None:
            self._flush_planned = True
            # Soon, not now: requests of the same turn of the loop share the transaction.
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush_lazily(self) -> None:
        self._lazy_flush_planned = False
        if self._filling.rows:
            self._plan_flush()

    def _flush(self) -> None:
        self._flush_planned = False
        if self._committing is not None or not self._filling.rows:
            return
        batch, self._filling = self._filling, _Batch()
        self._committing = batch
        loop = asyncio.get_running_loop()
        try:
            # On the loop's thread, where no row can be added meanwhile; COMMIT alone, which waits
            # for the disk, has a thread of its own.
            self._writer.execute("BEGIN IMMEDIATE")
            for statement, rows in batch.rows.items():
                self._writer.executemany(statement, rows)
        except sqlite3.Error as error:
            self._fail(batch, error)
            return
        commit = loop.run_in_executor(self._committer, self._writer.execute, "COMMIT")
        commit.add_done_callback(lambda finished: self._committed(batch, finished.exception()))

    def _committed(self, batch: _Batch, error: BaseException | None) -> None:
        if error is not None:
            self._fail(batch, error)
            return
        self._remember(batch.objects)
        self._committing = None
        if batch.done is not None and not batch.done.done():
            batch.done.set_result(None)
        self._rows_to_checkpoint -= sum(map(len, batch.rows.values()))
        if self._rows_to_checkpoint <= 0:
            self._rows_to_checkpoint = _CHECKPOINT_ROWS
            self._checkpoint()
        # Under load the next batch has filled meanwhile, and goes at once.
        self._flush()

    def _checkpoint(self) -> None:
        if self._checkpointing is not None and not self._checkpointing.done():
            return
        self._checkpointing = asyncio.get_running_loop().run_in_executor(
            self._checkpointer,
            self._checkpoint_connection.execute,
            "PRAGMA wal_checkpoint(PASSIVE)",
        )

    def _fail(self, batch: _Batch, error: BaseException) -> None:
        # `_committing` stays set: nothing more is written, and no waiter is ever told it was.
        for waiting in (batch, self._filling):
            if waiting.done is not None and not waiting.done.done():
                waiting.done.set_exception(error)
        self._on_failure(error)

    def _remember(self, objects: dict[str, Stored]) -> None:
        # Dropping a whole generation costs nothing per look-up, as an order by last use would.
        if len(self._young) >= _CACHE_GENERATION:
            self._old, self._young = self._young, {}
        self._young.update(objects)
        for object_id in objects:
            self._old.pop(object_id, None)


def _prepare(connection: sqlite3.Connection) -> None:
    """Make the tables, or make those of an earlier version what they are now, all or nothing."""
    # A new file has no tables and version 0 as well, hence the second question.
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    exists = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'objects'").fetchone()
    steps = [schema.UPGRADES[v] for v in range(version, schema.VERSION)] if exists else []
    before, after = (" ".join(step[i] for step in steps) for i in (0, 1))
    connection.executescript(
        f"BEGIN IMMEDIATE; {before} {schema.TABLES} {schema.append_only_triggers()} {after} "
        f"PRAGMA user_version = {schema.VERSION}; COMMIT;"
    )


def _connect(path: Path) -> sqlite3.Connection:
    # COMMIT runs in a thread of its own, and while it does this one leaves the writer alone.
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
    connection.execute("PRAGMA journal_mode = WAL")
    # Less would be faster and could lose the last commits with the machine's power, among them
    # charges that were answered.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES_MAX}")
    connection.execute("PRAGMA cache_size = -65536")  # KiB: 64 MiB
    return connection


def _lock(path: Path) -> int:
    """Hold an exclusive lock that the kernel releases when this process dies, however it dies."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise LedgerBusyError(f"another twin uses {path.parent}") from error
    return handle
