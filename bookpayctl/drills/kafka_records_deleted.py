"""kafka-records-deleted: records are deleted before anybody has read them, as by a short retention.

Question: is an order lost whose event is gone from the topic? Expected: the worker says what it
never saw, the reconciler has those events published again from the outbox, and all is paid. What
the drill deleted is put back by its undo, from the outbox, too; by then nobody waits for it.
"""

from __future__ import annotations

from typing import Final

from bookpayctl.clients.database import reading
from bookpayctl.drill.scenario import Drill, DrillContext, Scenario
from bookpayctl.drills.observing.clients import answers_during
from bookpayctl.drills.observing.lost_events import gap_refilled, marked_ones_in_log
from bookpayctl.faults.topic_loss import RecordsDeleted
from bookpayctl.faults.topic_refill import RECORDS_LOST
from bookpayctl.report.verdict import Item
from bookpayctl.targets.platforms import LOCAL
from runtime.domain.names import Service, Topic

WORKER_AWAY: Final = "worker-away"


class KafkaRecordsDeletedScenario(Scenario):
    def __init__(self, context: DrillContext) -> None:
        super().__init__(context)
        self.deleted = RecordsDeleted(
            context.target,
            context.run,
            prefix=context.slug,
            topic=Topic.ORDERS_PLACED.value,
            group=Service.WORKER.value,
            wait_seconds=context.deadline_seconds,
        )

    @property
    def faults(self) -> tuple[RecordsDeleted]:
        return (self.deleted,)

    def observe(self) -> list[Item]:
        """What clients saw, what came again, and whether the worker said what it never saw."""
        taken_at, fault = self.deleted.taken_at, self.deleted
        if taken_at is None:
            raise LookupError("nothing was deleted")
        return [
            *answers_during(self.context, fault.window, refusing=False),
            *gap_refilled(self.context, fault.unread, taken_at, nobody_read=True),
            marked_ones_in_log(self.context, [fault.topic], taken_at),
            self._loss_noted(),
        ]

    def _loss_noted(self) -> Item:
        """The worker's dead letters of records that it was too late for."""
        fault = self.deleted
        lost = fault.lost_unread()
        with reading(self.context.environment.dsn) as conn:
            rows = conn.execute(
                "SELECT source_partition, source_offset, payload FROM dead_letters"
                " WHERE reason = %s AND source_topic = %s AND created_at > %s",
                (RECORDS_LOST, fault.topic, fault.taken_at),
            ).fetchall()
        noted = {f"{fault.topic}/{partition}" for partition, _, _ in rows}
        return self.context.judged(
            "loss-noted",
            "the loss was written down",
            f"a dead letter {RECORDS_LOST} for each partition that lost records unread",
            f"{len(rows)} dead letters for {len(noted)} of {len(lost)} partitions",
            good=noted >= set(lost),
            examined=len(lost),
            evidence=[f"{fault.topic}/{n}@{at}: {bytes(said or b'')!r}" for n, at, said in rows],
            fix="bookpayctl dlq list",
        )


DRILL: Final = Drill(
    slug="kafka-records-deleted",
    question="records of orders.placed are deleted before the worker has read them: is an order"
    " lost with them?",
    expected="the loss is said, the events are published again from the outbox, all orders paid",
    blast_radius=f"every record of {Topic.ORDERS_PLACED.value} up to then; they are published again"
    " from the outbox. Nobody charges while the worker is stopped, and the lost orders wait for a"
    " webhook window",
    points={WORKER_AWAY: "the worker is stopped, and the log is cut behind what it has not read"},
    publisher_points=frozenset({WORKER_AWAY}),
    scenario=KafkaRecordsDeletedScenario,
    # In a cluster topics are kept by an operator, who has another idea of them.
    platforms=(LOCAL,),
)
