"""How fast the backlog of an outage leaves the outbox, by how the two statements are planned.

What is compared is the database's share, read a thousand and mark a thousand, because that is what
differs: today's statements in the publisher's session, and the plain ones that a planner is free
with (`event_id <> ALL (...)`, `event_id = ANY (...) AND published_at IS NULL`), each on a
connection that planned them before the outage, while the outbox was empty, as a running publisher
has. Both are also measured with 4,000 events in flight, which a broker that is slow makes of it.

Then a snapshot is held, as by a report or a backup, while rows of minutes at 2,000 a second
come and go, dated so and made as fast as they go: what a read takes at the start and at the end,
for looks that go on where the last one ended, and for looks that all begin at the start.

Runs on a PostgreSQL of its own. Rounds take turns, each contender on a new table, and the ratio of
each round is what counts: a machine that does something else as well slows both.

    python -m benchmarks.outbox_drain [--rows 100000] [--rounds 3] [--held-rows 300000]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import psycopg

from runtime.adapters.store import database, outbox
from runtime.sql import migrate
from tests.support.servers import running_servers

BATCH: Final = 1_000
IN_FLIGHT: Final = 4_000
FETCHES: Final = 20

# While a snapshot is held: rows that come at once, and how fast they came by their dates.
COMING: Final = 10_000
PER_SECOND: Final = 2_000

PLAIN_SELECT: Final = """
    SELECT event_id::text, aggregate, aggregate_id, event_type, payload::text AS payload, tenant_id,
           created_at::text
    FROM outbox
    WHERE published_at IS NULL AND event_id <> ALL (%(in_flight)s::uuid[])
      AND NOT EXISTS (SELECT FROM dead_letters
                      WHERE dead_letters.source = 'outbox' AND source_offset IS NULL
                        AND resolved_at IS NULL AND dead_letters.event_id = outbox.event_id)
    ORDER BY created_at LIMIT %(limit)s
"""
PLAIN_MARK: Final = """
    UPDATE outbox SET published_at = clock_timestamp()
    WHERE event_id = ANY (%(event_ids)s::uuid[]) AND published_at IS NULL
"""

FILL: Final = """
    INSERT INTO outbox (event_id, aggregate, aggregate_id, event_type, payload, tenant_id,
                        created_at)
    SELECT gen_random_uuid(), 'orders', 'ord_' || n, 'OrderPlaced',
           jsonb_build_object('event_id', gen_random_uuid(), 'root_event_id', gen_random_uuid(),
               'order_id', 'ord_' || n, 'occurred_at', now(), 'amount_cents', 4200,
               'currency', 'usd', 'customer_id', 'customer-17', 'items', jsonb_build_array(
                   jsonb_build_object('sku', 'book-0001', 'quantity', 1))),
           'acme', {created_at}
    FROM generate_series(1, %s) AS n
"""
AS_IT_COMES: Final = FILL.format(created_at="clock_timestamp()")
DATED: Final = FILL.format(
    created_at=f"%s::timestamptz + n * interval '1 second' / {PER_SECOND}"
).replace("generate_series(1, %s)", f"generate_series(1, {COMING})")


@dataclass(frozen=True, slots=True)
class Contender:
    """Two statements and the session that they are planned in."""

    name: str
    select: str
    mark: str
    settings: Mapping[str, str]


CONTENDERS: Final = (
    Contender("plain", PLAIN_SELECT, PLAIN_MARK, {}),
    Contender("today", outbox.SELECT_UNPUBLISHED, outbox.MARK_PUBLISHED, outbox.PLANNER_SETTINGS),
)


@dataclass(frozen=True, slots=True)
class Sample:
    """One round of one contender."""

    rows_per_second: float
    select_ms: float
    mark_ms: float
    in_flight_ms: float


class Session:
    """A publisher's connection, its statements planned while nothing waits."""

    def __init__(self, dsn: str, contender: Contender) -> None:
        self.contender = contender
        # Longer than the publisher's: a statement that takes too long is to be measured.
        arguments = database.connection_arguments(
            "benchmark",
            flush_commits=False,
            settings=contender.settings,
            statement_timeout_ms=600_000,
        )
        self.conn: psycopg.Connection[Any] = psycopg.connect(
            dsn,
            autocommit=True,
            **arguments,  # type: ignore[arg-type]
        )
        self.since: str | None = None
        for _ in range(3):
            self.read([])
            self.mark([])

    def read(self, in_flight: Sequence[str], *, goes_on: bool = False) -> list[str]:
        values = {
            "limit": BATCH,
            "in_flight": listed(in_flight),
            "since": self.since if goes_on else None,
        }
        found = self.conn.execute(self.contender.select, values).fetchall()
        if found:
            self.since = found[-1][6]
        return [row[0] for row in found]

    def mark(self, event_ids: Sequence[str]) -> None:
        self.conn.execute(self.contender.mark, {"event_ids": listed(event_ids)})


def listed(ids: Sequence[str]) -> str:
    """An array's text."""
    return "{" + ",".join(ids) + "}"


def drain(dsn: str, contender: Contender, rows: int, *, analyzed: bool) -> Sample:
    """Plan on an empty outbox, let the backlog grow, then drain it."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("SET search_path = bookstore_platform")
        conn.execute("TRUNCATE outbox")
        if analyzed:
            conn.execute("ANALYZE outbox")
            conn.execute("ANALYZE dead_letters")
        session = Session(dsn, contender)
        conn.execute(AS_IT_COMES, (rows,))
        ids = [
            row[0]
            for row in conn.execute(
                "SELECT event_id::text FROM outbox ORDER BY created_at LIMIT %s", (IN_FLIGHT,)
            )
        ]
    crowded = [timed(lambda: session.read(ids)) for _ in range(FETCHES)]
    reads, marks, left = [], [], rows
    began = time.perf_counter()
    while left:
        at = time.perf_counter()
        batch = session.read([])
        reads.append(time.perf_counter() - at)
        marks.append(timed(lambda batch=batch: session.mark(batch)))
        left -= len(batch)
    seconds = time.perf_counter() - began
    session.conn.close()
    return Sample(
        rows / seconds,
        1000 * statistics.median(reads),
        1000 * statistics.median(marks),
        1000 * statistics.median(crowded),
    )


def held(dsn: str, rows: int, *, goes_on: bool) -> tuple[list[float], list[float]]:
    """Milliseconds of each read in the first and the last tenth, a snapshot held over all."""
    with (
        psycopg.connect(dsn, autocommit=True) as conn,
        psycopg.connect(dsn) as report,
    ):
        conn.execute("SET search_path = bookstore_platform")
        conn.execute("TRUNCATE outbox")
        session = Session(dsn, CONTENDERS[-1])
        report.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        report.execute("SELECT count(*) FROM bookstore_platform.outbox")
        began = datetime.now(UTC) - timedelta(seconds=rows / PER_SECOND)
        reads = []
        for arrived in range(0, rows, COMING):
            conn.execute(DATED, (began + timedelta(seconds=arrived / PER_SECOND),))
            for _ in range(COMING // BATCH):
                at = time.perf_counter()
                batch = session.read([], goes_on=goes_on)
                reads.append(1000 * (time.perf_counter() - at))
                session.mark(batch)
        session.conn.close()
    tenth = len(reads) // 10
    return reads[:tenth], reads[-tenth:]


def show_held(dsn: str, rows: int) -> None:
    """What a read takes under a held snapshot, from the start and going on."""
    for name, goes_on in (("from the start", False), ("going on", True)):
        first, last = held(dsn, rows, goes_on=goes_on)
        ends = [statistics.quantiles(part, n=100)[98] for part in (first, last)]
        print(
            f"{name:16}read ms p50 {statistics.median(first):.1f} -> {statistics.median(last):.1f},"
            f" p99 {ends[0]:.1f} -> {ends[1]:.1f} ({ends[1] / ends[0]:.1f} times)"
        )


def timed(step: Any) -> float:
    """Seconds that it takes."""
    began = time.perf_counter()
    step()
    return time.perf_counter() - began


def show(samples: Mapping[str, list[Sample]]) -> None:
    """Medians, and the ratios within each round."""
    print(f"{'':8}{'rows/s':>10}{'read ms':>10}{'mark ms':>10}{'read ms, 4,000 in flight':>28}")
    for name, rounds in samples.items():
        columns = (
            statistics.median(getattr(sample, field) for sample in rounds)
            for field in ("rows_per_second", "select_ms", "mark_ms", "in_flight_ms")
        )
        print("{:8}{:10.0f}{:10.1f}{:10.1f}{:28.1f}".format(name, *columns))
    pairs = list(zip(samples["today"], samples["plain"], strict=True))
    ratios = [today.rows_per_second / plain.rows_per_second for today, plain in pairs]
    crowd = [plain.in_flight_ms / today.in_flight_ms for today, plain in pairs]
    print(f"drained faster: {statistics.median(ratios):.1f} times ({spread(ratios)})")
    print(
        f"read faster with 4,000 in flight: {statistics.median(crowd):.1f} times ({spread(crowd)})"
    )


def spread(values: Sequence[float]) -> str:
    return f"{min(values):.1f} to {max(values):.1f}"


def main() -> int:
    """Print the tables; exit 1 when today's statements are not the faster ones."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--held-rows", type=int, default=300_000)
    given = parser.parse_args()
    worst = []
    with (
        tempfile.TemporaryDirectory(prefix="bookpay-bench-") as folder,
        running_servers(Path(folder), with_kafka=False) as servers,
    ):
        migrate(servers.dsn)
        for analyzed in (False, True):
            samples: dict[str, list[Sample]] = {one.name: [] for one in CONTENDERS}
            for _ in range(given.rounds):
                for one in CONTENDERS:
                    samples[one.name].append(drain(servers.dsn, one, given.rows, analyzed=analyzed))
            print(f"planned on an empty outbox{', analyzed' if analyzed else ''}:")
            show(samples)
            worst += [
                today.rows_per_second / plain.rows_per_second
                for today, plain in zip(samples["today"], samples["plain"], strict=True)
            ]
        print(f"a snapshot is held over {given.held_rows} rows, {PER_SECOND} a second:")
        show_held(servers.dsn, given.held_rows)
    return 0 if min(worst) > 1 else 1


if __name__ == "__main__":
    raise SystemExit(main())
