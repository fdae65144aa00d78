"""Sabotages of what stops: a process that is said to be frozen, and a drill that is told to end."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant, Replacement, integration, unit

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
    Mutant(
        "M214",
        "a drill that is stopped while its orders are judged leaves no report",
        (
            Replacement(
                "bookpayctl/drill/run.py",
                """    except Stopped as stopped:
        progress.incidents.append(code_of_signal(stopped.number))
""",
                """    except BrokenPipeError as stopped:
        progress.incidents.append(code_of_signal(stopped.errno or 0))
""",
            ),
        ),
        (
            unit(
                "drills/test_stopped_judging",
                "test_a_signal_while_a_drill_is_judged_is_its_exit_code_and_no_end_without_a_report",
            ),
        ),
        (
            unit(
                "drills/test_refusals", "test_a_503_that_says_when_to_come_again_is_a_clear_refusal"
            ),
        ),
    ),
)
