"""Sabotages of leases: who may write what came of a call, and until when."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant, Replacement, integration

PAYMENTS: Final = "runtime/adapters/store/payments.py"

LEASE_MUTANTS: Final = (
    Mutant(
        "M10",
        "a result counts whether or not its lease is still the row's",
        (
            Replacement(
                "runtime/steps/payment.py",
                """    if lease_token is not None and row.lease_token != lease_token:
        return Fenced()
""",
                "",
            ),
        ),
        (
            integration(
                "payments_worker/test_leases", "test_a_result_under_a_lost_lease_is_fenced_off"
            ),
        ),
    ),
    Mutant(
        "M11",
        "leases are measured by wall clock instead of the environment's",
        (
            Replacement(
                PAYMENTS,
                "state = 'charging' AND (lease_until < environment_now() OR",
                "state = 'charging' AND (lease_until < clock_timestamp() OR",
            ),
            Replacement(
                PAYMENTS,
                "lease_until = environment_now() + make_interval",
                "lease_until = clock_timestamp() + make_interval",
            ),
        ),
        (
            integration(
                "payments_worker/test_leases",
                "test_a_lease_ends_when_the_environment_clock_says_so",
            ),
        ),
    ),
    Mutant(
        "M36",
        "an answer to a refund counts whether or not its lease is still the row's",
        (
            Replacement(
                "runtime/steps/refund.py",
                "    if row is None or (lease_token is not None and row.lease_token != lease_token):",
                "    if row is None:",
            ),
        ),
        (
            integration(
                "payments_worker/test_refund_rows",
                "test_an_answer_to_a_refund_under_a_lost_lease_is_dropped",
            ),
        ),
    ),
    Mutant(
        "M274",
        "an order that is cancelled in its own batch is charged as it was written",
        (
            Replacement(
                "runtime/services/payments_worker/inbox.py",
                "    if batch.cancelled and counts.new:\n",
                "    if batch.cancelled and counts.new and not batch.placed:\n",
            ),
        ),
        (
            integration(
                "payments_worker/test_leases",
                "test_an_order_that_is_cancelled_in_its_own_batch_is_not_for_sending",
            ),
        ),
    ),
)
