"""Faults of a topic whose readers are away: its records, the topic itself or their offsets go.

The readers are stopped first, so that there is something that nobody has read. What was taken out
is owed to the ledger and comes back by the undo (`topic_refill`); that those who wait for it get it
without the undo is what is tested.
"""

from __future__ import annotations

import json
import time
from abc import abstractmethod
from datetime import UTC, datetime
from typing import Final

from bookpayctl.clients.kafka import (
    BrokerError,
    LogReadError,
    Ranges,
    TopicSettings,
    event_ids_in,
    group_exists,
    group_offsets,
    ranges_of,
    topic_settings,
)
from bookpayctl.clients.kafka_servers import KafkaServers
from bookpayctl.clients.kafka_topics import (
    TopicSight,
    delete_group_when_empty,
    delete_records,
    delete_topic,
    make_topic,
    topics_seen,
)
from bookpayctl.faults import undo
from bookpayctl.faults.fault import Fault, FaultError
from bookpayctl.faults.process import TimeAway
from bookpayctl.faults.topic_refill import missing_events
from bookpayctl.report.verdict import Item
from bookpayctl.runs.directory import Run
from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets.target import Target

UNREAD_MIN: Final = 6
"""Records that have to wait before the readers lose them: twice as many as there are partitions."""


class ReadersAway(Fault):
    """The readers of one topic are stopped, something happens to it, and they are started again.

    Args:
        group: their consumer group, which has the name of their service.
        wait_seconds: how long records may take to come.
        stay: they are not stopped; then what they lose unread is a matter of the moment.
    """

    def __init__(
        self, target: Target, run: Run, *, prefix: str, topic: str, group: str,
        wait_seconds: float, stay: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(target, run, prefix=prefix)
        self.topic = topic
        self.group = group
        self.wait_seconds = wait_seconds
        self.stay = stay
        self.window: TimeAway | None = None
        self.unread: frozenset[str] = frozenset()
        self.taken_at: datetime | None = None
        """When it was done; an event of after this is not touched by it."""
        self.committed: dict[tuple[str, int], int] = {}

    def plan_undo(self) -> None:
        """Newest last: processes first, then the topic, then its records, then their letters."""
        environment = self.target.environment
        found = topic_settings(self._servers, [self.topic])
        if not found:
            raise FaultError(f"there is no topic {self.topic}")
        missing = ",".join(sorted(missing_events(environment, self.topic)))
        since = datetime.now(UTC).isoformat()
        self._plan(undo.CLOSE_LETTERS_OF_LOST_RECORDS, topic=self.topic, since=since)
        self._plan(undo.REFILL_TOPIC, topic=self.topic, missing_before=missing)
        self._plan(
            undo.PUT_TOPIC_BACK,
            topic=self.topic,
            partitions=str(found[0].partitions),
            settings=json.dumps(_own_settings(found[0]), sort_keys=True),
        )
        self._plan(undo.PROCESSES_RUNNING)

    def inject(self) -> None:
        """Stop the readers, let records come, do it, and start the readers again."""
        began_at = time.time()
        # A group that does not read has nothing to be behind of, and may not have heard yet of
        # what happened to the broker before.
        first = self._committed()
        wait_until(self._committed, lambda now: now != first, deadline_seconds=self.wait_seconds)
        if not self.stay:
            self.target.stop(self.group)
        try:
            waiting = self._unread_ranges() if self.stay else self._wait_for_unread()
            self.committed = self._committed()
            self.unread = event_ids_in(self._servers, waiting)
            self.take_away(waiting)
        except (BrokerError, LogReadError) as error:
            raise FaultError(f"{self.topic} could not be changed: {error}") from error
        # Harmless where they run.
        self.target.start(self.group)
        self.window = TimeAway(began_at, time.time())
        self.run.journal("taken_away", fault=type(self).__name__, topic=self.topic,
                         unread=len(self.unread))  # fmt: skip

    @abstractmethod
    def take_away(self, unread: Ranges) -> None:
        """Do it; nobody reads meanwhile.

        Args:
            unread: of each partition, what the group has committed and where the log ends.

        Raises:
            BrokerError: the broker refused.
        """

    @property
    def _servers(self) -> KafkaServers:
        return self.target.environment.kafka

    def _wait_for_unread(self) -> Ranges:
        waiting = wait_until(
            self._unread_ranges,
            lambda ranges: _records_in(ranges) >= UNREAD_MIN,
            deadline_seconds=self.wait_seconds,
        )
        if not waiting.reached:
            raise FaultError(
                f"{_records_in(waiting.value)} records of {self.topic} wait for {self.group},"
                f" needed {UNREAD_MIN}; make --rate or --duration larger"
            )
        return waiting.value

    def _unread_ranges(self) -> Ranges:
        ranges = ranges_of(self._servers, [self.topic])
        committed = group_offsets(self._servers, self.group, ranges)
        return {
            where: (max(committed[where] or 0, low), high) for where, (low, high) in ranges.items()
        }

    def _committed(self) -> dict[tuple[str, int], int]:
        """The partitions of which the group has committed anything."""
        places = self._unread_ranges()
        found = group_offsets(self._servers, self.group, places)
        return {where: offset for where, offset in found.items() if offset is not None}


class RecordsDeleted(ReadersAway):
    """Records that nobody has read are deleted, as a retention that is too short does it."""

    def take_away(self, unread: Ranges) -> None:
        delete_records(self._servers, {where: end for where, (_, end) in unread.items()})
        self.taken_at = datetime.now(UTC)
        self._after = ranges_of(self._servers, [self.topic])

    def prove(self, *, deadline_seconds: float) -> list[Item]:
        """By where the broker says that its logs begin."""
        del deadline_seconds  # it was seen before the readers were back
        title = "records were deleted unread"
        required = "a log that begins behind what the group had read of it"
        lost = self.lost_unread()
        if not lost:
            reason = f"no log of {self.topic} begins behind what {self.group} has committed"
            return [self._unproven("records-deleted", title, required, reason)]
        places = tuple(f"{place}: {count} records" for place, count in sorted(lost.items()))
        observed = f"{sum(lost.values())} records of {self.topic} gone before they were read"
        return [self._proven("records-deleted", title, required, observed, len(lost), places)]

    def lost_unread(self) -> dict[str, int]:
        """The partitions of which the group had read a part, and how much it never will."""
        return {
            f"{topic}/{partition}": low - self.committed[topic, partition]
            for (topic, partition), (low, _) in self._after.items()
            if low > self.committed.get((topic, partition), low)
        }


class TopicMadeAgain(ReadersAway):
    """The topic is deleted with what nobody has read, and made again under its name."""

    _before: TopicSight | None = None
    _after: TopicSight | None = None

    def take_away(self, unread: Ranges) -> None:
        del unread  # all of the topic goes
        self._before = topics_seen(self._servers, [self.topic]).get(self.topic)
        (settings,) = topic_settings(self._servers, [self.topic])
        delete_topic(self._servers, self.topic)
        make_topic(
            self._servers,
            self.topic,
            partitions=settings.partitions,
            settings=_own_settings(settings),
        )
        self._after = topics_seen(self._servers, [self.topic]).get(self.topic)
        self.taken_at = datetime.now(UTC)

    def prove(self, *, deadline_seconds: float) -> list[Item]:
        """By the id that the broker gives to every topic."""
        del deadline_seconds  # it was seen before the readers were back
        title, required = "the topic was made again", "another topic id under the same name"
        before, after = self._before, self._after
        if before is None or after is None or before.topic_id == after.topic_id:
            reason = f"{self.topic} was {before}, is {after}"
            return [self._unproven("topic-made-again", title, required, reason)]
        return [
            self._proven(
                "topic-made-again",
                title,
                required,
                f"{self.topic} has another id; {len(self.unread)} records were unread in the old",
                1,
                (f"{before.topic_id} -> {after.topic_id}",),
            )
        ]


class OffsetsDeleted(ReadersAway):
    """All that the group has committed is deleted; it begins where a new one would."""

    _had = 0
    _gone = False

    def plan_undo(self) -> None:
        """No record is touched; a group makes new offsets by reading."""
        self._plan(undo.PROCESSES_RUNNING)

    def take_away(self, unread: Ranges) -> None:
        partitions = list(unread)
        before = group_offsets(self._servers, self.group, partitions)
        self._had = sum(offset is not None for offset in before.values())
        delete_group_when_empty(self._servers, self.group)
        left = group_offsets(self._servers, self.group, partitions)
        self._gone = not group_exists(self._servers, self.group) and not any(left.values())

    def prove(self, *, deadline_seconds: float) -> list[Item]:
        """By what the broker knew of the group before and after."""
        del deadline_seconds  # it was seen before the readers were back
        title = "the group's offsets were gone"
        required = "offsets before, and neither a group nor an offset of it afterwards"
        if not self._had or not self._gone:
            reason = f"{self._had} partitions had an offset, gone: {self._gone}"
            return [self._unproven("offsets-gone", title, required, reason)]
        observed = f"{self._had} partitions of {self.topic} had an offset, then none"
        return [self._proven("offsets-gone", title, required, observed, self._had)]


def _own_settings(topic: TopicSettings) -> dict[str, str]:
    """What the topic is set to beside the broker's defaults."""
    return dict(line.split("=", 1) for line in topic.overrides)


def _records_in(ranges: Ranges) -> int:
    return sum(end - first for first, end in ranges.values())
