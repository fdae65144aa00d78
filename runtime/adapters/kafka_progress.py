"""How far a consumer has come, told by its loop and read by whoever watches it.

A topic has an id beside its name. One that is deleted and made again has another, and its offsets
begin anew: a position of the old topic says nothing of the new one, and going on from it would skip
what lies before. So every committed offset carries the id of its topic, and a position is used only
in the topic that it was made in.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from runtime.adapters.kafka import ClientBrokenError
from runtime.adapters.kafka_admin import GroupAdmin
from runtime.domain.event import Record
from runtime.domain.group import POLL_SECONDS_MAX, Gap, Place

logger = logging.getLogger(__name__)

ASK_SECONDS_MAX: Final = 5.0


@dataclass(frozen=True, slots=True)
class Loss:
    """Records that were deleted before anybody read them."""

    place: Place
    begin: int
    count: int


def lag_by_topic(
    positions: Mapping[Place, int | None], end_of: Callable[[Place], int]
) -> dict[str, int]:
    """Records of each topic that are not handled yet, of the partitions whose position is known.

    Args:
        end_of: a partition's end as it was last heard; negative where nobody has said it.
    """
    lags: dict[str, int] = {}
    for place, position in positions.items():
        behind = 0 if position is None else max(0, end_of(place) - position)
        lags[place[0]] = lags.get(place[0], 0) + behind
    return lags


@dataclass(slots=True)
class Progress:
    """Positions of the partitions that are read; every method may run on any thread."""

    _positions: dict[Place, int | None] = field(default_factory=dict)
    _topic_ids: dict[str, str] = field(default_factory=dict)
    _gaps: list[Gap] = field(default_factory=list)
    _losses: list[Loss] = field(default_factory=list)
    _made_again: set[str] = field(default_factory=set)
    _lost: tuple[str, ...] = ()
    _round_at: float = field(default_factory=time.monotonic)
    _polled_at: float = field(default_factory=time.monotonic)
    _idle_since: float | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin_round(self) -> None:
        """The loop is alive: it begins a round, or has ended a part of one."""
        with self._lock:
            self._round_at = time.monotonic()

    def round_seconds(self) -> float:
        with self._lock:
            return time.monotonic() - self._round_at

    def polled(self, *, is_empty: bool) -> None:
        """A poll has returned, with records or with none."""
        now = time.monotonic()
        with self._lock:
            was_away = now - self._polled_at > POLL_SECONDS_MAX
            if not is_empty:
                self._idle_since = None
            elif self._idle_since is None or was_away:
                self._idle_since = now
            self._polled_at = now

    def idle_seconds(self) -> float:
        """For how long polls have followed each other and brought nothing; 0 where they do not."""
        now = time.monotonic()
        with self._lock:
            if self._idle_since is None or now - self._polled_at > POLL_SECONDS_MAX:
                return 0.0
            return now - self._idle_since

    def give_up(self, lost: Sequence[str]) -> None:
        """The client does not do this, and will not by itself."""
        with self._lock:
            self._lost = tuple(lost)

    def lost(self) -> tuple[str, ...]:
        """Why the client was given up; empty while it was not."""
        with self._lock:
            return self._lost

    def positions(self) -> dict[Place, int | None]:
        with self._lock:
            return dict(self._positions)

    def assign(self, places: Iterable[tuple[Place, int | None]]) -> None:
        """These partitions are read from here on; None: nobody knows yet from where."""
        with self._lock:
            self._positions.update(places)

    def revoke(self, places: Iterable[Place]) -> None:
        with self._lock:
            for place in places:
                self._positions.pop(place, None)

    def handled(self, records: Sequence[Record]) -> None:
        """The work of these records is done; what they have passed over is noted."""
        with self._lock:
            for record in records:
                place = (record.topic, record.partition)
                self._pass(place, record.offset)
                self._positions[place] = record.offset + 1

    def reach(self, ends: Iterable[tuple[Place, int]]) -> None:
        """The reader stands at these ends: what lies before is handled, or is no record."""
        with self._lock:
            for place, offset in ends:
                if place in self._positions:
                    self._pass(place, offset)
                    self._positions[place] = offset

    def _pass(self, place: Place, offset: int) -> None:
        before = self._positions.get(place)
        if before is not None and offset > before:
            self._gaps.append(Gap(place, before, offset))

    # --- gaps and losses ------------------------------------------------------------------------

    def take_gaps(self) -> list[Gap]:
        with self._lock:
            gaps, self._gaps = self._gaps, []
        return gaps

    def lose(self, loss: Loss) -> None:
        with self._lock:
            self._losses.append(loss)

    def next_loss(self) -> Loss | None:
        """The oldest loss that nobody has written down."""
        with self._lock:
            return self._losses[0] if self._losses else None

    def loss_written(self) -> None:
        with self._lock:
            self._losses.pop(0)

    # --- topics by id ---------------------------------------------------------------------------

    def know_topics(self, ids: dict[str, str]) -> None:
        """These topics are read under these ids, and each under its first as long as we live."""
        self.compare_topics(ids)
        with self._lock:
            self._topic_ids = ids | self._topic_ids

    def topic_id(self, topic: str) -> str | None:
        with self._lock:
            return self._topic_ids.get(topic)

    def compare_topics(self, ids: dict[str, str]) -> None:
        """What the broker has now; a topic with another id than ours was made again."""
        with self._lock:
            self._made_again |= {
                topic
                for topic, known in self._topic_ids.items()
                if topic in ids and ids[topic] != known
            }

    def made_again(self) -> list[str]:
        """Topics that were made again since they are read here."""
        with self._lock:
            return sorted(self._made_again)


@dataclass(frozen=True, slots=True)
class Assignments:
    """What a member does when partitions come and go; its methods run inside poll."""

    admin: GroupAdmin
    topics: Sequence[str]
    progress: Progress

    def assigned(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        """Begin where the group has come to, or anew where that was in another topic."""
        ids = self._topic_ids()
        self.progress.know_topics(ids)
        starts = {(at.topic, at.partition): at for at in _committed(consumer, places)}
        anew = {
            place
            for place, at in starts.items()
            # One without an id was committed by an earlier version, or by hand: it is believed.
            if at.offset >= 0 and at.metadata and ids.get(place[0], at.metadata) != at.metadata
        }
        if anew:
            _say_made_again(sorted({topic for topic, _ in anew}))
            consumer.assign([_start(place, anew) for place in places])
        self.progress.assign(
            (place, None if place in anew or at.offset < 0 else at.offset)
            for place, at in starts.items()
        )
        # Where nobody could be asked the client begins by itself, at what is committed.
        self.progress.assign(
            (place, None)
            for place in ((at.topic, at.partition) for at in places)
            if place not in starts
        )

    def revoked(self, _consumer: Consumer, places: list[TopicPartition]) -> None:
        """They are another member's now, or will be ours again."""
        self.progress.revoke((at.topic, at.partition) for at in places)

    def _topic_ids(self) -> dict[str, str]:
        try:
            return self.admin.topic_ids(self.topics)
        except KafkaException as error:
            logger.debug("the topics' ids are not known: %s", error)
            return {}


def _committed(consumer: Consumer, places: list[TopicPartition]) -> list[TopicPartition]:
    try:
        return consumer.committed(places, timeout=ASK_SECONDS_MAX)
    except KafkaException as error:
        logger.debug("the committed offsets are not known: %s", error)
        return []


def _start(at: TopicPartition, anew: set[Place]) -> TopicPartition:
    if (at.topic, at.partition) in anew:
        return TopicPartition(at.topic, at.partition, OFFSET_BEGINNING)
    return TopicPartition(at.topic, at.partition)


def end_if_made_again(progress: Progress) -> None:
    """End the process once a topic that it reads was made again; its next start reads the new one.

    A topic's leaders are counted, and the count begins anew with the topic. librdkafka keeps the
    higher one of the old and takes all that it hears of the new for stale: where the broker has
    ever been restarted, the client reads nothing more, and no seek or new assignment moves it.

    Raises:
        ClientBrokenError: it was made again.

    Source:
        https://github.com/confluentinc/librdkafka/issues/4898, open with 2.16.
    """
    if made := progress.made_again():
        told = ", ".join(made)
        raise ClientBrokenError(f"{told} was deleted and made again; a new start reads it")


def end_if_lost(progress: Progress) -> None:
    """End the process whose client was given up; a new start joins the group again.

    Seen with librdkafka 2.16 in a storm: a static member whose broker was killed twice in a minute
    polled on for a quarter of an hour, was in no group, and said nothing.

    Raises:
        ClientBrokenError: it was given up.
    """
    if lost := progress.lost():
        raise ClientBrokenError(f"the client does not come back by itself: {'; '.join(lost)}")


def _say_made_again(topics: Sequence[str]) -> None:
    logger.warning(
        "topics were deleted and made again; they are read from their beginning",
        extra={"topics": list(topics)},
    )
