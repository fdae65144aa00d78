"""One seed from its first customer to rest: build the stack, disturb it, heal it, let it drain."""

from __future__ import annotations

import gc
import traceback
from collections import Counter
from dataclasses import dataclass
from typing import Final

from bookpayctl.simulation.decisions import RIGHT, Decisions
from bookpayctl.simulation.kernel import SimulatedProcess
from bookpayctl.simulation.log import Group
from bookpayctl.simulation.nemesis import Nemesis
from bookpayctl.simulation.roles.api import customer, draw_customers, fill_shelves
from bookpayctl.simulation.roles.operator import OperatorRole
from bookpayctl.simulation.roles.orders import PaymentFollower
from bookpayctl.simulation.roles.publisher import Publisher
from bookpayctl.simulation.roles.receiver import Receiver
from bookpayctl.simulation.roles.reconciler import Reconciler
from bookpayctl.simulation.roles.worker import Worker
from bookpayctl.simulation.settings import KEY_LIFE_SECONDS
from bookpayctl.simulation.store import EARLY
from bookpayctl.simulation.world import World
from runtime.domain.names import TOPICS_OF_GROUP, Service

CLIENT: Final = "client"
DRAIN_SECONDS_MAX: Final = 1800.0
"""After this long without a fault something waits for more than back-off, which takes minutes."""

_LOOK_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended.

    Attributes:
        drained: everything came to rest after the heal.
        broken: what a service raised that nobody expects; None when none did.
    """

    world: World
    drained: bool
    broken: str | None

    @property
    def counts(self) -> Counter[str]:
        return self.world.counts


def play(seed: int, orders: int, decisions: Decisions = RIGHT) -> Ended:
    """Run one seed to rest. The same arguments give the same history, byte for byte."""
    # Nothing here makes circles that matter before the run is over, and collecting costs a tenth.
    was_collecting = gc.isenabled()
    gc.disable()
    try:
        return _play(World(seed, decisions), orders)
    finally:
        if was_collecting:
            gc.enable()


def _play(world: World, orders: int) -> Ended:
    for group, topics in TOPICS_OF_GROUP.items():
        if group is not Service.NOTIFIER:
            world.log.groups[group] = Group(tuple(topic.value for topic in topics))
    fill_shelves(world)
    api = _build(world)
    nemesis = Nemesis(world)
    world.kernel.at(1.0, nemesis.look)
    customers = draw_customers(world, orders)
    client = SimulatedProcess(CLIENT, is_ours=False)
    for at, wanted in customers:
        world.kernel.spawn(client, customer(world, api, wanted), at)
    try:
        world.kernel.run(customers[-1][0] + 2.0)
        nemesis.heal()
        operator = SimulatedProcess("operator", is_ours=False)
        OperatorRole(world, operator)
        world.add(operator)
        drained = _drain(world)
    except Exception:  # noqa: BLE001 - a sabotage may raise anything; the seed is red, not the tool
        return Ended(world, False, traceback.format_exc(limit=-3))
    return Ended(world, drained, None)


def _build(world: World) -> SimulatedProcess:
    """Every service of the stack; the API's process, whose tasks are its clients'."""
    api = SimulatedProcess("orders-service")
    world.add(api)
    for n in (0, 1):
        process = SimulatedProcess(f"outbox-publisher-{n}")
        Publisher(world, process)
        world.add(process)
    for n in (0, 1):
        process = SimulatedProcess(f"payments-worker-{n}")
        Worker(world, process)
        world.add(process)
    for n in (0, 1):
        process = SimulatedProcess(f"orders-consumer-{n}")
        PaymentFollower(world, process)
        world.add(process)
    process = SimulatedProcess("payments-webhook-receiver")
    Receiver(world, process)
    world.add(process)
    # What a record's loss takes away is told again, and only there: where no record is lost, the
    # protocol has to come to rest without it.
    loses = world.swarm["log.skipped"].rate > 0.0
    for n in (0, 1):
        process = SimulatedProcess(f"payments-reconciler-{n}")
        Reconciler(world, process, tells_again=loses)
        world.add(process)
    return api


def _drain(world: World) -> bool:
    """Come to rest; what Stripe has saved a failure for may need the day until it is pruned."""
    if _come_to_rest(world):
        return True
    world.count("a rest that took a day")
    world.store.environment_offset += KEY_LIFE_SECONDS + 3600.0
    return _come_to_rest(world)


def _come_to_rest(world: World) -> bool:
    until = world.now + DRAIN_SECONDS_MAX
    while world.now < until:
        world.kernel.run(world.now + _LOOK_SECONDS)
        if is_at_rest(world):
            # Once more: what was about to be committed, or delivered, is.
            world.kernel.run(world.now + _LOOK_SECONDS)
            if is_at_rest(world):
                return True
    return False


def is_at_rest(world: World) -> bool:
    """Whether nothing is under way and nothing waits."""
    store = world.store
    return (
        not store.unpublished
        and not store.open_payments
        and not store.open_refunds
        and not store.pending_orders
        and not store.table(EARLY)
        and world.under_way == 0
        and world.log.lag() == 0
    )
