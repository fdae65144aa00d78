"""What `replay --mode verify` costs beside a bare consumer: records a second, and their ratio.

All read the same log on the same broker, in turns, each in a process of its own. The bare consumer
does nothing with a record but have it; the second one has its headers, too, which the client makes
only when they are asked for. The replay is all of it: reading into the run's folder beside the
ledger's tables, and the answers. What counts is the ratio, as the median over rounds; reading alone
and processors are told beside it.

Runs on a PostgreSQL and a Kafka of its own.

    python -m benchmarks.replay_verify [--orders 60000] [--rounds 3]
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final
from uuid import uuid4

import psycopg
from confluent_kafka import Consumer, TopicPartition

from bookpayctl.clients.kafka_producer import open_producer, send_all
from bookpayctl.clients.kafka_servers import KafkaServers
from bookpayctl.replay.comparing import VERIFY, compare
from bookpayctl.replay.outbox_rows import OutboxSelection, RowPlace, next_rows, record_of
from bookpayctl.replay.planning import ALL_TOPICS, plan
from bookpayctl.replay.ranges import ReplayRange
from bookpayctl.replay.reading import Pacing
from bookpayctl.runs import directory
from bookpayctl.targets.environment import Environment
from bookpayctl.targets.servers.contents import create_topics
from runtime.sql import migrate
from tests.support.environments import environment_away
from tests.support.servers import running_servers

GOAL: Final = 0.70

# Paid orders of the table `shop`, three events each.
ORDERS: Final = """
    INSERT INTO orders (id, tenant_id, total_cents, currency, status, event_id)
    SELECT order_id, 'acme', 4200, 'usd', 'paid', root FROM shop
"""
PAYMENTS: Final = """
    INSERT INTO payments (event_id, order_id, tenant_id, amount_cents, currency, state,
                          payment_intent_id)
    SELECT root, order_id, 'acme', 4200, 'usd', 'succeeded', 'pi_' || n FROM shop
"""
EVENTS: Final = """
    INSERT INTO outbox (event_id, aggregate, aggregate_id, event_type, payload, tenant_id,
                        created_at, published_at)
    SELECT id, aggregate, aggregate_id, event_type,
           jsonb_build_object('event_id', id, 'root_event_id', root, 'order_id', order_id,
               'occurred_at', now(), 'amount_cents', 4200, 'currency', 'usd',
               'customer_id', 'customer-17', 'items', jsonb_build_array(
                   jsonb_build_object('sku', 'book-0001', 'quantity', 1))),
           'acme', clock_timestamp() - interval '1 hour', clock_timestamp() - interval '1 hour'
    FROM (SELECT CASE event_type WHEN 'OrderPlaced' THEN root ELSE gen_random_uuid() END AS id,
                 shop.*, kinds.*,
                 CASE aggregate WHEN 'orders' THEN order_id ELSE root::text END AS aggregate_id
          FROM shop, (VALUES ('OrderPlaced', 'orders'), ('PaymentCompleted', 'payments'),
                             ('OrderPaid', 'orders')) AS kinds (event_type, aggregate)) AS events
"""


@dataclass(frozen=True, slots=True)
class Read:
    """One way to read the log: records, and seconds for all, for reading alone, of processors."""

    way: str
    records: int
    seconds: float
    reading_seconds: float
    cpu_seconds: float
    verdict: str = ""

    @property
    def per_second(self) -> float:
        return self.records / self.seconds


def fill(dsn: str, orders: int) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("SET search_path = bookstore_platform")
        conn.execute(
            "CREATE TEMP TABLE shop AS SELECT n, gen_random_uuid() AS root, 'ord_' || n AS order_id"
            f" FROM generate_series(1, {orders:d}) AS n"
        )
        for statement in (ORDERS, PAYMENTS, EVENTS):
            conn.execute(statement)
        conn.execute("ANALYZE")


def publish(dsn: str, bootstrap_servers: str) -> int:
    """Send every row as the publisher would; how many."""
    producer = open_producer(KafkaServers(bootstrap_servers), "benchmark")
    sent, after = 0, None
    with psycopg.connect(dsn) as conn:
        conn.execute("SET search_path = bookstore_platform")
        row = conn.execute("SELECT clock_timestamp()").fetchone()
        assert row is not None
        selection = OutboxSelection(row[0])
        while rows := next_rows(conn, selection, after=after, limit=20_000):
            records = [record for row in rows if not isinstance(record := record_of(row, "b"), str)]
            send_all(producer, records)
            sent += len(records)
            after = RowPlace(rows[-1].place, str(rows[-1].event_id))
    return sent


def bare(bootstrap_servers: str, *, with_headers: bool) -> Read:
    """A consumer that has each record, or its headers as well, and does nothing with it."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": f"bare-{uuid4()}",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
        }
    )
    began = time.perf_counter()
    places = [TopicPartition(topic, n, 0) for topic in ALL_TOPICS for n in range(3)]
    left = sum(consumer.get_watermark_offsets(place, timeout=10)[1] for place in places)
    consumer.assign(places)
    records = 0
    while records < left:
        for message in consumer.consume(num_messages=5_000, timeout=0.05):
            assert message.error() is None
            message.value()
            if with_headers:
                message.headers()
            records += 1
    seconds = time.perf_counter() - began
    consumer.close()
    return Read("headers" if with_headers else "bare", records, seconds, seconds, _cpu_seconds())


def verified(dsn: str, bootstrap_servers: str) -> Read:
    """The whole of `replay --mode verify`."""
    with tempfile.TemporaryDirectory() as scratch:
        environment = _environment(Path(scratch), dsn, bootstrap_servers)
        ends: list[float] = []
        began = time.perf_counter()
        run = directory.begin(environment.runs_dir, "replay")
        position = plan(environment, ReplayRange(ALL_TOPICS), VERIFY.mode)
        pacing = Pacing(
            None, lambda seen: ends.append(time.perf_counter()) if seen.is_over else None
        )
        report = compare(environment, run, VERIFY, position, pacing, strict=False)
        seconds = time.perf_counter() - began
        examined = {item.id: item.examined for item in report.items}
        return Read(
            "verify",
            examined["R03"],
            seconds,
            ends[-1] - began,
            _cpu_seconds(),
            report.verdict.value,
        )


def _cpu_seconds() -> float:
    """Of this process with all its threads; the servers' is not in it."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _environment(scratch: Path, dsn: str, bootstrap_servers: str) -> Environment:
    away = environment_away(scratch)
    return replace(away, dsn=dsn, kafka_bootstrap_servers=bootstrap_servers)


def in_a_process(way: str, dsn: str, bootstrap_servers: str) -> Read:
    command = [sys.executable, "-m", "benchmarks.replay_verify", "--way", way]
    done = subprocess.run(
        [*command, "--dsn", dsn, "--kafka", bootstrap_servers],
        check=True,
        capture_output=True,
        text=True,
    )
    return Read(**json.loads(done.stdout))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--orders", type=int, default=60_000)
    arguments.add_argument("--rounds", type=int, default=3)
    for hidden in ("--way", "--dsn", "--kafka"):
        arguments.add_argument(hidden, help=argparse.SUPPRESS)
    chosen = arguments.parse_args()
    if chosen.way in ("bare", "headers"):
        print(json.dumps(asdict(bare(chosen.kafka, with_headers=chosen.way == "headers"))))
    elif chosen.way == "verify":
        print(json.dumps(asdict(verified(chosen.dsn, chosen.kafka))))
    else:
        measure(chosen.orders, chosen.rounds)


def measure(orders: int, rounds: int) -> None:
    with (
        tempfile.TemporaryDirectory() as scratch,
        running_servers(Path(scratch)) as servers,
    ):
        migrate(servers.dsn)
        create_topics(KafkaServers(servers.kafka_bootstrap_servers))
        fill(servers.dsn, orders)
        records = publish(servers.dsn, servers.kafka_bootstrap_servers)
        print(f"{records:,} records of {orders:,} orders")
        rounds_of: dict[str, list[Read]] = {"bare": [], "headers": [], "verify": []}
        for _ in range(rounds):
            for way, found in rounds_of.items():
                one = in_a_process(way, servers.dsn, servers.kafka_bootstrap_servers)
                assert one.records == records, one
                assert one.verdict in ("", "holds"), one
                found.append(one)
        tell(rounds_of)


def tell(rounds_of: Mapping[str, Sequence[Read]]) -> None:
    """Each way's medians, and the ratios to the bare consumer of the same round."""
    for way, found in rounds_of.items():
        ratios = {
            "all": [b.seconds / o.seconds for b, o in zip(rounds_of["bare"], found, strict=True)],
            "reading": [
                b.seconds / o.reading_seconds for b, o in zip(rounds_of["bare"], found, strict=True)
            ],
            "processors": [
                b.cpu_seconds / o.cpu_seconds for b, o in zip(rounds_of["bare"], found, strict=True)
            ],
        }
        told = ", ".join(f"{what} {statistics.median(of):.2f}" for what, of in ratios.items())
        rate = statistics.median(one.per_second for one in found)
        reading = statistics.median(one.records / one.reading_seconds for one in found)
        cpu = statistics.median(one.cpu_seconds / one.records * 1e6 for one in found)
        print(
            f"{way:8} {rate:9,.0f}/s, reading {reading:9,.0f}/s, {cpu:5.1f} us of processors a"
            f" record; to bare: {told}"
        )
    print(f"goal: {GOAL} of the bare consumer's rate")


if __name__ == "__main__":
    main()
