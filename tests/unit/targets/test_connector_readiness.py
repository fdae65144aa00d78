"""A connector is ready when it and its tasks run; whatever else its worker says is a reason."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from bookpayctl.targets.readiness import connector_readiness
from tests.support.any_answer import AnsweringServer, answer, answering_server


@pytest.fixture
def worker() -> Iterator[AnsweringServer]:
    with answering_server() as found:
        yield found


def port_of(worker: AnsweringServer) -> int:
    return urlsplit(worker.url).port or 0


def says(worker: AnsweringServer, connector: str, *tasks: str, trace: str = "") -> None:
    document = {
        "name": "outbox-cdc",
        "connector": {"state": connector},
        "tasks": [{"id": n, "state": state, "trace": trace} for n, state in enumerate(tasks)],
    }
    headers = {"Content-Type": "application/json"}
    worker.says = answer(200, headers, json.dumps(document).encode())


def test_a_connector_whose_task_runs_is_ready(worker: AnsweringServer) -> None:
    says(worker, "RUNNING", "RUNNING")

    assert connector_readiness(port_of(worker), "outbox-cdc").ready is True
    assert worker.heard[-1].startswith("GET /connectors/outbox-cdc/status ")


def test_one_whose_task_failed_is_not_and_its_first_line_says_why(worker: AnsweringServer) -> None:
    says(worker, "RUNNING", "FAILED", trace="java.lang.NoClassDefFoundError: X\n\tat Y")

    seen = connector_readiness(port_of(worker), "outbox-cdc")

    assert seen.ready is False
    assert seen.detail == (
        "connector and tasks: ['RUNNING', 'FAILED']; java.lang.NoClassDefFoundError: X"
    )


def test_one_without_a_task_or_unknown_is_not(worker: AnsweringServer) -> None:
    says(worker, "RUNNING")
    assert connector_readiness(port_of(worker), "outbox-cdc").ready is False

    worker.says = answer(404, {}, b"{}")
    assert (
        connector_readiness(port_of(worker), "outbox-cdc").detail
        == "connector outbox-cdc: HTTP 404"
    )


def test_an_answer_that_cannot_be_read_is_not_health(worker: AnsweringServer) -> None:
    worker.says = answer(200, {}, b"[]")

    assert connector_readiness(port_of(worker), "outbox-cdc").ready is False


def test_a_worker_that_is_away_is_unknown() -> None:
    assert connector_readiness(1, "outbox-cdc").ready is None
