"""Two environments never share a Kafka, a database or a name at Stripe: one is told to go."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient

from bookpayctl.clients.database import connect
from bookpayctl.clients.kafka_servers import KafkaServers
from bookpayctl.targets.local.ownership import kafka_mark, postgres_mark, stripe_mark
from bookpayctl.targets.local.ownership.claim import (
    Claimant,
    OwnedByAnotherError,
    OwnershipUnknownError,
)
from bookpayctl.targets.servers.contents import create_topics
from runtime.domain.names import SCHEMA, Service, Topic
from runtime.sql import migrate
from tests.support.processes import free_port
from tests.support.servers import running_servers
from tests.support.twin import Twin, running_twin
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration

KEY = "sk_test_claims"


def somebody(name: str = "shop") -> Claimant:
    return Claimant(str(uuid4()), name, f"/srv/{uuid4().hex}", "host")


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServers]:
    """A broker of nobody."""
    folder = tmp_path_factory.mktemp("nobody")
    with running_servers(folder, with_postgres=False) as servers:
        yield KafkaServers(servers.kafka_bootstrap_servers)


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twin]:
    """A Stripe of nobody."""
    with running_twin(tmp_path_factory.mktemp("account")) as found:
        yield found


def publish(bootstrap_servers: str, topic: str, value: bytes) -> None:
    producer = Producer({"bootstrap.servers": bootstrap_servers})
    producer.produce(topic, value)
    assert producer.flush(30) == 0


def at_once(claims: Sequence[Callable[[], object]]) -> list[bool]:
    """Begin all at the same moment; which of them were not refused."""
    barrier = threading.Barrier(len(claims))
    won = [False] * len(claims)

    def run(number: int) -> None:
        barrier.wait()
        try:
            claims[number]()
        except OwnedByAnotherError:
            return
        won[number] = True

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(claims))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return won


def test_of_environments_that_come_to_a_kafka_at_once_exactly_one_stays(
    kafka: KafkaServers,
) -> None:
    for _ in range(3):
        guests = [somebody() for _ in range(4)]

        won = at_once([partial(kafka_mark.claim, kafka, guest, known=False) for guest in guests])

        assert won.count(True) == 1
        owner = guests[won.index(True)]
        assert kafka_mark.look(kafka, owner, known=False) is True
        kafka_mark.release(kafka, owner, [])


def test_a_claim_outlives_its_claimant_and_is_found_again(kafka: KafkaServers) -> None:
    first, second = somebody(), somebody()
    kafka_mark.claim(kafka, first, known=False)

    kafka_mark.claim(kafka, first, known=False)
    with pytest.raises(OwnedByAnotherError, match=first.folder):
        kafka_mark.claim(kafka, second, known=True)

    kafka_mark.release(kafka, second, [])
    assert kafka_mark.look(kafka, first, known=False) is True
    kafka_mark.release(kafka, first, [])
    assert kafka_mark.look(kafka, second, known=False) is False


def test_a_kafka_without_a_claim_is_refused_when_somebody_has_worked_there(
    kafka: KafkaServers,
) -> None:
    made = create_topics(kafka)
    guest = somebody()
    assert kafka_mark.look(kafka, guest, known=False) is False

    publish(kafka.bootstrap_servers, Topic.ORDERS_PLACED, b"{}")
    with pytest.raises(OwnedByAnotherError, match=r"records in orders\.placed"):
        kafka_mark.claim(kafka, guest, known=False)

    # An environment of an earlier build left no claim; its own record knows the broker.
    kafka_mark.claim(kafka, guest, known=True)
    kafka_mark.release(kafka, guest, made)
    assert kafka_mark.look(kafka, somebody(), known=False) is False


def test_a_purge_leaves_neither_records_nor_groups_where_the_next_one_looks(
    kafka: KafkaServers,
) -> None:
    """The topics were made by somebody else; a member was killed and its session goes on."""
    others, guest = create_topics(kafka), somebody()
    kafka_mark.claim(kafka, guest, known=False)
    publish(kafka.bootstrap_servers, Topic.ORDERS_PLACED, b"{}")
    member = Consumer(
        {
            "bootstrap.servers": kafka.bootstrap_servers,
            "group.id": Service.WORKER.value,
            "group.instance.id": "payments-worker-1",
            "session.timeout.ms": 6_000,
            "auto.offset.reset": "earliest",
        }
    )
    member.subscribe([Topic.ORDERS_PLACED])
    eventually(lambda: member.poll(0.1) is not None, "the record is read")
    member.commit(asynchronous=False)
    member.close()

    kafka_mark.release(kafka, guest, [])

    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    assert admin.list_consumer_groups(request_timeout=30).result().valid == []
    assert set(admin.list_topics(timeout=30).topics) >= set(others)
    assert kafka_mark.look(kafka, somebody(), known=False) is False
    for deleted in admin.delete_topics(others).values():
        deleted.result(30)


def test_a_broker_of_our_own_is_ours_whatever_it_carried_before(kafka: KafkaServers) -> None:
    before, now = somebody(), somebody()
    kafka_mark.claim(kafka, before, known=False)

    kafka_mark.take(kafka, now)

    assert kafka_mark.look(kafka, now, known=False) is True
    kafka_mark.release(kafka, now, [])


def test_a_kafka_that_does_not_answer_is_not_taken_for_nobodys() -> None:
    with pytest.raises(OwnershipUnknownError, match="does not say"):
        kafka_mark.look(KafkaServers(f"127.0.0.1:{free_port()}"), somebody(), known=False)


def claim_database(dsn: str, ours: Claimant, *, known: bool = False) -> None:
    """As `up` does it."""
    postgres_mark.look(dsn, ours, known=known)
    migrate(dsn)
    with connect(dsn) as conn:
        postgres_mark.claim(conn, dsn, ours)


def test_of_environments_that_come_to_a_database_at_once_exactly_one_stays(
    empty_dsn: str,
) -> None:
    guests = [somebody() for _ in range(4)]

    won = at_once([partial(claim_database, empty_dsn, guest) for guest in guests])

    assert won.count(True) == 1
    owner = guests[won.index(True)]
    assert postgres_mark.look(empty_dsn, owner, known=False) is True
    with pytest.raises(OwnedByAnotherError, match=owner.folder):
        postgres_mark.look(empty_dsn, somebody(), known=True)


def test_a_database_without_a_claim_is_refused_when_there_are_orders(empty_dsn: str) -> None:
    migrate(empty_dsn)
    guest = somebody()
    assert postgres_mark.look(empty_dsn, guest, known=False) is True
    with connect(empty_dsn) as conn:
        conn.execute(
            "INSERT INTO bookstore_platform.orders (id, tenant_id, customer_id, total_cents,"
            " currency) VALUES ('ord_1', 'acme-books', 'c', 1, 'usd')"
        )

    with pytest.raises(OwnedByAnotherError, match="rows in bookstore_platform"):
        postgres_mark.look(empty_dsn, guest, known=False)

    claim_database(empty_dsn, guest, known=True)


def test_a_purge_takes_the_schema_that_it_made_and_leaves_one_that_was_there(
    empty_dsn: str,
) -> None:
    guest, stranger = somebody(), somebody()
    claim_database(empty_dsn, guest)

    postgres_mark.release(empty_dsn, stranger, made_schema=True)
    assert postgres_mark.look(empty_dsn, guest, known=False) is True

    postgres_mark.release(empty_dsn, guest, made_schema=False)
    assert postgres_mark.look(empty_dsn, stranger, known=False) is True

    claim_database(empty_dsn, guest)
    with connect(empty_dsn) as conn:
        conn.execute(
            "INSERT INTO bookstore_platform.orders (id, tenant_id, customer_id, total_cents,"
            " currency) VALUES ('ord_1', 'acme-books', 'c', 1, 'usd')"
        )
    postgres_mark.release(empty_dsn, guest, made_schema=False)
    assert postgres_mark.look(empty_dsn, stranger, known=False) is True

    claim_database(empty_dsn, guest)
    postgres_mark.release(empty_dsn, guest, made_schema=True)
    assert postgres_mark.look(empty_dsn, stranger, known=False) is False


def test_what_an_environment_writes_is_every_table_but_those_that_are_made_for_it(
    empty_dsn: str,
) -> None:
    migrate(empty_dsn)
    with connect(empty_dsn) as conn:
        rows = conn.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", (SCHEMA,))
        tables = {row[0] for row in rows}

    made = {"api_tokens", "environment_clock", "environment_owner", "inventory"}
    assert tables - set(postgres_mark.WRITTEN) == {*made, "schema_migrations"}


def test_one_name_at_a_stripe_account_is_one_environments(twin: Twin) -> None:
    name = f"shop-{uuid4().hex[:8]}"
    first, second, other = somebody(name), somebody(name), somebody(f"{name}-b")

    assert stripe_mark.claim(twin.api, KEY, first, known=False) == ""
    assert stripe_mark.claim(twin.api, KEY, first, known=False) == ""
    assert stripe_mark.claim(twin.api, KEY, other, known=False) == ""
    with pytest.raises(OwnedByAnotherError, match=first.folder):
        stripe_mark.claim(twin.api, KEY, second, known=False)

    stripe_mark.release(twin.api, KEY, first)
    assert stripe_mark.claim(twin.api, KEY, second, known=False) == ""
    with pytest.raises(OwnedByAnotherError, match=second.folder):
        stripe_mark.look(twin.api, KEY, first, known=True)


def test_of_environments_that_come_to_a_name_at_once_exactly_one_stays(twin: Twin) -> None:
    name = f"shop-{uuid4().hex[:8]}"
    guests = [somebody(name) for _ in range(4)]

    won = at_once(
        [partial(stripe_mark.claim, twin.api, KEY, guest, known=False) for guest in guests]
    )

    assert won.count(True) == 1


def test_a_stripe_that_cannot_be_asked_is_said(tmp_path: Path) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"

    note = stripe_mark.claim(nowhere, KEY, somebody(), known=False)

    assert "cannot be asked" in note
