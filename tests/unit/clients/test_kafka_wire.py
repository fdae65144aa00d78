"""Kafka's addresses on their way out: rewritten where they stand, everything else as it was."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookpayctl.clients.kafka_wire import (
    FRAME_BYTES_MAX,
    NEWEST_UNDERSTOOD,
    Conversation,
    NotKafkaError,
)

METADATA, FIND_COORDINATOR, API_VERSIONS, FETCH, DESCRIBE_CLUSTER = 3, 10, 18, 1, 60


def local(host: str, port: int) -> tuple[str, int]:
    return "127.0.0.1", 10_000 + port + len(host)


def framed(body: bytes) -> bytes:
    return struct.pack(">i", len(body)) + body


def request(key: int, version: int, correlation: int = 7) -> bytes:
    return framed(struct.pack(">hhi", key, version, correlation) + b"\xff\xff and the rest")


def text(value: str | None) -> bytes:
    if value is None:
        return struct.pack(">h", -1)
    return struct.pack(">h", len(value.encode())) + value.encode()


def answered(key: int, version: int, body: bytes, correlation: int = 7) -> bytes:
    """What a client gets when a broker answers one question so."""
    conversation = Conversation(local)
    conversation.outward(request(key, version, correlation))
    got = conversation.inward(framed(struct.pack(">i", correlation) + body))
    assert struct.unpack_from(">i", got)[0] == len(got) - 4
    return got[8:]


Broker = tuple[int, str, int, str | None]


def metadata(version: int, brokers: list[Broker], rest: bytes) -> bytes:
    body = struct.pack(">i", 0) if version >= 3 else b""
    body += struct.pack(">i", len(brokers))
    for node, host, port, rack in brokers:
        body += struct.pack(">i", node) + text(host) + struct.pack(">i", port)
        body += text(rack) if version >= 1 else b""
    return body + rest


brokers = st.lists(
    st.tuples(
        st.integers(0, 9),
        st.text(st.characters(min_codepoint=33, max_codepoint=122), min_size=1, max_size=60),
        st.integers(1, 50_000),
        st.none() | st.text(max_size=10),
    ),
    max_size=5,
)


@given(st.integers(0, NEWEST_UNDERSTOOD[METADATA]), brokers, st.binary(max_size=200))
def test_every_broker_of_the_metadata_is_at_a_local_address(
    version: int, given_brokers: list[Broker], rest: bytes
) -> None:
    expected = [(node, *local(host, port), rack) for node, host, port, rack in given_brokers]
    got = answered(METADATA, version, metadata(version, given_brokers, rest))
    assert got == metadata(version, expected, rest)


@pytest.mark.parametrize("version", range(NEWEST_UNDERSTOOD[FIND_COORDINATOR] + 1))
def test_the_coordinator_is_at_a_local_address(version: int) -> None:
    head = struct.pack(">ih", 0, 0) + text(None) if version >= 1 else struct.pack(">h", 0)
    head += struct.pack(">i", 3)
    far = head + text("kafka-0.kafka.kafka-system.svc") + struct.pack(">i", 9092)
    host, port = local("kafka-0.kafka.kafka-system.svc", 9092)
    assert answered(FIND_COORDINATOR, version, far) == head + text(host) + struct.pack(">i", port)


def test_no_coordinator_is_passed_on_as_none() -> None:
    none = struct.pack(">h", 15) + struct.pack(">i", -1) + text("") + struct.pack(">i", -1)
    assert answered(FIND_COORDINATOR, 0, none) == none


@pytest.mark.parametrize("version", [0, 2, 3, 4])
def test_nothing_newer_is_offered_than_is_understood(version: int) -> None:
    offered = [(METADATA, 0, 13), (FETCH, 4, 18), (DESCRIBE_CLUSTER, 0, 2), (8, 2, 10)]

    def body(entries: list[tuple[int, int, int]]) -> bytes:
        packed = [struct.pack(">hhh", *entry) for entry in entries]
        if version >= 3:
            return struct.pack(">hB", 0, len(packed) + 1) + b"".join(p + b"\x00" for p in packed)
        return struct.pack(">hi", 0, len(packed)) + b"".join(packed)

    capped = [(METADATA, 0, 8), (FETCH, 4, 15), (DESCRIBE_CLUSTER, 1, 0), (8, 2, 10)]
    rest = struct.pack(">i", 0) + b"\x00"
    assert answered(API_VERSIONS, version, body(offered) + rest) == body(capped) + rest


def test_a_broker_that_does_not_know_the_version_answers_in_the_oldest_one() -> None:
    body = struct.pack(">hi", 35, 1) + struct.pack(">hhh", METADATA, 0, 13)
    capped = struct.pack(">hi", 35, 1) + struct.pack(">hhh", METADATA, 0, 8)
    assert answered(API_VERSIONS, 4, body) == capped


@given(st.binary(max_size=300))
def test_other_answers_pass_as_they_are(body: bytes) -> None:
    assert answered(FETCH, 11, body) == body


@given(st.lists(st.integers(1, 7), min_size=1))
def test_it_matters_not_in_what_pieces_the_bytes_come(cuts: list[int]) -> None:
    conversation = Conversation(local)
    asked = request(METADATA, 8, 1) + request(FETCH, 11, 2)
    answer = metadata(8, [(1, "kafka-0.kafka.ns.svc", 9092, None)], b"rest")
    said = framed(struct.pack(">i", 2) + b"records") + framed(struct.pack(">i", 1) + answer)
    sent = b"".join(conversation.outward(piece) for piece in pieces(asked, cuts))
    got = b"".join(conversation.inward(piece) for piece in pieces(said, cuts))
    host, port = local("kafka-0.kafka.ns.svc", 9092)
    expected = metadata(8, [(1, host, port, None)], b"rest")
    assert sent == asked
    assert got == framed(struct.pack(">i", 2) + b"records") + framed(
        struct.pack(">i", 1) + expected
    )


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    found: list[bytes] = []
    at = 0
    while at < len(data):
        size = cuts[len(found) % len(cuts)]
        found.append(data[at : at + size])
        at += size
    return found


@pytest.mark.parametrize("size", [-1, FRAME_BYTES_MAX + 1])
def test_what_is_not_kafka_is_refused(size: int) -> None:
    with pytest.raises(NotKafkaError):
        Conversation(local).outward(struct.pack(">i", size))


def test_an_answer_that_ends_too_soon_is_refused() -> None:
    with pytest.raises(NotKafkaError):
        answered(METADATA, 8, metadata(8, [(1, "kafka", 9092, None)], b"")[:-3])
