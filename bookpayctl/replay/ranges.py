"""Which records a replay is about: topics, from where to where, asked of the broker once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bookpayctl.clients import kafka
from bookpayctl.clients.kafka_servers import KafkaServers
from bookpayctl.replay import position
from bookpayctl.replay.errors import PositionError, ReplayError
from bookpayctl.replay.position import EDGE, LogTime, Position, Ranges, Where


@dataclass(frozen=True, slots=True)
class ReplayRange:
    """What the operator asked for.

    Attributes:
        topics: by name; `named` when the operator chose them, so that one that is not there is an
            error and not a topic that nothing was ever published to.
        records_max: about so many of the newest records of the range; None for all of it.
    """

    topics: tuple[str, ...]
    named: bool = False
    start: Position = EDGE
    end: Position = EDGE
    records_max: int | None = None


@dataclass(frozen=True, slots=True)
class ChosenRange:
    """What of the log that is.

    Attributes:
        retained: all that the log had of those topics at that moment.
        ranges: the part of it that is to be read.
    """

    retained: Ranges
    ranges: Ranges

    @property
    def is_whole(self) -> bool:
        """Whether all that is retained is read."""
        return self.retained == self.ranges


def choose(servers: KafkaServers, wanted: ReplayRange) -> ChosenRange:
    """Ask the broker which offsets the range has.

    Raises:
        PositionError: the log does not have what was asked for.
        ReplayError: the broker did not say.
    """
    consumer = kafka.open_consumer(servers)
    try:
        retained = kafka.log_ranges(consumer, wanted.topics)
        there = {topic for topic, _ in retained}
        absent = [topic for topic in wanted.topics if topic not in there]
        if absent and wanted.named:
            raise PositionError(f"--topic {absent[0]}: there is no such topic in this Kafka")
        starts = _offsets(consumer, wanted.start, retained, "--from", 0)
        ends = _offsets(consumer, wanted.end, retained, "--to", 1)
    except kafka.BrokerError as error:
        raise ReplayError(f"Kafka does not answer: {error}") from error
    finally:
        consumer.close()
    ranges = position.between(retained, starts, ends)
    return ChosenRange(retained, position.newest(ranges, wanted.records_max))


def _offsets(
    consumer: kafka.LogConsumer, wanted: Position, retained: Ranges, option: str, at_edge: int
) -> dict[Where, int]:
    by_time = _at(consumer, retained, wanted.at) if isinstance(wanted, LogTime) else {}
    return position.offsets_of(wanted, retained, option=option, at_edge=at_edge, by_time=by_time)


def _at(consumer: kafka.LogConsumer, retained: Ranges, at: datetime) -> dict[Where, int]:
    found = kafka.since(consumer, retained, at)
    return {where: first for where, (first, _) in found.items()}


def topics_of(given: Sequence[str] | None, all_topics: Sequence[str]) -> tuple[str, ...]:
    """The topics that were named, each once; all of them where none was.

    Raises:
        PositionError: one of them is none of `all_topics`.
    """
    strange = [topic for topic in given or () if topic not in all_topics]
    if strange:
        raise PositionError(f"--topic {strange[0]!r} is not one of {', '.join(all_topics)}")
    return tuple(dict.fromkeys(given)) if given else tuple(all_topics)
