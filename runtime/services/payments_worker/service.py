"""The worker's process: one ingest thread, one claim loop, a pool of attempt threads."""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Final

import psycopg
from confluent_kafka import Consumer, KafkaException, TopicPartition
from psycopg_pool import ConnectionPool

from runtime import config
from runtime.adapters import kafka
from runtime.adapters.gateway_client import GatewayClient
from runtime.adapters.store import database
from runtime.domain.lease import Lease
from runtime.domain.names import Service
from runtime.domain.retry import CONNECTION_BACKOFF
from runtime.lifecycle import repeat
from runtime.process import Process
from runtime.services.payments_worker import inbox
from runtime.services.payments_worker.attempt import AttemptRunner
from runtime.services.payments_worker.executor import Executor
from runtime.services.payments_worker.ingest import Ingest
from runtime.telemetry import AdminServer, Outage

logger = logging.getLogger(__name__)

POOL_SIZE_MAX: Final = 12
DRAIN_SECONDS: Final = 8.0
RECOVERABLE: Final = (*database.UNAVAILABLE, *kafka.UNAVAILABLE)


def run(process: Process) -> None:
    """Take orders in and charge them until the process is told to stop."""
    settings = config.worker(process.source)
    servers = config.kafka_bootstrap_servers(process.source)
    pool = database.open_pool(process.common.dsn, process.common.process, size_max=POOL_SIZE_MAX)
    database_outage = Outage(logger, "PostgreSQL")
    readiness = process.lifecycle.readiness
    readiness.expect("database", "gateway")
    readiness.set("stripe_circuit", True)
    gateway = GatewayClient(settings.gateway, connections_max=settings.concurrency)
    executor = Executor(
        process,
        pool,
        AttemptRunner(process, pool, gateway, database_outage),
        Lease(
            process.common.process,
            process.incarnation,
            settings.gateway.deadlines.lease_seconds,
        ),
        settings.concurrency,
        settings.gateway.deadlines.lease_seconds - settings.gateway.deadlines.worker_http_seconds,
        ThreadPoolExecutor(settings.concurrency, thread_name_prefix="attempt"),
    )
    kafka_outage = Outage(logger, "Kafka")
    consumer, offsets = kafka.consumer(
        servers,
        Service.WORKER,
        process.common.process,
        instance_id=process.common.process,
        on_error=lambda error: kafka_outage.failed(KafkaException(error)),
    )
    consumer.subscribe([*inbox.TOPICS])
    ingest = Ingest(process, consumer, offsets, pool, executor, Service.WORKER, kafka_outage)
    AdminServer(process.common.http_host, process.common.http_port, readiness.snapshot, {}).start()
    _spawn("watch", lambda: _watch(process, pool, gateway))
    ingesting = _spawn("ingest", lambda: _repeat(process, ingest.run_once, database_outage))
    _repeat(process, executor.run_once, database_outage)
    ingesting.join(DRAIN_SECONDS)
    if not executor.drain(DRAIN_SECONDS):
        logger.warning("attempts still under way are left to their leases")
    offsets.close()
    pool.close(timeout=1.0)


def _repeat(process: Process, step: Callable[[], float], database_outage: Outage) -> None:
    """Run one of the worker's loops until stopped; one that breaks ends the process."""
    try:
        repeat(
            step,
            stop=process.lifecycle.stop,
            backoff=CONNECTION_BACKOFF,
            rng=process.rng,
            recoverable=RECOVERABLE,
            on_failure=database_outage.failed,
            on_success=database_outage.recovered,
        )
    finally:
        # A worker without one of its loops looks alive and does nothing: better to be restarted.
        process.lifecycle.stop.set()


def _spawn(name: str, target: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=target, name=name, daemon=True)
    thread.start()
    return thread


def _watch(
    process: Process, pool: ConnectionPool[psycopg.Connection], gateway: GatewayClient
) -> None:
    """Keep readiness true to the database and the gateway."""
    readiness, all_hold = process.lifecycle.readiness, False
    while not process.lifecycle.stop.wait(1.0 if all_hold else 0.1):
        database_holds, gateway_holds = database.answers(pool), gateway.is_ready()
        readiness.set("database", database_holds)
        readiness.set("gateway", gateway_holds)
        all_hold = database_holds and gateway_holds


# --- reprocessing with another group --------------------------------------------------------


def run_until_end(process: Process, group: str) -> None:
    """Take every record up to today's end through the inbox once, as `group`, and charge nothing.

    The group must be a new one: it reads from the earliest record. What the ledger knows is a
    duplicate; prints one JSON line of counts and returns.

    Raises:
        KafkaException: the broker could not be asked.
    """
    servers = config.kafka_bootstrap_servers(process.source)
    pool = database.open_pool(process.common.dsn, process.common.process, size_max=2)
    kafka_outage = Outage(logger, "Kafka")
    consumer, offsets = kafka.consumer(
        servers,
        group,
        process.common.process,
        instance_id=None,
        on_error=lambda error: kafka_outage.failed(KafkaException(error)),
    )
    ends = _ends(consumer)
    consumer.subscribe([*inbox.TOPICS])
    ingest = Ingest(process, consumer, offsets, pool, None, group, kafka_outage, careful=False)
    while not process.lifecycle.stop.is_set() and not _reached(consumer, ends):
        ingest.run_once()
    offsets.close()
    pool.close(timeout=1.0)
    sys.stdout.write(json.dumps(_printable(ingest.totals)) + "\n")


def _printable(counts: inbox.Counts) -> dict[str, int]:
    """The counts without the ids."""
    fields = asdict(counts)
    del fields["new"]
    return fields


def _ends(consumer: Consumer) -> dict[tuple[str, int], int]:
    """The offset after the last record of every partition that has any, as of now."""
    topics = consumer.list_topics(timeout=10.0).topics
    ends = {}
    for topic in inbox.TOPICS:
        if topic not in topics:
            raise KafkaException(f"topic {topic} does not exist")
        for partition in topics[topic].partitions:
            place = TopicPartition(topic, partition)
            low, high = consumer.get_watermark_offsets(place, timeout=10.0)
            if high > low:
                ends[topic.value, partition] = high
    return ends


def _reached(consumer: Consumer, ends: dict[tuple[str, int], int]) -> bool:
    positions = {
        (place.topic, place.partition): place.offset
        for place in consumer.position(
            [TopicPartition(topic, partition) for topic, partition in ends]
        )
    }
    return all(positions.get(place, -1) >= end for place, end in ends.items())
