"""Old runs go; what is owed, alive, unknown or still needed by an audit does not."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bookpayctl.judge.ledgers.store import open_folder, opened
from bookpayctl.judge.ledgers.writer import LedgerWriter
from bookpayctl.judge.readers.runs import read_runs
from bookpayctl.runs import directory
from bookpayctl.runs.directory import Run
from bookpayctl.runs.listing import described, listed_runs
from bookpayctl.runs.pruning import chosen, delete, finish_deleting

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
HOUR = 3600.0


def made(runs_dir: Path, hours_old: int, *, alive: bool = False, report: bool = True) -> Run:
    run = directory.begin(runs_dir, "check")
    path = run.path / directory.RUN_FILE
    began_at = (NOW - timedelta(hours=hours_old)).isoformat()
    alive_at = {} if alive else {"pid_began_at": 1.0}
    document = {**json.loads(path.read_text()), "began_at": began_at, **alive_at}
    path.write_text(json.dumps(document))
    if report:
        run.keep_report(json.dumps({"verdict": "holds", "exit": {"code": 0, "reason": "all_hold"}}))
    return run


def going(runs_dir: Path, keep: int | None = None, older: float | None = None) -> set[str]:
    judged = chosen(listed_runs(runs_dir), now=NOW, keep=keep, older_than_seconds=older)
    return {one.run.run_id for one in judged if one.goes}


def probes_of(runs_dir: Path) -> set[tuple[str, str]]:
    """What an audit leaves out because of these runs."""
    folder = runs_dir.parent / f"{runs_dir.name}-ledgers"
    with opened() as connection:
        read_runs(runs_dir, LedgerWriter(connection, folder))
        open_folder(connection, folder)
        return set(connection.execute("SELECT kind, id FROM probes").fetchall())


def test_the_newest_stay(tmp_path: Path) -> None:
    runs = [made(tmp_path, hours) for hours in (1, 2, 3)]

    assert going(tmp_path, keep=1) == {runs[1].run_id, runs[2].run_id}
    assert going(tmp_path, keep=0) == {run.run_id for run in runs}


def test_the_young_stay(tmp_path: Path) -> None:
    runs = [made(tmp_path, hours) for hours in (1, 2, 3)]

    assert going(tmp_path, older=1.5 * HOUR) == {runs[1].run_id, runs[2].run_id}


def test_of_two_limits_both_have_to_be_passed(tmp_path: Path) -> None:
    runs = [made(tmp_path, hours) for hours in (1, 2, 3)]

    assert going(tmp_path, keep=2, older=1.5 * HOUR) == {runs[2].run_id}
    assert going(tmp_path, keep=0, older=2.5 * HOUR) == {runs[2].run_id}


def test_a_run_with_something_to_undo_stays(tmp_path: Path) -> None:
    run = made(tmp_path, 99)
    run.promise_undo("restore_service", service="kafka")

    (judged,) = chosen(listed_runs(tmp_path), now=NOW, keep=0, older_than_seconds=None)
    refused = delete(judged.run, tmp_path)

    assert not judged.goes
    assert "restore_service" in judged.why
    assert "restore_service" in refused.error
    assert run.path.is_dir()


def test_a_run_that_is_at_work_stays(tmp_path: Path) -> None:
    run = made(tmp_path, 99, alive=True, report=False)

    assert going(tmp_path, keep=0) == set()
    assert delete(described(run.path), tmp_path).error == "its tool is still at work"
    assert run.path.is_dir()


def test_what_is_no_run_and_what_cannot_be_read_stay(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (made(tmp_path, 99).path / directory.UNDO_FILE).write_text("[]\n")

    assert going(tmp_path, keep=0) == set()


def test_a_promise_made_since_it_was_listed_keeps_a_run(tmp_path: Path) -> None:
    run = made(tmp_path, 99)
    (listed,) = listed_runs(tmp_path)
    run.promise_undo("restore_service", service="kafka")

    assert delete(listed, tmp_path).freed_bytes == 0
    assert run.path.is_dir()


def test_a_deleted_run_is_gone_and_its_bytes_are_told(tmp_path: Path) -> None:
    run = made(tmp_path, 99)
    (listed,) = listed_runs(tmp_path)

    done = delete(listed, tmp_path)

    assert (done.error, done.freed_bytes) == ("", listed.size_bytes)
    assert not run.path.exists()
    assert list(tmp_path.iterdir()) == []


def test_what_a_link_in_a_run_leads_to_is_not_touched(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("x")
    runs_dir = tmp_path / "runs"
    run = made(runs_dir, 99)
    (run.path / "ledgers").symlink_to(precious)

    (listed,) = listed_runs(runs_dir)
    delete(listed, runs_dir)

    assert not run.path.exists()
    assert (precious / "file").read_text() == "x"


def test_a_run_that_became_a_link_is_not_followed(tmp_path: Path) -> None:
    runs_dir = tmp_path / "runs"
    run = made(runs_dir, 99)
    (listed,) = listed_runs(runs_dir)
    run.path.rename(tmp_path / "elsewhere")
    run.path.symlink_to(tmp_path / "elsewhere")

    assert "link" in delete(listed, runs_dir).error
    assert (tmp_path / "elsewhere" / directory.RUN_FILE).exists()


def test_what_a_deleted_run_made_on_purpose_is_left_out_of_audits_as_before(
    tmp_path: Path,
) -> None:
    runs_dir = tmp_path / "runs"
    for number in (1, 2):
        made(runs_dir, 99).probe("client_key", f"probe-{number}")
    before = probes_of(runs_dir)

    for listed in listed_runs(runs_dir):
        delete(listed, runs_dir)

    assert before == {("client_key", "probe-1"), ("client_key", "probe-2")}
    assert probes_of(runs_dir) == before
    assert listed_runs(runs_dir) == []


def test_what_an_earlier_prune_left_in_part_goes_with_the_next(tmp_path: Path) -> None:
    run = made(tmp_path, 99)
    run.path.rename(tmp_path / f".{run.run_id}.deleted")
    kept = made(tmp_path, 1)

    finish_deleting(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == [kept.run_id]


@pytest.mark.parametrize("keep", [0, 3])
def test_nothing_to_prune_is_nothing(tmp_path: Path, keep: int) -> None:
    assert going(tmp_path, keep=keep) == set()
