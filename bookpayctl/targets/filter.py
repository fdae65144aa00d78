"""What looks at the bytes of one connection on their way through a forwarder or a proxy."""

from __future__ import annotations

from typing import Protocol


class Filter(Protocol):
    """What looks at, and may change, the bytes that pass; a new one for each connection."""

    def outward(self, data: bytes) -> bytes: ...

    def inward(self, data: bytes) -> bytes: ...


class Unchanged:
    """Bytes as they are."""

    def outward(self, data: bytes) -> bytes:
        return data

    def inward(self, data: bytes) -> bytes:
        return data
