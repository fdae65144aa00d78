"""`runs` from the command line: whatever lies in the folder, one answer and no traceback."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from bookpayctl.runs import directory
from bookpayctl.targets.environment import save
from tests.support import judged_shop as shop
from tests.support.environments import environment_away
from tests.support.many_commands import Ran, run_all
from tests.support.recorded_run import recorded


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with one environment, which nobody has brought up."""
    save(environment_away(tmp_path / "default"))
    return tmp_path


def runs_of(home: Path) -> Path:
    return home / "default" / "runs"


def ran(home: Path, *words: str) -> Ran:
    (one,) = run_all([words], home, {"BOOKPAY_HOME": str(home)})
    assert "Traceback" not in one.err
    return one


def answered(home: Path, *words: str) -> dict[str, Any]:
    one = ran(home, *words, "-o", "json")
    document: dict[str, Any] = json.loads(one.out)
    assert document["exit"]["code"] == one.code
    return document


def test_whatever_lies_among_the_runs_is_listed(home: Path) -> None:
    run = recorded(runs_of(home), shop.healthy())
    (runs_of(home) / "notes").mkdir()
    broken = directory.begin(runs_of(home), "check").path / directory.RUN_FILE
    broken.write_text("{")

    listed = answered(home, "runs", "list")
    table = ran(home, "runs", "list")

    states = {one["run_id"]: one["state"] for one in listed["runs"]}
    assert states == {run.run_id: "ended", "notes": "foreign", broken.parent.name: "unreadable"}
    assert listed["exit"] == {"code": 0, "reason": "listed"}
    assert all(name in table.out for name in states)


def test_a_name_cannot_drive_the_readers_terminal(home: Path) -> None:
    (runs_of(home) / "\x1b[2Jgone").mkdir(parents=True)

    assert "\x1b[2J" not in ran(home, "runs", "list").out


def test_a_run_is_shown_by_id_by_its_beginning_as_latest_as_folder_and_as_tar(home: Path) -> None:
    run = recorded(runs_of(home), shop.healthy())
    archive = home / "run.tar"
    with tarfile.open(archive, "w") as packed:
        packed.add(run.path, arcname="evidence")

    names = (run.run_id, run.run_id[:8], "latest", str(run.path), str(archive))
    shown = [answered(home, "runs", "show", name)["run"] for name in names]

    assert {one["run_id"] for one in shown} == {run.run_id}
    assert {one["verdict"] for one in shown} == {"holds"}


def test_a_beginning_that_is_not_of_one_run_says_of_how_many(home: Path) -> None:
    for _ in range(2):
        directory.begin(runs_of(home), "check")

    answer = ran(home, "runs", "show", "20")

    assert answer.code == 2
    assert "begins 2 runs" in answer.err


@pytest.mark.parametrize("name", ["nobody", "latest"])
def test_without_runs_there_is_none_to_show(home: Path, name: str) -> None:
    assert ran(home, "runs", "show", name).code == 2


def test_what_is_no_run_is_not_shown_and_what_cannot_be_read_is_unknown(home: Path) -> None:
    (runs_of(home) / "notes").mkdir(parents=True)
    broken = directory.begin(runs_of(home), "check")
    (broken.path / directory.RUN_FILE).write_text("{")

    assert ran(home, "runs", "show", str(runs_of(home) / "notes")).code == 2
    assert ran(home, "runs", "show", broken.run_id).code == 3


def test_two_runs_are_compared_by_verdict_and_by_how_much_was_examined(home: Path) -> None:
    good = recorded(runs_of(home), shop.healthy())
    bad = recorded(runs_of(home), shop.with_stripe(charges=shop.STRIPE.charges[1:]))

    found = answered(home, "runs", "diff", good.run_id, bad.run_id)
    same = answered(home, "runs", "diff", good.run_id, good.run_id)

    assert {"name": "I11", "title": "paid orders were charged", "before": "holds",
            "after": "violated"} in found["verdicts"]  # fmt: skip
    assert (same["verdicts"], same["examined"], same["facts"]) == ([], [], [])


def test_a_run_without_a_report_cannot_be_compared(home: Path) -> None:
    good = recorded(runs_of(home), shop.healthy())
    other = directory.begin(runs_of(home), "check")

    assert ran(home, "runs", "diff", good.run_id, other.run_id).code == 3


def test_pruning_says_what_would_go_and_then_deletes_it(home: Path) -> None:
    old = recorded(runs_of(home), shop.healthy())
    new = recorded(runs_of(home), shop.healthy())
    for run, began_at in ((old, "2026-11-22T09:00:00+00:00"), (new, "2026-11-22T10:00:00+00:00")):
        path = run.path / directory.RUN_FILE
        document = json.loads(path.read_text())
        path.write_text(json.dumps({**document, "began_at": began_at, "pid_began_at": 1.0}))

    planned = answered(home, "runs", "prune", "--keep", "1", "--dry-run")
    there = old.path.is_dir()
    done = answered(home, "runs", "prune", "--keep", "1")

    assert there
    assert [one["run"] for one in planned["runs"] if one["would_be_deleted"]] == [old.run_id]
    assert (done["deleted"], done["freed_bytes"] > 0) == (1, True)
    assert (old.path.exists(), new.path.exists()) == (False, True)


@pytest.mark.parametrize(
    "words", [(), ("--keep", "-1"), ("--older-than", "soon"), ("--older-than", "0s")]
)
def test_pruning_without_a_limit_deletes_nothing(home: Path, words: tuple[str, ...]) -> None:
    run = recorded(runs_of(home), shop.healthy())

    assert ran(home, "runs", "prune", *words).code == 2
    assert run.path.is_dir()
