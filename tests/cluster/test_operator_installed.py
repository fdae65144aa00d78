"""`up --operators cnpg` with the real CloudNativePG: brought in a folder, used, taken out again.

Its files and images come from the lab, or from who runs this: BOOKPAY_TEST_OPERATOR_FILES is what
--manifests names then, and the images must be in the cluster.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
import yaml

from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets.kube.operators.pins import pinned_operators
from tests.support.cluster import TestCluster, left_in, run_long
from tests.support.command_line import CommandLine, verdicts
from tests.support.lab import ROOT, lab_command, lab_files, lab_script

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(
        not os.environ.get("BOOKPAY_OPERATORS"),
        reason="set BOOKPAY_OPERATORS=1: some minutes with an operator",
    ),
]

CNPG: Final = pinned_operators()[0]
NAME: Final = "installed"
LABEL: Final = "bookpay.dev/installed-for"
CLUSTER_WIDE: Final = (
    "namespaces,customresourcedefinitions,clusterroles,clusterrolebindings,"
    "mutatingwebhookconfigurations,validatingwebhookconfigurations"
)
UP_SECONDS_MAX: Final = 420
NODE_REPORTS_SECONDS_MAX: Final = 90.0


@pytest.fixture(scope="module")
def files(cluster: TestCluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder for --manifests, with the images of it in the cluster."""
    if cluster.kubectl("get", "crd", "-o", "name", "--ignore-not-found", CNPG.crd).strip():
        pytest.skip("CloudNativePG is in the cluster already: its installation would prove nothing")
    given = os.environ.get("BOOKPAY_TEST_OPERATOR_FILES")
    if given:
        return Path(given)
    lab = lab_script()
    if lab is None:
        pytest.skip("no operator: neither BOOKPAY_TEST_OPERATOR_FILES nor a lab")
    brought = lab_files() / "extra"
    if not (brought / "cnpg-operator.tar").exists():
        pytest.skip("the lab has not unpacked CloudNativePG yet: lab.sh cnpg does, in a lab")
    lab_command(lab, "load", str(brought / "cnpg-operator.tar"))
    folder = tmp_path_factory.mktemp("manifests")
    (name,) = CNPG.files
    # The lab's copy asks no registry for the image; upstream's, which is pinned, does.
    policy = "imagePullPolicy: "
    text = (brought / name).read_text().replace(f"{policy}IfNotPresent", f"{policy}Always")
    (folder / CNPG.folder).mkdir()
    (folder / CNPG.folder / name).write_text(text)
    return folder


@pytest.fixture(scope="module")
def overlay(cluster: TestCluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """overlays/cnpg with a PostgreSQL that the cluster has."""
    image = os.environ.get("BOOKPAY_TEST_POSTGRES_IMAGE") or labs_postgres(cluster)
    # kustomize takes no absolute path, and follows links before it goes up.
    folder = tmp_path_factory.mktemp("overlay").resolve()
    document = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [os.path.relpath(ROOT / "manifests" / "overlays" / "cnpg", folder)],
        "patches": [
            {
                "target": {"kind": "Cluster", "group": "postgresql.cnpg.io"},
                "patch": yaml.safe_dump(
                    [
                        {"op": "replace", "path": "/spec/imageName", "value": image},
                        {"op": "add", "path": "/spec/imagePullPolicy", "value": "IfNotPresent"},
                    ]
                ),
            }
        ],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(document))
    return folder


def labs_postgres(cluster: TestCluster) -> str:
    # A node tells of a new image when it reports the next time.
    found = wait_until(
        lambda: _postgres_images(cluster), bool, deadline_seconds=NODE_REPORTS_SECONDS_MAX
    ).value
    if not found:
        pytest.skip("the node has no PostgreSQL for CloudNativePG: lab.sh pg trixie 17")
    return found[-1]


def _postgres_images(cluster: TestCluster) -> list[str]:
    names = cluster.kubectl("get", "nodes", "-o", "jsonpath={.items[*].status.images[*].names[*]}")
    return sorted(name for name in names.split() if "/postgresql:" in name)


@pytest.fixture(scope="module")
def command(
    cluster: TestCluster, files: Path, overlay: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[CommandLine]:
    home = tmp_path_factory.mktemp("installed") / "home"
    home.mkdir()
    own = {
        "BOOKPAY_OVERLAY": str(overlay),
        "BOOKPAY_INSTALL_OPERATORS": "cnpg",
        "BOOKPAY_OPERATOR_MANIFESTS": str(files),
    }
    command = CommandLine(home, {**cluster.variables, **own}, NAME)
    try:
        yield command
    finally:
        if command.root.exists():
            down = run_long(command, "down", "--purge", "--timeout", "300s")
            assert down.returncode == 0, down.stderr
        assert left_in(cluster) == []
        assert installed(cluster) == []


def up(cluster: TestCluster, command: CommandLine, *more: str) -> tuple[int, str]:
    arguments = ("up", "--on", "kube", "--image", cluster.image)
    done = run_long(command, *arguments, "--timeout", f"{UP_SECONDS_MAX}s", *more)
    return done.returncode, done.stderr


def installed(cluster: TestCluster) -> list[str]:
    return cluster.kubectl("get", CLUSTER_WIDE, "-l", LABEL, "-o", "name").split()


def test_without_it_up_is_refused_and_nothing_is_changed(
    cluster: TestCluster, command: CommandLine
) -> None:
    code, said = up(cluster, command, "--operators", "none")

    assert code == 6, said
    assert "CloudNativePG" in said
    assert "--operators cnpg" in said
    assert left_in(cluster) == []


def test_files_that_are_not_the_pinned_ones_are_refused_and_nothing_is_changed(
    cluster: TestCluster, command: CommandLine, files: Path, tmp_path: Path
) -> None:
    (name,) = CNPG.files
    (tmp_path / CNPG.folder).mkdir()
    (tmp_path / CNPG.folder / name).write_text((files / CNPG.folder / name).read_text() + "\n")

    other, said = up(cluster, command, "--manifests", str(tmp_path))
    lacking, why = up(cluster, command, "--manifests", str(tmp_path / "empty"))

    assert other == 6, said
    assert lacking == 3, why
    assert f"{CNPG.folder}/{name}" in why
    assert installed(cluster) == left_in(cluster) == []


def test_it_is_installed_and_the_stack_on_it_works(
    cluster: TestCluster, command: CommandLine
) -> None:
    code, said = up(cluster, command)

    assert code == 0, said
    assert f"customresourcedefinition.apiextensions.k8s.io/{CNPG.crd}" in installed(cluster)
    assert set(verdicts(command.ask("check")).values()) == {"holds"}
    assert command.ask("order", "place", "--wait", "paid")["exit"]["code"] == 0
    assert command.ask("audit", "--age", "1s")["verdict"] == "holds"


def test_down_leaves_it_and_another_environment_uses_it_and_leaves_it(
    cluster: TestCluster, command: CommandLine
) -> None:
    down = run_long(command, "down", "--timeout", "300s")
    before = installed(cluster)
    other = replace(command, name=f"{NAME}-other")
    try:
        code, said = up(cluster, other)
    finally:
        purged = run_long(other, "down", "--purge", "--timeout", "300s")

    assert down.returncode == 0, down.stderr
    assert code == 0, said
    assert f"{CNPG.title}" in said
    assert "stays as it is" in said
    assert purged.returncode == 0, purged.stderr
    assert installed(cluster) == before != []


def test_it_stays_while_anybody_uses_it_and_goes_with_purge(
    cluster: TestCluster, command: CommandLine, tmp_path: Path
) -> None:
    code, said = up(cluster, command)
    assert code == 0, said
    somebodys = tmp_path / "somebodys.yaml"
    somebodys.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "postgresql.cnpg.io/v1",
                "kind": "Cluster",
                "metadata": {"name": "somebodys", "namespace": "default"},
                "spec": {"instances": 1, "storage": {"size": "1Gi"}},
            }
        )
    )
    cluster.kubectl("apply", "-f", str(somebodys))
    try:
        first = run_long(command, "down", "--purge", "--timeout", "300s")
        kept = installed(cluster)
    finally:
        cluster.kubectl("delete", "-f", str(somebodys), "--wait")
    # Purged, so the environment is forgotten here; the cluster still says whose the operator is.
    again, words = up(cluster, command)
    second = run_long(command, "down", "--purge", "--timeout", "300s")

    assert first.returncode == 0, first.stderr
    assert "cluster default/somebodys" in first.stderr
    assert kept != []
    assert again == 0, words
    assert second.returncode == 0, second.stderr
    assert installed(cluster) == []
