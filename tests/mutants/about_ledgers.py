"""Sabotages of reading ledgers: nothing twice, nothing left out, and no poison out of sight."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant, Replacement, unit

LISTS: Final = "judge/test_stripe_lists"

LEDGER_MUTANTS: Final = (
    Mutant(
        "M95",
        "two ranges of one list of Stripe's share the second at which they touch",
        (
            Replacement(
                "bookpayctl/judge/readers/stripe_ranges.py",
                "CreatedRange(rest.begin, at)) if at > begin",
                "CreatedRange(rest.begin, at + 1)) if at > begin",
            ),
        ),
        (
            unit(LISTS, "test_each_object_is_read_once_however_they_lie_in_time"),
            unit(LISTS, "test_ranges_that_touch_neither_share_an_object_nor_leave_one_out"),
        ),
        (unit(LISTS, "test_only_what_is_not_older_is_read_where_that_is_asked"),),
    ),
    Mutant(
        "M96",
        "a page that Stripe refuses for now passes for the end of its range",
        (
            Replacement(
                "bookpayctl/judge/readers/stripe_lists.py",
                "                self._hold(error, refusals)\n",
                "                return ListPage([], has_more=False)\n",
            ),
        ),
        (
            unit(LISTS, "test_a_refused_page_is_asked_for_again_behind_the_same_object_and_told"),
            unit(
                LISTS,
                "test_an_account_that_answers_nothing_is_given_up_and_not_asked_sooner_than_it_allows",
            ),
        ),
        (unit(LISTS, "test_each_object_is_read_once_however_they_lie_in_time"),),
    ),
    Mutant(
        "M97",
        "poison whose acknowledgement never came is not asked for, though it is in the log",
        (
            Replacement(
                "bookpayctl/judge/invariants/I28_injected_poison_is_set_aside.sql",
                "COALESCE(MAX(f.record_offset), MAX(r.record_offset)) AS record_offset",
                "MAX(f.record_offset) AS record_offset",
            ),
        ),
        (
            unit(
                "judge/test_invariants",
                "test_poison_whose_acknowledgement_never_came_is_asked_for_where_the_log_has_it",
            ),
        ),
        (unit("judge/test_invariants", "test_poison_that_is_read_past_has_a_letter_of_its_own"),),
    ),
    Mutant(
        "M98",
        "a record that is read past without a dead letter counts as one whose letter came first",
        (
            Replacement(
                "bookpayctl/drills/observing/poison.py",
                "if not self.letters.get(one))",
                "if one not in self.read_past)",
            ),
        ),
        (
            unit(
                "drills/test_poison",
                "test_a_record_that_is_read_past_without_its_letter_got_its_offset_first",
            ),
        ),
        (
            unit(
                "drills/test_poison",
                "test_every_kind_of_poison_is_set_aside_for_the_reason_that_the_drill_expects",
            ),
        ),
    ),
)
