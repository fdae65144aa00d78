"""Sabotages of `check`: what would let a report say more than was seen."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant, Replacement, unit

ATTEMPTS: Final = "judge/test_attempts"
SUPPRESSIONS: Final = "judge/test_suppressions"

CHECK_MUTANTS: Final = (
    Mutant(
        "M91",
        "a webhook secret whose age only Stripe knows is said to be young enough",
        (
            Replacement(
                "bookpayctl/checks/operations/webhook_secret_is_young.py",
                "    if made_here:\n",
                "    if made_here or age < AGE_MAX:\n",
            ),
        ),
        (
            unit(
                "judge/test_versions",
                "test_the_age_of_a_secret_that_stripe_made_is_skipped_and_not_said_to_be_well",
            ),
        ),
        (
            unit(
                "judge/test_versions",
                "test_versions_that_go_together_hold_and_each_is_in_the_evidence",
            ),
        ),
    ),
    Mutant(
        "M92",
        "a suppression makes a pass of a question that nobody answered",
        (
            Replacement(
                "bookpayctl/check.py",
                "item.verdict not in (Verdict.WARNING, Verdict.VIOLATED):\n        return item\n",
                "item.verdict is Verdict.HOLDS:\n        return item\n",
            ),
            Replacement(
                "bookpayctl/report/verdict.py",
                "        if self.suppressed and self.verdict not in"
                " (Verdict.WARNING, Verdict.VIOLATED):\n",
                "        if self.suppressed and self.verdict is Verdict.HOLDS:\n",
            ),
        ),
        (unit(SUPPRESSIONS, "test_nobody_can_suppress_what_is_no_answer"),),
        (unit(SUPPRESSIONS, "test_a_suppression_of_another_check_changes_nothing"),),
    ),
    Mutant(
        "M93",
        "a suppression that is over goes on",
        (
            Replacement(
                "bookpayctl/targets/suppressions.py",
                "        return today > self.until\n",
                "        return False\n",
            ),
        ),
        (unit(SUPPRESSIONS, "test_a_suppression_that_ended_counts_again_and_says_so"),),
        (unit(SUPPRESSIONS, "test_a_suppression_of_another_check_changes_nothing"),),
    ),
    Mutant(
        "M94",
        "a check that held at last does not say that it did not at first",
        (
            Replacement(
                "bookpayctl/report/attempt.py",
                "    if len(asked) < 2:\n        return item\n",
                "    if len(asked) < 2 or is_settled(item, strict=True):\n        return item\n",
            ),
        ),
        (unit(ATTEMPTS, "test_a_check_that_held_at_the_third_attempt_says_so"),),
        (unit(ATTEMPTS, "test_only_what_did_not_hold_is_asked_again_until_it_holds"),),
    ),
)
