"""The loop of every Kafka consumer here: poll, have the work done, and only then commit offsets.

The promise: an offset is committed after the work of its record is durable, so a crash at any
moment repeats records and skips none; every handler dedupes. A record that the database will
never accept gets a dead letter and its partition moves on. What is merely away (the database, the
broker, whatever the handler says) is waited for, with a back-off, and the same records are read
again.

What a record means is the handler's; this module knows no service.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import psycopg
from confluent_kafka import Consumer, KafkaException, TopicPartition

from runtime import config, metrics
from runtime.adapters import kafka, kafka_progress
from runtime.adapters.kafka_admin import GroupAdmin
from runtime.adapters.kafka_progress import Assignments, Progress
from runtime.adapters.kafka_watch import GroupWatch
from runtime.adapters.store import database, dead_letters
from runtime.domain.event import Record
from runtime.domain.group import Place
from runtime.domain.retry import CONNECTION_BACKOFF
from runtime.lifecycle import repeat
from runtime.process import Process
from runtime.telemetry import Outage

logger = logging.getLogger(__name__)

POLL_SECONDS: Final = 0.5
"""How long a poll waits for a first record: also how long a stop may go unnoticed."""

LAG_SECONDS: Final = 1.0
"""How often the loop says how far it is behind."""

RECORDS_LOST: Final = "records_lost"
"""The reason of a dead letter that stands for records which retention took before their time."""


UNREADABLE: Final = (*database.SPOILT, ValueError, OverflowError, RecursionError)
"""What a single record can be to its handler: refused by the database, or by a type that it has to
become. Waiting mends none of it, and a new start would meet the same record again."""


class RecordHandler(Protocol):
    """What one service does with its records."""

    def records_at_once(self) -> int:
        """How many records one call of `handle` takes; asked once per poll, at least 1."""

    def handle(self, records: Sequence[Record]) -> None:
        """Do the work of these records; when it returns, all of it is durable.

        Raises:
            Exception: none of it has to be durable: the records come again. One of
                `UNREADABLE` says that a record among them can never be stored.
        """

    def bury(self, record: Record, reason: str) -> None:
        """Make a dead letter of a record that can never be stored, durably."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A consumer of some topics, what commits for it, and the log of its broker's absence.

    Attributes:
        progress: how far it has come, for the watch and the loop alike.
        watch: keeps readiness true; the loop starts it.
    """

    consumer: Consumer
    offsets: kafka.Offsets
    outage: Outage
    progress: Progress
    watch: GroupWatch


def subscribe(
    process: Process, group: str, topics: Sequence[str], *, comes_back: bool = True
) -> Subscription:
    """Join a consumer group; no record is read before the first poll.

    Args:
        comes_back: the process keeps its partitions over a restart (static membership). False for
            a group that is used once: nobody would ever take its place.

    Raises:
        ConfigError: no broker is named.
    """
    outage, progress = Outage(logger, "Kafka"), Progress()
    servers, name = config.kafka_bootstrap_servers(process.source), process.common.process
    security = config.kafka_security(process.source)
    consumer, offsets = kafka.consumer(
        servers,
        group,
        name,
        instance_id=process.common.process if comes_back else None,
        on_error=lambda error: outage.failed(KafkaException(error)),
        security=security,
    )
    offsets.topic_id = progress.topic_id
    admin = GroupAdmin(servers, name, group, security=security)
    assignments = Assignments(admin, topics, progress)
    consumer.subscribe(
        [*topics],
        on_assign=assignments.assigned,
        on_revoke=assignments.revoked,
        on_lost=assignments.revoked,
    )
    watch = GroupWatch(process.lifecycle, admin, topics, name, progress)
    return Subscription(consumer, offsets, outage, progress, watch)


@dataclass(slots=True)
class ConsumerLoop:
    """One consumer's loop, on the thread that calls `run`.

    Attributes:
        session: the handler's own connection, opened before each poll and made anew after a
            failure; readiness `database` follows it. None for a handler that brings a pool, whose
            readiness is somebody else's.
        also_away: errors of the handler that waiting mends, beside those of database and broker.
            The handler says what is away; the loop backs off.
        after_commit: told of every polled batch once its offsets were handed to the committer.
    """

    process: Process
    subscription: Subscription
    handler: RecordHandler
    database_outage: Outage
    session: database.Session | None = None
    also_away: tuple[type[Exception], ...] = ()
    after_commit: Callable[[Sequence[Record]], None] | None = None
    _measured_at: float = 0.0
    _topics: set[str] = field(default_factory=set)

    def run(self) -> None:
        """Consume until the process is told to stop, then commit the rest and leave the group.

        Raises:
            Exception: what nobody can answer by waiting; a new start reads from the committed
                offsets.
        """
        self.subscription.watch.start()
        repeat(
            self.run_once,
            stop=self.process.lifecycle.stop,
            backoff=CONNECTION_BACKOFF,
            rng=self.process.rng,
            recoverable=(*database.UNAVAILABLE, *kafka.UNAVAILABLE, *self.also_away),
            on_failure=self._failed,
        )
        # On this thread: librdkafka's consumer must not be closed under a poll of another.
        self.subscription.offsets.close()

    def run_once(self) -> float:
        """Poll once and work off what came; returns seconds to wait (none: the poll waits)."""
        offsets, progress = self.subscription.offsets, self.subscription.progress
        progress.begin_round()
        if self.session is not None:
            # Before the poll: a failure here has taken no record that must be given back.
            self.session.connection()
            self._database_answered()
        kafka_progress.end_if_made_again(progress)
        kafka_progress.end_if_lost(progress)
        self._keep_losses()
        # Also in idle cycles: the last batch's sending may have been held back by its limit, or
        # refused by a broker that was balancing the group.
        offsets.commit(time.monotonic())
        self._measure_lag()
        ends: list[tuple[Place, int]] = []
        records = kafka.poll_batch(
            self.subscription.consumer,
            wait_seconds=POLL_SECONDS,
            on_error=lambda error: self.subscription.outage.failed(KafkaException(error)),
            on_end=lambda place, offset: ends.append((place, offset)),
        )
        progress.polled(is_empty=not records)
        if not records:
            progress.reach(ends)
            kafka.note_recovery(self.subscription.consumer, self.subscription.outage)
            return 0.0
        self.subscription.outage.recovered()
        self._work_off(records)
        # Not before: an end that was read is reached once the records before it are handled.
        progress.reach(ends)
        offsets.commit(time.monotonic())
        if self.after_commit is not None:
            self.after_commit(records)
        return 0.0

    def _work_off(self, records: Sequence[Record]) -> None:
        """Hand the records over in their order, noting each part once its work is durable."""
        size = self.handler.records_at_once()
        # In order, and none before the one ahead of it is stored: a position says that all before
        # it are.
        for start in range(0, len(records), size):
            part = records[start : start + size]
            try:
                self._handle(part)
            except Exception:
                # The consumer's position is ahead of the store: this part and those behind it are
                # not stored, and the next poll has to bring them again.
                kafka.rewind(self.subscription.consumer, records[start:])
                raise
            self._database_answered()
            self.subscription.offsets.note(part)
            self.subscription.progress.handled(part)
            self.subscription.progress.begin_round()
            for record in part:
                metrics.RECORDS_CONSUMED.labels(record.topic).inc()

    def _measure_lag(self) -> None:
        """From what the last fetches brought along: no broker is asked."""
        now = time.monotonic()
        if now - self._measured_at < LAG_SECONDS:
            return
        self._measured_at = now

        def end_of(place: Place) -> int:
            consumer = self.subscription.consumer
            return consumer.get_watermark_offsets(TopicPartition(*place), cached=True)[1]

        lags = kafka_progress.lag_by_topic(self.subscription.progress.positions(), end_of)
        # A topic whose partitions have gone to others is not behind here any more.
        for topic in self._topics | set(lags):
            metrics.CONSUMER_LAG.labels(topic).set(lags.get(topic, 0))
        self._topics |= set(lags)

    def _keep_losses(self) -> None:
        """Make a dead letter for each stretch of records that was deleted before it was read."""
        progress = self.subscription.progress
        while (loss := progress.next_loss()) is not None:
            (topic, partition), lost = loss.place, {"lost": loss.count, "from": loss.begin}
            logger.error(
                "records were deleted before they were read; the outbox can publish them again",
                extra={"topic": topic, "partition": partition, **lost},
            )
            value = json.dumps(lost).encode()
            self.handler.bury(Record(topic, partition, loss.begin, None, value, {}), RECORDS_LOST)
            metrics.RECORDS_LOST.labels(topic).inc(loss.count)
            # Last: what met a database that is away is written in the next round.
            progress.loss_written()

    def _handle(self, records: Sequence[Record]) -> None:
        """Hand records over; when one of several spoils them all, each is tried by itself."""
        try:
            self.handler.handle(records)
        except UNREADABLE as error:
            if len(records) > 1:
                for record in records:
                    self._handle([record])
                return
            logger.exception("a record cannot be stored and gets a dead letter", extra=_at(records))
            self.handler.bury(records[0], type(error).__name__)

    def _database_answered(self) -> None:
        self.database_outage.recovered()
        if self.session is not None:
            database.tell(self.process.lifecycle.readiness, True)

    def _failed(self, error: Exception) -> None:
        """Say once what is away; the records come again."""
        if isinstance(error, KafkaException):
            self.subscription.outage.failed(error)
        elif isinstance(error, database.UNAVAILABLE):
            self.database_outage.failed(error)
            if self.session is not None:
                database.tell(self.process.lifecycle.readiness, False)
                # A connection that failed once may hang until its time-out: make a new one.
                self.session.drop()


def dead_letter(conn: psycopg.Connection, *, source: str, reason: str, record: Record) -> None:
    """Keep a record that cannot be processed, in the caller's transaction, and say so."""
    dead_letters.insert_record(conn, source=source, reason=reason, record=record)
    logger.error(
        "a record cannot be processed and has a dead letter now",
        extra={"reason": reason, **_at([record])},
    )


def _at(records: Sequence[Record]) -> dict[str, object]:
    """Log fields: where the first of these records is."""
    first = records[0]
    return {"topic": first.topic, "partition": first.partition, "offset": first.offset}
