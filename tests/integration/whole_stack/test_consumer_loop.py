"""The consumers' loop on a real broker: what is handled, given again, buried and committed."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import uuid4

import psycopg
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from runtime import config
from runtime.adapters import consumer_loop, kafka, kafka_watch
from runtime.adapters.consumer_loop import ConsumerLoop, Subscription
from runtime.adapters.store.database import UNAVAILABLE, Session
from runtime.domain.event import Record
from runtime.faults.points import Failpoints
from runtime.lifecycle import Lifecycle
from runtime.process import Process
from runtime.telemetry import Outage
from tests.support.stack import Database
from tests.support.waiting import eventually, holds_for

NOWHERE = "host=127.0.0.1 port=1 dbname=none"


@dataclass
class Notebook:
    """A handler that notes what it was given, and fails as its test says."""

    at_once: int
    fail: Callable[[Sequence[bytes]], Exception | None] = lambda values: None
    handled: list[bytes] = field(default_factory=list)
    buried: list[tuple[bytes, str]] = field(default_factory=list)

    def records_at_once(self) -> int:
        return self.at_once

    def handle(self, records: Sequence[Record]) -> None:
        values = [record.value or b"" for record in records]
        error = self.fail(values)
        if error is not None:
            raise error
        self.handled += values

    def bury(self, record: Record, reason: str) -> None:
        self.buried.append((record.value or b"", reason))


def create_topic(bootstrap_servers: str, partitions: int) -> str:
    name = f"loop-{uuid4()}"
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    admin.create_topics([NewTopic(name, partitions, 1)])[name].result(30)
    return name


@pytest.fixture
def topic(bootstrap_servers: str) -> str:
    """A topic of the test's own with one partition, so that its order is known."""
    return create_topic(bootstrap_servers, partitions=1)


@pytest.fixture
def process(bootstrap_servers: str) -> Process:
    common = config.Common("loop-0", "suite", NOWHERE, "127.0.0.1", 1, False, None, "INFO")
    source = config.Source({"KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers})
    off = Failpoints(None, "loop-0", uuid4(), None)
    return Process(
        *("loop", common, source, Lifecycle(), off),
        *(uuid4(), random.Random(1), lambda: datetime.now(UTC)),
    )


@pytest.fixture
def subscription(process: Process, topic: str) -> Iterator[Subscription]:
    joined = consumer_loop.subscribe(process, f"group-{topic}", [topic], comes_back=False)
    yield joined
    joined.offsets.close()


def produce(bootstrap_servers: str, topic: str, *values: bytes, partition: int = 0) -> None:
    producer = Producer({"bootstrap.servers": bootstrap_servers})
    for value in values:
        producer.produce(topic, value, partition=partition)
    assert producer.flush(30) == 0


def loop_of(process: Process, subscription: Subscription, handler: Notebook) -> ConsumerLoop:
    return ConsumerLoop(process, subscription, handler, Outage(consumer_loop.logger, "test"))


def run_until_handled(loop: ConsumerLoop, handler: Notebook, wanted: Sequence[bytes]) -> None:
    """Run cycles as `run` does, without its waits, until everything wanted is dealt with."""

    def is_done() -> bool:
        try:
            loop.run_once()
        except UNAVAILABLE as error:
            loop._failed(error)
        return {*wanted} <= {*handler.handled, *(value for value, _ in handler.buried)}

    eventually(is_done, f"{wanted} are handled or buried")


def committed(bootstrap_servers: str, topic: str, partition: int = 0) -> int:
    """The group's position as the broker has it; -1001 while there is none."""
    asking = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": f"group-{topic}"})
    offset = asking.committed([TopicPartition(topic, partition)], timeout=30)[0].offset
    asking.close()
    return int(offset)


def test_a_record_that_can_never_be_stored_is_buried_and_its_neighbours_are_handled(
    bootstrap_servers: str, process: Process, subscription: Subscription, topic: str
) -> None:
    handler = Notebook(500, lambda values: psycopg.DataError() if b"bad" in values else None)
    produce(bootstrap_servers, topic, b"1", b"2", b"bad", b"3")

    run_until_handled(loop_of(process, subscription, handler), handler, [b"1", b"2", b"bad", b"3"])

    assert handler.handled == [b"1", b"2", b"3"]
    assert handler.buried == [(b"bad", "DataError")]


@pytest.mark.parametrize("at_once", [1, 500])
def test_what_met_a_store_that_was_away_comes_again_and_in_order(
    bootstrap_servers: str, process: Process, subscription: Subscription, topic: str, at_once: int
) -> None:
    failures = iter([psycopg.OperationalError("away")] * 2)

    def fail(values: Sequence[bytes]) -> Exception | None:
        return next(failures, None) if b"2" in values else None

    handler = Notebook(at_once, fail)
    produce(bootstrap_servers, topic, b"1", b"2", b"3")

    run_until_handled(loop_of(process, subscription, handler), handler, [b"1", b"2", b"3"])

    assert handler.handled == [b"1", b"2", b"3"]


def test_no_offset_is_committed_past_a_record_that_is_not_handled(
    bootstrap_servers: str, process: Process, subscription: Subscription, topic: str
) -> None:
    def fail(values: Sequence[bytes]) -> Exception | None:
        return psycopg.OperationalError("away") if b"2" in values else None

    handler = Notebook(1, fail)
    produce(bootstrap_servers, topic, b"1", b"2", b"3")
    loop = loop_of(process, subscription, handler)
    run_until_handled(loop, handler, [b"1"])

    def has_committed() -> bool:
        # The sending leaves before a poll, and its answer comes inside one.
        with contextlib.suppress(psycopg.OperationalError):
            loop.run_once()
        return committed(bootstrap_servers, topic) > 0

    eventually(has_committed, "the offset of the handled record is committed")
    assert committed(bootstrap_servers, topic) == 1


def test_an_error_that_waiting_does_not_mend_ends_the_loop(
    bootstrap_servers: str, process: Process, subscription: Subscription, topic: str
) -> None:
    handler = Notebook(1, lambda values: ZeroDivisionError())
    produce(bootstrap_servers, topic, b"1")

    with pytest.raises(ZeroDivisionError):
        loop_of(process, subscription, handler).run()

    assert handler.handled == []


def test_a_database_that_is_away_makes_a_consumer_unready_until_it_answers(
    bootstrap_servers: str,
    process: Process,
    subscription: Subscription,
    topic: str,
    database: Database,
) -> None:
    loop = loop_of(process, subscription, Notebook(1))
    loop.session = Session(NOWHERE, "loop-0")
    with pytest.raises(psycopg.OperationalError) as away:
        loop.run_once()
    loop._failed(away.value)
    unready = process.lifecycle.readiness.snapshot()

    loop.session.dsn = database.dsn
    loop.run_once()

    assert unready == {"database": False}
    assert process.lifecycle.readiness.snapshot() == {"database": True}
    loop.session.drop()


@dataclass
class Member:
    """A member of a group that keeps what it has read."""

    subscription: Subscription
    read: list[Record] = field(default_factory=list)

    def poll(self) -> int:
        """Poll once, which also takes part in a rebalance; returns how much was read so far."""
        self.read += kafka.poll_batch(
            self.subscription.consumer, wait_seconds=0.2, on_error=lambda error: None
        )
        return len(self.read)


def member_of(process: Process, topic: str) -> Member:
    return Member(consumer_loop.subscribe(process, f"group-{topic}", [topic], comes_back=False))


def test_who_leaves_a_group_takes_nobodys_position_back(
    bootstrap_servers: str, process: Process
) -> None:
    """Two members; a partition of the first goes to the second, which gets further in it."""
    topic = create_topic(bootstrap_servers, partitions=2)
    for partition in (0, 1):
        produce(bootstrap_servers, topic, b"1", partition=partition)
    leaving = member_of(process, topic)
    eventually(lambda: leaving.poll() == 2, "the first member reads both partitions")
    leaving.subscription.offsets.note(leaving.read)

    staying = member_of(process, topic)

    def read_by_who_stays() -> int:
        # Who leaves polls, too: a member that does not is out of the group after a rebalance.
        leaving.poll()
        return staying.poll()

    eventually(lambda: read_by_who_stays() == 1, "one partition moves")
    moved = staying.read[0].partition
    produce(bootstrap_servers, topic, b"2", partition=moved)
    eventually(lambda: read_by_who_stays() == 2, "the second member gets further")
    staying.subscription.offsets.note(staying.read)
    staying.subscription.offsets.commit(time.monotonic())
    eventually(
        lambda: read_by_who_stays() and committed(bootstrap_servers, topic, moved) == 2,
        "the second member has committed",
    )

    leaving.subscription.offsets.close()

    assert committed(bootstrap_servers, topic, moved) == 2
    assert committed(bootstrap_servers, topic, 1 - moved) == 1
    staying.subscription.offsets.close()


def test_a_client_that_stays_out_of_its_group_ends_its_process(
    process: Process,
    subscription: Subscription,
    bootstrap_servers: str,
    topic: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """librdkafka itself may stay out for good; here the client is told to."""
    monkeypatch.setattr(kafka_watch, "LOST_SECONDS_MAX", 2.0)
    monkeypatch.setattr(kafka_watch, "LOOK_SECONDS", 0.2)

    def leave(values: Sequence[bytes]) -> None:
        # On the thread that polls: from another one the client waits for it.
        if b"last" in values:
            subscription.consumer.unsubscribe()

    handler = Notebook(at_once=10, fail=leave)
    loop = loop_of(process, subscription, handler)
    produce(bootstrap_servers, topic, b"first")
    ended: list[BaseException] = []

    def run() -> None:
        try:
            loop.run()
        except kafka.ClientBrokenError as error:
            ended.append(error)

    running = threading.Thread(target=run, daemon=True)
    running.start()
    try:
        eventually(lambda: handler.handled == [b"first"], "the member reads")
        # Once it is well, whoever polls is left alone, also with nothing to read.
        holds_for(running.is_alive, "it polls on", seconds=5.0)

        produce(bootstrap_servers, topic, b"last")

        eventually(lambda: not running.is_alive(), "the loop ends")
    finally:
        process.lifecycle.stop.set()
        running.join()
    assert "it is not a member of its group" in str(ended)
