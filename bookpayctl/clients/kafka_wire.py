"""Kafka's protocol as far as a forwarder must know it: where a broker says who the brokers are.

A client asks any broker for the cluster, and from then on goes to the addresses it was told. Those
are addresses inside the cluster. The answers that hold them (Metadata, FindCoordinator) are
rewritten to local ones on their way out, and the versions that a broker offers are held below those
that say it in other places, so that nothing else needs to be understood. Pure; the frames of one
connection in, frames out.

Source:
    Kafka protocol guide: ApiVersions 0-4, Metadata 0-8, FindCoordinator 0-2; KIP-951 (addresses in
    answers to Produce 10 and Fetch 16).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from bookpayctl.clients.kafka_frames import after_tags, unsigned_varint

Address = tuple[str, int]
Translate = Callable[[str, int], Address]
"""The local address that stands for a broker's."""

_PRODUCE, _FETCH, _METADATA, _FIND_COORDINATOR, _API_VERSIONS = 0, 1, 3, 10, 18
_DESCRIBE_CLUSTER: Final = 60

# The newest version of each whose addresses stand where this module looks.
NEWEST_UNDERSTOOD: Final = {_PRODUCE: 9, _FETCH: 15, _METADATA: 8, _FIND_COORDINATOR: 2}
_NEVER: Final = -1

# What a broker says to a version of ApiVersions that it does not know, in an answer of version 0.
_UNSUPPORTED_VERSION: Final = 35

# Larger than any request or answer: what claims more is not Kafka's protocol.
FRAME_BYTES_MAX: Final = 256 * 1024 * 1024


class NotKafkaError(ValueError):
    """The bytes are not what Kafka's protocol has there."""


@dataclass(slots=True)
class Frames:
    """Cuts a stream into frames: four bytes of length, then as many."""

    _rest: bytearray = field(default_factory=bytearray)

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that are whole now, without their length."""
        self._rest += data
        whole = []
        while len(self._rest) >= 4:
            (size,) = struct.unpack_from(">i", self._rest)
            if not 0 <= size <= FRAME_BYTES_MAX:
                raise NotKafkaError(f"a frame of {size} bytes")
            if len(self._rest) < 4 + size:
                break
            whole.append(bytes(self._rest[4 : 4 + size]))
            del self._rest[: 4 + size]
        return whole


@dataclass(slots=True)
class Conversation:
    """One connection: what was asked is remembered until it is answered."""

    translate: Translate
    _asked: dict[int, tuple[int, int]] = field(default_factory=dict)
    _requests: Frames = field(default_factory=Frames)
    _answers: Frames = field(default_factory=Frames)

    def outward(self, data: bytes) -> bytes:
        """What the client says, unchanged; its questions are noted."""
        for frame in self._requests.feed(data):
            if len(frame) < 8:
                raise NotKafkaError(f"a request of {len(frame)} bytes")
            key, version, correlation = struct.unpack_from(">hhi", frame)
            if key in (_API_VERSIONS, _METADATA, _FIND_COORDINATOR):
                self._asked[correlation] = (key, version)
        return data

    def inward(self, data: bytes) -> bytes:
        """What the broker says, with local addresses."""
        return b"".join(_framed(self._answer(frame)) for frame in self._answers.feed(data))

    def _answer(self, frame: bytes) -> bytes:
        (correlation,) = struct.unpack_from(">i", frame)
        key, version = self._asked.pop(correlation, (None, 0))
        try:
            match key:
                case 18:
                    return capped_versions(frame, version)
                case 3:
                    return local_metadata(frame, version, self.translate)
                case 10:
                    return local_coordinator(frame, version, self.translate)
                case _:
                    return frame
        except (struct.error, IndexError, UnicodeDecodeError) as error:
            raise NotKafkaError(f"an answer that ends too soon: {error}") from error


def capped_versions(frame: bytes, version: int) -> bytes:
    """An answer to ApiVersions that offers nothing newer than is understood here."""
    answer = bytearray(frame)
    (error,) = struct.unpack_from(">h", frame, 4)
    at = 6
    if version >= 3 and error != _UNSUPPORTED_VERSION:
        count, at = unsigned_varint(frame, at)
        for _ in range(count - 1):
            _cap(answer, at)
            at = after_tags(frame, at + 6)
    else:
        (count,) = struct.unpack_from(">i", frame, at)
        for index in range(count):
            _cap(answer, at + 4 + 6 * index)
    return bytes(answer)


def local_metadata(frame: bytes, version: int, translate: Translate) -> bytes:
    """An answer to Metadata 0-8 whose brokers are at local addresses."""
    at = 8 if version >= 3 else 4
    (count,) = struct.unpack_from(">i", frame, at)
    parts = [frame[: at + 4]]
    at += 4
    for _ in range(count):
        node, at = frame[at : at + 4], at + 4
        broker, at = _local_address(frame, at, translate)
        rack, at = _string(frame, at) if version >= 1 else (b"", at)
        parts += [node, broker, rack]
    return b"".join([*parts, frame[at:]])


def local_coordinator(frame: bytes, version: int, translate: Translate) -> bytes:
    """An answer to FindCoordinator 0-2 whose broker is at a local address."""
    at = 8 if version >= 1 else 4
    (error,) = struct.unpack_from(">h", frame, at)
    if error:
        # Then it names none: no host, port -1.
        return frame
    at += 2
    if version >= 1:
        _, at = _string(frame, at)
    at += 4
    broker, after = _local_address(frame, at, translate)
    return frame[:at] + broker + frame[after:]


def _framed(frame: bytes) -> bytes:
    return struct.pack(">i", len(frame)) + frame


def _cap(answer: bytearray, at: int) -> None:
    key, oldest, newest = struct.unpack_from(">hhh", answer, at)
    understood = _NEVER if key == _DESCRIBE_CLUSTER else NEWEST_UNDERSTOOD.get(key, newest)
    if understood == _NEVER:
        # No client asks for what is offered from 1 to 0.
        struct.pack_into(">hh", answer, at + 2, 1, 0)
    elif newest > understood:
        struct.pack_into(">h", answer, at + 4, max(oldest, understood))


def _local_address(frame: bytes, at: int, translate: Translate) -> tuple[bytes, int]:
    raw, at = _string(frame, at)
    (port,) = struct.unpack_from(">i", frame, at)
    host, local_port = translate(raw[2:].decode("utf-8"), port)
    encoded = host.encode()
    return struct.pack(">h", len(encoded)) + encoded + struct.pack(">i", local_port), at + 4


def _string(frame: bytes, at: int) -> tuple[bytes, int]:
    """A nullable string with its length as it stands there, and what comes after it."""
    (size,) = struct.unpack_from(">h", frame, at)
    end = at + 2 + max(size, 0)
    if end > len(frame):
        raise NotKafkaError("a string longer than its frame")
    return frame[at:end], end
