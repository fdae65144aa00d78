"""Kafka's jars: only the pinned ones, whole, are ever used."""

from __future__ import annotations

import os
from pathlib import Path

from bookpayctl.targets.servers import jars


def test_every_pin_is_a_jar_with_a_sha256() -> None:
    pins = jars.pinned()

    assert len(pins) == 45
    assert all(name.endswith(".jar") and len(digest) == 64 for name, digest in pins.items())
    assert "kafka_2.13-4.4.0.jar" in pins


def test_the_worker_is_of_one_release_and_has_debezium() -> None:
    pins = jars.pinned(jars.DEBEZIUM)

    assert len(pins) == 67
    of_kafka = {name for name in pins if name.startswith(("connect-", "kafka-"))}
    assert {name.rpartition("-")[2] for name in of_kafka} == {"4.3.1.jar"}
    assert "debezium-connector-postgres-3.6.1.Final.jar" in pins


def test_each_set_has_a_folder_of_its_own(tmp_path: Path) -> None:
    assert jars.jars_dir(tmp_path) != jars.jars_dir(tmp_path, jars.DEBEZIUM)


def test_a_folder_with_a_changed_jar_is_not_verified(tmp_path: Path) -> None:
    for name in jars.pinned():
        (tmp_path / name).write_bytes(b"something else")

    assert jars.is_verified(tmp_path) is False


def test_a_mark_that_was_copied_from_elsewhere_does_not_help(tmp_path: Path) -> None:
    (tmp_path / "verified.json").write_text('{"kafka_2.13-4.4.0.jar": [1, 1]}')

    assert jars.is_verified(tmp_path) is False


def test_the_class_path_has_every_jar_in_one_order_before_any_is_fetched(tmp_path: Path) -> None:
    entries = jars.class_path(tmp_path).split(os.pathsep)

    assert entries == sorted(entries)
    assert len(entries) == len(jars.pinned())
