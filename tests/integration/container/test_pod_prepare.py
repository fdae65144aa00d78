"""`prepare` waits for what is not there, does what is missing, and minds no company."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from confluent_kafka.admin import AdminClient

from bookpayctl.targets.servers.contents import CATALOGUE, TENANT_ID
from runtime.domain.names import PARTITIONS, SCHEMA, Topic
from runtime.sql import migrations
from tests.support.pods import PodDatabase, PodProcess, open_folder
from tests.support.processes import free_port, stop_all
from tests.support.servers import running_servers

TOKEN = "a-token-of-orders"


@pytest.fixture
def database() -> Iterator[PodDatabase]:
    with open_folder() as folder:
        made = PodDatabase(folder)
        yield made
        stop_all([made])


Preparing = Callable[..., PodProcess]


@pytest.fixture
def preparing(database: PodDatabase) -> Iterator[Preparing]:
    """Starts `prepare` under a name, with what its Secrets hold then."""
    started: list[PodProcess] = []
    folder = database.data.parent

    def start(name: str, *more: str, dsn: str | None = None) -> PodProcess:
        (folder / "dsn").write_text(f"{dsn or database.dsn()}\n")
        (folder / "token").write_text(f"{TOKEN}\n")
        files = ("--dsn-file", str(folder / "dsn"), "--orders-token-file", str(folder / "token"))
        made = PodProcess(name, folder, ["prepare", *files, *more])
        started.append(made)
        made.start()
        return made

    yield start
    stop_all(started)


def says(process: PodProcess, text: str) -> None:
    """Wait until it does."""
    process.wait_until(lambda: text in process.log, f"says {text!r}")


def test_two_at_once_wait_for_both_servers_and_leave_everything_once(
    database: PodDatabase, preparing: Preparing, tmp_path: Path
) -> None:
    broker_port = free_port()
    more = ("--bootstrap-servers", f"127.0.0.1:{broker_port}", "--timeout", "300")
    both = [preparing("one", *more), preparing("other", *more)]
    for each in both:
        says(each, "waiting for PostgreSQL at")
    database.start()
    for each in both:
        says(each, "waiting for Kafka at")
    with running_servers(tmp_path, with_postgres=False, kafka_port=broker_port) as servers:
        assert [each.wait_end(300) for each in both] == [0, 0]
        third = preparing("third", *more)
        assert third.wait_end() == 0
        client = AdminClient({"bootstrap.servers": servers.kafka_bootstrap_servers})
        found = client.list_topics(timeout=30).topics

    partitions = {topic.value: len(found[topic.value].partitions) for topic in Topic}
    assert partitions == {topic.value: PARTITIONS for topic in Topic}
    logs = [each.log for each in both]
    for migration in migrations():
        assert sum(log.count(f"applied {migration.name}\n") for log in logs) == 1
    assert "all topics were there" in third.log
    assert "0 migrations applied" in third.log
    with database.connect() as conn:
        rows = conn.execute(f"SELECT token_sha256, tenant_id FROM {SCHEMA}.api_tokens").fetchall()
        assert rows == [(hashlib.sha256(TOKEN.encode()).digest(), TENANT_ID)]
        books = conn.execute(f"SELECT count(*) FROM {SCHEMA}.inventory").fetchone()
        assert books == (len(CATALOGUE),)
    everything = "".join([*logs, third.log])
    assert TOKEN not in everything
    assert database.password_file.read_text().strip() not in everything


def test_at_the_deadline_it_says_what_it_waited_for(
    database: PodDatabase, preparing: Preparing
) -> None:
    waiting = preparing("waiting", "--timeout", "1")

    assert waiting.wait_end() == 124
    assert f"PostgreSQL at 127.0.0.1:{database.port}, database bookpay" in waiting.log
    assert "did not answer in time" in waiting.log


def test_a_password_that_the_server_learns_later_is_waited_for(
    database: PodDatabase, preparing: Preparing
) -> None:
    database.start_and_wait()
    waiting = preparing("waiting")
    assert waiting.wait_end() == 0
    database.password_file.write_text("second secret\n")

    early = preparing("early")
    says(early, "password authentication failed")
    database.stop()
    database.start_and_wait()

    assert early.wait_end() == 0
    assert "second secret" not in early.log


@pytest.mark.parametrize("text", ["postgresql://u:se%zzcret@h/db", "host=h secret"])
def test_a_broken_connection_string_is_not_quoted(preparing: Preparing, text: str) -> None:
    asked = preparing("broken", dsn=text)

    assert asked.wait_end() == 2
    assert "/dsn does not hold a connection string" in asked.log
    assert "cret" not in asked.log


def test_a_schema_of_another_text_is_refused_at_once(
    database: PodDatabase, preparing: Preparing
) -> None:
    database.start_and_wait()
    assert preparing("first").wait_end() == 0
    with psycopg.connect(database.dsn(), autocommit=True) as conn:
        conn.execute(f"UPDATE {SCHEMA}.schema_migrations SET sha256 = 'x' WHERE number = 1")

    refused = preparing("refused")

    assert refused.wait_end() not in (0, 124)
    assert "was applied with another text" in refused.log
    assert "Traceback" not in refused.log
