"""Which release of Kafka each broker runs, as far as its protocol tells.

No answer of a broker names its version. ApiVersions lists the features that it supports, and the
newest `metadata.version` among them is that of the release: the supported one, not the finalized
one, which an operator may have left behind. librdkafka does not hand these features out, so the one
request is written here.

Source:
    Kafka protocol guide, ApiVersions 3 (SupportedFeatures, tag 0);
    org.apache.kafka.server.common.MetadataVersion of Kafka 4.4.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from typing import Final

from confluent_kafka.admin import AdminClient

from bookpayctl.clients.kafka import REQUEST_TIMEOUT_SECONDS
from bookpayctl.clients.kafka_frames import after_tags, unsigned_varint

FEATURE: Final = "metadata.version"

FIRST_LEVELS: Final = (
    (1, (3, 0)),
    (2, (3, 1)),
    (3, (3, 2)),
    (4, (3, 3)),
    (8, (3, 4)),
    (9, (3, 5)),
    (12, (3, 6)),
    (15, (3, 7)),
    (20, (3, 8)),
    (21, (3, 9)),
    (22, (4, 0)),
    (26, (4, 1)),
    (28, (4, 2)),
    (30, (4, 3)),
    (31, (4, 4)),
    (34, (4, 5)),
)
"""The first level of each release. A level beyond the last is of this release, or a newer one."""

_API_VERSIONS: Final = 18
_VERSION: Final = 3
_CORRELATION: Final = 1
_SUPPORTED_FEATURES: Final = 0
_ANSWER_BYTES_MAX: Final = 1024 * 1024
"""An answer has a few kilobytes; what claims more is no broker's."""


class NotToldError(RuntimeError):
    """No release can be told; the message says why."""


@dataclass(frozen=True, slots=True)
class BrokerRelease:
    """One broker's release, e.g. (4, 4); None where its features do not tell, with the reason."""

    broker: str
    release: tuple[int, int] | None
    reason: str = ""


def broker_releases(bootstrap_servers: str) -> list[BrokerRelease]:
    """Ask every broker of the cluster, in the order of their ids.

    Raises:
        BrokerError: no broker says which there are.
    """
    admin = AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0})
    brokers = admin.list_topics(timeout=REQUEST_TIMEOUT_SECONDS).brokers
    return [
        _asked(f"broker {number}", str(found.host), found.port)
        for number, found in sorted(brokers.items())
    ]


def _asked(broker: str, host: str, port: int) -> BrokerRelease:
    try:
        return BrokerRelease(broker, release_of(features_of(_conversation(host, port))))
    except (OSError, NotToldError) as error:
        return BrokerRelease(broker, None, str(error))


def release_of(features: dict[str, int]) -> tuple[int, int]:
    """The release whose newest `metadata.version` this is.

    Raises:
        NotToldError: the broker names none, as one without KRaft.
    """
    level = features.get(FEATURE)
    if level is None or level < FIRST_LEVELS[0][0]:
        raise NotToldError(f"the broker names no {FEATURE}")
    return max(release for first, release in FIRST_LEVELS if first <= level)


def request() -> bytes:
    """ApiVersions 3 with its length before it."""
    name = _compact("bookpayctl")
    header = struct.pack(">hhi", _API_VERSIONS, _VERSION, _CORRELATION)
    # A client id of no characters, and no tagged fields, in the header and in the body.
    frame = header + struct.pack(">h", 0) + b"\0" + name + _compact("1") + b"\0"
    return struct.pack(">i", len(frame)) + frame


def features_of(frame: bytes) -> dict[str, int]:
    """Feature -> the newest level that is supported, of an answer without its length.

    Raises:
        NotToldError: it is an error, or no such answer.
    """
    try:
        correlation, error = struct.unpack_from(">ih", frame)
        if correlation != _CORRELATION or error:
            raise NotToldError(f"the broker answers ApiVersions with error {error}")
        count, at = unsigned_varint(frame, 6)
        for _ in range(count - 1):
            at = after_tags(frame, at + 6)
        # The throttle time.
        tags, at = unsigned_varint(frame, at + 4)
        for _ in range(tags):
            tag, at = unsigned_varint(frame, at)
            size, at = unsigned_varint(frame, at)
            if tag == _SUPPORTED_FEATURES:
                return _features(frame, at)
            at += size
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise NotToldError(f"not an answer of Kafka: {error}") from error
    return {}


def _features(frame: bytes, at: int) -> dict[str, int]:
    count, at = unsigned_varint(frame, at)
    found = {}
    for _ in range(count - 1):
        size, at = unsigned_varint(frame, at)
        name = frame[at : at + size - 1].decode()
        at += size - 1
        _, newest = struct.unpack_from(">hh", frame, at)
        found[name] = newest
        at = after_tags(frame, at + 4)
    return found


def _conversation(host: str, port: int) -> bytes:
    """Ask on a connection of its own; the answer without its length."""
    with socket.create_connection((host, port), REQUEST_TIMEOUT_SECONDS) as connection:
        connection.sendall(request())
        (size,) = struct.unpack(">i", _exactly(connection, 4))
        if not 0 < size <= _ANSWER_BYTES_MAX:
            raise NotToldError(f"not an answer of Kafka: {size} bytes")
        return _exactly(connection, size)


def _exactly(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        part = connection.recv(size - len(received))
        if not part:
            raise NotToldError("the broker hangs up; perhaps it speaks TLS")
        received += part
    return received


def _compact(text: str) -> bytes:
    encoded = text.encode()
    return bytes([len(encoded) + 1]) + encoded
