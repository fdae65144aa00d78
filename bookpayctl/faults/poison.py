"""A fault of a topic: records that no consumer can read, put between those of the shop.

Each is announced in the journal before it is sent and told with its place when Kafka has it, so
that the judge knows every one of them (I28), also one whose acknowledgement never came. Nothing can
be taken back: what is read past becomes a dead letter, and stays one until a person closes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from bookpayctl.clients.kafka import LogReadError, LogRecord, open_consumer, records_between
from bookpayctl.clients.kafka_producer import (
    DeliveryError,
    RecordToSend,
    open_producer,
    send_all,
)
from bookpayctl.faults import undo
from bookpayctl.faults.fault import Fault, FaultError
from bookpayctl.report.verdict import Item
from bookpayctl.runs.directory import Run
from bookpayctl.targets.target import Target
from runtime.domain.names import Header

ANNOUNCED: Final = "poisoning"
ACKNOWLEDGED: Final = "poisoned"
"""Lines of a run's journal, as I28 knows them."""


@dataclass(frozen=True, slots=True)
class SentPoison:
    """One record that Kafka has acknowledged, and where it is."""

    event_id: str
    topic: str
    partition: int
    offset: int

    @property
    def place(self) -> str:
        return f"{self.topic}/{self.partition}@{self.offset}"


class PoisonSent(Fault):
    """So many records of one kind, each under an event id of its own.

    Args:
        kind: how the record is spoilt, in a word.
        value: what all of them say.
    """

    def __init__(
        self, target: Target, run: Run, *, prefix: str, topic: str, kind: str, value: bytes,
        count: int,
    ) -> None:  # fmt: skip
        super().__init__(target, run, prefix=prefix)
        self.topic = topic
        self.kind = kind
        self.value = value
        self.count = count
        self.sent: list[SentPoison] = []

    def plan_undo(self) -> None:
        """A record that ends its reader would leave a process behind that does not run."""
        self._plan(undo.PROCESSES_RUNNING)

    def inject(self) -> None:
        """Send them one after another, each written down before it can be in the log."""
        producer = open_producer(self.target.environment.kafka, f"{self.run.run_id}-poison")
        for _ in range(self.count):
            event_id = str(uuid4())
            # As a probe it explains its dead letter, and is no event that somebody invented.
            self.run.probe("event", event_id)
            named = {"fault": self.kind, "topic": self.topic, "event_id": event_id}
            self.run.journal(ANNOUNCED, **named)
            record = RecordToSend(
                *(self.topic, event_id.encode(), self.value),
                ((Header.EVENT_ID.value, event_id.encode()),),
            )
            try:
                places = send_all(producer, [record])
            except DeliveryError as error:
                raise FaultError(f"poison {event_id} for {self.topic}: {error}") from error
            ((topic, partition), (offset, _)) = next(iter(places.items()))
            self.sent.append(SentPoison(event_id, topic, partition, offset))
            self.run.journal(ACKNOWLEDGED, **named, partition=partition, offset=offset)

    def prove(self, *, deadline_seconds: float) -> list[Item]:
        """Read them back where Kafka said that they are."""
        title = "poison is in the topic"
        required = f"{self.count} injected records read back from {self.topic}"
        try:
            found = [self._read_back(one, deadline_seconds) for one in self.sent]
        except LogReadError as error:
            return [self._unproven("poison-in-log", title, required, str(error))]
        others = [
            f"{one.place} holds {record.event_id if record else 'nothing'}"
            for one, record in zip(self.sent, found, strict=True)
            if record is None or record.event_id != one.event_id
        ]
        if others or len(found) < self.count:
            reason = "; ".join(others) or f"only {len(found)} of {self.count} were acknowledged"
            return [self._unproven("poison-in-log", title, required, reason)]
        places = tuple(f"{one.place}: {one.event_id}" for one in self.sent)
        partitions = len({one.partition for one in self.sent})
        observed = f"{len(found)} records of {self.kind} in {partitions} partitions"
        return [self._proven("poison-in-log", title, required, observed, len(found), places)]

    def _read_back(self, one: SentPoison, deadline_seconds: float) -> LogRecord | None:
        consumer = open_consumer(self.target.environment.kafka)
        where = {(one.topic, one.partition): (one.offset, one.offset + 1)}
        try:
            return next(records_between(consumer, where, deadline_seconds=deadline_seconds), None)
        finally:
            consumer.close()
