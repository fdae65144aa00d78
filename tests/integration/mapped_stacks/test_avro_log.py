"""Topics of others in Avro: read with the schemas of their registry, and what cannot be is told."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import pytest
from confluent_kafka import Producer
from fastavro import parse_schema, schemaless_writer

from bookpayctl.clients.schema_registry import RegistryError, SchemaRegistry
from bookpayctl.judge.readers.avro import AvroReader
from bookpayctl.judge.readers.registered import UnreadableValue
from tests.support.command_line import CommandLine, verdicts
from tests.support.foreign_log import Log
from tests.support.foreign_shop import ForeignShop
from tests.support.processes import free_port
from tests.support.schema_registry import PASSWORD, USER, Registry, framed, running_registry

PAST: Final = ("--age", "1ms")
NUMBER: Final = 7
SCHEMA: Final[dict[str, Any]] = {
    "type": "record",
    "name": "PurchaseMade",
    "fields": [
        {"name": "id", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "purchase", "type": "long"},
        {
            "name": "total",
            "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
        },
        {"name": "note", "type": ["null", "string"]},
    ],
}
AVRO: Final = {
    'event_id = "header:id"': 'format = "avro"\nevent_id = "$.id"',
    'order_id = "key"': 'order_id = "$.purchase"',
    'event_type = "header:eventType"': 'event_type = "=PurchaseMade"',
}


@pytest.fixture
def registry() -> Iterator[Registry]:
    with running_registry() as running:
        running.add(NUMBER, SCHEMA)
        yield running


def reader_of(registry: Registry) -> AvroReader:
    return AvroReader(SchemaRegistry(registry.url, user=USER, password=PASSWORD))


def fields_of(event_id: str, purchase: int) -> bytes:
    written = io.BytesIO()
    record = {"id": UUID(event_id), "purchase": purchase, "total": Decimal("19.99"), "note": None}
    schemaless_writer(written, parse_schema(SCHEMA), record)
    return written.getvalue()


def publish(log: Log, purchase: int) -> None:
    """The event in the shop's table, and its record in Avro."""
    event_id = log.publish(purchase, record=False)
    send(log, framed(NUMBER, fields_of(event_id, purchase)))


def send(log: Log, value: bytes) -> None:
    producer = Producer({"bootstrap.servers": log.servers})
    producer.produce(log.topic, value)
    assert producer.flush(30) == 0


def mapping_of(log: Log, registry: Registry, folder: Path, *, password: str = PASSWORD) -> str:
    (folder / "password").write_text(password)
    path = log.mapping(folder / "laden.toml")
    text = path.read_text()
    for plain, avro in AVRO.items():
        assert plain in text
        text = text.replace(plain, avro)
    proof = f'registry_user = "{USER}"\nregistry_password_file = "{folder}/password"\n'
    given = f'registry_url = "{registry.url}"\n{proof}groups.'
    path.write_text(text.replace("groups.", given))
    return str(path)


def test_a_log_in_avro_is_judged_like_one_in_json(
    cli: CommandLine, shop: ForeignShop, log: Log, registry: Registry, tmp_path: Path
) -> None:
    publish(log, shop.sell(1999))
    publish(log, shop.sell(1999))
    log.read_to_the_end()

    document = cli.ask("audit", "--mapping", mapping_of(log, registry, tmp_path), *PAST)

    found = verdicts(document)
    assert document["exit"]["code"] == 0, document
    assert {found[one] for one in ("I04", "I06", "I07", "I09", "I32")} == {"holds"}
    # Each audit looks twice, and asks once in both.
    assert registry.asked == [NUMBER] * len(registry.asked)
    assert 1 <= len(registry.asked) <= 2


def test_a_value_that_cannot_be_read_is_counted_and_what_rests_on_it_is_unknown(
    cli: CommandLine, shop: ForeignShop, log: Log, registry: Registry, tmp_path: Path
) -> None:
    publish(log, shop.sell(1999))
    send(log, json.dumps({"id": str(uuid4())}).encode())
    send(log, framed(8, b""))
    send(log, framed(8, b""))
    log.read_to_the_end()

    document = cli.ask("audit", "--mapping", mapping_of(log, registry, tmp_path), *PAST)

    told = json.dumps(document["notes"])
    assert document["exit"]["code"] == 3, document
    assert f"1 values in {log.topic} could not be read" in told
    assert "it does not begin with a zero and a schema's number" in told
    assert f"2 values in {log.topic} could not be read" in told
    assert "schema 8 is not in the registry" in told
    assert verdicts(document)["I07"] == "unknown"


def test_a_registry_that_refuses_or_is_away_makes_the_log_unknown(
    cli: CommandLine, shop: ForeignShop, log: Log, registry: Registry, tmp_path: Path
) -> None:
    publish(log, shop.sell(1999))

    refused = cli.ask(
        "audit", "--mapping", mapping_of(log, registry, tmp_path, password="x"), *PAST
    )

    assert refused["exit"]["code"] == 3
    assert "refuses us (401): see kafka.registry_user" in json.dumps(refused)
    away = AvroReader(SchemaRegistry(f"http://127.0.0.1:{free_port()}"))
    with pytest.raises(RegistryError, match="does not answer"):
        away.read(framed(NUMBER, b""))


def test_bytes_that_are_not_of_their_schema_are_never_guessed(registry: Registry) -> None:
    reader, event_id = reader_of(registry), str(uuid4())
    whole = fields_of(event_id, 1)
    registry.add(9, {"type": "no such type"})
    registry.add(10, SCHEMA, schemaType="PROTOBUF")
    registry.add(11, SCHEMA, references=[{"name": "a", "subject": "b", "version": 1}])

    assert reader.read(framed(NUMBER, whole)) == {
        "id": event_id,
        "purchase": 1,
        "total": Decimal("19.99"),
        "note": None,
    }
    assert reader.read(None) is None
    assert [why(reader.read(value)) for value in (b"", b"\x01" + whole, whole[:3])] == [
        "it does not begin with a zero and a schema's number"
    ] * 3
    assert "bytes are not of schema 7" in why(reader.read(framed(NUMBER, whole[:-5])))
    assert "some are left over" in why(reader.read(framed(NUMBER, whole + b"x")))
    assert "schema 9 is no schema" in why(reader.read(framed(9, whole)))
    assert "schema 10 is PROTOBUF, not Avro" in why(reader.read(framed(10, whole)))
    assert "refers to others" in why(reader.read(framed(11, whole)))


def why(value: object) -> str:
    assert isinstance(value, UnreadableValue), value
    return value.reason
