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
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from bookpayctl.runs.waiting import wait_until
from tests.support.command_line import CommandLine

ROOT: Final = Path(__file__).parents[2]
IMAGE: Final = "bookpay:dev"
LAB_CONTEXT: Final = "lab"
LAB_SECONDS_MAX: Final = 600
UP_SECONDS_MAX: Final = 600
ENVIRONMENT: Final = "tests"


class LabError(RuntimeError):
    """The lab did not do as it was asked; the message holds its last words."""


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
    with _lab(lab, folder) as variables:
        yield TestCluster(variables, IMAGE)


def lab_script() -> Path | None:
    """The lab's program, where there is a lab."""
    named = os.environ.get("BOOKPAY_LAB")
    places = [Path(named)] if named else [ROOT.parent / "shared" / "lab"]
    found = [place / "lab.sh" for place in places if (place / "lab.sh").is_file()]
    return found[0] if found else None


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


@contextmanager
def _lab(lab: Path, folder: Path) -> Iterator[dict[str, str]]:
    """The lab, started and with the image in it; stopped again if it did not run before."""
    ran_before = _lab_runs()
    try:
        said = lab_command(lab, "env" if ran_before else "up")
        base = base_archive(lab)
    except LabError as error:
        # What is not ours and does not start here is not there.
        pytest.skip(f"no cluster: {error}")
    variables = {"BOOKPAY_KUBE_CONTEXTS": LAB_CONTEXT}
    for word in said.replace("export ", "").split():
        key, _, value = word.partition("=")
        variables[key] = os.path.expandvars(value)
    try:
        archive = folder / "image.tar"
        build_image(archive, base)
        lab_command(lab, "load", str(archive))
        archive.unlink()
        yield variables
    finally:
        if not ran_before:
            lab_command(lab, "down", "--wipe")


def _lab_runs() -> bool:
    state = Path(os.environ.get("STATE", "/var/lib/klab"))
    kubectl, config = state / "bin" / "kubectl", state / "admin.kubeconfig"
    if not kubectl.exists() or not config.exists():
        return False
    asked = [str(kubectl), "--kubeconfig", str(config), "get", "--raw", "/readyz"]
    return subprocess.run(asked, capture_output=True, timeout=60, check=False).returncode == 0


def base_archive(lab: Path) -> Path:
    """Where the lab keeps the base image; made when it is not there."""
    home = Path(os.environ.get("LAB_HOME", Path.home() / ".cache" / "bookpay-lab"))
    base = home / "lab" / "base" / "python.tar"
    if not base.exists():
        lab_command(lab, "base")
    return base


def build_image(archive: Path, base: Path) -> None:
    """Write the image of this checkout, under the name that the manifests have."""
    command = [sys.executable, "-P", "-m", "bookpayctl", "image", "build", "--tag", IMAGE]
    command += ["--archive", str(archive), "--base", str(base)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=LAB_SECONDS_MAX, check=False
    )
    assert done.returncode == 0, done.stderr


def lab_command(lab: Path, *arguments: str) -> str:
    """Run the lab's program and return what it says.

    Raises:
        LabError: it failed.
    """
    # Into files: what it starts keeps them open, and would a pipe, too.
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        done = subprocess.run(
            ["bash", str(lab), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            timeout=LAB_SECONDS_MAX,
            check=False,
        )
        out.seek(0)
        err.seek(0)
        if done.returncode != 0:
            raise LabError(f"lab.sh {arguments[0]} failed: {err.read()[-1000:]}")
        return out.read()


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
