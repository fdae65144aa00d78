"""Sabotages of the publisher that is told by the log: its slot, its hand-over, what it overlooks."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant, Replacement, integration, unit

STREAMING: Final = "runtime/services/outbox_publisher/streaming.py"
HANDOVER: Final = "runtime/services/outbox_publisher/handover.py"
LEADERSHIP: Final = "runtime/services/outbox_publisher/leadership.py"
MISSED: Final = "runtime/services/outbox_publisher/missed.py"
REPLICATION: Final = "runtime/adapters/store/replication.py"

TESTS: Final = "outbox_publisher/test_streaming"
INSTEAD: Final = "outbox_publisher/test_polls_instead"
POLLED_AND_SAID: Final = (
    "test_where_the_log_may_not_be_streamed_the_outbox_is_polled_and_the_log_says_why"
)

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
        "M276",
        "a publisher that polls where it was to stream looks like one that was never asked to",
        (
            Replacement(
                LEADERSHIP,
                "        metrics.PUBLISHER_POLLS_INSTEAD.set(handover is not None)\n",
                "        metrics.PUBLISHER_POLLS_INSTEAD.set(0)\n",
            ),
        ),
        (integration(INSTEAD, f"{POLLED_AND_SAID}[role]"),),
    ),
    Mutant(
        "M277",
        "a slot that is lost is told as one that nothing bounds, and nobody is woken",
        (
            Replacement(
                REPLICATION,
                "CASE WHEN wal_status = 'lost' THEN 0 ELSE safe_wal_size END AS left_bytes\n",
                "safe_wal_size AS left_bytes\n",
            ),
        ),
        (
            integration(
                INSTEAD, "test_a_slot_that_may_not_be_dropped_is_measured_until_it_is_lost[wal]"
            ),
        ),
    ),
    Mutant(
        "M278",
        "`up` leaves the slot of publishers that are gone, and PostgreSQL keeps its log for it",
        (
            Replacement(
                "bookpayctl/targets/servers/left_slot.py",
                "            drop_slot(conn, name)\n",
                "            slot_reader(conn)\n",
            ),
            Replacement(
                "bookpayctl/targets/servers/left_slot.py",
                "from bookpayctl.clients.publisher_lock import drop_slot, slot_reader\n",
                "from bookpayctl.clients.publisher_lock import slot_reader\n",
            ),
        ),
        (
            integration(
                "outbox_publisher/test_left_slots",
                "test_it_is_dropped_and_named_when_nobody_reads_it_any_more",
            ),
        ),
        (
            integration(
                "outbox_publisher/test_left_slots",
                "test_the_slot_of_another_kind_of_reader_is_left_alone",
            ),
        ),
    ),
)
