"""The worker's process: one ingest thread, one claim loop, a pool of attempt threads.

Either loop ends the process when it breaks. On a stop, attempts under way get a few seconds to
end; one that does not is left to its lease, and another worker sends the same key again.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Final

from confluent_kafka import Consumer, KafkaException, TopicPartition

from runtime import config
from runtime.adapters import consumer_loop, gateway_client
from runtime.adapters.consumer_loop import ConsumerLoop
from runtime.adapters.gateway_client import GatewayClient
from runtime.adapters.http.admin import serve_admin_port
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
from runtime.telemetry import Outage

logger = logging.getLogger(__name__)

# Attempts hold no connection while Stripe is asked: a few are enough for 64 of them.
POOL_SIZE_MAX: Final = 12

COMMITTED_SECONDS_MAX: Final = 10.0

DRAIN_SECONDS: Final = 8.0
"""How long a stop may take, all in all; below the 12 s after which a supervisor kills."""


def run(process: Process) -> None:
    """Take orders in and charge them until the process is told to stop."""
    settings = config.worker(process.source)
    subscription = consumer_loop.subscribe(process, Service.WORKER, inbox.TOPICS)
    pool = database.open_pool(process.common.dsn, process.common.process, size_max=POOL_SIZE_MAX)
    database_outage = Outage(logger, "PostgreSQL")
    readiness = process.lifecycle.readiness
    readiness.expect("database", "gateway")
    # Closed until Stripe refuses us: at the start nobody has asked.
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
    ingest = Ingest(process, subscription.consumer, pool, executor, Service.WORKER)
    loop = ConsumerLoop(
        process, subscription, ingest, database_outage, after_commit=ingest.committed
    )
    serve_admin_port(process)
    database.watch(pool, readiness, process.lifecycle.stop)
    # Attempts that meet a gateway away are told one by one, and as what they are: a later try.
    gateway_outage = Outage(logger, "payments-gateway")
    gateway_client.watch(gateway, readiness, process.lifecycle.stop, gateway_outage)
    ingesting = _spawn("ingest", lambda: _until_stop(process, loop.run))
    _until_stop(process, lambda: _execute(process, executor, database_outage))
    # One deadline for both: an ingest that hangs must not use up the attempts' time twice over.
    deadline = time.monotonic() + DRAIN_SECONDS
    ingesting.join(DRAIN_SECONDS)
    if not executor.drain(deadline - time.monotonic()):
        logger.warning("attempts still under way are left to their leases")
    pool.close(timeout=1.0)


def _until_stop(process: Process, loop: Callable[[], None]) -> None:
    """Run one of the worker's loops; its end, however it comes, is the process's."""
    try:
        loop()
    finally:
        # A worker without one of its loops looks alive and does nothing: better to be restarted.
        process.lifecycle.stop.set()


def _execute(process: Process, executor: Executor, database_outage: Outage) -> None:
    """Claim and attempt what is due until the process is told to stop."""
    readiness = process.lifecycle.readiness

    def succeeded() -> None:
        database_outage.recovered()
        # A claim loop that hangs, or fails in a way that no outage explains, is not ready.
        readiness.set("claims", True, within_seconds=database.ANSWER_SECONDS)

    readiness.expect("claims")
    repeat(
        executor.run_once,
        stop=process.lifecycle.stop,
        backoff=CONNECTION_BACKOFF,
        rng=process.rng,
        recoverable=database.UNAVAILABLE,
        on_failure=database_outage.failed,
        on_success=succeeded,
    )


def _spawn(name: str, target: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=target, name=name, daemon=True)
    thread.start()
    return thread


# --- reprocessing with another group --------------------------------------------------------


def run_until_end(process: Process, group: str) -> None:
    """Take every record up to today's end through the inbox once, as `group`, and charge nothing.

    The group must be a new one: it reads from the earliest record. What the ledger knows is a
    duplicate; prints one JSON line of counts and returns.

    Raises:
        KafkaException: the broker could not be asked.
    """
    subscription = consumer_loop.subscribe(process, group, inbox.TOPICS, comes_back=False)
    pool = database.open_pool(process.common.dsn, process.common.process, size_max=2)
    # Asked before the first poll: what is written from here on is not today's.
    ends = _ends(subscription.consumer)
    ingest = Ingest(process, subscription.consumer, pool, None, group, careful=False)
    loop = ConsumerLoop(
        process,
        subscription,
        ingest,
        Outage(logger, "PostgreSQL"),
        after_commit=ingest.committed,
    )
    while not process.lifecycle.stop.is_set() and not _reached(subscription.consumer, ends):
        # One look at a time, with no back-off: whoever waits for the counts hears of an error.
        loop.run_once()
    subscription.offsets.close()
    pool.close(timeout=1.0)
    sys.stdout.write(json.dumps(_printable(ingest.totals)) + "\n")


def _printable(counts: inbox.Counts) -> dict[str, int]:
    """The counts without the payments."""
    fields = asdict(counts)
    del fields["new"], fields["claimable"]
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
            # Asked of the broker, not of the client's cache, which knows nothing yet.
            low, high = consumer.get_watermark_offsets(place, timeout=10.0)
            if high > low:
                ends[topic.value, partition] = high
    return ends


def _reached(consumer: Consumer, ends: dict[tuple[str, int], int]) -> bool:
    """Whether every partition was read to its end, as of the start.

    A client has no position before it has read a record. Where the group began at the end there
    is none to read, and what the group has committed is its position.
    """
    behind = [TopicPartition(*place) for place in ends if _offset(consumer, place) < ends[place]]
    if not behind:
        return True
    committed = consumer.committed(behind, timeout=COMMITTED_SECONDS_MAX)
    return all(place.offset >= ends[place.topic, place.partition] for place in committed)


def _offset(consumer: Consumer, place: tuple[str, int]) -> int:
    (found,) = consumer.position([TopicPartition(*place)])
    return found.offset
