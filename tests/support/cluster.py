"""A real cluster for tests, where there is one: the one that KUBECONFIG names, or the lab's.

`KUBECONFIG` alone is not enough: the context must be on the list that allows things to be broken
there (BOOKPAY_KUBE_CONTEXTS), and the image must be in the cluster (BOOKPAY_TEST_IMAGE). Without
these a lab is started if there is one (BOOKPAY_LAB, or the folder `lab` of a `shared` beside the
project), and the image is built for it. Where there is neither, tests are skipped and say so.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from bookpayctl.runs.waiting import wait_until
from tests.support.command_line import CommandLine
from tests.support.lab import IMAGE, lab_of_our_own, lab_script

UP_SECONDS_MAX: Final = 600
ENVIRONMENT: Final = "tests"


@dataclass(frozen=True)
class TestCluster:
    """What a command needs in its environment to find the cluster, and what is run there."""

    # Not a test, whatever its name begins with.
    __test__ = False

    variables: dict[str, str]
    image: str

    def kubectl(self, *arguments: str) -> str:
        done = subprocess.run(
            ["kubectl", *arguments],
            env={**os.environ, **self.variables},
            capture_output=True,
            text=True,
            timeout=360,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@contextmanager
def cluster_at_hand(folder: Path) -> Iterator[TestCluster]:
    """The cluster with the image in it; the test is skipped where there is none."""
    if os.environ.get("KUBECONFIG") and os.environ.get("BOOKPAY_KUBE_CONTEXTS"):
        yield TestCluster({}, os.environ.get("BOOKPAY_TEST_IMAGE", IMAGE))
        return
    lab = lab_script()
    if lab is None:
        pytest.skip("no cluster: neither KUBECONFIG with BOOKPAY_KUBE_CONTEXTS, nor a lab")
    if os.geteuid() != 0:
        pytest.skip("no cluster: the lab needs root")
    with lab_of_our_own(lab, folder) as variables:
        yield TestCluster(variables, IMAGE)


@contextmanager
def environment_in_cluster(cluster: TestCluster, home: Path) -> Iterator[CommandLine]:
    """A whole stack in the cluster, taken down at the end; then nothing of it may be left.

    The first `up` is killed half-way, so that each use shows that a second one finishes its work.
    """
    command = CommandLine(home, cluster.variables, ENVIRONMENT)
    home.mkdir(exist_ok=True)
    up = ("up", "--on", "kube", "--image", cluster.image, "--timeout", f"{UP_SECONDS_MAX}s")
    try:
        kill_half_way(cluster, command, up)
        done = run_long(command, *up)
        assert done.returncode == 0, done.stderr
        yield command
    finally:
        down = run_long(command, "down", "--timeout", "300s")
        assert down.returncode == 0, down.stderr
        assert left_in(cluster) == []


def kill_half_way(cluster: TestCluster, command: CommandLine, up: tuple[str, ...]) -> None:
    """Begin an `up`, and kill it when some of what it makes is there, and not all of it."""
    begun = command.begin(*up)
    try:
        half_way = wait_until(
            lambda: "statefulset" in _objects(cluster, "statefulsets"),
            bool,
            deadline_seconds=120.0,
        )
        assert half_way.reached, "no StatefulSet after two minutes"
    finally:
        begun.kill()
        begun.communicate()


def left_in(cluster: TestCluster) -> list[str]:
    """Whatever bears an environment's label, anywhere."""
    kinds = "namespaces,pods,services,deployments,statefulsets,jobs,secrets,configmaps"
    kinds += ",persistentvolumeclaims,networkpolicies,poddisruptionbudgets,leases"
    return _objects(cluster, kinds).split()


def _objects(cluster: TestCluster, kinds: str) -> str:
    return cluster.kubectl("get", kinds, "-A", "-l", "bookpay.dev/environment", "-o", "name")


def run_long(command: CommandLine, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command that may take as long as a whole stack needs."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "bookpayctl", *arguments],
        env=command.variables(),
        cwd=command.home.parent,
        capture_output=True,
        text=True,
        timeout=UP_SECONDS_MAX + 300,
        check=False,
    )
