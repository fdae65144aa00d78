"""How fast the Stripe twin charges.

Two processes, one machine: the twin, and this client with raw HTTP over kept connections. What it
prints: confirmed PaymentIntents per second with many clients, the latency of one client alone, and
what stripe-mock makes of the same requests, if it is there. On a machine that others use, the
twin's own processor time per charge is the figure to compare. Each answered charge is then looked
for in the twin's ledger: a fast twin that forgets would be no twin. What a long history does is in
stripe_twin_history.py.

Run: python -m benchmarks.stripe_twin_charges [--charges 5000]
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

_START_SECONDS_MAX = 60.0
_BODY = (
    "amount=2000&currency=usd&confirm=true&payment_method=pm_card_visa"
    "&payment_method_types[]=card&metadata[env]=bench&metadata[event_id]="
)


@dataclass(frozen=True, slots=True)
class Running:
    """A twin and where it listens."""

    port: int
    control_port: int
    pid: int


@contextmanager
def twin(data: Path) -> Iterator[Running]:
    """A twin of its own on free ports, stopped by its pid."""
    log_path = data / "twin.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "bookpayctl.stripe_twin", "--data", str(data)], stderr=log
        )
    try:
        yield _addresses(log_path, process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def _addresses(log_path: Path, process: subprocess.Popen[bytes]) -> Running:
    deadline = time.monotonic() + _START_SECONDS_MAX
    while time.monotonic() < deadline and process.poll() is None:
        for line in log_path.read_text().splitlines():
            if "listens on" in line:
                port, control_port = (
                    int(part.rstrip(",").rsplit(":", 1)[1])
                    for part in line.split()
                    if part.startswith("http://")
                )
                return Running(port, control_port, process.pid)
        time.sleep(0.05)
    raise RuntimeError(f"the twin did not start: {log_path.read_text()}")


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
) -> tuple[int, bytes]:
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    return int(head[9:12]), await reader.readexactly(length)


def charge_request(key: str) -> bytes:
    body = (_BODY + key).encode()
    head = (
        "POST /v1/payment_intents HTTP/1.1\r\nHost: twin\r\nAuthorization: Bearer sk_test_bench\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nIdempotency-Key: {key}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def get_request(path: str) -> bytes:
    head = f"GET {path} HTTP/1.1\r\nHost: twin\r\nAuthorization: Bearer sk_test_bench\r\n\r\n"
    return head.encode()


async def charge_concurrently(
    port: int, charges: int, clients: int, expected: bytes = b'"status":"succeeded"'
) -> float:
    """Seconds for so many charges by so many clients; every answer must hold what is expected."""
    numbers = iter(range(charges))

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in numbers:
            key = f"00000000-0000-4000-8000-{number:012d}"
            status, body = await _exchange(reader, writer, charge_request(key))
            assert status == 200, body
            assert expected in body, body
        writer.close()

    started = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    return time.perf_counter() - started


async def times_alone(port: int, requests: list[bytes]) -> list[float]:
    """Milliseconds of each request by a single client."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    milliseconds = []
    for request in requests:
        started = time.perf_counter()
        status, body = await _exchange(reader, writer, request)
        milliseconds.append((time.perf_counter() - started) * 1000)
        assert status == 200, body
    writer.close()
    return sorted(milliseconds)


@contextmanager
def stripe_mock() -> Iterator[int | None]:
    """stripe-mock's port; None when the program is not on PATH."""
    program = shutil.which("stripe-mock")
    if program is None:
        yield None
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    process = subprocess.Popen(
        [program, "-http-addr", f"127.0.0.1:{port}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + _START_SECONDS_MAX
        while time.monotonic() < deadline:
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=30)


def _percentile(sorted_values: list[float], share: float) -> float:
    return sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * share))]


def main() -> int:
    """Measure and print; exit 1 if an answered charge is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--charges", type=int, default=5_000)
    parser.add_argument("--clients", type=int, default=64)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        with twin(data) as running:
            lone = [charge_request(f"00000000-0000-4000-9000-{i:012d}") for i in range(1_000)]
            alone = asyncio.run(times_alone(running.port, lone))
            before = psutil.Process(running.pid).cpu_times()
            seconds = asyncio.run(charge_concurrently(running.port, given.charges, given.clients))
            after = psutil.Process(running.pid).cpu_times()
            url = f"http://127.0.0.1:{running.control_port}/executions?kind=charge"
            rows = httpx.get(url, timeout=60.0, trust_env=False).raise_for_status().json()["data"]
            found = {row["idempotency_key"] for row in rows}
    with stripe_mock() as port:
        mocked = None
        if port is not None:
            # It keeps nothing and confirms nothing: the same requests, as fast as they can be.
            sent = charge_concurrently(port, given.charges, given.clients, b'"payment_intent"')
            mocked = given.charges / asyncio.run(sent)
    answered = given.charges + len(lone)
    rate = given.charges / seconds
    print(f"charges/s with {given.clients} clients   {rate:10.0f}   (budget 1000)")
    processor = after.user + after.system - before.user - before.system
    print(f"processor ms per charge        {processor / given.charges * 1000:10.2f}   (budget 1)")
    print(f"one client alone, p50 ms       {statistics.median(alone):10.2f}")
    print(f"one client alone, p99 ms       {_percentile(alone, 0.99):10.2f}   (budget 5)")
    shown = "not on PATH" if mocked is None else f"{mocked:10.0f}   ({rate / mocked:.2f} of it)"
    print(f"stripe-mock, requests/s        {shown}")
    print(f"charges answered and in the ledger {len(found)} of {answered}")
    return 0 if len(found) == answered else 1


if __name__ == "__main__":
    sys.exit(main())
