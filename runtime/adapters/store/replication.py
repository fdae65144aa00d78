"""The outbox by logical replication: a publication, a slot, and the connection that streams it.

Only one connection at a time can stream a slot: that is the lock. The server itself takes it from
a consumer that has been silent for `SENDER_TIMEOUT_SECONDS`, as a process that is frozen, or whose
machine has gone, is.

Source:
    PostgreSQL manual, 47.2.2 Replication Slots, 54.4 Streaming Replication Protocol.
"""

from __future__ import annotations

import select
import time
from dataclasses import dataclass
from struct import Struct
from typing import Final, LiteralString

import psycopg
from psycopg import pq
from psycopg.errors import error_from_result
from psycopg.rows import class_row

from runtime import libpq
from runtime.adapters.store import database
from runtime.adapters.store.outbox import BATCH_BYTES, OutboxRow
from runtime.adapters.store.pgoutput import COLUMNS, Decoder
from runtime.domain.names import PUBLICATION, PUBLISHER_LOCK_KEY, SCHEMA, SLOT_PREFIX

SENDER_TIMEOUT_SECONDS: Final = 4
"""How long the server waits for a word of us; a takeover is this, and a look of a standby."""

ANSWER_SECONDS: Final = 5.0
"""How long a command of replication may take that does not wait for others."""

_STATUS: Final = Struct("!cQQQqB")
# PostgreSQL counts microseconds from here.
_EPOCH_2000: Final = 946_684_800

# A slot without a position is being made, for whom may be gone: no lock, and of no use.
_SLOT: Final[LiteralString] = """
    SELECT slot_name, active AND confirmed_flush_lsn IS NOT NULL AS active,
           wal_status = 'lost' OR plugin <> 'pgoutput' OR confirmed_flush_lsn IS NULL AS is_lost,
           coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0)::int8 AS retained_bytes,
           CASE WHEN wal_status = 'lost' THEN 0 ELSE safe_wal_size END AS left_bytes
    FROM pg_replication_slots
    WHERE slot_name = %s || (SELECT oid FROM pg_database WHERE datname = current_database())::text
"""

_PUBLICATION: Final[LiteralString] = """
    SELECT coalesce(bool_and(p.pubinsert AND NOT p.pubupdate AND NOT p.pubdelete
                             AND NOT p.pubtruncate AND t.attnames = %s::name[]), false)
    FROM pg_publication AS p LEFT JOIN pg_publication_tables AS t USING (pubname)
    WHERE p.pubname = %s
"""


class SlotTakenError(Exception):
    """Another connection streams the slot: it leads."""


class ReplicationRefusedError(Exception):
    """The server does not stream the outbox to us, now or ever; polling needs nothing of it."""


@dataclass(frozen=True, slots=True)
class Slot:
    """The slot as the server shows it.

    Attributes:
        is_lost: what it needs is no longer there; it can only be dropped.
        retained_bytes: of the write-ahead log that is kept for it.
        left_bytes: that may be written before it is lost, 0 where it is; None where nothing bounds
            it.
    """

    slot_name: str
    active: bool
    is_lost: bool
    retained_bytes: int
    left_bytes: int | None


def find_slot(conn: psycopg.Connection) -> Slot | None:
    """This database's slot, if there is one."""
    with conn.cursor(row_factory=class_row(Slot)) as cursor:
        return cursor.execute(_SLOT, (SLOT_PREFIX,)).fetchone()


def slot_name(conn: psycopg.Connection) -> str:
    """Slots are the server's and not a database's, hence the database's number in the name."""
    row = conn.execute(
        "SELECT oid::text FROM pg_database WHERE datname = current_database()"
    ).fetchone()
    return f"{SLOT_PREFIX}{row[0] if row else ''}"


def drop_slot(conn: psycopg.Connection, name: str) -> None:
    """Remove a slot that nobody streams; the server lets go of the log that it kept for it.

    Raises:
        psycopg.Error: it is in use, or the role may not.
    """
    conn.execute("SELECT pg_drop_replication_slot(%s)", (name,))


def ensure_publication(conn: psycopg.Connection) -> None:
    """Make the publication of INSERTs into the outbox, or make it anew where it is another.

    A slot sees it only from then on: make it before the slot.

    Raises:
        psycopg.Error: the role may not.
    """
    row = conn.execute(_PUBLICATION, (list(COLUMNS), PUBLICATION)).fetchone()
    if row and row[0]:
        return
    with conn.transaction():
        conn.execute(f"DROP PUBLICATION IF EXISTS {PUBLICATION}")
        conn.execute(
            f"CREATE PUBLICATION {PUBLICATION} FOR TABLE {SCHEMA}.outbox ({', '.join(COLUMNS)})"
            " WITH (publish = 'insert')"
        )


def wal_position(conn: psycopg.Connection) -> int:
    """Where the log ends now: what is visible by now was committed before it."""
    row = conn.execute("SELECT (pg_current_wal_insert_lsn() - '0/0')::int8").fetchone()
    return int(row[0]) if row else 0


def end_sessions_of_lock(conn: psycopg.Connection) -> None:
    """End the session that holds the publisher's advisory lock; only for who streams the slot.

    Its process is frozen or out of reach: the server has taken the slot from it.
    """
    conn.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_locks"
        " WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND pid <> pg_backend_pid()"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        " AND ((classid::int8 << 32) | objid::int8) = %s",
        (PUBLISHER_LOCK_KEY,),
    )


@dataclass(slots=True)
class Replication:
    """One connection to the server's sender of the log; nothing here waits, but for `start`."""

    conn: psycopg.Connection
    decoder: Decoder
    _heard_at: float = 0.0

    @classmethod
    def open(cls, dsn: str, application_name: str) -> Replication:
        """Connect.

        Raises:
            psycopg.OperationalError: the server cannot be reached.
            ReplicationRefusedError: it answers, and refuses such a connection.
        """
        arguments = database.connection_arguments(
            f"{application_name}/wal",
            statement_timeout_ms=0,
            settings={
                "wal_sender_timeout": f"{SENDER_TIMEOUT_SECONDS}s",
                "TimeZone": "UTC",
                "DateStyle": "ISO",
            },
        )
        try:
            conn = psycopg.connect(
                dsn,
                autocommit=True,
                replication="database",
                **libpq.parameters(dsn),  # type: ignore[arg-type] # all of them are texts
                **arguments,  # type: ignore[arg-type]
            )
        except psycopg.OperationalError as error:
            if any(words in str(error) for words in _REFUSALS):
                raise ReplicationRefusedError(str(error).strip().splitlines()[-1]) from error
            raise
        return cls(conn, Decoder(SCHEMA.encode()))

    def ask_for_slot(self, name: str) -> None:
        """Ask for a new slot; `slot_made` says whether it is there.

        The server waits until every transaction that writes now has ended.
        """
        command = f"CREATE_REPLICATION_SLOT \"{name}\" LOGICAL pgoutput (SNAPSHOT 'nothing')"
        self.conn.pgconn.send_query(command.encode())
        self.conn.pgconn.flush()

    def slot_made(self) -> bool:
        """Whether the slot that was asked for is there.

        Raises:
            ReplicationRefusedError: there will be none.
            psycopg.OperationalError: the connection is gone.
        """
        pgconn = self.conn.pgconn
        _consume(pgconn)
        if pgconn.is_busy():
            return False
        while (result := pgconn.get_result()) is not None:
            if result.status not in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
                raise _refused(result)
        return True

    def start(self, name: str) -> None:
        """Take the slot, and have it streamed from where it was confirmed.

        Raises:
            SlotTakenError: another has it.
            ReplicationRefusedError: it is lost, not there, or not ours to stream.
        """
        pgconn = self.conn.pgconn
        pgconn.send_query(
            f'START_REPLICATION SLOT "{name}" LOGICAL 0/0'
            f" (proto_version '1', publication_names '{PUBLICATION}')".encode()
        )
        give_up_at = time.monotonic() + ANSWER_SECONDS
        while pgconn.is_busy():
            select.select([pgconn.socket], [], [], 0.1)
            _consume(pgconn)
            if time.monotonic() > give_up_at:
                raise psycopg.OperationalError("START_REPLICATION is not answered")
        result = pgconn.get_result()
        if result is None or result.status != pq.ExecStatus.COPY_BOTH:
            raise _refused(result)
        self._heard_at = time.monotonic()

    def read(self, limit: int) -> tuple[list[OutboxRow], bool]:
        """What has arrived, at most about `limit` rows.

        Returns:
            The rows in the order of their commits, and whether that was all that is here.
            `decoder.position` says how far they are complete.

        Raises:
            psycopg.OperationalError: the stream has ended, and the slot with it.
            UnexpectedMessageError: what came can never be read.
        """
        pgconn, feed = self.conn.pgconn, self.decoder.feed
        get, rows = pgconn.get_copy_data, list[OutboxRow]()
        _consume(pgconn)
        got, room = False, BATCH_BYTES
        while len(rows) < limit and room > 0:
            size, message = get(1)
            if size > 0:
                feed(bytes(message), rows)
                room -= size
                got = True
            elif size < 0:
                raise _ended(pgconn)
            elif got and select.select([pgconn.socket], [], [], 0)[0]:
                _consume(pgconn)
                got = False
            else:
                self._listen(got)
                return rows, True
        self._heard_at = time.monotonic()
        return rows, False

    def _listen(self, got: bool) -> None:
        """Whoever is asked every second and says nothing for long is not there."""
        now = time.monotonic()
        if got or self.decoder.asked:
            self._heard_at = now
        elif now - self._heard_at > database.SILENT_SECONDS:
            raise psycopg.OperationalError("the server has stopped to stream its log")

    def confirm(self, position: int) -> None:
        """Tell the server that all before `position` is published and marked.

        Asks for an answer: a server with nothing to tell is silent otherwise, and could not be told
        from one that is gone.
        """
        micros = int((time.time() - _EPOCH_2000) * 1_000_000)
        self.conn.pgconn.put_copy_data(_STATUS.pack(b"r", position, position, position, micros, 1))
        self.conn.pgconn.flush()
        self.decoder.asked = False

    def close(self) -> None:
        self.conn.close()


# What the server says to whom it lets in for nothing of the kind.
_REFUSALS: Final = (
    "permission denied to start WAL sender",
    "must be superuser or replication role",
    "no pg_hba.conf entry for replication",
    "number of requested standby connections exceeds",
)

_TAKEN: Final = "55006"

_GOING_AWAY: Final = ("08", "57")
"""Classes of errors that say nothing of the slot: the connection, or an operator."""


def _consume(pgconn: pq.abc.PGconn) -> None:
    try:
        pgconn.consume_input()
    except psycopg.OperationalError:
        raise
    except psycopg.Error as error:
        raise psycopg.OperationalError(str(error)) from error


def _refused(result: pq.abc.PGresult | None) -> Exception:
    if result is None:
        return psycopg.OperationalError("the server has ended the connection")
    state = (result.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()
    error = error_from_result(result)
    if state == _TAKEN:
        return SlotTakenError(str(error))
    if not state or state.startswith(_GOING_AWAY):
        return psycopg.OperationalError(str(error))
    return ReplicationRefusedError(f"{state}: {str(error).strip().splitlines()[0]}")


def _ended(pgconn: pq.abc.PGconn) -> Exception:
    """Why there is no more of the stream."""
    result = pgconn.get_result()
    if result is None or result.status == pq.ExecStatus.COMMAND_OK:
        return psycopg.OperationalError("the server has ended its stream")
    error = _refused(result)
    # The connection to lead on is gone in either case; a stream that can never go on is told.
    return (
        error
        if isinstance(error, ReplicationRefusedError)
        else psycopg.OperationalError(str(error))
    )
