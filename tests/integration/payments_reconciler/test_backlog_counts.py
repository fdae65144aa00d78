"""The backlog as a reconciler counts it: zero is told, so that silence is silence."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.http_client import Answer, http
from tests.support.processes import ServiceProcess, stop_all
from tests.support.services_alone import reconciler_alone
from tests.support.stack import Database
from tests.support.waiting import eventually

OPEN = {"pending", "charging", "processing", "unknown", "parked", "refunding"}


def counted(reconciler: ServiceProcess) -> dict[str, float]:
    """State -> `payments_open`; empty while it is not told."""
    answer = http.attempt("GET", f"{reconciler.url}/metrics")
    text = answer.body.decode() if isinstance(answer, Answer) else ""
    found = re.findall(r'^payments_open\{state="([a-z]+)"} ([0-9.]+)$', text, re.MULTILINE)
    return {state: float(count) for state, count in found}


def test_where_nothing_is_open_every_state_is_told_to_be_zero(
    database: Database, tmp_path: Path
) -> None:
    """An alert on a reconciler that does not count would go off at night, with no order open."""
    reconciler = reconciler_alone(database.dsn, tmp_path).start()
    try:
        told = eventually(lambda: counted(reconciler), "the backlog is told")
    finally:
        stop_all([reconciler])

    assert told == dict.fromkeys(OPEN, 0.0)
