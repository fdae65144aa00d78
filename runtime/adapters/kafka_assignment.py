"""What a member of a consumer group was given to read, as the bytes that the broker keeps of it."""

from __future__ import annotations

import struct
from typing import Final

from runtime.domain.group import Place

_SHORT: Final = struct.Struct(">h")
_INT: Final = struct.Struct(">i")


def places_of(assignment: bytes) -> set[Place]:
    """The partitions in an assignment; none in an empty one, which a member without any has.

    Raises:
        ValueError: these are no assignment's bytes.

    Source:
        Apache Kafka, ConsumerProtocolAssignment.json: version, [topic, [partition]], user data.
        Later versions only add to the end, so whatever the version is, this much can be read.
    """
    if not assignment:
        return set()
    places, at = set(), _SHORT.size
    try:
        topics, at = _read(_INT, assignment, at)
        for _ in range(topics):
            length, at = _read(_SHORT, assignment, at)
            topic, at = assignment[at : at + length].decode(), at + length
            partitions, at = _read(_INT, assignment, at)
            for _ in range(partitions):
                partition, at = _read(_INT, assignment, at)
                places.add((topic, partition))
    except struct.error as error:
        raise ValueError("a member's assignment is cut short") from error
    return places


def _read(shape: struct.Struct, raw: bytes, at: int) -> tuple[int, int]:
    """One number and where the next one begins."""
    (number,) = shape.unpack_from(raw, at)
    return number, at + shape.size
