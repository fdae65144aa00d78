"""Sabotages between the outbox, Kafka and the inbox: events lost, invented or told in vain."""

from __future__ import annotations

from typing import Final

from bookpayctl.controls.events_and_orders import NO_INBOX, PLACED_BEFORE_ITS_ORDER
from tests.mutants.mutant import Mutant, Replacement, integration, unit

INGEST: Final = "runtime/services/payments_worker/ingest.py"
INBOX: Final = "runtime/services/payments_worker/inbox.py"
QUEUE: Final = "runtime/steps/queue.py"
CONSUMER_LOOP: Final = "runtime/adapters/consumer_loop.py"
LEADERSHIP: Final = "runtime/services/outbox_publisher/leadership.py"
PRODUCING: Final = "runtime/services/outbox_publisher/producing.py"
POSITION: Final = "runtime/services/outbox_publisher/position.py"
READING: Final = "runtime/services/outbox_publisher/reading.py"

EVENT_MUTANTS: Final = (
    Mutant(
        "M1",
        "no inbox check: an OrderPlaced that is known already starts its payment anew",
        NO_INBOX,
        (integration("whole_stack/test_bad_records", "test_an_order_read_twice_is_paid_once"),),
    ),
    Mutant(
        "M4",
        "the worker commits its offset before the batch is stored",
        (
            Replacement(
                INGEST,
                "from confluent_kafka import Consumer\n",
                "from confluent_kafka import Consumer, TopicPartition\n",
            ),
            Replacement(
                INGEST,
                """        failpoints, subject = self.process.failpoints, _subject(records)
""",
                """        ends = [TopicPartition(r.topic, r.partition, r.offset + 1) for r in records]
        self.consumer.commit(offsets=ends, asynchronous=False)
        failpoints, subject = self.process.failpoints, _subject(records)
""",
            ),
        ),
        (
            integration(
                "payments_reconciler/test_nobody_repairs",
                "test_a_worker_killed_before_its_inbox_commits_reads_the_order_again",
            ),
        ),
    ),
    Mutant(
        "M5",
        "OrderPlaced leaves in a transaction of its own, before the order's is committed",
        PLACED_BEFORE_ITS_ORDER,
        (
            integration(
                "orders/test_orders_api",
                "test_a_crash_before_the_commit_leaves_nothing_and_the_retry_makes_one_order[api.before_commit]",
            ),
        ),
    ),
    Mutant(
        "M6",
        "the publisher marks an event when the producer has taken it, not when the broker has",
        (
            Replacement(
                PRODUCING,
                "        in_flight.sent(row.event_id)\n",
                "        in_flight.acknowledged(row.event_id)\n",
            ),
        ),
        (
            integration(
                "outbox_publisher/test_publisher",
                "test_nothing_is_marked_while_the_broker_is_away_and_everything_is_when_it_is_back",
            ),
            integration(
                "outbox_publisher/test_publisher",
                "test_events_that_only_the_producer_had_leave_after_broker_and_publisher_have_died",
            ),
        ),
    ),
    Mutant(
        "M22",
        "the dead letter of a bad record is written after its offset, not in the batch",
        (
            Replacement(
                INBOX,
                """        consumer_loop.dead_letter(conn, source=source, reason=reason, record=record)
""",
                """        logger.error(
            "a record cannot be processed and has a dead letter soon",
            extra={"reason": reason, "topic": record.topic},
        )
""",
            ),
            Replacement(
                INGEST,
                """        self.process.failpoints.hit(Failpoint.WORKER_OFFSET_COMMITTED, _subject(records), broker)
""",
                """        self.process.failpoints.hit(Failpoint.WORKER_OFFSET_COMMITTED, _subject(records), broker)
        with self.pool.connection() as conn:
            for record, reason in inbox.sort_records(records).malformed:
                consumer_loop.dead_letter(
                    conn, source=self.source, reason=reason, record=record
                )
""",
            ),
        ),
        (
            integration(
                "whole_stack/test_bad_records",
                "test_the_dead_letter_of_a_bad_record_is_there_before_its_offset",
            ),
        ),
    ),
    Mutant(
        "M28",
        "an event without consequence is published again without a limit",
        (
            Replacement(
                "runtime/adapters/store/missed.py",
                "coalesce(times, 0) < %(most)s\n",
                "%(most)s > 0\n",
            ),
        ),
        (
            integration(
                "payments_reconciler/test_missed_events",
                "test_an_event_without_consequence_is_not_told_for_ever",
            ),
        ),
    ),
    Mutant(
        "M33",
        "the publisher selects and marks on another connection than the one that holds its lock",
        (
            Replacement(
                LEADERSHIP,
                "        term = Term(control, number, Envelope(common.process, number), handover=handover)\n",
                """        working = database.connect(common.dsn, common.process, flush_commits=False)
        term = Term(working, number, Envelope(common.process, number), handover=handover)
""",
            ),
        ),
        (
            integration(
                "outbox_publisher/test_publisher",
                "test_a_leader_that_lost_its_lock_publishes_nothing_in_its_old_term",
            ),
        ),
    ),
    Mutant(
        "M34",
        "a consumer commits the offset of a record before its work is done",
        (
            Replacement(
                CONSUMER_LOOP,
                """        size = self.handler.records_at_once()
""",
                """        ends = [TopicPartition(r.topic, r.partition, r.offset + 1) for r in records]
        self.subscription.consumer.commit(offsets=ends, asynchronous=False)
        size = self.handler.records_at_once()
""",
            ),
        ),
        (
            integration(
                "payments_reconciler/test_nobody_repairs",
                "test_an_orders_consumer_killed_before_its_commit_reads_the_outcome_again",
            ),
        ),
    ),
    Mutant(
        "M49",
        "a row that cannot be read fails the batch it is in, at every look",
        (
            Replacement(
                READING,
                "        if conn.broken:\n            raise\n",
                "        if not conn.broken:\n            raise psycopg.OperationalError(str(error)) from error\n",
            ),
            Replacement(
                READING,
                "from psycopg import Connection\n",
                "import psycopg\nfrom psycopg import Connection\n",
            ),
        ),
        (
            integration(
                "outbox_publisher/test_any_row",
                "test_text_in_no_encoding_costs_its_row_alone",
            ),
        ),
    ),
    Mutant(
        "M50",
        "a batch that the broker refuses is set aside whole",
        (
            Replacement(
                PRODUCING,
                "            in_flight.refused_by_broker(event_id, refusal(error))\n",
                "            in_flight.refused(event_id, refusal(error))\n",
            ),
        ),
        (
            integration(
                "outbox_publisher/test_refused_batches",
                "test_rows_that_were_refused_in_company_leave_alone_and_the_large_one_is_set_aside",
            ),
        ),
    ),
    Mutant(
        "M51",
        "the publisher's session leaves the planner free, and it plans on an empty outbox",
        (Replacement(LEADERSHIP, "                settings=outbox.PLANNER_SETTINGS,\n", ""),),
        (
            integration(
                "outbox_publisher/test_plans",
                "test_a_publisher_that_started_on_an_empty_outbox_never_reads_it_whole",
            ),
        ),
    ),
    Mutant(
        "M58",
        "a record that no row can hold ends its consumer, at every start anew",
        (
            Replacement(
                CONSUMER_LOOP,
                "        except UNREADABLE as error:\n",
                "        except ZeroDivisionError as error:\n",
            ),
        ),
        (
            integration(
                "whole_stack/test_bad_records",
                "test_a_failure_whose_reason_cannot_be_stored_does_not_stop_the_orders_consumer[NUL]",
            ),
        ),
    ),
    Mutant(
        "M59",
        "a position is used in a topic that was made again: what lies before it is never read",
        (
            Replacement(
                "runtime/adapters/kafka_progress.py",
                "            if at.offset >= 0 and at.metadata and ids.get(place[0], at.metadata) != at.metadata\n",
                "            if at.offset >= 0 and at.metadata == place[0]\n",
            ),
        ),
        (
            integration(
                "whole_stack/test_topics_change",
                "test_an_offset_that_was_committed_in_another_topic_is_not_begun_at",
            ),
        ),
    ),
    Mutant(
        "M60",
        "partitions change hands in two steps, and a death between them leaves some to nobody",
        (
            Replacement(
                "runtime/adapters/kafka.py",
                """            "partition.assignment.strategy": "roundrobin",
""",
                """            "partition.assignment.strategy": "cooperative-sticky",
""",
            ),
        ),
        (
            integration(
                "whole_stack/test_half_a_rebalance",
                "test_a_member_that_dies_while_it_gives_partitions_up_leaves_none_to_nobody",
            ),
        ),
    ),
    Mutant(
        "M154",
        "positions are committed while the answer to those before is still to come",
        (
            Replacement(
                "runtime/adapters/kafka.py",
                "COMMIT_ANSWER_SECONDS_MAX if self._unanswered else every_seconds",
                "every_seconds if self._unanswered else every_seconds",
            ),
        ),
        (
            unit(
                "runtime/test_consumer_offsets",
                "test_a_commit_waits_for_the_answer_to_the_one_before",
            ),
        ),
        (unit("runtime/test_consumer_offsets", "test_a_refused_commit_is_sent_again"),),
    ),
    Mutant(
        "M228",
        "the publisher never looks at the outbox from its start again",
        (
            Replacement(
                POSITION,
                "            self._whole_due_at = now + min(pause_seconds, WHOLE_LOOK_SECONDS_MAX)\n",
                "            self._whole_due_at = math.inf\n",
            ),
        ),
        (
            integration(
                "outbox_publisher/test_late_commits",
                "test_a_look_goes_on_where_the_last_one_ended",
            ),
        ),
    ),
    Mutant(
        "M229",
        "what followed from a long transaction is published before what that one wrote",
        (
            Replacement(
                POSITION,
                "now - since > LONG_SECONDS for",
                "now - since > math.inf for",
            ),
        ),
        (
            integration(
                "outbox_publisher/test_late_commits",
                "test_what_followed_from_a_long_transaction_does_not_overtake_it",
            ),
        ),
    ),
    Mutant(
        "M230",
        "a row whose acknowledgement was lost is passed by until a look from the start",
        (
            Replacement(
                READING, "    if in_flight.has_lost:\n", "    if in_flight.has_lost and False:\n"
            ),
        ),
        (
            integration(
                "outbox_publisher/test_late_commits",
                "test_rows_that_were_lost_are_read_again_however_far_the_looks_have_come",
            ),
        ),
    ),
    Mutant(
        "M231",
        "each look passes by everything that was published while a snapshot is held",
        (
            Replacement(
                "runtime/adapters/store/outbox.py",
                "    AND created_at >= least(coalesce(%(since)s::timestamptz, '-infinity'),",
                "    AND created_at >= least('-infinity', %(since)s::timestamptz,",
            ),
        ),
        (
            integration(
                "outbox_publisher/test_plans",
                "test_a_look_does_not_pass_by_what_was_published_while_a_snapshot_is_held",
            ),
        ),
    ),
)
