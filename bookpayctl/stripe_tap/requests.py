"""The requests of one connection, found in its bytes while these go through.

Only the Host header is changed, to the name of the server that is spoken to; every other byte goes
on as it came. What cannot be read as HTTP/1.1 goes through unread, and is said to be so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

HEAD_BYTES_MAX: Final = 64 * 1024
BODY_BYTES_KEPT: Final = 64 * 1024

_END_OF_HEAD: Final = b"\r\n\r\n"
_LINE: Final = b"\r\n"


@dataclass(frozen=True, slots=True)
class Request:
    """One request, complete; header names are lower case, `body` at most the part that is kept."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    whole: bool


class RequestStream:
    """Reads what a client sends; `feed` gives back what goes on to the server."""

    def __init__(self, host: str) -> None:
        self._host = host.encode("latin-1")
        self._buffer = b""
        self._request: _Open | None = None
        self.unreadable = False

    def feed(self, data: bytes) -> Iterator[tuple[bytes, Request | None]]:
        """Bytes to send on, each with the request that they complete, if they complete one.

        The server cannot act on a request before its last byte: who writes the request down before
        sending that byte on has it on record before it has an effect.
        """
        if self.unreadable:
            yield data, None
            return
        self._buffer += data
        while self._buffer and not self.unreadable:
            step = self._head() if self._request is None else self._body(self._request)
            if step is None:
                return
            yield step
        if self.unreadable and self._buffer:
            rest, self._buffer = self._buffer, b""
            yield rest, None

    def _head(self) -> tuple[bytes, Request | None] | None:
        end = self._buffer.find(_END_OF_HEAD)
        if end < 0:
            if len(self._buffer) <= HEAD_BYTES_MAX:
                return None
            return self._give_up()
        head = self._buffer[:end]
        try:
            opened = _Open.of_head(head)
        except ValueError:
            return self._give_up()
        self._buffer = self._buffer[end + len(_END_OF_HEAD) :]
        sent = _with_host(head, self._host) + _END_OF_HEAD
        if opened.is_complete:
            return sent, opened.request()
        self._request = opened
        return sent, None

    def _body(self, opened: _Open) -> tuple[bytes, Request | None] | None:
        try:
            taken = opened.take(self._buffer)
        except ValueError:
            return self._give_up()
        if not taken:
            return None
        sent, self._buffer = self._buffer[:taken], self._buffer[taken:]
        if not opened.is_complete:
            return sent, None
        self._request = None
        return sent, opened.request()

    def _give_up(self) -> tuple[bytes, None]:
        self.unreadable = True
        sent, self._buffer = self._buffer, b""
        return sent, None


class _Open:
    """A request whose body is still coming, of a known length or in chunks."""

    def __init__(self, method: str, target: str, headers: dict[str, str]) -> None:
        self._method, self._target, self._headers = method, target, headers
        self._kept = b""
        self._seen = 0
        codings = headers.get("transfer-encoding", "").lower()
        self._chunked = codings.endswith("chunked")
        if codings and not self._chunked:
            raise ValueError(f"a body coded as {codings!r} has no end that can be seen")
        self._left = 0 if self._chunked else _whole(headers.get("content-length", "0"))
        self._in_trailer = False
        self.is_complete = not self._chunked and self._left == 0

    @classmethod
    def of_head(cls, head: bytes) -> _Open:
        first, *lines = head.decode("latin-1").split("\r\n")
        method, _, rest = first.partition(" ")
        target, _, version = rest.rpartition(" ")
        if not version.startswith("HTTP/1.") or not target or method in ("CONNECT", "HEAD"):
            raise ValueError(f"not a request that can be followed: {first[:20]!r}")
        headers: dict[str, str] = {}
        for line in lines:
            name, found, value = line.partition(":")
            if not found or name.lower() == "upgrade":
                raise ValueError("not a header that can be followed")
            headers[name.lower()] = value.strip()
        return cls(method, target, headers)

    def take(self, data: bytes) -> int:
        """How many of these bytes belong to the body as far as it can be told now; 0: none yet."""
        if not self._chunked:
            taken = min(self._left, len(data))
            self._keep(data[:taken])
            self._left -= taken
            self.is_complete = self._left == 0
            return taken
        if self._left:
            taken = min(self._left, len(data))
            # The last two bytes of a chunk are its line's end and no content.
            self._keep(data[: max(0, min(taken, self._left - len(_LINE)))])
            self._left -= taken
            return taken
        return self._take_line(data)

    def _take_line(self, data: bytes) -> int:
        end = data.find(_LINE)
        if end < 0:
            if len(data) > HEAD_BYTES_MAX:
                raise ValueError("a chunk without a size")
            return 0
        line = data[:end]
        if self._in_trailer:
            self.is_complete = line == b""
        else:
            size = int(line.partition(b";")[0].strip() or b"x", 16)
            self._in_trailer = size == 0
            self._left = size + len(_LINE) if size else 0
        return end + len(_LINE)

    def request(self) -> Request:
        whole = self._seen == len(self._kept)
        return Request(self._method, self._target, self._headers, self._kept, whole)

    def _keep(self, data: bytes) -> None:
        self._seen += len(data)
        self._kept += data[: BODY_BYTES_KEPT - len(self._kept)]


def _with_host(head: bytes, host: bytes) -> bytes:
    lines = head.split(_LINE)
    return _LINE.join(
        line[: line.index(b":") + 1] + b" " + host if line[:5].lower() == b"host:" else line
        for line in lines
    )


def _whole(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise ValueError(f"Content-Length {text[:20]!r}")
    return int(text)
