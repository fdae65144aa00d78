"""Topics of others in Protobuf: read by the descriptors of their registry, and never by a guess."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pytest
from confluent_kafka import Producer
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto

from bookpayctl.clients.schema_registry import SchemaRegistry
from bookpayctl.judge.readers.protobuf import ProtobufReader
from bookpayctl.judge.readers.registered import UnreadableValue
from tests.support.command_line import CommandLine, verdicts
from tests.support.foreign_log import Log
from tests.support.foreign_shop import ForeignShop
from tests.support.schema_registry import PASSWORD, USER, Registry, framed, running_registry

PAST: Final = ("--age", "1ms")
NUMBER: Final = 7
PLACE: Final = f"schemas/ids/{NUMBER}"
PROTOBUF: Final = {
    'event_id = "header:id"': 'format = "protobuf"\nevent_id = "$.id"',
    'order_id = "key"': 'order_id = "$.purchase"',
    'event_type = "header:eventType"': 'event_type = "=PurchaseMade"',
    'amount = "$.total"': 'amount = "$.total.cents"',
    'money = "major"\ntypes': 'money = "minor"\ntypes',
}
STRING: Final = FieldDescriptorProto.TYPE_STRING
INT64: Final = FieldDescriptorProto.TYPE_INT64
MESSAGE: Final = FieldDescriptorProto.TYPE_MESSAGE
MONEY_FILE: Final = "money.proto"

# As a compiler of Protobuf writes them, by hand: the tag of a field is its number and wire type.
TEXT_1, NUMBER_1, NUMBER_2, MESSAGE_3, TEXT_4 = b"\x0a", b"\x08", b"\x10", b"\x1a", b"\x22"
FIRST: Final = b"\x00"


def schema_file() -> FileDescriptorProto:
    """PurchaseMade with its inner Note, and Other; the money is another file's."""
    file = FileDescriptorProto(name="default", package="laden", syntax="proto3")
    file.dependency.extend([MONEY_FILE, "google/protobuf/timestamp.proto"])
    made = file.message_type.add(name="PurchaseMade")
    made.field.add(name="id", number=1, type=STRING)
    made.field.add(name="purchase", number=2, type=INT64)
    made.field.add(name="total", number=3, type=MESSAGE, type_name=".money.Money")
    made.field.add(name="coupon", number=4, type=STRING, proto3_optional=True, oneof_index=0)
    made.oneof_decl.add(name="_coupon")
    made.field.add(name="at", number=5, type=MESSAGE, type_name=".google.protobuf.Timestamp")
    note = made.nested_type.add(name="Note")
    note.field.add(name="text", number=1, type=STRING)
    file.message_type.add(name="Other").field.add(name="count", number=1, type=INT64)
    for message in (*file.message_type, note):
        for field in message.field:
            field.label = FieldDescriptorProto.LABEL_OPTIONAL
    return file


def money_file() -> FileDescriptorProto:
    file = FileDescriptorProto(name="whatever", package="money", syntax="proto3")
    money = file.message_type.add(name="Money")
    money.field.add(name="cents", number=1, type=INT64, label=FieldDescriptorProto.LABEL_OPTIONAL)
    return file


REFERENCE: Final = {"name": MONEY_FILE, "subject": "shop/money", "version": 3}


@pytest.fixture
def registry() -> Iterator[Registry]:
    with running_registry() as running:
        schema = schema_file().SerializeToString()
        running.add_descriptor(PLACE, schema, references=[REFERENCE])
        money = money_file().SerializeToString()
        running.add_descriptor("subjects/shop%2Fmoney/versions/3", money)
        yield running


def reader_of(registry: Registry) -> ProtobufReader:
    return ProtobufReader(SchemaRegistry(registry.url, user=USER, password=PASSWORD))


def varint(number: int) -> bytes:
    found = b""
    while number > 0x7F:
        found += struct.pack("B", number & 0x7F | 0x80)
        number >>= 7
    return found + struct.pack("B", number)


def text(tag: bytes, value: str) -> bytes:
    return tag + varint(len(value)) + value.encode()


def made(event_id: str, purchase: int) -> bytes:
    """A PurchaseMade of 19.99, behind the place of its message."""
    money = NUMBER_1 + varint(1999)
    total = MESSAGE_3 + varint(len(money)) + money
    return FIRST + text(TEXT_1, event_id) + NUMBER_2 + varint(purchase) + total


def mapping_of(log: Log, registry: Registry, folder: Path) -> str:
    (folder / "password").write_text(PASSWORD)
    path = log.mapping(folder / "laden.toml")
    mapping = path.read_text()
    for plain, protobuf in PROTOBUF.items():
        assert plain in mapping
        mapping = mapping.replace(plain, protobuf)
    proof = f'registry_user = "{USER}"\nregistry_password_file = "{folder}/password"\n'
    given = f'registry_url = "{registry.url}"\n{proof}groups.'
    path.write_text(mapping.replace("groups.", given))
    return str(path)


def test_a_log_in_protobuf_is_judged_like_one_in_json_and_what_cannot_be_read_is_told(
    cli: CommandLine, shop: ForeignShop, log: Log, registry: Registry, tmp_path: Path
) -> None:
    producer = Producer({"bootstrap.servers": log.servers})
    for _ in range(2):
        purchase = shop.sell(1999)
        event_id = log.publish(purchase, record=False)
        producer.produce(log.topic, framed(NUMBER, made(event_id, purchase)))
    assert producer.flush(30) == 0
    log.read_to_the_end()
    mapping = mapping_of(log, registry, tmp_path)

    whole = cli.ask("audit", "--mapping", mapping, *PAST)
    producer.produce(log.topic, framed(8, made(str(uuid4()), 1)))
    assert producer.flush(30) == 0
    log.read_to_the_end()
    spoilt = cli.ask("audit", "--mapping", mapping, *PAST)

    found = verdicts(whole)
    assert whole["exit"]["code"] == 0, whole
    assert {found[one] for one in ("I04", "I06", "I07", "I09", "I32")} == {"holds"}
    assert spoilt["exit"]["code"] == 3, spoilt
    assert "schema 8 is not in the registry" in json.dumps(spoilt["notes"])
    assert verdicts(spoilt)["I07"] == "unknown"


def test_a_field_that_was_left_out_is_not_there_and_a_plain_one_has_its_default(
    registry: Registry,
) -> None:
    reader = reader_of(registry)

    whole = reader.read(framed(NUMBER, made("e-1", 5) + text(TEXT_4, "")))
    bare = reader.read(framed(NUMBER, FIRST))

    assert whole == {"id": "e-1", "purchase": 5, "total": {"cents": 1999}, "coupon": ""}
    assert bare == {"id": "", "purchase": 0}
    assert reader.read(None) is None
    assert registry.asked == [NUMBER]


def test_a_message_is_found_by_its_place_in_the_schema(registry: Registry) -> None:
    reader = reader_of(registry)

    # A count and that many places, each doubled, for they may be negative and never are.
    assert reader.read(framed(NUMBER, b"\x02\x02" + NUMBER_1 + varint(300))) == {"count": 300}
    assert reader.read(framed(NUMBER, b"\x04\x00\x00" + text(TEXT_1, "hi"))) == {"text": "hi"}
    for nowhere in (b"", b"\x01", b"\x02", b"\x02\x04", b"\x04\x02\x00", b"\xff" * 9, b"\x02\x01"):
        assert "bytes are not of schema 7" in why(reader.read(framed(NUMBER, nowhere)))


def test_bytes_that_are_not_of_their_message_are_never_guessed(registry: Registry) -> None:
    reader, whole = reader_of(registry), made("e-1", 5)

    assert [why(reader.read(value)) for value in (b"", b"\x01" + whole, whole[:3])] == [
        "it does not begin with a zero and a schema's number"
    ] * 3
    unknown = framed(NUMBER, whole + b"\x48\x01")
    inner = framed(NUMBER, FIRST + MESSAGE_3 + b"\x02\x48\x01")
    assert "fields that the schema does not have" in why(reader.read(unknown))
    assert "fields that the schema does not have" in why(reader.read(inner))
    assert "bytes are not of schema 7" in why(reader.read(framed(NUMBER, whole[:-1])))
    no_text = FIRST + TEXT_1 + b"\x01\xff"
    assert "bytes are not of schema 7" in why(reader.read(framed(NUMBER, no_text)))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"schemaType": "AVRO"}, "is AVRO, not Protobuf"),
        ({"schema": 'syntax = "proto3";'}, "gives text for it, not a descriptor"),
        ({"references": []}, "imports money.proto, to which it does not refer"),
        (
            {"references": [{**REFERENCE, "version": 4}]},
            "imports money.proto, which is not in the registry",
        ),
        ({"schema": "AAAA"}, "is no schema"),
    ],
)
def test_a_schema_that_cannot_be_had_whole_is_told(
    answer: dict[str, Any], reason: str, registry: Registry
) -> None:
    registry.answers[f"/{PLACE}?format=serialized"] |= answer

    assert reason in why(reader_of(registry).read(framed(NUMBER, made("e-1", 5))))


def why(value: object) -> str:
    assert isinstance(value, UnreadableValue), value
    return value.reason
