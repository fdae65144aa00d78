"""docs/report.schema.json accepts the reports that are really printed, and refuses what lies."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from bookpayctl.check import Check, CheckAnswer, CheckRequest, Inquiry, run_checks
from bookpayctl.cli.reports import ReportFormat, render
from bookpayctl.drill.run import run_drill
from bookpayctl.drill.scenario import DrillRequest
from bookpayctl.drills import load_drill
from bookpayctl.drills.catalogue import CATALOGUE
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.report.result import Report
from bookpayctl.report.verdict import Verdict
from bookpayctl.runs import directory
from bookpayctl.session import RefusedError, refused_report
from bookpayctl.targets.environment import Environment
from docs.generate import report_schema
from tests.support import judged_shop
from tests.support.environments import environment_away
from tests.support.judging import judge
from tests.support.report_schema import problems
from tests.support.shop_rows import Facts


def printed(report: Report) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(render(report, ReportFormat.JSON))
    return document


def environment(root: Path) -> Environment:
    """An environment on disk whose servers are all away."""
    (root / "secrets").mkdir()
    (root / "secrets" / "stripe-api-key").write_text("sk_test_of_nobody")
    return environment_away(root)


def audited(facts: Facts, *incidents: ExitCode) -> Report:
    names = report_schema.CONTEXTS["AuditReport"]
    return Report(
        kind="AuditReport",
        context=dict.fromkeys(names, "as it was"),
        items=tuple(judge(facts)),
        started_at=directory.now(),
        duration_seconds=1.5,
        each_must_answer=False,
        incidents=incidents,
    )


def checked(root: Path, *answers: CheckAnswer | Exception) -> Report:
    def asking(answer: CheckAnswer | Exception) -> Callable[[Inquiry], CheckAnswer]:
        def ask(_: Inquiry) -> CheckAnswer:
            if isinstance(answer, Exception):
                raise answer
            return answer

        return ask

    checks = [
        Check(f"BP-C{n:03}", "title", "question", "required", "why", "fix", asking(answer))
        for n, answer in enumerate(answers, start=1)
    ]
    request = CheckRequest(environment(root), skipped=("BP-C001",))
    return run_checks(checks, request, lambda _: None)


def test_the_schema_is_one(tmp_path: Path) -> None:
    schema = report_schema.schema()

    jsonschema_rs.Draft202012Validator(schema)

    assert jsonschema_rs.meta.is_valid(schema)


@pytest.mark.parametrize(
    "facts",
    [judged_shop.healthy(), judged_shop.with_database(orders=()), judged_shop.with_history()],
    ids=["healthy", "without orders", "without clients"],
)
def test_an_audits_document_is_valid(facts: Facts) -> None:
    assert problems(printed(audited(facts))) == []


@pytest.mark.parametrize("incident", list(ExitCode), ids=lambda code: code.name)
def test_the_document_is_valid_whatever_the_exit_code(incident: ExitCode) -> None:
    assert problems(printed(audited(judged_shop.healthy(), incident))) == []


def test_a_checklists_document_is_valid_whatever_the_answers(tmp_path: Path) -> None:
    report = checked(
        tmp_path,
        CheckAnswer(Verdict.HOLDS, "never asked, for it is skipped", 1),
        CheckAnswer(Verdict.HOLDS, "seen", 3, evidence=("row 1",)),
        CheckAnswer(Verdict.VACUOUS, "nothing there", 0),
        CheckAnswer(Verdict.VIOLATED, "two", 2, evidence=("a", "b"), fix="bookpayctl audit"),
        RuntimeError("no answer"),
    )

    document = printed(report)

    assert {item["verdict"] for item in document["items"]} == {
        "skipped", "holds", "vacuous", "violated", "unknown",
    }  # fmt: skip
    assert problems(document) == []


def test_the_document_of_a_drill_without_a_steady_state_is_valid(tmp_path: Path) -> None:
    drill = load_drill(CATALOGUE[0])
    request = DrillRequest(environment(tmp_path), point=next(iter(drill.points)))

    document = printed(run_drill(drill, request, lambda _: None))

    assert document["exit"]["code"] == ExitCode.REFUSED
    assert problems(document) == []


@pytest.mark.parametrize("kind", sorted(report_schema.CONTEXTS))
def test_the_document_of_a_refusal_is_valid(kind: str, tmp_path: Path) -> None:
    refused = refused_report(kind, environment(tmp_path), RefusedError("it is not up"))

    assert problems(printed(refused)) == []


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"verdict": "fine"}, "verdict"),
        ({"exit": {"code": 0, "reason": "violated"}}, "exit"),
        ({"exit": {"code": 9, "reason": "violated"}}, "exit"),
        ({"kind": "WeatherReport"}, "kind"),
        ({"context": {"environment": "default"}}, "context"),
        ({"started_at": "yesterday"}, "started_at"),
        ({"mood": "good"}, ""),
    ],
    ids=lambda value: value if isinstance(value, str) else str(sorted(value)[0]),
)
def test_a_document_that_lies_is_refused(change: dict[str, Any], place: str) -> None:
    document = {**printed(audited(judged_shop.healthy())), **change}

    assert place in {found.split(":")[0].split("/")[0] for found in problems(document)}


def test_every_kind_of_report_in_the_code_has_its_context_in_the_schema() -> None:
    root = Path(__file__).resolve().parents[3] / "bookpayctl"
    built = {
        keyword.value.value
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Report"
        for keyword in node.keywords
        if keyword.arg == "kind" and isinstance(keyword.value, ast.Constant)
    }

    # The orders of the demonstration are a part of its report and never printed alone.
    assert built - {"DemoOrders"} == set(report_schema.CONTEXTS)
