"""Connections: every one bounded in time, none held across a network call.

Statement and TCP time-outs are 5 s everywhere, so a dead database costs a caller seconds, not
minutes; and where somebody between us acknowledges what he does not pass on, so that neither
fires, an answer is waited for no longer than 8 s. What the shell exports for libpq reaches none
of them (`libpq`). The schema is on the search_path of the role; it is set here too, so that a role
made by someone else works the same.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar, Final, TypeVar

import psycopg
from psycopg.abc import AdaptContext, Buffer, PQGen
from psycopg.adapt import Loader
from psycopg.pq import Format
from psycopg_pool import ConnectionPool, PoolTimeout

from runtime import libpq, metrics
from runtime.domain.names import SCHEMA
from runtime.lifecycle import Readiness

STATEMENT_TIMEOUT_MS: Final = 5_000
CONNECT_TIMEOUT_SECONDS: Final = 5
ANSWER_SECONDS: Final = 60.0
"""How long the word that the database answers counts: several of the longest waits above."""

# Beyond the statement's own time-out: then the server has said why, or its word does not come.
SILENT_SECONDS: Final = 8.0

# How often a wait looks up, so that a signal to the process is heard; psycopg's own figure.
_LOOK_SECONDS: Final = 0.1

# A connection that waits inside a transaction holds locks others need; nothing here should.
IDLE_IN_TRANSACTION_TIMEOUT_MS: Final = 10_000

# What a caller can answer by waiting: the server is away, shutting down, or the pool is empty.
UNAVAILABLE: Final = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    # A process that was frozen inside a transaction finds its session ended; psycopg counts that
    # among internal errors, but all it takes is another connection.
    psycopg.errors.IdleInTransactionSessionTimeout,
    PoolTimeout,
)

# What a single record can be to a database: well-formed JSON that a column or a constraint refuses.
# Waiting mends none of it; the record gets a dead letter.
SPOILT: Final = (psycopg.DataError, psycopg.IntegrityError, UnicodeEncodeError)

Connection = psycopg.Connection[tuple[object, ...]]

_Answer = TypeVar("_Answer")

FAR_PAST: Final = datetime.min.replace(tzinfo=UTC)
"""What is read where a column holds -infinity, or a time before the year 1."""

FAR_FUTURE: Final = datetime.max.replace(tzinfo=UTC)
"""What is read where a column holds infinity, or a time after the year 9999."""

_TIMESTAMPTZ: Final = psycopg.adapters.types["timestamptz"].oid
_USUAL_LOADER: Final = psycopg.adapters.get_loader(_TIMESTAMPTZ, Format.TEXT)


class _EveryTime(Loader):
    """Reads every time that PostgreSQL can hold.

    The usual loader refuses one that Python's datetime cannot, and with it the whole batch that
    the row came with: a single row written by hand would hold up all the others for ever.
    """

    def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
        super().__init__(oid, context)
        if _USUAL_LOADER is None:
            raise psycopg.NotSupportedError("psycopg has no loader for timestamptz")
        self._usual = _USUAL_LOADER(oid, context)

    def load(self, data: Buffer) -> datetime:
        try:
            at: datetime = self._usual.load(data)
        except psycopg.DataError:
            text = bytes(data)
            return FAR_PAST if text.startswith(b"-") or text.endswith(b"BC") else FAR_FUTURE
        return at


class ImpatientConnection(psycopg.Connection[tuple[object, ...]]):
    """A connection on which no answer is waited for without end.

    A connection can be half open behind a proxy: whatever is sent is acknowledged, so TCP's
    time-outs do not fire, and the server that would end the statement is not there. It is closed
    then, because an answer that still came would be taken for that of the next statement.

    Attributes:
        when_silent: told when an answer did not come; None where nobody wants to know.
    """

    patience_seconds: ClassVar[float] = SILENT_SECONDS
    when_silent: Callable[[], None] | None = None

    def wait(
        self,
        gen: PQGen[_Answer],
        interval: float = _LOOK_SECONDS,
        timeout: float | None = None,
    ) -> _Answer:
        """See psycopg; raises OperationalError when the answer does not come."""
        seconds, began = timeout or self.patience_seconds, time.monotonic()
        try:
            return super().wait(gen, interval, seconds)
        except psycopg.OperationalError:
            if time.monotonic() - began >= seconds:
                self.pgconn.finish()
                if self.when_silent is not None:
                    self.when_silent()
            raise


def _prepare(conn: psycopg.Connection) -> None:
    """What a new connection of ours reads like; asks the server nothing."""
    conn.adapters.register_loader("timestamptz", _EveryTime)


def connection_arguments(
    application_name: str,
    *,
    flush_commits: bool = True,
    statement_timeout_ms: int = STATEMENT_TIMEOUT_MS,
    settings: Mapping[str, str] | None = None,
) -> dict[str, object]:
    """Arguments for `psycopg.connect` that every connection of ours shares.

    Args:
        flush_commits: False for writes whose loss in a crash of the server costs repeated work
            and nothing else, such as a mark that says "published": a commit then does not wait
            for the disk. Never for a row that has to be there before an effect.
        settings: of the session, beside those of every one; a setting that the server refuses
            refuses the connection.
    """
    durable = "on" if flush_commits else "off"
    own = "".join(f" -c {name}={value}" for name, value in (settings or {}).items())
    return {
        "application_name": application_name,
        # Whatever the server's own is: JSON, Kafka's headers and our logs are UTF-8.
        "client_encoding": "utf8",
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "tcp_user_timeout": STATEMENT_TIMEOUT_MS,
        # Prepared from the second execution on, per connection.
        "prepare_threshold": 1,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "options": (
            f"-c statement_timeout={statement_timeout_ms}"
            f" -c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION_TIMEOUT_MS}"
            f" -c search_path={SCHEMA},public -c synchronous_commit={durable}"
            # The same few statements run thousands of times on rows found by an index; planning
            # each anew takes longer than running it.
            " -c plan_cache_mode=force_generic_plan -c jit=off" + own
        ),
    }


def connect(
    dsn: str,
    application_name: str,
    *,
    flush_commits: bool = True,
    settings: Mapping[str, str] | None = None,
) -> psycopg.Connection:
    """One autocommitting connection of the caller's own.

    Raises:
        psycopg.OperationalError: the database cannot be reached or refuses.
    """
    arguments = connection_arguments(
        application_name, flush_commits=flush_commits, settings=settings
    )
    closed = libpq.parameters(dsn)
    conn = ImpatientConnection.connect(dsn, autocommit=True, **closed, **arguments)  # type: ignore[arg-type]
    _prepare(conn)
    return conn


def open_pool(
    dsn: str,
    application_name: str,
    *,
    size_max: int,
    wait_seconds: float = 2.0,
    autocommit: bool = False,
    flush_commits: bool = True,
    statement_seconds: float = STATEMENT_TIMEOUT_MS / 1000,
) -> ConnectionPool[psycopg.Connection]:
    """A pool that opens in the background: a service starts while its database is still away.

    Args:
        wait_seconds: how long a caller waits for a free connection before `PoolTimeout`.
        autocommit: for callers whose every statement stands alone.
        flush_commits: see `connection_arguments`.
        statement_seconds: for a caller whose own deadline is shorter than the usual time-out.
    """
    arguments = connection_arguments(
        application_name,
        flush_commits=flush_commits,
        statement_timeout_ms=round(statement_seconds * 1000),
    )

    def configure(conn: psycopg.Connection) -> None:
        _prepare(conn)
        if isinstance(conn, ImpatientConnection):
            # The others are as old, and would cost as long a silence each, one after another.
            conn.when_silent = lambda: pool.drain()

    pool: ConnectionPool[psycopg.Connection] = ConnectionPool(
        dsn,
        connection_class=ImpatientConnection,
        kwargs={**libpq.parameters(dsn), **arguments, "autocommit": autocommit},
        configure=configure,
        min_size=1,
        max_size=size_max,
        timeout=wait_seconds,
        # Asked again after at most this long when the database was away.
        reconnect_timeout=5.0,
        max_idle=60.0,
        open=True,
    )
    _measure(pool)
    return pool


def _measure(pool: ConnectionPool[psycopg.Connection]) -> None:
    """Let the process's metrics say how the pool is, whenever somebody asks for them."""

    def stat(name: str) -> float:
        return float(pool.get_stats().get(name, 0))

    idle = "pool_available"
    metrics.POOL_CONNECTIONS.labels("idle").set_function(lambda: stat(idle))
    metrics.POOL_CONNECTIONS.labels("busy").set_function(lambda: stat("pool_size") - stat(idle))
    metrics.POOL_WAITING.set_function(lambda: stat("requests_waiting"))


def answers(pool: ConnectionPool[psycopg.Connection]) -> bool:
    """Whether the database answers a trivial question through the pool now."""
    try:
        with pool.connection(timeout=1.0) as conn:
            conn.execute("SELECT 1")
    except UNAVAILABLE:
        return False
    return True


def watch(
    pool: ConnectionPool[psycopg.Connection], readiness: Readiness, stop: threading.Event
) -> None:
    """Keep readiness `database` true to the database, from a thread of its own."""

    def look() -> None:
        holds = False
        while not stop.wait(1.0 if holds else 0.1):
            holds = answers(pool)
            tell(readiness, holds)

    threading.Thread(target=look, name="watch", daemon=True).start()


def tell(readiness: Readiness, holds: bool, *, within_seconds: float = ANSWER_SECONDS) -> None:
    """Say whether the database answers; a word that is not repeated in time stops counting."""
    reason = "PostgreSQL does not answer"
    readiness.set("database", holds, reason, within_seconds=within_seconds if holds else None)


@dataclass(slots=True)
class Session:
    """One autocommitting connection of a single loop, made anew after it was dropped."""

    dsn: str
    application_name: str
    _conn: psycopg.Connection | None = None

    def connection(self) -> psycopg.Connection:
        """The open connection.

        Raises:
            psycopg.OperationalError: the database cannot be reached or refuses.
        """
        if self._conn is None or self._conn.closed or self._conn.broken:
            self._conn = connect(self.dsn, self.application_name)
        return self._conn

    def drop(self) -> None:
        """Give up the connection; the next call makes another."""
        if self._conn is not None:
            self._conn.close()
            self._conn = None
