"""The stage of the publishers: servers of their own, an outbox that is filled, and what it costs.

Whoever publishes is started on an empty outbox, frozen while a backlog grows, and let go: how fast
the backlog arrives in Kafka is asked of the broker alone, so it is the same question for all.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil
import psycopg
from confluent_kafka.admin import NewTopic  # type: ignore[attr-defined]

from benchmarks.outbox_publisher import in_topic
from bookpayctl.clients.database import connect
from bookpayctl.clients.kafka_connection import open_admin
from bookpayctl.clients.kafka_servers import KafkaServers
from bookpayctl.targets.servers import connect as kafka_connect
from bookpayctl.targets.servers.contents import create_publication, create_topics
from runtime.sql import migrate
from tests.support.servers import Servers, running_servers

FILL: Final = """
    INSERT INTO outbox (event_id, aggregate, aggregate_id, event_type, payload, tenant_id,
                        created_at)
    SELECT id, 'orders', 'ord_' || n, 'OrderPlaced',
           jsonb_build_object('event_id', id, 'root_event_id', id,
               'order_id', 'ord_' || n, 'occurred_at', now(), 'amount_cents', 4200,
               'currency', 'usd', 'customer_id', 'customer-17', 'items', jsonb_build_array(
                   jsonb_build_object('sku', 'book-0001', 'quantity', 1))),
           'acme', clock_timestamp()
    FROM (SELECT n, gen_random_uuid() AS id FROM generate_series(1, %s) AS n) AS numbered
"""


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the contenders publish, one at a time."""

    servers: Servers
    folder: Path

    @contextmanager
    def session(self) -> Iterator[psycopg.Connection]:
        """A session on the outbox's schema that commits each statement."""
        options = "-c search_path=bookstore_platform"
        with connect(self.servers.dsn, autocommit=True, options=options) as conn:
            yield conn

    def clear(self) -> None:
        """An empty outbox, as a new shop has it."""
        with self.session() as conn:
            conn.execute("TRUNCATE outbox")
            conn.execute("ANALYZE outbox")

    def fill(self, rows: int) -> None:
        """A backlog, flushed to the disk, so that the drain does not pay for the filling."""
        with self.session() as conn:
            conn.execute(FILL, (rows,))
            conn.execute("CHECKPOINT")

    def arrived(self) -> int:
        """How many records the topic has, ever."""
        return in_topic(self.servers)

    def unmarked(self) -> int:
        with self.session() as conn:
            row = conn.execute("SELECT count(*) FROM outbox WHERE published_at IS NULL").fetchone()
        return int(row[0]) if row else -1

    def written_bytes(self) -> int:
        """How much PostgreSQL has written to its log, ever."""
        with self.session() as conn:
            row = conn.execute("SELECT (pg_current_wal_lsn() - '0/0')::bigint").fetchone()
        return int(row[0]) if row else -1

    def sizes_mb(self) -> tuple[float, float]:
        """The outbox's table and its indexes."""
        with self.session() as conn:
            row = conn.execute(
                "SELECT pg_table_size('outbox'), pg_indexes_size('outbox')"
            ).fetchone()
        return (row[0] / 1e6, row[1] / 1e6) if row else (-1.0, -1.0)

    def postgres_cpu(self) -> float:
        """Processor seconds of PostgreSQL with its children, those that have ended too."""
        parent = psutil.Process(self.servers.pids["postgres"])
        spent = parent.cpu_times()
        found = spent.user + spent.system + spent.children_user + spent.children_system
        for child in parent.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                own = child.cpu_times()
                found += own.user + own.system
        return found

    def broker_cpu(self) -> float:
        return cpu_of([self.servers.pids["kafka"]])


@contextmanager
def open_stage(folder: Path) -> Iterator[Stage]:
    """Servers with our schema and topics, and what Debezium needs of both."""
    with running_servers(folder) as servers:
        migrate(servers.dsn)
        at = KafkaServers(servers.kafka_bootstrap_servers)
        create_topics(at)
        admin = open_admin(at)
        wanted = [
            NewTopic(name, 1, 1, config=dict(settings))
            for name, settings in kafka_connect.topics(kafka_connect.MANIFESTS).items()
        ]
        for made in admin.create_topics(wanted).values():
            made.result(timeout=15)
        create_publication(
            servers.dsn,
            kafka_connect.publication_name(kafka_connect.MANIFESTS),
            kafka_connect.publication_statement(kafka_connect.MANIFESTS),
        )
        yield Stage(servers, folder)


def cpu_of(pids: Sequence[int]) -> float:
    """Processor seconds of these processes, without their children."""
    times = [psutil.Process(pid).cpu_times() for pid in pids]
    return sum(one.user + one.system for one in times)


def peak_rss_mb(pids: Sequence[int]) -> float:
    """The most memory that each ever held, added up."""
    found = 0.0
    for pid in pids:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                found += float(line.split()[1]) / 1000
    return found


@contextmanager
def frozen(pids: Sequence[int]) -> Iterator[None]:
    """Nobody of them does anything within the block."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def wait_for(stage: Stage, wanted: int, seconds_max: float) -> int:
    """Wait until so many records are there, or the time is over; how many there are then."""
    deadline = time.monotonic() + seconds_max
    while True:
        found = stage.arrived()
        if found >= wanted or time.monotonic() > deadline:
            return found
        time.sleep(0.02)
