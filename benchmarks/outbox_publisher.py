"""What the whole publisher does with a backlog and with a trickle, and what both cost.

A publisher of its own process leads on an empty outbox, where it plans its statements, and is
frozen while a backlog grows; then it drains it: rows a second, and processor seconds for a million
rows of publisher, PostgreSQL and broker, each by /proc. Then events are written one by one at a
steady rate, and each is waited for at a consumer: from just before its INSERT until it is read.

With `--against TREE`, another checkout of this repository (`git worktree add`) publishes in turns
with this one, and the ratio within each round is what counts: a machine that does something else as
well slows both. The load average stands beside the figures.

    python -m benchmarks.outbox_publisher [--rows 100000] [--rounds 3] [--per-second 500]
                                          [--seconds 10] [--against TREE]
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import re
import signal
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

import psutil
import psycopg
from confluent_kafka import Consumer, TopicPartition

from bookpayctl.clients.kafka_servers import KafkaServers
from bookpayctl.targets.servers.contents import create_topics
from runtime.domain.names import PARTITIONS
from runtime.sql import migrate
from tests.support.http_client import http
from tests.support.processes import ROOT, ServiceProcess, running
from tests.support.servers import Servers, running_servers
from tests.support.waiting import eventually

TOPIC: Final = "orders.placed"
SEARCH_PATH: Final = "SET search_path = bookstore_platform"

# In transactions of `each` rows; a frozen publisher loses its slot when this takes seconds.
FILL: Final = """
    CREATE OR REPLACE PROCEDURE fill_outbox(rows_max int, each int) LANGUAGE plpgsql AS $fill$
    BEGIN
        FOR done IN 0..rows_max - 1 BY each LOOP
            {insert};
            COMMIT;
        END LOOP;
    END $fill$
"""
INSERT: Final = """
    INSERT INTO outbox (event_id, aggregate, aggregate_id, event_type, payload, tenant_id,
                        created_at)
    SELECT gen_random_uuid(), 'orders', 'ord_' || n, 'OrderPlaced',
           jsonb_build_object('event_id', gen_random_uuid(), 'root_event_id', gen_random_uuid(),
               'order_id', 'ord_' || n, 'occurred_at', now(), 'amount_cents', 4200,
               'currency', 'usd', 'customer_id', 'customer-17', 'items', jsonb_build_array(
                   jsonb_build_object('sku', 'book-0001', 'quantity', 1))),
           'acme', clock_timestamp()
    FROM generate_series(1, each) AS n
"""
WRITE: Final = """
    INSERT INTO outbox (event_id, aggregate, aggregate_id, event_type, payload, tenant_id)
    VALUES (gen_random_uuid(), 'orders', 'ord_1', 'OrderPlaced', %s, 'acme')
"""

# Where a drain that hangs is given up.
DRAIN_SECONDS_MAX: Final = 200.0


@dataclass(frozen=True, slots=True)
class Costs:
    """Processor seconds so far."""

    publisher: float
    postgres: float
    broker: float

    def since(self, before: Costs, rows: int) -> Costs:
        """Seconds per million rows."""
        share = 1_000_000 / rows
        return Costs(
            (self.publisher - before.publisher) * share,
            (self.postgres - before.postgres) * share,
            (self.broker - before.broker) * share,
        )

    @property
    def total(self) -> float:
        return self.publisher + self.postgres + self.broker


@dataclass(frozen=True, slots=True)
class Sample:
    """One round of one publisher."""

    rows_per_second: float
    costs: Costs
    rss_mb: float
    p50_ms: float
    p99_ms: float
    load: float


def costs(publisher: ServiceProcess, servers: Servers) -> Costs:
    """What each has used; PostgreSQL with its children, those that have ended too."""
    own = psutil.Process(publisher.pid).cpu_times()
    broker = psutil.Process(servers.pids["kafka"]).cpu_times()
    parent = psutil.Process(servers.pids["postgres"])
    ended = parent.cpu_times()
    database = ended.user + ended.system + ended.children_user + ended.children_system
    for child in parent.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            spent = child.cpu_times()
            database += spent.user + spent.system
    return Costs(own.user + own.system, database, broker.user + broker.system)


def published(publisher: ServiceProcess) -> int:
    """How many events it has marked, as its own metrics say."""
    text = http.request("GET", f"{publisher.url}/metrics").body.decode()
    found = re.search(r"^bookpay_outbox_published_total (\S+)$", text, re.MULTILINE)
    return int(float(found[1])) if found else 0


def in_topic(servers: Servers) -> int:
    """How many records there are; asked of the broker, which the publisher does not notice."""
    consumer = Consumer(
        {"bootstrap.servers": servers.kafka_bootstrap_servers, "group.id": "look", "log_level": 0}
    )
    places = [TopicPartition(TOPIC, number) for number in range(PARTITIONS)]
    ends = [consumer.get_watermark_offsets(place, timeout=10)[1] for place in places]
    consumer.close()
    return sum(ends)


def drain(publisher: ServiceProcess, servers: Servers, rows: int, each: int) -> tuple[float, Costs]:
    """Let a backlog grow while the publisher is frozen; then rows a second, and what they cost."""
    marked, arrived = published(publisher), in_topic(servers)
    publisher.signal(signal.SIGSTOP)
    try:
        with psycopg.connect(servers.dsn, autocommit=True) as conn:
            conn.execute(SEARCH_PATH)
            conn.execute("SET synchronous_commit = off")
            conn.execute(FILL.format(insert=INSERT))
            conn.execute("CALL fill_outbox(%s, %s)", (rows, each))
            # Flushed now, so that the drain does not pay for the filling.
            conn.execute("CHECKPOINT")
        spent = costs(publisher, servers)
    finally:
        publisher.signal(signal.SIGCONT)
    # From the first record on: before it a publisher that was frozen for long connects anew.
    eventually(lambda: in_topic(servers) > arrived, "the first of the backlog is in Kafka")
    began, first = time.perf_counter(), in_topic(servers) - arrived
    eventually(
        lambda: in_topic(servers) - arrived >= rows, "the backlog is in Kafka", DRAIN_SECONDS_MAX
    )
    eventually(lambda: published(publisher) - marked >= rows, "the backlog is marked")
    seconds = time.perf_counter() - began
    return (rows - first) / seconds, costs(publisher, servers).since(spent, rows)


def write_steadily(dsn: str, per_second: float, seconds: float) -> None:
    """Insert on a fixed schedule, whether or not the last one was quick."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(SEARCH_PATH)
        began = time.monotonic()
        for number in range(round(per_second * seconds)):
            time.sleep(max(0.0, began + number / per_second - time.monotonic()))
            order = {"order_id": "ord_1", "root_event_id": str(uuid4()), "written_at": time.time()}
            conn.execute(WRITE, (json.dumps(order),))


def latencies(servers: Servers, per_second: float, seconds: float) -> list[float]:
    """Milliseconds from each INSERT to its consumer."""
    consumer = Consumer(
        {
            "bootstrap.servers": servers.kafka_bootstrap_servers,
            "group.id": f"look-{uuid4()}",
            "fetch.wait.max.ms": 1,
            "log_level": 0,
        }
    )
    places = [TopicPartition(TOPIC, number) for number in range(PARTITIONS)]
    for place in places:
        place.offset = consumer.get_watermark_offsets(place, timeout=10)[1]
    consumer.assign(places)
    consumer.poll(0.5)
    writer = multiprocessing.get_context("spawn").Process(
        target=write_steadily, args=(servers.dsn, per_second, seconds), daemon=True
    )
    writer.start()
    found: list[float] = []
    try:
        while len(found) < round(per_second * seconds):
            message = consumer.poll(30.0)
            if message is None or message.error() is not None:
                raise RuntimeError(f"an event did not come: {message and message.error()}")
            written_at = json.loads(message.value() or b"{}").get("written_at")
            # What is left of a backlog, which a connector may bring later, was not written here.
            if written_at is not None:
                found.append(1000 * (time.time() - written_at))
        writer.join()
    finally:
        # Its database goes away when this is broken off.
        writer.terminate()
        writer.join()
        consumer.close()
    return found


def one_round(
    tree: Path, mode: str, servers: Servers, folder: Path, given: argparse.Namespace
) -> Sample:
    """A new table, and a publisher that led before there was anything in it."""
    with psycopg.connect(servers.dsn, autocommit=True) as conn:
        conn.execute(SEARCH_PATH)
        conn.execute("TRUNCATE outbox")
        conn.execute("ANALYZE outbox")
    variables = {
        "DB_DSN": servers.dsn,
        "KAFKA_BOOTSTRAP_SERVERS": servers.kafka_bootstrap_servers,
        # The tree's own code, and not the folder that the process starts in.
        "PYTHONPATH": str(tree),
        "PYTHONSAFEPATH": "1",
        "BOOKPAY_PUBLISHER_MODE": mode,
    }
    with running(
        ServiceProcess("publisher", ("outbox-publisher",), variables, folder)
    ) as publisher:
        # What has been prepared by then is what an outage meets.
        warm = latencies(servers, 100, 1)
        assert len(warm) == 100
        speed, spent = drain(publisher, servers, given.rows, given.each or given.rows)
        rss_mb = psutil.Process(publisher.pid).memory_info().rss / 1e6
        waits = latencies(servers, given.per_second, given.seconds)
    return Sample(
        speed,
        spent,
        rss_mb,
        statistics.median(waits),
        statistics.quantiles(waits, n=100)[98],
        os.getloadavg()[0],
    )


def show(name: str, rounds: Sequence[Sample]) -> None:
    """Each round, and the medians."""
    print(f"{name}:")
    print(
        "    rows/s   CPU s/1M rows: publisher postgres broker  total   RSS MB   p50 ms   p99 ms"
        "   load"
    )
    for one in rounds:
        spent = one.costs
        print(
            f"{one.rows_per_second:10.0f}{spent.publisher:27.1f}{spent.postgres:9.1f}"
            f"{spent.broker:7.1f}{spent.total:7.1f}{one.rss_mb:9.0f}"
            f"{one.p50_ms:9.1f}{one.p99_ms:9.1f}{one.load:7.1f}"
        )


def main() -> int:
    """Print the rounds, and the ratios within them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--per-second", type=float, default=500)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--each", type=int, default=0, help="rows of a transaction; 0: all in one")
    parser.add_argument("--modes", default="poll,wal", help="of this tree, by comma")
    parser.add_argument("--against", type=Path, default=None)
    given = parser.parse_args()
    contenders = {mode: (ROOT, mode) for mode in given.modes.split(",")}
    if given.against:
        contenders[str(given.against)] = (given.against, "poll")
    samples: dict[str, list[Sample]] = {name: [] for name in contenders}
    with (
        tempfile.TemporaryDirectory(prefix="bookpay-bench-") as folder,
        running_servers(Path(folder)) as servers,
    ):
        migrate(servers.dsn)
        create_topics(KafkaServers(servers.kafka_bootstrap_servers))
        for _ in range(given.rounds):
            for name, (tree, mode) in contenders.items():
                samples[name].append(one_round(tree, mode, servers, Path(folder), given))
                print(f"{name}: {samples[name][-1]}", flush=True)
    for name, rounds in samples.items():
        show(name, rounds)
    others, last = list(samples)[1:], next(iter(samples))
    for name in others:
        pairs = list(zip(samples[name], samples[last], strict=True))
        faster = [ours.rows_per_second / other.rows_per_second for ours, other in pairs]
        cheaper = [other.costs.total / ours.costs.total for ours, other in pairs]
        print(f"{name} against {last}:")
        print(f"drained faster: {statistics.median(faster):.2f} times ({spread(faster)})")
        print(f"cheaper: {statistics.median(cheaper):.2f} times ({spread(cheaper)})")
    return 0


def spread(values: Sequence[float]) -> str:
    return f"{min(values):.2f} to {max(values):.2f}"


if __name__ == "__main__":
    raise SystemExit(main())
