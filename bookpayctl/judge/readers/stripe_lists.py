"""Reads lists of a Stripe account side by side, each object once, with Stripe deciding how fast.

A few workers share what is left of all lists. The first page of a list has no upper end: what it
shows is the newest that is read, and its range goes down from there. When a page says that more
follow and a worker is idle, the older part goes to that one. A page that Stripe refuses for now
(429, 5xx) is asked for again, behind the same object, after everybody has waited; an account that
gives no page for a minute is given up. At most one page a worker is held; none is kept here.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Protocol

from bookpayctl.clients.stripe_api import Collection, ListPage, StripeBusyError, StripeReadError
from bookpayctl.judge.readers.stripe_ranges import CreatedRange, cut, rest_of

WORKERS: Final = 8
"""A page of 100 takes Stripe a third of a second: 24 a second, below the 25 that a sandbox grants.

Source: docs.stripe.com/rate-limits.
"""

BUSY_SECONDS_MAX: Final = 60.0
"""Without any page for so long, an account that refuses is given up."""

AWAY_SECONDS_MAX: Final = 10.0
"""The same of one that does not answer at all: a restart fits in, and an audit waits no more."""

WAIT_SECONDS_MIN: Final = 0.5
WAIT_SECONDS_MAX: Final = 8.0

TELL_SECONDS: Final = 5.0

Observer = Callable[[str], None]
Take = Callable[[Collection, Sequence[dict[str, Any]]], None]


class PageReader(Protocol):
    """Asks for one page, as `StripeApi.page` does."""

    def __call__(
        self, collection: Collection, *, begin: int | None, end: int | None, after: str | None
    ) -> ListPage:
        """Raises StripeBusyError for now, any other StripeReadError for good."""


def read_side_by_side(
    read_page: PageReader,
    collections: Sequence[Collection],
    take: Take,
    observe: Observer,
    *,
    since: int | None = None,
) -> None:
    """Read lists to their ends, newest first within a range, ranges in any order.

    Args:
        read_page: safe to call from several threads.
        collections: what is read.
        take: is given each page once, by one thread at a time.
        observe: is told how far it is, and when Stripe wants it to wait.
        since: second of Stripe's clock from which objects are read.

    Raises:
        StripeReadError: a list could not be read to its end.
    """
    reading = _Reading(read_page, take)
    for collection in collections:
        reading.add(collection, CreatedRange(begin=since))
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="stripe-list") as pool:
        workers = [pool.submit(reading.work) for _ in range(WORKERS)]
        try:
            while not reading.wait(TELL_SECONDS):
                observe(reading.told())
        finally:
            reading.stop()
    for worker in workers:
        worker.result()
    if reading.refusals:
        observe(reading.told())


def wait_seconds(refusals: int, told: float | None, rng: random.Random) -> float:
    """How long nobody asks after so many refusals of one page: what Stripe says, at least.

    Jitter, because Stripe counts for the whole account: others were refused at this moment, too.
    """
    backoff: float = min(WAIT_SECONDS_MIN * 2 ** min(refusals - 1, 10), WAIT_SECONDS_MAX)
    return max(backoff * rng.uniform(0.5, 1.0), told or 0.0)


class _Reading:
    """What the workers share; every field is read and written under `_changed`."""

    def __init__(self, read_page: PageReader, take: Take) -> None:
        self._read_page = read_page
        self._take = take
        self._rng = random.Random()
        self._changed = threading.Condition()
        self._left: deque[tuple[Collection, CreatedRange]] = deque()
        self._at_work = 0
        self._stopped = False
        self._objects: Counter[str] = Counter()
        self._answered_at = time.monotonic()
        self._not_before = 0.0
        self._refused = ""
        self.refusals = 0

    def add(self, collection: Collection, part: CreatedRange) -> None:
        self._left.append((collection, part))

    def work(self) -> None:
        """Read ranges until none is left, or one cannot be read."""
        try:
            while (one := self._next()) is not None:
                self._read(*one)
                with self._changed:
                    self._at_work -= 1
                    self._changed.notify_all()
        finally:
            # Behind one that failed nobody needs to read on: the lists are not whole.
            self.stop()

    def wait(self, seconds: float) -> bool:
        """Wait until all is read or stopped, at most so long; whether it is."""
        with self._changed:
            return self._changed.wait_for(self._is_over, seconds)

    def stop(self) -> None:
        """Let every worker end behind what it asks for right now."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def told(self) -> str:
        """How far it is, in words."""
        with self._changed:
            each = ", ".join(f"{count:,} {name}" for name, count in sorted(self._objects.items()))
            waits = f"; it refused {self.refusals} pages, last {self._refused}"
            return f"Stripe: read {each or 'nothing yet'}{waits if self.refusals else ''}"

    def _is_over(self) -> bool:
        return self._stopped or (not self._left and self._at_work == 0)

    def _next(self) -> tuple[Collection, CreatedRange] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._left or self._is_over())
            if self._stopped or not self._left:
                return None
            self._at_work += 1
            return self._left.popleft()

    def _read(self, collection: Collection, part: CreatedRange | None) -> None:
        while part is not None and not self._stopped:
            page = self._page(collection, part)
            if page is None:
                return
            stray = next((one for one in page.objects if not part.holds(one)), None)
            if stray is not None:
                # Ranges that a server does not keep to would be read again and again.
                raise StripeReadError(
                    f"{collection}: {stray['id']} was not made in the range that was asked for"
                    f" ({part.begin} to {part.end}), so this list cannot be read in parts"
                )
            with self._changed:
                self._take(collection, page.objects)
                self._objects[collection] += len(page.objects)
                part = self._rest(collection, part, page)

    def _rest(
        self, collection: Collection, part: CreatedRange, page: ListPage
    ) -> CreatedRange | None:
        """What stays with who read the page; an older part goes to an idle worker."""
        if not page.has_more or not page.objects:
            return None
        rest = rest_of(part, page.objects)
        is_anybody_idle = self._at_work + len(self._left) < WORKERS
        parts = cut(rest, page.objects) if is_anybody_idle else None
        if parts is None:
            return rest
        self._left.append((collection, parts[1]))
        self._changed.notify_all()
        return parts[0]

    def _page(self, collection: Collection, part: CreatedRange) -> ListPage | None:
        """One page, however often it is refused; None when everybody stops."""
        refusals = 0
        while self._may_ask():
            try:
                page = self._read_page(collection, begin=part.begin, end=part.end, after=part.after)
            except StripeBusyError as error:
                refusals += 1
                self._hold(error, refusals)
            else:
                with self._changed:
                    self._answered_at = time.monotonic()
                return page
        return None

    def _may_ask(self) -> bool:
        """Wait until Stripe may be asked; False when everybody stops."""
        with self._changed:
            while not self._stopped and (left := self._not_before - time.monotonic()) > 0:
                self._changed.wait(left)
            return not self._stopped

    def _hold(self, error: StripeBusyError, refusals: int) -> None:
        """Keep everybody from asking for a while.

        Raises:
            StripeReadError: that while would end after Stripe is given up.
        """
        with self._changed:
            self.refusals += 1
            self._refused = str(error)
            now = time.monotonic()
            until = now + wait_seconds(refusals, error.wait_seconds, self._rng)
            patience = AWAY_SECONDS_MAX if error.is_away else BUSY_SECONDS_MAX
            if until > self._answered_at + patience:
                raise StripeReadError(
                    f"{error}; refused {refusals} times, and no page came for"
                    f" {now - self._answered_at:.0f} s (at most {patience:.0f} s)"
                ) from error
            self._not_before = max(self._not_before, until)
