"""Sabotages of the publisher: its marks, and the log that tells it, with slot and hand-over."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant, Replacement, integration, unit

STREAMING: Final = "runtime/services/outbox_publisher/streaming.py"
HANDOVER: Final = "runtime/services/outbox_publisher/handover.py"
LEADERSHIP: Final = "runtime/services/outbox_publisher/leadership.py"
MISSED: Final = "runtime/services/outbox_publisher/missed.py"
REPLICATION: Final = "runtime/adapters/store/replication.py"

TESTS: Final = "outbox_publisher/test_streaming"

STREAMING_MUTANTS: Final = (
    Mutant(
        "M238",
        "the log is streamed as soon as the slot is there, and what was written before it stays",
        (
            Replacement(
                HANDOVER,
                "            if self._stage is _Stage.MAKING and stream.slot_made():\n"
                "                self._stage = _Stage.READING\n",
                "            if self._stage is _Stage.MAKING and stream.slot_made():\n"
                "                self._stage = _Stage.READY\n",
            ),
            Replacement(
                HANDOVER,
                "        elif self._stage is _Stage.WAITING and not is_behind and now >= self.due_at:\n",
                "        elif self._stage is _Stage.WAITING and now >= self.due_at:\n",
            ),
            Replacement(MISSED, "LOOK_SECONDS: Final = 1.0\n", "LOOK_SECONDS: Final = 3600.0\n"),
            Replacement(
                MISSED, "LOOK_SECONDS_MAX: Final = 15.0\n", "LOOK_SECONDS_MAX: Final = 3600.0\n"
            ),
            Replacement(MISSED, "    due_at: float = 0.0\n", "    due_at: float = 1e12\n"),
        ),
        (integration(TESTS, "test_a_long_backlog_is_handed_over_whole"),),
    ),
    Mutant(
        "M239",
        "a leader that streams never looks at the table for what comes by no stream",
        (Replacement(MISSED, "    due_at: float = 0.0\n", "    due_at: float = 1e12\n"),),
        (integration(TESTS, "test_an_event_whose_mark_was_taken_back_is_published_again"),),
    ),
    Mutant(
        "M240",
        "a standby leaves the slot of a frozen leader alone",
        (Replacement(LEADERSHIP, "_FREE_LOOKS: Final = 2\n", "_FREE_LOOKS: Final = 10**9\n"),),
        (integration(TESTS, "test_a_leader_that_is_frozen_loses_the_slot_to_a_standby"),),
    ),
    Mutant(
        "M241",
        "a slot by which nothing comes stays where it is, and the log is kept for it",
        (
            Replacement(
                STREAMING,
                "max(self._acknowledged, self.replication.decoder.position)",
                "max(self._acknowledged, 0)",
            ),
        ),
        (integration(TESTS, "test_a_slot_that_nothing_comes_by_moves_on_with_the_log"),),
    ),
    Mutant(
        "M242",
        "a publisher that polls leaves the slot of its predecessor where it is",
        (
            Replacement(
                LEADERSHIP,
                "        if slot is None or slot.active:\n            return\n",
                "        if slot is None or not slot.active:\n            return\n",
            ),
        ),
        (integration(TESTS, "test_a_publisher_that_polls_leaves_no_slot_that_would_keep_the_log"),),
    ),
    Mutant(
        "M243",
        "where the slot is gone nobody polls: the publisher waits for a slot",
        (
            Replacement(
                LEADERSHIP,
                "            if slot is not None and slot.active:\n",
                "            if slot is None or slot.active:\n",
            ),
        ),
        (
            integration(
                TESTS, "test_when_the_slot_is_gone_polling_takes_its_place_and_makes_it_again[1]"
            ),
        ),
    ),
    Mutant(
        "M244",
        "what the broker did not take is confirmed, and looked for nowhere",
        (
            Replacement(
                STREAMING,
                "        batch.aside.add(event_id)\n",
                "        del event_id\n        return\n",
            ),
        ),
        (
            integration(
                TESTS,
                "test_an_event_whose_acknowledgement_was_lost_is_published_again",
            ),
        ),
    ),
    Mutant(
        "M245",
        "the rest of a transaction is taken for done by what the server says in its middle",
        (
            Replacement(
                "runtime/adapters/store/pgoutput.py",
                "            if not self._within:\n",
                "            if end:\n",
            ),
        ),
        (
            unit(
                "runtime/test_runtime_pgoutput",
                "test_a_position_is_not_passed_on_within_a_transaction",
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
