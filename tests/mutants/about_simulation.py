"""Sabotages of the simulation: what would make its green worth less."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant, Replacement, integration, unit

KERNEL: Final = "bookpayctl/simulation/kernel.py"
SEEDS: Final = "bookpayctl/simulation/seeds.py"
CHECKER: Final = "bookpayctl/simulation/checker.py"
WORLD: Final = "bookpayctl/simulation/world.py"
RUN: Final = "bookpayctl/simulation/run.py"
INBOX: Final = "runtime/adapters/store/inbox.py"

SEEDS_TESTS: Final = "simulation/test_simulated_seeds"
JUDGEMENT_TESTS: Final = "simulation/test_simulated_judgement"

SMOKE: Final = (unit(SEEDS_TESTS, "test_a_trace_tells_what_happened_to_one_order"),)


SIMULATION_MUTANTS: Final = (
    Mutant(
        "M130",
        "in the simulation a crash leaves the process's tasks as they are",
        (Replacement(KERNEL, "        process.incarnation += 1\n", ""),),
        (unit(SEEDS_TESTS, "test_a_crash_drops_what_waits_and_the_next_incarnation_begins_anew"),),
        SMOKE,
    ),
    Mutant(
        "M131",
        "the simulation's checker finds no second charge",
        (Replacement(CHECKER, "len(charges) > 1 and", "len(charges) > 99 and"),),
        (
            unit(
                JUDGEMENT_TESTS,
                "test_the_judge_and_the_checker_agree_on_what_a_sabotage_has_done[random-key]",
            ),
        ),
        SMOKE,
    ),
    Mutant(
        "M132",
        "all faults of a seed are drawn from one stream",
        (Replacement(SEEDS, 'f"{seed}/{name}"', 'f"{seed}"'),),
        (unit(SEEDS_TESTS, "test_a_stream_is_the_same_for_ever_and_knows_no_other"),),
        SMOKE,
    ),
    Mutant(
        "M133",
        "the history of a payment that a cancellation made begins with its second step",
        (
            Replacement(
                INBOX,
                '        " INSERT INTO payment_events (event_id, kind, from_state, to_state, cause)"\n'
                "        \" SELECT event_id, 'transition', NULL, state, 'OrderCancelled' FROM unplaced\",\n",
                '        " SELECT event_id FROM unplaced",\n',
            ),
        ),
        (
            integration(
                "whole_stack/test_bad_records",
                "test_a_cancellation_before_its_order_leaves_a_tombstone_and_nothing_is_sent",
            ),
        ),
    ),
    Mutant(
        "M134",
        "in the simulation the dice are thrown anew in each run",
        (
            Replacement(
                SEEDS,
                'return random.Random(int.from_bytes(digest, "big"))',
                "return random.Random(None if digest else 0)",
            ),
        ),
        (unit(SEEDS_TESTS, "test_the_same_seed_plays_the_same_history_to_the_last_bit"),),
        SMOKE,
    ),
    Mutant(
        "M135",
        "what a run has never seen is left out of its report",
        (
            Replacement(
                RUN,
                "    for what in SOMETIMES:\n",
                "    for what in (w for w in SOMETIMES if tally.counts[w]):\n",
            ),
        ),
        (
            unit(
                SEEDS_TESTS,
                "test_a_run_that_has_not_seen_what_is_rare_is_vacuous_whatever_holds",
            ),
        ),
        SMOKE,
    ),
)
