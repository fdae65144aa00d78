"""A recorded audit is judged again from its folder, and every change to it is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bookpayctl.judge.ledgers import manifest
from bookpayctl.judge.verification import verify
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.report.result import Report
from bookpayctl.report.verdict import Item, Verdict
from bookpayctl.runs import directory
from bookpayctl.runs.directory import JOURNAL_FILE, REPORT_FILE, Run
from tests.support import judged_shop as shop
from tests.support.recorded_run import recorded


def verified(run: Run, **options: Any) -> Report:
    return verify(run.path, **{"with_current_rules": False, **options})


def answers(report: Report) -> dict[str, Item]:
    return {item.id: item for item in report.items}


def test_what_was_recorded_comes_out_again(tmp_path: Path) -> None:
    report = verified(recorded(tmp_path, shop.healthy()))

    assert report.code is ExitCode.PASS
    assert {i.id for i in report.items if i.verdict is not Verdict.HOLDS} == set()
    assert [i.id for i in report.items][:6] == ["V01", "V02", "V03", "V04", "I00", "I01"]
    assert report.context["judged_orders"] == "3"


def test_what_was_violated_is_violated_again(tmp_path: Path) -> None:
    report = verified(recorded(tmp_path, shop.with_stripe(charges=shop.STRIPE.charges[1:])))

    assert report.code is ExitCode.VIOLATED
    assert answers(report)["V04"].verdict is Verdict.HOLDS
    assert answers(report)["I11"].verdict is Verdict.VIOLATED


def test_an_edited_ledger_is_told_and_not_judged(tmp_path: Path) -> None:
    run = recorded(tmp_path, shop.healthy())
    path = run.path / "ledgers" / "orders.parquet"
    path.write_bytes(path.read_bytes()[:-1] + b"\x00")

    report = verified(run)

    assert report.code is ExitCode.VIOLATED
    assert answers(report)["V02"].evidence == (
        "orders.parquet is not the file that was written down",
    )
    assert "I10" not in answers(report)


def test_an_edited_manifest_is_told(tmp_path: Path) -> None:
    run = recorded(tmp_path, shop.healthy())
    path = run.path / manifest.FILE
    path.write_text(path.read_text().replace('"rows": 3', '"rows": 4', 1))

    found = answers(verified(run))

    assert found["V01"].evidence == ("manifest.json is not the file that the journal names",)


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: [lines[0].replace("begin", "began"), *lines[1:]],
        lambda lines: lines[1:],
        lambda lines: [lines[0], lines[2]],
        lambda lines: [*lines[:2], '{"event":"slipped in","previous":"0"}', lines[2]],
        lambda lines: [lines[0], "no json", *lines[1:]],
    ],
)
def test_a_journal_that_was_changed_is_told(tmp_path: Path, change: Any) -> None:
    run = recorded(tmp_path, shop.healthy())
    path = run.path / JOURNAL_FILE
    path.write_text("".join(f"{line}\n" for line in change(path.read_text().splitlines())))

    report = verified(run)

    assert answers(report)["V01"].verdict is Verdict.VIOLATED
    assert report.code is ExitCode.VIOLATED


@pytest.mark.parametrize("part", ["manifest.json", JOURNAL_FILE, "ledgers/orders.parquet"])
def test_a_missing_part_is_unknown_and_no_traceback(tmp_path: Path, part: str) -> None:
    run = recorded(tmp_path, shop.healthy())
    (run.path / part).unlink()

    report = verified(run)

    assert report.code is ExitCode.UNKNOWN
    assert "I10" not in answers(report)


def test_without_its_report_nobody_knows_what_was_reported(tmp_path: Path) -> None:
    run = recorded(tmp_path, shop.healthy())
    (run.path / REPORT_FILE).unlink()

    found = answers(verified(run))

    assert found["V04"].verdict is Verdict.UNKNOWN
    assert found["I00"].verdict is Verdict.UNKNOWN
    assert found["I10"].verdict is Verdict.HOLDS


def test_a_report_that_was_changed_does_not_come_out_again(tmp_path: Path) -> None:
    run = recorded(tmp_path, shop.with_stripe(charges=shop.STRIPE.charges[1:]))
    path = run.path / REPORT_FILE
    path.write_text(path.read_text().replace("violated", "holds"))

    report = verified(run)

    assert report.code is ExitCode.VIOLATED
    assert answers(report)["V04"].evidence[0] == (
        "I11: holds over 1 was reported, now violated over 1"
    )


def test_changed_rules_are_told_and_judged_with_only_when_asked(tmp_path: Path) -> None:
    run = recorded(tmp_path, shop.healthy(), rules="of last year")

    refused, asked = verified(run), verified(run, with_current_rules=True)

    assert refused.code is ExitCode.UNKNOWN
    assert "--with-current-rules" in answers(refused)["V03"].reason
    assert "I10" not in answers(refused)
    assert asked.code is ExitCode.PASS
    assert answers(asked)["V03"].verdict is Verdict.WARNING
    assert answers(asked)["V04"].verdict is Verdict.HOLDS


def test_with_other_rules_each_verdict_that_differs_is_named(tmp_path: Path) -> None:
    run = recorded(tmp_path, shop.healthy(), rules="of last year")
    path = run.path / REPORT_FILE
    document = json.loads(path.read_text())
    document["items"] = [item for item in document["items"] if item["id"] != "I37"]
    path.write_text(json.dumps(document))

    found = answers(verified(run, with_current_rules=True))

    assert found["V04"].verdict is Verdict.WARNING
    assert found["V04"].evidence == ("I37: nothing was reported, now holds over 1",)


def test_a_journals_last_line_cut_short_breaks_no_chain(tmp_path: Path) -> None:
    run = recorded(tmp_path, shop.healthy())
    with (run.path / JOURNAL_FILE).open("a") as file:
        file.write('{"at":"2026')

    assert answers(verified(run))["V01"].verdict is Verdict.HOLDS


def test_a_run_that_is_resumed_goes_on_with_the_chain(tmp_path: Path) -> None:
    run = directory.begin(tmp_path, "check")
    run.journal("one")

    directory.resume(run.path).journal("two")

    assert directory.broken_links(run.path / JOURNAL_FILE) == []
    assert len(list(directory.read_lines(run.path / JOURNAL_FILE))) == 2
