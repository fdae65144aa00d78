"""Faults that come by the clock: outages, cuts, rebalances, lost offsets, a day that passes.

Looked for once a second while customers come; what is drawn where it happens is in `World`.
"""

from __future__ import annotations

from bookpayctl.simulation.log import Group
from bookpayctl.simulation.world import World

LOOK_SECONDS = 1.0
LEAP_SECONDS = (23.5 * 3600, 25.0 * 3600, 49.0 * 3600)
"""Around the age at which a key is too old for us, and pruned by Stripe."""


class Nemesis:
    """Looks at a world once a second until it is healed."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.is_over = False

    def look(self) -> None:
        """Let happen what is due, and look again a second later."""
        if self.is_over:
            return
        world, swarm = self.world, self.world.swarm
        outage = swarm["db.outage"]
        if outage.hits():
            world.database_down_until = world.now + outage.rng.uniform(0.5, 12.0)
            world.note("nemesis", "", "the database is away")
        if swarm["db.session_cut"].hits() and world.store.lock_holder is not None:
            # The server has closed the session; the leader finds out when it uses it.
            world.note("nemesis", "", f"the session of {world.store.lock_holder[0]} is cut")
            world.store.lock_holder = None
        outage = swarm["log.outage"]
        if outage.hits():
            world.log_down_until = world.now + outage.rng.uniform(0.5, 12.0)
            world.note("nemesis", "", "the broker is away")
        self._move_groups()
        leap = swarm["clock.leap"]
        if leap.hits():
            world.store.environment_offset += leap.rng.choice(LEAP_SECONDS)
            world.count("a day that passed")
            world.note("nemesis", "", "a day passes")
        world.kernel.at(LOOK_SECONDS, self.look)

    def _move_groups(self) -> None:
        world, swarm = self.world, self.world.swarm
        for name, group in world.log.groups.items():
            if swarm["log.rebalance"].hits():
                group.generation += 1
                world.count("a rebalance")
            rewound = swarm["log.rewound"]
            if rewound.hits():
                self._move(group, back=rewound.rng.randint(1, 40))
                world.note("nemesis", "", f"offsets of {name} are set back")
            skipped = swarm["log.skipped"]
            if skipped.hits():
                self._move(group, back=None)
                world.count("records that were never read")
                world.note("nemesis", "", f"offsets of {name} are set to the end")

    def _move(self, group: Group, *, back: int | None) -> None:
        for place, records in self.world.log.records.items():
            if place[0] in group.topics:
                known = group.committed.get(place, 0)
                group.committed[place] = len(records) if back is None else max(known - back, 0)
        group.generation += 1

    def heal(self) -> None:
        """End every fault, bring every process back, and let nothing else begin."""
        world, self.is_over = self.world, True
        world.swarm.heal()
        world.database_down_until = world.log_down_until = world.halted_until = 0.0
        for process in world.processes.values():
            process.frozen_until = min(process.frozen_until, world.now)
        world.note("nemesis", "", "all is healed")
