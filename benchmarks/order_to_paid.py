"""From POST /orders to paid at a steady rate with a Stripe that takes 50 ms, and a warm start.

Runs in an environment of its own: brings it up cold (data directories made) and warm, places a
steady load several times, and prints medians. Next to each figure stands its ratio to the time the
twin alone takes, measured in the same run, because milliseconds of two machines do not compare.

    python -m benchmarks.order_to_paid [--rate 50] [--seconds 20] [--rounds 3]
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
from pathlib import Path
from typing import Any, Final

NAME: Final = "bench"
STRIPE_MS: Final = 50

# The budgets of the design, for two cores with nothing else to do.
BUDGET_P50_MS: Final = 150
BUDGET_P99_MS: Final = 500
BUDGET_UP_SECONDS: Final = 10


def bookpayctl(*arguments: str, home: Path) -> str:
    """Run the tool in the benchmark's own folder; its stdout."""
    done = subprocess.run(
        [sys.executable, "-m", "bookpayctl", *arguments, "--name", NAME],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "BOOKPAY_HOME": str(home)},
    )
    return done.stdout


def up(home: Path) -> float:
    """Bring the environment up; seconds it took."""
    began = time.monotonic()
    bookpayctl("up", "--twin-latency-ms", str(STRIPE_MS), home=home)
    return time.monotonic() - began


def load(home: Path, rate: float, seconds: float) -> dict[str, Any]:
    """One round of load; the tool's JSON document."""
    arguments = ("--rate", str(rate), "--duration", f"{seconds:g}s", "--mix", "ok=100")
    document: dict[str, Any] = json.loads(bookpayctl("load", *arguments, "-o", "json", home=home))
    return document


def gateway_ms(home: Path) -> float:
    """The median time from the gateway's call to Stripe's answer, by the database's clock."""
    import psycopg

    dsn = json.loads((home / NAME / "environment.json").read_text())["dsn"]
    with psycopg.connect(dsn) as conn:
        row = conn.execute(
            "SELECT 1000 * percentile_cont(0.5) WITHIN GROUP (ORDER BY"
            " extract(epoch FROM answered_at - started_at)) FROM bookstore_platform.stripe_calls"
        ).fetchone()
    return float(row[0]) if row else float("nan")


def main() -> int:
    """Print the table; exit 1 when a budget is not met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=50)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bookpay-bench-") as folder:
        home = Path(folder)
        try:
            cold = up(home)
            bookpayctl("down", home=home)
            warm = statistics.median(_warm(home) for _ in range(given.rounds))
            load(home, given.rate, 5)  # code paths and caches are warm afterwards
            rounds = [load(home, given.rate, given.seconds) for _ in range(given.rounds)]
            stripe = gateway_ms(home)
        finally:
            bookpayctl("down", "--purge", home=home)
    return report(cold, warm, [paid_of(round_) for round_ in rounds], stripe)


def _warm(home: Path) -> float:
    """A warm start; the environment stays up."""
    bookpayctl("down", home=home)
    return up(home)


def paid_of(document: dict[str, Any]) -> dict[str, float]:
    """The order -> paid percentiles of one round, ms."""
    percentiles: dict[str, float] = document["latency_ms"]["order_to_paid"]
    return percentiles


def report(cold: float, warm: float, rounds: list[dict[str, float]], stripe: float) -> int:
    """Print figures with their ratios; 1 when a budget is not met."""
    p50 = statistics.median(round_["p50"] for round_ in rounds)
    p99 = statistics.median(round_["p99"] for round_ in rounds)
    rows = [
        ("up, data made", cold, None, "s"),
        ("up, warm", warm, BUDGET_UP_SECONDS, "s"),
        ("gateway to Stripe and back, p50", stripe, None, "ms"),
        ("order -> paid, p50", p50, BUDGET_P50_MS, "ms"),
        ("order -> paid, p99", p99, BUDGET_P99_MS, "ms"),
    ]
    for name, value, budget, unit in rows:
        limit = f"budget {budget} {unit}" if budget else ""
        print(f"{name:34}{value:9.1f} {unit:3} {limit}")
    print(f"order -> paid is {p50 / stripe:.1f} times the call to Stripe at the median")
    return int(any(budget is not None and value > budget for _, value, budget, _ in rows))


if __name__ == "__main__":
    sys.exit(main())
