"""Topics of Kafka as drills change them: made again, cut short, grown. Each is the broker's to do.

What is told here of a topic is the broker's own record; that something was asked for is no proof.
An admin client has a name in each function, and so is kept until its answer is there: what it was
asked dies with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from confluent_kafka import KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import NewPartitions, NewTopic  # type: ignore[attr-defined]

from bookpayctl.clients.kafka_connection import open_admin
from bookpayctl.clients.kafka_servers import KafkaServers
from bookpayctl.runs.waiting import wait_until

REQUEST_SECONDS: Final = 10.0

_T = TypeVar("_T")

NAME_FREE_SECONDS_MAX: Final = 30.0
"""A name that was just deleted is free again when the broker has let go of its files."""

GROUP_EMPTY_SECONDS_MAX: Final = 30.0
"""A static member does not say goodbye: it is one until its session of 10 s ends."""


@dataclass(frozen=True, slots=True)
class TopicSight:
    """A topic now: the id that no other topic ever has, and its number of partitions."""

    topic_id: str
    partitions: int


def topics_seen(servers: KafkaServers, topics: Iterable[str]) -> dict[str, TopicSight]:
    """Those of the topics that exist.

    Raises:
        BrokerError: the broker did not say.
    """
    admin = open_admin(servers)
    asked = admin.describe_topics(TopicCollection([*topics]), request_timeout=REQUEST_SECONDS)
    found = {}
    for name, future in asked.items():
        try:
            described = _answer(future)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise
            continue
        found[name] = TopicSight(str(described.topic_id), len(described.partitions))
    return found


def delete_topic(servers: KafkaServers, topic: str) -> None:
    """Delete a topic with all its records; one that is not there is deleted.

    Raises:
        BrokerError: it may still be there.
    """
    admin = open_admin(servers)
    asked = admin.delete_topics([topic], operation_timeout=REQUEST_SECONDS)
    _finish(asked, KafkaError.UNKNOWN_TOPIC_OR_PART)


def make_topic(
    servers: KafkaServers, topic: str, *, partitions: int, settings: Mapping[str, str]
) -> None:
    """Make a topic, as soon as its name is free; one that is there stays as it is.

    Raises:
        BrokerError: it is not there.
    """
    admin = open_admin(servers)

    def is_there() -> bool:
        wanted = NewTopic(
            topic, num_partitions=partitions, replication_factor=-1, config={**settings}
        )
        asked = admin.create_topics([wanted], request_timeout=REQUEST_SECONDS)
        # While the old one goes the name is taken and nothing can be asked of it.
        _finish(asked, KafkaError.TOPIC_ALREADY_EXISTS)
        return topic in topics_seen(servers, [topic])

    made = wait_until(is_there, bool, deadline_seconds=NAME_FREE_SECONDS_MAX)
    if not made.reached:
        raise KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))


def delete_records(servers: KafkaServers, before: Mapping[tuple[str, int], int]) -> None:
    """Delete the records of each partition below an offset, as retention does.

    Raises:
        BrokerError: some of them may still be there.
    """
    places = [TopicPartition(*where, offset) for where, offset in before.items()]
    admin = open_admin(servers)
    _finish(admin.delete_records(places, request_timeout=REQUEST_SECONDS))


def grow_topics(servers: KafkaServers, partitions: Mapping[str, int]) -> None:
    """Give topics so many partitions; they never get fewer.

    Raises:
        BrokerError: some of them did not grow.
    """
    wanted = [NewPartitions(topic, count) for topic, count in partitions.items()]
    if wanted:
        admin = open_admin(servers)
        _finish(admin.create_partitions(wanted, request_timeout=REQUEST_SECONDS))


def group_members(servers: KafkaServers, group: str) -> frozenset[str]:
    """The client ids of a group's members now.

    Raises:
        BrokerError: the broker did not say.
    """
    admin = open_admin(servers)
    found = admin.list_groups(group, timeout=REQUEST_SECONDS)
    return frozenset(str(member.client_id) for listed in found for member in listed.members)


def delete_group_when_empty(servers: KafkaServers, group: str) -> None:
    """Delete a group with all that it has committed, once its last member has gone.

    Raises:
        BrokerError: it is still there.
    """
    admin = open_admin(servers)

    def problem() -> KafkaException | None:
        try:
            asked = admin.delete_consumer_groups([group], request_timeout=REQUEST_SECONDS)
            _finish(asked, KafkaError.GROUP_ID_NOT_FOUND)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.NON_EMPTY_GROUP:
                raise
            return error
        return None

    waited = wait_until(
        problem, lambda error: error is None, deadline_seconds=GROUP_EMPTY_SECONDS_MAX
    )
    if waited.value is not None:
        raise waited.value


def _finish(futures: Mapping[Any, Future[Any]], *tolerated: int) -> None:
    for future in futures.values():
        try:
            _answer(future)
        except KafkaException as error:
            if error.args[0].code() not in tolerated:
                raise


def _answer(future: Future[_T]) -> _T:
    try:
        return future.result(2 * REQUEST_SECONDS)
    except TimeoutError as error:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT)) from error  # noqa: SLF001 - librdkafka's own code
