"""What BP-C001, BP-C002 and BP-O001 ask where Debezium publishes in our publishers' place.

The table and its index are asked about all the same. Instead of a publisher's statement there is a
publication that lets inserts of the outbox through and nothing else; instead of a lock there is a
slot, which PostgreSQL gives to one reader alone; instead of marks there are the topics.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, LiteralString

from bookpayctl.check import CheckAnswer, Inquiry, cannot_tell, judged, warned
from bookpayctl.clients import kafka
from bookpayctl.clients.capture_slot import PUBLICATION, SLOT, CaptureSlot, read_slot
from bookpayctl.clients.database import Connection, DatabaseError, reading, writing
from bookpayctl.clients.publisher_lock import lock_holders
from bookpayctl.runs.waiting import Waited, wait_until
from bookpayctl.targets.target import answering
from runtime.domain.names import EventType, Service, Topic

PASSED_SECONDS_MAX: Final = 60.0
"""A capture confirms every second, and every minute where nobody told it to."""

NAMED_MAX: Final = 5
FIX: Final = "bookpayctl status; bookpayctl logs kafka-connect"

# PostgreSQL's own word for a slot that somebody reads (object_in_use).
_IN_USE: Final = "55006"

_PUBLISHED: Final[LiteralString] = """
SELECT p.pubinsert, p.pubupdate OR p.pubdelete OR p.pubtruncate,
       array(SELECT schemaname || '.' || tablename FROM pg_publication_tables AS t
             WHERE t.pubname = p.pubname ORDER BY 1)
FROM pg_publication AS p WHERE p.pubname = %s
"""

# Rows that a capture sends: those of our types. One of another type has no topic.
_ROWS: Final[LiteralString] = """
SELECT event_id::text, event_type FROM outbox
WHERE event_type = ANY (%(types)s) AND created_at > clock_timestamp() - %(kept)s::interval
"""

# Less than the seven days of a topic, so that none of them is about to leave it.
_KEPT: Final = "6 days"


@dataclass(frozen=True, slots=True)
class SecondReader:
    """What PostgreSQL answered to somebody who wanted to read the slot, too."""

    refused: bool
    answer: str


def publication_problems(conn: Connection) -> list[str]:
    """Why what the connector reads is not the outbox's inserts and nothing else."""
    row = conn.execute(_PUBLISHED, (PUBLICATION,)).fetchone()
    if row is None:
        return [f"there is no publication {PUBLICATION}"]
    inserts, others, tables = row
    return [
        *([] if inserts else [f"publication {PUBLICATION} lets no inserts through"]),
        # A mark, or a row that was cleaned away, is no event.
        *([f"publication {PUBLICATION} lets more than inserts through"] if others else []),
        *(
            []
            if tables == ["bookstore_platform.outbox"]
            else [f"publication {PUBLICATION} is of {tables}, required the outbox alone"]
        ),
    ]


def ask_single(inquiry: Inquiry) -> CheckAnswer:
    """One reader of the slot, a second one refused, and each row's record in its topic."""
    environment = inquiry.environment
    ours = answering(inquiry.target, Service.PUBLISHER)
    with writing(environment.dsn) as conn:
        slot = read_slot(conn)
        if slot is None:
            return judged([f"there is no slot {SLOT}: nothing is read"], "", 1, (), fix=FIX)
        second = _second_reader(conn)
        holders = lock_holders(conn)
        rows = conn.execute(
            _ROWS, {"types": [kind.value for kind in EventType], "kept": _KEPT}
        ).fetchall()
    passed = wait_until_passed(inquiry, slot.written)
    if not passed.reached:
        return judged([_standing(passed)], "", 1, (f"slot: {passed.value}",), fix=FIX)
    sent = kafka.event_ids_in(
        environment.kafka, kafka.ranges_of(environment.kafka, [topic.value for topic in Topic])
    )
    absent = [(event_id, kind) for event_id, kind in rows if event_id not in sent]
    problems = [
        *(f"{name} publishes, too: every event goes out twice" for name in ours),
        *([f"{len(holders)} sessions hold the publisher lock, required 0"] if holders else []),
        *([] if second.refused else [f"a second reader of the slot was let in: {second.answer}"]),
        *(f"{kind} {event_id} is not in its topic" for event_id, kind in absent[:NAMED_MAX]),
        *([f"and {len(absent) - NAMED_MAX} more"] if len(absent) > NAMED_MAX else []),
    ]
    return judged(
        problems,
        f"Debezium publishes: slot {SLOT} has one reader, a second was refused;"
        f" {len(rows)} rows are in their topics",
        1 + len(rows),
        (
            f"second reader: {second.answer}",
            f"confirmed what was written {passed.seconds:.1f} s before; {len(sent)} events read",
        ),
        fix=FIX,
    )


def ask_drains(inquiry: Inquiry) -> CheckAnswer:
    """How long the capture needs to confirm what is written now."""
    with reading(inquiry.environment.dsn) as conn:
        slot = read_slot(conn)
    if slot is None:
        return cannot_tell(f"there is no slot {SLOT}", fix=FIX)
    passed = wait_until_passed(inquiry, slot.written)
    seen = f"slot {SLOT} confirmed what was written {passed.seconds:.1f} s before"
    worries = [] if passed.reached else [_standing(passed)]
    return warned(worries, seen, 1, (f"{slot.behind_bytes} bytes of log were to confirm",))


def wait_until_passed(inquiry: Inquiry, place: int) -> Waited[CaptureSlot | None]:
    """Wait until the capture has confirmed this place of the database's log."""

    def look() -> CaptureSlot | None:
        with reading(inquiry.environment.dsn) as conn:
            return read_slot(conn)

    return wait_until(
        look,
        _passed(place),
        deadline_seconds=max(PASSED_SECONDS_MAX, inquiry.deadline_seconds),
        every_seconds=0.25,
    )


def _passed(place: int) -> Callable[[CaptureSlot | None], bool]:
    return lambda slot: slot is not None and slot.has_passed(place)


def _standing(passed: Waited[CaptureSlot | None]) -> str:
    slot = passed.value
    if slot is None:
        return f"slot {SLOT} is gone"
    read = "is read" if slot.active else "is read by nobody"
    return (
        f"after {passed.seconds:.0f} s slot {SLOT} {read} and has {slot.behind_bytes} bytes to"
        f" confirm ({slot.wal_status})"
    )


def _second_reader(conn: Connection) -> SecondReader:
    """Try to look into the slot, which takes nothing from it; PostgreSQL has to refuse."""
    try:
        conn.execute(
            "SELECT count(*) FROM pg_logical_slot_peek_binary_changes(%s, NULL, 1,"
            " 'proto_version', '1', 'publication_names', %s)",
            (SLOT, PUBLICATION),
        )
    except DatabaseError as error:
        return SecondReader(error.sqlstate == _IN_USE, str(error).strip().splitlines()[0])
    return SecondReader(False, "it was given what the slot has")
