"""The same questions on this machine and in a cluster: the same verdicts, of the same, told alike.

A platform is no excuse: what holds on one and is not even asked on the other would be a hole that
nobody sees, because each report alone looks whole.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.command_line import CommandLine, environment_that_is_up

OPTED_IN = bool(os.environ.get("BOOKPAY_PARITY"))

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(not OPTED_IN, reason="set BOOKPAY_PARITY=1: some minutes on two platforms"),
]

QUESTIONS = [
    ("check",),
    ("drill", "crash-mid-charge", "--duration", "6s", "--rate", "5"),
    # Last: of the orders that the two before have left.
    ("audit",),
]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    with environment_that_is_up(tmp_path_factory.mktemp("parity")) as command:
        yield command


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda words: " ".join(words[:2]))
def test_a_question_is_answered_alike_on_both_platforms(
    question: tuple[str, ...], here: CommandLine, in_cluster: CommandLine
) -> None:
    local, cluster = here.ask(*question), in_cluster.ask(*question)

    assert cluster["exit"] == local["exit"]
    assert cluster["verdict"] == local["verdict"] == "holds"
    assert answers(cluster) == answers(local)
    assert shape(cluster) == shape(local)


def answers(report: dict[str, Any]) -> dict[str, tuple[str, bool]]:
    """Verdict of each item, and whether anything was examined for it."""
    return {item["id"]: (item["verdict"], item["examined"] > 0) for item in report["items"]}


def shape(report: dict[str, Any]) -> tuple[list[str], list[str], set[str]]:
    """What the report has, whatever it says: its fields, those of its context and of its items."""
    fields = {field for item in report["items"] for field in item}
    return sorted(report), sorted(report["context"]), fields
