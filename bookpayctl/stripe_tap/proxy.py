"""The proxy: for each connection of a client one to Stripe, bytes passed on as they come.

What happens to one side is done to the other: an end is an end, a reset is a reset, silence is
silence. A Stripe that cannot be reached, or does not prove who it is, is a reset connection: an
answer of the tap's own would be one that Stripe never gave.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import httpx

from bookpayctl.stripe_tap.answers import Answer, AnswerStream
from bookpayctl.stripe_tap.journal import Journal
from bookpayctl.stripe_tap.record import clean, kept_of_body, kept_of_query
from bookpayctl.stripe_tap.requests import Request, RequestStream

CHUNK_BYTES: Final = 64 * 1024
CONNECT_SECONDS: Final = 5.0
_BACKLOG: Final = 1024


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where Stripe is, and how it has to prove that it is Stripe; None on plain HTTP."""

    host: str
    port: int
    tls: ssl.SSLContext | None

    @property
    def authority(self) -> str:
        """What the Host header says."""
        usual = 443 if self.tls else 80
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == usual else f"{name}:{self.port}"


def upstream_of(address: str) -> Upstream:
    """Where an address of Stripe points; its certificate is held against those that httpx trusts.

    The gateway speaks through httpx, so with the tap or without it the same Stripe is believed.

    Raises:
        ValueError: it is no http or https address, or holds more than a server.
        OSError, ssl.SSLError: the certificates that are trusted cannot be read.
    """
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{address!r} is no http:// or https:// address")
    if parts.path not in ("", "/") or parts.query or parts.username is not None:
        raise ValueError(f"{address!r} must be a server alone: no path, no user")
    tls = None
    if parts.scheme == "https":
        tls = httpx.create_ssl_context()
        tls.set_alpn_protocols(["http/1.1"])
    return Upstream(parts.hostname, parts.port or (443 if tls else 80), tls)


class Proxy:
    """Listens on one address and stands before one server."""

    def __init__(self, upstream: Upstream, journal: Journal) -> None:
        self.upstream = upstream
        self.journal = journal
        self._count = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def listen(self, host: str, port: int) -> int:
        """Start to accept; returns the port."""
        self._server = await asyncio.start_server(self._accepted, host, port, backlog=_BACKLOG)
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def close(self, *, grace_seconds: float) -> None:
        """Accept no more, let what is under way end within the grace, then end the rest."""
        if self._server is not None:
            self._server.close()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_seconds)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def next_number(self) -> int:
        self._count += 1
        return self._count

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        await _Exchange(self, reader, writer).run()


@dataclass(slots=True)
class _Asked:
    number: int
    at: float


@dataclass(slots=True)
class _Exchange:
    """One client connection and its connection to Stripe."""

    proxy: Proxy
    client: asyncio.StreamReader
    to_client: asyncio.StreamWriter
    asked: deque[_Asked] = field(default_factory=deque)
    answers: AnswerStream = field(default_factory=AnswerStream)
    was_reset: bool = False

    async def run(self) -> None:
        """Pass on until either side has ended, then write down what was left open."""
        to_stripe: asyncio.StreamWriter | None = None
        try:
            # Only when somebody speaks: to be looked at is no reason to call Stripe.
            first = await self.client.read(CHUNK_BYTES)
            if not first:
                return
            stripe, to_stripe = await self._connect()
            down = asyncio.create_task(self._pass_down(stripe))
            up = asyncio.create_task(self._pass_up(first, to_stripe))
            try:
                await asyncio.wait({down, up}, return_when=asyncio.FIRST_COMPLETED)
                # Stripe's end ends the exchange; the client's only says that no more will come.
                if not down.done():
                    await up
                await down
            finally:
                up.cancel()
                down.cancel()
                await asyncio.gather(up, down, return_exceptions=True)
        except OSError as error:
            # Also TimeoutError and what TLS objects to.
            self.was_reset = True
            self._note("connection_failed", f"{type(error).__name__}: {error}")
        finally:
            self._close_open_requests()
            _end(to_stripe, reset=self.was_reset)
            _end(self.to_client, reset=self.was_reset)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        upstream = self.proxy.upstream
        async with asyncio.timeout(CONNECT_SECONDS):
            return await asyncio.open_connection(
                upstream.host,
                upstream.port,
                ssl=upstream.tls,
                server_hostname=upstream.host if upstream.tls else None,
            )

    async def _pass_up(self, first: bytes, to_stripe: asyncio.StreamWriter) -> None:
        stream = RequestStream(self.proxy.upstream.authority)
        data = first
        while data:
            for sent, request in stream.feed(data):
                if request is not None:
                    self._record(request)
                to_stripe.write(sent)
            await to_stripe.drain()
            if stream.unreadable:
                self._note("request_unreadable", "passed on as it came")
                await _pass_raw(self.client, to_stripe)
                break
            data = await self.client.read(CHUNK_BYTES)
        if to_stripe.can_write_eof():
            to_stripe.write_eof()
        elif not self.asked:
            to_stripe.close()

    async def _pass_down(self, stripe: asyncio.StreamReader) -> None:
        while data := await stripe.read(CHUNK_BYTES):
            # Written down when it is sent on, and sent on whether or not it could be read.
            complete = self.answers.feed(data)
            self.to_client.write(data)
            for answer in complete:
                self._answered(answer)
            await self.to_client.drain()
            if self.client.at_eof() and not self.asked:
                # Nobody will ask any more. TLS has no half-closed connections that would say so.
                return
        for answer in self.answers.end():
            self._answered(answer)

    def _record(self, request: Request) -> None:
        path, _, query = request.target.partition("?")
        headers = request.headers
        kept = kept_of_body(
            request.body, content_type=headers.get("content-type", ""), whole=request.whole
        )
        key = headers.get("idempotency-key")
        number = self.proxy.next_number()
        self.proxy.journal.write(
            {
                "event": "request",
                "n": number,
                "method": request.method,
                "path": clean(path),
                "query": kept_of_query(query),
                "idempotency_key": None if key is None else clean(key),
                "params": kept.parameters,
                "body_sha256": kept.body_sha256,
            }
        )
        self.asked.append(_Asked(number, time.monotonic()))

    def _answered(self, answer: Answer) -> None:
        if not self.asked:
            return
        asked = self.asked.popleft()
        self.proxy.journal.write(
            {
                "event": "answer",
                "n": asked.number,
                "outcome": "answered",
                "status": answer.status,
                "request_id": answer.request_id,
                "replayed": answer.replayed,
                "object_id": answer.object_id,
                "seconds": round(time.monotonic() - asked.at, 3),
            }
        )

    def _close_open_requests(self) -> None:
        """Requests whose answer did not come, or not to its end: nobody knows what they did."""
        cut = self.answers.under_way
        while self.asked:
            asked = self.asked.popleft()
            outcome = "unreadable" if self.answers.unreadable else "cut" if cut else "none"
            cut = False
            seconds = round(time.monotonic() - asked.at, 3)
            line = {"event": "answer", "n": asked.number, "outcome": outcome, "seconds": seconds}
            self.proxy.journal.write(line)

    def _note(self, event: str, detail: str) -> None:
        self.proxy.journal.write({"event": event, "detail": clean(detail)})


async def _pass_raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(CHUNK_BYTES):
        writer.write(data)
        await writer.drain()


def _end(writer: asyncio.StreamWriter | None, *, reset: bool) -> None:
    if writer is None:
        return
    if reset:
        sock: socket.socket | None = writer.get_extra_info("socket")
        if sock is not None and sock.fileno() >= 0:
            # Lingering for zero seconds makes the close a RST instead of a FIN.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
    else:
        writer.close()
