"""BP-C001: the outbox table is as the chapter has it, and the publisher reads it by its index.

Having the index is not using it: a publisher that filters by something else scans years of
published rows every poll. So the publisher is asked for its own statement, and the planner is
asked how it would run it. Where Debezium publishes, nobody has a statement: then the publication
that it reads is asked about.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from bookpayctl.check import Check, CheckAnswer, Inquiry, cannot_tell, judged
from bookpayctl.checks import capture
from bookpayctl.clients.database import writing
from bookpayctl.targets.target import processes_of
from runtime.domain.names import SCHEMA, Service

INDEX: Final = "outbox_unpublished_idx"

COLUMNS: Final = {
    "event_id": ("uuid", True),
    "aggregate": ("text", True),
    "aggregate_id": ("text", True),
    "event_type": ("text", True),
    "payload": ("jsonb", True),
    "tenant_id": ("text", True),
    "created_at": ("timestamp with time zone", True),
    "published_at": ("timestamp with time zone", False),
}
"""Name -> (type, not null), in the chapter's order."""

STATEMENT_PATH: Final = "/publisher/statement"
SETTINGS_PATH: Final = "/publisher/settings"
"""Lines of `name=value`: what the publisher has set for the session that runs the statement."""


def ask(inquiry: Inquiry) -> CheckAnswer:
    """Compare the table's shape, then explain the publisher's statement."""

    problems: list[str] = []
    with writing(inquiry.environment.dsn) as conn:
        problems += _shape_problems(conn)
        index = _index_definition(conn)
        problems += _index_problems(index)
        if inquiry.environment.captured:
            return _captured(problems, capture.publication_problems(conn), index)
        asked = _publisher_statement(inquiry)
        if asked is None:
            if problems:
                return judged(problems, "", len(COLUMNS), ())
            return cannot_tell(
                "no outbox-publisher answered with the statement it runs",
                fix="bookpayctl status",
                evidence=(f"index: {index}",),
            )
        statement, settings = asked
        plan = _plan(conn, statement, settings)
    used = _indexes_in_plan(plan)
    if INDEX not in used:
        problems.append(f"the publisher's statement does not use {INDEX}")
    if "outbox" in _tables_read_whole(plan):
        problems.append("the publisher's statement reads the whole outbox")
    observed = f"8 columns, primary key, partial index; the publisher's plan uses {INDEX}"
    return judged(
        problems,
        observed,
        len(COLUMNS) + 2,
        (
            f"index: {index}",
            f"statement: {' '.join(statement.split())}",
            f"session: {settings}",
            f"plan uses: {used}",
        ),
    )


def _captured(problems: list[str], of_publication: list[str], index: str) -> CheckAnswer:
    """The end of the check where a capture reads the log, and no statement the table."""
    observed = "8 columns, primary key, partial index; Debezium reads inserts of the outbox alone"
    return judged([*problems, *of_publication], observed, len(COLUMNS) + 2, (f"index: {index}",))


def _shape_problems(conn: Any) -> list[str]:
    rows = conn.execute(
        "SELECT column_name, data_type, is_nullable = 'NO' FROM information_schema.columns"
        " WHERE table_schema = %s AND table_name = 'outbox' ORDER BY ordinal_position",
        (SCHEMA,),
    ).fetchall()
    found = {name: (kind, required) for name, kind, required in rows}
    if not found:
        return [f"there is no table {SCHEMA}.outbox"]
    problems = [
        f"column {name} is {found.get(name, 'missing')}, required {wanted}"
        for name, wanted in COLUMNS.items()
        if found.get(name) != wanted
    ]
    problems += [f"column {name} is not the chapter's" for name in found if name not in COLUMNS]
    key = conn.execute(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE conrelid = to_regclass(%s) AND contype = 'p'",
        (f"{SCHEMA}.outbox",),
    ).fetchone()
    if key is None or key[0] != "PRIMARY KEY (event_id)":
        problems.append(f"primary key is {key[0] if key else 'missing'}, required (event_id)")
    return problems


def _index_definition(conn: Any) -> str:
    row = conn.execute(
        "SELECT pg_get_indexdef(i.indexrelid), i.indisvalid FROM pg_index i"
        " JOIN pg_class c ON c.oid = i.indexrelid"
        " WHERE i.indrelid = to_regclass(%s) AND c.relname = %s",
        (f"{SCHEMA}.outbox", INDEX),
    ).fetchone()
    if row is None:
        return "missing"
    return row[0] if row[1] else f"invalid: {row[0]}"


def _index_problems(definition: str) -> list[str]:
    if definition == "missing":
        return [f"there is no index {INDEX}"]
    if "(created_at) WHERE (published_at IS NULL)" not in definition:
        return [f"{INDEX} is not on (created_at) WHERE published_at IS NULL: {definition}"]
    return []


def _publisher_statement(inquiry: Inquiry) -> tuple[str, dict[str, str]] | None:
    """The statement that the publishers run, and the settings of the session it runs in."""
    for process in processes_of(inquiry.target, Service.PUBLISHER):
        answer = inquiry.target.ask(process, STATEMENT_PATH)
        if answer.status == 200 and answer.text.strip():
            settings = inquiry.target.ask(process, SETTINGS_PATH)
            lines = settings.text if settings.status == 200 else ""
            return with_numbered_parameters(answer.text.strip().rstrip(";")), planner_settings(
                lines
            )
    return None


def with_numbered_parameters(statement: str) -> str:
    """The statement as the server knows it: `%(name)s` of the driver becomes `$n`."""
    numbers: dict[str, int] = {}

    def numbered(found: re.Match[str]) -> str:
        return f"${numbers.setdefault(found[1], len(numbers) + 1)}"

    return re.sub(r"%\((\w+)\)[stb]", numbered, statement)


def planner_settings(lines: str) -> dict[str, str]:
    """The switches of the planner among `name=value` lines; anything else is not ours to set."""
    return dict(re.findall(r"^(enable_\w+)=(on|off)$", lines, re.MULTILINE))


def _plan(conn: Any, statement: str, settings: Mapping[str, str]) -> Any:
    """The plan the server makes of the statement in such a session, its parameters left open.

    Sequential scans are priced out in any case: on a small table the planner may rightly prefer
    one, and the question is whether the index can serve the statement at all.
    """
    for name, value in {**settings, "enable_seqscan": "off", "search_path": SCHEMA}.items():
        conn.execute("SELECT set_config(%s, %s, false)", (name, value))
    row = conn.execute("EXPLAIN (GENERIC_PLAN, FORMAT JSON) " + statement).fetchone()
    return row[0] if not isinstance(row[0], str) else json.loads(row[0])


def _tables_read_whole(plan: Any) -> list[str]:
    """Names of all tables that the plan reads from end to end."""
    if isinstance(plan, list):
        return [name for part in plan for name in _tables_read_whole(part)]
    if not isinstance(plan, dict):
        return []
    here = [str(plan["Relation Name"])] if plan.get("Node Type") == "Seq Scan" else []
    return here + [n for value in plan.values() for n in _tables_read_whole(value)]


def _indexes_in_plan(plan: Any) -> list[str]:
    """Names of all indexes anywhere in the plan."""
    if isinstance(plan, list):
        return [name for part in plan for name in _indexes_in_plan(part)]
    if not isinstance(plan, dict):
        return []
    here = [str(plan["Index Name"])] if "Index Name" in plan else []
    return here + [n for value in plan.values() for n in _indexes_in_plan(value)]


CHECK: Final = Check(
    id="BP-C001",
    title="outbox table and partial index",
    question="outbox table exists with the partial index on WHERE published_at IS NULL",
    required="the eight columns, the primary key, the partial index, and a publisher that uses it",
    why="Without the partial index each poll reads years of published rows; the outbox then falls"
    " behind exactly when there is most to publish.",
    fix="psql -f runtime/sql/outbox-ddl.sql; then bookpayctl check --only BP-C001",
    ask=ask,
)
