"""Sabotages of storms: what was not seen to strike, or struck nothing, must not be survived."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant, Replacement, unit

RECOVERY: Final = "bookpayctl/storm/recovery.py"
RECOVERED: Final = "storm/test_storm_recovery"

STORM_MUTANTS: Final = (
    Mutant(
        "M190",
        "a kind of fault counts as landed when one of its faults was",
        (
            Replacement(
                "bookpayctl/storm/fault.py",
                "        if lost:\n",
                "        if len(lost) == len(strikes):\n",
            ),
        ),
        (
            unit(
                "storm/test_storm_proofs",
                "test_one_fault_that_was_not_proven_makes_the_answer_of_its_kind_unknown",
            ),
        ),
        (unit("storm/test_storm_proofs", "test_a_fault_that_never_got_so_far_is_not_proven"),),
    ),
    Mutant(
        "M191",
        "a drill that broke nothing is judged as if it had",
        (
            Replacement(
                "bookpayctl/drill/run.py",
                "        progress.incidents.append(ExitCode.VACUOUS)\n        return proofs\n",
                "        return proofs\n",
            ),
        ),
        (unit("storm/test_storm_proofs", "test_a_storm_without_a_fault_is_vacuous_as_a_whole"),),
        (unit("storm/test_storm_proofs", "test_a_fault_that_never_got_so_far_is_not_proven"),),
    ),
    Mutant(
        "M192",
        "a process that woke before its time counts as frozen",
        (
            Replacement(
                "bookpayctl/faults/process.py",
                "            self._silent = silent and not self._answers()\n",
                "            self._silent = silent or not self._answers()\n",
            ),
        ),
        (
            unit(
                "storm/test_storm_proofs",
                "test_who_was_frozen_was_silent_from_begin_to_end_and_answers_again",
            ),
        ),
        (unit("storm/test_storm_proofs", "test_a_fault_that_never_got_so_far_is_not_proven"),),
    ),
    Mutant(
        "M193",
        "a storm takes away what its next fault needs",
        (
            Replacement(
                "bookpayctl/storm/schedule.py",
                "    return bool(takes & (others | needed) or others & needs)\n",
                "    return bool(takes & others)\n",
            ),
        ),
        (
            unit(
                "storm/test_storm_schedule",
                "test_no_fault_takes_away_what_another_needs_meanwhile",
            ),
        ),
        (
            unit(
                "storm/test_storm_schedule",
                "test_the_same_seed_draws_the_same_storm_and_another_one_another",
            ),
        ),
    ),
    Mutant(
        "M194",
        "a fault that the smallest storm can do without is left in it",
        (
            Replacement(
                "bookpayctl/storm/ddmin.py",
                "        rest = next((one for one in rests if still(one)), None)\n",
                "        rest = next((one for one in rests if not one), None)\n",
            ),
        ),
        (
            unit(
                "storm/test_ddmin",
                "test_no_single_item_of_what_is_left_can_be_left_out",
            ),
        ),
        (unit("storm/test_ddmin", "test_one_item_is_as_small_as_it_gets_and_nobody_is_asked"),),
    ),
    Mutant(
        "M195",
        "a smaller storm that was never red again counts as found",
        (
            Replacement(
                "bookpayctl/selftest/shrinking.py",
                "    if not red:\n",
                "    if red < 0:\n",
            ),
        ),
        (unit("storm/test_shrinking", "test_a_storm_that_is_never_red_again_is_unknown"),),
        (
            unit(
                "storm/test_shrinking",
                "test_what_is_left_is_written_down_with_how_often_it_was_red",
            ),
        ),
    ),
    Mutant(
        "M260",
        "an order that never came to its end has been recovered from when others have",
        (
            Replacement(
                RECOVERY,
                "if order.ended_at > fault.over_at]\n",
                "if fault.over_at < order.ended_at < math.inf]\n",
            ),
        ),
        (unit(RECOVERED, "test_an_order_that_never_ends_is_never_recovered_from"),),
        (unit(RECOVERED, "test_where_nobody_waited_the_first_new_order_tells"),),
    ),
    Mutant(
        "M261",
        "a stack has recovered when a new order is served, whoever still waits",
        (
            Replacement(
                RECOVERY,
                "max((*waited, *([first] if first else [])), key=_ended_at, default=None)\n",
                "first or max(waited, key=_ended_at, default=None)\n",
            ),
        ),
        (
            unit(
                RECOVERED,
                "test_a_fault_is_over_when_those_who_waited_have_their_end_and_a_new_one_has",
            ),
        ),
        (unit(RECOVERED, "test_where_nobody_waited_the_first_new_order_tells"),),
    ),
    Mutant(
        "M262",
        "a recovery that took longer than it may is no warning",
        (
            Replacement(
                "bookpayctl/drills/observing/storm_recovery.py",
                "        verdict=Verdict.HOLDS if p99 <= bound else Verdict.WARNING,\n",
                "        verdict=Verdict.HOLDS,\n",
            ),
        ),
        (unit(RECOVERED, "test_late_is_a_warning_and_never_is_not_a_number"),),
        (unit(RECOVERED, "test_a_percentile_is_one_of_the_figures_and_none_of_none"),),
    ),
    Mutant(
        "M269",
        "each result that a webhook had overtaken counts as one whose lease was another's",
        (
            Replacement(
                "bookpayctl/drills/observing/sightings.py",
                """+= is_fenced and said.get("event_id") in lost\n""",
                """+= is_fenced\n""",
            ),
        ),
        (unit("storm/test_storm_proofs", "test_rare_things_are_counted_as_the_logs_tell_them"),),
        (unit("storm/test_storm_proofs", "test_a_group_that_shows_others_or_nobody_was_balanced"),),
    ),
    Mutant(
        "M263",
        "what no storm of a series has seen is told as seen",
        (
            Replacement(
                "bookpayctl/drills/observing/storms_together.py",
                "    never = [thing for thing in wanted if not counts.get(thing)]\n",
                "    never = [thing for thing in wanted if not counts]\n",
            ),
        ),
        (unit(RECOVERED, "test_what_one_storm_did_not_see_another_may_have"),),
        (unit(RECOVERED, "test_one_storm_alone_says_it_itself"),),
    ),
)
