"""Sabotages of `check`: what would let a report say more than was seen."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant, Replacement, unit

CHECK_MUTANTS: Final = (
    Mutant(
        "M89",
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
)
