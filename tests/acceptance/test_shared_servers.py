"""Two environments that come to the same servers at once, through the command line.

The servers are nobody's and stay: what one environment leaves, the next one meets.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from confluent_kafka.admin import AdminClient

from bookpayctl.clients.kafka_servers import KafkaServers
from bookpayctl.targets.local.ownership import kafka_mark
from bookpayctl.targets.servers.contents import create_topics
from runtime.domain.names import Topic
from runtime.sql import migrate
from tests.support.command_line import COMMAND_SECONDS_MAX, CommandLine
from tests.support.servers import Servers, running_servers

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def nobodys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with running_servers(tmp_path_factory.mktemp("nobody")) as servers:
        yield servers


def a_shop(folder: Path) -> CommandLine:
    folder.mkdir()
    return CommandLine(folder / "home", name="shop")


def at(servers: Servers) -> list[str]:
    return ["--bootstrap-servers", servers.kafka_bootstrap_servers, "--dsn", servers.dsn]


def left_on_kafka(servers: Servers) -> tuple[set[str], set[str]]:
    """Topics, but for Kafka's own, and consumer groups."""
    client = AdminClient({"bootstrap.servers": servers.kafka_bootstrap_servers})
    topics = {name for name in client.list_topics(timeout=30).topics if not name.startswith("__")}
    groups = client.list_consumer_groups(request_timeout=30).result().valid
    return topics, {group.group_id for group in groups}


def has_schema(servers: Servers) -> bool:
    with psycopg.connect(servers.dsn) as conn:
        row = conn.execute("SELECT to_regnamespace('bookstore_platform') IS NOT NULL").fetchone()
    return bool(row and row[0])


def pay_one(shop: CommandLine) -> None:
    done = shop.run("order", "place", "--wait", "paid", "--timeout", "90s")
    assert done.returncode == 0, done.stderr


def purge(shop: CommandLine) -> None:
    done = shop.run("down", "--purge")
    assert done.returncode == 0, done.stderr


def test_of_two_that_come_at_once_one_stays_and_leaves_nothing_when_it_goes(
    nobodys: Servers, tmp_path: Path
) -> None:
    shops = [a_shop(tmp_path / folder) for folder in ("a", "b")]
    try:
        coming = [shop.begin("up", *at(nobodys), "-o", "json") for shop in shops]
        said = [up.communicate(timeout=COMMAND_SECONDS_MAX)[0] for up in coming]

        codes = [up.returncode for up in coming]
        assert sorted(codes) == [0, 6], said
        winner, loser = (shops[codes.index(code)] for code in (0, 6))
        refusal = json.loads(said[codes.index(6)])
        assert str(winner.root) in json.dumps(refusal)

        pay_one(winner)
        purge(loser)
        pay_one(winner)

        purge(winner)
        assert left_on_kafka(nobodys) == ({kafka_mark.TOPIC}, set())
        assert not has_schema(nobodys)

        third = loser.run("up", *at(nobodys))
        assert third.returncode == 0, third.stderr
        pay_one(loser)
    finally:
        for shop in shops:
            shop.run("down", "--purge")


def test_what_others_made_beforehand_stays_and_is_as_empty_as_it_was(
    nobodys: Servers, tmp_path: Path
) -> None:
    migrate(nobodys.dsn)
    create_topics(KafkaServers(nobodys.kafka_bootstrap_servers))

    for folder in ("first", "second"):
        shop = a_shop(tmp_path / folder)
        try:
            up = shop.run("up", *at(nobodys))
            assert up.returncode == 0, up.stderr
            pay_one(shop)
        finally:
            purge(shop)

    topics, groups = left_on_kafka(nobodys)
    assert (topics, groups) == ({kafka_mark.TOPIC, *Topic}, set())
    assert has_schema(nobodys)
