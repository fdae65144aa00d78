"""Sabotages of replays: what is compared, what is refused, and what is claimed too early."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant, Replacement, unit

VERIFY: Final = "replay/test_replay_questions"
SHADOW: Final = "replay/test_shadow_questions"

REPLAY_MUTANTS: Final = (
    Mutant(
        "M84",
        "a record that the outbox never had passes for one of ours",
        (
            Replacement(
                "bookpayctl/replay/questions/R01_records_have_rows.sql",
                "    AND NOT EXISTS (SELECT 1 FROM events AS e WHERE e.event_id = r.event_id)\n",
                "    AND EXISTS (SELECT 1 FROM events AS e WHERE e.event_id = r.event_id || '-')\n",
            ),
        ),
        (unit(VERIFY, "test_a_record_that_differs_is_violated_and_named"),),
        (
            unit(
                VERIFY,
                "test_a_whole_log_violates_nothing_and_every_question_looked_at_something",
            ),
        ),
    ),
    Mutant(
        "M85",
        "orders that a lost ledger does not know go through the worker again, and are charged",
        (
            Replacement(
                "bookpayctl/replay/ledger_cover.py",
                "        if not self.gaps:\n",
                "        if not self.records or not self.named or self.gaps:\n",
            ),
        ),
        (
            unit(
                "replay/test_ledger_cover", "test_an_order_that_nobody_knows_is_a_gap_and_is_named"
            ),
        ),
        (
            unit(
                "replay/test_ledger_cover",
                "test_a_ledger_that_knows_every_order_covers_the_range",
            ),
        ),
    ),
    Mutant(
        "M86",
        "a resumed replay keeps records from behind its position, and reads them once more",
        (
            Replacement(
                "bookpayctl/replay/evidence.py",
                "        os.truncate(path, length)\n",
                "        os.truncate(path, max(length, there))\n",
            ),
        ),
        (
            unit(
                "replay/test_replay_evidence",
                "test_records_behind_the_saved_position_are_cut_off_and_read_again",
            ),
        ),
        (unit("replay/test_replay_evidence", "test_a_position_is_read_as_it_was_written"),),
    ),
    Mutant(
        "M87",
        "that nobody was charged is claimed before the consumers have seen what was sent",
        (
            Replacement(
                "bookpayctl/replay/republish.py",
                "    elif not consumed:\n",
                "    elif not consumed and not concerned:\n",
            ),
        ),
        (
            unit(
                "replay/test_republished",
                "test_nothing_is_shown_before_the_consumers_have_passed_it",
            ),
        ),
        (unit("replay/test_republished", "test_all_that_was_chosen_and_sent_holds"),),
    ),
    Mutant(
        "M88",
        "the rebuilt payment is compared with itself instead of with the live one",
        (
            Replacement(
                "bookpayctl/replay/questions/shadow.sql",
                "            ELSE p.state END,\n",
                "            ELSE r.state END,\n",
            ),
        ),
        (unit(SHADOW, "test_a_payment_that_drifted_is_violated_and_named"),),
        (unit(SHADOW, "test_a_log_that_tells_what_the_tables_have_has_their_digest"),),
    ),
)
