"""The topics by themselves: what keeps them from being replayed, and how long they promise to keep.

For who has read no ledger but how the topics are set; the answer is the invariant's.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

from bookpayctl.judge import evaluation
from bookpayctl.judge.evaluation import Violation
from bookpayctl.judge.ledgers.store import open_folder, opened
from bookpayctl.judge.ledgers.writer import LedgerWriter
from bookpayctl.judge.readers.kafka import topic_row
from bookpayctl.judge.rows import TopicRow
from bookpayctl.judge.rules import rules

RETENTION_MIN: Final = timedelta(days=7)
"""The time an operator has to replay from Kafka, in every environment."""

UNLIMITED: Final = -1

KEEPS_RECORDS: Final = "I31"


def topic_violations(topics: Sequence[TopicRow]) -> list[Violation]:
    """What keeps our topics from being replayed; they must be all that exist of ours.

    Raises:
        StoreError: the engine could not answer.
    """
    rule = next(rule for rule in rules() if rule.id == KEEPS_RECORDS)
    with opened() as connection, tempfile.TemporaryDirectory() as scratch:
        ledgers = LedgerWriter(connection, Path(scratch))
        with ledgers.sink("log_topics") as sink:
            for topic in topics:
                sink.put(topic_row(topic))
        ledgers.keep(sink)
        open_folder(connection, Path(scratch))
        evaluation.prepare(connection)
        return list(evaluation.all_of(connection, rule))


def retention_of(topic: TopicRow | None) -> timedelta | None:
    """How long the topic promises to keep a record; None for ever.

    A setting below what every environment promises does not lower the promise.
    """
    if topic is None:
        return RETENTION_MIN
    if topic.retention_ms == UNLIMITED:
        return None
    return max(RETENTION_MIN, timedelta(milliseconds=topic.retention_ms))
