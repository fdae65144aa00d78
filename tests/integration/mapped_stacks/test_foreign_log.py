"""A stack of others with an outbox and Kafka, in the form in which Debezium's router sends it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from tests.support.command_line import CommandLine, verdicts
from tests.support.foreign_shop import ForeignShop
from tests.support.servers import running_servers

PAST = ("--age", "1ms")
GROUP: Final = "fulfilment"
OUTBOX: Final = """
CREATE TABLE laden.outboxevent (id uuid PRIMARY KEY, aggregatetype text, aggregateid text,
    type text, payload jsonb, written timestamptz DEFAULT now() - interval '1 hour')
"""
SECTIONS: Final = """
[tables.outbox]
money = "major"
currency = "eur"
select = '''
SELECT id AS event_id, type AS event_type, aggregateid AS order_id,
    (payload ->> 'total')::numeric AS amount, written AS created_at, true AS published
FROM laden.outboxevent
'''
translate.event_type = {{ PurchaseMade = "OrderPlaced" }}

[kafka]
bootstrap_servers = "{servers}"
groups.fulfilment = ["{topic}"]

[kafka.topics."{topic}"]
event_id = "header:id"
event_type = "header:eventType"
order_id = "key"
amount = "$.total"
currency = "=EUR"
money = "major"
types = {{ PurchaseMade = "OrderPlaced" }}
"""


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_servers(tmp_path_factory.mktemp("log"), with_postgres=False) as running:
        yield running.kafka_bootstrap_servers


class Log:
    """The shop's topic, and its table of events."""

    def __init__(self, servers: str, shop: ForeignShop) -> None:
        self.servers, self.shop = servers, shop
        self.topic = f"outbox.event.purchase.{uuid4().hex[:8]}"
        admin = AdminClient({"bootstrap.servers": servers})
        admin.create_topics([NewTopic(self.topic, 2, 1)])[self.topic].result(30)
        shop.conn.execute(OUTBOX.encode())

    def publish(self, purchase: int, *, row: bool = True, record: bool = True) -> str:
        """Tell of a purchase; without its row or its record where that is planted."""
        event_id, payload = str(uuid4()), json.dumps({"total": 19.99})
        if row:
            self.shop.conn.execute(
                "INSERT INTO laden.outboxevent VALUES (%s, 'purchase', %s, 'PurchaseMade', %s)",
                (event_id, str(purchase), payload),
            )
        if record:
            producer = Producer({"bootstrap.servers": self.servers})
            # The router's value is the payload as a JSON text, unless it is told to expand it.
            producer.produce(
                self.topic,
                json.dumps(payload),
                str(purchase),
                headers={"id": event_id, "eventType": "PurchaseMade"},
            )
            assert producer.flush(30) == 0
        return event_id

    def committed(self) -> list[int]:
        consumer = Consumer({"bootstrap.servers": self.servers, "group.id": GROUP})
        try:
            found = consumer.committed([TopicPartition(self.topic, p) for p in (0, 1)], timeout=30)
            return [one.offset for one in found]
        finally:
            consumer.close()

    def read_to_the_end(self) -> None:
        """Let the group commit where the log ends now."""
        consumer = Consumer({"bootstrap.servers": self.servers, "group.id": GROUP})
        ends = [
            TopicPartition(
                self.topic, p, consumer.get_watermark_offsets(TopicPartition(self.topic, p))[1]
            )
            for p in (0, 1)
        ]
        consumer.commit(offsets=ends, asynchronous=False)
        consumer.close()

    def mapping(self, path: Path) -> Path:
        changed = {
            "[absent]": SECTIONS.format(servers=self.servers, topic=self.topic) + "\n[absent]",
            'outbox = "we never had one"': "",
            'kafka = "we never had one"': "",
        }
        return self.shop.mapping(path, **changed)


@pytest.fixture
def log(kafka: str, shop: ForeignShop) -> Log:
    return Log(kafka, shop)


def evidence(document: dict[str, Any], invariant: str) -> str:
    return json.dumps(next(one for one in document["items"] if one["id"] == invariant))


def test_a_healthy_log_of_others_holds_and_no_group_is_touched(
    cli: CommandLine, shop: ForeignShop, log: Log, tmp_path: Path
) -> None:
    log.publish(shop.sell(1999))
    log.publish(shop.sell(1999))
    log.read_to_the_end()
    before = log.committed()
    groups = known_groups(log.servers)

    document = cli.ask("audit", "--mapping", str(log.mapping(tmp_path / "laden.toml")), *PAST)

    found = verdicts(document)
    assert document["exit"]["code"] == 0, document
    assert {found[one] for one in ("I04", "I06", "I07", "I09", "I32")} == {"holds"}
    assert found["I31"] == found["I33"] == "skipped"
    assert log.committed() == before
    assert known_groups(log.servers) == groups


def known_groups(servers: str) -> set[str]:
    admin = AdminClient({"bootstrap.servers": servers})
    return {group.group_id for group in admin.list_consumer_groups().result(30).valid}


def test_what_is_wrong_in_a_log_of_others_is_found(
    cli: CommandLine, shop: ForeignShop, log: Log, tmp_path: Path
) -> None:
    log.publish(shop.sell(1999))
    lost = log.publish(shop.sell(1999), record=False)
    invented = log.publish(shop.sell(1999), row=False)

    document = cli.ask("audit", "--mapping", str(log.mapping(tmp_path / "laden.toml")), *PAST)

    assert document["exit"]["code"] == 1
    assert lost in evidence(document, "I06")
    assert invented in evidence(document, "I07")
    assert verdicts(document)["I09"] == "violated"
    assert "0 OrderPlaced events" in evidence(document, "I04")


def test_a_topic_that_is_not_there_is_unknown(
    cli: CommandLine, shop: ForeignShop, log: Log, tmp_path: Path
) -> None:
    log.publish(shop.sell(1999))
    mapping = log.mapping(tmp_path / "laden.toml")
    mapping.write_text(mapping.read_text().replace(log.topic, "no.such.topic"))

    document = cli.ask("audit", "--mapping", str(mapping), *PAST)

    assert document["exit"]["code"] == 3
    assert "there is no topic no.such.topic" in " ".join(document["notes"])
