"""What the broker says of topics and groups: ids, offsets, members. Asking changes nothing.

A group is asked for by `list_groups`. What librdkafka sends to a group's coordinator on its newer
way (describe_consumer_groups, list_consumer_group_offsets) frees a request whose connection is cut
and then answers it: an assertion ends the process, and no Python code can catch that.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import Final, TypeVar, cast

from confluent_kafka import (
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec
from confluent_kafka.admin._topic import TopicDescription

from runtime.adapters.kafka import NO_SECURITY, librdkafka_logger
from runtime.adapters.kafka_assignment import places_of
from runtime.domain.group import BrokerSight, Place

logger = logging.getLogger(__name__)

ASK_SECONDS_MAX: Final = 5.0

_SETTLED: Final = "Stable"

_T = TypeVar("_T")


class GroupAdmin:
    """Asks about one consumer group and its topics, from any thread.

    A client of its own: the consumer's is busy polling, and what it believes of its group is just
    what is to be examined.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        client_id: str,
        group: str,
        *,
        security: Mapping[str, str] = NO_SECURITY,
    ) -> None:
        self._group = group
        self._client = AdminClient(
            {
                **security,
                "bootstrap.servers": bootstrap_servers,
                "client.id": f"{client_id}-watch",
                "socket.keepalive.enable": True,
                "reconnect.backoff.ms": 50,
                "reconnect.backoff.max.ms": 1_000,
            },
            logger=librdkafka_logger,
        )

    def poll(self) -> None:
        """Serve the client's callbacks, which are its log lines."""
        self._client.poll(0)

    def topic_ids(self, topics: Sequence[str]) -> dict[str, str]:
        """The ids of those topics that exist.

        Raises:
            KafkaException: the broker did not say.
        """
        return {name: str(topic.topic_id) for name, topic in self._topics(topics).items()}

    def look(self, topics: Sequence[str]) -> tuple[BrokerSight, dict[str, str]]:
        """The group and its topics as they are now, and the topics' ids.

        Raises:
            KafkaException: the broker did not say.
        """
        described = self._topics(topics)
        partitions = {name: len(topic.partitions) for name, topic in described.items()}
        places = [(name, n) for name, count in partitions.items() for n in range(count)]
        is_settled, members = self._members_if_said()
        starts = self._offsets(places, OffsetSpec.earliest)
        ends = self._offsets(places, OffsetSpec.latest)
        sight = BrokerSight(partitions, starts, ends, is_settled, members)
        return sight, {name: str(topic.topic_id) for name, topic in described.items()}

    def _members_if_said(self) -> tuple[bool, dict[str, set[Place]] | None]:
        """The same as `members`; None when the broker did not say, though it spoke of topics."""
        try:
            return self.members()
        except KafkaException as error:
            logger.debug("the group's members are not known: %s", error)
            return False, None

    def members(self) -> tuple[bool, dict[str, set[Place]]]:
        """Whether the group is in no rebalance, and what each of its clients is to read.

        Raises:
            KafkaException: the broker did not say.
        """
        # By client id: a client can be asked for its member id only by blocking on its own threads.
        members: dict[str, set[Place]] = {}
        found = self._client.list_groups(self._group, timeout=ASK_SECONDS_MAX)
        # None while nobody has ever joined. A broker that is no longer its coordinator may still
        # list it, without members.
        group = max(found, key=lambda listed: len(listed.members), default=None)
        if group is None:
            return False, members
        if group.error is not None:
            raise KafkaException(group.error)
        for member in group.members:
            try:
                read = places_of(cast("bytes", member.assignment))
            except ValueError as error:
                raise KafkaException(KafkaError(KafkaError._BAD_MSG, str(error))) from error  # noqa: SLF001 - librdkafka's own code
            members.setdefault(cast("str", member.client_id), set()).update(read)
        return group.state == _SETTLED, members

    def _topics(self, topics: Sequence[str]) -> dict[str, TopicDescription]:
        asked = self._client.describe_topics(
            TopicCollection([*topics]), request_timeout=ASK_SECONDS_MAX
        )
        found = ((name, _unless_unknown(future)) for name, future in asked.items())
        return {name: topic for name, topic in found if topic is not None}

    def _offsets(self, places: Iterable[Place], spec: Callable[[], OffsetSpec]) -> dict[Place, int]:
        wanted = {TopicPartition(*place): spec() for place in places}
        if not wanted:
            return {}
        asked = self._client.list_offsets(
            wanted,
            # Up to where a consumer of ours may read: not into a transaction that is open.
            isolation_level=IsolationLevel.READ_COMMITTED,
            request_timeout=ASK_SECONDS_MAX,
        )
        found = (((at.topic, at.partition), _unless_unknown(f)) for at, f in asked.items())
        return {place: answer.offset for place, answer in found if answer is not None}


def _answer(future: Future[_T]) -> _T:
    """The answer to one question; the client ends it within its own time-out.

    Raises:
        KafkaException: the broker did not say.
    """
    try:
        return future.result(2 * ASK_SECONDS_MAX)
    except TimeoutError as error:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT)) from error  # noqa: SLF001 - librdkafka's own code


def _unless_unknown(future: Future[_T]) -> _T | None:
    """The same; None for a topic or a partition that does not exist."""
    try:
        return _answer(future)
    except KafkaException as error:
        if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            return None
        raise
