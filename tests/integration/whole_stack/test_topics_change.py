"""Topics that are deleted and made again, grow, or lose records nobody had read, on a real broker.

The loop runs as in a service, on a thread of its own, with its watch.
"""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions, NewTopic

from runtime import config
from runtime.adapters import consumer_loop
from runtime.adapters.consumer_loop import ConsumerLoop, Subscription
from runtime.adapters.kafka import ClientBrokenError
from runtime.domain.event import Record
from runtime.faults.points import Failpoints
from runtime.lifecycle import Lifecycle
from runtime.process import Process
from runtime.telemetry import Outage
from tests.support.waiting import eventually


@dataclass
class Notebook:
    """A handler that notes what it was given; held, it stands in the middle of its work."""

    at_once: int = 500
    held: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)
    handled: list[bytes] = field(default_factory=list)
    buried: list[tuple[Record, str]] = field(default_factory=list)

    def records_at_once(self) -> int:
        return self.at_once

    def handle(self, records: Sequence[Record]) -> None:
        if any(record.value == b"hold" for record in records):
            self.held.set()
            assert self.release.wait(60)
        self.handled += [record.value or b"" for record in records]

    def bury(self, record: Record, reason: str) -> None:
        self.buried.append((record, reason))


class Topics:
    """Makes and unmakes the topics of one test."""

    def __init__(self, bootstrap_servers: str) -> None:
        self.servers = bootstrap_servers
        self.admin = AdminClient({"bootstrap.servers": bootstrap_servers})

    def make(self, name: str, partitions: int = 1) -> str:
        def is_made() -> bool:
            self.admin.create_topics([NewTopic(name, partitions, 1)])[name].exception(30)
            return name in self.admin.list_topics(timeout=10).topics

        # A name that was just deleted is free again a moment later.
        eventually(is_made, f"{name} is made")
        return name

    def delete(self, name: str) -> None:
        self.admin.delete_topics([name], operation_timeout=30)[name].result(30)

    def grow(self, name: str, partitions: int) -> None:
        self.admin.create_partitions([NewPartitions(name, partitions)])[name].result(30)

    def trim(self, name: str, before: int) -> None:
        """Delete the records below an offset, as retention does."""
        place = TopicPartition(name, 0, before)
        self.admin.delete_records([place])[place].result(30)

    def produce(self, name: str, *values: bytes, partition: int = 0) -> None:
        producer = Producer({"bootstrap.servers": self.servers})
        failed: list[object] = []
        for value in values:
            producer.produce(
                name,
                value,
                partition=partition,
                on_delivery=lambda error, _message: failed.append(error) if error else None,
            )
        assert producer.flush(60) == 0
        assert not failed


@pytest.fixture
def topics(bootstrap_servers: str) -> Topics:
    return Topics(bootstrap_servers)


@dataclass
class Member:
    """One process of a group, reduced to its loop."""

    process: Process
    subscription: Subscription
    handler: Notebook
    ended_by: ClientBrokenError | None = None

    def is_ready(self) -> bool:
        return self.process.lifecycle.readiness.snapshot().get("consumer", False)

    def reason(self) -> str:
        return self.process.lifecycle.readiness.reasons().get("consumer", "")

    def has(self, *values: bytes) -> bool:
        return {*values} <= {*self.handler.handled}


def new_process(bootstrap_servers: str, name: str) -> Process:
    common = config.Common(name, "suite", "", "127.0.0.1", 1, False, None, "INFO")
    source = config.Source({"KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers})
    off = Failpoints(None, name, uuid4(), None)
    return Process(
        *("loop", common, source, Lifecycle(), off),
        *(uuid4(), random.Random(1), lambda: datetime.now(UTC)),
    )


@contextmanager
def member(
    servers: str, group: str, topics: Sequence[str], handler: Notebook | None = None
) -> Iterator[Member]:
    process = new_process(servers, f"loop-{uuid4()}")
    subscription = consumer_loop.subscribe(process, group, topics, comes_back=False)
    joined = Member(process, subscription, handler or Notebook())
    loop = ConsumerLoop(
        process, subscription, joined.handler, Outage(consumer_loop.logger, "PostgreSQL")
    )

    def run() -> None:
        try:
            loop.run()
        except ClientBrokenError as error:
            joined.ended_by = error
            # As the process would; its parent starts another one.
            process.lifecycle.stop.set()
            subscription.consumer.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield joined
    finally:
        joined.handler.release.set()
        process.lifecycle.stop.set()
        thread.join(60)
        assert not thread.is_alive()


def unique() -> str:
    return f"changing-{uuid4()}"


def is_well(one: Member) -> Callable[[], bool]:
    return one.is_ready


def test_who_has_read_a_topic_that_is_made_again_starts_anew_and_reads_it_all(
    topics: Topics,
) -> None:
    """The new one is longer than the old one was read: the old position would skip its first.

    A client that has known the topic before cannot be trusted with the one of its name.
    """
    name = topics.make(unique())
    topics.produce(name, b"old-0", b"old-1", b"old-2")
    with member(topics.servers, f"group-{name}", [name]) as one:
        eventually(lambda: one.has(b"old-2"), "the first topic is read")
        eventually(is_well(one), "it is ready")

        topics.delete(name)
        topics.make(name)
        new = [b"new-%d" % n for n in range(8)]
        topics.produce(name, *new)
        eventually(lambda: one.ended_by, "the first member ends")

    with member(topics.servers, f"group-{name}", [name]) as two:
        eventually(lambda: two.has(*new), lambda: f"all is read: {two.handler.handled}")
        eventually(is_well(two), two.reason)
    assert name in str(one.ended_by)


def test_a_topic_that_was_away_for_a_while_is_read_when_it_is_there_again(topics: Topics) -> None:
    name, other = topics.make(unique()), topics.make(unique())
    with member(topics.servers, f"group-{name}", [name, other]) as one:
        topics.produce(name, b"old")
        eventually(lambda: one.has(b"old"), "the first topic is read")

        topics.delete(name)
        eventually(
            lambda: (name, 0) not in one.subscription.progress.positions(), "it is seen to be gone"
        )
        topics.make(name)
        topics.produce(name, b"new")
        eventually(lambda: one.ended_by, "who has read the first one ends")

    with member(topics.servers, f"group-{name}", [name, other]) as two:
        eventually(lambda: two.has(b"new"), "the new one is read")


def test_an_offset_that_was_committed_in_another_topic_is_not_begun_at(topics: Topics) -> None:
    """A stale member may commit into the new topic; the next start must see through it."""
    name = topics.make(unique())
    topics.produce(name, b"old-0", b"old-1")
    with member(topics.servers, f"group-{name}", [name]) as one:
        eventually(lambda: one.has(b"old-1"), "the first topic is read")
        stale = one.subscription.progress.topic_id(name)
    topics.delete(name)
    topics.make(name)
    topics.produce(name, b"new-0", b"new-1", b"new-2")
    with member(topics.servers, f"group-{name}", [name]) as two:
        eventually(lambda: two.has(b"new-0"), "the new topic is read")
        new = two.subscription.progress.topic_id(name)
    # As the stale one would: an offset of the old topic, with the old topic's id.
    asking = Consumer({"bootstrap.servers": topics.servers, "group.id": f"group-{name}"})
    asking.commit(offsets=[TopicPartition(name, 0, 2, metadata=stale)], asynchronous=False)
    asking.close()

    with member(topics.servers, f"group-{name}", [name]) as three:
        eventually(lambda: three.has(b"new-0", b"new-1", b"new-2"), "it begins at the beginning")

    assert stale != new


def test_partitions_that_were_added_are_read(topics: Topics) -> None:
    name = topics.make(unique())
    with member(topics.servers, f"group-{name}", [name]) as one:
        eventually(is_well(one), "it is ready")

        topics.grow(name, 3)
        topics.produce(name, b"in a new one", partition=2)

        eventually(lambda: one.has(b"in a new one"), "the new partition is read")
        eventually(is_well(one), one.reason)


def test_records_that_were_deleted_unread_are_counted_and_have_a_dead_letter(
    topics: Topics,
) -> None:
    name = topics.make(unique())
    topics.produce(name, b"0", b"1")
    with member(topics.servers, f"group-{name}", [name]) as one:
        eventually(lambda: one.has(b"1"), "the first records are read")
    topics.produce(name, b"2", b"3", b"4", b"5", b"6")
    topics.trim(name, before=5)

    with member(topics.servers, f"group-{name}", [name]) as two:
        eventually(lambda: two.has(b"5", b"6"), "what is left is read")
        eventually(lambda: two.handler.buried, "the loss is written down")

    ((letter, reason),) = two.handler.buried
    assert reason == "records_lost"
    assert (letter.topic, letter.partition, letter.offset) == (name, 0, 2)
    assert json.loads(letter.value or b"") == {"lost": 3, "from": 2}


def test_nothing_is_called_lost_where_every_record_was_read(topics: Topics) -> None:
    name = topics.make(unique())
    topics.produce(name, b"0", b"1", b"2")
    with member(topics.servers, f"group-{name}", [name]) as one:
        eventually(lambda: one.has(b"2"), "all is read")
        topics.trim(name, before=3)
        topics.produce(name, b"3")
        eventually(lambda: one.has(b"3"), "it goes on")
        one.subscription.watch.look()

        assert one.handler.buried == []


# --- ready ----------------------------------------------------------------------------------


def test_a_member_more_than_there_are_partitions_is_ready(topics: Topics) -> None:
    name = topics.make(unique())
    with (
        member(topics.servers, f"group-{name}", [name]) as one,
        member(topics.servers, f"group-{name}", [name]) as two,
    ):
        eventually(lambda: one.is_ready() and two.is_ready(), lambda: one.reason() + two.reason())

        read = [len(each.subscription.progress.positions()) for each in (one, two)]

    assert sorted(read) == [0, 1]


def test_a_consumer_of_a_topic_that_is_not_there_is_not_ready_and_says_which(
    topics: Topics,
) -> None:
    name, absent = topics.make(unique()), unique()
    with member(topics.servers, f"group-{name}", [name, absent]) as one:
        eventually(lambda: absent in one.reason(), "it says what is missing")

        assert not one.is_ready()
        topics.make(absent)
        eventually(is_well(one), one.reason)


def test_a_consumer_whose_group_was_deleted_joins_it_again(topics: Topics) -> None:
    name = topics.make(unique())
    group = f"group-{name}"
    with member(topics.servers, group, [name]) as one:
        eventually(is_well(one), "it is ready")
        topics.admin.delete_consumer_groups([group])[group].exception(30)
        topics.produce(name, b"after")

        eventually(lambda: one.has(b"after"), "it reads on")
