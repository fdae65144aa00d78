"""Stripe's deliveries and the webhook receiver: `runtime/services/webhook_receiver/intake.py`.

Events are delivered late, doubled, in any order or never; one that got no 2xx comes again.
"""

from __future__ import annotations

from typing import Final

from bookpayctl.simulation.kernel import SimulatedProcess, Task
from bookpayctl.simulation.steps import webhooks
from bookpayctl.simulation.store import UnavailableError
from bookpayctl.simulation.world import Role, World
from runtime.domain.stripe_event import StripeEvent

DELIVERIES_MAX: Final = 6


class Receiver(Role):
    """The endpoint; each delivery is a task of its own."""

    def __init__(self, world: World, process: SimulatedProcess) -> None:
        super().__init__(world, process)
        world.deliver = self.send

    def send(self, event: StripeEvent) -> None:
        """Stripe sends an event: when, how often, or not at all."""
        world, late = self.world, self.world.swarm["hook.late"]
        if world.swarm["hook.lost"].hits():
            world.count("a webhook that never came")
            return
        copies = 2 if world.swarm["hook.doubled"].hits() else 1
        for _ in range(copies):
            usual = world.net.uniform(0.005, 0.3)
            self._try(event, 1, late.rng.uniform(1.0, 30.0) if late.hits() else usual)

    def _try(self, event: StripeEvent, number: int, delay: float) -> None:
        world = self.world
        world.under_way += 1

        def arrive() -> None:
            world.under_way -= 1
            if not self._reachable():
                self._again(event, number)
                return
            # Whether the process dies with it or not, Stripe waits for an answer.
            world.under_way += 1
            answered = [False]
            world.kernel.spawn(self.process, self._take(event, answered))
            world.kernel.at(2.0, lambda: self._judge(event, number, answered))

        world.kernel.at(delay, arrive)

    def _reachable(self) -> bool:
        return not self.process.is_down

    def _judge(self, event: StripeEvent, number: int, answered: list[bool]) -> None:
        self.world.under_way -= 1
        if not answered[0]:
            self._again(event, number)

    def _again(self, event: StripeEvent, number: int) -> None:
        if number < DELIVERIES_MAX:
            self._try(event, number + 1, 1.5**number)

    def _take(self, event: StripeEvent, answered: list[bool]) -> Task:
        """Store and apply in one transaction, then answer 2xx; a 503 when it cannot."""
        world = self.world
        first = not world.decisions.answers_webhook_after_insert
        if first:
            self._answer(event, answered)
            yield 0.001
        yield world.net.uniform(0.001, 0.01)
        try:
            world.transact(lambda tx: webhooks.store(world, tx, event))
        except UnavailableError:
            return
        yield 0.001
        if not first:
            self._answer(event, answered)

    def _answer(self, event: StripeEvent, answered: list[bool]) -> None:
        answered[0] = True
        self.world.delivered[event.stripe_event_id] = None
