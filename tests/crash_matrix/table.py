"""A cell's line in the table that ends a run of the matrix."""

from __future__ import annotations

from typing import Final

from tests.crash_matrix.run import Result

# What a test leaves in its report under this name is the cell's line in the table. A report comes
# from whichever process ran the test.
LINE: Final = "crash matrix"


def line_of(result: Result) -> str:
    cell, verdict = result.cell, "holds" if result.passed else "FAILS"
    recovered = result.recovered_seconds
    seconds = "never" if recovered is None else f"{recovered:.1f} s"
    took = f"{result.cell_seconds:.1f} s"
    return f"{cell.id:<30}{cell.title:<52}{verdict:<9}{seconds:>10}{took:>8}"
