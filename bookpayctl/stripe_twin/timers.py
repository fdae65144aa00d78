"""Lets time act: bank debits settle, refunds come back, authorisations lapse, keys are pruned."""

import asyncio
import logging

from bookpayctl.stripe_twin.agenda import Agenda
from bookpayctl.stripe_twin.idempotency import IdempotencyKeys
from bookpayctl.stripe_twin.ledger import schema
from bookpayctl.stripe_twin.ledger.work import Origin, Produced, Timer, TwinContext, Work
from bookpayctl.stripe_twin.payments.settling import fire
from bookpayctl.stripe_twin.webhooks.dispatcher import Dispatcher

# Housekeeping and no more: a key that is old enough counts as absent before it is pruned.
_PRUNE_EVERY_SECONDS = 5.0
_PRUNE_PAUSE_SECONDS = 0.05
# The twin has nothing else to do when no request came for so long.
_INDEX_PAUSE_SECONDS = 1.0
log = logging.getLogger("stripe_twin.timers")


class Timers:
    """Fires what the ledger has planned; what was planned survives a restart."""

    def __init__(self, context: TwinContext, keys: IdempotencyKeys, dispatcher: Dispatcher) -> None:
        self._context = context
        self._keys = keys
        self._dispatcher = dispatcher
        self._agenda: Agenda[Timer] = Agenda(context.clock)
        for row in context.ledger.select(
            "SELECT id, account, due_at, action, object_id FROM timers WHERE state = 'due'"
        ):
            try:
                due_at = float(row[2] or 0)
                timer = Timer(str(row[0]), str(row[1]), due_at, str(row[3]), str(row[4]))
                self._agenda.add(due_at, timer)
            # It stays due in the ledger; the others go on.
            except ValueError as error:
                context.ledger.set_aside(f"timer {row[0]} on {row[4]}", error)

    def accept(self, produced: Produced) -> None:
        """Take over what an execution left to be done: timers here, events to the dispatcher."""
        for timer in produced.timers:
            self._agenda.add(timer.due_at, timer)
        self._dispatcher.accept(produced.events)

    def wake(self) -> None:
        """The clock was advanced: look at everything again."""
        self._agenda.wake()
        self._dispatcher.wake()

    async def run(self) -> None:
        """Fire timers for ever."""
        while True:
            self._fire(await self._agenda.next())
            # One loop turn per timer: requests come first when many fall due at once.
            await asyncio.sleep(0)

    async def prune(self) -> None:
        """Prune idempotency keys for ever, in small pieces while there are many."""
        while True:
            found = self._keys.prune(self._context.clock.now())
            await self._context.ledger.durable()
            await asyncio.sleep(_PRUNE_PAUSE_SECONDS if found else _PRUNE_EVERY_SECONDS)

    async def index(self) -> None:
        """Let the search index follow for ever, in the pauses between requests."""
        ledger, index = self._context.ledger, self._context.search
        seen = ledger.requests_made
        while True:
            await asyncio.sleep(_INDEX_PAUSE_SECONDS)
            # A request that comes meanwhile ends the indexing: both read the same disk.
            idle, seen = ledger.requests_made == seen, ledger.requests_made
            while idle and await index.follow():
                idle = ledger.requests_made == seen

    def _fire(self, timer: Timer) -> None:
        work = Work(self._context, timer.account, Origin())
        try:
            fire(work, timer.action, timer.object_id)
        except Exception as error:
            # It stays due in the ledger, and the next start tries it again. One object that cannot
            # be settled must not stop time for all others.
            log.exception("timer %s on %s failed", timer.action, timer.object_id)
            self._context.ledger.set_aside(f"timer {timer.timer_id} on {timer.object_id}", error)
            return
        # What the timer did and that it is done are in one transaction: a crash in between cannot
        # settle a debit twice.
        produced = work.commit()
        self._context.ledger.put(
            schema.PUT_TIMER,
            (
                timer.timer_id,
                timer.account,
                timer.due_at,
                timer.action,
                timer.object_id,
                "done",
            ),
        )
        self.accept(produced)
