"""What the tool prints, whole: each kind of JSON document, and the tables people read most.

A change to a golden is a change that somebody's script or eye will meet. To renew those that were
changed on purpose:

    BOOKPAY_RENEW_GOLDENS=1 .venv/bin/python -m pytest tests/unit/cli; git diff tests/golden
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bookpayctl.cli import errors
from bookpayctl.cli.commands import drill, order, status, stripe_control, up
from bookpayctl.cli.output import OutputFormat
from bookpayctl.report.document import API_VERSION
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.trace.timeline import timeline
from tests.support.documents import DOCUMENTS, ENVIRONMENT, EVENT_ID, ORDER_ID, STATUS, TRACE
from tests.support.goldens import GOLDEN, assert_golden

CLI = Path(errors.__file__).parent
JSON = OutputFormat.JSON

ORDER = {
    "id": ORDER_ID,
    "status": "paid",
    "total_cents": 4999,
    "currency": "usd",
    "event_id": EVENT_ID,
    "payment": {"state": "succeeded", "payment_intent_id": "pi_1"},
}

# Commands that print while they make.
PRINTED: dict[str, Callable[[], None]] = {
    "Down": lambda: up._print_stopped("golden", ["kafka", "gateway"], purged=True, output=JSON),
    "Environment": lambda: up._print_environment(ENVIRONMENT, JSON),
    "Order": lambda: order._print_order(ORDER, ExitCode.DEADLINE, "deadline", JSON),
    "StripeClock": lambda: stripe_control.show_answer("StripeClock", {"offset_seconds": 60}, JSON),
}
TABLES: dict[str, Callable[[], None]] = {
    "drill-list": lambda: drill.list_drills(OutputFormat.TABLE),
    "order-trace": lambda: order.print_trace(TRACE, timeline(TRACE.events)),
    "status": lambda: status.print_status(STATUS),
}
# Their body is the twin's answer as it came; tests/integration/stripe_twin holds that.
OF_THE_TWIN = {"StripeTwinStatus"}


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.mark.parametrize("kind", sorted(DOCUMENTS))
def test_a_document_is_the_golden_one(kind: str) -> None:
    document = DOCUMENTS[kind]()

    assert document.kind == kind
    assert_golden(f"documents/{kind}.json", document.to_json() + "\n")


@pytest.mark.parametrize("kind", sorted(PRINTED))
def test_a_printed_document_is_the_golden_one(
    kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    PRINTED[kind]()

    out = capsys.readouterr().out
    assert json.loads(out)["kind"] == kind
    assert_golden(f"documents/{kind}.json", out)


@pytest.mark.parametrize("name", sorted(TABLES))
def test_a_table_is_the_golden_one(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    TABLES[name]()

    assert_golden(f"tables/{name}.txt", capsys.readouterr().out)


def kinds_made() -> set[str]:
    """Every kind that is written out where a document is made."""
    return {
        node.args[0].value
        for path in CLI.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "Document"
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    }


def test_every_kind_of_document_has_a_golden() -> None:
    assert "Status" in kinds_made(), "no document was found, so nothing was examined"
    assert kinds_made() - OF_THE_TWIN <= {*DOCUMENTS, *PRINTED}


def test_every_golden_is_held_by_a_test() -> None:
    held = {f"{kind}.json" for kind in (*DOCUMENTS, *PRINTED)}

    assert {path.name for path in (GOLDEN / "documents").iterdir()} == held
    assert {path.stem for path in (GOLDEN / "tables").iterdir()} == set(TABLES)


@pytest.mark.parametrize("kind", sorted([*DOCUMENTS, *PRINTED]))
def test_every_golden_document_names_its_schema_and_its_exit(kind: str) -> None:
    document = json.loads((GOLDEN / "documents" / f"{kind}.json").read_text())

    assert (document["apiVersion"], document["kind"]) == (API_VERSION, kind)
    assert set(document["exit"]) == {"code", "reason"}
