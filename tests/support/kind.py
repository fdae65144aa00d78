"""A machine with kind for tests: the one at hand, or the lab's own engine and node image.

Only where it is asked for (BOOKPAY_KIND=1): a cluster takes a minute, and some GB of disk and of
memory beside everything else. Another cluster of the lab does not run at the same time.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
import yaml

from tests.support.lab import (
    IMAGE,
    LabError,
    base_archive,
    build_image,
    lab_command,
    lab_script,
    nobody_elses,
)

OPTED_IN: Final = bool(os.environ.get("BOOKPAY_KIND"))
asked_for: Final = pytest.mark.skipif(
    not OPTED_IN, reason="set BOOKPAY_KIND=1: some minutes with kind and docker"
)

# What a node needs on a machine with version 1 of control groups, and addresses that the lab leaves
# free. Users of other machines need none of it.
_KUBELET: Final = """\
kind: KubeletConfiguration
apiVersion: kubelet.config.k8s.io/v1beta1
failCgroupV1: false
oomScoreAdj: 0
"""
LABS_CONFIG: Final = {
    "kind": "Cluster",
    "apiVersion": "kind.x-k8s.io/v1alpha4",
    "networking": {"podSubnet": "198.19.128.0/18", "serviceSubnet": "198.19.64.0/24"},
    "kubeadmConfigPatches": [_KUBELET],
    "nodes": [{"role": "control-plane"}],
}


@dataclass(frozen=True, slots=True)
class KindMachine:
    """What a command needs in its environment to make clusters, and the image that is loaded."""

    variables: dict[str, str]
    archive: Path

    def kind(self, *arguments: str) -> str:
        return self.run("kind", *arguments)

    def engine(self, *arguments: str) -> str:
        return self.run("docker", *arguments)

    def run(self, program: str, *arguments: str) -> str:
        variables = {**os.environ, **self.variables}
        path = shutil.which(program, path=variables["PATH"])
        assert path is not None, f"{program} is not on PATH"
        done = subprocess.run(
            [path, *arguments],
            env=variables,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@contextmanager
def kind_at_hand(folder: Path) -> Iterator[KindMachine]:
    """A machine that can make clusters; the test is skipped where there is none."""
    with _machine(folder) as variables:
        given = os.environ.get("BOOKPAY_TEST_ARCHIVE")
        archive = Path(given) if given else folder / "image.tar"
        if not given:
            lab = lab_script()
            if lab is None:
                pytest.skip("no image: neither BOOKPAY_TEST_ARCHIVE, nor a lab to build one on")
            build_image(archive, base_archive(lab))
        yield KindMachine(variables, archive)


@contextmanager
def _machine(folder: Path) -> Iterator[dict[str, str]]:
    if _answers():
        yield {}
        return
    lab = lab_script()
    if lab is None or os.geteuid() != 0:
        pytest.skip("no kind: neither kind and docker that answer, nor a lab and root")
    with nobody_elses(), _labs_engine(lab, folder) as variables:
        yield variables


@contextmanager
def _labs_engine(lab: Path, folder: Path) -> Iterator[dict[str, str]]:
    try:
        said = lab_command(lab, "kind", "up")
    except LabError as error:
        pytest.skip(f"no kind: {error}")
    config = folder / "kind.yaml"
    config.write_text(yaml.safe_dump(LABS_CONFIG))
    variables = {
        key: os.path.expandvars(value)
        for key, value in re.findall(r"(\w+)=(\S+)", said.replace("export ", ""))
    }
    try:
        yield {**variables, "BOOKPAY_KIND_CONFIG": str(config)}
    finally:
        lab_command(lab, "kind", "down")


def _answers() -> bool:
    if shutil.which("kind") is None:
        return False
    asked = subprocess.run(
        ["kind", "get", "clusters"], capture_output=True, check=False, timeout=60
    )
    return asked.returncode == 0


def another_image(archive: Path, target: Path) -> str:
    """The same image with one label more under the same name; its id."""
    with tarfile.open(archive) as old, tarfile.open(target, "w") as new:
        listed = json.loads(_content(old, "manifest.json"))
        name = listed[0]["Config"]
        config = json.loads(_content(old, name))
        config["config"]["Labels"]["dev.bookpay.test"] = "another"
        changed = json.dumps(config).encode()
        for member in old.getmembers():
            if member.name == name:
                member.size = len(changed)
                new.addfile(member, io.BytesIO(changed))
            else:
                new.addfile(member, old.extractfile(member))
    from bookpayctl.targets.kind.image_archive import read_archived_image

    return read_archived_image(target, IMAGE).image_id


def _content(archive: tarfile.TarFile, name: str) -> bytes:
    stream = archive.extractfile(name)
    assert stream is not None, name
    return stream.read()
