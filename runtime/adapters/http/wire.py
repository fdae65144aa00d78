"""What a connection may do before a service sees a request: sizes, pace and sound HTTP.

uvicorn has no limit on headers and none on the time they may take, and it answers a broken
request with a text of its own. This protocol bounds both and answers in the service's own words.
Nothing here is logged: whoever can reach the port could fill the disk with it.

Source:
    RFC 9112, 3.2: one Host, whatever the form of the target; 6.3: a message with both lengths is
    an attempt at smuggling (the parser refuses that one itself).
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from runtime.adapters.http.measured import count_refused

HEAD_SECONDS_MAX: Final = 8.0
"""How long request line and headers may take, from the first byte; below the 10 s promised."""

HEAD_BYTES_MAX: Final = 32 * 1024
# By count too: each header costs more than its bytes.
HEADERS_MAX: Final = 100

LINGER_SECONDS: Final = 2.0
DRAIN_BYTES_MAX: Final = 64 * 1024
"""How long, and how much, the rest of a refused body is thrown away. A client that has sent it
by then keeps its connection; any other keeps at least the answer, which a reset would take."""

# A registered name, an IPv4 address or a bracketed IPv6 one, and a port: nothing a log, a cache
# or a redirect could read as something else.
_HOST: Final = re.compile(rb"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")


class WireRefusal(Enum):
    """Why a connection is answered without its service; the values are the statuses."""

    MALFORMED = 400
    SLOW = 408
    HEAD_TOO_LARGE = 431


_REASONS: Final = {
    WireRefusal.MALFORMED: b"Bad Request",
    WireRefusal.SLOW: b"Request Timeout",
    WireRefusal.HEAD_TOO_LARGE: b"Request Header Fields Too Large",
}


@dataclass(frozen=True, slots=True)
class WireAnswers:
    """A service's own bodies for what is refused before it is asked."""

    content_type: str
    bodies: dict[WireRefusal, bytes]

    def encode(self, refused: WireRefusal) -> bytes:
        """The whole answer; the connection ends with it."""
        body = self.bodies[refused]
        return (
            b"HTTP/1.1 %d %s\r\ncontent-type: %s\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
            % (refused.value, _REASONS[refused], self.content_type.encode(), len(body))
        ) + body


class _RefusedError(Exception):
    """Raised inside a parser callback, which has no other way to stop the parser."""


class WireProtocol(HttpToolsProtocol):
    """One connection: a bounded head, then uvicorn's own handling, then a clean end."""

    def __init__(self, *arguments: Any, answers: WireAnswers, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._answers = answers
        self._refusal = WireRefusal.MALFORMED
        self._in_head = True
        self._head_bytes = 0
        self._headers_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None
        # Set once no further byte of this connection is to be understood.
        self._deaf = False
        # Set while the rest of an answered request's body is awaited and thrown away.
        self._drain_timer: asyncio.TimerHandle | None = None
        self._drained_bytes = 0

    # --- the connection ---

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        self._end_drain()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser; bytes of a head are counted until the head is whole."""
        if self._deaf:
            return
        if self._in_head:
            self._head_bytes += len(data)
            self._arm()
        elif self._drain_timer is not None:
            self._drained_bytes += len(data)
            if self._drained_bytes > DRAIN_BYTES_MAX:
                self._linger()
                return
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # Nothing is upgraded here: the request is answered as it is, and is the last one.
            self._deaf = True
            self.cycle.keep_alive = False
            return
        except httptools.HttpParserError:
            self._refuse(self._refusal)
            return
        if self._in_head and self._head_bytes > HEAD_BYTES_MAX:
            self._refuse(WireRefusal.HEAD_TOO_LARGE)

    def eof_received(self) -> bool:  # type: ignore[override]
        """The peer has no more to send; True keeps our side open for the answer."""
        if self._deaf:
            return False
        if self._in_head and self._is_idle:
            if self._head_bytes:
                self._refuse(WireRefusal.MALFORMED)
                return True
            return False
        if self._is_idle:
            return False
        if self.cycle.more_body:
            # It promised more than it sent.
            self._refuse(WireRefusal.MALFORMED)
            return True
        self._deaf = True
        self.cycle.keep_alive = False
        return True

    @property
    def _is_idle(self) -> bool:
        """Whether no request is waiting for its answer."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.response_complete

    # --- the head ---

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._count(len(name) + len(value))

    def _count(self, size: int) -> None:
        self._headers_bytes += size
        # Counted as parsed: a chunk of bytes may hold the end of a head and the begin of a body.
        if self._headers_bytes > HEAD_BYTES_MAX or len(self.headers) > HEADERS_MAX:
            self._refusal = WireRefusal.HEAD_TOO_LARGE
            raise _RefusedError

    def on_headers_complete(self) -> None:
        """The head is whole and sound, or the request goes no further."""
        if not self._is_sound():
            raise _RefusedError
        self._disarm()
        self._in_head = False
        self._head_bytes = self._headers_bytes = 0
        super().on_headers_complete()

    def _is_sound(self) -> bool:
        """One sound Host, and a target that is a path: we are nobody's proxy."""
        hosts = [value for name, value in self.headers if name == b"host"]
        if self.parser.get_http_version() == "1.1" and len(hosts) != 1:
            return False
        return self.url.startswith(b"/") and all(_HOST.fullmatch(host) for host in hosts)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_head = True
        if self._drain_timer is not None:
            self._end_drain()
            self._keep_alive()

    # --- the end ---

    def on_response_complete(self) -> None:
        """An answer to half a body: what follows is the rest of it, for a bounded while."""
        super().on_response_complete()
        if self.cycle.response_complete and not self._in_head and not self._deaf:
            self._drained_bytes = 0
            self._drain_timer = self.loop.call_later(LINGER_SECONDS, self._linger)

    def _end_drain(self) -> None:
        if self._drain_timer is not None:
            self._drain_timer.cancel()
            self._drain_timer = None

    def _keep_alive(self) -> None:
        """Wait for the next request, as after any answer."""
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - the base's signature
        """uvicorn's text is replaced by the service's."""
        self._refuse(WireRefusal.MALFORMED)

    def _arm(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS_MAX, self._head_is_late)

    def _disarm(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self.transport.is_closing() or not self._is_idle:
            return
        if self._head_bytes:
            self._refuse(WireRefusal.SLOW)
        else:
            # Somebody connected and said nothing: there is no request to answer.
            self.transport.close()

    def _refuse(self, refused: WireRefusal) -> None:
        """Answer in the service's words, unless an earlier request's answer is still to come."""
        if self._deaf or self.transport.is_closing():
            return
        self._deaf = True
        self._disarm()
        if self.pipeline:
            # Answers must come in order, and of these nobody could tell which is whose.
            self.transport.close()
        elif self._is_idle:
            self._answer_and_linger(refused)
        elif self.cycle.more_body and not self.cycle.response_started:
            # The body broke off: the service, waiting for the rest, is told that too.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            self._answer_and_linger(refused)
        else:
            self.cycle.keep_alive = False

    def _answer_and_linger(self, refused: WireRefusal) -> None:
        count_refused(refused.value)
        self.transport.write(self._answers.encode(refused))
        self._linger()

    def _linger(self) -> None:
        """Half-close, read and throw away for a moment, then close."""
        self._end_drain()
        self._deaf = True
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)
