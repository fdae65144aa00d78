"""One PostgreSQL and one Kafka for all of these tests, and a foreign shop with a twin for each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command_line import CommandLine
from tests.support.foreign_log import Log
from tests.support.foreign_shop import VARIABLES, ForeignShop, open_shop
from tests.support.servers import Servers, running_servers
from tests.support.twin import running_twin


@pytest.fixture(scope="package")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with running_servers(tmp_path_factory.mktemp("laden"), with_kafka=False) as running:
        yield running


@pytest.fixture
def shop(postgres: Servers, tmp_path: Path) -> Iterator[ForeignShop]:
    with running_twin(tmp_path / "twin") as twin:
        opened = open_shop(postgres, twin)
        yield opened
        opened.conn.close()


@pytest.fixture
def cli(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path / "home", VARIABLES)


@pytest.fixture(scope="package")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_servers(tmp_path_factory.mktemp("log"), with_postgres=False) as running:
        yield running.kafka_bootstrap_servers


@pytest.fixture
def log(kafka: str, shop: ForeignShop) -> Log:
    return Log(kafka, shop)
