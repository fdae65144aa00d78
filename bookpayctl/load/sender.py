"""Sending a planned load: open loop, every call on record before and after.

Nothing is retried, unless the caller wants clients that ask again under their key when no answer
came, as every client of this API may.

The dispatcher sends each order at its planned time whether or not earlier ones were answered.
Latency counts from the planned time, so a stalled service is charged for the wait it caused and
not only for the calls it let through. What a client saw goes into the history file; how long it
took until the order was paid is read from the database's own timestamps afterwards.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

from bookpayctl.clients.database import reading
from bookpayctl.clients.orders_api import CallEnd, OrdersApi, Outcome
from bookpayctl.load import probe_orders
from bookpayctl.load.history import HistoryFile
from bookpayctl.load.plan import PAYMENT_METHOD_OF_KIND, Arrival, OrderKind, percentile
from bookpayctl.targets.environment import Environment

# Enough that a service answering in 100 ms can take 640 orders a second before the load itself
# becomes the queue; the report says when that happened.
SENDERS_MAX: Final = 64

# An arrival sent later than this after its planned time found every sender waiting for an answer:
# the load had become closed at that moment, and the report says so.
LATE_AFTER_SECONDS: Final = 0.25

# What a client that asks again does; the pause is long enough to be led to somebody else.
TRIES_MAX: Final = 4
AGAIN_SECONDS: Final = 0.25


@dataclass(frozen=True, slots=True)
class LoadProgress:
    """How far the load has come."""

    planned: int
    sent: int
    answered: int
    outcomes: dict[str, int]
    accept_ms: dict[str, float | None]


@dataclass(frozen=True, slots=True)
class Accepted:
    """What the clients saw.

    Attributes:
        accept_seconds: planned send time to accepted answer, sorted.
        late: orders that were sent late because every sender was waiting for an answer.
        asked_again: orders that got no answer at first, and were asked for again.
    """

    planned: int
    ok: int
    fail: int
    unknown: int
    by_kind: dict[str, int]
    refusals: dict[str, int]
    accept_seconds: list[float] = field(repr=False)
    late: int
    seconds: float
    asked_again: int = 0


@dataclass(frozen=True, slots=True)
class SettledOrders:
    """What became of the accepted orders, from the database's own clock.

    Attributes:
        paid_seconds: order committed to order paid, sorted, by kind: a bank debit takes as long
            as the bank, and must not stand in a card's percentile.
    """

    orders: int
    by_status: dict[str, int]
    paid_seconds: dict[OrderKind, list[float]] = field(repr=False)


class Load:
    """One run of a load against one environment."""

    def __init__(
        self,
        environment: Environment,
        arrivals: list[Arrival],
        history: HistoryFile,
        *,
        key_prefix: str,
        asks_again: bool = False,
    ) -> None:
        # A book that could sell out would turn a load into a test of stock.
        self._titles = probe_orders.titles_in_stock(environment, copies=max(1, len(arrivals)))
        if not self._titles:
            raise probe_orders.ProbeError(
                f"no book has the {len(arrivals)} copies the load may sell"
            )
        self._api = OrdersApi(
            environment.orders_url, environment.secret("orders-token"), under_load=True
        )
        self._arrivals = arrivals
        self._history = history
        self._key_prefix = key_prefix
        self._asks_again = asks_again
        self._asked_again = 0
        self._lock = threading.Lock()
        self._outcomes: Counter[str] = Counter()
        self._kinds: Counter[str] = Counter()
        self._refusals: Counter[str] = Counter()
        self._seconds: list[float] = []
        self._sent = 0
        self._late = 0

    def run(
        self,
        stop: threading.Event,
        observe: Callable[[LoadProgress], None],
        *,
        observe_every_seconds: float = 0.25,
    ) -> Accepted:
        """Send every arrival at its time, or until `stop` is set; wait for all answers."""
        began = time.monotonic()
        next_look = began
        with ThreadPoolExecutor(SENDERS_MAX, thread_name_prefix="load") as pool:
            for arrival in self._arrivals:
                due = began + arrival.after_seconds
                while (wait := due - time.monotonic()) > 0 and not stop.is_set():
                    stop.wait(min(wait, observe_every_seconds))
                    if time.monotonic() >= next_look:
                        observe(self.progress())
                        next_look = time.monotonic() + observe_every_seconds
                if stop.is_set():
                    break
                pool.submit(self._send, arrival, due)
        observe(self.progress())
        return self._accepted(time.monotonic() - began)

    def progress(self) -> LoadProgress:
        with self._lock:
            answered = sum(self._outcomes.values())
            return LoadProgress(
                len(self._arrivals),
                self._sent,
                answered,
                dict(self._outcomes),
                percentiles_ms(sorted(self._seconds)),
            )

    def _send(self, arrival: Arrival, due: float) -> None:
        client_key = f"{self._key_prefix}{arrival.number}"
        title = self._titles[arrival.number % len(self._titles)]
        document = probe_orders.order_document(
            title,
            payment_method=PAYMENT_METHOD_OF_KIND[arrival.kind],
            customer_id=f"customer-{arrival.number % 100}",
        )
        sent_at = time.monotonic()
        with self._lock:
            self._sent += 1
            self._kinds[arrival.kind.value] += 1
            self._late += sent_at - due > LATE_AFTER_SECONDS
        self._history.invoked(client_key, at=time.time(), kind=arrival.kind.value)
        end = self._placed(document, client_key)
        seconds = time.monotonic() - due
        self._history.ended(client_key, end, at=time.time(), seconds=seconds)
        self._note(end, seconds)

    def _placed(self, order: dict[str, Any], client_key: str) -> CallEnd:
        """Place one order; how it ended, as far as its client learnt."""
        ends = [self._api.place(order, client_key=client_key).call_end()]
        if self._asks_again and ends[0].status is None:
            with self._lock:
                self._asked_again += 1
            while ends[-1].status is None and len(ends) < TRIES_MAX:
                time.sleep(AGAIN_SECONDS)
                ends.append(self._api.place(order, client_key=client_key).call_end())
        return end_of(ends)

    def _note(self, end: CallEnd, seconds: float) -> None:
        with self._lock:
            self._outcomes[end.outcome.value] += 1
            if end.outcome is Outcome.OK:
                self._seconds.append(seconds)
            else:
                self._refusals[f"{end.status or 'no answer'} {end.code or ''}".strip()] += 1

    def _accepted(self, seconds: float) -> Accepted:
        return Accepted(
            planned=len(self._arrivals),
            ok=self._outcomes[Outcome.OK.value],
            fail=self._outcomes[Outcome.FAIL.value],
            unknown=self._outcomes[Outcome.UNKNOWN.value],
            by_kind={kind.value: self._kinds[kind.value] for kind in OrderKind},
            refusals=dict(self._refusals),
            accept_seconds=sorted(self._seconds),
            late=self._late,
            seconds=seconds,
            asked_again=self._asked_again,
        )


def end_of(tries: Sequence[CallEnd]) -> CallEnd:
    """What a client knows after some tries under one key.

    One that was accepted is. Else one that may have arrived leaves it unknown, whatever was said
    to those after it.
    """
    last = tries[-1]
    if last.outcome is Outcome.OK:
        return last
    return next((end for end in tries if end.outcome is Outcome.UNKNOWN), last)


def read_settled(
    environment: Environment, arrivals: list[Arrival], *, key_prefix: str
) -> SettledOrders:
    """What became of the orders of one load.

    Latency is from the order's row to the order's `paid` step, both by the database's clock, so
    nothing of our own polling is in it.
    """
    with reading(environment.dsn) as conn:
        rows = conn.execute(
            "SELECT o.client_key, o.status, extract(epoch FROM e.at - o.created_at)::float8"
            " FROM orders o"
            " LEFT JOIN order_events e ON e.order_id = o.id AND e.to_state = 'paid'"
            " WHERE o.tenant_id = %s AND starts_with(o.client_key, %s)",
            (environment.tenant_id, key_prefix),
        ).fetchall()
    kind_of = {f"{key_prefix}{arrival.number}": arrival.kind for arrival in arrivals}
    paid: dict[OrderKind, list[float]] = {kind: [] for kind in OrderKind}
    for key, _, seconds in rows:
        if seconds is not None and key in kind_of:
            paid[kind_of[key]].append(seconds)
    return SettledOrders(
        orders=len(rows),
        by_status=dict(Counter(status for _, status, _ in rows)),
        paid_seconds={kind: sorted(values) for kind, values in paid.items()},
    )


def percentiles_ms(sorted_seconds: list[float]) -> dict[str, float | None]:
    """p50, p90, p99 and the maximum in milliseconds; None where nothing was measured."""
    values = {
        "p50": percentile(sorted_seconds, 0.50),
        "p90": percentile(sorted_seconds, 0.90),
        "p99": percentile(sorted_seconds, 0.99),
        "max": sorted_seconds[-1] if sorted_seconds else None,
    }
    return {
        name: None if value is None else round(value * 1000, 1) for name, value in values.items()
    }
