"""A stack of others with an outbox and Kafka, in the form in which Debezium's router sends it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from confluent_kafka.admin import AdminClient

from tests.support.command_line import CommandLine, verdicts
from tests.support.foreign_log import Log
from tests.support.foreign_shop import ForeignShop

PAST = ("--age", "1ms")


def evidence(document: dict[str, Any], invariant: str) -> str:
    return json.dumps(next(one for one in document["items"] if one["id"] == invariant))


def test_a_healthy_log_of_others_holds_and_no_group_is_touched(
    cli: CommandLine, shop: ForeignShop, log: Log, tmp_path: Path
) -> None:
    log.publish(shop.sell(1999))
    log.publish(shop.sell(1999))
    log.read_to_the_end()
    before = log.committed()
    groups = known_groups(log.servers)

    document = cli.ask("audit", "--mapping", str(log.mapping(tmp_path / "laden.toml")), *PAST)

    found = verdicts(document)
    assert document["exit"]["code"] == 0, document
    assert {found[one] for one in ("I04", "I06", "I07", "I09", "I32")} == {"holds"}
    assert found["I31"] == found["I33"] == "skipped"
    assert log.committed() == before
    assert known_groups(log.servers) == groups


def known_groups(servers: str) -> set[str]:
    admin = AdminClient({"bootstrap.servers": servers})
    return {group.group_id for group in admin.list_consumer_groups().result(30).valid}


def test_what_is_wrong_in_a_log_of_others_is_found(
    cli: CommandLine, shop: ForeignShop, log: Log, tmp_path: Path
) -> None:
    log.publish(shop.sell(1999))
    lost = log.publish(shop.sell(1999), record=False)
    invented = log.publish(shop.sell(1999), row=False)

    document = cli.ask("audit", "--mapping", str(log.mapping(tmp_path / "laden.toml")), *PAST)

    assert document["exit"]["code"] == 1
    assert lost in evidence(document, "I06")
    assert invented in evidence(document, "I07")
    assert verdicts(document)["I09"] == "violated"
    assert "0 OrderPlaced events" in evidence(document, "I04")


def test_a_topic_that_is_not_there_is_unknown(
    cli: CommandLine, shop: ForeignShop, log: Log, tmp_path: Path
) -> None:
    log.publish(shop.sell(1999))
    mapping = log.mapping(tmp_path / "laden.toml")
    mapping.write_text(mapping.read_text().replace(log.topic, "no.such.topic"))

    document = cli.ask("audit", "--mapping", str(mapping), *PAST)

    assert document["exit"]["code"] == 3
    assert "there is no topic no.such.topic" in " ".join(document["notes"])
