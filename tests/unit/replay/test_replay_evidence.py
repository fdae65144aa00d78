"""A replay that was cut off goes on where it was: no record twice, none missing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bookpayctl.replay.errors import ReplayError
from bookpayctl.replay.evidence import SavedPosition, folder_of, records_file, save, saved
from bookpayctl.replay.records import COLUMNS, SEPARATOR

WHERE = ("orders.placed", 1)
BEGUN = SavedPosition(
    mode="verify",
    began_at=datetime(2026, 11, 29, 10, tzinfo=UTC),
    retained={WHERE: (0, 10)},
    ranges={WHERE: (2, 10)},
    reached={WHERE: 2},
    bytes=0,
    by_time=True,
    since_at=datetime(2026, 11, 29, 9, tzinfo=UTC),
)


def line(offset: int) -> bytes:
    cells = (str(offset).encode() if name == "record_offset" else b"" for name in COLUMNS)
    return SEPARATOR.join(cells)


def offsets(run: Path) -> list[str]:
    text = (folder_of(run) / "records.lines").read_text()
    return [row.split("\x1f")[2] for row in text.splitlines()[1:]]


def test_a_position_is_read_as_it_was_written(tmp_path: Path) -> None:
    folder_of(tmp_path).mkdir()
    save(tmp_path, BEGUN)

    assert saved(tmp_path) == BEGUN


def test_what_is_left_is_told_by_what_was_reached() -> None:
    halfway = replace(BEGUN, reached={WHERE: 6})

    assert halfway.done == 4
    assert halfway.left() == {WHERE: (6, 10)}


def test_records_behind_the_saved_position_are_cut_off_and_read_again(tmp_path: Path) -> None:
    with records_file(tmp_path, 0) as file:
        length = file.put([line(2), line(3)])
        file.put([line(4)])

    with records_file(tmp_path, length) as file:
        file.put([line(4), line(5)])

    assert offsets(tmp_path) == ["2", "3", "4", "5"]


def test_a_run_whose_records_are_gone_is_not_resumed(tmp_path: Path) -> None:
    with records_file(tmp_path, 0) as file:
        length = file.put([line(2)])
    (folder_of(tmp_path) / "records.lines").unlink()

    with (
        pytest.raises(ReplayError, match="nothing to go on from"),
        records_file(tmp_path, length),
    ):
        pass


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"mode": "verify"}'])
def test_a_run_without_a_position_is_not_resumed(text: str, tmp_path: Path) -> None:
    folder_of(tmp_path).mkdir()
    (folder_of(tmp_path) / "position.json").write_text(text)

    with pytest.raises(ReplayError, match="has no position to go on from"):
        saved(tmp_path)
