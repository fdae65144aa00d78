"""Sabotages of what keeps a shop's past from costing its present."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant, Replacement, integration, unit

LONG_PAST: Final = "payments_reconciler/test_long_past"

GROWTH_MUTANTS: Final = (
    Mutant(
        "M280",
        "a look for missed events reads every order that was cancelled in a week",
        (
            Replacement(
                "runtime/services/payments_reconciler/missed_events.py",
                "SLICE_ORDERS: Final = 500\n",
                "SLICE_ORDERS: Final = 500_000_000\n",
            ),
        ),
        (
            integration(
                LONG_PAST, "test_a_look_for_missed_events_reads_a_slice_of_the_cancelled_orders"
            ),
        ),
    ),
    Mutant(
        "M281",
        "a cancelled order that has just aged waits until the week's slices have come to it",
        (
            Replacement(
                "runtime/services/payments_reconciler/missed_events.py",
                "    return [Period(turn.since, turn.until), *fresh]\n",
                "    return [Period(turn.since, turn.until)]\n",
            ),
        ),
        (
            unit(
                "runtime/test_missed_event_turns",
                "test_a_look_at_older_ones_is_about_those_that_have_just_aged_too",
            ),
            integration(LONG_PAST, "test_what_was_missed_just_now_is_found_at_the_next_look"),
        ),
    ),
    Mutant(
        "M282",
        "counting what waits reads every refund there ever was",
        (
            Replacement(
                "runtime/sql/migrations/0009_what_is_over_costs_nothing.sql",
                "CREATE INDEX refunds_open_idx ON refunds (created_at)"
                " WHERE state NOT IN ('succeeded', 'failed');\n",
                "",
            ),
        ),
        (integration(LONG_PAST, "test_counting_what_waits_reads_nothing_that_is_over"),),
    ),
    Mutant(
        "M283",
        "late records are looked for at the log's end alone",
        (
            Replacement(
                "bookpayctl/checks/single_publisher.py",
                "CHANGES_LOOKED_AT: Final = 3\n",
                "CHANGES_LOOKED_AT: Final = -1_000\n",
            ),
        ),
        (
            integration(
                "whole_stack/test_late_records",
                "test_a_late_record_behind_a_change_of_leaders_is_found_under_much_that_is_newer",
            ),
        ),
    ),
)
