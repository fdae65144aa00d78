"""Schemathesis against the three services as they run: their documents say what they do.

All phases and all checks. Bounded for every run; `nox -s schemathesis` sets
BOOKPAY_SCHEMATHESIS_SECONDS and goes on that long for each service.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.edges_running import Edge, Edges
from tests.support.http_client import http

ROOT = Path(__file__).resolve().parents[2]
SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")

# Operations of each service, and how many generated cases each is worth here; the orders API's
# texts take a generator a long time.
OPERATIONS = {"orders": 3, "gateway": 8, "receiver": 1}
EXAMPLES = {"orders": 10, "gateway": 20, "receiver": 100}
CASES_LEAST = {"orders": 200, "gateway": 250, "receiver": 75}


@dataclass(frozen=True)
class Run:
    """What one run said."""

    status: int
    text: str
    report: dict[str, Any]


def seconds_given() -> int | None:
    given = os.environ.get("BOOKPAY_SCHEMATHESIS_SECONDS")
    return int(given) if given else None


def run(edges: Edges, edge: Edge, location: str, directory: Path, *arguments: str) -> Run:
    report = directory / "report.json"
    done = subprocess.run(
        [
            *(str(SCHEMATHESIS), "run", location, "--phases", "examples,coverage,fuzzing,stateful"),
            *("--checks", "all", "--continue-on-failure", "--no-color"),
            *("--report", "json", "--report-json-path", str(report)),
            *(word for header in edge.headers for word in ("-H", header)),
            *arguments,
        ],
        env={
            **os.environ,
            "SCHEMATHESIS_HOOKS": "tests.support.honest_client",
            "PYTHONPATH": str(ROOT),
            "CONTRACT_WEBHOOK_SECRET": edges.webhook_secret,
        },
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=(seconds_given() or 0) + 280,
        check=False,
    )
    document = json.loads(report.read_text()) if report.exists() else {}
    return Run(done.returncode, done.stdout + done.stderr, document)


def budget(name: str) -> tuple[str, ...]:
    seconds = seconds_given()
    if seconds is not None:
        return ("--max-time", str(seconds))
    return ("--max-examples", str(EXAMPLES[name]), "--generation-deterministic")


@pytest.mark.timeout((seconds_given() or 0) + 300)
@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_the_service_does_what_its_openapi_document_says(
    edges: Edges, tmp_path: Path, name: str
) -> None:
    edge: Edge = getattr(edges, name)

    done = run(edges, edge, edge.url, tmp_path, *budget(name))

    assert done.status == 0, done.text[-6000:]
    assert done.report["complete"]
    assert done.report["operations"]["tested"] == OPERATIONS[name]
    assert done.report["test_cases"]["generated"] >= CASES_LEAST[name]
    phases = {phase: said["status"] for phase, said in done.report["phases"].items()}
    # Only orders have links from one operation to the next.
    stateful = "success" if name == "orders" else "skip"
    assert phases == {**dict.fromkeys(("examples", "coverage", "fuzzing"), "success"),
                      "stateful": stateful}  # fmt: skip
    assert "Traceback" not in edge.service.log


def test_the_good_requests_were_accepted_and_not_only_refused(edges: Edges, tmp_path: Path) -> None:
    """A service that refuses everything politely would pass most checks."""
    done = run(edges, edges.receiver, edges.receiver.url, tmp_path, "--max-examples", "20")

    rates = done.report["valid_rates"]["POST /stripe/webhook"]["fuzzing"]
    assert rates["accepted"] > 5
    assert rates["rejected"] == 0


@pytest.mark.parametrize("status", ["400", "200"])
def test_a_document_that_leaves_out_an_answer_is_found_out(
    edges: Edges, tmp_path: Path, status: str
) -> None:
    """The negative control: a run that finds nothing here would find nothing anywhere."""
    document = http.request("GET", edges.receiver.url).json
    del document["paths"]["/stripe/webhook"]["post"]["responses"][status]
    lying = tmp_path / "openapi.json"
    lying.write_text(json.dumps(document))

    done = run(
        *(edges, edges.receiver, str(lying), tmp_path),
        *("--url", edges.receiver.service.url, "--max-examples", "10"),
    )

    assert done.status == 1
    assert "Undocumented status code" in done.text, done.text[-3000:]
