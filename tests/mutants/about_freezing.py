"""Sabotages of `stop`: a process that is said to be frozen, and what it has said before."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant, Replacement, integration

FREEZING_MUTANTS: Final = (
    Mutant(
        "M212",
        "a process that its failpoint freezes goes on at once",
        (
            Replacement(
                "runtime/faults/points.py",
                "    os.kill(pid, signal.SIGSTOP)",
                "    os.kill(pid, signal.SIGCONT)",
            ),
        ),
        (
            integration(
                "payments_worker/test_worker_crashes",
                "test_a_worker_that_was_frozen_past_its_lease_cannot_write_its_result",
            ),
        ),
    ),
    Mutant(
        "M213",
        "a process that is frozen with its COMMIT on the way has not sent it",
        (
            Replacement(
                "runtime/faults/points.py",
                """            case Action.STOP, _:
                if fault is not None:
                    fault.begin()
""",
                """            case Action.STOP, _:
""",
            ),
        ),
        (
            integration(
                "orders/test_orders_under_pressure",
                "test_a_process_frozen_with_its_commit_on_its_way_has_committed_and_says_so_later",
            ),
        ),
    ),
)
