"""What `up` in a real cluster refuses, and what it says when something does not become ready.

Whatever happens, nothing half done stays behind.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import yaml

from tests.support.cluster import TestCluster
from tests.support.command_line import CommandLine
from tests.support.lab import ROOT

pytestmark = [pytest.mark.acceptance]

SPACES = ("bookstore-platform-payments", "kafka-system")
NAME = "refused"
ACCOUNT = "bookpay-limited"


@pytest.fixture
def command(cluster: TestCluster, tmp_path: Path) -> CommandLine:
    home = tmp_path / "home"
    home.mkdir()
    return CommandLine(home, cluster.variables, NAME)


@pytest.fixture(autouse=True)
def nothing_is_left(cluster: TestCluster) -> Iterator[None]:
    yield
    left = cluster.kubectl("get", "namespaces", "-o", "name").split()
    assert [space for space in SPACES if f"namespace/{space}" in left] == []


def up(command: CommandLine, *arguments: str) -> subprocess.CompletedProcess[str]:
    return command.run("up", "--on", "kube", *arguments)


def test_a_context_that_nobody_allowed_is_refused_by_its_name(
    cluster: TestCluster, tmp_path: Path
) -> None:
    context = cluster.kubectl("config", "current-context").strip()
    command = CommandLine(tmp_path, {**cluster.variables, "BOOKPAY_KUBE_CONTEXTS": ""}, NAME)

    done = up(command)

    assert done.returncode == 6
    assert repr(context) in done.stderr
    assert f"BOOKPAY_KUBE_CONTEXTS={context}" in done.stderr


def test_a_namespace_of_somebody_else_is_refused_and_stays(
    cluster: TestCluster, command: CommandLine
) -> None:
    cluster.kubectl("create", "namespace", SPACES[0])
    try:
        done = up(command)
        still_there = cluster.kubectl("get", "namespace", SPACES[0], "-o", "name")
    finally:
        cluster.kubectl("delete", "namespace", SPACES[0], "--wait")

    assert done.returncode == 6
    assert SPACES[0] in done.stderr
    assert still_there.strip() == f"namespace/{SPACES[0]}"


def test_an_image_that_is_not_there_is_named_and_not_waited_for(command: CommandLine) -> None:
    done = up(command, "--image", "bookpay:absent", "--timeout", "200s")

    assert done.returncode == 3, done.stderr
    assert "image bookpay:absent cannot be had" in done.stderr
    assert "bookpayctl image build" in done.stderr


def test_a_pod_that_no_node_takes_is_told_at_the_deadline(
    cluster: TestCluster, command: CommandLine, tmp_path: Path
) -> None:
    overlay = tmp_path / "overlay"
    overlay.mkdir()
    patch = {
        "op": "add",
        "path": "/spec/template/spec/nodeSelector",
        "value": {"nobody": "has-this"},
    }
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [relative(ROOT / "manifests" / "overlays" / "standalone", overlay)],
        "patches": [
            {
                "target": {"kind": "Deployment", "name": "payments-gateway"},
                "patch": yaml.safe_dump([patch]),
            }
        ],
    }
    (overlay / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))

    done = up(command, "--overlay", str(overlay), "--image", cluster.image, "--timeout", "30s")

    assert done.returncode == 124, done.stderr
    assert "payments-gateway: 0 of 2 ready; no node takes it" in done.stderr


def test_a_verb_that_the_account_lacks_is_named_before_anything_is_done(
    cluster: TestCluster, tmp_path: Path
) -> None:
    rules = [
        {
            "apiGroups": ["*"],
            "resources": ["*"],
            "verbs": ["get", "list", "watch", "create", "patch", "update"],
        }
    ]
    with account(cluster, rules, tmp_path) as kubeconfig:
        variables = {**cluster.variables, "KUBECONFIG": str(kubeconfig)}
        variables["BOOKPAY_KUBE_CONTEXTS"] = "limited"
        command = CommandLine(tmp_path, variables, NAME)
        done = up(command)

    assert done.returncode == 2, done.stderr
    assert "may not delete" in done.stderr
    assert "nothing was changed" in done.stderr


def test_a_full_disk_is_told_and_the_cluster_is_left_as_it_was(
    cluster: TestCluster, tmp_path: Path
) -> None:
    with full_disk(tmp_path / "disk") as disk:
        done = up(CommandLine(disk / "home", cluster.variables, NAME))

    assert done.returncode == 2, done.stderr
    assert f"No space left on device: {disk}" in done.stderr
    assert "BOOKPAY_HOME" in done.stderr


@contextmanager
def full_disk(folder: Path) -> Iterator[Path]:
    """A disk of its own, on which folders may still be made, and nothing be written."""
    folder.mkdir()
    # The lab's own condition; elsewhere a test user may not mount.
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", folder], check=True)
    try:
        with (folder / "filled").open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(b"x" * 4096)
        (folder / "home").mkdir()
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def relative(place: Path, start: Path) -> str:
    """kustomize takes relative paths alone."""
    up_to_root = "/".join([".."] * len(start.resolve().parts[1:]))
    return f"{up_to_root}/{'/'.join(place.resolve().parts[1:])}"


@contextmanager
def account(
    cluster: TestCluster, rules: list[dict[str, list[str]]], folder: Path
) -> Iterator[Path]:
    """A service account with these rules, and a kubeconfig that is its."""
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": ACCOUNT},
        "rules": rules,
    }
    (folder / "role.yaml").write_text(yaml.safe_dump(role))
    try:
        cluster.kubectl("apply", "-f", str(folder / "role.yaml"))
        cluster.kubectl("create", "serviceaccount", ACCOUNT, "-n", "default")
        cluster.kubectl(
            *("create", "clusterrolebinding", ACCOUNT, f"--clusterrole={ACCOUNT}"),
            f"--serviceaccount=default:{ACCOUNT}",
        )
        yield kubeconfig_of(cluster, folder)
    finally:
        for kind in ("clusterrolebinding", "clusterrole", "serviceaccount"):
            cluster.kubectl("delete", kind, ACCOUNT, "-n", "default", "--ignore-not-found")


def kubeconfig_of(cluster: TestCluster, folder: Path) -> Path:
    """The kubeconfig at hand, with the account's token instead of its user."""
    token = cluster.kubectl("create", "token", ACCOUNT, "-n", "default").strip()
    found = yaml.safe_load(cluster.kubectl("config", "view", "--raw", "--minify", "--flatten"))
    context = {"cluster": found["contexts"][0]["context"]["cluster"], "user": "limited"}
    found |= {
        "users": [{"name": "limited", "user": {"token": token}}],
        "contexts": [{"name": "limited", "context": context}],
        "current-context": "limited",
    }
    place = folder / "limited.kubeconfig"
    place.write_text(yaml.safe_dump(found))
    place.chmod(0o600)
    return place
