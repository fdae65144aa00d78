"""The loop of every consumer: `runtime/adapters/consumer_loop.py`.

Poll, work, and only then commit the offsets; what failed comes again.
"""

from __future__ import annotations

from collections.abc import Callable

from bookpayctl.simulation.kernel import SimulatedProcess, Task
from bookpayctl.simulation.log import Consumer, SimulatedRecord
from bookpayctl.simulation.settings import POLL_BATCH, SESSION_TIMEOUT_SECONDS
from bookpayctl.simulation.store import UnavailableError
from bookpayctl.simulation.world import World

IDLE_SECONDS_MAX = 1.0


def consume(
    world: World,
    process: SimulatedProcess,
    group: str,
    handle: Callable[[list[SimulatedRecord]], None],
) -> Task:
    """One member of a group, for the life of this incarnation."""
    consumer = Consumer(world.log, group, process.name)
    wait = 0.02
    while True:
        records = [] if world.log_down_until > world.now else consumer.poll(POLL_BATCH)
        if not records:
            yield wait
            wait = min(wait * 1.5, IDLE_SECONDS_MAX)
            continue
        wait = 0.02
        if not world.decisions.offset_after_effect:
            consumer.commit(records)
        yield world.net.uniform(0.001, 0.01)
        try:
            handle(records)
        except UnavailableError:
            consumer.rewind()
            yield 0.2
            continue
        # Offsets follow a few times a second; until then the records may come again.
        yield world.net.uniform(0.005, 0.2)
        if world.decisions.offset_after_effect and not consumer.commit(records):
            world.count("offsets that were refused")


def leave_when_silent(world: World, process: SimulatedProcess, group: str) -> None:
    """A member that died is taken for dead after the session time-out, unless it is back."""
    incarnation = process.incarnation

    def look() -> None:
        if process.incarnation == incarnation and process.is_down:
            world.log.leave(group, process.name)

    world.kernel.at(SESSION_TIMEOUT_SECONDS, look)
