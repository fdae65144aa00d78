"""What a call costs with each HTTP client the product uses, and what the same call costs httpx.

Three pairs, each against one keep-alive server in a process of its own: the worker's client of the
gateway (urllib3 with connections a drill can break, threads), the load generator's (urllib3,
threads) and the twin's webhook client (asyncio, httptools). Each call posts a JSON document, has a
deadline, is not retried and does not follow redirects. The last table is what a load generator
would report: orders sent at a steady rate to a server that needs no time, so that every
millisecond in it is the client's own.

Rounds take turns, and the ratio of each round is what counts: a machine that does something else as
well slows all of them. A call that fails although the server answers every request is counted as
lost: a pool that threads share must not take a connection from under one of them. How each client
answers a broken peer is in http_client_answers.py.

Run: python -m benchmarks.http_clients [--calls 2000] [--rounds 7]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import ssl
import statistics
import subprocess
import sys
import threading
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
from urllib3.exceptions import HTTPError

from bookpayctl.stripe_twin.wire.client import WebhookAnswer, WebhookClient
from bookpayctl.stripe_twin.wire.message import WireRequest, WireResponse
from bookpayctl.stripe_twin.wire.server import Server
from runtime.faults import http as breakable

DEADLINE_SECONDS: Final = 10.0
CONNECT_SECONDS: Final = 2.0
CONNECTIONS_MAX: Final = 64
STEADY_SECONDS: Final = 4
PER_THREAD: Final = "httpx, a client per thread"

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
_TLS: Final = ssl.create_default_context()


@dataclass(frozen=True, slots=True)
class Sample:
    """One round of one client.

    Attributes:
        cpu_ms: processor time of this process per call, all threads, kernel included.
        per_second: calls answered per second.
        milliseconds: of each answered call, sorted.
        lost: calls without an answer, from a server that answers everything.
    """

    cpu_ms: float
    per_second: float
    milliseconds: list[float]
    lost: int


Round = Callable[[], Sample]


@dataclass(frozen=True, slots=True)
class Pair:
    """What is used today beside what would do the same, by name."""

    name: str
    today: Round
    others: dict[str, Round]


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


def httpx_call(url: str, *, per_thread: bool) -> Call:
    """The same POST by one `httpx.Client` that all threads share, or by one for each of them."""
    shared = _httpx_client()
    local = threading.local()

    def call() -> None:
        client: httpx.Client = shared
        if per_thread:
            client = local.client = getattr(local, "client", None) or _httpx_client()
        answer = client.post(url, content=json.dumps(DOCUMENT).encode())
        assert answer.status_code == 200
        json.loads(answer.content)

    return call


def _httpx_client() -> httpx.Client:
    return httpx.Client(
        headers=HEADERS,
        timeout=httpx.Timeout(DEADLINE_SECONDS, connect=CONNECT_SECONDS),
        limits=httpx.Limits(
            max_connections=CONNECTIONS_MAX, max_keepalive_connections=CONNECTIONS_MAX
        ),
        # Making a context per client would be most of the time of a short round.
        verify=_TLS,
        trust_env=False,
        follow_redirects=False,
    )


def threaded(call: Call, *, threads: int, calls: int) -> Sample:
    """Every thread calls again as soon as it is answered."""
    numbers = iter(range(calls))
    milliseconds: list[float] = []

    def work() -> None:
        for _ in numbers:
            began = time.perf_counter()
            with contextlib.suppress(httpx.HTTPError, HTTPError):
                call()
                milliseconds.append((time.perf_counter() - began) * 1000)

    with ThreadPoolExecutor(threads) as pool:
        cpu, began = time.process_time(), time.perf_counter()
        for done in [pool.submit(work) for _ in range(threads)]:
            done.result()
        return sample(cpu, began, milliseconds, calls)


def paced(call: Call, *, per_second: float, calls: int) -> Sample:
    """Send at planned times, as the load generator does; latency counts from the planned time."""
    milliseconds: list[float] = []

    def send(due: float) -> None:
        with contextlib.suppress(httpx.HTTPError, HTTPError):
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
        return sample(cpu, began, milliseconds, calls)


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
        result = sample(cpu, began, milliseconds, calls)
    own.close()
    return result


def sample(cpu_began: float, began: float, milliseconds: list[float], calls: int) -> Sample:
    """The figures of a round that began at these readings of the two clocks."""
    cpu_ms = (time.process_time() - cpu_began) * 1000 / calls
    seconds = time.perf_counter() - began
    return Sample(cpu_ms, calls / seconds, sorted(milliseconds), calls - len(milliseconds))


def percentile(sorted_values: list[float], share: float) -> float:
    return sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * share))]


def pairs(url: str, calls: int) -> list[Pair]:
    """What is compared, each with its connections open already."""
    gateway = urllib3_call(url, as_gateway_client=True)
    load = urllib3_call(url, as_gateway_client=False)
    shared, per_thread = (httpx_call(url, per_thread=each) for each in (False, True))

    def closed(name: str, today: Call, threads: int) -> Pair:
        others = {"httpx": shared} if threads == 1 else {"httpx": shared, PER_THREAD: per_thread}
        return Pair(
            f"{name}, {threads} thread{'s' if threads > 1 else ''}",
            lambda: threaded(today, threads=threads, calls=calls),
            {
                name: lambda call=call: threaded(call, threads=threads, calls=calls)  # type: ignore[misc] # a default binds it now
                for name, call in others.items()
            },
        )

    def hooks(concurrent: int) -> Pair:
        return Pair(
            f"twin's webhooks, {concurrent} at once",
            lambda: webhooks(url, concurrent=concurrent, calls=calls, by_httpx=False),
            {"httpx": lambda: webhooks(url, concurrent=concurrent, calls=calls, by_httpx=True)},
        )

    def steady(per_second: float) -> Pair:
        count = int(per_second * STEADY_SECONDS)
        return Pair(
            f"load, paced at {per_second:g}/s",
            lambda: paced(load, per_second=per_second, calls=count),
            {
                "httpx": lambda: paced(shared, per_second=per_second, calls=count),
                PER_THREAD: lambda: paced(per_thread, per_second=per_second, calls=count),
            },
        )

    return [
        closed("gateway client", gateway, 1),
        closed("gateway client", gateway, 16),
        closed("load generator", load, 16),
        closed("load generator", load, CONNECTIONS_MAX),
        hooks(1),
        hooks(32),
        steady(50),
        steady(200),
        steady(500),
    ]


def measure(pair: Pair, rounds: int) -> dict[str, list[Sample]]:
    """So many rounds of each, taking turns at going first, after one that is not counted."""
    runs = {pair.name: pair.today, **pair.others}
    for run in runs.values():
        run()
    results: dict[str, list[Sample]] = {name: [] for name in runs}
    for number in range(rounds):
        turns = list(runs.items())
        for name, run in turns if number % 2 else reversed(turns):
            gc.collect()
            results[name].append(run())
    return results


def show(pair: Pair, results: dict[str, list[Sample]]) -> None:
    """A line of medians for each client, and one of ratios for each that is not today's."""
    today = results[pair.name]
    print(row(pair.name, today))
    for name in pair.others:
        print(row(f"  {name}", results[name]))
        print(ratios(today, results[name]), flush=True)


def row(name: str, samples: list[Sample]) -> str:
    """The medians over the rounds of one client, and all that it lost."""
    figures = (
        statistics.median(s.cpu_ms for s in samples),
        statistics.median(s.per_second for s in samples),
        statistics.median(percentile(s.milliseconds, 0.5) for s in samples),
        statistics.median(percentile(s.milliseconds, 0.99) for s in samples),
    )
    line = f"{name:32}{figures[0]:10.3f}{figures[1]:10.0f}{figures[2]:10.2f}{figures[3]:10.2f}"
    return f"{line}{sum(s.lost for s in samples):8d}"


def ratios(today: list[Sample], other: list[Sample]) -> str:
    """The other over today's, median of the rounds, with the range of the processor time's."""

    def of(figure: Callable[[Sample], float]) -> list[float]:
        return sorted(figure(new) / figure(old) for old, new in zip(today, other, strict=True))

    cpu = of(lambda s: s.cpu_ms)
    shown = (
        statistics.median(cpu),
        statistics.median(of(lambda s: s.per_second)),
        statistics.median(of(lambda s: percentile(s.milliseconds, 0.5))),
        statistics.median(of(lambda s: percentile(s.milliseconds, 0.99))),
    )
    line = f"{'    of today':32}" + "".join(f"{value:9.2f}x" for value in shown)
    return f"{line}          (cpu {cpu[0]:.2f} to {cpu[-1]:.2f})"


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
    print(f"{'':32}{'CPU ms':>10}{'calls/s':>10}{'p50 ms':>10}{'p99 ms':>10}{'lost':>8}")
    with server() as url:
        for pair in pairs(url, given.calls):
            show(pair, measure(pair, given.rounds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
