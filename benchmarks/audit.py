"""What judging costs by size of shop: two looks compared, the rules asked, and all of it verified.

Ledgers of a shop where all went well are made at three sizes. Of each, one process compares the two
looks, asks the rules and records the run, and another one verifies that run; each says how long it
took and how much memory it held at most. What counts is the ratio of the time for one order between
the sizes: it must not grow. Reading is not in it; how fast rows come in is told beside it.

    python -m benchmarks.audit [--orders 10000 100000 1000000] [--rows 200000] [--plot FILE]

`--plot docs/judge-cost.svg` draws what docs/judge-at-scale.md shows.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bookpayctl.cli.output import Document
from bookpayctl.judge import evaluation
from bookpayctl.judge.agreement import digests
from bookpayctl.judge.audit import (
    AGREEMENT_REQUIRED,
    AGREEMENT_TITLE,
    LEDGERS_DIR,
    LEDGERS_KEPT,
)
from bookpayctl.judge.ledgers import manifest
from bookpayctl.judge.ledgers.store import (
    PARQUET,
    SUFFIX,
    LedgerConnection,
    open_folder,
    opened,
    quoted,
)
from bookpayctl.judge.ledgers.tables import tables
from bookpayctl.judge.ledgers.writer import LedgerWriter
from bookpayctl.judge.rules import rules_sha256
from bookpayctl.judge.verification import verify
from bookpayctl.report.result import Report
from bookpayctl.report.verdict import Item, Verdict
from bookpayctl.runs import directory
from docs.generate.cost_plot import cost_plot

TIME: Final = "TIMESTAMP '2026-11-22 12:00:00'"
CUT_OFF: Final = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
READ_AT: Final = datetime(2026, 11, 22, 13, 0, tzinfo=UTC)
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


STEPS: Final = ("agree", "judge", "verify")

# Seconds by the clock that an audit and a verification may take, by orders; and what one may hold.
AUDIT_SECONDS_MAX: Final = {200_000: 15.0, 1_000_000: 90.0}
VERIFY_SECONDS_MAX: Final = {1_000_000: 15.0}
RESIDENT_MB_MAX: Final = 1_000.0


@dataclass(frozen=True, slots=True)
class Spent:
    """One step at one size: by the clock, of processors, and the most memory its process held.

    Attributes:
        load: of the machine in the minute in which it ended, by everybody.
    """

    orders: int
    step: str
    seconds: float
    cpu_seconds: float
    rss_mb: float
    load: float
    bad: list[str]


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


def _write(connection: LedgerConnection, name: str, folder: Path) -> None:
    path = quoted(folder / f"{name}{SUFFIX}")
    connection.execute(f"COPY {name} TO {path} {PARQUET}")


def step(name: str, run_dir: Path, orders: int) -> Spent:
    """One step in this process."""
    began = time.perf_counter()
    bad = {"agree": agree, "judge": judge, "verify": verify_run}[name](run_dir)
    seconds = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu_seconds, rss_mb = used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
    return Spent(orders, name, seconds, cpu_seconds, rss_mb, os.getloadavg()[0], bad)


def agree(run_dir: Path) -> list[str]:
    """Digest two looks, which are one here; what moved between them."""
    folder = run_dir / LEDGERS_DIR
    with opened() as connection:
        both = [
            digests(connection, folder, name, cut_off=CUT_OFF, read_at=READ_AT)
            for name in ("earlier", "later")
        ]
    return [part for part in both[0] if both[0][part] != both[1][part]]


def judge(run_dir: Path) -> list[str]:
    """Ask every rule and record the run, as an audit does; what does not hold."""
    run = directory.resume(run_dir)
    with opened() as connection:
        open_folder(connection, run_dir / LEDGERS_DIR)
        path = run_dir / manifest.FILE
        manifest.write_manifest(
            connection, run_dir / LEDGERS_DIR, path, rules_sha256=rules_sha256(), sources={}
        )
        evaluation.prepare(connection)
        items = evaluation.judge(connection)
    run.journal(LEDGERS_KEPT, sha256=manifest.sha256_of(path))
    agreed = Item("I00", AGREEMENT_TITLE, Verdict.HOLDS, AGREEMENT_REQUIRED, "looks agree", 2)
    report = Report(
        kind="AuditReport",
        context={"judged_orders": "all"},
        items=(agreed, *items),
        started_at=READ_AT.isoformat(),
        duration_seconds=0.0,
        each_must_answer=False,
        run_dir=str(run_dir),
    )
    run.keep_report(Document(report.kind, report.code, report.reason, report.body()).to_json())
    return not_held(items)


def verify_run(run_dir: Path) -> list[str]:
    """Follow the hashes and judge again; what does not hold."""
    return not_held(verify(run_dir, with_current_rules=False).items)


def not_held(items: Sequence[Item]) -> list[str]:
    """Answers that are neither a pass nor about something that this shop does not have."""
    return [
        f"{item.id} {item.verdict.value}: {item.observed} {item.reason}"
        for item in items
        if item.verdict not in (Verdict.HOLDS, Verdict.VACUOUS)
    ]


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


def main() -> int:
    """Measure, print; exit 1 when something is not held, or over its budget."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--orders", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    arguments.add_argument("--rows", type=int, default=200_000)
    arguments.add_argument("--plot", type=Path, help="an SVG of it, to be written")
    arguments.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    arguments.add_argument("--run", type=Path, help=argparse.SUPPRESS)
    chosen = arguments.parse_args()
    if chosen.step is not None:
        print(json.dumps(asdict(step(chosen.step, chosen.run, chosen.orders[0]))))
        return 0
    spent = [one for orders in chosen.orders for one in measured(orders)]
    for name in STEPS:
        of_step = [one for one in spent if one.step == name]
        # Of processors, so that what else the machine does is not counted.
        each = [one.cpu_seconds / one.orders for one in of_step]
        print(f"{name}: one order costs {each[-1] / each[0]:.2f} times as much at the largest size")
    if chosen.plot is not None:
        chosen.plot.write_text(drawn(spent), encoding="utf-8")
    print(f"{rows_per_second(chosen.rows):,.0f} records a second into a ledger")
    found = [*over_budget(spent), *(line for one in spent for line in one.bad)]
    print("\n".join(found) or "nothing is over its budget")
    return 1 if found else 0


def measured(orders: int) -> list[Spent]:
    """Make one size and take its steps; no process that does has held the shop, or another step."""
    found = []
    with tempfile.TemporaryDirectory() as scratch:
        run = directory.begin(Path(scratch), "audit")
        folder = run.path / LEDGERS_DIR
        folder.mkdir()
        make_ledgers(folder, orders)
        size_mb = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
        for name in STEPS:
            command = [sys.executable, "-m", "benchmarks.audit", "--step", name]
            done = subprocess.run(
                [*command, "--run", str(run.path), "--orders", str(orders)],
                check=True, capture_output=True, text=True,
            )  # fmt: skip
            one = Spent(**json.loads(done.stdout))
            print(
                f"{orders:>9} orders ({size_mb:6.1f} MB), {name:6}: {one.seconds:7.2f} s,"
                f" {one.cpu_seconds:7.2f} s of processors,"
                f" {one.cpu_seconds / orders * 1e6:6.1f} us an order, {one.rss_mb:5.0f} MB,"
                f" load {one.load:.0f}",
                flush=True,
            )
            found.append(one)
    return found


def drawn(spent: Sequence[Spent]) -> str:
    """The plot: an audit is both of its steps."""
    sizes = sorted({one.orders for one in spent})
    steps = {"audit": STEPS[:2], "verify": STEPS[2:]}
    lines = {
        name: [
            (size, sum(s.cpu_seconds for s in spent if s.orders == size and s.step in of_line))
            for size in sizes
        ]
        for name, of_line in steps.items()
    }
    loads = sorted(one.load for one in spent)
    return cost_plot(
        lines,
        title="seconds of processors, by orders; dashed: as much for each order as at the smallest",
        note=f"load average {loads[0]:.0f} to {loads[-1]:.0f} on {os.cpu_count()} processors",
    )


def over_budget(spent: Sequence[Spent]) -> list[str]:
    """What took more than it may; sizes without a budget may take what they like."""
    found = [
        f"{one.orders} orders, {one.step}: {one.rss_mb:.0f} MB resident, at most"
        f" {RESIDENT_MB_MAX:.0f}"
        for one in spent
        if one.rss_mb > RESIDENT_MB_MAX
    ]
    for budget, steps in ((AUDIT_SECONDS_MAX, STEPS[:2]), (VERIFY_SECONDS_MAX, STEPS[2:])):
        for orders, most in budget.items():
            took = sum(one.seconds for one in spent if one.orders == orders and one.step in steps)
            if took > most:
                names = " and ".join(steps)
                found.append(f"{orders} orders, {names}: {took:.1f} s, at most {most:.0f}")
    return found


if __name__ == "__main__":
    sys.exit(main())
