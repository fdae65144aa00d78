"""Every failpoint with every fault under a small load: nothing is lost and nobody pays twice.

Each cell breaks one process or one connection at one step, and the system has to be whole again by
itself within 30 seconds, of the awakening where a process was frozen: every order where its
customer was promised, each charge at Stripe paid for one order or given back, stock conserved, one
letter per event, and no objection of the judge.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.faults.names import INAPPLICABLE, Action, Failpoint
from tests.crash_matrix.cells import (
    MATRIX_ACTIONS,
    Cell,
    applicable_cells,
    every_cell,
    quick_cells,
    sample,
)
from tests.crash_matrix.environment import MatrixEnvironment
from tests.crash_matrix.run import run_cell
from tests.crash_matrix.table import LINE, line_of

pytestmark = [pytest.mark.acceptance]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("cell", applicable_cells(), ids=lambda cell: cell.id)
def test_the_system_heals_by_itself_and_every_ledger_agrees(
    cell: Cell,
    matrix: MatrixEnvironment,
    record_property: Callable[[str, object], None],
    tmp_path: Path,
) -> None:
    result = run_cell(matrix, cell, tmp_path)

    record_property(LINE, (cell.id, line_of(result)))
    if not result.passed:
        # What is broken for good would be found again in every cell after this one.
        matrix.renew()
    assert result.problems == []
    assert result.recovered_seconds is not None


def test_every_point_has_four_cells_that_run_or_say_why_not() -> None:
    cells = {(cell.point, cell.action) for cell in every_cell()}

    assert cells == {(point, action) for point in Failpoint for action in MATRIX_ACTIONS}
    # Two of F13's have two victims each.
    assert (len(cells), len(every_cell()), len(applicable_cells())) == (108, 110, 98)
    assert set(INAPPLICABLE) < cells
    assert all(len(reason) > 20 for reason in INAPPLICABLE.values())


def test_a_sample_has_every_service_and_is_the_same_for_the_same_commit() -> None:
    cells = quick_cells()
    services = {cell.service for cell in cells}

    samples = [sample(cells, f"commit {n}") for n in range(200)]

    assert all({cell.service for cell in drawn} == services for drawn in samples)
    assert {len(drawn) for drawn in samples} == {8}
    assert sample(cells, "commit 7") == samples[7]
    # Over many commits nothing is left out for ever, but for what takes half a minute each.
    assert {cell for drawn in samples for cell in drawn} == set(cells)
    assert {cell.action for cell in applicable_cells() if cell not in cells} == {Action.STOP}
