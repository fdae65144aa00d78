"""What the runner can measure: suites, each with its contenders and the figures they are told by.

A suite is data and one function, which measures the chosen contenders in turns. What a contender
does stands in the benchmark of its own name, which can also be run by itself.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import growth, order_cost, order_to_paid, publishers, replay_verify
from benchmarks.runner.result import Metric, Round
from bookpayctl.clients.kafka_servers import KafkaServers
from bookpayctl.targets.servers.contents import create_topics
from bookpayctl.targets.settings import PUBLISHERS
from runtime.sql import migrate
from tests.support.servers import running_servers

Settings = Mapping[str, float]
Tell = Callable[[str], None]

# At so many orders a second no stack of one machine is at its end.
ORDERS_PER_SECOND_MAX: Final = 25.0


@dataclass(frozen=True, slots=True)
class Suite:
    """One of them.

    Attributes:
        titles: contender -> what it is, in the order in which they take turns.
        measure: names, settings (`rounds`, `rows`, `per_second`, `seconds`) and whom to tell.
    """

    titles: Mapping[str, str]
    metrics: tuple[Metric, ...]
    measure: Callable[[Sequence[str], Settings, Tell], tuple[Round, ...]]


def measure_publishers(names: Sequence[str], settings: Settings, tell: Tell) -> tuple[Round, ...]:
    """See `publishers`."""
    asked = publishers.Asked(
        rows=int(settings["rows"]),
        per_second=settings["per_second"],
        seconds=settings["seconds"],
    )
    return publishers.measure(names, int(settings["rounds"]), asked, tell)


def measure_readers(names: Sequence[str], settings: Settings, tell: Tell) -> tuple[Round, ...]:
    """See `replay_verify`: three events for each order, so a third as many orders as rows."""
    found = []
    with (
        tempfile.TemporaryDirectory(prefix="bookpay-bench-") as scratch,
        running_servers(Path(scratch)) as servers,
    ):
        migrate(servers.dsn)
        create_topics(KafkaServers(servers.kafka_bootstrap_servers))
        replay_verify.fill(servers.dsn, int(settings["rows"]) // 3)
        replay_verify.publish(servers.dsn, servers.kafka_bootstrap_servers)
        for number in range(1, int(settings["rounds"]) + 1):
            for name in names:
                load = os.getloadavg()[0]
                one = replay_verify.in_a_process(name, servers.dsn, servers.kafka_bootstrap_servers)
                values = {
                    "records_per_second": one.per_second,
                    "reading_per_second": one.records / one.reading_seconds,
                    "cpu": one.cpu_seconds / one.records * 1e6,
                }
                found.append(Round(name, number, load, values))
                tell(f"round {number}, load {load:.1f}, {name}: {publishers.shown(values)}")
    return tuple(found)


def measure_growth(names: Sequence[str], settings: Settings, tell: Tell) -> tuple[Round, ...]:
    """See `growth`."""
    return growth.measure(names, int(settings["rounds"]), int(settings["rows"]), tell)


def measure_orders(names: Sequence[str], settings: Settings, tell: Tell) -> tuple[Round, ...]:
    """See `order_to_paid` and `order_cost`: a whole stack for each publisher, one after another."""
    found = []
    rate = min(settings["per_second"], ORDERS_PER_SECOND_MAX)
    with tempfile.TemporaryDirectory(prefix="bookpay-bench-") as folder:
        for number in range(1, int(settings["rounds"]) + 1):
            for name in names:
                load = os.getloadavg()[0]
                with stack(Path(folder) / name, name) as home:
                    values = orders_of(home, rate, settings["seconds"])
                found.append(Round(name, number, load, values))
                tell(f"round {number}, load {load:.1f}, {name}: {publishers.shown(values)}")
    return tuple(found)


@contextmanager
def stack(home: Path, publisher: str) -> Iterator[Path]:
    """A stack that is up, stopped at the end; its data stays for the next round."""
    home.mkdir(exist_ok=True)
    order_to_paid.bookpayctl(
        *("up", "--publisher", publisher, "--timeout", "5m"),
        *("--twin-latency-ms", str(order_to_paid.STRIPE_MS)),
        home=home,
    )
    try:
        yield home
    finally:
        order_to_paid.bookpayctl("down", home=home)


def orders_of(home: Path, rate: float, seconds: float) -> dict[str, float]:
    """How soon orders are paid at this rate, and what one costs all processes together."""
    order_to_paid.load(home, rate, 5)  # code paths and caches are warm afterwards
    known = order_cost.services(home)
    before = order_cost.processor_seconds(known)
    document = order_to_paid.load(home, rate, seconds)
    after = order_cost.processor_seconds(known)
    paid = order_to_paid.paid_of(document)
    spent = sum(after.values()) - sum(before.values())
    return {"p50_ms": paid["p50"], "p99_ms": paid["p99"], "cpu": 1000 * spent / document["ok"]}


SUITES: Final = {
    "publisher": Suite(
        {one.name: one.title for one in publishers.CONTENDERS},
        publishers.METRICS,
        measure_publishers,
    ),
    "replay": Suite(
        {
            "bare": "a consumer that does nothing with a record",
            "headers": "the same with the headers, which the client makes only when asked",
            "verify": "`replay --mode verify`: reading beside the ledger, and the answers",
        },
        (
            Metric("records_per_second", "all of it", "records/s", True),
            Metric("reading_per_second", "reading alone", "records/s", True),
            Metric("cpu", "processor", "us/record", False),
        ),
        measure_readers,
    ),
    "orders": Suite(
        {name: f"the whole stack, its outbox published by {name}" for name in PUBLISHERS},
        (
            Metric("p50_ms", "order to paid, p50", "ms", False),
            Metric("p99_ms", "order to paid, p99", "ms", False),
            Metric("cpu", "processor, all processes", "ms/order", False),
        ),
        measure_orders,
    ),
    "growth": Suite(
        growth.TITLES,
        growth.METRICS,
        measure_growth,
    ),
}
