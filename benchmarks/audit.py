"""What judging costs: the rules over recorded ledgers, and reading a row into one, by size of shop.

Ledgers of a shop where all went well are made at three sizes, each judged by a process of its own
that says how long it took and how much memory it held at most. What counts is the ratio of the
time for one order between the sizes: it must not grow. How fast rows come in is told beside it.

    python -m benchmarks.audit [--orders 10000 200000] [--rows 200000]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from bookpayctl.judge import evaluation
from bookpayctl.judge.ledgers.store import SUFFIX, Connection, open_folder, opened, quoted
from bookpayctl.judge.ledgers.tables import tables
from bookpayctl.judge.ledgers.writer import LedgerWriter
from bookpayctl.report.verdict import Verdict

TIME: Final = "TIMESTAMP '2026-11-22 12:00:00'"
EVENTS: Final = "(VALUES ('OrderPlaced', 0, 'orders.placed'), ('PaymentCompleted', 1,"
EVENTS_END: Final = " 'payments.completed'), ('OrderPaid', 2, 'orders.paid')) AS e (kind, n, topic)"
EVENT_ID: Final = "CASE WHEN n = 0 THEN 'root-' || i ELSE kind || '-' || i END"
ORDER_STEPS: Final = (
    "(VALUES (1, NULL, 'pending'), (2, 'pending', 'paid')) AS s (n, from_state, to_state)"
)
PAYMENT_STEPS: Final = (
    "(VALUES (1, NULL, 'pending'), (2, 'pending', 'charging'), (3, 'charging', 'succeeded'))"
    " AS s (n, from_state, to_state)"
)

# One paid order `i` as each table has it; columns that are not named are NULL.
SHOP: Final = {
    "orders": f"SELECT 'ord_' || i AS order_id, 'acme' AS tenant_id, 4999 AS amount, 'usd' AS"
    f" currency, 'paid' AS status, 'key-' || i AS client_key, {TIME} AS created_at FROM shop",
    "outbox": f"SELECT {EVENT_ID} AS event_id, kind AS event_type, 'ord_' || i AS order_id,"
    f" 'root-' || i AS root_event_id, 4999 AS amount, 'usd' AS currency, true AS has_amount,"
    f" md5({EVENT_ID}) AS payload_sha256, true AS published,"
    f" {TIME} + n * INTERVAL 1 SECOND AS created_at FROM shop, {EVENTS}{EVENTS_END}",
    "payments": f"SELECT 'root-' || i AS event_id, 'ord_' || i AS order_id, 4999 AS amount, 'usd'"
    f" AS currency, 'succeeded' AS state, 'pi_' || i AS payment_intent_id, {TIME} AS created_at"
    " FROM shop",
    "order_steps": "SELECT i * 2 + n AS step_number, 'ord_' || i AS order_id, from_state, to_state,"
    f" 'worker' AS cause FROM shop, {ORDER_STEPS}",
    "payment_steps": "SELECT i * 3 + n AS step_number, 'root-' || i AS event_id, 'transition' AS"
    f" kind, from_state, to_state, 'worker' AS cause FROM shop, {PAYMENT_STEPS}",
    "inventory": "SELECT 'book' AS sku, COUNT(*) + 1 AS initial, 1 AS on_hand, 0 AS reserved,"
    " COUNT(*) AS sold FROM shop",
    "reservations": "SELECT 'ord_' || i AS order_id, 'book' AS sku, 1 AS quantity, 'sold' AS state"
    " FROM shop",
    "webhooks": "SELECT 'evt_' || i AS stripe_event_id, 'payment_intent.succeeded' AS type, 'pi_'"
    f" || i AS object_id, {TIME} AS received_at, true AS processed, false AS parked FROM shop",
    "calls": "SELECT 'charge' AS operation, 'root-' || i AS idempotency_key, 'root-' || i AS"
    " event_id, 'req_' || i AS request_id FROM shop",
    "letters": "SELECT 'OrderPaid-' || i AS event_id FROM shop",
    "log_records": f"SELECT topic, i % 3 AS partition_number, i * 3 + n AS record_offset, 'root-'"
    f" || i AS record_key, {EVENT_ID} AS event_id, kind AS event_type, md5({EVENT_ID}) AS"
    f" payload_sha256 FROM shop, {EVENTS}{EVENTS_END}",
    "log_partitions": "SELECT topic, 0 AS partition_number, 0 AS low_offset, 1 AS high_offset"
    " FROM event_topics",
    "log_groups": "SELECT 'payments-worker' AS consumer_group, 'orders.placed' AS topic, 0 AS"
    " partition_number, 1 AS committed_offset",
    "log_topics": "SELECT topic, 3 AS partitions, 1 AS replicas, 604800000 AS retention_ms, -1 AS"
    " retention_bytes, 'delete' AS cleanup_policy, 1 AS insync_min, false AS unclean_election"
    " FROM event_topics",
    "stripe_payment_intents": "SELECT 'pi_' || i AS payment_intent_id, 'succeeded' AS status, 4999"
    " AS amount, 'usd' AS currency, 'root-' || i AS event_id, 'ord_' || i AS order_id, 'shop' AS"
    " environment, false AS shadow FROM shop",
    "stripe_charges": "SELECT 'ch_' || i AS charge_id, 'pi_' || i AS payment_intent_id,"
    " 'succeeded' AS status, 4999 AS amount, 'usd' AS currency, 0 AS amount_refunded FROM shop",
    "stripe_events": "SELECT 'evt_' || i AS stripe_event_id, 'payment_intent.succeeded' AS type,"
    " 'pi_' || i AS object_id, 'root-' || i AS idempotency_key FROM shop",
    "stripe_requests": "SELECT 'root-' || i AS idempotency_key, '/v1/payment_intents' AS path,"
    " md5('root-' || i) AS body_sha256, true AS executed, 'shop' AS environment, 'pi_' || i AS"
    " object_id, 'req_' || i AS request_id FROM shop",
    "stripe_deliveries": "SELECT 'evt_' || i AS stripe_event_id FROM shop",
    "client_operations": "SELECT 'key-' || i AS client_key, 'ok' AS outcome, 'ord_' || i AS"
    " order_id, 4999 AS amount FROM shop",
    "judgement": f"SELECT 'shop' AS environment, {TIME} + INTERVAL 1 HOUR AS read_at,"
    f" {TIME} + INTERVAL 30 MINUTE AS cut_off, {TIME} + INTERVAL 61 MINUTE AS ahead_from,"
    f" {TIME} + INTERVAL 30 MINUTE AS stripe_cut_off, {TIME} + INTERVAL 61 MINUTE AS"
    f" stripe_ahead_from, {TIME} AS waiting_since, false AS change_data_capture, false AS"
    " account_is_shared, 'acme' AS history_tenant_id, 'key-' AS history_key_prefix",
}


@dataclass(frozen=True, slots=True)
class Judged:
    """One size of shop: seconds for all rules, by the clock and of processors, and what it took."""

    orders: int
    seconds: float
    cpu_seconds: float
    rss_mb: float
    ledgers_mb: float
    violated: list[str]


def make_ledgers(folder: Path, orders: int) -> None:
    """Write the ledgers of a shop in which every order was paid."""
    with opened() as connection:
        connection.execute(
            f"CREATE TABLE shop AS SELECT CAST(range AS BIGINT) AS i FROM range({orders})"
        )
        connection.execute(
            "CREATE TABLE event_topics AS SELECT * FROM (VALUES ('orders.placed'),"
            " ('orders.paid'), ('orders.cancelled'), ('payments.completed'), ('payments.failed'),"
            " ('payments.refunded'), ('orders.placed.dlq')) AS t (topic)"
        )
        for name, table in tables().items():
            connection.execute(table.statement)
            if name in SHOP:
                connection.execute(f"INSERT INTO {name} BY NAME {SHOP[name]}")
            _write(connection, name, folder)
            connection.execute(f"DROP TABLE {name}")


def _write(connection: Connection, name: str, folder: Path) -> None:
    path = quoted(folder / f"{name}{SUFFIX}")
    connection.execute(f"COPY {name} TO {path} (FORMAT parquet, COMPRESSION zstd)")


def judge(folder: Path, orders: int) -> Judged:
    """Judge ledgers in this process."""
    began = time.perf_counter()
    with opened() as connection:
        open_folder(connection, folder)
        evaluation.prepare(connection)
        items = evaluation.judge(connection)
    seconds = time.perf_counter() - began
    size = sum(path.stat().st_size for path in folder.iterdir())
    bad = [f"{i.id} {i.verdict.value}: {i.observed} {i.reason}" for i in items
           if i.verdict not in (Verdict.HOLDS, Verdict.VACUOUS)]  # fmt: skip
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = used.ru_utime + used.ru_stime
    return Judged(orders, seconds, cpu, used.ru_maxrss / 1024, size / 1e6, bad)


def rows_per_second(rows: int) -> float:
    """How fast records go through the sink into Parquet."""
    with tempfile.TemporaryDirectory() as scratch, opened() as connection:
        began = time.perf_counter()
        ledgers = LedgerWriter(connection, Path(scratch))
        with ledgers.sink("log_records") as sink:
            for number in range(rows):
                sink.put(
                    {
                        "topic": "orders.placed",
                        "partition_number": number % 3,
                        "record_offset": number,
                        "record_key": f"root-{number}",
                        "event_id": f"root-{number}",
                        "event_type": "OrderPlaced",
                        "payload_sha256": f"{number:064}",
                    }
                )
        ledgers.keep(sink)
        return rows / (time.perf_counter() - began)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--orders", type=int, nargs="+", default=[10_000, 200_000])
    arguments.add_argument("--rows", type=int, default=200_000)
    arguments.add_argument("--judge", type=Path, help=argparse.SUPPRESS)
    chosen = arguments.parse_args()
    if chosen.judge is not None:
        print(json.dumps(asdict(judge(chosen.judge, chosen.orders[0]))))
        return
    judged = [in_a_process(orders) for orders in chosen.orders]
    print(json.dumps([asdict(one) for one in judged], indent=2))
    # Of processors, so that what else the machine does is not counted.
    each = [one.cpu_seconds / one.orders * 1e6 for one in judged]
    for one, microseconds in zip(judged, each, strict=True):
        print(
            f"{one.orders:>9} orders: {one.seconds:6.2f} s, {one.cpu_seconds:6.2f} s of processors,"
            f" {microseconds:7.1f} us an order, {one.rss_mb:6.0f} MB resident,"
            f" {one.ledgers_mb:6.1f} MB of ledgers"
        )
    print(f"one order costs {each[-1] / each[0]:.2f} times as much at the largest size")
    print(f"{rows_per_second(chosen.rows):,.0f} records a second into a ledger")


def in_a_process(orders: int) -> Judged:
    """Make and judge one size; the process that judges has not held the shop."""
    with tempfile.TemporaryDirectory() as scratch:
        make_ledgers(Path(scratch), orders)
        command = [sys.executable, "-m", "benchmarks.audit", "--judge", scratch]
        done = subprocess.run(
            [*command, "--orders", str(orders)], check=True, capture_output=True, text=True
        )
        return Judged(**json.loads(done.stdout))


if __name__ == "__main__":
    main()
