"""Contenders for the publisher's work: a backlog, then a trickle, each on the same two servers.

The chapter's loop, ours by polling and by the write-ahead log, Debezium's connector in a real
Kafka Connect worker as the manifests have it and tuned, and two floors: sending alone, reading
alone. `python -m benchmarks publisher` runs them in turns.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.outbox_publisher import latencies
from benchmarks.publisher_stage import (
    Stage,
    cpu_of,
    frozen,
    open_stage,
    peak_rss_mb,
    wait_for,
)
from benchmarks.runner.result import Metric, Round
from bookpayctl.clients.capture_slot import SLOT
from bookpayctl.targets.readiness import connector_readiness
from bookpayctl.targets.servers import connect, jars, postgres
from runtime.domain.names import PublisherMode
from tests.support.processes import ROOT, Child, ServiceProcess, free_port, running, stop_all
from tests.support.waiting import eventually

METRICS: Final = (
    Metric("rows_per_second", "backlog", "rows/s", True),
    Metric("cpu_publisher", "processor, publisher", "s/M rows", False),
    Metric("cpu_postgres", "processor, PostgreSQL", "s/M rows", False),
    Metric("cpu_broker", "processor, broker", "s/M rows", False),
    Metric("cpu_total", "processor, all three", "s/M rows", False),
    Metric("peak_rss_mb", "peak memory", "MB", False),
    Metric("wal_bytes_per_row", "log written", "bytes/row", False),
    Metric("table_mb", "table after", "MB", False),
    Metric("index_mb", "indexes after", "MB", False),
    Metric("p50_ms", "INSERT to consumer, p50", "ms", False),
    Metric("p99_ms", "INSERT to consumer, p99", "ms", False),
)

DRAIN_SECONDS_MAX: Final = 60.0

# So long the chapter's loop is watched: by construction it drains no backlog worth the name.
LOOP_SECONDS: Final = 12.0
# More would grow for ever.
LOOP_PER_SECOND: Final = 30.0

TUNED: Final = {
    "poll.interval.ms": "10",
    "max.batch.size": "8192",
    "max.queue.size": "32768",
    "producer.override.linger.ms": "5",
    "producer.override.batch.size": "262144",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """How much of everything.

    Attributes:
        per_second, seconds: of the trickle.
    """

    rows: int
    per_second: float
    seconds: float


Publishing = Callable[[Stage], AbstractContextManager[Sequence[int]]]


@dataclass(frozen=True, slots=True)
class Contender:
    """Somebody who publishes.

    Attributes:
        starts: runs it and gives the pids that do the work.
        marks: whether its work is done only when every row is marked.
        drain_seconds_max: when a backlog that is not gone is given up, and what came is counted.
        per_second_max: what it can bear of a trickle.
    """

    name: str
    title: str
    starts: Publishing
    marks: bool
    drain_seconds_max: float = DRAIN_SECONDS_MAX
    per_second_max: float = float("inf")

    def run(self, stage: Stage, asked: Asked) -> dict[str, float]:
        """One round: started on an empty outbox, drained, and trickled on."""
        stage.clear()
        with self.starts(stage) as pids:
            per_second = min(asked.per_second, self.per_second_max)
            # What has been prepared by then is what an outage meets.
            latencies(stage.servers, min(100.0, per_second), 1)
            found = self._drain(stage, pids, asked.rows)
            found["peak_rss_mb"] = peak_rss_mb(pids)
            waits = latencies(stage.servers, per_second, asked.seconds)
        found["p50_ms"] = statistics.median(waits)
        found["p99_ms"] = statistics.quantiles(waits, n=100)[98]
        return found

    def _drain(self, stage: Stage, pids: Sequence[int], rows: int) -> dict[str, float]:
        with frozen(pids):
            stage.fill(rows)
            before = stage.arrived()
            spent = cpu_of(pids), stage.postgres_cpu(), stage.broker_cpu()
            written = stage.written_bytes()
        began = time.perf_counter()
        sent = wait_for(stage, before + rows, self.drain_seconds_max) - before
        if self.marks and sent >= rows:
            eventually(lambda: stage.unmarked() == 0, "every row is marked")
        seconds = time.perf_counter() - began
        after = cpu_of(pids), stage.postgres_cpu(), stage.broker_cpu()
        of_a_million = 1_000_000 / max(1, sent)
        publisher, database, broker = (
            (now - then) * of_a_million for now, then in zip(after, spent, strict=True)
        )
        table_mb, index_mb = stage.sizes_mb()
        # The rest of a backlog that was given up shall not be a part of the trickle.
        if sent < rows:
            stage.clear()
        return {
            "rows_per_second": sent / seconds,
            "cpu_publisher": publisher,
            "cpu_postgres": database,
            "cpu_broker": broker,
            "cpu_total": publisher + database + broker,
            "wal_bytes_per_row": (stage.written_bytes() - written) / max(1, sent),
            "table_mb": table_mb,
            "index_mb": index_mb,
        }


@dataclass(frozen=True, slots=True)
class Floor:
    """A part of the work alone: nobody who does all of it can be faster.

    Attributes:
        arguments: of the program, from the stage and the rows.
        sends: whether records reach the broker; else rows are read.
    """

    name: str
    title: str
    arguments: Callable[[Stage, int], tuple[str, ...]]
    sends: bool

    def run(self, stage: Stage, asked: Asked) -> dict[str, float]:
        """One round: a process that does it once and says how long it took."""
        stage.clear()
        if not self.sends:
            stage.fill(asked.rows)
        database, broker = stage.postgres_cpu(), stage.broker_cpu()
        done = subprocess.run(
            program(*self.arguments(stage, asked.rows)),
            env=variables(),
            capture_output=True,
            text=True,
            check=True,
            timeout=300,
        )
        said = json.loads(done.stdout)
        of_a_million = 1_000_000 / said["rows"]
        found = {
            "rows_per_second": said["rows"] / said["seconds"],
            "cpu_publisher": said["cpu_seconds"] * of_a_million,
            "peak_rss_mb": said["peak_rss_mb"],
        }
        if self.sends:
            found["cpu_broker"] = (stage.broker_cpu() - broker) * of_a_million
        else:
            found["cpu_postgres"] = (stage.postgres_cpu() - database) * of_a_million
        return found


def program(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks.publisher_programs", *arguments]


def variables() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", ""), "PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1"}


@contextmanager
def chapters_loop(stage: Stage) -> Iterator[Sequence[int]]:
    """The loop of the chapter, as a process."""
    child = Child("loop", stage.folder / "loop.log")
    servers = stage.servers
    child.launch(program("loop", servers.dsn, servers.kafka_bootstrap_servers), variables())
    try:
        yield (child.pid,)
    finally:
        stop_all([child])


@contextmanager
def ours(mode: str, stage: Stage) -> Iterator[Sequence[int]]:
    """One publisher of ours, which leads."""
    settings = {
        "DB_DSN": stage.servers.dsn,
        "KAFKA_BOOTSTRAP_SERVERS": stage.servers.kafka_bootstrap_servers,
        "PYTHONSAFEPATH": "1",
        "BOOKPAY_PUBLISHER_MODE": mode,
    }
    service = ServiceProcess(f"publisher-{mode}", ("outbox-publisher",), settings, stage.folder)
    with running(service) as publisher:
        yield (publisher.pid,)


@contextmanager
def debezium(settings: Mapping[str, str], stage: Stage) -> Iterator[Sequence[int]]:
    """The connector of the manifests in a worker; its slot is gone at the end."""
    home = Path(tempfile.mkdtemp(prefix="connect-", dir=stage.folder))
    password = (stage.folder / "pgpass").read_text().strip().rpartition(":")[2]
    (home / "secrets").mkdir(mode=0o700)
    connect.keep_secrets(home / "secrets", postgres.ROLE, password)
    worker = connect.Connect(
        jars=jars.ensure(jars.cache_dir(), lambda _done, _of: None, jars.DEBEZIUM),
        manifests=connect.MANIFESTS,
        home=home / "worker",
        port=free_port(),
        bootstrap_servers=stage.servers.kafka_bootstrap_servers,
        database_port=int(stage.servers.dsn.partition("127.0.0.1:")[2].partition("/")[0]),
        database=postgres.DATABASE,
        settings=settings,
    )
    connect.prepare(worker)
    child = Child("connect", home / "connect.log")
    child.launch(worker.command(), directory=worker.home)
    try:
        child.wait_until(
            lambda: connector_readiness(worker.port, connect.CONNECTOR).ready, "runs its connector"
        )
        yield (child.pid,)
    finally:
        stop_all([child])
        with stage.session() as conn:
            eventually(lambda: drop_slot(conn), "the slot is gone")


def drop_slot(conn: object) -> bool:
    """Drop the connector's slot once nobody reads it; whether it is gone."""
    execute = conn.execute  # type: ignore[attr-defined]
    execute(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
        " WHERE slot_name = %s AND NOT active",
        (SLOT,),
    )
    there = "SELECT FROM pg_replication_slots WHERE slot_name = %s"
    return execute(there, (SLOT,)).fetchone() is None


CONTENDERS: Final[tuple[Contender | Floor, ...]] = (
    Contender(
        "loop",
        "the chapter's loop: LIMIT 100 every 2 s; its trickle is of 30 a second",
        chapters_loop,
        marks=True,
        drain_seconds_max=LOOP_SECONDS,
        per_second_max=LOOP_PER_SECOND,
    ),
    *(
        Contender(
            f"ours-{mode.value}",
            f"outbox-publisher, {mode.value}",
            partial(ours, mode.value),
            marks=True,
        )
        for mode in PublisherMode
    ),
    Contender(
        "debezium",
        "Debezium's outbox router in a Kafka Connect worker, as the manifests have it",
        partial(debezium, {}),
        marks=False,
    ),
    Contender(
        "debezium-tuned",
        "the same with a poll each 10 ms, greater batches and queues, and linger 5 ms",
        partial(debezium, TUNED),
        marks=False,
    ),
    Floor(
        "raw-produce",
        "the same records sent from memory: nobody sends faster from Python",
        lambda stage, rows: ("produce", stage.servers.kafka_bootstrap_servers, str(rows)),
        sends=True,
    ),
    Floor(
        "raw-copy",
        "the same rows read by COPY: nobody reads faster into Python",
        lambda stage, _rows: ("copy", stage.servers.dsn),
        sends=False,
    ),
)


def measure(
    names: Sequence[str], rounds: int, asked: Asked, tell: Callable[[str], None]
) -> tuple[Round, ...]:
    """Every chosen contender once in each round, in turns."""
    found = []
    with (
        tempfile.TemporaryDirectory(prefix="bookpay-bench-") as folder,
        open_stage(Path(folder)) as stage,
    ):
        for number in range(1, rounds + 1):
            for one in CONTENDERS:
                if one.name in names:
                    load = os.getloadavg()[0]
                    values = one.run(stage, asked)
                    found.append(Round(one.name, number, load, values))
                    tell(f"round {number}, load {load:.1f}, {one.name}: {shown(values)}")
    return tuple(found)


def shown(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:,.1f}" for name, value in values.items())
