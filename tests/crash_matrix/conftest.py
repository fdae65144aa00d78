"""The matrix's environment, the choice of cells, and the table at the end.

`BOOKPAY_CRASH_MATRIX=all` runs every cell; otherwise a sample that the commit decides. Cells that
are not chosen are deselected and named, never counted as passed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

import pytest

from tests.crash_matrix.cells import (
    Cell,
    applicable_cells,
    commit_id,
    every_cell,
    quick_cells,
    sample,
)
from tests.crash_matrix.environment import MatrixEnvironment
from tests.crash_matrix.table import LINE

CHOICE: Final = "BOOKPAY_CRASH_MATRIX"


def drawn_cells(config: pytest.Config) -> list[Cell]:
    """Those that this run draws; all of them where somebody asked for some by name."""
    if os.environ.get(CHOICE) == "all" or config.getoption("keyword"):
        return applicable_cells()
    return sample(quick_cells(), commit_id())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the cells that this commit does not draw to `nox -s crash_matrix`.

    Cells that somebody asked for by name (-k, or a node id) are all run.
    """
    drawn = drawn_cells(config)
    cells = [item for item in items if _cell_of(item)]
    dropped = [item for item in cells if _cell_of(item) not in drawn]
    if len(dropped) < len(cells):
        config.hook.pytest_deselected(items=dropped)
        items[:] = [item for item in items if item not in dropped]


def _cell_of(item: pytest.Item) -> Cell | None:
    callspec = getattr(item, "callspec", None)
    cell = callspec.params.get("cell") if callspec else None
    return cell if isinstance(cell, Cell) else None


@pytest.fixture(scope="session")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MatrixEnvironment]:
    """One whole environment for all cells."""
    found = MatrixEnvironment(tmp_path_factory.mktemp("crash-matrix"))
    found.up()
    try:
        yield found
    finally:
        found.down()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print every cell: its result and its seconds, or why it did not run."""
    lines = dict(
        line
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, line in getattr(report, "user_properties", ())
        if name == LINE
    )
    if not lines:
        return
    drawn = {cell.id for cell in drawn_cells(config)}
    left_out = [cell.id for cell in applicable_cells() if cell.id not in drawn | set(lines)]
    write = terminalreporter.write_line
    terminalreporter.section("crash matrix")
    write(f"{'cell':<30}{'point':<52}{'result':<9}{'recovered':>10}{'cell':>8}")
    for cell in every_cell():
        if cell.why_not is not None:
            write(f"{cell.id:<30}{cell.title:<52}n/a: {cell.why_not}")
        elif cell.id in lines:
            write(lines[cell.id])
        elif cell.id in drawn:
            write(f"{cell.id:<30}{cell.title:<52}not selected")
    if left_out:
        write(f"left to `nox -s crash_matrix` ({len(left_out)} cells): {' '.join(left_out)}")
