"""Whose a Kafka is: a topic of claims, in which the broker's own order decides who was first.

Two environments that come at the same moment both write, both read to the end, and agree. A
claimant that was killed stays the owner, by its id, and finds itself again.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import NewTopic  # type: ignore[attr-defined]

from bookpayctl.clients.kafka import LogReadError, log_ranges, open_consumer, records_between
from bookpayctl.clients.kafka_connection import Admin, LogConsumer, RecordProducer, open_admin
from bookpayctl.clients.kafka_servers import KafkaServers
from bookpayctl.targets.local.ownership.claim import (
    CLAIM,
    RELEASE,
    Claimant,
    OwnershipUnknownError,
    owner_of,
    refused,
    refused_by_signs,
)
from runtime.domain.names import TOPICS_OF_GROUP, Topic

TOPIC: Final = "bookpay.environments"

_REQUEST_SECONDS: Final = 10.0
_POLL_SECONDS: Final = 0.1

# A static member does not say goodbye: it is a member until its session of 10 s ends
# (`session.timeout.ms` of the services), and a busy broker looks late.
_SESSION_SECONDS_MAX: Final = 30.0

# What a partition answers until it has a leader.
_SETTLING: Final = frozenset(
    {
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
    }
)


def look(servers: KafkaServers, ours: Claimant, *, known: bool) -> bool:
    """Whether this Kafka is already ours; False when it is nobody's. Changes nothing.

    Args:
        known: our own record says that we were up on it, so traces there are ours.

    Raises:
        OwnedByAnotherError: it is another's.
        OwnershipUnknownError: the broker did not say.
    """
    try:
        owner = _owner(servers)
        if owner is not None and owner.environment_id != ours.environment_id:
            raise refused(servers.name, owner, f"delete its topic {TOPIC}")
        if owner is None and not known:
            _refuse_signs(servers)
    except (KafkaException, LogReadError) as error:
        raise _unknown(servers, error) from error
    return owner is not None


def claim(servers: KafkaServers, ours: Claimant, *, known: bool) -> None:
    """Make this Kafka ours, unless it is another's.

    Raises:
        OwnedByAnotherError: it is, or another was first; nothing else was changed.
        OwnershipUnknownError: the broker did not say.
    """
    if look(servers, ours, known=known):
        return
    try:
        _write(servers, [ours.document(CLAIM)])
        owner = _owner(servers)
        if owner is not None and owner.environment_id != ours.environment_id:
            # Ours counts for nothing, and is taken back so that it never will.
            _write(servers, [ours.document(RELEASE)])
            raise refused(servers.name, owner, f"delete its topic {TOPIC}")
    except (KafkaException, LogReadError) as error:
        raise _unknown(servers, error) from error


def take(servers: KafkaServers, ours: Claimant) -> None:
    """Write down that our own broker is ours, whoever it carried before its folder became ours.

    Raises:
        OwnershipUnknownError: the broker did not take it.
    """
    try:
        owner = _owner(servers)
        if owner == ours:
            return
        before = [] if owner is None else [owner.document(RELEASE)]
        _write(servers, [*before, ours.document(CLAIM)])
    except (KafkaException, LogReadError) as error:
        raise _unknown(servers, error) from error


def release(servers: KafkaServers, ours: Claimant, made_topics: list[str]) -> None:
    """Give a Kafka back: our topics, records and groups go, then our claim.

    Topics that were there before us stay, as empty as an environment may find them.

    Harmless when it is not ours.

    Raises:
        OwnershipUnknownError: the broker did not do it; it can be repeated.
    """
    try:
        owner = _owner(servers)
        if owner is None or owner.environment_id != ours.environment_id:
            return
        admin = open_admin(servers)
        if made_topics:
            _finish(admin.delete_topics(made_topics), KafkaError.UNKNOWN_TOPIC_OR_PART)
        _delete_records(servers, admin)
        _delete_groups(admin)
        _write(servers, [ours.document(RELEASE)])
    except (KafkaException, LogReadError) as error:
        raise _unknown(servers, error) from error


def _owner(servers: KafkaServers) -> Claimant | None:
    consumer = open_consumer(servers)
    try:
        ranges = _ranges(consumer, [TOPIC])
        return owner_of(record.payload for record in records_between(consumer, ranges))
    finally:
        consumer.close()


def _ranges(consumer: LogConsumer, topics: list[str]) -> dict[tuple[str, int], tuple[int, int]]:
    """First and end offset of each partition; a topic that is being made is waited for."""
    give_up_at = time.monotonic() + _REQUEST_SECONDS
    while True:
        try:
            return log_ranges(consumer, topics)
        except KafkaException as error:
            if error.args[0].code() not in _SETTLING or time.monotonic() > give_up_at:
                raise
            time.sleep(_POLL_SECONDS)


def _write(servers: KafkaServers, documents: list[bytes]) -> None:
    """Append to the topic, which is made when it is missing, and wait until it is written."""
    topic = NewTopic(
        TOPIC,
        num_partitions=1,
        replication_factor=-1,
        config={"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"},
    )
    # Kept until its answer is there: what it was asked dies with it.
    admin = open_admin(servers)
    _finish(admin.create_topics([topic]), KafkaError.TOPIC_ALREADY_EXISTS)
    failures: list[KafkaError] = []
    producer = RecordProducer(
        servers,
        {
            "enable.idempotence": True,
            "message.timeout.ms": int(_REQUEST_SECONDS * 1000),
        },
    )
    for document in documents:
        producer.produce(
            TOPIC, document, on_delivery=lambda error, _: failures.append(error) if error else None
        )
    if producer.flush(_REQUEST_SECONDS * 2) or failures:
        raise KafkaException(failures[0] if failures else KafkaError(KafkaError._MSG_TIMED_OUT))  # noqa: SLF001


def _refuse_signs(servers: KafkaServers) -> None:
    """Refuse a Kafka on which somebody works under our names.

    Topics that are empty and that no group reads are no sign: somebody may have made them for us.
    """
    signs = []
    admin = open_admin(servers)
    groups = _our_groups(admin)
    if groups:
        signs.append(f"it has the consumer groups {', '.join(groups)}")
    consumer = open_consumer(servers)
    try:
        ranges = _ranges(consumer, [topic.value for topic in Topic])
    finally:
        consumer.close()
    written = sorted({topic for (topic, _), (first, end) in ranges.items() if end > first})
    if written:
        signs.append(f"there are records in {', '.join(written)}")
    if signs:
        raise refused_by_signs(servers.name, " and ".join(signs), "delete those topics and groups")


def _our_groups(admin: Admin) -> list[str]:
    """The groups there that have the names of ours, with or without members."""
    listed = admin.list_consumer_groups(request_timeout=_REQUEST_SECONDS).result()
    names = {group.value for group in TOPICS_OF_GROUP}
    return sorted(names & {found.group_id for found in listed.valid})


def _delete_records(servers: KafkaServers, admin: Admin) -> None:
    """Remove what was written to the topics of ours that are still there."""
    consumer = open_consumer(servers)
    try:
        ranges = _ranges(consumer, [topic.value for topic in Topic])
    finally:
        consumer.close()
    ends = [TopicPartition(*where, end) for where, (first, end) in ranges.items() if end > first]
    if ends:
        # A topic that was deleted this moment may still be listed.
        _finish(admin.delete_records(ends), KafkaError.UNKNOWN_TOPIC_OR_PART)


def _delete_groups(admin: Admin) -> None:
    """Delete our groups, once the broker has noticed that their members have gone.

    Raises:
        KafkaException: somebody is still in one after the longest session of a member of ours.
    """
    give_up_at = time.monotonic() + _SESSION_SECONDS_MAX
    while groups := _our_groups(admin):
        try:
            _finish(admin.delete_consumer_groups(groups), KafkaError.GROUP_ID_NOT_FOUND)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.NON_EMPTY_GROUP or time.monotonic() > give_up_at:
                raise
        time.sleep(_POLL_SECONDS)


def _finish(futures: Mapping[Any, Future[Any]], *tolerated: int) -> None:
    for future in futures.values():
        try:
            future.result(_REQUEST_SECONDS)
        except KafkaException as error:
            if error.args[0].code() not in tolerated:
                raise


def _unknown(servers: KafkaServers, error: Exception) -> OwnershipUnknownError:
    unknown = OwnershipUnknownError(f"{servers.name} does not say whose it is: {error}")
    unknown.fix = f"see that a broker answers at {servers.bootstrap_servers}, then repeat"
    return unknown
