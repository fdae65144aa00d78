"""What the shell exports is kept out at a few doors; nobody goes round them."""

from __future__ import annotations

import re
from pathlib import Path

from bookpayctl.clients import libpq as tool
from runtime import libpq as services

ROOT = Path(__file__).resolve().parents[2]

# Where sessions of PostgreSQL are made. Each passes `libpq.parameters` first.
DATABASE_DOORS = {
    "bookpayctl/clients/database.py",
    "runtime/adapters/store/database.py",
    "runtime/adapters/store/replication.py",
    "runtime/faults/points.py",
    "runtime/sql/__init__.py",
}

# Where a child is started. Each gives it its own variables; `demo` and `certify` start this very
# command line, which inherits what an operator types it with, as does the command that begins anew
# in UTF-8.
CHILD_DOORS = {
    "bookpayctl/clients/shell.py",
    "bookpayctl/cli/bringing_up.py",
    "bookpayctl/cli/commands/bench.py",
    "bookpayctl/image/programs.py",
    # A page's commands are the operator's own, with what reaches his cluster, but for libpq's.
    "bookpayctl/runbook/execution.py",
    # This very command line, too, without what it was told of a stack.
    "bookpayctl/selftest/throwaway.py",
    "bookpayctl/targets/container/broker.py",
    "bookpayctl/targets/container/foreground.py",
    "bookpayctl/targets/kind/programs.py",
    "bookpayctl/targets/kube/manifests.py",
    "bookpayctl/targets/local/doctor.py",
    "bookpayctl/targets/servers/aot.py",
    "bookpayctl/targets/servers/kafka.py",
    "bookpayctl/targets/servers/postgres.py",
    "bookpayctl/targets/local/canaries.py",
    "bookpayctl/targets/local/supervise/supervisor.py",
    "bookpayctl/targets/local/target.py",
}


def files_with(pattern: str) -> dict[str, str]:
    found = {}
    for program in ("runtime", "bookpayctl"):
        for path in (ROOT / program).rglob("*.py"):
            text = path.read_text()
            if re.search(pattern, text):
                found[str(path.relative_to(ROOT))] = text
    return found


def test_a_session_of_postgresql_is_made_in_a_few_places_and_each_shuts_the_shell_out() -> None:
    found = files_with(r"psycopg\.(?:Connection\.)?connect\(|ConnectionPool\(\n")

    assert set(found) == DATABASE_DOORS
    assert [path for path, text in found.items() if "libpq.parameters(dsn)" not in text] == []


def test_a_child_is_started_in_a_few_places_and_each_gives_it_its_variables() -> None:
    found = files_with(r"subprocess\.(?:run|Popen|call|check_\w+)\(|os\.(?:exec|spawn)\w*\(")

    assert set(found) == CHILD_DOORS
    without = {path for path, text in found.items() if not re.search(r"\benv=", text)}
    assert without == {"bookpayctl/cli/bringing_up.py", "bookpayctl/clients/shell.py"}


def test_which_processes_there_are_is_asked_of_the_target_and_not_of_a_file() -> None:
    found = files_with(r"environment\.processes\b|spec\.service\b")

    # What `up` brought up, as its result; and logs, which stay when nothing runs any more.
    assert {path for path in found if not path.startswith("bookpayctl/targets/")} == {
        "bookpayctl/cli/commands/logs.py",
        "bookpayctl/cli/commands/up.py",
    }


def test_both_programs_shut_out_the_same() -> None:
    """The judge shares no code with the judged, so the module stands twice."""
    assert tool.FILES_OF_NOBODY == services.FILES_OF_NOBODY
    assert tool.parameters("sslcert=mine") == services.parameters("sslcert=mine")
