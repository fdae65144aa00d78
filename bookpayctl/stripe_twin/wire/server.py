"""An HTTP/1.1 server on httptools that owns its sockets.

An ASGI server would hide the transport, and the twin needs it: to cut a connection with a reset
after a charge was made, to stop in the middle of a body, to stay silent. Keep-alive and pipelined
requests work, one at a time per connection; chunked bodies work; upgrades and HTTP/2 do not.
"""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Awaitable, Callable
from typing import assert_never, cast

import httptools

from bookpayctl.stripe_twin.wire.message import (
    Cut,
    Silence,
    TransmissionOutcome,
    Truncated,
    Whole,
    WireRequest,
    WireResponse,
    head,
)

RequestHandler = Callable[[WireRequest], Awaitable[WireResponse]]
OnOutcome = Callable[[int, TransmissionOutcome], None]

# Bounds of our own: far above what an API call needs, far below what would hurt.
_BODY_BYTES_MAX = 2 * 1024 * 1024
_HEADER_BYTES_MAX = 64 * 1024
_PIPELINE_MAX = 64
_BACKLOG = 2048  # a thousand clients may connect in one instant, and a drill does just that


class Server:
    """Listens on one address and answers with one handler."""

    def __init__(self, handler: RequestHandler, on_outcome: OnOutcome) -> None:
        self.handler = handler
        self.on_outcome = on_outcome
        self.connections: set[Connection] = set()
        self.stopping = asyncio.Event()
        self._listener: asyncio.Server | None = None

    async def listen(self, host: str, port: int) -> int:
        """Start to accept; returns the port, which the system chooses when asked for 0."""
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(
            lambda: Connection(self), host, port, backlog=_BACKLOG
        )
        bound: int = self._listener.sockets[0].getsockname()[1]
        return bound

    async def close(self, *, grace_seconds: float) -> None:
        """Stop accepting, let requests under way end within the grace, then end the rest."""
        self.stopping.set()
        if self._listener is not None:
            self._listener.close()
        # A charge that has begun is finished and answered, or its client could not know.
        tasks = {c.task for c in self.connections if c.task is not None and not c.task.done()}
        if tasks:
            await asyncio.wait(tasks, timeout=grace_seconds)
        for connection in list(self.connections):
            connection.abort()


class Connection(asyncio.Protocol):
    """One client connection; its callbacks are called by asyncio and by httptools."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[tuple[WireRequest, bool]] = deque()
        self._url = b""
        self._headers: dict[str, str] = {}
        self._header_bytes = 0
        self._body: list[bytes] = []
        self._body_bytes = 0
        self.task: asyncio.Task[None] | None = None

    # asyncio calls these.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not subclasses of asyncio's, so isinstance cannot narrow.
        self._transport = cast(asyncio.Transport, transport)
        self._server.connections.add(self)

    def connection_lost(self, _error: Exception | None) -> None:
        # A request under way runs to its end: the charge does not depend on who still listens.
        self._transport = None
        self._server.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade, UnicodeDecodeError):
            self._refuse(400, b'{"error":{"type":"invalid_request_error","message":"bad HTTP"}}')

    # httptools calls these.

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_bytes += len(name) + len(value)
        if self._header_bytes <= _HEADER_BYTES_MAX:
            # Latin-1 can decode any byte: what is wrong with a header is for the API to say.
            self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if self._headers.get("expect", "").lower() == "100-continue" and self._transport:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._body_bytes <= _BODY_BYTES_MAX:
            self._body.append(body)

    def on_message_complete(self) -> None:
        too_large = self._body_bytes > _BODY_BYTES_MAX or self._header_bytes > _HEADER_BYTES_MAX
        path, _, query = self._url.decode("ascii").partition("?")
        request = WireRequest(
            method=self._parser.get_method().decode("ascii"),
            path=path,
            query=query,
            headers=self._headers,
            body=b"".join(self._body),
        )
        keep_alive = self._parser.should_keep_alive()
        self._url, self._headers, self._header_bytes = b"", {}, 0
        self._body, self._body_bytes = [], 0
        # Refused after it was read: whoever is cut off while sending sees a reset and not the
        # answer.
        if too_large or len(self._waiting) >= _PIPELINE_MAX:
            self._refuse(413, b'{"error":{"type":"invalid_request_error","message":"too large"}}')
            return
        self._waiting.append((request, keep_alive))
        # One at a time: HTTP/1.1 answers pipelined requests in the order they came.
        if self.task is None or self.task.done():
            self.task = asyncio.get_running_loop().create_task(self._serve())

    # The rest is ours.

    def abort(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    async def _serve(self) -> None:
        while self._waiting:
            request, keep_alive = self._waiting.popleft()
            response = await self._server.handler(request)
            keep_alive = keep_alive and not self._server.stopping.is_set()
            outcome = await self._send(response, keep_alive)
            if response.number is not None:
                self._server.on_outcome(response.number, outcome)

    async def _send(self, response: WireResponse, keep_alive: bool) -> TransmissionOutcome:
        transport = self._transport
        if transport is None or transport.is_closing():
            return "client_gone"
        match response.transmission:
            case Whole(replaced):
                transport.write(head(response, keep_alive=keep_alive) + response.body)
                if not keep_alive:
                    transport.close()
                return "replaced" if replaced else "sent"
            case Cut(reset):
                self._end(transport, reset=reset)
                return "cut"
            case Truncated(bytes_sent):
                # Promises to go on, so that the client waits for the rest and learns from the end
                # of the connection that it will not come.
                transport.write(head(response, keep_alive=True) + response.body[:bytes_sent])
                transport.close()
                return "truncated"
            case Silence(seconds):
                await self._wait_or_stop(seconds)
                self._end(transport, reset=False)
                return "silence"
        assert_never(response.transmission)

    async def _wait_or_stop(self, seconds: float) -> None:
        """Stay silent, but not longer than the server lives."""
        stop = asyncio.ensure_future(self._server.stopping.wait())
        await asyncio.wait({stop}, timeout=seconds)
        stop.cancel()

    def _end(self, transport: asyncio.Transport, *, reset: bool) -> None:
        if reset:
            sock: socket.socket | None = transport.get_extra_info("socket")
            if sock is not None:
                # Lingering for zero seconds makes close() send RST instead of FIN.
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()
        else:
            transport.close()

    def _refuse(self, status: int, body: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(head(WireResponse(status, body), keep_alive=False) + body)
            self._transport.close()
