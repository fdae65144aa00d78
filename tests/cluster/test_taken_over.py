"""A stack that somebody else deployed: found, asked, judged, and left as it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.cluster import TestCluster
from tests.support.command_line import CommandLine, verdicts

pytestmark = [pytest.mark.acceptance]

NAME = "attached"
SPACE = "bookstore-platform-payments"


@pytest.fixture
def somebody_else(in_cluster: CommandLine, tmp_path: Path) -> CommandLine:
    """Who did not bring the stack up, and knows where the cluster is."""
    command = replace(in_cluster, home=tmp_path / "home", name=NAME)
    command.home.mkdir()
    attached = command.ask("attach", "--name", NAME)
    assert attached["namespaces"] == [SPACE, "kafka-system"]
    return command


def test_an_attached_stack_is_asked_like_an_own_one(somebody_else: CommandLine) -> None:
    assert somebody_else.ask("status")["exit"]["code"] == 0
    assert set(verdicts(somebody_else.ask("check")).values()) == {"holds"}


def test_doctor_asks_for_nothing_that_only_who_deploys_needs(
    somebody_else: CommandLine, tmp_path: Path
) -> None:
    without_programs = replace(
        somebody_else, extra={**somebody_else.extra, "PATH": str(tmp_path / "empty")}
    )

    attached = without_programs.ask("doctor")
    new = without_programs.ask("doctor", "--on", "kube", "--name", "new")

    assert attached["exit"]["code"] == 0
    assert {found["subject"] for found in attached["findings"]} == {"kubernetes", "context"}
    # Who would bring one up from here is told what lacks, beside all that can be said without it.
    assert new["exit"]["code"] == 1
    results = {found["subject"]: found["result"] for found in new["findings"]}
    assert results["kubectl"] == results["manifests"] == "failed"
    assert results["kubernetes"] == results["nodes"] == results["storage"] == "ok"


def test_down_forgets_it_and_changes_nothing(
    cluster: TestCluster, somebody_else: CommandLine
) -> None:
    before = cluster.kubectl("get", "pods", "-n", SPACE, "-o", "name")

    down = somebody_else.ask("down")

    assert down["stopped"] == []
    assert not somebody_else.root.exists()
    assert cluster.kubectl("get", "pods", "-n", SPACE, "-o", "name") == before


def test_a_namespace_without_a_stack_is_refused_with_what_lacks(
    in_cluster: CommandLine, tmp_path: Path
) -> None:
    command = replace(in_cluster, home=tmp_path / "home", name=NAME)
    command.home.mkdir()

    done = command.run("attach", "--namespace", "default")

    assert done.returncode == 2
    assert "namespace default has no ConfigMap bookpay-config" in done.stderr


def test_drills_ask_the_owner_of_the_namespace_first(
    cluster: TestCluster, somebody_else: CommandLine
) -> None:
    cluster.kubectl("label", "namespace", SPACE, "bookpay.dev/drills-")
    try:
        done = somebody_else.run("drill", "crash-mid-charge")
    finally:
        cluster.kubectl("label", "namespace", SPACE, "bookpay.dev/drills=allowed")

    assert done.returncode == 6
    assert (
        f"kubectl label namespace {SPACE} bookpay.dev/drills=allowed" in done.stdout + done.stderr
    )
