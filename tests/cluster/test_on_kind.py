"""`up --on kind` with the real kind: a cluster made, killed over, finished, used, and deleted.

tests/support/kind.py says which kind that is. The tests run in their order on one cluster.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets.kind.image_archive import read_archived_image
from tests.support.certified import certify, told
from tests.support.cluster import TestCluster, run_long
from tests.support.command_line import CommandLine
from tests.support.kind import KindMachine, another_image, asked_for, kind_at_hand
from tests.support.lab import IMAGE

pytestmark = [asked_for, pytest.mark.acceptance, pytest.mark.timeout(1800)]

CLUSTER = "bookpay-tests"
NAME = "kind-tests"
SPACE = "bookstore-platform-payments"


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KindMachine]:
    with kind_at_hand(tmp_path_factory.mktemp("kind")) as found:
        yield found


@pytest.fixture(scope="module")
def command(
    machine: KindMachine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[CommandLine]:
    """An environment on a cluster that is made for it; deleted with it, whatever happens."""
    folder = tmp_path_factory.mktemp("shop")
    home = folder / "home"
    home.mkdir()
    # Whoever reads or writes the user's own finds this.
    own = {"KUBECONFIG": str(folder / "own-kubeconfig"), "BOOKPAY_KIND_CLUSTER": CLUSTER}
    command = CommandLine(home, {**machine.variables, **own}, NAME)
    try:
        yield command
    finally:
        if command.root.exists():
            down = run_long(command, "down", "--purge", "--timeout", "180s")
            assert down.returncode == 0, down.stderr
        assert CLUSTER not in machine.kind("get", "clusters").split()


def up(command: CommandLine, archive: Path, *more: str) -> None:
    arguments = ("up", "--on", "kind", "--archive", str(archive), "--timeout", "400s", *more)
    with told("up"):
        done = run_long(command, *arguments)
    assert done.returncode == 0, done.stderr


def kubectl(command: CommandLine, machine: KindMachine, *arguments: str) -> str:
    kubeconfig = command.root / "secrets" / "kubeconfig"
    found = replace(machine, variables={**machine.variables, "KUBECONFIG": str(kubeconfig)})
    return found.run("kubectl", *arguments)


def recorded(command: CommandLine) -> dict[str, Any]:
    settings: dict[str, Any] = json.loads((command.root / "environment.json").read_text())[
        "settings"
    ]
    return settings


def test_without_an_image_no_cluster_is_made(machine: KindMachine, command: CommandLine) -> None:
    done = command.run("up", "--on", "kind")

    assert done.returncode == 6, done.stderr
    assert "bookpayctl image build --archive F.tar" in done.stderr
    assert CLUSTER not in machine.kind("get", "clusters").split()


def test_an_up_that_is_killed_over_its_cluster_is_finished_by_the_next(
    machine: KindMachine, command: CommandLine
) -> None:
    begun = command.begin("up", "--on", "kind", "--archive", str(machine.archive))
    half_way = wait_until(
        lambda: machine.engine("ps", "-aq", "--filter", f"label=io.x-k8s.kind.cluster={CLUSTER}"),
        lambda containers: bool(containers.strip()),
        deadline_seconds=300.0,
    )
    begun.kill()
    begun.communicate()
    killed = recorded(command)

    up(command, machine.archive)

    assert half_way.reached
    assert (killed["kind_cluster"], killed["kind_created"]) == (CLUSTER, "on")
    assert recorded(command)["kind_created"] == "on"
    assert command.ask("status")["exit"]["code"] == 0


def test_an_order_is_paid_there_and_the_audit_holds(command: CommandLine) -> None:
    assert command.ask("order", "place", "--wait", "paid")["exit"]["code"] == 0
    assert command.ask("audit", "--age", "1s")["verdict"] == "holds"


def test_the_users_own_kubeconfig_is_neither_read_nor_written(command: CommandLine) -> None:
    kubeconfig = command.root / "secrets" / "kubeconfig"

    assert not Path(command.extra["KUBECONFIG"]).exists()
    assert kubeconfig.stat().st_mode & 0o077 == 0
    assert recorded(command)["kubeconfig"] == str(kubeconfig)


def test_doctor_finds_nothing_in_the_way(command: CommandLine, machine: KindMachine) -> None:
    with_archive = replace(
        command, extra={**command.extra, "BOOKPAY_ARCHIVE": str(machine.archive)}
    )

    findings = with_archive.ask("doctor", "--on", "kind")["findings"]

    found = {finding["subject"]: finding["result"] for finding in findings}
    assert {subject for subject, result in found.items() if result == "failed"} == set()
    assert (found["kind"], found["engine"], found["image"]) == ("ok", "ok", "ok")


def pods(command: CommandLine, machine: KindMachine) -> dict[str, str]:
    """Pods of the services, by name, with the image's id that they were told."""
    listed = kubectl(
        command, machine, "get", "pods", "-n", SPACE, "-l", "app=notifier", "-o", "json"
    )
    return {
        pod["metadata"]["name"]: pod["metadata"]["annotations"]["bookpay.dev/image-id"]
        for pod in json.loads(listed)["items"]
        if "deletionTimestamp" not in pod["metadata"]
    }


def test_the_same_again_changes_nothing(machine: KindMachine, command: CommandLine) -> None:
    before = pods(command, machine)

    up(command, machine.archive)

    image = read_archived_image(machine.archive, IMAGE)
    assert pods(command, machine) == before
    assert set(before.values()) == {image.image_id}


def test_another_image_under_the_same_name_is_loaded_and_run(
    machine: KindMachine, command: CommandLine, tmp_path: Path
) -> None:
    before, archive = pods(command, machine), tmp_path / "another.tar"
    image_id = another_image(machine.archive, archive)

    up(command, archive)

    after = pods(command, machine)
    assert set(after.values()) == {image_id}
    assert not set(after) & set(before)
    archive.unlink()


def test_it_is_certified_like_any_cluster(machine: KindMachine, command: CommandLine) -> None:
    """Last of those that need a stack without a fault: its control charges twice."""
    kubeconfig = str(command.root / "secrets" / "kubeconfig")

    certify(command, TestCluster({**machine.variables, "KUBECONFIG": kubeconfig}, IMAGE))


def test_down_keeps_the_cluster_and_another_environment_takes_it_and_leaves_it(
    machine: KindMachine, command: CommandLine
) -> None:
    down = run_long(command, "down", "--timeout", "180s")
    other = replace(command, name=f"{NAME}-other")
    try:
        # The nodes have the image already.
        done = run_long(other, "up", "--on", "kind", "--timeout", "400s")
        taken = recorded(other)
    finally:
        purged = run_long(other, "down", "--purge", "--timeout", "180s")

    assert down.returncode == 0, down.stderr
    assert done.returncode == 0, done.stderr
    assert taken["kind_created"] == "off"
    assert purged.returncode == 0, purged.stderr
    assert f"cluster {CLUSTER} stays" in purged.stderr
    assert not other.root.exists()
    assert CLUSTER in machine.kind("get", "clusters").split()


def test_purge_deletes_the_cluster_that_was_made_for_it_and_nothing_is_left(
    machine: KindMachine, command: CommandLine
) -> None:
    down = run_long(command, "down", "--purge", "--timeout", "180s")

    left = machine.engine("ps", "-aq", "--filter", f"label=io.x-k8s.kind.cluster={CLUSTER}")
    assert down.returncode == 0, down.stderr
    assert CLUSTER not in machine.kind("get", "clusters").split()
    assert left.strip() == ""
    assert not command.root.exists()
    assert os.listdir(command.home) == [".locks"]
