"""The publisher's two statements keep their plans, whatever the outbox looked like when planned."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from uuid import UUID

import psycopg
import pytest

from runtime.adapters.store import database as store
from runtime.adapters.store import outbox
from tests.support.publishing import EVENT_TYPE, Publishers, write_event
from tests.support.stack import Database
from tests.support.waiting import eventually

ROWS = 100_000
IN_FLIGHT = 4_000

STATEMENTS = {"select": outbox.SELECT_UNPUBLISHED, "mark": outbox.MARK_PUBLISHED}
TYPES = {
    "in_flight": "uuid[]",
    "limit": "bigint",
    "since": "timestamptz",
    "event_ids": "uuid[]",
}


def fill(
    database: Database, count: int, *, published: bool = False, age: str = "0 minutes"
) -> None:
    database.run(
        "INSERT INTO outbox (event_id, aggregate, aggregate_id, event_type, payload, tenant_id,"
        " published_at, created_at) SELECT gen_random_uuid(), 'payments', 'ord_' || n, %s,"
        " jsonb_build_object('order_id', 'ord_' || n, 'amount_cents', n), 'acme',"
        " CASE WHEN %s THEN clock_timestamp() END, now() - %s::interval"
        " FROM generate_series(1, %s) AS n",
        *(EVENT_TYPE, published, age, count),
    )


def leave_dead_rows(database: Database) -> None:
    """Entries that the partial index still has and that nobody sees."""
    fill(database, ROWS)
    database.run("UPDATE outbox SET published_at = clock_timestamp()")
    fill(database, 10)


def analyze(database: Database) -> None:
    database.run("ANALYZE outbox")
    database.run("ANALYZE dead_letters")


STATES: dict[str, tuple[Callable[[Database], None], ...]] = {
    "empty": (),
    "empty and analyzed": (analyze,),
    "all published": (lambda database: fill(database, ROWS, published=True),),
    "all published and analyzed": (
        lambda database: fill(database, ROWS, published=True),
        analyze,
    ),
    "all unpublished and analyzed": (lambda database: fill(database, ROWS), analyze),
    "full of dead rows": (leave_dead_rows,),
    "full of dead rows and analyzed": (leave_dead_rows, analyze),
}


@pytest.fixture
def session(database: Database) -> Iterator[psycopg.Connection]:
    """A session as the publisher opens it."""
    with store.connect(
        database.dsn, "publisher", flush_commits=False, settings=outbox.PLANNER_SETTINGS
    ) as conn:
        yield conn


def prepare(conn: psycopg.Connection, name: str) -> list[str]:
    """Plan a statement now and keep the plan; returns its parameters in their order."""
    names: list[str] = []

    def numbered(found: re.Match[str]) -> str:
        if found[1] not in names:
            names.append(found[1])
        return f"${names.index(found[1]) + 1}"

    text = re.sub(r"%\((\w+)\)[sb]", numbered, STATEMENTS[name])
    types = ", ".join(TYPES[parameter] for parameter in names)
    conn.execute(f"PREPARE {name}_kept ({types}) AS {text}", prepare=False)
    explain(conn, name, names, {})
    return names


def explain(
    conn: psycopg.Connection, name: str, names: list[str], values: Mapping[str, str], how: str = ""
) -> Any:
    given = ", ".join(values.get(parameter, "NULL") for parameter in names)
    row = conn.execute(
        f"EXPLAIN (FORMAT JSON{how}) EXECUTE {name}_kept ({given})", prepare=False
    ).fetchone()
    assert row is not None
    return row[0][0]["Plan"] if not isinstance(row[0], str) else json.loads(row[0])[0]["Plan"]


def nodes(plan: Any) -> Iterator[Mapping[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


@pytest.mark.parametrize("state", STATES)
def test_the_statements_go_by_their_indexes_whatever_they_were_planned_on(
    database: Database, session: psycopg.Connection, state: str
) -> None:
    for step in STATES[state]:
        step(database)

    plans = {
        name: list(nodes(explain(session, name, prepare(session, name), {}))) for name in STATEMENTS
    }

    for plan in plans.values():
        # A bitmap and a sort are ways to read all that waits for every thousand of it.
        kinds = {node["Node Type"] for node in plan}
        assert not kinds & {"Seq Scan", "Sort", "Incremental Sort", "Bitmap Heap Scan"}, kinds
    (read,) = [n for n in plans["select"] if n.get("Relation Name") == "outbox"]
    assert read["Index Name"] == "outbox_unpublished_idx"
    # Where it begins is found in the index, as against compared with each entry.
    assert "created_at >=" in read["Index Cond"]
    # Hashed once, as against compared with each row.
    assert "hashed SubPlan" in read["Filter"]
    (found,) = [n for n in plans["mark"] if "Index Name" in n]
    assert found["Index Name"] == "outbox_pkey"
    assert "event_id = ANY" in found["Index Cond"]


@pytest.mark.parametrize("analyzed", [False, True], ids=["not analyzed", "analyzed"])
def test_a_plan_made_on_an_empty_outbox_reads_what_it_needs_of_a_full_one(
    database: Database, session: psycopg.Connection, *, analyzed: bool
) -> None:
    """Counted in pages, because times say more of the machine."""
    if analyzed:
        analyze(database)
    select, mark = prepare(session, "select"), prepare(session, "mark")
    fill(database, ROWS)
    ids = [
        row[0]
        for row in database.rows(
            "SELECT event_id FROM outbox ORDER BY created_at LIMIT %s", IN_FLIGHT
        )
    ]

    how = ", ANALYZE, BUFFERS, TIMING OFF"
    read = explain(session, "select", select, {"in_flight": listed(ids), "limit": "1000"}, how)
    marked = explain(session, "mark", mark, {"event_ids": listed(ids[:1000])}, how)

    assert read["Actual Rows"] == 1000
    # Each row passed over or read is one visit, each that is read one look for a dead letter.
    assert pages(read) < 3 * (IN_FLIGHT + 1000)
    # A row is found, moved, and entered in two indexes.
    assert pages(marked) < 30 * 1000
    assert all(not node.get("Rows Removed by Filter") for node in nodes(marked))


def test_a_look_does_not_pass_by_what_was_published_while_a_snapshot_is_held(
    database: Database, session: psycopg.Connection
) -> None:
    select = prepare(session, "select")
    with store.connect(database.dsn, "report") as report, report.transaction():
        report.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        report.execute("SELECT count(*) FROM outbox")
        fill(database, 20_000, age="1 minute")
        database.run("UPDATE outbox SET published_at = clock_timestamp()")
        fill(database, 10)

        how = ", ANALYZE, BUFFERS, TIMING OFF"
        values = {"in_flight": "'{}'", "limit": "1000"}
        whole = explain(session, "select", select, values, how)
        near = explain(session, "select", select, {**values, "since": "now()"}, how)

    assert (whole["Actual Rows"], near["Actual Rows"]) == (10, 10)
    # Entries in a row are of one page of the table mostly, which counts once.
    assert pages(whole) > 300, "nothing was left to pass by"
    assert pages(near) < 100


def listed(ids: list[UUID]) -> str:
    return "'{" + ",".join(str(event_id) for event_id in ids) + "}'"


def pages(plan: Mapping[str, Any]) -> int:
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def test_a_publisher_that_started_on_an_empty_outbox_never_reads_it_whole(
    database: Database, publishers: Publishers
) -> None:
    analyze(database)
    # The test's own questions are not to be counted.
    database.run("SET enable_seqscan = off")
    before = whole_reads(database)
    publishers(1)
    write_event(database)
    waiting = "SELECT count(*) FROM outbox WHERE published_at IS NULL"
    eventually(lambda: database.value(waiting) == 0, "the first is published")

    fill(database, 20_000)

    eventually(lambda: database.value(waiting) == 0, "all are published")
    # Statistics arrive when the session that counted them goes.
    database.run(
        "SELECT pg_terminate_backend(backend_pid) FROM publisher_terms WHERE ended_at IS NULL"
    )
    eventually(lambda: index_reads(database) > 0, "the session has told what it read")
    assert whole_reads(database) == before


def whole_reads(database: Database) -> int:
    return int(database.value("SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'outbox'"))


def index_reads(database: Database) -> int:
    return int(
        database.value(
            "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'outbox_pkey'"
        )
    )
