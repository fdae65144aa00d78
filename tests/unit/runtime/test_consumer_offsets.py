"""Committed positions: behind what is stored, and not forgotten when the broker refuses them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

from confluent_kafka import KafkaError, TopicPartition

from runtime.adapters.kafka import Offsets
from runtime.domain.event import Record

REFUSED = KafkaError(KafkaError.REBALANCE_IN_PROGRESS)


@dataclass
class Group:
    """A member that owns partitions and keeps what it was told to commit."""

    owned: list[tuple[str, int]]
    sent: list[dict[tuple[str, int], int]] = field(default_factory=list)

    def assignment(self) -> list[TopicPartition]:
        return [TopicPartition(topic, partition) for topic, partition in self.owned]

    def commit(self, *, offsets: list[TopicPartition], asynchronous: bool) -> None:
        assert asynchronous
        self.sent.append({(place.topic, place.partition): place.offset for place in offsets})


def stored(group: Group, *offsets: int, partition: int = 0) -> Offsets:
    committing = Offsets(cast("Any", group))
    committing.note([Record("orders.placed", partition, at, b"", b"", {}) for at in offsets])
    return committing


def test_a_refused_commit_is_sent_again() -> None:
    group = Group([("orders.placed", 0)])
    offsets = stored(group, 6)
    offsets.commit(1.0)

    offsets.answered(REFUSED, [TopicPartition("orders.placed", 0, 7)])
    offsets.commit(2.0)

    assert group.sent == [{("orders.placed", 0): 7}] * 2


def test_a_commit_that_was_taken_is_not_repeated() -> None:
    group = Group([("orders.placed", 0)])
    offsets = stored(group, 6)
    offsets.commit(1.0)

    offsets.answered(None, [TopicPartition("orders.placed", 0, 7)])
    offsets.commit(2.0)

    assert group.sent == [{("orders.placed", 0): 7}]


def test_a_refused_commit_never_takes_a_newer_position_back() -> None:
    group = Group([("orders.placed", 0)])
    offsets = stored(group, 6)
    offsets.commit(1.0)
    offsets.note([Record("orders.placed", 0, 20, b"", b"", {})])

    offsets.answered(REFUSED, [TopicPartition("orders.placed", 0, 7)])
    offsets.commit(2.0)

    assert group.sent[-1] == {("orders.placed", 0): 21}


def test_a_partition_that_went_to_another_member_is_not_committed() -> None:
    group = Group([("orders.placed", 0)])
    offsets = stored(group, 6)
    offsets.note([Record("orders.placed", 1, 3, b"", b"", {})])

    offsets.commit(1.0)

    assert group.sent == [{("orders.placed", 0): 7}]


def test_a_commit_waits_for_the_answer_to_the_one_before() -> None:
    group = Group([("orders.placed", 0)])
    offsets = stored(group, 6)
    offsets.commit(1.0)
    offsets.note([Record("orders.placed", 0, 7, b"", b"", {})])

    offsets.commit(2.0)
    waiting = list(group.sent)
    offsets.answered(None, [TopicPartition("orders.placed", 0, 7)])
    offsets.commit(3.0)

    assert waiting == [{("orders.placed", 0): 7}]
    assert group.sent == [{("orders.placed", 0): 7}, {("orders.placed", 0): 8}]


def test_a_commit_that_is_never_answered_holds_back_the_next_for_a_minute_alone() -> None:
    group = Group([("orders.placed", 0)])
    offsets = stored(group, 6)
    offsets.commit(1.0)
    offsets.note([Record("orders.placed", 0, 7, b"", b"", {})])

    offsets.commit(60.9)
    waiting = list(group.sent)
    offsets.commit(61.1)

    assert waiting == [{("orders.placed", 0): 7}]
    assert group.sent[-1] == {("orders.placed", 0): 8}


def test_nothing_to_send_is_no_sending_that_has_to_be_answered() -> None:
    group = Group([])
    offsets = stored(group, 6)
    offsets.commit(1.0)
    group.owned.append(("orders.placed", 0))
    offsets.note([Record("orders.placed", 0, 7, b"", b"", {})])

    offsets.commit(2.0)

    assert group.sent == [{("orders.placed", 0): 8}]
