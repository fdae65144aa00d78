"""The rights that production gives each service at Kafka are enough for its code, and not for more.

The users are those of overlays/prod; the clients are the runtime's own, on a broker that asks.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, KafkaException, Message

from runtime import config
from runtime.adapters import kafka
from runtime.adapters.kafka_admin import GroupAdmin
from runtime.config import Source
from runtime.domain.names import TOPICS_OF_GROUP, Service, Topic
from tests.support.manifests.rendering import render
from tests.support.secured_broker import SecuredBroker, secured_broker
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredBroker]:
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes the broker's certificate, is not on the PATH")
    users = render("prod").of_kind("KafkaUser")
    folder = tmp_path_factory.mktemp("secured")
    with secured_broker(folder, [*Topic]) as running:
        for user in users:
            running.let_in(user)
        yield running


def security(broker: SecuredBroker, user: str, folder: Path) -> dict[str, str]:
    return config.kafka_security(Source(broker.settings_of(user, folder / f"{user}.password")))


def produced(broker: SecuredBroker, user: str, topics: list[Topic], folder: Path) -> list[str]:
    """Send one record to each topic as that user; returns what was refused, and why."""
    refused: list[str] = []

    def delivered(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            refused.append(f"{message.topic()}: {error.name()}")

    producer = kafka.producer(
        broker.bootstrap_servers,
        user,
        lambda error: None,
        security=security(broker, user, folder),
    )
    for topic in topics:
        producer.produce(topic, b"{}", b"key", on_delivery=delivered)
    left = producer.flush(30)
    assert left == 0
    return refused


def test_the_publisher_may_write_to_every_topic(broker: SecuredBroker, tmp_path: Path) -> None:
    assert produced(broker, Service.PUBLISHER, [*Topic], tmp_path) == []


def test_a_consumer_may_not_write(broker: SecuredBroker, tmp_path: Path) -> None:
    with pytest.raises(KafkaException) as refused:
        produced(broker, Service.NOTIFIER, [Topic.ORDERS_PAID], tmp_path)

    # It is not even given the number that makes an idempotent producer.
    assert refused.value.args[0].code() == KafkaError.CLUSTER_AUTHORIZATION_FAILED


@pytest.mark.parametrize("group", TOPICS_OF_GROUP)
def test_a_consumer_may_read_commit_and_ask_about_its_group(
    broker: SecuredBroker, group: Service, tmp_path: Path
) -> None:
    topics = TOPICS_OF_GROUP[group]
    produced(broker, Service.PUBLISHER, [*topics], tmp_path)

    seen, committed, members = read(broker, group, group.value, [*topics], tmp_path)

    assert seen == set(topics)
    assert committed > 0
    assert set(members) == {group.value}


def test_a_worker_may_replay_with_a_group_of_its_own(broker: SecuredBroker, tmp_path: Path) -> None:
    produced(broker, Service.PUBLISHER, [Topic.ORDERS_PLACED], tmp_path)

    seen, _, _ = read(broker, Service.WORKER, "bookpay-replay-1", [Topic.ORDERS_PLACED], tmp_path)

    assert seen == {Topic.ORDERS_PLACED}


def test_a_group_of_others_is_refused(broker: SecuredBroker, tmp_path: Path) -> None:
    with pytest.raises(KafkaException) as refused:
        read(broker, Service.NOTIFIER, Service.WORKER.value, [Topic.ORDERS_PAID], tmp_path)

    assert refused.value.args[0].code() == KafkaError.GROUP_AUTHORIZATION_FAILED


def read(
    broker: SecuredBroker, user: str, group: str, topics: list[Topic], folder: Path
) -> tuple[set[str], int, dict[str, object]]:
    """Read a record of each topic and commit: the topics, offsets committed, the group's members.

    Raises:
        KafkaException: the broker refuses.
    """
    proof = security(broker, user, folder)
    client, _ = kafka.consumer(
        broker.bootstrap_servers,
        group,
        user,
        instance_id=user,
        on_error=lambda error: None,
        security=proof,
    )
    admin = GroupAdmin(broker.bootstrap_servers, user, group, security=proof)
    seen: set[str] = set()

    def read_all() -> bool:
        message = client.poll(0.5)
        if message is None:
            return False
        error = message.error()
        if error is None:
            seen.add(str(message.topic()))
            client.store_offsets(message)
        elif error.code() != KafkaError._PARTITION_EOF:
            raise KafkaException(error)
        return seen == set(topics)

    try:
        client.subscribe([*topics])
        eventually(read_all, "a record of each topic")
        committed = client.commit(asynchronous=False)
        sight, ids = admin.look(topics)
        assert set(ids) == set(topics)
        return seen, len(committed or ()), dict(sight.members or {})
    finally:
        client.close()
