"""A broker refuses a batch as a whole; only the row that is at fault may be set aside."""

from __future__ import annotations

import secrets
from pathlib import Path

from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType

from bookpayctl.clients.kafka_servers import KafkaServers
from bookpayctl.targets.servers.contents import create_topics
from tests.support.publishing import (
    TOPIC,
    dead_letter,
    is_published,
    published,
    publishers_on,
    write_event,
)
from tests.support.servers import running_servers
from tests.support.stack import Database
from tests.support.waiting import eventually

SMALL_BATCHES_BYTES = 20_000


def take_small_batches_only(bootstrap_servers: str) -> None:
    """The topic's own limit, below what the publisher believes in."""
    limit = ConfigEntry(
        "max.message.bytes",
        str(SMALL_BATCHES_BYTES),
        incremental_operation=AlterConfigOpType.SET,
    )
    topic = ConfigResource(ResourceType.TOPIC, TOPIC, incremental_configs=[limit])
    admin = AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0})
    (done,) = admin.incremental_alter_configs([topic]).values()
    done.result(30)


def test_rows_that_were_refused_in_company_leave_alone_and_the_large_one_is_set_aside(
    database: Database, tmp_path: Path
) -> None:
    with running_servers(tmp_path / "broker", with_postgres=False) as broker:
        create_topics(KafkaServers(broker.kafka_bootstrap_servers))
        take_small_batches_only(broker.kafka_bootstrap_servers)
        # Random, so that no compression makes it small.
        small, large = {"note": secrets.token_hex(3_000)}, {"note": secrets.token_hex(20_000)}
        before = [write_event(database, payload=small) for _ in range(30)]
        too_large = write_event(database, payload=large)
        after = [write_event(database, payload=small) for _ in range(30)]

        with publishers_on(database, broker.kafka_bootstrap_servers, tmp_path) as start:
            (only,) = start(1)
            eventually(lambda: dead_letter(database, too_large), "the large row is set aside")
            eventually(
                lambda: all(is_published(database, event_id) for event_id in (*before, *after)),
                "every other row is published",
            )

            assert dead_letter(database, too_large) == "MSG_SIZE_TOO_LARGE"
            assert database.value("SELECT count(*) FROM dead_letters") == 1
            assert not only.has_ended()
            assert database.value("SELECT count(*) FROM publisher_terms") == 1
        found = published(broker.kafka_bootstrap_servers)
        assert set(found) == {*before, *after}
