"""How far each consumer group is behind: the end of the log minus what it has committed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from bookpayctl.clients import kafka
from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets.readiness import ASK_ONCE_SECONDS_MAX, accepts
from runtime.domain.names import PARTITIONS, TOPICS_OF_GROUP, Topic

_LOADING_SECONDS_MAX: Final = 10.0
_LOADING_PAUSE_SECONDS: Final = 0.2
_LOADING: Final = frozenset(
    {
        "COORDINATOR_LOAD_IN_PROGRESS",
        "COORDINATOR_NOT_AVAILABLE",
        "NOT_COORDINATOR",
        "UNKNOWN_TOPIC_OR_PART",
    }
)
"""Answers of a broker that has just started; each goes away by itself."""

Position = tuple[str, int]


@dataclass(frozen=True, slots=True)
class _Loading:
    """The broker is up and not ready to speak of its groups yet."""

    reason: str


class LagError(RuntimeError):
    """The broker did not answer."""


def group_lags(bootstrap_servers: str) -> dict[str, int]:
    """Group -> records not committed yet.

    A partition without a committed offset is read from its beginning, so all of it counts. A
    broker that has just started is asked again while it still loads its groups.

    Raises:
        LagError: the broker did not say.
    """
    waited = wait_until(
        lambda: _group_lags(bootstrap_servers),
        lambda lags: not isinstance(lags, _Loading),
        deadline_seconds=_LOADING_SECONDS_MAX,
        every_seconds=_LOADING_PAUSE_SECONDS,
    )
    if isinstance(waited.value, _Loading):
        raise LagError(f"the broker does not say: {waited.value.reason}")
    return waited.value


def _group_lags(bootstrap_servers: str) -> dict[str, int] | _Loading:
    if not accepts(bootstrap_servers):
        raise LagError(f"no broker takes a connection at {bootstrap_servers}")
    client = AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0})
    try:
        positions = _positions(client)
        ends = _offsets(client, positions, OffsetSpec.latest())  # type: ignore[no-untyped-call]
        begins = _offsets(client, positions, OffsetSpec.earliest())  # type: ignore[no-untyped-call]
        committed = {
            group: kafka.group_offsets(
                bootstrap_servers,
                group.value,
                [at for at in ends if at[0] in topics],
                timeout_seconds=ASK_ONCE_SECONDS_MAX,
            )
            for group, topics in TOPICS_OF_GROUP.items()
        }
    except (KafkaException, TimeoutError) as error:
        if isinstance(error, KafkaException) and error.args[0].name() in _LOADING:
            return _Loading(error.args[0].str())
        raise LagError(f"the broker does not say: {error}") from error
    return {
        group.value: _lag(topics, ends, begins, committed[group])
        for group, topics in TOPICS_OF_GROUP.items()
    }


def _positions(client: AdminClient) -> list[TopicPartition]:
    """Every partition there is: topics may have been given more than they were made with."""
    known = client.list_topics(timeout=ASK_ONCE_SECONDS_MAX).topics
    return [
        TopicPartition(topic.value, partition)
        for topic in Topic
        # One that is not there is asked for all the same, and the broker says so.
        for partition in (known[topic].partitions if topic in known else range(PARTITIONS))
    ]


def _lag(
    topics: tuple[Topic, ...],
    ends: Mapping[Position, int],
    begins: Mapping[Position, int],
    committed: Mapping[Position, int | None],
) -> int:
    positions = [position for position in ends if position[0] in topics]
    return sum(max(0, ends[at] - max(committed.get(at) or 0, begins[at])) for at in positions)


def _offsets(client, positions, spec) -> dict[Position, int]:  # type: ignore[no-untyped-def]
    """Offsets of every partition; the client's types are not published."""
    seconds = ASK_ONCE_SECONDS_MAX
    futures = client.list_offsets(dict.fromkeys(positions, spec), request_timeout=seconds)
    return {
        (position.topic, position.partition): future.result(seconds).offset
        for position, future in futures.items()
    }
