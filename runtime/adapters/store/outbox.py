"""The outbox table: written by every service in its own transaction, read by the publisher.

People may write to it by hand, so whatever its column types take must be readable here: what the
driver has no value for leaves the server as text or as null, and a row that even so fails its
statement is found by reading the rows one by one (`read_alone`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple
from uuid import UUID

import psycopg
from psycopg import Connection
from psycopg.rows import args_row, scalar_row

from runtime import tracing
from runtime.domain.event import HEADER_BYTES_MAX, RECORD_BYTES_MAX, NewEvent

_COLUMNS: Final = ("event_id", "aggregate", "aggregate_id", "event_type", "payload", "tenant_id")


def insertion(name: str = "") -> str:
    """SQL that writes one event, for a statement that does more than that.

    Args:
        name: what its parameters' names begin with; `values` gives them.
    """
    # Event ids are derived from the root, so a step that is taken again writes the event that is
    # there.
    return (
        f"INSERT INTO outbox ({', '.join(_COLUMNS)})"  # noqa: S608 - constants
        f" VALUES ({', '.join(f'%({name}{column})s' for column in _COLUMNS)})"
        " ON CONFLICT (event_id) DO NOTHING"
    )


_INSERT: Final = insertion()

BATCH_BYTES: Final = 16_000_000
"""What one read may bring, about: a thousand of the largest rows would be most of a gigabyte."""

STORED_BYTES: Final = 4_000_000
"""The same before the payloads are rendered as text, by what they take up in the table."""

PLANNER_SETTINGS: Final[Mapping[str, str]] = {
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_sort": "off",
}
"""For the session that runs the statements below.

A running publisher plans them while nothing is unpublished, and keeps the plan. On a table that
looks empty every way is cheap; with a hundred thousand rows waiting only two are: along the partial
index to read, by the primary key to mark. These settings leave the planner no other.
"""

OVERLAP_SECONDS: Final = 10.0
"""How far before its last row a look begins: longer than a transaction of ours may take from its
begin, which dates its rows, to its first lock (`database.STATEMENT_TIMEOUT_MS`)."""

# A row that waits and is not on its way. A look that knows where the last one ended begins near
# there: entries of rows that were published stay in the index for as long as any snapshot may see
# them, and a look from the beginning visits each of them again. One that is dated in the future
# must not take the beginning with it, hence the clock. The list of what is in flight is a
# sub-select so that it is hashed: `<> ALL (parameter)` is compared one by one, row after row, and
# it is one text, because a list's elements are converted one by one in Python. OFFSET 0 keeps the
# planner from making a join of the look for a dead letter, and with it another order of the rows.
_WAITING: Final = f"""
    published_at IS NULL
    AND created_at >= least(coalesce(%(since)s::timestamptz, '-infinity'), statement_timestamp())
                      - interval '{OVERLAP_SECONDS} seconds'
    AND event_id NOT IN (SELECT unnest(%(in_flight)s::uuid[]))
    AND NOT EXISTS (SELECT FROM dead_letters
                    WHERE dead_letters.source = 'outbox' AND source_offset IS NULL
                      AND resolved_at IS NULL AND dead_letters.event_id = outbox.event_id
                    OFFSET 0)
"""  # noqa: S608 - constants

# Texts are cut just above what a record may carry: enough to see that a row is too large. Times
# are text, because the driver has no value for infinity, nor for years before 1 and after 9999.
_FIELDS: Final = f"""
    event_id::text AS event_id, left(aggregate, {HEADER_BYTES_MAX + 1}) AS aggregate,
    left(aggregate_id, {HEADER_BYTES_MAX + 1}) AS aggregate_id,
    left(event_type, 100) AS event_type, left(tenant_id, {HEADER_BYTES_MAX + 1}) AS tenant_id,
    CASE WHEN raw.created_at BETWEEN '0001-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00'
         THEN to_char(raw.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')
    END AS created_at,
    CASE jsonb_typeof(payload -> 'root_event_id')
         WHEN 'string' THEN left(payload ->> 'root_event_id', 100) END AS root_event_id,
    CASE WHEN octet_length(document) <= {RECORD_BYTES_MAX} THEN document END AS payload
"""

# Once per row, and only for rows that are wanted: a document can be a thousand times as large as
# what is stored of it.
_RENDERED: Final = "CROSS JOIN LATERAL (SELECT payload::text AS document OFFSET 0) AS rendered"
_BEFORE_THIS: Final = "(ORDER BY place ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"

# A row that can never be published has a dead letter and is passed over. Two running sums over the
# rows in their order: of what is stored, which bounds what the server renders, and of what is
# rendered, which bounds what it sends. The first row always comes, and brings the snapshot of the
# statement: the rows of a transaction that it names as running were not seen.
SELECT_UNPUBLISHED: Final = f"""
    SELECT event_id, aggregate, aggregate_id, event_type, payload, tenant_id, created_at,
           root_event_id, CASE WHEN bytes_before IS NULL THEN pg_current_snapshot()::text END
    FROM (SELECT readable.*,
                 sum(coalesce(octet_length(payload), 0) + octet_length(aggregate)
                     + octet_length(aggregate_id) + octet_length(tenant_id))
                 OVER {_BEFORE_THIS} AS bytes_before
          FROM (SELECT {_FIELDS}, place
                FROM (SELECT first.*, sum(pg_column_size(payload)) OVER {_BEFORE_THIS}
                             AS stored_before
                      FROM (SELECT event_id, aggregate, aggregate_id, event_type, payload,
                                   tenant_id, created_at, created_at AS place
                            FROM outbox WHERE {_WAITING}
                            ORDER BY outbox.created_at LIMIT %(limit)s) AS first) AS raw
                {_RENDERED}
                WHERE coalesce(stored_before, 0) < {STORED_BYTES}) AS readable) AS counted
    WHERE coalesce(bytes_before, 0) < {BATCH_BYTES}
    ORDER BY place
"""  # noqa: S608 - constants

# The same rows in the same order, and nothing of them that could be unreadable.
_SELECT_IDS: Final = f"""
    SELECT event_id::text FROM outbox WHERE {_WAITING} ORDER BY created_at LIMIT %(limit)s
"""  # noqa: S608 - constants

_SELECT_ONE: Final = f"""
    SELECT event_id, aggregate, aggregate_id, event_type, payload, tenant_id, created_at,
           root_event_id
    FROM (SELECT {_FIELDS} FROM outbox AS raw {_RENDERED}
          WHERE event_id = %(event_id)s AND published_at IS NULL) AS readable
"""  # noqa: S608 - constants

# The predicate is opaque: written as IS NULL it lets the planner take the partial index, which was
# empty when it planned, and compare each of its entries with the whole list.
MARK_PUBLISHED: Final = """
    UPDATE outbox SET published_at = clock_timestamp()
    WHERE event_id = ANY (%(event_ids)s::uuid[]) AND num_nulls(published_at) = 1
"""

# What a single row can do to the statement that reads it, beside what the statement provides for: a
# payload whose text is larger than the server can make or makes in time, text in no encoding, a
# damaged page. None of them says anything of the other rows.
UNREADABLE: Final = (
    psycopg.DataError,
    psycopg.InternalError,
    psycopg.errors.ProgramLimitExceeded,
    psycopg.errors.OutOfMemory,
    psycopg.errors.QueryCanceled,
    UnicodeDecodeError,
)


class OutboxRow(NamedTuple):
    """One unpublished event, as a hand may have written it.

    A tuple, as the other values here are not: a quarter of the time to make, for each event.

    Attributes:
        event_id: in its usual text form, which is hashed and joined many times while it is under
            way; a UUID's hash is computed anew each time.
        aggregate: as the other texts, cut where a record has no room for more.
        payload: JSON text of any kind; None when it is larger than a record may be.
        created_at: ISO 8601 in UTC; None for a time that has no such form, such as infinity.
        root_event_id: what the payload says, which may be no id; None when it says none.
        snapshot: of the statement, with the first row of a batch: `xmin:xmax:xip,...`.
    """

    event_id: str
    aggregate: str
    aggregate_id: str
    event_type: str
    payload: str | None
    tenant_id: str
    created_at: str | None
    root_event_id: str | None
    snapshot: str | None = None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A row that cannot be read although the server answers; `error` is what it said."""

    error: str


def insert_events(conn: Connection, events: Iterable[NewEvent]) -> None:
    """Add events to the caller's transaction; an event that is there already stays as it is."""
    # One by one: inside the caller's pipeline that is no round trip more, and it is mostly one
    # event.
    for event in events:
        conn.execute(_INSERT, values(event))


def values(event: NewEvent, name: str = "") -> dict[str, object]:
    """The parameters of `insertion`; who asks for them writes the event."""
    if tracing.is_on():
        tracing.inserted(event.root, event.event_id, event.event_type)
    return {
        f"{name}event_id": event.event_id,
        f"{name}aggregate": event.aggregate,
        f"{name}aggregate_id": event.aggregate_id,
        f"{name}event_type": event.event_type,
        f"{name}payload": json.dumps(event.payload),
        f"{name}tenant_id": event.tenant_id,
    }


def select_unpublished(
    conn: Connection, *, limit: int, in_flight: Iterable[str], since: str | None = None
) -> list[OutboxRow]:
    """Read the next rows to publish.

    Runs on the connection that holds the publisher lock: if that backend dies, the batch fails
    with it. Never commits.

    Args:
        in_flight: events handed to the producer whose acknowledgement is still out.
        since: `created_at` of the last row read so far; None looks from the beginning.

    Returns:
        At most `limit` rows and about `BATCH_BYTES` with published_at null, oldest created_at
        first; empty when idle.

    Raises:
        psycopg.OperationalError: the backend is gone, and the lock with it.
        UNREADABLE: the batch as a whole cannot be read; its rows may, with `read_alone`.

    Source:
        PostgreSQL manual, 13.3.5 Advisory Locks.
    """
    wanted = {"limit": limit, "in_flight": _listed(in_flight), "since": since}
    with conn.cursor(row_factory=args_row(OutboxRow)) as cursor:
        return cursor.execute(SELECT_UNPUBLISHED, wanted).fetchall()


def select_unpublished_ids(
    conn: Connection, *, limit: int, in_flight: Iterable[str], since: str | None = None
) -> list[str]:
    """The ids of the rows that `select_unpublished` would read, in their order."""
    wanted = {"limit": limit, "in_flight": _listed(in_flight), "since": since}
    with conn.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(_SELECT_IDS, wanted).fetchall()


def _listed(event_ids: Iterable[str]) -> str:
    """An array's text; ids in their usual form have nothing that would need quotes."""
    return "{" + ",".join(event_ids) + "}"


def read_alone(conn: Connection, event_id: str) -> OutboxRow | Unreadable | None:
    """Read one row, whatever is the matter with it; None when it waits no longer.

    Raises:
        psycopg.OperationalError: nothing can be read at all, which is not the row's fault.
    """
    try:
        return _select_one(conn, event_id)
    except psycopg.errors.QueryCanceled:
        # A time-out may be the disk's: once more, if a question of the same row is answered at all.
        holds(conn, UUID(event_id))
    except UNREADABLE as error:
        return _unreadable(conn, error)
    try:
        return _select_one(conn, event_id)
    except UNREADABLE as error:
        return _unreadable(conn, error)


def _select_one(conn: Connection, event_id: str) -> OutboxRow | None:
    with conn.cursor(row_factory=args_row(OutboxRow)) as cursor:
        return cursor.execute(_SELECT_ONE, {"event_id": event_id}).fetchone()


def _unreadable(conn: Connection, error: Exception) -> Unreadable:
    if conn.broken:
        raise error
    return Unreadable(f"{type(error).__name__}: {error}")


def holds(conn: Connection, event_id: UUID) -> bool:
    """Whether the event was ever written, published or not."""
    row = conn.execute("SELECT 1 FROM outbox WHERE event_id = %s", (event_id,)).fetchone()
    return row is not None


def mark_published(conn: Connection, event_ids: Iterable[str]) -> int:
    """Set published_at on events the broker has acknowledged; returns how many were unmarked."""
    return conn.execute(MARK_PUBLISHED, {"event_ids": _listed(event_ids)}).rowcount
