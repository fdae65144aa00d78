"""A fault of the log: records that are in it already are produced again, just as they are.

As a producer does that never heard of its acknowledgement. Nothing can be taken back, and nothing
needs to be: at least once is what the topics promise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from typing import Final

from bookpayctl.clients.kafka import LogReadError, Ranges, open_consumer, ranges_of
from bookpayctl.clients.kafka_log import batches_between
from bookpayctl.clients.kafka_producer import (
    DeliveryError,
    RecordToSend,
    as_sent,
    open_producer,
    send_all,
)
from bookpayctl.faults import undo
from bookpayctl.faults.fault import Fault, FaultError
from bookpayctl.report.verdict import Item
from bookpayctl.runs.directory import Run
from bookpayctl.targets.target import Target
from runtime.domain.names import Header

_EVENT_ID: Final = Header.EVENT_ID.value


class RecordsAgain(Fault):
    """All records of some topics since this was made, each sent again so many times.

    Args:
        times: how often each is there afterwards, the first included.
    """

    def __init__(
        self, target: Target, run: Run, *, prefix: str, topics: Sequence[str], times: int
    ) -> None:
        super().__init__(target, run, prefix=prefix)
        self.topics = tuple(topics)
        self.times = times
        self._begin = self._ranges()
        self._before: Counter[tuple[str, str]] = Counter()

    def plan_undo(self) -> None:
        """A record that ends its reader would leave a process behind that does not run."""
        self._plan(undo.PROCESSES_RUNNING)

    def inject(self) -> None:
        records = self._since_begin()
        self._before = _counted(records)
        again = [record for record in records for _ in range(self.times - 1)]
        producer = open_producer(self.target.environment.kafka, f"{self.run.run_id}-again")
        try:
            send_all(producer, again)
        except DeliveryError as error:
            raise FaultError(f"records sent again: {error}") from error
        self.run.journal("produced_again", records=len(records), times=self.times)

    def prove(self, *, deadline_seconds: float) -> list[Item]:
        """Count them where Kafka keeps them."""
        del deadline_seconds  # whatever was acknowledged is there
        title = "the records are there several times"
        required = f"each of the load's records until then {self.times} times in its topic"
        try:
            now = _counted(self._since_begin())
        except LogReadError as error:
            return [self._unproven("records-again", title, required, str(error))]
        few = [which for which in self._before if now[which] < self.times]
        if few or not self._before:
            reason = f"{len(few)} of {len(self._before)} are there less often"
            return [self._unproven("records-again", title, required, reason)]
        kinds = Counter(topic for topic, _ in self._before)
        observed = ", ".join(f"{count} of {topic}" for topic, count in sorted(kinds.items()))
        return [self._proven("records-again", title, required, observed, len(self._before))]

    def _ranges(self) -> Ranges:
        return ranges_of(self.target.environment.kafka, self.topics)

    def _since_begin(self) -> list[RecordToSend]:
        ends = self._ranges()
        ranges = {
            where: (self._begin.get(where, (0, 0))[1], end) for where, (_, end) in ends.items()
        }
        with closing(open_consumer(self.target.environment.kafka)) as consumer:
            batches = [batch for batch, _ in batches_between(consumer, ranges)]
        return [as_sent(message) for batch in batches for message in batch]


def _counted(records: Sequence[RecordToSend]) -> Counter[tuple[str, str]]:
    """How often each event is in each topic."""
    return Counter(
        (record.topic, dict(record.headers).get(_EVENT_ID, b"").decode()) for record in records
    )
