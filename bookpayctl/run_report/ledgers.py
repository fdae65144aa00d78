"""A run's ledgers, asked by SQL for its course: nothing of them is read but counts and times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from bookpayctl.judge.ledgers.store import LedgerConnection, quoted
from bookpayctl.run_report.course import STATUSES, Course, OrderLatency, Window, levels

# Orders of customers with the time of their end, as `orders_told`; probes of runs are left out.
_ORDERS_TOLD: Final = """
CREATE OR REPLACE TEMP TABLE orders_told AS
SELECT o.order_id, o.created_at, o.status, ended.happened_at AS ended_at
FROM orders AS o
LEFT JOIN (
    SELECT order_id, MIN(happened_at) AS happened_at FROM order_steps
    WHERE to_state IN ('paid', 'cancelled') AND isfinite(happened_at)
        AND happened_at <= (SELECT COALESCE(MAX(ahead_from), 'infinity') FROM judgement)
    GROUP BY order_id
) AS ended ON ended.order_id = o.order_id
WHERE isfinite(o.created_at) AND NOT EXISTS (
    SELECT 1 FROM probes AS p WHERE p.kind = 'client_key' AND p.id = o.client_key
)
"""


DAYS_MAX: Final = 31
"""How far back a figure of all orders reaches; one order of a wrong year must not flatten it."""


@dataclass(frozen=True, slots=True)
class Extent:
    """When orders of a span of time were placed and came to their end; None without any."""

    first_at: datetime | None
    last_at: datetime | None
    orders: int = field(default=0)


def prepare(connection: LedgerConnection) -> None:
    """Make what the questions below are asked of.

    Raises:
        StoreError: the ledgers are not what they should be.
    """
    connection.execute(_ORDERS_TOLD)


def time_of_all(connection: LedgerConnection) -> tuple[datetime | None, datetime | None]:
    """Between which times orders stand in a figure of all orders."""
    row = connection.execute("SELECT MAX(read_at), MAX(ahead_from) FROM judgement").fetchone()
    read_at, ahead_from = map(_aware, row or (None, None))
    return None if read_at is None else read_at - timedelta(days=DAYS_MAX), ahead_from


def extent(connection: LedgerConnection, since: datetime | None, until: datetime | None) -> Extent:
    """From the first order to the last order's end, of orders placed between two times."""
    limits = [
        *([] if since is None else [f"created_at >= {_time(since)}"]),
        *([] if until is None else [f"created_at <= {_time(until)}"]),
    ]
    row = connection.execute(
        "SELECT MIN(created_at), MAX(GREATEST(created_at, COALESCE(ended_at, created_at))),"
        f" COUNT(*) FROM orders_told WHERE {' AND '.join(limits) or 'TRUE'}"
    ).fetchone()
    first, last, count = row or (None, None, 0)
    return Extent(_aware(first), _aware(last), int(count))


def course_of(connection: LedgerConnection, window: Window, offenders: Sequence[str]) -> Course:
    """Everything of the course that ledgers know; marks are the journal's.

    Raises:
        StoreError: the ledgers could not be asked.
    """
    placed = _by_bin(connection, window, "created_at", "orders_told", "status")
    ended = _by_bin(connection, window, "ended_at", "orders_told", "'all'")
    came = _by_bin(connection, window, "created_at", "orders_told", "'all'")
    names = ", ".join(map(quoted, offenders)) or "NULL"
    wrong = _by_bin(
        connection,
        window,
        "created_at",
        f"(SELECT * FROM orders_told WHERE order_id IN ({names})) AS wrong",
        "'all'",
    )
    none = (0,) * window.bins
    others = {status: counts for status, counts in placed.items() if status not in STATUSES}
    return Course(
        window=window,
        placed={**{status: placed.get(status, none) for status in STATUSES}, **others},
        offenders=wrong.get("all", none),
        latencies=_latencies(connection, window),
        open_orders=levels(
            _open_before(connection, window, "created_at", "ended_at", "orders_told"),
            came.get("all", none),
            ended.get("all", none),
        ),
        unpublished=_unpublished(connection, window),
    )


def absences(connection: LedgerConnection) -> dict[str, str]:
    """Ledgers that are not there, and why."""
    rows = connection.execute("SELECT table_name, reason FROM absent ORDER BY ALL").fetchall()
    return {str(name): str(reason) for name, reason in rows}


def _unpublished(connection: LedgerConnection, window: Window) -> tuple[int, ...] | None:
    row = connection.execute("SELECT bool_or(change_data_capture) FROM judgement").fetchone()
    if row is not None and row[0]:
        return None
    none = (0,) * window.bins
    return levels(
        _open_before(connection, window, "created_at", "published_at", "outbox"),
        _by_bin(connection, window, "created_at", "outbox", "'all'").get("all", none),
        _by_bin(connection, window, "published_at", "outbox", "'all'").get("all", none),
    )


def _by_bin(
    connection: LedgerConnection, window: Window, time: str, table: str, group: str
) -> dict[str, tuple[int, ...]]:
    """How many rows of each group fall into each bin of the window."""
    found: dict[str, list[int]] = {}
    for name, number, count in connection.execute(
        f"SELECT COALESCE(CAST({group} AS VARCHAR), 'unknown'), {_bin(window, time)}, COUNT(*)"
        f" FROM {table} WHERE {time} >= {_time(window.began_at)}"
        f" AND {time} <= {_time(window.ended_at)} GROUP BY ALL"
    ).fetchall():
        found.setdefault(name, [0] * window.bins)[number] = count
    return {name: tuple(counts) for name, counts in found.items()}


def _latencies(connection: LedgerConnection, window: Window) -> tuple[OrderLatency | None, ...]:
    found: list[OrderLatency | None] = [None] * window.bins
    took = "epoch(ended_at - created_at)"
    for number, median, p99, worst in connection.execute(
        f"SELECT {_bin(window, 'created_at')}, quantile_cont({took}, 0.5),"
        f" quantile_cont({took}, 0.99), MAX({took}) FROM orders_told"
        f" WHERE created_at >= {_time(window.began_at)} AND created_at <= {_time(window.ended_at)}"
        " AND ended_at >= created_at GROUP BY ALL"
    ).fetchall():
        found[number] = OrderLatency(float(median), float(p99), float(worst))
    return tuple(found)


def _open_before(
    connection: LedgerConnection, window: Window, begins: str, ends: str, table: str
) -> int:
    began_at = _time(window.began_at)
    row = connection.execute(
        f"SELECT COUNT(*) FROM {table} WHERE {begins} < {began_at}"
        f" AND ({ends} IS NULL OR {ends} >= {began_at})"
    ).fetchone()
    return int(row[0]) if row else 0


def _bin(window: Window, time: str) -> str:
    """SQL of the number of the bin that a time falls into; the last moment is in the last one."""
    since = f"epoch({time} - {_time(window.began_at)})"
    return f"LEAST(CAST(FLOOR({since} / {window.bin_seconds!r}) AS INTEGER), {window.bins - 1})"


def _time(at: datetime) -> str:
    return f"TIMESTAMP {quoted(at.astimezone(UTC).replace(tzinfo=None).isoformat(sep=' '))}"


def _aware(at: Any) -> datetime | None:
    return at.replace(tzinfo=UTC) if isinstance(at, datetime) else None
