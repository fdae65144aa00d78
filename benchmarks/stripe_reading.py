"""Reading a whole Stripe account: five lists, each page after page, and the same cut into ranges.

Both read one twin, in turn, through the same library into the same ledgers; each answer of the twin
is held back as long as a network and Stripe would take, or not at all. What counts is the ratio of
the medians: below 1 ranges are faster. Without a delay both wait for the processors of one twin
and of one reader, so there they can be no faster; with one they should be.

Run: python -m benchmarks.stripe_reading [--charges 4000] [--milliseconds 0 100] [--rounds 3]
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import httpx

from benchmarks.stripe_twin_charges import Running, charge_request, times_alone, twin
from benchmarks.stripe_twin_history import lengthen
from bookpayctl.clients.stripe_api import StripeApi
from bookpayctl.judge.ledgers.store import LedgerConnection, opened, quoted, rows
from bookpayctl.judge.ledgers.writer import LedgerWriter
from bookpayctl.judge.readers.stripe import LISTS, OUR_METADATA, read_lists

KEY: Final = "sk_test_bench"

Reading = Callable[[StripeApi, LedgerWriter], None]


def by_lists(api: StripeApi, ledgers: LedgerWriter) -> None:
    """Each list by one thread, each page behind the one before it."""
    sinks = {name: ledgers.sink(name) for name in LISTS}

    def read(name: str) -> None:
        collection, row_of = LISTS[name]
        for found in api.objects(collection):
            sinks[name].put(row_of(found, OUR_METADATA))

    with ThreadPoolExecutor(len(LISTS)) as pool:
        for one in [pool.submit(read, name) for name in LISTS]:
            one.result()
    ledgers.keep(*sinks.values())


def by_ranges(api: StripeApi, ledgers: LedgerWriter) -> None:
    """As the audit reads."""
    read_lists(api.page, ledgers, OUR_METADATA, print)


def rows_of(path: Path) -> int:
    """How many rows a ledger has."""
    with opened() as connection:
        return int(next(rows(connection, f"SELECT COUNT(*) FROM read_parquet({quoted(path)})"))[0])


def compare(running: Running, connection: LedgerConnection, milliseconds: int, rounds: int) -> None:
    """Read the account in both ways in turn, and print the ratio."""
    control = f"http://127.0.0.1:{running.control_port}/faults"
    if milliseconds:
        fault = {"action": "latency", "match": {"method": "GET"},
                 "numbers": {"milliseconds": milliseconds}}  # fmt: skip
        httpx.post(control, json=fault, trust_env=False).raise_for_status()
    ways: dict[str, Reading] = {"by lists": by_lists, "by ranges": by_ranges}
    took: dict[str, list[float]] = {name: [] for name in ways}
    counts: set[int] = set()
    for _ in range(rounds):
        for name, reading in ways.items():
            with tempfile.TemporaryDirectory() as folder:
                api = StripeApi(f"http://127.0.0.1:{running.port}", KEY)
                began = time.perf_counter()
                reading(api, LedgerWriter(connection, Path(folder)))
                took[name].append(time.perf_counter() - began)
                counts.add(sum(rows_of(path) for path in Path(folder).iterdir()))
    httpx.delete(control, trust_env=False).raise_for_status()
    (objects,) = counts
    before, after = (statistics.median(took[name]) for name in ways)
    print(
        f"{objects} objects, {milliseconds:>3} ms an answer: by lists {before:6.2f} s,"
        f" by ranges {after:6.2f} s, ratio {after / before:.2f}",
        flush=True,
    )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--charges", type=int, default=4_000)
    arguments.add_argument("--milliseconds", type=int, nargs="+", default=[0, 100])
    arguments.add_argument("--rounds", type=int, default=3)
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="stripe-reading-") as scratch:
        data = Path(scratch)
        with twin(data) as running:
            asyncio.run(times_alone(running.port, [charge_request("root-1")]))
        lengthen(data, chosen.charges)
        with twin(data) as running, opened() as connection:
            for milliseconds in chosen.milliseconds:
                compare(running, connection, milliseconds, chosen.rounds)


if __name__ == "__main__":
    main()
