"""A broker of these tests' own: whoever compares a whole log must know everything that is in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from bookpayctl.clients.kafka_servers import KafkaServers
from bookpayctl.replay.position import LogTime
from bookpayctl.targets.environment import Environment
from bookpayctl.targets.servers.contents import create_topics
from tests.support.environments import environment_away
from tests.support.paid_orders import wait_until_published, write_paid_order
from tests.support.publishing import Publishers, publishers_on
from tests.support.servers import running_servers
from tests.support.stack import Database


@pytest.fixture(scope="session")
def own_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("replay-broker")
    with running_servers(folder, with_postgres=False) as servers:
        create_topics(KafkaServers(servers.kafka_bootstrap_servers))
        yield servers.kafka_bootstrap_servers


@pytest.fixture
def environment(database: Database, own_broker: str, tmp_path: Path) -> Environment:
    """An environment of one database and one broker, as far as a reading replay needs it."""
    away = environment_away(tmp_path / "environment")
    away.root.mkdir()
    return replace(away, dsn=database.dsn, kafka_bootstrap_servers=own_broker)


@pytest.fixture
def publishers(database: Database, own_broker: str, tmp_path: Path) -> Iterator[Publishers]:
    with publishers_on(database, own_broker, tmp_path) as start:
        yield start


@pytest.fixture
def since(own_broker: str) -> LogTime:
    """Now: the broker keeps what earlier tests published for other databases."""
    return LogTime(datetime.now(UTC))


@pytest.fixture
def roots(database: Database, publishers: Publishers, since: LogTime) -> list[UUID]:
    """Three paid orders whose nine events are in the log."""
    found = [write_paid_order(database) for _ in range(3)]
    publishers(1)
    wait_until_published(database)
    return found
