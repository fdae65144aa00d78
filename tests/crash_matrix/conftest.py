"""The matrix's environment, the choice of cells, and the table at the end.

`BOOKPAY_CRASH_MATRIX=all` runs every cell; otherwise a sample that the commit decides. Cells that
are not chosen are deselected and named, never counted as passed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

import pytest

from tests.crash_matrix.cells import Cell, applicable_cells, commit_id, every_cell, sample
from tests.crash_matrix.environment import MatrixEnvironment
from tests.crash_matrix.run import Result

CHOICE: Final = "BOOKPAY_CRASH_MATRIX"

_results: Final = pytest.StashKey[list[Result]]()
_left_out: Final = pytest.StashKey[list[Cell]]()


def runs_whole_matrix() -> bool:
    return os.environ.get(CHOICE) == "all"


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_results] = []
    config.stash[_left_out] = []


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the cells that this commit does not draw to `nox -s crash_matrix`.

    Cells that somebody asked for by name (-k, or a node id) are all run.
    """
    if runs_whole_matrix() or config.getoption("keyword"):
        return
    chosen = sample(applicable_cells(), commit_id())
    dropped = [item for item in items if (cell := _cell_of(item)) and cell not in chosen]
    if dropped and len(dropped) < len([item for item in items if _cell_of(item)]):
        config.hook.pytest_deselected(items=dropped)
        items[:] = [item for item in items if item not in dropped]
        config.stash[_left_out] = [cell for item in dropped if (cell := _cell_of(item))]


def _cell_of(item: pytest.Item) -> Cell | None:
    callspec = getattr(item, "callspec", None)
    cell = callspec.params.get("cell") if callspec else None
    return cell if isinstance(cell, Cell) else None


@pytest.fixture(scope="session")
def results(pytestconfig: pytest.Config) -> list[Result]:
    """Where every cell that ran leaves its result for the table."""
    return pytestconfig.stash[_results]


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
    by_cell = {result.cell: result for result in config.stash[_results]}
    if not by_cell:
        return
    left_out = config.stash[_left_out]
    write = terminalreporter.write_line
    terminalreporter.section("crash matrix")
    write(f"{'cell':<30}{'point':<52}{'result':<9}{'recovered':>10}{'cell':>8}")
    for cell in every_cell():
        result = by_cell.get(cell)
        if cell.why_not is not None:
            write(f"{cell.id:<30}{cell.title:<52}n/a: {cell.why_not}")
        elif result is not None:
            write(_line(cell, result))
        elif cell not in left_out:
            write(f"{cell.id:<30}{cell.title:<52}not selected")
    if left_out:
        names = " ".join(cell.id for cell in left_out)
        write(f"left to `nox -s crash_matrix` ({len(left_out)} cells): {names}")


def _line(cell: Cell, result: Result) -> str:
    verdict = "holds" if result.passed else "FAILS"
    recovered = result.recovered_seconds
    seconds = "never" if recovered is None else f"{recovered:.1f} s"
    took = f"{result.cell_seconds:.1f} s"
    return f"{cell.id:<30}{cell.title:<52}{verdict:<9}{seconds:>10}{took:>8}"
