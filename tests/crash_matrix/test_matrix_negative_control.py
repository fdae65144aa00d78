"""A matrix that cannot turn red proves nothing: a runtime with known faults must fail its cells.

The sabotage comes from outside, by a module that Python imports at start, so that it does not
depend on how a cell is run. `argv` is not there yet so early; `orig_argv` is.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.faults.names import Action, Failpoint
from tests.crash_matrix.cells import Cell
from tests.crash_matrix.environment import MatrixEnvironment
from tests.crash_matrix.run import run_cell

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

# A worker that takes no answer for a refusal, and a publisher that marks what it has only read.
SABOTAGE = """
import sys

if "payments-worker" in sys.orig_argv:
    import runtime.domain.payment as payment

    def finalise(p, outcome):
        return payment._failed(p, "timeout", None)

    payment._unknown = finalise

if "outbox-publisher" in sys.orig_argv:
    from runtime.adapters.store import outbox

    select = outbox.select_unpublished

    def select_and_mark(conn, **wanted):
        rows = select(conn, **wanted)
        if rows:
            outbox.mark_published(conn, [row.event_id for row in rows])
        return rows

    outbox.select_unpublished = select_and_mark
"""

SABOTAGED_BOUND_SECONDS = 12.0


@pytest.fixture(scope="module")
def sabotaged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MatrixEnvironment]:
    modules = tmp_path_factory.mktemp("sabotage")
    (modules / "sitecustomize.py").write_text(SABOTAGE)
    home = tmp_path_factory.mktemp("sabotaged-matrix")
    # The reconciler would publish the lost event once more, and a busy machine has time for that.
    unhealed = {"BOOKPAY_WEBHOOK_WINDOW": "6h"}
    matrix = MatrixEnvironment(home, {"BOOKPAY_PYTHONPATH": str(modules), **unhealed})
    try:
        matrix.up()
        yield matrix
    finally:
        matrix.down()


def test_a_worker_that_finalises_what_it_does_not_know_fails_its_cell(
    sabotaged: MatrixEnvironment, tmp_path: Path
) -> None:
    cell = Cell(Failpoint.PSP_EXECUTED_RESPONSE_LOST, Action.DROPCONN)

    result = run_cell(sabotaged, cell, tmp_path)

    assert not result.passed
    # Stripe had charged it: a customer who paid is told that the order is cancelled.
    assert any("trigger must be" in problem for problem in result.problems), result.problems


def test_a_publisher_that_marks_what_it_has_not_sent_fails_its_cell(
    sabotaged: MatrixEnvironment, tmp_path: Path
) -> None:
    cell = Cell(Failpoint.PUBLISHER_FETCHED_BEFORE_PRODUCE, Action.EXIT)

    result = run_cell(sabotaged, cell, tmp_path, bound_seconds=SABOTAGED_BOUND_SECONDS)

    assert not result.passed
    assert any("not at rest" in problem for problem in result.problems), result.problems
    assert any(problem.startswith("I06") for problem in result.problems), result.problems
