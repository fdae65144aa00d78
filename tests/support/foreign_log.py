"""The log of a foreign shop: a topic in the form in which Debezium's router sends its outbox."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final
from uuid import uuid4

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from tests.support.foreign_shop import ForeignShop

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
