"""The failpoints as a table: what the page says is what the code does."""

from __future__ import annotations

import re
from pathlib import Path
from uuid import uuid4

import pytest

from runtime.faults.names import INAPPLICABLE, Action, Failpoint
from runtime.faults.points import Failpoints, _Armed
from tests.crash_matrix.cells import TWIN_POINTS

ROOT = Path(__file__).resolve().parents[3]
ON = Failpoints("postgresql://nobody.invalid/none", "worker-0", uuid4(), None)


def rows_of_architecture() -> list[list[str]]:
    """The cells of each row of the table of failpoints."""
    lines = (ROOT / "ARCHITECTURE.md").read_text().splitlines()
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in lines
        if re.match(r"\| F\d\d \|", line)
    ]


def test_the_page_lists_every_failpoint_in_order() -> None:
    rows = rows_of_architecture()

    assert [row[0] for row in rows] == [f"F{number:02}" for number in range(1, 28)]
    assert [row[1].strip("`") for row in rows] == [point.value for point in Failpoint]


def test_the_page_gives_the_reason_of_every_cell_that_cannot_apply() -> None:
    told = {
        (row[1].strip("`"), Action.EXECTIMEOUT): row[4].removeprefix("n/a: ")
        for row in rows_of_architecture()
        if row[4].startswith("n/a")
    }

    assert told == {(point.value, action): why for (point, action), why in INAPPLICABLE.items()}


def test_every_failpoint_is_hit_in_one_place_and_the_page_names_it() -> None:
    runtime = ROOT / "runtime"
    sources = {
        str(path.relative_to(runtime)).removeprefix("services/"): path.read_text()
        for folder in ("services", "steps")
        for path in (runtime / folder).rglob("*.py")
    }

    hit_in = {
        point: [
            name
            for name, text in sources.items()
            for _ in re.findall(rf"Failpoint\.{point.name}\b", text)
        ]
        for point in Failpoint
    }

    page = {row[1].strip("`"): row[2].strip("`") for row in rows_of_architecture()}
    assert {point.value: places for point, places in hit_in.items()} == {
        point.value: [] if point in TWIN_POINTS else [page[point.value]] for point in Failpoint
    }


@pytest.mark.parametrize(("point", "action"), INAPPLICABLE, ids=lambda value: value.value)
def test_a_fault_that_cannot_apply_is_an_error_of_its_drill(
    point: Failpoint, action: Action
) -> None:
    with pytest.raises(ValueError, match=re.escape(INAPPLICABLE[point, action])):
        ON._act(point, _Armed(1, "run", action.value, None), None)


@pytest.mark.parametrize("action", [Action.DROPCONN, Action.EXECTIMEOUT])
def test_a_fault_of_a_connection_needs_the_connection(action: Action) -> None:
    with pytest.raises(ValueError, match="has no action"):
        ON._act(Failpoint.API_BEFORE_COMMIT, _Armed(1, "run", action.value, None), None)
