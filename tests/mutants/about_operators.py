"""Sabotages of what operators are trusted with: failover, rolled secrets, what a gateway refuses."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant, Replacement, unit

FAILOVER_TESTS: Final = "drills/test_postgres_failover"
ROTATION_TESTS: Final = "runtime/test_rotated_secrets"

OPERATOR_MUTANTS: Final = (
    Mutant(
        "M66",
        "a primary that was deleted counts as a failover though nobody was promoted",
        (
            Replacement(
                "bookpayctl/faults/failover.py",
                "and before is not None and after > before",
                "and before is not None and after >= before",
            ),
        ),
        (
            unit(
                FAILOVER_TESTS,
                "test_only_a_later_timeline_that_was_told_both_times_is_a_promotion",
            ),
        ),
        (unit(FAILOVER_TESTS, "test_a_fault_that_no_client_noticed_was_over_at_once"),),
    ),
    Mutant(
        "M67",
        "a service goes on with the key that it began with, whatever is rolled",
        (
            Replacement(
                "runtime/adapters/rotated.py",
                "        self.last_good = value\n        return value\n",
                "        return self.last_good if value else value\n",
            ),
        ),
        (unit(ROTATION_TESTS, "test_each_use_has_the_newest_value"),),
        (unit(ROTATION_TESTS, "test_before_any_good_look_the_value_of_the_start_holds"),),
    ),
    Mutant(
        "M68",
        "the gateway refuses webhooks that are signed and lets in those that are not",
        (
            Replacement(
                "manifests/components/istio/authorization.yaml",
                '          notValues: ["*"]\n',
                '          values: ["*"]\n',
            ),
        ),
        (
            unit(
                "manifests/test_objects_agree",
                "test_every_rule_holds[refused_at_the_gateway-prod]",
            ),
        ),
        (unit("manifests/test_objects_agree", "test_every_rule_holds[plain_text-prod]"),),
    ),
)
