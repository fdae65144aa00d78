"""Signed webhooks per second, and what refusing a hostile one costs next to accepting a good one.

Runs in an environment of its own. Every kind of request is sent in turn, round after round, by the
same clients, so that the ratios hold although the machine does something else as well.

    python -m benchmarks.webhook_receiver [--clients 8] [--requests 400] [--rounds 3]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final
from uuid import uuid4

# Its clients share two cores with what is measured; http_clients.py says what httpx would take.
import urllib3

from bookpayctl.forgery.signing import stripe_signature

NAME: Final = "bench"

# The budgets of the design, for two cores with nothing else to do.
BUDGET_P99_MS: Final = 50
BUDGET_PER_SECOND: Final = 1000

Request = Callable[[str], tuple[bytes, dict[str, str], int]]


def event() -> bytes:
    """An event the receiver stores and has nothing to do for."""
    document = {
        "id": f"evt_{uuid4().hex}",
        "object": "event",
        "type": "customer.created",
        "livemode": False,
        "data": {"object": {"id": "cus_1", "object": "customer"}},
    }
    return json.dumps(document).encode()


def good(secret: str) -> tuple[bytes, dict[str, str], int]:
    body = event()
    return body, {"Stripe-Signature": sign(body, secret)}, 200


def unsigned(_secret: str) -> tuple[bytes, dict[str, str], int]:
    return event(), {}, 400


def forged(_secret: str) -> tuple[bytes, dict[str, str], int]:
    body = event()
    return body, {"Stripe-Signature": sign(body, "whsec_of_somebody_else")}, 400


def stale(secret: str) -> tuple[bytes, dict[str, str], int]:
    body = event()
    return body, {"Stripe-Signature": sign(body, secret, at=time.time() - 301)}, 400


def many_signatures(_secret: str) -> tuple[bytes, dict[str, str], int]:
    header = f"t={int(time.time())}," + ",".join(["v1=" + "0" * 64] * 50)
    return event(), {"Stripe-Signature": header}, 400


def deep(secret: str) -> tuple[bytes, dict[str, str], int]:
    body = b"[" * 100_000
    return body, {"Stripe-Signature": sign(body, secret)}, 400


def sign(body: bytes, secret: str, at: float | None = None) -> str:
    return stripe_signature(body, secret=secret, at=int(at or time.time()))


KINDS: Final[dict[str, Request]] = {
    "good, stored": good,
    "no signature": unsigned,
    "another secret": forged,
    "301 s old": stale,
    "50 signatures": many_signatures,
    "100,000 deep": deep,
}


def bookpayctl(home: Path, *arguments: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "bookpayctl", *arguments, "--name", NAME],
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "BOOKPAY_HOME": str(home)},
    )


def send_all(url: str, secret: str, kind: Request, clients: int, requests: int) -> list[float]:
    """Milliseconds of each answer; a wrong one ends the benchmark."""
    pool = urllib3.PoolManager(maxsize=clients, retries=False, timeout=30.0)

    def one(_: int) -> float:
        body, headers, expected = kind(secret)
        began = time.perf_counter()
        answer = pool.request(
            "POST", url, body=body, headers={"Content-Type": "application/json", **headers}
        )
        took = 1000 * (time.perf_counter() - began)
        if answer.status != expected:
            raise SystemExit(f"{kind.__name__}: answered {answer.status}, not {expected}")
        return took

    with ThreadPoolExecutor(clients) as threads:
        return list(threads.map(one, range(requests)))


def percentile(values: list[float], part: float) -> float:
    return sorted(values)[min(int(len(values) * part), len(values) - 1)]


def main() -> int:
    """Print the table; exit 1 when a budget is not met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bookpay-bench-") as folder:
        home = Path(folder)
        try:
            bookpayctl(home, "up")
            return measure(home, given.clients, given.requests, given.rounds)
        finally:
            bookpayctl(home, "down", "--purge")


def measure(home: Path, clients: int, requests: int, rounds: int) -> int:
    """Every kind in turn, round after round; the table and the verdict."""
    url = json.loads((home / NAME / "environment.json").read_text())["webhook_url"]
    secret = (home / NAME / "secrets" / "stripe-webhook-secret").read_text().strip()
    alone = [send_all(url, secret, kind, 1, requests // 4) for kind in KINDS.values()]
    times: dict[str, list[float]] = {name: [] for name in KINDS}
    rates: list[float] = []
    for _ in range(rounds):
        for name, kind in KINDS.items():
            began = time.perf_counter()
            times[name] += send_all(url, secret, kind, clients, requests)
            if kind is good:
                rates.append(requests / (time.perf_counter() - began))
    control = percentile(times["good, stored"], 0.99)
    print(f"{'request':<16} {'p50 ms':>8} {'p99 ms':>8} {'p99 / good':>11} {'alone p99':>10}")
    for (name, taken), single in zip(times.items(), alone, strict=True):
        p50, p99 = percentile(taken, 0.5), percentile(taken, 0.99)
        lonely = percentile(single, 0.99)
        print(f"{name:<16} {p50:>8.1f} {p99:>8.1f} {p99 / control:>11.2f} {lonely:>10.1f}")
    per_second = statistics.median(rates)
    print(f"good events per second, {clients} clients: {per_second:.0f}")
    slow = [name for name, taken in times.items() if percentile(taken, 0.99) > BUDGET_P99_MS]
    met = not slow and per_second >= BUDGET_PER_SECOND
    print(f"budgets (p99 {BUDGET_P99_MS} ms, {BUDGET_PER_SECOND}/s): {'met' if met else 'not met'}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
