"""I04-I09, I27, I28: the outbox, the log, and the way between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from bookpayctl.judge.invariants.facts import Facts
from bookpayctl.judge.invariants.finding import Finding, Violation, finding
from bookpayctl.judge.invariants.topics import retention_of
from bookpayctl.judge.rows import Log, OutboxRow
from runtime.domain.names import TOPIC_OF_EVENT_TYPE, EventType

# What must exist before the event on the left can: an OrderPaid nobody was paid for is a lie even
# when every row of it is well formed.
CAUSES: Final[dict[str, tuple[str, ...]]] = {
    EventType.PAYMENT_COMPLETED: (EventType.ORDER_PLACED,),
    EventType.PAYMENT_FAILED: (EventType.ORDER_PLACED,),
    EventType.ORDER_PAID: (EventType.PAYMENT_COMPLETED,),
    EventType.PAYMENT_REFUNDED: (EventType.PAYMENT_COMPLETED, EventType.PAYMENT_FAILED),
}


def one_placed_event(facts: Facts) -> Finding:
    """I04: an order and its OrderPlaced were written together: exactly one each."""
    placed = Counter(
        row.order_id for row in facts.outbox if row.event_type == EventType.ORDER_PLACED
    )
    return finding(
        len(facts.judged),
        (
            Violation(order.id, f"{placed[order.id]} OrderPlaced events", order.total_cents)
            for order in facts.judged.values()
            if placed[order.id] != 1
        ),
    )


def nothing_unpublished(facts: Facts) -> Finding:
    """I05: every event left the outbox, or was set aside as unpublishable on record."""
    if facts.debezium:
        return nothing_lost(facts)
    aside = {d.event_id for d in facts.database.dead_letters if d.source == "outbox"}
    return finding(
        len(facts.outbox),
        (
            Violation(row.event_id, f"{row.event_type} of {row.order_id} is still unpublished")
            for row in facts.outbox
            if not row.published and row.event_id not in aside
        ),
    )


def nothing_lost(facts: Facts) -> Finding:
    """I06: every event marked published is in its topic, for as long as the topic promised.

    Where the topic's log begins excuses only what is older than that: records that were trimmed
    before their time are missing.
    """
    reach = _readable_since(facts)
    published = [row for row in facts.outbox if row.published or facts.debezium]
    readable = [row for row in published if _within_reach(facts, row, reach)]
    gone = len(published) - len(readable)

    def violations() -> Iterator[Violation]:
        for row in readable:
            topic = TOPIC_OF_EVENT_TYPE.get(row.event_type)
            records = facts.records_by_event.get(row.event_id, ())
            if topic is not None and not any(r.topic == topic for r in records):
                yield Violation(
                    row.event_id,
                    f"{row.event_type} of {row.order_id} is marked published, not in {topic}",
                )

    words = f"excused: {gone} events older than their topic keeps records"
    return finding(len(readable), violations(), excused=(words,) if gone else ())


def nothing_invented(facts: Facts) -> Finding:
    """I07: every record in our topics comes from an outbox row."""
    known = {row.event_id for row in facts.database.outbox} | facts.excluded.event_ids
    records = facts.log.records if facts.log else ()
    return finding(
        len(records),
        (
            Violation(
                f"{r.topic}/{r.partition}/{r.offset}", f"event {r.event_id} is in no outbox row"
            )
            for r in records
            if r.event_id not in known
        ),
    )


def causes_come_first(facts: Facts) -> Finding:
    """I08: an event's cause exists and was written no later than the event itself."""
    examined = 0
    found: list[Violation] = []
    for order_id, rows in facts.outbox_by_order.items():
        for row in rows:
            wanted = CAUSES.get(row.event_type)
            if wanted is None:
                continue
            examined += 1
            causes = [c for c in rows if c.event_type in wanted]
            if not causes:
                found.append(Violation(order_id, f"{row.event_type} without {' or '.join(wanted)}"))
            elif all(c.created_at > row.created_at for c in causes):
                found.append(Violation(order_id, f"{row.event_type} is older than its cause"))
    return finding(examined, found)


def logs_drained(facts: Facts) -> Finding:
    """I09: each group has committed up to the end of each partition it reads."""
    if facts.log is None:
        return finding(0, ())
    return finding(len(facts.log.offsets), lagging_offsets(facts.log))


def lagging_offsets(log: Log) -> list[Violation]:
    """Where a group has not committed what the log held."""
    ends = {(p.topic, p.partition): p for p in log.partitions}
    found = []
    for offset in log.offsets:
        end = ends.get((offset.topic, offset.partition))
        if end is None or end.end_offset == end.first_offset:
            continue
        committed = offset.committed if offset.committed is not None else end.first_offset
        if committed < end.end_offset:
            place = f"{offset.group} {offset.topic}/{offset.partition}"
            found.append(Violation(place, f"committed {offset.committed}, end {end.end_offset}"))
    return found


def dead_letters_explained(facts: Facts) -> Finding:
    """I27: no open dead letter that no run put there on purpose."""
    letters = [d for d in facts.database.dead_letters if not d.resolved]
    return finding(
        len(facts.judged) + len(letters),
        (
            Violation(f"dead letter {d.id}", f"{d.source}: {d.reason}, event {d.event_id}")
            for d in letters
            if d.event_id not in facts.excluded.event_ids
        ),
    )


def _readable_since(facts: Facts) -> dict[str, object]:
    """Per topic with a trimmed log: the oldest record's time; topics kept whole are absent."""
    reach: dict[str, object] = {}
    for partition in facts.log.partitions if facts.log else ():
        if partition.first_offset > 0:
            reach[partition.topic] = partition.oldest_at
    return reach


def _within_reach(facts: Facts, row: OutboxRow, reach: dict[str, object]) -> bool:
    topic = TOPIC_OF_EVENT_TYPE.get(row.event_type)
    if topic is None or topic not in reach:
        return True
    if facts.log is not None and facts.log.topics is not None:
        settings = next((found for found in facts.log.topics if found.name == topic), None)
        promised = retention_of(settings)
        if promised is None or facts.database.read_at - row.created_at < promised:
            return True
    oldest = reach[topic]
    return oldest is not None and row.created_at > oldest  # type: ignore[operator]
