"""kafka-partitions-added: every topic gets one more partition, and keys move, while orders come.

Question: is a record of a new partition read by nobody, or an order's events taken in a wrong
order, now that a later one may be in another partition than an earlier one? Expected: publishers
use the new partitions, groups read them, and everything is paid.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bookpayctl.clients.kafka import group_offsets, ranges_of
from bookpayctl.drill.scenario import Drill, DrillContext, Scenario
from bookpayctl.drills.observing.clients import answers_during
from bookpayctl.faults.partitions import PartitionsAdded
from bookpayctl.report.verdict import Item
from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets.platforms import LOCAL
from runtime.domain.names import TOPICS_OF_GROUP, Service, Topic

ALL: Final = "all-topics"


@dataclass(frozen=True, slots=True)
class NewPartition:
    """One that was added, as one group has it.

    Attributes:
        end: its records so far.
        committed: those that the group has read; None where it has read none.
    """

    group: str
    topic: str
    partition: int
    end: int
    committed: int | None

    @property
    def is_read(self) -> bool:
        return self.end > 0 and (self.committed or 0) >= self.end

    @property
    def words(self) -> str:
        return (
            f"{self.topic}/{self.partition}: {self.end} records, {self.group} at {self.committed}"
        )


class KafkaPartitionsAddedScenario(Scenario):
    def __init__(self, context: DrillContext) -> None:
        super().__init__(context)
        self.added = PartitionsAdded(context.target, context.run, prefix=context.slug)

    @property
    def faults(self) -> tuple[PartitionsAdded]:
        return (self.added,)

    def observe(self) -> list[Item]:
        """What clients saw, and whether the new partitions are written to and read."""
        return [
            *answers_during(self.context, self.added.window, refusing=False),
            self._new_ones_read(),
        ]

    def _new_ones_read(self) -> Item:
        """Waits: a client looks for new partitions now and then, and the load goes on meanwhile."""
        seconds_max = self.context.deadline_seconds
        waited = wait_until(
            self._look,
            is_taken_up,
            deadline_seconds=seconds_max,
            every_seconds=0.5,
        )
        title = "the new partitions are used"
        required = f"each group reads records in new partitions within {seconds_max:.0f} s"
        used = [one for one in waited.value if one.end]
        if not used:
            reason = "no record came into a new partition; make --duration or --rate larger"
            return self.context.unanswered("new-partitions-read", title, required, reason)
        return self.context.judged(
            "new-partitions-read",
            title,
            required,
            f"{sum(one.is_read for one in used)} of {len(used)} that have records are read to their"
            f" end after {waited.seconds:.1f} s",
            good=waited.reached,
            examined=len(used),
            evidence=[one.words for one in used],
            fix="bookpayctl status",
        )

    def _look(self) -> list[NewPartition]:
        servers = self.context.environment.kafka
        ranges = ranges_of(servers, self.added.added)
        found = []
        for group, topics in TOPICS_OF_GROUP.items():
            new = [(topic.value, self.added.added[topic.value]) for topic in topics]
            for (topic, partition), offset in group_offsets(servers, group.value, new).items():
                end = ranges[topic, partition][1]
                found.append(NewPartition(group.value, topic, partition, end, offset))
        return found


def is_taken_up(partitions: list[NewPartition]) -> bool:
    """Whether both sides of an order have moved into new partitions, and nothing there waits."""
    used = {(one.group, one.topic) for one in partitions if one.is_read}
    needed = {
        (Service.WORKER.value, Topic.ORDERS_PLACED.value),
        (Service.ORDERS.value, Topic.PAYMENTS_COMPLETED.value),
    }
    return used >= needed and all(one.is_read for one in partitions if one.end)


DRILL: Final = Drill(
    slug="kafka-partitions-added",
    question="every topic gets one more partition while orders come, and keys move: is a record"
    " read by nobody, or an order's events taken in a wrong order?",
    expected="new partitions are written to and read, every order is paid as before",
    blast_radius="every topic has one partition more, for ever; nobody can take it back",
    points={ALL: "one partition more for each topic, so that they stay alike"},
    scenario=KafkaPartitionsAddedScenario,
    # In a cluster topics are kept by an operator, who has another idea of them.
    platforms=(LOCAL,),
)
