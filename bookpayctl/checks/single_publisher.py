"""BP-C002: three publishers, one leader, and no record of an old leader that nobody repeated.

The advisory lock says who leads now, in both ways to publish; where the log is streamed, the slot
must be, too; the terms say who led when. A publisher that was frozen with a record in flight may
still deliver it after its successor began: that is allowed only because the successor publishes
the same event again, and it is counted. Where such a record lies is known: behind a change of
leaders, or, where its publisher woke up just now, at the log's end. A log of a month is read there
and nowhere else, unless what is found there asks for more. Where Debezium publishes in their
place, `checks/capture.py` asks about its slot.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from bookpayctl.check import Check, CheckAnswer, Inquiry, judged
from bookpayctl.checks import capture
from bookpayctl.clients import kafka
from bookpayctl.clients.database import writing
from bookpayctl.clients.kafka_servers import KafkaServers
from bookpayctl.clients.publisher_lock import LogSlot, lock_holders, log_slot
from bookpayctl.targets.target import answering
from runtime.domain.names import PUBLISHER_LOCK_KEY, Service, Topic

if TYPE_CHECKING:
    from bookpayctl.clients.kafka import LogRecord

PUBLISHERS: Final = 3

CHANGES_LOOKED_AT: Final = 3
CHANGE_SECONDS: Final = 60.0
"""Behind each of the last changes of leaders: twice as long as a client of a publisher keeps a
record that it could not deliver (`message.timeout.ms` in runtime/adapters/kafka.py)."""

NEWEST_RECORDS: Final = 1_000
"""Of each partition."""

WHOLE_RECORDS_MAX: Final = 20_000
"""A log of so many is read whole, which takes a second."""

# A leader that has not published rows this old is not leading, whatever it holds.
FROZEN_AFTER_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class PublisherTerm:
    number: int
    publisher_id: str
    backend_pid: int
    began_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Lock:
    """Who holds the lock, whether we got it too, and how old the oldest unpublished row is.

    Attributes:
        slot: of a leader that streams the log; None where there is none.
    """

    holders: tuple[int, ...]
    second_claim_granted: bool
    oldest_unpublished_seconds: float
    slot: LogSlot | None = None


@dataclass(frozen=True, slots=True)
class LateRecords:
    """What was found of records that an old leader delivered after the next one had begun.

    Attributes:
        read, kept: how many records were looked at, of how many in the log.
        late: how many of them are late.
        unrepeated: the late ones that no later leader has published again.
    """

    read: int
    kept: int
    late: int
    unrepeated: tuple[LogRecord, ...]


def ask(inquiry: Inquiry) -> CheckAnswer:
    """Count publishers, read and claim the lock, and hold the records against the terms."""

    environment = inquiry.environment
    if environment.captured:
        return capture.ask_single(inquiry)
    alive = answering(inquiry.target, Service.PUBLISHER)
    with writing(environment.dsn) as conn:
        lock = _read_lock(conn)
        terms = read_terms(conn)
    found = read_late(environment.kafka, terms)
    problems = [
        *_lock_problems(lock, terms),
        *slot_problems(lock.slot, wanted=environment.settings.get("publisher") == "wal"),
        *([] if len(alive) == PUBLISHERS else [f"{len(alive)} of {PUBLISHERS} publishers answer"]),
    ]
    problems += [
        f"{r.topic}/{r.partition}/{r.offset} of term {_term(r)} came after its end, not repeated"
        for r in found.unrepeated
    ]
    leader = terms[-1].publisher_id if terms else "nobody"
    return judged(
        problems,
        f"{len(alive)} publishers, leader {leader}, a second claim was refused",
        len(alive) + found.read,
        (
            f"lock holders (backend pids): {list(lock.holders)}",
            _slot_evidence(lock.slot),
            f"terms so far: {len(terms)}",
            f"{found.read} of {found.kept} records read, {found.late} late and repeated later on",
        ),
    )


def late_records(records: list[LogRecord], terms: list[PublisherTerm]) -> list[LogRecord]:
    """Records that carry a term although a later term had begun before they were written."""
    begins = {term.number: term.began_at for term in terms}
    late = []
    for record in records:
        number = _term(record)
        if number is None or record.at is None:
            continue
        later = [at for other, at in begins.items() if other > number]
        if later and record.at > min(later):
            late.append(record)
    return late


def _repeated(record: LogRecord, records: list[LogRecord]) -> bool:
    own = _term(record) or 0
    return any(other.event_id == record.event_id and (_term(other) or 0) > own for other in records)


def _term(record: LogRecord) -> int | None:
    text = record.headers.get("publisher_term", "")
    return int(text) if text.isdigit() else None


def _lock_problems(lock: Lock, terms: list[PublisherTerm]) -> list[str]:
    problems = []
    if len(lock.holders) != 1:
        problems.append(f"{len(lock.holders)} sessions hold the publisher lock, required 1")
    if lock.second_claim_granted:
        problems.append("a second claim of the lock was granted")
    current = [term for term in terms if term.ended_at is None]
    if lock.holders and not any(term.backend_pid == lock.holders[0] for term in current):
        problems.append(f"backend {lock.holders[0]} holds the lock without a term on record")
    if lock.oldest_unpublished_seconds > FROZEN_AFTER_SECONDS:
        problems.append(
            f"the leader is frozen: a row waits since {lock.oldest_unpublished_seconds:.0f} s"
        )
    return problems


def slot_problems(slot: LogSlot | None, *, wanted: bool) -> list[str]:
    """What is wrong with how the log is read, where it is to be (`--publisher wal`)."""
    if not wanted:
        return []
    if slot is None or slot.is_lost:
        return ["the leader polls and does not stream the log: its slot is not there, or lost"]
    return [] if slot.sender_pid else ["nobody streams the publisher's slot, which keeps the log"]


def _slot_evidence(slot: LogSlot | None) -> str:
    if slot is None:
        return "no replication slot: the leader polls"
    left = "without a bound" if slot.left_bytes is None else f"{slot.left_bytes} bytes to its end"
    return (
        f"replication slot: streamed by {slot.sender_pid or 'nobody'},"
        f" {slot.kept_bytes} bytes of log kept, {left}"
    )


def _read_lock(conn: Any) -> Lock:
    holders = lock_holders(conn)
    granted = conn.execute("SELECT pg_try_advisory_lock(%s)", (PUBLISHER_LOCK_KEY,)).fetchone()[0]
    if granted:
        # Given back at once: with no leader, ours would keep the next one from starting.
        conn.execute("SELECT pg_advisory_unlock(%s)", (PUBLISHER_LOCK_KEY,))
    age = conn.execute(
        "SELECT coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float8"
        " FROM outbox WHERE published_at IS NULL AND event_id NOT IN"
        " (SELECT event_id FROM dead_letters WHERE source = 'outbox' AND event_id IS NOT NULL)"
    ).fetchone()[0]
    return Lock(holders, bool(granted), float(age), log_slot(conn))


def read_terms(conn: Any) -> list[PublisherTerm]:
    rows = conn.execute(
        "SELECT term, publisher_id, backend_pid, began_at, ended_at FROM publisher_terms"
        " ORDER BY term"
    ).fetchall()
    return [PublisherTerm(*row) for row in rows]


def read_late(
    servers: KafkaServers,
    terms: list[PublisherTerm],
    *,
    whole_records_max: int = WHOLE_RECORDS_MAX,
) -> LateRecords:
    """Look where late records lie; and at the whole log where one of them seems to be lost.

    Args:
        whole_records_max: up to which a log is read whole at once.
    """
    with closing(kafka.open_consumer(servers)) as consumer:
        whole = kafka.log_ranges(consumer, [topic.value for topic in Topic])
        kept = sum(end - begin for begin, end in whole.values())
        is_short = kept <= whole_records_max
        first = [whole] if is_short else _likely_ranges(consumer, whole, terms)
        found = _judged(_read(consumer, first), kept, terms)
        if found.unrepeated and found.read < kept:
            # The repetition may lie anywhere: a leader with a backlog comes to it late.
            found = _judged(_read(consumer, [whole]), kept, terms)
        return found


def _likely_ranges(
    consumer: kafka.LogConsumer, whole: kafka.Ranges, terms: Sequence[PublisherTerm]
) -> list[kafka.Ranges]:
    """The newest records, and those behind each of the last changes of leaders."""
    found = [{place: (max(b, e - NEWEST_RECORDS), e) for place, (b, e) in whole.items()}]
    for term in sorted(terms, key=lambda term: term.number)[1:][-CHANGES_LOOKED_AT:]:
        until = term.began_at + timedelta(seconds=CHANGE_SECONDS)
        begins = kafka.since(consumer, whole, term.began_at)
        ends = kafka.since(consumer, whole, until)
        found.append({place: (begins[place][0], ends[place][0]) for place in whole})
    return found


def _judged(records: Iterable[LogRecord], kept: int, terms: list[PublisherTerm]) -> LateRecords:
    read = list(records)
    late = late_records(read, terms)
    return LateRecords(len(read), kept, len(late), tuple(r for r in late if not _repeated(r, read)))


def _read(consumer: kafka.LogConsumer, spans: Sequence[kafka.Ranges]) -> Iterator[LogRecord]:
    """Each record of the spans once; they may overlap."""
    seen: set[tuple[str, int, int]] = set()
    for span in spans:
        for record in kafka.records_between(consumer, span):
            place = record.topic, record.partition, record.offset
            if place not in seen:
                seen.add(place)
                yield record


CHECK: Final = Check(
    id="BP-C002",
    title="three publishers, one publishes",
    question="outbox-publisher Pods are running 3 replicas; advisory-lock test shows only one"
    " publishes at a time",
    required="3 alive, exactly 1 lock holder with a term, a second claim refused, no lost leader",
    why="Two leaders publish twice and out of order; no leader publishes nothing while every"
    " process looks healthy.",
    fix="bookpayctl status; bookpayctl logs outbox-publisher",
    ask=ask,
)
