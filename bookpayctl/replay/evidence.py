"""The files of a replay: records as they come, and where it is, so that it can be taken up again.

`RUN/replay/` has `records.lines` while records are read, `position.json` beside it, and at the end
one Parquet file for each table. The position is written after the records that it speaks of are on
disk; what a crash wrote behind it is cut off, so no record is there twice and none is missing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, BinaryIO, Final

from bookpayctl.judge.ledgers.store import quoted, shape_of
from bookpayctl.judge.ledgers.tables import Table, tables_of
from bookpayctl.replay.errors import ReplayError
from bookpayctl.replay.position import Ranges, Where
from bookpayctl.replay.records import HEAD
from bookpayctl.runs.files import write_atomically

FOLDER: Final = "replay"
POSITION_FILE: Final = "position.json"
RECORDS_FILE: Final = "records.lines"


@dataclass(frozen=True, slots=True)
class SavedPosition:
    """Where a replay of the log is.

    Attributes:
        mode: which one it was.
        began_at: the database's clock before the ends of the log were looked up.
        retained, ranges: what there was, and what of it is to be read.
        reached: the next offset of each partition.
        bytes: how much of the records' file that is.
        since_at, until_at: the times of the range; None for the log's own edges.
        by_time: whether the range is told by times.
    """

    mode: str
    began_at: datetime
    retained: Ranges
    ranges: Ranges
    reached: dict[Where, int]
    bytes: int
    by_time: bool
    since_at: datetime | None = None
    until_at: datetime | None = None

    @property
    def done(self) -> int:
        """How many offsets of the ranges are behind it."""
        return sum(self.reached[where] - first for where, (first, _) in self.ranges.items())

    def left(self) -> Ranges:
        """What is still to be read."""
        return {where: (self.reached[where], end) for where, (_, end) in self.ranges.items()}


@cache
def schema() -> dict[str, Table]:
    """The tables of a replay, by name."""
    return tables_of(files(__package__).joinpath("schema.sql").read_text(encoding="utf-8"))


def folder_of(run: Path) -> Path:
    return run / FOLDER


def save(run: Path, position: SavedPosition) -> None:
    """Write down where it is, durably."""
    document = asdict(position)
    for name in ("retained", "ranges", "reached"):
        document[name] = [[*where, found] for where, found in document[name].items()]
    write_atomically(folder_of(run) / POSITION_FILE, json.dumps(document, default=str))


def saved(run: Path) -> SavedPosition:
    """Where a run had come to.

    Raises:
        ReplayError: it is no replay of the log, or had not begun to read.
    """
    path = folder_of(run) / POSITION_FILE
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return SavedPosition(
            mode=document["mode"],
            began_at=datetime.fromisoformat(document["began_at"]),
            retained=_ranges(document["retained"]),
            ranges=_ranges(document["ranges"]),
            reached={(t, int(p)): int(offset) for t, p, offset in document["reached"]},
            bytes=int(document["bytes"]),
            by_time=bool(document["by_time"]),
            since_at=_time(document["since_at"]),
            until_at=_time(document["until_at"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReplayError(f"{run.name} has no position to go on from: {error}") from error


class RecordsFile:
    """Takes lines, and says how long the file is with them."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def put(self, lines: Iterable[bytes]) -> int:
        """Write lines; the length of the file with them."""
        self._file.writelines(line + b"\n" for line in lines)
        self._file.flush()
        return os.fstat(self._file.fileno()).st_size

    def secure(self) -> None:
        """Bring what was put to the disk."""
        os.fsync(self._file.fileno())


@contextmanager
def records_file(run: Path, length: int) -> Iterator[RecordsFile]:
    """The file of a run's records, cut to the length that its position speaks of."""
    path = folder_of(run) / RECORDS_FILE
    path.parent.mkdir(exist_ok=True)
    there = path.stat().st_size if path.exists() else 0
    if there < length:
        # A run that was over has made its ledgers of them; one that lost them has to begin anew.
        raise ReplayError(f"{run.name} is over, or its records are gone: nothing to go on from")
    with path.open("ab") as file:
        os.truncate(path, length)
        records = RecordsFile(file)
        if length == 0:
            records.put([HEAD])
        yield records


def records_of(run: Path) -> str:
    """The lines of a run, as a source of rows."""
    return (
        f"read_csv({quoted(folder_of(run) / RECORDS_FILE)}, header = true, auto_detect = false,"
        " delim = chr(31), quote = '', escape = '', nullstr = '', new_line = '\\n',"
        f" max_line_size = 20000000, columns = {shape_of(schema()['records'])})"
    )


def _ranges(found: list[tuple[str, int, tuple[int, int]]]) -> Ranges:
    return {(t, int(p)): (int(first), int(end)) for t, p, (first, end) in found}


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
