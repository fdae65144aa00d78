"""Posts webhooks: one request per call over kept connections, no redirects, no retries.

A redirect is an answer like any other (and counts as a failure), and trying again is the business
of the retry schedule, which must see every attempt.
"""

import asyncio
import ssl
from collections import deque
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

import httptools

# Enough to recognise an error page; a receiver cannot fill the ledger with its answers.
_ANSWER_BYTES_KEPT = 512
_IDLE_CONNECTIONS_MAX = 32
# RFC 9110, 15.2: any number of 1xx responses may come before the final one.
_FINAL_STATUS_MIN = 200


@dataclass(frozen=True, slots=True)
class WebhookAnswer:
    """The receiver answered with this status; the text is the start of its body."""

    status: int
    text: str


@dataclass(frozen=True, slots=True)
class NoWebhookAnswer:
    """No answer: refused, reset, cut or too late."""

    reason: str


class _Exchange(asyncio.Protocol):
    """One connection to a receiver, used for one exchange at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._answer: asyncio.Future[tuple[WebhookAnswer, bool]] | None = None
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not subclasses of asyncio's, so isinstance cannot narrow.
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error or ConnectionResetError("closed without an answer"))

    def data_received(self, data: bytes) -> None:
        if self._parser is None or self._answer is None or self._answer.done():
            self.close()  # Bytes nobody asked for: this connection is out of step.
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            # Nobody asked for an upgrade, so a 101 is no answer to anything that was sent.
            if not self._answer.done():
                self._answer.set_exception(ConnectionError(f"not HTTP: {error}"))

    def on_body(self, body: bytes) -> None:
        self._body = (self._body + body)[:_ANSWER_BYTES_KEPT]

    def on_message_complete(self) -> None:
        if self._parser is None or self._answer is None or self._answer.done():
            return
        if self._parser.get_status_code() < _FINAL_STATUS_MIN:
            # A proxy may say "still here" (100, 103) as often as it likes before it answers; taken
            # for the answer, the event would count as refused, and the answer as out of step.
            self._body = b""
            return
        answered = WebhookAnswer(
            self._parser.get_status_code(), self._body.decode("utf-8", "replace")
        )
        self._answer.set_result((answered, self._parser.should_keep_alive()))

    async def post(self, request: bytes) -> tuple[WebhookAnswer, bool]:
        if self.transport is None:
            raise ConnectionResetError("closed while idle")
        self._parser = httptools.HttpResponseParser(self)
        self._body = b""
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self._answer

    def close(self) -> None:
        if self.transport is not None:
            self.transport.abort()


class WebhookClient:
    """Keeps idle connections per host and posts over them."""

    def __init__(self) -> None:
        self._idle: dict[tuple[str, int, bool], deque[_Exchange]] = {}

    async def post(
        self, url: str, headers: list[tuple[str, str]], body: bytes, *, timeout_seconds: float
    ) -> WebhookAnswer | NoWebhookAnswer:
        """Post once; every failure to get an answer is a value."""
        try:
            # Around everything, connecting included: a receiver that drips a byte now and then
            # resets a timeout of single reads for ever.
            async with asyncio.timeout(timeout_seconds):
                return await self._post(url, headers, body)
        except TimeoutError:
            return NoWebhookAnswer(f"no answer within {timeout_seconds:g} s")
        except (OSError, ssl.SSLError, ValueError) as error:
            return NoWebhookAnswer(str(error) or type(error).__name__)

    async def _post(self, url: str, headers: list[tuple[str, str]], body: bytes) -> WebhookAnswer:
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        place = (parts.hostname or "", parts.port or (443 if secure else 80), secure)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = [f"POST {target} HTTP/1.1", f"Host: {parts.netloc}"]
        lines.extend(f"{name}: {value}" for name, value in headers)
        lines.append(f"Content-Length: {len(body)}")
        request = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body
        exchange = await self._connection(place)
        kept = False
        try:
            answered, keep_alive = await exchange.post(request)
            idle = self._idle.setdefault(place, deque())
            if keep_alive and len(idle) < _IDLE_CONNECTIONS_MAX:
                idle.append(exchange)
                kept = True
            return answered
        # Also when the deadline cancels: an answer that comes later must not be read as the next
        # one's.
        finally:
            if not kept:
                exchange.close()

    async def _connection(self, place: tuple[str, int, bool]) -> _Exchange:
        idle = self._idle.get(place)
        while idle:
            exchange = idle.pop()
            # The last one first, so that those a burst has left behind grow old and are closed by
            # their peers.
            if exchange.transport is not None and not exchange.transport.is_closing():
                return exchange
        host, port, secure = place
        context = ssl.create_default_context() if secure else None
        _, made = await asyncio.get_running_loop().create_connection(
            _Exchange, host, port, ssl=context
        )
        return made

    def close(self) -> None:
        """End the idle connections."""
        for idle in self._idle.values():
            for exchange in idle:
                exchange.close()
        self._idle.clear()
