"""Readiness of a consumer: in its group, with its partitions, and moving while there is work.

A thread of its own asks the broker every few seconds and compares it with what the loop has done.
It also finds two things that no consumer is told: a topic that was made again under its old name,
and records that were deleted before they were read. Both are handed to the loop.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from confluent_kafka import KafkaException

from runtime.adapters.kafka_admin import GroupAdmin
from runtime.adapters.kafka_progress import Loss, Progress
from runtime.domain.group import (
    ABSENT_SECONDS_MAX,
    LOST_SECONDS_MAX,
    BrokerSight,
    OwnSight,
    Place,
    Standstill,
    records_lost,
    standstills,
    what_is_lost,
    what_is_missing,
)
from runtime.lifecycle import Lifecycle

logger = logging.getLogger(__name__)

CHECK: Final = "consumer"
"""The name of the condition in /readyz."""

LOOK_SECONDS: Final = 5.0

FIRST_LOOKS_SECONDS: Final = 0.1
"""Until it was ready once: a start is waited for."""


@dataclass(slots=True)
class GroupWatch:
    """Watches one member of one group."""

    lifecycle: Lifecycle
    admin: GroupAdmin
    topics: Sequence[str]
    client_id: str
    progress: Progress
    _waiting: dict[Place, Standstill] = field(default_factory=dict)
    _well_at: float | None = None
    _said: bool = False
    _lost_since: float | None = None

    def start(self) -> None:
        """Begin to watch, from a daemon thread, until the process stops."""
        self.lifecycle.readiness.expect(CHECK)
        threading.Thread(target=self._run, name="group-watch", daemon=True).start()

    def _run(self) -> None:
        wait_seconds = 0.0
        while not self.lifecycle.stop.wait(wait_seconds):
            self.look()
            wait_seconds = LOOK_SECONDS if self._well_at is not None else FIRST_LOOKS_SECONDS

    def look(self) -> None:
        """Ask once, and say whether the consumer does its part."""
        try:
            broker, ids = self.admin.look(self.topics)
        except KafkaException as error:
            # What is away is no client's fault.
            self._lost_since = None
            self._tell([f"Kafka did not say how its group is: {error.args[0].str()}"])
            return
        self.admin.poll()
        self.progress.compare_topics(ids)
        self._find_losses(broker)
        now = time.monotonic()
        own = OwnSight(
            self.topics,
            self.client_id,
            self.progress.positions(),
            self.progress.round_seconds(),
            self.progress.idle_seconds(),
        )
        self._waiting = standstills(broker, own, self._waiting, now)
        self._tell(what_is_missing(broker, own, self._waiting, now))
        self._give_up_if_lost(what_is_lost(broker, own, self._waiting, now), now)

    def _give_up_if_lost(self, lost: Sequence[str], now: float) -> None:
        """Give the client up once it has been lost in every look of a minute."""
        if not lost:
            self._lost_since = None
        elif self._lost_since is None:
            self._lost_since = now
        elif now - self._lost_since > LOST_SECONDS_MAX:
            self.progress.give_up(lost)

    def _find_losses(self, broker: BrokerSight) -> None:
        for gap in self.progress.take_gaps():
            lost = records_lost(gap, broker.starts.get(gap.place, 0))
            if lost:
                self.progress.lose(Loss(gap.place, gap.begin, lost))

    def _tell(self, missing: Sequence[str]) -> None:
        """Set readiness; a rebalance or a slow moment is no news, a start is ready when it is."""
        now, readiness = time.monotonic(), self.lifecycle.readiness
        if not missing:
            # Twice as long as it may be absent: a watch that hangs is found out, too.
            readiness.set(CHECK, True, within_seconds=2 * ABSENT_SECONDS_MAX)
            if self._said:
                logger.info("this consumer does its part again")
            self._well_at, self._said = now, False
        elif self._well_at is None or now - self._well_at > ABSENT_SECONDS_MAX:
            readiness.set(CHECK, False, "; ".join(missing))
            # Once at the start nothing is wrong yet.
            if self._well_at is not None and not self._said:
                logger.error("this consumer does not do its part", extra={"reason": missing})
                self._said = True
