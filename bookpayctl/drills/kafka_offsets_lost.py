"""kafka-offsets-lost: what the worker's group has committed is deleted, and it begins anew.

Question: is anybody charged again for an order whose record is read again? Expected: everything is
read from the beginning, each known order is dropped, and Stripe hears of none of them.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

from bookpayctl.clients.database import reading
from bookpayctl.clients.kafka import ranges_of
from bookpayctl.drill.scenario import Drill, DrillContext, Scenario
from bookpayctl.drills.observing.clients import answers_during
from bookpayctl.faults.topic_loss import OffsetsDeleted
from bookpayctl.judge.readers.stripe import StripeReader
from bookpayctl.report.verdict import Item
from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets.platforms import LOCAL
from bookpayctl.targets.target import processes_of
from runtime.domain.names import FINAL_PAYMENT_STATES, Service, Topic

WORKER: Final = Service.WORKER.value
WORKERS_GROUP: Final = "workers-group"

_CONSUMED: Final = re.compile(
    rf'^bookpay_consumer_records_total{{topic="{Topic.ORDERS_PLACED.value}"}} ([0-9.e+]+)$',
    re.MULTILINE,
)


class KafkaOffsetsLostScenario(Scenario):
    def __init__(self, context: DrillContext) -> None:
        super().__init__(context)
        self.stripe = StripeReader(context.environment)
        self.deleted = OffsetsDeleted(
            context.target,
            context.run,
            prefix=context.slug,
            topic=Topic.ORDERS_PLACED.value,
            group=Service.WORKER.value,
            wait_seconds=context.deadline_seconds,
        )
        self.settled: frozenset[str] = frozenset()
        self.sent_before: Counter[str] = Counter()
        self.records_before = 0

    @property
    def faults(self) -> tuple[OffsetsDeleted]:
        return (self.deleted,)

    def inject(self) -> None:
        """Note first what is settled, and what Stripe was asked for it."""
        self.settled, self.sent_before = self._settled(), self._sent()
        ranges = ranges_of(self.context.environment.kafka, [self.deleted.topic])
        self.records_before = sum(end - first for first, end in ranges.values())
        super().inject()

    def observe(self) -> list[Item]:
        """What clients saw, whether all was read again, and what Stripe heard of it."""
        return [
            *answers_during(self.context, self.deleted.window, refusing=False),
            self._read_again(),
            self._nobody_sent_again(),
        ]

    def _read_again(self) -> Item:
        seconds_max = self.context.deadline_seconds
        waited = wait_until(
            self._consumed,
            lambda count: count >= self.records_before,
            deadline_seconds=seconds_max,
            every_seconds=0.5,
        )
        return self.context.judged(
            "read-again",
            "everything was read again",
            f"the new processes of the worker take {self.records_before} records, which is all of"
            f" before, within {seconds_max:.0f} s",
            f"{waited.value} taken after {waited.seconds:.1f} s",
            good=waited.reached,
            examined=self.records_before,
            fix=f"bookpayctl logs {Service.WORKER.value}",
        )

    def _nobody_sent_again(self) -> Item:
        title, required = "nobody was charged for it", "no request to Stripe for a settled order"
        if not (self.stripe.is_twin or self.stripe.is_tapped):
            reason = "no requests are shown here: only the twin and a recording tap (`up --tap`) do"
            return self.context.unanswered("nothing-sent-again", title, required, reason)
        more = self._sent() - self.sent_before
        again = sorted(key for key in more if key in self.settled)
        return self.context.judged(
            "nothing-sent-again",
            title,
            required,
            f"{len(again)} of {len(self.settled)} settled orders were sent to Stripe again",
            good=not again,
            examined=len(self.settled),
            evidence=[f"{key}: {more[key]} requests more" for key in again[:5]],
            fix="bookpayctl check --only BP-C006",
        )

    def _consumed(self) -> int:
        """How many records the workers' processes have taken since they were started."""
        target = self.context.target
        pages = (target.ask(name, "/metrics").text for name in processes_of(target, WORKER))
        return sum(int(float(count)) for page in pages for count in _CONSUMED.findall(page))

    def _sent(self) -> Counter[str]:
        if not (self.stripe.is_twin or self.stripe.is_tapped):
            return Counter()
        rows = self.stripe.requests(method="POST")
        return Counter(str(row["idempotency_key"]) for row in rows)

    def _settled(self) -> frozenset[str]:
        with reading(self.context.environment.dsn) as conn:
            rows = conn.execute(
                "SELECT event_id::text FROM payments WHERE state = ANY (%s)",
                ([state.value for state in FINAL_PAYMENT_STATES],),
            ).fetchall()
        return frozenset(event_id for (event_id,) in rows)


DRILL: Final = Drill(
    slug="kafka-offsets-lost",
    question="the worker's consumer group loses all its offsets: is anybody charged again for an"
    " order that is read again?",
    expected="all is read from the beginning, 0 new requests to Stripe for what was settled",
    blast_radius=f"the offsets of group {WORKER}; nobody charges for some seconds meanwhile",
    points={WORKERS_GROUP: f"group {WORKER} is deleted while the worker is stopped"},
    scenario=KafkaOffsetsLostScenario,
    # In a cluster an account may read with a group without being allowed to delete it.
    platforms=(LOCAL,),
)
