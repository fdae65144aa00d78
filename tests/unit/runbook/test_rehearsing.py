"""A rehearsal that did not cause its situation, or did not end it, is no pass."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from bookpayctl.report.exit_code import ExitCode
from bookpayctl.report.result import Report
from bookpayctl.report.verdict import Item, Verdict, unanswered
from bookpayctl.runbook.deciding import Chosen
from bookpayctl.runbook.expectation import Expectation
from bookpayctl.runbook.library import find
from bookpayctl.runbook.page import Runbook, Step
from bookpayctl.runbook.rehearsing import (
    _put_back,
    cause_item,
    rehearsed_item,
    up_again,
    why_not_rehearsed,
)
from bookpayctl.runbook.running import RunbookRequest
from bookpayctl.targets.environment import save
from tests.support.environments import environment_away
from tests.support.many_commands import run_all

BOOK: Runbook = find("outage")
TYPED = Item("runbook/outage/1", "$ true", Verdict.HOLDS, "as on the page", "exit 0", 1)
WRONG = replace(TYPED, verdict=Verdict.VIOLATED, observed="exit status 3, not 0", fix="read it")


def came_to(*items: Item, incidents: tuple[ExitCode, ...] = ()) -> Report:
    return Report(
        kind="RunbookReport",
        context={},
        items=items,
        started_at="2026-11-30T00:00:00.000+00:00",
        duration_seconds=1.0,
        each_must_answer=True,
        incidents=incidents,
    )


def test_a_situation_that_was_caused_holds_with_the_commands_that_did_it() -> None:
    item = cause_item(BOOK, came_to(TYPED))

    assert (item.verdict, item.examined, item.evidence) == (Verdict.HOLDS, 1, ("$ true",))


def test_a_situation_that_was_not_caused_is_unknown_and_not_violated() -> None:
    item = cause_item(BOOK, came_to(TYPED, WRONG))

    assert (item.verdict, item.reason) == (Verdict.UNKNOWN, "exit status 3, not 0")


def test_a_rehearsal_in_which_nothing_was_typed_is_unknown() -> None:
    assert cause_item(BOOK, came_to()).verdict is Verdict.UNKNOWN
    assert rehearsed_item(BOOK, came_to()).verdict is Verdict.UNKNOWN


def test_a_page_that_does_not_end_its_situation_is_violated_with_the_step() -> None:
    item = rehearsed_item(BOOK, came_to(TYPED, WRONG))

    assert (item.verdict, item.observed, item.fix) == (
        Verdict.VIOLATED,
        "exit status 3, not 0",
        "read it",
    )
    assert item.id == "runbook/outage"


def test_what_was_not_put_back_spoils_a_page_that_went_well() -> None:
    item = rehearsed_item(BOOK, came_to(TYPED, incidents=(ExitCode.DIRTY,)))

    assert (item.verdict, item.reason) == (Verdict.UNKNOWN, "undo_incomplete")


def test_a_step_that_is_unknown_makes_the_rehearsal_unknown() -> None:
    missing = unanswered("runbook/outage/2", "$ x", "runs", "x is not on PATH")

    item = rehearsed_item(BOOK, came_to(TYPED, missing))

    assert (item.verdict, item.reason) == (Verdict.UNKNOWN, "x is not on PATH")


def test_only_a_page_with_causes_on_this_machine_is_rehearsed(tmp_path: Path) -> None:
    here, away = environment_away(tmp_path), environment_away(tmp_path, target="kube")

    assert why_not_rehearsed(BOOK, here) is None
    assert "elsewhere" in (why_not_rehearsed(BOOK, away) or "")
    assert "no rehearsal" in (why_not_rehearsed(find("audit-red"), here) or "")


def test_nothing_is_caused_where_nobody_agreed(tmp_path: Path) -> None:
    root = tmp_path / ".bookpay" / "default"
    (root / "secrets").mkdir(parents=True)
    save(environment_away(root))

    (ran,) = run_all([["runbook", "rehearse", "outage", "-o", "json"]], tmp_path)

    assert ran.code == ExitCode.REFUSED
    assert json.loads(ran.out)["items"] == []


def request_in(folder: Path) -> RunbookRequest:
    return RunbookRequest(Chosen(BOOK, "local", ()), environment_away(folder), {"WHAT": "slot"})


def step(command: str, within_seconds: float = 0.0) -> Step:
    return Step(1, "Rehearsal", 1, command, Expectation(status=0), within_seconds=within_seconds)


def test_what_is_put_back_says_nothing_and_what_is_not_says_which_command(tmp_path: Path) -> None:
    request = request_in(tmp_path)

    assert _put_back(step("test -n $WHAT"), request) is None
    assert (_put_back(step("test -z $WHAT"), request) or "").startswith(
        "not put back: `test -z $WHAT`: exit status 1"
    )
    assert "is not on PATH" in (_put_back(step("no-such-program"), request) or "")


def test_what_takes_time_to_be_put_back_is_typed_again(tmp_path: Path) -> None:
    there = tmp_path / "there"
    typed_twice = f'sh -c "test -e {there} || {{ touch {there}; false; }}"'

    assert _put_back(step(typed_twice, within_seconds=30.0), request_in(tmp_path)) is None
    assert there.exists()


def test_who_published_before_publishes_again(tmp_path: Path) -> None:
    streamed = replace(environment_away(tmp_path), settings={"publisher": "wal"})
    unknown = replace(environment_away(tmp_path), settings={})

    assert up_again(streamed) == "bookpayctl up --publisher wal"
    assert up_again(unknown) == "bookpayctl up"
