"""A folder of runs is listed as it is: broken runs, links and strangers' files too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bookpayctl.runs import directory
from bookpayctl.runs.directory import Run
from bookpayctl.runs.listing import ListedRun, RunState, listed_runs, matching, newest


def begun(runs_dir: Path, kind: str = "check", *, hour: int = 12, alive: bool = False) -> Run:
    run = directory.begin(runs_dir, kind)
    path = run.path / directory.RUN_FILE
    document = json.loads(path.read_text())
    document["began_at"] = f"2026-11-22T{hour:02}:00:00.000+00:00"
    if not alive:
        document["pid_began_at"] = 1.0
    path.write_text(json.dumps(document))
    return run


def ended(runs_dir: Path, verdict: str = "holds", *, hour: int = 12, code: int = 0) -> Run:
    run = begun(runs_dir, hour=hour)
    document = {"verdict": verdict, "duration_seconds": 1.5, "exit": {"code": code, "reason": "r"}}
    run.keep_report(json.dumps(document))
    return run


def the_only(runs_dir: Path) -> ListedRun:
    (found,) = listed_runs(runs_dir)
    return found


def test_runs_are_listed_newest_first(tmp_path: Path) -> None:
    ids = [ended(tmp_path, hour=hour).run_id for hour in (9, 11, 10)]

    assert [run.run_id for run in listed_runs(tmp_path)] == [ids[1], ids[2], ids[0]]


def test_an_ended_run_says_what_it_came_to(tmp_path: Path) -> None:
    ended(tmp_path, "violated", code=1)

    found = the_only(tmp_path)

    assert (found.state, found.verdict, found.code) == (RunState.ENDED, "violated", 1)
    assert found.took_seconds == 1.5
    assert found.size_bytes > 100


def test_a_run_without_a_report_is_told_by_its_journals_verdict(tmp_path: Path) -> None:
    begun(tmp_path, "outage").journal("verdict", verdict="unknown", code=3)

    found = the_only(tmp_path)

    assert (found.state, found.verdict, found.code) == (RunState.ENDED, "unknown", 3)


def test_a_run_that_is_at_work_and_one_that_was_killed_are_told_apart(tmp_path: Path) -> None:
    begun(tmp_path / "one", alive=True)
    begun(tmp_path / "two").promise_undo("restore_service", service="kafka")

    assert the_only(tmp_path / "one").state is RunState.RUNNING
    killed = the_only(tmp_path / "two")
    assert (killed.state, killed.pending) == (RunState.CUT_SHORT, ("restore_service",))


@pytest.mark.parametrize("name", ["run.json", "report.json", "journal.jsonl", "undo.jsonl"])
@pytest.mark.parametrize("text", ["[]\n", "{}\n", "{\n", "null\n", '{"number": "x"}\n', "\x00\n"])
def test_a_run_whose_files_are_spoilt_is_listed_all_the_same(
    tmp_path: Path, name: str, text: str
) -> None:
    run = ended(tmp_path)
    (run.path / name).write_text(text)

    found = the_only(tmp_path)

    assert found.run_id == run.run_id
    assert found.state in (RunState.ENDED, RunState.UNREADABLE, RunState.CUT_SHORT)
    assert bool(found.why) == (found.state is RunState.UNREADABLE)


def test_what_is_no_run_is_foreign(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "notes")

    assert {run.run_id: run.state for run in listed_runs(tmp_path)} == dict.fromkeys(
        ("notes", "file", "link"), RunState.FOREIGN
    )


def test_a_copy_under_another_name_is_not_one_of_the_runs(tmp_path: Path) -> None:
    ended(tmp_path).path.rename(tmp_path / "copied")

    found = the_only(tmp_path)

    assert found.state is RunState.UNREADABLE
    assert "run.json is of run" in found.why


def test_no_folder_of_runs_is_no_runs(tmp_path: Path) -> None:
    assert listed_runs(tmp_path / "nowhere") == []


def test_latest_is_the_one_that_began_last(tmp_path: Path) -> None:
    begun(tmp_path, hour=9)
    last = begun(tmp_path, hour=11)
    (tmp_path / "zzz").mkdir()

    found = newest(listed_runs(tmp_path))

    assert found is not None
    assert found.run_id == last.run_id


@pytest.mark.parametrize(
    ("text", "found"),
    [("ab", ["ab"]), ("a", ["ab", "abc"]), ("abc", ["abc"]), ("x", []), ("", [])],
)
def test_a_run_is_meant_by_its_id_or_by_its_beginning(text: str, found: list[str]) -> None:
    assert matching(["ab", "abc", "b"], text) == found
