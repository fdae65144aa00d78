"""What became of poison: whether its partition went on, and whether its dead letter came first.

The group's offsets are asked before the table, so a record that is read past and has no row in the
same look got its offset first. A row that follows within the time of one look is not told from one
that came first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bookpayctl.clients.database import reading
from bookpayctl.clients.kafka import group_offsets
from bookpayctl.drill.scenario import DrillContext
from bookpayctl.faults.poison import SentPoison
from bookpayctl.report.verdict import Item
from bookpayctl.runs.waiting import Waited, wait_until
from runtime.domain.names import Service

GROUP = Service.WORKER.value


@dataclass(frozen=True, slots=True)
class PoisonSight:
    """One look.

    Attributes:
        read_past: records behind which the group has committed an offset.
        letters: reasons of the dead letters of each record, by its event id.
    """

    read_past: frozenset[str]
    letters: Mapping[str, tuple[str, ...]]

    @property
    def offset_first(self) -> frozenset[str]:
        """Records that were read past without a dead letter."""
        return frozenset(one for one in self.read_past if not self.letters.get(one))


class PoisonWatch:
    """Looks until the group has read past every record; keeps what it saw of their order."""

    def __init__(self, context: DrillContext) -> None:
        self.context = context
        self.offset_first: set[str] = set()
        self.waited: Waited[PoisonSight] | None = None

    def watch(self, sent: Sequence[SentPoison]) -> None:
        """Look until all are read past, or the deadline."""
        wanted = {one.event_id for one in sent}
        self.waited = wait_until(
            lambda: self._look(sent),
            lambda sight: sight.read_past >= wanted,
            deadline_seconds=self.context.deadline_seconds,
        )

    def items(self, sent: Sequence[SentPoison], *, reason: str) -> list[Item]:
        """Whether the partitions went on, and what the dead letters say."""
        if self.waited is None:
            raise LookupError("nobody looked after the poison")
        return [self._went_on(sent, self.waited), self._letters(sent, self.waited.value, reason)]

    def _look(self, sent: Sequence[SentPoison]) -> PoisonSight:
        environment = self.context.environment
        committed = group_offsets(
            environment.kafka,
            GROUP,
            sorted({(one.topic, one.partition) for one in sent}),
        )
        letters: dict[str, tuple[str, ...]] = {}
        with reading(environment.dsn) as conn:
            for one in sent:
                rows = conn.execute(
                    "SELECT reason FROM dead_letters WHERE source_topic = %s"
                    " AND source_partition = %s AND source_offset = %s",
                    (one.topic, one.partition, one.offset),
                ).fetchall()
                letters[one.event_id] = tuple(str(reason) for (reason,) in rows)
        sight = PoisonSight(
            frozenset(
                one.event_id
                for one in sent
                if (committed.get((one.topic, one.partition)) or 0) > one.offset
            ),
            letters,
        )
        self.offset_first |= sight.offset_first
        return sight

    def _went_on(self, sent: Sequence[SentPoison], waited: Waited[PoisonSight]) -> Item:
        stuck = [one.place for one in sent if one.event_id not in waited.value.read_past]
        passed = len(sent) - len(stuck)
        return self.context.judged(
            "partition-moves-on",
            "the partitions move on",
            f"{GROUP} reads past every injected record within"
            f" {self.context.deadline_seconds:.0f} s",
            f"{passed} of {len(sent)} read past after {waited.seconds:.1f} s",
            good=not stuck,
            examined=len(sent),
            evidence=[f"still before {place}" for place in stuck],
            fix=f"bookpayctl logs {GROUP}",
        )

    def _letters(self, sent: Sequence[SentPoison], sight: PoisonSight, reason: str) -> Item:
        bad = [
            f"{one.place}: {problem}"
            for one in sent
            if (problem := self._problem(one, sight, reason)) is not None
        ]
        return self.context.judged(
            "dead-letter-first",
            "each has its dead letter before its offset",
            f"one dead letter {reason} for each, there whenever its offset is committed",
            f"{len(sent) - len(bad)} of {len(sent)} as required",
            good=not bad,
            examined=len(sent),
            evidence=bad or [f"{one.place}: {reason}" for one in sent],
            fix="bookpayctl dlq list",
        )

    def _problem(self, one: SentPoison, sight: PoisonSight, reason: str) -> str | None:
        letters = sight.letters.get(one.event_id, ())
        if letters != (reason,):
            return f"its dead letters say {', '.join(letters) or 'nothing: there is none'}"
        return "its offset came first" if one.event_id in self.offset_first else None
