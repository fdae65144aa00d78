"""Partitions are added to every topic, which no broker takes back: keys move to other places."""

from __future__ import annotations

import time

from bookpayctl.clients.kafka import BrokerError
from bookpayctl.clients.kafka_topics import TopicSight, grow_topics, topics_seen
from bookpayctl.faults import undo
from bookpayctl.faults.fault import Fault, FaultError
from bookpayctl.faults.process import TimeAway
from bookpayctl.report.verdict import Item
from bookpayctl.targets.environment import Environment
from runtime.domain.names import Topic


class PartitionsAdded(Fault):
    """One more for each topic, so that they stay alike."""

    window: TimeAway | None = None
    before: dict[str, TopicSight]
    after: dict[str, TopicSight]

    def plan_undo(self) -> None:
        """None can be taken away; topics of which some have more are a fault, and are evened."""
        self._plan(undo.EVEN_PARTITIONS)

    def inject(self) -> None:
        servers, began_at = self.target.environment.kafka, time.time()
        try:
            self.before = _seen(self.target.environment)
            grow_topics(
                servers, {name: topic.partitions + 1 for name, topic in self.before.items()}
            )
            self.after = _seen(self.target.environment)
        except BrokerError as error:
            raise FaultError(f"the topics did not grow: {error}") from error
        self.window = TimeAway(began_at, time.time())

    @property
    def added(self) -> dict[str, int]:
        """The number of the partition that each topic has got."""
        return {
            name: topic.partitions
            for name, topic in self.before.items()
            if self.after[name].partitions == topic.partitions + 1
            and self.after[name].topic_id == topic.topic_id
        }

    def prove(self, *, deadline_seconds: float) -> list[Item]:
        """By what the broker says that each topic has."""
        del deadline_seconds  # the broker has answered
        title, required = "partitions were added", "the same topics, each with one partition more"
        if len(self.added) < len(self.before) or not self.added:
            reason = f"{len(self.added)} of {len(self.before)} topics have grown"
            return [self._unproven("partitions-added", title, required, reason)]
        counts = tuple(
            f"{name}: {topic.partitions} -> {self.after[name].partitions}"
            for name, topic in sorted(self.before.items())
        )
        observed = f"{len(self.added)} topics have one more"
        return [self._proven("partitions-added", title, required, observed, len(counts), counts)]


def _seen(environment: Environment) -> dict[str, TopicSight]:
    return topics_seen(environment.kafka, [topic.value for topic in Topic])
