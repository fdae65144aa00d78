"""What a fresh environment holds: the schema, one tenant's token, a catalogue, the topics.

Every step is harmless when repeated, so `up` runs all of them each time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import NewTopic  # type: ignore[attr-defined]

from bookpayctl.clients.database import Connection, DatabaseError, connect
from bookpayctl.clients.kafka import open_consumer
from bookpayctl.clients.kafka_connection import BrokerError, LogConsumer, open_admin
from bookpayctl.clients.kafka_servers import KafkaServers
from bookpayctl.runs.waiting import wait_until
from runtime.domain.names import PARTITIONS, Topic
from runtime.sql import SCHEMA, MigrationError, migrate

TENANT_ID: Final = "acme-books"

RETENTION_MS: Final = 7 * 24 * 3600 * 1000
"""Seven days: the time an operator has to replay from Kafka; 30 days in production."""

_TOPIC_SECONDS_MAX: Final = 15.0

# Of a broker that is at its start: a partition is read as soon as its leader leads.
_LEADER_SECONDS_MAX: Final = 60.0


class ContentsError(RuntimeError):
    """Schema, catalogue or topics could not be put in place."""


@dataclass(frozen=True, slots=True)
class Book:
    sku: str
    title: str
    unit_price_cents: int
    on_hand: int


# Enough stock that a long load run does not sell out, and one book that does.
CATALOGUE: Final = (
    Book("book-outbox", "The Transactional Outbox", 4999, 1_000_000),
    Book("book-kafka", "Logs All the Way Down", 3950, 1_000_000),
    Book("book-saga", "Sagas and Other Undoings", 2900, 1_000_000),
    Book("book-postgres", "Locks, Advisory and Otherwise", 4450, 1_000_000),
    Book("book-last-copy", "The Last Copy", 1200, 1),
)
CURRENCY: Final = "usd"


def fill_database(
    dsn: str, orders_token: str, claim: Callable[[Connection], None] = lambda _: None
) -> list[str]:
    """Migrate, and add the tenant's token and the catalogue where they are missing.

    Args:
        claim: called with the schema in place and before anything is added, in the same
            transaction; what it raises ends the call.

    Returns:
        The migrations applied by this call.

    Raises:
        ContentsError: the database refused, or its recorded migrations are not ours.
    """
    try:
        applied = migrate(dsn)
        with connect(dsn) as conn:
            claim(conn)
            conn.execute(
                f"INSERT INTO {SCHEMA}.api_tokens (token_sha256, tenant_id) VALUES (%s, %s)"  # noqa: S608
                " ON CONFLICT DO NOTHING",
                (hashlib.sha256(orders_token.encode()).digest(), TENANT_ID),
            )
            for book in CATALOGUE:
                conn.execute(
                    f"INSERT INTO {SCHEMA}.inventory"  # noqa: S608 - the schema is a constant
                    " (sku, title, unit_price_cents, currency, initial, on_hand)"
                    " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
                    (
                        *(book.sku, book.title, book.unit_price_cents, CURRENCY),
                        *(book.on_hand, book.on_hand),
                    ),
                )
    except (DatabaseError, MigrationError) as error:
        raise ContentsError(f"the database could not be filled: {error}") from error
    return applied


def create_topics(servers: KafkaServers) -> list[str]:
    """Create the topics that are not there, and wait until each partition can be read.

    Returns:
        The topics made by this call.

    Raises:
        ContentsError: the broker refused one, for another reason than that it exists, or one that
            was made has no leader that answers.
    """
    settings = {"retention.ms": str(RETENTION_MS), "cleanup.policy": "delete"}
    return _create(
        servers,
        [
            NewTopic(topic.value, num_partitions=PARTITIONS, replication_factor=1, config=settings)
            for topic in Topic
        ],
    )


def create_topics_of_others(
    servers: KafkaServers, settings_of_topic: Mapping[str, Mapping[str, str]]
) -> list[str]:
    """Create topics of one partition that are not ours, such as a connector's, likewise."""
    return _create(
        servers,
        [
            NewTopic(name, num_partitions=1, replication_factor=1, config=dict(settings))
            for name, settings in settings_of_topic.items()
        ],
    )


def create_publication(dsn: str, name: str, statement: str) -> None:
    """Make a publication of the outbox unless it is there.

    Raises:
        ContentsError: the database refused.
    """
    try:
        with connect(dsn) as conn:
            there = "SELECT FROM pg_publication WHERE pubname = %s"
            if conn.execute(there, (name,)).fetchone() is None:
                conn.execute(statement.encode())
    except DatabaseError as error:
        raise ContentsError(f"publication {name} could not be made: {error}") from error


def _create(servers: KafkaServers, wanted: Sequence[NewTopic]) -> list[str]:
    made = []
    try:
        client = open_admin(servers)
    except BrokerError as error:
        raise ContentsError(f"no topic could be created: {error}") from error
    for name, future in client.create_topics(
        list(wanted), request_timeout=_TOPIC_SECONDS_MAX
    ).items():
        try:
            future.result(timeout=_TOPIC_SECONDS_MAX)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise ContentsError(f"topic {name} could not be created: {error}") from error
        else:
            made.append(name)
    _await_leaders(servers, [topic for topic in wanted if topic.topic in made])
    return sorted(made)


def _await_leaders(servers: KafkaServers, made: Sequence[NewTopic]) -> None:
    """A topic is made before its leaders lead; until then they refuse whoever asks for a record."""
    places = [TopicPartition(one.topic, n) for one in made for n in range(one.num_partitions)]
    if not places:
        return
    # An admin client that asks for offsets too early hears of no leader ever after (librdkafka
    # 2.16); a consumer asks anew each time.
    with closing(open_consumer(servers)) as consumer:
        waited = wait_until(
            lambda: _refusals(consumer, places),
            lambda refusals: not refusals,
            deadline_seconds=_LEADER_SECONDS_MAX,
        )
    if not waited.reached:
        raise ContentsError(
            f"no leader answers for {len(waited.value)} of {len(places)} new partitions"
            f" after {waited.seconds:.0f} s: {waited.value[0]}"
        )


def _refusals(consumer: LogConsumer, places: Sequence[TopicPartition]) -> list[str]:
    """What the leaders of these partitions say that do not answer."""
    found = []
    for place in places:
        try:
            consumer.get_watermark_offsets(place, timeout=_TOPIC_SECONDS_MAX)
        except KafkaException as error:
            found.append(f"{place.topic}/{place.partition}: {error.args[0].str()}")
    return found
