"""`report RUN`: the run's own answer again, from its folder, and never a better one."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from bookpayctl.judge.ledgers import manifest
from bookpayctl.runs import directory
from bookpayctl.runs.directory import JOURNAL_FILE, REPORT_FILE, Run
from bookpayctl.targets.environment import save
from tests.support import judged_shop as shop
from tests.support.environments import environment_away
from tests.support.many_commands import Ran, run_all
from tests.support.recorded_run import recorded
from tests.support.report_schema import problems


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with one environment, which nobody has brought up."""
    save(environment_away(tmp_path / "default"))
    return tmp_path


def good(home: Path) -> Run:
    return recorded(home / "default" / "runs", shop.healthy())


def bad(home: Path) -> Run:
    charges = shop.STRIPE.charges[1:]
    return recorded(home / "default" / "runs", shop.with_stripe(charges=charges))


def ran(home: Path, *words: str) -> Ran:
    (one,) = run_all([("report", *words)], home, {"BOOKPAY_HOME": str(home)})
    assert "Traceback" not in one.err
    return one


def answered(home: Path, *words: str) -> dict[str, Any]:
    one = ran(home, *words, "-o", "json")
    document: dict[str, Any] = json.loads(one.out)
    assert document["exit"]["code"] == one.code
    return document


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): manifest.sha256_of(path)
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_runs_report_comes_out_again_and_its_folder_stays_as_it_is(home: Path) -> None:
    run = good(home)
    before = contents(run.path)

    document = answered(home, run.run_id)

    assert document == json.loads((run.path / REPORT_FILE).read_text())
    assert problems(document) == []
    assert contents(run.path) == before


def test_the_latest_is_the_last_run_with_a_report(home: Path) -> None:
    run = good(home)
    directory.begin(home / "default" / "runs", "check").journal("verdict", verdict="holds", code=0)

    told = answered(home, "latest")

    assert told["run_dir"] == str(run.path)


def test_a_violated_run_exits_1_in_every_format(home: Path) -> None:
    run = bad(home)

    codes = {
        output: ran(home, run.run_id, "--format", output).code
        for output in ("table", "json", "junit", "markdown", "html")
    }

    assert codes == dict.fromkeys(codes, 1)


def test_reports_are_written_beside_the_one_on_stdout(home: Path) -> None:
    good(home)

    names = ("r.json", "r.xml", "r.md", "r.html")
    files = [
        *("--report", "json=r.json", "--report", "junit=r.xml"),
        *("--report", "markdown=r.md", "--report", "html=r.html"),
    ]
    assert ran(home, "latest", *files).code == 0

    assert all((home / name).stat().st_size for name in names)
    assert ElementTree.parse(home / "r.xml").getroot().get("failures") == "0"  # noqa: S314 - ours


@pytest.mark.parametrize("output", ["json", "junit", "markdown", "html"])
def test_a_report_that_could_not_be_written_is_never_exit_0(home: Path, output: str) -> None:
    good(home)

    document = answered(home, "latest", "--report", f"{output}=/dev/full")

    assert document["exit"]["code"] == 3
    assert "/dev/full" in document["reports_lost"][0]
    assert document["verdict"] == "holds"


@pytest.mark.parametrize(
    ("output", "code"), [("html", 3), ("markdown", 3), ("junit", 3), ("json", 3), ("table", 0)]
)
def test_a_document_that_stdout_did_not_take_is_never_exit_0(
    home: Path, output: str, code: int
) -> None:
    run = good(home)
    command = [sys.executable, "-m", "bookpayctl", "report", str(run.path), "-o", output]

    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)

    assert done.returncode == code, done.stderr
    assert "stdout took no answer" in done.stderr


def test_a_page_is_made_of_a_tar_of_the_folder_alone(home: Path, tmp_path: Path) -> None:
    run = bad(home)
    archive = tmp_path / "run.tar"
    with tarfile.open(archive, "w") as packed:
        packed.add(run.path, arcname=run.run_id)
    shutil.rmtree(run.path)

    told = ran(home, str(archive), "-o", "html")
    judged = run_all([("verify", str(archive), "-o", "html")], tmp_path)[0]

    assert told.code == 1
    assert "Orders that answers name" in told.out
    assert (judged.code, "What happened" in judged.out) == (1, True)


def test_a_run_whose_ledger_was_edited_since_is_not_told_as_it_was(home: Path) -> None:
    run = good(home)
    path = run.path / "ledgers" / "orders.parquet"
    path.write_bytes(path.read_bytes()[:-1] + b"\x00")

    document = answered(home, run.run_id)

    assert document["exit"]["code"] == 1
    assert document["items"][0]["id"] == "V02"


def test_a_run_whose_journal_was_edited_since_is_not_told_as_it_was(home: Path) -> None:
    run = good(home)
    path = run.path / JOURNAL_FILE
    path.write_text(path.read_text().replace('"begin"', '"began"'))

    assert answered(home, run.run_id)["items"][0]["id"] == "V01"


def test_a_run_without_ledgers_is_followed_by_its_journal(home: Path) -> None:
    run = good(home)
    document = (run.path / REPORT_FILE).read_text()
    check = directory.begin(home / "default" / "runs", "check")
    check.journal("check", id="BP-C001")
    check.journal("verdict", verdict="holds", code=0)
    check.keep_report(document)

    told = ran(home, check.run_id)
    (check.path / JOURNAL_FILE).write_text('{"event":"check"}\n')
    changed = ran(home, check.run_id)
    (check.path / JOURNAL_FILE).unlink()
    missing = ran(home, check.run_id)

    assert (told.code, changed.code, missing.code) == (0, 1, 3)


def test_a_missing_ledger_is_unknown(home: Path) -> None:
    run = good(home)
    (run.path / "ledgers" / "orders.parquet").unlink()

    assert answered(home, run.run_id)["exit"]["code"] == 3


def test_a_report_that_was_mended_is_not_believed(home: Path) -> None:
    run = bad(home)
    path = run.path / REPORT_FILE
    text = path.read_text()
    path.write_text(text.replace("violated", "holds"))
    contradicts_itself = ran(home, run.run_id)
    document = json.loads(text)
    for item in document["items"]:
        item["verdict"] = "holds" if item["examined"] else "vacuous"
    path.write_text(
        json.dumps({**document, "verdict": "holds", "exit": {"code": 0, "reason": "all_hold"}})
    )
    contradicts_the_journal = answered(home, run.run_id)

    assert contradicts_itself.code == 3
    assert "cannot be believed" in contradicts_itself.err
    assert contradicts_the_journal["exit"]["code"] == 1
    assert contradicts_the_journal["items"][0]["id"] == "V06"


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        (None, 3, "has no report: its tool is still at work"),
        ('{"kind": "LoadReport"}', 2, "judged nothing"),
        ("[]", 3, "is no report"),
        ("{", 3, "cannot be read"),
    ],
)
def test_a_run_that_has_none_says_why(home: Path, text: str | None, code: int, words: str) -> None:
    run = directory.begin(home / "default" / "runs", "load")
    if text is not None:
        run.keep_report(text)

    told = ran(home, run.run_id)

    assert told.code == code
    assert words in told.err
