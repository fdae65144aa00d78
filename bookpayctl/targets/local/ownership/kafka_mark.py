"""Whose a Kafka is: a topic of claims, in which the broker's own order decides who was first.

Two environments that come at the same moment both write, both read to the end, and agree. A
claimant that was killed stays the owner, by its id, and finds itself again.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from bookpayctl.clients.kafka import LogReadError, log_ranges, open_consumer, records_between
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


def look(bootstrap_servers: str, ours: Claimant, *, known: bool) -> bool:
    """Whether this Kafka is already ours; False when it is nobody's. Changes nothing.

    Args:
        known: our own record says that we were up on it, so traces there are ours.

    Raises:
        OwnedByAnotherError: it is another's.
        OwnershipUnknownError: the broker did not say.
    """
    try:
        owner = _owner(bootstrap_servers)
        if owner is not None and owner.environment_id != ours.environment_id:
            raise refused(_named(bootstrap_servers), owner, f"delete its topic {TOPIC}")
        if owner is None and not known:
            _refuse_signs(bootstrap_servers)
    except (KafkaException, LogReadError) as error:
        raise _unknown(bootstrap_servers, error) from error
    return owner is not None


def claim(bootstrap_servers: str, ours: Claimant, *, known: bool) -> None:
    """Make this Kafka ours, unless it is another's.

    Raises:
        OwnedByAnotherError: it is, or another was first; nothing else was changed.
        OwnershipUnknownError: the broker did not say.
    """
    if look(bootstrap_servers, ours, known=known):
        return
    try:
        _write(bootstrap_servers, [ours.document(CLAIM)])
        owner = _owner(bootstrap_servers)
        if owner is not None and owner.environment_id != ours.environment_id:
            # Ours counts for nothing, and is taken back so that it never will.
            _write(bootstrap_servers, [ours.document(RELEASE)])
            raise refused(_named(bootstrap_servers), owner, f"delete its topic {TOPIC}")
    except (KafkaException, LogReadError) as error:
        raise _unknown(bootstrap_servers, error) from error


def take(bootstrap_servers: str, ours: Claimant) -> None:
    """Write down that our own broker is ours, whoever it carried before its folder became ours.

    Raises:
        OwnershipUnknownError: the broker did not take it.
    """
    try:
        owner = _owner(bootstrap_servers)
        if owner == ours:
            return
        before = [] if owner is None else [owner.document(RELEASE)]
        _write(bootstrap_servers, [*before, ours.document(CLAIM)])
    except (KafkaException, LogReadError) as error:
        raise _unknown(bootstrap_servers, error) from error


def release(bootstrap_servers: str, ours: Claimant, made_topics: list[str]) -> None:
    """Give a Kafka back: our topics, records and groups go, then our claim.

    Topics that were there before us stay, as empty as an environment may find them.

    Harmless when it is not ours.

    Raises:
        OwnershipUnknownError: the broker did not do it; it can be repeated.
    """
    try:
        owner = _owner(bootstrap_servers)
        if owner is None or owner.environment_id != ours.environment_id:
            return
        admin = _admin(bootstrap_servers)
        if made_topics:
            _finish(admin.delete_topics(made_topics), KafkaError.UNKNOWN_TOPIC_OR_PART)
        _delete_records(bootstrap_servers, admin)
        _delete_groups(admin)
        _write(bootstrap_servers, [ours.document(RELEASE)])
    except (KafkaException, LogReadError) as error:
        raise _unknown(bootstrap_servers, error) from error


def _owner(bootstrap_servers: str) -> Claimant | None:
    consumer = open_consumer(bootstrap_servers)
    try:
        ranges = _ranges(consumer, [TOPIC])
        return owner_of(record.payload for record in records_between(consumer, ranges))
    finally:
        consumer.close()


def _ranges(consumer: Consumer, topics: list[str]) -> dict[tuple[str, int], tuple[int, int]]:
    """First and end offset of each partition; a topic that is being made is waited for."""
    give_up_at = time.monotonic() + _REQUEST_SECONDS
    while True:
        try:
            return log_ranges(consumer, topics)
        except KafkaException as error:
            if error.args[0].code() not in _SETTLING or time.monotonic() > give_up_at:
                raise
            time.sleep(_POLL_SECONDS)


def _write(bootstrap_servers: str, documents: list[bytes]) -> None:
    """Append to the topic, which is made when it is missing, and wait until it is written."""
    topic = NewTopic(
        TOPIC,
        num_partitions=1,
        replication_factor=-1,
        config={"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"},
    )
    # Kept until its answer is there: what it was asked dies with it.
    admin = _admin(bootstrap_servers)
    _finish(admin.create_topics([topic]), KafkaError.TOPIC_ALREADY_EXISTS)
    failures: list[KafkaError] = []
    producer = Producer(
        {
            "bootstrap.servers": bootstrap_servers,
            "enable.idempotence": True,
            "message.timeout.ms": int(_REQUEST_SECONDS * 1000),
            "log_level": 0,
        }
    )
    for document in documents:
        producer.produce(
            TOPIC, document, on_delivery=lambda error, _: failures.append(error) if error else None
        )
    if producer.flush(_REQUEST_SECONDS * 2) or failures:
        raise KafkaException(failures[0] if failures else KafkaError(KafkaError._MSG_TIMED_OUT))  # noqa: SLF001


def _refuse_signs(bootstrap_servers: str) -> None:
    """Refuse a Kafka on which somebody works under our names.

    Topics that are empty and that no group reads are no sign: somebody may have made them for us.
    """
    signs = []
    admin = _admin(bootstrap_servers)
    groups = _our_groups(admin)
    if groups:
        signs.append(f"it has the consumer groups {', '.join(groups)}")
    consumer = open_consumer(bootstrap_servers)
    try:
        ranges = _ranges(consumer, [topic.value for topic in Topic])
    finally:
        consumer.close()
    written = sorted({topic for (topic, _), (first, end) in ranges.items() if end > first})
    if written:
        signs.append(f"there are records in {', '.join(written)}")
    if signs:
        raise refused_by_signs(
            _named(bootstrap_servers), " and ".join(signs), "delete those topics and groups"
        )


def _our_groups(admin: AdminClient) -> list[str]:
    """The groups there that have the names of ours, with or without members."""
    listed = admin.list_consumer_groups(request_timeout=_REQUEST_SECONDS).result()
    names = {group.value for group in TOPICS_OF_GROUP}
    return sorted(names & {found.group_id for found in listed.valid})


def _delete_records(bootstrap_servers: str, admin: AdminClient) -> None:
    """Remove what was written to the topics of ours that are still there."""
    consumer = open_consumer(bootstrap_servers)
    try:
        ranges = _ranges(consumer, [topic.value for topic in Topic])
    finally:
        consumer.close()
    ends = [TopicPartition(*where, end) for where, (first, end) in ranges.items() if end > first]
    if ends:
        # A topic that was deleted this moment may still be listed.
        _finish(admin.delete_records(ends), KafkaError.UNKNOWN_TOPIC_OR_PART)


def _delete_groups(admin: AdminClient) -> None:
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


def _admin(bootstrap_servers: str) -> AdminClient:
    return AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0})


def _finish(futures: Mapping[Any, Future[Any]], *tolerated: int) -> None:
    for future in futures.values():
        try:
            future.result(_REQUEST_SECONDS)
        except KafkaException as error:
            if error.args[0].code() not in tolerated:
                raise


def _named(bootstrap_servers: str) -> str:
    return f"the Kafka at {bootstrap_servers}"


def _unknown(bootstrap_servers: str, error: Exception) -> OwnershipUnknownError:
    unknown = OwnershipUnknownError(
        f"{_named(bootstrap_servers)} does not say whose it is: {error}"
    )
    unknown.fix = f"see that a broker answers at {bootstrap_servers}, then repeat"
    return unknown
