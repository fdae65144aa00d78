"""Whether a million charges slow the Stripe twin: two twins side by side, one with a long ledger.

The long ledger is made by SQL from one real charge: its objects, events, saved answer and journal
rows, copied under new ids, spread over time. Then each question is put to both twins in turn, and
the ratio of the medians is what counts: it should stay below 2. The first search waits for the
search index; that time is printed on its own, and again for a twin that starts with the index made.

A million charges take 16 GB and up to half an hour; --charges 100000 is the tenth of both.

Run: python -m benchmarks.stripe_twin_history [--charges 1000000] [--keep DIR]
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

import httpx

from benchmarks.stripe_twin_charges import charge_request, get_request, times_alone, twin

# Charges of the short ledger, so that every page is full on both sides.
_FEW = 200
# Of virtual time, in which the long ledger's charges were made.
_SPREAD_SECONDS = 20 * 24 * 3600
_ROUNDS = 60
_BUDGET = 2.0


def questions(event_id: str) -> dict[str, bytes]:
    """What is asked, by name; `event_id` is that of one charge somewhere in the middle."""
    searches = {
        "search by metadata": f"metadata['event_id']:'{event_id}'",
        "search by metadata, nothing": "metadata['event_id']:'nobody'",
        "search by status": "status:'succeeded'",
        "search by status, nothing": "status:'canceled'",
        "search by amount, nothing": "amount>900000",
        "search of two clauses": f"status:'succeeded' AND metadata['event_id']:'{event_id}'",
    }
    asked = {
        "charges": "/v1/charges?limit=10",
        "payment intents": "/v1/payment_intents?limit=100",
        "payment intents of long ago": "/v1/payment_intents?limit=10&created[lt]=1",
        "events": "/v1/events?limit=10",
        "events of two types": "/v1/events?types[]=charge.succeeded&types[]=charge.refunded",
        "events by wildcard": "/v1/events?type=payment_intent.*",
        "events not delivered": "/v1/events?delivery_success=false",
        "payment methods by type": "/v1/payment_methods?type=us_bank_account",
        "customers by e-mail": "/v1/customers?email=nobody@example.com",
        "balance": "/v1/balance",
        "balance transactions": "/v1/balance_transactions?limit=10",
        "balance transactions by type": "/v1/balance_transactions?type=refund",
        "balance transactions by currency": "/v1/balance_transactions?currency=chf",
        **{
            name: f"/v1/payment_intents/search?query={quote(query)}"
            for name, query in searches.items()
        },
    }
    return {name: get_request(path) for name, path in asked.items()}


# Each copies the rows of one charge, `renamed` giving them new ids; older than all there are.
_COPY = (
    """
    INSERT INTO objects
        (id, account, kind, created, payment_intent, customer, subject, body, changed)
    SELECT renamed(id, i), account, kind, created - :spread + i * :spread / :charges,
        renamed(payment_intent, i), customer, renamed(subject, i),
        json_set(renamed(body, i), '$.created', created - :spread + i * :spread / :charges), i
    FROM numbers, (SELECT * FROM objects WHERE id IN (:intent, :charge, :method, :booked))
    """,
    """
    INSERT INTO events (id, account, created, type, object_id, body)
    SELECT renamed(id, i), account, created - :spread + i * :spread / :charges, type,
        renamed(object_id, i),
        json_set(renamed(body, i), '$.created', created - :spread + i * :spread / :charges)
    FROM numbers, (SELECT * FROM events WHERE object_id IN (:intent, :charge))
    """,
    """
    INSERT INTO keys
    SELECT account, renamed(key, i), path, params_sha256, request_id, status, renamed(body, i),
        should_retry, created
    FROM numbers, (SELECT * FROM keys WHERE key = :key)
    """,
    """
    INSERT INTO executions
        (at, account, kind, amount, currency, payment_intent, charge, refund, idempotency_key,
        request_id, event_id, metadata)
    SELECT at, account, kind, amount, currency, renamed(payment_intent, i), renamed(charge, i),
        refund, renamed(idempotency_key, i), request_id, renamed(event_id, i), renamed(metadata, i)
    FROM numbers, (SELECT * FROM executions WHERE charge = :charge)
    """,
    """
    INSERT INTO requests
    SELECT :requests + i, request_id, at, wall_at, account, method, path,
        renamed(idempotency_key, i), body_sha256, status, replayed, executed, original_request,
        object_id, code, flags, faults, env, renamed(event_id, i)
    FROM numbers, (SELECT * FROM requests WHERE idempotency_key = :key)
    """,
)
_NUMBERS = """
    WITH RECURSIVE numbers (i) AS
        (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < :charges)
"""
_ONE_CHARGE = """
    SELECT i.id AS intent, json_extract(i.body, '$.latest_charge') AS charge,
        json_extract(i.body, '$.payment_method') AS method,
        json_extract(i.body, '$.metadata.event_id') AS key,
        (SELECT id FROM objects WHERE kind = 'balance_transaction' ORDER BY n DESC LIMIT 1)
            AS booked,
        (SELECT max(n) FROM requests) AS requests
    FROM objects AS i WHERE kind = 'payment_intent' ORDER BY n DESC LIMIT 1
"""


def lengthen(data: Path, charges: int) -> None:
    """Copy the newest charge of a stopped twin's ledger so many times, older than all others."""
    database = sqlite3.connect(data / "ledger.sqlite3", isolation_level=None)
    database.row_factory = sqlite3.Row
    database.execute("PRAGMA synchronous = OFF")
    database.execute("PRAGMA cache_size = -500000")
    one = dict(database.execute(_ONE_CHARGE).fetchone())
    told = database.execute(
        "SELECT id FROM events WHERE object_id IN (:intent, :charge)", one
    ).fetchall()
    ids = [one["intent"], one["charge"], one["method"], one["booked"], *(row[0] for row in told)]

    def renamed(text: str | None, i: int) -> str | None:
        if text is None:
            return None
        for n, old in enumerate(ids):
            text = text.replace(old, f"{old.split('_')[0]}_2seed{n}{i:010d}")
        return text.replace(one["key"], f"00000000-0000-4000-a000-{i:012d}")

    database.create_function("renamed", 2, renamed, deterministic=True)
    values = {**one, "charges": charges, "spread": _SPREAD_SECONDS}
    for statement in _COPY:
        database.execute("BEGIN")
        database.execute(_NUMBERS + statement, values)
        database.execute("COMMIT")
    database.execute(
        "UPDATE balances SET net = (SELECT sum(json_extract(body, '$.net')) FROM objects "
        "WHERE kind = 'balance_transaction')"
    )
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()


def advance(control_port: int, seconds: int) -> None:
    url = f"http://127.0.0.1:{control_port}/clock/advance"
    httpx.post(url, json={"seconds": seconds}, trust_env=False).raise_for_status()


def compare(short: Path, long: Path, charges: int) -> float:
    """Ask both twins everything, print the ratios; returns the largest."""
    worst = 0.0
    middle = f"00000000-0000-4000-a000-{charges // 2:012d}"
    with twin(short) as few, twin(long) as many:
        for running in (few, many):
            advance(running.control_port, 61)
        # Searches may wait for the index, once, and everything for a cold cache.
        for name in ("search by status", "charges", "events"):
            started = time.perf_counter()
            asyncio.run(times_alone(many.port, [questions(middle)[name]]))
            print(f"first {name:24} {time.perf_counter() - started:8.2f} s", flush=True)
        asked = {**questions(middle), "create and confirm": b""}
        for name, request in asked.items():
            times: dict[int, list[float]] = {few.port: [], many.port: []}
            for turn in range(_ROUNDS):
                for port in times:
                    sent = request or charge_request(f"00000000-0000-4000-b000-{turn:012d}")
                    times[port].extend(asyncio.run(times_alone(port, [sent])))
            a, b = (statistics.median(times[port]) for port in (few.port, many.port))
            worst = max(worst, b / a)
            print(f"{name:34} {a:8.2f} ms {b:8.2f} ms   {b / a:6.2f} x", flush=True)
    return worst


def main() -> int:
    """Build, compare, print; exit 1 if anything is slower than the budget allows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--charges", type=int, default=1_000_000)
    parser.add_argument("--keep", type=Path, help="folder for the ledgers; used again if there")
    given = parser.parse_args()
    folder = given.keep or Path(tempfile.mkdtemp(prefix="stripe-twin-history-"))
    short, long = folder / "short", folder / f"long-{given.charges}"
    try:
        for data in (short, long):
            if (data / "made").exists():
                continue
            data.mkdir(parents=True, exist_ok=True)
            with twin(data) as running:
                keys = [f"00000000-0000-4000-9000-{i:012d}" for i in range(_FEW)]
                asyncio.run(times_alone(running.port, [charge_request(key) for key in keys]))
            if data == long:
                started = time.perf_counter()
                lengthen(data, given.charges)
                size = (data / "ledger.sqlite3").stat().st_size / 1e9
                print(
                    f"{given.charges} charges made in {time.perf_counter() - started:.0f} s, "
                    f"{size:.1f} GB",
                    flush=True,
                )
            (data / "made").touch()
        worst = compare(short, long, given.charges)
    finally:
        if given.keep is None:
            shutil.rmtree(folder)
    print(f"largest ratio {worst:.2f} (budget {_BUDGET:g})")
    return 0 if worst <= _BUDGET else 1


if __name__ == "__main__":
    sys.exit(main())
