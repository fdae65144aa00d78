"""Where --report goes: never over what is no file, never half, and never missing at exit 0."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
import typer

from bookpayctl.cli.reports import ReportFormat, finish, report_files
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.report.result import Report
from bookpayctl.runs import destinations, files
from bookpayctl.runs.interrupts import Stopped, interruptible
from tests.support.many_commands import run_all
from tests.support.report_schema import problems
from tests.support.sample_reports import report_of

HOLDS = report_of("holds")
TABLE = ReportFormat.TABLE


def ended(report: Report, given: Sequence[str], output: ReportFormat = TABLE) -> int:
    with pytest.raises(typer.Exit) as left:
        finish(report, output, report_files(list(given), output))
    return left.value.exit_code


def refused(given: Sequence[str], output: ReportFormat = TABLE) -> None:
    with pytest.raises(typer.Exit) as left:
        report_files(list(given), output)
    assert left.value.exit_code == ExitCode.USAGE


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_new_file_is_written_whole_for_everybody_to_read(tmp_path: Path) -> None:
    assert ended(HOLDS, [f"json={tmp_path}/r.json", f"junit={tmp_path}/r.xml"]) == 0

    assert json.loads((tmp_path / "r.json").read_text())["kind"] == "CheckReport"
    assert ElementTree.parse(tmp_path / "r.xml").getroot().tag == "testsuite"  # noqa: S314 - ours
    assert stat.S_IMODE((tmp_path / "r.json").stat().st_mode) == 0o644
    assert names(tmp_path) == ["r.json", "r.xml"]


def test_a_file_that_is_there_is_replaced_and_keeps_its_mode(tmp_path: Path) -> None:
    old = tmp_path / "r.json"
    old.write_text("old")
    old.chmod(0o660)

    assert ended(HOLDS, [f"json={old}"]) == 0

    assert json.loads(old.read_text())["exit"]["code"] == 0
    assert stat.S_IMODE(old.stat().st_mode) == 0o660


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
def test_a_file_of_somebody_else_stays_theirs(tmp_path: Path) -> None:
    old = tmp_path / "r.json"
    old.write_text("old")
    os.chown(old, 12345, 23456)

    ended(HOLDS, [f"json={old}"])

    assert (old.stat().st_uid, old.stat().st_gid) == (12345, 23456)


@pytest.mark.parametrize("there", [True, False], ids=["live", "dangling"])
def test_a_link_is_followed_and_stays_a_link(tmp_path: Path, there: bool) -> None:
    (tmp_path / "artifacts").mkdir()
    target, link = tmp_path / "artifacts" / "r.json", tmp_path / "r.json"
    if there:
        target.write_text("old")
    link.symlink_to("artifacts/r.json")

    assert ended(HOLDS, [f"json={link}"]) == 0

    assert link.is_symlink()
    assert json.loads(target.read_text())["kind"] == "CheckReport"
    assert names(target.parent) == ["r.json"]


def test_a_fifo_is_written_through_and_stays_one(tmp_path: Path) -> None:
    fifo = tmp_path / "f"
    os.mkfifo(fifo)
    got: list[str] = []
    reader = threading.Thread(target=lambda: got.append(fifo.read_text()))
    reader.start()

    code = ended(HOLDS, [f"json={fifo}"])
    reader.join()

    assert code == 0
    assert json.loads(got[0])["kind"] == "CheckReport"
    assert stat.S_ISFIFO(fifo.lstat().st_mode)


def test_a_fifo_that_nobody_reads_is_a_report_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(destinations, "READER_SECONDS_MAX", 0.2)
    fifo = tmp_path / "f"
    os.mkfifo(fifo)

    assert ended(HOLDS, [f"json={fifo}"]) == ExitCode.UNKNOWN
    assert stat.S_ISFIFO(fifo.lstat().st_mode)


@pytest.mark.parametrize(("device", "code"), [("/dev/null", 0), ("/dev/full", ExitCode.UNKNOWN)])
def test_a_device_is_written_through_and_stays_one(
    tmp_path: Path, device: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    # Under another name, so that a tool that replaces devices replaces none of this machine's.
    link = tmp_path / "device"
    link.symlink_to(device)

    assert ended(HOLDS, [f"json={link}"]) == code

    assert stat.S_ISCHR(Path(device).stat().st_mode)
    assert link.is_symlink()
    if code:
        assert "No space left" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "code"),
    [("holds", 3), ("warning", 3), ("vacuous", 3), ("unknown", 3), ("violated", 1)],
)
def test_a_lost_report_is_never_a_pass_and_hides_no_violation(name: str, code: int) -> None:
    assert ended(report_of(name), ["junit=/dev/full"]) == code


@pytest.mark.parametrize(
    ("incident", "code"), [(ExitCode.DIRTY, 7), (ExitCode.INTERRUPTED, 130), (ExitCode.DEADLINE, 3)]
)
def test_a_lost_report_has_its_place_among_what_else_happened(
    incident: ExitCode, code: int
) -> None:
    assert ended(report_of("holds", incidents=(incident,)), ["json=/dev/full"]) == code


def test_what_was_written_says_that_another_report_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = tmp_path / "run"
    ran.mkdir()
    given = [f"json={tmp_path}/r.json", "junit=/dev/full"]

    code = ended(replace(HOLDS, run_dir=str(ran)), given, ReportFormat.JSON)

    printed = json.loads(capsys.readouterr().out)
    kept = json.loads((ran / "report.json").read_text())
    beside = json.loads((tmp_path / "r.json").read_text())
    assert printed == kept == beside
    assert printed["exit"]["code"] == code == ExitCode.UNKNOWN
    assert printed["verdict"] == "holds"
    assert printed["reports_lost"] == ["/dev/full: No space left on device"]
    assert problems({**printed, "context": {**printed["context"], "refused": "-"}}) == []


def test_junit_shows_no_green_when_another_report_is_missing(tmp_path: Path) -> None:
    ended(HOLDS, [f"junit={tmp_path}/r.xml", "json=/dev/full"])

    suite = ElementTree.parse(tmp_path / "r.xml").getroot()  # noqa: S314 - ours
    assert suite.get("errors") == "1"


def test_what_cannot_be_written_leaves_nothing_behind_and_the_old_one_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "r.json"
    old.write_text("old")

    # The signal comes when all is written and nothing is renamed yet.
    monkeypatch.setattr(os, "fsync", lambda _: os.kill(os.getpid(), signal.SIGTERM))

    with pytest.raises(Stopped), interruptible():
        files.rewrite_atomically(old, "new")

    assert names(tmp_path) == ["r.json"]
    assert old.read_text() == "old"


def test_a_file_too_large_for_its_place_leaves_nothing_behind(tmp_path: Path) -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # A disk that is full after some bytes; the signal that comes with it is ignored by Python.
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, before[1]))
    try:
        code = ended(HOLDS, [f"json={tmp_path}/r.json"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)

    assert code == ExitCode.UNKNOWN
    assert names(tmp_path) == []


def test_what_nothing_can_be_written_to_is_refused_before_anything_begins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "socket"))
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "astray").symlink_to(tmp_path / "nowhere" / "r.json")
    cases = {
        f"json={tmp_path}": "folder",
        f"json={tmp_path}/new/": "folder",
        f"json={tmp_path}/nowhere/r.json": "does not exist",
        f"json={tmp_path}/astray": "does not exist",
        f"json={tmp_path}/socket": "socket",
        f"json={tmp_path}/loop": "symbolic links",
        "pdf=x": "json=FILE",
        "json=": "json=FILE",
    }

    for given, words in cases.items():
        refused([given])
        assert words in capsys.readouterr().err, given
    listener.close()
    assert names(tmp_path) == ["astray", "loop", "socket"]


def test_a_folder_that_takes_no_file_is_refused_before_anything_begins(
    capsys: pytest.CaptureFixture[str],
) -> None:
    # Where nobody can make a file, root neither.
    refused(["json=/proc/report.json"])

    assert "takes no file" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_what_is_read_only_for_this_user_is_refused_before_anything_begins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, old = tmp_path / "folder", tmp_path / "r.json"
    folder.mkdir(mode=0o555)
    old.write_text("old")
    old.chmod(0o444)

    refused([f"json={folder}/r.json"])
    assert "takes no file" in capsys.readouterr().err
    refused([f"json={old}"])
    assert "must not be written to" in capsys.readouterr().err
    assert (names(folder), old.read_text()) == ([], "old")


def test_two_reports_to_one_place_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "link").symlink_to("r.json")

    for second in ("r.json", "link", "./r.json"):
        refused([f"json={tmp_path}/r.json", f"junit={tmp_path}/{second}"])
        assert "two reports go to" in capsys.readouterr().err
    assert len(report_files(["json=/dev/null", "junit=/dev/null"], TABLE)) == 2


def test_what_is_the_environments_own_or_the_commands_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / ".bookpay" / "shop"
    (root / "secrets").mkdir(parents=True)
    (root / "environment.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bookpay.toml").write_text("")
    history = tmp_path / "history.jsonl"
    history.write_text("")

    for path in (root / "environment.json", root / "new.json", root / "secrets" / "pgpass"):
        refused([f"json={path}"])
        assert "environment's own" in capsys.readouterr().err
    refused(["json=bookpay.toml"])
    with pytest.raises(typer.Exit):
        report_files([f"json={history}"], TABLE, inputs=[history])
    assert history.read_text() == ""
    # Beside an environment there is room.
    assert len(report_files([f"json={tmp_path}/.bookpay/r.json"], TABLE)) == 1


PRINTS_TWICE = """
import typer
from tests.unit.cli.test_report_files import HOLDS, TABLE, finish, report_files
try:
    finish(HOLDS, TABLE, report_files(["json=/dev/stdout"], TABLE))
except typer.Exit as left:
    raise SystemExit(left.exit_code)
"""


def test_stdout_under_another_name_is_written_and_not_replaced(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with out.open("w") as stdout:
        done = subprocess.run(
            [sys.executable, "-c", PRINTS_TWICE], stdout=stdout, check=False, timeout=60
        )

    text = out.read_text()
    document, end = json.JSONDecoder().raw_decode(text)
    assert done.returncode == 0
    assert document["kind"] == "CheckReport"
    assert "verdict holds" in text[end:]
    assert names(tmp_path) == ["out"]


def test_stdout_is_no_second_place_where_it_has_a_document(tmp_path: Path) -> None:
    words = ["check", "--report", "junit=/dev/stdout", "-o", "json"]

    (ran,) = run_all([words], tmp_path)

    assert ran.code == ExitCode.USAGE
    assert "stdout carries the document" in ran.err
