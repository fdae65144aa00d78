"""The lab: a program beside the project that starts a real Kubernetes on this machine, as root.

There is one of it on a machine, so a run of tests has it to itself: another run at the same time
skips what needs it. What a run that was killed left in it is wiped, never taken for this run's.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
IMAGE: Final = "bookpay:dev"
LAB_CONTEXT: Final = "lab"
LAB_SECONDS_MAX: Final = 600
# In the lab's own folder: there as long as what it says of is.
BEGUN_BY_TESTS: Final = "begun-by-tests"
ENVIRONMENTS: Final = ("get", "namespaces", "-l", "bookpay.dev/environment", "-o", "name")


class LabError(RuntimeError):
    """The lab did not do as it was asked; the message holds its last words."""


def lab_script() -> Path | None:
    """The lab's program, where there is a lab."""
    named = os.environ.get("BOOKPAY_LAB")
    places = [Path(named)] if named else [ROOT.parent / "shared" / "lab"]
    found = [place / "lab.sh" for place in places if (place / "lab.sh").is_file()]
    return found[0] if found else None


@contextmanager
def lab_of_our_own(lab: Path, folder: Path) -> Iterator[dict[str, str]]:
    """The lab with the image in it, and nothing else of ours; as it was found when it ends.

    Yields:
        What a command needs in its environment to find it.
    """
    with nobody_elses(), _running(lab) as said:
        variables = {"BOOKPAY_KUBE_CONTEXTS": LAB_CONTEXT}
        for word in said.replace("export ", "").split():
            key, _, value = word.partition("=")
            variables[key] = os.path.expandvars(value)
        archive = folder / "image.tar"
        build_image(archive, base_archive(lab))
        lab_command(lab, "load", str(archive))
        archive.unlink()
        yield variables


@contextmanager
def nobody_elses() -> Iterator[None]:
    """This machine's lab, for this process alone; a test is skipped while another run has it."""
    place = Path(tempfile.gettempdir()) / "bookpay-tests-lab.lock"
    with place.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pytest.skip(f"no cluster: another run of tests has the lab ({place} is locked)")
        yield


@contextmanager
def _running(lab: Path) -> Iterator[str]:
    """One that somebody started by hand is used and left; any other begins and ends with us."""
    mark = _state() / BEGUN_BY_TESTS
    if _runs() and not mark.exists():
        if theirs := _kubectl(*ENVIRONMENTS).split():
            pytest.skip(f"no cluster: the lab that runs has {', '.join(theirs)} in it")
        yield lab_command(lab, "env")
        return
    try:
        if _state().exists():
            # Of a run that was killed; what it left would be taken for this one's.
            lab_command(lab, "down", "--wipe")
        _state().mkdir(parents=True)
        mark.touch()
        said = lab_command(lab, "up")
        base_archive(lab)
    except LabError as error:
        # What is not ours and does not start here is not there.
        pytest.skip(f"no cluster: {error}")
    try:
        yield said
    finally:
        lab_command(lab, "down", "--wipe")


def _state() -> Path:
    return Path(os.environ.get("STATE", "/var/lib/klab"))


def _runs() -> bool:
    try:
        return _kubectl("get", "--raw", "/readyz") != ""
    except (LabError, OSError):
        return False


def _kubectl(*arguments: str) -> str:
    program, config = _state() / "bin" / "kubectl", _state() / "admin.kubeconfig"
    done = subprocess.run(
        [program, "--kubeconfig", config, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode != 0:
        raise LabError(done.stderr)
    return done.stdout


def lab_files() -> Path:
    """Where the lab keeps what it has unpacked."""
    home = Path(os.environ.get("LAB_HOME", Path.home() / ".cache" / "bookpay-lab"))
    return home / "lab"


def base_archive(lab: Path) -> Path:
    """Where the lab keeps the base image; made when it is not there."""
    base = lab_files() / "base" / "python.tar"
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
