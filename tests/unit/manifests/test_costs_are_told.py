"""docs/kubernetes.md tells what each overlay asks a cluster for, and it is what it asks for."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tests.support.manifests.costs import cost_row, quantity
from tests.support.manifests.rendering import MANIFESTS, ROOT, render

PAGE = ROOT / "docs" / "kubernetes.md"
HEADING = "## What an overlay costs"


def table() -> dict[str, list[str]]:
    """The lines of the page's table, by their first cell."""
    section = PAGE.read_text().partition(HEADING)[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    return {row[0]: row for row in cells}


def overlays() -> list[str]:
    return sorted(path.name for path in Path(MANIFESTS / "overlays").iterdir() if path.is_dir())


@pytest.mark.parametrize("overlay", overlays())
def test_the_page_tells_what_an_overlay_asks_for(overlay: str) -> None:
    row = cost_row(render(overlay))

    assert tuple(table()[row[0]][: len(row)]) == row


def test_every_overlay_has_its_line_and_no_other() -> None:
    assert sorted(table()) == [f"`{name}`" for name in overlays()]


@pytest.mark.parametrize(
    ("text", "value"), [("250m", "0.25"), ("2", "2"), ("1Ki", "1024"), ("1Gi", "1073741824")]
)
def test_a_quantity_is_cores_or_bytes(text: str, value: str) -> None:
    assert quantity(text) == Decimal(value)
