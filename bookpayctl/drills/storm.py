"""storm: faults of many kinds by a schedule that a seed has drawn, one over another, under load.

Question: is there any sequence of faults that loses an order, charges one twice, or leaves one
hanging? Expected: none; and when all is healed, one process of each service alone brings every
order to its end. What is struck when is known before the run (`--plan`), kept in its journal, and
runs again just so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from bookpayctl.clients.database import reading
from bookpayctl.clients.orders_api import Outcome
from bookpayctl.drill.scenario import EVIDENCE_MAX, Drill, DrillContext, DrillRequest, Scenario
from bookpayctl.drill.unrest import what_keeps_it
from bookpayctl.drills.observing.group_watch import GroupWatch
from bookpayctl.drills.observing.heard_webhooks import database_now
from bookpayctl.drills.observing.sightings import (
    SEEN_EVENT,
    failpoints_item,
    failpoints_reached,
    leases_lost,
    lines_since,
    sightings_of_books,
    sightings_of_clients,
    sightings_of_logs,
    sometimes_items,
)
from bookpayctl.drills.observing.storm_recovery import recovery_items
from bookpayctl.faults.stripe import why_stripe_cannot_err
from bookpayctl.judge import quiescence
from bookpayctl.judge.rows import ClientOperation
from bookpayctl.load.history import read_history
from bookpayctl.load.plan import OrderKind
from bookpayctl.report.verdict import Item
from bookpayctl.storm.fault import Storm
from bookpayctl.storm.kinds import KNOWN_POINTS, StormProfile
from bookpayctl.storm.schedule import Schedule, draw_schedule, roles_of
from bookpayctl.targets.platforms import LOCAL, open_target
from bookpayctl.targets.target import Target
from runtime.domain.names import OrderStatus, Service

FAULTS_PER_MINUTE: Final = 10.0

_UNKNOWN: Final = Outcome.UNKNOWN.value

CORE_SECONDS_MAX: Final = 180.0
"""One process of each service has so long to bring everything to its end.

Source: Vortex of TigerBeetle arms the same rule while its faults are few enough.
"""


@dataclass(frozen=True, slots=True)
class Weather:
    """What a storm is drawn with.

    Attributes:
        schedule: one that was drawn before, which is run as it is; None to draw one.
    """

    faults_per_minute: float = FAULTS_PER_MINUTE
    schedule: Schedule | None = None

    def schedule_of(self, request: DrillRequest) -> Schedule:
        """What such a run does.

        Raises:
            TargetError: one has to be drawn, and nobody says for which processes.
        """
        if self.schedule is not None:
            return self.schedule
        return draw_schedule(
            request.seed,
            duration_seconds=request.duration_seconds,
            rate_per_second=request.rate_per_second,
            faults_per_minute=self.faults_per_minute,
            profile=StormProfile(request.point),
            processes=processes_by_service(open_target(request.environment)),
        )


class StormScenario(Scenario):
    mix = {OrderKind.OK: 8, OrderKind.DECLINED: 2}
    clients_ask_again = True
    observes_anyway = True

    def __init__(self, context: DrillContext, weather: Weather) -> None:
        super().__init__(context)
        self._before, self._since = context.target.mark(), database_now(context)
        self._group = GroupWatch(context.environment, Service.WORKER.value)
        self.storm = Storm(
            context.target,
            context.run,
            prefix=context.slug,
            schedule=weather.schedule_of(context.request),
            observe=context.observe,
        )

    @property
    def faults(self) -> tuple[Storm]:
        return (self.storm,)

    def inject(self) -> None:
        """The storm, while the workers' group is watched."""
        self._group.start()
        try:
            super().inject()
        finally:
            self._group.stop()

    def observe(self) -> list[Item]:
        """Whether a core alone drains it, what became of calls without answers, what was seen."""
        return [
            self._drained_by_core(),
            self._unknowns_resolved(),
            *recovery_items(self.context, self.storm.spans),
            *self._sometimes(),
        ]

    def _leave_core(self) -> list[str]:
        """Leave one process of each service to the rest of the load; the names of the others.

        They run again when the storm is undone. An order that is on its way as somebody asks is no
        order that hangs, so all have to be there first.
        """
        context = self.context
        others = [
            name
            for names in processes_by_service(context.target).values()
            for role in roles_of(names)
            for name in role[1:]
        ]
        for name in others:
            context.target.stop(name)
        context.run.journal("core_left", stopped=others)
        context.observe("one process of each service is left to bring everything to its end")
        self.finish_load()
        return others

    def _drained_by_core(self) -> Item:
        context, others = self.context, self._leave_core()
        waited = quiescence.wait_until_quiescent(
            context.environment, deadline_seconds=CORE_SECONDS_MAX
        )
        return context.judged(
            "core-drained",
            "a core alone brought everything to its end",
            f"nothing in motion within {CORE_SECONDS_MAX:.0f} s with {len(others)} processes away",
            f"after {waited.seconds:.1f} s: {waited.value.sentence()}",
            good=waited.reached,
            examined=1,
            evidence=() if waited.reached else what_keeps_it(context.target),
            fix="bookpayctl audit",
        )

    def _unknowns_resolved(self) -> Item:
        """What clients were never told is known now: there is an order that has ended, or none."""
        keys = [one.client_key for one in self._operations() if one.outcome == _UNKNOWN]
        found = self._status_by_key(keys)
        ends = Counter(found.get(key, "no order") for key in keys)
        told = ", ".join(f"{n} {end}" for end, n in sorted(ends.items()))
        hanging = [key for key in keys if found.get(key) == OrderStatus.PENDING.value]
        return self.context.judged(
            "unknowns-resolved",
            "what no client was told is known",
            "each call without an answer left an order that has ended, or none",
            f"{len(keys)} without an answer: {told}" if keys else "every client was told",
            good=not hanging,
            examined=len(keys),
            evidence=hanging[:EVIDENCE_MAX],
        )

    def _sometimes(self) -> list[Item]:
        context, operations = self.context, self._operations()
        known = self._status_by_key([one.client_key for one in operations])
        lost = leases_lost(context, self._since)
        seen = sightings_of_logs(lines_since(context, self._before), lost)
        seen += sightings_of_books(context, self._since)
        seen += sightings_of_clients(operations, known)
        seen["rebalanced-in-charge"] = self._group.during_charges
        reached = failpoints_reached(context)
        context.run.journal(SEEN_EVENT, orders=len(operations), counts=seen, failpoints=reached)
        return [failpoints_item(context, reached, KNOWN_POINTS), *sometimes_items(context, seen)]

    def _operations(self) -> Sequence[ClientOperation]:
        with self.context.run.history_path.open(encoding="utf-8") as lines:
            return read_history(lines).operations

    def _status_by_key(self, keys: list[str]) -> dict[str, str]:
        with reading(self.context.environment.dsn) as conn:
            rows = conn.execute(
                "SELECT client_key, status FROM orders WHERE tenant_id = %s"
                " AND client_key = ANY (%s)",
                (self.context.environment.tenant_id, keys),
            ).fetchall()
        return {str(key): str(status) for key, status in rows}


def processes_by_service(target: Target) -> Mapping[str, list[str]]:
    """Names of the processes of each service and server that there are now, in their order.

    Raises:
        TargetError: nobody could say.
    """
    found: dict[str, list[str]] = {}
    for process in target.processes().values():
        found.setdefault(process.service, []).append(process.name)
    return found


def storm_drill(weather: Weather) -> Drill:
    """The drill for one weather."""
    scenario: Callable[[DrillContext], Scenario] = partial(StormScenario, weather=weather)
    return Drill(
        slug="storm",
        question="many faults, one over another: is there a sequence of them that loses an order,"
        " charges one twice, or leaves one hanging?",
        expected="every fault proven, everything drained by one process of each service, nothing"
        " lost and nothing doubled",
        blast_radius="every part of this environment, again and again, for as long as it lasts",
        points={
            StormProfile.EVERYTHING: "faults of every kind",
            StormProfile.PROCESSES: "processes that die, freeze, are away, or fail in a step",
            StormProfile.SERVERS: "PostgreSQL, Kafka and Stripe die or are away",
            StormProfile.STRIPE: "Stripe's answers and webhooks",
        },
        # Its faults strike publishers of ours, and its expectations count on them.
        publisher_points=frozenset(StormProfile),
        scenario=scenario,
        platforms=(LOCAL,),
        why_not=why_stripe_cannot_err,
    )


DRILL: Final = storm_drill(Weather())
