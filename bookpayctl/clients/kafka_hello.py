"""The one question that a broker answers to anybody: ApiVersions, on a connection of our own.

By it a listener shows whether it is there, whether it speaks TLS or plain text, and what it
supports. Nothing is asked for, nobody is named.

Source:
    Kafka protocol guide, ApiVersions 3 (SupportedFeatures, tag 0).
"""

from __future__ import annotations

import socket
import ssl
import struct
from typing import Final

from bookpayctl.clients.kafka_frames import after_tags, unsigned_varint

HELLO_SECONDS_MAX: Final = 5.0

_API_VERSIONS: Final = 18
_VERSION: Final = 3
_CORRELATION: Final = 1
_SUPPORTED_FEATURES: Final = 0
_ANSWER_BYTES_MAX: Final = 1024 * 1024
"""An answer has a few kilobytes; what claims more is no broker's."""


class NotToldError(RuntimeError):
    """No release can be told; the message says why."""


def hello(host: str, port: int, context: ssl.SSLContext | None) -> bytes:
    """Ask on a connection of its own; the answer without its length.

    A broker answers this one question before anybody has given a name.

    Raises:
        OSError: there is no connection; ssl.SSLError: there is no TLS on it.
        NotToldError: what came is no answer of Kafka, or nothing came.
    """
    with (
        socket.create_connection((host, port), HELLO_SECONDS_MAX) as plain,
        context.wrap_socket(plain, server_hostname=host) if context else plain as connection,
    ):
        connection.sendall(request())
        (size,) = struct.unpack(">i", _exactly(connection, 4))
        if not 0 < size <= _ANSWER_BYTES_MAX:
            raise NotToldError(f"not an answer of Kafka: {size} bytes")
        return _exactly(connection, size)


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
