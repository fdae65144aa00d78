"""The local Connect worker is the one of the manifests, but for what a machine has differently."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from bookpayctl.clients import capture_slot
from bookpayctl.targets.servers import connect

MANIFESTS = Path(connect.__file__).parents[3] / "manifests"
COMPONENT = MANIFESTS / "components" / "debezium"

OF_THIS_MACHINE = {
    *("database.hostname", "database.port", "database.dbname"),
    *("database.user", "database.password", "database.sslmode"),
    # So often a look that waits for the slot may go on.
    "heartbeat.interval.ms",
}
OUTSIDE_THE_CONFIG = {"connector.class", "tasks.max"}


def worker(home: Path) -> connect.Connect:
    return connect.Connect(
        jars=home / "jars",
        manifests=MANIFESTS,
        home=home / "kafka-connect",
        port=20_001,
        bootstrap_servers="127.0.0.1:20002",
        database_port=20_003,
        database="bookpay",
    )


def document(name: str, kind: str) -> dict[str, Any]:
    documents = yaml.safe_load_all((COMPONENT / name).read_text())
    return next(found for found in documents if found["kind"] == kind)


def shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_the_connector_is_that_of_the_manifests_but_for_where_things_are(tmp_path: Path) -> None:
    theirs = document("connector.yaml", "KafkaConnector")["spec"]["config"]
    ours = connect.connector_settings(worker(tmp_path))

    assert ours.keys() == theirs.keys() | OUTSIDE_THE_CONFIG
    assert {
        name: value
        for name, value in ours.items()
        if name not in OF_THIS_MACHINE | OUTSIDE_THE_CONFIG
    } == {name: shown(value) for name, value in theirs.items() if name not in OF_THIS_MACHINE}


def test_the_worker_converts_as_that_of_the_manifests(tmp_path: Path) -> None:
    theirs = document("connect.yaml", "KafkaConnect")["spec"]["config"]
    ours = connect.worker_settings(worker(tmp_path))

    converters = {name for name in theirs if name.endswith("converter")}
    assert converters
    assert {ours[name] for name in converters} == {theirs[name] for name in converters}
    assert ours["offset.flush.interval.ms"] == str(theirs["offset.flush.interval.ms"])
    assert ours["producer.acks"] == "all"
    assert ours["listeners"] == "http://127.0.0.1:20001"


def test_what_the_tool_looks_at_is_what_the_connector_reads() -> None:
    assert connect.slot_name(MANIFESTS) == capture_slot.SLOT
    assert connect.publication_name(MANIFESTS) == capture_slot.PUBLICATION


def test_the_publication_lets_inserts_of_the_outbox_through_alone() -> None:
    assert connect.publication_statement(MANIFESTS) == (
        "CREATE PUBLICATION outbox_cdc FOR TABLE ONLY bookstore_platform.outbox"
        " WITH (publish = 'insert')"
    )


def test_the_heartbeats_have_their_topic() -> None:
    assert list(connect.topics(MANIFESTS)) == ["__debezium-heartbeat.bookpay"]


def test_a_worker_whose_settings_changed_has_another_command_line(tmp_path: Path) -> None:
    one = worker(tmp_path)

    assert one.command() == worker(tmp_path).command()
    assert one.command() != replace(one, database_port=20_004).command()


def test_the_password_is_where_only_its_file_says_it(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    one = worker(tmp_path)

    connect.keep_secrets(tmp_path / "secrets", "bookpay", "s3cret")
    connect.prepare(one)

    written = [path for path in one.home.iterdir() if path.is_file()]
    assert {path.name for path in written} == {"worker.properties", "connector.json"}
    assert not any("s3cret" in path.read_text() for path in written)
    assert not any("s3cret" in word for word in one.command())
    config = json.loads((one.home / "connector.json").read_text())["config"]
    assert config["database.password"] == "${secrets:../secrets/debezium.properties:password}"
    secrets = tmp_path / "secrets" / "debezium.properties"
    assert secrets.read_text() == "username=bookpay\npassword=s3cret\n"
    assert secrets.stat().st_mode & 0o777 == 0o600
