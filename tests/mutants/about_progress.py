"""Sabotages of how far one has come: clients that are lost, topics made again, marks that wait."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant, Replacement, integration, unit

PROGRESS_MUTANTS: Final = (
    Mutant(
        "M267",
        "who has read a topic goes on with the same client when it was made again, and reads nothing",
        (
            Replacement(
                "runtime/adapters/kafka_progress.py",
                "    if made := progress.made_again():\n",
                "    if made := progress.made_again()[:0]:\n",
            ),
        ),
        (
            integration(
                "whole_stack/test_topics_change",
                "test_who_has_read_a_topic_that_is_made_again_starts_anew_and_reads_it_all",
            ),
        ),
    ),
    Mutant(
        "M284",
        "a client that is in no group any more polls on for ever, and its process looks alive",
        (
            Replacement(
                "runtime/adapters/kafka_watch.py",
                "            self.progress.give_up(lost)\n",
                "            logger.debug('lost: %s', lost)\n",
            ),
        ),
        (
            integration(
                "whole_stack/test_consumer_loop",
                "test_a_client_that_stays_out_of_its_group_ends_its_process",
            ),
        ),
    ),
    Mutant(
        "M285",
        "what is lost is asked of a client that nobody polls, and a database away ends consumers",
        (
            Replacement(
                "runtime/domain/group.py",
                "    if not own.idle_seconds or broker.members is None:\n",
                "    if broker.members is None:\n",
            ),
        ),
        (
            unit(
                "runtime/test_group",
                "test_a_client_is_lost_by_what_it_alone_could_mend",
            ),
        ),
    ),
    Mutant(
        "M275",
        "a publisher that stops leaves what waits for company without a mark",
        (
            Replacement(
                "runtime/services/outbox_publisher/marking.py",
                "    if (is_last and count) or marks_now(\n",
                "    if marks_now(\n",
            ),
        ),
        (
            integration(
                "outbox_publisher/test_marking",
                "test_what_waits_for_company_is_marked_when_nothing_else_will_come",
            ),
        ),
    ),
)
