"""kafka-topic-recreated: orders.placed is deleted and made again while orders come.

Question: does anybody take the old topic's offsets for the new one's, and is an order lost that was
in the old one alone? Expected: the new topic is read from its first record, and what went with the
old one unread is published again from the outbox.

Before the orders come the broker is killed and comes back: it then counts its leaders on, and the
new topic's count begins below what clients have seen. A client that lives through that may read
nothing more, which a broker that was never restarted does not show.
"""

from __future__ import annotations

from typing import Final

from bookpayctl.drill.scenario import Drill, DrillContext, Scenario
from bookpayctl.drills.observing.clients import answers_during
from bookpayctl.drills.observing.lost_events import gap_refilled, marked_ones_in_log
from bookpayctl.faults.fault import FaultError
from bookpayctl.faults.process import wait_for_successor
from bookpayctl.faults.topic_loss import TopicMadeAgain
from bookpayctl.report.verdict import Item
from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets.platforms import LOCAL
from bookpayctl.targets.readiness import kafka_answers
from runtime.domain.names import Service, Topic

WORKER_THERE, WORKER_AWAY = "worker-there", "worker-away"
BROKER: Final = "kafka"


class KafkaTopicRecreatedScenario(Scenario):
    def __init__(self, context: DrillContext) -> None:
        super().__init__(context)
        self.made_again = TopicMadeAgain(
            context.target,
            context.run,
            prefix=context.slug,
            topic=Topic.ORDERS_PLACED.value,
            group=Service.WORKER.value,
            wait_seconds=context.deadline_seconds,
            stay=context.request.point == WORKER_THERE,
        )

    @property
    def faults(self) -> tuple[TopicMadeAgain]:
        return (self.made_again,)

    def prepare(self) -> None:
        """Restart the broker; that it runs was promised with the fault."""
        target, context = self.context.target, self.context
        killed = target.kill(BROKER)
        if killed is None:
            raise FaultError("the broker does not run, so it cannot be restarted")
        context.run.journal("killed", process=BROKER, incarnation=killed)
        seconds = context.deadline_seconds
        again = wait_for_successor(
            lambda: target.processes().get(BROKER), killed, deadline_seconds=seconds
        )
        servers = context.environment.kafka_bootstrap_servers
        answers = wait_until(lambda: kafka_answers(servers), bool, deadline_seconds=seconds)
        if not (again.reached and answers.reached):
            raise FaultError(f"the broker was killed and is not back after {seconds:.0f} s")

    def observe(self) -> list[Item]:
        """What clients saw, and what came again."""
        fault = self.made_again
        taken_at = fault.taken_at
        if taken_at is None:
            raise LookupError("the topic was not made again")
        away = self.context.request.point == WORKER_AWAY
        return [
            *answers_during(self.context, fault.window, refusing=False),
            *gap_refilled(self.context, fault.unread, taken_at, nobody_read=away),
            marked_ones_in_log(self.context, [fault.topic], taken_at),
        ]


DRILL: Final = Drill(
    slug="kafka-topic-recreated",
    question="orders.placed is deleted and made again while orders come: is an order lost, or"
    " skipped because the old topic's offsets are taken for the new one's?",
    expected="the new topic is read from its beginning, gaps come from the outbox, all is paid",
    blast_radius=f"topic {Topic.ORDERS_PLACED.value} with all its records, which are published"
    " again from the outbox. Nobody charges while the worker is stopped, and lost orders wait for a"
    " webhook window",
    points={
        WORKER_THERE: "the worker reads on, and nobody tells it",
        WORKER_AWAY: "the worker is stopped meanwhile, and what it has not read is gone",
    },
    publisher_points=frozenset({WORKER_THERE, WORKER_AWAY}),
    scenario=KafkaTopicRecreatedScenario,
    # In a cluster topics are kept by an operator, who has another idea of them.
    platforms=(LOCAL,),
)
