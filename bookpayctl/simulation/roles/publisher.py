"""The outbox publisher: `runtime/services/outbox_publisher/service.py`.

One holds the advisory lock, on the session that reads and marks; the others stand by. A leader
whose session was cut does not know it before it next uses it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bookpayctl.simulation.kernel import SimulatedProcess, Task, Waiting
from bookpayctl.simulation.settings import PUBLISH_BATCH
from bookpayctl.simulation.store import OUTBOX, TERMS, OutboxRow, Transaction, UnavailableError
from bookpayctl.simulation.world import Role, World

STANDBY_SECONDS: Final = 0.5
IDLE_SECONDS_MAX: Final = 1.0
OUTAGE_SECONDS: Final = 0.3
"""How often a broker that is away is tried."""


class Publisher(Role):
    """One publisher process."""

    def __init__(self, world: World, process: SimulatedProcess) -> None:
        super().__init__(world, process)
        self.session = 0
        process.start = self.start
        process.ended = self.ended

    def start(self) -> list[Task]:
        return [self.loop()]

    def ended(self) -> None:
        """The server sees the socket close, and the lock is free."""
        if self.world.store.lock_holder == (self.name, self.session):
            self.world.store.lock_holder = None

    def loop(self) -> Task:
        """`Publisher.run_once`, for ever."""
        while True:
            term = yield from self._lead()
            wait = 0.02
            while self._holds():
                rows = self._read()
                if rows:
                    acknowledged = yield from self._produce(rows, term)
                    if not self._mark(acknowledged):
                        break
                    wait = 0.02
                else:
                    yield wait
                    wait = min(wait * 1.5, IDLE_SECONDS_MAX)
            self.ended()
            yield 0.2

    def _lead(self) -> Waiting[int]:
        """Stand by until the lock is ours; the number of the new term."""
        store = self.world.store
        while True:
            if store.lock_holder is None:
                self.session += 1
                store.lock_holder = (self.name, self.session)
                try:
                    number = self.world.transact(self._begin_term)
                except UnavailableError:
                    self.ended()
                else:
                    self.world.count("a publisher's term")
                    return number
            yield STANDBY_SECONDS

    def _begin_term(self, tx: Transaction) -> int:
        """`publisher_lock.begin_term`."""
        number = len(self.world.store.table(TERMS)) + 1
        tx.put(TERMS, number, (self.name, self.world.now))
        return number

    def _holds(self) -> bool:
        """Whether the session still stands; a cut one says so when it is used."""
        return self.world.store.lock_holder == (self.name, self.session)

    def _read(self) -> list[OutboxRow]:
        store = self.world.store
        if self.world.database_down_until > self.world.now or not store.unpublished:
            return []
        table = store.table(OUTBOX)
        return [table[event_id] for event_id in list(store.unpublished)[:PUBLISH_BATCH]]

    def _produce(self, rows: list[OutboxRow], term: int) -> Waiting[list[OutboxRow]]:
        """Hand rows to the broker; those it has acknowledged with all replicas."""
        world = self.world
        lost, refused = world.swarm["log.ack_lost"], world.swarm["log.refused"]
        if not world.decisions.mark_after_acknowledgement:
            self._mark(rows)
        if world.log_down_until > world.now:
            yield OUTAGE_SECONDS
            return []
        acknowledged = []
        for row in rows:
            if refused.hits():
                world.count("a record that the broker did not take")
                continue
            world.log.append(row, term, world.now)
            if lost.hits():
                world.count("a record whose acknowledgement was lost")
            else:
                acknowledged.append(row)
        yield world.net.uniform(0.002, 0.015)
        return acknowledged

    def _mark(self, rows: list[OutboxRow]) -> bool:
        """`outbox.mark_published`; False ends the term."""
        if not rows:
            return True
        if not self._holds():
            self.world.count("a leader whose lock was gone")
            return False

        def work(tx: Transaction) -> None:
            for row in rows:
                now = tx.get(OUTBOX, row.event_id)
                # One that is published again meanwhile is not marked by the earlier reading.
                if now.published_at is None:
                    tx.put(OUTBOX, row.event_id, replace(now, published_at=self.world.now))

        try:
            self.world.transact(work)
        except UnavailableError:
            return False
        return True
