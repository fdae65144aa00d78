"""What real servers and services say of their versions, as `check` asks for it."""

from __future__ import annotations

from collections.abc import Callable

import psycopg

from bookpayctl.checks.operations import schema_is_current
from bookpayctl.checks.operations.versions_are_supported import KAFKA_MIN, build_of
from bookpayctl.clients.kafka_servers import KafkaServers
from bookpayctl.clients.kafka_versions import broker_releases
from bookpayctl.report.verdict import Verdict
from bookpayctl.targets.schema_version import schema_version
from runtime.sql import migrations
from runtime.version import package_version, source_digest
from tests.support.http_client import http
from tests.support.servers import Servers
from tests.support.stack import Stack


def test_a_broker_tells_its_release(servers: Servers) -> None:
    found = broker_releases(KafkaServers(servers.kafka_bootstrap_servers))

    assert [one.broker for one in found] == ["broker 1"]
    assert found[0].release is not None, found[0].reason
    assert found[0].release >= KAFKA_MIN


def test_a_database_is_of_the_shipped_schema_until_a_migration_is_missing(
    create_database: Callable[..., str],
) -> None:
    dsn = create_database()
    whole = schema_version(dsn)
    last = migrations()[-1]

    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(
            "DELETE FROM bookstore_platform.schema_migrations WHERE number = %s", (last.number,)
        )
    less = schema_version(dsn)

    assert schema_is_current.answer(whole).verdict is Verdict.HOLDS
    assert less.missing == (last.name,)
    assert schema_is_current.answer(less).verdict is Verdict.VIOLATED


def test_a_database_without_our_schema_has_applied_nothing(
    create_database: Callable[..., str],
) -> None:
    found = schema_version(create_database(template="template0"))

    assert (found.applied, found.missing) == (0, tuple(one.name for one in migrations()))


def test_every_service_tells_the_runtime_that_it_runs(stack: Stack) -> None:
    pages = [
        http.request("GET", f"{service.url}/metrics").body.decode()
        for service in stack.services.values()
    ]

    assert set(map(build_of, pages)) == {f"{package_version()} ({source_digest()})"}
