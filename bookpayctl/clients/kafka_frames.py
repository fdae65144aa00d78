"""What frames of flexible versions of Kafka have in common: varints, and fields passed over.

Source: Kafka protocol guide, "Protocol Primitive Types"; KIP-482 for tagged fields.
"""

from __future__ import annotations


def unsigned_varint(frame: bytes, at: int) -> tuple[int, int]:
    """An unsigned varint, and what comes after it."""
    value = shift = 0
    while True:
        byte = frame[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def after_tags(frame: bytes, at: int) -> int:
    """Where the tagged fields end that begin here; nobody here reads one."""
    count, at = unsigned_varint(frame, at)
    for _ in range(count):
        _, at = unsigned_varint(frame, at)
        size, at = unsigned_varint(frame, at)
        at += size
    return at
