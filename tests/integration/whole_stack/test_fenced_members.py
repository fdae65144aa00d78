"""A consumer that another member of its name has pushed out of the group ends, to be started anew.

Such a client never gets a record again: a process that went on polling would look well for ever.
"""

from __future__ import annotations

from functools import partial

from confluent_kafka import Consumer

from runtime.adapters.kafka_admin import GroupAdmin
from runtime.domain.names import TOPICS_OF_GROUP, Service
from tests.support.stack import Shop
from tests.support.waiting import eventually

SERVICES = {"notifier": Service.NOTIFIER, "orders-consumer": Service.ORDERS}


def members(shop: Shop, group: Service) -> int:
    """How many members the broker says the group has, when it is not being balanced."""
    is_settled, found = GroupAdmin(shop.stack.bootstrap_servers, "test", group.value).members()
    return len(found) if is_settled else 0


def test_a_fenced_consumer_ends_and_works_again_once_it_is_started(shop: Shop) -> None:
    for name, group in SERVICES.items():
        service = shop.stack[name]
        eventually(partial(members, shop, group), f"{name} is in its group")
        guest = Consumer(
            {
                "bootstrap.servers": shop.stack.bootstrap_servers,
                "group.id": group.value,
                "group.instance.id": name,
                "partition.assignment.strategy": "roundrobin",
                "enable.auto.commit": False,
                "session.timeout.ms": 10_000,
            }
        )
        guest.subscribe([topic.value for topic in TOPICS_OF_GROUP[group]])

        def is_fenced(guest: Consumer = guest, name: str = name) -> bool:
            guest.poll(0.1)
            return shop.stack[name].has_ended()

        try:
            eventually(is_fenced, f"{name} ends when another takes its place", seconds=120)
        finally:
            guest.close()
            service.start().wait_ready()
        assert "fenced by other consumer" in service.log

    order_id, _ = shop.place()
    shop.wait_status(order_id, "paid")
    assert {shop.stack[name].has_ended() for name in SERVICES} == {False}
