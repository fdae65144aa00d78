"""Logs: merged by time, filtered by order, followed across a rotation."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from bookpayctl.targets.local.supervise import logs
from bookpayctl.targets.log_lines import LogLine, OrderFilter


def service_line(at: str, message: str, **fields: str) -> str:
    return json.dumps({"ts": at, "level": "INFO", "msg": message, **fields}) + "\n"


def raws(lines: Iterator[LogLine]) -> list[str]:
    return [line.text("msg") or line.raw for line in lines]


def test_lines_of_several_processes_are_merged_by_time_whatever_their_notation(
    tmp_path: Path,
) -> None:
    (tmp_path / "worker.log").write_text(
        service_line("2026-11-22T10:00:00.5Z", "first")
        + service_line("2026-11-22T10:00:02.000001Z", "third")
    )
    (tmp_path / "postgres.log").write_text("2026-11-22 10:00:01.250 UTC [7] LOG:  second\n")

    merged = raws(logs.read_all(tmp_path, ["worker", "postgres"]))

    assert merged == ["first", "2026-11-22 10:00:01.250 UTC [7] LOG:  second", "third"]


def test_rotated_files_come_first(tmp_path: Path) -> None:
    for suffix, second in ((".2", 1), (".1", 2), ("", 3)):
        line = service_line(f"2026-11-22T10:00:0{second}Z", str(second))
        (tmp_path / f"worker.log{suffix}").write_text(line)

    assert raws(logs.read_all(tmp_path, ["worker"])) == ["1", "2", "3"]


def test_a_traceback_takes_the_time_of_the_line_before_it_and_is_marked(tmp_path: Path) -> None:
    (tmp_path / "worker.log").write_text(
        service_line("2026-11-22T10:00:00Z", "start") + "Traceback (most recent call last):\n"
    )

    traceback = list(logs.read_all(tmp_path, ["worker"]))[1]

    assert traceback.at == "2026-11-22T10:00:00.000000Z"
    assert traceback.fields is None


def test_half_a_json_object_is_kept_as_text(tmp_path: Path) -> None:
    (tmp_path / "worker.log").write_text('{"ts": "2026-11-22T10:00:00Z", "ms\n')

    (line,) = logs.read_all(tmp_path, ["worker"])

    assert line.fields is None
    assert line.raw.startswith('{"ts"')


def test_an_order_is_followed_through_lines_that_name_only_its_event(tmp_path: Path) -> None:
    placed = service_line("2026-11-22T10:00:00Z", "placed", order_id="ord_1", event_id="e-1")
    charged = service_line("2026-11-22T10:00:01Z", "charged", event_id="e-1")
    other = service_line("2026-11-22T10:00:02Z", "other", order_id="ord_2", event_id="e-2")
    crash = "ValueError: ord_1 is broken\n"
    (tmp_path / "worker.log").write_text(placed + charged + other + crash)
    wanted = OrderFilter("ord_1")
    for line in logs.read_all(tmp_path, ["worker"]):
        wanted.learn(line)

    kept = [line for line in logs.read_all(tmp_path, ["worker"]) if wanted.matches(line)]

    assert raws(iter(kept)) == ["placed", "charged", "ValueError: ord_1 is broken"]


def test_following_goes_on_in_the_new_file_after_a_rotation(tmp_path: Path) -> None:
    path = tmp_path / "worker.log"
    path.write_text(service_line("2026-11-22T10:00:00Z", "old"))
    seen: list[str] = []

    def append() -> None:
        with path.open("a") as file:
            file.write(service_line("2026-11-22T10:00:01Z", "before"))

    def rotate() -> None:
        path.rename(tmp_path / "worker.log.1")
        path.write_text(service_line("2026-11-22T10:00:02Z", "after"))

    writes = iter([append, rotate])

    def is_over() -> bool:
        write = next(writes, None)
        if write is not None:
            write()
        return len(seen) == 2

    for line in logs.follow(tmp_path, ["worker"], is_over=is_over):
        seen.append(line.text("msg"))  # noqa: PERF401 - is_over looks at it meanwhile

    assert seen == ["before", "after"]


def test_following_waits_for_the_rest_of_a_line(tmp_path: Path) -> None:
    path = tmp_path / "worker.log"
    path.touch()
    whole = service_line("2026-11-22T10:00:00Z", "whole")
    parts = iter([whole[:20], whole[20:]])
    seen: list[LogLine] = []

    def is_over() -> bool:
        part = next(parts, None)
        if part is not None:
            with path.open("a") as file:
                file.write(part)
        return bool(seen)

    for line in logs.follow(tmp_path, ["worker"], is_over=is_over):
        seen.append(line)  # noqa: PERF402 - is_over looks at it meanwhile

    assert [line.text("msg") for line in seen] == ["whole"]


def test_a_followed_line_without_a_time_gets_that_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "worker.log"
    path.touch()
    os.utime(path, (1_795_000_000, 1_795_000_000))
    seen: list[LogLine] = []

    def is_over() -> bool:
        with path.open("a") as file:
            file.write("Traceback\n")
        return bool(seen)

    for line in logs.follow(tmp_path, ["worker"], is_over=is_over):
        seen.append(line)  # noqa: PERF402 - is_over looks at it meanwhile

    assert seen[0].at == "2026-11-18T11:06:40.000000Z"
