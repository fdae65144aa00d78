"""What each HTTP client the product uses makes of a broken peer, beside httpx.

Three things decide whether a client may carry money: a call ends at its deadline whatever the peer
does; what never left is told apart from what may have been executed; and a broken answer is never
taken for a sound one. So each client meets the same peers, scripted byte by byte, and the table
says: the status that was believed, `not sent`, or the error that means "unknown", with the seconds
when the deadline did not hold. At the end many threads call a server that answers everything, and
each call without an answer is counted. Costs are in http_clients.py.

Run: python -m benchmarks.http_client_answers [--calls 20000]
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

import httpx
import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NameResolutionError,
    NewConnectionError,
)

from benchmarks.http_clients import (
    CONNECTIONS_MAX,
    Call,
    httpx_call,
    server,
    threaded,
    urllib3_call,
)
from bookpayctl.stripe_twin.wire.client import WebhookAnswer, WebhookClient

DEADLINE_SECONDS: Final = 0.6
# Shorter, or an unanswered connect could not be told from an unanswered request.
CONNECT_SECONDS: Final = 0.3
# A call that took longer than this was not ended by its deadline.
LATE_SECONDS: Final = 1.2
DRIP_SECONDS: Final = 0.15
DRIPS: Final = 14
BURST: Final = 1_000
SWITCH_SECONDS: Final = 0.00005
# Long enough for a peer's FIN or surplus answer to have arrived on loopback.
IDLE_SECONDS: Final = 0.1
BODY: Final = b'{"event_id": "00000000-0000-4000-8000-000000000001"}'
HTTPX_TIMEOUT: Final = httpx.Timeout(DEADLINE_SECONDS, connect=CONNECT_SECONDS)

OK: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
LONG: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n"
CHUNKED: Final = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

Script = Callable[[socket.socket], None]
Client = Callable[[str, int], list[str]]


@dataclass(frozen=True, slots=True)
class Peer:
    """A peer that does one thing to the first request of each connection.

    Attributes:
        calls: how many calls the client makes, one after the other; the last one is shown.
    """

    name: str
    script: Script
    calls: int = 1


def says(*pieces: bytes) -> Script:
    """Send these bytes, then end the connection."""

    def script(sock: socket.socket) -> None:
        for piece in pieces:
            sock.sendall(piece)

    return script


def drips(head: bytes) -> Script:
    """Send the head, then a byte now and then, each well within a timeout of a single read."""

    def script(sock: socket.socket) -> None:
        sock.sendall(head)
        for _ in range(DRIPS):
            time.sleep(DRIP_SECONDS)
            sock.sendall(b"x")

    return script


def silent(sock: socket.socket) -> None:
    sock.recv(1)


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def says_and_stays(first: bytes, second: bytes) -> Script:
    """Answer the first request with `first`, and the next on the same connection with `second`."""

    def script(sock: socket.socket) -> None:
        sock.sendall(first)
        if read_request(sock):
            sock.sendall(second)

    return script


TEAPOT: Final = b"HTTP/1.1 418 Teapot\r\nContent-Length: 2\r\n\r\n{}"

PEERS: Final = (
    Peer("accepts, says nothing", silent),
    Peer("headers drip in", drips(b"HTTP/1.1 200 OK\r\nX-Slow: ")),
    Peer("body drips in", drips(LONG)),
    Peer("closes without an answer", says()),
    Peer("resets without an answer", reset),
    Peer("body cut short", says(LONG + b"{")),
    Peer("chunks, sound", says(CHUNKED + b"2\r\n{}\r\n0\r\n\r\n")),
    Peer("chunks, cut short", says(CHUNKED + b"20\r\n{")),
    Peer("chunk of no size", says(CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n")),
    Peer("no HTTP at all", says(b"SSH-2.0-OpenSSH\r\n\r\n")),
    Peer("header without a colon", says(OK.replace(b"\r\n\r\n", b"\r\nbroken\r\n\r\n"))),
    Peer(
        "two lengths that differ", says(OK.replace(b"\r\n\r\n", b"\r\nContent-Length: 1\r\n\r\n"))
    ),
    Peer("a length and chunks", says(LONG[:-2] + CHUNKED[17:] + b"2\r\n{}\r\n0\r\n\r\n")),
    Peer(
        "compressed, but is not",
        says(OK.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")),
    ),
    Peer("103 before the answer", says(b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK)),
    Peer("redirect", says(b"HTTP/1.1 307 Go\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n")),
    Peer("closed while it was idle", says(OK), calls=2),
    # The second call must not be told what the first one's connection still holds.
    Peer("second answer behind the first", says_and_stays(OK + TEAPOT, OK), calls=2),
)


def read_request(sock: socket.socket) -> bool:
    """Read one request; False when the client went away."""
    received = b""
    while not received.endswith(BODY):
        piece = sock.recv(65_536)
        if not piece:
            return False
        received += piece
    return True


@contextmanager
def running(peer: Peer) -> Iterator[str]:
    """The URL of a peer, each connection in a thread of its own."""

    def follow(sock: socket.socket) -> None:
        with sock:
            try:
                if read_request(sock):
                    peer.script(sock)
            except OSError:
                return  # The client went away first, which is what some scripts are about.

    def accept(listener: socket.socket) -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=follow, args=(sock,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, args=(listener,), daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/charge"
        listener.shutdown(socket.SHUT_RDWR)


@contextmanager
def nobody() -> Iterator[str]:
    """A port that refuses."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    yield f"http://127.0.0.1:{port}/charge"


@contextmanager
def full() -> Iterator[str]:
    """A port whose queue is full: the kernel ignores the next connection."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(2):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/charge"


def by_urllib3(url: str, calls: int) -> list[str]:
    """As `GatewayClient` and `OrdersApi` call and tell errors apart."""
    timeout = urllib3.Timeout(
        connect=CONNECT_SECONDS, read=DEADLINE_SECONDS, total=DEADLINE_SECONDS
    )
    pool = urllib3.PoolManager(retries=False, timeout=timeout)

    def call() -> str:
        try:
            return str(pool.request("POST", url, body=BODY, redirect=False).status)
        except (NewConnectionError, NameResolutionError, ConnectTimeoutError):
            return "not sent"
        except HTTPError as error:
            return type(error).__name__

    return timed(call, calls)


def by_httpx(url: str, calls: int) -> list[str]:
    with httpx.Client(timeout=HTTPX_TIMEOUT, trust_env=False) as client:

        def call() -> str:
            try:
                return str(client.post(url, content=BODY).status_code)
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
                return "not sent"
            except httpx.HTTPError as error:
                return type(error).__name__

        return timed(call, calls)


def timed(call: Callable[[], str], calls: int) -> list[str]:
    """What each call came to."""
    shown = []
    for _ in range(calls):
        began = time.monotonic()
        shown.append(with_seconds(call(), time.monotonic() - began))
        time.sleep(IDLE_SECONDS)
    return shown


def by_async_httpx(url: str, calls: int) -> list[str]:
    """`httpx.AsyncClient`, with the deadline around the whole call."""

    async def run() -> list[str]:
        async with httpx.AsyncClient(timeout=HTTPX_TIMEOUT, trust_env=False) as client:

            async def call() -> str:
                try:
                    async with asyncio.timeout(DEADLINE_SECONDS):
                        return str((await client.post(url, content=BODY)).status_code)
                except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
                    return "not sent"
                except (httpx.HTTPError, TimeoutError) as error:
                    return type(error).__name__

            shown = []
            for _ in range(calls):
                began = time.monotonic()
                shown.append(with_seconds(await call(), time.monotonic() - began))
                await asyncio.sleep(IDLE_SECONDS)
            return shown

    return asyncio.run(run())


def by_webhook_client(url: str, calls: int) -> list[str]:
    """The twin's own; it need not tell "not sent" apart, since every delivery is made again."""

    async def run() -> list[str]:
        client = WebhookClient()
        shown = []
        for _ in range(calls):
            began = time.monotonic()
            answer = await client.post(url, [], BODY, timeout_seconds=DEADLINE_SECONDS)
            text = str(answer.status) if isinstance(answer, WebhookAnswer) else "no answer"
            shown.append(with_seconds(text, time.monotonic() - began))
            await asyncio.sleep(IDLE_SECONDS)
        client.close()
        return shown

    return asyncio.run(run())


def with_seconds(text: str, seconds: float) -> str:
    return f"{text} {seconds:.1f} s!" if seconds > LATE_SECONDS else text


CLIENTS: Final[dict[str, Client]] = {
    "urllib3": by_urllib3,
    "httpx": by_httpx,
    "httpx, asyncio": by_async_httpx,
    "twin's webhooks": by_webhook_client,
}


def show(name: str, url: str, calls: int) -> None:
    """One line: what each client made of this peer."""
    told = [client(url, calls)[-1] for client in CLIENTS.values()]
    print(f"{name:32}" + "".join(f"{text:26}" for text in told).rstrip(), flush=True)


def show_lost(calls: int) -> None:
    """How many of so many calls by many threads came back without an answer, for each pool."""
    # Threads take turns far more often than by default (5 ms), as they do on a machine with many
    # cores and other work: what is lost once in ten thousand calls is then seen in a minute.
    sys.setswitchinterval(SWITCH_SECONDS)
    with server() as url:
        pools: dict[str, Call] = {
            "urllib3, one pool": urllib3_call(url, as_gateway_client=False),
            "httpx, one client": httpx_call(url, per_thread=False),
            "httpx, a client per thread": httpx_call(url, per_thread=True),
        }
        print(f"\nlost of {calls} calls by {CONNECTIONS_MAX} threads, all of them answered:")
        for name, call in pools.items():
            lost = 0
            # In bursts, as a load arrives: each begins with idle connections.
            for _ in range(calls // BURST):
                lost += threaded(call, threads=CONNECTIONS_MAX, calls=BURST).lost
            print(f"{name:32}{lost}", flush=True)


def main() -> int:
    """Ask and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=20_000, help="of each pool, by many threads")
    given = parser.parse_args()
    print(f"deadline {DEADLINE_SECONDS:g} s; `!` marks a call that outlived it")
    print(f"{'':32}" + "".join(f"{name:26}" for name in CLIENTS).rstrip())
    with nobody() as url:
        show("nobody listens", url, 1)
    with full() as url:
        show("connecting gets no answer", url, 1)
    for peer in PEERS:
        with running(peer) as url:
            show(peer.name, url, peer.calls)
    show_lost(given.calls)
    return 0


if __name__ == "__main__":
    sys.exit(main())
