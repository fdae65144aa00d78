"""What a drill took out of a topic, and how it comes back: from the outbox, which has all of it.

Whoever deletes records owes them to the ledger, where the judge looks for them. An event whose mark
is taken back is published again, as the reconciler does it, and every consumer knows it already.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Final

from bookpayctl.clients.database import DatabaseError, reading, writing
from bookpayctl.clients.kafka import BrokerError, LogReadError, event_ids_in, ranges_of
from bookpayctl.clients.kafka_topics import grow_topics, make_topic, topics_seen
from bookpayctl.faults.undo_error import UndoError
from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets.environment import Environment
from bookpayctl.targets.target import Target
from runtime.domain.names import TOPIC_OF_EVENT_TYPE, Topic

REFILLED_SECONDS_MAX: Final = 60.0

RECORDS_LOST: Final = "records_lost"
"""The reason of a dead letter that stands for records which were gone before they were read."""

_WAYS_ELSEWHERE: Final = (BrokerError, LogReadError, DatabaseError)


def missing_events(environment: Environment, topic: str) -> frozenset[str]:
    """Events that are marked published, young enough to be kept, and not in their topic.

    The table is asked first: what is marked later may be in the log later.

    Raises:
        DatabaseError, BrokerError, LogReadError: one of the two was not read.
    """
    types = [kind for kind, at in TOPIC_OF_EVENT_TYPE.items() if at.value == topic]
    with reading(environment.dsn) as conn:
        rows = conn.execute(
            "SELECT event_id::text FROM outbox WHERE event_type = ANY (%s)"
            " AND published_at IS NOT NULL"
            " AND created_at > clock_timestamp() - interval '7 days'",
            (types,),
        ).fetchall()
    return frozenset(event_id for (event_id,) in rows) - events_in(environment, topic)


def events_in(environment: Environment, topic: str) -> frozenset[str]:
    """The events whose records a topic has now.

    Raises:
        BrokerError, LogReadError: the log was not read to its end.
    """
    return event_ids_in(environment.kafka, ranges_of(environment.kafka, [topic]))


def refill_topic(target: Target, arguments: dict[str, str]) -> None:
    """Have published again what is missing in a topic and was not missing before the run.

    Raises:
        UndoError: the topic still lacks some of it.
    """
    topic, before = arguments["topic"], arguments["missing_before"]
    try:
        wanted = missing_events(target.environment, topic) - _listed(before)
        _publish_again(target.environment, wanted)
        waited = wait_until(
            lambda: wanted - events_in(target.environment, topic),
            lambda left: not left,
            deadline_seconds=REFILLED_SECONDS_MAX,
            every_seconds=0.5,
        )
    except _WAYS_ELSEWHERE as error:
        raise UndoError(f"{topic} may lack events that this run took out: {error}") from error
    if waited.value:
        raise UndoError(f"{topic} lacks {len(waited.value)} events that this run took out")


def put_topic_back(target: Target, arguments: dict[str, str]) -> None:
    """See that a topic is there, and make it as it was where it is not.

    Raises:
        UndoError: it is not there.
    """
    servers, topic = target.environment.kafka, arguments["topic"]
    try:
        if topic not in topics_seen(servers, [topic]):
            settings = json.loads(arguments["settings"])
            count = int(arguments["partitions"])
            make_topic(servers, topic, partitions=count, settings=settings)
    except BrokerError as error:
        raise UndoError(f"topic {topic} may not be there: {error}") from error


def even_partitions(target: Target, _arguments: dict[str, str]) -> None:
    """Give every topic as many partitions as the one that has most; none ever gets fewer.

    Raises:
        UndoError: they are not alike.
    """
    servers = target.environment.kafka
    try:
        now = topics_seen(servers, [topic.value for topic in Topic])
        most = max((found.partitions for found in now.values()), default=0)
        grow_topics(servers, {t: most for t, found in now.items() if found.partitions < most})
    except BrokerError as error:
        raise UndoError(f"the topics may differ in their partitions: {error}") from error


def close_letters_of_lost_records(target: Target, arguments: dict[str, str]) -> None:
    """Resolve the dead letters that stand for records which this run took away.

    Raises:
        UndoError: they are still open.
    """
    try:
        with writing(target.environment.dsn) as conn:
            conn.execute(
                "UPDATE dead_letters SET resolved_at = clock_timestamp() WHERE reason = %s"
                " AND source_topic = %s AND created_at >= %s AND resolved_at IS NULL",
                (RECORDS_LOST, arguments["topic"], arguments["since"]),
            )
    except DatabaseError as error:
        raise UndoError(f"dead letters of this run may still be open: {error}") from error


def _publish_again(environment: Environment, event_ids: Collection[str]) -> None:
    with writing(environment.dsn) as conn:
        conn.execute(
            "UPDATE outbox SET published_at = NULL WHERE event_id = ANY (%s::uuid[])",
            (sorted(event_ids),),
        )


def _listed(joined: str) -> frozenset[str]:
    return frozenset(filter(None, joined.split(",")))
