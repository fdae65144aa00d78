"""Kafka: an idempotent producer and a consumer that commits only what was stored.

librdkafka's own log goes into ours at DEBUG: a broker that is away is told once by `Outage`, not
by every connection attempt of every thread.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from runtime.domain.event import Record
from runtime.telemetry import Outage

logger = logging.getLogger(__name__)
librdkafka_logger = logging.getLogger("runtime.librdkafka")
librdkafka_logger.setLevel(logging.CRITICAL)

BATCH_MAX: Final = 500
COMMIT_SECONDS: Final = 0.5
"""How often positions are sent, at most: what a crash repeats. Each sending is a record in the
broker's log."""

COMMIT_ANSWER_SECONDS_MAX: Final = 60.0
"""When librdkafka gives a request up (`socket.timeout.ms`), and repeats nothing of it any more."""

METADATA_SECONDS: Final = 5
"""How old what a client knows of its topics may get. One that is away at the moment of a look is
not seen again before the next, and neither are partitions that were added: librdkafka's own five
minutes would be five minutes of silence."""

NO_SECURITY: Final[Mapping[str, str]] = MappingProxyType({})

UNAVAILABLE: Final = (KafkaException,)
"""What a caller can answer by waiting."""


def producer(
    bootstrap_servers: str,
    client_id: str,
    on_error: Callable[[KafkaError], None],
    *,
    security: Mapping[str, str] = NO_SECURITY,
) -> Producer:
    """An idempotent producer: acks=all, ordered, one partitioner with Java's.

    Args:
        security: of `config.kafka_security`.
        on_error: told, inside poll, that no broker can be reached.
    """
    return Producer(
        {
            **security,
            "bootstrap.servers": bootstrap_servers,
            "client.id": client_id,
            "error_cb": _when_away(on_error),
            "enable.idempotence": True,
            "acks": "all",
            # Java's and Debezium's partitioner, so that whoever publishes, a key lands alike.
            "partitioner": "murmur2_random",
            # 1 ms gathers what one poll of the outbox read; more would only add latency.
            "linger.ms": 1,
            "compression.type": "lz4",
            "batch.num.messages": 10_000,
            "queue.buffering.max.messages": 100_000,
            "message.max.bytes": 1_000_000,
            # A message that is not acknowledged by then is reported, stays unmarked in the outbox
            # and is read from there again.
            "message.timeout.ms": 30_000,
            "topic.metadata.refresh.interval.ms": METADATA_SECONDS * 1000,
            "socket.keepalive.enable": True,
            "reconnect.backoff.ms": 50,
            "reconnect.backoff.max.ms": 1_000,
        },
        logger=librdkafka_logger,
    )


def consumer(
    bootstrap_servers: str,
    group: str,
    client_id: str,
    *,
    instance_id: str | None,
    on_error: Callable[[KafkaError], None],
    security: Mapping[str, str] = NO_SECURITY,
) -> tuple[Consumer, Offsets]:
    """A consumer that never commits by itself, and what commits for it.

    Args:
        instance_id: static membership: a killed process that comes back under the same id takes
            its partitions over at once instead of after the session time-out. None for a group
            that is used once.
        security: of `config.kafka_security`.
    """
    static = {"group.instance.id": instance_id} if instance_id else {}
    # The client wants its callback, the callback the committer, and that one the client.
    answers: list[Offsets] = []
    client = Consumer(
        {
            **static,
            **security,
            "bootstrap.servers": bootstrap_servers,
            "group.id": group,
            "client.id": client_id,
            "error_cb": _when_away(on_error),
            "on_commit": lambda error, places: answers[0].answered(error, places),
            # Both off: either would commit what was polled and not stored.
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            # A group without a position must not skip what was published before it came.
            "auto.offset.reset": "earliest",
            # In one step. Cooperative balancing takes two, and a static member that dies between
            # them comes back without a rebalance: what it gave up is then read by nobody.
            "partition.assignment.strategy": "roundrobin",
            # No producer of ours is transactional; a connector in our place may be, and may abort.
            "isolation.level": "read_committed",
            # Partitions of a process that does not come back move after this long.
            "session.timeout.ms": 10_000,
            "heartbeat.interval.ms": 2_000,
            # A batch takes seconds: a process that has not polled for minutes hangs.
            "max.poll.interval.ms": 300_000,
            "fetch.wait.max.ms": 500,
            "topic.metadata.refresh.interval.ms": METADATA_SECONDS * 1000,
            # Tells how far it has come where the last offsets are no records.
            "enable.partition.eof": True,
            # 16 MiB per consumer, of which one machine runs four.
            "queued.max.messages.kbytes": 16_384,
            "socket.keepalive.enable": True,
            "reconnect.backoff.ms": 50,
            "reconnect.backoff.max.ms": 1_000,
            # A misspelt topic is an error, not a new topic.
            "allow.auto.create.topics": False,
        },
        logger=librdkafka_logger,
    )
    answers.append(Offsets(client))
    return client, answers[0]


def _when_away(on_error: Callable[[KafkaError], None]) -> Callable[[KafkaError], None]:
    """Pass on that every broker is gone; single connections come and go unreported.

    A fatal error is raised out of the poll that serves it, as `ClientBrokenError`.
    """

    def report(error: KafkaError) -> None:
        _end_if_fatal(error)
        if error.code() == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 - librdkafka's own code
            on_error(error)

    return report


def is_fatal(error: KafkaError) -> bool:
    """Whether the client can never work again; an error built from its code alone has no flag."""
    return error.fatal() or error.code() == KafkaError._FATAL  # noqa: SLF001 - librdkafka's own


def note_recovery(client: Consumer, outage: Outage) -> None:
    """End an outage as soon as a broker answers, whether or not there are records."""
    if outage.is_open and broker_answers(client, timeout_seconds=0.5):
        outage.recovered()


def poll_batch(
    source: Consumer,
    *,
    wait_seconds: float,
    on_error: Callable[[KafkaError], None],
    on_end: Callable[[tuple[str, int], int], None] | None = None,
) -> list[Record]:
    """Wait for one record, then take what else is there, at most `BATCH_MAX`.

    `Consumer.consume(n, t)` would wait for n records or the whole of t, which at a low rate adds t
    to every record's latency.

    Args:
        on_error: told of errors that stand where a record should.
        on_end: told of partitions that were read to their end, and of the offset there; this
            holds once the records are handled.

    Raises:
        ClientBrokenError: the client is of no use any more; the process has to start anew.
        KafkaException: something that waiting may mend.
    """
    try:
        first = source.poll(wait_seconds)
    except KafkaException as error:
        _end_if_fatal(error.args[0])
        raise
    if first is None:
        return []
    messages = [first]
    try:
        messages += source.consume(BATCH_MAX - 1, 0)
    except KafkaException as error:
        _end_if_fatal(error.args[0])
        # The first record is out of the client already: raised from here, it would be skipped.
        on_error(error.args[0])
    records = []
    for message in messages:
        fault = message.error()
        if fault is None:
            records.append(to_record(message))
        elif fault.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's own code
            if on_end is not None:
                place = (message.topic() or "", message.partition() or 0)
                on_end(place, message.offset() or 0)
        else:
            _end_if_fatal(fault)
            on_error(fault)
    return records


def _end_if_fatal(error: KafkaError) -> None:
    """Tell a broken client from a broker that is away: the one is never mended by waiting.

    A static member that was fenced by another of its name is polled in vain for ever.
    """
    if is_fatal(error):
        raise ClientBrokenError(error.str())


def to_record(message: Message) -> Record:
    """Copy a message out of the client; undecodable header bytes become replacement characters."""
    try:
        pairs = cast("list[tuple[str, bytes | None]]", message.headers() or [])
    except UnicodeDecodeError:
        # A name that is no text: the record is as one without headers, not the consumer's end.
        pairs = []
    key, value = message.key(), message.value()
    return Record(
        topic=message.topic() or "",
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        key=key,
        value=value,
        headers={name: (raw or b"").decode(errors="replace") for name, raw in pairs},
    )


@dataclass(slots=True)
class Offsets:
    """Commits positions behind what is stored, twice a second.

    Everything that reads a topic here dedupes, so a late commit costs a repeated record after a
    crash and an early one would cost a lost record: positions are noted only after the
    transaction, and sent now and then instead of once per batch, because each is a broker request.
    A sending that the broker refuses, as it does while the group is being balanced, is repeated:
    otherwise a quiet partition would look unread until its next record. For the same reason there
    is one at a time: the client repeats a request that was slow, and one that is repeated behind
    its successor takes the position back.

    Attributes:
        topic_id: the id of a topic as it is read. It goes with every position, which means nothing
            in another topic of the same name.
    """

    consumer: Consumer
    topic_id: Callable[[str], str | None] = lambda _topic: None
    _stored: dict[tuple[str, int], int] = field(default_factory=dict)
    _sent_at: float = 0.0
    _unanswered: bool = False

    def note(self, records: Sequence[Record]) -> None:
        """These records are stored."""
        for record in records:
            place = (record.topic, record.partition)
            self._stored[place] = max(self._stored.get(place, 0), record.offset + 1)

    def commit(self, now: float, *, every_seconds: float = COMMIT_SECONDS) -> None:
        """Send what was noted, when the last sending is `every_seconds` ago (monotonic `now`)."""
        wait_seconds = COMMIT_ANSWER_SECONDS_MAX if self._unanswered else every_seconds
        if not self._stored or now - self._sent_at < wait_seconds:
            return
        self._sent_at = now
        offsets = self._ours()
        self._stored = {}
        self._unanswered = bool(offsets)
        if offsets:
            self.consumer.commit(offsets=offsets, asynchronous=True)

    def _ours(self) -> list[TopicPartition]:
        """What was noted of partitions that are still ours.

        A partition that went to another member is that one's to commit: ours would take the
        group's position back.
        """
        owned = {(place.topic, place.partition) for place in self.consumer.assignment()}
        return [
            TopicPartition(*place, end, metadata=self.topic_id(place[0]) or "")
            for place, end in self._stored.items()
            if place in owned
        ]

    def answered(self, error: KafkaError | None, places: Sequence[TopicPartition]) -> None:
        """The broker's word on a sending, inside poll; what it did not take is noted again."""
        self._unanswered = False
        for place in places:
            if (error or place.error) is not None and place.offset >= 0:
                key = (place.topic, place.partition)
                self._stored[key] = max(self._stored.get(key, 0), place.offset)

    def close(self) -> None:
        """Send the rest and leave the group."""
        try:
            if offsets := self._ours():
                self.consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            logger.info("the last offsets were not committed; their records come again: %s", error)
        self.consumer.close()


class PositionLostError(RuntimeError):
    """The client cannot go back: only a new start reads from the committed offset."""


class ClientBrokenError(RuntimeError):
    """librdkafka says the client is beyond repair, or fenced by another of its name: start anew."""


def rewind(source: Consumer, records: Sequence[Record]) -> None:
    """Make the next poll return these records again: their transaction failed.

    A partition that was taken away meanwhile needs nothing: whoever has it now reads it from the
    committed offset, which is behind these records.

    Raises:
        PositionLostError: a partition that is still ours cannot be moved back. Going on would
            commit past records that were never stored.
    """
    starts: dict[tuple[str, int], int] = {}
    for record in records:
        place = (record.topic, record.partition)
        starts[place] = min(starts.get(place, record.offset), record.offset)
    refused: dict[tuple[str, int], KafkaException] = {}
    for (topic, partition), start in starts.items():
        try:
            source.seek(TopicPartition(topic, partition, start))
        except KafkaException as error:
            refused[topic, partition] = error
    owned = {(place.topic, place.partition) for place in source.assignment()} if refused else set()
    for place, cause in refused.items():
        if place in owned:
            raise PositionLostError(f"{place[0]}/{place[1]} cannot be read again") from cause


def broker_answers(client: Any, *, timeout_seconds: float) -> bool:
    """Whether a broker gives its metadata within the time."""
    try:
        client.list_topics(timeout=timeout_seconds)
    except KafkaException:
        return False
    return True
