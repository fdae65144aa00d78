"""`runbook` as it is typed: without a stack, and without a terminal."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bookpayctl.runbook.library import slugs, text_of
from bookpayctl.targets import environment as environments
from tests.support.documents import ENVIRONMENT
from tests.support.many_commands import Ran, run_all


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with an environment on this machine, of which nothing runs."""
    root = tmp_path / ".bookpay" / "default"
    environments.save(replace(ENVIRONMENT, name="default", root=root, psql_dir=None))
    return tmp_path


def typed(home: Path, *lines: str) -> list[Ran]:
    return run_all([line.split() for line in lines], home)


def test_every_page_is_listed_and_shown(home: Path) -> None:
    listed, shown = typed(home, "runbook list -o json", "runbook show dead-letters")

    assert [book["slug"] for book in json.loads(listed.out)["runbooks"]] == slugs()
    assert shown.out == text_of("dead-letters")


def test_a_plan_says_what_would_be_asked_and_what_skipped(home: Path) -> None:
    (plan,) = typed(home, "runbook run payments-open-too-long --dry-run")

    assert plan.code == 0
    assert "skipped: only on kube" in plan.out
    assert not (home / ".bookpay" / "default" / "runs").exists()


def test_a_dangerous_page_without_a_terminal_is_refused(home: Path) -> None:
    (ran,) = typed(home, "runbook run payments-parked -o json")

    document = json.loads(ran.out)
    assert ran.code == document["exit"]["code"] == 6
    assert "cancels the customer's order" in document["context"]["refused"]


def test_one_step_is_typed_and_its_answer_compared(home: Path) -> None:
    said = home / "said.md"

    (ran,) = typed(home, f"runbook run dead-letters --step 1 -o json --transcript {said}")

    (item,) = json.loads(ran.out)["items"]
    assert ran.code == 1
    assert item["id"] == "runbook/dead-letters/1"
    assert "exit status 3, not 0" in item["observed"]
    assert "$ bookpayctl dlq list -o json" in said.read_text()


def test_what_is_typed_wrongly_is_wrong_use(home: Path) -> None:
    ran = typed(
        home,
        "runbook show nothing-like-it",
        "runbook run nothing-like-it",
        "runbook run dead-letters --step 99",
        "runbook run dead-letters --set order=1",
        "runbook run dead-letters --on kube",
        "runbook run dead-letters --dry-run -o junit",
        "runbook run dead-letters --transcript no/such/folder.md",
        "runbook run dead-letters --step 2",
    )

    assert [one.code for one in ran] == [2] * len(ran)
    assert "--set LETTER=VALUE" in ran[-1].err
