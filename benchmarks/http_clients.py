"""What a call costs with each HTTP client the product uses, and what the same call costs httpx.

Three pairs, each against one keep-alive server in a process of its own: the worker's client of the
gateway (urllib3 with connections a drill can break, threads), the load generator's (urllib3,
threads) and the twin's webhook client (asyncio, httptools). Each call posts a JSON document, has a
deadline, is not retried and does not follow redirects. The last table is what a load generator
would report: orders sent at a steady rate to a server that needs no time, so that every
millisecond in it is the client's own.

Rounds alternate between the two of a pair, and the ratio of each round is what counts: a machine
that does something else as well slows both. How each client answers a broken peer is in
http_client_answers.py.

Run: python benchmarks/http_clients.py [--calls 2000] [--rounds 7]
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

import httpx
import urllib3
import uvloop

from bookpayctl.stripe_twin.wire.client import WebhookAnswer, WebhookClient
from bookpayctl.stripe_twin.wire.message import WireRequest, WireResponse
from bookpayctl.stripe_twin.wire.server import Server
from runtime.faults import http as breakable

DEADLINE_SECONDS: Final = 10.0
CONNECT_SECONDS: Final = 2.0
CONNECTIONS_MAX: Final = 64

HEADERS: Final = {
    "Authorization": "Bearer token-of-the-benchmark",
    "Content-Type": "application/json",
    "Idempotency-Key": "00000000-0000-4000-8000-000000000001",
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
}
# About 300 bytes as JSON, as an order or a charge is.
DOCUMENT: Final = {
    "event_id": "00000000-0000-4000-8000-000000000001",
    "order_id": "00000000-0000-4000-8000-000000000002",
    "tenant_id": "tenant-of-the-benchmark",
    "customer_id": "customer-17",
    "amount_cents": 4200,
    "currency": "usd",
    "payment_method": "pm_card_visa",
    "items": [{"sku": "book-0001", "title": "A book that is in stock", "copies": 1}],
}

Call = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Sample:
    """One round of one client.

    Attributes:
        cpu_ms: processor time of this process per call, all threads, kernel included.
        per_second: calls answered per second.
        milliseconds: of each call, sorted.
    """

    cpu_ms: float
    per_second: float
    milliseconds: list[float]


Round = Callable[[], Sample]


@dataclass(frozen=True, slots=True)
class Pair:
    """What is used today beside httpx doing the same."""

    name: str
    today: Round
    httpx: Round


async def serve() -> None:
    """Answer every request with a small document, for ever; the port goes to stdout."""
    body = json.dumps({**DOCUMENT, "outcome": "settled", "status": "succeeded"}).encode()

    async def answer(_request: WireRequest) -> WireResponse:
        return WireResponse(200, body)

    server = Server(answer, lambda _number, _outcome: None)
    print(await server.listen("127.0.0.1", 0), flush=True)
    await asyncio.Event().wait()


@contextmanager
def server() -> Iterator[str]:
    """The URL of the server in a child process, stopped by its pid."""
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__)), "--serve"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/charge"
    finally:
        process.terminate()
        process.wait(timeout=30)
        process.stdout.close()


def urllib3_call(url: str, *, as_gateway_client: bool) -> Call:
    """A POST as `GatewayClient` or as `OrdersApi` makes it."""
    pool = urllib3.PoolManager(
        num_pools=2,
        maxsize=CONNECTIONS_MAX,
        block=False,
        retries=False,
        timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=DEADLINE_SECONDS),
    )
    if as_gateway_client:
        pool.pool_classes_by_scheme = breakable.POOLS

    def call() -> None:
        answer = pool.request("POST", url, body=json.dumps(DOCUMENT).encode(), headers=HEADERS)
        assert answer.status == 200
        json.loads(answer.data)

    return call


def httpx_call(url: str) -> Call:
    """The same POST by `httpx.Client`."""
    client = httpx.Client(
        headers=HEADERS,
        timeout=httpx.Timeout(DEADLINE_SECONDS, connect=CONNECT_SECONDS),
        limits=httpx.Limits(
            max_connections=CONNECTIONS_MAX, max_keepalive_connections=CONNECTIONS_MAX
        ),
        trust_env=False,
        follow_redirects=False,
    )

    def call() -> None:
        answer = client.post(url, content=json.dumps(DOCUMENT).encode())
        assert answer.status_code == 200
        json.loads(answer.content)

    return call


def threaded(call: Call, *, threads: int, calls: int) -> Sample:
    """Every thread calls again as soon as it is answered."""
    numbers = iter(range(calls))
    milliseconds: list[float] = []

    def work() -> None:
        for _ in numbers:
            began = time.perf_counter()
            call()
            milliseconds.append((time.perf_counter() - began) * 1000)

    with ThreadPoolExecutor(threads) as pool:
        cpu, began = time.process_time(), time.perf_counter()
        for done in [pool.submit(work) for _ in range(threads)]:
            done.result()
        return sample(cpu, began, milliseconds)


def paced(call: Call, *, per_second: float, calls: int) -> Sample:
    """Send at planned times, as the load generator does; latency counts from the planned time."""
    milliseconds: list[float] = []

    def send(due: float) -> None:
        call()
        milliseconds.append((time.perf_counter() - due) * 1000)

    with ThreadPoolExecutor(CONNECTIONS_MAX) as pool:
        cpu, began = time.process_time(), time.perf_counter()
        sent = []
        for number in range(calls):
            due = began + number / per_second
            time.sleep(max(0.0, due - time.perf_counter()))
            sent.append(pool.submit(send, due))
        for done in sent:
            done.result()
        return sample(cpu, began, milliseconds)


def webhooks(url: str, *, concurrent: int, calls: int, by_httpx: bool) -> Sample:
    """Posts by so many tasks of one loop, as the twin's dispatcher makes them."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_webhooks(url, concurrent, calls, by_httpx=by_httpx))


async def _webhooks(url: str, concurrent: int, calls: int, *, by_httpx: bool) -> Sample:
    headers, body = list(HEADERS.items()), json.dumps(DOCUMENT).encode()
    numbers = iter(range(calls))
    milliseconds: list[float] = []
    own = WebhookClient()
    limits = httpx.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=32)

    async def post_by_httpx(client: httpx.AsyncClient) -> None:
        async with asyncio.timeout(DEADLINE_SECONDS):
            answer = await client.post(url, headers=headers, content=body)
        assert answer.status_code == 200

    async def post_by_own() -> None:
        answer = await own.post(url, headers, body, timeout_seconds=DEADLINE_SECONDS)
        assert isinstance(answer, WebhookAnswer)
        assert answer.status == 200

    async with httpx.AsyncClient(
        timeout=None,  # noqa: S113 - the whole call is bounded from outside
        limits=limits,
        trust_env=False,
    ) as client:

        async def work() -> None:
            for _ in numbers:
                began = time.perf_counter()
                await (post_by_httpx(client) if by_httpx else post_by_own())
                milliseconds.append((time.perf_counter() - began) * 1000)

        cpu, began = time.process_time(), time.perf_counter()
        await asyncio.gather(*(work() for _ in range(concurrent)))
        result = sample(cpu, began, milliseconds)
    own.close()
    return result


def sample(cpu_began: float, began: float, milliseconds: list[float]) -> Sample:
    """The figures of a round that began at these readings of the two clocks."""
    calls = len(milliseconds)
    cpu_ms = (time.process_time() - cpu_began) * 1000 / calls
    return Sample(cpu_ms, calls / (time.perf_counter() - began), sorted(milliseconds))


def percentile(sorted_values: list[float], share: float) -> float:
    return sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * share))]


def pairs(url: str, calls: int) -> list[Pair]:
    """What is compared, each with its connections open already."""
    gateway = urllib3_call(url, as_gateway_client=True)
    load = urllib3_call(url, as_gateway_client=False)
    by_httpx = httpx_call(url)

    def closed(name: str, today: Call, threads: int) -> Pair:
        return Pair(
            f"{name}, {threads} thread{'s' if threads > 1 else ''}",
            lambda: threaded(today, threads=threads, calls=calls),
            lambda: threaded(by_httpx, threads=threads, calls=calls),
        )

    def hooks(concurrent: int) -> Pair:
        return Pair(
            f"twin's webhooks, {concurrent} at once",
            lambda: webhooks(url, concurrent=concurrent, calls=calls, by_httpx=False),
            lambda: webhooks(url, concurrent=concurrent, calls=calls, by_httpx=True),
        )

    def steady(per_second: float) -> Pair:
        return Pair(
            f"load, paced at {per_second:g}/s",
            lambda: paced(load, per_second=per_second, calls=int(per_second * 4)),
            lambda: paced(by_httpx, per_second=per_second, calls=int(per_second * 4)),
        )

    return [
        closed("gateway client", gateway, 1),
        closed("gateway client", gateway, 16),
        closed("load generator", load, 1),
        closed("load generator", load, 16),
        closed("load generator", load, CONNECTIONS_MAX),
        hooks(1),
        hooks(32),
        steady(50),
        steady(200),
        steady(500),
    ]


def measure(pair: Pair, rounds: int) -> tuple[list[Sample], list[Sample]]:
    """So many rounds of both, taking turns at going first, after one that is not counted."""
    pair.today(), pair.httpx()
    today: list[Sample] = []
    by_httpx: list[Sample] = []
    for number in range(rounds):
        turns = [(pair.today, today), (pair.httpx, by_httpx)]
        for run, results in turns if number % 2 else reversed(turns):
            gc.collect()
            results.append(run())
    return today, by_httpx


def row(name: str, samples: list[Sample]) -> str:
    """The medians over the rounds of one client."""
    figures = (
        statistics.median(s.cpu_ms for s in samples),
        statistics.median(s.per_second for s in samples),
        statistics.median(percentile(s.milliseconds, 0.5) for s in samples),
        statistics.median(percentile(s.milliseconds, 0.99) for s in samples),
    )
    return f"{name:34}{figures[0]:10.3f}{figures[1]:10.0f}{figures[2]:10.2f}{figures[3]:10.2f}"


def ratios(today: list[Sample], by_httpx: list[Sample]) -> str:
    """httpx over today's, median of the rounds, with the range of the processor time's."""

    def of(figure: Callable[[Sample], float]) -> list[float]:
        return sorted(figure(new) / figure(old) for old, new in zip(today, by_httpx, strict=True))

    cpu = of(lambda s: s.cpu_ms)
    shown = [
        statistics.median(of(figure))
        for figure in (
            lambda s: s.per_second,
            lambda s: percentile(s.milliseconds, 0.5),
            lambda s: percentile(s.milliseconds, 0.99),
        )
    ]
    line = f"{'  httpx is':34}{statistics.median(cpu):9.2f}x"
    line += "".join(f"{value:9.2f}x" for value in shown)
    return f"{line}   (cpu {cpu[0]:.2f} to {cpu[-1]:.2f})"


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=2_000, help="per round of a closed loop")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve())
    size = len(json.dumps(DOCUMENT))
    versions = ", ".join(f"{name} {version(name)}" for name in ("httpx", "httpcore", "urllib3"))
    print(f"{size} bytes of JSON each way, {given.rounds} rounds; {versions}")
    print(f"{'':34}{'CPU ms':>10}{'calls/s':>10}{'p50 ms':>10}{'p99 ms':>10}")
    with server() as url:
        for pair in pairs(url, given.calls):
            today, by_httpx = measure(pair, given.rounds)
            print(row(pair.name, today))
            print(row("  the same by httpx", by_httpx))
            print(ratios(today, by_httpx), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
