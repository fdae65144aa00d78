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
from typing import Final, Generic, Protocol, TypeVar

from benchmarks import growth_log, growth_services, growth_store, growth_twin
from benchmarks.growth_cost import Cost, Repetition
from benchmarks.growth_log import SizedLog, open_logs
from benchmarks.growth_stage import TIMES, SizedShop, open_shops
from benchmarks.growth_twin import SizedTwin, open_twins
from benchmarks.runner.result import Metric, Round
from runtime.domain.names import PublisherMode

RATIO_MAX: Final = 1.5
"""No hot path may cost more than so many times what it costs at the smallest size."""

METRICS: Final = (
    *(Metric(f"at_{times}x", f"{times} x", "us by the clock", False) for times in TIMES),
    *(Metric(f"ratio_{times}x", f"{times} x to 1 x", "times", False) for times in TIMES[1:]),
    *(Metric(f"cpu_{times}x", f"{times} x", "us of processors", False) for times in TIMES),
    *(
        Metric(f"cpu_ratio_{times}x", f"{times} x to 1 x", "times of processors", False)
        for times in TIMES[1:]
    ),
)


class Sized(Protocol):
    """A shop, a log or a twin; how many times the smallest of its kind it is."""

    @property
    def times(self) -> int: ...


Tell = Callable[[str], None]
Place = TypeVar("Place", bound=Sized)


@dataclass(frozen=True, slots=True)
class HotPath(Generic[Place]):
    """Something that is done for each order, event or second.

    Attributes:
        title: what it is, and what one item of it is.
        opens: prepares it on one place, for as long as the block.
    """

    title: str
    opens: Callable[[Place], AbstractContextManager[Repetition]]


OF_SHOPS: Final[Mapping[str, HotPath[SizedShop]]] = {
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
    "outbox-vacuum": HotPath(
        "autovacuum behind the publisher, which reads the table's indexes (an outbox row)",
        growth_store.outboxs_vacuum,
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
    "worker-look": HotPath(
        "an idle worker's look for lost leases and what is due (a look)", growth_store.workers_look
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
    "tool-status": HotPath("what `status` asks the database (a look)", growth_store.tools_status),
    "tool-watch": HotPath("what `watch` asks it beside that (a look)", growth_store.tools_watch),
}

OF_LOGS: Final[Mapping[str, HotPath[SizedLog]]] = {
    "tool-check": HotPath("what `check` BP-C002 reads of the log (a check)", growth_log.checked),
    "tool-replay": HotPath("`replay --mode verify` (a record)", growth_log.replayed),
}

OF_TWINS: Final[Mapping[str, HotPath[SizedTwin]]] = {
    name: HotPath(f"the twin: {title} (a request)", partial(growth_twin.answered, question))
    for name, title, question in (
        ("twin-charge", "POST /v1/payment_intents, confirmed", growth_twin.CHARGE),
        ("twin-list", "GET /v1/payment_intents, a hundred", "payment intents"),
        ("twin-events", "GET /v1/events of one kind", "events by wildcard"),
        ("twin-search", "a search by metadata", "search by metadata"),
        ("twin-balance", "GET /v1/balance", "balance"),
    )
}

TITLES: Final = {
    name: path.title for paths in (OF_SHOPS, OF_LOGS, OF_TWINS) for name, path in paths.items()
}


def measure(names: Sequence[str], rounds: int, rows: int, tell: Tell) -> tuple[Round, ...]:
    """Each chosen path in turn; within a round its sizes in turns, after one that does not count.

    Args:
        rows: of the smallest outbox; a log has a tenth of it, a twin's ledger a twentieth.
    """
    found: list[Round] = []

    def add(
        opens: Callable[[Path, Tell], AbstractContextManager[Sequence[Place]]],
        paths: Mapping[str, HotPath[Place]],
    ) -> None:
        """One kind after another: what the disk has to hold is that of the largest."""
        wanted = {name: path for name, path in paths.items() if name in names}
        if not wanted:
            return
        with (
            tempfile.TemporaryDirectory(prefix="bookpay-bench-") as folder,
            opens(Path(folder), tell) as places,
        ):
            for name, path in wanted.items():
                found.extend(measured(name, path, places, rounds, tell))

    add(partial(open_shops, rows), OF_SHOPS)
    add(partial(open_logs, rows // 10), OF_LOGS)
    add(partial(open_twins, rows // 20), OF_TWINS)
    return tuple(found)


def measured(
    name: str,
    path: HotPath[Place],
    places: Sequence[Place],
    rounds: int,
    tell: Tell,
) -> Iterator[Round]:
    """The rounds of one path."""
    with opened(path, places) as repetitions:
        for repetition in repetitions.values():
            repetition()
        for number in range(1, rounds + 1):
            load = os.getloadavg()[0]
            cost = {times: repetition() for times, repetition in repetitions.items()}
            yield (one := Round(name, number, load, values_of(cost)))
            told = ", ".join(f"{key} {value:,.2f}" for key, value in one.values.items())
            tell(f"round {number}, load {load:.1f}, {name}: {told}")


@contextmanager
def opened(path: HotPath[Place], places: Sequence[Place]) -> Iterator[Mapping[int, Repetition]]:
    """The path on every size at once."""
    with ExitStack() as stack:
        yield {place.times: stack.enter_context(path.opens(place)) for place in places}


def values_of(cost: Mapping[int, Cost]) -> dict[str, float]:
    """A round's figures: the cost at each size, and how many times that of the smallest it is."""
    clock = {times: one.clock_us for times, one in cost.items()}
    processor = {
        times: one.processor_us for times, one in cost.items() if one.processor_us is not None
    }
    return {**_figures(clock, ""), **(_figures(processor, "cpu_") if processor else {})}


def _figures(cost: Mapping[int, float], prefix: str) -> dict[str, float]:
    smallest = cost[min(cost)]
    return {
        **{f"{prefix or 'at_'}{times}x": value for times, value in cost.items()},
        **{f"{prefix}ratio_{times}x": cost[times] / smallest for times in sorted(cost)[1:]},
    }
