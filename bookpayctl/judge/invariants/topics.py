"""I31: the topics keep what a replay needs, for as long as was promised.

A log is evidence, and the last resort after a bug, only while its records stay where they are. A
topic that is missing, compacted, or forgets early passes every question about what it still holds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Final

from bookpayctl.judge.invariants.facts import Facts
from bookpayctl.judge.invariants.finding import Finding, Violation, finding
from bookpayctl.judge.rows import TopicRow
from runtime.domain.names import PARTITIONS, Topic

RETENTION_MIN: Final = timedelta(days=7)
"""The time an operator has to replay from Kafka, in every environment."""

UNLIMITED: Final = -1

REPLICAS_OF_A_CLUSTER: Final = 3


def topics_keep_records(facts: Facts) -> Finding:
    """I31: each topic exists, has the same partitions, and deletes nothing before its time."""
    topics = facts.log.topics if facts.log else None
    return finding(len(Topic), topic_violations(topics or ()))


def topic_violations(topics: Sequence[TopicRow]) -> list[Violation]:
    """What keeps our topics from being replayed; they must be all that exist of ours."""
    found = {topic.name: topic for topic in topics}
    missing = [Violation(t.value, "the topic does not exist") for t in Topic if t not in found]
    return [
        *missing,
        *_uneven_partitions(topics),
        *(Violation(topic.name, words) for topic in topics for words in _problems(topic)),
    ]


def retention_of(topic: TopicRow | None) -> timedelta | None:
    """How long the topic promises to keep a record; None for ever.

    A setting below what every environment promises does not lower the promise.
    """
    if topic is None:
        return RETENTION_MIN
    if topic.retention_ms == UNLIMITED:
        return None
    return max(RETENTION_MIN, timedelta(milliseconds=topic.retention_ms))


def _uneven_partitions(topics: Sequence[TopicRow]) -> Iterator[Violation]:
    counts = Counter(topic.partitions for topic in topics)
    if len(counts) < 2:
        return
    usual = counts.most_common(1)[0][0]
    for topic in topics:
        if topic.partitions != usual:
            yield Violation(topic.name, f"{topic.partitions} partitions, the others have {usual}")


def _problems(topic: TopicRow) -> Iterator[str]:
    if topic.partitions < PARTITIONS:
        yield f"{topic.partitions} partitions, required at least {PARTITIONS}"
    if topic.cleanup_policy != "delete":
        yield f"cleanup.policy is {topic.cleanup_policy}, which removes records of the ledger"
    if topic.retention_ms != UNLIMITED:
        kept = timedelta(milliseconds=topic.retention_ms)
        if kept < RETENTION_MIN:
            yield f"retention.ms is {topic.retention_ms}, promised {RETENTION_MIN.days} days"
    if topic.retention_bytes != UNLIMITED:
        yield f"retention.bytes is {topic.retention_bytes}, which deletes records before their time"
    if topic.unclean_election:
        yield "unclean.leader.election.enable is on, which gives up acknowledged records"
    yield from _insync_problems(topic)


def _insync_problems(topic: TopicRow) -> Iterator[str]:
    """One replica has to acknowledge on one broker, and all but one on a cluster."""
    least = 1 if topic.replicas < REPLICAS_OF_A_CLUSTER else topic.replicas - 1
    if topic.insync_min < least:
        yield f"min.insync.replicas is {topic.insync_min}, required {least}"
    elif topic.insync_min > topic.replicas:
        yield f"min.insync.replicas is {topic.insync_min} with {topic.replicas} replicas: read-only"
