"""Neither program makes the calls to Kafka by which librdkafka can end its process."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]

# Requests to a group's coordinator: one whose connection goes is freed and answered afterwards.
# Deleting a group is one as well; it has no other way, and short-lived commands alone do it.
DEADLY: Final = frozenset(
    {
        "describe_consumer_groups",
        "list_consumer_group_offsets",
        "alter_consumer_group_offsets",
        "delete_consumer_group_offsets",
    }
)


def test_nobody_asks_a_groups_coordinator_through_the_admin_client() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.attr}"
        for program in ("runtime", "bookpayctl")
        for path in sorted((ROOT / program).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in DEADLY
    ]

    assert found == []


def test_no_consumer_deletes_groups() -> None:
    deleting = [
        path
        for path in (ROOT / "runtime").rglob("*.py")
        if "delete_consumer_groups" in path.read_text()
    ]

    assert deleting == []
