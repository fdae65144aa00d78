"""postgres-failover: PostgreSQL's primary is taken away for good while orders keep coming.

Question: does an acknowledged order survive that its database moves to another machine, and is
nobody charged for one that did not? Expected: another instance is promoted, every order that a
client was told of is there, and orders are accepted again by themselves. Only where an operator
keeps PostgreSQL with a standby; with asynchronous replication the answer may be no.
"""

from __future__ import annotations

from typing import Final

from bookpayctl.drill.scenario import Drill, DrillContext, Scenario
from bookpayctl.drills.observing.clients import answers_during
from bookpayctl.drills.observing.noise import said_once
from bookpayctl.drills.observing.recovery import accepted_again
from bookpayctl.faults.failover import PrimaryDeleted
from bookpayctl.faults.undo import POSTGRES_WHOLE_SECONDS_MAX
from bookpayctl.report.verdict import Item
from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets.cluster_target import ClusterAct, PostgresInstances
from bookpayctl.targets.platforms import CLUSTERS, cluster_of
from bookpayctl.targets.target import Target

AT_ONCE, IN_ORDER = "at-once", "in-order"

# CloudNativePG's own: its stopDelay, which is how long it gives a primary that is told to end.
GRACE_SECONDS: Final = {AT_ONCE: 0, IN_ORDER: 1800}


ACCEPTED_AGAIN_SECONDS_MAX: Final = 60.0
"""What a stack may be without its database; a longer --timeout allows more."""


class PostgresFailoverScenario(Scenario):
    def __init__(self, context: DrillContext) -> None:
        super().__init__(context)
        self.before = context.target.mark()
        self.deleted = PrimaryDeleted(
            context.cluster,
            context.run,
            prefix=context.slug,
            grace_seconds=GRACE_SECONDS[context.request.point],
            seconds_max=context.deadline_seconds,
        )

    @property
    def _accepted_within(self) -> float:
        return max(self.context.deadline_seconds, ACCEPTED_AGAIN_SECONDS_MAX)

    @property
    def faults(self) -> tuple[PrimaryDeleted]:
        return (self.deleted,)

    def observe(self) -> list[Item]:
        """What clients and logs saw of it, how soon it was over, and whether all are back."""
        window = self.deleted.window
        if window is None:
            raise LookupError("no primary was deleted")
        return [
            *answers_during(self.context, window, refusing=True),
            accepted_again(self.context, window.began_at, seconds_max=self._accepted_within),
            self._whole_again(),
            said_once(self.context, self.before, noticed=True),
        ]

    def _whole_again(self) -> Item:
        """The instance that was the primary follows the new one."""
        waited = wait_until(
            self.deleted.now,
            lambda now: now is not None and now.ready == now.instances,
            deadline_seconds=POSTGRES_WHOLE_SECONDS_MAX,
        )
        now = waited.value
        seen = "the operator could not be asked"
        if now is not None:
            seen = (
                f"{now.ready} of {now.instances} ready after {waited.seconds:.1f} s,"
                f" {now.synchronous} other must have a commit before it is acknowledged"
            )
        return self.context.judged(
            "whole-again",
            "every instance was back",
            f"as many ready as there are to be, within {POSTGRES_WHOLE_SECONDS_MAX:.0f} s",
            seen,
            good=waited.reached,
            examined=0 if now is None else now.instances,
            fix="kubectl get clusters.postgresql.cnpg.io -A",
        )


def why_not(target: Target) -> str | None:
    """Why nobody would take over here; None where somebody would."""
    cluster = cluster_of(target)
    return why_nobody_takes_over(None if cluster is None else cluster.postgres_instances())


def why_nobody_takes_over(instances: PostgresInstances | None) -> str | None:
    """The same, of what the operator says. Pure."""
    if instances is None:
        return (
            "no operator keeps PostgreSQL here, so nobody would take over; the drill is for stacks"
            " with components/cnpg"
        )
    if instances.instances < 2:
        return (
            f"{instances.keeper} has {instances.instances} instance, so nobody would take over;"
            " overlays/prod has three"
        )
    return None


DRILL: Final = Drill(
    slug="postgres-failover",
    question="PostgreSQL's primary is lost under load: is every acknowledged order still there,"
    " nobody charged without one, and are orders accepted again by themselves?",
    expected="another primary, a later timeline, nothing lost, nothing doubled",
    blast_radius="the primary instance of PostgreSQL, once; orders are refused until another is",
    points={
        AT_ONCE: "its pod is deleted without a chance to end in order, as with its machine",
        IN_ORDER: "its pod is told to end, as by whoever empties its machine",
    },
    scenario=PostgresFailoverScenario,
    platforms=CLUSTERS,
    acts=(ClusterAct.DELETE,),
    why_not=why_not,
)
