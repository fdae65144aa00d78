"""What a shop's past costs its hot paths: each at once, ten and a hundred times the data.

All sizes are there at once and take turns within each round, so that a machine which does something
else as well slows all of them; what counts is the ratio within a round. `python -m benchmarks
growth --rows 100000` has ten thousand orders and a hundred thousand outbox rows at its smallest and
takes some ten gigabytes of disk and half an hour.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks import growth_services, growth_store
from benchmarks.growth_stage import TIMES, SizedShop, open_shops
from benchmarks.growth_store import Repetition
from benchmarks.runner.result import Metric, Round
from runtime.domain.names import PublisherMode

RATIO_MAX: Final = 1.5
"""No hot path may cost more than so many times what it costs at the smallest size."""

METRICS: Final = (
    *(Metric(f"at_{times}x", f"at {times} x", "us/item", False) for times in TIMES),
    *(Metric(f"ratio_{times}x", f"{times} x to 1 x", "times", False) for times in TIMES[1:]),
)


@dataclass(frozen=True, slots=True)
class HotPath:
    """Something that is done for each order, event or second.

    Attributes:
        title: what it is, and what one item of it is.
        opens: prepares it on a shop, for as long as the block.
    """

    title: str
    opens: Callable[[SizedShop], AbstractContextManager[Repetition]]


PATHS: Final = {
    "publisher-poll": HotPath(
        "a row that waits is read, sent and marked by polling (an outbox row)",
        partial(growth_services.publisher, PublisherMode.POLL),
    ),
    "publisher-wal": HotPath(
        "the same by the write-ahead log (an outbox row)",
        partial(growth_services.publisher, PublisherMode.WAL),
    ),
    "publisher-look": HotPath(
        "an idle publisher's look from the start (a look)", growth_store.publishers_look
    ),
    "orders-post": HotPath("POST /orders with a new key (a request)", growth_services.orders_post),
    "orders-repeated": HotPath(
        "POST /orders with a key that has an order (a request)", growth_services.orders_repeated
    ),
    "orders-consumer": HotPath(
        "an order follows its payment's end (an event)", growth_store.orders_events
    ),
    "worker": HotPath(
        "a payment is taken in, leased and settled (a payment)", growth_store.workers_payment
    ),
    "webhook-new": HotPath("a webhook is stored (a request)", growth_services.webhook_new),
    "webhook-again": HotPath(
        "a webhook that was stored comes again (a request)", growth_services.webhook_again
    ),
    "notifier": HotPath(
        "what surrounds an e-mail in the database (an event)", growth_store.notifiers_event
    ),
    "reconciler-claims": HotPath(
        "the reconciler's look for payments open too long (a look)",
        growth_store.reconcilers_claims,
    ),
    "reconciler-backlog": HotPath(
        "the counts behind the metrics, once a second (a look)", growth_store.reconcilers_backlog
    ),
    "reconciler-far": HotPath(
        "the look for rows that would wait for ever (a look)", growth_store.reconcilers_far_times
    ),
    "reconciler-missed": HotPath(
        "the look for orders that missed an event (a look)", growth_store.reconcilers_missed_events
    ),
}


def measure(
    names: Sequence[str], rounds: int, rows: int, tell: Callable[[str], None]
) -> tuple[Round, ...]:
    """Each chosen path in turn; within a round its sizes in turns, after one that does not count.

    Args:
        rows: of the smallest outbox.
    """
    found: list[Round] = []
    chosen = {name: path for name, path in PATHS.items() if name in names}
    if chosen:
        with (
            tempfile.TemporaryDirectory(prefix="bookpay-bench-") as folder,
            open_shops(Path(folder), rows, tell) as shops,
        ):
            for name, path in chosen.items():
                found += measured(name, path, shops, rounds, tell)
    return tuple(found)


def measured(
    name: str,
    path: HotPath,
    shops: Sequence[SizedShop],
    rounds: int,
    tell: Callable[[str], None],
) -> Iterator[Round]:
    """The rounds of one path."""
    with opened(path, shops) as repetitions:
        for repetition in repetitions.values():
            repetition()
        for number in range(1, rounds + 1):
            load = os.getloadavg()[0]
            cost = {times: repetition() for times, repetition in repetitions.items()}
            yield (one := Round(name, number, load, values_of(cost)))
            told = ", ".join(f"{key} {value:,.2f}" for key, value in one.values.items())
            tell(f"round {number}, load {load:.1f}, {name}: {told}")


@contextmanager
def opened(path: HotPath, shops: Sequence[SizedShop]) -> Iterator[Mapping[int, Repetition]]:
    """The path on every size at once."""
    with ExitStack() as stack:
        yield {shop.times: stack.enter_context(path.opens(shop)) for shop in shops}


def values_of(cost: Mapping[int, float]) -> dict[str, float]:
    """A round's figures: the cost at each size, and how many times that of the smallest it is."""
    smallest = cost[min(cost)]
    return {
        **{f"at_{times}x": value for times, value in cost.items()},
        **{f"ratio_{times}x": cost[times] / smallest for times in sorted(cost)[1:]},
    }
